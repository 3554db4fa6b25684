//! One client connection: bytes in, whole requests out; answers in, bytes out.
//!
//! Owns the stream and its two buffers. A slow reader or writer costs only these: nothing is read while an answer is being worked
//! on or written, and a head or body that comes in pieces waits here. Knows no route and no task; the worker drives it:
//! [`Connection::read`] when the socket is readable, [`Connection::next`] for the next request, [`Connection::flush`] after an answer.
//! Rules: specification `http-api.md` 1. Bounds: [`Limits`], the timeouts of [`Timeouts`].

use crate::epoch::Timeouts;
use crate::proto::http::{BodyDecoder, BodyError, CONTINUE, Head, HeadError, HeadParser, Limits, Span, parse_head, unfold};
use crate::reactor::{Fill, Flush, Key, Stream};
use std::io;
use std::net::IpAddr;
use std::time::{Duration, Instant};

pub struct Connection {
    stream: Stream,
    /// The TCP peer; `None` on a unix socket.
    pub peer: Option<IpAddr>,
    /// Bytes that came but belong to no finished request yet.
    inbox: Vec<u8>,
    outbox: Vec<u8>,
    sent: usize,
    phase: Phase,
    /// The socket may have more than was read.
    readable: bool,
    /// The peer's end was announced, perhaps together with bytes before it: no further event will tell of it.
    closing: bool,
    /// The peer sends no more; what it sent is still answered.
    half_closed: bool,
    /// Close when the outbox is empty: the answer said so.
    last_answer: bool,
    /// The poller tells of the socket.
    pub watched: bool,
    /// The poller tells of writability too: the peer was slow once.
    pub watches_writing: bool,
    /// When the present phase must be over.
    pub deadline: Instant,
    /// When the worker's timer for this connection fires; it re-arms itself lazily.
    pub timer_at: Instant,
}

enum Phase {
    /// Between requests or within a head.
    Head(HeadParser),
    Body(Box<Body>),
    /// A task works on the answer.
    Busy(Option<Key>),
    /// The last answer is out; the peer's unread bytes are swallowed so that closing does not reset it away.
    Linger,
}

struct Body {
    head: Head,
    decoder: BodyDecoder,
    /// The head's bytes, then the decoded body.
    raw: Vec<u8>,
}

/// A whole request: its bytes (head, then decoded body) and where what is in them.
pub struct Received {
    pub raw: Vec<u8>,
    pub head: Head,
    pub body: Span,
}

/// What [`Connection::next`] has.
pub enum Step {
    /// Not enough bytes yet.
    More,
    Request(Box<Received>),
    /// The head or body is refused: answer with this status and text, and close.
    Refuse(u16, &'static str),
}

/// What the connection's timer found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overdue {
    /// Not yet.
    No,
    /// The client took too long: close.
    Close,
    /// The task took too long: tell it.
    Task(Option<Key>),
}

impl Connection {
    pub fn new(stream: Stream, peer: Option<IpAddr>, now: Instant, timeouts: &Timeouts) -> Connection {
        Connection {
            stream,
            peer,
            inbox: Vec::new(),
            outbox: Vec::new(),
            sent: 0,
            phase: Phase::Head(HeadParser::default()),
            readable: true,
            closing: false,
            half_closed: false,
            last_answer: false,
            watched: false,
            watches_writing: false,
            deadline: now + timeouts.head,
            timer_at: now,
        }
    }

    pub fn stream(&mut self) -> &mut Stream {
        &mut self.stream
    }

    /// Notes readiness, and whether the peer's end is among what can be read; call [`Connection::read`] next unless the connection is busy.
    pub fn mark_readable(&mut self, closing: bool) {
        self.readable = true;
        self.closing |= closing;
    }

    /// Whether it makes sense to read now.
    pub fn wants_read(&self) -> bool {
        self.readable && !self.half_closed && self.outbox.is_empty() && !matches!(self.phase, Phase::Busy(_))
    }

    pub fn is_busy(&self) -> bool {
        matches!(self.phase, Phase::Busy(_))
    }

    /// Whether there is something to read or to step on.
    pub fn has_work(&self) -> bool {
        !self.inbox.is_empty() || self.wants_read()
    }

    /// Whether a request is neither in progress nor half received: such a connection may be closed at any time.
    pub fn is_idle(&self) -> bool {
        matches!(self.phase, Phase::Head(_)) && self.inbox.is_empty() && self.outbox.is_empty()
    }

    /// Whether an answer is still on its way out.
    pub fn has_unsent(&self) -> bool {
        !self.outbox.is_empty()
    }

