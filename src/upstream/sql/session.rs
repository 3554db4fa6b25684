//! A connection of any kind, and what all dialogues over connections have in common.

use super::mysql;
use super::postgres;
use super::sqlite;
use super::{Error, Executed, How, Request};
use crate::op::Ops;
use crate::proto::sql::Parameter;

/// One connection with a session on it.
#[derive(Debug)]
pub enum Session {
    Mysql(Box<mysql::Session>),
    Postgres(Box<postgres::Session>),
    Sqlite(Box<sqlite::Session>),
}

/// What came of a request.
pub enum Performed {
    /// This, for the script.
    Ended(Result<Executed, Error>),
    /// The connection was gone before the statement was sent: it may be sent on another.
    NotSent(Error),
}

/// A dialogue over a connection.
pub trait Dialogue {
    /// Sends a statement as text; the first result counts.
    async fn plain(&mut self, ops: &Ops, sql: &[u8], rows: bool) -> Result<Executed, Error>;
    /// Prepares a statement, or finds it prepared.
    async fn prepare(&mut self, ops: &Ops, sql: &[u8]) -> Result<(), Error>;
    /// Runs a statement prepared, with values for its placeholders.
    async fn execute(
        &mut self,
        ops: &Ops,
        sql: &[u8],
        parameters: &[Parameter],
        rows: bool,
    ) -> Result<Executed, Error>;
    /// The statement that begins a transaction.
    fn begin_text(read_only: bool) -> &'static [u8];
}

impl Session {
    /// Whether it may be used again after it was idle.
    pub async fn is_fresh(&self, ops: &Ops) -> bool {
        match self {
            Session::Mysql(session) => session.is_fresh(ops).await,
            Session::Postgres(session) => session.is_fresh(ops).await,
            Session::Sqlite(_) => true,
        }
    }

    /// Whether it is where the next statement may be sent: false after a failure in the middle of
    /// one.
    pub fn is_in_step(&self) -> bool {
        match self {
            Session::Mysql(session) => session.is_in_step(),
            Session::Postgres(session) => session.is_in_step(),
            Session::Sqlite(session) => session.is_in_step(),
        }
    }

    /// Takes everything off the connection that statements have left on it. False: it cannot be
    /// used again.
    pub async fn reset(&mut self, ops: &Ops) -> bool {
        match self {
            Session::Mysql(session) => session.reset(ops).await.is_ok(),
            Session::Postgres(session) => session.reset(ops).await.is_ok(),
            Session::Sqlite(session) => session.is_database_itself(),
        }
    }

    pub fn is_in_transaction(&self) -> bool {
        match self {
            Session::Mysql(session) => session.is_in_transaction(),
            Session::Postgres(session) => session.is_in_transaction(),
            Session::Sqlite(session) => session.is_in_transaction(),
        }
    }

    /// Does what a script asks for. A session that is dropped meanwhile is closed.
    pub async fn perform(&mut self, ops: &Ops, request: &Request, read_only: bool) -> Performed {
        match self {
            Session::Mysql(session) => perform(&mut **session, ops, request, read_only).await,
            Session::Postgres(session) => perform(&mut **session, ops, request, read_only).await,
            Session::Sqlite(session) => {
                Performed::Ended(session.perform(ops, request, read_only).await)
            }
        }
    }
}

async fn perform<D: Dialogue>(
    dialogue: &mut D,
    ops: &Ops,
    request: &Request,
    read_only: bool,
) -> Performed {
    let sql = &request.sql;
    Performed::Ended(match &request.how {
        How::Plain => dialogue.plain(ops, sql, request.rows).await,
        How::Prepare => dialogue.prepare(ops, sql).await.map(|()| Executed::default()),
        How::Prepared(parameters) => dialogue.execute(ops, sql, parameters, request.rows).await,
        How::InTransaction => {
            match dialogue.plain(ops, D::begin_text(read_only), false).await {
                Ok(_) => {}
                Err(error @ Error::Link(_)) => return Performed::NotSent(error),
                Err(error) => return Performed::Ended(Err(error)),
            }
            in_transaction(dialogue, ops, request).await
        }
    })
}

/// The statement and its end. A COMMIT that fails is a failure: nothing was stored.
async fn in_transaction<D: Dialogue>(
    dialogue: &mut D,
    ops: &Ops,
    request: &Request,
) -> Result<Executed, Error> {
    match dialogue.plain(ops, &request.sql, request.rows).await {
        Ok(outcome) => dialogue.plain(ops, b"COMMIT", false).await.map(|_| outcome),
        Err(error @ Error::Refused(_)) => {
            // If that fails too, the session is out of step, and closed.
            let _ = dialogue.plain(ops, b"ROLLBACK", false).await;
            Err(error)
        }
        Err(error) => Err(error),
    }
}
