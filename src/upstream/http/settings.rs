//! What an operator may set about outgoing HTTP: `server.http_client`.

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
    /// Connections that one worker may have in use to one host; 0: any number.
    pub per_host_max: usize,
}

/// How to speak TLS: made once, for reading the system's certificates takes milliseconds.
#[derive(Clone, Debug)]
pub struct Tls {
    /// As the operator has set it. The error, of a system without certificates, fails the requests
    /// that need it and no others.
    pub usual: Result<ClientTls, String>,
    /// Without a look at certificates, for scripts that ask for it.
    pub unverified: Result<ClientTls, String>,
}

impl Settings {
    /// Settings without certificates and proxy, for tests and tools that need neither.
    pub fn plain() -> Settings {
        let none = || Err("no certificates".to_owned());
        Settings {
            tls: Tls { usual: none(), unverified: none() },
            proxies: Proxies::default(),
            limits: limits(0, 0, Duration::ZERO),
            per_host_max: 0,
        }
    }
}

impl Tls {
    /// Reads certificates, which may block.
    ///
    /// # Errors
    /// A file that the operator named is unusable.
    pub fn new(settings: &ClientTlsSettings) -> Result<Tls, TlsError> {
        let unverified =
            ClientTls::new(&ClientTlsSettings { skip_verify: true, ..settings.clone() })?;
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

/// One worker's part of a limit for the process, which has `workers` and one more for the
/// background. 0 stays none.
pub fn share(limit: usize, workers: usize) -> usize {
    if limit == 0 { 0 } else { (limit / (workers + 1)).max(1) }
}

/// What the reference keeps if nothing is set.
const IDLE_PER_HOST: usize = 2;

/// Idle connections of one worker, where the operator has set no limit: each costs a file
/// descriptor.
const IDLE_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_is_the_default_and_nothing_is_without_bound() {
        let usual = limits(0, 0, Duration::ZERO);
        assert_eq!((usual.per_key, usual.total, usual.idle), (2, 256, Duration::MAX));
        let set = limits(7, 100_000, Duration::from_secs(5));
        assert_eq!((set.per_key, set.total, set.idle), (7, 256, Duration::from_secs(5)));
    }

    #[test]
    fn a_limit_of_the_process_is_shared_by_its_workers() {
        for (limit, workers, expected) in [(0, 4, 0), (10, 4, 2), (1, 4, 1), (10, 1, 5)] {
            assert_eq!(share(limit, workers), expected);
        }
    }
}
