//! SQL databases: MySQL and PostgreSQL over connections, SQLite on the helper threads.
//!
//! ```text
//! Database (database.rs)   what a script's handle stands for: an address, a semaphore that bounds connections, the idle ones
//!    │ one Session per connection: a dialogue that is sequential code over a connection
//!    ├─ mysql.rs  ├─ postgres.rs  over proto::sql    └─ sqlite.rs  over Op::Blocking
//! registry.rs              the databases that handles of one worker share
//! ```
//!
//! A connection is used by one script at a time. One that died while it was idle is replaced before
//! anything is sent on it; one that dies later is an error to the script, because it is unknown how
//! far it came. A script that goes away in the middle of a statement takes its connection along. No
//! error holds a password.

mod database;
mod harmless;
mod mysql;
mod postgres;
mod registry;
mod session;
mod sqlite;
mod statements;
#[cfg(test)]
mod tests;

pub use database::{Database, OpenError, Options};
pub use registry::Registry;

use crate::op::Failure;
use crate::proto::sql::{Malformed, Parameter, Table};
use std::time::Duration;

/// What a script asks for.
#[derive(Debug)]
pub struct Request {
    pub sql: Vec<u8>,
    pub how: How,
    /// Whether rows are wanted; where they are not, none are kept.
    pub rows: bool,
}

/// How a statement is run.
#[derive(Debug)]
pub enum How {
    /// Between BEGIN and COMMIT, which are read only if the database was opened so.
    InTransaction,
    /// As it is.
    Plain,
    /// Only prepared, to see whether it can be.
    Prepare,
    /// Prepared, if it is not yet, and run with these values for its placeholders.
    Prepared(Vec<Parameter>),
}

/// What a statement gave.
#[derive(Debug, Default)]
pub struct Executed {
    pub table: Table,
    pub rows_affected: u64,
    /// `None`: the dialect knows no such thing.
    pub last_insert_id: Option<i64>,
}

/// Why there is none. The texts are for scripts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The database refuses, in its words.
    #[error("{0}")]
    Refused(String),
    /// The connection did not come about, or is gone; a statement on its way may or may not have
    /// been carried out.
    #[error("{0}")]
    Link(Failure),
    #[error("sql: {0}")]
    Malformed(#[from] Malformed),
    #[error("sql: database is closed")]
    Closed,
    #[error("sql: all connections are in use, and none became free within {} s", WAIT_MAX.as_secs())]
    Busy,
    #[error("sql: expected {expected} arguments, got {got}")]
    Arguments { expected: usize, got: usize },
    #[error("sql: a transaction was left open on a shared connection; it was rolled back")]
    LeftInTransaction,
    #[error("sql: the statement is larger than {0} bytes")]
    StatementTooLarge(usize),
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Error {
        Error::Link(failure)
    }
}

/// How long a statement waits for a connection.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// How long connecting and logging in may take, if the address does not say.
const CONNECT_MAX: Duration = Duration::from_secs(10);
