//! A server of canned pieces, for tests of dialogues: each `Receive` gets the next piece, whatever
//! was sent; what was sent is noted.

use crate::op::{
    Answer, ConnectionId, ConnectionOp, Dropped, Failure, Handle, Op, Ops, drive, slot,
};
use std::collections::VecDeque;
use std::future::Future;
use std::time::{Duration, Instant};

#[derive(Default)]
pub struct Canned {
    /// What the client did: its bytes, `<open ADDRESS>`, `<tls NAME>`.
    pub transcript: String,
    pub pieces: VecDeque<Vec<u8>>,
    /// Handshakes fail: so many more of them.
    pub broken_handshakes: usize,
}

impl Canned {
    /// When the pieces are used up, the server closes.
    pub fn new(pieces: &[&str]) -> Canned {
        Canned {
            pieces: pieces.iter().map(|piece| piece.as_bytes().to_vec()).collect(),
            ..Canned::default()
        }
    }

    /// Pieces that are no text.
    pub fn of_bytes(pieces: Vec<Vec<u8>>) -> Canned {
        Canned { pieces: pieces.into(), ..Canned::default() }
    }

    /// Runs a dialogue against it.
    pub fn run<T, F: Future<Output = T>>(&mut self, dialogue: impl FnOnce(Ops) -> F) -> T {
        let now = Instant::now();
        let (ops, driver) = slot(now, now + Duration::from_secs(60));
        drive(dialogue(ops), &driver, |op| self.answer(op))
    }

    pub fn answer(&mut self, op: Op) -> Answer {
        let Op::Connection(op) = op else { panic!("{op:?}") };
        match op {
            ConnectionOp::Open(address) => {
                self.transcript.push_str(&format!("<open {address}>"));
                Answer::Opened(Handle::new(ConnectionId(1), Dropped::default()))
            }
            ConnectionOp::StartTls(_, _, name) => {
                self.transcript.push_str(&format!("<tls {name}>"));
                if self.broken_handshakes > 0 {
                    self.broken_handshakes -= 1;
                    return Answer::Failed(Failure::Refused("tls: broken".into()));
                }
                Answer::Passed
            }
            ConnectionOp::Send(_, bytes) => {
                self.transcript.push_str(&String::from_utf8_lossy(&bytes));
                Answer::Passed
            }
            ConnectionOp::Receive(_, mut buffer) => {
                buffer.extend_from_slice(&self.pieces.pop_front().unwrap_or_default());
                Answer::Received(buffer)
            }
            ConnectionOp::Check(_) => Answer::Fresh(true),
        }
    }
}
