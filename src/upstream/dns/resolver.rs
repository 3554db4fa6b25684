//! The resolver's state machine: asks in, queries out; bytes and time in, answers out.
//!
//! Order of calls: [`Resolver::recall`] for what is known already, else [`Resolver::ask`]; then
//! [`Resolver::poll_command`] until it has no more, which opens a socket for each query and closes
//! those that are done. What comes on a socket goes to [`Resolver::handle_bytes`] or
//! [`Resolver::handle_failed`], time to [`Resolver::handle_timeout`]; answers come out of these,
//! each ask's once.
//!
//! Equal questions share one lookup. A query has a random id and a socket (so a source port) of its
//! own; bytes that are no reply to it are passed over, and after [`LIES_MAX`] of them it is asked
//! over TCP, which cannot be forged from the side. A server that fails, or does not answer in its
//! time, is followed by the next, every server [`Settings::attempts`] times; later lookups begin
//! with the one that answered. "No such name" and "could not find out" never turn into each other.
//! Bounds: [`LOOKUPS_MAX`], `QUERIES_MAX`, the cache's.

use super::Settings;
use super::cache::Cache;
use super::lookup::Lookup;
use super::names::{candidates, look_here};
use crate::op::{Answer, AskId, DnsAnswer, DnsOp, Failure};
use crate::proto::dns::{ALIASES_MAX, Lie, Question, Reply, parse_reply};
use ahash::AHashMap;
use chacha20::ChaCha8Rng;
use chacha20::rand_core::{Rng, SeedableRng};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

/// All lookups of one worker.
pub struct Resolver {
    settings: Arc<Settings>,
    cache: Cache,
    lookups: AHashMap<u64, Lookup>,
    /// Lookups by what was asked.
    by_op: AHashMap<DnsOp, u64>,
    next_lookup: u64,
    /// The server that answered last, by position.
    good_server: usize,
    /// When each query's time is over. Those of queries that have ended meanwhile fire for nothing.
    due: BinaryHeap<Reverse<(Instant, QueryId)>>,
    commands: VecDeque<Command>,
    random: ChaCha8Rng,
}

/// Names one query, below 2^56; the names of earlier queries go stale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QueryId(pub u64);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    Datagram,
    Stream,
}

/// What is to be done with sockets.
#[derive(Debug, PartialEq, Eq)]
pub enum Command {
    /// Open a socket of its own to the server, from a port that nobody can guess, and send the
    /// bytes.
    Send { query: QueryId, server: SocketAddr, transport: Transport, bytes: Vec<u8> },
    /// Close the query's socket, if there is one.
    Close(QueryId),
}

impl Resolver {
    /// `seed` comes from the operating system.
    pub fn new(settings: Arc<Settings>, seed: [u8; 32]) -> Resolver {
        Resolver {
            settings,
            cache: Cache::default(),
            lookups: AHashMap::new(),
            by_op: AHashMap::new(),
            next_lookup: 0,
            good_server: 0,
            due: BinaryHeap::new(),
            commands: VecDeque::new(),
            random: ChaCha8Rng::from_seed(seed),
        }
    }

    /// Other settings from now on. Lookups under way go on with those they began with.
    pub fn configure(&mut self, settings: Arc<Settings>) {
        if *self.settings != *settings {
            self.cache.clear();
            self.good_server = 0;
            self.settings = settings;
        }
    }

    /// The answer to what needs no asking: literals, names of the hosts file, what is no name, what
    /// the cache holds.
    pub fn recall(&mut self, op: &DnsOp, now: Instant) -> Option<Answer> {
        if let Some(answer) = look_here(&self.settings, op) {
            return Some(Answer::Dns(answer));
        }
        let mut negative = None;
        for question in candidates(op, &self.settings) {
            match self.cache.get(&question, now)? {
                DnsAnswer::NoSuchName(server) => {
                    negative = negative.or(Some(DnsAnswer::NoSuchName(server)))
                }
                found @ DnsAnswer::NoData(_) => negative = Some(found),
                found @ DnsAnswer::Records(_) => return Some(Answer::Dns(found)),
            }
        }
        Some(Answer::Dns(negative.unwrap_or(DnsAnswer::NoSuchName(None))))
    }

