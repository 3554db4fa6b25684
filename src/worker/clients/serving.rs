//! What the worker does with its clients: reads their requests, sends their answers, closes those
//! that take too long.

use super::{Connection, Timer};
use crate::dialect::envelope::Envelope;
use crate::dialect::fixed;
use crate::frontend::http::Received;
use crate::frontend::{Overdue, Settings, Step};
use crate::metrics::Count;
use crate::proto::http::Framing;
use crate::reactor::{Interest, Key, Kind, Readiness, Token};
use crate::worker::Worker;
use crate::worker::exchange::{self, Context, Finished, From, Next, Opened};
use crate::worker::scheduler::{Origin, TaskKind};
use std::time::{Duration, Instant};

impl Worker {
    /// Sees to clients whose time has come.
    pub(in crate::worker) fn fire_client_timers(&mut self) {
        let mut due = Vec::new();
        self.clients.timers.expire(self.now.mono, &mut due);
        for timer in due {
            match timer {
                Timer::Connection(key) => self.connection_timer(key),
                Timer::Watch(key) => self.watch(key),
                Timer::Accept => self.accept_all(),
            }
        }
    }

    /// Has the poller tell of a connection from now on, if it does not yet.
    pub(super) fn watch(&mut self, key: Key) {
        let Some(connection) =
            self.clients.connections.get_mut(key).filter(|connection| !connection.watched)
        else {
            return;
        };
        connection.watched = true;
        if self
            .reactor
            .register(connection.stream(), Token::new(Kind::Connection, key), Interest::Readable)
            .is_err()
        {
            self.close(key);
        }
    }

    pub(in crate::worker) fn connection_ready(&mut self, key: Key, readiness: Readiness) {
        let Some(connection) = self.clients.connections.get_mut(key) else { return };
        if readiness.readable || readiness.closed {
            connection.mark_readable(readiness.closed);
        }
        if readiness.error && connection.session().is_busy() {
            return self.close(key);
        }
        if connection.is_handshaking() {
            return self.queue_handshake(key);
        }
        if readiness.writable && !self.flush(key) {
            return;
        }
        self.drive(key);
    }

    /// Comes back to connections that were left with work to do.
    pub(in crate::worker) fn drive_again(&mut self) {
        for _ in 0..self.clients.again.len() {
            if let Some(key) = self.clients.again.pop_front() {
                self.drive(key);
            }
        }
    }

    /// Reads and serves until there is nothing to read, a task works on an answer, or the turn's
    /// bound is reached.
    pub(super) fn drive(&mut self, key: Key) {
        let local = self.local.clone();
        let epoch = &*local.epoch;
        let settings = Settings { limits: &epoch.http, timeouts: &epoch.timeouts };
        for _ in 0..REQUESTS_PER_TURN {
            let Some(connection) = self.clients.connections.get_mut(key) else { return };
            if connection.is_handshaking() {
                return self.queue_handshake(key);
            }
            if connection.session().is_busy() || connection.has_unsent() {
                return;
            }
            if connection.awaits_proxy_header {
                if self.read_proxy_header(key) {
                    continue;
                }
                return;
            }
            let step = match connection.next(self.now.mono, &settings) {
                Step::More if connection.wants_read() => {
                    match connection.read(&mut self.scratch, self.now.mono, &settings) {
                        Ok(Some(step)) => step,
                        Ok(None) => continue,
                        Err(_) => return self.close(key),
                    }
                }
                step => step,
            };
            let buffered = self.clients.count_unfinished(key);
            match step {
                // Clients that send whole requests, as mail proxies do, never get here.
                Step::More
                    if buffered > 0 && self.clients.unfinished > epoch.unfinished_bytes_max =>
                {
                    self.reporting.metrics.count(Count::RequestsRefused);
                    self.refuse(key, 503, "503 Service Unavailable");
                }
                Step::Request(received) => self.serve(key, *received),
                Step::Refuse(status, text) => self.refuse(key, status, text),
                // An interim answer may be waiting to go out.
                Step::More if !self.flush(key) => return,
                Step::More => {
                    let Some(connection) = self.clients.connections.get_mut(key) else { return };
                    if !connection.wants_read() {
                        return self.settle_connection(key);
                    }
                }
            }
        }
        self.clients.again.push_back(key);
    }

