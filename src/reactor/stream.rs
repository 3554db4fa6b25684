//! Stream: a connected byte stream, TCP or unix, plain or TLS, never blocking.
//!
//! `fill` reads what has come, `flush` writes what fits; both drive the TLS session where there is
//! one, so callers need not know. Owned by the worker beside the state machine that it feeds. Holds
//! no buffers of its own (TLS: rustls's, 64 KiB at most each way).
//!
//! The order of calls: [`Stream::connect`], register for both, at the first event
//! [`Stream::finish_connect`], then perhaps [`Stream::start_tls_client`] (at once, or later where a
//! protocol has a STARTTLS), then `fill` and `flush` as readiness comes.

use crate::address::Address;
use crate::tls::server::suites;
use crate::tls::{ClientTls, PeerCertificate, ServerTls, TlsError, TlsFacts};
use rustls::{HandshakeKind, ProtocolVersion};
use socket2::SockRef;
use std::io::{self, Read, Write};
use std::net::Shutdown;

/// One connection. Dropping it closes it.
#[derive(Debug)]
pub struct Stream {
    socket: Socket,
    tls: Option<Box<Tls>>,
}

/// The TLS session of a connection.
#[derive(Debug)]
struct Tls {
    session: rustls::Connection,
    /// The socket had no more at the last reading: an event will tell of the next bytes.
    drained: bool,
    /// A client's first byte, which tells TLS from plain text, is awaited.
    awaits_first: bool,
}

/// What [`Stream::handshake`] came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handshake {
    /// It goes on when the socket is ready, for writing if [`Stream::wants_flush`].
    Pending,
    Done,
    /// The client speaks plain text, and so does the stream from here on. What it sent is lost.
    PlainText,
    /// The client has gone away.
    Closed,
}

/// What [`Stream::fill`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fill {
    /// So many bytes came, at least one. Fewer than the buffer holds: there are no more for now,
    /// and an event will tell of the next. As many as it holds: call again.
    Bytes(usize),
    /// Nothing for now.
    WouldBlock,
    /// The peer sends no more. It may still be reading.
    Closed,
}

/// What [`Stream::flush`] got done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flush {
    /// All bytes are with the kernel.
    Done,
    /// So many bytes (perhaps none, perhaps all) are taken off the caller's hands; call again with
    /// the rest, even if that is empty, when the socket is writable and, for TLS, after each
    /// `fill`.
    Partial(usize),
}

enum Socket {
    Tcp(mio::net::TcpStream),
    Unix(mio::net::UnixStream),
}

impl Stream {
    /// Begins to connect. It is done when the stream has become writable and
    /// [`Stream::finish_connect`] says so.
    ///
    /// # Errors
    /// Those the system knows at once: no such socket file, nobody listening on it, no route, no
    /// file descriptors.
    pub fn connect(address: &Address) -> io::Result<Stream> {
        match address {
            Address::Tcp(address) => {
                let socket = mio::net::TcpStream::connect(*address)?;
                socket.set_nodelay(true)?;
                Ok(Stream::from_tcp(socket))
            }
            Address::Unix(path) => Ok(Stream::from_unix(mio::net::UnixStream::connect(path)?)),
        }
    }

