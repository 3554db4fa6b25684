//! The scheduler: which task goes on, what each task waits for, and who gets which answer.
//!
//! Pure: no socket, no thread; the clock is handed in, so that the simulation in `tests/sim` can
//! drive it. [`Scheduler::next`] polls tasks until one of them needs the caller: it asks for
//! something from outside, or it has ended. The caller does what was asked, now or later, and calls
//! [`Scheduler::answer`]. Subtasks, notifications and several ops at once are handled here.
//!
//! The order of calls in a turn: [`Scheduler::expire`] with the time, [`Scheduler::answer`] for what
//! has come, [`Scheduler::next`] until it has nothing, [`Scheduler::take_abandoned`].
//!
//! A task that is cancelled takes its asks and its subtasks along. An answer for an ask that is
//! gone is dropped.

mod asks;
mod task;

pub use task::{Body, Origin, Task, TaskKind};

use crate::op::{self, Answer, AskId, Driver, Failure, Op, Subtask, Woken};
use crate::reactor::{Key, Slots, Timers};
use asks::{Asks, Busy, Part};
use std::collections::VecDeque;
use std::task::Poll;
use std::time::Instant;
use task::Returned;

/// See the module's head. `E` is what jobs return.
pub struct Scheduler<E> {
    tasks: Slots<Task<E>>,
    asks: Asks,
    timers: Timers<Timer>,
    /// Tasks whose answer has come.
    runnable: VecDeque<Key>,
    /// The task that was polled last.
    current: Option<Key>,
    /// Ops of tasks that go out.
    asked: VecDeque<(AskId, Op, Instant)>,
    /// Asks that were notified.
    woken: Woken,
    /// Asks that were given up, and the upstream connections that work for them.
    abandoned: Vec<(AskId, Key)>,
    exchanges: usize,
    background: usize,
    lookups: usize,
}

/// What a timer is about; its ask may be gone.
enum Timer {
    /// It has slept long enough.
    Slept(AskId),
    /// Its time is over.
    TimedOut(AskId),
}

/// What [`Scheduler::next`] has for its caller.
pub enum Event<E> {
    /// A task asks for something that must be done by `until`. Have it done and call
    /// [`Scheduler::answer`], at once or later; an ask that is not answered by then is to be given
    /// up (see [`Scheduler::limit`]).
    Ask { ask: AskId, op: Op, until: Instant },
    /// A job has ended.
    Ended { kind: TaskKind, began: Instant, deadline: Instant, output: E },
}

impl<E> Scheduler<E> {
    pub fn new(now: Instant) -> Scheduler<E> {
        Scheduler {
            tasks: Slots::new(),
            asks: Asks::default(),
            timers: Timers::new(now),
            runnable: VecDeque::new(),
            current: None,
            asked: VecDeque::new(),
            woken: Woken::default(),
            abandoned: Vec::new(),
            exchanges: 0,
            background: 0,
            lookups: 0,
        }
    }

    /// Adds a task; it begins with the next [`Scheduler::next`].
    pub fn begin(&mut self, kind: TaskKind, body: Body<E>, driver: Driver, now: Instant) -> Key {
        if let Some(count) = self.count_of(kind) {
            *count += 1;
        }
        let key = self.tasks.insert(Task::new(kind, body, driver, now));
        self.runnable.push_back(key);
        key
    }

    /// Polls tasks that can go on, those included that become able to meanwhile, until one of them
    /// needs the caller. `None`: all of them wait.
    pub fn next(&mut self, now: Instant) -> Option<Event<E>> {
        loop {
            if let Some((ask, op, until)) = self.asked.pop_front() {
                // Its task may have been cancelled meanwhile.
                if !self.asks.contains(ask) {
                    continue;
                }
                return Some(Event::Ask { ask, op, until });
            }
            let Some(key) = self.next_runnable() else {
                let woken = self.woken.take();
                if woken.is_empty() {
                    return None;
                }
                woken.into_iter().for_each(|ask| self.answer(ask, Answer::Notified));
                continue;
            };
            self.current = Some(key);
            let Some(task) = self.tasks.get_mut(key) else { continue };
            match task.poll(now) {
                Poll::Pending => {
                    if let Some((op, until)) = task.driver.take_op() {
                        self.ask(key, Part::Whole, op, until, now);
                    }
                }
                Poll::Ready(returned) => {
                    let Some(task) = self.remove(key) else { continue };
                    match (returned, task.kind) {
                        (Returned::Subtask(done), TaskKind::Subtask(ask)) => {
                            self.answer(ask, Answer::Done(done))
                        }
                        (Returned::Job(output), kind) => {
                            let (began, deadline) = (task.began, task.driver.deadline());
                            return Some(Event::Ended { kind, began, deadline, output });
                        }
                        (Returned::Subtask(_) | Returned::Periodic, _) => {}
                    }
                }
            }
        }
    }

    /// The task whose turn it is: the one that was polled last if its op was answered at once, since
    /// what it works with is still in the processor's cache.
    fn next_runnable(&mut self) -> Option<Key> {
        match self.current.take() {
            Some(key) if self.runnable.back() == Some(&key) => self.runnable.pop_back(),
            _ => self.runnable.pop_front(),
        }
    }

