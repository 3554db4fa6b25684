//! A slab with generations: O(1) insert, look up and remove, and a key to what is gone finds
//! nothing.
//!
//! Connections, tasks and links live here. Timers, answers and readiness events that arrive late
//! carry the key of something already removed; they need no bookkeeping to be cancelled. Bounds:
//! 2^32 slots; a slot's generation wraps after 2^24 removals, so a key must not be kept for longer
//! than that takes (minutes, at a hundred thousand a second through a single slot).

/// Names one value in one [`Slots`]; goes stale when the value is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    pub index: u32,
    /// Below 2^24, so that a key fits into a [`super::Token`] beside its kind.
    pub generation: u32,
}

impl Key {
    /// The key as a number, for links and threads that hand it back untouched.
    pub fn to_bits(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.index)
    }

    pub fn from_bits(bits: u64) -> Key {
        Key { index: bits as u32, generation: (bits >> 32) as u32 }
    }
}

/// The slab. Slots are reused last in, first out: the warmest memory first.
#[derive(Debug)]
pub struct Slots<T> {
    entries: Vec<Entry<T>>,
    /// The slot that the next insert takes; [`NONE`] if all are occupied.
    free: u32,
    len: usize,
}

#[derive(Debug)]
struct Entry<T> {
    generation: u32,
    state: State<T>,
}

#[derive(Debug)]
enum State<T> {
    Occupied(T),
    /// Free; holds the next free slot, or [`NONE`].
    Vacant(u32),
}

impl<T> Slots<T> {
    pub fn new() -> Slots<T> {
        Slots { entries: Vec::new(), free: NONE, len: 0 }
    }

    /// Stores `value` and names it.
    pub fn insert(&mut self, value: T) -> Key {
        self.insert_with(|_| value)
    }

    /// Stores what `make` gives for the key it will have, for values that carry their own key.
    pub fn insert_with(&mut self, make: impl FnOnce(Key) -> T) -> Key {
        if let Some(entry) = self.entries.get_mut(self.free as usize)
            && let State::Vacant(next) = entry.state
        {
            let key = Key { index: self.free, generation: entry.generation };
            entry.state = State::Occupied(make(key));
            self.free = next;
            self.len += 1;
            return key;
        }
        let key = Key { index: self.entries.len() as u32, generation: 0 };
        debug_assert!(
            key.index < NONE,
            "file descriptors and memory run out long before 2^32 slots"
        );
        self.entries.push(Entry { generation: 0, state: State::Occupied(make(key)) });
        self.len += 1;
        key
    }

    pub fn get(&self, key: Key) -> Option<&T> {
        match self.entries.get(key.index as usize) {
            Some(Entry { generation, state: State::Occupied(value) })
                if *generation == key.generation =>
            {
                Some(value)
            }
            _ => None,
        }
    }

