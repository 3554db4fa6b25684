//! Connections that subtasks opened, driven one op at a time.
//!
//! An op tries at once; what the socket does not allow yet is tried again when it is ready. Limits
//! of time are the scheduler's. Bound: [`CONNECTIONS_MAX`] open at a time.

use crate::op::{Answer, AskId, ConnectionId, ConnectionOp, Dropped, Failure, Handle};
use crate::reactor::{
    Address, ClientTls, Fill, Flush, Interest, Key, Kind, Reactor, Readiness, Slots, Stream, Token,
};
use crate::upstream::{dial_text, error_text};
use std::io;

/// All connections of a worker that subtasks opened.
#[derive(Default)]
pub struct Connections {
    connections: Slots<Connection>,
    dropped: Dropped,
}

struct Connection {
    stream: Stream,
    /// `host:port` or path, for error texts.
    peer: String,
    /// Bytes that came in the middle of something else (a TLS handshake, a check).
    early: Vec<u8>,
    waiting: Option<Waiting>,
}

/// The op that is outstanding.
struct Waiting {
    ask: AskId,
    step: Step,
}

enum Step {
    Open,
    Handshake,
    /// The bytes, and how many of them are gone.
    Send(Vec<u8>, usize),
    Receive(Vec<u8>),
}

/// What an op needs to be begun.
pub struct Context<'a> {
    pub reactor: &'a mut Reactor,
    pub scratch: &'a mut [u8],
}

impl Connections {
    /// Begins an op for `ask`. Without an answer, one follows by [`Connections::handle`]; the key
    /// names the connection meanwhile.
    pub fn begin(
        &mut self,
        op: ConnectionOp,
        ask: AskId,
        context: Context<'_>,
    ) -> Result<Key, Answer> {
        match op {
            ConnectionOp::Open(address) => self.open(&address, ask, context),
            ConnectionOp::StartTls(id, tls, name) => {
                self.go_on(id, ask, context, |connection| connection.start_tls(&tls, &name))
            }
            ConnectionOp::Send(id, bytes) => {
                self.go_on(id, ask, context, |_| Ok(Step::Send(bytes, 0)))
            }
            ConnectionOp::Receive(id, buffer) => {
                self.go_on(id, ask, context, |_| Ok(Step::Receive(buffer)))
            }
            ConnectionOp::Check(id) => {
                let connection = self.connections.get_mut(Key::from_bits(id.0));
                Err(Answer::Fresh(
                    connection.is_some_and(|connection| connection.is_fresh(context.scratch)),
                ))
            }
        }
    }

    /// Goes on with a connection whose socket is ready: who asked, and the answer, if there is one.
    pub fn handle(
        &mut self,
        key: Key,
        readiness: Readiness,
        scratch: &mut [u8],
    ) -> Option<(AskId, Answer)> {
        let connection = self.connections.get_mut(key)?;
        let ask = connection.waiting.as_ref()?.ask;
        let answer = connection.advance(readiness, scratch)?;
        Some((ask, self.answered(key, answer)))
    }

