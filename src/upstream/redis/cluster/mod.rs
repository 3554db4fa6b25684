//! A cluster: commands to the nodes that serve their slots, and replies back in their order.
//!
//! An op becomes a [`job::Job`], its commands [`job::Unit`]s that each go to one node; the last
//! reply completes the job. Units of one node stay in order, those of different nodes do not wait
//! for each other. What a node refuses is sent where it says (MOVED, ASK), or again a little later
//! (TRYAGAIN, CLUSTERDOWN), within the op's time and [`Layout::Cluster`](super::Layout)'s number of
//! redirections. What was in flight at a node that went away is never sent again unless it only
//! reads.
//!
//! The map comes from CLUSTER SLOTS of any node: at the start, after a MOVED or a loss, again and
//! again while a master is away, and every [`CALM`] otherwise. Asks wait for the first map; if no
//! node can be reached at all they are refused at once.
//! Rules: the cluster specification, redis.io. Bounds: as many jobs as a link has asks
//! ([`Settings::asks_max`]).
//!
//! ```text
//! keys.rs      where a command's keys are       slots.rs   key → slot, CLUSTER SLOTS
//! split.rs     one command ↔ its parts          map.rs     slot → nodes
//! redirect.rs  MOVED, ASK and their kin         job.rs     what is under way
//! ```

mod job;
mod keys;
mod map;
mod redirect;
pub mod slots;
mod split;

use super::Settings;
use super::backoff::Backoff;
use super::nodes::Nodes;
use crate::op::{Answer, AskId, Failure, RedisOp, Route};
use crate::proto::resp::Commands;
use ahash::AHashMap;
use job::Jobs;
use map::Map;
use redirect::Advice;
use split::Place;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

#[derive(Debug)]
pub(super) struct Cluster {
    seeds: Vec<String>,
    /// For every node.
    settings: Settings,
    redirects_max: u8,
    map: Map,
    places: AHashMap<String, usize>,
    jobs: Jobs,
    /// Units that wait for a map.
    queue: VecDeque<AskId>,
    /// Units that are to be sent again, and when.
    paused: Vec<(Instant, AskId)>,
    /// Units' answers that are still to be looked at.
    found: VecDeque<(AskId, Answer)>,
    /// Answers for the askers.
    done: Vec<(AskId, Answer)>,
    question: Commands,
    /// The node that has been asked for the map.
    asked: Option<usize>,
    /// When the map was last answered; None: it never was, or is known to be out of date.
    answered: Option<Instant>,
    /// How long after that to ask again while all is well, and while it is not.
    calm: Duration,
    alert: Duration,
    turn: usize,
    spread: Backoff,
}

impl Cluster {
    pub(super) fn new(
        seeds: Vec<String>,
        settings: Settings,
        redirects_max: u8,
        seed: u64,
        _now: Instant,
    ) -> Cluster {
        Cluster {
            seeds,
            jobs: Jobs::default(),
            settings,
            redirects_max,
            map: Map::default(),
            places: AHashMap::new(),
            queue: VecDeque::new(),
            paused: Vec::new(),
            found: VecDeque::new(),
            done: Vec::new(),
            question: Commands::one(&[b"CLUSTER", b"SLOTS"]),
            asked: None,
            answered: None,
            calm: CALM,
            alert: ALERT,
            turn: 0,
            spread: Backoff::new(seed),
        }
    }

    /// As [`Pool::ask`](super::Pool::ask).
    pub(super) fn ask(
        &mut self,
        op: &RedisOp,
        ask: AskId,
        until: Instant,
        nodes: &mut Nodes,
        now: Instant,
    ) -> Option<Answer> {
        let failure = match self.hopeless(nodes, now) {
            _ if self.jobs.len() >= self.settings.asks_max => Some(Failure::Full("redis")),
            _ if until <= now => Some(Failure::TimedOut),
            why => why.map(Failure::Refused),
        };
        if let Some(failure) = failure {
            return Some(Answer::Failed(failure));
        }
        if op.commands.count() == 0 {
            return Some(Answer::Replies(Vec::new()));
        }
        let (job, units) = self.jobs.begin(op, ask, until);
        for unit in units {
            self.send(unit, nodes, now);
        }
        // Nothing may have been sent: every command was refused here.
        self.done.extend(self.jobs.finish(job));
        self.settle(nodes, now);
        let at = self.done.iter().position(|(done, _)| *done == ask)?;
        Some(self.done.swap_remove(at).1)
    }

