//! The worker: one thread, one core, one loop. Everything a request needs is a field of it; nothing
//! is shared with other workers on the request path.
//!
//! [`Worker::turn`] is the loop's body. `connections` drives clients, `tasks` what requests run as,
//! `exchange` what a request becomes and how its answer is made, `dispatch` hands ops to links and
//! answers back, `links` owns the sockets to Redis, `resolver` those to name servers. The
//! background worker is the same code with a mailbox and without listeners. Rules: ARCHITECTURE.md;
//! limits at the end of this file.

mod callers;
mod channels;
mod connection;
mod connections;
mod dispatch;
mod exchange;
mod exports;
mod handshakes;
mod links;
mod logging;
mod names;
mod resolver;
mod standing;
mod tasks;

pub use exchange::Local;
pub use standing::LAST_SAVE_MAX;

use crate::auth::login::Login;
use crate::auth::request::Request;
use crate::auth::session::SessionIds;
use crate::config::Finding;
use crate::epoch::Epoch;
use crate::log::{Level, Log};
use crate::metrics::{Gauge, LabelId, TimeBy, WorkerMetrics};
use crate::op::{Answer, Failure, PoolId, Woken, Worked};
use crate::process::permits::Permits;
use crate::process::{Message, Process};
use crate::reactor::{
    Key, Kind, Listener, Mailbox, Reactor, Sender, Slots, Timers, Waker, mailbox,
};
use crate::script::services::Services;
use crate::script::{Host, SetupError, State};
use crate::state::KnownAccounts;
use crate::time::{HttpDate, Now};
use crate::trace::exporter::Exporter;
use crate::upstream::hash::HashThread;
use crate::upstream::ldap::Ldap;
use crate::upstream::threads::{self, HelperThreads};
use channels::Channels;
use connection::Connection;
use exchange::Job;
use handshakes::Handshakes;
use links::Links;
use resolver::Resolver;
use standing::Notices;
use std::collections::VecDeque;
use std::io;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};
use tasks::{Asks, Task};

/// What a worker is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Requests of clients.
    Serving,
    /// What nobody waits for: post actions, init scripts, periodic tasks.
    Background,
}

/// What a worker is started with.
pub struct Start {
    pub role: Role,
    /// Of workers that serve requests.
    pub workers: usize,
    pub name: String,
    pub core: Option<usize>,
    pub listeners: Vec<Listener>,
    pub process: Arc<Process>,
    pub epoch: Arc<Epoch>,
}