    /// The op of `ask` is given up. A connection that was being opened for it is closed; any other is
    /// its handle's.
    pub fn abandon(&mut self, key: Key, ask: AskId) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        let Some(waiting) = connection.waiting.take_if(|waiting| waiting.ask == ask) else {
            return;
        };
        if matches!(waiting.step, Step::Open) {
            self.connections.remove(key);
        } else if let Step::Receive(buffer) = waiting.step {
            // Who asks again finds what had come.
            connection.early = buffer;
        }
    }

    /// Closes the connections whose handles are gone.
    pub fn close_dropped(&mut self) {
        for ConnectionId(bits) in self.dropped.take() {
            self.connections.remove(Key::from_bits(bits));
        }
    }

    /// How many are open or being opened.
    pub fn len(&self) -> usize {
        self.connections.len()
    }

    fn open(&mut self, address: &Address, ask: AskId, context: Context<'_>) -> Result<Key, Answer> {
        if self.connections.len() >= CONNECTIONS_MAX {
            return Err(Answer::Failed(Failure::Full("connection")));
        }
        let peer = address.to_string();
        let refused = |error: &io::Error| {
            Answer::Failed(Failure::Refused(dial_text(&address.to_string(), error)))
        };
        let stream = Stream::connect(address).map_err(|error| refused(&error))?;
        let waiting = Some(Waiting { ask, step: Step::Open });
        let key = self.connections.insert(Connection { stream, peer, early: Vec::new(), waiting });
        let Some(connection) = self.connections.get_mut(key) else { return Err(gone()) };
        let registered = context.reactor.register(
            &mut connection.stream,
            Token::new(Kind::Upstream, key),
            Interest::Both,
        );
        if let Err(error) = registered {
            self.connections.remove(key);
            return Err(refused(&error));
        }
        Ok(key)
    }

    /// Sets the next step of a connection and takes it as far as possible.
    fn go_on(
        &mut self,
        id: ConnectionId,
        ask: AskId,
        context: Context<'_>,
        step: impl FnOnce(&mut Connection) -> Result<Step, Answer>,
    ) -> Result<Key, Answer> {
        let key = Key::from_bits(id.0);
        let connection = self.connections.get_mut(key).ok_or_else(gone)?;
        let step = step(connection)?;
        connection.waiting = Some(Waiting { ask, step });
        match connection.advance(READY, context.scratch) {
            Some(answer) => Err(self.answered(key, answer)),
            None => Ok(key),
        }
    }

    fn answered(&mut self, key: Key, answer: Answer) -> Answer {
        let Some(connection) = self.connections.get_mut(key) else { return answer };
        let step = connection.waiting.take().map(|waiting| waiting.step);
        match (step, answer) {
            (Some(Step::Open), Answer::Passed) => {
                Answer::Opened(Handle::new(ConnectionId(key.to_bits()), self.dropped.clone()))
            }
            (Some(Step::Open), answer) => {
                self.connections.remove(key);
                answer
            }
            (_, answer) => answer,
        }
    }
}

impl Connection {
    fn start_tls(&mut self, tls: &ClientTls, name: &str) -> Result<Step, Answer> {
        self.stream
            .start_tls_client(tls, name)
            .map_err(|error| Answer::Failed(Failure::Refused(format!("tls: {error}"))))?;
        Ok(Step::Handshake)
    }

    /// Goes on with the op that is outstanding.
    fn advance(&mut self, readiness: Readiness, scratch: &mut [u8]) -> Option<Answer> {
        let Waiting { step, .. } = self.waiting.as_mut()?;
        let stream = &mut self.stream;
        let outcome = match step {
            Step::Open => return opened(stream, &self.peer),
            Step::Handshake => handshake(stream, scratch, &mut self.early),
            Step::Send(bytes, gone) => send(stream, bytes, gone),
            Step::Receive(buffer) => {
                let wanted = readiness.readable || readiness.closed || readiness.error;
                if !self.early.is_empty() {
                    buffer.append(&mut self.early);
                    Ok(true)
                } else if wanted {
                    receive(stream, buffer, scratch)
                } else {
                    Ok(false)
                }
            }
        };
        match outcome {
            Ok(false) => None,
            Ok(true) => Some(match step {
                Step::Receive(buffer) => Answer::Received(std::mem::take(buffer)),
                _ => Answer::Passed,
            }),
            Err(error) if matches!(step, Step::Handshake) => {
                Some(Answer::Failed(Failure::Refused(format!("tls: {}", error_text(&error)))))
            }
            Err(error) => Some(Answer::Failed(Failure::Closed(format!(
                "{}: {}",
                self.peer,
                error_text(&error)
            )))),
        }
    }