    /// Whether the connection is open; false: not yet, ask again at the next event.
    ///
    /// # Errors
    /// Why it could not be opened: refused, unreachable, timed out.
    pub fn finish_connect(&self) -> io::Result<bool> {
        if let Some(error) = self.socket.take_error()? {
            return Err(error);
        }
        match self.socket.has_peer() {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Speaks TLS from here on, as the client. `name` is the host name (or IP address) that the
    /// certificate must be for. The handshake begins with the next `flush`, of nothing if need be;
    /// bytes flushed before its end wait for it.
    ///
    /// # Errors
    /// [`TlsError::Name`]. A failing handshake is an error of a later `fill`.
    pub fn start_tls_client(&mut self, tls: &ClientTls, name: &str) -> Result<(), TlsError> {
        self.tls = Some(Box::new(Tls::new(tls.session(name)?.into(), false)));
        Ok(())
    }

    /// Speaks TLS from here on, as the server.
    /// Drive the handshake by [`Stream::handshake`], or leave that to `fill` and `flush`.
    ///
    /// # Errors
    /// [`TlsError::Config`].
    pub fn start_tls_server(&mut self, tls: &ServerTls) -> Result<(), TlsError> {
        self.tls = Some(Box::new(Tls::new(tls.session()?.into(), true)));
        Ok(())
    }

    /// Goes on with a handshake as a server. One call computes at most what one flight of the
    /// client demands: a signature, or the check of a certificate.
    ///
    /// # Errors
    /// As [`Stream::fill`].
    pub fn handshake(&mut self) -> io::Result<Handshake> {
        let Some(tls) = &mut self.tls else { return Ok(Handshake::Done) };
        while tls.session.is_handshaking() {
            match tls.read(&mut self.socket) {
                Ok(0) => return Ok(Handshake::Closed),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    send_tls(&mut self.socket, &mut tls.session)?;
                    return Ok(Handshake::Pending);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == PLAIN_TEXT => {
                    self.tls = None;
                    return Ok(Handshake::PlainText);
                }
                Err(error) => return Err(error),
            }
            tls.process(&mut self.socket)?;
        }
        Ok(Handshake::Done)
    }

    /// Whether it speaks TLS and the handshake is through.
    pub fn is_encrypted(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| !tls.session.is_handshaking())
    }

    /// Whether `fill` may find more although it has just filled less than it was given room for.
    pub fn may_have_more(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| !tls.drained)
    }

    /// What the handshake has come to; `None` without TLS or before its end.
    pub fn tls_facts(&self) -> Option<TlsFacts> {
        let session = &self.tls.as_ref()?.session;
        if session.is_handshaking() {
            return None;
        }
        let shown = session.peer_certificates().and_then(<[_]>::first);
        Some(TlsFacts {
            protocol: match session.protocol_version() {
                Some(ProtocolVersion::TLSv1_2) => "TLSv1.2",
                _ => "TLSv1.3",
            },
            cipher: session.negotiated_cipher_suite().map(suites::name).unwrap_or_default(),
            resumed: session.handshake_kind() == Some(HandshakeKind::Resumed),
            certificate: shown.and_then(|certificate| PeerCertificate::parse(certificate)),
        })
    }

