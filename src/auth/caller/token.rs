//! The server's own tokens: what `jwt/token` hands out and what `Authorization: Bearer` brings
//! back.
//!
//! Pure: clock and token names are passed in. HS256 only, issuer `nauthilus` only; an access token
//! names its user in `username`, a refresh token says that it is one, and neither is accepted as
//! the other. New tokens are signed with the first secret; those of the other secrets are good
//! until they expire, so that a secret can be changed without an outage. Rules: RFC 7519 section
//! 4.1, RFC 8725.

use super::fingerprint::{Fingerprint, Fingerprints};
use super::jws::{self, Verified};
use crate::secret::Secret;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// `server.jwt_auth`, enabled.
pub struct Jwt {
    /// Signs. Never empty: the configuration sees to it.
    pub secret: Secret,
    /// Secrets of before: they verify only.
    pub previous: Vec<Secret>,
    pub expiry: Duration,
    /// For how long a refresh token is good; `None`: there are none.
    pub refresh_expiry: Option<Duration>,
    /// A token is good as long as Redis holds it for its user.
    pub stored: bool,
    /// Who may fetch a token; none: users whom the backends accept.
    pub users: Vec<User>,
}

/// A user of the API.
pub struct User {
    pub name: String,
    pub password: Fingerprint,
    pub roles: Vec<String>,
}

/// A new pair of tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    pub token: String,
    pub refresh: Option<String>,
    /// Unix seconds.
    pub expires_at: u64,
}

/// Whose access token it is, and what its bearer may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bearer {
    pub username: String,
    pub roles: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    roles: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_type: Option<String>,
    iss: String,
    sub: String,
    exp: f64,
    nbf: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    iat: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jti: Option<String>,
}

impl Jwt {
    /// The configured user with this password. Every user is compared, so that the time does not
    /// tell who exists.
    pub fn user(&self, fingerprints: &Fingerprints, name: &str, password: &[u8]) -> Option<&User> {
        let given = fingerprints.of(&[password]);
        self.users.iter().fold(None, |found, user| {
            let is_right = given.matches(&user.password) & (user.name == name);
            if is_right { Some(user) } else { found }
        })
    }

    /// A new pair for this user. `id` names the tokens: two of one second differ.
    pub fn issue(&self, username: &str, roles: &[String], id: &str, now: u64) -> Option<Pair> {
        let expires_at = now.saturating_add(self.expiry.as_secs().max(1));
        let claims = |kind: Option<&str>, exp: u64, jti: String| Claims {
            username: kind.is_none().then(|| username.to_owned()),
            // Of configured users the configuration knows the roles; those of other issuers are
            // unknown.
            roles: if kind.is_none() || self.users.is_empty() {
                roles.to_vec()
            } else {
                Vec::new()
            },
            token_type: kind.map(str::to_owned),
            iss: ISSUER.to_owned(),
            sub: username.to_owned(),
            exp: exp as f64,
            nbf: now as f64,
            iat: Some(now as f64),
            jti: Some(jti),
        };
        let sign = |claims: Claims| jws::sign_hs256(&whole_seconds(&claims)?, self.secret.expose());
        let refresh = match self.refresh_expiry {
            Some(expiry) => Some(sign(claims(
                Some(REFRESH),
                now.saturating_add(expiry.as_secs().max(1)),
                format!("{id}r"),
            ))?),
            None => None,
        };
        Some(Pair { token: sign(claims(None, expires_at, id.to_owned()))?, refresh, expires_at })
    }

    /// Whose access token this is, if it is one and good now.
    pub fn access(&self, token: &[u8], now: u64) -> Option<Bearer> {
        let claims = self.claims(token, now)?;
        let username = claims
            .username
            .filter(|username| *username == claims.sub && claims.token_type.is_none())?;
        Some(Bearer { username, roles: claims.roles })
    }

    /// Whose refresh token this is, if it is one and good now.
    pub fn refresh(&self, token: &[u8], now: u64) -> Option<String> {
        let claims = self.claims(token, now)?;
        (claims.token_type.as_deref() == Some(REFRESH)).then_some(claims.sub)
    }

