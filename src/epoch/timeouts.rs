//! How long clients may take.

use std::time::Duration;

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
