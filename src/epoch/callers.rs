//! `server.basic_auth`, `server.jwt_auth`, `server.oidc_auth`, `server.metrics_access`,
//! `server.admin_access`: who may ask.

use crate::auth::caller::basic::{Basic, BasicUser};
use crate::auth::caller::certificate::CertificateCaller;
use crate::auth::caller::fingerprint::Fingerprints;
use crate::auth::caller::oidc::{KeySet, Oidc};
use crate::auth::caller::token::{Jwt, User};
use crate::auth::caller::{Access, AccessToken, Callers, Rights, jwks};
use crate::config::Config;
use crate::config::section::caller_auth;
use crate::config::section::listener_tls::{ClientCaller, ListenerTls};
use crate::upstream::http::Request as HttpRequest;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Whence the keys of an issuer of tokens are read again and again.
pub struct KeySource {
    pub from: KeysFrom,
    pub period: Duration,
    pub keys: Arc<KeySet>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeysFrom {
    Url(String),
    File(PathBuf),
}

pub(super) fn callers(config: &Config, problems: &mut Vec<String>) -> Option<Arc<Callers>> {
    let server = &config.server;
    let listeners = server.every_listener();
    let certificates: Vec<_> =
        listeners.iter().map(|(_, listener)| by_certificates(&listener.tls)).collect();
    let has_certificates = certificates.iter().any(|list| !list.is_empty());
    let has_others =
        server.basic_auth.enabled || server.jwt_auth.enabled || server.oidc_auth.enabled;
    if !has_certificates && !has_others {
        return None;
    }
    let fingerprints = fingerprints(problems)?;
    Some(Arc::new(Callers {
        basic: server.basic_auth.enabled.then(|| basic(&server.basic_auth, &fingerprints)),
        jwt: server.jwt_auth.enabled.then(|| jwt(&server.jwt_auth, &fingerprints)),
        oidc: server.oidc_auth.enabled.then(|| oidc(&server.oidc_auth, problems)),
        fingerprints,
        certificates,
    }))
}

/// The callers that a listener knows by their certificates.
fn by_certificates(tls: &ListenerTls) -> Vec<CertificateCaller> {
    let caller = |ClientCaller { name, roles }: &ClientCaller| CertificateCaller {
        name: name.clone(),
        rights: rights(roles),
    };
    if tls.enabled { tls.client_callers.iter().map(caller).collect() } else { Vec::new() }
}

fn rights(roles: &[String]) -> Rights {
    if roles.is_empty() { Rights::All } else { Rights::Roles(roles.to_vec()) }
}

pub(super) fn access(access: &caller_auth::Access, problems: &mut Vec<String>) -> Access {
    let mut token =
        || Some(AccessToken::new(access.token.expose(), Arc::new(fingerprints(problems)?)));
    Access {
        public: access.public,
        token: if access.token.is_empty() { None } else { token() },
        networks: access.networks.iter().copied().collect(),
    }
}

/// Where the keys of `server.oidc_auth` come from.
pub(super) fn key_source(config: &Config, callers: Option<&Callers>) -> Option<KeySource> {
    let settings = &config.server.oidc_auth;
    let keys = callers?.oidc.as_ref()?.keys.clone();
    let from = settings
        .jwks_file
        .clone()
        .map_or_else(|| KeysFrom::Url(settings.jwks_url.expose().to_owned()), KeysFrom::File);
    Some(KeySource { from, period: settings.jwks_refresh, keys })
}

fn fingerprints(problems: &mut Vec<String>) -> Option<Fingerprints> {
    let mut key = [0; 32];
    match getrandom::fill(&mut key) {
        Ok(()) => Some(Fingerprints::new(key)),
        Err(error) => {
            problems.push(format!("no random numbers: {error}"));
            None
        }
    }
}

fn basic(settings: &caller_auth::BasicAuth, fingerprints: &Fingerprints) -> Basic {
    let caller_auth::BasicAuth { enabled: _, username, password, users } = settings;
    let one = (!username.is_empty())
        .then(|| BasicUser::plain(username, password.expose(), fingerprints, Rights::All));
    let more = users.iter().map(|caller_auth::BasicUser { username, password, roles }| {
        BasicUser::hashed(username, password.clone(), rights(roles))
    });
    Basic { users: one.into_iter().chain(more).collect() }
}

fn jwt(settings: &caller_auth::JwtAuth, fingerprints: &Fingerprints) -> Jwt {
    let caller_auth::JwtAuth {
        enabled: _,
        secret_key,
        previous_secret_keys,
        token_expiry,
        refresh_token,
        refresh_token_expiry,
        store_in_redis,
        users,
    } = settings;
    let user = |caller_auth::JwtUser { username, password, roles }: &caller_auth::JwtUser| User {
        name: username.clone(),
        password: fingerprints.of(&[password.expose()]),
        roles: roles.clone(),
    };
    Jwt {
        secret: secret_key.clone(),
        previous: previous_secret_keys.clone(),
        expiry: *token_expiry,
        refresh_expiry: refresh_token.then_some(*refresh_token_expiry),
        stored: *store_in_redis,
        users: users.iter().map(user).collect(),
    }
}

/// Reads the file with the keys; a URL is asked later, without holding up the start.
fn oidc(settings: &caller_auth::OidcAuth, problems: &mut Vec<String>) -> Oidc {
    // The refresh is `key_source`'s.
    let caller_auth::OidcAuth {
        enabled: _,
        issuer,
        audience,
        jwks_url,
        jwks_file,
        jwks_refresh: _,
        scope_prefix,
        roles_claim,
    } = settings;
    let keys = KeySet::default();
    match jwks_file {
        Some(path) => {
            let read = crate::files::read(path, jwks::JWKS_BYTES_MAX as u64)
                .map_err(|error| format!("cannot be read: {error}"));
            match read.and_then(|json| jwks::parse(&json).map_err(|error| error.to_string())) {
                Ok(found) => keys.set(found, Instant::now()),
                Err(error) => {
                    problems.push(format!("server.oidc_auth.jwks_file: {} {error}", path.display()))
                }
            }
        }
        None => {
            if let Err(error) = HttpRequest::get(jwks_url.expose()) {
                problems.push(format!("server.oidc_auth.jwks_url: {}", jwks_url.explain(error)));
            }
        }
    }
    Oidc {
        issuer: issuer.clone(),
        audience: audience.clone(),
        scope_prefix: scope_prefix.clone(),
        roles_claim: roles_claim.clone(),
        keys: Arc::new(keys),
    }
}
