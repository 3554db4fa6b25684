//! A name server with vices: it knows some names, over UDP and TCP, and answers as the test wants
//! it to.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::{Arc, Mutex};

/// How it behaves; the test may change that at any time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    Honest,
    /// Hears and says nothing.
    Silent,
    /// SERVFAIL.
    Failing,
    /// Says over UDP that the answer is too long for it.
    Truncating,
    /// Says the opposite of the truth under another id first, then the truth.
    LyingOnce,
    /// Over UDP it says only the opposite of the truth, under ids that were not asked.
    LyingAlways,
}

/// Ends with the test's process; what it listens on is nobody else's.
pub struct NameServer {
    address: SocketAddr,
    manner: Arc<Mutex<Manner>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl NameServer {
    /// Knows the A records of these names; no other name exists.
    pub fn start(records: &'static [(&'static str, [u8; 4])]) -> NameServer {
        let (udp, tcp) = listen();
        let address = udp.local_addr().unwrap();
        let (manner, asked) =
            (Arc::new(Mutex::new(Manner::Honest)), Arc::new(Mutex::new(Vec::new())));
        let server = NameServer { address, manner: manner.clone(), asked: asked.clone() };
        let of_tcp = manner.clone();
        std::thread::spawn(move || serve_udp(&udp, records, &manner, &asked));
        std::thread::spawn(move || serve_tcp(&tcp, records, &of_tcp));
        server
    }

    pub fn address(&self) -> String {
        self.address.to_string()
    }

    pub fn turn(&self, manner: Manner) {
        *self.manner.lock().unwrap() = manner;
    }

    /// The names asked for over UDP since the last call.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

/// The same port for both.
fn listen() -> (UdpSocket, TcpListener) {
    loop {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        if let Ok(udp) = UdpSocket::bind(tcp.local_addr().unwrap()) {
            return (udp, tcp);
        }
    }
}

fn serve_udp(
    socket: &UdpSocket,
    records: &[(&str, [u8; 4])],
    manner: &Mutex<Manner>,
    asked: &Mutex<Vec<String>>,
) {
    let mut buffer = [0; 512];
    while let Ok((count, peer)) = socket.recv_from(&mut buffer) {
        let query = &buffer[..count];
        asked.lock().unwrap().push(name_of(query));
        let truth = reply(query, find(records, query), NO_ERROR);
        let mut lie = reply(query, find(records, query).xor(Some([127, 0, 0, 2])), NO_ERROR);
        lie[0] ^= 1;
        let replies = match *manner.lock().unwrap() {
            Manner::Honest => vec![truth],
            Manner::Silent => vec![],
            Manner::Failing => vec![reply(query, None, SERVFAIL)],
            Manner::Truncating => vec![reply(query, None, TRUNCATED)],
            Manner::LyingOnce => vec![lie, truth],
            Manner::LyingAlways => vec![lie; 50],
        };
        for bytes in replies {
            // A resolver that has heard enough has closed its port.
            let _ = socket.send_to(&bytes, peer);
        }
    }
}

fn serve_tcp(listener: &TcpListener, records: &[(&str, [u8; 4])], manner: &Mutex<Manner>) {
    for stream in listener.incoming() {
        let Ok(mut stream) = stream else { continue };
        let mut length = [0; 2];
        if stream.read_exact(&mut length).is_err() {
            continue;
        }
        let mut query = vec![0; usize::from(u16::from_be_bytes(length))];
        if stream.read_exact(&mut query).is_err() || *manner.lock().unwrap() == Manner::Silent {
            continue;
        }
        let bytes = reply(&query, find(records, &query), NO_ERROR);
        let length = u16::try_from(bytes.len()).unwrap().to_be_bytes();
        // In two pieces: the reader must not count on getting it whole.
        let _ = stream
            .write_all(&length)
            .and_then(|()| stream.flush())
            .and_then(|()| stream.write_all(&bytes));
    }
}

fn find(records: &[(&str, [u8; 4])], query: &[u8]) -> Option<[u8; 4]> {
    let name = name_of(query);
    records.iter().find(|(known, _)| *known == name).map(|(_, address)| *address)
}

/// The name that a query asks for, without a final dot.
fn name_of(query: &[u8]) -> String {
    let (mut labels, mut rest) = (Vec::new(), &query[12..]);
    while let Some((length, tail)) = rest.split_first().filter(|(length, _)| **length > 0) {
        labels.push(String::from_utf8_lossy(&tail[..usize::from(*length)]).to_lowercase());
        rest = &tail[usize::from(*length)..];
    }
    labels.join(".")
}

/// A reply that quotes the question; without an address and with [`NO_ERROR`] the name does not
/// exist.
fn reply(query: &[u8], address: Option<[u8; 4]>, flags: u16) -> Vec<u8> {
    let end = 12 + query[12..].iter().position(|byte| *byte == 0).unwrap() + 5;
    let flags = if address.is_none() && flags == NO_ERROR { NXDOMAIN } else { flags };
    let mut reply = query[..2].to_vec();
    reply.extend(flags.to_be_bytes());
    reply.extend([0, 1, 0, u8::from(address.is_some()), 0, 0, 0, 0]);
    reply.extend(&query[12..end]);
    if let Some(address) = address {
        reply.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
        reply.extend(address);
    }
    reply
}

const NO_ERROR: u16 = 0x8180;
const SERVFAIL: u16 = 0x8182;
const NXDOMAIN: u16 = 0x8183;
const TRUNCATED: u16 = 0x8380;
