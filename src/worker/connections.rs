//! Clients: accepting them, reading their requests, sending their answers, losing patience with
//! them.

use super::callers::From;
use super::connection::Connection;
use super::exchange::{self, Finished, Opened};
use super::tasks::{Frame, Origin};
use super::{Timer, Worker};
use crate::auth::request::Request;
use crate::dialect::envelope::Envelope;
use crate::dialect::fixed;
use crate::frontend::http::Received;
use crate::frontend::{Overdue, Session, Settings, Step};
use crate::log::Level;
use crate::metrics::{Count, Space};
use crate::reactor::{AcceptError, Interest, Key, Kind, Readiness, Token};
use std::io;
use std::time::{Duration, Instant};

impl Worker {
    pub(super) fn accept_all(&mut self) {
        self.accepts_again = false;
        for at in 0..self.listeners.len() {
            self.accept(at);
        }
    }

    /// Accepts what waits at a listener, a bounded number per turn.
    pub(super) fn accept(&mut self, at: usize) {
        for _ in 0..ACCEPTS_PER_TURN {
            if !self.takes_handshakes(at) {
                break;
            }
            let Some(listener) = self.listeners.get_mut(at) else { return };
            match listener.accept() {
                Ok(Some((stream, peer))) => {
                    self.metrics.count(Count::ConnectionsAccepted);
                    let session = Session::http(self.now.mono, &self.local.epoch.timeouts);
                    let mut connection = Connection::new(stream, peer.ip(), session, self.now.mono);
                    if self.begin_tls(&mut connection, at) {
                        self.adopt(connection);
                    }
                }
                Ok(None) => return,
                Err(AcceptError::OutOfFiles(error)) => {
                    self.out_of_files(&error);
                    break;
                }
                Err(_) => {}
            }
        }
        // More may wait, and no event will tell: look again soon.
        if !self.accepts_again {
            self.accepts_again = true;
            self.timers.set(self.now.mono + ACCEPT_AGAIN, Timer::Accept);
        }
    }

    /// Connections wait in the kernel until descriptors are free again; the log hears of it now and
    /// then.
    fn out_of_files(&mut self, error: &io::Error) {
        self.metrics.count(Count::AcceptsFailed);
        if self.out_of_files_logged.is_none_or(|last| self.now.mono >= last + OUT_OF_FILES_EVERY) {
            self.out_of_files_logged = Some(self.now.mono);
            let open = self.connections.len() as u64;
            let mut line = self.log.line(Level::Error, self.now);
            line.text("msg", "connections cannot be accepted");
            line.text("error", error.to_string()).number("connections", open).end();
        }
    }

    fn adopt(&mut self, connection: Connection) {
        let key = self.connections.insert(connection);
        self.arm(key);
        self.begin_reading(key);
    }

    /// Reads for the first time.
    pub(super) fn begin_reading(&mut self, key: Key) {
        // The first request is usually there already, and a client that closes after its answer is
        // never watched at all, which saves it two of its six system calls. Whether a client that
        // waits for long has gone, only the poller tells.
        self.drive(key);
        match self.connections.get(key) {
            Some(connection) if connection.session().is_busy() => {
                self.timers.set(self.now.mono + WATCH_AFTER, Timer::Watch(key))
            }
            // What is left to watch when the answer is out, `send_answers` knows.
            Some(connection) if connection.has_unsent() || connection.handshake_queued => {}
            _ => self.watch(key),
        }
    }

