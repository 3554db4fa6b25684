//! What a worker knows of the accounts in Redis: client-side caching, which saves a login a round
//! trip.
//!
//! Redis tracks the keys that a connection has read (CLIENT TRACKING in its OPTIN mode,
//! `upstream::redis`) and sends an invalidation when the hash of accounts changes; until then a
//! reply stays valid. When an invalidation arrives, or the connection ends, all accounts are
//! dropped and a new generation begins. A silent connection may be dead, so an account expires
//! after [`KNOWN_FOR`]. Servers that track nothing (before Redis 6, RESP2 only, clusters, whose
//! commands go now here and now there) are asked each time. One per worker. Bounds:
//! [`KNOWN_BYTES_MAX`]. Source: redis.io, "Client-side caching in Redis".

use super::records::Account;
use super::table::Table;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// See the module's head.
pub struct KnownAccounts {
    accounts: Table<Account>,
    /// Counts invalidations.
    generation: AtomicU64,
    /// Whether the server tracks keys; true until it refuses.
    tracks: AtomicBool,
}

/// A reply is kept only if its command was sent in the current generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Generation(u64);

impl KnownAccounts {
    /// One that stays empty: for who asks rarely.
    pub fn none() -> KnownAccounts {
        KnownAccounts { tracks: AtomicBool::new(false), ..KnownAccounts::default() }
    }

    /// Forgets all: an invalidation arrived, or the connection ended.
    pub fn forget(&self) {
        self.generation.fetch_add(1, Ordering::Relaxed);
        self.tracks.store(true, Ordering::Relaxed);
        if !self.accounts.is_empty() {
            self.accounts.clear();
        }
    }

    /// Forgets all, for good.
    pub fn close(&self) {
        self.forget();
        self.refused();
    }

    pub(super) fn get(&self, username: &[u8], now: Instant) -> Option<Vec<u8>> {
        self.accounts.get(username, now, |account| account.0.to_vec())
    }

    /// The current generation; read it before asking. `None`: the server tracks nothing.
    pub(super) fn generation(&self) -> Option<Generation> {
        self.tracks
            .load(Ordering::Relaxed)
            .then(|| Generation(self.generation.load(Ordering::Relaxed)))
    }

    /// Keeps what was asked for in `generation`. What has changed since then may not be in it: it
    /// is dropped.
    pub(super) fn put(
        &self,
        generation: Generation,
        username: &[u8],
        account: &[u8],
        now: Instant,
    ) {
        if self.generation() == Some(generation) {
            self.accounts.put(username, Account(account.into()), Some(KNOWN_FOR), now);
        }
    }

    /// The server refused to track keys: it is not asked again until the next connection.
    pub(super) fn refused(&self) {
        self.tracks.store(false, Ordering::Relaxed);
    }
}

impl Default for KnownAccounts {
    fn default() -> KnownAccounts {
        KnownAccounts {
            accounts: Table::new(KNOWN_BYTES_MAX),
            generation: AtomicU64::new(0),
            tracks: AtomicBool::new(true),
        }
    }
}

impl std::fmt::Debug for KnownAccounts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KnownAccounts").finish_non_exhaustive()
    }
}

/// How long an account may stay known without a word of Redis.
const KNOWN_FOR: Duration = Duration::from_secs(60);

/// Some 25,000 users, per worker.
const KNOWN_BYTES_MAX: usize = 8 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_told_holds_until_something_changes() {
        let (known, now) = (KnownAccounts::default(), Instant::now());
        let generation = known.generation().unwrap();
        known.put(generation, b"ada", b"ada@example.org", now);
        assert_eq!(known.get(b"ada", now), Some(b"ada@example.org".to_vec()));
        assert_eq!(known.get(b"bob", now), None);
        assert_eq!(known.get(b"ada", now + KNOWN_FOR), None);
        known.forget();
        assert_eq!(known.get(b"ada", now), None);
    }

    #[test]
    fn a_reply_from_before_the_change_is_dropped() {
        let (known, now) = (KnownAccounts::default(), Instant::now());
        let generation = known.generation().unwrap();
        known.forget();
        known.put(generation, b"ada", b"old", now);
        assert_eq!(known.get(b"ada", now), None);
    }

    #[test]
    fn a_server_that_tracks_nothing_is_not_asked_to_until_the_next_connection() {
        let known = KnownAccounts::default();
        known.refused();
        assert_eq!(known.generation(), None);
        known.forget();
        assert!(known.generation().is_some());
    }
}
