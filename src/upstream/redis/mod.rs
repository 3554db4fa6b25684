//! One pipelined connection to one Redis: [`Link`].
//!
//! Each worker has one per server, so that all commands of a turn leave in one write and nothing is shared between threads.
//! Which server a command belongs to (master, replica, cluster node) is decided above; what bytes mean is `proto::resp`'s.
//!
//! ```text
//! link.rs       asks in, bytes out; bytes in, answers out; timeouts
//! greeting.rs   what is said first on a new connection: HELLO, AUTH, SELECT
//! backoff.rs    when to try again
//! ```

mod backoff;
mod greeting;
mod link;

pub use link::Link;

use crate::secret::Secret;
use std::time::Duration;

/// How to reach one Redis, and how long to bear with it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `host:port` or a path, for error texts; the worker connects.
    pub address: String,
    /// Empty: the default user.
    pub username: String,
    /// Empty: no AUTH.
    pub password: Secret,
    /// Must be 0 for a cluster.
    pub database: u32,
    pub protocol: Protocol,
    /// Shown by CLIENT LIST; empty: none.
    pub client_name: String,
    /// Tell name and version of this program (CLIENT SETINFO).
    pub identify: bool,
    /// From the start of connecting to the end of the greeting.
    pub connect_timeout: Duration,
    /// A reply overdue by this much, after its asker's own time limit, means that the connection is stuck.
    pub overdue_max: Duration,
    /// Asks that may wait for replies at a time.
    pub asks_max: usize,
}

/// The version of RESP to speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Resp2,
    /// Falls back to RESP2 with servers that do not know it.
    Resp3,
}

impl Settings {
    /// The defaults for a server at `address`, without a password.
    pub fn new(address: impl Into<String>) -> Settings {
        Settings {
            address: address.into(),
            username: String::new(),
            password: Secret::default(),
            database: 0,
            protocol: Protocol::Resp3,
            client_name: String::new(),
            identify: false,
            connect_timeout: CONNECT_TIMEOUT,
            overdue_max: OVERDUE_MAX,
            asks_max: ASKS_MAX,
        }
    }
}

/// With at most a second between attempts ([`backoff`]), a server that comes back is found within two.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// Longer than a server's usual pauses (a slow script, a fork), shorter than anyone's patience at a login.
const OVERDUE_MAX: Duration = Duration::from_secs(1);

/// Each task has at most one op in flight, so this is a bound on logins waiting for one Redis on one core: a third of a second's
/// worth at full speed, after which turning logins away is kinder than letting them time out.
const ASKS_MAX: usize = 16_384;
