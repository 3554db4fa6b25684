//! Clients: the listeners, the connections, and what of them is still to be looked at.
//!
//! [`Connection`] is one client's stream with its session. `accepting.rs`, `serving.rs` and
//! `refusing.rs` are what the worker does with them.

mod accepting;
mod connection;
mod handshakes;
mod handshaking;
mod listening;
mod refusing;
mod serving;

pub use connection::Connection;
pub use listening::Listening;

use crate::reactor::{Interest, Key, Kind, Reactor, Slots, Timers, Token};
use handshakes::Handshakes;
use listening::RefusalLog;
use std::collections::VecDeque;
use std::io;
use std::net::IpAddr;
use std::time::Instant;

/// See the module's head.
pub struct Clients {
    listeners: Vec<Listening>,
    connections: Slots<Connection>,
    timers: Timers<Timer>,
    /// Bytes that all connections keep of requests that are not whole yet.
    unfinished: usize,
    /// Connections with bytes left to look at: the bound per turn was reached, or their answer is
    /// out.
    again: VecDeque<Key>,
    /// Connections whose answers leave at the end of this turn.
    answered: Vec<Key>,
    /// A timer to accept again is set.
    accepts_again: bool,
    refusals: RefusalLog,
    /// TLS handshakes that can go on.
    handshakes: Handshakes,
}

/// What a timer is about; its key may have gone stale.
enum Timer {
    Connection(Key),
    /// A connection is busy for longer than most: watch it.
    Watch(Key),
    /// Try to accept again: the bound per turn was reached, or there were no file descriptors.
    Accept,
}

impl Clients {
    /// Watches the listeners.
    ///
    /// # Errors
    /// The system does not allow to watch one.
    pub fn new(
        mut listeners: Vec<Listening>,
        reactor: &mut Reactor,
        now: Instant,
    ) -> io::Result<Clients> {
        for (at, listener) in listeners.iter_mut().enumerate() {
            let key = Key { index: u32::try_from(at).unwrap_or(u32::MAX), generation: 0 };
            let socket = &mut listener.socket;
            socket.wait_for_data()?;
            reactor.register(socket, Token::new(Kind::Listener, key), Interest::Readable)?;
        }
        Ok(Clients {
            listeners,
            connections: Slots::new(),
            timers: Timers::new(now),
            unfinished: 0,
            again: VecDeque::new(),
            answered: Vec::new(),
            accepts_again: false,
            refusals: RefusalLog::default(),
            handshakes: Handshakes::default(),
        })
    }

    /// Stops accepting.
    pub fn close_listeners(&mut self, reactor: &mut Reactor) {
        for listener in &mut self.listeners {
            // Deregistering fails only if it was never registered.
            let _ = reactor.deregister(&mut listener.socket);
        }
        self.listeners.clear();
    }

    /// How many connections are open.
    pub fn open(&self) -> usize {
        self.connections.len()
    }

    /// Bytes that all connections keep of requests that are not whole yet.
    pub fn unfinished_bytes(&self) -> usize {
        self.unfinished
    }

    /// Whether a connection is to be looked at again, event or not.
    pub fn has_work(&self) -> bool {
        !self.again.is_empty() || !self.handshakes.is_empty()
    }

    /// When the next timer fires.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.timers.next_deadline()
    }

    /// The peer of a connection; `None` also if it is gone.
    pub fn peer(&self, key: Key) -> Option<IpAddr> {
        self.connections.get(key)?.peer
    }

    /// Brings the sum of what connections keep of unfinished requests up to date with one of them:
    /// its own part.
    fn count_unfinished(&mut self, key: Key) -> usize {
        let Some(connection) = self.connections.get_mut(key) else { return 0 };
        let buffered = connection.session().buffered();
        let before = std::mem::replace(&mut connection.counted, buffered);
        self.unfinished = (self.unfinished + buffered).saturating_sub(before);
        buffered
    }
}
