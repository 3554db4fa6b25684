//! `server.basic_auth`, `server.jwt_auth`, `server.oidc_auth`: who may call the API;
//! `server.metrics_access`, `server.admin_access`: who else may have the metrics and the admin
//! endpoints.
//!
//! Any of them may be enabled together; each request may use either.

use crate::config::address::Networks;
use crate::config::check::{
    Checked, between, existing_file, hours, if_given, minutes, no_blank, one_word, one_word_each,
    positive, seconds, secret_of,
};
use crate::config::keys::{Keys, Section};
use crate::config::problem::Wrong;
use crate::config::url::Url;
use crate::secret::Secret;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Clone, Debug, Default)]
pub struct BasicAuth {
    pub enabled: bool,
    pub username: String,
    /// At least 16 characters.
    pub password: Secret,
    /// Further users, whose passwords are hashed. A name may stand there twice: while its secret is
    /// changed, both are good.
    pub users: Vec<BasicUser>,
}

/// A user of the API by its basic credentials.
#[derive(Clone, Debug, Default)]
pub struct BasicUser {
    pub username: String,
    /// A hash of a scheme that `password` knows.
    pub password: Secret,
    /// None: all that callers may do.
    pub roles: Vec<String>,
}

impl Section for BasicUser {
    fn keys(&mut self, keys: &mut Keys<'_>) {
        keys.required("username", &mut self.username, no_colon);
        keys.required("password", &mut self.password, hash);
        keys.checked("roles", &mut self.roles, one_word_each);
    }
}

/// RFC 7617 2: the first colon ends the name.
fn no_colon(name: &String) -> Checked {
    if name.contains(':') { Err(Wrong::new("must not contain a colon")) } else { no_blank(name) }
}

/// A hash that can be checked, of another password than the empty one. Costs as much as one login
/// of that user.
fn hash(stored: &Secret) -> Checked {
    match crate::password::verify(stored.expose(), b"") {
        Ok(false) => Ok(()),
        Ok(true) => Err(Wrong::new("is the hash of an empty password")),
        Err(error) => Err(Wrong::new(format!(
            "must be a password hash such as {{SSHA512}}…, $2b$… or $argon2id$…: {error}"
        ))),
    }
}

impl Section for BasicAuth {
    fn keys(&mut self, keys: &mut Keys<'_>) {
        keys.value("enabled", &mut self.enabled);
        keys.checked("username", &mut self.username, no_blank);
        keys.checked("password", &mut self.password, secret_of(16));
        keys.sections("users", &mut self.users);
    }