    /// The roles that a refresh token carries: those of a user whom the backends know.
    pub fn refreshed_roles(&self, token: &[u8], now: u64) -> Vec<String> {
        self.claims(token, now)
            .filter(|claims| claims.token_type.is_some())
            .map(|claims| claims.roles)
            .unwrap_or_default()
    }

    fn claims(&self, token: &[u8], now: u64) -> Option<Claims> {
        let secrets = std::iter::once(&self.secret).chain(&self.previous).map(Secret::expose);
        let verified: Verified = jws::parse(token)?.verify_hs256(secrets)?;
        let claims: Claims = serde_json::from_slice(verified.payload()).ok()?;
        let is_good = claims.iss == ISSUER && is_current(Some(claims.exp), Some(claims.nbf), now);
        (is_good && !claims.sub.is_empty()).then_some(claims)
    }
}

/// The claims as JSON, times as whole numbers as every reader expects them.
fn whole_seconds(claims: &Claims) -> Option<Vec<u8>> {
    let mut value = serde_json::to_value(claims).ok()?;
    for name in ["exp", "nbf", "iat"] {
        if let Some(time) = value.get_mut(name) {
            *time = (time.as_f64()? as u64).into();
        }
    }
    serde_json::to_vec(&value).ok()
}

/// Whether a token with these times, in Unix seconds, is good at `now`. One that never expires is
/// not. Fractions are allowed (RFC 7519 2).
pub(super) fn is_current(expires: Option<f64>, not_before: Option<f64>, now: u64) -> bool {
    let now = now as f64;
    // Comparisons with what is not a number are false: such a token is not good.
    expires.is_some_and(|at| at > now) && not_before.is_none_or(|at| at <= now + CLOCK_SKEW_S)
}

pub const ISSUER: &str = "nauthilus";
const REFRESH: &str = "refresh";

