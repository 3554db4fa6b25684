//! UpstreamConnection: a connection to any server, as sequential code sees it.
//!
//! ```text
//! let mut connection = UpstreamConnection::connect(ops, "mail.example.org", 25, limit).await?;
//! let greeting = connection.line(ops, 512, limit).await?;
//! connection.send(ops, b"QUIT\r\n".to_vec(), limit).await?;
//! ```
//!
//! What protocols other than Redis are written over (HTTP, SQL, mail, LDAP, DNS over TCP): their
//! codecs are sans-I/O functions over [`UpstreamConnection::input`], their dialogues subtasks ([`Op::Run`]).
//! Every wait has a limit and ends with the task's deadline; what has come and was not consumed
//! stays in the connection, and what a caller asks for at once is bounded by its `max`. Host names are
//! looked up without blocking the loop. Dropping a connection closes it, unless a
//! [`Pool`](super::pool::Pool) takes it.

use crate::address::Address;
use crate::op::{Answer, ConnectionOp, Failure, Handle, Op, Ops};
use crate::tls::ClientTls;
use crate::upstream::dns::resolve_host;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

/// One connection and what has come on it.
#[derive(Debug)]
pub struct UpstreamConnection {
    handle: Handle,
    /// Bytes from `start` on have come and are not consumed.
    input: Vec<u8>,
    start: usize,
    /// The peer sends no more.
    ended: bool,
    /// `host:port` or path, for error texts.
    peer: String,
}

