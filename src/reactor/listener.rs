//! Listener: accepts connections over TCP or a unix socket, one per worker.
//!
//! TCP: each worker binds the address itself with SO_REUSEPORT, and the kernel spreads connections
//! over them. Another process of the same user could do so, too, so a port that is in use is
//! refused first (`occupant.rs`). Unix: one socket, whose descriptor every worker holds a copy of;
//! all are woken, one accepts, the others find nothing. The file appears when binding and goes with
//! the last copy. A file that a crashed server left behind is replaced; a socket in use, or a file
//! that is no socket, is left alone and is an error. Bounds: [`BACKLOG`] connections wait in the
//! kernel. How many to accept in one turn is the loop's decision.

use super::occupant::refuse_if_taken;
use super::stream::Stream;
use crate::address::Address;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A listening socket. Watch it for [`super::Interest::Readable`].
#[derive(Debug)]
pub struct Listener {
    socket: Kind,
    local: Address,
}

#[derive(Debug)]
enum Kind {
    Tcp(mio::net::TcpListener),
    Unix(mio::net::UnixListener, Arc<SocketFile>),
}

/// Who may connect to a unix socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// Permission bits: who may write to it may connect.
    pub mode: u32,
    /// `None`: that of the process.
    pub group: Option<u32>,
}

impl Default for Access {
    fn default() -> Access {
        Access { mode: 0o600, group: None }
    }
}

/// Who connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerAddress {
    /// An IPv4 client of an IPv6 socket is given as IPv4.
    Tcp(SocketAddr),
    /// Somebody on this host.
    Unix,
}

/// Why a connection could not be accepted. The listener itself is fine; being edge-triggered, it
/// must be asked again after a while.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    /// This process or the whole system has no more file descriptors or socket memory. The
    /// connection still waits: close some or wait, then accept again.
    #[error("no resources for another connection: {0}")]
    OutOfFiles(io::Error),
    #[error("accept: {0}")]
    Failed(io::Error),
}

impl Listener {
    /// Listens at `address`; a unix socket is its owner's alone.
    ///
    /// # Errors
    /// As [`Listener::bind_with`].
    pub fn bind(address: &Address) -> io::Result<Listener> {
        Listener::bind_with(address, Access::default())
    }

    /// Listens at `address`. Port 0 takes any; [`Listener::local_address`] tells which. `access` is
    /// about a unix socket.
    ///
    /// # Errors
    /// Those of the system; `AddrInUse` also for a unix socket that is alive or a file that is no
    /// socket.
    pub fn bind_with(address: &Address, access: Access) -> io::Result<Listener> {
        match address {
            Address::Tcp(address) => bind_tcp(*address),
            Address::Unix(path) => bind_unix(path, access),
        }
    }

    /// Listeners for `count` workers at the same address (and, for port 0, at the same port), which
    /// no other process listens on.
    ///
    /// # Errors
    /// As [`Listener::bind_with`]; `AddrInUse` with the process that listens there already.
    pub fn bind_all(address: &Address, access: Access, count: usize) -> io::Result<Vec<Listener>> {
        if let Address::Tcp(address) = address {
            refuse_if_taken(*address)?;
        }
        let first = Listener::bind_with(address, access)?;
        let mut all = Vec::with_capacity(count.max(1));
        for _ in 1..count {
            all.push(first.another()?);
        }
        all.push(first);
        Ok(all)
    }

    /// A listener for another worker at the same address: for TCP its own socket, for unix a copy
    /// of the descriptor.
    ///
    /// # Errors
    /// Those of the system.
    pub fn another(&self) -> io::Result<Listener> {
        match (&self.socket, &self.local) {
            (Kind::Unix(listener, file), local) => {
                let copy: OwnedFd = listener.as_fd().try_clone_to_owned()?;
                let socket =
                    Kind::Unix(mio::net::UnixListener::from_std(copy.into()), file.clone());
                Ok(Listener { socket, local: local.clone() })
            }
            (Kind::Tcp(_), local) => Listener::bind(local),
        }
    }

