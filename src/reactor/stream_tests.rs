//! Streams on real loopback sockets: plain and TLS, TCP and unix.

use super::*;
use crate::reactor::{
    CertificateFiles, ClientTlsSettings, Interest, Key, Kind, Listener, Reactor, TlsVersion, Token,
};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Two connected streams and the reactor that watches both.
struct Pair {
    reactor: Reactor,
    client: Stream,
    server: Stream,
}

/// Sleeps until anything happens on a watched socket, ten seconds at most.
fn wait(reactor: &mut Reactor) {
    let now = Instant::now();
    let until = now + Duration::from_secs(10);
    reactor.wait(Some(until), now).unwrap();
    assert!(Instant::now() < until, "nothing happened");
}

fn watch(reactor: &mut Reactor, stream: &mut Stream, index: u32) {
    reactor
        .register(
            stream,
            Token::new(Kind::Connection, Key { index, generation: 0 }),
            Interest::Both,
        )
        .unwrap();
}

fn pair(address: &Address) -> Pair {
    let mut reactor = Reactor::new().unwrap();
    let mut listener = Listener::bind(address).unwrap();
    reactor
        .register(
            &mut listener,
            Token::new(Kind::Listener, Key { index: 0, generation: 0 }),
            Interest::Readable,
        )
        .unwrap();
    let mut client = Stream::connect(listener.local_address()).unwrap();
    watch(&mut reactor, &mut client, 1);
    let mut server = loop {
        if let Some((server, _)) = listener.accept().unwrap() {
            break server;
        }
        wait(&mut reactor);
    };
    watch(&mut reactor, &mut server, 2);
    while !client.finish_connect().unwrap() {
        wait(&mut reactor);
    }
    reactor.deregister(&mut listener).unwrap();
    Pair { reactor, client, server }
}

fn loopback() -> Address {
    Address::Tcp(([127, 0, 0, 1], 0).into())
}

fn scratch(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("loligo-{}-{name}", std::process::id()))
}

/// Sends `bytes` from `from` to `to`, both driven by readiness, and gives what arrived.
fn carry(reactor: &mut Reactor, from: &mut Stream, to: &mut Stream, bytes: &[u8]) -> Vec<u8> {
    let mut taken = 0;
    let mut unsent = true;
    let mut arrived = Vec::new();
    let mut buf = [0; 16 * 1024];
    loop {
        let mut moved = false;
        if unsent {
            match from.flush(&bytes[taken..]).unwrap() {
                Flush::Done => unsent = false,
                Flush::Partial(count) => {
                    moved |= count > 0;
                    taken += count;
                }
            }
        }
        // The handshake needs both ends to read.
        assert!(
            !matches!(from.fill(&mut buf).unwrap(), Fill::Bytes(_)),
            "nothing was sent that way"
        );
        while let Fill::Bytes(count) = to.fill(&mut buf).unwrap() {
            arrived.extend_from_slice(&buf[..count]);
            moved = true;
        }
        if arrived.len() >= bytes.len() && !unsent {
            return arrived;
        }
        if !moved {
            wait(reactor);
        }
    }
}

/// More than any socket buffer takes at once.
fn plenty() -> Vec<u8> {
    (0..8_000_000u32).map(|number| (number * 31 / 8) as u8).collect()
}

#[test]
fn bytes_arrive_over_tcp_and_unix() {
    let path = scratch("stream.sock");
    for address in [loopback(), Address::Unix(path)] {
        let Pair { mut reactor, mut client, mut server } = pair(&address);
        assert_eq!(server.fill(&mut [0; 8]).unwrap(), Fill::WouldBlock);
        let bytes = plenty();
        assert!(carry(&mut reactor, &mut client, &mut server, &bytes) == bytes);
        assert_eq!(carry(&mut reactor, &mut server, &mut client, b"thanks"), b"thanks");
    }
}

