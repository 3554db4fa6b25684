//! A web service of the tests' own: it answers every request as it was last told, and keeps what it
//! was asked.

use super::{PATIENCE, until};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// Ends when it is dropped, or stopped.
pub struct WebStub {
    address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
    thread: Option<JoinHandle<()>>,
}

/// A request that came.
#[derive(Clone, Debug)]
pub struct Asked {
    /// `POST /path`
    pub line: String,
    /// Names in lower case.
    headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Asked {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

#[derive(Default)]
struct Shared {
    status: u16,
    body: String,
    asked: Vec<Asked>,
    is_stopped: bool,
}

impl WebStub {
    /// One that answers this from now on.
    pub fn answering(status: u16, body: impl ToString) -> WebStub {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared =
            Arc::new(Mutex::new(Shared { status, body: body.to_string(), ..Shared::default() }));
        let thread = std::thread::spawn({
            let shared = shared.clone();
            move || serve(&listener, &shared)
        });
        WebStub { address, shared, thread: Some(thread) }
    }

    /// What it answers from now on.
    pub fn answer(&self, status: u16, body: impl ToString) {
        let mut shared = lock(&self.shared);
        (shared.status, shared.body) = (status, body.to_string());
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// `HOST:PORT`
    pub fn endpoint(&self) -> String {
        self.address.to_string()
    }

    /// The requests so far, the oldest first.
    pub fn asked(&self) -> Vec<Asked> {
        lock(&self.shared).asked.clone()
    }

    /// Waits until somebody has asked, and returns the last request.
    pub fn last_asked(&self) -> Asked {
        until("a request to the stub", || self.asked().pop())
    }

    /// From now on nobody listens there.
    pub fn stop(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        lock(&self.shared).is_stopped = true;
        // Wakes it. That fails only if it is gone already.
        let _ = TcpStream::connect(self.address);
        let _ = thread.join();
    }
}

impl Drop for WebStub {
    fn drop(&mut self) {
        self.stop();
    }
}

/// One connection after the other, one request on each. A client that goes away meanwhile is its
/// own affair.
fn serve(listener: &TcpListener, shared: &Mutex<Shared>) {
    for stream in listener.incoming() {
        if lock(shared).is_stopped {
            return;
        }
        let _ = stream.and_then(|stream| exchange(stream, shared));
    }
}

fn exchange(mut stream: TcpStream, shared: &Mutex<Shared>) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let line = lines
        .first()
        .and_then(|line| line.strip_suffix(" HTTP/1.1"))
        .unwrap_or_default()
        .to_owned();
    let headers = lines
        .iter()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()));
    let mut asked = Asked { line, headers: headers.collect(), body: Vec::new() };
    let length = asked.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    asked.body.resize(length, 0);
    reader.read_exact(&mut asked.body)?;

    let (status, body) = {
        let mut shared = lock(shared);
        shared.asked.push(asked);
        (shared.status, shared.body.clone())
    };
    write!(
        stream,
        "HTTP/1.1 {status} Stubbed\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
