//! Jobs and units: ops that are under way in a cluster, and what of them goes to one node each.

use super::split::{self, Merge, Place};
use crate::op::{Answer, AskId, Failure, RedisOp, Route};
use crate::proto::resp::{Commands, Reply};
use ahash::AHashMap;
use std::time::Instant;

/// All ops under way. A job that has failed is gone; what its units still bring is dropped.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    jobs: AHashMap<u64, Job>,
    /// By what their links answer to.
    units: AHashMap<AskId, Unit>,
    /// The last number given; 0 is never given.
    last: u64,
    /// No job's time is over before this. May be too early.
    earliest: Option<Instant>,
}

/// An op.
#[derive(Debug)]
pub(super) struct Job {
    ask: AskId,
    pub(super) until: Instant,
    pub(super) route: Route,
    /// Command by command.
    commands: Vec<Gathering>,
    /// Commands without a reply yet.
    left: usize,
}

/// One command's reply, as far as it is in.
#[derive(Debug)]
struct Gathering {
    merge: Merge,
    parts: Vec<Option<Reply>>,
    left: usize,
    reply: Option<Reply>,
}

/// What goes to one node.
#[derive(Debug)]
pub(super) struct Unit {
    job: u64,
    /// Which command, and which part of it.
    command: usize,
    part: usize,
    pub(super) place: Place,
    pub(super) commands: Commands,
    /// How often it was refused.
    pub(super) tries: u8,
    /// To be asked at this place next, after ASKING.
    pub(super) asking: Option<usize>,
    /// Where it was sent last.
    pub(super) node: usize,
}

impl Jobs {
    /// Jobs under way.
    pub(super) fn len(&self) -> usize {
        self.jobs.len()
    }

    /// Takes an op apart: its job, and the units to send, in their order.
    pub(super) fn begin(&mut self, op: &RedisOp, ask: AskId, until: Instant) -> (u64, Vec<AskId>) {
        let id = self.next();
        let mut job = Job {
            ask,
            until,
            route: op.route,
            commands: Vec::with_capacity(op.commands.count()),
            left: 0,
        };
        let mut units = Vec::with_capacity(op.commands.count());
        for (at, command) in op.commands.iter().enumerate() {
            let gathering = match split::split(&command) {
                Err(reply) => {
                    Gathering { merge: Merge::Only, parts: Vec::new(), left: 0, reply: Some(reply) }
                }
                Ok((parts, merge)) => {
                    job.left += 1;
                    let count = parts.len();
                    for (part, one) in parts.into_iter().enumerate() {
                        let unit = Unit {
                            job: id,
                            command: at,
                            part,
                            place: one.place,
                            commands: one.commands,
                            tries: 0,
                            asking: None,
                            node: usize::MAX,
                        };
                        units.push(self.add(unit));
                    }
                    Gathering { merge, parts: vec![None; count], left: count, reply: None }
                }
            };
            job.commands.push(gathering);
        }
        self.earliest = Some(self.earliest.map_or(until, |earliest| earliest.min(until)));
        self.jobs.insert(id, job);
        (id, units)
    }

    /// A unit and the job it is for; a unit whose job is gone is forgotten.
    pub(super) fn unit_and_job(&mut self, id: AskId) -> Option<(&mut Unit, &Job)> {
        let job = self.units.get(&id)?.job;
        if !self.jobs.contains_key(&job) {
            self.units.remove(&id);
            return None;
        }
        Some((self.units.get_mut(&id)?, self.jobs.get(&job)?))
    }

    /// Makes of one unit as many as there are places, with their places.
    pub(super) fn spread(&mut self, id: AskId, places: &[usize]) -> Vec<(AskId, usize)> {
        let Some(unit) = self.units.remove(&id) else { return Vec::new() };
        if let Some(gathering) =
            self.jobs.get_mut(&unit.job).and_then(|job| job.commands.get_mut(unit.command))
        {
            gathering.parts = vec![None; places.len()];
            gathering.left = places.len();
        }
        let each = |(part, at): (usize, &usize)| {
            (self.add(Unit { part, commands: unit.commands.clone(), ..unit }), *at)
        };
        places.iter().enumerate().map(each).collect()
    }

    /// A unit's reply. Some: its job is complete.
    pub(super) fn replied(&mut self, id: AskId, reply: Reply) -> Option<(AskId, Answer)> {
        let unit = self.units.remove(&id)?;
        let job = self.jobs.get_mut(&unit.job)?;
        let gathering = job.commands.get_mut(unit.command)?;
        if let Some(place @ None) = gathering.parts.get_mut(unit.part) {
            *place = Some(reply);
            gathering.left -= 1;
        }
        if gathering.left > 0 {
            return None;
        }
        let parts = std::mem::take(&mut gathering.parts).into_iter().flatten().collect();
        gathering.reply = Some(split::merge(&gathering.merge, parts));
        job.left -= 1;
        self.finish(unit.job)
    }

    /// As [`Jobs::replied`], the reply being that of the whole command.
    pub(super) fn replace(&mut self, id: AskId, reply: Reply) -> Option<(AskId, Answer)> {
        let unit = self.units.get(&id)?;
        let job = self.jobs.get_mut(&unit.job)?;
        if let Some(gathering) = job.commands.get_mut(unit.command) {
            gathering.merge = Merge::Only;
        }
        self.replied(id, reply)
    }

    /// A unit failed, and its job with it.
    pub(super) fn failed(&mut self, id: AskId, failure: Failure) -> Option<(AskId, Answer)> {
        let unit = self.units.remove(&id)?;
        let job = self.jobs.remove(&unit.job)?;
        Some((job.ask, Answer::Failed(failure)))
    }

    /// Ends a job that is complete.
    pub(super) fn finish(&mut self, id: u64) -> Option<(AskId, Answer)> {
        if self.jobs.get(&id)?.left > 0 {
            return None;
        }
        let job = self.jobs.remove(&id)?;
        if self.jobs.is_empty() {
            self.earliest = None;
        }
        let mut replies: Vec<Reply> =
            job.commands.into_iter().filter_map(|gathering| gathering.reply).collect();
        let answer = match (replies.len(), replies.pop()) {
            (1, Some(only)) => Answer::Reply(only),
            (_, last) => {
                replies.extend(last);
                Answer::Replies(replies)
            }
        };
        Some((job.ask, answer))
    }

    /// The asks that still wait.
    pub(super) fn end(&mut self) -> impl Iterator<Item = AskId> {
        self.units.clear();
        self.jobs.drain().map(|(_, job)| job.ask)
    }

    /// When the first job's time is over. May be early.
    pub(super) fn next_expiry(&self) -> Option<Instant> {
        self.earliest
    }

    /// Makes [`Jobs::next_expiry`] right.
    pub(super) fn recount_expiry(&mut self) {
        self.earliest = self.jobs.values().map(|job| job.until).min();
    }

    fn add(&mut self, unit: Unit) -> AskId {
        let id = AskId(self.next());
        self.units.insert(id, unit);
        id
    }

    fn next(&mut self) -> u64 {
        self.last += 1;
        self.last
    }
}