    /// Asks for `ask`. An answer that is returned came at once and none follows.
    pub fn ask(&mut self, op: DnsOp, ask: AskId, now: Instant) -> Option<Answer> {
        let op = DnsOp { name: op.name.to_ascii_lowercase(), ..op };
        if let Some(lookup) = self.by_op.get(&op).and_then(|id| self.lookups.get_mut(id)) {
            lookup.waiters.push(ask);
            return None;
        }
        if let Some(answer) = self.recall(&op, now) {
            return Some(answer);
        }
        if self.lookups.len() >= LOOKUPS_MAX {
            return Some(Answer::Failed(Failure::Full("DNS")));
        }
        let mut candidates: VecDeque<Question> = candidates(&op, &self.settings).collect();
        let first = candidates.pop_front()?;
        let id = self.next_lookup;
        self.next_lookup = (id + 1) & LOOKUP_MASK;
        let first_server = self.good_server;
        let mut lookup =
            Lookup::new(op.clone(), first.clone(), self.settings.clone(), first_server, now);
        lookup.waiters.push(ask);
        lookup.candidates = candidates;
        self.by_op.insert(op, id);
        self.lookups.insert(id, lookup);
        self.try_candidate(id, first, now).inspect(|_| drop(self.remove(id)))
    }

    /// What the worker must do about sockets next.
    pub fn poll_command(&mut self) -> Option<Command> {
        self.commands.pop_front()
    }

    /// When [`Resolver::handle_timeout`] is due.
    pub fn next_timeout(&self) -> Option<Instant> {
        self.due.peek().map(|Reverse((at, _))| *at)
    }

    /// A datagram, or some bytes of a stream, that came on a query's socket.
    pub fn handle_bytes(
        &mut self,
        query: QueryId,
        bytes: &[u8],
        now: Instant,
        out: &mut Vec<(AskId, Answer)>,
    ) {
        let Some((id, lookup)) = self.of(query) else { return };
        let exchange = &mut lookup.exchange;
        let parsed = match exchange.transport {
            Transport::Datagram => parse_reply(bytes, exchange.id, &lookup.question),
            Transport::Stream => {
                exchange.received.extend_from_slice(bytes);
                let Some(message) = framed(&exchange.received) else { return };
                parse_reply(message, exchange.id, &lookup.question)
            }
        };
        match parsed {
            Ok(reply) => self.handle_reply(id, reply, now, out),
            Err(lie) => self.handle_lie(id, lie, now, out),
        }
    }

    /// Whether a query still waits for its reply.
    pub fn is_open(&self, query: QueryId) -> bool {
        self.lookups
            .get(&(query.0 >> 8))
            .is_some_and(|lookup| query_id(query.0 >> 8, lookup.exchange.number) == query)
    }

    /// A query's socket could not be opened, or failed, or was closed by the server.
    pub fn handle_failed(
        &mut self,
        query: QueryId,
        error: &io::Error,
        now: Instant,
        out: &mut Vec<(AskId, Answer)>,
    ) {
        let Some((id, lookup)) = self.of(query) else { return };
        let network = if lookup.exchange.transport == Transport::Datagram { "udp" } else { "tcp" };
        lookup.note_trouble(format!("{network}: {}", crate::upstream::error_text(error)));
        self.next_try(id, now, out);
    }

    /// Sees to queries whose time is over.
    pub fn handle_timeout(&mut self, now: Instant, out: &mut Vec<(AskId, Answer)>) {
        while let Some(Reverse((_, query))) =
            self.due.peek().copied().filter(|Reverse((at, _))| *at <= now)
        {
            self.due.pop();
            let Some((id, lookup)) = self.of(query) else { continue };
            lookup.note_trouble("i/o timeout");
            self.next_try(id, now, out);
        }
    }

    fn handle_reply(
        &mut self,
        id: u64,
        reply: Reply,
        now: Instant,
        out: &mut Vec<(AskId, Answer)>,
    ) {
        let Some(lookup) = self.lookups.get_mut(&id) else { return };
        let (at, server) = lookup.server();
        match reply {
            Reply::Truncated if lookup.exchange.transport == Transport::Datagram => {
                self.ask_again(id, Transport::Stream, true, now, out);
            }
            Reply::NotUnderstood if lookup.exchange.edns => {
                let transport = lookup.exchange.transport;
                self.ask_again(id, transport, false, now, out);
            }
            Reply::Truncated | Reply::NotUnderstood | Reply::Failed => {
                lookup.note_trouble("server misbehaving");
                self.next_try(id, now, out);
            }
            Reply::Alias { question, ttl } => {
                lookup.ttl = lookup.ttl.min(ttl);
                lookup.aliases += 1;
                if lookup.aliases > ALIASES_MAX {
                    lookup.note_trouble("too many aliases");
                    return self.next_candidate(id, now, out);
                }
                self.good_server(id, at);
                self.turn_to(id, question, now, out);
            }
            Reply::Found { records, ttl } => {
                let answer = DnsAnswer::Records(records.into());
                self.cache.put(&lookup.candidate, &answer, ttl.min(lookup.ttl), now);
                self.good_server(id, at);
                self.finish(id, Answer::Dns(answer), out);
            }
            Reply::NoSuchName { ttl } => {
                self.handle_negative(id, DnsAnswer::NoSuchName(Some(server)), ttl, now, out)
            }
            Reply::NoData { ttl } => {
                self.handle_negative(id, DnsAnswer::NoData(Some(server)), ttl, now, out)
            }
        }
    }

