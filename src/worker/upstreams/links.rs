//! This worker's connections to Redis servers: for each pool a [`Pool`] (what to say to which
//! server) and a [`Stream`] for each of its servers (how it gets there).
//!
//! The server's own pool is there from the start, those that scripts registered from their first
//! command on. Commands of one turn are gathered and leave in one write per server when the worker
//! calls [`Links::flush`] at its end. Addresses may be host names, which are looked up for each
//! connection ([`super::names`]).

use super::names::{Lookup, Names};
use crate::op::{Answer, AskId, Failure, PoolId, RedisOp};
use crate::reactor::{
    Address, ClientTls, Fill, Flush, Interest, Key, Kind, Reactor, Readiness, Stream, Token,
};
use crate::upstream::health::Store;
use crate::upstream::redis::{Pool, Target};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

/// All links of a worker, by pool.
pub struct Links {
    pools: Vec<Option<Connected>>,
    names: Names,
    seed: u64,
}

/// A pool and its sockets.
struct Connected {
    pool: Pool,
    number: u16,
    tls: Option<ClientTls>,
    /// By place in the pool.
    sockets: Vec<Socket>,
    /// What the rest of the process is told of it.
    store: Arc<Store>,
}

#[derive(Default)]
struct Socket {
    stream: Option<Stream>,
    /// The stream is open (and may be written to); before that an event is awaited.
    open: bool,
    /// A name is being looked up.
    looking_up: bool,
    /// Which of a name's addresses is next.
    next_address: usize,
    /// Distinguishes this connection's events from those of the one before.
    generation: u32,
}

impl Links {
    pub fn new(seed: u64) -> Links {
        Links { pools: Vec::new(), names: Names::default(), seed }
    }

    /// Whether there is a link for `pool` already.
    pub fn has(&self, pool: PoolId) -> bool {
        self.pools.get(usize::from(pool.0)).is_some_and(Option::is_some)
    }

    /// Adds or replaces the links for `pool`; what is in flight on old ones fails. `store` is told
    /// how they are doing.
    pub fn set(
        &mut self,
        pool: PoolId,
        target: Target,
        store: Arc<Store>,
        now: Instant,
        out: &mut Vec<(AskId, Answer)>,
    ) {
        let at = usize::from(pool.0);
        if self.pools.len() <= at {
            self.pools.resize_with(at + 1, || None);
        }
        let Some(place) = self.pools.get_mut(at) else { return };
        let mut sockets = Vec::new();
        if let Some(mut old) = place.take() {
            old.pool.close(now, out);
            sockets = old.sockets;
            // Generations keep counting, so that events of old sockets are ignored.
            sockets.iter_mut().for_each(Socket::drop_stream);
        }
        let pool = Pool::new(target.plan, self.seed.wrapping_add(at as u64), now);
        *place = Some(Connected { pool, number: at as u16, tls: target.tls, sockets, store });
    }

    /// Connections of `pool` that are opened from now on speak TLS by these settings.
    pub fn set_tls(&mut self, pool: PoolId, tls: Option<ClientTls>) {
        if let Some(Some(connected)) = self.pools.get_mut(usize::from(pool.0)) {
            connected.tls = tls;
        }
    }

    /// Asks on behalf of `who`; an answer that is returned came at once and none follows.
    #[inline]
    pub fn ask(
        &mut self,
        op: &RedisOp,
        ask: AskId,
        until: Instant,
        now: Instant,
    ) -> Option<Answer> {
        match self.pools.get_mut(usize::from(op.pool.0)) {
            Some(Some(connected)) => connected.pool.ask(op, ask, until, now),
            _ => Some(Answer::Failed(Failure::Unavailable(
                "no Redis is configured (server.redis)".into(),
            ))),
        }
    }

    /// Whether what was read from the server's own Redis may have changed.
    pub fn take_invalidation(&mut self) -> bool {
        match self.pools.first_mut() {
            Some(Some(connected)) => connected.pool.take_invalidation(),
            _ => false,
        }
    }

    /// When something is due without an event.
    pub fn next_timeout(&self) -> Option<Instant> {
        self.pools.iter().flatten().filter_map(|connected| connected.pool.next_timeout()).min()
    }