/// Why a worker could not start or had to end.
#[derive(Debug, thiserror::Error)]
pub enum Fatal {
    #[error("cannot start a worker: {0}")]
    Io(#[from] io::Error),
    #[error(transparent)]
    Setup(#[from] SetupError),
}

pub struct Worker {
    reactor: Reactor,
    timers: Timers<Timer>,
    now: Now,
    scratch: Box<[u8]>,
    listeners: Vec<Listener>,
    connections: Slots<Connection>,
    /// Bytes that all connections keep of requests that are not whole yet.
    unfinished: usize,
    /// Connections with bytes left to look at: the bound per turn was reached, or their answer is
    /// out.
    again: VecDeque<Key>,
    /// TLS handshakes that can go on.
    handshakes: Handshakes,
    /// Connections whose answers leave at the end of this turn.
    answered: Vec<Key>,
    tasks: Slots<Task>,
    asks: Asks,
    /// Tasks whose answer has come.
    runnable: VecDeque<Key>,
    links: Links,
    /// What need not be asked of Redis, until the links have news.
    known: Arc<KnownAccounts>,
    channels: Channels,
    /// Asks that were notified.
    rung: Woken,
    /// How many of the tasks are procedures.
    procedures: usize,
    /// Tasks that the background worker has for as long as a configuration is in force; counted
    /// among the procedures.
    standing: Vec<Key>,
    resolver: Resolver,
    /// What standing tasks have to say to the log.
    notices: Notices,
    /// How many of the tasks look up hosts of upstreams; counted among the procedures, too.
    lookups: usize,
    /// Answers of links, between link and task.
    answers: Vec<(u64, Answer)>,
    hash: HashThread,
    helpers: HelperThreads,
    /// What the threads beside the loop have answered.
    companions: Mailbox<(u64, Companion)>,
    mailbox: Mailbox<Message>,
    /// For requests of clients.
    permits: Permits,
    local: Rc<Local>,
    /// The Lua state that was last replaced, as long as requests keep it.
    replaced: Weak<State>,
    process: Arc<Process>,
    role: Role,
    log: Log,
    metrics: Rc<WorkerMetrics>,
    sessions: SessionIds,
    date: HttpDate,
    /// Post actions were queued in this turn: wake the background worker at its end.
    woke_background: bool,
    /// Jobs that wait until fewer are under way (background).
    waiting: VecDeque<Box<Login>>,
    /// Spans of all workers; the background worker's.
    exporter: Exporter,
    drain_asked: bool,
    draining: bool,
    /// A timer for [`Worker::accept_all`] is set.
    accepts_again: bool,
    out_of_files_logged: Option<Instant>,
    init_done: Option<mpsc::Sender<()>>,
}

/// What a timer is about; its key may have gone stale.
enum Timer {
    Connection(Key),
    /// A connection is busy for longer than most: watch it.
    Watch(Key),
    /// The ask has slept long enough.
    Slept(Key),
    /// The ask's time is over.
    TimedOut(Key),
    /// Try to accept again after running out of file descriptors.
    Accept,
}

impl Worker {
    /// Makes a worker on its own thread; the sender is its mailbox.
    ///
    /// # Errors
    /// No file descriptors, no thread for hashing, no randomness; or a script that does not
    /// compile.
    pub fn new(start: Start) -> Result<(Worker, Sender<Message>), Fatal> {
        let Start { role, workers, name, core, listeners, process, epoch } = start;
        let now = Now::read();
        let mut reactor = Reactor::new()?;
        let (sender, inbox) = mailbox(MAILBOX_MAX, reactor.waker());
        let (hash, helpers, companions) = companions(core, reactor.waker())?;
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(io::Error::from)?;
        let metrics = Rc::new(process.metrics.worker(&name));
        let host = host(&epoch, &process, &metrics)?;
        let known = Arc::new(KnownAccounts::default());
        let local = Rc::new(Local::new(epoch, host, process.clone(), known.clone()));
        let link_seed = u64::from_le_bytes([
            seed[0], seed[1], seed[2], seed[3], seed[4], seed[5], seed[6], seed[7],
        ]);
        let mut links = Links::new(link_seed);
        let mut dns_seed = [0; 32];
        getrandom::fill(&mut dns_seed).map_err(io::Error::from)?;
        let resolver = Resolver::new(local.epoch.dns.clone(), dns_seed);
        let mut answers = Vec::new();
        if let Some(target) = &local.epoch.redis {
            links.set(
                PoolId::DEFAULT,
                target.clone(),
                process.stores.open(DEFAULT_POOL),
                now.mono,
                &mut answers,
            );
        }
        let mut listeners = listeners;
        for (at, listener) in listeners.iter_mut().enumerate() {
            let key = Key { index: u32::try_from(at).unwrap_or(u32::MAX), generation: 0 };
            listener.wait_for_data()?;
            reactor.register(
                listener,
                crate::reactor::Token::new(Kind::Listener, key),
                crate::reactor::Interest::Readable,
            )?;
        }
        let mut worker = Worker {
            reactor,
            timers: Timers::new(now.mono),
            now,
            scratch: vec![0; SCRATCH_BYTES].into_boxed_slice(),
            listeners,
            connections: Slots::new(),
            unfinished: 0,
            again: VecDeque::new(),
            handshakes: Handshakes::default(),
            answered: Vec::new(),
            tasks: Slots::new(),
            asks: Asks::default(),
            runnable: VecDeque::new(),
            links,
            known,
            channels: Channels::default(),
            rung: Woken::default(),
            procedures: 0,
            standing: Vec::new(),
            resolver,
            notices: Notices::default(),
            lookups: 0,
            answers,
            hash,
            helpers,
            companions,
            mailbox: inbox,
            permits: Permits::new(process.requests.clone(), workers),
            log: Log::new(&process.log, &local.epoch.log),
            local,
            replaced: Weak::new(),
            process,
            role,
            metrics,
            sessions: SessionIds::new(seed),
            date: HttpDate::new(),
            woke_background: false,
            waiting: VecDeque::new(),
            exporter: Exporter::default(),
            drain_asked: false,
            draining: false,
            accepts_again: false,
            out_of_files_logged: None,
            init_done: None,
        };
        worker.begin_standing_tasks();
        Ok((worker, sender))
    }

    /// Turns until drained.
    ///
    /// # Errors
    /// The poller failed: there is no way to go on.
    pub fn run(mut self) -> Result<(), Fatal> {
        while !self.is_done() {
            self.turn()?;
        }
        self.log.flush();
        Ok(())
    }

    /// One turn: wait, read the clock once, then timers, mailboxes, readiness, tasks, and what goes
    /// out.
    fn turn(&mut self) -> Result<(), Fatal> {
        self.reactor.wait(self.wake_at(), self.now.mono)?;
        self.now = Now::read();
        self.fire_timers();
        // Before requests: one that was sent after a reload was reported is served by it.
        self.drain_mailboxes();
        self.drive_ready();
        // After them: a connection whose request has come is not idle.
        if std::mem::take(&mut self.drain_asked) {
            self.drain();
        }
        self.drive_again();
        self.drive_handshakes();
        self.run_tasks();
        self.flush_links();
        self.send_answers();
        self.channels.close_dropped();
        self.end_turn();
        Ok(())
    }

    /// When the next turn must begin, event or not.
    fn wake_at(&self) -> Option<Instant> {
        if !self.again.is_empty() || !self.runnable.is_empty() || !self.handshakes.is_empty() {
            return Some(self.now.mono);
        }
        [self.timers.next_deadline(), self.links.next_timeout(), self.resolver.next_timeout()]
            .into_iter()
            .flatten()
            .min()
    }

    fn fire_timers(&mut self) {
        let mut due = Vec::new();
        self.timers.expire(self.now.mono, &mut due);
        for timer in due {
            match timer {
                Timer::Connection(key) => self.connection_timer(key),
                Timer::Watch(key) => self.watch(key),
                Timer::Slept(ask) => self.answer(ask, Answer::Slept),
                Timer::TimedOut(ask) => self.time_out(ask),
                Timer::Accept => self.accept_all(),
            }
        }
    }

    fn drive_ready(&mut self) {
        let ready = self.reactor.take_ready();
        for (token, readiness) in ready.iter() {
            match token.kind {
                Kind::Listener => self.accept(token.key.index as usize),
                Kind::Connection => self.connection_ready(token.key, readiness),
                Kind::Link => {
                    self.links.handle(
                        token.key,
                        readiness,
                        &mut self.scratch,
                        self.now.mono,
                        &mut self.answers,
                    );
                    self.deliver_answers();
                }
                Kind::Call => {
                    if let Some((ask, answer)) =
                        self.channels.handle(token.key, readiness, &mut self.scratch)
                    {
                        self.answer(ask, answer);
                    }
                }
                Kind::Resolver => {
                    self.resolver.handle(
                        token.key,
                        &mut self.scratch,
                        self.now.mono,
                        &mut self.answers,
                    );
                    self.deliver_answers();
                }
                Kind::Waker => {}
            }
        }
        self.reactor.give_back(ready);
    }

    fn drain_mailboxes(&mut self) {
        while let Some((who, companion)) = self.companions.receive() {
            self.answer(Key::from_bits(who), companion.into());
        }
        while let Some(message) = self.mailbox.receive() {
            match message {
                Message::PostActions(login) => self.begin_post_actions(login),
                Message::Spans(spans) => self.export_spans(spans),
                Message::Reload(epoch) => self.reload(epoch),
                Message::Init(done) => {
                    self.init_done = Some(done);
                    let login = Box::new(Login::new(Request::default()));
                    self.spawn(Job::Init(login), None, self.now.mono + INIT_MAX);
                }
                Message::Drain => self.drain_asked = true,
            }
        }
    }

    fn end_turn(&mut self) {
        if self.local.host.state().take_spent() {
            self.replace_state();
        }
        self.hand_over_spans();
        if std::mem::take(&mut self.woke_background)
            && let Some(background) = self.process.background.get()
        {
            background.wake();
        }
        self.permits.settle();
        self.metrics.set(Gauge::ConcurrentRequests, i64::try_from(self.jobs()).unwrap_or(i64::MAX));
        self.metrics
            .set(Gauge::UnfinishedBytes, i64::try_from(self.unfinished).unwrap_or(i64::MAX));
        self.metrics
            .set(Gauge::ConnectionsOpen, i64::try_from(self.connections.len()).unwrap_or(i64::MAX));
        self.metrics
            .set(Gauge::ChannelsOpen, i64::try_from(self.channels.len()).unwrap_or(i64::MAX));
        self.metrics.set(Gauge::Waits, i64::try_from(self.asks.len()).unwrap_or(i64::MAX));
        self.metrics.set(
            Gauge::LuaMemory,
            i64::try_from(self.local.host.state().used_bytes()).unwrap_or(i64::MAX),
        );
        self.links.publish();
        self.metrics.observe(TimeBy::Turn, LabelId::OTHER, self.now.mono.elapsed());
        self.drain_script_output();
        self.log_notices();
        self.log.flush();
    }

    /// What scripts printed and what the host warns of, into the log.
    fn drain_script_output(&mut self) {
        let services = self.local.host.state().services();
        let output = services.output.take();
        if !output.is_empty() {
            self.log.raw(&output);
        }
        for warning in services.warnings.take() {
            self.log.line(Level::Warn, self.now).text("msg", warning).end();
        }
    }

    /// Serves new requests by another configuration. Requests under way end by the one they began
    /// with.
    fn reload(&mut self, epoch: Arc<Epoch>) {
        match host(&epoch, &self.process, &self.metrics) {
            Ok(host) => {
                if let Some(target) = epoch.redis_if_changed(&self.local.epoch) {
                    let store = self.process.stores.open(DEFAULT_POOL);
                    self.links.set(
                        PoolId::DEFAULT,
                        target.clone(),
                        store,
                        self.now.mono,
                        &mut self.answers,
                    );
                    self.deliver_answers();
                } else {
                    // Certificates may have been renewed: for connections to come.
                    self.links.set_tls(
                        PoolId::DEFAULT,
                        epoch.redis.as_ref().and_then(|target| target.tls.clone()),
                    );
                }
                self.resolver.configure(epoch.dns.clone());
                self.drain_script_output();
                self.hand_over_spans();
                self.log = Log::new(&self.process.log, &epoch.log);
                // Keys may have another prefix now.
                std::mem::take(&mut self.known).close();
                self.local =
                    Rc::new(Local::new(epoch, host, self.process.clone(), self.known.clone()));
                self.begin_standing_tasks();
            }
            // The main thread has compiled the scripts before it sent the epoch: only a lack of
            // memory leads here.
            Err(error) => self
                .log
                .line(Level::Error, self.now)
                .text("msg", "reload failed")
                .text("error", error.to_string())
                .end(),
        }
    }

    /// Puts a new Lua state in place of one whose memory stays taken. Requests under way end in the
    /// old one; as long as one of them keeps it, the new one is not replaced in turn, so that there
    /// are two at most.
    fn replace_state(&mut self) {
        if self.replaced.strong_count() > 0 {
            return;
        }
        match host(&self.local.epoch, &self.process, &self.metrics) {
            Ok(host) => {
                self.log
                    .line(Level::Warn, self.now)
                    .text("msg", "scripts keep too much memory: the Lua state is replaced")
                    .end();
                self.drain_script_output();
                self.hand_over_spans();
                self.replaced = Rc::downgrade(self.local.host.state());
                self.local = Rc::new(Local::new(
                    self.local.epoch.clone(),
                    host,
                    self.process.clone(),
                    self.known.clone(),
                ));
                self.begin_standing_tasks();
            }
            Err(error) => {
                self.log
                    .line(Level::Error, self.now)
                    .text("msg", "cannot replace the Lua state")
                    .text("error", error.to_string())
                    .end();
            }
        }
    }

    fn drain(&mut self) {
        self.draining = true;
        self.drain_standing_tasks();
        for listener in &mut self.listeners {
            // Deregistering fails only if it was never registered.
            let _ = self.reactor.deregister(listener);
        }
        self.listeners.clear();
        for key in self.connections.keys() {
            if self.connections.get(key).is_some_and(|connection| connection.session().is_idle()) {
                self.close(key);
            }
        }
    }

    fn is_done(&self) -> bool {
        let has_tasks = self.tasks.len() > self.lookups;
        self.draining
            && self.connections.is_empty()
            && !has_tasks
            && self.waiting.is_empty()
            && self.mailbox.is_empty()
    }
}

/// A Lua host for an epoch.
fn host(
    epoch: &Epoch,
    process: &Arc<Process>,
    metrics: &Rc<WorkerMetrics>,
) -> Result<Host, SetupError> {
    let services = Services {
        settings: epoch.script_settings.clone(),
        state: Arc::new(epoch.store(&process.memory, Arc::new(KnownAccounts::none()))),
        rules: Arc::new(epoch.policy.brute_force.clone()),
        cache: process.cache.clone(),
        storages: process.storages.clone(),
        redis: process.pools.clone(),
        monitor: epoch.monitor.clone(),
        tls: epoch.tls.clone(),
        ldap: Ldap::new(&epoch.ldap),
        targets: process.targets.clone(),
        databases: Default::default(),
        http: crate::upstream::http::Client::new(epoch.http_client.clone()),
        metrics: process.metrics.script_metrics(),
        worker: metrics.clone(),
        output: Default::default(),
        warnings: Default::default(),
        warned: Default::default(),
        regexps: Default::default(),
        spans: Default::default(),
    };
    let state = State::build(
        epoch.scripts.clone(),
        services,
        &epoch.package_path,
        epoch.limits,
        process.watchdog.clone(),
    )?;
    Ok(Host::new(Rc::new(state)))
}

/// Compiles all scripts of an epoch in a state of their own, which is then thrown away; says what
/// their authors may have misspelt.
///
/// # Errors
/// A script does not compile.
pub fn try_scripts(epoch: &Epoch, process: &Arc<Process>) -> Result<Vec<Finding>, SetupError> {
    let nobody = crate::metrics::Registry::new("check", "", Now::read());
    host(epoch, process, &Rc::new(nobody.worker("check")))
        .map(|host| host.state().findings().to_vec())
}

/// What a thread beside the loop has to say.
enum Companion {
    Hash(Result<Result<bool, String>, Failure>),
    Work(Result<Worked, Failure>),
}

impl From<Companion> for Answer {
    fn from(companion: Companion) -> Answer {
        match companion {
            Companion::Hash(Ok(checked)) => Answer::Hash(checked),
            Companion::Work(Ok(worked)) => Answer::Done(worked.into()),
            Companion::Hash(Err(failure)) | Companion::Work(Err(failure)) => {
                Answer::Failed(failure)
            }
        }
    }
}

type Companions = (HashThread, HelperThreads, Mailbox<(u64, Companion)>);

/// The hash thread, the helper threads, and where their answers arrive.
fn companions(core: Option<usize>, waker: Waker) -> io::Result<Companions> {
    // Room for every job there can be: the queues, and one under way on each thread.
    let (sender, answers) =
        mailbox((HASHES_MAX + threads::QUEUE_MAX + threads::THREADS_MAX + 1) * 2, waker);
    let check = |op: &crate::op::HashOp| {
        crate::password::verify(op.stored.expose(), op.plain.expose())
            .map_err(|error| error.to_string())
    };
    let to_loop = sender.clone();
    let hash = HashThread::spawn(core, HASHES_MAX, check, move |who, checked| {
        let _ = to_loop.send((who, Companion::Hash(checked)));
    })?;
    let helpers = HelperThreads::new(move |who, worked| {
        let _ = sender.send((who, Companion::Work(worked)));
    });
    Ok((hash, helpers, answers))
}

/// Read buffer of a worker: larger than any usual head, and a full read of a pipelined Redis reply.
const SCRATCH_BYTES: usize = 64 * 1024;

/// Messages that may wait for a worker; for the background worker, post actions of answered logins:
/// at 50,000 logins a second some hundred milliseconds' worth. What does not fit is counted and
/// dropped.
const MAILBOX_MAX: usize = 8192;

/// Password checks that may wait for the hash thread: at 50 ms each a queue longer than this ends
/// past every deadline.
const HASHES_MAX: usize = 256;

/// What metrics and `/healthz` call the server's own Redis.
const DEFAULT_POOL: &str = "default";

/// How long init scripts may take together.
const INIT_MAX: Duration = Duration::from_secs(120);