    /// Has the poller tell of a connection from now on, if it does not yet.
    pub(super) fn watch(&mut self, key: Key) {
        let Some(connection) =
            self.connections.get_mut(key).filter(|connection| !connection.watched)
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

    pub(super) fn connection_ready(&mut self, key: Key, readiness: Readiness) {
        let Some(connection) = self.connections.get_mut(key) else { return };
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
    pub(super) fn drive_again(&mut self) {
        for _ in 0..self.again.len() {
            if let Some(key) = self.again.pop_front() {
                self.drive(key);
            }
        }
    }

    /// Reads and serves until there is nothing to read, a task works on an answer, or the turn's
    /// bound is reached.
    fn drive(&mut self, key: Key) {
        let local = self.local.clone();
        let epoch = &*local.epoch;
        let settings = Settings { limits: &epoch.http, timeouts: &epoch.timeouts };
        for _ in 0..REQUESTS_PER_TURN {
            let Some(connection) = self.connections.get_mut(key) else { return };
            if connection.is_handshaking() {
                return self.queue_handshake(key);
            }
            if connection.session().is_busy() || connection.has_unsent() {
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
            let buffered = count(&mut self.unfinished, connection);
            match step {
                // Whoever sends its requests whole, as mail proxies do, never gets here.
                Step::More if buffered > 0 && self.unfinished > epoch.unfinished_bytes_max => {
                    self.metrics.count(Count::RequestsRefused);
                    self.refuse(key, 503, "503 Service Unavailable");
                }
                Step::Request(received) => self.serve(key, *received),
                Step::Refuse(status, text) => self.refuse(key, status, text),
                // An interim answer may be waiting to go out.
                Step::More if !self.flush(key) => return,
                Step::More => {
                    let Some(connection) = self.connections.get_mut(key) else { return };
                    if !connection.wants_read() {
                        return self.settle_connection(key);
                    }
                }
            }
        }
        self.again.push_back(key);
    }

    fn settle_connection(&mut self, key: Key) {
        match self.connections.get(key) {
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
        let local = self.local.clone();
        let epoch = &*local.epoch;
        received.head.keep_alive &= !self.draining;
        let session = self.sessions.next(self.now.unix_seconds());
        let frame = Frame {
            minor: received.head.minor,
            method: received.head.method,
            keep_alive: received.head.keep_alive,
        };
        let date = *self.date.text(self.now);
        let envelope = frame.envelope(&date);
        let Some(connection) = self.connections.get_mut(key) else { return };
        let from = From { peer: connection.peer, now: self.now };
        let tls = connection.tls.clone();
        let opened =
            exchange::open(received, session, &local, from, tls, &envelope, connection.output());
        self.begin(key, frame, self.now.mono + epoch.request_time, opened);
    }

    /// Sends what a request has come to, or begins its job.
    pub(super) fn begin(
        &mut self,
        key: Key,
        frame: Frame,
        deadline: Instant,
        (opened, pattern, request): (Opened, &'static str, Box<Request>),
    ) {
        let local = self.local.clone();
        let epoch = &*local.epoch;
        let date = *self.date.text(self.now);
        let envelope = frame.envelope(&date);
        let route = self.route_label(pattern);
        match opened {
            Opened::Job(_) if !self.permits.take() => {
                self.metrics.count(Count::RequestsRefused);
                let (current, max) = (self.process.requests.taken(), self.process.requests.max());
                if let Some(connection) = self.connections.get_mut(key) {
                    fixed::too_many_requests(connection.output(), current, max, &envelope);
                }
                self.answered(key, frame.keep_alive);
            }
            Opened::Job(job) => {
                let task =
                    self.spawn(job, Some(Origin { connection: key, frame, route }), deadline);
                if let Some(connection) = self.connections.get_mut(key) {
                    connection.work(task, deadline);
                }
                self.arm(key);
            }
            Opened::Refused(status, why) => {
                self.log_access(&request, key, status, Some(why.to_owned()), Duration::ZERO);
                self.metrics.request(route, Duration::ZERO, self.now);
                self.answered(key, frame.keep_alive);
            }
            Opened::Answered(status, rejection) => {
                self.log_access(
                    &request,
                    key,
                    status,
                    rejection.map(|r| r.to_string()),
                    Duration::ZERO,
                );
                self.metrics.request(route, Duration::ZERO, self.now);
                self.answered(key, frame.keep_alive);
            }
            Opened::Health => {
                let body = self.process.stores.health(self.draining);
                let status = match self.connections.get_mut(key) {
                    Some(connection) => {
                        fixed::health(connection.output(), &body, self.draining, &envelope)
                    }
                    None => return,
                };
                self.log_access(&request, key, status, None, Duration::ZERO);
                self.metrics.request(route, Duration::ZERO, self.now);
                self.answered(key, frame.keep_alive);
            }
            Opened::Accepted(status, job) => {
                self.log_access(&request, key, status, None, Duration::ZERO);
                self.metrics.request(route, Duration::ZERO, self.now);
                self.answered(key, frame.keep_alive);
                self.spawn(job, None, self.now.mono + epoch.request_time);
            }
            Opened::Metrics => {
                let text = self.process.metrics.render(self.now);
                if let Some(connection) = self.connections.get_mut(key) {
                    fixed::metrics(connection.output(), text.as_bytes(), &envelope);
                }
                self.log_access(&request, key, 200, None, Duration::ZERO);
                self.metrics.request(route, Duration::ZERO, self.now);
                self.answered(key, frame.keep_alive);
            }
        }
    }

    pub(super) fn refuse(&mut self, key: Key, status: u16, text: &'static str) {
        let date = *self.date.text(self.now);
        let envelope = Envelope { keep_alive: false, ..Envelope::to(&Default::default(), &date) };
        if let Some(connection) = self.connections.get_mut(key) {
            fixed::text(connection.output(), status, text, &Envelope { minor: 1, ..envelope });
        }
        self.answered(key, false);
        if let Some(connection) = self.connections.get_mut(key) {
            count(&mut self.unfinished, connection);
        }
    }

    /// Composes a job's answer for the connection that waits for it. `None` if it is gone.
    pub(super) fn send_answer(&mut self, origin: &Origin, finished: &mut Finished) -> Option<u16> {
        let (key, frame) = (origin.connection, &origin.frame);
        let local = self.local.clone();
        let epoch = &*local.epoch;
        let date = *self.date.text(self.now);
        let keep_alive = frame.keep_alive && !self.draining;
        let envelope =
            Envelope { keep_alive, servers_down: epoch.monitor.is_down(), ..frame.envelope(&date) };
        let connection = self.connections.get_mut(key)?;
        let status = finished.compose(connection.output(), epoch, &envelope)?;
        self.answered(key, keep_alive);
        Some(status)
    }

    /// An answer is in the outbox; it leaves with the others of this turn.
    fn answered(&mut self, key: Key, keep_alive: bool) {
        if let Some(connection) = self.connections.get_mut(key) {
            connection.answered(keep_alive, self.now.mono, &self.local.epoch.timeouts);
            self.answered.push(key);
        }
    }

    /// Sends the answers of this turn, and looks for the next requests of their clients. One after
    /// the other, since the system's code for it and ours, run by turns, would push each other out
    /// of the processor's caches.
    pub(super) fn send_answers(&mut self) {
        for at in 0..self.answered.len() {
            let Some(key) = self.answered.get(at).copied() else { break };
            if self.flush(key) {
                self.watch(key);
                if self.connections.get(key).is_some_and(Connection::has_work) {
                    self.again.push_back(key);
                }
            }
        }
        self.answered.clear();
    }

    /// Sends what waits. False if the connection is gone or its peer does not take more.
    fn flush(&mut self, key: Key) -> bool {
        let Some(connection) = self.connections.get_mut(key) else { return false };
        match connection.flush(self.now.mono, &self.local.epoch.timeouts) {
            Ok(true) => {
                self.settle_connection(key);
                self.connections.contains(key)
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
            self.connections.get_mut(key).filter(|connection| !connection.watches_writing)
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

    /// Drops a connection, and with it the task that nobody listens to any more.
    pub(super) fn close(&mut self, key: Key) {
        let Some(connection) = self.connections.remove(key) else { return };
        self.unfinished = self.unfinished.saturating_sub(connection.counted);
        if let Some(task) = connection.task() {
            self.cancel_task(task);
        }
    }

    /// Sets the connection's timer so that it fires no later than any deadline it may get
    /// meanwhile: one timer a connection, re-armed when it fires, instead of one a request.
    fn arm(&mut self, key: Key) {
        let soonest = self.now.mono + self.local.epoch.shortest_time;
        let Some(connection) = self.connections.get_mut(key) else { return };
        if connection.timer_at > self.now.mono {
            return;
        }
        connection.timer_at = connection.deadline().min(soonest).max(self.now.mono + TIMER_MIN);
        self.timers.set(connection.timer_at, Timer::Connection(key));
    }

    pub(super) fn connection_timer(&mut self, key: Key) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        match connection.overdue(self.now.mono) {
            Overdue::No => {}
            Overdue::Client => return self.close(key),
            Overdue::Work => match connection.task() {
                Some(task) => {
                    connection.extend(self.now.mono + GRACE);
                    self.expire_task(task);
                }
                None => return self.close(key),
            },
        }
        self.arm(key);
    }

    fn route_label(&self, pattern: &'static str) -> crate::metrics::LabelId {
        if pattern.is_empty() {
            return crate::metrics::LabelId::OTHER;
        }
        self.local.epoch.route_labels.iter().find(|(known, _)| *known == pattern).map_or_else(
            || self.process.metrics.label(Space::Route, &[pattern]),
            |(_, label)| *label,
        )
    }
}

/// Brings the sum of what connections keep of unfinished requests up to date with one of them: its
/// own part.
fn count(unfinished: &mut usize, connection: &mut Connection) -> usize {
    let buffered = connection.session().buffered();
    let before = std::mem::replace(&mut connection.counted, buffered);
    *unfinished = (*unfinished + buffered).saturating_sub(before);
    buffered
}

/// New connections taken per listener and turn, so that a flood of them does not starve those that
/// are there.
const ACCEPTS_PER_TURN: usize = 64;

/// Requests of one connection served per turn: a client that pipelines without end waits for the
/// others.
const REQUESTS_PER_TURN: usize = 16;

/// When the poller begins to tell whether a client that waits for its first answer is still there.
/// Most answers are out by then.
const WATCH_AFTER: Duration = Duration::from_millis(25);

/// After running out of file descriptors, or when more clients wait than a turn takes.
const ACCEPT_AGAIN: Duration = Duration::from_millis(10);

/// Between two lines about connections that cannot be accepted.
const OUT_OF_FILES_EVERY: Duration = Duration::from_secs(10);

/// How long a task that was told of its deadline may take to wind up.
const GRACE: Duration = Duration::from_secs(5);

/// No timer is set for sooner than this.
const TIMER_MIN: Duration = Duration::from_millis(1);
