//! Link: the state machine of one pipelined connection. Bytes, events and the time in; bytes,
//! answers and wishes out.
//!
//! An ask on the hot path is a copy into the outgoing buffer and one entry in a queue; a reply is
//! matched to the front of that queue, for Redis answers in order. Everything else (connecting,
//! greeting, timeouts, losses) is off that path.
//!
//! What holds: every ask accepted is answered exactly once. What was in flight when a connection
//! ended fails with [`Failure::Closed`] and is never sent again, since it may have been carried
//! out; what was only queued for a connection that did not come about fails with
//! [`Failure::Refused`] and was certainly not. Nothing is sent for an asker whose time ran out
//! before.
//! Bounds: [`Settings::asks_max`] asks, [`OUTGOING_BYTES_MAX`] unsent bytes, one partial reply
//! (`proto::resp`).

use super::backoff::{Backoff, STABLE};
use super::greeting::{Greeting, Progress};
use super::refusal::{self, Refusal};
use super::{Protocol, Role, Settings};
use crate::op::{Answer, AskId, Failure};
use crate::proto::resp::{Commands, Decoder, Reply};
use crate::upstream::{dial_text, dial_timeout_text, error_text};
use std::collections::VecDeque;
use std::io;
use std::time::Instant;

/// A link. The order of calls, turn by turn:
///
/// 1. Events: [`handle_connected`](Link::handle_connected) when the stream is open,
///    [`handle_bytes`](Link::handle_bytes) with what it gave,
///    [`handle_closed`](Link::handle_closed) when it could not be opened, failed or ended;
///    [`handle_timeout`](Link::handle_timeout) when [`next_timeout`](Link::next_timeout) is over.
/// 2. [`ask`](Link::ask), any number of times.
/// 3. If [`wants_connection`](Link::wants_connection): drop the stream there may be, tell
///    [`handle_connecting`](Link::handle_connecting) and begin to connect (failing at once is a
///    `handle_closed`). Else, if it [`is_disconnected`](Link::is_disconnected): drop the stream.
/// 4. Write [`transmit`](Link::transmit), report [`transmitted`](Link::transmitted).
#[derive(Debug)]
pub struct Link {
    settings: Settings,
    /// The version in use; falls from 3 to 2 when the server does not know 3.
    protocol: Protocol,
    state: State,
    backoff: Backoff,
    decoder: Decoder,
    /// Commands of this connection; those before `sent` are with the kernel.
    outgoing: Vec<u8>,
    sent: usize,
    /// Bytes of commands ever asked and ever sent on this connection. Invariant: `asked -
    /// transmitted == outgoing.len() - sent`.
    asked: u64,
    transmitted: u64,
    /// Who waits for replies, in the order of their commands.
    waiting: VecDeque<Asker>,
    /// No living asker's time is over before this. May be too early: those answered since do not
    /// count.
    earliest: Option<Instant>,
    /// Connections that were in use and are over.
    losses: u64,
    /// What was read before may have changed without an invalidation.
    is_invalidated: bool,
}

#[derive(Debug)]
enum State {
    /// There is no connection. Until `retry_at` asks are refused with `why`; from then on one is
    /// wanted, and asks are queued.
    Disconnected { retry_at: Instant, why: String },
    /// The worker connects; asks are queued.
    Connecting { until: Instant },
    /// The greeting is out; asks are queued.
    Greeting { until: Instant, greeting: Greeting },
    /// Asks are sent.
    Ready { since: Instant },
}

#[derive(Debug)]
struct Asker {
    /// None: its time is over, it has been told, and its replies are dropped.
    ask: Option<AskId>,
    until: Instant,
    /// Where its commands end, counted as `Link::asked` is.
    ends_at: u64,
    /// Commands asked, and replies still to come.
    count: usize,
    due: usize,
    /// Replies so far, where there are several commands.
    replies: Vec<Reply>,
}

