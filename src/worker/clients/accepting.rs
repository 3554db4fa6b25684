//! Accepting connections: whose are taken, and the PROXY header before the first request.

use super::Timer;
use super::connection::{Connection, Opening};
use super::listening::Refused;
use crate::epoch::Rules;
use crate::frontend::Session;
use crate::log::Level;
use crate::metrics::Count;
use crate::process::seats::Seat;
use crate::reactor::{AcceptError, Key, PeerAddress, Stream};
use crate::worker::Worker;
use std::net::IpAddr;
use std::time::Duration;

impl Worker {
    pub(super) fn accept_all(&mut self) {
        self.clients.accepts_again = false;
        for at in 0..self.clients.listeners.len() {
            self.accept(at);
        }
    }

    /// Accepts what waits at a listener, a bounded number per turn.
    pub(in crate::worker) fn accept(&mut self, at: usize) {
        for _ in 0..ACCEPTS_PER_TURN {
            if !self.takes_handshakes(at) {
                break;
            }
            let Some(listener) = self.clients.listeners.get_mut(at) else { return };
            match listener.socket.accept() {
                Ok(Some((stream, peer))) => {
                    self.reporting.metrics.count(Count::ConnectionsAccepted);
                    if let Some(connection) = self.welcome(at, stream, peer) {
                        self.adopt(connection);
                    }
                }
                Ok(None) => return,
                Err(AcceptError::OutOfFiles(error)) => {
                    self.reporting.metrics.count(Count::AcceptsFailed);
                    let open = self.clients.connections.len();
                    self.reporting.out_of_files(&error, open, self.now);
                    break;
                }
                Err(_) => {}
            }
        }
        // More may wait, and no event will tell: look again soon.
        if !self.clients.accepts_again {
            self.clients.accepts_again = true;
            self.clients.timers.set(self.now.mono + ACCEPT_AGAIN, Timer::Accept);
        }
    }

    fn adopt(&mut self, connection: Connection) {
        let key = self.clients.connections.insert(connection);
        self.arm(key);
        self.begin_reading(key);
    }

    /// Reads for the first time.
    pub(super) fn begin_reading(&mut self, key: Key) {
        // The first request is usually there already, and a client that closes after its answer is
        // never watched at all, which saves it two of its six system calls. Whether a client that
        // waits for long has gone, only the poller tells.
        self.drive(key);
        match self.clients.connections.get(key) {
            Some(connection) if connection.session().is_busy() => {
                self.clients.timers.set(self.now.mono + WATCH_AFTER, Timer::Watch(key))
            }
            // What is left to watch when the answer is out, `send_answers` knows.
            Some(connection) if connection.has_unsent() || connection.handshake_queued => {}
            _ => self.watch(key),
        }
    }

    /// A connection that was just accepted, if it may be served. One that is dropped is closed.
    fn welcome(&mut self, at: usize, stream: Stream, peer: PeerAddress) -> Option<Connection> {
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
        if rules.proxy_protocol {
            return Some(connection.behind_proxy(peer));
        }
        self.begin_tls(connection)
    }

    fn seat(&self, at: usize, rules: Rules) -> Result<Option<Seat>, Refused> {
        match (rules.max_connections, self.clients.listeners.get(at)) {
            (0, _) | (_, None) => Ok(None),
            (max, Some(own)) => own.seats.take(max).map(Some).ok_or(Refused::Limit),
        }
    }

    /// Whether this peer's PROXY headers count: a process on this host, or a trusted proxy.
    fn may_name_clients(&self, peer: PeerAddress) -> bool {
        let trusts = |ip: IpAddr| ip.is_loopback() || self.local.epoch.dialect.trusts(ip);
        peer.ip().is_none_or(trusts)
    }

    /// Reads the PROXY header with which a connection must begin. True: it is there, and the first
    /// request may follow.
    pub(super) fn read_proxy_header(&mut self, key: Key) -> bool {
        let Some(connection) = self.clients.connections.get_mut(key) else { return false };
        match connection.read_proxy_header(&mut self.scratch) {
            Ok(Opening::Done) => return self.begin_tls_of(key),
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

    /// Counts a refused connection, and logs some of them.
    fn refused(&mut self, why: Refused, at: usize, peer: Option<IpAddr>) {
        self.reporting.metrics.count(why.count());
        let Some(count) = self.clients.refusals.next(why, self.now.mono) else { return };
        let own = self.clients.listeners.get(at);
        let address = own.map(|own| own.socket.local_address().to_string());
        let mut line = self.reporting.log.line(Level::Warn, self.now);
        line.text("msg", why.text());
        if let Refused::Header(error) = why {
            line.text("error", error.to_string());
        }
        line.text("address", address.unwrap_or_default());
        line.text("client_ip", peer.map_or_else(|| "unix".to_owned(), |ip| ip.to_string()));
        line.number("count", count).end();
    }
}

/// New connections taken per listener and turn, so that a flood of them does not starve those that
/// are there.
const ACCEPTS_PER_TURN: usize = 64;

/// When the poller begins to tell whether a client that waits for its first answer is still there.
/// Most answers are out by then.
const WATCH_AFTER: Duration = Duration::from_millis(25);

/// After running out of file descriptors, or when more clients wait than a turn takes.
const ACCEPT_AGAIN: Duration = Duration::from_millis(10);
