//! [`Pool`]: the servers of one plan, and which of them each command goes to.
//!
//! One master is the usual case and costs nothing here: its link answers to the asker directly.
//! Where a pool has to look at answers first (a cluster's redirections, a sentinel's word) they are
//! gathered inside and passed on from [`Pool::turn`].

use super::cluster::Cluster;
use super::nodes::{Node, Nodes};
use super::sentinel::Sentinels;
use super::{Layout, Plan, Role, Serve, Settings};
use crate::op::{Answer, AskId, Failure, RedisOp, Route};
use std::io;
use std::time::Instant;

/// A pool. The order of calls, turn by turn: events of its servers' sockets by place
/// ([`Pool::handle_bytes`] and its kin), then [`Pool::ask`] any number of times, then
/// [`Pool::turn`], and then what [`Link`](super::Link) says of connecting and sending, for each
/// node.
#[derive(Debug)]
pub struct Pool {
    nodes: Nodes,
    routing: Routing,
    /// Answers to what the pool itself asked, or has to look at.
    inner: Vec<(AskId, Answer)>,
}

#[derive(Debug)]
enum Routing {
    Direct(Direct),
    Sentinel(Direct, Box<Sentinels>),
    Cluster(Box<Cluster>),
}

/// A master at a fixed place, and its replicas.
#[derive(Debug)]
pub(super) struct Direct {
    pub(super) replicas: Vec<usize>,
    turn: usize,
    /// Writes too.
    all_to_replicas: bool,
}

/// How a pool is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Commands find a server: the master, or all masters of a cluster.
    pub is_up: bool,
    pub connections: u32,
    pub idle: u32,
    /// Commands that wait for replies.
    pub in_flight: u32,
    /// Connections that were in use and are over, of the servers that there are.
    pub losses: u64,
}

impl Pool {
    /// A pool whose links want their first connections at once. `seed` sets their backoff apart
    /// from other workers'.
    pub fn new(plan: Plan, seed: u64, now: Instant) -> Pool {
        let mut nodes = Nodes::new(seed);
        let Plan { layout, settings } = plan;
        let routing = match layout {
            Layout::Direct { master, replicas } => {
                nodes.add(Settings { address: master.clone(), ..settings.clone() }, now);
                let replicas = replicas.into_iter().filter(|address| *address != master);
                let of = |address| Settings { address, role: Role::Replica, ..settings.clone() };
                let replicas = replicas.filter_map(|address| nodes.add(of(address), now)).collect();
                Routing::Direct(Direct { replicas, turn: 0, all_to_replicas: false })
            }
            Layout::Sentinel { sentinels, name, username, password, serve } => {
                let watchers = Settings {
                    username,
                    password,
                    database: 0,
                    tracking: false,
                    ..settings.clone()
                };
                let all_to_replicas = serve == Serve::Replicas;
                let role = if all_to_replicas { Role::Replica } else { Role::Master };
                // Where the server at the first place is, the sentinels will say; until then its
                // link gathers what is asked.
                let first = nodes.add(
                    Settings {
                        address: String::new(),
                        role,
                        verify_role: true,
                        ..settings.clone()
                    },
                    now,
                );
                let replicas = first.filter(|_| all_to_replicas).into_iter().collect();
                let sentinels = Sentinels::new(
                    name, sentinels, watchers, settings, serve, &mut nodes, seed, now,
                );
                Routing::Sentinel(
                    Direct { replicas, turn: 0, all_to_replicas },
                    Box::new(sentinels),
                )
            }
            Layout::Cluster { seeds, reads_at_replicas, redirects_max } => {
                // A command and its CLIENT CACHING need not go to the same server.
                let settings =
                    Settings { database: 0, reads_at_replicas, tracking: false, ..settings };
                Routing::Cluster(Box::new(Cluster::new(seeds, settings, redirects_max, seed, now)))
            }
        };
        let mut pool = Pool { nodes, routing, inner: Vec::new() };
        pool.turn(now, &mut Vec::new());
        pool
    }

    /// Asks on behalf of `who`; as [`Link::ask`](super::Link::ask).
    #[inline]
    pub fn ask(
        &mut self,
        op: &RedisOp,
        ask: AskId,
        until: Instant,
        now: Instant,
    ) -> Option<Answer> {
        let at = match &mut self.routing {
            Routing::Direct(direct) | Routing::Sentinel(direct, _) => {
                direct.place(op.route, &self.nodes)
            }
            Routing::Cluster(cluster) => return cluster.ask(op, ask, until, &mut self.nodes, now),
        };
        match self.nodes.get_mut(at) {
            Some(node) => node.link.ask(ask, until, &op.commands, now),
            None => Some(Answer::Failed(Failure::Unavailable(
                "this Redis pool has no server".to_owned(),
            ))),
        }
    }

    /// Whether what was read from any server may have changed; as
    /// [`Link::take_invalidation`](super::Link::take_invalidation). Each call tells of one server.
    pub fn take_invalidation(&mut self) -> bool {
        (0..self.nodes.places())
            .any(|at| self.nodes.get_mut(at).is_some_and(|node| node.link.take_invalidation()))
    }

    /// How many places there are; some may be empty.
    pub fn places(&self) -> usize {
        self.nodes.places()
    }

    #[inline]
    pub fn node_mut(&mut self, at: usize) -> Option<&mut Node> {
        self.nodes.get_mut(at)
    }

