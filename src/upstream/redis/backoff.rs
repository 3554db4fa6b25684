//! Backoff: how long to wait before the next attempt to connect.
//!
//! The first attempt after a loss is made at once, further ones after 25, 50, 100 … ms, at most
//! [`DELAY_MAX`], each cut by up to half at random so that the workers of many servers do not come
//! back in step. A connection that lasted less than [`STABLE`] counts as a failed attempt: a server
//! that takes connections only to drop them must not be asked in a tight loop.

use std::time::Duration;

#[derive(Debug)]
pub(super) struct Backoff {
    /// Attempts that failed since the last lasting connection.
    failures: u32,
    /// State of a splitmix64 generator. Spreading needs no better randomness.
    random: u64,
}

impl Backoff {
    pub(super) fn new(seed: u64) -> Backoff {
        Backoff { failures: 0, random: seed }
    }

    /// An attempt failed; how long to wait before the next.
    pub(super) fn failed(&mut self) -> Duration {
        self.failures = self.failures.saturating_add(1);
        let doubled =
            DELAY_MIN.saturating_mul(1 << (self.failures - 1).min(DOUBLINGS_MAX)).min(DELAY_MAX);
        self.jitter(doubled)
    }

    /// A connection was lost that had been ready for `lasted`; how long to wait before the next
    /// attempt.
    pub(super) fn lost(&mut self, lasted: Duration) -> Duration {
        if lasted < STABLE {
            return self.failed();
        }
        self.failures = 0;
        Duration::ZERO
    }

    /// The failures were another server's.
    pub(super) fn forget(&mut self) {
        self.failures = 0;
    }

    /// `time`, cut by up to half at random.
    pub(super) fn jitter(&mut self, time: Duration) -> Duration {
        time - time.mul_f64(self.fraction() / 2.0)
    }

    /// Uniform in 0..1.
    fn fraction(&mut self) -> f64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ mixed >> 31) >> 11) as f64 / (1u64 << 53) as f64
    }
}

const DELAY_MIN: Duration = Duration::from_millis(25);

/// At most this between attempts: a server that is back is found within two seconds, the attempt
/// itself included.
pub(super) const DELAY_MAX: Duration = Duration::from_secs(1);

/// 25 ms doubled so often is past [`DELAY_MAX`].
const DOUBLINGS_MAX: u32 = 6;

/// A connection that lasted this long was a real one.
pub(super) const STABLE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_to_a_second_and_no_further() {
        for seed in [0, 1, 42, u64::MAX] {
            let mut backoff = Backoff::new(seed);
            for full in [25, 50, 100, 200, 400, 800, 1000, 1000, 1000] {
                let delay = backoff.failed();
                let full = Duration::from_millis(full);
                assert!(
                    delay > full / 2 - Duration::from_nanos(2) && delay <= full,
                    "{delay:?} of {full:?}"
                );
            }
            backoff.failures = u32::MAX;
            assert!(backoff.failed() <= DELAY_MAX);
        }
    }

    #[test]
    fn a_lasting_connection_is_retried_at_once() {
        let mut backoff = Backoff::new(7);
        backoff.failed();
        backoff.failed();
        assert_eq!(backoff.lost(STABLE), Duration::ZERO);
        assert!(backoff.failed() <= DELAY_MIN);
    }

    #[test]
    fn a_brief_connection_counts_as_failed() {
        let mut backoff = Backoff::new(7);
        assert!(backoff.lost(Duration::from_millis(999)) > Duration::ZERO);
    }

    #[test]
    fn different_seeds_come_back_at_different_times() {
        assert_ne!(Backoff::new(1).failed(), Backoff::new(2).failed());
    }
}