    /// Takes what links have answered, sends what has waited long enough, keeps the map up to date,
    /// and passes answers on.
    pub(super) fn turn(
        &mut self,
        nodes: &mut Nodes,
        inner: &mut Vec<(AskId, Answer)>,
        now: Instant,
        out: &mut Vec<(AskId, Answer)>,
    ) {
        self.found.extend(inner.drain(..));
        self.settle(nodes, now);
        self.resume(nodes, now);
        self.expire_queue(nodes, now);
        if self.asked.is_none() && self.due(nodes).is_none_or(|due| due <= now) {
            self.ask_for_map(nodes, now);
        }
        self.settle(nodes, now);
        out.append(&mut self.done);
    }

    pub(super) fn next_timeout(&self, nodes: &Nodes) -> Option<Instant> {
        let asks = self.asked.is_none() && nodes.iter().any(|(_, node)| node.link.is_ready());
        let map = if asks { self.due(nodes) } else { None };
        let paused = self.paused.iter().map(|(at, _)| *at).min();
        let queued = if self.queue.is_empty() { None } else { self.jobs.next_expiry() };
        [map, paused, queued].into_iter().flatten().min()
    }

    /// Ends for good: everybody is told.
    pub(super) fn close(&mut self, out: &mut Vec<(AskId, Answer)>) {
        out.append(&mut self.done);
        out.extend(
            self.jobs
                .end()
                .map(|ask| (ask, Answer::Failed(Failure::Closed("the cluster".to_owned())))),
        );
    }

    /// Whether every slot's master that is known answers.
    pub(super) fn is_whole(&self, nodes: &Nodes) -> bool {
        !self.map.is_empty() && self.map.masters().all(|at| nodes.is_ready(at))
    }

    /// Why nothing can be reached; None while something is there or being tried.
    fn hopeless(&self, nodes: &Nodes, now: Instant) -> Option<String> {
        nodes.hopeless(nodes.iter().map(|(at, _)| at), now).map(str::to_owned)
    }

    /// Sends a unit where it belongs, or has it wait.
    fn send(&mut self, id: AskId, nodes: &mut Nodes, now: Instant) {
        let Some((unit, job)) = self.jobs.unit_and_job(id) else { return };
        let until = job.until;
        if until <= now {
            return self.fail(id, Failure::TimedOut);
        }
        let at = match (unit.asking, unit.place) {
            (Some(at), _) => Some(at),
            (None, Place::Slot(slot)) => self.map.of_slot(slot).and_then(|shard| {
                let reads_at_replica =
                    job.route == Route::Read && self.settings.reads_at_replicas && unit.tries == 0;
                let replica = if reads_at_replica {
                    nodes.ready_in_turn(&shard.replicas, self.turn)
                } else {
                    None
                };
                self.turn = self.turn.wrapping_add(1);
                replica.or(Some(shard.master))
            }),
            (None, Place::AnyNode) => None,
            (None, Place::EveryMaster | Place::Master(_)) => {
                return self.send_to_masters(id, nodes, now);
            }
        };
        // A slot without a known master: any node knows better.
        let Some(at) = at.or_else(|| self.any_node(nodes)) else { return self.queue.push_back(id) };
        let Some((unit, _)) = self.jobs.unit_and_job(id) else { return };
        let with_asking = unit
            .asking
            .take()
            .and_then(|_| unit.commands.iter().next().map(|command| command.after(&[b"ASKING"])));
        unit.node = at;
        let Some(node) = nodes.get_mut(at) else {
            return self.found.push_back((id, Answer::Failed(gone())));
        };
        let answer = node.link.ask(id, until, with_asking.as_ref().unwrap_or(&unit.commands), now);
        self.found.extend(answer.map(|answer| (id, answer)));
    }

