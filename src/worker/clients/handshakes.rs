//! The TLS handshakes of clients that wait for their turn.

use crate::reactor::Key;
use std::collections::VecDeque;
use std::time::Instant;

/// Handshakes of a worker that can go on.
#[derive(Default)]
pub struct Handshakes {
    pub(super) queue: VecDeque<Key>,
    /// When the log last heard of a failure, and how many it has not heard of since.
    pub(super) logged: Option<Instant>,
    pub(super) unlogged: u64,
}

impl Handshakes {
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }
}