    /// Handles readiness of a server's socket; answers go to `out`.
    pub fn handle(
        &mut self,
        key: Key,
        readiness: Readiness,
        scratch: &mut [u8],
        now: Instant,
        out: &mut Vec<(AskId, Answer)>,
    ) {
        let (pool, place) = (key.index >> PLACE_BITS, (key.index & PLACE_MASK) as usize);
        let Some(Some(connected)) = self.pools.get_mut(pool as usize) else { return };
        let Some(socket) = connected.sockets.get(place) else { return };
        if socket.generation & GENERATION != key.generation & GENERATION {
            return;
        }
        if !socket.open && !connected.finish_connect(place, now, out) {
            return;
        }
        if readiness.readable || readiness.closed || readiness.error {
            connected.receive(place, scratch, now, out);
        }
    }

    /// Addresses whose hosts are to be looked up.
    pub fn take_wanted_names(&mut self) -> Vec<String> {
        self.names.take_wanted()
    }

    /// Goes on with the connections that waited for where this host is.
    pub fn name_answered(
        &mut self,
        name: &str,
        found: Result<Vec<IpAddr>, Failure>,
        reactor: &mut Reactor,
        now: Instant,
        out: &mut Vec<(AskId, Answer)>,
    ) {
        self.names.answer(name, found, now);
        for connected in self.pools.iter_mut().flatten() {
            connected.name_answered(name, &mut self.names, reactor, now, out);
        }
    }

    /// Sees to timeouts, opens connections that are wanted and sends what was asked since.
    pub fn flush(&mut self, reactor: &mut Reactor, now: Instant, out: &mut Vec<(AskId, Answer)>) {
        for connected in self.pools.iter_mut().flatten() {
            loop {
                connected.pool.turn(now, out);
                for place in 0..connected.pool.places() {
                    connected.drive(place, &mut self.names, reactor, now, out);
                }
                // A connection that failed at once may send commands elsewhere, each a few times at
                // most.
                if !connected.pool.has_events() {
                    break;
                }
            }
        }
    }

    /// Tells the rest of the process how the pools are doing.
    pub fn publish(&self) {
        for connected in self.pools.iter().flatten() {
            connected.store.set(&connected.pool.health());
        }
    }
}

impl Connected {
    /// Connects or sends, whatever the link at a place is up to.
    fn drive(
        &mut self,
        place: usize,
        names: &mut Names,
        reactor: &mut Reactor,
        now: Instant,
        out: &mut Vec<(AskId, Answer)>,
    ) {
        if self.sockets.len() <= place {
            self.sockets.resize_with(place + 1, Socket::default);
        }
        let Some(socket) = self.sockets.get_mut(place) else { return };
        let Some(node) = self.pool.node_mut(place) else { return socket.drop_stream() };
        if node.link.wants_connection(now) && node.address().is_some() {
            socket.drop_stream();
            node.link.handle_connecting(now);
            self.connect(place, names, reactor, now, out);
        } else if node.link.is_disconnected() {
            socket.drop_stream();
        }
        self.send(place, now, out);
    }

    /// Begins to connect, or to look up where to.
    fn connect(
        &mut self,
        place: usize,
        names: &mut Names,
        reactor: &mut Reactor,
        now: Instant,
        out: &mut Vec<(AskId, Answer)>,
    ) {
        let (Some(socket), Some(node)) = (self.sockets.get_mut(place), self.pool.node_mut(place))
        else {
            return;
        };
        let Some(address) = node.address() else { return };
        let addresses = match names.look_up(address, now) {
            Lookup::Known(addresses) => addresses,
            Lookup::Asked => return socket.looking_up = true,
            Lookup::Failed(why) => {
                socket.looking_up = false;
                let why = format!("dial tcp: {why}");
                return self.pool.handle_unreachable(place, why, now, out);
            }
        };
        socket.looking_up = false;
        let Some(address) = addresses.get(socket.next_address % addresses.len().max(1)) else {
            return;
        };
        socket.next_address = socket.next_address.wrapping_add(1);
        if let Err(error) = socket.open(address, self.number, place, reactor) {
            self.pool.handle_closed(place, Some(&error), now, out);
        }
    }

    /// Goes on with the connections that waited for a name.
    fn name_answered(
        &mut self,
        name: &str,
        names: &mut Names,
        reactor: &mut Reactor,
        now: Instant,
        out: &mut Vec<(AskId, Answer)>,
    ) {
        for place in 0..self.sockets.len() {
            let waits = self.sockets.get(place).is_some_and(|socket| socket.looking_up);
            let wants = self
                .pool
                .node_mut(place)
                .is_some_and(|node| node.link.is_connecting() && node.address() == Some(name));
            if waits && wants {
                self.connect(place, names, reactor, now, out);
            }
        }
    }