    fn is_fresh(&mut self, scratch: &mut [u8]) -> bool {
        if !self.early.is_empty() || self.waiting.is_some() {
            return false;
        }
        let found = self.stream.fill(scratch);
        if let Ok(Fill::Bytes(count)) = found {
            self.early.extend_from_slice(scratch.get(..count).unwrap_or_default());
        }
        matches!(found, Ok(Fill::WouldBlock))
    }
}

fn opened(stream: &Stream, peer: &str) -> Option<Answer> {
    match stream.finish_connect() {
        Ok(false) => None,
        Ok(true) => Some(Answer::Passed),
        Err(error) => Some(Answer::Failed(Failure::Refused(dial_text(peer, &error)))),
    }
}

/// True when the handshake is through. A server that speaks first may have sent application data
/// behind it.
fn handshake(stream: &mut Stream, scratch: &mut [u8], early: &mut Vec<u8>) -> io::Result<bool> {
    stream.flush(&[])?;
    match stream.fill(scratch)? {
        Fill::Bytes(count) => early.extend_from_slice(scratch.get(..count).unwrap_or_default()),
        Fill::WouldBlock => {}
        Fill::Closed => return Err(io::ErrorKind::UnexpectedEof.into()),
    }
    stream.flush(&[])?;
    Ok(stream.is_encrypted() && !stream.wants_flush())
}

fn send(stream: &mut Stream, bytes: &[u8], gone: &mut usize) -> io::Result<bool> {
    match stream.flush(bytes.get(*gone..).unwrap_or_default())? {
        Flush::Done => return Ok(true),
        Flush::Partial(count) => *gone += count,
    }
    Ok(*gone >= bytes.len() && !stream.wants_flush())
}

fn receive(stream: &mut Stream, buffer: &mut Vec<u8>, scratch: &mut [u8]) -> io::Result<bool> {
    match stream.fill(scratch)? {
        Fill::Bytes(count) => {
            buffer.extend_from_slice(scratch.get(..count).unwrap_or_default());
            Ok(true)
        }
        Fill::WouldBlock => Ok(false),
        Fill::Closed => Ok(true),
    }
}

fn gone() -> Answer {
    Answer::Failed(Failure::Unavailable("the connection is closed".into()))
}

/// An op that has just been begun tries, whatever the last event said: the edge may lie behind us.
const READY: Readiness = Readiness { readable: true, writable: true, closed: false, error: false };

