//! The worker: one thread, one core, one loop. Everything a request needs is a field of it; nothing
//! is shared with other workers on the request path.
//!
//! [`Worker::turn`] is the loop's body. The worker has four parts, each with fields of its own:
//!
//! ```text
//! clients/     listeners and connections: bytes in, requests out; answers in, bytes out
//! scheduler/   tasks, what they ask, and who gets which answer; pure
//! upstreams/   Redis, name servers, other connections, threads: what is asked
//! reporting/   log, metrics, spans
//! ```
//!
//! Between them: `exchange` (what a request becomes, and how its answer is made), `jobs` (how tasks
//! begin and end), `periodic` (what the background worker repeats), `reload`, `spans`. The
//! background worker is the same code with a mailbox and without listeners. Rules: ARCHITECTURE.md.

mod clients;
mod exchange;
mod jobs;
mod local;
mod periodic;
mod reload;
mod reporting;
pub mod scheduler;
mod spans;
mod upstreams;

pub use clients::Listening;
pub use local::{Local, try_scripts};
pub use periodic::LAST_SAVE_MAX;

use crate::auth::login::Login;
use crate::auth::session::SessionIds;
use crate::epoch::Epoch;
use crate::log::Log;
use crate::metrics::{Gauge, LabelId, TimeBy};
use crate::process::permits::Permits;
use crate::process::{Message, Process};
use crate::reactor::{Key, Kind, Mailbox, Reactor, Sender, mailbox};
use crate::script::{SetupError, State};
use crate::time::{HttpDate, Now};
use clients::Clients;
use exchange::{Init, Job, Output};
use reporting::Reporting;
use scheduler::{Scheduler, TaskKind};
use std::collections::VecDeque;
use std::io;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};
use upstreams::Upstreams;

/// What a worker is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Requests of clients.
    Serving,
    /// What no client waits for: post actions, init scripts, periodic tasks.
    Background,
}

