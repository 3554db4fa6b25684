//! A plain HTTP client: it sends the bytes it is given and reads one whole answer at a time.

use super::PATIENCE;
use socket2::{Domain, Socket, Type};
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;

/// A connection to the server.
pub struct Client {
    wire: Box<dyn Wire>,
    /// Bytes that came after the last answer.
    inbox: Vec<u8>,
}

impl Client {
    pub fn tcp(address: SocketAddr) -> Client {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Client { wire: Box::new(stream), inbox: Vec::new() }
    }

    /// From an address of this host: any of 127.0.0.0/8.
    pub fn tcp_from(own: IpAddr, address: SocketAddr) -> Client {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::new(own, 0).into()).unwrap();
        socket.connect(&address.into()).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.set_write_timeout(Some(PATIENCE)).unwrap();
        socket.set_tcp_nodelay(true).unwrap();
        Client { wire: Box::new(TcpStream::from(socket)), inbox: Vec::new() }
    }

    pub fn unix(path: &Path) -> Client {
        let stream = UnixStream::connect(path).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Client { wire: Box::new(stream), inbox: Vec::new() }
    }

    /// Over TLS; `name` is the host that is asked for.
    pub fn tls(address: SocketAddr, config: &Arc<rustls::ClientConfig>, name: &str) -> Client {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        let name = name.to_owned().try_into().unwrap();
        let session = rustls::ClientConnection::new(config.clone(), name).unwrap();
        Client { wire: Box::new(rustls::StreamOwned::new(session, stream)), inbox: Vec::new() }
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: &[u8]) {
        self.wire.write_all(bytes).unwrap();
    }

    /// Sends a request and reads its answer.
    pub fn ask(&mut self, request: &Request) -> Answer {
        self.send(&request.bytes());
        self.answer()
    }

    /// As [`Client::ask`]; `None`: the peer closed without an answer.
    pub fn try_ask(&mut self, request: &Request) -> Option<Answer> {
        self.wire.write_all(&request.bytes()).ok()?;
        (!self.inbox.is_empty() || self.fill()).then(|| self.answer())
    }

    /// The next answer, whole.
    pub fn answer(&mut self) -> Answer {
        let head_len = loop {
            if let Some(at) = find(&self.inbox, b"\r\n\r\n") {
                break at + 4;
            }
            assert!(
                self.fill(),
                "closed within the head of an answer: {:?}",
                String::from_utf8_lossy(&self.inbox)
            );
        };
        let head = String::from_utf8_lossy(&self.inbox[..head_len]).into_owned();
        self.inbox.drain(..head_len);
        let mut answer = Answer::parse(&head);
        match answer.header("content-length") {
            Some(length) => answer.body = self.take(length.parse().unwrap()),
            None if matches!(answer.status, 100 | 204 | 304) => {}
            None => {
                while self.fill() {}
                answer.body = std::mem::take(&mut self.inbox);
            }
        }
        answer
    }

    fn take(&mut self, count: usize) -> Vec<u8> {
        while self.inbox.len() < count {
            assert!(self.fill(), "closed within the body of an answer");
        }
        self.inbox.drain(..count).collect()
    }

    /// Reads more. False at the end.
    fn fill(&mut self) -> bool {
        let mut buffer = [0; 16 << 10];
        match self.wire.read(&mut buffer) {
            Ok(0) => false,
            Ok(count) => {
                self.inbox.extend_from_slice(&buffer[..count]);
                true
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => false,
            Err(error) => panic!("no more bytes from the server: {error}"),
        }
    }

    /// Sends no more; what was sent is still answered.
    pub fn finish_sending(&self) {
        self.wire.finish_sending();
    }

    /// Waits for the server to close, and fails if it sends anything before.
    pub fn expect_close(&mut self) {
        while self.fill() {}
        assert!(
            self.inbox.is_empty(),
            "instead of closing: {:?}",
            String::from_utf8_lossy(&self.inbox)
        );
    }
}

trait Wire: Read + Write + Send {
    fn finish_sending(&self);
}

impl Wire for TcpStream {
    fn finish_sending(&self) {
        self.shutdown(Shutdown::Write).unwrap();
    }
}

impl Wire for rustls::StreamOwned<rustls::ClientConnection, TcpStream> {
    fn finish_sending(&self) {
        self.sock.shutdown(Shutdown::Write).unwrap();
    }
}

impl Wire for UnixStream {
    fn finish_sending(&self) {
        self.shutdown(Shutdown::Write).unwrap();
    }
}

/// A request that is built up header by header.
#[derive(Clone)]
pub struct Request {
    head: Vec<u8>,
    body: Vec<u8>,
}

impl Request {
    pub fn get(path: &str) -> Request {
        Request::new("GET", path)
    }

    pub fn post(path: &str, content_type: &str, body: impl Into<Vec<u8>>) -> Request {
        let body = body.into();
        let request = Request::new("POST", path)
            .header("Content-Type", content_type)
            .header("Content-Length", body.len().to_string());
        Request { body, ..request }
    }

    fn new(method: &str, path: &str) -> Request {
        Request {
            head: format!("{method} {path} HTTP/1.1\r\nHost: test\r\n").into_bytes(),
            body: Vec::new(),
        }
    }

    /// A login at the service `header`, by IMAP.
    pub fn login(user: &str, password: impl AsRef<[u8]>) -> Request {
        Request::login_at("/api/v1/auth/header", user, password)
    }

    /// A login whose result neither comes from this process's memory nor goes there.
    pub fn uncached_login(user: &str, password: impl AsRef<[u8]>) -> Request {
        Request::login_at("/api/v1/auth/header?in-memory=0", user, password)
    }

    /// The login at another path, whose service reads headers too.
    pub fn login_at(path: &str, user: &str, password: impl AsRef<[u8]>) -> Request {
        let request = Request::get(path).header("Auth-User", user).header("Auth-Pass", password);
        request.header("Auth-Protocol", "imap").header("Client-IP", "192.0.2.1")
    }

    /// A login at the service `json`.
    pub fn json_login(user: &str, password: &str) -> Request {
        let body = serde_json::json!({ "username": user, "password": password, "protocol": "imap", "client_ip": "192.0.2.1" });
        Request::post("/api/v1/auth/json", "application/json", body.to_string())
    }

    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Request {
        self.head.extend([name.as_bytes(), b": ", value.as_ref(), b"\r\n"].concat());
        self
    }

    pub fn bytes(&self) -> Vec<u8> {
        [&self.head[..], b"\r\n", &self.body].concat()
    }
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// `HTTP/1.1 200 OK`
    pub status_line: String,
    pub status: u16,
    headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    fn parse(head: &str) -> Answer {
        let mut lines = head.split("\r\n");
        let status_line = lines.next().unwrap_or_default().to_owned();
        let status = status_line.split(' ').nth(1).and_then(|word| word.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no status line: {status_line:?}"));
        let headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()));
        Answer { status, headers: headers.collect(), status_line, body: Vec::new() }
    }

    /// The first value of a header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Where `part` begins in `bytes`.
fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}
