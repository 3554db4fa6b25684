//! The poller: sleeps until something is ready, a timer is due or another thread rings.
//!
//! One per worker, a plain field of it. Edge-triggered: an event says that readiness *changed*, is
//! not repeated, and may be spurious. So a reader goes on until [`super::Fill::WouldBlock`] or a
//! short read, and who stops earlier (a bound per turn) must remember to come back without being
//! called. Bounds: [`EVENTS_MAX`] events per wait; the rest comes with the next.

use super::mailbox::Waker;
use super::slots::Key;
use super::token::{Kind, Token};
use mio::event::{Event, Source};
use std::io;
use std::time::{Duration, Instant};

/// The poller and the events of its last wait.
#[derive(Debug)]
pub struct Reactor {
    poll: mio::Poll,
    ready: Ready,
    waker: Waker,
}

/// The events of one wait, taken out so that handling them may register and close sockets.
#[derive(Debug)]
pub struct Ready(mio::Events);

/// What changed on a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Readiness {
    pub readable: bool,
    pub writable: bool,
    /// The peer will send no more (or the connection is gone): read on until
    /// [`super::Fill::Closed`], even after a short read, for no further event will tell.
    pub closed: bool,
    /// The socket failed; the next read or write says how.
    pub error: bool,
}

/// Which changes to be told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    Readable,
    Writable,
    /// Both: for connections being opened (writable says that they are) and for links, registered
    /// once and never again.
    Both,
}

impl Reactor {
    /// # Errors
    /// When the process may have no more file descriptors (it takes two).
    pub fn new() -> io::Result<Reactor> {
        let poll = mio::Poll::new()?;
        let token = Token::new(Kind::Waker, Key { index: 0, generation: 0 });
        let waker = Waker::new(mio::Waker::new(poll.registry(), mio_token(token))?);
        Ok(Reactor { poll, ready: Ready(mio::Events::with_capacity(EVENTS_MAX)), waker })
    }

    /// What other threads ring to interrupt [`Reactor::wait`]; mailboxes are made with it.
    pub fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// Sleeps until there is readiness, a message or `until` (None: for as long as it takes). `now`
    /// is the caller's clock.
    ///
    /// Look into every mailbox after each wait: a message that came while this thread was awake
    /// makes the wait return at once, but is no event. An interrupted wait is not an error; it is
    /// an early return.
    ///
    /// # Errors
    /// What the poller reports. There is no way to go on from it.
    pub fn wait(&mut self, until: Option<Instant>, now: Instant) -> io::Result<()> {
        if self.ready.0.capacity() == 0 {
            // Ready was taken and never given back.
            self.ready = Ready(mio::Events::with_capacity(EVENTS_MAX));
        }
        let timeout = if self.waker.start_nap() {
            until.map(|at| at.saturating_duration_since(now))
        } else {
            Some(Duration::ZERO)
        };
        let outcome = self.poll.poll(&mut self.ready.0, timeout);
        self.waker.end_nap();
        match outcome {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                self.ready.0.clear();
                Ok(())
            }
            outcome => outcome,
        }
    }

    /// Takes the events of the last wait; [`Reactor::give_back`] them when they are handled.
    pub fn take_ready(&mut self) -> Ready {
        std::mem::take(&mut self.ready)
    }

    /// Returns the memory of the events for the next wait.
    pub fn give_back(&mut self, ready: Ready) {
        self.ready = ready;
    }

    /// Begins to watch a stream or listener. It is told of the readiness that there is already.
    ///
    /// # Errors
    /// Those of `epoll_ctl`: already registered, out of memory or of watches.
    pub fn register(
        &mut self,
        source: &mut impl Source,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        self.poll.registry().register(source, mio_token(token), interest.to_mio())
    }

    /// Changes token or interest; readiness that there is already is told again.
    ///
    /// # Errors
    /// As [`Reactor::register`]; also when it is not registered.
    pub fn reregister(
        &mut self,
        source: &mut impl Source,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        self.poll.registry().reregister(source, mio_token(token), interest.to_mio())
    }

    /// Ends watching. Dropping a stream does this by itself; a unix listener shared by several
    /// workers must be deregistered first, since its clones keep the registration alive.
    ///
    /// # Errors
    /// When it is not registered.
    pub fn deregister(&mut self, source: &mut impl Source) -> io::Result<()> {
        self.poll.registry().deregister(source)
    }
}

impl Ready {
    /// The events in the order of the kernel. The waker is not among them.
    pub fn iter(&self) -> impl Iterator<Item = (Token, Readiness)> {
        self.0.iter().filter_map(|event| {
            let token = Token::from_bits(event.token().0 as u64)
                .filter(|token| token.kind != Kind::Waker)?;
            Some((token, Readiness::of(event)))
        })
    }
}

impl Default for Ready {
    /// Empty, and without memory.
    fn default() -> Ready {
        Ready(mio::Events::with_capacity(0))
    }
}

