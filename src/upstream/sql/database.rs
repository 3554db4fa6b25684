//! [`Database`]: what a script's handle stands for.
//!
//! Bounds: `max_connections` open at once, [`IDLE_MAX`] idle; who wants one more waits in line for
//! [`WAIT_MAX`].

use super::harmless::may_change_session;
use super::mysql;
use super::postgres;
use super::session::{Performed, Session};
use super::sqlite;
use super::{CONNECT_MAX, Error, Executed, Request, WAIT_MAX};
use crate::op::{BlockingJob, Failure, Op, Ops, Subtask};
use crate::proto::sql::mysql::dsn as mysql_dsn;
use crate::proto::sql::postgres::dsn as postgres_dsn;
use crate::tls::{ClientTls, ClientTlsSettings, TlsError};
use crate::upstream::pool::{Limits, Pool};
use crate::upstream::semaphore::Semaphore;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

/// An address, its idle connections and a bound on all of them. It connects when it is first asked
/// for something.
#[derive(Debug)]
pub struct Database {
    target: Target,
    options: Options,
    semaphore: Semaphore,
    idle: RefCell<Pool<(), Session>>,
    closed: Cell<bool>,
    /// TLS settings, read from disk when they are first needed.
    tls: RefCell<Option<ClientTls>>,
}

/// What `db.open` may be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// One pool for all handles of this worker with the same address.
    pub shared: bool,
    pub max_connections: usize,
    /// Transactions are read only.
    pub read_only: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options { shared: false, max_connections: 1, read_only: false }
    }
}

/// Why `db.open` gives no handle.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    #[error("unknown driver: {0}")]
    Driver(String),
    #[error("{0}")]
    Mysql(#[from] mysql_dsn::DsnError),
    #[error("sql: too many databases are open")]
    TooMany,
}

#[derive(Debug)]
enum Target {
    Mysql(Rc<mysql_dsn::Dsn>),
    /// A wrong address shows at the first statement.
    Postgres(Result<Rc<postgres_dsn::Dsn>, postgres_dsn::DsnError>),
    Sqlite(Rc<sqlite::Address>),
}

