//! The map: which nodes serve which slot, as places among the pool's nodes.

use super::slots::{Range, SLOTS};

/// Empty until a node has told it.
#[derive(Debug, Default)]
pub(super) struct Map {
    /// By slot, the number of its shard, counted from 1; 0: nobody is known to serve it. Empty:
    /// nothing is known.
    slots: Vec<u16>,
    shards: Vec<Shard>,
}

/// A master and its replicas.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Shard {
    pub(super) master: usize,
    pub(super) replicas: Vec<usize>,
}

impl Map {
    /// Builds it from what a node told; `place` gives the place of an address, None if there is no
    /// room for it.
    pub(super) fn build(ranges: &[Range], mut place: impl FnMut(&str) -> Option<usize>) -> Map {
        let mut map = Map { slots: vec![0; usize::from(SLOTS)], shards: Vec::new() };
        for range in ranges {
            let Some(master) = place(&range.master) else { continue };
            let shard = map.shard(master);
            let replicas: Vec<usize> = range
                .replicas
                .iter()
                .filter_map(|address| place(address))
                .filter(|at| *at != master)
                .collect();
            if let Some(shard) = map.shards.get_mut(usize::from(shard) - 1) {
                shard.replicas = replicas;
            }
            for slot in map
                .slots
                .get_mut(usize::from(range.first)..=usize::from(range.last))
                .unwrap_or_default()
            {
                *slot = shard;
            }
        }
        map
    }

    pub(super) fn is_empty(&self) -> bool {
        self.shards.is_empty()
    }

    /// Who serves a slot.
    pub(super) fn of_slot(&self, slot: u16) -> Option<&Shard> {
        let shard = self.slots.get(usize::from(slot)).copied().unwrap_or_default();
        self.shards.get(usize::from(shard).checked_sub(1)?)
    }

    /// Notes that a slot has moved.
    pub(super) fn move_slot(&mut self, slot: u16, master: usize) {
        let shard = self.shard(master);
        if let Some(place) = self.slots.get_mut(usize::from(slot)) {
            *place = shard;
        }
    }

    pub(super) fn masters(&self) -> impl Iterator<Item = usize> {
        self.shards.iter().map(|shard| shard.master)
    }

    /// Whether a node is in it at all.
    pub(super) fn has(&self, at: usize) -> bool {
        self.shards.iter().any(|shard| shard.master == at || shard.replicas.contains(&at))
    }

    /// The number of a master's shard, counted from 1; a new one if it has none yet. There are no
    /// more shards than nodes.
    fn shard(&mut self, master: usize) -> u16 {
        let at = self.shards.iter().position(|shard| shard.master == master).unwrap_or_else(|| {
            self.shards.push(Shard { master, replicas: Vec::new() });
            self.shards.len() - 1
        });
        u16::try_from(at + 1).unwrap_or_default()
    }
}
