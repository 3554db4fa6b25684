//! For tests: a pool against scripted servers, on a scripted clock.

use super::{Layout, Plan, Pool, Protocol, Settings};
use crate::op::{Answer, AskId, Failure, PoolId, RedisOp, Route};
use crate::proto::resp::{Commands, Decoder, Reply, View};
use std::collections::BTreeMap;
use std::io;
use std::time::{Duration, Instant};

pub const MILLI: Duration = Duration::from_millis(1);
pub const SECOND: Duration = Duration::from_secs(1);

/// What the servers do: an address and a command's words in, a reply out; None closes the
/// connection. CONNECT comes first: None refuses. PING is answered by itself.
pub trait Servers: FnMut(&str, &[&str]) -> Option<Reply> {}
impl<F: FnMut(&str, &[&str]) -> Option<Reply>> Servers for F {}

pub struct Bench {
    pub pool: Pool,
    pub now: Instant,
    pub out: Vec<(AskId, Answer)>,
    wires: BTreeMap<usize, Wire>,
    /// Replies stay where they are until they are delivered.
    pub holds: bool,
}

struct Wire {
    address: String,
    hearing: Decoder,
    saying: Vec<u8>,
}

impl Bench {
    pub fn new(layout: Layout) -> Bench {
        let now = Instant::now();
        let settings = Settings { protocol: Protocol::Resp2, asks_max: 100, ..Settings::new("") };
        let pool = Pool::new(Plan { layout, settings }, 7, now);
        Bench { pool, now, out: Vec::new(), wires: BTreeMap::new(), holds: false }
    }

    /// Lets everything happen that can happen now.
    pub fn run(&mut self, mut servers: impl Servers) {
        for _ in 0..1000 {
            self.pool.turn(self.now, &mut self.out);
            let moved = (0..self.pool.places())
                .fold(false, |moved, place| self.drive(place, &mut servers) | moved);
            if !moved {
                return;
            }
        }
        panic!("it never comes to rest");
    }

    /// Time passes up to each timeout of the pool in turn, `time` in all.
    pub fn pass(&mut self, time: Duration, mut servers: impl Servers) {
        let end = self.now + time;
        for _ in 0..10_000 {
            self.run(&mut servers);
            // The wheel of a real loop is no finer.
            let next = self.pool.next_timeout().map_or(end, |at| at.max(self.now + MILLI));
            if self.now >= end {
                return;
            }
            self.now = next.min(end);
        }
        panic!("the clock stands still");
    }

    pub fn ask(&mut self, who: u64, route: Route, commands: Commands) {
        self.ask_within(who, route, commands, SECOND);
    }

    pub fn ask_within(&mut self, who: u64, route: Route, commands: Commands, time: Duration) {
        let op = RedisOp { pool: PoolId::DEFAULT, route, commands };
        let answer = self.pool.ask(&op, AskId(who), self.now + time, self.now);
        self.out.extend(answer.map(|answer| (AskId(who), answer)));
    }

    pub fn write(&mut self, who: u64, command: &str) {
        self.ask(who, Route::Write, commands(command));
    }

    pub fn read(&mut self, who: u64, command: &str) {
        self.ask(who, Route::Read, commands(command));
    }

    /// The answers since the last look, as text, by asker.
    pub fn answers(&mut self) -> Vec<(u64, String)> {
        let mut answers: Vec<_> = std::mem::take(&mut self.out)
            .into_iter()
            .map(|(AskId(who), answer)| (who, shown(&answer)))
            .collect();
        answers.sort();
        answers
    }

    /// So many bytes of what a server has said arrive.
    pub fn deliver(&mut self, place: usize, count: usize) {
        let Some(wire) = self.wires.get_mut(&place) else { return };
        let bytes: Vec<u8> = wire.saying.drain(..count.min(wire.saying.len())).collect();
        self.pool.handle_bytes(place, &bytes, self.now, &mut self.out);
    }

    /// Whether anything that was said is still on its way.
    pub fn is_delivered(&self) -> bool {
        self.wires.values().all(|wire| wire.saying.is_empty())
    }

