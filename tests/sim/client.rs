//! A client: sends requests in pieces, takes answers in pieces, and knows what must come.

use crate::random::Random;
use loligo::frontend::{Session, Settings, Step, Timeouts};
use loligo::proto::http::Limits;
use loligo::reactor::Key;
use std::time::{Duration, Instant};

pub const TIMEOUTS: Timeouts = Timeouts {
    head: Duration::from_secs(10),
    body: Duration::from_secs(10),
    idle: Duration::from_secs(60),
    write: Duration::from_secs(20),
};

pub struct Client {
    pub session: Session,
    limits: Limits,
    /// What it sends, and how much of it has left.
    stream: Vec<u8>,
    sent: usize,
    requests: usize,
    /// Requests that have come out of the session.
    pub received: usize,
    /// Answers that were composed.
    pub composed: usize,
    taken: Vec<u8>,
    pub task: Option<Key>,
    /// The task was told that its deadline is over.
    pub expired: bool,
    /// Sends no more and says so once everything is sent.
    half_closes: bool,
    half_closed: bool,
    /// The connection is gone.
    pub closed: bool,
    /// The last answer said that the connection ends.
    pub ends: bool,
}

impl Client {
    pub fn new(number: usize, random: &mut Random, now: Instant) -> Client {
        let requests = random.below(8);
        let stream = (0..requests).flat_map(|at| request(number, at, random)).collect();
        Client {
            session: Session::http(now, &TIMEOUTS),
            limits: Limits::default(),
            stream,
            sent: 0,
            requests,
            received: 0,
            composed: 0,
            taken: Vec::new(),
            task: None,
            expired: false,
            half_closes: random.one_in(3),
            half_closed: false,
            closed: false,
            ends: false,
        }
    }

    /// The session gets up to `count` more bytes, perhaps none; its next request, if there is one.
    pub fn receive(&mut self, count: usize, now: Instant) -> Option<Vec<u8>> {
        let settings = Settings { limits: &self.limits, timeouts: &TIMEOUTS };
        let end = (self.sent + count).min(self.stream.len());
        let fresh = &self.stream[self.sent..end];
        self.sent = end;
        let step = self.session.receive(fresh, now, &settings);
        if self.half_closes && self.is_sent() && !self.half_closed {
            self.half_closed = true;
            self.session.input_ended();
        }
        match step {
            Step::More => None,
            Step::Refuse(status, text) => panic!("refused with {status}: {text}"),
            Step::Request(received) => {
                let (raw, head) = (&received.raw, &received.head);
                let parts = [head.method_text.of(raw), head.target.of(raw), received.body.of(raw)];
                Some(parts.join(&b' '))
            }
        }
    }

    /// Whether all bytes have left.
    pub fn is_sent(&self) -> bool {
        self.sent == self.stream.len()
    }

    /// Takes up to `count` bytes of what the session has to send.
    pub fn take(&mut self, count: usize, now: Instant) {
        let unsent = self.session.unsent();
        let count = count.min(unsent.len());
        if count > 0 {
            self.taken.extend_from_slice(&unsent[..count]);
            self.session.sent(count, now, &TIMEOUTS);
        }
    }

    /// Composes the answer to the request that was received last.
    pub fn compose(&mut self, number: usize, keep_alive: bool, now: Instant) {
        let answer = answer(number, self.received - 1);
        self.session.output().extend_from_slice(&answer);
        self.session.answered(keep_alive, now, &TIMEOUTS);
        self.composed += 1;
        self.task = None;
        self.expired = false;
        self.ends |= !keep_alive;
    }

    /// What came is the answers to the requests so far, each once and in order.
    pub fn check(&self, number: usize) {
        assert_eq!(self.received, self.composed + usize::from(self.session.is_busy()));
        assert_eq!(self.task.is_some(), self.session.is_busy() && !self.closed);
        let expected: Vec<u8> = (0..self.composed).flat_map(|at| answer(number, at)).collect();
        let taken = self.taken.len();
        assert!(expected.starts_with(&self.taken), "client {number} got {taken} wrong bytes");
        if !self.closed {
            assert_eq!(expected[taken..], *self.session.unsent(), "client {number}");
        }
    }

    /// Whether nothing more will come of it.
    pub fn is_done(&self) -> bool {
        self.closed || self.ends || self.composed == self.requests
    }

    pub fn buffered_is_zero(&self) -> bool {
        self.session.buffered() == 0
    }
}

/// The bytes of a request.
fn request(client: usize, at: usize, random: &mut Random) -> Vec<u8> {
    let body = body(client, at);
    match random.below(3) {
        0 => format!("GET /{client}/{at} HTTP/1.1\r\nHost: x\r\n\r\n"),
        1 => format!(
            "POST /{client}/{at} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ),
        _ => {
            let (first, second) = body.split_at(random.below(body.len() - 1) + 1);
            format!(
                "POST /{client}/{at} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n\
                 {:x}\r\n{first}\r\n{:x}\r\n{second}\r\n0\r\n\r\n",
                first.len(),
                second.len()
            )
        }
    }
    .into_bytes()
}

/// What comes out of the session for it: method, target and body.
pub fn is_request(client: usize, at: usize, received: &[u8]) -> bool {
    received == format!("GET /{client}/{at} ").as_bytes()
        || received == format!("POST /{client}/{at} {}", body(client, at)).as_bytes()
}

fn body(client: usize, at: usize) -> String {
    format!("body {at} of client {client}")
}

fn answer(client: usize, at: usize) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{client:04}-{at:04}").into_bytes()
}