#[test]
fn last_bytes_arrive_before_the_end() {
    for (address, count) in
        [(loopback(), 1), (loopback(), 100_000), (Address::Unix(scratch("last.sock")), 100_000)]
    {
        let Pair { mut reactor, mut client, mut server } = pair(&address);
        let bytes: Vec<u8> = plenty().into_iter().take(count).collect();
        let mut taken = 0;
        let mut arrived = Vec::new();
        let mut buf = [0; 16 * 1024];
        let mut receive = |reactor: &mut Reactor| match client.fill(&mut buf).unwrap() {
            Fill::Bytes(count) => {
                arrived.extend_from_slice(&buf[..count]);
                true
            }
            Fill::WouldBlock => {
                wait(reactor);
                true
            }
            Fill::Closed => false,
        };
        while let Flush::Partial(count) = server.flush_last(&bytes[taken..]).unwrap() {
            taken += count;
            assert!(receive(&mut reactor));
        }
        drop(server);
        while receive(&mut reactor) {}
        assert!(arrived == bytes);
    }
}

#[test]
fn a_full_socket_takes_a_part() {
    let Pair { mut client, server: _idle, .. } = pair(&loopback());
    let bytes = plenty();
    let mut taken = 0;
    // The kernel may still be moving bytes to the other end's buffer.
    loop {
        match client.flush(&bytes[taken..]).unwrap() {
            Flush::Partial(0) => break,
            Flush::Partial(count) => taken += count,
            Flush::Done => panic!("eight megabytes cannot fit"),
        }
    }
    assert!(taken > 0);
    assert_eq!(client.flush(&[]).unwrap(), Flush::Done);
}

#[test]
fn what_is_read_short_is_drained() {
    let Pair { mut reactor, mut client, mut server } = pair(&loopback());
    assert_eq!(client.flush(b"0123456789").unwrap(), Flush::Done);
    let mut buf = [0; 6];
    while server.fill(&mut buf).unwrap() == Fill::WouldBlock {
        wait(&mut reactor);
    }
    assert_eq!(&buf, b"012345");
    assert_eq!(server.fill(&mut buf).unwrap(), Fill::Bytes(4));
    assert_eq!(server.fill(&mut buf).unwrap(), Fill::WouldBlock);
}

#[test]
fn a_peer_that_has_finished_can_still_be_answered() {
    let Pair { mut reactor, mut client, mut server } = pair(&loopback());
    client.finish();
    while server.fill(&mut [0; 8]).unwrap() != Fill::Closed {
        wait(&mut reactor);
    }
    assert_eq!(carry(&mut reactor, &mut server, &mut client, b"still here"), b"still here");
}

#[test]
fn a_closed_port_refuses() {
    let address = Listener::bind(&loopback()).unwrap().local_address().clone();
    let mut reactor = Reactor::new().unwrap();
    let refused = match Stream::connect(&address) {
        Err(error) => error,
        Ok(mut stream) => {
            watch(&mut reactor, &mut stream, 1);
            loop {
                match stream.finish_connect() {
                    Ok(connected) => assert!(!connected),
                    Err(error) => break error,
                }
                wait(&mut reactor);
            }
        }
    };
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
}

#[test]
fn a_missing_unix_socket_is_known_at_once() {
    let error = Stream::connect(&Address::Unix(scratch("nobody.sock"))).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
}

/// A certificate for localhost of its own authority, in files that live as long as this.
struct Certificate(CertificateFiles);

impl Certificate {
    fn new(name: &str) -> Certificate {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let files = CertificateFiles {
            certificate: scratch(&format!("{name}.crt")),
            key: scratch(&format!("{name}.key")),
        };
        std::fs::write(&files.certificate, made.cert.pem()).unwrap();
        std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
        Certificate(files)
    }

    fn server(&self) -> ServerTls {
        ServerTls::of_files(&self.0, TlsVersion::Tls12).unwrap()
    }

    fn trusted(&self) -> ClientTls {
        ClientTls::new(&ClientTlsSettings {
            ca_file: Some(self.0.certificate.clone()),
            ..ClientTlsSettings::default()
        })
        .unwrap()
    }
}

impl Drop for Certificate {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0.certificate);
        let _ = std::fs::remove_file(&self.0.key);
    }
}

