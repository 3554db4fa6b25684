//! Datagram: a non-blocking UDP socket that exchanges datagrams with one peer only.
//!
//! The kernel picks the source port at random and drops what other addresses send, which is most of
//! what a stub resolver needs against forged answers: use one for each query. Owned by the worker
//! beside the resolver.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

/// Dropping it closes it.
#[derive(Debug)]
pub struct Datagram(mio::net::UdpSocket);

impl Datagram {
    /// A socket of its own port towards `peer`. Watch it for [`super::Interest::Readable`].
    ///
    /// # Errors
    /// No file descriptors, no ports, no route.
    pub fn connect(peer: SocketAddr) -> io::Result<Datagram> {
        let any = match peer {
            SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
            SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
        };
        let socket = mio::net::UdpSocket::bind(any)?;
        socket.connect(peer)?;
        Ok(Datagram(socket))
    }

    /// Sends one datagram, whole or not at all.
    ///
    /// # Errors
    /// What an earlier datagram met (nobody listens), or that the kernel takes no more for now.
    pub fn send(&self, bytes: &[u8]) -> io::Result<()> {
        self.0.send(bytes).map(drop)
    }

    /// Receives one datagram; None: there is none for now. What `buf` cannot hold is cut off.
    ///
    /// # Errors
    /// `ConnectionRefused`: nobody listens there.
    pub fn receive(&self, buf: &mut [u8]) -> io::Result<Option<usize>> {
        loop {
            return match self.0.recv(buf) {
                Ok(count) => Ok(Some(count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => Err(error),
            };
        }
    }
}

impl mio::event::Source for Datagram {
    fn register(
        &mut self,
        registry: &mio::Registry,
        token: mio::Token,
        interests: mio::Interest,
    ) -> io::Result<()> {
        self.0.register(registry, token, interests)
    }

    fn reregister(
        &mut self,
        registry: &mio::Registry,
        token: mio::Token,
        interests: mio::Interest,
    ) -> io::Result<()> {
        self.0.reregister(registry, token, interests)
    }

    fn deregister(&mut self, registry: &mio::Registry) -> io::Result<()> {
        self.0.deregister(registry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reactor::{Interest, Key, Kind, Reactor, Token};
    use std::net::UdpSocket;
    use std::time::{Duration, Instant};

    fn wait(reactor: &mut Reactor) {
        let now = Instant::now();
        reactor.wait(Some(now + Duration::from_secs(10)), now).unwrap();
        let ready = reactor.take_ready();
        assert!(ready.iter().next().is_some(), "nothing came within ten seconds");
        reactor.give_back(ready);
    }

    fn watched(peer: SocketAddr) -> (Reactor, Datagram) {
        let (mut reactor, mut datagram) =
            (Reactor::new().unwrap(), Datagram::connect(peer).unwrap());
        let token = Token::new(Kind::Resolver, Key { index: 1, generation: 1 });
        reactor.register(&mut datagram, token, Interest::Readable).unwrap();
        (reactor, datagram)
    }

    #[test]
    fn talks_to_its_peer_and_hears_nobody_else() {
        for any in ["127.0.0.1:0", "[::1]:0"] {
            let (Ok(peer), Ok(stranger)) = (UdpSocket::bind(any), UdpSocket::bind(any)) else {
                continue;
            };
            let (mut reactor, datagram) = watched(peer.local_addr().unwrap());
            datagram.send(b"who?").unwrap();
            let mut buf = [0; 16];
            let (count, own) = peer.recv_from(&mut buf).unwrap();
            assert_eq!(&buf[..count], b"who?");
            stranger.send_to(b"lie", own).unwrap();
            peer.send_to(b"me", own).unwrap();
            wait(&mut reactor);
            assert_eq!(datagram.receive(&mut buf).unwrap(), Some(2));
            assert_eq!(&buf[..2], b"me");
            assert_eq!(datagram.receive(&mut buf).unwrap(), None);
        }
    }

    #[test]
    fn nobody_there_is_an_error() {
        let gone = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let (mut reactor, datagram) = watched(gone);
        datagram.send(b"who?").unwrap();
        wait(&mut reactor);
        assert_eq!(
            datagram.receive(&mut [0; 16]).unwrap_err().kind(),
            io::ErrorKind::ConnectionRefused
        );
    }
}
