//! One client connection: the shell around a session.
//!
//! Owns the stream and what the poller has told of it, carries bytes between the stream and the
//! session, and knows which task works for it. The worker drives it: [`Connection::read`] when the
//! socket is readable, [`Connection::next`] for the next request among the bytes that came already,
//! [`Connection::flush`] after an answer. What the bytes mean, the session knows.

use crate::frontend::{Overdue, Session, Settings, Step, Timeouts};
use crate::process::seats::Seat;
use crate::proto::proxy::{self, HeaderError};
use crate::reactor::{Fill, Flush, Handshake, Key, PeerAddress, Stream};
use crate::tls::{ServerTls, TlsError, TlsFacts};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

/// What came of looking for a PROXY header.
pub enum Opening {
    Done,
    /// It has not come whole.
    More,
    Refused(HeaderError),
}

pub struct Connection {
    stream: Stream,
    session: Session,
    /// What the worker's sum of unfinished requests holds of it, in bytes.
    pub counted: usize,
    /// The listener it came by: its place in the epoch's list.
    pub listener: usize,
    /// Its place among those that the listener may have; none at a listener without a limit.
    pub seat: Option<Seat>,
    /// Whom it is from: the TCP peer, or whom its PROXY header names; `None` on a unix socket.
    pub peer: Option<IpAddr>,
    /// At a listener that demands PROXY headers: whom the header names, else the TCP peer.
    pub proxied: Option<SocketAddr>,
    /// Its first bytes must be a PROXY header, and have not come yet.
    pub awaits_proxy_header: bool,
    /// What its TLS handshake has come to.
    pub tls: Option<Arc<TlsFacts>>,
    /// Until when the TLS handshake must be through, while it is not.
    handshake_until: Option<Instant>,
    /// Its handshake is among those that the worker goes on with.
    pub handshake_queued: bool,
    /// The task that works on the answer.
    task: Option<Key>,
    /// The socket may have more than was read.
    readable: bool,
    /// The peer's end was announced, perhaps together with bytes before it: no further event will
    /// tell of it.
    closing: bool,
    /// The peer sends no more.
    ended: bool,
    /// The poller tells of the socket.
    pub watched: bool,
    /// The poller tells of writability too: the peer was slow once.
    pub watches_writing: bool,
    /// When the worker's timer for this connection fires; it re-arms itself lazily.
    pub timer_at: Instant,
}

impl Connection {
    /// One that was accepted at a listener, perhaps with a seat there.
    pub fn new(
        stream: Stream,
        peer: PeerAddress,
        (listener, seat): (usize, Option<Seat>),
        session: Session,
        now: Instant,
    ) -> Connection {
        Connection {
            stream,
            session,
            counted: 0,
            listener,
            seat,
            peer: peer.ip(),
            proxied: None,
            awaits_proxy_header: false,
            tls: None,
            handshake_until: None,
            handshake_queued: false,
            task: None,
            readable: true,
            closing: false,
            ended: false,
            watched: false,
            watches_writing: false,
            timer_at: now,
        }
    }

    /// The same, which must begin with a PROXY header.
    pub fn behind_proxy(mut self, peer: PeerAddress) -> Connection {
        self.awaits_proxy_header = true;
        self.proxied = match peer {
            PeerAddress::Tcp(address) => Some(address),
            PeerAddress::Unix => None,
        };
        self
    }