/// What a worker is started with.
pub struct Start {
    pub role: Role,
    /// Of workers that serve requests.
    pub workers: usize,
    pub name: String,
    pub core: Option<usize>,
    pub listeners: Vec<Listening>,
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
    now: Now,
    scratch: Box<[u8]>,
    clients: Clients,
    scheduler: Scheduler<Output>,
    upstreams: Upstreams,
    reporting: Reporting,
    mailbox: Mailbox<Message>,
    /// For requests of clients.
    permits: Permits,
    local: Rc<Local>,
    /// The Lua state that was last replaced, as long as requests keep it.
    replaced: Weak<State>,
    process: Arc<Process>,
    role: Role,
    sessions: SessionIds,
    date: HttpDate,
    /// Tasks that the background worker has for as long as a configuration is in force.
    periodic: Vec<Key>,
    /// Logins whose post actions wait until fewer are under way (background).
    waiting: VecDeque<Box<Login>>,
    /// Post actions were queued in this turn: wake the background worker at its end.
    woke_background: bool,
    drain_asked: bool,
    draining: bool,
    init_done: Option<mpsc::Sender<()>>,
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
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(io::Error::from)?;
        let metrics = Rc::new(process.metrics.worker(&name));
        let reporting = Reporting::new(Log::new(&process.log, &epoch.log), metrics);
        let host = local::host(&epoch, &process, &reporting.metrics, &reporting.outbox)?;
        let upstreams = Upstreams::new(core, reactor.waker(), &epoch, process.clone(), now.mono)?;
        let mut worker = Worker {
            clients: Clients::new(listeners, &mut reactor, now.mono)?,
            reactor,
            now,
            scratch: vec![0; SCRATCH_BYTES].into_boxed_slice(),
            scheduler: Scheduler::new(now.mono),
            reporting,
            mailbox: inbox,
            permits: Permits::new(process.requests.clone(), workers),
            local: Rc::new(Local::new(epoch, host, process.clone(), upstreams.known())),
            upstreams,
            replaced: Weak::new(),
            process,
            role,
            sessions: SessionIds::new(seed),
            date: HttpDate::new(),
            periodic: Vec::new(),
            waiting: VecDeque::new(),
            woke_background: false,
            drain_asked: false,
            draining: false,
            init_done: None,
        };
        worker.begin_periodic_tasks();
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
        self.reporting.log.flush();
        Ok(())
    }

    /// One turn: wait, read the clock once, then timers, mailboxes, readiness, tasks, and what goes
    /// out.
    fn turn(&mut self) -> Result<(), Fatal> {
        self.reactor.wait(self.wake_at(), self.now.mono)?;
        self.now = Now::read();
        self.scheduler.expire(self.now.mono);
        self.fire_client_timers();
        // Before requests: one that was sent after a reload was reported is served by it.
        self.drain_mailbox();
        self.drive_ready();
        // After them: a connection whose request has come is not idle.
        if std::mem::take(&mut self.drain_asked) {
            self.drain();
        }
        self.drive_again();
        self.drive_handshakes();
        self.deliver_answers();
        self.run_tasks();
        self.flush_upstreams();
        self.send_answers();
        self.upstreams.close_dropped();
        self.end_turn();
        Ok(())
    }

    /// When the next turn must begin, event or not.
    fn wake_at(&self) -> Option<Instant> {
        if self.clients.has_work() || self.scheduler.has_runnable() {
            return Some(self.now.mono);
        }
        [
            self.clients.next_deadline(),
            self.scheduler.next_deadline(),
            self.upstreams.next_timeout(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    fn drive_ready(&mut self) {
        let ready = self.reactor.take_ready();
        for (token, readiness) in ready.iter() {
            match token.kind {
                Kind::Listener => self.accept(token.key.index as usize),
                Kind::Connection => self.connection_ready(token.key, readiness),
                Kind::Link | Kind::Upstream | Kind::Resolver => {
                    self.upstreams.handle(token, readiness, &mut self.scratch, self.now.mono)
                }
                Kind::Waker => {}
            }
        }
        self.reactor.give_back(ready);
    }

    fn drain_mailbox(&mut self) {
        while let Some(message) = self.mailbox.receive() {
            match message {
                Message::PostActions(login) => self.begin_post_actions(login),
                Message::Spans(spans) => self.export_spans(spans),
                Message::Reload(epoch) => self.reload(epoch),
                Message::Init(done) => {
                    self.init_done = Some(done);
                    self.spawn(TaskKind::Background, Job::Init(Init), self.now.mono + INIT_MAX);
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
        self.upstreams.publish();
        let state = self.local.host.state();
        let metrics = &self.reporting.metrics;
        for (gauge, value) in [
            (Gauge::ConcurrentRequests, self.scheduler.jobs()),
            (Gauge::UnfinishedBytes, self.clients.unfinished_bytes()),
            (Gauge::ConnectionsOpen, self.clients.open()),
            (Gauge::UpstreamConnectionsOpen, self.upstreams.connections()),
            (Gauge::Waits, self.scheduler.asks()),
            (Gauge::LuaMemory, state.used_bytes()),
        ] {
            metrics.set(gauge, i64::try_from(value).unwrap_or(i64::MAX));
        }
        metrics.observe(TimeBy::Turn, LabelId::OTHER, self.now.mono.elapsed());
        self.reporting.script_output(self.now);
        self.reporting.notices(self.now);
        self.reporting.log.flush();
    }
}

/// Read buffer of a worker: larger than any usual head, and a full read of a pipelined Redis reply.
const SCRATCH_BYTES: usize = 64 * 1024;

/// Messages that may wait for a worker; for the background worker, post actions of answered logins:
/// at 50,000 logins a second some hundred milliseconds' worth. What does not fit is counted and
/// dropped.
const MAILBOX_MAX: usize = 8192;

/// How long init scripts may take together.
const INIT_MAX: Duration = Duration::from_secs(120);
