//! What the tables of a process hold: one record for each kind of state, with what it weighs.
//!
//! Below [`super::MemoryStore`], which owns the tables, and below the files of the kinds, which
//! read and write them.

use super::ban::Details;
use super::table::Weigh;
use ahash::RandomState;
use std::collections::HashMap;
use std::time::Instant;

/// An account, as the tables of the process keep it.
#[derive(Default)]
pub(super) struct Account(pub Box<[u8]>);

impl Weigh for Account {
    fn bytes(&self) -> usize {
        text_bytes(&self.0)
    }
}

/// A block as this process keeps it.
#[derive(Debug, Default)]
pub(super) struct Block {
    pub bucket: Box<[u8]>,
    pub details: Details,
}

impl Weigh for Block {
    fn bytes(&self) -> usize {
        let users = &self.details.users;
        let names: usize = users.iter().map(|name| text_bytes(name.as_bytes())).sum();
        text_bytes(&self.bucket) + names + users.capacity() * size_of::<String>()
    }
}

/// The login names that were tried last from a network, the newest one first. Bounds:
/// [`TRIED_MAX`], [`TRIED_BYTES_MAX`].
#[derive(Debug, Default)]
pub(super) struct Tried(Vec<String>);

impl Tried {
    pub fn add(&mut self, name: &[u8]) {
        if name.is_empty() {
            return;
        }
        let name = name.get(..TRIED_BYTES_MAX).unwrap_or(name);
        // The usual case, without an allocation: one client tries one user again.
        if self.0.first().is_some_and(|newest| newest.as_bytes() == name) {
            return;
        }
        // A cut character becomes U+FFFD.
        let name = String::from_utf8_lossy(name).into_owned();
        self.0.retain(|known| *known != name);
        self.0.truncate(TRIED_MAX - 1);
        self.0.insert(0, name);
    }

    pub fn names(&self) -> Vec<String> {
        self.0.clone()
    }
}

impl Weigh for Tried {
    fn bytes(&self) -> usize {
        let names: usize = self.0.iter().map(|name| text_bytes(name.as_bytes())).sum();
        names + self.0.capacity() * size_of::<String>()
    }
}

/// Enough to see whether one user has mistyped or many were guessed.
const TRIED_MAX: usize = 5;
const TRIED_BYTES_MAX: usize = 64;

/// A counter as this process keeps it.
#[derive(Clone, Debug, Default)]
pub(super) struct Failures {
    pub counted: u64,
    /// Of these, how many Redis was told, whatever came of it.
    pub settled: u64,
    /// Of the settled ones, how many it did not take.
    pub lost: u64,
    /// Of the lost ones, how many are on their way once more.
    resent: u64,
}

impl Failures {
    /// One more, which takes the lost ones along.
    pub fn depart(&mut self) -> u64 {
        self.counted += 1;
        let again = self.lost.saturating_sub(self.resent);
        self.resent = self.lost;
        1 + again
    }

    pub fn settle(&mut self, size: u64, arrived: bool) {
        let again = size.saturating_sub(1);
        self.settled = self.counted.min(self.settled + 1);
        self.resent = self.resent.saturating_sub(again);
        self.lost = if arrived { self.lost.saturating_sub(again) } else { self.lost + 1 };
    }
}

impl Weigh for Failures {
    fn bytes(&self) -> usize {
        0
    }
}

/// An entry of the positive cache as the table of the process keeps it.
#[derive(Default)]
pub(super) struct Text(pub Box<[u8]>);

impl Weigh for Text {
    fn bytes(&self) -> usize {
        text_bytes(&self.0)
    }
}

/// The first eight hex digits of a password's hash: enough to tell repetitions, too little to find
/// the password by.
pub type PasswordHash = [u8; 8];

/// Hash → how often.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History(pub(super) Vec<(PasswordHash, u64)>);

impl History {
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How often this password was sent.
    pub fn count(&self, hash: &PasswordHash) -> u64 {
        self.0.iter().find(|(known, _)| known == hash).map_or(0, |(_, count)| *count)
    }

    /// Counts a password.
    pub fn add(&mut self, hash: &PasswordHash) {
        match self.0.iter_mut().find(|(known, _)| known == hash) {
            Some((_, count)) => *count += 1,
            None => self.0.push((*hash, 1)),
        }
    }

    /// Both as one: a password that is in both counts as often as in the larger.
    pub fn merged(mut self, other: &History) -> History {
        for (hash, count) in &other.0 {
            match self.0.iter_mut().find(|(known, _)| known == hash) {
                Some((_, mine)) => *mine = (*mine).max(*count),
                None => self.0.push((*hash, *count)),
            }
        }
        self
    }
}

impl Weigh for History {
    fn bytes(&self) -> usize {
        self.0.len() * size_of::<(PasswordHash, u64)>()
    }
}

/// The users of a client, as this process keeps them.
#[derive(Default)]
pub(super) struct Users {
    pub good: Names,
    pub bad: Names,
}

#[derive(Default)]
pub(super) struct Names {
    seen: HashMap<Vec<u8>, Instant, RandomState>,
    bytes: usize,
}

impl Users {
    pub fn counts(&self, since: Option<Instant>) -> (u64, u64) {
        (self.good.count(since), self.bad.count(since))
    }
}

impl Names {
    pub fn set(&mut self, name: Vec<u8>, now: Instant) {
        let bytes = text_bytes(&name) + NAME_BYTES;
        if self.seen.insert(name, now).is_none() {
            self.bytes += bytes;
        }
    }

    pub fn drop_before(&mut self, since: Option<Instant>) {
        let bytes = &mut self.bytes;
        self.seen.retain(|name, at| {
            let keep = since.is_none_or(|since| *at > since);
            if !keep {
                *bytes -= text_bytes(name) + NAME_BYTES;
            }
            keep
        });
    }

    fn count(&self, since: Option<Instant>) -> u64 {
        self.seen.values().filter(|at| since.is_none_or(|since| **at > since)).count() as u64
    }
}

impl Weigh for Users {
    fn bytes(&self) -> usize {
        self.good.bytes + self.bad.bytes
    }
}

/// A small set of addresses.
#[derive(Clone, Debug, Default)]
pub(super) struct Addresses(Vec<Vec<u8>>);

impl Addresses {
    /// Adds one, unless there are too many already.
    pub fn insert(&mut self, address: &[u8]) {
        if self.0.len() < ADDRESSES_MAX && self.0.iter().all(|known| known != address) {
            self.0.push(address.to_vec());
        }
    }

    pub fn members(&self) -> Vec<Vec<u8>> {
        self.0.clone()
    }
}

impl Weigh for Addresses {
    fn bytes(&self) -> usize {
        self.0.iter().map(|address| text_bytes(address) + size_of::<Vec<u8>>()).sum()
    }
}

impl Weigh for () {
    fn bytes(&self) -> usize {
        0
    }
}

/// What a text takes on the heap.
pub(super) fn text_bytes(text: &[u8]) -> usize {
    if text.is_empty() { 0 } else { text.len() + ALLOCATION_BYTES }
}

const ALLOCATION_BYTES: usize = 16;

/// A name's place in the map.
const NAME_BYTES: usize = 64;

/// Addresses that are listed for one account.
const ADDRESSES_MAX: usize = 1000;
