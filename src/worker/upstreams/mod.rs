//! Upstreams: whatever this worker asks: Redis, name servers, connections of other protocols, and
//! the threads beside the loop.
//!
//! [`Upstreams::begin`] takes an op for an ask. What is not answered at once is answered later, when
//! a socket is ready, a thread has finished or a limit has passed; such answers gather until
//! [`Upstreams::take_answers`].
//!
//! ```text
//! links.rs        lasting connections to Redis servers
//! names.rs        where their hosts are
//! connections.rs  connections that subtasks opened
//! resolver.rs     sockets to name servers
//! threads.rs      the hash thread and the helper threads
//! ```

mod connections;
mod links;
mod names;
mod resolver;
mod threads;

pub use names::look_up;

use crate::epoch::Epoch;
use crate::metrics::{Count, WorkerMetrics};
use crate::op::{Answer, AskId, Failure, Op, PoolId, RedisOp, Route};
use crate::process::Process;
use crate::reactor::{Key, Kind, Reactor, Readiness, Token, Waker};
use crate::state::KnownAccounts;
use crate::upstream::redis::Target;
use connections::Connections;
use links::Links;
use resolver::Resolver;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use threads::Threads;

/// See the module's head.
pub struct Upstreams {
    redis: Links,
    /// What need not be asked of Redis, until the links have invalidations.
    known: Arc<KnownAccounts>,
    connections: Connections,
    resolver: Resolver,
    threads: Threads,
    /// Answers that are not delivered yet, each with its ask.
    answers: Vec<(AskId, Answer)>,
    process: Arc<Process>,
}

/// What an op needs to be begun.
pub struct Context<'a> {
    pub reactor: &'a mut Reactor,
    pub scratch: &'a mut [u8],
    pub metrics: &'a WorkerMetrics,
    pub now: Instant,
}

/// What [`Upstreams::begin`] came to.
pub enum Begun {
    Answered(Answer),
    /// The answer follows; the ask must be given up at its limit.
    Limited,
    /// As `Limited`, by this connection.
    Connection(Key),
    /// The answer follows before the ask's limit has passed.
    Waiting,
    /// Nothing but time: answer at the end of this duration.
    Sleeping(Duration),
}

impl Upstreams {
    /// # Errors
    /// No thread for hashing, no randomness.
    pub fn new(
        core: Option<usize>,
        waker: Waker,
        epoch: &Epoch,
        process: Arc<Process>,
        now: Instant,
    ) -> io::Result<Upstreams> {
        let mut seed = [0; 8];
        getrandom::fill(&mut seed)?;
        let mut dns_seed = [0; 32];
        getrandom::fill(&mut dns_seed)?;
        let mut upstreams = Upstreams {
            redis: Links::new(u64::from_le_bytes(seed)),
            known: Arc::new(KnownAccounts::default()),
            connections: Connections::default(),
            resolver: Resolver::new(epoch.dns.clone(), dns_seed),
            threads: Threads::new(core, waker)?,
            answers: Vec::new(),
            process,
        };
        if let Some(target) = &epoch.redis {
            upstreams.set_redis(target.clone(), now);
        }
        Ok(upstreams)
    }

    /// The accounts that need not be asked of Redis.
    pub fn known(&self) -> Arc<KnownAccounts> {
        self.known.clone()
    }

    /// Goes by another configuration from now on.
    pub fn reload(&mut self, epoch: &Epoch, old: &Epoch, now: Instant) {
        match epoch.redis_if_changed(old) {
            Some(target) => self.set_redis(target.clone(), now),
            // Certificates may have been renewed: for connections to come.
            None => {
                let tls = epoch.redis.as_ref().and_then(|target| target.tls.clone());
                self.redis.set_tls(PoolId::DEFAULT, tls);
            }
        }
        self.resolver.configure(epoch.dns.clone());
        // Keys may have another prefix now.
        std::mem::take(&mut self.known).close();
    }

    fn set_redis(&mut self, target: Target, now: Instant) {
        let store = self.process.stores.open(DEFAULT_POOL);
        self.redis.set(PoolId::DEFAULT, target, store, now, &mut self.answers);
    }

    /// Begins an op for an ask that must be answered by `until`.
    #[inline]
    pub fn begin(&mut self, ask: AskId, op: Op, until: Instant, context: Context<'_>) -> Begun {
        let answered = |answer| Begun::Answered(answer);
        match op {
            Op::Redis(op) => {
                self.begin_redis(&op, ask, until, &context).map_or(Begun::Waiting, answered)
            }
            Op::Sleep(duration) => Begun::Sleeping(duration),
            Op::Hash(op) => match self.threads.hash(ask, until, op) {
                Ok(()) => Begun::Limited,
                Err(failure) => {
                    context.metrics.count(Count::HashesRefused);
                    answered(Answer::Failed(failure))
                }
            },
            Op::Blocking(job) => match self.threads.block(ask, until, job) {
                Ok(()) => Begun::Limited,
                Err(failure) => answered(Answer::Failed(failure)),
            },
            Op::Dns(op) => match self.resolver.recall(&op, context.now) {
                Some(answer) => answered(answer),
                None => self.resolver.ask(op, ask, context.now).map_or(Begun::Limited, answered),
            },
            Op::Connection(op) => {
                let Context { reactor, scratch, .. } = context;
                let context = connections::Context { reactor, scratch };
                self.connections.begin(op, ask, context).map_or_else(answered, Begun::Connection)
            }
            // These never leave the scheduler.
            Op::Run(_) | Op::Notified(_) | Op::All(_) => {
                answered(Answer::Failed(Failure::Unavailable("no upstream does this".into())))
            }
        }
    }

