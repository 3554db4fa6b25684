//! The store behind `nauthilus_cache`: keys and values that all requests of all workers share.
//!
//! Pure but for its locks: the caller says what time it is. An entry belongs to one of [`SHARDS`]
//! shards by its key's hash. Values are kept behind `Arc`: a reader takes its handle along and
//! copies when the lock is free again.
//!
//! Each shard has two locks. A change holds `writer` from reading the old value to storing the new
//! one; the map itself is locked for moments only. So the function of an
//! [`update`](ProcessCache::update) runs while other workers go on reading, and only those that
//! want to change something in the same shard wait for it. That function must not change the cache:
//! two of them could deadlock. It is refused with [`Error::Inside`]; reading is allowed, and sees
//! what was there before.
//!
//! Bounds: [`BYTES_MAX`] by our own count (texts, and a flat sum per value and entry for the rest).
//! Past it entries go in this order: expired, soonest to expire, stored longest ago; those of the
//! shard being written first. An expired entry is never seen again; its memory goes with the next
//! changes in its shard.

mod entries;

use self::entries::{Entries, Entry, Expiry};
use crate::value::Value;
use ahash::RandomState;
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// See the module's head.
pub struct ProcessCache {
    shards: Box<[Shard]>,
    hasher: RandomState,
    bytes: AtomicUsize,
    bytes_max: usize,
    evicted: AtomicU64,
}

/// Why an entry was not changed. Always the script's doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The calling thread is running the function of an update.
    #[error("the cache cannot be changed inside the function of cache_update")]
    Inside,
    /// One value must not take the place of all others.
    #[error("the value is too large for the cache")]
    TooLarge,
}

/// What a change came to. `true`: entries that were still good had to go to make room for it.
pub type Evicted = bool;

impl Default for ProcessCache {
    fn default() -> ProcessCache {
        ProcessCache::with_capacity(BYTES_MAX)
    }
}

impl ProcessCache {
    /// A cache of another size; see [`BYTES_MAX`].
    pub fn with_capacity(bytes_max: usize) -> ProcessCache {
        let shards = std::iter::repeat_with(Shard::default).take(SHARDS).collect();
        ProcessCache {
            shards,
            hasher: RandomState::new(),
            bytes: AtomicUsize::new(0),
            bytes_max,
            evicted: AtomicU64::new(0),
        }
    }

    /// The value of a key that has not expired.
    pub fn get(&self, key: &[u8], now: Instant) -> Option<Arc<Value>> {
        self.shard(key).entries().live(key, now).map(|entry| entry.value.clone())
    }

    /// Stores a value for `ttl`, or without end.
    ///
    /// # Errors
    /// [`Error`]; then nothing has changed.
    pub fn set(
        &self,
        key: &[u8],
        value: Value,
        ttl: Option<Duration>,
        now: Instant,
    ) -> Result<Evicted, Error> {
        let _writer = self.writer(key)?;
        let expiry = ttl.and_then(|ttl| now.checked_add(ttl)).map_or(Expiry::Never, Expiry::At);
        self.put(key, Arc::new(value), expiry, now)
    }

    /// Removes a key; whether it was there.
    ///
    /// # Errors
    /// [`Error::Inside`].
    pub fn delete(&self, key: &[u8], now: Instant) -> Result<bool, Error> {
        self.take(key, now).map(|value| value.is_some())
    }

    /// Removes a key and hands out its value.
    ///
    /// # Errors
    /// [`Error::Inside`].
    pub fn take(&self, key: &[u8], now: Instant) -> Result<Option<Arc<Value>>, Error> {
        let _writer = self.writer(key)?;
        let removed = self.remove(&mut self.shard(key).entries(), key);
        Ok(removed.filter(|entry| !entry.order.0.is_over(now)).map(|entry| entry.value))
    }

