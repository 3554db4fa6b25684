//! Tasks: the futures that requests run as, what they wait for, and who gets which answer.
//!
//! A task has at most one op outstanding, which may be several lookups that go out together. Each
//! of them is an [`Ask`] with a key of its own; links hand that key back with the answer. A task
//! that is gone takes its asks along: late answers find nothing.

use crate::dialect::envelope::Envelope;
use crate::metrics::LabelId;
use crate::op::{Answer, Done, Driver, Failure};
use crate::proto::http::Method;
use crate::reactor::{Key, Slots};
use crate::worker::exchange::Finished;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

/// One request (or post action, or init) under way, or a procedure that one of them asked for.
pub struct Task {
    future: Pin<Box<dyn Future<Output = Ended>>>,
    pub driver: Driver,
    /// Who waits for the answer; `None` in the background.
    pub origin: Option<Origin>,
    pub began: Instant,
    /// Asks that are out.
    asks: Vec<Key>,
}

/// What a task came to. Moved once; boxing the common variant would cost every request an
/// allocation.
#[allow(clippy::large_enum_variant)]
pub enum Ended {
    Job(Finished),
    /// The procedure that an ask began returned this.
    Subtask(Key, Done),
    /// A standing task has nothing more to do.
    Standing,
    /// Where the host of an upstream's address is.
    Name(String, Result<Vec<IpAddr>, Failure>),
}

impl Task {
    pub fn new(
        future: impl Future<Output = Ended> + 'static,
        driver: Driver,
        origin: Option<Origin>,
        began: Instant,
    ) -> Task {
        Task { future: Box::pin(future), driver, origin, began, asks: Vec::new() }
    }

    /// Goes on as far as possible.
    pub fn poll(&mut self, now: Instant) -> Poll<Ended> {
        self.driver.set_now(now);
        self.future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
    }

    /// What it waited for does not matter any more.
    pub fn clear_asks(&mut self) {
        self.asks.clear();
    }
}

/// The request that a task answers.
#[derive(Clone, Copy)]
pub struct Origin {
    pub connection: Key,
    pub frame: Frame,
    /// What the metrics count the route by.
    pub route: LabelId,
}

/// What an answer needs to know of its request after the request has moved into the task.
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    pub minor: u8,
    pub method: Method,
    pub keep_alive: bool,
}

impl Frame {
    pub fn envelope<'a>(&self, date: &'a [u8; 29]) -> Envelope<'a> {
        Envelope {
            minor: self.minor,
            method: self.method,
            keep_alive: self.keep_alive,
            date,
            servers_down: false,
        }
    }
}

/// All asks of a worker.
#[derive(Default)]
pub struct Asks {
    asks: Slots<Ask>,
    joins: Slots<Join>,
}

struct Ask {
    task: Key,
    /// Part of an `Op::All`: which one, and its place in it.
    part: Option<(Key, usize)>,
    /// What works for it, and must not go on when nobody waits any more.
    busy: Option<Busy>,
}

/// What is at work for an ask.
#[derive(Clone, Copy, Debug)]
pub enum Busy {
    /// A procedure's task.
    Subtask(Key),
    /// A channel.
    Channel(Key),
}

/// The answers to an `Op::All` so far.
struct Join {
    /// Where the whole answer belongs.
    whole: Ask,
    answers: Vec<Option<Answer>>,
    left: usize,
}

/// Where in the answer of its task an ask's answer goes.
#[derive(Clone, Copy)]
pub enum Part {
    Whole,
    Of(Key, usize),
}

impl Asks {
    /// Notes that `task` waits for something; the key goes to whoever will answer.
    pub fn add(&mut self, tasks: &mut Slots<Task>, task: Key, part: Part) -> Key {
        let part = match part {
            Part::Whole => None,
            Part::Of(join, at) => Some((join, at)),
        };
        let key = self.asks.insert(Ask { task, part, busy: None });
        if let Some(task) = tasks.get_mut(task) {
            task.asks.push(key);
        }
        key
    }

    /// Notes that `task` waits for `count` answers together.
    pub fn join(&mut self, task: Key, part: Part, count: usize) -> Key {
        let part = match part {
            Part::Whole => None,
            Part::Of(join, at) => Some((join, at)),
        };
        let answers = std::iter::repeat_with(|| None).take(count).collect();
        self.joins.insert(Join { whole: Ask { task, part, busy: None }, answers, left: count })
    }

    /// Notes what is at work for an ask.
    pub fn set_busy(&mut self, ask: Key, busy: Busy) {
        if let Some(ask) = self.asks.get_mut(ask) {
            ask.busy = Some(busy);
        }
    }

    /// What is at work for an ask that is to be given up.
    pub fn take_busy(&mut self, ask: Key) -> Option<Busy> {
        self.asks.get_mut(ask)?.busy.take()
    }

    /// Puts an answer where it belongs. Some: the task has its whole answer and goes on.
    pub fn answer(&mut self, tasks: &mut Slots<Task>, ask: Key, answer: Answer) -> Option<Key> {
        let ask = self.asks.remove(ask)?;
        self.settle(tasks, ask, answer)
    }

    /// The answer of a part that needed no asking.
    pub fn answer_part(
        &mut self,
        tasks: &mut Slots<Task>,
        task: Key,
        part: Part,
        answer: Answer,
    ) -> Option<Key> {
        let part = match part {
            Part::Whole => None,
            Part::Of(join, at) => Some((join, at)),
        };
        self.settle(tasks, Ask { task, part, busy: None }, answer)
    }

    fn settle(&mut self, tasks: &mut Slots<Task>, mut ask: Ask, mut answer: Answer) -> Option<Key> {
        while let Some((key, at)) = ask.part {
            let join = self.joins.get_mut(key)?;
            if let Some(place @ None) = join.answers.get_mut(at) {
                *place = Some(answer);
                join.left -= 1;
            }
            if join.left > 0 {
                return None;
            }
            let join = self.joins.remove(key)?;
            answer = Answer::All(join.answers.into_iter().flatten().collect());
            ask = join.whole;
        }
        let task = tasks.get_mut(ask.task)?;
        task.asks.clear();
        task.driver.put_answer(answer);
        Some(ask.task)
    }

    /// How many are out; an op of several counts once more for itself.
    pub fn len(&self) -> usize {
        self.asks.len() + self.joins.len()
    }

    /// Forgets what a task that ends was waiting for; `stop` gets each ask that something is at
    /// work for.
    pub fn forget(&mut self, task: &Task, mut stop: impl FnMut(Key, Busy)) {
        for key in &task.asks {
            let Some(ask) = self.asks.remove(*key) else { continue };
            if let Some(busy) = ask.busy {
                stop(*key, busy);
            }
            let mut part = ask.part;
            while let Some((join, _)) = part {
                part = self.joins.remove(join).and_then(|join| join.whole.part);
            }
        }
    }
}