    /// True once the connection is open.
    fn finish_connect(
        &mut self,
        place: usize,
        now: Instant,
        out: &mut Vec<(AskId, Answer)>,
    ) -> bool {
        let (Some(socket), Some(node)) = (self.sockets.get_mut(place), self.pool.node_mut(place))
        else {
            return false;
        };
        let Some(stream) = &mut socket.stream else { return false };
        let begun = stream.finish_connect().and_then(|open| {
            if let (true, Some(tls)) = (open, &self.tls) {
                stream
                    .start_tls_client(tls, host(node.address().unwrap_or_default()))
                    .map_err(std::io::Error::other)?;
            }
            Ok(open)
        });
        match begun {
            Ok(true) => {
                socket.open = true;
                node.link.handle_connected(now);
                true
            }
            Ok(false) => false,
            Err(error) => {
                self.close(place, Some(&error), now, out);
                false
            }
        }
    }

    fn receive(
        &mut self,
        place: usize,
        scratch: &mut [u8],
        now: Instant,
        out: &mut Vec<(AskId, Answer)>,
    ) {
        while let Some(stream) =
            self.sockets.get_mut(place).and_then(|socket| socket.stream.as_mut())
        {
            match stream.fill(scratch) {
                Ok(Fill::Bytes(count)) => {
                    let drained = count < scratch.len() && !stream.is_encrypted();
                    self.pool.handle_bytes(
                        place,
                        scratch.get(..count).unwrap_or_default(),
                        now,
                        out,
                    );
                    if drained {
                        return;
                    }
                }
                Ok(Fill::WouldBlock) => return,
                Ok(Fill::Closed) => self.close(place, None, now, out),
                Err(error) => self.close(place, Some(&error), now, out),
            }
        }
    }

    fn send(&mut self, place: usize, now: Instant, out: &mut Vec<(AskId, Answer)>) {
        let (Some(socket), Some(node)) = (self.sockets.get_mut(place), self.pool.node_mut(place))
        else {
            return;
        };
        let Some(stream) = socket.stream.as_mut().filter(|_| socket.open) else { return };
        let bytes = node.link.transmit();
        if bytes.is_empty() && !stream.wants_flush() {
            return;
        }
        match stream.flush(bytes) {
            Ok(Flush::Done) => {
                let count = bytes.len();
                node.link.transmitted(count);
            }
            Ok(Flush::Partial(count)) => node.link.transmitted(count),
            Err(error) => self.close(place, Some(&error), now, out),
        }
    }

    fn close(
        &mut self,
        place: usize,
        error: Option<&std::io::Error>,
        now: Instant,
        out: &mut Vec<(AskId, Answer)>,
    ) {
        if let Some(socket) = self.sockets.get_mut(place) {
            socket.drop_stream();
        }
        self.pool.handle_closed(place, error, now, out);
    }
}

impl Socket {
    fn open(
        &mut self,
        address: &Address,
        pool: u16,
        place: usize,
        reactor: &mut Reactor,
    ) -> std::io::Result<()> {
        let place = u32::try_from(place).unwrap_or(PLACE_MASK);
        let key = Key {
            index: u32::from(pool) << PLACE_BITS | place & PLACE_MASK,
            generation: self.generation,
        };
        let mut stream = Stream::connect(address)?;
        reactor.register(&mut stream, Token::new(Kind::Link, key), Interest::Both)?;
        self.stream = Some(stream);
        Ok(())
    }

    /// Whatever the old stream still reports is not for the next.
    fn drop_stream(&mut self) {
        self.open = false;
        self.looking_up = false;
        if self.stream.take().is_some() {
            self.generation = self.generation.wrapping_add(1);
        }
    }
}

/// The host of an address, without brackets; of a unix socket, which has none, this host.
fn host(address: &str) -> &str {
    if address.starts_with('/') || address.starts_with("unix:") {
        return "localhost";
    }
    address.rsplit_once(':').map_or(address, |(host, _)| host).trim_matches(['[', ']'])
}

/// A token carries 24 bits of the generation.
const GENERATION: u32 = 0x00ff_ffff;

/// A token's index is made of the pool's number and the place in the pool, of which there are at
/// most 1,024.
const PLACE_BITS: u32 = 16;
const PLACE_MASK: u32 = (1 << PLACE_BITS) - 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_are_for_the_host_of_an_address() {
        for (address, name) in [
            ("redis.example.org:6379", "redis.example.org"),
            ("127.0.0.1:6379", "127.0.0.1"),
            ("[::1]:6379", "::1"),
            ("unix:/run/redis.sock", "localhost"),
            ("/run/redis.sock", "localhost"),
        ] {
            assert_eq!(host(address), name);
        }
    }
}