    /// Appends to a key's list and says how long it is now. What is no list becomes the first
    /// member of one; nil counts as nothing. The entry expires when it would have.
    ///
    /// # Errors
    /// [`Error`]; then nothing has changed.
    pub fn push(&self, key: &[u8], value: Value, now: Instant) -> Result<(usize, Evicted), Error> {
        let _writer = self.writer(key)?;
        let added = value_bytes(&value);
        let mut entries = self.shard(key).entries();
        let Some(entry) = entries.live_mut(key, now) else {
            drop(entries);
            let evicted = self.put(key, Arc::new(Value::List(vec![value])), Expiry::Never, now)?;
            return Ok((1, evicted));
        };
        if entry.bytes + added > self.value_bytes_max() {
            return Err(Error::TooLarge);
        }
        // A reader that still has the list keeps the old one; else this copies nothing.
        let list = Arc::make_mut(&mut entry.value);
        let before = match list {
            Value::List(_) => 0,
            _ => size_of::<Value>(),
        };
        match list {
            Value::List(members) => members.push(value),
            Value::Nil => *list = Value::List(vec![value]),
            _ => *list = Value::List(vec![std::mem::take(list), value]),
        }
        let len = if let Value::List(members) = list { members.len() } else { 0 };
        entry.bytes += before + added;
        self.bytes.fetch_add(before + added, Relaxed);
        drop(entries);
        Ok((len, self.make_room(key, now)))
    }

    /// Replaces a value by what `change` makes of it (of `None` if the key is not there), with no
    /// other change in between. The entry expires when it would have. If `change` fails, all is as
    /// it was.
    ///
    /// # Errors
    /// Those of `change`, and [`Error`].
    pub fn update<E: From<Error>>(
        &self,
        key: &[u8],
        now: Instant,
        change: impl FnOnce(Option<&Value>) -> Result<Value, E>,
    ) -> Result<Evicted, E> {
        let _writer = self.writer(key)?;
        let old = self
            .shard(key)
            .entries()
            .live(key, now)
            .map(|entry| (entry.value.clone(), entry.order.0));
        let value = {
            let _inside = Inside::enter();
            change(old.as_ref().map(|(value, _)| &**value))?
        };
        let expiry = old.map_or(Expiry::Never, |(_, expiry)| expiry);
        Ok(self.put(key, Arc::new(value), expiry, now)?)
    }

    /// All keys that have not expired, in no order.
    pub fn keys(&self, now: Instant) -> Vec<Arc<[u8]>> {
        let mut keys = Vec::new();
        for shard in &self.shards {
            let entries = shard.entries();
            keys.extend(
                entries
                    .map
                    .iter()
                    .filter(|(_, entry)| !entry.order.0.is_over(now))
                    .map(|(key, _)| key.clone()),
            );
        }
        keys
    }

    /// How many keys have not expired.
    pub fn len(&self, now: Instant) -> usize {
        self.shards.iter().map(|shard| shard.entries().count_live(now)).sum()
    }

    /// Removes everything, shard by shard.
    ///
    /// # Errors
    /// [`Error::Inside`].
    pub fn clear(&self) -> Result<(), Error> {
        for shard in &self.shards {
            let _writer = shard.writer()?;
            let removed = std::mem::take(&mut *shard.entries());
            let bytes: usize = removed.map.values().map(|entry| entry.bytes).sum();
            self.bytes.fetch_sub(bytes, Relaxed);
        }
        Ok(())
    }

    /// Entries that had to go before their time, since the process started.
    pub fn evicted(&self) -> u64 {
        self.evicted.load(Relaxed)
    }

    /// Bytes in use, by our own count; expired entries that still lie there included.
    pub fn bytes(&self) -> usize {
        self.bytes.load(Relaxed)
    }

    /// Puts an entry in place, makes room for it, and clears away some of what has expired. The
    /// caller holds the shard's `writer`.
    fn put(
        &self,
        key: &[u8],
        value: Arc<Value>,
        expiry: Expiry,
        now: Instant,
    ) -> Result<Evicted, Error> {
        let bytes = ENTRY_BYTES + key.len() + value_bytes(&value);
        if bytes > self.value_bytes_max() {
            return Err(Error::TooLarge);
        }
        let mut entries = self.shard(key).entries();
        let old = self.remove(&mut entries, key);
        for _ in 0..PURGED_PER_CHANGE {
            if !self.remove_expired(&mut entries, now) {
                break;
            }
        }
        entries.insert(key, value, expiry, bytes);
        self.bytes.fetch_add(bytes, Relaxed);
        drop(entries);
        drop(old);
        Ok(self.make_room(key, now))
    }

