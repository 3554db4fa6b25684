//! One SQLite database, opened: its statements run on the helper threads.
//!
//! A script that goes away, or whose time is over, interrupts its statement. Addresses are paths,
//! `:memory:`, or `file:` URIs with the parameters of SQLite and `_busy_timeout`, `_foreign_keys`,
//! `_journal_mode`, `_query_only`. Values are what SQLite holds: integers and reals are numbers,
//! texts and blobs are strings. Statements never load extensions.

use super::{Error, Executed, How, Request};
use crate::op::{BlockingJob, Op, Ops};
use crate::proto::http::form_pairs;
use crate::proto::sql::{Parameter, RESULT_BYTES_MAX, Table};
use rusqlite::fallible_iterator::FallibleIterator;
use rusqlite::limits::Limit;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Batch, Connection, InterruptHandle, OpenFlags, ToSql};
use std::time::Duration;

/// Where a database is.
#[derive(Clone, Debug, Default)]
pub struct Address {
    /// A path or a URI, as SQLite takes it.
    path: String,
    busy_limit: Option<Duration>,
    /// What is set on each connection, as pragmas.
    pragmas: Vec<(&'static str, String)>,
}

/// A connection, at home here between statements.
#[derive(Debug)]
pub struct Session {
    /// The database is in memory, and ends with the connection.
    is_in_memory: bool,
    connection: Option<Connection>,
    in_transaction: bool,
}

impl Address {
    pub fn parse(text: &str) -> Address {
        let (path, query) = text.split_once('?').unwrap_or((text, ""));
        let mut address = Address::default();
        for (name, value) in form_pairs(query.as_bytes()) {
            let value = String::from_utf8_lossy(&value).into_owned();
            match &*name {
                b"_busy_timeout" | b"_timeout" => {
                    address.busy_limit = value.parse().ok().map(Duration::from_millis)
                }
                b"_foreign_keys" | b"_fk" => address.pragmas.push(("foreign_keys", value)),
                b"_journal_mode" | b"_journal" => address.pragmas.push(("journal_mode", value)),
                b"_query_only" => address.pragmas.push(("query_only", value)),
                _ => {}
            }
        }
        // What is left is for SQLite, which takes parameters of URIs only.
        let rest: Vec<&str> =
            query.split('&').filter(|pair| !pair.is_empty() && !pair.starts_with('_')).collect();
        address.path = if path.starts_with("file:") && !rest.is_empty() {
            format!("{path}?{}", rest.join("&"))
        } else {
            path.to_owned()
        };
        address
    }

    fn open(&self) -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_URI
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags)?;
        // A value that no result could hold is refused before SQLite makes it.
        connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, RESULT_BYTES_MAX as i32)?;
        connection.busy_timeout(self.busy_limit.unwrap_or(BUSY_MAX))?;
        for (name, value) in &self.pragmas {
            connection.pragma_update(None, name, value)?;
        }
        Ok(connection)
    }
}

impl Session {
    /// Opens the database.
    ///
    /// # Errors
    /// [`Error::Refused`], in SQLite's words.
    pub async fn open(ops: &Ops, address: &Address) -> Result<Session, Error> {
        let address = address.clone();
        let is_in_memory = address.path.is_empty()
            || address.path.contains(":memory:")
            || address.path.contains("mode=memory");
        let opened = ops
            .ask(Op::Blocking(BlockingJob::new(move || address.open())), Duration::MAX)
            .await
            .done::<rusqlite::Result<Connection>>()?;
        Ok(Session {
            is_in_memory,
            connection: Some(opened.map_err(refused)?),
            in_transaction: false,
        })
    }

    pub fn is_in_step(&self) -> bool {
        self.connection.is_some()
    }

    /// Whether the connection holds the data themselves. Then its users share all its state; any
    /// other is reopened, because SQLite has no way to reset a connection, and opening a file is
    /// cheap.
    pub fn is_database_itself(&self) -> bool {
        self.is_in_memory
    }

    pub fn is_in_transaction(&self) -> bool {
        self.in_transaction
    }

    /// Does what a script asks for.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn perform(
        &mut self,
        ops: &Ops,
        request: &Request,
        read_only: bool,
    ) -> Result<Executed, Error> {
        let Some(connection) = self.connection.take() else { return Err(Error::Closed) };
        let mut interrupting = Interrupting(Some(connection.get_interrupt_handle()));
        let job = Job::of(request, read_only)?;
        let work = BlockingJob::new(move || {
            let outcome = job.run(&connection);
            (connection, outcome)
        });
        let (connection, outcome) = ops
            .ask(Op::Blocking(work), Duration::MAX)
            .await
            .done::<(Connection, Result<Executed, Error>)>()?;
        interrupting.0 = None;
        self.in_transaction = !connection.is_autocommit();
        self.connection = Some(connection);
        outcome
    }
}

/// Stops the statement when its ask is gone.
struct Interrupting(Option<InterruptHandle>);

impl Drop for Interrupting {
    fn drop(&mut self) {
        if let Some(handle) = &self.0 {
            handle.interrupt();
        }
    }
}

/// A request on its way to a helper thread.
struct Job {
    sql: String,
    how: Kind,
    rows: bool,
}

