//! One connection to PostgreSQL: connecting, simple and extended protocol.
//!
//! The codec is `proto::sql::postgres`. A session that fails in the middle of an answer is out of
//! step and must be dropped.

use super::session::Dialogue;
use super::statements::Statements;
use super::{Error, Executed};
use crate::op::{BlockingJob, Op, Ops};
use crate::proto::sql::postgres::dsn::{Dsn, TlsMode};
use crate::proto::sql::postgres::login::{Login, LoginError, Step};
use crate::proto::sql::postgres::message::{self, Column, ServerError, Taken};
use crate::proto::sql::{Malformed, Parameter, Table};
use crate::secret::Secret;
use crate::tls::{CertificateFiles, ClientTls, ClientTlsSettings, TlsVersion};
use crate::upstream::connection::UpstreamConnection;
use bytes::BytesMut;
use fallible_iterator::FallibleIterator;
use postgres_protocol::IsNull;
use postgres_protocol::message::backend::Message;
use postgres_protocol::message::frontend;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

/// A connection that has logged in.
pub struct Session {
    connection: UpstreamConnection,
    statements: Statements<Prepared>,
    /// Numbers the statements.
    prepared: u64,
    in_step: bool,
    in_transaction: bool,
}

/// A statement that the server knows as `s` and the number.
#[derive(Clone, Debug)]
struct Prepared {
    number: u64,
    /// The types of its parameters.
    parameters: Rc<[u32]>,
}

/// An answer so far: all that comes until the server is ready again.
#[derive(Default)]
struct Collected {
    outcome: Executed,
    /// The first result is complete, and no other counts.
    ended: bool,
    columns: Vec<Column>,
    parameters: Vec<u32>,
    refused: Option<ServerError>,
}

/// The TLS that an address asks for.
pub fn tls_settings(dsn: &Dsn) -> Option<ClientTlsSettings> {
    // On a unix socket there is none, as in libpq.
    if dsn.tls == TlsMode::Disable || dsn.socket().is_some() {
        return None;
    }
    let certificate =
        dsn.certificate.clone().map(|(certificate, key)| CertificateFiles { certificate, key });
    Some(ClientTlsSettings {
        ca_file: dsn.root_certificate.clone(),
        certificate,
        skip_verify: dsn.tls == TlsMode::Require,
        skip_name: dsn.tls == TlsMode::VerifyCa,
        minimum: TlsVersion::default(),
    })
}

impl Session {
    /// Connects and logs in.
    ///
    /// # Errors
    /// [`Error::Link`], [`Error::Refused`].
    pub async fn connect(ops: &Ops, dsn: &Dsn, tls: Option<ClientTls>) -> Result<Session, Error> {
        let mut connection = match dsn.socket() {
            Some(path) => UpstreamConnection::connect_unix(ops, &path, Duration::MAX).await?,
            None => UpstreamConnection::connect(ops, &dsn.host, dsn.port, Duration::MAX).await?,
        };
        if let Some(tls) = tls {
            let mut request = BytesMut::new();
            frontend::ssl_request(&mut request);
            connection.send(ops, request, Duration::MAX).await?;
            connection.at_least(ops, 1, Duration::MAX).await?;
            if connection.input().first() != Some(&b'S') {
                return Err(Error::Refused("pq: SSL is not enabled on the server".into()));
            }
            connection.consume(1);
            connection.start_tls(ops, &tls, &dsn.host, Duration::MAX).await?;
        }
        let mut session = Session {
            connection,
            statements: Statements::default(),
            prepared: 0,
            in_step: false,
            in_transaction: false,
        };
        session.log_in(ops, dsn).await?;
        session.in_step = true;
        Ok(session)
    }

    pub async fn is_fresh(&self, ops: &Ops) -> bool {
        self.connection.is_fresh(ops).await
    }

    pub fn is_in_step(&self) -> bool {
        self.in_step
    }

    pub fn is_in_transaction(&self) -> bool {
        self.in_transaction
    }

    /// Back to what it was after the login. The prepared statements go, too.
    ///
    /// # Errors
    /// The server refuses, or the connection is gone.
    pub async fn reset(&mut self, ops: &Ops) -> Result<(), Error> {
        self.statements = Statements::default();
        self.plain(ops, b"DISCARD ALL", false).await.map(drop)
    }

    async fn log_in(&mut self, ops: &Ops, dsn: &Dsn) -> Result<(), Error> {
        let own = [("user", dsn.user.as_str()), ("database", dsn.database.as_str())];
        let others = dsn.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let mut out = BytesMut::new();
        frontend::startup_message(own.into_iter().chain(others), &mut out)
            .map_err(|_| UNSENDABLE)?;
        self.connection.send(ops, out, Duration::MAX).await?;
        let password = if dsn.password.is_empty() {
            password_of_file(ops, dsn).await?
        } else {
            dsn.password.clone()
        };
        let mut login = Login::new(&dsn.user, &password);
        loop {
            let Some(message) = self.receive(ops, &[], &mut Table::default(), false).await? else {
                continue;
            };
            match login.answer(&message)? {
                Step::Send(bytes) => self.connection.send(ops, bytes, Duration::MAX).await?,
                Step::Wait => {}
                Step::Done => return Ok(()),
            }
        }
    }