    fn begin_redis(
        &mut self,
        op: &RedisOp,
        ask: AskId,
        until: Instant,
        context: &Context<'_>,
    ) -> Option<Answer> {
        if op.pool != PoolId::DEFAULT && !self.redis.has(op.pool) {
            let target = match self.target_of(op.pool) {
                Ok(target) => target,
                Err(failure) => return Some(Answer::Failed(failure)),
            };
            let name = self.process.pools.name(op.pool);
            let name = name.unwrap_or_else(|| format!("pool {}", op.pool.0));
            let store = self.process.stores.open(&name);
            self.redis.set(op.pool, target, store, context.now, &mut self.answers);
        }
        context.metrics.count(match op.route {
            Route::Read => Count::RedisReads,
            Route::Write => Count::RedisWrites,
        });
        self.redis.ask(op, ask, until, context.now)
    }

    /// Where the Redis of a pool is that a script registered.
    fn target_of(&self, pool: PoolId) -> Result<Target, Failure> {
        let settings = self.process.pools.settings(pool);
        let settings = settings.ok_or_else(|| Failure::Unavailable("no such Redis pool".into()))?;
        crate::epoch::pool_target(&settings).map_err(Failure::Unavailable)
    }

    /// Handles readiness of one of the sockets.
    pub fn handle(&mut self, token: Token, readiness: Readiness, scratch: &mut [u8], now: Instant) {
        let answers = &mut self.answers;
        match token.kind {
            Kind::Link => self.redis.handle(token.key, readiness, scratch, now, answers),
            Kind::Upstream => {
                if let Some((ask, answer)) = self.connections.handle(token.key, readiness, scratch)
                {
                    answers.push((ask, answer));
                }
            }
            Kind::Resolver => self.resolver.handle(token.key, scratch, now, answers),
            Kind::Listener | Kind::Connection | Kind::Waker => {}
        }
    }

    /// The answers that have come, each with its ask; those of the threads included. Give the
    /// emptied buffer back to [`Upstreams::give_back`].
    pub fn take_answers(&mut self) -> Vec<(AskId, Answer)> {
        self.threads.receive(&mut self.answers);
        std::mem::take(&mut self.answers)
    }

    /// Keeps the buffer of [`Upstreams::take_answers`] for the next turn.
    pub fn give_back(&mut self, buffer: Vec<(AskId, Answer)>) {
        if self.answers.is_empty() {
            self.answers = buffer;
        }
    }

    /// Sees to timeouts, connects, and sends what was asked since the last call. Whether answers
    /// have come of it.
    pub fn flush(&mut self, reactor: &mut Reactor, now: Instant) -> bool {
        self.redis.flush(reactor, now, &mut self.answers);
        self.resolver.flush(reactor, now, &mut self.answers);
        !self.answers.is_empty()
    }

    /// Forgets accounts that Redis has told of changes of.
    pub fn forget_changed(&mut self) {
        if self.redis.take_invalidation() {
            self.known.forget();
        }
    }

    /// Hosts that are to be looked up, see [`look_up`].
    pub fn take_wanted_names(&mut self) -> Vec<String> {
        self.redis.take_wanted_names()
    }

    /// Goes on with the connections that waited for where this host is.
    pub fn name_answered(
        &mut self,
        name: &str,
        found: Result<Vec<IpAddr>, Failure>,
        reactor: &mut Reactor,
        now: Instant,
    ) {
        self.redis.name_answered(name, found, reactor, now, &mut self.answers);
    }

    /// Ends what a connection does for an ask that was given up.
    pub fn abandon(&mut self, connection: Key, ask: AskId) {
        self.connections.abandon(connection, ask);
    }

    /// Closes the connections whose handles are gone.
    pub fn close_dropped(&mut self) {
        self.connections.close_dropped();
    }

    /// When something is due without an event.
    pub fn next_timeout(&self) -> Option<Instant> {
        [self.redis.next_timeout(), self.resolver.next_timeout()].into_iter().flatten().min()
    }

    /// How many connections subtasks have open.
    pub fn connections(&self) -> usize {
        self.connections.len()
    }

    /// Tells the rest of the process how the Redis pools are doing.
    pub fn publish(&self) {
        self.redis.publish();
    }
}

/// What metrics and `/healthz` call the server's own Redis.
const DEFAULT_POOL: &str = "default";
