//! How many connections a listener has, over all workers.
//!
//! Counted only where there is a limit: the count is shared by all cores, and a connection that
//! needs none should not touch it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Of one listener.
#[derive(Debug, Default)]
pub struct Seats(AtomicUsize);

/// A connection's place. Dropping it makes room for another.
#[derive(Debug)]
pub struct Seat(Arc<Seats>);

impl Seats {
    /// A place for one more connection. `None`: there are `max` already.
    pub fn take(self: &Arc<Seats>, max: usize) -> Option<Seat> {
        let count = |taken: usize| (taken < max).then_some(taken + 1);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, count).ok()?;
        Some(Seat(self.clone()))
    }

    /// A place for a connection that was accepted before there was a limit.
    pub fn add(self: &Arc<Seats>) -> Seat {
        self.0.fetch_add(1, Ordering::Relaxed);
        Seat(self.clone())
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_never_more_than_the_limit_and_each_that_goes_makes_room() {
        let seats = Arc::new(Seats::default());
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let seats = seats.clone();
                std::thread::spawn(move || {
                    (0..100).filter_map(|_| seats.take(10)).collect::<Vec<_>>()
                })
            })
            .collect();
        let mut taken: Vec<Seat> =
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        assert_eq!(taken.len(), 10);
        assert!(seats.take(10).is_none());
        taken.pop();
        assert!(seats.take(10).is_some());
        // A limit that was lowered by a reload.
        assert!(seats.take(5).is_none());
        // Connections that came before the limit count as well.
        let before: Vec<Seat> = (0..3).map(|_| seats.add()).collect();
        assert!(seats.take(12).is_none());
        drop(before);
        assert!(seats.take(12).is_some());
    }
}
