//! `loligo token`: a bearer token for a caller, signed with the configuration's secret.

use super::configuration::Configuration;
use super::{Failure, Outcome};
use crate::auth::caller::AUTHENTICATE;
use crate::auth::caller::token::Jwt;
use crate::config::Word;
use crate::config::section::caller_auth::JwtAuth;
use crate::time::Now;
use clap::Args;
use std::time::Duration;

/// Issue a bearer token for a caller, such as a mail proxy or a monitoring system
///
/// The token is signed with server.jwt_auth.secret_key, so the running server accepts it without
/// being asked. A token cannot be revoked: it is valid until it expires or the key is removed from
/// the configuration. The token is printed to standard output, its validity to standard error.
#[derive(Args)]
pub struct Arguments {
    /// The caller's name, for the log.
    #[arg(value_name = "CALLER")]
    caller: String,
    /// What the caller may do; may be repeated: authenticate (logins), user_info (look-ups),
    /// list_accounts, security (bans, cache, metrics), admin (security and the configuration).
    /// Other roles are for hooks. All endpoints but /metrics and hooks need authenticate in
    /// addition. By default the roles of this caller in server.jwt_auth.users.
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<String>,
    /// How long the token is valid, at most 10 years: 30m, 12h, 8760h. By default
    /// server.jwt_auth.token_expiry.
    #[arg(long, value_name = "DURATION", value_parser = expiry)]
    expires: Option<Duration>,
}

impl Arguments {
    pub fn run(&self, configuration: &Configuration) -> Outcome {
        let settings = &configuration.load()?.server.jwt_auth;
        let roles = self.usable(settings)?;
        let jwt = Jwt {
            secret: settings.secret_key.clone(),
            previous: Vec::new(),
            expiry: self.expires.unwrap_or(settings.token_expiry),
            refresh_expiry: None,
            stored: false,
            users: Vec::new(),
        };
        let mut id = [0; 16];
        getrandom::fill(&mut id).map_err(|error| format!("no random bytes: {error}"))?;
        let now = Now::read().unix_ms() / 1000;
        let pair = jwt
            .issue(&self.caller, &roles, &hex::encode(id), now)
            .ok_or_else(|| "the token cannot be signed".to_owned())?;
        let until = i64::try_from(pair.expires_at)
            .ok()
            .and_then(|at| jiff::Timestamp::from_second(at).ok())
            .map(|at| at.to_string())
            .unwrap_or_default();
        eprintln!("valid until {until} for {}: {}", self.caller, roles.join(", "));
        if !roles.iter().any(|role| role == AUTHENTICATE) {
            eprintln!("note: without the role authenticate it is only good for /metrics and hooks");
        }
        println!("{}", pair.token);
        Ok(())
    }

    /// The roles of the token, if the server would accept it.
    fn usable(&self, settings: &JwtAuth) -> Result<Vec<String>, Failure> {
        let fail = |message: &str| Err(Failure::Failed(message.to_owned()));
        if !settings.enabled || settings.secret_key.is_empty() {
            return fail(
                "server.jwt_auth is not enabled: the server accepts no tokens. Set \
                 server.jwt_auth: {enabled: true, secret_key: …}, with at least 32 characters",
            );
        }
        if settings.store_in_redis {
            return fail(
                "server.jwt_auth.store_in_redis is true: the server accepts only tokens that it \
                 issued itself (POST /api/v1/jwt/token)",
            );
        }
        if self.caller.is_empty() {
            return fail("the caller's name is empty");
        }
        let configured = settings.users.iter().find(|user| user.username == self.caller);
        let roles = match (&self.roles, configured) {
            (roles, _) if !roles.is_empty() => roles.clone(),
            (_, Some(user)) => user.roles.clone(),
            _ => Vec::new(),
        };
        if roles.is_empty() {
            return fail(
                "the token would allow nothing; give --role: authenticate, user_info, \
                 list_accounts, security, admin, or a role of your hooks",
            );
        }
        Ok(roles)
    }
}

fn expiry(text: &str) -> Result<Duration, String> {
    let duration = Duration::parse(text).map_err(|wrong| wrong.wrong)?;
    let range = Duration::from_secs(1)..=EXPIRY_MAX;
    if range.contains(&duration) { Ok(duration) } else { Err("must be 1s to 87600h".to_owned()) }
}

/// Ten years.
const EXPIRY_MAX: Duration = Duration::from_secs(87_600 * 3600);
