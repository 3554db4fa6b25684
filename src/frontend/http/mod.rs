//! HTTP/1.x as a server speaks it on one connection.
//!
//! Holds what came and belongs to no finished request yet, and what has not left yet. A slow reader
//! or writer costs only these: nothing is read while an answer is being worked on or sent.
//! Pipelined requests wait here and are answered in order.
//! Rules: RFC 9112. Bounds: [`Limits`](crate::proto::http::Limits) for a head and a body,
//! [`Timeouts`] for their time.

#[cfg(test)]
mod tests;

use crate::frontend::{Overdue, Settings, Step, Timeouts};
use crate::proto::http::{
    BodyDecoder, BodyError, CONTINUE, Head, HeadError, HeadParser, Span, parse_head, unfold,
};
use std::time::{Duration, Instant};

/// See the module's head.
#[derive(Debug)]
pub struct Session {
    /// Bytes that came but belong to no finished request yet.
    input: Vec<u8>,
    output: Vec<u8>,
    /// How many bytes of `output` have left.
    sent: usize,
    phase: Phase,
    /// The client sends no more.
    input_ended: bool,
    /// When the present phase must be over.
    deadline: Instant,
}

#[derive(Debug)]
enum Phase {
    /// Between requests or within a head.
    Head(HeadParser),
    Body(Box<Body>),
    /// The answer is being worked on.
    Busy,
    /// The last answer is composed. What the client still sends is thrown away, `left` bytes of it
    /// at most.
    Closing {
        left: usize,
    },
}

#[derive(Debug)]
struct Body {
    head: Head,
    decoder: BodyDecoder,
    /// The head's bytes, then the decoded body.
    raw: Vec<u8>,
}

/// A whole request: its bytes (head, then decoded body) and where in them is what.
#[derive(Debug)]
pub struct Received {
    pub raw: Vec<u8>,
    pub head: Head,
    pub body: Span,
}

impl Session {
    /// A session whose first head must be there in time.
    pub fn new(now: Instant, timeouts: &Timeouts) -> Session {
        Session {
            input: Vec::new(),
            output: Vec::new(),
            sent: 0,
            phase: Phase::Head(HeadParser::default()),
            input_ended: false,
            deadline: now + timeouts.head,
        }
    }

    /// See [`super::Session::receive`].
    pub fn receive(&mut self, fresh: &[u8], now: Instant, settings: &Settings<'_>) -> Step {
        match std::mem::replace(&mut self.phase, Phase::Closing { left: DISCARD_BYTES_MAX }) {
            phase @ Phase::Head(_) if fresh.is_empty() && self.input.is_empty() => {
                self.phase = phase;
                Step::More
            }
            Phase::Head(parser) => self.receive_head(parser, fresh, now, settings),
            Phase::Body(body) => {
                let input = std::mem::take(&mut self.input);
                self.receive_body(body, if input.is_empty() { fresh } else { &input })
            }
            Phase::Busy => {
                self.input.extend_from_slice(fresh);
                self.phase = Phase::Busy;
                Step::More
            }
            Phase::Closing { left } => {
                self.input = Vec::new();
                self.phase = Phase::Closing { left: left.saturating_sub(fresh.len()) };
                Step::More
            }
        }
    }

    fn receive_head(
        &mut self,
        mut parser: HeadParser,
        fresh: &[u8],
        now: Instant,
        settings: &Settings<'_>,
    ) -> Step {
        let joined = if self.input.is_empty() {
            None
        } else {
            let mut joined = std::mem::take(&mut self.input);
            joined.extend_from_slice(fresh);
            Some(joined)
        };
        let bytes = joined.as_deref().unwrap_or(fresh);
        match parser.parse(bytes, settings.limits) {
            Ok(Some(head)) => self.begin_body(head, bytes, now, settings),
            Ok(None) => {
                if joined.is_none() && !fresh.is_empty() {
                    self.deadline = now + settings.timeouts.head;
                }
                self.input = joined.unwrap_or_else(|| fresh.to_vec());
                self.phase = Phase::Head(parser);
                Step::More
            }
            Err(HeadError::Folded) => {
                let mut flat = bytes.to_vec();
                unfold(&mut flat);
                match parse_head(&flat, settings.limits) {
                    Ok(Some(head)) => self.begin_body(head, &flat, now, settings),
                    Ok(None) => refuse_head(&HeadError::Malformed),
                    Err(error) => refuse_head(&error),
                }
            }
            Err(error) => refuse_head(&error),
        }
    }

    fn begin_body(
        &mut self,
        head: Head,
        bytes: &[u8],
        now: Instant,
        settings: &Settings<'_>,
    ) -> Step {
        let decoder = match BodyDecoder::new(head.body, settings.limits) {
            Ok(decoder) => decoder,
            Err(error) => return refuse_body(error),
        };
        let (head_bytes, rest) = bytes.split_at_checked(head.len).unwrap_or((bytes, &[]));
        let body = Box::new(Body { decoder, raw: head_bytes.to_vec(), head });
        if !body.decoder.is_complete() {
            self.deadline = now + settings.timeouts.body;
            if body.head.expect_continue && rest.is_empty() {
                self.output.extend_from_slice(CONTINUE);
            }
        }
        self.receive_body(body, rest)
    }