    fn handle_negative(
        &mut self,
        id: u64,
        answer: DnsAnswer,
        ttl: Option<u32>,
        now: Instant,
        out: &mut Vec<(AskId, Answer)>,
    ) {
        let Some(lookup) = self.lookups.get_mut(&id) else { return };
        let at = lookup.server().0;
        if let Some(ttl) = ttl {
            self.cache.put(&lookup.candidate, &answer, ttl.min(lookup.ttl), now);
        }
        lookup.note_negative(answer);
        self.good_server(id, at);
        self.next_candidate(id, now, out);
    }

    /// Over UDP a lie is passed over: the server's own reply may still come. Over TCP only the
    /// server itself can have sent it.
    fn handle_lie(&mut self, id: u64, lie: Lie, now: Instant, out: &mut Vec<(AskId, Answer)>) {
        let Some(lookup) = self.lookups.get_mut(&id) else { return };
        if lookup.exchange.transport == Transport::Stream {
            lookup.note_trouble(lie.to_string());
            return self.next_try(id, now, out);
        }
        lookup.exchange.lies += 1;
        if lookup.exchange.lies >= LIES_MAX {
            self.ask_again(id, Transport::Stream, true, now, out);
        }
    }

    /// Begins with a name. Some: its answer was known.
    fn try_candidate(&mut self, id: u64, candidate: Question, now: Instant) -> Option<Answer> {
        let mut next = Some(candidate);
        while let Some(candidate) = next {
            match self.cache.get(&candidate, now) {
                Some(found @ DnsAnswer::Records(_)) => return Some(Answer::Dns(found)),
                Some(negative) => self.lookups.get_mut(&id)?.note_negative(negative),
                None => {
                    let lookup = self.lookups.get_mut(&id)?;
                    (lookup.candidate, lookup.aliases, lookup.ttl) =
                        (candidate.clone(), 0, u32::MAX);
                    lookup.turn_to(candidate);
                    self.send(id, now);
                    return None;
                }
            }
            next = self.lookups.get_mut(&id)?.candidates.pop_front();
        }
        let lookup = self.lookups.get_mut(&id)?;
        // A name that could not be asked for may be the one that exists.
        Some(match (lookup.trouble.take(), lookup.negative.take()) {
            (Some(failure), _) => Answer::Failed(failure),
            (None, negative) => Answer::Dns(negative.unwrap_or(DnsAnswer::NoSuchName(None))),
        })
    }

    /// The present name gives nothing: on to the next of the search list, or the end.
    fn next_candidate(&mut self, id: u64, now: Instant, out: &mut Vec<(AskId, Answer)>) {
        self.close(id);
        let Some(lookup) = self.lookups.get_mut(&id) else { return };
        let answer = match lookup.candidates.pop_front() {
            Some(candidate) => self.try_candidate(id, candidate, now),
            None => Some(match (lookup.trouble.take(), lookup.negative.take()) {
                (Some(failure), _) => Answer::Failed(failure),
                (None, negative) => Answer::Dns(negative.unwrap_or(DnsAnswer::NoSuchName(None))),
            }),
        };
        if let Some(answer) = answer {
            self.finish(id, answer, out);
        }
    }

    /// Follows an alias, to what may be known already.
    fn turn_to(
        &mut self,
        id: u64,
        question: Question,
        now: Instant,
        out: &mut Vec<(AskId, Answer)>,
    ) {
        self.close(id);
        match self.cache.get(&question, now) {
            // How long the rest of the chain may be remembered is known there; here nothing is
            // added to it.
            Some(found @ DnsAnswer::Records(_)) => self.finish(id, Answer::Dns(found), out),
            Some(negative) => {
                if let Some(lookup) = self.lookups.get_mut(&id) {
                    lookup.note_negative(negative);
                }
                self.next_candidate(id, now, out);
            }
            None => {
                if let Some(lookup) = self.lookups.get_mut(&id) {
                    lookup.turn_to(question);
                }
                self.go_on(id, now, out);
            }
        }
    }

    /// The same server once more, in another way.
    fn ask_again(
        &mut self,
        id: u64,
        transport: Transport,
        edns: bool,
        now: Instant,
        out: &mut Vec<(AskId, Answer)>,
    ) {
        self.close(id);
        if let Some(lookup) = self.lookups.get_mut(&id) {
            lookup.begin_try(transport, edns);
        }
        self.go_on(id, now, out);
    }