/// The error that ends a handshake for the client.
fn handshake_error(tls: &ClientTls, peer: &ServerTls, name: &str) -> io::Error {
    let Pair { mut reactor, mut client, mut server } = pair(&loopback());
    client.start_tls_client(tls, name).unwrap();
    server.start_tls_server(peer).unwrap();
    let mut buf = [0; 1024];
    loop {
        client.flush(b"").unwrap();
        // The server fails as well, once the client's alert has come.
        let _ = server.fill(&mut buf);
        match client.fill(&mut buf) {
            Ok(found) => assert_eq!(found, Fill::WouldBlock),
            Err(error) => return error,
        }
        wait(&mut reactor);
    }
}

#[test]
fn bytes_arrive_over_tls() {
    let certificate = Certificate::new("tls");
    let Pair { mut reactor, mut client, mut server } = pair(&loopback());
    client.start_tls_client(&certificate.trusted(), "localhost").unwrap();
    server.start_tls_server(&certificate.server()).unwrap();
    assert!(!client.is_encrypted());
    // The first bytes are given before the handshake.
    assert_eq!(carry(&mut reactor, &mut client, &mut server, b"hello"), b"hello");
    assert!(client.is_encrypted() && server.is_encrypted());
    let bytes = plenty();
    assert!(carry(&mut reactor, &mut client, &mut server, &bytes) == bytes);
    assert!(carry(&mut reactor, &mut server, &mut client, &bytes[..100_000]) == bytes[..100_000]);
    client.finish();
    while server.fill(&mut [0; 8]).unwrap() != Fill::Closed {
        wait(&mut reactor);
    }
}

#[test]
fn a_session_cut_off_is_an_error() {
    let certificate = Certificate::new("cut");
    let Pair { mut reactor, mut client, mut server } = pair(&loopback());
    client.start_tls_client(&certificate.trusted(), "localhost").unwrap();
    server.start_tls_server(&certificate.server()).unwrap();
    assert_eq!(carry(&mut reactor, &mut client, &mut server, b"hello"), b"hello");
    drop(client);
    let error = loop {
        match server.fill(&mut [0; 8]) {
            Ok(found) => assert_eq!(found, Fill::WouldBlock),
            Err(error) => break error,
        }
        wait(&mut reactor);
    };
    assert!(
        matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset),
        "{error}"
    );
}

#[test]
fn an_unknown_authority_is_refused_unless_told_otherwise() {
    let (certificate, other) = (Certificate::new("known"), Certificate::new("other"));
    let error = handshake_error(&other.trusted(), &certificate.server(), "localhost");
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);

    let anyone =
        ClientTls::new(&ClientTlsSettings { skip_verify: true, ..ClientTlsSettings::default() })
            .unwrap();
    let Pair { mut reactor, mut client, mut server } = pair(&loopback());
    client.start_tls_client(&anyone, "localhost").unwrap();
    server.start_tls_server(&certificate.server()).unwrap();
    assert_eq!(carry(&mut reactor, &mut client, &mut server, b"hello"), b"hello");
}

#[test]
fn a_certificate_for_another_host_is_refused() {
    let certificate = Certificate::new("host");
    let error = handshake_error(&certificate.trusted(), &certificate.server(), "mail.example.org");
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
}

#[test]
fn a_server_older_than_the_minimum_is_refused() {
    let certificate = Certificate::new("old");
    let outdated = crate::tls::outdated_server(&certificate.0);
    let settings = ClientTlsSettings {
        minimum: TlsVersion::Tls13,
        skip_verify: true,
        ..ClientTlsSettings::default()
    };
    let error = handshake_error(&ClientTls::new(&settings).unwrap(), &outdated, "localhost");
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);

    let Pair { mut reactor, mut client, mut server } = pair(&loopback());
    client.start_tls_client(&certificate.trusted(), "localhost").unwrap();
    server.start_tls_server(&outdated).unwrap();
    assert_eq!(carry(&mut reactor, &mut client, &mut server, b"hello"), b"hello");
}

#[test]
fn plain_bytes_are_no_handshake() {
    let certificate = Certificate::new("plain");
    let Pair { mut reactor, mut client, mut server } = pair(&loopback());
    server.start_tls_server(&certificate.server()).unwrap();
    client.flush(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let error = loop {
        match server.fill(&mut [0; 8]) {
            Ok(found) => assert_eq!(found, Fill::WouldBlock),
            Err(error) => break error,
        }
        wait(&mut reactor);
    };
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
}
