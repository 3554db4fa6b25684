//! How much is tolerated from which address: the configured rule and its exceptions, which scripts
//! may change while the server runs.
//!
//! One per epoch, shared by all workers; a reload forgets what scripts changed. Asked only about
//! clients that fill a bucket, and after logins if anything is tolerated at all. Bounds:
//! `EXCEPTIONS_MAX`.

use ipnet::IpNet;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

/// What is tolerated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tolerated {
    /// Failing users per hundred successful ones.
    pub percent: u64,
    /// For how long a user counts. Zero: nothing is tolerated.
    pub ttl: Duration,
}

impl Tolerated {
    /// Whether so many failing users are few enough.
    pub fn allows(self, positive: u64, negative: u64) -> bool {
        positive > 0 && negative <= self.percent.saturating_mul(positive) / 100
    }
}

/// What is tolerated from some addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exception {
    pub network: IpNet,
    pub tolerated: Tolerated,
}

/// See the module's head.
#[derive(Debug, Default)]
pub struct Tolerations {
    usual: Tolerated,
    /// Something may be tolerated: read without the lock.
    any: AtomicBool,
    exceptions: RwLock<Vec<Exception>>,
}

impl Tolerations {
    pub fn new(usual: Tolerated, exceptions: Vec<Exception>) -> Tolerations {
        let tolerations = Tolerations { usual, ..Tolerations::default() };
        tolerations.replace(exceptions);
        tolerations
    }

    /// What is tolerated from `address`, by the first exception that it falls under; `None`:
    /// nothing.
    pub fn of(&self, address: IpAddr) -> Option<Tolerated> {
        if !self.any.load(Ordering::Acquire) {
            return None;
        }
        let exceptions = self.exceptions.read().unwrap_or_else(PoisonError::into_inner);
        let own = exceptions
            .iter()
            .find(|exception| exception.network.contains(&address))
            .map(|exception| exception.tolerated);
        Some(own.unwrap_or(self.usual)).filter(|tolerated| !tolerated.ttl.is_zero())
    }

    pub fn exceptions(&self) -> Vec<Exception> {
        self.exceptions.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts these in place of all others; what would be too much is left out.
    pub fn replace(&self, mut exceptions: Vec<Exception>) {
        exceptions.truncate(EXCEPTIONS_MAX);
        self.change(|all| *all = exceptions);
    }

    /// Adds an exception, or changes the one for the same network.
    pub fn set(&self, exception: Exception) {
        self.change(|all| {
            if let Some(known) = all.iter_mut().find(|known| known.network == exception.network) {
                *known = exception;
            } else if all.len() < EXCEPTIONS_MAX {
                all.push(exception);
            }
        });
    }

    pub fn delete(&self, network: IpNet) {
        self.change(|all| all.retain(|known| known.network != network));
    }

    fn change(&self, change: impl FnOnce(&mut Vec<Exception>)) {
        let mut exceptions = self.exceptions.write().unwrap_or_else(PoisonError::into_inner);
        change(&mut exceptions);
        self.any.store(!self.usual.ttl.is_zero() || !exceptions.is_empty(), Ordering::Release);
    }
}

/// Each is looked at for every client that fills a bucket.
const EXCEPTIONS_MAX: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn exception(network: &str, percent: u64, ttl: Duration) -> Exception {
        Exception { network: network.parse().unwrap(), tolerated: Tolerated { percent, ttl } }
    }

    #[test]
    fn the_first_exception_counts() {
        let usual = Tolerated { percent: 5, ttl: HOUR };
        let exceptions = vec![
            exception("192.0.2.1/32", 10, HOUR),
            exception("192.0.2.0/24", 20, Duration::ZERO),
        ];
        let tolerations = Tolerations::new(usual, exceptions);
        let percent = |address: &str| {
            tolerations.of(address.parse().unwrap()).map(|tolerated| tolerated.percent)
        };
        assert_eq!(
            ["192.0.2.1", "192.0.2.2", "198.51.100.1", "2001:db8::1"].map(percent),
            [Some(10), None, Some(5), Some(5)]
        );
    }

    #[test]
    fn without_any_nothing_is_tolerated() {
        let tolerations = Tolerations::default();
        let address = "192.0.2.1".parse().unwrap();
        assert_eq!(tolerations.of(address), None);
        tolerations.set(exception("192.0.2.0/24", 10, HOUR));
        tolerations.set(exception("192.0.2.0/24", 30, HOUR));
        assert_eq!(tolerations.of(address).map(|tolerated| tolerated.percent), Some(30));
        assert_eq!(tolerations.exceptions().len(), 1);
        tolerations.delete("192.0.2.0/24".parse().unwrap());
        assert_eq!(tolerations.of(address), None);
    }

    #[test]
    fn users_are_weighed() {
        for (percent, positive, negative, allowed) in [
            (100, 2, 2, true),
            (100, 2, 3, false),
            (50, 3, 1, true),
            (50, 3, 2, false),
            (0, 10, 0, true),
            (0, 10, 1, false),
            (100, 0, 0, false),
            (5, 19, 1, false),
            (5, 20, 1, true),
        ] {
            assert_eq!(
                Tolerated { percent, ttl: HOUR }.allows(positive, negative),
                allowed,
                "{percent} {positive} {negative}"
            );
        }
    }
}