impl Link {
    /// A link that wants its first connection at once. `seed` sets its backoff apart from other
    /// links'.
    pub fn new(settings: Settings, seed: u64, now: Instant) -> Link {
        Link {
            protocol: settings.protocol,
            settings,
            state: State::Disconnected { retry_at: now, why: String::new() },
            backoff: Backoff::new(seed),
            decoder: Decoder::default(),
            outgoing: Vec::new(),
            sent: 0,
            asked: 0,
            transmitted: 0,
            waiting: VecDeque::new(),
            earliest: None,
            losses: 0,
            is_invalidated: true,
        }
    }

    /// Asks on behalf of `who`, which is handed back with the answer. None: it will come, by
    /// `until` at the latest (then [`Failure::TimedOut`]). Some: this is the answer, nothing was
    /// sent: the server is known to be away ([`Failure::Refused`]), too many wait already
    /// ([`Failure::Full`]), the time is over, or no command was given.
    #[inline]
    pub fn ask(
        &mut self,
        ask: AskId,
        until: Instant,
        commands: &Commands,
        now: Instant,
    ) -> Option<Answer> {
        if let Some(answer) = self.answer_at_once(until, commands, now) {
            return Some(answer);
        }
        let bytes = commands.bytes();
        self.outgoing.extend_from_slice(bytes);
        self.asked += bytes.len() as u64;
        let count = commands.count();
        self.waiting.push_back(Asker {
            ask: Some(ask),
            until,
            ends_at: self.asked,
            count,
            due: count,
            replies: Vec::new(),
        });
        self.earliest = Some(self.earliest.map_or(until, |earliest| earliest.min(until)));
        None
    }

    /// Whether the worker should connect now.
    pub fn wants_connection(&self, now: Instant) -> bool {
        matches!(&self.state, State::Disconnected { retry_at, .. } if *retry_at <= now)
    }

    /// Whether there is nothing to do with a connection: one that is still there must be dropped.
    pub fn is_disconnected(&self) -> bool {
        matches!(self.state, State::Disconnected { .. })
    }

    /// Whether the worker is on its way to a connection.
    pub fn is_connecting(&self) -> bool {
        matches!(self.state, State::Connecting { .. })
    }

    /// Whether asks are sent straight away.
    pub fn is_ready(&self) -> bool {
        matches!(self.state, State::Ready { .. })
    }

    /// Asks that wait for replies, abandoned ones included.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Connections that were in use and are over, for whatever reason.
    pub fn losses(&self) -> u64 {
        self.losses
    }

    /// Whether, since the last call, the server told of changes ([`Settings::tracking`]) or the
    /// connection that it would have told over has ended.
    #[inline]
    pub fn take_invalidation(&mut self) -> bool {
        std::mem::take(&mut self.is_invalidated)
    }

    /// Why asks are refused now; None if they are not.
    pub fn refuses(&self, now: Instant) -> Option<&str> {
        match &self.state {
            State::Disconnected { retry_at, why } if *retry_at > now => Some(why),
            _ => None,
        }
    }

    /// The server is somewhere else from now on: a connection is wanted at once. What was in flight
    /// fails; what has not been sent goes there.
    pub fn redirect(&mut self, address: &str, now: Instant, out: &mut Vec<(AskId, Answer)>) {
        if self.is_ready() {
            self.lose(Failure::Closed(self.settings.address.clone()), now, out);
        }
        self.settings.address = address.to_owned();
        self.protocol = self.settings.protocol;
        self.decoder = Decoder::default();
        self.backoff.forget();
        self.state = State::Disconnected { retry_at: now, why: String::new() };
    }

    /// There is no way to the server, not even an address to try: `why`.
    pub fn handle_unreachable(
        &mut self,
        why: String,
        now: Instant,
        out: &mut Vec<(AskId, Answer)>,
    ) {
        debug_assert!(!self.is_ready(), "it was reached");
        self.refuse(why, now, out);
    }

    /// The worker has begun to connect.
    pub fn handle_connecting(&mut self, now: Instant) {
        debug_assert!(self.is_disconnected(), "one connection at a time");
        self.state = State::Connecting { until: now + self.settings.connect_timeout };
    }