    /// Once there is a map: a unit for every master, or for the one with its number.
    fn send_to_masters(&mut self, id: AskId, nodes: &mut Nodes, now: Instant) {
        if self.map.is_empty() {
            return self.queue.push_back(id);
        }
        let mut masters: Vec<usize> = self.map.masters().collect();
        masters.sort_by_key(|at| nodes.get(*at).and_then(|node| node.address()).map(str::to_owned));
        let Some((unit, _)) = self.jobs.unit_and_job(id) else { return };
        if let Place::Master(number) = unit.place {
            match masters.get(number) {
                Some(at) => masters = vec![*at],
                None => return self.done.extend(self.jobs.replace(id, split::end_of_scan())),
            }
        }
        for (unit, at) in self.jobs.spread(id, &masters) {
            let Some((unit_at, job)) = self.jobs.unit_and_job(unit) else { continue };
            unit_at.node = at;
            let (until, commands) = (job.until, &unit_at.commands);
            let answer = match nodes.get_mut(at) {
                Some(node) => node.link.ask(unit, until, commands, now),
                None => Some(Answer::Failed(gone())),
            };
            self.found.extend(answer.map(|answer| (unit, answer)));
        }
    }

    /// A node that is ready, in turn.
    fn any_node(&mut self, nodes: &Nodes) -> Option<usize> {
        self.turn = self.turn.wrapping_add(1);
        let ready: Vec<usize> =
            nodes.iter().filter(|(_, node)| node.link.is_ready()).map(|(at, _)| at).collect();
        nodes.ready_in_turn(&ready, self.turn)
    }

    /// Looks at units' answers until there are none.
    fn settle(&mut self, nodes: &mut Nodes, now: Instant) {
        while let Some((id, answer)) = self.found.pop_front() {
            match (id, answer) {
                (MAP, answer) => self.take_map(answer, nodes, now),
                (id, Answer::Failed(failure)) => self.refused(id, failure, nodes, now),
                (id, Answer::Reply(reply)) => self.done.extend(self.jobs.replied(id, reply)),
                // ASKING's own reply comes first.
                (id, Answer::Replies(mut replies)) => match replies.pop() {
                    Some(reply) => self.done.extend(self.jobs.replied(id, reply)),
                    None => self.fail(id, gone()),
                },
                (id, _) => self.fail(id, gone()),
            }
        }
    }

    /// A unit was not done: sends it elsewhere or again, or fails its job.
    fn refused(&mut self, id: AskId, failure: Failure, nodes: &mut Nodes, now: Instant) {
        let redirects_max = self.redirects_max;
        let Some((unit, job)) = self.jobs.unit_and_job(id) else { return };
        let (until, node, route, is_keyed) = (
            job.until,
            unit.node,
            job.route,
            matches!(unit.place, Place::Slot(_) | Place::AnyNode),
        );
        let asked = nodes.get(node).and_then(|node| node.address()).unwrap_or_default().to_owned();
        let advice = match &failure {
            Failure::NotServing(text) => redirect::advice(text, &asked),
            // Nothing was sent, or what was sent may be asked twice: another node may serve it by
            // now.
            Failure::Refused(_) => return self.try_elsewhere(id, failure, nodes, now),
            Failure::Closed(_) if route == Route::Read => {
                return self.try_elsewhere(id, failure, nodes, now);
            }
            _ => Advice::GiveUp,
        };
        if matches!(failure, Failure::NotServing(_) | Failure::Closed(_))
            && advice != Advice::GiveUp
        {
            self.look_again();
        }
        let Some((unit, _)) = self.jobs.unit_and_job(id) else { return };
        unit.tries = unit.tries.saturating_add(1);
        match advice {
            Advice::Moved { slot, address } if is_keyed && unit.tries <= redirects_max => {
                match self.place(&address, nodes, now) {
                    Some(at) => {
                        self.map.move_slot(slot, at);
                        self.send(id, nodes, now);
                    }
                    None => self.fail(id, failure),
                }
            }
            Advice::Ask { address } if is_keyed && unit.tries <= redirects_max => {
                let at = self.place(&address, nodes, now);
                if let Some((unit, _)) = self.jobs.unit_and_job(id) {
                    unit.asking = at;
                }
                self.send(id, nodes, now);
            }
            Advice::Later => {
                let pause =
                    (PAUSE_MIN * 2u32.saturating_pow(u32::from(unit.tries) - 1)).min(PAUSE_MAX);
                match now + self.spread.jitter(pause) {
                    again if again < until => self.paused.push((again, id)),
                    _ => self.fail(id, failure),
                }
            }
            _ => self.fail(id, failure),
        }
    }

