//! How many requests may be under way at once, over all workers (`server.max_concurrent_requests`).
//!
//! A request needs a permit. Each worker keeps some to spare, so that under load no worker touches
//! what others touch for every request; a worker that has nothing to do gives all of them back. The
//! permits of all workers together are never more than the limit. What a busy worker keeps to
//! spare, another cannot use: at most a 16th of the limit in all, and nothing where the limit is
//! small.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

/// What the workers share.
#[derive(Debug)]
#[repr(align(128))]
pub struct RequestLimit {
    max: AtomicI64,
    /// Permits that no worker holds. Below zero after the limit was lowered, until enough are given
    /// back.
    free: AtomicI64,
}

impl RequestLimit {
    pub fn new(max: usize) -> RequestLimit {
        let max = signed(max);
        RequestLimit { max: AtomicI64::new(max), free: AtomicI64::new(max) }
    }

    pub fn max(&self) -> usize {
        usize::try_from(self.max.load(Relaxed)).unwrap_or_default()
    }

    /// Another limit, from the next request on. Called by one thread only.
    pub fn set_max(&self, max: usize) {
        let max = signed(max);
        let before = self.max.swap(max, Relaxed);
        self.free.fetch_add(max - before, Relaxed);
    }

    /// Permits that workers hold.
    pub fn taken(&self) -> usize {
        usize::try_from(self.max.load(Relaxed) - self.free.load(Relaxed)).unwrap_or_default()
    }

    /// Takes as many permits as there are, `wish` at most.
    fn take(&self, wish: i64) -> i64 {
        let update = |free: i64| (free > 0).then(|| free - free.min(wish));
        self.free.fetch_update(Relaxed, Relaxed, update).map_or(0, |free| free.min(wish))
    }

    fn give(&self, count: i64) {
        self.free.fetch_add(count, Relaxed);
    }
}

fn signed(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// One worker's permits.
#[derive(Debug)]
pub struct Permits {
    limit: Arc<RequestLimit>,
    workers: i64,
    held: i64,
    used: i64,
}

impl Permits {
    /// For one of so many workers.
    pub fn new(limit: Arc<RequestLimit>, workers: usize) -> Permits {
        Permits { limit, workers: signed(workers.max(1)), held: 0, used: 0 }
    }

    /// A permit for a request; false: there are as many under way as may be.
    #[must_use]
    pub fn take(&mut self) -> bool {
        if self.used == self.held {
            self.held += self.limit.take(1 + self.spare());
        }
        let granted = self.used < self.held;
        self.used += i64::from(granted);
        granted
    }

    /// The request is done.
    pub fn release(&mut self) {
        debug_assert!(self.used > 0, "released a permit that nobody took");
        self.used -= 1;
    }

    /// Gives back what is too much. Called at the end of each turn.
    pub fn settle(&mut self) {
        let spare = if self.used == 0 { 0 } else { 2 * self.spare() };
        let excess = self.held - self.used - spare;
        if excess > 0 {
            self.held -= excess;
            self.limit.give(excess);
        }
    }

    fn spare(&self) -> i64 {
        signed(self.limit.max()) / (self.workers * SPARE_PART)
    }
}

impl Drop for Permits {
    fn drop(&mut self) {
        self.limit.give(self.held);
    }
}

/// Up to two parts of so many of a worker's share are to spare.
const SPARE_PART: i64 = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_small_limit_is_exact_whatever_the_number_of_workers() {
        let limit = Arc::new(RequestLimit::new(2));
        let mut workers: Vec<_> = (0..4).map(|_| Permits::new(limit.clone(), 4)).collect();
        let granted = workers.iter_mut().map(Permits::take).filter(|granted| *granted).count();
        assert_eq!(granted, 2);
        workers[0].release();
        workers[0].settle();
        assert!(workers[3].take());
    }

    #[test]
    fn an_idle_worker_holds_nothing() {
        let limit = Arc::new(RequestLimit::new(3000));
        let mut worker = Permits::new(limit.clone(), 2);
        assert!(worker.take());
        assert!(limit.taken() > 1);
        worker.release();
        worker.settle();
        assert_eq!(limit.taken(), 0);
    }

    #[test]
    fn a_lowered_limit_holds_from_the_next_request_on() {
        let limit = Arc::new(RequestLimit::new(3));
        let mut worker = Permits::new(limit.clone(), 1);
        assert!(worker.take() && worker.take() && worker.take());
        limit.set_max(1);
        worker.release();
        worker.release();
        worker.settle();
        assert!(!worker.take());
        worker.release();
        worker.settle();
        assert!(worker.take());
        assert!(!worker.take());
    }

    proptest! {
        #[test]
        fn never_more_than_the_limit_are_under_way(
            max in 1usize..400,
            workers in 1usize..6,
            steps in prop::collection::vec((0usize..6, 0u8..3), 0..2000),
        ) {
            let limit = Arc::new(RequestLimit::new(max));
            let mut all: Vec<_> = (0..workers).map(|_| Permits::new(limit.clone(), workers)).collect();
            for (at, step) in steps {
                let worker = &mut all[at % workers];
                match step {
                    0 => { let _ = worker.take(); }
                    1 if worker.used > 0 => worker.release(),
                    _ => worker.settle(),
                }
                let used: i64 = all.iter().map(|worker| worker.used).sum();
                prop_assert!(used <= signed(max));
                prop_assert!(limit.taken() <= max);
            }
            drop(all);
            prop_assert_eq!(limit.taken(), 0);
        }
    }
}
