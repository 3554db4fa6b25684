//! How an authentication request ends. Dialects turn it into bytes; nothing else decides a status
//! code.

use crate::auth::attributes::Attributes;

/// The end of an authentication request. A deny is a verdict; a broken script or service is a
/// [`Verdict::Temporary`], never a deny.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    Success(Success),
    /// Wrong password, unknown user, blocked, rejected by a feature or filter.
    Failure(Failure),
    /// We cannot say: tell the client to try again.
    Temporary(TemporaryReason),
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Success {
    pub account: Vec<u8>,
    pub account_field: Vec<u8>,
    pub totp_secret_field: Vec<u8>,
    pub attributes: Attributes,
    pub passdb: PassDb,
    /// Name of the backend for the log: `__meta_default__` or a configured name.
    pub backend_name: String,
    /// Answered by the in-process cache.
    pub memory_hit: bool,
    /// The server that a filter chose for the nginx service.
    pub server: Option<(String, u16)>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Failure {
    /// What the client is told; the default is `Invalid login or password`.
    pub status_message: Vec<u8>,
    /// Login attempts so far, this one counted where it counts: what `Auth-Wait` is made of.
    pub attempts: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TemporaryReason {
    /// A script, backend, DNS, Redis, or the deadline.
    ServerProblem,
    TlsRequired,
    NoUsername,
}

impl TemporaryReason {
    pub fn text(self) -> &'static str {
        match self {
            TemporaryReason::ServerProblem => "Temporary server problem, try again later",
            TemporaryReason::TlsRequired => "TLS transport encryption required",
            TemporaryReason::NoUsername => "No username given",
        }
    }
}

/// Where the user's data came from: the numbers of the JSON answer, the words of the log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PassDb {
    #[default]
    Unknown = 0,
    Cache = 1,
    Ldap = 2,
    Lua = 3,
    Memory = 4,
}

impl PassDb {
    pub fn name(self) -> &'static str {
        match self {
            PassDb::Unknown => "unknown",
            PassDb::Cache => "cache",
            PassDb::Ldap => "ldap",
            PassDb::Lua => "lua",
            PassDb::Memory => "memory",
        }
    }
}