    pub(super) fn settle_connection(&mut self, key: Key) {
        match self.clients.connections.get(key) {
            Some(connection)
                if connection.is_over() || (self.draining && connection.session().is_idle()) =>
            {
                self.close(key)
            }
            _ => {}
        }
    }

    /// Answers a request, or begins the task that will.
    fn serve(&mut self, key: Key, mut received: Received) {
        received.head.framing.keep_alive &= !self.draining;
        let framing = received.head.framing;
        let session = self.sessions.next(self.now.unix_seconds());
        let deadline = self.now.mono + self.local.epoch.request_time;
        let Some(connection) = self.clients.connections.get(key) else { return };
        let tls = connection.tls.clone();
        self.open(key, framing, deadline, |context, out| {
            exchange::open(received, session, tls, context, out)
        });
    }

    /// A request whose caller was looked for goes on, or is refused.
    pub(in crate::worker) fn admitted(
        &mut self,
        origin: Origin,
        deadline: Instant,
        admitted: exchange::Admitted,
    ) {
        self.open(origin.connection, origin.framing, deadline, |context, out| {
            exchange::admitted(admitted, context, out)
        });
    }

    /// Opens a request of a connection: sends its answer, or begins its job.
    fn open(
        &mut self,
        key: Key,
        framing: Framing,
        deadline: Instant,
        open: impl FnOnce(Context<'_>, &mut Vec<u8>) -> Opened,
    ) {
        let local = self.local.clone();
        let date = *self.date.text(self.now);
        let Some(connection) = self.clients.connections.get_mut(key) else { return };
        let peer = connection.peer;
        let rules = local.epoch.listeners.rules(connection.listener);
        let context = Context {
            local: &local,
            from: From {
                peer,
                proxied: connection.proxied,
                caller_auth: rules.caller_auth,
                listener: rules.place,
                now: self.now,
            },
            envelope: Envelope::new(framing, &date),
            draining: self.draining,
        };
        let Opened { request, route, next } = open(context, connection.output());
        let (status, error, job) = match next {
            Next::Run(job) if self.permits.take() => {
                let kind = TaskKind::Exchange(Origin { connection: key, framing, route });
                let task = self.spawn(kind, job, deadline);
                if let Some(connection) = self.clients.connections.get_mut(key) {
                    connection.work(task, deadline);
                }
                return self.arm(key);
            }
            Next::Run(job) => return self.refuse_job(key, framing, job),
            Next::TooMany(overload) => {
                return self.refuse_overload(key, framing, overload, *request);
            }
            Next::Answered(status, error) => (status, error, None),
            Next::AnsweredFirst(status, job) => (status, None, Some(job)),
        };
        let error = error.as_deref();
        self.reporting.access(&request, peer, Some(status), error, Duration::ZERO, self.now);
        self.reporting.metrics.request(route, Duration::ZERO, self.now);
        self.answered(key, framing.keep_alive);
        if let Some(job) = job {
            self.spawn(TaskKind::Background, job, self.now.mono + local.epoch.request_time);
        }
    }

    pub(super) fn refuse(&mut self, key: Key, status: u16, text: &'static str) {
        let date = *self.date.text(self.now);
        let framing = Framing { minor: 1, keep_alive: false, ..Framing::default() };
        if let Some(connection) = self.clients.connections.get_mut(key) {
            fixed::text(connection.output(), status, text, &Envelope::new(framing, &date));
        }
        self.answered(key, false);
        self.clients.count_unfinished(key);
    }

    /// Composes an answer for the connection that waits for it. `None` if it is gone.
    pub(in crate::worker) fn send_answer(
        &mut self,
        origin: &Origin,
        finished: &mut dyn Finished,
    ) -> Option<u16> {
        let local = self.local.clone();
        let epoch = &*local.epoch;
        let date = *self.date.text(self.now);
        let keep_alive = origin.framing.keep_alive && !self.draining;
        let envelope = Envelope {
            servers_down: epoch.monitor.is_down(),
            ..Envelope::new(Framing { keep_alive, ..origin.framing }, &date)
        };
        let connection = self.clients.connections.get_mut(origin.connection)?;
        let status = finished.compose(connection.output(), epoch, &envelope);
        self.answered(origin.connection, keep_alive);
        Some(status)
    }

    /// An answer is in the outbox; it leaves with the others of this turn.
    pub(super) fn answered(&mut self, key: Key, keep_alive: bool) {
        if let Some(connection) = self.clients.connections.get_mut(key) {
            connection.answered(keep_alive, self.now.mono, &self.local.epoch.timeouts);
            self.clients.answered.push(key);
        }
    }

    /// Sends the answers of this turn, and looks for the next requests of their clients. One after
    /// the other, since the system's code for it and ours, run by turns, would push each other out
    /// of the processor's caches.
    pub(in crate::worker) fn send_answers(&mut self) {
        for at in 0..self.clients.answered.len() {
            let Some(key) = self.clients.answered.get(at).copied() else { break };
            if self.flush(key) {
                self.watch(key);
                if self.clients.connections.get(key).is_some_and(Connection::has_work) {
                    self.clients.again.push_back(key);
                }
            }
        }
        self.clients.answered.clear();
    }

    /// Sends what waits. False if the connection is gone or its peer does not take more.
    fn flush(&mut self, key: Key) -> bool {
        let Some(connection) = self.clients.connections.get_mut(key) else { return false };
        match connection.flush(self.now.mono, &self.local.epoch.timeouts) {
            Ok(true) => {
                self.settle_connection(key);
                self.clients.connections.contains(key)
            }
            Ok(false) => {
                self.watch_writing(key);
                false
            }
            Err(_) => {
                self.close(key);
                false
            }
        }
    }

    /// Has the poller tell when a slow peer takes more.
    pub(super) fn watch_writing(&mut self, key: Key) {
        self.watch(key);
        let Some(connection) =
            self.clients.connections.get_mut(key).filter(|connection| !connection.watches_writing)
        else {
            return;
        };
        connection.watches_writing = true;
        if self
            .reactor
            .reregister(connection.stream(), Token::new(Kind::Connection, key), Interest::Both)
            .is_err()
        {
            self.close(key);
        }
    }

    /// Drops a connection and the task that works for it.
    pub(in crate::worker) fn close(&mut self, key: Key) {
        let Some(connection) = self.clients.connections.remove(key) else { return };
        self.clients.unfinished = self.clients.unfinished.saturating_sub(connection.counted);
        if let Some(task) = connection.task() {
            self.cancel_task(task);
        }
    }

    /// Closes the listeners and the connections that wait for nothing.
    pub(in crate::worker) fn drain_clients(&mut self) {
        self.clients.close_listeners(&mut self.reactor);
        for key in self.clients.connections.keys() {
            let idle = |connection: &Connection| connection.session().is_idle();
            if self.clients.connections.get(key).is_some_and(idle) {
                self.close(key);
            }
        }
    }

    /// Sets the connection's timer so that it fires no later than any deadline it may get
    /// meanwhile: one timer a connection, re-armed when it fires, instead of one a request.
    pub(super) fn arm(&mut self, key: Key) {
        let soonest = self.now.mono + self.local.epoch.shortest_time;
        let Some(connection) = self.clients.connections.get_mut(key) else { return };
        if connection.timer_at > self.now.mono {
            return;
        }
        connection.timer_at = connection.deadline().min(soonest).max(self.now.mono + TIMER_MIN);
        self.clients.timers.set(connection.timer_at, Timer::Connection(key));
    }

    fn connection_timer(&mut self, key: Key) {
        let Some(connection) = self.clients.connections.get_mut(key) else { return };
        match connection.overdue(self.now.mono) {
            Overdue::No => {}
            Overdue::Client => return self.close(key),
            Overdue::Work => match connection.task() {
                Some(task) => {
                    connection.extend(self.now.mono + GRACE);
                    self.scheduler.expire_task(task);
                }
                None => return self.close(key),
            },
        }
        self.arm(key);
    }
}

/// Requests of one connection served per turn: a client that pipelines without end waits for the
/// others.
const REQUESTS_PER_TURN: usize = 16;

/// How long a task that was told of its deadline may take to wind up.
const GRACE: Duration = Duration::from_secs(5);

/// No timer is set for sooner than this.
const TIMER_MIN: Duration = Duration::from_millis(1);
