//! One connection to MySQL or MariaDB: connecting, and statements of both protocols.
//!
//! The codec is `proto::sql::mysql`. A session that fails in the middle of an answer is out of step
//! and must be dropped.

use super::session::Dialogue;
use super::statements::Statements;
use super::{Error, Executed};
use crate::op::Ops;
use crate::proto::sql::mysql::dsn::{Dsn, Net, TlsMode};
use crate::proto::sql::mysql::login::{self, Account, Login, LoginError, Privacy, Step};
use crate::proto::sql::mysql::packet::{
    self, Chunk, Column, Done, Prepared, Reply, RowOrEnd, ServerError,
};
use crate::proto::sql::mysql::row::{binary_row, text_row};
use crate::proto::sql::{Malformed, Parameter, Table};
use crate::tls::{ClientTls, ClientTlsSettings};
use crate::upstream::connection::UpstreamConnection;
use mysql_common::constants::{CapabilityFlags, Command};
use mysql_common::packets::{ComStmtClose, ComStmtExecuteRequestBuilder};
use mysql_common::proto::MySerialize;
use mysql_common::value::Value;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

/// A connection that has logged in.
pub struct Session {
    connection: UpstreamConnection,
    dsn: Rc<Dsn>,
    /// The number of the next packet.
    sequence: u8,
    /// The payload received last.
    payload: Vec<u8>,
    statements: Statements<Prepared>,
    in_step: bool,
    in_transaction: bool,
}

/// The two ways a row can look.
#[derive(Clone, Copy)]
enum Form {
    Text,
    Binary,
}

/// The TLS that an address asks for.
pub fn tls_settings(dsn: &Dsn) -> Option<ClientTlsSettings> {
    let skip_verify = match dsn.tls {
        TlsMode::Off => return None,
        TlsMode::On => false,
        TlsMode::SkipVerify | TlsMode::Preferred => true,
    };
    Some(ClientTlsSettings { skip_verify, ..ClientTlsSettings::default() })
}