impl Database {
    /// Reads the address; nothing is connected yet.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(driver: &str, address: &str, options: Options) -> Result<Rc<Database>, OpenError> {
        let target = match driver {
            "mysql" => Target::Mysql(Rc::new(mysql_dsn::Dsn::parse(address)?)),
            "postgres" => Target::Postgres(
                postgres_dsn::Dsn::parse(address, |name| std::env::var(name).ok()).map(Rc::new),
            ),
            "sqlite3" => Target::Sqlite(Rc::new(sqlite::Address::parse(address))),
            other => return Err(OpenError::Driver(other.to_owned())),
        };
        // A database in memory lives as long as its connection.
        let idle = if matches!(target, Target::Sqlite(_)) { Duration::MAX } else { IDLE_MAX };
        let permits = options.max_connections.max(1);
        Ok(Rc::new(Database {
            target,
            options,
            semaphore: Semaphore::new(permits),
            idle: RefCell::new(Pool::new(Limits { per_key: permits, total: permits, idle })),
            closed: Cell::new(false),
            tls: RefCell::new(None),
        }))
    }

    /// Does what a script asks for, on an idle connection or a new one.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn run(self: Rc<Database>, ops: Ops, request: Request) -> Result<Executed, Error> {
        let permit = self.semaphore.acquire(&ops, WAIT_MAX).await;
        let _permit = permit.map_err(|failure| {
            if failure == Failure::TimedOut { Error::Busy } else { failure.into() }
        })?;
        loop {
            if self.closed.get() {
                return Err(Error::Closed);
            }
            let (mut session, used_before) = match self.take_idle(&ops) {
                Some(session) if !self.checks_liveness() || session.is_fresh(&ops).await => {
                    (session, true)
                }
                Some(_) => continue,
                None => (self.connect(&ops).await?, false),
            };
            match session.perform(&ops, &request, self.options.read_only).await {
                Performed::NotSent(_) if used_before => {}
                Performed::NotSent(error) => return Err(error),
                Performed::Ended(outcome) => {
                    return self.put_back(session, &request, outcome, &ops).await;
                }
            }
        }
    }

    /// Closes it for its holder. Statements under way end as they would; their connections are
    /// closed then.
    pub fn close(&self) {
        self.closed.set(true);
        let limits = Limits { per_key: 0, total: 0, idle: Duration::ZERO };
        drop(self.idle.replace(Pool::new(limits)));
    }

    pub fn is_closed(&self) -> bool {
        self.closed.get()
    }

    fn take_idle(&self, ops: &Ops) -> Option<Session> {
        self.idle.borrow_mut().take(&(), ops.now())
    }

    async fn put_back(
        &self,
        mut session: Session,
        request: &Request,
        outcome: Result<Executed, Error>,
        ops: &Ops,
    ) -> Result<Executed, Error> {
        if !session.is_in_step() || self.closed.get() {
            return outcome;
        }
        // The next user of the connection may be another request, which must not find an open
        // transaction. Closing rolls it back.
        if self.options.shared && session.is_in_transaction() {
            return outcome.and(Err(Error::LeftInTransaction));
        }
        // Nor must they find temporary tables, variables or locks. A connection that cannot be
        // reset is closed.
        if self.options.shared && may_change_session(request) && !session.reset(ops).await {
            return outcome;
        }
        self.idle.borrow_mut().put((), session, ops.now());
        outcome
    }

    fn checks_liveness(&self) -> bool {
        match &self.target {
            Target::Mysql(dsn) => dsn.check_liveness,
            _ => true,
        }
    }

    async fn connect(self: &Rc<Database>, ops: &Ops) -> Result<Session, Error> {
        let limit = match &self.target {
            Target::Mysql(dsn) => dsn.connect_limit,
            Target::Postgres(Ok(dsn)) => dsn.connect_limit,
            _ => None,
        };
        let database = self.clone();
        let connecting = Subtask::new(move |ops| async move { database.dial(&ops).await });
        ops.ask(Op::Run(connecting), limit.unwrap_or(CONNECT_MAX))
            .await
            .done::<Result<Session, Error>>()?
    }

    async fn dial(&self, ops: &Ops) -> Result<Session, Error> {
        Ok(match &self.target {
            Target::Mysql(dsn) => {
                let tls = match mysql::tls_settings(dsn) {
                    Some(settings) => Some(self.tls(ops, settings).await?),
                    None => None,
                };
                Session::Mysql(Box::new(mysql::Session::connect(ops, dsn.clone(), tls).await?))
            }
            Target::Postgres(dsn) => {
                let dsn = dsn.as_ref().map_err(|error| Error::Refused(error.to_string()))?;
                let tls = match postgres::tls_settings(dsn) {
                    Some(settings) => Some(self.tls(ops, settings).await?),
                    None => None,
                };
                Session::Postgres(Box::new(postgres::Session::connect(ops, dsn, tls).await?))
            }
            Target::Sqlite(address) => {
                Session::Sqlite(Box::new(sqlite::Session::open(ops, address).await?))
            }
        })
    }

    /// TLS by these settings, which take files to read: the system's roots, above all.
    async fn tls(&self, ops: &Ops, settings: ClientTlsSettings) -> Result<ClientTls, Error> {
        if let Some(tls) = &*self.tls.borrow() {
            return Ok(tls.clone());
        }
        let work = BlockingJob::new(move || ClientTls::new(&settings));
        let made = ops
            .ask(Op::Blocking(work), Duration::MAX)
            .await
            .done::<Result<ClientTls, TlsError>>()?;
        let tls = made.map_err(|error| Error::Refused(error.to_string()))?;
        *self.tls.borrow_mut() = Some(tls.clone());
        Ok(tls)
    }
}

/// For how long an idle connection is kept: less than the servers' own limits (MySQL 8 h) and than
/// those of most firewalls.
const IDLE_MAX: Duration = Duration::from_secs(240);
