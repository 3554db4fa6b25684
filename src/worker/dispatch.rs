//! From op to link and from answer to task; how tasks begin, go on and end.

use super::channels::Context;
use super::exchange::{Finished, Job};
use super::tasks::{Busy, Ended, Origin, Part, Task};
use super::{Timer, Worker};
use crate::metrics::Count;
use crate::op::{self, Answer, ChannelOp, Failure, Op, PoolId, RedisOp, Route, Subtask};
use crate::reactor::Key;
use crate::upstream::redis::Target;
use std::net::IpAddr;
use std::task::Poll;
use std::time::{Duration, Instant};

impl Worker {
    /// Begins a job; it goes on at once, as far as it can.
    pub(super) fn spawn(&mut self, job: Job, origin: Option<Origin>, deadline: Instant) -> Key {
        let (ops, driver) = op::slot(self.now.mono, deadline);
        let future = job.run(self.local.clone(), ops);
        let key = self.tasks.insert(Task::new(future, driver, origin, self.now.mono));
        self.runnable.push_back(key);
        key
    }

    /// Polls every task that can go on, including those that become able to meanwhile.
    pub(super) fn run_tasks(&mut self) {
        if self.links.take_invalidation() {
            self.known.forget();
        }
        loop {
            while let Some(key) = self.runnable.pop_front() {
                self.run_task(key);
            }
            let rung = self.rung.take();
            if rung.is_empty() {
                return;
            }
            rung.into_iter().for_each(|ask| self.answer(Key::from_bits(ask), Answer::Notified));
        }
    }

    fn run_task(&mut self, key: Key) {
        loop {
            let Some(task) = self.tasks.get_mut(key) else { return };
            match task.poll(self.now.mono) {
                Poll::Ready(Ended::Job(finished)) => return self.finish(key, finished),
                Poll::Ready(Ended::Subtask(ask, done)) => {
                    self.tasks.remove(key);
                    self.procedures -= 1;
                    return self.answer(ask, Answer::Done(done));
                }
                Poll::Ready(Ended::Standing) => return self.stood(key),
                Poll::Ready(Ended::Name(name, found)) => return self.looked_up(key, &name, found),
                Poll::Pending => {
                    let Some((op, until)) = task.driver.take_op() else { return };
                    self.dispatch(key, Part::Whole, op, until);
                    // An op that was answered at once lets the task go on at once.
                    if self.runnable.back() != Some(&key) {
                        return;
                    }
                    self.runnable.pop_back();
                }
            }
        }
    }

    /// Hands an op to whoever can do it.
    fn dispatch(&mut self, task: Key, part: Part, op: Op, until: Instant) {
        match op {
            Op::Redis(op) => self.dispatch_redis(task, part, &op, until),
            Op::Sleep(duration) => {
                let ask = self.asks.add(&mut self.tasks, task, part);
                // Not the turn's time, which lies before what the turn has done so far: a script
                // never sleeps less than it asked for.
                match Instant::now().checked_add(duration) {
                    Some(at) if at <= until => self.timers.set(at, Timer::Slept(ask)),
                    _ => self.timers.set(until, Timer::TimedOut(ask)),
                }
            }
            Op::Hash(op) => {
                let ask = self.asks.add(&mut self.tasks, task, part);
                match self.hash.submit(ask.to_bits(), until, op) {
                    Ok(()) => self.timers.set(until, Timer::TimedOut(ask)),
                    Err(failure) => {
                        self.metrics.count(Count::HashesRefused);
                        self.answer(ask, Answer::Failed(failure));
                    }
                }
            }
            Op::Dns(op) => match self.resolver.recall(&op, self.now.mono) {
                Some(answer) => self.settle(task, part, answer),
                None => {
                    let ask = self.asks.add(&mut self.tasks, task, part);
                    self.timers.set(until, Timer::TimedOut(ask));
                    if let Some(answer) = self.resolver.ask(op, ask.to_bits(), self.now.mono) {
                        self.answer(ask, answer);
                    }
                }
            },
            Op::Blocking(work) => {
                let ask = self.asks.add(&mut self.tasks, task, part);
                match self.helpers.submit(ask.to_bits(), until, work) {
                    Ok(()) => self.timers.set(until, Timer::TimedOut(ask)),
                    Err(failure) => self.answer(ask, Answer::Failed(failure)),
                }
            }
            Op::Notified(bell) => {
                let ask = self.asks.add(&mut self.tasks, task, part);
                if bell.listen(ask.to_bits(), &self.rung) {
                    self.timers.set(until, Timer::TimedOut(ask));
                } else {
                    self.answer(ask, Answer::Notified);
                }
            }
            Op::Channel(op) => self.dispatch_channel(task, part, op, until),
            Op::Run(procedure) => self.dispatch_procedure(task, part, procedure, until),
            Op::All(ops) if ops.is_empty() => self.settle(task, part, Answer::All(Vec::new())),
            Op::All(ops) => {
                let join = self.asks.join(task, part, ops.len());
                for (at, op) in ops.into_iter().enumerate() {
                    self.dispatch(task, Part::Of(join, at), op, until);
                }
            }
        }
    }

