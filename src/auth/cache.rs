//! The in-process result cache: a login that just succeeded succeeds again without features and
//! backends.
//!
//! One for all workers of the process. It owns what a backend said about a user, before any filter,
//! and hands out shared, immutable copies. It refuses lookups without a password: mode no-auth is
//! neither stored nor answered. Only the pipeline calls it, with the time it has. No password is
//! kept: the key is an HMAC-SHA-256, under a key of this process, over everything that identifies
//! the login. Bounds: bytes, given at the start; `SHARDS` locks, each held for one map operation.

use crate::auth::attributes::Attributes;
use crate::auth::request::{Field, Mode, Request};
use crate::auth::user::User;
use crate::value::Value;
use ahash::RandomState;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Users by login. Every worker of the process holds the same one.
pub struct ResultCache {
    /// HMAC state after the key, to start each digest from.
    keyed: Hmac<Sha256>,
    names: RandomState,
    /// How often entries were flushed.
    flushes: AtomicU64,
    shards: [Mutex<Shard>; SHARDS],
    shard_bytes_max: usize,
}

/// Which login, and as of when: see [`ResultCache::key`].
#[derive(Clone, Copy)]
pub(super) struct Key {
    digest: Digest,
    /// A hash of the login name.
    name: u64,
    /// [`ResultCache::flushes`] when the login was looked up.
    flushes: u64,
}

/// The HMAC of everything that identifies a login.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Digest([u8; 32]);

impl ResultCache {
    /// A cache of about `bytes_max` bytes. `secret` is random, from the operating system, and lives
    /// as long as the process.
    pub fn new(secret: &[u8; 32], bytes_max: usize) -> ResultCache {
        // One block, zero-padded, is what HMAC makes of a short key.
        let mut block = [0; 64];
        for (place, byte) in block.iter_mut().zip(secret) {
            *place = *byte;
        }
        ResultCache {
            keyed: Hmac::new(&block.into()),
            names: RandomState::new(),
            flushes: AtomicU64::new(0),
            shards: std::array::from_fn(|_| Mutex::default()),
            shard_bytes_max: bytes_max / SHARDS,
        }
    }

    /// Forgets all users: after a reload, what other scripts decided does not count.
    pub fn clear(&self) {
        self.flush(std::mem::take);
    }

    /// Forgets what is known by this login name, and of this account by any other.
    pub fn forget(&self, username: &[u8], account: &[u8]) {
        let name = self.names.hash_one(username);
        self.flush(|shard| {
            shard.take_out(|entry| entry.name == name || entry.user.account == account)
        });
    }

    /// Takes something out of every shard. What is under way meanwhile is not kept: it may have
    /// been decided by what is to be forgotten.
    fn flush<T>(&self, take: impl Fn(&mut Shard) -> T) {
        // A login that puts its user into a shard either does so before us, or sees the new number.
        self.flushes.fetch_add(1, Ordering::Relaxed);
        for shard in &self.shards {
            let taken = take(&mut shard.lock().unwrap_or_else(PoisonError::into_inner));
            // Outside the lock.
            drop(taken);
        }
    }

    /// The key of a request that the cache may answer; `None` if it must not (`in-memory=0`,
    /// no-auth, a listing).
    pub(super) fn key(&self, request: &Request) -> Option<Key> {
        if request.mode != Mode::Auth || !request.in_memory_cache {
            return None;
        }
        let encrypted = !request.get(Field::Ssl).is_empty();
        let mut mac = self.keyed.clone();
        mac.update(&[request.mode as u8, request.service as u8, encrypted.into()]);
        for field in [Field::Username, Field::Password, Field::Protocol, Field::ClientIp] {
            let text = request.get(field);
            // The length in front keeps neighbours apart, whatever bytes they hold.
            mac.update(&(text.len() as u64).to_le_bytes());
            mac.update(text);
        }
        let digest = Digest(mac.finalize().into_bytes().into());
        let name = self.names.hash_one(request.get(Field::Username));
        Some(Key { digest, name, flushes: self.flushes.load(Ordering::Relaxed) })
    }

    /// What is known about a login, unless its time is over.
    pub(super) fn get(&self, key: &Key, now: Instant) -> Option<Arc<User>> {
        self.shard(&key.digest)
            .entries
            .get(&key.digest)
            .filter(|entry| now < entry.expires)
            .map(|entry| entry.user.clone())
    }

