//! The entries of one shard, and the order in which they are evicted.

use crate::value::Value;
use ahash::AHashMap;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

#[derive(Default)]
pub struct Entries {
    pub map: AHashMap<Arc<[u8]>, Entry>,
    /// Every key, in the order in which entries go.
    pub order: BTreeMap<Order, Arc<[u8]>>,
    /// Entries stored so far: what is older has the smaller number.
    stored: u64,
}

pub struct Entry {
    pub value: Arc<Value>,
    pub order: Order,
    pub bytes: usize,
}

pub type Order = (Expiry, u64);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Expiry {
    At(Instant),
    Never,
}

impl Expiry {
    pub fn is_over(self, now: Instant) -> bool {
        matches!(self, Expiry::At(at) if at <= now)
    }
}

impl Entries {
    pub fn live(&self, key: &[u8], now: Instant) -> Option<&Entry> {
        self.map.get(key).filter(|entry| !entry.order.0.is_over(now))
    }

    pub fn live_mut(&mut self, key: &[u8], now: Instant) -> Option<&mut Entry> {
        self.map.get_mut(key).filter(|entry| !entry.order.0.is_over(now))
    }

    /// Adds an entry under a key that is not there.
    pub fn insert(&mut self, key: &[u8], value: Arc<Value>, expiry: Expiry, bytes: usize) {
        let key: Arc<[u8]> = key.into();
        self.stored += 1;
        let order = (expiry, self.stored);
        self.order.insert(order, key.clone());
        self.map.insert(key, Entry { value, order, bytes });
    }

    pub fn remove(&mut self, key: &[u8]) -> Option<Entry> {
        let entry = self.map.remove(key)?;
        self.order.remove(&entry.order);
        Some(entry)
    }

    /// Who has to go next.
    pub fn victim(&self, kept: &[u8]) -> Option<Arc<[u8]>> {
        self.order.values().find(|key| key.as_ref() != kept).cloned()
    }

    pub fn count_live(&self, now: Instant) -> usize {
        self.map.len() - self.order.keys().take_while(|(expiry, _)| expiry.is_over(now)).count()
    }
}