    /// Reads into `buf`, which must not be empty.
    ///
    /// # Errors
    /// The connection failed: reset, or TLS broken (`InvalidData`) or cut off (`UnexpectedEof`).
    /// There is nothing left but to drop it.
    pub fn fill(&mut self, buf: &mut [u8]) -> io::Result<Fill> {
        debug_assert!(!buf.is_empty(), "a full buffer would look like the end of the stream");
        if let Some(tls) = &mut self.tls {
            return fill_tls(&mut self.socket, tls, buf);
        }
        loop {
            return match self.socket.read(buf) {
                Ok(0) => Ok(Fill::Closed),
                Ok(count) => Ok(Fill::Bytes(count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Fill::WouldBlock),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => Err(error),
            };
        }
    }

    /// Reads into `buf` what has come and leaves it there, as bytes of the connection itself, TLS or
    /// not: the next `fill` gives it again. It tells as `fill` does of the end and of nothing.
    ///
    /// # Errors
    /// The connection failed.
    pub fn peek(&self, buf: &mut [u8]) -> io::Result<Fill> {
        debug_assert!(!buf.is_empty(), "a full buffer would look like the end of the stream");
        loop {
            return match self.socket.peek(buf) {
                Ok(0) => Ok(Fill::Closed),
                Ok(count) => Ok(Fill::Bytes(count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Fill::WouldBlock),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => Err(error),
            };
        }
    }

    /// Writes as much of `bytes` as the peer's pace allows.
    ///
    /// # Errors
    /// The connection failed; as for [`Stream::fill`].
    pub fn flush(&mut self, bytes: &[u8]) -> io::Result<Flush> {
        self.send(bytes, false)
    }

    /// As [`Stream::flush`], for the last bytes before the stream is dropped: when they are
    /// [`Flush::Done`], drop it at once. Over TCP they leave together with the news that it is
    /// closed, in one packet instead of two.
    ///
    /// # Errors
    /// As [`Stream::flush`].
    pub fn flush_last(&mut self, bytes: &[u8]) -> io::Result<Flush> {
        self.send(bytes, true)
    }

    fn send(&mut self, bytes: &[u8], last: bool) -> io::Result<Flush> {
        if let Some(tls) = &mut self.tls {
            return flush_tls(&mut self.socket, &mut tls.session, bytes, last);
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            let written = if last { self.socket.write_last(rest) } else { self.socket.write(rest) };
            match written {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => rest = rest.get(count..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Ok(Flush::Partial(bytes.len() - rest.len()));
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Flush::Done)
    }

    /// Whether the TLS session holds bytes that the kernel would not take: `flush` again, with
    /// nothing if there is nothing else, when the socket is writable.
    pub fn wants_flush(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.session.wants_write())
    }

    /// Tells the peer that no more will be sent (TLS: close_notify, as far as it fits). Reading
    /// goes on until [`Fill::Closed`]; closing with unread bytes would reset the connection and
    /// could take our last answer with it.
    pub fn finish(&mut self) {
        if let Some(tls) = &mut self.tls {
            tls.session.send_close_notify();
            // A courtesy; a peer that does not read will not get it.
            let _ = send_tls(&mut self.socket, &mut tls.session);
        }
        // It fails when the peer is gone, which is what we are about anyway.
        let _ = self.socket.shutdown(Shutdown::Write);
    }

    pub(super) fn from_tcp(socket: mio::net::TcpStream) -> Stream {
        Stream { socket: Socket::Tcp(socket), tls: None }
    }

    pub(super) fn from_unix(socket: mio::net::UnixStream) -> Stream {
        Stream { socket: Socket::Unix(socket), tls: None }
    }

    #[cfg(test)]
    pub(super) fn has_no_delay(&self) -> bool {
        matches!(&self.socket, Socket::Tcp(socket) if socket.nodelay().unwrap())
    }
}

impl Tls {
    fn new(session: rustls::Connection, awaits_first: bool) -> Tls {
        Tls { session, drained: false, awaits_first }
    }

    /// Takes bytes from the peer into the session; 0 at their end.
    ///
    /// # Errors
    /// Those of the socket; [`PLAIN_TEXT`].
    fn read(&mut self, socket: &mut Socket) -> io::Result<usize> {
        let mut reader = Reading { socket, first: None, short: true };
        let read = self.session.read_tls(&mut reader);
        let (first, short) = (reader.first, reader.short);
        self.drained = short && !matches!(read, Ok(0));
        // A record of a handshake begins with 22 (RFC 8446 5.1), a request with a letter.
        if std::mem::take(&mut self.awaits_first) {
            match first {
                Some(letter) if letter.is_ascii_alphabetic() => return Err(PLAIN_TEXT.into()),
                Some(_) => {}
                None => self.awaits_first = true,
            }
        }
        read
    }

    /// Works on what was read, and sends what that has brought about: handshake messages, key
    /// updates, alerts (also the one about a failure).
    fn process(&mut self, socket: &mut Socket) -> io::Result<()> {
        let processed = self.session.process_new_packets();
        let sent = send_tls(socket, &mut self.session);
        let state = processed.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        // The end of the session is found by reading on, whatever the socket has.
        self.drained &= !state.peer_has_closed();
        sent.map(drop)
    }
}

/// Reads for a session, and notes what that was like.
struct Reading<'a> {
    socket: &'a mut Socket,
    first: Option<u8>,
    /// The socket gave less than it could have.
    short: bool,
}

impl Read for Reading<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let count = self.socket.read(buf)?;
        self.short = count < buf.len();
        self.first = buf.first().copied().filter(|_| count > 0);
        Ok(count)
    }
}

/// How a session's reader says that there is no TLS to read; no system call fails with it here.
const PLAIN_TEXT: io::ErrorKind = io::ErrorKind::Unsupported;

/// Decrypts into `buf` until it is full or the socket has no more.
fn fill_tls(socket: &mut Socket, tls: &mut Tls, buf: &mut [u8]) -> io::Result<Fill> {
    let mut filled = 0;
    let found = |filled: usize, otherwise: io::Result<Fill>| {
        if filled > 0 { Ok(Fill::Bytes(filled)) } else { otherwise }
    };
    loop {
        match tls.session.reader().read(buf.get_mut(filled..).unwrap_or_default()) {
            Ok(0) => {
                tls.drained = false;
                return found(filled, Ok(Fill::Closed));
            }
            Ok(count) => {
                filled += count;
                if filled >= buf.len() {
                    tls.drained = false;
                    return Ok(Fill::Bytes(filled));
                }
                continue;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return found(filled, Err(error)),
        }
        if filled > 0 && tls.drained {
            return Ok(Fill::Bytes(filled));
        }
        match tls.read(socket) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                tls.drained = true;
                return found(filled, Ok(Fill::WouldBlock));
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) if error.kind() == PLAIN_TEXT => {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "plain text instead of TLS",
                ));
            }
            Err(error) => return found(filled, Err(error)),
        }
        tls.process(socket)?;
    }
}

