//! Sentinels: who is master of a set, and who its replicas are, by their word.
//!
//! There is a link to each of them. The one whose turn it is is asked: at once when the master is
//! unknown or its connection is lost, then every [`LOOK_AGAIN`] until there is one, and every
//! [`LOOK`] while all is well (a master cut off from its sentinels goes on taking writes that are
//! lost afterwards). What they say may be out of date, so a server must confirm its role in the
//! greeting; if it does not, the next sentinel is asked. A master that moves takes along what was
//! not sent yet; what was in flight at the old one fails.
//! Rules: "Guidelines for Redis clients with support for Redis Sentinel", redis.io.

use super::address::address;
use super::backoff::Backoff;
use super::nodes::Nodes;
use super::pool::{Direct, MASTER};
use super::{Role, Serve, Settings};
use crate::op::{Answer, AskId};
use crate::proto::resp::{Commands, Reply, View};
use std::time::{Duration, Instant};

#[derive(Debug)]
pub(super) struct Sentinels {
    /// Of the set.
    name: String,
    /// Their places.
    places: Vec<usize>,
    /// For replicas.
    settings: Settings,
    serve: Serve,
    questions: Commands,
    /// Whose turn it is.
    turn: usize,
    is_asked: bool,
    /// When the last answer came, and how long after it to ask again; None: at once.
    answered: Option<(Instant, Duration)>,
    spread: Backoff,
}

impl Sentinels {
    #[allow(
        clippy::too_many_arguments,
        reason = "called once, by the pool, with what it was made from"
    )]
    pub(super) fn new(
        name: String,
        addresses: Vec<String>,
        watchers: Settings,
        settings: Settings,
        serve: Serve,
        nodes: &mut Nodes,
        seed: u64,
        now: Instant,
    ) -> Sentinels {
        let places = addresses
            .into_iter()
            .filter_map(|address| nodes.add(Settings { address, ..watchers.clone() }, now))
            .collect();
        let mut questions =
            Commands::one(&[b"SENTINEL", b"GET-MASTER-ADDR-BY-NAME", name.as_bytes()]);
        if serve != Serve::Master {
            questions.push(&[b"SENTINEL", b"REPLICAS", name.as_bytes()]);
        }
        Sentinels {
            name,
            places,
            settings,
            serve,
            questions,
            turn: 0,
            is_asked: false,
            answered: None,
            spread: Backoff::new(seed),
        }
    }

    pub(super) fn is_sentinel(&self, at: usize) -> bool {
        self.places.contains(&at)
    }

    /// Takes answers, asks again if it is time.
    pub(super) fn turn(
        &mut self,
        direct: &mut Direct,
        nodes: &mut Nodes,
        inner: &mut Vec<(AskId, Answer)>,
        now: Instant,
        out: &mut Vec<(AskId, Answer)>,
    ) {
        for (_, answer) in inner.drain(..) {
            self.is_asked = false;
            let pause = match self.take(&answer, direct, nodes, now, out) {
                Ok(()) => LOOK,
                Err(why) => {
                    self.turn = self.turn.wrapping_add(1);
                    give_up(nodes, why, now, out);
                    LOOK_AGAIN
                }
            };
            self.answered = Some((now, self.spread.jitter(pause)));
        }
        if !self.is_asked && self.due(nodes).is_none_or(|due| due <= now) {
            self.ask(nodes, now, out);
        }
    }

    /// When to ask again; None while no sentinel can be asked; an event on a link changes that.
    pub(super) fn next_timeout(&self, nodes: &Nodes) -> Option<Instant> {
        if self.is_asked || nodes.ready_in_turn(&self.places, self.turn).is_none() {
            return None;
        }
        self.due(nodes)
    }

    /// None: at once.
    fn due(&self, nodes: &Nodes) -> Option<Instant> {
        let (answered, pause) = self.answered?;
        Some(answered + if nodes.is_ready(MASTER) { pause } else { pause.min(LOOK_AGAIN) })
    }

    fn ask(&mut self, nodes: &mut Nodes, now: Instant, out: &mut Vec<(AskId, Answer)>) {
        let Some(at) = nodes.ready_in_turn(&self.places, self.turn) else {
            let why = nodes
                .hopeless(self.places.iter().copied(), now)
                .map(|why| format!("no sentinel answers: {why}"));
            if let Some(why) = why {
                give_up(nodes, why, now, out);
            }
            return;
        };
        if let Some(node) = nodes.get_mut(at) {
            self.is_asked =
                node.link.ask(AskId(0), now + ANSWER_TIME, &self.questions, now).is_none();
        }
        if !nodes.is_ready(MASTER) {
            // If its word does not lead to a master, the next is asked.
            self.turn = self.turn.wrapping_add(1);
        }
    }

    /// Goes by a sentinel's word.
    fn take(
        &mut self,
        answer: &Answer,
        direct: &mut Direct,
        nodes: &mut Nodes,
        now: Instant,
        out: &mut Vec<(AskId, Answer)>,
    ) -> Result<(), String> {
        let (master, replicas) = match answer {
            Answer::Reply(master) => (master, None),
            Answer::Replies(replies) => match replies.as_slice() {
                [master, replicas] => (master, Some(replicas)),
                _ => return Err("a sentinel left a question open".to_owned()),
            },
            Answer::Failed(failure) => return Err(failure.to_string()),
            _ => return Err("no answer of a sentinel".to_owned()),
        };
        let master = master_address(master).ok_or_else(|| match master.as_error() {
            Some(text) => String::from_utf8_lossy(text).into_owned(),
            None => format!("the sentinels know no master {:?}", self.name),
        })?;
        let mut wanted = replicas.map(replica_addresses).unwrap_or_default();
        let first = match self.serve {
            Serve::Master | Serve::MasterAndReplicas => master,
            // The first place is a replica like the others; one that is still among them stays
            // there.
            Serve::Replicas => {
                let known = nodes.get(MASTER).and_then(|node| node.address());
                let at =
                    wanted.iter().position(|address| Some(address.as_str()) == known).unwrap_or(0);
                if wanted.is_empty() {
                    return Err(format!("the sentinels know no replica of {:?}", self.name));
                }
                wanted.swap_remove(at)
            }
        };
        if let Some(node) = nodes.get_mut(MASTER)
            && node.address() != Some(&first)
        {
            node.is_addressed = true;
            node.link.redirect(&first, now, out);
        }
        self.keep_replicas(&wanted, direct, nodes, now, out);
        Ok(())
    }

    /// Drops replicas that are gone and adds new ones.
    fn keep_replicas(
        &self,
        wanted: &[String],
        direct: &mut Direct,
        nodes: &mut Nodes,
        now: Instant,
        out: &mut Vec<(AskId, Answer)>,
    ) {
        direct.replicas.retain(|&at| {
            let keep = at == MASTER
                || nodes
                    .get(at)
                    .and_then(|node| node.address())
                    .is_some_and(|address| wanted.iter().any(|one| one == address));
            if !keep {
                nodes.remove(at, now, out);
            }
            keep
        });
        for address in wanted {
            let is_known = direct
                .replicas
                .iter()
                .any(|&at| nodes.get(at).and_then(|node| node.address()) == Some(address));
            if !is_known {
                let settings = Settings {
                    address: address.clone(),
                    role: Role::Replica,
                    verify_role: true,
                    ..self.settings.clone()
                };
                direct.replicas.extend(nodes.add(settings, now));
            }
        }
    }
}