    /// Remembers an authenticated user for `ttl`. Makes room by dropping what is oldest; what is
    /// larger than its share of the cache is not kept at all, nor is anybody who was looked up
    /// before the last flush.
    pub(super) fn put(&self, key: Key, user: Arc<User>, now: Instant, ttl: Duration) {
        let Some(expires) = now.checked_add(ttl) else { return };
        let bytes = ENTRY_BYTES + user_bytes(&user);
        let dropped = {
            let mut shard = self.shard(&key.digest);
            if key.flushes != self.flushes.load(Ordering::Relaxed) {
                return;
            }
            shard.replace(
                key.digest,
                Entry { user, name: key.name, expires, bytes },
                now,
                self.shard_bytes_max,
            )
        };
        // The last copies of users are taken apart here, outside the lock.
        drop(dropped);
    }

    #[expect(clippy::indexing_slicing, reason = "the remainder is below the number of shards")]
    fn shard(&self, key: &Digest) -> MutexGuard<'_, Shard> {
        // A shard is whole between any two operations, so one whose holder panicked can be used.
        self.shards[usize::from(key.0[31]) % SHARDS].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for ResultCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ResultCache")
            .field("shard_bytes_max", &self.shard_bytes_max)
            .finish_non_exhaustive()
    }
}

/// One lock's share of the entries. `ages` holds each key of `entries` once, oldest first.
#[derive(Default)]
struct Shard {
    entries: HashMap<Digest, Entry, BuildHasherDefault<DigestHasher>>,
    ages: VecDeque<Digest>,
    bytes: usize,
}

struct Entry {
    user: Arc<User>,
    /// Of the login name.
    name: u64,
    expires: Instant,
    bytes: usize,
}

impl Shard {
    /// Stores an entry; returns what had to go.
    fn replace(&mut self, key: Digest, entry: Entry, now: Instant, bytes_max: usize) -> Vec<Entry> {
        let mut dropped = Vec::new();
        if entry.bytes > bytes_max {
            return dropped;
        }
        let room = bytes_max - entry.bytes;
        while let Some(oldest) = self.ages.front() {
            let expired = self.entries.get(oldest).is_none_or(|entry| entry.expires <= now);
            if !expired && self.bytes <= room {
                break;
            }
            dropped.extend(self.entries.remove(oldest).inspect(|entry| self.bytes -= entry.bytes));
            self.ages.pop_front();
        }
        self.bytes += entry.bytes;
        match self.entries.insert(key, entry) {
            // Two requests of one login met: the key keeps its place in `ages`.
            Some(old) => {
                self.bytes -= old.bytes;
                dropped.push(old);
            }
            None => self.ages.push_back(key),
        }
        dropped
    }

    /// Takes out the entries that match. A walk over all of them: an operator asks for it.
    fn take_out(&mut self, matches: impl Fn(&Entry) -> bool) -> Vec<Entry> {
        let (entries, bytes, mut taken) = (&mut self.entries, &mut self.bytes, Vec::new());
        self.ages.retain(|key| {
            let matched = entries.get(key).is_some_and(&matches);
            if matched {
                taken.extend(entries.remove(key).inspect(|entry| *bytes -= entry.bytes));
            }
            !matched
        });
        taken
    }
}

/// It is an HMAC already: any eight of its bytes are a hash that an attacker cannot choose.
#[derive(Default)]
struct DigestHasher(u64);