    /// The connection is open. A TLS handshake may still be under way: the stream holds our bytes
    /// back until it is over.
    pub fn handle_connected(&mut self, _now: Instant) {
        if let State::Connecting { until } = self.state {
            self.state =
                State::Greeting { until, greeting: Greeting::new(&self.settings, self.protocol) };
        }
    }

    /// Takes bytes from the server and appends the answers they complete. A server that breaks the
    /// protocol is disconnected.
    pub fn handle_bytes(&mut self, bytes: &[u8], now: Instant, out: &mut Vec<(AskId, Answer)>) {
        let mut input = bytes;
        while !matches!(self.state, State::Disconnected { .. } | State::Connecting { .. }) {
            match self.decoder.next_reply(&mut input) {
                Ok(None) => return,
                // Notices (of client tracking) belong to no ask.
                Ok(Some(reply)) if reply.is_push() => self.is_invalidated = true,
                Ok(Some(reply)) => self.handle_reply(reply, now, out),
                Err(error) => self.lose(Failure::Protocol(error.to_string()), now, out),
            }
        }
    }

    /// The connection could not be opened, failed, or was closed by the server (`error` None).
    pub fn handle_closed(
        &mut self,
        error: Option<&io::Error>,
        now: Instant,
        out: &mut Vec<(AskId, Answer)>,
    ) {
        let address = &self.settings.address;
        match (&self.state, error) {
            (State::Disconnected { .. }, _) => {}
            (State::Connecting { .. }, Some(error)) => {
                self.refuse(dial_text(address, error), now, out)
            }
            (State::Greeting { .. }, Some(error)) => {
                self.refuse(format!("connection to {address}: {}", error_text(error)), now, out)
            }
            (State::Connecting { .. } | State::Greeting { .. }, None) => {
                self.refuse(format!("connection closed by {address}"), now, out)
            }
            (State::Ready { .. }, _) => self.lose(Failure::Closed(address.clone()), now, out),
        }
    }

    /// Ends for good: everybody is told.
    pub fn close(&mut self, now: Instant, out: &mut Vec<(AskId, Answer)>) {
        let failure = Failure::Closed(self.settings.address.clone());
        self.answer_all(&failure, out);
        self.state = State::Disconnected { retry_at: now, why: failure.to_string() };
    }

    /// What is to be written now. Empty until the greeting is over, but for the greeting itself.
    #[inline]
    pub fn transmit(&self) -> &[u8] {
        match &self.state {
            State::Ready { .. } => self.outgoing.get(self.sent..).unwrap_or_default(),
            State::Greeting { greeting, .. } => greeting.unsent(),
            State::Disconnected { .. } | State::Connecting { .. } => &[],
        }
    }

    /// So many bytes of [`Link::transmit`] are with the kernel.
    pub fn transmitted(&mut self, count: usize) {
        match &mut self.state {
            State::Greeting { greeting, .. } => greeting.sent(count),
            State::Ready { .. } => {
                self.sent += count;
                self.transmitted += count as u64;
                if self.sent >= self.outgoing.len() {
                    self.outgoing.clear();
                    self.outgoing.shrink_to(OUTGOING_BYTES_KEEP);
                    self.sent = 0;
                } else if self.sent >= OUTGOING_BYTES_KEEP && self.sent >= self.outgoing.len() / 2 {
                    self.outgoing.drain(..self.sent);
                    self.sent = 0;
                }
            }
            State::Disconnected { .. } | State::Connecting { .. } => {}
        }
    }

    /// When [`Link::handle_timeout`] (or a look at [`Link::wants_connection`]) is due; O(1), asked
    /// each turn. May be early.
    pub fn next_timeout(&self) -> Option<Instant> {
        let own = match &self.state {
            State::Disconnected { retry_at, .. } => Some(*retry_at),
            State::Connecting { until } | State::Greeting { until, .. } => Some(*until),
            State::Ready { .. } => self.stuck_at(),
        };
        match (own, self.earliest) {
            (Some(own), Some(earliest)) => Some(own.min(earliest)),
            (own, earliest) => own.or(earliest),
        }
    }

    /// When the time of the first waiting ask is over. May be early.
    pub fn next_expiry(&self) -> Option<Instant> {
        self.earliest
    }