    /// The present server could not say: the next one, or the next name.
    fn next_try(&mut self, id: u64, now: Instant, out: &mut Vec<(AskId, Answer)>) {
        self.close(id);
        let Some(lookup) = self.lookups.get_mut(&id) else { return };
        let servers = lookup.settings.servers.len();
        let failed = lookup.server().0;
        if failed == self.good_server && Arc::ptr_eq(&lookup.settings, &self.settings) {
            self.good_server = (failed + 1) % servers.max(1);
        }
        lookup.failed_tries += 1;
        if lookup.has_tries() {
            lookup.begin_try(Transport::Datagram, true);
            self.go_on(id, now, out);
        } else {
            self.next_candidate(id, now, out);
        }
    }

    /// Sends the prepared query, unless the lookup's time is over.
    fn go_on(&mut self, id: u64, now: Instant, out: &mut Vec<(AskId, Answer)>) {
        let Some(lookup) = self.lookups.get_mut(&id) else { return };
        if now >= lookup.deadline || !lookup.has_tries() {
            if lookup.trouble.is_none() {
                lookup.note_trouble("i/o timeout");
            }
            if let Some(failure) = lookup.trouble.take() {
                self.finish(id, Answer::Failed(failure), out);
            }
            return;
        }
        self.send(id, now);
    }

    fn send(&mut self, id: u64, now: Instant) {
        let Some(lookup) = self.lookups.get_mut(&id) else { return };
        let query = query_id(id, lookup.exchange.number);
        lookup.exchange.id = self.random.next_u32() as u16;
        lookup.exchange.due = lookup.deadline.min(now + lookup.settings.try_timeout());
        self.due.push(Reverse((lookup.exchange.due, query)));
        let mut bytes = lookup.question.compose(lookup.exchange.id, lookup.exchange.edns);
        let transport = lookup.exchange.transport;
        if transport == Transport::Stream {
            // A query has some hundred bytes (RFC 7766 8: the length in front).
            let length = u16::try_from(bytes.len()).unwrap_or_default().to_be_bytes();
            bytes.splice(..0, length);
        }
        self.commands.push_back(Command::Send {
            query,
            server: lookup.server().1,
            transport,
            bytes,
        });
    }

    fn good_server(&mut self, id: u64, at: usize) {
        let is_current = self
            .lookups
            .get(&id)
            .is_some_and(|lookup| Arc::ptr_eq(&lookup.settings, &self.settings));
        if is_current {
            self.good_server = at;
        }
    }

    fn close(&mut self, id: u64) {
        if let Some(lookup) = self.lookups.get(&id) {
            self.commands.push_back(Command::Close(query_id(id, lookup.exchange.number)));
        }
    }

    /// Gives the answer to all waiters.
    fn finish(&mut self, id: u64, answer: Answer, out: &mut Vec<(AskId, Answer)>) {
        self.close(id);
        let Some(lookup) = self.remove(id) else { return };
        for ask in lookup.waiters {
            out.push((ask, copy(&answer)));
        }
    }

    fn remove(&mut self, id: u64) -> Option<Lookup> {
        let lookup = self.lookups.remove(&id)?;
        self.by_op.remove(&lookup.op);
        if self.lookups.is_empty() {
            // Nothing is under way, so nothing is due.
            self.due.clear();
        }
        Some(lookup)
    }

    /// The lookup of a query, unless the query is an old one.
    fn of(&mut self, query: QueryId) -> Option<(u64, &mut Lookup)> {
        let id = query.0 >> 8;
        let lookup = self
            .lookups
            .get_mut(&id)
            .filter(|lookup| u64::from(lookup.exchange.number) == query.0 & 0xff)?;
        Some((id, lookup))
    }
}

/// The message in a stream's bytes, once it is whole.
fn framed(received: &[u8]) -> Option<&[u8]> {
    let (length, rest) = received.split_first_chunk::<2>()?;
    rest.get(..usize::from(u16::from_be_bytes(*length)))
}

/// Lookups have one of these two answers only.
fn copy(answer: &Answer) -> Answer {
    match answer {
        Answer::Failed(failure) => Answer::Failed(failure.clone()),
        Answer::Dns(answer) => Answer::Dns(answer.clone()),
        _ => Answer::Failed(Failure::Unavailable("no answer".into())),
    }
}

fn query_id(lookup: u64, number: u8) -> QueryId {
    QueryId(lookup << 8 | u64::from(number))
}

/// Lookups under way on one worker, each with a socket: a tenth of the file descriptors that a
/// service usually gets.
pub const LOOKUPS_MAX: usize = 1024;

/// Somebody guesses: 16 bits of id are not tried many times before TCP takes over.
pub const LIES_MAX: u8 = 8;

/// A query's name has the lookup's number in 48 bits.
const LOOKUP_MASK: u64 = (1 << 48) - 1;

#[cfg(test)]
#[path = "resolver_tests.rs"]
mod tests;