impl Session {
    /// Connects, logs in and sets what the address says.
    ///
    /// # Errors
    /// [`Error::Link`], [`Error::Refused`].
    pub async fn connect(
        ops: &Ops,
        dsn: Rc<Dsn>,
        tls: Option<ClientTls>,
    ) -> Result<Session, Error> {
        let connection = match &dsn.net {
            Net::Tcp(host, port) => {
                UpstreamConnection::connect(ops, host, *port, Duration::MAX).await?
            }
            Net::Unix(path) => {
                UpstreamConnection::connect_unix(ops, Path::new(path), Duration::MAX).await?
            }
        };
        let mut session = Session {
            connection,
            dsn,
            sequence: 0,
            payload: Vec::new(),
            statements: Statements::default(),
            in_step: false,
            in_transaction: false,
        };
        session.log_in(ops, tls).await?;
        session.in_step = true;
        session.settle(ops).await?;
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

    /// Back to what it was after the login (COM_RESET_CONNECTION, MySQL 5.7.3 and MariaDB 10.2.4),
    /// but for the database that `USE` chose: that is chosen anew.
    ///
    /// # Errors
    /// The server cannot do it, or the connection is gone.
    pub async fn reset(&mut self, ops: &Ops) -> Result<(), Error> {
        self.statements = Statements::default();
        self.command(ops, Command::COM_RESET_CONNECTION, b"").await?;
        self.results(ops, Form::Text, false).await?;
        let database = self.dsn.database.clone();
        if !database.is_empty() {
            self.command(ops, Command::COM_INIT_DB, database.as_bytes()).await?;
            self.results(ops, Form::Text, false).await?;
        }
        self.settle(ops).await
    }

    async fn log_in(&mut self, ops: &Ops, tls: Option<ClientTls>) -> Result<(), Error> {
        self.receive(ops).await?;
        let greeting = login::greeting(&self.payload)?;
        let wanted = self.capabilities();
        let mut privacy =
            if matches!(self.dsn.net, Net::Unix(_)) { Privacy::Unix } else { Privacy::None };
        if let (Some(tls), Net::Tcp(host, _)) = (tls, &self.dsn.net) {
            if greeting.offers_tls() {
                let host = host.trim_matches(['[', ']']).to_owned();
                self.send(ops, &login::ssl_request(&greeting, wanted)).await?;
                self.connection.start_tls(ops, &tls, &host, Duration::MAX).await?;
                privacy = Privacy::Tls;
            } else if self.dsn.tls != TlsMode::Preferred {
                return Err(Error::Refused("TLS requested but server does not support TLS".into()));
            }
        }
        let (mut login, response) = Login::begin(&greeting, self.account(), privacy, wanted)?;
        self.send(ops, &response).await?;
        loop {
            self.receive(ops).await?;
            match login.answer(&self.payload)? {
                Step::Send(payload) => self.send(ops, &payload).await?,
                Step::Wait => {}
                Step::Done => return Ok(()),
            }
        }
    }

    fn account(&self) -> Account {
        Account {
            user: self.dsn.user.clone(),
            password: self.dsn.password.clone(),
            database: self.dsn.database.clone(),
            allow_clear_text: self.dsn.allow_clear_text,
            allow_native: self.dsn.allow_native,
            allow_old: self.dsn.allow_old,
        }
    }

    fn capabilities(&self) -> CapabilityFlags {
        let mut wanted = CapabilityFlags::empty();
        wanted.set(CapabilityFlags::CLIENT_FOUND_ROWS, self.dsn.client_found_rows);
        wanted.set(CapabilityFlags::CLIENT_MULTI_STATEMENTS, self.dsn.multi_statements);
        wanted
    }

    /// Character set and session variables of the address.
    async fn settle(&mut self, ops: &Ops) -> Result<(), Error> {
        let dsn = self.dsn.clone();
        let collate = if dsn.collation.is_empty() {
            String::new()
        } else {
            format!(" COLLATE {}", dsn.collation)
        };
        let mut names: Vec<String> =
            dsn.charsets.iter().map(|name| format!("SET NAMES {name}{collate}")).collect();
        if names.is_empty() && !collate.is_empty() {
            names.push(format!("SET NAMES utf8mb4{collate}"));
        }
        let mut outcome = Ok(Executed::default());
        for statement in names {
            outcome = self.plain(ops, statement.as_bytes(), false).await;
            if outcome.is_ok() {
                break;
            }
        }
        outcome?;
        let variables: Vec<String> =
            dsn.variables.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if !variables.is_empty() {
            self.plain(ops, format!("SET {}", variables.join(",")).as_bytes(), false).await?;
        }
        Ok(())
    }

    /// Begins a command. Until its answer is complete the session is out of step.
    async fn command(&mut self, ops: &Ops, command: Command, argument: &[u8]) -> Result<(), Error> {
        let mut payload = Vec::with_capacity(argument.len() + 1);
        payload.push(command as u8);
        payload.extend_from_slice(argument);
        self.command_payload(ops, &payload).await
    }

    async fn command_payload(&mut self, ops: &Ops, payload: &[u8]) -> Result<(), Error> {
        let max = if self.dsn.packet_bytes_max == 0 {
            STATEMENT_BYTES_MAX
        } else {
            self.dsn.packet_bytes_max.min(STATEMENT_BYTES_MAX)
        };
        if payload.len() > max {
            return Err(Error::StatementTooLarge(max));
        }
        self.in_step = false;
        self.sequence = 0;
        self.send(ops, payload).await
    }

    async fn send(&mut self, ops: &Ops, payload: &[u8]) -> Result<(), Error> {
        let mut out = Vec::with_capacity(payload.len() + 4);
        packet::compose(payload, &mut self.sequence, &mut out);
        Ok(self.connection.send(ops, out, self.dsn.write_limit.unwrap_or(Duration::MAX)).await?)
    }

    /// Waits for the next packet.
    async fn receive(&mut self, ops: &Ops) -> Result<(), Error> {
        let limit = self.dsn.read_limit.unwrap_or(Duration::MAX);
        self.payload.clear();
        loop {
            match packet::take_chunk(
                self.connection.input(),
                &mut self.sequence,
                &mut self.payload,
            )? {
                Chunk::Short(count) => self.connection.at_least(ops, count, limit).await?,
                Chunk::Taken { consumed, last } => {
                    self.connection.consume(consumed);
                    if last {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Reads the answer to a statement: all its results, of which the first counts.
    async fn results(&mut self, ops: &Ops, form: Form, rows: bool) -> Result<Executed, Error> {
        let mut first = None;
        loop {
            self.receive(ops).await?;
            let (outcome, status) = match packet::reply(&self.payload)? {
                Reply::Done(Done { affected_rows, last_insert_id, status }) => {
                    let last_insert_id = Some(i64::try_from(last_insert_id).unwrap_or(i64::MAX));
                    (
                        Executed {
                            table: Table::default(),
                            rows_affected: affected_rows,
                            last_insert_id,
                        },
                        status,
                    )
                }
                Reply::Error(error) => return Err(self.refused(&error)),
                // A server may ask for any file of ours: never.
                Reply::LocalInfile => {
                    return Err(Malformed::Protocol("the server asks for a local file").into());
                }
                Reply::Columns(count) => {
                    let columns = self.columns(ops, count).await?;
                    let (table, status) =
                        self.rows(ops, &columns, form, rows && first.is_none()).await?;
                    (Executed { table, rows_affected: 0, last_insert_id: Some(0) }, status)
                }
            };
            self.in_transaction = status.in_transaction;
            let first = first.get_or_insert(outcome);
            if !status.more_results {
                self.in_step = true;
                return Ok(std::mem::take(first));
            }
        }
    }

    /// Definitions of columns (or parameters), and the packet that ends them.
    async fn columns(&mut self, ops: &Ops, count: usize) -> Result<Vec<Column>, Error> {
        let mut columns = Vec::with_capacity(count);
        for _ in 0..count {
            self.receive(ops).await?;
            columns.push(packet::column(&self.payload)?);
        }
        self.receive(ops).await?;
        packet::eof(&self.payload)?;
        Ok(columns)
    }

    async fn rows(
        &mut self,
        ops: &Ops,
        columns: &[Column],
        form: Form,
        wanted: bool,
    ) -> Result<(Table, packet::Status), Error> {
        let mut table = Table::new(columns.iter().map(|column| self.shown_name(column)).collect());
        loop {
            self.receive(ops).await?;
            match packet::row_or_end(&self.payload)? {
                RowOrEnd::End(status) => return Ok((table, status)),
                RowOrEnd::Error(error) => return Err(self.refused(&error)),
                RowOrEnd::Row(_) if !wanted => {}
                RowOrEnd::Row(row) => match form {
                    Form::Text => text_row(row, columns, &self.dsn.dates, &mut table)?,
                    Form::Binary => binary_row(row, columns, &self.dsn.dates, &mut table)?,
                },
            }
        }
    }

    fn shown_name(&self, column: &Column) -> Vec<u8> {
        if self.dsn.names_with_table && !column.table.is_empty() {
            [&column.table[..], b".", &column.name].concat()
        } else {
            column.name.clone()
        }
    }

    /// The server's error ends its answer.
    fn refused(&mut self, error: &ServerError) -> Error {
        self.in_step = !(self.dsn.reject_read_only && READ_ONLY.contains(&error.code));
        Error::Refused(error.to_string())
    }

    async fn prepared(&mut self, ops: &Ops, sql: &[u8]) -> Result<Prepared, Error> {
        if let Some(prepared) = self.statements.find(sql) {
            return Ok(prepared);
        }
        if let Some(old) = self.statements.evict() {
            let mut payload = Vec::new();
            ComStmtClose::new(old.id).serialize(&mut payload);
            // The server does not answer this one.
            self.command_payload(ops, &payload).await?;
            self.in_step = true;
        }
        self.command(ops, Command::COM_STMT_PREPARE, sql).await?;
        self.receive(ops).await?;
        if self.payload.first() == Some(&0xFF) {
            let error = packet::error(&self.payload)?;
            return Err(self.refused(&error));
        }
        let prepared = packet::prepared(&self.payload)?;
        for count in [prepared.parameters, prepared.columns] {
            if count > 0 {
                self.columns(ops, count).await?;
            }
        }
        self.in_step = true;
        self.statements.insert(sql, prepared);
        Ok(prepared)
    }
}

impl Dialogue for Session {
    async fn plain(&mut self, ops: &Ops, sql: &[u8], rows: bool) -> Result<Executed, Error> {
        self.command(ops, Command::COM_QUERY, sql).await?;
        self.results(ops, Form::Text, rows).await
    }

    async fn prepare(&mut self, ops: &Ops, sql: &[u8]) -> Result<(), Error> {
        self.prepared(ops, sql).await.map(drop)
    }

    async fn execute(
        &mut self,
        ops: &Ops,
        sql: &[u8],
        parameters: &[Parameter],
        rows: bool,
    ) -> Result<Executed, Error> {
        let prepared = self.prepared(ops, sql).await?;
        if prepared.parameters != parameters.len() {
            return Err(Error::Arguments { expected: prepared.parameters, got: parameters.len() });
        }
        let values: Vec<Value> = parameters.iter().map(value).collect();
        let (request, too_large) = ComStmtExecuteRequestBuilder::new(prepared.id).build(&values);
        if too_large {
            return Err(Error::StatementTooLarge(packet::CHUNK_MAX));
        }
        let mut payload = Vec::new();
        request.serialize(&mut payload);
        self.command_payload(ops, &payload).await?;
        self.results(ops, Form::Binary, rows).await
    }

    fn begin_text(read_only: bool) -> &'static [u8] {
        if read_only { b"START TRANSACTION READ ONLY" } else { b"START TRANSACTION" }
    }
}

impl From<LoginError> for Error {
    fn from(error: LoginError) -> Error {
        match error {
            LoginError::Malformed(malformed) => Error::Malformed(malformed),
            other => Error::Refused(other.to_string()),
        }
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "mysql::Session({})", self.connection.peer())
    }
}

fn value(parameter: &Parameter) -> Value {
    match parameter {
        Parameter::Null => Value::NULL,
        Parameter::Bool(value) => Value::Int(i64::from(*value)),
        Parameter::Number(value) => Value::Double(*value),
        Parameter::Text(text) => Value::Bytes(text.clone()),
    }
}

/// Errors of a server that became a replica: ER_OPTION_PREVENTS_STATEMENT,
/// ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION, ER_READ_ONLY_MODE.
const READ_ONLY: [u16; 3] = [1290, 1792, 1836];

/// As `maxAllowedPacket` is by default.
const STATEMENT_BYTES_MAX: usize = 64 << 20;
