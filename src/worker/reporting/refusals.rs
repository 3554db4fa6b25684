//! Log lines about refused requests, so few that a flood cannot fill a disk: one a second from each
//! worker says that it happens, the metrics say how often.

use std::time::{Duration, Instant};

/// What was refused, on its way to the log.
#[derive(Debug, Default)]
pub struct Refusals {
    logged: Option<Instant>,
    /// Since then.
    unlogged: u64,
}

impl Refusals {
    /// Whether this one is to be logged: the number before it that were not.
    pub fn next(&mut self, now: Instant) -> Option<u64> {
        if self.logged.is_some_and(|last| now < last + LOG_EVERY) {
            self.unlogged += 1;
            return None;
        }
        self.logged = Some(now);
        Some(std::mem::take(&mut self.unlogged))
    }
}

/// Between two lines.
const LOG_EVERY: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_logged_once_a_second_with_what_was_left_out() {
        let (mut refusals, now) = (Refusals::default(), Instant::now());
        let at = |ms| now + Duration::from_millis(ms);
        assert_eq!(refusals.next(at(0)), Some(0));
        assert_eq!(refusals.next(at(1)), None);
        assert_eq!(refusals.next(at(999)), None);
        assert_eq!(refusals.next(at(1000)), Some(2));
        assert_eq!(refusals.next(at(5000)), Some(0));
    }
}