/// Connections that scripts may hold open on one worker, idle ones included.
const CONNECTIONS_MAX: usize = 8192;

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::time::Instant;

    /// Connections with a reactor to wait in.
    struct Bench {
        reactor: Reactor,
        connections: Connections,
        scratch: Vec<u8>,
    }

    const ASK: AskId = AskId(7);

    impl Bench {
        fn new() -> Bench {
            Bench {
                reactor: Reactor::new().unwrap(),
                connections: Connections::default(),
                scratch: vec![0; 1024],
            }
        }

        fn begin(&mut self, op: ConnectionOp) -> Result<Key, Answer> {
            self.connections.begin(
                op,
                ASK,
                Context { reactor: &mut self.reactor, scratch: &mut self.scratch },
            )
        }

        /// Waits for the answer of an op.
        fn answer(&mut self, op: ConnectionOp) -> Answer {
            match self.begin(op) {
                Err(answer) => answer,
                Ok(_) => self.wait(),
            }
        }

        fn wait(&mut self) -> Answer {
            loop {
                self.reactor.wait(None, Instant::now()).unwrap();
                let ready = self.reactor.take_ready();
                let mut found = None;
                for (token, readiness) in ready.iter() {
                    found =
                        found.or(self.connections.handle(token.key, readiness, &mut self.scratch));
                }
                self.reactor.give_back(ready);
                if let Some((ask, answer)) = found {
                    assert_eq!(ask, ASK);
                    return answer;
                }
            }
        }

        fn open(&mut self, listener: &TcpListener) -> (Handle, std::net::TcpStream) {
            let answer =
                self.answer(ConnectionOp::Open(Address::Tcp(listener.local_addr().unwrap())));
            let Answer::Opened(handle) = answer else { panic!("{answer:?}") };
            (handle, listener.accept().unwrap().0)
        }
    }

    fn listener() -> TcpListener {
        TcpListener::bind("127.0.0.1:0").unwrap()
    }

    #[test]
    fn bytes_go_there_and_back_whatever_the_socket_holds() {
        let (mut bench, listener) = (Bench::new(), listener());
        let (handle, mut peer) = bench.open(&listener);
        let long = vec![b'x'; 4 << 20];
        let reader = std::thread::spawn(move || {
            let mut got = vec![0; 4 << 20];
            peer.read_exact(&mut got).unwrap();
            peer.write_all(&got[..5000]).unwrap();
        });
        assert!(matches!(bench.answer(ConnectionOp::Send(handle.id(), long)), Answer::Passed));
        let mut received = b"kept ".to_vec();
        loop {
            let before = received.len();
            let Answer::Received(more) = bench.answer(ConnectionOp::Receive(handle.id(), received))
            else {
                panic!("no bytes")
            };
            received = more;
            if received.len() == before {
                break;
            }
        }
        reader.join().unwrap();
        assert_eq!((received.len(), &received[..8]), (5005, &b"kept xxx"[..]));
    }

    #[test]
    fn a_refused_connection_is_a_failure_and_leaves_nothing() {
        let (mut bench, listener) = (Bench::new(), listener());
        let address = Address::Tcp(listener.local_addr().unwrap());
        drop(listener);
        let answer = bench.answer(ConnectionOp::Open(address));
        assert!(
            matches!(&answer, Answer::Failed(Failure::Refused(text)) if text.contains("connection refused")),
            "{answer:?}"
        );
        assert_eq!(bench.connections.len(), 0);
    }

    #[test]
    fn dropping_the_handle_closes_it() {
        let (mut bench, listener) = (Bench::new(), listener());
        let (handle, mut peer) = bench.open(&listener);
        assert!(bench.connections.dropped.take().is_empty());
        drop(handle);
        bench.connections.close_dropped();
        assert_eq!((bench.connections.len(), peer.read(&mut [0; 8]).unwrap()), (0, 0));
    }

    #[test]
    fn an_idle_connection_is_fresh_until_something_comes() {
        let (mut bench, listener) = (Bench::new(), listener());
        let (handle, mut peer) = bench.open(&listener);
        assert!(matches!(bench.answer(ConnectionOp::Check(handle.id())), Answer::Fresh(true)));
        // What comes is waited for by an op that is then given up: nothing of it is lost.
        let key = bench.begin(ConnectionOp::Receive(handle.id(), Vec::new())).unwrap();
        bench.connections.abandon(key, ASK);
        peer.write_all(b"late").unwrap();
        while matches!(bench.answer(ConnectionOp::Check(handle.id())), Answer::Fresh(true)) {}
        let mut received = b"before ".to_vec();
        while !received.ends_with(b"late") {
            let Answer::Received(more) = bench.answer(ConnectionOp::Receive(handle.id(), received))
            else {
                panic!("no bytes")
            };
            received = more;
        }
        assert_eq!(received, b"before late");
    }

    #[test]
    fn giving_up_an_opening_closes_it() {
        let (mut bench, listener) = (Bench::new(), listener());
        if let Ok(key) =
            bench.begin(ConnectionOp::Open(Address::Tcp(listener.local_addr().unwrap())))
        {
            bench.connections.abandon(key, AskId(8));
            assert_eq!(bench.connections.len(), 1, "another ask's business");
            bench.connections.abandon(key, ASK);
        }
        assert_eq!(bench.connections.len(), 0);
    }
}
