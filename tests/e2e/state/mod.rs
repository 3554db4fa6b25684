//! The domain's state behaves the same wherever it is.
//!
//! One suite, played against every kind of store: [`suite`] makes each of its functions a test per kind. A [`Subject`] is a store with
//! somebody who answers its ops; a further kind (Sentinel, Cluster) is a further constructor and a line in `suite!`.

mod accounts;
mod brute_force;
mod outage;

use crate::support::redis::Redis;
use loligo::op::{self, Answer, Failure, Op, Ops, PoolId, RedisOp, Route};
use loligo::proto::resp::{Commands, Decoder};
use loligo::state::{RedisStore, Store};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A store under test.
pub struct Subject {
    pub store: Store,
    /// Answers what the store asks.
    carry: Box<dyn FnMut(Op) -> Answer>,
    /// The clock of the ops, which a test may put forward where the store has no other.
    now: Instant,
    /// What must go on running meanwhile.
    server: Option<Redis>,
}

impl Subject {
    pub fn memory() -> Subject {
        let carry = Box::new(|op| panic!("the memory store asks nobody: {op:?}"));
        Subject { store: Store::Memory(Arc::default()), carry, now: Instant::now(), server: None }
    }

    pub fn redis() -> Subject {
        let mut subject = Subject::answering(|_| Answer::Failed(Failure::Closed("redis".into())));
        subject.server = Some(Redis::start());
        subject.reconnect();
        subject
    }

    /// A Redis that answers as it is told here.
    pub fn answering(carry: impl FnMut(Op) -> Answer + 'static) -> Subject {
        let store = Store::Redis(RedisStore::new("nt_", Duration::from_secs(5), Duration::from_secs(5), Duration::ZERO, Arc::default()));
        Subject { store, carry: Box::new(carry), now: Instant::now(), server: None }
    }

    /// From now on Redis is away; what it holds stays.
    pub fn cut_off(&mut self) {
        self.carry = Box::new(|_| Answer::Failed(Failure::Closed("redis".into())));
    }

    pub fn reconnect(&mut self) {
        let mut connection = Connection::open(self.server.as_ref().unwrap());
        self.carry = Box::new(move |op| connection.answer(op));
    }

    /// Sends a command to Redis beside the store.
    pub fn command(&mut self, words: &[&str]) {
        let words: Vec<_> = words.iter().map(|word| word.as_bytes()).collect();
        let op = RedisOp { pool: PoolId::DEFAULT, route: Route::Write, commands: Commands::one(&words) };
        assert!(matches!((self.carry)(Op::Redis(op)), Answer::Reply(reply) if reply.as_error().is_none()));
    }

    /// Lets time go by: on the ops' clock, and where a store looks at the real one, there.
    pub fn pass(&mut self, time: Duration) {
        self.now += time;
        if self.server.is_some() {
            let until = Instant::now() + time;
            crate::support::until("the time to pass", || (Instant::now() >= until).then_some(()));
        }
    }

    /// Runs something that asks the store.
    pub fn run<T>(&mut self, task: impl AsyncFnOnce(&Store, &Ops) -> T) -> T {
        let (ops, driver) = op::slot(self.now, self.now + Duration::from_secs(60));
        op::drive(task(&self.store, &ops), &driver, &mut self.carry)
    }
}

/// A plain connection to a Redis, which knows one op.
pub struct Connection {
    stream: TcpStream,
    decoder: Decoder,
}

impl Connection {
    pub fn open(server: &Redis) -> Connection {
        let stream = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
        stream.set_read_timeout(Some(crate::support::PATIENCE)).unwrap();
        Connection { stream, decoder: Decoder::default() }
    }

    pub fn answer(&mut self, op: Op) -> Answer {
        let Op::Redis(op) = op else { panic!("a store asks Redis: {op:?}") };
        if self.stream.write_all(op.commands.bytes()).is_err() {
            return Answer::Failed(Failure::Closed("redis".into()));
        }
        let mut replies = Vec::new();
        let mut buffer = [0; 4096];
        while replies.len() < op.commands.count() {
            let count = self.stream.read(&mut buffer).unwrap();
            let mut input = &buffer[..count];
            while let Some(reply) = self.decoder.next_reply(&mut input).unwrap() {
                replies.push(reply);
            }
        }
        if replies.len() == 1 { Answer::Reply(replies.remove(0)) } else { Answer::Replies(replies) }
    }
}

/// Makes each function of a list a test against every kind of store.
macro_rules! suite {
    ($($name:ident),* $(,)?) => {
        mod memory {
            $(#[test] fn $name() { super::$name(&mut super::Subject::memory()); })*
        }
        mod redis {
            $(#[test] fn $name() { super::$name(&mut super::Subject::redis()); })*
        }
    };
}
use suite;