    /// For protocols in which the client speaks first: over TCP, connections are there to be
    /// accepted when their first bytes have come, or after some seconds (TCP_DEFER_ACCEPT, tcp(7)).
    /// Who is told of them earlier reads in vain, has the poller watch them and wakes up once more.
    ///
    /// # Errors
    /// Those of the system.
    #[expect(unsafe_code, reason = "no library has this option")]
    pub fn wait_for_data(&self) -> io::Result<()> {
        let Kind::Tcp(listener) = &self.socket else { return Ok(()) };
        let seconds: libc::c_int = 1;
        let (value, size) = ((&raw const seconds).cast(), size_of_val(&seconds) as libc::socklen_t);
        // SAFETY: a socket of ours, and an option whose value is an int of that size.
        match unsafe {
            libc::setsockopt(
                listener.as_raw_fd(),
                libc::IPPROTO_TCP,
                libc::TCP_DEFER_ACCEPT,
                value,
                size,
            )
        } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// Where it really listens.
    pub fn local_address(&self) -> &Address {
        &self.local
    }

    /// The next connection, not blocking, without delay (TCP_NODELAY); None while no connection
    /// waits. Connections given up before they were accepted are passed over.
    ///
    /// # Errors
    /// [`AcceptError`]; in both cases stop for this turn.
    pub fn accept(&mut self) -> Result<Option<(Stream, PeerAddress)>, AcceptError> {
        loop {
            let accepted = match &self.socket {
                Kind::Tcp(listener) => listener
                    .accept()
                    .map(|(socket, peer)| (Stream::from_tcp(socket), PeerAddress::of(peer))),
                Kind::Unix(listener, _) => listener
                    .accept()
                    .map(|(socket, _)| (Stream::from_unix(socket), PeerAddress::Unix)),
            };
            return match accepted {
                Ok(accepted) => Ok(Some(accepted)),
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => Ok(None),
                    io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted => continue,
                    _ => Err(AcceptError::of(error)),
                },
            };
        }
    }
}

impl PeerAddress {
    fn of(peer: SocketAddr) -> PeerAddress {
        PeerAddress::Tcp(SocketAddr::new(peer.ip().to_canonical(), peer.port()))
    }

    /// The client's address; None for a unix socket.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            PeerAddress::Tcp(address) => Some(address.ip()),
            PeerAddress::Unix => None,
        }
    }
}

impl fmt::Display for PeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PeerAddress::Tcp(address) => address.fmt(f),
            PeerAddress::Unix => f.write_str("unix"),
        }
    }
}

impl AcceptError {
    fn of(error: io::Error) -> AcceptError {
        match error.raw_os_error() {
            Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM) => {
                AcceptError::OutOfFiles(error)
            }
            _ => AcceptError::Failed(error),
        }
    }
}

impl mio::event::Source for Listener {
    fn register(
        &mut self,
        registry: &mio::Registry,
        token: mio::Token,
        interests: mio::Interest,
    ) -> io::Result<()> {
        match &mut self.socket {
            Kind::Tcp(listener) => listener.register(registry, token, interests),
            Kind::Unix(listener, _) => listener.register(registry, token, interests),
        }
    }

    fn reregister(
        &mut self,
        registry: &mio::Registry,
        token: mio::Token,
        interests: mio::Interest,
    ) -> io::Result<()> {
        match &mut self.socket {
            Kind::Tcp(listener) => listener.reregister(registry, token, interests),
            Kind::Unix(listener, _) => listener.reregister(registry, token, interests),
        }
    }

    fn deregister(&mut self, registry: &mio::Registry) -> io::Result<()> {
        match &mut self.socket {
            Kind::Tcp(listener) => listener.deregister(registry),
            Kind::Unix(listener, _) => listener.deregister(registry),
        }
    }
}

fn bind_tcp(address: SocketAddr) -> io::Result<Listener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        // `[::]` serves IPv4 as well, whatever the system's default.
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    // Accepted sockets inherit it, which saves a system call for each.
    socket.set_tcp_nodelay(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    let listener = std::net::TcpListener::from(socket);
    let local = Address::Tcp(listener.local_addr()?);
    Ok(Listener { socket: Kind::Tcp(mio::net::TcpListener::from_std(listener)), local })
}