    /// Answers those whose time is over, and gives up on a server that does not come forward.
    pub fn handle_timeout(&mut self, now: Instant, out: &mut Vec<(AskId, Answer)>) {
        if self.earliest.is_some_and(|earliest| earliest <= now) {
            self.expire(now, out);
        }
        match &self.state {
            State::Connecting { until } | State::Greeting { until, .. } if *until <= now => {
                self.refuse(dial_timeout_text(&self.settings.address), now, out);
            }
            State::Ready { .. } if self.stuck_at().is_some_and(|at| at <= now) => {
                self.lose(Failure::Closed(self.settings.address.clone()), now, out);
            }
            _ => {}
        }
    }

    /// The answer to an ask that is not taken.
    fn answer_at_once(&self, until: Instant, commands: &Commands, now: Instant) -> Option<Answer> {
        let failure = match &self.state {
            State::Disconnected { retry_at, why } if *retry_at > now => {
                Failure::Refused(why.clone())
            }
            _ if self.waiting.len() >= self.settings.asks_max => Failure::Full("redis"),
            _ if self.outgoing.len() - self.sent + commands.bytes().len() > OUTGOING_BYTES_MAX => {
                Failure::Full("redis")
            }
            _ if until <= now => Failure::TimedOut,
            _ if commands.count() == 0 => return Some(Answer::Replies(Vec::new())),
            _ => return None,
        };
        Some(Answer::Failed(failure))
    }

    fn handle_reply(&mut self, reply: Reply, now: Instant, out: &mut Vec<(AskId, Answer)>) {
        let State::Greeting { greeting, .. } = &mut self.state else {
            return self.deliver(reply, now, out);
        };
        match greeting.handle_reply(&reply, &self.settings.password) {
            Progress::Pending => {}
            // Willing before it has heard us out? Then its replies are not to ours.
            Progress::Done if !greeting.unsent().is_empty() => {
                self.refuse(EARLY_REPLY.to_owned(), now, out)
            }
            Progress::Done => self.state = State::Ready { since: now },
            Progress::Refused(text) => self.refuse(text, now, out),
            Progress::Downgrade => {
                // Nothing was lost: the queue waits for the next connection.
                self.protocol = Protocol::Resp2;
                self.decoder = Decoder::default();
                self.state = State::Disconnected { retry_at: now, why: String::new() };
            }
        }
    }

    /// Matches a reply to who waits for it.
    fn deliver(&mut self, reply: Reply, now: Instant, out: &mut Vec<(AskId, Answer)>) {
        let Some(asker) = self.waiting.front_mut() else {
            return self.lose(Failure::Protocol("unexpected reply".to_owned()), now, out);
        };
        if asker.due == 1 && asker.ends_at > self.transmitted {
            // Whatever it answers, it is not this; nor would any later reply belong to its asker.
            return self.lose(Failure::Protocol(EARLY_REPLY.to_owned()), now, out);
        }
        asker.due -= 1;
        let refused = refusal::of_reply(&reply);
        if let Some((_, failure)) = &refused
            && let Some(ask) = asker.ask.take()
        {
            // One for all: an ask with several commands needs all of them.
            asker.replies = Vec::new();
            out.push((ask, Answer::Failed(failure.clone())));
        }
        match asker.ask {
            Some(_) if asker.count > 1 => {
                asker.replies.push(reply);
                if asker.due == 0 {
                    let replies = std::mem::take(&mut asker.replies);
                    out.extend(asker.ask.map(|ask| (ask, Answer::Replies(replies))));
                }
            }
            ask => out.extend(ask.map(|ask| (ask, Answer::Reply(reply)))),
        }
        if asker.due == 0 {
            self.waiting.pop_front();
            if self.waiting.is_empty() {
                self.earliest = None;
            }
        }
        if let Some((refusal, failure)) = refused {
            self.heed(refusal, failure, now, out);
        }
    }

