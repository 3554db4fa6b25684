//! The protocols in which clients speak to us, each as a session without I/O: bytes in, requests
//! out; answers in, bytes out.
//!
//! A session knows no socket, no clock, no route and no task. The worker's connection is the shell
//! around it: it carries bytes between the socket and the session, keeps the timer, and hands
//! requests on. To add a protocol, add a file with a session and a variant of [`Session`].
//!
//! The order of calls: [`Session::receive`] with what came, until it has a request;
//! [`Session::work_begins`] when something works on the answer; [`Session::output`] to compose it
//! and [`Session::answered`] after that; [`Session::unsent`] and [`Session::sent`] as the socket
//! takes it; [`Session::receive`] with nothing for the next request among the bytes that came
//! already.

pub mod http;

use crate::proto::http::Limits;
use std::time::{Duration, Instant};

/// How long a client may take for what; `server.timeouts`.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// From the first byte of a head (or the accept) to its last.
    pub head: Duration,
    pub body: Duration,
    /// Between two requests.
    pub idle: Duration,
    /// For an answer to leave.
    pub write: Duration,
}

/// What sessions are configured with.
#[derive(Clone, Copy, Debug)]
pub struct Settings<'a> {
    pub limits: &'a Limits,
    pub timeouts: &'a Timeouts,
}

/// What a session made of the bytes so far.
#[derive(Debug)]
pub enum Step {
    /// Not enough bytes yet.
    More,
    Request(Box<http::Received>),
    /// The request is refused: answer with this status and text, and close.
    Refuse(u16, &'static str),
}

/// What a client that takes too long is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overdue {
    /// Nothing: its time is not over.
    No,
    /// Its bytes, or its taking ours: close the connection.
    Client,
    /// Our own work on the answer: the task is to be told.
    Work,
}

/// One client's session.
#[derive(Debug)]
pub enum Session {
    Http(http::Session),
}

impl Session {
    /// A session that has just begun.
    pub fn http(now: Instant, timeouts: &Timeouts) -> Session {
        Session::Http(http::Session::new(now, timeouts))
    }

    /// Takes bytes from the client, perhaps none, and steps to the next request. While a request is
    /// being worked on, bytes are only kept.
    pub fn receive(&mut self, fresh: &[u8], now: Instant, settings: &Settings<'_>) -> Step {
        match self {
            Session::Http(session) => session.receive(fresh, now, settings),
        }
    }

    /// The client sends no more. What it sent is still answered.
    pub fn input_ended(&mut self) {
        match self {
            Session::Http(session) => session.input_ended(),
        }
    }

    /// Something works on the answer, and must be done by then.
    pub fn work_begins(&mut self, deadline: Instant) {
        match self {
            Session::Http(session) => session.work_begins(deadline),
        }
    }

    /// The work on the answer gets this much more time to wind up.
    pub fn extend(&mut self, deadline: Instant) {
        match self {
            Session::Http(session) => session.extend(deadline),
        }
    }

    /// Where an answer is composed. Call [`Session::answered`] after it.
    pub fn output(&mut self) -> &mut Vec<u8> {
        match self {
            Session::Http(session) => session.output(),
        }
    }

    /// The answer is composed. `keep_alive`: as it says itself.
    pub fn answered(&mut self, keep_alive: bool, now: Instant, timeouts: &Timeouts) {
        match self {
            Session::Http(session) => session.answered(keep_alive, now, timeouts),
        }
    }

    /// What is to be sent.
    pub fn unsent(&self) -> &[u8] {
        match self {
            Session::Http(session) => session.unsent(),
        }
    }

    /// So many bytes of [`Session::unsent`] were taken.
    pub fn sent(&mut self, count: usize, now: Instant, timeouts: &Timeouts) {
        match self {
            Session::Http(session) => session.sent(count, now, timeouts),
        }
    }

    /// Whether the session has a use for more bytes now. Back-pressure: not while it works on an
    /// answer or one is on its way out.
    pub fn wants_input(&self) -> bool {
        match self {
            Session::Http(session) => session.wants_input(),
        }
    }

    /// Whether bytes that came already may hold another request.
    pub fn has_input(&self) -> bool {
        match self {
            Session::Http(session) => session.has_input(),
        }
    }

    /// Bytes that are kept of a request that is not whole yet, or behind one that is being worked
    /// on.
    pub fn buffered(&self) -> usize {
        match self {
            Session::Http(session) => session.buffered(),
        }
    }

    /// Whether an answer is being worked on.
    pub fn is_busy(&self) -> bool {
        match self {
            Session::Http(session) => session.is_busy(),
        }
    }

    /// Whether a request is neither in progress nor half received: such a session may be closed at
    /// any time.
    pub fn is_idle(&self) -> bool {
        match self {
            Session::Http(session) => session.is_idle(),
        }
    }

    /// Whether the last answer is composed: what the client still sends is thrown away.
    pub fn is_closing(&self) -> bool {
        match self {
            Session::Http(session) => session.is_closing(),
        }
    }

    /// Whether the connection may be closed as soon as [`Session::unsent`] is out. `all_read`: the
    /// socket has no more bytes. Closing with unread bytes would reset the connection and could
    /// destroy the answer (RFC 9112 9.6), so a refused request is read on for a while.
    pub fn ends_with_output(&self, all_read: bool) -> bool {
        match self {
            Session::Http(session) => session.ends_with_output(all_read),
        }
    }

    /// Whether nothing more will come of this session.
    pub fn is_over(&self, all_read: bool) -> bool {
        match self {
            Session::Http(session) => session.is_over(all_read),
        }
    }

    /// When [`Session::overdue`] is to be asked at the latest.
    pub fn deadline(&self) -> Instant {
        match self {
            Session::Http(session) => session.deadline(),
        }
    }

    /// Who took too long, if anybody did.
    pub fn overdue(&self, now: Instant) -> Overdue {
        match self {
            Session::Http(session) => session.overdue(now),
        }
    }
}
