//! One lookup under way: the names still to be tried, the question being asked, the try it is at.

use super::Settings;
use super::resolver::Transport;
use crate::op::{AskId, DnsAnswer, DnsOp, Failure};
use crate::proto::dns::Question;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

#[derive(Debug)]
pub(super) struct Lookup {
    /// As it was asked; further asks for the same join this lookup.
    pub op: DnsOp,
    /// Who waits for the answer.
    pub waiters: Vec<AskId>,
    pub settings: Arc<Settings>,
    /// When it must have ended.
    pub deadline: Instant,
    /// Names to try if the present one gives nothing: the search list.
    pub candidates: VecDeque<Question>,
    /// The candidate that is tried: its answer is remembered under this.
    pub candidate: Question,
    /// What the server is asked: the candidate, or what it is an alias of.
    pub question: Question,
    /// Aliases followed from the candidate.
    pub aliases: usize,
    /// How long the aliases so far may be remembered, in seconds.
    pub ttl: u32,
    /// The position among the servers of the one that this lookup began with.
    pub first_server: usize,
    /// Tries of this question that failed: every server has its turn, so many times.
    pub failed_tries: u32,
    pub exchange: Exchange,
    /// What went wrong last; the answer, unless some candidate gives records.
    pub trouble: Option<Failure>,
    /// The best "no" so far; that a name exists is better than that it does not.
    pub negative: Option<DnsAnswer>,
}

/// A query that is out.
#[derive(Debug)]
pub(super) struct Exchange {
    /// Counts the queries of the lookup; late events of earlier ones are told by it.
    pub number: u8,
    pub id: u16,
    pub transport: Transport,
    pub edns: bool,
    pub due: Instant,
    /// Datagrams that were no reply to the query.
    pub lies: u8,
    /// TCP: what has come so far, the length in front.
    pub received: Vec<u8>,
}

impl Lookup {
    /// A lookup of `first`, without waiters and further candidates, that begins with the server at
    /// `first_server`. No query is prepared yet.
    pub fn new(
        op: DnsOp,
        first: Question,
        settings: Arc<Settings>,
        first_server: usize,
        now: Instant,
    ) -> Lookup {
        Lookup {
            op,
            waiters: Vec::new(),
            deadline: now + settings.timeout,
            settings,
            candidates: VecDeque::new(),
            candidate: first.clone(),
            question: first,
            aliases: 0,
            ttl: u32::MAX,
            first_server,
            failed_tries: 0,
            exchange: Exchange {
                number: 0,
                id: 0,
                transport: Transport::Datagram,
                edns: true,
                due: now,
                lies: 0,
                received: Vec::new(),
            },
            trouble: None,
            negative: None,
        }
    }

    /// The server whose turn it is, and its position.
    pub fn server(&self) -> (usize, SocketAddr) {
        let servers = &self.settings.servers;
        let at = (self.first_server + self.failed_tries as usize) % servers.len().max(1);
        // Settings name at least one server; an empty list is refused by the system.
        (at, servers.get(at).copied().unwrap_or_else(|| SocketAddr::from(([0, 0, 0, 0], 0))))
    }

    /// Whether some server has tries left.
    pub fn has_tries(&self) -> bool {
        (self.failed_tries as usize) < self.settings.servers.len() * self.settings.attempts as usize
            && self.exchange.number < QUERIES_MAX
    }

    /// Notes that the present server could not say.
    pub fn note_trouble(&mut self, reason: impl Into<String>) {
        let name = self.op.name.clone();
        self.trouble =
            Some(Failure::Lookup { name, server: self.server().1, reason: reason.into() });
    }

    /// Notes that the present candidate has no such records.
    pub fn note_negative(&mut self, answer: DnsAnswer) {
        if !matches!(self.negative, Some(DnsAnswer::NoData(_))) {
            self.negative = Some(answer);
        }
    }

    /// Turns to another name to ask for, with all tries.
    pub fn turn_to(&mut self, question: Question) {
        self.question = question;
        self.failed_tries = 0;
        self.begin_try(Transport::Datagram, true);
    }

    /// Prepares the next query; the caller gives it its id and sends it.
    pub fn begin_try(&mut self, transport: Transport, edns: bool) {
        self.exchange.number = self.exchange.number.saturating_add(1);
        self.exchange.transport = transport;
        self.exchange.edns = edns;
        self.exchange.lies = 0;
        self.exchange.received = Vec::new();
    }
}

/// Queries of one lookup, all names, aliases, servers and tries together.
pub(super) const QUERIES_MAX: u8 = 100;