enum Kind {
    InTransaction { read_only: bool },
    Plain,
    Prepare,
    Prepared(Vec<Parameter>),
}

impl Job {
    fn of(request: &Request, read_only: bool) -> Result<Job, Error> {
        let how = match &request.how {
            How::InTransaction => Kind::InTransaction { read_only },
            How::Plain => Kind::Plain,
            How::Prepare => Kind::Prepare,
            How::Prepared(parameters) => Kind::Prepared(parameters.clone()),
        };
        let sql = String::from_utf8(request.sql.clone())
            .map_err(|_| Error::Refused("the statement is not valid UTF-8".into()))?;
        Ok(Job { sql, how, rows: request.rows })
    }

    fn run(&self, connection: &Connection) -> Result<Executed, Error> {
        match &self.how {
            Kind::InTransaction { read_only } => self.in_transaction(connection, *read_only),
            Kind::Plain => self.plain(connection),
            Kind::Prepare => {
                connection.prepare(&self.sql).map(|_| Executed::default()).map_err(refused)
            }
            Kind::Prepared(parameters) => self.prepared(connection, parameters),
        }
    }

    fn in_transaction(&self, connection: &Connection, read_only: bool) -> Result<Executed, Error> {
        let execute = |sql: &str| connection.execute_batch(sql).map_err(refused);
        if read_only {
            execute("PRAGMA query_only=1")?;
        }
        execute("BEGIN")?;
        let outcome =
            self.plain(connection).and_then(|outcome| execute("COMMIT").map(|()| outcome));
        if !connection.is_autocommit() {
            execute("ROLLBACK")?;
        }
        if read_only {
            execute("PRAGMA query_only=0")?;
        }
        outcome
    }

    /// All statements of the text; the first result counts.
    fn plain(&self, connection: &Connection) -> Result<Executed, Error> {
        let mut batch = Batch::new(connection, &self.sql);
        let mut first: Option<Executed> = None;
        while let Some(mut statement) = batch.next().map_err(refused)? {
            let outcome = run(connection, &mut statement, &[], self.rows && first.is_none())?;
            first.get_or_insert(outcome);
        }
        Ok(first.unwrap_or_default())
    }

    fn prepared(
        &self,
        connection: &Connection,
        parameters: &[Parameter],
    ) -> Result<Executed, Error> {
        let mut statement = connection.prepare(&self.sql).map_err(refused)?;
        let expected = statement.parameter_count();
        if expected != parameters.len() {
            return Err(Error::Arguments { expected, got: parameters.len() });
        }
        run(connection, &mut statement, parameters, self.rows)
    }
}

fn run(
    connection: &Connection,
    statement: &mut rusqlite::Statement<'_>,
    parameters: &[Parameter],
    wanted: bool,
) -> Result<Executed, Error> {
    for (at, parameter) in parameters.iter().enumerate() {
        statement.raw_bind_parameter(at + 1, parameter).map_err(refused)?;
    }
    let before = connection.total_changes();
    let last_id = connection.last_insert_rowid();
    let mut table =
        Table::new(statement.column_names().map(|name| name.as_bytes().to_vec()).collect());
    let width = table.columns().len();
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next().map_err(refused)? {
        for at in (0..width).filter(|_| wanted) {
            push(row.get_ref(at).map_err(refused)?, &mut table)?;
        }
        table.check()?;
    }
    drop(rows);
    let changed = connection.total_changes() != before;
    let rows_affected = if changed { connection.changes() } else { 0 };
    Ok(Executed {
        table,
        rows_affected,
        last_insert_id: Some(if changed { connection.last_insert_rowid() } else { last_id }),
    })
}

fn push(value: ValueRef<'_>, table: &mut Table) -> Result<(), Error> {
    match value {
        ValueRef::Null => table.push_null(),
        ValueRef::Integer(number) => table.push_number(number as f64),
        ValueRef::Real(number) => table.push_number(number),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => table.push_text(bytes)?,
    }
    Ok(())
}

impl ToSql for Parameter {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Parameter::Null => ValueRef::Null,
            Parameter::Bool(value) => ValueRef::Integer(i64::from(*value)),
            // Lua has one kind of number; SQLite compares integers and reals alike, but stores them
            // as they come.
            Parameter::Number(number) if number.fract() == 0.0 && number.abs() < EXACT_MAX => {
                ValueRef::Integer(*number as i64)
            }
            Parameter::Number(number) => ValueRef::Real(*number),
            Parameter::Text(text) => ValueRef::Text(text),
        }))
    }
}

/// SQLite's own words. It knows no secrets.
#[allow(clippy::needless_pass_by_value, reason = "what map_err wants")]
fn refused(error: rusqlite::Error) -> Error {
    Error::Refused(match error {
        rusqlite::Error::SqliteFailure(code, None) => code.to_string(),
        rusqlite::Error::SqliteFailure(_, Some(text)) => text,
        rusqlite::Error::SqlInputError { msg, .. } => msg,
        other => other.to_string(),
    })
}

/// How long a statement waits for another process' lock.
const BUSY_MAX: Duration = Duration::from_secs(5);

/// Integers up to here are exact in a double.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
