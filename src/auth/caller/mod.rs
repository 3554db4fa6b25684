//! Who may ask: authentication of the caller (the mail proxy, not the user), and what it may do.
//!
//! Pure decisions: credentials as a request presents them, the address they come from and the time
//! go in; a [`Decision`] comes out. What takes long (a password hash) or waits (a look at Redis) is
//! a [`Check`], which [`Check::run`] does behind the one door for waiting. Knows no route and no
//! wire form: `dialect::caller` says what a route [needs](Need) and writes refusals; the worker
//! wires both.
//!
//! ```text
//! basic.rs        users with hashed passwords      jws.rs    signed tokens: parse, verify, sign
//! token.rs        the server's own tokens          jwks.rs   public keys of an issuer
//! oidc.rs         tokens of another issuer         throttle.rs  addresses that fail too often
//! certificate.rs  client certificates
//! fingerprint.rs  comparing secrets                check.rs  what waits: hashes, stored tokens, new tokens
//! ```
//!
//! A further kind of credentials is a variant of [`Presented`] and an arm in [`Callers::decide`]. A
//! client certificate belongs to the connection: [`Callers::by_certificate`].

pub mod basic;
pub mod certificate;
mod check;
pub mod fingerprint;
pub mod jwks;
pub mod jws;
pub mod oidc;
mod rights;
pub mod throttle;
pub mod token;

pub use check::{Check, CheckResult, Issue, Issued, NoToken, issue, refreshed};
pub use rights::{Grant, Rights};

use crate::secret::Secret;
use crate::tls::TlsFacts;
use basic::{Basic, Checked};
use certificate::CertificateCaller;
use fingerprint::{Fingerprint, Fingerprints};
use ipnet::IpNet;
use oidc::{Judgement, Oidc};
use std::net::IpAddr;
use std::time::{Duration, Instant};
use token::Jwt;

/// Who may ask. One per configuration; at least one kind of credentials is enabled.
pub struct Callers {
    pub fingerprints: Fingerprints,
    pub basic: Option<Basic>,
    pub jwt: Option<Jwt>,
    pub oidc: Option<Oidc>,
    /// For each listener, in the order of the configuration, those whom their certificate tells.
    pub certificates: Vec<Vec<CertificateCaller>>,
}

impl std::fmt::Debug for Callers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Callers(***)")
    }
}

/// Credentials as a request presents them.
#[derive(Clone, Copy)]
pub enum Presented<'a> {
    Nothing,
    Basic {
        name: &'a [u8],
        password: &'a [u8],
    },
    Bearer(&'a [u8]),
    /// Of a scheme that is not configured, or not readable.
    Other,
}

/// What a request needs its caller to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need<'a> {
    /// Any caller at all.
    Caller,
    /// To check passwords of users, and what comes with it.
    Authenticate,
    /// To look up users without their password.
    UserInfo,
    ListAccounts,
    /// To look at and lift blocks.
    Security,
    /// To see the configuration.
    Admin,
    /// To scrape the metrics.
    Metrics,
    /// One of these: a hook's. Never empty.
    AnyOf(&'a [String]),
}

/// What is decided at once.
#[derive(Debug)]
pub enum Decision {
    Granted(Grant),
    Refused(Refusal),
    /// It takes a while to say.
    Check(Check),
}

/// Why a caller is turned away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No credentials.
    Missing,
    /// Credentials of another scheme.
    Scheme,
    /// A wrong name or password.
    WrongPassword,
    InvalidToken,
    /// The caller is known, but lacks this role. `authenticate`, which every caller needs, is
    /// answered with 401, any other with 403.
    Role(&'static str),
    /// It has none of a hook's roles.
    HookRoles,
    /// The address failed too often; for how long it is not listened to.
    Throttled(Duration),
    /// It cannot be said now.
    Unavailable,
}

impl Refusal {
    /// Whether the credentials were wrong, so that the address is to be counted.
    pub fn is_failure(&self) -> bool {
        matches!(self, Refusal::WrongPassword | Refusal::InvalidToken)
    }

    /// For the log.
    pub fn text(&self) -> &'static str {
        match self {
            Refusal::Missing | Refusal::Scheme => "unauthorized",
            Refusal::WrongPassword => "wrong credentials of the caller",
            Refusal::InvalidToken => "invalid token",
            Refusal::Role(_) | Refusal::HookRoles => "the caller lacks a role",
            Refusal::Throttled(_) => "too many failed callers from this address",
            Refusal::Unavailable => "the caller cannot be checked now",
        }
    }
}