impl Hasher for DigestHasher {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(head) = bytes.first_chunk() {
            self.0 = u64::from_le_bytes(*head);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

impl std::hash::Hash for Digest {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(&self.0);
    }
}

/// What a user takes, roughly: its text and a fixed part for each allocation.
fn user_bytes(user: &User) -> usize {
    let User {
        account,
        account_field,
        totp_secret_field,
        unique_user_id,
        display_name,
        attributes,
        backend_name,
        ..
    } = user;
    let texts = [account, account_field, totp_secret_field, unique_user_id, display_name];
    texts.iter().map(|text| text.len()).sum::<usize>()
        + backend_name.len()
        + attributes_bytes(attributes)
}

fn attributes_bytes(attributes: &Attributes) -> usize {
    attributes
        .iter()
        .map(|(name, values)| {
            VALUE_BYTES + name.len() + values.iter().map(value_bytes).sum::<usize>()
        })
        .sum()
}

fn value_bytes(value: &Value) -> usize {
    VALUE_BYTES
        + match value {
            Value::Nil | Value::Bool(_) | Value::Number(_) => 0,
            Value::String(text) => text.len(),
            Value::List(values) => values.iter().map(value_bytes).sum(),
            Value::Map(pairs) => {
                pairs.iter().map(|(key, value)| value_bytes(key) + value_bytes(value)).sum()
            }
        }
}

/// What a process may well spend: some 50,000 logins of ordinary users.
pub const BYTES_MAX: usize = 64 << 20;
const SHARDS: usize = 16;
/// Entry, key in map and queue, and the user without its text.
const ENTRY_BYTES: usize = 512;
/// A value or name and its allocation.
const VALUE_BYTES: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::request::{HttpRequest, Service};
    use proptest::prelude::*;

    const TTL: Duration = Duration::from_secs(30);

    fn cache() -> ResultCache {
        ResultCache::new(&[1; 32], BYTES_MAX)
    }

    fn request(fields: [&[u8]; 4]) -> Request {
        let mut request = Request::new(Vec::new(), HttpRequest::default());
        for (field, text) in [Field::Username, Field::Password, Field::Protocol, Field::ClientIp]
            .into_iter()
            .zip(fields)
        {
            request.set(field, text);
        }
        request
    }

    fn alice() -> Request {
        request([b"alice", b"secret", b"imap", b"192.0.2.9"])
    }

    fn key(digest: [u8; 32]) -> Key {
        Key { digest: Digest(digest), name: 0, flushes: 0 }
    }

    fn user(account: &str) -> Arc<User> {
        Arc::new(User { account: account.into(), authenticated: true, ..User::default() })
    }

    #[test]
    fn an_entry_lives_for_its_time_and_hits_do_not_extend_it() {
        let (cache, now) = (cache(), Instant::now());
        let key = cache.key(&alice()).unwrap();
        assert!(cache.get(&key, now).is_none());
        cache.put(key, user("a"), now, TTL);
        for (seconds, hit) in [(0, true), (29, true), (30, false), (31, false)] {
            assert_eq!(
                cache.get(&key, now + Duration::from_secs(seconds)).is_some(),
                hit,
                "{seconds}"
            );
        }
    }