/// By how much the clock of the host that made a token may be ahead of ours.
const CLOCK_SKEW_S: f64 = 30.0;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: u64 = 1_800_000_000;
    const SECRET: &str = "0123456789abcdef0123456789abcdef";

    fn jwt() -> Jwt {
        Jwt {
            secret: SECRET.into(),
            previous: Vec::new(),
            expiry: Duration::from_secs(3600),
            refresh_expiry: Some(Duration::from_secs(86_400)),
            stored: false,
            users: Vec::new(),
        }
    }

    fn roles(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn signed(claims: &str) -> String {
        jws::sign_hs256(claims.as_bytes(), SECRET.as_bytes()).unwrap()
    }

    #[test]
    fn a_pair_is_what_it_says() {
        let pair = jwt().issue("op", &roles(&["authenticate"]), "id", NOW).unwrap();
        let bearer = Bearer { username: "op".into(), roles: roles(&["authenticate"]) };
        assert_eq!(jwt().access(pair.token.as_bytes(), NOW), Some(bearer));
        assert_eq!(jwt().refresh(pair.refresh.unwrap().as_bytes(), NOW), Some("op".into()));
        assert_eq!(pair.expires_at, NOW + 3600);
        let none = Jwt { refresh_expiry: None, ..jwt() };
        assert_eq!(none.issue("op", &[], "id", NOW).unwrap().refresh, None);
    }

    #[test]
    fn neither_token_does_for_the_other() {
        let pair = jwt().issue("op", &[], "id", NOW).unwrap();
        assert_eq!(jwt().refresh(pair.token.as_bytes(), NOW), None);
        assert_eq!(jwt().access(pair.refresh.unwrap().as_bytes(), NOW), None);
        // A refresh token of the reference, which does not say what it is.
        let plain = signed(&format!(
            r#"{{"iss":"nauthilus","sub":"op","exp":{},"nbf":{NOW},"iat":{NOW}}}"#,
            NOW + 60
        ));
        assert_eq!(
            (jwt().access(plain.as_bytes(), NOW), jwt().refresh(plain.as_bytes(), NOW)),
            (None, None)
        );
    }

    #[test]
    fn times_and_issuer_count() {
        let claims = |exp: &str, nbf: &str, iss: &str| {
            signed(&format!(
                r#"{{"username":"op","iss":"{iss}","sub":"op","exp":{exp},"nbf":{nbf}}}"#
            ))
        };
        let (soon, past) = ((NOW + 60).to_string(), (NOW - 60).to_string());
        let is_good = |token: &str| jwt().access(token.as_bytes(), NOW).is_some();
        assert!(is_good(&claims(&soon, &past, ISSUER)));
        assert!(is_good(&claims(&format!("{soon}.5"), &past, ISSUER)));
        assert!(
            is_good(&claims(&soon, &(NOW + 10).to_string(), ISSUER)),
            "a clock that is somewhat ahead"
        );
        for (exp, nbf, iss) in [
            (past.as_str(), past.as_str(), ISSUER),
            (&NOW.to_string(), &past, ISSUER),
            (&soon, &(NOW + 50).to_string(), ISSUER),
            (&soon, &past, "Nauthilus"),
            (&soon, &past, ""),
            ("\"4102444800\"", &past, ISSUER),
            ("null", &past, ISSUER),
            ("1e400", &past, ISSUER),
            ("-1", &past, ISSUER),
        ] {
            assert!(!is_good(&claims(exp, nbf, iss)), "{exp} {nbf} {iss}");
        }
        for claims in [
            r#"{"username":"op","iss":"nauthilus","sub":"op","nbf":1}"#,
            r#"{"username":"op","iss":"nauthilus","sub":"other","exp":4102444800,"nbf":1}"#,
            r#"{"username":"","iss":"nauthilus","sub":"","exp":4102444800,"nbf":1}"#,
            r#"{"username":"op","iss":"nauthilus","sub":"op","exp":4102444800,"exp":4102444801,"nbf":1}"#,
            r#"{"username":"op","roles":"admin","iss":"nauthilus","sub":"op","exp":4102444800,"nbf":1}"#,
            "null",
        ] {
            assert!(!is_good(&signed(claims)), "{claims}");
        }
    }

    #[test]
    fn a_secret_can_be_changed_without_an_outage() {
        let old = jwt().issue("op", &[], "id", NOW).unwrap().token;
        let next = "another-secret-another-secret-xx";
        let rotated = Jwt { secret: next.into(), previous: vec![SECRET.into()], ..jwt() };
        assert!(rotated.access(old.as_bytes(), NOW).is_some());
        let new = rotated.issue("op", &[], "id", NOW).unwrap().token;
        assert!(rotated.access(new.as_bytes(), NOW).is_some());
        assert!(
            jwt().access(new.as_bytes(), NOW).is_none(),
            "new tokens are signed with the new secret"
        );
        let done = Jwt { previous: Vec::new(), ..rotated };
        assert!(done.access(old.as_bytes(), NOW).is_none());
    }

    #[test]
    fn only_the_right_password_is_a_users() {
        let fingerprints = Fingerprints::new([7; 32]);
        let user = |name: &str, password: &str| User {
            name: name.into(),
            password: fingerprints.of(&[password.as_bytes()]),
            roles: Vec::new(),
        };
        let jwt = Jwt { users: vec![user("op", "operator1"), user("weak", "weakling1")], ..jwt() };
        let is_known =
            |name, password: &str| jwt.user(&fingerprints, name, password.as_bytes()).is_some();
        assert!(is_known("op", "operator1") && is_known("weak", "weakling1"));
        for (name, password) in [
            ("op", "weakling1"),
            ("op", ""),
            ("", "operator1"),
            ("Op", "operator1"),
            ("nobody", "operator1"),
        ] {
            assert!(!is_known(name, password), "{name} {password}");
        }
    }

    proptest! {
        #[test]
        fn whoever_is_issued_a_token_is_read_from_it(name in "\\PC{1,40}", names in proptest::collection::vec("\\PC{0,20}", 0..5)) {
            let pair = jwt().issue(&name, &names, "id", NOW).unwrap();
            prop_assert_eq!(jwt().access(pair.token.as_bytes(), NOW), Some(Bearer { username: name.clone(), roles: names }));
            prop_assert_eq!(jwt().refresh(pair.refresh.unwrap().as_bytes(), NOW), Some(name));
        }
    }
}