    /// Sends what begins an exchange. Until the server is ready again the session is out of step.
    async fn send(&mut self, ops: &Ops, bytes: BytesMut) -> Result<(), Error> {
        self.in_step = false;
        Ok(self.connection.send(ops, bytes, Duration::MAX).await?)
    }

    /// The next message; `None` for a row, which is appended to `table` if rows are `wanted`.
    async fn receive(
        &mut self,
        ops: &Ops,
        columns: &[Column],
        table: &mut Table,
        wanted: bool,
    ) -> Result<Option<Box<Message>>, Error> {
        loop {
            let (found, consumed) = match message::take(self.connection.input())? {
                Taken::Short(count) => {
                    self.connection.at_least(ops, count, Duration::MAX).await?;
                    continue;
                }
                Taken::Row(body, consumed) => {
                    if wanted {
                        message::row(body, columns, table)?;
                    }
                    (None, consumed)
                }
                Taken::Message(message, consumed) => (Some(message), consumed),
            };
            self.connection.consume(consumed);
            return Ok(found);
        }
    }

    /// Reads all that comes until the server is ready again.
    async fn collect(&mut self, ops: &Ops, sql: &str, rows: bool) -> Result<Collected, Error> {
        let mut collected = Collected::default();
        loop {
            let wanted = rows && !collected.ended;
            let Collected { columns, outcome, .. } = &mut collected;
            let message = match self.receive(ops, columns, &mut outcome.table, wanted).await {
                Ok(Some(message)) => message,
                Ok(None) => continue,
                // A server that ends says why before it closes the connection.
                Err(Error::Link(failure)) => {
                    return Err(collected.refused.map_or(Error::Link(failure), refused));
                }
                Err(error) => return Err(error),
            };
            match *message {
                Message::ReadyForQuery(body) => {
                    self.in_transaction = body.status() != b'I';
                    self.in_step = true;
                    return Ok(collected);
                }
                Message::CopyInResponse(_) => {
                    let mut out = BytesMut::new();
                    frontend::copy_fail("COPY is not supported", &mut out)
                        .map_err(|_| UNSENDABLE)?;
                    self.connection.send(ops, out, Duration::MAX).await?;
                }
                message => collected.take(message, sql)?,
            }
        }
    }

    async fn prepared(&mut self, ops: &Ops, sql: &str) -> Result<Prepared, Error> {
        if let Some(prepared) = self.statements.find(sql.as_bytes()) {
            return Ok(prepared);
        }
        let mut out = BytesMut::new();
        if let Some(old) = self.statements.evict() {
            frontend::close(b'S', &name(old.number), &mut out).map_err(|_| UNSENDABLE)?;
        }
        self.prepared += 1;
        let number = self.prepared;
        let name = name(number);
        frontend::parse(&name, sql, [], &mut out).map_err(|_| UNSENDABLE)?;
        frontend::describe(b'S', &name, &mut out).map_err(|_| UNSENDABLE)?;
        frontend::sync(&mut out);
        self.send(ops, out).await?;
        let collected = self.collect(ops, sql, false).await?;
        let parameters = collected.parameters.as_slice().into();
        collected.finish()?;
        let prepared = Prepared { number, parameters };
        self.statements.insert(sql.as_bytes(), prepared.clone());
        Ok(prepared)
    }

    /// One run of a prepared statement. Its columns are asked for each time: a table may have
    /// changed since.
    async fn run(
        &mut self,
        ops: &Ops,
        sql: &str,
        parameters: &[Parameter],
        rows: bool,
    ) -> Result<Collected, Error> {
        let prepared = self.prepared(ops, sql).await?;
        if prepared.parameters.len() != parameters.len() {
            return Err(Error::Arguments {
                expected: prepared.parameters.len(),
                got: parameters.len(),
            });
        }
        let mut out = BytesMut::new();
        // Bytes go as they are: in text form a backslash in them would begin an escape.
        let formats =
            prepared.parameters.iter().map(|kind| if *kind == BYTEA { BINARY } else { TEXT });
        let bound = frontend::bind(
            "",
            &name(prepared.number),
            formats,
            parameters,
            |value, out| Ok(push_parameter(value, out)),
            [],
            &mut out,
        );
        bound.map_err(|_| UNSENDABLE)?;
        frontend::describe(b'P', "", &mut out).map_err(|_| UNSENDABLE)?;
        frontend::execute("", 0, &mut out).map_err(|_| UNSENDABLE)?;
        frontend::sync(&mut out);
        self.send(ops, out).await?;
        self.collect(ops, sql, rows).await
    }
}

impl Dialogue for Session {
    async fn plain(&mut self, ops: &Ops, sql: &[u8], rows: bool) -> Result<Executed, Error> {
        let sql = text(sql)?;
        let mut out = BytesMut::new();
        frontend::query(sql, &mut out).map_err(|_| UNSENDABLE)?;
        self.send(ops, out).await?;
        self.collect(ops, sql, rows).await?.finish()
    }