    fn ask(&mut self, task: Key, part: Part, op: Op, until: Instant, now: Instant) {
        match op {
            Op::All(ops) if ops.is_empty() => self.settle(task, part, Answer::All(Vec::new())),
            Op::All(ops) => {
                let join = self.asks.join(task, part, ops.len());
                for (at, op) in ops.into_iter().enumerate() {
                    self.ask(task, Part::Of(join, at), op, until, now);
                }
            }
            Op::Notified(notify) => {
                let ask = self.asks.add(&mut self.tasks, task, part);
                if notify.listen(ask, &self.woken) {
                    self.limit(ask, until);
                } else {
                    self.answer(ask, Answer::Notified);
                }
            }
            Op::Run(subtask) => self.run(task, part, subtask, until, now),
            op => {
                let ask = self.asks.add(&mut self.tasks, task, part);
                self.asked.push_back((ask, op, until));
            }
        }
    }

    /// A subtask is a task of its own, which lives no longer than its ask.
    fn run(&mut self, task: Key, part: Part, subtask: Subtask, until: Instant, now: Instant) {
        let ask = self.asks.add(&mut self.tasks, task, part);
        let (ops, driver) = op::slot(now, until);
        let body = Body::Subtask(subtask.begin(ops));
        let child = self.begin(TaskKind::Subtask(ask), body, driver, now);
        self.asks.set_busy(ask, Busy::Subtask(child));
        self.limit(ask, until);
    }

    fn settle(&mut self, task: Key, part: Part, answer: Answer) {
        if let Some(task) = self.asks.settle(&mut self.tasks, task, part, answer) {
            self.runnable.push_back(task);
        }
    }

    /// Answers an ask; its task goes on with the next [`Scheduler::next`]. Nothing happens if the
    /// ask is gone.
    pub fn answer(&mut self, ask: AskId, answer: Answer) {
        if let Some(task) = self.asks.answer(&mut self.tasks, ask, answer) {
            self.runnable.push_back(task);
        }
    }

    /// An upstream connection works for this ask: if the ask is given up, the connection is among
    /// [`Scheduler::take_abandoned`].
    pub fn set_connection(&mut self, ask: AskId, connection: Key) {
        self.asks.set_busy(ask, Busy::Connection(connection));
    }

    /// Fails an ask with [`Failure::TimedOut`] that is not answered by `until`.
    pub fn limit(&mut self, ask: AskId, until: Instant) {
        self.timers.set(until, Timer::TimedOut(ask));
    }

    /// Answers an ask with [`Answer::Slept`] at `at`.
    pub fn sleep(&mut self, ask: AskId, at: Instant) {
        self.timers.set(at, Timer::Slept(ask));
    }

    /// When [`Scheduler::expire`] will have something to do.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.timers.next_deadline()
    }

    /// Answers the asks whose time has come.
    pub fn expire(&mut self, now: Instant) {
        if self.timers.next_deadline().is_none_or(|at| at > now) {
            return;
        }
        let mut due = Vec::new();
        self.timers.expire(now, &mut due);
        for timer in due {
            match timer {
                Timer::Slept(ask) => self.answer(ask, Answer::Slept),
                Timer::TimedOut(ask) => {
                    if let Some(busy) = self.asks.take_busy(ask) {
                        self.stop(ask, busy);
                    }
                    self.answer(ask, Answer::Failed(Failure::TimedOut));
                }
            }
        }
    }

    /// A task's deadline is over: whatever it waits for fails, and so do further ops.
    pub fn expire_task(&mut self, key: Key) {
        let Some(task) = self.tasks.get_mut(key) else { return };
        let asks = std::mem::take(&mut task.asks);
        task.driver.put_answer(Answer::Failed(Failure::Deadline));
        self.runnable.push_back(key);
        self.forget(&asks);
    }

    /// Drops a task and whatever works for it. Its kind, if it was still there.
    pub fn cancel(&mut self, key: Key) -> Option<TaskKind> {
        let task = self.remove(key)?;
        self.forget(&task.asks);
        Some(task.kind)
    }

    fn forget(&mut self, asks: &[AskId]) {
        let mut stopped = Vec::new();
        self.asks.forget(asks, |ask, busy| stopped.push((ask, busy)));
        stopped.into_iter().for_each(|(ask, busy)| self.stop(ask, busy));
    }

    /// Ends what works for an ask that was given up.
    fn stop(&mut self, ask: AskId, busy: Busy) {
        match busy {
            Busy::Connection(connection) => self.abandoned.push((ask, connection)),
            Busy::Subtask(child) => drop(self.cancel(child)),
        }
    }

    /// Upstream connections that work for asks which were given up, each with its ask.
    pub fn take_abandoned(&mut self) -> Vec<(AskId, Key)> {
        std::mem::take(&mut self.abandoned)
    }

    /// Whether a task can go on.
    pub fn has_runnable(&self) -> bool {
        !self.runnable.is_empty() || !self.asked.is_empty()
    }

    /// How many tasks answer requests or run in the background: what limits count.
    pub fn jobs(&self) -> usize {
        self.exchanges + self.background
    }

    /// How many tasks there are, those left out that only look up a host: the drain does not wait
    /// for them.
    pub fn unfinished(&self) -> usize {
        self.tasks.len() - self.lookups
    }

    /// How many asks are out.
    pub fn asks(&self) -> usize {
        self.asks.len()
    }

    fn remove(&mut self, key: Key) -> Option<Task<E>> {
        let task = self.tasks.remove(key)?;
        if let Some(count) = self.count_of(task.kind) {
            *count -= 1;
        }
        Some(task)
    }

    fn count_of(&mut self, kind: TaskKind) -> Option<&mut usize> {
        match kind {
            TaskKind::Exchange(_) => Some(&mut self.exchanges),
            TaskKind::Background => Some(&mut self.background),
            TaskKind::Lookup => Some(&mut self.lookups),
            TaskKind::Periodic | TaskKind::Subtask(_) => None,
        }
    }
}