/// The file is its owner's alone until it has its group and then its mode; and until `listen`,
/// connecting fails: at no moment does it let in more than it should.
fn bind_unix(path: &Path, access: Access) -> io::Result<Listener> {
    remove_stale(path)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    // The mode of the file to come (unix(7)).
    rustix::fs::fchmod(&socket, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR)?;
    socket.bind(&SockAddr::unix(path)?)?;
    let file = Arc::new(SocketFile::of(path)?);
    if let Some(group) = access.group {
        std::os::unix::fs::lchown(path, None, Some(group)).map_err(|error| {
            io::Error::new(
                error.kind(),
                format!("the socket cannot be given to its group: {error}"),
            )
        })?;
    }
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(access.mode))?;
    socket.listen(BACKLOG)?;
    let listener = mio::net::UnixListener::from_std(std::os::unix::net::UnixListener::from(
        OwnedFd::from(socket),
    ));
    Ok(Listener { socket: Kind::Unix(listener, file), local: Address::Unix(path.to_owned()) })
}

/// Removes a socket file without a listener.
fn remove_stale(path: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
        Ok(metadata) if !metadata.file_type().is_socket() => {
            return Err(io::Error::new(
                io::ErrorKind::AddrInUse,
                "the file exists and is not a socket",
            ));
        }
        Ok(_) => {}
    }
    // Not blocking: a live server with a full backlog must not contain up our start.
    match mio::net::UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        _ => Err(io::Error::new(io::ErrorKind::AddrInUse, "another process listens on the socket")),
    }
}