    /// Reads the PROXY header, and not a byte of what follows: that may be HTTP or a TLS handshake.
    /// The time for it is that of the session's first head.
    ///
    /// # Errors
    /// The socket failed: drop the connection.
    pub fn read_proxy_header(&mut self, scratch: &mut [u8]) -> io::Result<Opening> {
        // Looked at before it is taken: where it ends is only known once it is there.
        let window = scratch.get_mut(..proxy::BYTES_MAX).unwrap_or_default();
        let count = match self.stream.peek(window)? {
            Fill::WouldBlock => {
                self.readable = false;
                return Ok(Opening::More);
            }
            Fill::Closed => {
                self.readable = false;
                self.ended = true;
                self.session.input_ended();
                return Ok(Opening::More);
            }
            Fill::Bytes(count) => count,
        };
        let found = proxy::parse(window.get(..count).unwrap_or_default());
        match found {
            Ok(Some(header)) => {
                let bytes = window.get_mut(..header.len).unwrap_or_default();
                if self.stream.fill(bytes)? != Fill::Bytes(header.len) {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                self.awaits_proxy_header = false;
                if let Some(source) = header.source {
                    self.proxied = Some(source);
                    self.peer = Some(source.ip());
                }
                Ok(Opening::Done)
            }
            // An event tells when there is more.
            Ok(None) if !self.closing => {
                self.readable = false;
                Ok(Opening::More)
            }
            Ok(None) => {
                self.awaits_proxy_header = false;
                Ok(Opening::Refused(HeaderError::Missing))
            }
            Err(error) => {
                self.awaits_proxy_header = false;
                Ok(Opening::Refused(error))
            }
        }
    }

    pub fn stream(&mut self) -> &mut Stream {
        &mut self.stream
    }

    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Begins with TLS, whose handshake must be through in time.
    ///
    /// # Errors
    /// [`TlsError::Config`].
    pub fn start_tls(&mut self, tls: &ServerTls, until: Instant) -> Result<(), TlsError> {
        self.stream.start_tls_server(tls)?;
        self.handshake_until = Some(until);
        Ok(())
    }

    /// Whether a TLS handshake is to be done before anything is read.
    pub fn is_handshaking(&self) -> bool {
        self.handshake_until.is_some()
    }

    /// Goes on with the TLS handshake.
    ///
    /// # Errors
    /// It failed: drop the connection.
    pub fn shake_hands(&mut self) -> io::Result<Handshake> {
        let handshake = self.stream.handshake()?;
        match handshake {
            Handshake::Pending => {}
            Handshake::Done => {
                self.handshake_until = None;
                self.tls = self.stream.tls_facts().map(Arc::new);
            }
            Handshake::PlainText | Handshake::Closed => self.handshake_until = None,
        }
        Ok(handshake)
    }

    /// Notes readiness, and whether the peer's end is among what can be read; call
    /// [`Connection::read`] next unless the session is busy.
    pub fn mark_readable(&mut self, closing: bool) {
        self.readable = true;
        self.closing |= closing;
    }

    /// Whether it makes sense to read now.
    pub fn wants_read(&self) -> bool {
        self.readable && self.session.wants_input()
    }

    /// Whether there is something to read or to step on.
    pub fn has_work(&self) -> bool {
        self.session.has_input() || self.wants_read()
    }

    /// Whether the TLS session waits for a slow peer.
    pub fn wants_flush(&self) -> bool {
        self.stream.wants_flush()
    }

    /// Whether an answer is still on its way out.
    pub fn has_unsent(&self) -> bool {
        !self.session.unsent().is_empty()
    }

    /// The task that works on the answer.
    pub fn task(&self) -> Option<Key> {
        self.task
    }

    /// Reads once, through `scratch`, and steps. `None`: nothing came; the connection may also be
    /// over, see [`Connection::is_over`].
    ///
    /// # Errors
    /// The socket failed: drop the connection.
    pub fn read(
        &mut self,
        scratch: &mut [u8],
        now: Instant,
        settings: &Settings<'_>,
    ) -> io::Result<Option<Step>> {
        match self.stream.fill(scratch)? {
            Fill::WouldBlock => {
                self.readable = false;
                Ok(None)
            }
            Fill::Closed => {
                self.readable = false;
                self.ended = true;
                self.session.input_ended();
                Ok(None)
            }
            Fill::Bytes(count) => {
                // A short read means that the socket is drained; the next event tells of more.
                self.readable =
                    count == scratch.len() || self.closing || self.stream.may_have_more();
                let fresh = scratch.get(..count).unwrap_or_default();
                Ok(Some(self.session.receive(fresh, now, settings)))
            }
        }
    }

    /// The next request among the bytes that came already (a pipelining client).
    pub fn next(&mut self, now: Instant, settings: &Settings<'_>) -> Step {
        if self.session.has_input() { self.session.receive(&[], now, settings) } else { Step::More }
    }

    /// A task works on the request that was just received.
    pub fn work(&mut self, task: Key, deadline: Instant) {
        self.task = Some(task);
        self.session.work_begins(deadline);
    }

    /// The task gets this much more time to wind up.
    pub fn extend(&mut self, deadline: Instant) {
        self.session.extend(deadline);
    }

    /// Where an answer is composed. Call [`Connection::answered`] after it.
    pub fn output(&mut self) -> &mut Vec<u8> {
        self.session.output()
    }

    /// The answer is composed; `keep_alive` as it says.
    pub fn answered(&mut self, keep_alive: bool, now: Instant, timeouts: &Timeouts) {
        self.task = None;
        self.session.answered(keep_alive, now, timeouts);
    }

    /// Sends what is to be sent. True when all of it is out.
    ///
    /// # Errors
    /// The socket failed: drop the connection.
    pub fn flush(&mut self, now: Instant, timeouts: &Timeouts) -> io::Result<bool> {
        let unsent = self.session.unsent();
        if unsent.is_empty() && !self.stream.wants_flush() {
            return Ok(true);
        }
        let last = self.session.ends_with_output(!self.readable);
        let flushed =
            if last { self.stream.flush_last(unsent)? } else { self.stream.flush(unsent)? };
        match flushed {
            Flush::Partial(count) => {
                self.session.sent(count, now, timeouts);
                Ok(false)
            }
            Flush::Done => {
                let count = unsent.len();
                self.session.sent(count, now, timeouts);
                // Usually everything the peer sent was read, and the worker drops the connection at
                // once.
                if self.session.is_closing() && !self.is_over() {
                    self.stream.finish();
                }
                Ok(true)
            }
        }
    }

    /// Whether there is nothing left to do here: drop it.
    pub fn is_over(&self) -> bool {
        self.session.is_over(!self.readable)
    }

    /// When the connection's timer must fire at the latest.
    pub fn deadline(&self) -> Instant {
        let deadline = self.session.deadline();
        self.handshake_until.map_or(deadline, |until| until.min(deadline))
    }

    /// What to do when the timer fires.
    pub fn overdue(&self, now: Instant) -> Overdue {
        if self.handshake_until.is_some_and(|until| now >= until) {
            return Overdue::Client;
        }
        self.session.overdue(now)
    }
}