    fn dispatch_redis(&mut self, task: Key, part: Part, op: &RedisOp, until: Instant) {
        if op.pool != PoolId::DEFAULT && !self.links.has(op.pool) {
            match self.target_of(op.pool) {
                Ok(target) => {
                    let name = self
                        .process
                        .pools
                        .name(op.pool)
                        .unwrap_or_else(|| format!("pool {}", op.pool.0));
                    self.links.set(
                        op.pool,
                        target,
                        self.process.stores.open(&name),
                        self.now.mono,
                        &mut self.answers,
                    );
                }
                Err(failure) => return self.settle(task, part, Answer::Failed(failure)),
            }
        }
        self.metrics.count(if op.route == Route::Read {
            Count::RedisReads
        } else {
            Count::RedisWrites
        });
        let ask = self.asks.add(&mut self.tasks, task, part);
        if let Some(answer) = self.links.ask(op, ask.to_bits(), until, self.now.mono) {
            self.answer(ask, answer);
        }
    }

    fn dispatch_channel(&mut self, task: Key, part: Part, op: ChannelOp, until: Instant) {
        let ask = self.asks.add(&mut self.tasks, task, part);
        let context = Context { reactor: &mut self.reactor, scratch: &mut self.scratch };
        match self.channels.begin(op, ask, context) {
            Ok(channel) => {
                self.asks.set_busy(ask, Busy::Channel(channel));
                self.timers.set(until, Timer::TimedOut(ask));
            }
            Err(answer) => self.answer(ask, answer),
        }
    }

    /// A procedure is a task of its own, which lives no longer than its ask.
    fn dispatch_procedure(&mut self, task: Key, part: Part, procedure: Subtask, until: Instant) {
        let ask = self.asks.add(&mut self.tasks, task, part);
        let (ops, driver) = op::slot(self.now.mono, until);
        let future = procedure.begin(ops);
        let future = async move { Ended::Subtask(ask, future.await) };
        let child = self.tasks.insert(Task::new(future, driver, None, self.now.mono));
        self.procedures += 1;
        self.asks.set_busy(ask, Busy::Subtask(child));
        self.timers.set(until, Timer::TimedOut(ask));
        self.runnable.push_back(child);
    }

    /// Where the Redis of a pool is that a script registered.
    fn target_of(&self, pool: PoolId) -> Result<Target, Failure> {
        let settings = self.process.pools.settings(pool);
        let settings = settings.ok_or_else(|| Failure::Unavailable("no such Redis pool".into()))?;
        crate::epoch::pool_target(&settings).map_err(Failure::Unavailable)
    }

    /// An answer for an ask; its task goes on in this turn.
    pub(super) fn answer(&mut self, ask: Key, answer: Answer) {
        if let Some(task) = self.asks.answer(&mut self.tasks, ask, answer) {
            self.runnable.push_back(task);
        }
    }

    fn settle(&mut self, task: Key, part: Part, answer: Answer) {
        if let Some(task) = self.asks.answer_part(&mut self.tasks, task, part, answer) {
            self.runnable.push_back(task);
        }
    }

    /// Passes on what the links have answered.
    pub(super) fn deliver_answers(&mut self) {
        let mut answers = std::mem::take(&mut self.answers);
        for (who, answer) in answers.drain(..) {
            self.answer(Key::from_bits(who), answer);
        }
        self.answers = answers;
    }

    /// Sends what this turn asked. Answers that come of it (a refused connection) let tasks go on,
    /// which may ask again.
    pub(super) fn flush_links(&mut self) {
        loop {
            self.links.flush(&mut self.reactor, self.now.mono, &mut self.answers);
            self.begin_lookups();
            self.resolver.flush(&mut self.reactor, self.now.mono, &mut self.answers);
            if self.answers.is_empty() && self.runnable.is_empty() {
                return;
            }
            self.deliver_answers();
            self.run_tasks();
        }
    }

    /// Looks up the hosts that links want to connect to, each in a task of its own.
    fn begin_lookups(&mut self) {
        for name in self.links.take_wanted_names() {
            // The resolver has a time limit of its own.
            let (ops, driver) = op::slot(self.now.mono, self.now.mono + LOOKUP_MAX);
            let future = async move {
                let found = super::names::look_up(&ops, &name).await;
                Ended::Name(name, found)
            };
            let key = self.tasks.insert(Task::new(future, driver, None, self.now.mono));
            // They are no jobs, and nobody's end waits for them.
            self.procedures += 1;
            self.lookups += 1;
            self.runnable.push_back(key);
        }
    }

