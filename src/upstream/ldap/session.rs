//! One connection to an LDAP server: opened, bound, asked one thing at a time.

use super::{Bind, Error, Server, Settings};
use crate::op::{Failure, Ops};
use crate::proto::ldap::{
    LdapResult, Message, Modify, Request, Response, Search, compose, message_length, parse,
};
use crate::upstream::connection::UpstreamConnection;
use std::time::{Duration, Instant};

/// A found entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub dn: Vec<u8>,
    /// With their values, in the server's order.
    pub attributes: Vec<(Vec<u8>, Vec<Vec<u8>>)>,
}

/// A bound connection.
#[derive(Debug)]
pub struct Session {
    connection: UpstreamConnection,
    /// Of the last request.
    id: u32,
    /// A request is under way: what comes next belongs to it.
    busy: bool,
}

impl Session {
    /// Connects, encrypts and binds as the pool is set.
    pub async fn open(ops: &Ops, server: &Server, settings: &Settings) -> Result<Session, Error> {
        let limit = settings.connect_time;
        let (connection, host, encrypted) = match server {
            Server::Tcp { host, port, tls } => {
                (UpstreamConnection::connect(ops, host, *port, limit).await?, host.as_str(), *tls)
            }
            Server::Unix(path) => {
                (UpstreamConnection::connect_unix(ops, path, limit).await?, "localhost", false)
            }
        };
        let mut session = Session { connection, id: 0, busy: false };
        if encrypted {
            session.encrypt(ops, host, settings).await?;
        } else if settings.start_tls {
            let response = session.ask(ops, &Request::StartTls, until(ops, limit)).await?;
            let Response::Extended(outcome) = response else { return Err(stray()) };
            done(outcome)?;
            session.encrypt(ops, host, settings).await?;
        }
        session.bind(ops, &settings.bind, settings.bind_time).await?;
        Ok(session)
    }

    /// The entries found.
    pub async fn search(
        &mut self,
        ops: &Ops,
        search: &Search,
        limit: Duration,
    ) -> Result<Vec<Entry>, Error> {
        let until = until(ops, limit);
        self.send(ops, &Request::Search(search), until).await?;
        let (mut entries, mut bytes) = (Vec::new(), 0);
        loop {
            let (response, length) = self.response(ops, until).await?;
            match response {
                Response::Entry { dn, attributes } => {
                    bytes += length;
                    if entries.len() == ENTRIES_MAX {
                        return Err(Error::TooLarge("too many entries"));
                    }
                    if bytes > RESULT_BYTES_MAX {
                        return Err(Error::TooLarge("the entries are too large"));
                    }
                    entries.push(Entry { dn, attributes });
                }
                Response::Reference => {}
                Response::SearchDone(outcome) => {
                    self.busy = false;
                    return match outcome.code {
                        NO_SUCH_OBJECT => Ok(Vec::new()),
                        _ => done(outcome).map(|()| entries),
                    };
                }
                _ => return Err(stray()),
            }
        }
    }

    pub async fn modify(
        &mut self,
        ops: &Ops,
        modify: &Modify,
        limit: Duration,
    ) -> Result<(), Error> {
        match self.ask(ops, &Request::Modify(modify), until(ops, limit)).await {
            Ok(Response::Modify(outcome)) => done(outcome),
            Ok(_) => Err(stray()),
            // It may or may not have been carried out, so it must not be tried again.
            Err(Error::Failure(Failure::Closed(peer))) => Err(Error::Failure(
                Failure::Unavailable(format!("connection closed by {peer} before it answered")),
            )),
            Err(error) => Err(error),
        }
    }

    /// Nothing is under way: it may be used again.
    pub fn is_idle(&self) -> bool {
        !self.busy
    }

    /// An idle connection that the server has neither closed nor spoken on.
    pub async fn is_fresh(&self, ops: &Ops) -> bool {
        self.connection.is_fresh(ops).await
    }

    async fn encrypt(&mut self, ops: &Ops, host: &str, settings: &Settings) -> Result<(), Error> {
        let tls = settings.tls.as_ref().ok_or(Failure::Unavailable("TLS is not set up".into()))?;
        Ok(self.connection.start_tls(ops, tls, host, settings.connect_time).await?)
    }

    async fn bind(&mut self, ops: &Ops, bind: &Bind, limit: Duration) -> Result<(), Error> {
        let request = match bind {
            // An unbound connection is anonymous already (RFC 4511, 4.2).
            Bind::Anonymous => return Ok(()),
            Bind::Simple(dn, password) => Request::Bind(dn, password.expose()),
            Bind::External => Request::BindExternal,
        };
        match self.ask(ops, &request, until(ops, limit)).await? {
            Response::Bind(outcome) => done(outcome),
            _ => Err(stray()),
        }
    }

    /// Sends a request that has one response, and waits for that.
    async fn ask(
        &mut self,
        ops: &Ops,
        request: &Request<'_>,
        until: Instant,
    ) -> Result<Response, Error> {
        self.send(ops, request, until).await?;
        let (response, _) = self.response(ops, until).await?;
        self.busy = false;
        Ok(response)
    }

    async fn send(
        &mut self,
        ops: &Ops,
        request: &Request<'_>,
        until: Instant,
    ) -> Result<(), Error> {
        self.id = self.id % ID_MAX + 1;
        self.busy = true;
        Ok(self.connection.send(ops, compose(self.id, request), left(ops, until)).await?)
    }

    /// The next response to the last request, and how many bytes it took.
    async fn response(&mut self, ops: &Ops, until: Instant) -> Result<(Response, usize), Error> {
        loop {
            let Some(length) = message_length(self.connection.input())? else {
                self.connection.more(ops, left(ops, until)).await?;
                continue;
            };
            let Message { id, response } =
                parse(self.connection.input().get(..length).unwrap_or_default())?;
            self.connection.consume(length);
            match (id, response) {
                // A notice of disconnection is the only one of its kind (RFC 4511, 4.4.1).
                (0, Response::Extended(outcome)) => {
                    return Err(Failure::Closed(outcome.text).into());
                }
                (0, _) => {}
                (id, response) if id == self.id => return Ok((response, length)),
                _ => return Err(stray()),
            }
        }
    }
}

fn done(outcome: LdapResult) -> Result<(), Error> {
    if outcome.code == 0 {
        Ok(())
    } else {
        Err(Error::Refused { code: outcome.code, text: outcome.text })
    }
}

fn stray() -> Error {
    Failure::Protocol("unexpected response".into()).into()
}

fn until(ops: &Ops, limit: Duration) -> Instant {
    ops.now().checked_add(limit).unwrap_or_else(|| ops.deadline())
}

fn left(ops: &Ops, until: Instant) -> Duration {
    until.saturating_duration_since(ops.now())
}

const NO_SUCH_OBJECT: u32 = 32;

/// Message numbers are 31 bits (RFC 4511, 4.1.1.1).
const ID_MAX: u32 = 0x7fff_fffe;

/// Of one search.
pub const ENTRIES_MAX: usize = 10_000;

/// Of all entries of one search.
pub const RESULT_BYTES_MAX: usize = 16 << 20;
