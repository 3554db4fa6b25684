//! This worker's connections to Redis servers: each a [`Link`] (what to say) on a [`Stream`] (how it gets there).
//!
//! One link per pool: the server's own from the start, those that scripts registered from their first command on. Commands of one
//! turn are gathered and leave in one write when the worker calls [`Links::flush`] at its end.

use crate::op::{Answer, Failure, PoolId, RedisOp};
use crate::reactor::{Address, ClientTls, Fill, Flush, Interest, Key, Kind, Reactor, Readiness, Stream, Token};
use crate::upstream::redis::{Link, Settings};
use std::time::Instant;

/// Where a Redis is and how to talk to it.
#[derive(Clone, Debug)]
pub struct Target {
    /// In the order in which they are tried.
    pub addresses: Vec<Address>,
    pub settings: Settings,
    /// TLS and the name that the certificate must have.
    pub tls: Option<(ClientTls, String)>,
}

/// All links of a worker, by pool.
pub struct Links {
    links: Vec<Option<Connected>>,
    seed: u64,
}

struct Connected {
    link: Link,
    target: Target,
    /// Which of the target's addresses is next.
    next_address: usize,
    stream: Option<Stream>,
    /// The socket is open (and may be written to); before that an event is awaited.
    open: bool,
    /// Distinguishes this connection's events from those of the one before.
    generation: u32,
}

impl Links {
    pub fn new(seed: u64) -> Links {
        Links { links: Vec::new(), seed }
    }

    /// Whether there is a link for `pool` already.
    pub fn has(&self, pool: PoolId) -> bool {
        self.links.get(usize::from(pool.0)).is_some_and(Option::is_some)
    }

    /// Adds or replaces the link for `pool`; what is in flight on an old one fails.
    pub fn set(&mut self, pool: PoolId, target: Target, now: Instant, out: &mut Vec<(u64, Answer)>) {
        let at = usize::from(pool.0);
        if self.links.len() <= at {
            self.links.resize_with(at + 1, || None);
        }
        let Some(place) = self.links.get_mut(at) else { return };
        if let Some(old) = place {
            old.link.handle_closed(None, now, out);
        }
        let generation = place.as_ref().map_or(0, |old| old.generation.wrapping_add(1));
        let link = Link::new(target.settings.clone(), self.seed.wrapping_add(at as u64), now);
        *place = Some(Connected { link, target, next_address: 0, stream: None, open: false, generation });
    }

    /// Asks on behalf of `who`; an answer that is returned came at once and none follows.
    pub fn ask(&mut self, op: &RedisOp, who: u64, until: Instant, now: Instant) -> Option<Answer> {
        match self.links.get_mut(usize::from(op.pool.0)) {
            Some(Some(connected)) => connected.link.ask(who, until, &op.commands, now),
            _ => Some(Answer::Failed(Failure::Unavailable("no Redis is configured (server.redis)".into()))),
        }
    }

    /// When something is due without an event.
    pub fn next_timeout(&self) -> Option<Instant> {
        self.links.iter().flatten().filter_map(|connected| connected.link.next_timeout()).min()
    }

    /// Handles readiness of a link's socket; answers go to `out`.
    pub fn handle(&mut self, key: Key, readiness: Readiness, scratch: &mut [u8], now: Instant, out: &mut Vec<(u64, Answer)>) {
        let Some(Some(connected)) = self.links.get_mut(key.index as usize) else { return };
        if connected.generation & GENERATION != key.generation & GENERATION {
            return;
        }
        if !connected.open && !connected.finish_connect(now, out) {
            return;
        }
        if readiness.readable || readiness.closed || readiness.error {
            connected.receive(scratch, now, out);
        }
    }

    /// Sees to timeouts, opens connections that are wanted and sends what was asked since.
    pub fn flush(&mut self, reactor: &mut Reactor, now: Instant, out: &mut Vec<(u64, Answer)>) {
        for (at, connected) in self.links.iter_mut().enumerate().filter_map(|(at, place)| Some((at, place.as_mut()?))) {
            if connected.link.next_timeout().is_some_and(|due| due <= now) {
                connected.link.handle_timeout(now, out);
            }
            if connected.link.wants_connection(now) {
                connected.connect(at, reactor, now, out);
            } else if connected.link.is_disconnected() {
                connected.stream = None;
            }
            connected.send(now, out);
        }
    }
}

impl Connected {
    fn connect(&mut self, at: usize, reactor: &mut Reactor, now: Instant, out: &mut Vec<(u64, Answer)>) {
        self.stream = None;
        self.open = false;
        self.generation = self.generation.wrapping_add(1);
        self.link.handle_connecting(now);
        let address = self.target.addresses.get(self.next_address % self.target.addresses.len().max(1));
        self.next_address = self.next_address.wrapping_add(1);
        let Some(address) = address else {
            return self.link.handle_closed(Some(&std::io::ErrorKind::NotFound.into()), now, out);
        };
        let key = Key { index: u32::try_from(at).unwrap_or(u32::MAX), generation: self.generation };
        let opened = Stream::connect(address).and_then(|mut stream| {
            reactor.register(&mut stream, Token::new(Kind::Link, key), Interest::Both)?;
            Ok(stream)
        });
        match opened {
            Ok(stream) => self.stream = Some(stream),
            Err(error) => self.link.handle_closed(Some(&error), now, out),
        }
    }

    /// True once the connection is open.
    fn finish_connect(&mut self, now: Instant, out: &mut Vec<(u64, Answer)>) -> bool {
        let Some(stream) = &mut self.stream else { return false };
        let begun = stream.finish_connect().and_then(|open| {
            if let (true, Some((tls, name))) = (open, &self.target.tls) {
                stream.start_tls_client(tls, name).map_err(std::io::Error::other)?;
            }
            Ok(open)
        });
        match begun {
            Ok(true) => {
                self.open = true;
                self.link.handle_connected(now);
                true
            }
            Ok(false) => false,
            Err(error) => {
                self.close(Some(&error), now, out);
                false
            }
        }
    }

    fn receive(&mut self, scratch: &mut [u8], now: Instant, out: &mut Vec<(u64, Answer)>) {
        while let Some(stream) = &mut self.stream {
            match stream.fill(scratch) {
                Ok(Fill::Bytes(count)) => {
                    let drained = count < scratch.len() && !stream.is_encrypted();
                    self.link.handle_bytes(scratch.get(..count).unwrap_or_default(), now, out);
                    if drained {
                        return;
                    }
                }
                Ok(Fill::WouldBlock) => return,
                Ok(Fill::Closed) => self.close(None, now, out),
                Err(error) => self.close(Some(&error), now, out),
            }
        }
    }

    fn send(&mut self, now: Instant, out: &mut Vec<(u64, Answer)>) {
        let Some(stream) = self.stream.as_mut().filter(|_| self.open) else { return };
        let bytes = self.link.transmit();
        if bytes.is_empty() && !stream.wants_flush() {
            return;
        }
        match stream.flush(bytes) {
            Ok(Flush::Done) => {
                let count = bytes.len();
                self.link.transmitted(count);
            }
            Ok(Flush::Partial(count)) => self.link.transmitted(count),
            Err(error) => self.close(Some(&error), now, out),
        }
    }

    fn close(&mut self, error: Option<&std::io::Error>, now: Instant, out: &mut Vec<(u64, Answer)>) {
        self.stream = None;
        self.open = false;
        self.link.handle_closed(error, now, out);
    }
}

/// A token carries 24 bits of the generation.
const GENERATION: u32 = 0x00ff_ffff;