impl UpstreamConnection {
    /// Connects to `host`, a name or an address, trying its addresses in turn; `limit` is for all
    /// of it.
    ///
    /// # Errors
    /// The failure of the last address; [`Failure::Refused`] if the name has none.
    pub async fn connect(
        ops: &Ops,
        host: &str,
        port: u16,
        limit: Duration,
    ) -> Result<UpstreamConnection, Failure> {
        let until = ops.now().checked_add(limit);
        let literal =
            host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let addresses = match literal.parse() {
            Ok(ip) => vec![ip],
            Err(_) => resolve_host(ops, host).await?,
        };
        let mut failure = Failure::Refused(format!("dial tcp: lookup {host}: no such host"));
        for (at, ip) in addresses.iter().enumerate() {
            let left = until.map_or(limit, |until| until.saturating_duration_since(ops.now()));
            // A host that swallows packets must leave time for the addresses after it.
            let share = left / u32::try_from(addresses.len() - at).unwrap_or(u32::MAX);
            match UpstreamConnection::open(ops, Address::Tcp(SocketAddr::new(*ip, port)), share)
                .await
            {
                Ok(connection) => return Ok(connection),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    /// Connects to a unix socket.
    ///
    /// # Errors
    /// Why it could not be opened.
    pub async fn connect_unix(
        ops: &Ops,
        path: &Path,
        limit: Duration,
    ) -> Result<UpstreamConnection, Failure> {
        UpstreamConnection::open(ops, Address::Unix(path.to_owned()), limit).await
    }

    /// Connects to an address.
    ///
    /// # Errors
    /// Why it could not be opened.
    pub async fn open(
        ops: &Ops,
        address: Address,
        limit: Duration,
    ) -> Result<UpstreamConnection, Failure> {
        let peer = address.to_string();
        match ops.ask(Op::Connection(ConnectionOp::Open(address)), limit).await {
            Answer::Opened(handle) => {
                Ok(UpstreamConnection { handle, input: Vec::new(), start: 0, ended: false, peer })
            }
            Answer::Failed(Failure::TimedOut) => {
                Err(Failure::Refused(super::dial_timeout_text(&peer)))
            }
            answer => Err(failure(answer)),
        }
    }

    /// Speaks TLS from here on; `name` is what the certificate must be for. Nothing may be left in
    /// [`UpstreamConnection::input`]: what came before the handshake was not protected (the injection of RFC
    /// 3207, section 6), so it is an error.
    ///
    /// # Errors
    /// The handshake failed, or input was waiting.
    pub async fn start_tls(
        &mut self,
        ops: &Ops,
        tls: &ClientTls,
        name: &str,
        limit: Duration,
    ) -> Result<(), Failure> {
        if !self.input().is_empty() {
            return Err(Failure::Protocol("bytes came before the TLS handshake".into()));
        }
        self.passed(
            ops,
            ConnectionOp::StartTls(self.handle.id(), tls.clone(), name.to_owned()),
            limit,
        )
        .await
    }

    /// Sends all of `bytes`.
    ///
    /// # Errors
    /// The connection is gone, or the peer took them too slowly; then the connection is of no more
    /// use.
    pub async fn send(
        &mut self,
        ops: &Ops,
        bytes: impl Into<Vec<u8>>,
        limit: Duration,
    ) -> Result<(), Failure> {
        self.passed(ops, ConnectionOp::Send(self.handle.id(), bytes.into()), limit).await
    }

    /// Waits until more has come. False: the peer sends no more.
    ///
    /// # Errors
    /// The connection is gone, or nothing came in time; after that one the connection may be used on.
    pub async fn receive(&mut self, ops: &Ops, limit: Duration) -> Result<bool, Failure> {
        if self.ended {
            return Ok(false);
        }
        self.input.drain(..self.start);
        self.start = 0;
        let before = self.input.len();
        let buffer = std::mem::take(&mut self.input);
        match ops.ask(Op::Connection(ConnectionOp::Receive(self.handle.id(), buffer)), limit).await
        {
            Answer::Received(buffer) => {
                self.ended = buffer.len() == before;
                self.input = buffer;
                Ok(!self.ended)
            }
            answer => Err(failure(answer)),
        }
    }

    /// What has come and is not consumed.
    pub fn input(&self) -> &[u8] {
        self.input.get(self.start..).unwrap_or_default()
    }

    /// Consumes the first `count` bytes of the input.
    pub fn consume(&mut self, count: usize) {
        self.start = self.input.len().min(self.start + count);
    }

    /// A line without its end (LF or CRLF), of at most `max` bytes.
    ///
    /// # Errors
    /// As [`UpstreamConnection::receive`]; also [`Failure::Protocol`] for a longer line, [`Failure::Closed`]
    /// for an end in the middle of it.
    pub async fn line(
        &mut self,
        ops: &Ops,
        max: usize,
        limit: Duration,
    ) -> Result<Vec<u8>, Failure> {
        let until = ops.now().checked_add(limit);
        loop {
            if let Some(at) = memchr::memchr(b'\n', self.input()) {
                let line = self.input().get(..at).unwrap_or_default();
                let line = line.strip_suffix(b"\r").unwrap_or(line).to_vec();
                self.consume(at + 1);
                return if line.len() <= max { Ok(line) } else { Err(too_long()) };
            }
            if self.input().len() > max {
                return Err(too_long());
            }
            self.more(ops, limit_left(ops, until, limit)).await?;
        }
    }

    /// Waits until the input holds at least `count` bytes.
    ///
    /// # Errors
    /// As [`UpstreamConnection::receive`]; also [`Failure::Closed`] if the peer sends fewer.
    pub async fn at_least(
        &mut self,
        ops: &Ops,
        count: usize,
        limit: Duration,
    ) -> Result<(), Failure> {
        let until = ops.now().checked_add(limit);
        while self.input().len() < count {
            self.more(ops, limit_left(ops, until, limit)).await?;
        }
        Ok(())
    }

    /// As [`UpstreamConnection::receive`], for who needs more.
    ///
    /// # Errors
    /// Also [`Failure::Closed`] when the peer sends no more.
    pub async fn more(&mut self, ops: &Ops, limit: Duration) -> Result<(), Failure> {
        if self.receive(ops, limit).await? {
            Ok(())
        } else {
            Err(Failure::Closed(self.peer.clone()))
        }
    }

    /// Whether a connection that was idle may be used again: nothing has come, and the peer has not
    /// closed it.
    pub async fn is_fresh(&self, ops: &Ops) -> bool {
        let check = Op::Connection(ConnectionOp::Check(self.handle.id()));
        self.input().is_empty()
            && !self.ended
            && matches!(ops.ask(check, Duration::MAX).await, Answer::Fresh(true))
    }

    /// The address that it is connected to, as text.
    pub fn peer(&self) -> &str {
        &self.peer
    }

    async fn passed(
        &mut self,
        ops: &Ops,
        op: ConnectionOp,
        limit: Duration,
    ) -> Result<(), Failure> {
        match ops.ask(Op::Connection(op), limit).await {
            Answer::Passed => Ok(()),
            answer => Err(failure(answer)),
        }
    }
}

fn limit_left(ops: &Ops, until: Option<std::time::Instant>, limit: Duration) -> Duration {
    until.map_or(limit, |until| until.saturating_duration_since(ops.now()))
}

fn failure(answer: Answer) -> Failure {
    match answer {
        Answer::Failed(failure) => failure,
        _ => Failure::Protocol("an answer of another kind".into()),
    }
}

fn too_long() -> Failure {
    Failure::Protocol("the line is too long".into())
}