    /// Evicts entries, `kept` excepted, until the bound is kept. Whether any of them was still
    /// good.
    fn make_room(&self, kept: &[u8], now: Instant) -> Evicted {
        let home = self.index(kept);
        let mut evicted = false;
        for shard in self.shards.iter().cycle().skip(home).take(SHARDS) {
            while self.bytes() > self.bytes_max {
                let mut entries = shard.entries();
                let Some(victim) = entries.victim(kept) else { break };
                let removed = self.remove(&mut entries, &victim);
                if removed.is_some_and(|entry| !entry.order.0.is_over(now)) {
                    self.evicted.fetch_add(1, Relaxed);
                    evicted = true;
                }
            }
        }
        evicted
    }

    fn remove(&self, entries: &mut Entries, key: &[u8]) -> Option<Entry> {
        let removed = entries.remove(key)?;
        self.bytes.fetch_sub(removed.bytes, Relaxed);
        Some(removed)
    }

    fn remove_expired(&self, entries: &mut Entries, now: Instant) -> bool {
        match entries.order.first_key_value() {
            Some(((expiry, _), key)) if expiry.is_over(now) => {
                let key = key.clone();
                self.remove(entries, &key).is_some()
            }
            _ => false,
        }
    }

    fn writer(&self, key: &[u8]) -> Result<MutexGuard<'_, ()>, Error> {
        self.shard(key).writer()
    }

    #[expect(clippy::indexing_slicing, reason = "the index is below the number of shards")]
    fn shard(&self, key: &[u8]) -> &Shard {
        &self.shards[self.index(key)]
    }

    fn index(&self, key: &[u8]) -> usize {
        // The map of the shard uses a hasher of its own.
        self.hasher.hash_one(key) as usize % SHARDS
    }

    fn value_bytes_max(&self) -> usize {
        self.bytes_max / 4
    }
}

#[derive(Default)]
struct Shard {
    /// Held over a change, even while the function of an update runs. Always taken before
    /// `entries`, never two of them at once.
    writer: Mutex<()>,
    entries: Mutex<Entries>,
}

impl Shard {
    fn writer(&self) -> Result<MutexGuard<'_, ()>, Error> {
        if INSIDE.get() {
            Err(Error::Inside)
        } else {
            Ok(self.writer.lock().unwrap_or_else(PoisonError::into_inner))
        }
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

thread_local! {
    /// Whether this thread runs the function of an update. It cannot leave before the function is
    /// done: scripts do not wait there.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// Marks the thread for as long as it lives, errors that unwind included.
struct Inside;

impl Inside {
    fn enter() -> Inside {
        INSIDE.set(true);
        Inside
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        INSIDE.set(false);
    }
}

/// What a value takes, roughly: the value itself, its text, its members.
fn value_bytes(value: &Value) -> usize {
    size_of::<Value>()
        + match value {
            Value::String(text) => text.len(),
            Value::List(members) => members.iter().map(value_bytes).sum(),
            Value::Map(pairs) => {
                pairs.iter().map(|(key, value)| value_bytes(key) + value_bytes(value)).sum()
            }
            Value::Nil | Value::Bool(_) | Value::Number(_) => 0,
        }
}

/// The reference has no bound; a script that forgets a ttl must not take the server down. This is
/// room for a million entries of 100 bytes, and little for a machine that runs one worker per core.
/// A single value may take a quarter of it.
pub const BYTES_MAX: usize = 256 << 20;

/// Several per core of a large machine, so that two workers rarely want the same one.
const SHARDS: usize = 64;
/// What an entry costs besides its texts: map slot, tree slot, two reference counts, allocator
/// rounding.
const ENTRY_BYTES: usize = 160;
/// More than one, so that what has expired goes faster than new entries come; few, so that no
/// change takes long.
const PURGED_PER_CHANGE: usize = 16;

#[cfg(test)]
mod tests;
