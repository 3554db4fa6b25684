//! Pool: idle connections of one worker, kept for the next user of the same target.
//!
//! A connection is what its protocol's client makes it (an upstream connection, with a session on it). It is
//! taken out to be used and put back when it may be used again; the newest goes first, so that
//! those not needed grow old. Bounds: connections per key and in all, and an age after which an
//! idle one is closed. One per worker and protocol; no locks.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

/// Idle connections of type `C`, by what they are connected to.
#[derive(Debug)]
pub struct Pool<K, C> {
    idle: HashMap<K, Vec<(C, Instant)>>,
    count: usize,
    limits: Limits,
}

/// How much a pool keeps.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub per_key: usize,
    pub total: usize,
    /// For how long an idle connection is kept.
    pub idle: Duration,
}

impl<K: Eq + Hash, C> Pool<K, C> {
    pub fn new(limits: Limits) -> Pool<K, C> {
        Pool { idle: HashMap::new(), count: 0, limits }
    }

    /// The idle connection that was used last. Ask whether it is still fresh.
    pub fn take(&mut self, key: &K, now: Instant) -> Option<C> {
        self.expire(now);
        let list = self.idle.get_mut(key)?;
        let (connection, _) = list.pop()?;
        self.count -= 1;
        if list.is_empty() {
            self.idle.remove(key);
        }
        Some(connection)
    }

    /// Keeps an idle connection; one that is too many is dropped, which closes it.
    pub fn put(&mut self, key: K, connection: C, now: Instant) {
        self.expire(now);
        let list = self.idle.entry(key).or_default();
        if list.len() < self.limits.per_key && self.count < self.limits.total {
            list.push((connection, now));
            self.count += 1;
        } else if list.is_empty() {
            self.idle.retain(|_, list| !list.is_empty());
        }
    }

    /// Closes what has been idle for too long.
    pub fn expire(&mut self, now: Instant) {
        let age = self.limits.idle;
        let mut count = 0;
        self.idle.retain(|_, list| {
            list.retain(|(_, since)| now.saturating_duration_since(*since) < age);
            count += list.len();
            !list.is_empty()
        });
        self.count = count;
    }

    /// How many are idle.
    pub fn len(&self) -> usize {
        self.count
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool() -> Pool<&'static str, u32> {
        Pool::new(Limits { per_key: 2, total: 3, idle: Duration::from_secs(10) })
    }

    #[test]
    fn the_last_one_used_comes_first_and_each_once() {
        let (mut pool, now) = (pool(), Instant::now());
        pool.put("a", 1, now);
        pool.put("a", 2, now);
        assert_eq!(
            (pool.take(&"a", now), pool.take(&"a", now), pool.take(&"a", now)),
            (Some(2), Some(1), None)
        );
        assert!(pool.is_empty());
    }

    #[test]
    fn more_than_it_may_keep_is_dropped() {
        let (mut pool, now) = (pool(), Instant::now());
        for connection in 0..5 {
            pool.put("a", connection, now);
            pool.put("b", connection, now);
        }
        assert_eq!(pool.len(), 3);
        assert_eq!(pool.take(&"a", now), Some(1));
    }

    #[test]
    fn what_is_idle_for_too_long_is_closed() {
        let (mut pool, now) = (pool(), Instant::now());
        pool.put("a", 1, now);
        pool.put("b", 2, now + Duration::from_secs(5));
        let later = now + Duration::from_secs(10);
        assert_eq!((pool.take(&"a", later), pool.take(&"b", later)), (None, Some(2)));
    }
}