    async fn prepare(&mut self, ops: &Ops, sql: &[u8]) -> Result<(), Error> {
        self.prepared(ops, text(sql)?).await.map(drop)
    }

    async fn execute(
        &mut self,
        ops: &Ops,
        sql: &[u8],
        parameters: &[Parameter],
        rows: bool,
    ) -> Result<Executed, Error> {
        let sql = text(sql)?;
        let collected = self.run(ops, sql, parameters, rows).await?;
        // A table was altered, or the statement was discarded: nothing has been done yet, so it is
        // prepared once more.
        let is_stale =
            collected.refused.as_ref().is_some_and(|error| STALE.contains(&error.code.as_str()));
        if !is_stale || self.in_transaction {
            return collected.finish();
        }
        self.statements.remove(sql.as_bytes());
        self.run(ops, sql, parameters, rows).await?.finish()
    }

    fn begin_text(read_only: bool) -> &'static [u8] {
        if read_only { b"BEGIN READ ONLY" } else { b"BEGIN" }
    }
}

impl Collected {
    /// Takes note of a message.
    fn take(&mut self, message: Message, sql: &str) -> Result<(), Error> {
        match message {
            Message::RowDescription(body) if !self.ended => {
                self.columns = message::columns(&body)?;
                self.outcome.table =
                    Table::new(self.columns.iter().map(|column| column.name.clone()).collect());
            }
            Message::CommandComplete(body) if !self.ended => {
                self.outcome.rows_affected = message::rows_affected(body.tag().unwrap_or_default());
                self.ended = true;
            }
            Message::EmptyQueryResponse => self.ended = true,
            Message::ParameterDescription(body) => {
                self.parameters = body
                    .parameters()
                    .collect()
                    .map_err(|_| Malformed::Protocol("parameters are not understood"))?;
            }
            Message::ErrorResponse(body) if self.refused.is_none() => {
                self.refused = Some(ServerError::read(body.fields(), sql))
            }
            Message::CopyOutResponse(_) if self.refused.is_none() => {
                self.refused = Some(ServerError {
                    message: "COPY is not supported".into(),
                    ..ServerError::default()
                });
            }
            // Also rows of further results, notices, and what else goes along.
            _ => {}
        }
        Ok(())
    }

    fn finish(self) -> Result<Executed, Error> {
        self.refused.map_or(Ok(self.outcome), |error| Err(refused(error)))
    }
}

impl From<LoginError> for Error {
    fn from(error: LoginError) -> Error {
        Error::Refused(error.to_string())
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "postgres::Session({})", self.connection.peer())
    }
}

fn refused(error: ServerError) -> Error {
    Error::Refused(error.to_string())
}

/// The protocol takes texts without zero bytes, in UTF-8.
fn text(sql: &[u8]) -> Result<&str, Error> {
    std::str::from_utf8(sql).map_err(|_| {
        Error::Refused("pq: invalid byte sequence for encoding \"UTF8\" (22021)".into())
    })
}

fn name(number: u64) -> String {
    format!("s{number}")
}

/// A value in text form.
fn push_parameter(parameter: &Parameter, out: &mut BytesMut) -> IsNull {
    match parameter {
        Parameter::Null => return IsNull::Yes,
        Parameter::Bool(value) => out.extend_from_slice(if *value { b"true" } else { b"false" }),
        Parameter::Number(value) if value.is_infinite() => {
            out.extend_from_slice(if *value > 0.0 { b"Infinity" } else { b"-Infinity" })
        }
        // Plain digits, as many as it takes: what an integer column wants, too.
        Parameter::Number(value) => out.extend_from_slice(value.to_string().as_bytes()),
        Parameter::Text(text) => out.extend_from_slice(text),
    }
    IsNull::No
}

/// The password that the password file has for this address. A file that others may read is not
/// read, as in libpq.
async fn password_of_file(ops: &Ops, dsn: &Dsn) -> Result<Secret, Error> {
    let Some(path) = dsn.password_file.clone() else { return Ok(Secret::default()) };
    let read = move |path: PathBuf| {
        let about = std::fs::metadata(&path).ok()?;
        let is_private = about.is_file()
            && about.permissions().mode() & 0o077 == 0
            && about.len() <= PASSWORD_FILE_BYTES_MAX;
        if is_private { std::fs::read(&path).ok().map(Secret::new) } else { None }
    };
    let file = ops
        .ask(Op::Blocking(BlockingJob::new(move || read(path))), Duration::MAX)
        .await
        .done::<Option<Secret>>()?;
    Ok(file
        .and_then(|file| dsn.password_in(&String::from_utf8_lossy(file.expose())))
        .unwrap_or_default())
}

/// feature_not_supported, for a plan that does not fit any more; invalid_sql_statement_name.
const STALE: [&str; 2] = ["0A000", "26000"];

/// The type's number, and the two formats of a value.
const BYTEA: u32 = 17;
const TEXT: i16 = 0;
const BINARY: i16 = 1;

const PASSWORD_FILE_BYTES_MAX: u64 = 1 << 20;

const UNSENDABLE: Malformed =
    Malformed::Protocol("a text with a zero byte, or too many parameters");