impl Grant {
    /// Whether this caller may have what needs this.
    ///
    /// # Errors
    /// [`Refusal::Role`], [`Refusal::HookRoles`].
    pub fn satisfies(&self, need: Need<'_>) -> Result<(), Refusal> {
        let Rights::Roles(roles) = &self.rights else { return Ok(()) };
        let has = |role: &str| roles.iter().any(|own| own == role);
        let authenticate =
            || if has(AUTHENTICATE) { Ok(()) } else { Err(Refusal::Role(AUTHENTICATE)) };
        let one_of = |some: &[&str], text| {
            if some.iter().any(|role| has(role)) { Ok(()) } else { Err(Refusal::Role(text)) }
        };
        match need {
            Need::Caller => Ok(()),
            Need::Authenticate => authenticate(),
            Need::UserInfo => one_of(&[USER_INFO], USER_INFO),
            Need::ListAccounts => {
                authenticate().and_then(|()| one_of(&[LIST_ACCOUNTS], LIST_ACCOUNTS))
            }
            Need::Security | Need::Metrics => {
                let needed = || one_of(&[SECURITY, ADMIN], "security or admin");
                if need == Need::Metrics {
                    needed()
                } else {
                    authenticate().and_then(|()| needed())
                }
            }
            Need::Admin => authenticate().and_then(|()| one_of(&[ADMIN], "security or admin")),
            Need::AnyOf(roles) => {
                if roles.iter().any(|role| has(role)) {
                    Ok(())
                } else {
                    Err(Refusal::HookRoles)
                }
            }
        }
    }
}

impl Callers {
    /// Who presents these credentials. `unix_now`: Unix seconds; `now`: the same time.
    pub fn decide(&self, presented: Presented<'_>, unix_now: u64, now: Instant) -> Decision {
        match (presented, &self.basic) {
            (Presented::Nothing, _) => Decision::Refused(Refusal::Missing),
            (Presented::Basic { name, password }, Some(basic)) => {
                match basic.check(&self.fingerprints, name, password) {
                    Checked::Right(grant) => Decision::Granted(grant),
                    Checked::Wrong => Decision::Refused(Refusal::WrongPassword),
                    Checked::Slow(check) => Decision::Check(Check::Password(check)),
                }
            }
            (Presented::Bearer(token), _) if self.takes_tokens() => {
                self.decide_token(token, unix_now, now)
            }
            _ => Decision::Refused(Refusal::Scheme),
        }
    }

    /// Who shows this certificate at a listener, by its place in the configuration. `unix_now`:
    /// Unix seconds.
    pub fn by_certificate(
        &self,
        listener: usize,
        facts: &TlsFacts,
        unix_now: u64,
    ) -> Option<Grant> {
        let list = self.certificates.get(listener)?;
        certificate::caller(list, facts.certificate.as_ref()?, unix_now)
    }

    /// Whether certificates at this listener are those of callers, not of users.
    pub fn knows_certificates_at(&self, listener: usize) -> bool {
        self.certificates.get(listener).is_some_and(|list| !list.is_empty())
    }

    /// Whether tokens are credentials here.
    pub fn takes_tokens(&self) -> bool {
        self.jwt.is_some() || self.oidc.is_some()
    }

    fn decide_token(&self, token: &[u8], unix_now: u64, now: Instant) -> Decision {
        if let Some((jwt, bearer)) =
            self.jwt.as_ref().and_then(|jwt| Some((jwt, jwt.access(token, unix_now)?)))
        {
            let grant = Grant { name: bearer.username, rights: Rights::Roles(bearer.roles) };
            return if jwt.stored {
                Decision::Check(Check::Stored { grant, token: Secret::new(token) })
            } else {
                Decision::Granted(grant)
            };
        }
        match self.oidc.as_ref().map(|oidc| oidc.judge(token, unix_now, now)) {
            Some(Judgement::Good(bearer)) => Decision::Granted(Grant {
                name: bearer.username,
                rights: Rights::Roles(bearer.roles),
            }),
            Some(Judgement::Unknown) => Decision::Refused(Refusal::Unavailable),
            Some(Judgement::Bad) | None => Decision::Refused(Refusal::InvalidToken),
        }
    }
}

/// `server.metrics_access`, `server.admin_access`: who may have this besides authenticated callers.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// All clients.
    pub public: bool,
    /// Callers with this bearer token.
    pub token: Option<AccessToken>,
    /// Callers from one of these networks.
    pub networks: Vec<IpNet>,
}

/// A bearer token of its own.
#[derive(Clone, Debug)]
pub struct AccessToken(Fingerprint, std::sync::Arc<Fingerprints>);

impl AccessToken {
    pub fn new(token: &[u8], fingerprints: std::sync::Arc<Fingerprints>) -> AccessToken {
        AccessToken(fingerprints.of(&[token]), fingerprints)
    }

    fn matches(&self, token: &[u8]) -> bool {
        self.1.of(&[token]).matches(&self.0)
    }
}

impl Access {
    /// Whether this request may have it without being an authenticated caller.
    pub fn admits(&self, presented: Presented<'_>, peer: Option<IpAddr>) -> bool {
        let is_near = || {
            peer.map(|ip| ip.to_canonical())
                .is_some_and(|ip| self.networks.iter().any(|network| network.contains(&ip)))
        };
        let has_token = || matches!((presented, &self.token), (Presented::Bearer(token), Some(ours)) if ours.matches(token));
        self.public || is_near() || has_token()
    }

    /// Whether it protects by itself, callers or not.
    pub fn is_restricted(&self) -> bool {
        !self.public && (self.token.is_some() || !self.networks.is_empty())
    }
}

// Roles with a meaning; all others are free names for hooks.
pub const AUTHENTICATE: &str = "authenticate";
pub const USER_INFO: &str = "user_info";
pub const LIST_ACCOUNTS: &str = "list_accounts";
const SECURITY: &str = "security";
const ADMIN: &str = "admin";

#[cfg(test)]
mod tests;
