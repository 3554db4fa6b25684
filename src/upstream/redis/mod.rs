//! Redis, as a pool sees it: one server, a master with replicas, a set watched by sentinels, a
//! cluster.
//!
//! Each worker has one pipelined connection per server, so that all commands of a turn leave in one
//! write and nothing is shared between threads. A [`Pool`] knows the servers of one [`Plan`] and
//! sends each command where it belongs; what bytes mean is `proto::resp`'s, sockets are
//! `worker::upstreams::links`'s. An error that is about the server rather than the command is a failure, never
//! a reply.
//!
//! ```text
//! pool.rs       which server: the worker's side of all of this
//! nodes.rs      the servers of a pool, each with its link
//! link.rs       asks in, bytes out; bytes in, answers out; timeouts
//! greeting.rs   what is said first on a new connection: HELLO, AUTH, SELECT, ROLE
//! backoff.rs    when to try again              refusal.rs  errors that are about the server
//! sentinel.rs   who is master, by the sentinels' word
//! address.rs    host and port as servers tell them
//! cluster/      slots, redirections, commands of many keys
//! ```

mod address;
mod backoff;
pub mod cluster;
mod greeting;
mod link;
mod nodes;
mod pool;
mod refusal;
mod sentinel;
mod target;
#[cfg(test)]
mod testing;

pub use link::Link;
pub use nodes::Node;
pub use pool::{Health, Pool};
pub use sentinel::{master_address, replica_addresses};
pub use target::Target;

use crate::secret::Secret;
use std::time::Duration;

/// The servers of a pool, and how to talk to them.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    pub layout: Layout,
    /// For the servers that hold the data. The address and what a server's role implies are filled
    /// in by the pool.
    pub settings: Settings,
}

/// Which servers there are. Addresses are `host:port` or a path.
#[derive(Clone, Debug, PartialEq)]
pub enum Layout {
    /// One master. Reads go to its replicas in turn, and to the master if there are none or none is
    /// there.
    Direct { master: String, replicas: Vec<String> },
    /// A master, perhaps with replicas, that sentinels know of.
    Sentinel {
        sentinels: Vec<String>,
        /// Of the set, as the sentinels call it.
        name: String,
        /// For the sentinels themselves.
        username: String,
        password: Secret,
        serve: Serve,
    },
    /// A cluster, found through any of these.
    Cluster {
        seeds: Vec<String>,
        reads_at_replicas: bool,
        /// How often one command may be sent elsewhere.
        redirects_max: u8,
    },
}

/// Which servers of a set that sentinels watch are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Serve {
    Master,
    /// Reads go to replicas in turn, if there are any.
    MasterAndReplicas,
    /// Everything goes to replicas; writes are refused by them.
    Replicas,
}

/// What a server is expected to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Writes go there: if it refuses them as a replica does, the connection is given up.
    Master,
    Replica,
}

impl Role {
    /// As ROLE says it.
    fn word(self) -> &'static [u8] {
        match self {
            Role::Master => b"master",
            Role::Replica => b"slave",
        }
    }
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Role::Master => "master",
            Role::Replica => "replica",
        })
    }
}

/// How to reach one Redis, and how long to bear with it.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// `host:port` or a path; the worker connects.
    pub address: String,
    /// Empty: the default user.
    pub username: String,
    /// Empty: no AUTH.
    pub password: Secret,
    /// Must be 0 for a cluster.
    pub database: u32,
    pub protocol: Protocol,
    pub role: Role,
    /// Ask the server for its role and refuse one of the other.
    pub verify_role: bool,
    /// Say READONLY: what makes replicas of a cluster answer reads.
    pub reads_at_replicas: bool,
    /// Have the server tell of changes to what was read after CLIENT CACHING YES, if it can.
    pub tracking: bool,
    /// Shown by CLIENT LIST; empty: none.
    pub client_name: String,
    /// Tell name and version of this program (CLIENT SETINFO).
    pub identify: bool,
    /// From the start of connecting to the end of the greeting.
    pub connect_timeout: Duration,
    /// A reply overdue by this much, after its asker's own time limit, means that the connection is
    /// stuck.
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
            role: Role::Master,
            verify_role: false,
            reads_at_replicas: false,
            tracking: false,
            client_name: String::new(),
            identify: false,
            connect_timeout: CONNECT_TIMEOUT,
            overdue_max: OVERDUE_MAX,
            asks_max: ASKS_MAX,
        }
    }
}

/// With at most a second between attempts ([`backoff`]), a server that comes back is found within
/// two.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// Longer than a server's usual pauses (a slow script, a fork), shorter than anyone's patience at a
/// login.
const OVERDUE_MAX: Duration = Duration::from_secs(1);

/// Each task has at most one op in flight, so this is a bound on logins waiting for one Redis on
/// one core: a third of a second's worth at full speed, after which turning logins away is kinder
/// than letting them time out.
const ASKS_MAX: usize = 16_384;
