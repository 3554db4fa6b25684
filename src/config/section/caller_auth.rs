//! `server.basic_auth`, `server.jwt_auth`, `server.oidc_auth`: who may call the API (`config.md` 8.5, 13.9).
//!
//! Any of them may be enabled together; each request may use either.

use crate::config::check::{no_blank, one_word, positive, seconds, secret_of};
use crate::config::keys::{Keys, Section};
use crate::config::problem::Wrong;
use crate::secret::Secret;
use std::time::Duration;

#[derive(Clone, Debug, Default)]
pub struct BasicAuth {
    pub enabled: bool,
    pub username: String,
    /// At least 16 characters.
    pub password: Secret,
}

impl Section for BasicAuth {
    fn keys(&mut self, keys: &mut Keys<'_>) {
        keys.value("enabled", &mut self.enabled);
        keys.checked("username", &mut self.username, no_blank);
        keys.checked("password", &mut self.password, secret_of(16));
    }

    fn check(&self) -> Vec<(&'static str, Wrong)> {
        let missing = |key, is_missing| (self.enabled && is_missing).then(|| (key, Wrong::new("is missing, but basic_auth is enabled")));
        [missing("username", self.username.is_empty()), missing("password", self.password.is_empty())].into_iter().flatten().collect()
    }
}

#[derive(Clone, Debug)]
pub struct JwtAuth {
    pub enabled: bool,
    /// The HS256 key, at least 32 characters.
    pub secret_key: Secret,
    pub token_expiry: Duration,
    /// Whether refresh tokens are handed out.
    pub refresh_token: bool,
    pub refresh_token_expiry: Duration,
    /// Whether a new token makes the user's older one void.
    pub store_in_redis: bool,
    /// Who may fetch a token; none: whoever the backends let in.
    pub users: Vec<JwtUser>,
}

impl Default for JwtAuth {
    fn default() -> JwtAuth {
        JwtAuth {
            enabled: false,
            secret_key: Secret::default(),
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
        keys.checked("token_expiry", &mut self.token_expiry, positive);
        keys.value("refresh_token", &mut self.refresh_token);
        keys.checked("refresh_token_expiry", &mut self.refresh_token_expiry, positive);
        keys.value("store_in_redis", &mut self.store_in_redis);
        keys.sections("users", &mut self.users);
    }

    fn check(&self) -> Vec<(&'static str, Wrong)> {
        // The original accepts an empty key and then skips every check of roles.
        let keyless = self.enabled && self.secret_key.is_empty();
        if keyless { vec![("secret_key", Wrong::new("is missing, but jwt_auth is enabled"))] } else { Vec::new() }
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

#[derive(Clone, Debug, Default)]
pub struct OidcAuth {
    pub enabled: bool,
}

impl Section for OidcAuth {
    fn keys(&mut self, keys: &mut Keys<'_>) {
        keys.value("enabled", &mut self.enabled);
    }
}
