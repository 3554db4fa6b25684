//! The resolver's sockets: a UDP socket, or for long answers a TCP stream, for each query of the
//! state machine in `upstream::dns`.

use crate::op::{Answer, AskId, DnsOp};
use crate::reactor::{Address, Datagram, Fill, Flush, Interest, Key, Kind, Reactor, Stream, Token};
use crate::upstream::dns::{self, Command, QueryId, Settings, Transport};
use ahash::AHashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

/// A worker's resolver.
pub struct Resolver {
    machine: dns::Resolver,
    sockets: AHashMap<QueryId, Socket>,
}

enum Socket {
    Datagram(Datagram),
    Stream { stream: Stream, unsent: Vec<u8>, open: bool },
}

impl Resolver {
    pub fn new(settings: Arc<Settings>, seed: [u8; 32]) -> Resolver {
        Resolver { machine: dns::Resolver::new(settings, seed), sockets: AHashMap::new() }
    }

    /// Other settings from now on.
    pub fn configure(&mut self, settings: Arc<Settings>) {
        self.machine.configure(settings);
    }

    /// The answer, if no server need be asked.
    pub fn recall(&mut self, op: &DnsOp, now: Instant) -> Option<Answer> {
        self.machine.recall(op, now)
    }

    /// Asks on behalf of `who`; an answer that is returned came at once and none follows.
    pub fn ask(&mut self, op: DnsOp, ask: AskId, now: Instant) -> Option<Answer> {
        self.machine.ask(op, ask, now)
    }

    /// When something is due without an event.
    pub fn next_timeout(&self) -> Option<Instant> {
        self.machine.next_timeout()
    }

    /// Handles readiness of a query's socket; answers go to `out`.
    pub fn handle(
        &mut self,
        key: Key,
        scratch: &mut [u8],
        now: Instant,
        out: &mut Vec<(AskId, Answer)>,
    ) {
        let query = QueryId(key.to_bits());
        // What the machine makes of the bytes may end the query, whose socket is closed by the next
        // flush: a flood of datagrams is not read.
        let Some(socket) = self.sockets.get_mut(&query) else { return };
        while self.machine.is_open(query) {
            match socket.receive(scratch) {
                Ok(None) => return,
                Ok(Some(count)) => self.machine.handle_bytes(
                    query,
                    scratch.get(..count).unwrap_or_default(),
                    now,
                    out,
                ),
                Err(error) => return self.machine.handle_failed(query, &error, now, out),
            }
        }
    }

    /// Sees to timeouts, sends queries and closes what is done with.
    pub fn flush(&mut self, reactor: &mut Reactor, now: Instant, out: &mut Vec<(AskId, Answer)>) {
        self.machine.handle_timeout(now, out);
        while let Some(command) = self.machine.poll_command() {
            match command {
                Command::Close(query) => drop(self.sockets.remove(&query)),
                Command::Send { query, server, transport, bytes } => {
                    match open(reactor, query, server, transport, bytes) {
                        Ok(socket) => drop(self.sockets.insert(query, socket)),
                        Err(error) => self.machine.handle_failed(query, &error, now, out),
                    }
                }
            }
        }
    }
}

fn open(
    reactor: &mut Reactor,
    query: QueryId,
    server: SocketAddr,
    transport: Transport,
    bytes: Vec<u8>,
) -> io::Result<Socket> {
    let token = Token::new(Kind::Resolver, Key::from_bits(query.0));
    match transport {
        Transport::Datagram => {
            let mut datagram = Datagram::connect(server)?;
            reactor.register(&mut datagram, token, Interest::Readable)?;
            datagram.send(&bytes)?;
            Ok(Socket::Datagram(datagram))
        }
        Transport::Stream => {
            let mut stream = Stream::connect(&Address::Tcp(server))?;
            reactor.register(&mut stream, token, Interest::Both)?;
            Ok(Socket::Stream { stream, unsent: bytes, open: false })
        }
    }
}

impl Socket {
    /// What has come, if anything; sends first what could not be sent yet.
    fn receive(&mut self, scratch: &mut [u8]) -> io::Result<Option<usize>> {
        match self {
            Socket::Datagram(datagram) => datagram.receive(scratch),
            Socket::Stream { stream, unsent, open } => {
                *open = *open || stream.finish_connect()?;
                if !*open {
                    return Ok(None);
                }
                if !unsent.is_empty() {
                    match stream.flush(unsent)? {
                        Flush::Done => unsent.clear(),
                        Flush::Partial(count) => drop(unsent.drain(..count.min(unsent.len()))),
                    }
                }
                match stream.fill(scratch)? {
                    Fill::Bytes(count) => Ok(Some(count)),
                    Fill::WouldBlock => Ok(None),
                    Fill::Closed => Err(io::ErrorKind::UnexpectedEof.into()),
                }
            }
        }
    }
}