    pub fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        match self.entries.get_mut(key.index as usize) {
            Some(Entry { generation, state: State::Occupied(value) })
                if *generation == key.generation =>
            {
                Some(value)
            }
            _ => None,
        }
    }

    pub fn contains(&self, key: Key) -> bool {
        self.get(key).is_some()
    }

    /// Takes the value out; the key is stale from now on.
    pub fn remove(&mut self, key: Key) -> Option<T> {
        let entry = self.entries.get_mut(key.index as usize)?;
        if entry.generation != key.generation || matches!(entry.state, State::Vacant(_)) {
            return None;
        }
        let State::Occupied(value) = std::mem::replace(&mut entry.state, State::Vacant(self.free))
        else {
            return None;
        };
        entry.generation = (entry.generation + 1) & GENERATION_MASK;
        self.free = key.index;
        self.len -= 1;
        Some(value)
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All values in the order of their slots.
    pub fn iter(&self) -> impl Iterator<Item = (Key, &T)> {
        self.entries.iter().enumerate().filter_map(|(index, entry)| match &entry.state {
            State::Occupied(value) => {
                Some((Key { index: index as u32, generation: entry.generation }, value))
            }
            State::Vacant(_) => None,
        })
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = (Key, &mut T)> {
        self.entries.iter_mut().enumerate().filter_map(|(index, entry)| match &mut entry.state {
            State::Occupied(value) => {
                Some((Key { index: index as u32, generation: entry.generation }, value))
            }
            State::Vacant(_) => None,
        })
    }

    /// The keys of all values, for a sweep that removes as it goes (draining, idle connections).
    pub fn keys(&self) -> Vec<Key> {
        self.iter().map(|(key, _)| key).collect()
    }
}

impl<T> Default for Slots<T> {
    fn default() -> Slots<T> {
        Slots::new()
    }
}

/// The end of the list of free slots.
const NONE: u32 = u32::MAX;

/// A generation has as many bits as a token has room for beside kind and index.
pub(super) const GENERATION_MASK: u32 = (1 << 24) - 1;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    #[test]
    fn a_stale_key_finds_nothing() {
        let mut slots = Slots::new();
        let first = slots.insert("first");
        assert_eq!(slots.remove(first), Some("first"));
        let second = slots.insert("second");
        assert_eq!((second.index, second.generation), (first.index, first.generation + 1));
        assert!(
            slots.get(first).is_none()
                && slots.get_mut(first).is_none()
                && slots.remove(first).is_none()
        );
        assert_eq!(slots.get(second), Some(&"second"));
    }

    #[test]
    fn a_key_from_elsewhere_finds_nothing() {
        let mut slots = Slots::new();
        slots.insert(1);
        for key in [
            Key { index: 1, generation: 0 },
            Key { index: u32::MAX, generation: 0 },
            Key { index: 0, generation: 1 },
        ] {
            assert_eq!((slots.get(key).copied(), slots.remove(key)), (None, None));
        }
        assert_eq!(slots.len(), 1);
    }

    #[test]
    fn generations_wrap_within_their_bits() {
        let mut slots = Slots::new();
        let key = slots.insert(());
        slots.entries[0].generation = GENERATION_MASK;
        let last = Key { generation: GENERATION_MASK, ..key };
        assert!(slots.remove(last).is_some());
        assert_eq!(slots.insert(()), key);
    }

    #[test]
    fn a_value_may_know_its_key() {
        let mut slots = Slots::new();
        let key = slots.insert_with(|key| key);
        assert_eq!(slots.get(key), Some(&key));
    }

    #[derive(Clone, Debug)]
    enum Step {
        Insert(u8),
        Remove(usize),
        Change(usize, u8),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => any::<u8>().prop_map(Step::Insert),
            2 => any::<usize>().prop_map(Step::Remove),
            1 => (any::<usize>(), any::<u8>()).prop_map(|(which, value)| Step::Change(which, value)),
        ]
    }

    proptest! {
        /// Against a map that never reuses a key: every key ever given out finds the same in both,
        /// live or stale.
        #[test]
        fn behaves_like_a_map(steps in prop::collection::vec(step(), 0..200)) {
            let mut slots = Slots::new();
            let mut model: HashMap<Key, u8> = HashMap::new();
            let mut keys: Vec<Key> = Vec::new();
            for step in steps {
                match step {
                    Step::Insert(value) => {
                        let key = slots.insert(value);
                        prop_assert!(model.insert(key, value).is_none() && !keys.contains(&key));
                        keys.push(key);
                    }
                    Step::Remove(which) if !keys.is_empty() => {
                        let key = keys[which % keys.len()];
                        prop_assert_eq!(slots.remove(key), model.remove(&key));
                    }
                    Step::Change(which, value) if !keys.is_empty() => {
                        let key = keys[which % keys.len()];
                        prop_assert_eq!(slots.get_mut(key).map(|at| *at = value).is_some(), model.get_mut(&key).map(|at| *at = value).is_some());
                    }
                    Step::Remove(_) | Step::Change(..) => {}
                }
                prop_assert_eq!(slots.len(), model.len());
                prop_assert!(keys.iter().all(|key| slots.get(*key) == model.get(key)));
            }
            let listed: HashMap<Key, u8> = slots.iter().map(|(key, value)| (key, *value)).collect();
            prop_assert_eq!(listed, model);
        }

        #[test]
        fn a_key_survives_as_a_number(index in any::<u32>(), generation in 0..=GENERATION_MASK) {
            let key = Key { index, generation };
            prop_assert_eq!(Key::from_bits(key.to_bits()), key);
        }
    }
}