impl Readiness {
    fn of(event: &Event) -> Readiness {
        Readiness {
            readable: event.is_readable(),
            writable: event.is_writable(),
            closed: event.is_read_closed(),
            error: event.is_error(),
        }
    }
}

impl Interest {
    fn to_mio(self) -> mio::Interest {
        match self {
            Interest::Readable => mio::Interest::READABLE,
            Interest::Writable => mio::Interest::WRITABLE,
            Interest::Both => mio::Interest::READABLE | mio::Interest::WRITABLE,
        }
    }
}

fn mio_token(token: Token) -> mio::Token {
    mio::Token(token.to_bits() as usize)
}

/// Events fetched by one wait: a busy turn is one system call, yet handling them all at 20 µs each
/// takes 5 ms, after which timers and mailboxes get their turn. The rest comes with the next wait.
const EVENTS_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reactor::{Address, Fill, Flush, Listener, Stream};

    fn token(kind: Kind, index: u32) -> Token {
        Token::new(kind, Key { index, generation: 7 })
    }

    /// Waits, ten seconds at most, until something is ready.
    fn next(reactor: &mut Reactor) -> Vec<(Token, Readiness)> {
        let until = Instant::now() + Duration::from_secs(10);
        loop {
            let now = Instant::now();
            assert!(now < until, "nothing became ready");
            reactor.wait(Some(until), now).unwrap();
            let ready = reactor.take_ready();
            let events: Vec<_> = ready.iter().collect();
            reactor.give_back(ready);
            if !events.is_empty() {
                return events;
            }
        }
    }

    #[test]
    fn a_wait_ends_at_its_time() {
        let mut reactor = Reactor::new().unwrap();
        let start = Instant::now();
        reactor.wait(Some(start + Duration::from_millis(3)), start).unwrap();
        assert!(start.elapsed() >= Duration::from_millis(3));
        assert_eq!(reactor.take_ready().iter().count(), 0);
        // The time is over already: not a wait without end. Nor does it need the events back.
        reactor.wait(Some(start), Instant::now()).unwrap();
    }

    #[test]
    fn events_tell_token_and_readiness() {
        let mut reactor = Reactor::new().unwrap();
        let mut listener = Listener::bind(&Address::Tcp(([127, 0, 0, 1], 0).into())).unwrap();
        reactor.register(&mut listener, token(Kind::Listener, 1), Interest::Readable).unwrap();
        let mut client = Stream::connect(listener.local_address()).unwrap();
        let (at, readiness) = next(&mut reactor)[0];
        assert_eq!((at, readiness.readable), (token(Kind::Listener, 1), true));

        let (mut server, _) = listener.accept().unwrap().unwrap();
        reactor.register(&mut server, token(Kind::Connection, 2), Interest::Readable).unwrap();
        while !client.finish_connect().unwrap() {}
        assert_eq!(client.flush(b"hello").unwrap(), Flush::Done);
        let (at, readiness) = next(&mut reactor)[0];
        assert_eq!(
            (at, readiness.readable, readiness.closed),
            (token(Kind::Connection, 2), true, false)
        );

        assert_eq!(server.fill(&mut [0; 64]).unwrap(), Fill::Bytes(5));
        drop(client);
        let (at, readiness) = next(&mut reactor)[0];
        assert_eq!((at, readiness.closed), (token(Kind::Connection, 2), true));
        assert_eq!(server.fill(&mut [0; 64]).unwrap(), Fill::Closed);
    }

    #[test]
    fn a_deregistered_socket_is_silent() {
        let mut reactor = Reactor::new().unwrap();
        let mut listener = Listener::bind(&Address::Tcp(([127, 0, 0, 1], 0).into())).unwrap();
        let mut other = Listener::bind(&Address::Tcp(([127, 0, 0, 1], 0).into())).unwrap();
        reactor.register(&mut listener, token(Kind::Listener, 1), Interest::Readable).unwrap();
        reactor.register(&mut other, token(Kind::Listener, 2), Interest::Readable).unwrap();
        reactor.deregister(&mut listener).unwrap();
        let clients = [
            Stream::connect(listener.local_address()).unwrap(),
            Stream::connect(other.local_address()).unwrap(),
        ];
        assert!(next(&mut reactor).iter().all(|(at, _)| at.key.index == 2));
        drop(clients);
    }

    #[test]
    fn another_interest_is_told_at_once() {
        let mut reactor = Reactor::new().unwrap();
        let listener = Listener::bind(&Address::Tcp(([127, 0, 0, 1], 0).into())).unwrap();
        let mut client = Stream::connect(listener.local_address()).unwrap();
        reactor.register(&mut client, token(Kind::Link, 3), Interest::Readable).unwrap();
        while !client.finish_connect().unwrap() {}
        reactor.reregister(&mut client, token(Kind::Link, 4), Interest::Both).unwrap();
        let (at, readiness) = next(&mut reactor)[0];
        assert_eq!((at, readiness.writable), (token(Kind::Link, 4), true));
    }
}
