//! One table of the embedded state: values by key, each with an end or without, in bounded memory.
//!
//! Sharded: a lock is held for one look or one change and never across a wait. When a shard is
//! full, what has ended goes first, then what has not been touched for longest (second chance).
//! Time comes from the caller. Bounds: bytes, given at the start.

use ahash::RandomState;
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The memory that a value points to, in bytes, roughly; its own size is counted already.
pub(super) trait Weigh {
    fn bytes(&self) -> usize;
}

/// See the module's head.
pub(super) struct Table<V> {
    shards: Box<[Mutex<Shard<V>>; SHARDS]>,
    hasher: RandomState,
    shard_bytes_max: usize,
    /// Of all shards: a reader that finds 0 needs no lock.
    len: AtomicUsize,
}

impl<V: Weigh + Default> Table<V> {
    /// A table of about `bytes_max` bytes.
    pub fn new(bytes_max: usize) -> Table<V> {
        let hasher = RandomState::new();
        Table {
            shards: Box::new(std::array::from_fn(|_| Mutex::new(Shard::new(hasher.clone())))),
            hasher,
            shard_bytes_max: bytes_max / SHARDS,
            len: AtomicUsize::new(0),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len.load(Ordering::Relaxed) == 0
    }

    /// What `look` makes of a value; `None`: there is none, or its time is over.
    pub fn get<T>(&self, key: &[u8], now: Instant, look: impl FnOnce(&V) -> T) -> Option<T> {
        if self.is_empty() {
            return None;
        }
        let shard = self.shard(key);
        shard.entries.get(key).filter(|entry| entry.lives(now)).map(|entry| look(&entry.value))
    }

    /// Puts a value in place of any other.
    pub fn put(&self, key: &[u8], value: V, ttl: Option<Duration>, now: Instant) {
        self.update(key, ttl, now, |place| *place = value);
    }

    /// Changes a value, a default one if there is none, and lets it end `ttl` from now (`None`:
    /// never). One that has become larger than a shard is not kept.
    pub fn update<T>(
        &self,
        key: &[u8],
        ttl: Option<Duration>,
        now: Instant,
        change: impl FnOnce(&mut V) -> T,
    ) -> T {
        let ends = ttl.and_then(|ttl| now.checked_add(ttl));
        let mut shard = self.shard(key);
        let (key, mut entry) = match shard.entries.remove_entry(key) {
            Some((key, entry)) => {
                shard.bytes -= entry.bytes;
                (
                    key,
                    if entry.lives(now) {
                        Entry { touched: true, ..entry }
                    } else {
                        Entry::default()
                    },
                )
            }
            None => {
                shard.ages.push_back(key.into());
                self.len.fetch_add(1, Ordering::Relaxed);
                (key.into(), Entry::default())
            }
        };
        let outcome = change(&mut entry.value);
        entry.ends = ends;
        entry.bytes = weigh(&key, &entry.value);
        shard.bytes += entry.bytes;
        shard.entries.insert(key, entry);
        let dropped = shard.shrink(self.shard_bytes_max, now);
        self.len.fetch_sub(dropped, Ordering::Relaxed);
        outcome
    }

    /// Changes a value that is there, not its end. `None`: there is none.
    pub fn amend<T>(
        &self,
        key: &[u8],
        now: Instant,
        change: impl FnOnce(&mut V) -> T,
    ) -> Option<T> {
        if self.is_empty() {
            return None;
        }
        let mut guard = self.shard(key);
        let shard = &mut *guard;
        let entry = shard.entries.get_mut(key).filter(|entry| entry.lives(now))?;
        let outcome = change(&mut entry.value);
        let bytes = weigh(key, &entry.value);
        shard.bytes = shard.bytes + bytes - std::mem::replace(&mut entry.bytes, bytes);
        Some(outcome)
    }

    /// Takes a value out; `None`: there was none, or its time was over.
    pub fn remove(&self, key: &[u8], now: Instant) -> Option<V> {
        if self.is_empty() {
            return None;
        }
        let mut shard = self.shard(key);
        let entry = shard.entries.remove(key)?;
        shard.bytes -= entry.bytes;
        // An operator flushes: rare enough for a walk.
        shard.ages.retain(|age| **age != *key);
        self.len.fetch_sub(1, Ordering::Relaxed);
        entry.lives(now).then_some(entry.value)
    }

    /// Takes everything out.
    pub fn clear(&self) {
        for shard in self.shards.iter() {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            self.len.fetch_sub(shard.entries.len(), Ordering::Relaxed);
            *shard = Shard::new(self.hasher.clone());
        }
    }

    /// Shows all values, shard by shard, in no order.
    pub fn for_each(&self, now: Instant, mut each: impl FnMut(&[u8], &V)) {
        for shard in self.shards.iter() {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            shard
                .entries
                .iter()
                .filter(|(_, entry)| entry.lives(now))
                .for_each(|(key, entry)| each(key, &entry.value));
        }
    }

    #[expect(clippy::indexing_slicing, reason = "the remainder is below the number of shards")]
    fn shard(&self, key: &[u8]) -> MutexGuard<'_, Shard<V>> {
        // The low bits choose the place within the shard's map.
        let at = (self.hasher.hash_one(key) >> 32) as usize % SHARDS;
        // A shard is whole between any two operations, so one whose holder panicked can be used.
        self.shards[at].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One lock's share. `ages` holds each key of `entries` once, in the order in which they may have
/// to go.
struct Shard<V> {
    entries: HashMap<Box<[u8]>, Entry<V>, RandomState>,
    ages: VecDeque<Box<[u8]>>,
    bytes: usize,
}

#[derive(Default)]
struct Entry<V> {
    value: V,
    ends: Option<Instant>,
    bytes: usize,
    /// Changed since it was last passed over.
    touched: bool,
}

impl<V> Shard<V> {
    fn new(hasher: RandomState) -> Shard<V> {
        Shard { entries: HashMap::with_hasher(hasher), ages: VecDeque::new(), bytes: 0 }
    }

    /// Drops entries until the rest fits; says how many. What has ended at the front goes in any
    /// case, so that a table that is not full does not keep expired entries.
    fn shrink(&mut self, bytes_max: usize, now: Instant) -> usize {
        let mut dropped = 0;
        // Everything is passed over at most once.
        let mut chances = self.ages.len();
        while let Some(key) = self.ages.pop_front() {
            let full = self.bytes > bytes_max;
            let Some(entry) = self.entries.get_mut(&key) else { continue };
            let spared = entry.lives(now) && (!full || (entry.touched && chances > 0));
            if !spared {
                self.bytes -= entry.bytes;
                self.entries.remove(&key);
                dropped += 1;
                continue;
            }
            if !full {
                self.ages.push_front(key);
                break;
            }
            chances -= 1;
            entry.touched = false;
            self.ages.push_back(key);
        }
        dropped
    }
}

impl<V> Entry<V> {
    fn lives(&self, now: Instant) -> bool {
        self.ends.is_none_or(|end| now < end)
    }
}

fn weigh<V: Weigh>(key: &[u8], value: &V) -> usize {
    ENTRY_BYTES + size_of::<Entry<V>>() + 2 * key.len() + value.bytes()
}

/// Enough that workers seldom meet at one lock.
const SHARDS: usize = 32;

/// What map, queue and allocations take besides keys and value.
const ENTRY_BYTES: usize = 96;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HOUR: Duration = Duration::from_secs(3600);

    impl Weigh for Vec<u8> {
        fn bytes(&self) -> usize {
            self.len()
        }
    }

    fn keys_of_one_shard(table: &Table<Vec<u8>>, count: usize) -> Vec<Vec<u8>> {
        let shard = |key: &[u8]| table.hasher.hash_one(key) >> 32 & (SHARDS as u64 - 1);
        let first = shard(b"k0");
        (0..)
            .map(|n| format!("k{n}").into_bytes())
            .filter(|key| shard(key) == first)
            .take(count)
            .collect()
    }

    #[test]
    fn a_value_ends_with_its_time_and_a_change_renews_it() {
        let (table, now) = (Table::new(1 << 20), Instant::now());
        table.update(b"k", Some(HOUR), now, |value: &mut Vec<u8>| value.push(1));
        table.update(b"k", Some(HOUR), now + HOUR / 2, |value| value.push(2));
        assert_eq!(table.get(b"k", now + HOUR, Vec::clone), Some(vec![1, 2]));
        assert_eq!(table.get(b"k", now + HOUR + HOUR / 2, Vec::clone), None);
        table.update(b"k", None, now + 2 * HOUR, |value| value.push(3));
        assert_eq!(table.get(b"k", now + 1000 * HOUR, Vec::clone), Some(vec![3]));
    }

    #[test]
    fn amending_neither_makes_nor_renews() {
        let (table, now) = (Table::new(1 << 20), Instant::now());
        assert_eq!(table.amend(b"k", now, |value: &mut Vec<u8>| value.push(1)), None);
        table.put(b"k", vec![1], Some(HOUR), now);
        assert_eq!(table.amend(b"k", now + HOUR / 2, |value| value.push(2)), Some(()));
        assert_eq!(table.get(b"k", now + HOUR / 2, Vec::clone), Some(vec![1, 2]));
        assert_eq!(table.amend(b"k", now + HOUR, |value| value.push(2)), None);
    }

    #[test]
    fn what_is_removed_is_gone() {
        let (table, now) = (Table::new(1 << 20), Instant::now());
        table.put(b"k", vec![1], None, now);
        assert_eq!(table.remove(b"k", now), Some(vec![1]));
        assert_eq!(table.remove(b"k", now), None);
        assert!(table.is_empty());
        table.put(b"k", vec![1], Some(HOUR), now);
        assert_eq!(table.remove(b"k", now + HOUR), None);
        assert!(table.is_empty());
    }

    #[test]
    fn the_untouched_go_first_when_it_is_full() {
        let per_entry = weigh(b"k00", &vec![0; 100]);
        let (table, now) = (Table::new(SHARDS * (3 * per_entry + per_entry / 2)), Instant::now());
        let keys = keys_of_one_shard(&table, 4);
        for key in &keys[..3] {
            table.put(key, vec![0; 100], None, now);
        }
        table.update(&keys[0], None, now, |value| value.fill(1));
        table.put(&keys[3], vec![0; 100], None, now);
        let kept: Vec<_> = keys.iter().map(|key| table.get(key, now, |_| ()).is_some()).collect();
        assert_eq!(kept, [true, false, true, true]);
    }

    #[test]
    fn what_is_larger_than_a_shard_is_not_kept() {
        let (table, now) = (Table::new(SHARDS * 1000), Instant::now());
        table.put(b"k", vec![0; 1000], None, now);
        assert_eq!(table.get(b"k", now, |_| ()), None);
        assert!(table.is_empty());
    }

    proptest! {
        #[test]
        fn bytes_are_counted_right_and_bounded(puts in prop::collection::vec((0u8..40, 0usize..300, 0u64..40, 0u8..4), 0..200)) {
            let (table, mut now) = (Table::new(SHARDS * 1000), Instant::now());
            for (key, size, seconds, what) in puts {
                now += Duration::from_secs(seconds);
                match what {
                    0 => drop(table.remove(&[key], now)),
                    1 => drop(table.amend(&[key], now, |value: &mut Vec<u8>| value.resize(size / 2, 0))),
                    _ => table.put(&[key], vec![0; size], Some(Duration::from_secs(30)), now),
                }
                let mut len = 0;
                for shard in table.shards.iter() {
                    let shard = shard.lock().unwrap();
                    prop_assert!(shard.bytes <= 1000);
                    prop_assert_eq!(shard.bytes, shard.entries.values().map(|entry| entry.bytes).sum::<usize>());
                    prop_assert_eq!(shard.entries.len(), shard.ages.len());
                    prop_assert!(shard.ages.iter().all(|key| shard.entries.contains_key(key)));
                    len += shard.entries.len();
                }
                prop_assert_eq!(table.len.load(Ordering::Relaxed), len);
            }
        }
    }
}