/// Encrypts and sends until all is sent, the session's buffer is full or the socket takes no more.
/// `last`: the news that nothing follows goes along.
fn flush_tls(
    socket: &mut Socket,
    tls: &mut rustls::Connection,
    bytes: &[u8],
    last: bool,
) -> io::Result<Flush> {
    let mut taken = 0;
    loop {
        let rest = bytes.get(taken..).unwrap_or_default();
        let accepted = if rest.is_empty() { 0 } else { tls.writer().write(rest)? };
        taken += accepted;
        if last && taken >= bytes.len() && !tls.is_handshaking() {
            tls.send_close_notify();
        }
        let sent = send_tls(socket, tls)?;
        if !sent || tls.is_handshaking() {
            return Ok(Flush::Partial(taken));
        }
        if taken >= bytes.len() {
            return Ok(Flush::Done);
        }
        if accepted == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
    }
}

/// Sends what the session has ready; false if the socket takes no more.
fn send_tls(socket: &mut Socket, tls: &mut rustls::Connection) -> io::Result<bool> {
    while tls.wants_write() {
        match tls.write_tls(socket) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

impl Socket {
    fn take_error(&self) -> io::Result<Option<io::Error>> {
        match self {
            Socket::Tcp(socket) => socket.take_error(),
            Socket::Unix(socket) => socket.take_error(),
        }
    }

    fn has_peer(&self) -> io::Result<()> {
        match self {
            Socket::Tcp(socket) => socket.peer_addr().map(drop),
            Socket::Unix(socket) => socket.peer_addr().map(drop),
        }
    }

    fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        use rustix::net::{RecvFlags, recv};
        let (count, _) = match self {
            Socket::Tcp(socket) => recv(socket, buf, RecvFlags::PEEK),
            Socket::Unix(socket) => recv(socket, buf, RecvFlags::PEEK),
        }?;
        Ok(count)
    }

    /// Writes what the kernel may hold back until the socket is closed.
    fn write_last(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(socket) => {
                SockRef::from(&*socket).send_with_flags(bytes, libc::MSG_MORE | libc::MSG_NOSIGNAL)
            }
            Socket::Unix(socket) => socket.write(bytes),
        }
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        match self {
            Socket::Tcp(socket) => socket.shutdown(how),
            Socket::Unix(socket) => socket.shutdown(how),
        }
    }
}

impl Read for Socket {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(socket) => socket.read(buf),
            Socket::Unix(socket) => socket.read(buf),
        }
    }
}

impl Write for Socket {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(socket) => socket.write(buf),
            Socket::Unix(socket) => socket.write(buf),
        }
    }

    fn write_vectored(&mut self, parts: &[io::IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Socket::Tcp(socket) => socket.write_vectored(parts),
            Socket::Unix(socket) => socket.write_vectored(parts),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl std::fmt::Debug for Socket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Socket::Tcp(socket) => socket.fmt(f),
            Socket::Unix(socket) => socket.fmt(f),
        }
    }
}

impl mio::event::Source for Stream {
    fn register(
        &mut self,
        registry: &mio::Registry,
        token: mio::Token,
        interests: mio::Interest,
    ) -> io::Result<()> {
        match &mut self.socket {
            Socket::Tcp(socket) => socket.register(registry, token, interests),
            Socket::Unix(socket) => socket.register(registry, token, interests),
        }
    }

    fn reregister(
        &mut self,
        registry: &mio::Registry,
        token: mio::Token,
        interests: mio::Interest,
    ) -> io::Result<()> {
        match &mut self.socket {
            Socket::Tcp(socket) => socket.reregister(registry, token, interests),
            Socket::Unix(socket) => socket.reregister(registry, token, interests),
        }
    }

    fn deregister(&mut self, registry: &mio::Registry) -> io::Result<()> {
        match &mut self.socket {
            Socket::Tcp(socket) => socket.deregister(registry),
            Socket::Unix(socket) => socket.deregister(registry),
        }
    }
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