    /// The task that works on the answer.
    pub fn task(&self) -> Option<Key> {
        if let Phase::Busy(task) = self.phase { task } else { None }
    }

    /// Reads once, through `scratch`, and steps. `None`: nothing to step on (or nothing came); the connection may also be over, see
    /// [`Connection::is_over`].
    ///
    /// # Errors
    /// The socket failed: drop the connection.
    pub fn read(&mut self, scratch: &mut [u8], limits: &Limits, now: Instant, timeouts: &Timeouts) -> io::Result<Option<Step>> {
        match self.stream.fill(scratch)? {
            Fill::WouldBlock => {
                self.readable = false;
                Ok(None)
            }
            Fill::Closed => {
                self.readable = false;
                self.half_closed = true;
                Ok(None)
            }
            Fill::Bytes(count) => {
                // A short read means that the socket is drained; the next event tells of more.
                self.readable = count == scratch.len() || self.closing || self.stream.is_encrypted();
                let fresh = scratch.get(..count).unwrap_or_default();
                Ok(Some(self.step(fresh, limits, now, timeouts)))
            }
        }
    }

    /// The next request among the bytes that came already (a pipelining client).
    pub fn next(&mut self, limits: &Limits, now: Instant, timeouts: &Timeouts) -> Step {
        if self.inbox.is_empty() { Step::More } else { self.step(&[], limits, now, timeouts) }
    }

    fn step(&mut self, fresh: &[u8], limits: &Limits, now: Instant, timeouts: &Timeouts) -> Step {
        match std::mem::replace(&mut self.phase, Phase::Linger) {
            Phase::Head(parser) => self.step_head(parser, fresh, limits, now, timeouts),
            Phase::Body(body) => {
                let input = std::mem::take(&mut self.inbox);
                self.step_body(body, if input.is_empty() { fresh } else { &input })
            }
            phase @ (Phase::Busy(_) | Phase::Linger) => {
                if matches!(phase, Phase::Busy(_)) {
                    self.inbox.extend_from_slice(fresh);
                }
                self.phase = phase;
                Step::More
            }
        }
    }

    fn step_head(&mut self, mut parser: HeadParser, fresh: &[u8], limits: &Limits, now: Instant, timeouts: &Timeouts) -> Step {
        let joined = if self.inbox.is_empty() {
            None
        } else {
            let mut joined = std::mem::take(&mut self.inbox);
            joined.extend_from_slice(fresh);
            Some(joined)
        };
        let bytes = joined.as_deref().unwrap_or(fresh);
        let parsed = match parser.parse(bytes, limits) {
            Err(HeadError::Folded) => {
                let mut flat = bytes.to_vec();
                unfold(&mut flat);
                match parse_head(&flat, limits) {
                    Ok(Some(head)) => return self.step_whole_head(head, &flat, limits, now, timeouts),
                    Ok(None) => return Step::Refuse(HeadError::Malformed.status(), HeadError::Malformed.body()),
                    Err(error) => return Step::Refuse(error.status(), error.body()),
                }
            }
            parsed => parsed,
        };
        match parsed {
            Ok(Some(head)) => self.step_whole_head(head, bytes, limits, now, timeouts),
            Ok(None) => {
                if joined.is_none() && !fresh.is_empty() {
                    self.deadline = now + timeouts.head;
                }
                self.inbox = joined.unwrap_or_else(|| fresh.to_vec());
                self.phase = Phase::Head(parser);
                Step::More
            }
            Err(error) => Step::Refuse(error.status(), error.body()),
        }
    }

    fn step_whole_head(&mut self, head: Head, bytes: &[u8], limits: &Limits, now: Instant, timeouts: &Timeouts) -> Step {
        let decoder = match BodyDecoder::new(head.body, limits) {
            Ok(decoder) => decoder,
            Err(error) => return refuse(error),
        };
        let (head_bytes, rest) = bytes.split_at_checked(head.len).unwrap_or((bytes, &[]));
        let body = Box::new(Body { decoder, raw: head_bytes.to_vec(), head });
        if !body.decoder.is_complete() {
            self.deadline = now + timeouts.body;
            if body.head.expect_continue && rest.is_empty() {
                self.outbox.extend_from_slice(CONTINUE);
            }
        }
        self.step_body(body, rest)
    }

    fn step_body(&mut self, mut body: Box<Body>, input: &[u8]) -> Step {
        let fed = match body.decoder.feed(input, &mut body.raw) {
            Ok(fed) => fed,
            Err(error) => return refuse(error),
        };
        if !fed.complete {
            self.phase = Phase::Body(body);
            return Step::More;
        }
        self.inbox = input.get(fed.consumed..).unwrap_or_default().to_vec();
        self.phase = Phase::Busy(None);
        let Body { head, raw, .. } = *body;
        let span = Span::new(head.len, raw.len() - head.len);
        Step::Request(Box::new(Received { raw, head, body: span }))
    }