    #[test]
    fn whatever_identifies_the_login_is_in_the_key() {
        let cache = cache();
        let mut keys = vec![cache.key(&alice()).unwrap().digest.0];
        for fields in [
            [b"alicf".as_slice(), b"secret", b"imap", b"192.0.2.9"],
            [b"alice", b"secreT", b"imap", b"192.0.2.9"],
            [b"alice", b"secret", b"smtp", b"192.0.2.9"],
            [b"alice", b"secret", b"imap", b"192.0.2.10"],
            [b"alices", b"ecret", b"imap", b"192.0.2.9"],
            [b"alice\0secret", b"", b"imap", b"192.0.2.9"],
            [b"", b"", b"", b""],
        ] {
            keys.push(cache.key(&request(fields)).unwrap().digest.0);
        }
        let mut encrypted = alice();
        encrypted.set(Field::Ssl, b"on");
        keys.push(cache.key(&encrypted).unwrap().digest.0);
        let mut nginx = alice();
        nginx.service = Service::Nginx;
        keys.push(cache.key(&nginx).unwrap().digest.0);
        let count = keys.len();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), count);
    }

    #[test]
    fn the_key_depends_on_the_process() {
        let other = ResultCache::new(&[2; 32], BYTES_MAX);
        assert!(cache().key(&alice()).unwrap().digest != other.key(&alice()).unwrap().digest);
    }

    #[test]
    fn lookups_and_requests_that_opted_out_have_no_key() {
        let cache = cache();
        for (mode, in_memory_cache, keyed) in [
            (Mode::Auth, true, true),
            (Mode::Auth, false, false),
            (Mode::NoAuth, true, false),
            (Mode::ListAccounts, true, false),
        ] {
            let mut request = alice();
            (request.mode, request.in_memory_cache) = (mode, in_memory_cache);
            assert_eq!(cache.key(&request).is_some(), keyed, "{mode:?} {in_memory_cache}");
        }
    }

    #[test]
    fn the_oldest_go_first_when_it_is_full() {
        let cache = ResultCache::new(&[1; 32], SHARDS * 4 * ENTRY_BYTES);
        let now = Instant::now();
        let keys: Vec<_> =
            (0..9).map(|n| key(std::array::from_fn(|i| if i == 31 { 0 } else { n }))).collect();
        for key in &keys {
            cache.put(*key, user(""), now, TTL);
        }
        let kept: Vec<_> = keys.iter().map(|key| cache.get(key, now).is_some()).collect();
        assert_eq!(kept, [false, false, false, false, false, true, true, true, true]);
    }

    #[test]
    fn what_is_larger_than_its_share_is_not_kept() {
        let cache = ResultCache::new(&[1; 32], SHARDS * 4 * ENTRY_BYTES);
        let (now, small, large) = (Instant::now(), key([0; 32]), key([16; 32]));
        cache.put(small, user("a"), now, TTL);
        cache.put(large, user(&"a".repeat(4 * ENTRY_BYTES)), now, TTL);
        assert!(cache.get(&small, now).is_some());
        assert!(cache.get(&large, now).is_none());
    }

    #[test]
    fn a_user_is_forgotten_by_name_and_by_account_and_nobody_else_is() {
        let (cache, now) = (cache(), Instant::now());
        let logins = [("alice", "a"), ("alice@example.test", "a"), ("alice", "b"), ("bob", "b")];
        let keys = logins.map(|(username, account)| {
            let key = cache
                .key(&request([username.as_bytes(), account.as_bytes(), b"imap", b""]))
                .unwrap();
            cache.put(key, user(account), now, TTL);
            key
        });
        cache.forget(b"alice", b"a");
        assert_eq!(keys.map(|key| cache.get(&key, now).is_some()), [false, false, false, true]);
    }

    #[test]
    fn what_was_under_way_during_a_flush_is_not_kept() {
        for flush in [ResultCache::clear as fn(&ResultCache), |cache| cache.forget(b"bob", b"b")] {
            let (cache, now) = (cache(), Instant::now());
            let before = cache.key(&alice()).unwrap();
            flush(&cache);
            cache.put(before, user("a"), now, TTL);
            assert!(cache.get(&before, now).is_none());
            let after = cache.key(&alice()).unwrap();
            cache.put(after, user("a"), now, TTL);
            assert!(cache.get(&before, now).is_some());
        }
    }

    #[test]
    fn expired_entries_make_room() {
        let cache = cache();
        let (now, old, new) = (Instant::now(), key([0; 32]), key([16; 32]));
        cache.put(old, user("a"), now, TTL);
        cache.put(new, user("b"), now + TTL, TTL);
        let shard = cache.shard(&old.digest);
        assert_eq!((shard.entries.len(), shard.ages.len()), (1, 1));
    }

    #[test]
    fn size_counts_what_tables_hold() {
        let mut attributes = Attributes::default();
        attributes.set_one(b"n", Value::Number(1.0));
        let plain = attributes_bytes(&attributes);
        attributes.set_one(
            b"n",
            Value::List(vec![Value::Map(vec![(
                Value::string("key"),
                Value::string("x".repeat(1000)),
            )])]),
        );
        assert!(attributes_bytes(&attributes) > plain + 1000);
    }

    proptest! {
        #[test]
        fn bytes_are_counted_right_and_bounded(puts in prop::collection::vec((0u8..12, 0usize..3000, 0u64..40), 0..200)) {
            let bytes_max = 8 * ENTRY_BYTES;
            let (mut shard, start) = (Shard::default(), Instant::now());
            let mut now = start;
            for (key, size, seconds) in puts {
                now += Duration::from_secs(seconds);
                let entry = Entry { user: user(""), name: u64::from(key), expires: now + TTL, bytes: ENTRY_BYTES + size };
                if size == 0 {
                    shard.take_out(|entry| entry.name == u64::from(key));
                } else {
                    shard.replace(Digest([key; 32]), entry, now, bytes_max);
                }
                prop_assert!(shard.bytes <= bytes_max);
                prop_assert_eq!(shard.bytes, shard.entries.values().map(|entry| entry.bytes).sum::<usize>());
                prop_assert_eq!(shard.entries.len(), shard.ages.len());
                prop_assert!(shard.ages.iter().all(|key| shard.entries.contains_key(key)));
            }
        }
    }
}
