//! What an operator may set about outgoing HTTP: `server.http_client` (`config.md` 8.14).

use super::proxy::Proxies;
use crate::tls::{ClientTls, ClientTlsSettings, TlsError};
use crate::upstream::pool::Limits;
use std::time::Duration;

/// Made once per configuration, shared by all workers.
#[derive(Clone, Debug)]
pub struct Settings {
    pub tls: Tls,
    pub proxies: Proxies,
    /// Of one worker's idle connections.
    pub limits: Limits,
}

/// How to speak TLS: made once, for reading the system's certificates takes milliseconds.
#[derive(Clone, Debug)]
pub struct Tls {
    /// As the operator has set it. The error, of a system without certificates, fails the requests that need it and no others.
    pub usual: Result<ClientTls, String>,
    /// Without a look at certificates, for scripts that ask for it.
    pub unverified: Result<ClientTls, String>,
}

impl Settings {
    /// Settings without certificates and proxy, for tests and tools that need neither.
    pub fn plain() -> Settings {
        let none = || Err("no certificates".to_owned());
        Settings { tls: Tls { usual: none(), unverified: none() }, proxies: Proxies::default(), limits: limits(0, 0, Duration::ZERO) }
    }
}

impl Tls {
    /// Reads certificates, which may block.
    ///
    /// # Errors
    /// A file that the operator named is unusable.
    pub fn new(settings: &ClientTlsSettings) -> Result<Tls, TlsError> {
        let unverified = ClientTls::new(&ClientTlsSettings { skip_verify: true, ..settings.clone() })?;
        let usual = match ClientTls::new(settings) {
            Err(TlsError::NoRoots(why)) => Err(TlsError::NoRoots(why).to_string()),
            tls => Ok(tls?),
        };
        Ok(Tls { usual, unverified: Ok(unverified) })
    }
}

/// The pool's limits from the configuration's numbers, where 0 means the default.
pub fn limits(per_host: usize, total: usize, idle: Duration) -> Limits {
    let or = |number: usize, default: usize| if number == 0 { default } else { number };
    Limits {
        per_key: or(per_host, IDLE_PER_HOST),
        total: or(total, IDLE_MAX).min(IDLE_MAX),
        idle: if idle.is_zero() { Duration::MAX } else { idle },
    }
}

/// What the reference keeps if nothing is set.
const IDLE_PER_HOST: usize = 2;

/// Idle connections of one worker, where the operator has set no limit: each costs a file descriptor.
const IDLE_MAX: usize = 256;