    /// A node could not be reached. If another serves the unit's slot, it is sent there.
    fn try_elsewhere(&mut self, id: AskId, failure: Failure, nodes: &mut Nodes, now: Instant) {
        let redirects_max = self.redirects_max;
        self.look_again();
        let other = self.any_node(nodes);
        let Some((unit, _)) = self.jobs.unit_and_job(id) else { return };
        unit.tries = unit.tries.saturating_add(1);
        let now_at = match unit.place {
            Place::Slot(slot) => self.map.of_slot(slot).map(|shard| shard.master),
            Place::AnyNode => other,
            Place::EveryMaster | Place::Master(_) => None,
        };
        if unit.tries <= redirects_max && now_at.is_some_and(|at| at != unit.node) {
            return self.send(id, nodes, now);
        }
        self.fail(id, failure);
    }

    fn fail(&mut self, id: AskId, failure: Failure) {
        self.done.extend(self.jobs.failed(id, failure));
    }

    /// Sends what has paused long enough, and what waited for any node if there is one.
    fn resume(&mut self, nodes: &mut Nodes, now: Instant) {
        let mut due = Vec::new();
        if !self.queue.is_empty() && !self.map.is_empty() && self.any_node(nodes).is_some() {
            due.extend(self.queue.drain(..));
        }
        self.paused.retain(|(at, id)| {
            let stays = *at > now;
            if !stays {
                due.push(*id);
            }
            stays
        });
        for id in due {
            self.send(id, nodes, now);
        }
    }

    /// Fails the asks whose time is over, and all of them if no node is left to wait for.
    fn expire_queue(&mut self, nodes: &Nodes, now: Instant) {
        if self.queue.is_empty() {
            return;
        }
        if let Some(why) = self.hopeless(nodes, now) {
            return self.fail_queue(&why);
        }
        if self.jobs.next_expiry().is_none_or(|at| at > now) {
            return;
        }
        let mut waiting = std::mem::take(&mut self.queue);
        waiting.retain(|id| {
            let until = self.jobs.unit_and_job(*id).map(|(_, job)| job.until);
            if until.is_some_and(|until| until <= now) {
                self.fail(*id, Failure::TimedOut);
            }
            until.is_some_and(|until| until > now)
        });
        self.queue = waiting;
        self.jobs.recount_expiry();
    }

    fn fail_queue(&mut self, why: &str) {
        for id in std::mem::take(&mut self.queue) {
            self.fail(id, Failure::Refused(why.to_owned()));
        }
    }

    /// The map may be out of date: it is asked for soon.
    fn look_again(&mut self) {
        self.alert = self.alert.min(SOON);
        self.calm = self.calm.min(SOON);
    }

    /// When to ask for the map; None: at once.
    fn due(&self, nodes: &Nodes) -> Option<Instant> {
        Some(self.answered? + if self.is_whole(nodes) { self.calm } else { self.alert })
    }