    /// The servers that there are connections to.
    pub fn connected(&self) -> Vec<&str> {
        let mut all: Vec<&str> = self.wires.values().map(|wire| wire.address.as_str()).collect();
        all.sort_unstable();
        all
    }

    /// The connection to a server breaks.
    pub fn cut(&mut self, address: &str) {
        let place =
            self.wires.iter().find(|(_, wire)| wire.address == address).map(|(place, _)| *place);
        if let Some(place) = place {
            self.wires.remove(&place);
            self.pool.handle_closed(place, None, self.now, &mut self.out);
        }
    }

    fn drive(&mut self, place: usize, servers: &mut impl Servers) -> bool {
        let Some(node) = self.pool.node_mut(place) else {
            self.wires.remove(&place);
            return false;
        };
        let address = node.address().unwrap_or_default().to_owned();
        if node.link.wants_connection(self.now) && !address.is_empty() {
            self.wires.remove(&place);
            node.link.handle_connecting(self.now);
            if servers(&address, &["CONNECT"]).is_some() {
                node.link.handle_connected(self.now);
                self.wires.insert(
                    place,
                    Wire { address, hearing: Decoder::default(), saying: Vec::new() },
                );
            } else {
                let error = io::Error::from_raw_os_error(libc::ECONNREFUSED);
                self.pool.handle_closed(place, Some(&error), self.now, &mut self.out);
            }
            return true;
        }
        if node.link.is_disconnected() {
            self.wires.remove(&place);
        }
        let Some(wire) = self.wires.get_mut(&place) else { return false };
        let bytes = node.link.transmit().to_vec();
        node.link.transmitted(bytes.len());
        let moved = !bytes.is_empty();
        wire.hearing.feed(&bytes);
        let mut closes = false;
        while let (false, Some(command)) = (closes, wire.hearing.poll_reply().unwrap()) {
            let words: Vec<String> = command
                .view()
                .items()
                .unwrap()
                .map(|word| String::from_utf8_lossy(word.as_bytes().unwrap()).into_owned())
                .collect();
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let reply = if words == ["PING"] {
                Some(Reply::simple("PONG"))
            } else {
                servers(&wire.address, &words)
            };
            match reply {
                Some(reply) => wire.saying.extend_from_slice(reply.frame()),
                None => closes = true,
            }
        }
        if self.holds && node.link.is_ready() {
            return moved;
        }
        let said = std::mem::take(&mut wire.saying);
        self.pool.handle_bytes(place, &said, self.now, &mut self.out);
        if closes {
            self.wires.remove(&place);
            self.pool.handle_closed(place, None, self.now, &mut self.out);
        }
        moved || closes || !said.is_empty()
    }
}

/// Commands separated by `;`, words by blanks.
pub fn commands(text: &str) -> Commands {
    let mut commands = Commands::default();
    for command in text.split(';') {
        commands.push(&command.split_whitespace().map(str::as_bytes).collect::<Vec<_>>());
    }
    commands
}

pub fn shown(answer: &Answer) -> String {
    match answer {
        Answer::Reply(reply) => content(reply.view()),
        Answer::Replies(replies) => {
            replies.iter().map(|reply| content(reply.view())).collect::<Vec<_>>().join(";")
        }
        Answer::Failed(Failure::NotServing(text)) => format!("!!{text}"),
        Answer::Failed(failure) => format!("!{failure}"),
        other => panic!("no answer of Redis: {other:?}"),
    }
}

fn content(view: View<'_>) -> String {
    match view {
        View::Nil => "nil".to_owned(),
        View::Int(number) => number.to_string(),
        View::Error(text) => format!("-{}", String::from_utf8_lossy(text)),
        View::Array(items) => format!("[{}]", items.map(content).collect::<Vec<_>>().join(" ")),
        view => String::from_utf8_lossy(view.as_bytes().unwrap()).into_owned(),
    }
}

pub fn answered(list: &[(u64, &str)]) -> Vec<(u64, String)> {
    list.iter().map(|(who, text)| (*who, (*text).to_owned())).collect()
}