/// Asks that wait for an unknown master fail; one that is there is used all the same.
fn give_up(nodes: &mut Nodes, why: String, now: Instant, out: &mut Vec<(AskId, Answer)>) {
    if let Some(node) = nodes.get_mut(MASTER)
        && !node.is_addressed
        && node.link.wants_connection(now)
    {
        node.link.handle_unreachable(why, now, out);
    }
}

/// The reply to GET-MASTER-ADDR-BY-NAME: address and port; nil for an unknown name.
pub fn master_address(reply: &Reply) -> Option<String> {
    let mut items = reply.view().items()?;
    address(items.next()?.as_bytes()?, items.next()?.as_bytes()?)
}

/// The reply to REPLICAS: of each its fields and values, of which those are named that are there.
pub fn replica_addresses(reply: &Reply) -> Vec<String> {
    let Some(replicas) = reply.view().items() else { return Vec::new() };
    replicas.filter_map(replica_address).take(REPLICAS_MAX).collect()
}

fn replica_address(fields: View<'_>) -> Option<String> {
    let mut fields = fields.items()?;
    let (mut host, mut port) = (None, None);
    while let (Some(name), Some(value)) = (fields.next(), fields.next()) {
        match name.as_bytes()? {
            b"ip" => host = value.as_bytes(),
            b"port" => port = value.as_bytes(),
            b"flags" => {
                let flags = value.as_bytes()?.split(|byte| *byte == b',');
                if flags.into_iter().any(|flag| AWAY.contains(&flag)) {
                    return None;
                }
            }
            _ => {}
        }
    }
    address(host?, port?)
}

/// Flags of a replica that is not there.
const AWAY: [&[u8]; 3] = [b"s_down", b"o_down", b"disconnected"];

/// How often the sentinels are asked while all is well: what is written to a master that is none
/// any more is lost.
const LOOK: Duration = Duration::from_secs(2);

/// How often they are asked while there is no master, cut by up to half at random.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// A sentinel that takes longer is passed over.
const ANSWER_TIME: Duration = Duration::from_millis(500);

/// Replicas that are used: more than anybody runs behind one master.
const REPLICAS_MAX: usize = 32;

#[cfg(test)]
#[path = "sentinel_tests.rs"]
mod tests;
