//! Bearer tokens of an OpenID Connect provider (or any other issuer of signed JWTs).
//!
//! Pure: the clock is passed in, and so are the keys, which a periodic task fetches again and again
//! (`worker`). A token is good if one of the issuer's keys signed it, issuer and audience are the
//! configured ones, and it is neither expired nor early. Its roles are the scopes with the
//! configured prefix, and the members of the configured claim.
//!
//! As long as no keys could be fetched, or the token names one that is not among them and they have
//! not just been fetched, nothing can be said: that is a temporary failure and no wrong token.
//! Rules: RFC 7519, RFC 9068 4; specification `config.md` 8.5.
//! Bounds: [`KEYS_FOR`], [`ASK_AGAIN`].

use super::jwks::{self, PublicKey, Verification};
use super::jws;
use super::token::{Bearer, is_current};
use serde_json::Value;
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

/// `server.oidc_auth`, enabled.
pub struct Oidc {
    pub issuer: String,
    /// A token must be for one of these.
    pub audience: Vec<String>,
    /// Scopes with this prefix are roles, without it.
    pub scope_prefix: String,
    /// A claim whose members are roles; empty: none.
    pub roles_claim: String,
    pub keys: Arc<KeySet>,
}

/// What a token is worth.
#[derive(Debug, PartialEq, Eq)]
pub enum Judgement {
    Good(Bearer),
    Bad,
    /// Keys are missing.
    Unknown,
}

/// The issuer's keys: written by the task that fetches them, read by every worker.
#[derive(Default)]
pub struct KeySet(RwLock<Keys>);

#[derive(Clone, Default)]
struct Keys {
    keys: Arc<Vec<PublicKey>>,
    /// When they were fetched.
    at: Option<Instant>,
    /// A token named a key that is not among them.
    wanted: bool,
}

impl KeySet {
    /// Keys have been fetched.
    pub fn set(&self, keys: Vec<PublicKey>, now: Instant) {
        let mut inner = self.0.write().unwrap_or_else(|poisoned| poisoned.into_inner());
        *inner = Keys { keys: Arc::new(keys), at: Some(now), wanted: false };
    }

    /// Whether it is time to fetch them: every `period`, or sooner if one is missing, but not more
    /// often than every [`ASK_AGAIN`].
    pub fn is_due(&self, period: Duration, now: Instant) -> bool {
        let inner = self.read();
        let age = inner.at.map(|at| now.saturating_duration_since(at));
        age.is_none_or(|age| age >= period || (inner.wanted && age >= ASK_AGAIN))
    }

    /// Takes over the keys of another one.
    pub fn know_from(&self, other: &KeySet) {
        *self.0.write().unwrap_or_else(|poisoned| poisoned.into_inner()) = other.read();
    }

    fn want(&self) {
        if !self.read().wanted {
            self.0.write().unwrap_or_else(|poisoned| poisoned.into_inner()).wanted = true;
        }
    }

    fn read(&self) -> Keys {
        self.0.read().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }
}

impl Oidc {
    /// What the token is worth at `unix_now` seconds; `now` is the same time by the clock of the
    /// keys.
    pub fn judge(&self, token: &[u8], unix_now: u64, now: Instant) -> Judgement {
        let Some(token) = jws::parse(token) else { return Judgement::Bad };
        let keys = self.keys.read();
        let Some(age) =
            keys.at.map(|at| now.saturating_duration_since(at)).filter(|age| *age < KEYS_FOR)
        else {
            return Judgement::Unknown;
        };
        let verified = match jwks::verify(&token, &keys.keys) {
            Verification::Good(verified) => verified,
            Verification::UnknownKey if age >= ASK_AGAIN => {
                self.keys.want();
                return Judgement::Unknown;
            }
            Verification::UnknownKey | Verification::Bad => return Judgement::Bad,
        };
        match serde_json::from_slice(verified.payload()) {
            Ok(claims) => self.bearer(&claims, unix_now).map_or(Judgement::Bad, Judgement::Good),
            Err(_) => Judgement::Bad,
        }
    }

    fn bearer(&self, claims: &Value, now: u64) -> Option<Bearer> {
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        let time = |name: &str| claims.get(name).map(|time| time.as_f64().unwrap_or(f64::NAN));
        let is_for_us = words(claims.get("aud"))
            .any(|audience| self.audience.iter().any(|ours| ours == audience));
        if text("iss") != Some(&self.issuer)
            || !is_for_us
            || !is_current(time("exp"), time("nbf"), now)
        {
            return None;
        }
        let username = text("sub").or_else(|| text("client_id")).filter(|name| !name.is_empty())?;
        let scopes = words(claims.get("scope"))
            .chain(words(claims.get("scp")))
            .flat_map(|scopes| scopes.split(' '));
        let mut roles: Vec<String> = scopes
            .filter_map(|scope| scope.strip_prefix(&self.scope_prefix))
            .filter(|role| !role.is_empty())
            .map(str::to_owned)
            .collect();
        if !self.roles_claim.is_empty() {
            roles.extend(words(claims.get(&self.roles_claim)).map(str::to_owned));
        }
        Some(Bearer { username: username.to_owned(), roles })
    }
}

