//! The server's own pool of Redis links over blocking sockets: what a worker does with them, for
//! one op at a time.

use crate::support::{PATIENCE, until_at_once};
use loligo::op::{Answer, AskId, Op};
use loligo::upstream::redis::{Layout, Plan, Pool, Settings};
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

pub struct Carrier {
    pool: Pool,
    /// By place in the pool.
    sockets: Vec<Option<TcpStream>>,
}

impl Carrier {
    pub fn new(layout: Layout) -> Carrier {
        let plan = Plan { layout, settings: Settings::new("") };
        Carrier { pool: Pool::new(plan, 1, Instant::now()), sockets: Vec::new() }
    }

    pub fn answer(&mut self, op: &Op) -> Answer {
        let Op::Redis(op) = op else { panic!("a store asks Redis: {op:?}") };
        let now = Instant::now();
        if let Some(answer) = self.pool.ask(op, AskId(7), now + PATIENCE, now) {
            return answer;
        }
        let mut answers = Vec::new();
        until_at_once("an answer", || {
            self.turn(&mut answers);
            answers.pop().map(|(_, answer)| answer)
        })
    }

    fn turn(&mut self, out: &mut Vec<(AskId, Answer)>) {
        let now = Instant::now();
        self.pool.turn(now, out);
        self.sockets.resize_with(self.pool.places(), || None);
        for place in 0..self.pool.places() {
            if let Err(error) = self.drive(place, now, out) {
                self.sockets[place] = None;
                self.pool.handle_closed(place, Some(&error), now, out);
            }
        }
    }

    /// Connects, sends, and takes what comes, whatever the link at a place is up to.
    fn drive(
        &mut self,
        place: usize,
        now: Instant,
        out: &mut Vec<(AskId, Answer)>,
    ) -> io::Result<()> {
        let socket = &mut self.sockets[place];
        let Some(node) = self.pool.node_mut(place) else {
            *socket = None;
            return Ok(());
        };
        if node.link.wants_connection(now)
            && let Some(address) = node.address().map(str::to_owned)
        {
            node.link.handle_connecting(now);
            let stream = TcpStream::connect(address)?;
            stream.set_read_timeout(Some(LOOK))?;
            node.link.handle_connected(now);
            *socket = Some(stream);
        } else if node.link.is_disconnected() {
            *socket = None;
        }
        let Some(stream) = socket else { return Ok(()) };
        let bytes = node.link.transmit();
        if !bytes.is_empty() {
            let count = stream.write(bytes)?;
            node.link.transmitted(count);
        }
        if node.link.is_ready() && node.link.waiting() == 0 {
            return Ok(());
        }
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => self.pool.handle_bytes(place, &buffer[..count], now, out),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// How long to look at one socket before the next.
const LOOK: Duration = Duration::from_millis(1);
