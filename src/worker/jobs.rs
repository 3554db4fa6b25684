//! Jobs: how tasks begin, what they ask, and what becomes of what they return.

use super::Worker;
use super::exchange::{Background, Finished, Job, Output, PostActions};
use super::scheduler::{Body, Event, Origin, TaskKind};
use super::upstreams::{self, Begun, Context};
use crate::auth::login::Login;
use crate::metrics::Count;
use crate::op::{self, AskId, Op};
use crate::process::Message;
use crate::reactor::Key;
use std::time::{Duration, Instant};

impl Worker {
    /// Adds a job; it runs in this turn, as far as it can.
    pub(super) fn spawn(&mut self, kind: TaskKind, job: Job, deadline: Instant) -> Key {
        let (ops, driver) = op::slot(self.now.mono, deadline);
        let body = job.into_body(self.local.clone(), ops);
        self.scheduler.begin(kind, body, driver, self.now.mono)
    }

    /// Runs every task that can go on, those included that become able to meanwhile.
    pub(super) fn run_tasks(&mut self) {
        self.upstreams.forget_changed();
        while let Some(event) = self.scheduler.next(self.now.mono) {
            match event {
                Event::Ask { ask, op, until } => self.begin_op(ask, op, until),
                Event::Ended { kind, began, deadline, output } => {
                    self.task_ended(kind, began, deadline, output)
                }
            }
        }
        for (ask, connection) in self.scheduler.take_abandoned() {
            self.upstreams.abandon(connection, ask);
        }
    }

    fn begin_op(&mut self, ask: AskId, op: Op, until: Instant) {
        let context = Context {
            reactor: &mut self.reactor,
            scratch: &mut self.scratch,
            metrics: &self.reporting.metrics,
            now: self.now.mono,
        };
        match self.upstreams.begin(ask, op, until, context) {
            Begun::Answered(answer) => self.scheduler.answer(ask, answer),
            Begun::Waiting => {}
            Begun::Limited => self.scheduler.limit(ask, until),
            Begun::Connection(connection) => {
                self.scheduler.set_connection(ask, connection);
                self.scheduler.limit(ask, until);
            }
            // Not the turn's time, which lies before what the turn has done so far: a script never
            // sleeps less than it asked for.
            Begun::Sleeping(duration) => match Instant::now().checked_add(duration) {
                Some(at) if at <= until => self.scheduler.sleep(ask, at),
                _ => self.scheduler.limit(ask, until),
            },
        }
    }

    /// Passes on what upstreams have answered.
    pub(super) fn deliver_answers(&mut self) {
        let mut answers = self.upstreams.take_answers();
        for (ask, answer) in answers.drain(..) {
            self.scheduler.answer(ask, answer);
        }
        self.upstreams.give_back(answers);
    }

    /// Sends what this turn asked. Answers that come of it (a refused connection) let tasks go on,
    /// which may ask again.
    pub(super) fn flush_upstreams(&mut self) {
        loop {
            let has_answers = self.upstreams.flush(&mut self.reactor, self.now.mono);
            self.begin_lookups();
            if !has_answers && !self.scheduler.has_runnable() {
                return;
            }
            self.deliver_answers();
            self.run_tasks();
        }
    }

    /// Looks up the hosts that upstreams want to connect to, each in a task of its own.
    fn begin_lookups(&mut self) {
        for name in self.upstreams.take_wanted_names() {
            // The resolver has a time limit of its own.
            let (ops, driver) = op::slot(self.now.mono, self.now.mono + LOOKUP_MAX);
            let body = Body::Job(Box::pin(async move {
                let found = upstreams::look_up(&ops, &name).await;
                Output::Name(name, found)
            }));
            self.scheduler.begin(TaskKind::Lookup, body, driver, self.now.mono);
        }
    }

    /// Drops the task of a client that is gone.
    pub(super) fn cancel_task(&mut self, key: Key) {
        if let Some(TaskKind::Exchange(_)) = self.scheduler.cancel(key) {
            self.permits.release();
        }
    }

    fn task_ended(&mut self, kind: TaskKind, began: Instant, deadline: Instant, output: Output) {
        let origin = match kind {
            TaskKind::Exchange(origin) => Some(origin),
            _ => None,
        };
        if origin.is_some() {
            self.permits.release();
        }
        match (output, origin) {
            (Output::Answer(finished), Some(origin)) => self.answer(&origin, began, finished),
            (Output::Admitted(admitted), Some(origin)) => {
                self.admitted(origin, deadline, *admitted)
            }
            // Only requests are answered.
            (Output::Answer(_) | Output::Admitted(_), None) => {}
            (Output::Background(background), _) => self.background_ended(background),
            (Output::Name(name, found), _) => {
                self.upstreams.name_answered(&name, found, &mut self.reactor, self.now.mono);
            }
        }
    }

    /// Answers a request; then the log, the metrics and the post actions have their turn.
    fn answer(&mut self, origin: &Origin, began: Instant, mut finished: Box<dyn Finished>) {
        let peer = self.clients.peer(origin.connection);
        let status = self.send_answer(origin, &mut *finished);
        let elapsed = began.elapsed();
        let reporting = &mut self.reporting;
        reporting.finished(&mut *finished, elapsed, self.now);
        reporting.access(finished.request(), peer, status, None, elapsed, self.now);
        reporting.script_output(self.now);
        reporting.metrics.request(origin.route, elapsed, self.now);
        finished.count(&reporting.metrics);
        if let Some(login) = finished.post_actions(status.unwrap_or_default(), elapsed) {
            self.queue_post_actions(login);
        }
    }

    fn background_ended(&mut self, background: Background) {
        match background {
            Background::PostActions(login, events) => {
                self.reporting.events(&events, Some(&login), self.now);
                if let Some(login) = self.waiting.pop_front() {
                    self.begin_post_actions(login);
                }
            }
            Background::Flushed(events) => self.reporting.events(&events, None, self.now),
            Background::Init(events) => {
                self.reporting.events(&events, None, self.now);
                self.init_done = None;
            }
            Background::Exported(count, outcome) => self.spans_exported(count, outcome),
        }
        self.reporting.script_output(self.now);
    }

    fn queue_post_actions(&mut self, login: Box<Login>) {
        if self.local.epoch.has_post_actions() {
            let sent = self
                .process
                .background
                .get()
                .map(|background| background.send_quietly(Message::PostActions(login)));
            match sent {
                Some(Ok(())) => self.woke_background = true,
                _ => self.reporting.metrics.count(Count::PostActionsDropped),
            }
        }
    }

    /// Runs post actions now, or when fewer are under way.
    pub(super) fn begin_post_actions(&mut self, login: Box<Login>) {
        let epoch = &self.local.epoch;
        if self.scheduler.jobs() < epoch.post_actions_max {
            let deadline = self.now.mono + epoch.post_action_time;
            self.spawn(TaskKind::Background, Job::PostActions(PostActions(login)), deadline);
        } else if self.waiting.len() < epoch.post_actions_waiting_max {
            self.waiting.push_back(login);
        } else {
            self.reporting.metrics.count(Count::PostActionsDropped);
        }
    }
}

/// Longer than any resolver is worth waiting for (`server.dns.timeout`).
const LOOKUP_MAX: Duration = Duration::from_secs(60);
