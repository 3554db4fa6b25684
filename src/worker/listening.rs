//! Listeners at work: whose connections are taken, and the PROXY header before the first request.

use super::Worker;
use super::connection::{Connection, Opening};
use crate::epoch::Rules;
use crate::frontend::Session;
use crate::log::Level;
use crate::metrics::Count;
use crate::process::seats::{Seat, Seats};
use crate::proto::proxy::HeaderError;
use crate::reactor::{Key, Listener, PeerAddress, Stream};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// One worker's share of a listener. Its place in the worker's list is its place in the epoch's.
pub struct Listening {
    pub socket: Listener,
    /// Shared with the other workers.
    pub seats: Arc<Seats>,
}

/// Why a connection is not served.
#[derive(Clone, Copy, Debug)]
pub(super) enum Refused {
    /// Its listener demands PROXY headers, and its peer is none whose word counts.
    Peer,
    Header(HeaderError),
    /// Its listener has as many as it may. It is closed at once: the client can try another server
    /// now, while in the kernel's queue it would wait until it loses patience, behind connections
    /// that may be idle.
    Limit,
}

/// When the log last heard of refused connections, and how many there were since.
#[derive(Default)]
pub(super) struct Told {
    last: [Option<Instant>; Refused::KINDS],
    unsaid: [u64; Refused::KINDS],
}

impl Refused {
    const KINDS: usize = 3;

    fn index(self) -> usize {
        match self {
            Refused::Peer => 0,
            Refused::Header(_) => 1,
            Refused::Limit => 2,
        }
    }

    fn count(self) -> Count {
        match self {
            Refused::Peer => Count::ConnectionsUntrusted,
            Refused::Header(_) => Count::ProxyHeadersRefused,
            Refused::Limit => Count::ConnectionsOverLimit,
        }
    }

    fn text(self) -> &'static str {
        match self {
            Refused::Peer => {
                "a connection was closed: the listener demands PROXY headers, and the peer is not in server.trusted_proxies"
            }
            Refused::Header(_) => "a connection was refused for its PROXY header",
            Refused::Limit => "a connection was closed: the listener has max_connections",
        }
    }
}

impl Worker {
    /// A connection that was just accepted, if it may be served. One that is dropped is closed.
    pub(super) fn welcome(
        &mut self,
        at: usize,
        stream: Stream,
        peer: PeerAddress,
    ) -> Option<Connection> {
        let rules = self.local.epoch.listeners.rules(at);
        if rules.proxy_protocol && !self.may_name_clients(peer) {
            self.refused(Refused::Peer, at, peer.ip());
            return None;
        }
        let seat = match self.seat(at, rules) {
            Ok(seat) => seat,
            Err(refused) => {
                self.refused(refused, at, peer.ip());
                return None;
            }
        };
        let session = Session::http(self.now.mono, &self.local.epoch.timeouts);
        let connection = Connection::new(stream, peer, (at, seat), session, self.now.mono);
        Some(if rules.proxy_protocol { connection.behind_proxy(peer) } else { connection })
    }

    fn seat(&self, at: usize, rules: Rules) -> Result<Option<Seat>, Refused> {
        match (rules.max_connections, self.listeners.get(at)) {
            (0, _) | (_, None) => Ok(None),
            (max, Some(own)) => own.seats.take(max).map(Some).ok_or(Refused::Limit),
        }
    }

    /// Whether this peer's PROXY headers count: somebody on this host, or a trusted proxy.
    fn may_name_clients(&self, peer: PeerAddress) -> bool {
        let trusts = |ip: IpAddr| ip.is_loopback() || self.local.epoch.dialect.trusts(ip);
        peer.ip().is_none_or(trusts)
    }

    /// Reads the PROXY header with which a connection must begin. True: it is there, and the first
    /// request may follow.
    pub(super) fn read_proxy_header(&mut self, key: Key) -> bool {
        let Some(connection) = self.connections.get_mut(key) else { return false };
        match connection.read_proxy_header(&mut self.scratch) {
            Ok(Opening::Done) => return true,
            Ok(Opening::More) => self.settle_connection(key),
            Ok(Opening::Refused(error)) => {
                let (at, peer) = (connection.listener, connection.peer);
                self.refused(Refused::Header(error), at, peer);
                self.refuse(key, 400, "400 Bad Request");
            }
            Err(_) => self.close(key),
        }
        false
    }

    /// Counts it, and tells the log of it now and then.
    fn refused(&mut self, why: Refused, at: usize, peer: Option<IpAddr>) {
        self.metrics.count(why.count());
        let kind = why.index();
        let (Some(last), Some(unsaid)) =
            (self.told.last.get_mut(kind), self.told.unsaid.get_mut(kind))
        else {
            return;
        };
        *unsaid += 1;
        if last.is_some_and(|last| self.now.mono < last + TELL_EVERY) {
            return;
        }
        *last = Some(self.now.mono);
        let count = std::mem::take(unsaid);
        let address = self.listeners.get(at).map(|own| own.socket.local_address().to_string());
        let mut line = self.log.line(Level::Warn, self.now);
        line.text("msg", why.text());
        if let Refused::Header(error) = why {
            line.text("error", error.to_string());
        }
        line.text("address", address.unwrap_or_default());
        line.text("client_ip", peer.map_or_else(|| "unix".to_owned(), |ip| ip.to_string()));
        // Those since the last line, this one included.
        line.number("count", count).end();
    }
}

/// Between two lines about refused connections of one kind: anybody can cause them.
const TELL_EVERY: Duration = Duration::from_secs(10);
