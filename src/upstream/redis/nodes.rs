//! Nodes: the servers of a pool, each with its link, at places that stay the same for as long as
//! the server is in use.
//!
//! A place is what a worker keeps a socket at; one that became free is used again. Bound:
//! [`NODES_MAX`].

use super::{Link, Settings};
use crate::op::{Answer, AskId};
use std::time::Instant;

/// One server.
#[derive(Debug)]
pub struct Node {
    pub link: Link,
    /// Whether it is known where the server is: in the link's settings.
    pub(super) is_addressed: bool,
}

impl Node {
    /// Where to connect to: `host:port` or a path. None: nobody has said yet.
    pub fn address(&self) -> Option<&str> {
        self.is_addressed.then(|| self.link.settings().address.as_str())
    }
}

#[derive(Debug)]
pub(super) struct Nodes {
    places: Vec<Option<Node>>,
    /// Sets the backoff of each link apart.
    seed: u64,
}

impl Nodes {
    pub(super) fn new(seed: u64) -> Nodes {
        Nodes { places: Vec::new(), seed }
    }

    /// Adds a server; without an address its link waits for one. None: there are too many.
    pub(super) fn add(&mut self, settings: Settings, now: Instant) -> Option<usize> {
        let at = self.places.iter().position(Option::is_none).unwrap_or(self.places.len());
        if at >= NODES_MAX {
            return None;
        }
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let is_addressed = !settings.address.is_empty();
        let node = Node { link: Link::new(settings, self.seed, now), is_addressed };
        match self.places.get_mut(at) {
            Some(place) => *place = Some(node),
            None => self.places.push(Some(node)),
        }
        Some(at)
    }

    /// Takes a server out; what is in flight there fails.
    pub(super) fn remove(&mut self, at: usize, now: Instant, out: &mut Vec<(AskId, Answer)>) {
        if let Some(mut node) = self.places.get_mut(at).and_then(Option::take) {
            node.link.handle_closed(None, now, out);
        }
    }

    #[inline]
    pub(super) fn get(&self, at: usize) -> Option<&Node> {
        self.places.get(at)?.as_ref()
    }

    #[inline]
    pub(super) fn get_mut(&mut self, at: usize) -> Option<&mut Node> {
        self.places.get_mut(at)?.as_mut()
    }

    /// How many places there are, free ones included.
    pub(super) fn places(&self) -> usize {
        self.places.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, &Node)> {
        self.places.iter().enumerate().filter_map(|(at, place)| Some((at, place.as_ref()?)))
    }

    pub(super) fn is_ready(&self, at: usize) -> bool {
        self.get(at).is_some_and(|node| node.link.is_ready())
    }

    /// The first ready one of `candidates`, beginning with the one whose turn it is.
    pub(super) fn ready_in_turn(&self, candidates: &[usize], turn: usize) -> Option<usize> {
        let count = candidates.len();
        let in_turn = (0..count).filter_map(|step| candidates.get(turn.wrapping_add(step) % count));
        in_turn.copied().find(|at| self.is_ready(*at))
    }

    /// Why nothing at all can be reached; None while some server is there or being tried.
    pub(super) fn hopeless(
        &self,
        candidates: impl Iterator<Item = usize>,
        now: Instant,
    ) -> Option<&str> {
        let mut why = None;
        for node in candidates.filter_map(|at| self.get(at)) {
            why = Some(node.link.refuses(now)?);
        }
        why
    }
}

/// The most nodes that a cluster may have, by its specification.
pub(super) const NODES_MAX: usize = 1024;