    fn ask_for_map(&mut self, nodes: &mut Nodes, now: Instant) {
        let Some(at) = self.any_node(nodes) else {
            // Whom to ask but those who were named to us? Their links keep trying.
            for address in self.seeds.clone() {
                self.place(&address, nodes, now);
            }
            return;
        };
        if let Some(node) = nodes.get_mut(at)
            && node.link.ask(MAP, now + MAP_TIME, &self.question, now).is_none()
        {
            self.asked = Some(at);
        }
    }

    fn take_map(&mut self, answer: Answer, nodes: &mut Nodes, now: Instant) {
        let asked = self
            .asked
            .take()
            .and_then(|at| nodes.get(at))
            .and_then(|node| node.address())
            .unwrap_or_default()
            .to_owned();
        self.answered = Some(now);
        (self.calm, self.alert) = (self.spread.jitter(CALM), self.spread.jitter(ALERT));
        let ranges = match answer {
            Answer::Reply(reply) => slots::parse(&reply, &asked),
            Answer::Failed(failure) => Err(failure.to_string()),
            _ => Err("no answer to CLUSTER SLOTS".to_owned()),
        };
        match ranges {
            Ok(ranges) if ranges.is_empty() => {
                self.no_map("no node of the cluster serves any slot")
            }
            Ok(ranges) => self.adopt(&ranges, nodes, now),
            Err(why) => self.no_map(&why),
        }
    }

    /// An invalid map changes nothing.
    fn no_map(&mut self, why: &str) {
        if self.map.is_empty() {
            self.fail_queue(why);
        }
    }

    fn adopt(&mut self, ranges: &[slots::Range], nodes: &mut Nodes, now: Instant) {
        let with_replicas = self.settings.reads_at_replicas;
        self.map = Map::build(ranges, |address| {
            let is_master = ranges.iter().any(|range| range.master == address);
            if is_master || with_replicas {
                place(&mut self.places, &self.settings, address, nodes, now)
            } else {
                None
            }
        });
        self.drop_strangers(nodes, now);
        for id in std::mem::take(&mut self.queue) {
            self.send(id, nodes, now);
        }
    }

    /// Lets go of nodes that are not in the map, once nothing is in flight there.
    fn drop_strangers(&mut self, nodes: &mut Nodes, now: Instant) {
        let (map, mut lost) = (&self.map, Vec::new());
        self.places.retain(|_, at| {
            let stays = map.has(*at) || nodes.get(*at).is_some_and(|node| node.link.waiting() > 0);
            if !stays {
                nodes.remove(*at, now, &mut lost);
            }
            stays
        });
        debug_assert!(lost.is_empty(), "nothing was in flight");
    }

    /// The place of the node at an address, which is made if need be.
    fn place(&mut self, address: &str, nodes: &mut Nodes, now: Instant) -> Option<usize> {
        place(&mut self.places, &self.settings, address, nodes, now)
    }
}

fn place(
    places: &mut AHashMap<String, usize>,
    settings: &Settings,
    address: &str,
    nodes: &mut Nodes,
    now: Instant,
) -> Option<usize> {
    if let Some(at) = places.get(address) {
        return Some(*at);
    }
    let at = nodes.add(Settings { address: address.to_owned(), ..settings.clone() }, now)?;
    places.insert(address.to_owned(), at);
    Some(at)
}

fn gone() -> Failure {
    Failure::Protocol("a node's answer went missing".to_owned())
}

/// The unit that asks for the map; the others have higher numbers.
const MAP: AskId = AskId(0);

/// How often the map is asked for while all masters answer; MOVED tells of changes earlier.
const CALM: Duration = Duration::from_secs(30);

/// How often while one does not: a failover shows in the map.
const ALERT: Duration = Duration::from_millis(500);

/// How long after one answer the map is asked for again when it is known to be wrong.
const SOON: Duration = Duration::from_millis(100);

/// A node that takes longer to tell the map is passed over.
const MAP_TIME: Duration = Duration::from_millis(500);

/// Between a refusal that passes and the next try.
const PAUSE_MIN: Duration = Duration::from_millis(25);
const PAUSE_MAX: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests;
