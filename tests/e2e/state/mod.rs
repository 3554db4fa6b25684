//! The domain's state behaves the same wherever it is.
//!
//! One suite of behaviours, played against every kind of store: this process, one Redis, a set
//! behind sentinels with reads at its replica, a cluster of three masters. Each kind is one test,
//! whose servers all behaviours share; each behaviour has keys of its own.

mod accounts;
mod bans;
mod brute_force;
mod cached;
mod carrier;
mod login_counts;
mod outage;
mod processes;
mod round_trips;

use crate::support::redis::{Cluster, Redis, Sentinels};
use carrier::Carrier;
use loligo::op::{self, Answer, Failure, Op, Ops, PoolId, RedisOp, Route};
use loligo::proto::resp::Commands;
use loligo::state::{RedisStore, Store};
use loligo::upstream::redis::{Layout, Serve};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

#[test]
fn in_this_process() {
    play(|_| Subject::memory());
}

#[test]
fn on_one_redis() {
    let redis = Redis::start();
    play(|prefix| Subject::at(direct(&redis), prefix));
}

#[test]
fn behind_sentinels() {
    let master = Rc::new(Redis::start());
    let replica = Rc::new(Redis::replica_of(&master, &[]));
    let sentinels = Sentinels::watch(&master, "of-the-sentinels");
    let layout = Layout::Sentinel {
        sentinels: sentinels.addresses(),
        name: "set".into(),
        username: String::new(),
        password: "of-the-sentinels".into(),
        serve: Serve::MasterAndReplicas,
    };
    play(|prefix| {
        let (master, replica) = (master.clone(), replica.clone());
        // What is written is seen by readers a little later; the suite wants to see it.
        Subject::at(layout.clone(), prefix).after_writes(move || replica.catch_up_with(&master))
    });
    assert!(replica.calls("hget") > 0, "the replica was read from");
}

#[test]
fn on_a_cluster() {
    let cluster = Cluster::start();
    let layout =
        Layout::Cluster { seeds: cluster.addresses(), reads_at_replicas: false, redirects_max: 3 };
    play(|prefix| Subject::at(layout.clone(), prefix));
    for node in &cluster.0 {
        assert!(node.ask::<u64>("DBSIZE") > 0, "all three hold some of the keys");
    }
}

/// Plays the whole suite, and fails with the names of the behaviours that do not hold.
fn play(subject: impl Fn(&str) -> Subject) {
    let suite = [
        accounts::BEHAVIOURS,
        bans::BEHAVIOURS,
        brute_force::BEHAVIOURS,
        cached::BEHAVIOURS,
        login_counts::BEHAVIOURS,
    ];
    let fails = |(number, (_, behaviour)): &(usize, &Behaviour)| {
        let mut subject = subject(&format!("nt{number}_"));
        // What it panics with is on the way out already.
        catch_unwind(AssertUnwindSafe(|| behaviour(&mut subject))).is_err()
    };
    let failed: Vec<&str> =
        suite.into_iter().flatten().enumerate().filter(fails).map(|(_, (name, _))| *name).collect();
    assert!(failed.is_empty(), "{failed:?}");
}

/// What holds of every store, and its name.
type Behaviour = (&'static str, fn(&mut Subject));

/// Names functions that are behaviours.
macro_rules! behaviours {
    ($($name:ident),* $(,)?) => {
        pub const BEHAVIOURS: &[super::Behaviour] = &[$((stringify!($name), $name)),*];
    };
}
use behaviours;

/// A store under test.
pub struct Subject {
    pub store: Store,
    /// In front of every key; empty for the process's own store, which has no keys to show.
    pub prefix: String,
    /// Answers what the store asks.
    carry: Box<dyn FnMut(Op) -> Answer>,
    after_writes: Box<dyn Fn()>,
    /// The clock of the ops, which a test may put forward where the store has no other.
    now: Instant,
    has_own_clock: bool,
}

impl Subject {
    pub fn memory() -> Subject {
        let carry = |op| panic!("the memory store asks nobody: {op:?}");
        Subject {
            store: Store::Memory(Arc::default()),
            prefix: String::new(),
            has_own_clock: false,
            ..Subject::answering(carry)
        }
    }

    /// The store in the servers of `layout`.
    pub fn at(layout: Layout, prefix: &str) -> Subject {
        let mut subject = Subject {
            has_own_clock: true,
            ..Subject::with(prefix, |op| panic!("not connected: {op:?}"))
        };
        subject.connect(layout);
        subject
    }

    /// A Redis that answers as it is told here.
    pub fn answering(carry: impl FnMut(Op) -> Answer + 'static) -> Subject {
        Subject::with("nt_", carry)
    }

    fn with(prefix: &str, carry: impl FnMut(Op) -> Answer + 'static) -> Subject {
        let store = RedisStore::new(
            prefix,
            Duration::from_secs(5),
            Duration::from_secs(5),
            Duration::ZERO,
            Arc::default(),
        );
        Subject {
            store: Store::Redis(store),
            prefix: prefix.to_owned(),
            carry: Box::new(carry),
            after_writes: Box::new(|| ()),
            now: Instant::now(),
            has_own_clock: false,
        }
    }

    /// Has something done after each write.
    pub fn after_writes(self, what: impl Fn() + 'static) -> Subject {
        Subject { after_writes: Box::new(what), ..self }
    }

    /// From now on Redis is away; what it holds stays.
    pub fn cut_off(&mut self) {
        self.carry = Box::new(|_| Answer::Failed(Failure::Closed("redis".into())));
    }

    pub fn connect(&mut self, layout: Layout) {
        let mut carrier = Carrier::new(layout);
        self.carry = Box::new(move |op| carrier.answer(&op));
    }

    /// Sends a command to Redis beside the store.
    pub fn command(&mut self, words: &[&str]) {
        let words: Vec<_> = words.iter().map(|word| word.as_bytes()).collect();
        let op =
            RedisOp { pool: PoolId::DEFAULT, route: Route::Write, commands: Commands::one(&words) };
        assert!(
            matches!((self.carry)(Op::Redis(op)), Answer::Reply(reply) if reply.as_error().is_none())
        );
    }

    /// Lets time go by: on the ops' clock, and where a store looks at the real one, there.
    pub fn pass(&mut self, time: Duration) {
        self.now += time;
        if self.has_own_clock {
            let until = Instant::now() + time;
            crate::support::until("the time to pass", || (Instant::now() >= until).then_some(()));
        }
    }

    /// Runs something that asks the store.
    pub fn run<T>(&mut self, task: impl AsyncFnOnce(&Store, &Ops) -> T) -> T {
        let (ops, driver) = op::slot(self.now, self.now + Duration::from_secs(60));
        op::drive(task(&self.store, &ops), &driver, |op| {
            let writes = matches!(&op, Op::Redis(op) if op.route == Route::Write);
            let answer = (self.carry)(op);
            if writes {
                (self.after_writes)();
            }
            answer
        })
    }
}

/// A key that a store names, without the prefix.
pub fn bare(key: &[u8], prefix: &str) -> String {
    let key = String::from_utf8(key.to_vec()).unwrap();
    key.strip_prefix(prefix)
        .unwrap_or_else(|| panic!("{key} does not begin with {prefix}"))
        .to_owned()
}

/// One Redis, without replicas.
pub fn direct(redis: &Redis) -> Layout {
    Layout::Direct { master: redis.address(), replicas: Vec::new() }
}