    /// A task works on the request that was just received.
    pub fn work(&mut self, task: Key, deadline: Instant) {
        self.phase = Phase::Busy(Some(task));
        self.deadline = deadline;
    }

    /// Where an answer is composed. Call [`Connection::answered`] after it.
    pub fn outbox(&mut self) -> &mut Vec<u8> {
        self.outbox.reserve(ANSWER_BYTES);
        &mut self.outbox
    }

    /// The answer is in the outbox; `keep_alive` as it says.
    pub fn answered(&mut self, keep_alive: bool, now: Instant, timeouts: &Timeouts) {
        self.last_answer = !keep_alive;
        self.phase = if keep_alive { Phase::Head(HeadParser::default()) } else { Phase::Linger };
        self.deadline = now + timeouts.write;
    }

    /// Sends what is in the outbox. True when all of it is out.
    ///
    /// # Errors
    /// The socket failed: drop the connection.
    pub fn flush(&mut self, now: Instant, timeouts: &Timeouts) -> io::Result<bool> {
        if self.outbox.is_empty() && !self.stream.wants_flush() {
            return Ok(true);
        }
        let unsent = self.outbox.get(self.sent..).unwrap_or_default();
        let flushed = if self.ends_with_its_answer() { self.stream.flush_last(unsent)? } else { self.stream.flush(unsent)? };
        match flushed {
            Flush::Partial(count) => {
                self.sent += count;
                Ok(false)
            }
            Flush::Done => {
                self.outbox.clear();
                self.outbox.shrink_to(OUTBOX_KEPT);
                self.sent = 0;
                match self.phase {
                    // Usually everything the peer sent was read, and the worker drops the connection at once.
                    Phase::Linger if !self.is_over() => {
                        self.stream.finish();
                        self.deadline = now + LINGER;
                    }
                    Phase::Linger => {}
                    Phase::Head(_) if self.inbox.is_empty() => self.deadline = now + timeouts.idle,
                    Phase::Head(_) => self.deadline = now + timeouts.head,
                    Phase::Body(_) | Phase::Busy(_) => {}
                }
                Ok(true)
            }
        }
    }

    /// Whether the connection is over as soon as its last answer is out: everything the peer sent was read, so that closing cannot reset the
    /// answer away.
    fn ends_with_its_answer(&self) -> bool {
        let all_is_read = self.half_closed || (self.last_answer && self.inbox.is_empty() && !self.readable);
        matches!(self.phase, Phase::Linger) && all_is_read
    }

    /// Whether there is nothing left to do here: drop it.
    pub fn is_over(&self) -> bool {
        if self.has_unsent() {
            return false;
        }
        match self.phase {
            Phase::Linger => self.ends_with_its_answer(),
            Phase::Head(_) | Phase::Body(_) => self.half_closed,
            Phase::Busy(_) => false,
        }
    }

    /// Throws away what a lingering peer still sends. False at the end of it.
    pub fn swallow(&mut self, scratch: &mut [u8]) -> bool {
        self.inbox.clear();
        match self.stream.fill(scratch) {
            Ok(Fill::Bytes(count)) => {
                self.readable = count == scratch.len() || self.closing || self.stream.is_encrypted();
                true
            }
            Ok(Fill::WouldBlock) => {
                self.readable = false;
                true
            }
            Ok(Fill::Closed) | Err(_) => {
                self.half_closed = true;
                false
            }
        }
    }

    pub fn is_lingering(&self) -> bool {
        matches!(self.phase, Phase::Linger) && !self.has_unsent()
    }

    /// What to do when the timer fires.
    pub fn overdue(&self, now: Instant) -> Overdue {
        if now < self.deadline {
            return Overdue::No;
        }
        match self.phase {
            Phase::Busy(task) if !self.has_unsent() => Overdue::Task(task),
            _ => Overdue::Close,
        }
    }
}

fn refuse(error: BodyError) -> Step {
    Step::Refuse(error.status(), error.body())
}

/// How long the peer of a closing connection may keep sending: long enough to read our answer over a slow line.
const LINGER: Duration = Duration::from_secs(2);

/// Room for a usual answer, made at once.
const ANSWER_BYTES: usize = 512;

/// Capacity that an empty outbox keeps: a common answer has 300 bytes; idle connections should not hoard memory.
const OUTBOX_KEPT: usize = 1024;