/// A claim that is a text or a list of texts.
fn words(claim: Option<&Value>) -> impl Iterator<Item = &str> {
    let list: &[Value] = match claim {
        Some(Value::Array(list)) => list,
        Some(one) => std::slice::from_ref(one),
        None => &[],
    };
    list.iter().filter_map(Value::as_str)
}

/// For how long keys are good that cannot be fetched again: a provider may be away for a night, but
/// a key it has withdrawn must end some time.
pub const KEYS_FOR: Duration = Duration::from_secs(24 * 3600);

/// How often tokens with unknown keys can make us ask the provider: an attacker invents them by the
/// thousand.
pub const ASK_AGAIN: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::super::jwks::tests::Issuer;
    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn oidc(issuer: &Issuer, now: Instant) -> Oidc {
        let keys = KeySet::default();
        keys.set(jwks::parse(issuer.jwks().as_bytes()).unwrap(), now);
        Oidc {
            issuer: "https://id.example".into(),
            audience: vec!["loligo".into()],
            scope_prefix: "nauthilus:".into(),
            roles_claim: "groups".into(),
            keys: Arc::new(keys),
        }
    }

    fn claims(change: impl Fn(&mut serde_json::Map<String, Value>)) -> String {
        let Value::Object(mut claims) = serde_json::json!({
            "iss": "https://id.example", "aud": ["other", "loligo"], "sub": "proxy", "exp": NOW + 60, "nbf": NOW, "scope": "openid nauthilus:authenticate",
            "groups": ["admin"],
        }) else {
            unreachable!()
        };
        change(&mut claims);
        Value::Object(claims).to_string()
    }

    #[test]
    fn a_good_token_says_who_and_what() {
        let (issuer, now) = (Issuer::new("a"), Instant::now());
        let roles = vec!["authenticate".to_owned(), "admin".to_owned()];
        let bearer = Bearer { username: "proxy".into(), roles };
        let oidc = oidc(&issuer, now);
        assert_eq!(
            oidc.judge(issuer.sign(&claims(|_| ())).as_bytes(), NOW, now),
            Judgement::Good(bearer)
        );
        let one = claims(|claims| drop(claims.insert("aud".into(), "loligo".into())));
        assert!(matches!(oidc.judge(issuer.sign(&one).as_bytes(), NOW, now), Judgement::Good(_)));
    }

    #[test]
    fn every_claim_counts() {
        let (issuer, now) = (Issuer::new("a"), Instant::now());
        let oidc = oidc(&issuer, now);
        for (name, value) in [
            ("iss", Value::from("https://evil.example")),
            ("iss", Value::from("https://id.example/")),
            ("iss", Value::Null),
            ("aud", Value::from("other")),
            ("aud", Value::from(vec![""; 0])),
            ("aud", Value::Null),
            ("exp", Value::from(NOW)),
            ("exp", Value::from("4102444800")),
            ("exp", Value::Null),
            ("nbf", Value::from(NOW + 60)),
            ("nbf", Value::from("1")),
            ("sub", Value::from("")),
        ] {
            let token =
                issuer.sign(&claims(|claims| drop(claims.insert(name.into(), value.clone()))));
            assert_eq!(oidc.judge(token.as_bytes(), NOW, now), Judgement::Bad, "{name} {value}");
        }
        for name in ["iss", "aud", "exp", "sub"] {
            let token = issuer.sign(&claims(|claims| drop(claims.remove(name))));
            assert_eq!(oidc.judge(token.as_bytes(), NOW, now), Judgement::Bad, "{name}");
        }
        let unsigned = "eyJhbGciOiJub25lIn0.e30.";
        assert_eq!(oidc.judge(unsigned.as_bytes(), NOW, now), Judgement::Bad);
    }

    #[test]
    fn without_its_key_nothing_can_be_said_of_a_token() {
        let (issuer, other, now) = (Issuer::new("a"), Issuer::new("b"), Instant::now());
        let oidc = oidc(&issuer, now);
        let token = other.sign(&claims(|_| ()));
        assert_eq!(
            oidc.judge(token.as_bytes(), NOW, now),
            Judgement::Bad,
            "the keys have just been fetched"
        );
        assert!(!oidc.keys.is_due(Duration::from_secs(600), now + ASK_AGAIN));
        assert_eq!(oidc.judge(token.as_bytes(), NOW, now + ASK_AGAIN), Judgement::Unknown);
        assert!(oidc.keys.is_due(Duration::from_secs(600), now + ASK_AGAIN));
        oidc.keys.set(jwks::parse(other.jwks().as_bytes()).unwrap(), now + ASK_AGAIN);
        assert!(matches!(oidc.judge(token.as_bytes(), NOW, now + ASK_AGAIN), Judgement::Good(_)));
        assert!(!oidc.keys.is_due(Duration::from_secs(600), now + ASK_AGAIN));
        assert!(
            oidc.keys.is_due(Duration::from_secs(600), now + ASK_AGAIN + Duration::from_secs(600))
        );
        assert_eq!(
            oidc.judge(token.as_bytes(), NOW, now + ASK_AGAIN + KEYS_FOR),
            Judgement::Unknown,
            "they are too old"
        );
        let none = Oidc { keys: Arc::default(), ..oidc };
        assert_eq!(none.judge(token.as_bytes(), NOW, now), Judgement::Unknown);
        assert!(none.keys.is_due(Duration::MAX, now));
    }
}