    fn receive_body(&mut self, mut body: Box<Body>, input: &[u8]) -> Step {
        let fed = match body.decoder.feed(input, &mut body.raw) {
            Ok(fed) => fed,
            Err(error) => return refuse_body(error),
        };
        if !fed.complete {
            self.phase = Phase::Body(body);
            return Step::More;
        }
        self.input = input.get(fed.consumed..).unwrap_or_default().to_vec();
        self.phase = Phase::Busy;
        let Body { head, raw, .. } = *body;
        let span = Span::new(head.len, raw.len() - head.len);
        Step::Request(Box::new(Received { raw, head, body: span }))
    }

    /// See [`super::Session::input_ended`].
    pub fn input_ended(&mut self) {
        self.input_ended = true;
    }

    /// See [`super::Session::work_begins`].
    pub fn work_begins(&mut self, deadline: Instant) {
        debug_assert!(self.is_busy(), "nothing was received");
        self.deadline = deadline;
    }

    /// See [`super::Session::extend`].
    pub fn extend(&mut self, deadline: Instant) {
        self.deadline = deadline;
    }

    /// See [`super::Session::output`].
    pub fn output(&mut self) -> &mut Vec<u8> {
        self.output.reserve(ANSWER_BYTES);
        &mut self.output
    }

    /// See [`super::Session::answered`].
    pub fn answered(&mut self, keep_alive: bool, now: Instant, timeouts: &Timeouts) {
        self.phase = match self.phase {
            Phase::Busy if keep_alive => Phase::Head(HeadParser::default()),
            Phase::Busy => Phase::Closing { left: 0 },
            // A refused request: its sender may still be sending the rest of it.
            _ => {
                self.input = Vec::new();
                Phase::Closing { left: DISCARD_BYTES_MAX }
            }
        };
        self.deadline = now + timeouts.write;
    }

    /// See [`super::Session::unsent`].
    pub fn unsent(&self) -> &[u8] {
        self.output.get(self.sent..).unwrap_or_default()
    }

    /// See [`super::Session::sent`].
    pub fn sent(&mut self, count: usize, now: Instant, timeouts: &Timeouts) {
        self.sent += count;
        if self.sent < self.output.len() {
            return;
        }
        self.output.clear();
        self.output.shrink_to(OUTPUT_KEPT);
        self.sent = 0;
        match self.phase {
            Phase::Closing { left: 0 } => self.deadline = now + LINGER,
            Phase::Closing { .. } => self.deadline = now + timeouts.body,
            Phase::Head(_) if self.input.is_empty() => self.deadline = now + timeouts.idle,
            Phase::Head(_) => self.deadline = now + timeouts.head,
            Phase::Body(_) | Phase::Busy => {}
        }
    }

    /// See [`super::Session::wants_input`].
    pub fn wants_input(&self) -> bool {
        !self.input_ended && self.output.is_empty() && !self.is_busy()
    }

    /// See [`super::Session::has_input`].
    pub fn has_input(&self) -> bool {
        !self.input.is_empty()
    }

    /// See [`super::Session::buffered`].
    pub fn buffered(&self) -> usize {
        match &self.phase {
            Phase::Head(_) | Phase::Busy => self.input.len(),
            Phase::Body(body) => body.raw.capacity(),
            Phase::Closing { .. } => 0,
        }
    }

    /// See [`super::Session::is_busy`].
    pub fn is_busy(&self) -> bool {
        matches!(self.phase, Phase::Busy)
    }

    /// See [`super::Session::is_idle`].
    pub fn is_idle(&self) -> bool {
        matches!(self.phase, Phase::Head(_)) && self.input.is_empty() && self.output.is_empty()
    }

    /// See [`super::Session::is_closing`].
    pub fn is_closing(&self) -> bool {
        matches!(self.phase, Phase::Closing { .. })
    }

    /// See [`super::Session::ends_with_output`].
    pub fn ends_with_output(&self, all_read: bool) -> bool {
        let Phase::Closing { left } = self.phase else { return false };
        self.input_ended || (left == 0 && self.input.is_empty() && all_read)
    }

    /// See [`super::Session::is_over`].
    pub fn is_over(&self, all_read: bool) -> bool {
        if !self.output.is_empty() {
            return false;
        }
        match self.phase {
            Phase::Closing { .. } => self.ends_with_output(all_read),
            Phase::Head(_) | Phase::Body(_) => self.input_ended,
            Phase::Busy => false,
        }
    }

    /// See [`super::Session::deadline`].
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// See [`super::Session::overdue`].
    pub fn overdue(&self, now: Instant) -> Overdue {
        if now < self.deadline {
            Overdue::No
        } else if self.is_busy() && self.output.is_empty() {
            Overdue::Work
        } else {
            Overdue::Client
        }
    }
}

fn refuse_head(error: &HeadError) -> Step {
    Step::Refuse(error.status(), error.body())
}

fn refuse_body(error: BodyError) -> Step {
    Step::Refuse(error.status(), error.body())
}

/// How much of a refused request is read on, so that closing does not destroy the answer (RFC 9112
/// 9.6): clients that ignore an early answer rarely send more.
const DISCARD_BYTES_MAX: usize = 16 * 1024 * 1024;

/// How long the peer of a closing connection may keep sending: long enough to read our answer over
/// a slow line.
const LINGER: Duration = Duration::from_secs(2);

/// Room for a usual answer, made at once.
const ANSWER_BYTES: usize = 512;

/// Capacity that an empty output keeps: a common answer has 300 bytes, and idle connections should
/// not hold on to memory.
const OUTPUT_KEPT: usize = 1024;