    fn check(&self) -> Vec<(&'static str, Wrong)> {
        let missing = |key, is_missing| {
            (self.enabled && is_missing)
                .then(|| (key, Wrong::new("is missing, but basic_auth is enabled")))
        };
        if self.users.len() > BASIC_USERS_MAX {
            return vec![("users", Wrong::new(format!("must be at most {BASIC_USERS_MAX}")))];
        }
        if self.username.is_empty() && self.password.is_empty() && !self.users.is_empty() {
            return Vec::new();
        }
        [
            missing("username", self.username.is_empty()),
            missing("password", self.password.is_empty()),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

#[derive(Clone, Debug)]
pub struct JwtAuth {
    pub enabled: bool,
    /// The HS256 key, at least 32 characters.
    pub secret_key: Secret,
    /// Keys of before, that tokens which are still good were signed with.
    pub previous_secret_keys: Vec<Secret>,
    pub token_expiry: Duration,
    /// Whether refresh tokens are handed out.
    pub refresh_token: bool,
    pub refresh_token_expiry: Duration,
    /// Whether a new token makes the user's older one void.
    pub store_in_redis: bool,
    /// Who may fetch a token; none: users whom the backends accept.
    pub users: Vec<JwtUser>,
}

impl Default for JwtAuth {
    fn default() -> JwtAuth {
        JwtAuth {
            enabled: false,
            secret_key: Secret::default(),
            previous_secret_keys: Vec::new(),
            token_expiry: seconds(3600),
            refresh_token: false,
            refresh_token_expiry: seconds(86_400),
            store_in_redis: false,
            users: Vec::new(),
        }
    }
}

impl Section for JwtAuth {
    fn keys(&mut self, keys: &mut Keys<'_>) {
        keys.value("enabled", &mut self.enabled);
        keys.checked("secret_key", &mut self.secret_key, secret_of(32));
        keys.checked("previous_secret_keys", &mut self.previous_secret_keys, |secrets| {
            let is_empty =
                secrets.iter().any(Secret::is_empty) || secrets.len() > PREVIOUS_KEYS_MAX;
            if is_empty {
                return Err(Wrong::new(format!(
                    "must contain at most {PREVIOUS_KEYS_MAX} keys, none of them empty"
                )));
            }
            secrets.iter().try_for_each(secret_of(32))
        });
        keys.checked("token_expiry", &mut self.token_expiry, positive);
        keys.value("refresh_token", &mut self.refresh_token);
        keys.checked("refresh_token_expiry", &mut self.refresh_token_expiry, positive);
        keys.value("store_in_redis", &mut self.store_in_redis);
        keys.sections("users", &mut self.users);
    }

    fn check(&self) -> Vec<(&'static str, Wrong)> {
        // The original accepts an empty key and then skips every check of roles.
        let keyless = self.enabled && self.secret_key.is_empty();
        if keyless {
            vec![("secret_key", Wrong::new("is missing, but jwt_auth is enabled"))]
        } else {
            Vec::new()
        }
    }
}

/// A user of the API itself.
#[derive(Clone, Debug, Default)]
pub struct JwtUser {
    pub username: String,
    /// At least 8 characters.
    pub password: Secret,
    pub roles: Vec<String>,
}

impl Section for JwtUser {
    fn keys(&mut self, keys: &mut Keys<'_>) {
        keys.required("username", &mut self.username, one_word);
        keys.required("password", &mut self.password, secret_of(8));
        keys.value("roles", &mut self.roles);
    }
}

/// Tokens of an OpenID Connect provider, or of anybody who signs JWTs.
#[derive(Clone, Debug)]
pub struct OidcAuth {
    pub enabled: bool,
    /// The claim `iss`, to the letter.
    pub issuer: String,
    /// One of these must be in the claim `aud`: a token for another service is none for us.
    pub audience: Vec<String>,
    /// Where the issuer's public keys are: a URL or a file, one of them.
    pub jwks_url: Url,
    pub jwks_file: Option<PathBuf>,
    /// How often they are read again.
    pub jwks_refresh: Duration,
    /// Scopes with this prefix are roles.
    pub scope_prefix: String,
    /// A claim whose members are roles; empty: none.
    pub roles_claim: String,
}

impl Default for OidcAuth {
    fn default() -> OidcAuth {
        OidcAuth {
            enabled: false,
            issuer: String::new(),
            audience: Vec::new(),
            jwks_url: Url::default(),
            jwks_file: None,
            jwks_refresh: minutes(10),
            scope_prefix: "nauthilus:".to_owned(),
            roles_claim: String::new(),
        }
    }
}

impl Section for OidcAuth {
    fn keys(&mut self, keys: &mut Keys<'_>) {
        keys.value("enabled", &mut self.enabled);
        keys.checked("issuer", &mut self.issuer, one_word);
        keys.checked("audience", &mut self.audience, one_word_each);
        keys.checked("jwks_url", &mut self.jwks_url, web_address);
        keys.checked("jwks_file", &mut self.jwks_file, if_given(existing_file));
        // Keys that could not be fetched for a day are not used any more.
        keys.checked("jwks_refresh", &mut self.jwks_refresh, between(seconds(10), hours(12)));
        keys.checked("scope_prefix", &mut self.scope_prefix, one_word);
        keys.checked("roles_claim", &mut self.roles_claim, one_word);
    }

    fn check(&self) -> Vec<(&'static str, Wrong)> {
        if !self.enabled {
            return Vec::new();
        }
        let mut wrong = Vec::new();
        if self.issuer.is_empty() {
            wrong.push(("issuer", Wrong::new("is missing, but oidc_auth is enabled")));
        }
        if self.audience.iter().all(String::is_empty) {
            wrong.push(("audience", Wrong::new("is missing, but oidc_auth is enabled: tokens for other services would be accepted")));
        }
        if self.jwks_url.is_empty() == self.jwks_file.is_none() {
            wrong.push((
                "jwks_url",
                Wrong::new(
                    "oidc_auth needs either \"jwks_url\" or \"jwks_file\" when it is enabled",
                ),
            ));
        }
        wrong
    }
}

/// `https://…`, or `http://` to this host: an attacker who could change the keys in transit could
/// sign tokens.
fn web_address(url: &Url) -> Checked {
    let text = url.expose();
    if text.is_empty() || text.starts_with("https://") || is_on_this_host(text) {
        one_word(&text.to_owned())
    } else {
        Err(Wrong::new("must be an https URL (http only to this host)"))
    }
}

/// Whether it is an http URL of a server on this host. With user information it is not taken for
/// one: `http://localhost:x@other.example/` names another host.
fn is_on_this_host(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("http://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    ["127.0.0.1", "[::1]", "localhost"].iter().any(|host| {
        authority.strip_prefix(host).is_some_and(|port| {
            port.is_empty()
                || port
                    .strip_prefix(':')
                    .is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
        })
    })
}

/// `server.metrics_access`, `server.admin_access`: who may have it besides authenticated callers.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// All clients, although callers need credentials elsewhere.
    pub public: bool,
    /// Callers with this bearer token. At least 16 characters.
    pub token: Secret,
    /// Callers from one of these networks.
    pub networks: Networks,
}

impl Section for Access {
    fn keys(&mut self, keys: &mut Keys<'_>) {
        keys.value("public", &mut self.public);
        keys.checked("token", &mut self.token, secret_of(16));
        keys.value("networks", &mut self.networks);
    }

    fn check(&self) -> Vec<(&'static str, Wrong)> {
        let is_restricted = !self.token.is_empty() || self.networks.iter().next().is_some();
        if self.public && is_restricted {
            vec![(
                "public",
                Wrong::new(
                    "allows everybody, so \"token\" and \"networks\" have no effect: remove it or them",
                ),
            )]
        } else {
            Vec::new()
        }
    }
}

/// Each is compared for every request with basic credentials, and those with slow hashes are
/// checked once at start: some seconds at most.
const BASIC_USERS_MAX: usize = 64;

/// Each costs an HMAC for a token that none of the others has signed.
const PREVIOUS_KEYS_MAX: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_host_may_be_asked_in_clear_text() {
        for url in [
            "",
            "https://a.example/",
            "http://127.0.0.1/k",
            "http://[::1]:8080",
            "http://localhost:80/?a@b",
        ] {
            assert!(web_address(&Url::from(url)).is_ok(), "{url}");
        }
        for url in [
            "http://a.example/",
            "http://localhost.example/",
            "http://localhost:x@other.example/",
            "http://localhost:80@other.example/",
            "http://127.0.0.1\\@other.example/",
            "ftp://localhost/",
            "localhost",
        ] {
            assert!(web_address(&Url::from(url)).is_err(), "{url}");
        }
    }
}