/// The file of a unix socket, removed with its last listener unless another server has put its own
/// there.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl SocketFile {
    fn of(path: &Path) -> io::Result<SocketFile> {
        let metadata = std::fs::symlink_metadata(path)?;
        Ok(SocketFile { path: path.to_owned(), device: metadata.dev(), inode: metadata.ino() })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let ours = std::fs::symlink_metadata(&self.path)
            .is_ok_and(|file| file.dev() == self.device && file.ino() == self.inode);
        if ours {
            // If it cannot be removed, the next start finds it stale and does.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Connections that may wait to be accepted: a whole mail proxy reconnecting at once. The kernel
/// caps it at `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reactor::{Interest, Key, Kind as TokenKind, Reactor, Token};
    use std::io::Write;
    use std::time::{Duration, Instant};

    fn loopback(port: u16) -> Address {
        Address::Tcp(([127, 0, 0, 1], port).into())
    }

    /// A path of this test's own.
    fn socket_path(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("loligo-{}-{name}.sock", std::process::id()));
        let _ = std::fs::remove_file(&path);
        path
    }

    /// Waits until one of the listeners has a connection.
    fn accept(listeners: &mut [Listener]) -> (Stream, PeerAddress) {
        let mut reactor = Reactor::new().unwrap();
        for (index, listener) in listeners.iter_mut().enumerate() {
            let token = Token::new(TokenKind::Listener, Key { index: index as u32, generation: 0 });
            reactor.register(listener, token, Interest::Readable).unwrap();
        }
        let until = Instant::now() + Duration::from_secs(10);
        loop {
            let accepted = listeners.iter_mut().find_map(|listener| listener.accept().unwrap());
            if let Some(accepted) = accepted {
                listeners.iter_mut().for_each(|listener| reactor.deregister(listener).unwrap());
                return accepted;
            }
            assert!(Instant::now() < until, "nobody connected");
            reactor.wait(Some(until), Instant::now()).unwrap();
        }
    }

    #[test]
    fn port_zero_is_told_and_shared_by_workers() {
        let mut listeners = Listener::bind_all(&loopback(0), Access::default(), 3).unwrap();
        let local = listeners[0].local_address().clone();
        assert!(matches!(local, Address::Tcp(address) if address.port() != 0));
        assert!(listeners.iter().all(|listener| *listener.local_address() == local));
        for _ in 0..8 {
            let client = std::net::TcpStream::connect(local.to_string()).unwrap();
            let (_, peer) = accept(&mut listeners);
            assert_eq!(peer, PeerAddress::Tcp(client.local_addr().unwrap()));
        }
        assert!(listeners.iter_mut().all(|listener| matches!(listener.accept(), Ok(None))));
    }

    #[test]
    fn accepted_sockets_do_not_delay() {
        let mut listeners = [Listener::bind(&loopback(0)).unwrap()];
        let _client =
            std::net::TcpStream::connect(listeners[0].local_address().to_string()).unwrap();
        let (stream, _) = accept(&mut listeners);
        assert!(stream.has_no_delay());
    }

    #[test]
    fn who_waits_for_data_is_not_told_of_silent_clients() {
        let mut listeners = [Listener::bind(&loopback(0)).unwrap()];
        listeners[0].wait_for_data().unwrap();
        let address = listeners[0].local_address().to_string();
        let silent = std::net::TcpStream::connect(&address).unwrap();
        let mut speaking = std::net::TcpStream::connect(&address).unwrap();
        speaking.write_all(b"x").unwrap();
        assert_eq!(accept(&mut listeners).1, PeerAddress::Tcp(speaking.local_addr().unwrap()));
        // But they are not turned away, either.
        assert_eq!(accept(&mut listeners).1, PeerAddress::Tcp(silent.local_addr().unwrap()));
    }

    #[test]
    fn ipv4_clients_of_an_ipv6_socket_are_ipv4() {
        assert_eq!(
            PeerAddress::of("[::ffff:192.0.2.1]:7".parse().unwrap()).to_string(),
            "192.0.2.1:7"
        );
        assert_eq!(
            PeerAddress::of("[2001:db8::1]:7".parse().unwrap()).to_string(),
            "[2001:db8::1]:7"
        );
        // A host without IPv6 cannot show the rest.
        let Ok(listener) = Listener::bind(&Address::parse("[::]:0").unwrap()) else { return };
        let mut listeners = [listener];
        let Address::Tcp(local) = listeners[0].local_address().clone() else { panic!("not TCP") };
        let client = std::net::TcpStream::connect(("127.0.0.1", local.port())).unwrap();
        assert_eq!(accept(&mut listeners).1, PeerAddress::Tcp(client.local_addr().unwrap()));
    }

    #[test]
    fn unix_workers_share_one_socket_and_its_file() {
        let path = socket_path("shared");
        let mut listeners = Listener::bind_all(
            &Address::Unix(path.clone()),
            Access { mode: 0o620, group: None },
            3,
        )
        .unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o620);
        for _ in 0..4 {
            let _client = std::os::unix::net::UnixStream::connect(&path).unwrap();
            assert_eq!(accept(&mut listeners).1, PeerAddress::Unix);
        }
        let last = listeners.pop();
        drop(listeners);
        assert!(path.exists());
        drop(last);
        assert!(!path.exists());
    }

    #[test]
    fn a_stale_socket_file_is_replaced() {
        let path = socket_path("stale");
        // The standard library leaves the file behind, as a crash does.
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let listener = Listener::bind(&Address::Unix(path.clone())).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        drop(listener);
        assert!(!path.exists());
    }

    #[test]
    fn a_live_socket_is_left_alone() {
        let path = socket_path("live");
        let mut first = [Listener::bind(&Address::Unix(path.clone())).unwrap()];
        let error = Listener::bind(&Address::Unix(path.clone())).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        // The test for a listener was a connection, too.
        accept(&mut first);
        let _client = std::os::unix::net::UnixStream::connect(&path).unwrap();
        accept(&mut first);
    }

    #[test]
    fn a_file_that_is_no_socket_is_left_alone() {
        let path = socket_path("file");
        std::fs::write(&path, "precious").unwrap();
        assert_eq!(
            Listener::bind(&Address::Unix(path.clone())).unwrap_err().kind(),
            io::ErrorKind::AddrInUse
        );
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn the_file_of_a_successor_survives() {
        let path = socket_path("successor");
        let first = Listener::bind(&Address::Unix(path.clone())).unwrap();
        std::fs::remove_file(&path).unwrap();
        let second = Listener::bind(&Address::Unix(path.clone())).unwrap();
        drop(first);
        assert!(path.exists());
        drop(second);
    }

    #[test]
    fn exhaustion_is_told_apart() {
        for (code, exhausted) in [
            (libc::EMFILE, true),
            (libc::ENFILE, true),
            (libc::ENOBUFS, true),
            (libc::ENOMEM, true),
            (libc::EPERM, false),
        ] {
            let error = AcceptError::of(io::Error::from_raw_os_error(code));
            assert_eq!(matches!(error, AcceptError::OutOfFiles(_)), exhausted, "{error}");
        }
    }
}