    fn looked_up(&mut self, key: Key, name: &str, found: Result<Vec<IpAddr>, Failure>) {
        self.tasks.remove(key);
        self.procedures -= 1;
        self.lookups -= 1;
        self.links.name_answered(name, found, &mut self.reactor, self.now.mono, &mut self.answers);
    }

    /// The task's deadline is over: whatever it waits for fails, and so do further ops.
    pub(super) fn expire_task(&mut self, key: Key) {
        let Some(task) = self.tasks.get_mut(key) else { return };
        let mut stopped = Vec::new();
        self.asks.forget(task, |ask, busy| stopped.push((ask, busy)));
        task.clear_asks();
        task.driver.put_answer(Answer::Failed(Failure::Deadline));
        self.runnable.push_back(key);
        stopped.into_iter().for_each(|(ask, busy)| self.stop(ask, busy));
    }

    /// The client is gone: nobody needs the answer, nor what works for it.
    pub(super) fn cancel_task(&mut self, key: Key) {
        if let Some(task) = self.tasks.remove(key) {
            self.release_permit(&task);
            let mut stopped = Vec::new();
            self.asks.forget(&task, |ask, busy| stopped.push((ask, busy)));
            stopped.into_iter().for_each(|(ask, busy)| self.stop(ask, busy));
        }
    }

    /// The request that a task answered is done.
    fn release_permit(&mut self, task: &Task) {
        if task.origin.is_some() {
            self.permits.release();
        }
    }

    /// An ask's time is over.
    pub(super) fn time_out(&mut self, ask: Key) {
        if let Some(busy) = self.asks.take_busy(ask) {
            self.stop(ask, busy);
        }
        self.answer(ask, Answer::Failed(Failure::TimedOut));
    }

    /// Ends what is at work for an ask that nobody waits for any more.
    fn stop(&mut self, ask: Key, busy: Busy) {
        match busy {
            Busy::Channel(channel) => self.channels.abandon(channel, ask),
            Busy::Subtask(child) => {
                if self.tasks.contains(child) {
                    self.procedures -= 1;
                    self.cancel_task(child);
                }
            }
        }
    }

    /// Requests, post actions and hooks under way.
    pub(super) fn jobs(&self) -> usize {
        self.tasks.len() - self.procedures
    }

    fn finish(&mut self, key: Key, mut finished: Finished) {
        let Some(task) = self.tasks.remove(key) else { return };
        self.release_permit(&task);
        if let Finished::Admitted(request, outcome, from) = finished {
            if let Some(origin) = task.origin {
                self.admitted(origin, task.driver.deadline(), request, outcome, from);
            }
            return;
        }
        let status = task.origin.and_then(|origin| self.send_answer(&origin, &mut finished));
        let elapsed = task.began.elapsed();
        self.log_finished(&mut finished, task.origin.as_ref(), status, elapsed);
        self.count_finished(&finished, task.origin.as_ref(), elapsed);
        match finished {
            Finished::Authenticated(login, outcome) if outcome.post_actions => {
                login.answered(status.unwrap_or_default(), elapsed);
                self.queue_post_actions(login);
            }
            Finished::PostActions(..) => self.next_waiting(),
            Finished::Init(_) => self.init_done = None,
            Finished::Exported(count, outcome) => self.spans_exported(count, outcome),
            _ => {}
        }
    }

    fn queue_post_actions(&mut self, login: Box<crate::auth::login::Login>) {
        if self.local.epoch.has_post_actions() {
            let sent = self
                .process
                .background
                .get()
                .map(|background| background.send_quietly(super::Message::PostActions(login)));
            match sent {
                Some(Ok(())) => self.woke_background = true,
                _ => self.metrics.count(Count::PostActionsDropped),
            }
        }
    }

    /// Runs post actions now, or when fewer are under way.
    pub(super) fn begin_post_actions(&mut self, login: Box<crate::auth::login::Login>) {
        if self.jobs() < self.local.epoch.post_actions_max {
            let deadline = self.now.mono + self.local.epoch.post_action_time;
            self.spawn(Job::PostActions(login), None, deadline);
        } else if self.waiting.len() < self.local.epoch.post_actions_waiting_max {
            self.waiting.push_back(login);
        } else {
            self.metrics.count(Count::PostActionsDropped);
        }
    }

    fn next_waiting(&mut self) {
        if let Some(login) = self.waiting.pop_front() {
            self.begin_post_actions(login);
        }
    }
}

/// Longer than any resolver is worth waiting for (`server.dns.timeout`).
const LOOKUP_MAX: Duration = Duration::from_secs(60);
