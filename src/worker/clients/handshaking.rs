//! TLS handshakes of clients, a bounded part of each turn.
//!
//! A handshake costs a signature: 0.1 ms with an ECDSA key, 1 ms with RSA-2048, 6 ms with RSA-4096.
//! So they do not run where connections are read but wait in a queue of their own, of which a turn
//! works off [`TIME_PER_TURN`], and at least one: requests of established connections are served in
//! between. While the queue is full no more connections are accepted at listeners with TLS; they
//! wait in the kernel.

use super::connection::Connection;
use crate::log::Level;
use crate::metrics::Count;
use crate::reactor::{Handshake, Key};
use crate::worker::Worker;
use std::io;
use std::net::IpAddr;
use std::time::{Duration, Instant};

impl Worker {
    /// Whether a listener may accept as far as handshakes are concerned.
    pub(super) fn takes_handshakes(&self, listener: usize) -> bool {
        self.clients.handshakes.queue.len() < WAITING_MAX
            || self.local.epoch.listeners.tls(listener).is_none()
    }

    /// Lets a new connection begin with TLS if its listener has it. `None` if that is impossible:
    /// the connection is closed.
    pub(super) fn begin_tls(&mut self, mut connection: Connection) -> Option<Connection> {
        let epoch = &self.local.epoch;
        let Some(tls) = epoch.listeners.tls(connection.listener) else { return Some(connection) };
        let until = self.now.mono + epoch.tls_handshake_time;
        match connection.start_tls(tls, until) {
            Ok(()) => Some(connection),
            Err(error) => {
                self.handshake_failed(connection.peer, &error.to_string());
                None
            }
        }
    }

    /// As [`Worker::begin_tls`], behind a PROXY header. False: the connection is closed.
    pub(super) fn begin_tls_of(&mut self, key: Key) -> bool {
        let local = self.local.clone();
        let Some(connection) = self.clients.connections.get_mut(key) else { return false };
        let Some(tls) = local.epoch.listeners.tls(connection.listener) else { return true };
        let until = self.now.mono + local.epoch.tls_handshake_time;
        let Err(error) = connection.start_tls(tls, until) else { return true };
        let peer = connection.peer;
        self.handshake_failed(peer, &error.to_string());
        self.close(key);
        false
    }

    /// The socket is ready: the handshake goes on when it is its turn.
    pub(super) fn queue_handshake(&mut self, key: Key) {
        let Some(connection) = self.clients.connections.get_mut(key) else { return };
        if !std::mem::replace(&mut connection.handshake_queued, true) {
            self.clients.handshakes.queue.push_back(key);
        }
    }

    /// Goes on with handshakes, for as long as a turn has time for them.
    pub(in crate::worker) fn drive_handshakes(&mut self) {
        if self.clients.handshakes.queue.is_empty() {
            return;
        }
        let until = Instant::now() + TIME_PER_TURN;
        for _ in 0..self.clients.handshakes.queue.len() {
            let Some(key) = self.clients.handshakes.queue.pop_front() else { return };
            self.shake_hands(key);
            if Instant::now() >= until {
                return;
            }
        }
    }

    fn shake_hands(&mut self, key: Key) {
        let Some(connection) = self.clients.connections.get_mut(key) else { return };
        connection.handshake_queued = false;
        match connection.shake_hands() {
            Ok(Handshake::Pending) if connection.wants_flush() => self.watch_writing(key),
            Ok(Handshake::Pending) => self.watch(key),
            Ok(Handshake::Done) => {
                let resumed = connection.tls.as_ref().is_some_and(|tls| tls.resumed);
                self.reporting.metrics.count(if resumed {
                    Count::TlsResumed
                } else {
                    Count::TlsHandshakes
                });
                self.begin_reading(key);
            }
            Ok(Handshake::PlainText) => {
                let peer = connection.peer;
                self.handshake_failed(peer, "plain text instead of TLS");
                self.refuse(key, 400, SPEAKS_TLS);
            }
            // Peers that only test whether the port is open.
            Ok(Handshake::Closed) => self.close(key),
            // The client has gone; it may have thought that the handshake was through.
            Err(error) if is_gone(&error) => self.close(key),
            Err(error) => {
                let peer = connection.peer;
                self.handshake_failed(peer, &reason(&error));
                self.close(key);
            }
        }
    }

    /// Counts it; the log hears of it now and then.
    pub(super) fn handshake_failed(&mut self, peer: Option<IpAddr>, why: &str) {
        self.reporting.metrics.count(Count::TlsFailed);
        let last = self.clients.handshakes.logged;
        if last.is_some_and(|last| self.now.mono < last + LOG_EVERY) {
            self.clients.handshakes.unlogged += 1;
            return;
        }
        self.clients.handshakes.logged = Some(self.now.mono);
        let unlogged = std::mem::take(&mut self.clients.handshakes.unlogged);
        let mut line = self.reporting.log.line(Level::Info, self.now);
        line.text("msg", "TLS handshake failed")
            .text("client_ip", peer.map_or_else(|| "N/A".to_owned(), |ip| ip.to_string()))
            .text("error", why)
            .number("more_since_last_line", unlogged)
            .end();
    }
}

fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe)
}

/// The reason without the words of the layers around it.
fn reason(error: &io::Error) -> String {
    error.get_ref().map_or_else(|| error.to_string(), |inner| inner.to_string())
}

/// What a turn may spend on handshakes: as much as its requests usually take when it is busy, so
/// that these wait at most twice as long while a flood of handshakes lasts.
const TIME_PER_TURN: Duration = Duration::from_millis(1);

/// Handshakes that wait for their turn: with RSA-2048 a quarter of a second's worth. Further ones
/// would be through after their clients have given up.
const WAITING_MAX: usize = 256;

/// Between two lines about handshakes that failed.
const LOG_EVERY: Duration = Duration::from_secs(1);

const SPEAKS_TLS: &str = "400 Bad Request: this port speaks TLS, use https";