    pub fn handle_bytes(
        &mut self,
        at: usize,
        bytes: &[u8],
        now: Instant,
        out: &mut Vec<(AskId, Answer)>,
    ) {
        let out = if self.looks_at(at) { &mut self.inner } else { out };
        if let Some(node) = self.nodes.get_mut(at) {
            node.link.handle_bytes(bytes, now, out);
        }
    }

    pub fn handle_closed(
        &mut self,
        at: usize,
        error: Option<&io::Error>,
        now: Instant,
        out: &mut Vec<(AskId, Answer)>,
    ) {
        let out = if self.looks_at(at) { &mut self.inner } else { out };
        if let Some(node) = self.nodes.get_mut(at) {
            node.link.handle_closed(error, now, out);
        }
    }

    /// There is no way to the server at a place: its name is not known, say.
    pub fn handle_unreachable(
        &mut self,
        at: usize,
        why: String,
        now: Instant,
        out: &mut Vec<(AskId, Answer)>,
    ) {
        let out = if self.looks_at(at) { &mut self.inner } else { out };
        if let Some(node) = self.nodes.get_mut(at) {
            node.link.handle_unreachable(why, now, out);
        }
    }

    /// Lets go of all servers; what is in flight fails.
    pub fn close(&mut self, now: Instant, out: &mut Vec<(AskId, Answer)>) {
        let mut inner = std::mem::take(&mut self.inner);
        for at in 0..self.nodes.places() {
            let out = if self.looks_at(at) { &mut inner } else { &mut *out };
            if let Some(node) = self.nodes.get_mut(at) {
                node.link.close(now, out);
            }
        }
        if let Routing::Cluster(cluster) = &mut self.routing {
            cluster.close(out);
        }
    }

    /// Sees to timeouts and to the pool's own business.
    pub fn turn(&mut self, now: Instant, out: &mut Vec<(AskId, Answer)>) {
        for at in 0..self.nodes.places() {
            let out = if self.looks_at(at) { &mut self.inner } else { &mut *out };
            if let Some(node) = self.nodes.get_mut(at)
                && node.link.next_timeout().is_some_and(|due| due <= now)
            {
                node.link.handle_timeout(now, out);
            }
        }
        match &mut self.routing {
            Routing::Direct(_) => {}
            Routing::Sentinel(direct, sentinels) => {
                sentinels.turn(direct, &mut self.nodes, &mut self.inner, now, out)
            }
            Routing::Cluster(cluster) => cluster.turn(&mut self.nodes, &mut self.inner, now, out),
        }
    }

    /// Whether [`Pool::turn`] has something to look at.
    pub fn has_events(&self) -> bool {
        !self.inner.is_empty()
    }

    /// When [`Pool::turn`] is due without an event.
    pub fn next_timeout(&self) -> Option<Instant> {
        let due = |node: &Node| {
            if node.is_addressed { node.link.next_timeout() } else { node.link.next_expiry() }
        };
        let links = self.nodes.iter().filter_map(|(_, node)| due(node)).min();
        let own = match &self.routing {
            Routing::Direct(_) => None,
            Routing::Sentinel(_, sentinels) => sentinels.next_timeout(&self.nodes),
            Routing::Cluster(cluster) => cluster.next_timeout(&self.nodes),
        };
        [links, own].into_iter().flatten().min()
    }

    pub fn health(&self) -> Health {
        let mut health = Health::default();
        for (at, node) in self.nodes.iter() {
            let is_sentinel = matches!(&self.routing, Routing::Sentinel(_, sentinels) if sentinels.is_sentinel(at));
            if node.link.is_ready() {
                health.connections += 1;
                health.idle += u32::from(node.link.waiting() == 0);
            }
            health.losses += node.link.losses();
            if !is_sentinel {
                health.in_flight = health
                    .in_flight
                    .saturating_add(u32::try_from(node.link.waiting()).unwrap_or(u32::MAX));
            }
        }
        health.is_up = match &self.routing {
            Routing::Direct(direct) | Routing::Sentinel(direct, _) if direct.all_to_replicas => {
                direct.replicas.iter().any(|at| self.nodes.is_ready(*at))
            }
            Routing::Direct(_) | Routing::Sentinel(..) => self.nodes.is_ready(MASTER),
            Routing::Cluster(cluster) => cluster.is_whole(&self.nodes),
        };
        health
    }

    /// Whether the pool looks at a server's answers before anybody else does.
    #[inline]
    fn looks_at(&self, at: usize) -> bool {
        match &self.routing {
            Routing::Direct(_) => false,
            Routing::Sentinel(_, sentinels) => sentinels.is_sentinel(at),
            Routing::Cluster(_) => true,
        }
    }
}

impl Direct {
    #[inline]
    fn place(&mut self, route: Route, nodes: &Nodes) -> usize {
        if !self.all_to_replicas && (route == Route::Write || self.replicas.is_empty()) {
            return MASTER;
        }
        self.turn = self.turn.wrapping_add(1);
        nodes.ready_in_turn(&self.replicas, self.turn).unwrap_or(MASTER)
    }
}

/// The master's place; where there are only replicas, the first of them.
pub(super) const MASTER: usize = 0;

#[cfg(test)]
#[path = "pool_tests.rs"]
mod tests;