    /// Gives the connection up if the refusal says that it is good for nothing. A server that is no
    /// master any more is left once a second at most: it may be the one that the operator means.
    fn heed(
        &mut self,
        refusal: Refusal,
        failure: Failure,
        now: Instant,
        out: &mut Vec<(AskId, Answer)>,
    ) {
        let State::Ready { since } = self.state else { return };
        let gives_up = match refusal {
            Refusal::Passing => false,
            Refusal::ReadOnly => {
                self.settings.role == Role::Master && now.saturating_duration_since(since) >= STABLE
            }
            Refusal::Unwilling => true,
        };
        if gives_up {
            // What else was in flight may have been carried out, unlike what was refused.
            self.lose(Failure::Closed(self.settings.address.clone()), now, out);
            if let State::Disconnected { why, .. } = &mut self.state {
                *why = failure.to_string();
            }
        }
    }

    /// Tells those whose time is over. What they asked, if it is not even sent, is forgotten: an
    /// attempt that was answered with a temporary failure must not be counted seconds later.
    fn expire(&mut self, now: Instant, out: &mut Vec<(AskId, Answer)>) {
        for asker in &mut self.waiting {
            if asker.until <= now
                && let Some(ask) = asker.ask.take()
            {
                asker.replies = Vec::new();
                out.push((ask, Answer::Failed(Failure::TimedOut)));
            }
        }
        self.earliest =
            self.waiting.iter().filter(|asker| asker.ask.is_some()).map(|asker| asker.until).min();
        if !self.is_ready() {
            self.forget_abandoned();
        }
    }

    /// Removes the commands of abandoned askers. Only while nothing has been sent.
    fn forget_abandoned(&mut self) {
        let asked = std::mem::take(&mut self.outgoing);
        let mut start = 0;
        self.waiting.retain_mut(|asker| {
            let end = asker.ends_at as usize;
            let keep = asker.ask.is_some();
            if keep {
                self.outgoing.extend_from_slice(asked.get(start..end).unwrap_or_default());
                asker.ends_at = self.outgoing.len() as u64;
            }
            start = end;
            keep
        });
        self.asked = self.outgoing.len() as u64;
    }

    /// When the connection is to be given up because the oldest reply is too late.
    fn stuck_at(&self) -> Option<Instant> {
        self.waiting
            .front()
            .map(|asker| asker.until.checked_add(self.settings.overdue_max).unwrap_or(asker.until))
    }

    /// A connection did not come about. Nothing has been sent for those who wait.
    fn refuse(&mut self, why: String, now: Instant, out: &mut Vec<(AskId, Answer)>) {
        self.answer_all(&Failure::Refused(why.clone()), out);
        self.state = State::Disconnected { retry_at: now + self.backoff.failed(), why };
    }

    /// A connection that was in use is over. Called in the greeting, too, when the server does not
    /// speak the protocol.
    fn lose(&mut self, failure: Failure, now: Instant, out: &mut Vec<(AskId, Answer)>) {
        let State::Ready { since } = self.state else {
            return self.refuse(failure.to_string(), now, out);
        };
        self.losses += 1;
        self.answer_all(&failure, out);
        let retry_at = now + self.backoff.lost(now.saturating_duration_since(since));
        self.state = State::Disconnected { retry_at, why: failure.to_string() };
    }

    /// Fails all asks, and forgets all that belonged to the connection.
    fn answer_all(&mut self, failure: &Failure, out: &mut Vec<(AskId, Answer)>) {
        out.extend(
            self.waiting
                .drain(..)
                .filter_map(|asker| Some((asker.ask?, Answer::Failed(failure.clone())))),
        );
        self.is_invalidated = true;
        self.earliest = None;
        self.decoder = Decoder::default();
        self.outgoing = Vec::new();
        (self.sent, self.asked, self.transmitted) = (0, 0, 0);
    }
}

const EARLY_REPLY: &str = "a reply before its command";

/// Bytes that may wait to be written: some seconds' worth for a server that has stopped reading,
/// and no more.
const OUTGOING_BYTES_MAX: usize = 32 << 20;

/// Memory that the outgoing buffer keeps between turns, and the least that is worth moving bytes
/// for: a turn's commands at full speed.
const OUTGOING_BYTES_KEEP: usize = 256 << 10;

#[cfg(test)]
#[path = "link_tests.rs"]
mod tests;
