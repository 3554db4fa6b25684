//! Asks: what tasks wait for, and where each answer belongs.
//!
//! A task has at most one op outstanding, which may be several that go out together
//! ([`Op::All`](crate::op::Op::All)). Each of them is an ask with a key of its own, which comes back
//! with the answer. An ask goes with its task: late answers find nothing.

use super::task::Task;
use crate::op::{Answer, AskId};
use crate::reactor::{Key, Slots};

/// All asks of a worker.
#[derive(Default)]
pub(super) struct Asks {
    asks: Slots<Ask>,
    joins: Slots<Join>,
}

struct Ask {
    task: Key,
    part: Part,
    /// What works for it, and must stop when the ask is given up.
    busy: Option<Busy>,
}

/// What works for an ask.
#[derive(Clone, Copy, Debug)]
pub(super) enum Busy {
    /// The task of a subtask.
    Subtask(Key),
    /// An upstream connection.
    Connection(Key),
}

/// The answers to an `Op::All` so far.
struct Join {
    /// Where the whole answer belongs.
    task: Key,
    part: Part,
    answers: Vec<Option<Answer>>,
    left: usize,
}

/// Where in the answer of its task an ask's answer goes.
#[derive(Clone, Copy)]
pub(super) enum Part {
    Whole,
    /// Into this join, at this place.
    Of(Key, usize),
}

impl Asks {
    /// Notes that `task` waits for something; the id goes to the part that will answer.
    pub fn add<E>(&mut self, tasks: &mut Slots<Task<E>>, task: Key, part: Part) -> AskId {
        let ask = AskId(self.asks.insert(Ask { task, part, busy: None }).to_bits());
        if let Some(task) = tasks.get_mut(task) {
            task.asks.push(ask);
        }
        ask
    }

    /// Notes that `task` waits for `count` answers together.
    pub fn join(&mut self, task: Key, part: Part, count: usize) -> Key {
        let answers = std::iter::repeat_with(|| None).take(count).collect();
        self.joins.insert(Join { task, part, answers, left: count })
    }

    /// Notes what works for an ask.
    pub fn set_busy(&mut self, ask: AskId, busy: Busy) {
        if let Some(ask) = self.asks.get_mut(key(ask)) {
            ask.busy = Some(busy);
        }
    }

    /// What works for an ask that is to be given up.
    pub fn take_busy(&mut self, ask: AskId) -> Option<Busy> {
        self.asks.get_mut(key(ask))?.busy.take()
    }

    /// Puts an answer where it belongs. Some: the task has its whole answer and goes on.
    pub fn answer<E>(
        &mut self,
        tasks: &mut Slots<Task<E>>,
        ask: AskId,
        answer: Answer,
    ) -> Option<Key> {
        let ask = self.asks.remove(key(ask))?;
        self.settle(tasks, ask.task, ask.part, answer)
    }

    /// As [`Asks::answer`], for a part that needed no ask.
    pub fn settle<E>(
        &mut self,
        tasks: &mut Slots<Task<E>>,
        mut task: Key,
        mut part: Part,
        mut answer: Answer,
    ) -> Option<Key> {
        while let Part::Of(key, at) = part {
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
            (task, part) = (join.task, join.part);
        }
        let waiting = tasks.get_mut(task)?;
        waiting.asks.clear();
        waiting.driver.put_answer(answer);
        Some(task)
    }

    /// Whether the ask still waits for its answer.
    pub fn contains(&self, ask: AskId) -> bool {
        self.asks.contains(key(ask))
    }

    /// How many are out; an op of several counts once more for itself.
    pub fn len(&self) -> usize {
        self.asks.len() + self.joins.len()
    }

    /// Forgets what a task that ends was waiting for; `stop` gets each ask that something works for.
    pub fn forget(&mut self, asks: &[AskId], mut stop: impl FnMut(AskId, Busy)) {
        for id in asks {
            let Some(ask) = self.asks.remove(key(*id)) else { continue };
            if let Some(busy) = ask.busy {
                stop(*id, busy);
            }
            let mut part = ask.part;
            while let Part::Of(join, _) = part {
                let Some(join) = self.joins.remove(join) else { break };
                part = join.part;
            }
        }
    }
}

/// The place of an ask among the slots.
fn key(ask: AskId) -> Key {
    Key::from_bits(ask.0)
}
