//! What a worker knows of the accounts in Redis: client-side caching, which saves a login a round trip.
//!
//! Redis promises to tell when the hash of accounts changes (CLIENT TRACKING in its OPTIN mode, `upstream::redis`); until then, what it told
//! holds. The promise is the connection's: when that ends, or news come over it, all is forgotten. A silent connection may be a dead one, so
//! an account is asked for again after [`KNOWN_FOR`] at the latest. Servers that promise nothing (before Redis 6, RESP2 only, clusters,
//! whose commands go now here and now there) are asked each time. One per worker. Bounds: [`KNOWN_BYTES_MAX`].
//! Source: redis.io, "Client-side caching in Redis".

use super::records::Account;
use super::table::Table;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// See the module's head.
pub struct KnownAccounts {
    accounts: Table<Account>,
    /// How often all was forgotten.
    round: AtomicU64,
    /// The server has not refused to promise, as far as is known.
    promises: AtomicBool,
}

/// What a reply must have been asked for in, to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Round(u64);

impl KnownAccounts {
    /// One that stays empty: for who asks rarely.
    pub fn none() -> KnownAccounts {
        KnownAccounts { promises: AtomicBool::new(false), ..KnownAccounts::default() }
    }

    /// Forgets all: something has changed in Redis, or nobody would tell.
    pub fn forget(&self) {
        self.round.fetch_add(1, Ordering::Relaxed);
        self.promises.store(true, Ordering::Relaxed);
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

    /// Call it before asking; `None`: there is nobody to promise anything.
    pub(super) fn round(&self) -> Option<Round> {
        self.promises.load(Ordering::Relaxed).then(|| Round(self.round.load(Ordering::Relaxed)))
    }

    /// Keeps what was asked for in `round`. What has changed since then may not be in it: it is dropped.
    pub(super) fn put(&self, round: Round, username: &[u8], account: &[u8], now: Instant) {
        if self.round() == Some(round) {
            self.accounts.put(username, Account(account.into()), Some(KNOWN_FOR), now);
        }
    }

    /// The server promises nothing: it need not be asked to, until the next connection.
    pub(super) fn refused(&self) {
        self.promises.store(false, Ordering::Relaxed);
    }
}

impl Default for KnownAccounts {
    fn default() -> KnownAccounts {
        KnownAccounts { accounts: Table::new(KNOWN_BYTES_MAX), round: AtomicU64::new(0), promises: AtomicBool::new(true) }
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
        let round = known.round().unwrap();
        known.put(round, b"ada", b"ada@example.org", now);
        assert_eq!(known.get(b"ada", now), Some(b"ada@example.org".to_vec()));
        assert_eq!(known.get(b"bob", now), None);
        assert_eq!(known.get(b"ada", now + KNOWN_FOR), None);
        known.forget();
        assert_eq!(known.get(b"ada", now), None);
    }

    #[test]
    fn a_reply_from_before_the_change_is_dropped() {
        let (known, now) = (KnownAccounts::default(), Instant::now());
        let round = known.round().unwrap();
        known.forget();
        known.put(round, b"ada", b"old", now);
        assert_eq!(known.get(b"ada", now), None);
    }

    #[test]
    fn a_server_that_promises_nothing_is_not_asked_to_until_the_next_connection() {
        let known = KnownAccounts::default();
        known.refused();
        assert_eq!(known.round(), None);
        known.forget();
        assert!(known.round().is_some());
    }
}
