//! The effects of one login, written in one piece: mapping, block, wrong password, failures.

use super::ban::Details;
use super::bans::BAN_COMMANDS;
use super::blocks::NewBlock;
use super::buckets::Sizes;
use super::counters::Counters;
use super::history::WrongPassword;
use super::memory::MemoryStore;
use super::redis::RedisStore;
use super::results::Cached;
use super::{Error, Store, accounts};
use crate::op::{Ops, Route, boxed};
use crate::proto::resp::{Commands, Reply};
use crate::time::Now;
use smallvec::SmallVec;
use std::time::{Duration, Instant};

/// What is to be written; nothing, unless a field says so.
#[derive(Clone, Copy, Debug, Default)]
pub struct LoginEffects<'a> {
    /// A login name and its account.
    pub mapping: Option<(&'a [u8], &'a [u8])>,
    pub block: Option<NewBlock<'a>>,
    /// An account whose login was turned away.
    pub affected: Option<&'a [u8]>,
    /// An address that failed for an account, and for how long that is remembered.
    pub failed_from: Option<FailedFrom<'a>>,
    pub password: Option<WrongPassword<'a>>,
    /// A user for the positive cache.
    pub cached: Option<Cached<'a>>,
    pub failures: Option<Failed<'a>>,
}

#[derive(Clone, Copy, Debug)]
pub struct FailedFrom<'a> {
    pub account: &'a [u8],
    pub client: &'a [u8],
    pub ttl: Duration,
}

/// One failure, to be counted in the counters whose period is at least `period_min`.
#[derive(Clone, Copy, Debug)]
pub struct Failed<'a> {
    pub counters: &'a Counters,
    pub period_min: Duration,
    /// The login name that was tried.
    pub username: &'a [u8],
}

/// What came of it. Blocks and failures are known to this process in any case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Whether the login name is mapped now.
    pub mapping: Result<(), Error>,
    /// Whether all the rest was written.
    pub rest: Result<(), Error>,
}

impl LoginEffects<'_> {
    pub fn is_empty(&self) -> bool {
        let LoginEffects { mapping, block, affected, failed_from, password, cached, failures } =
            self;
        mapping.is_none()
            && block.is_none()
            && affected.is_none()
            && failed_from.is_none()
            && password.is_none()
            && cached.is_none()
            && failures.is_none()
    }
}

impl Store {
    /// Writes the effects of a login: one round trip.
    pub async fn apply(&self, ops: &Ops, effects: &LoginEffects<'_>) -> Written {
        match self {
            Store::Memory(memory) => {
                memory.apply(effects, ops.now());
                Written { mapping: Ok(()), rest: Ok(()) }
            }
            Store::Redis(redis) => redis.apply(ops, effects).await,
        }
    }
}

impl MemoryStore {
    fn apply(&self, effects: &LoginEffects<'_>, now: Instant) {
        if let Some((username, account)) = effects.mapping {
            self.map_account(username, account, now);
        }
        if let Some(block) = &effects.block {
            let details = self.details(block, Now::read().unix_ms(), now);
            self.block(block, details, now);
        }
        if let Some(account) = effects.affected {
            self.affected.put(account, (), None, now);
        }
        if let Some(failed) = &effects.failed_from {
            self.failed_from
                .update(failed.account, Some(failed.ttl), now, |set| set.insert(failed.client));
        }
        if let Some(wrong) = &effects.password {
            self.remember_password(wrong, now);
        }
        if let Some(entry) = &effects.cached {
            self.put_cached(entry, now);
        }
        if let Some(failed) = &effects.failures {
            self.count(failed.counters, failed.period_min, now);
            self.note_tried(failed, now);
        }
    }
}

impl MemoryStore {
    /// Keeps who was tried, for the list of bans.
    fn note_tried(&self, failed: &Failed<'_>, now: Instant) {
        let Failed { counters, period_min: _, username } = failed;
        for at in 0..counters.len() {
            let network = counters.network(at);
            // Several buckets may count one network.
            if (0..at).all(|before| counters.network(before) != network) {
                self.tried.update(network, Some(TRIED_FOR), now, |tried| tried.add(username));
            }
        }
    }
}

impl RedisStore {
    async fn apply(&self, ops: &Ops, effects: &LoginEffects<'_>) -> Written {
        let now = ops.now();
        if let Some(failed) = &effects.failures {
            self.shadow.note_tried(failed, now);
        }
        let details = effects.block.as_ref().map(|block| {
            let details = self.shadow.details(block, self.unix_ms(), now);
            self.shadow.block(block, details.clone(), now);
            details
        });
        let mut failures =
            effects.failures.map(|failed| OnTheWay::depart(&self.shadow, failed, now));
        let commands = self.encode(effects, details.as_ref(), failures.as_ref());
        let replies = self.ask(ops, Route::Write, commands).await;
        if let Some(failures) = &mut failures {
            failures.arrive(replies.as_deref().unwrap_or_default());
        }
        match replies {
            Err(error) => Written { mapping: Err(error.clone()), rest: Err(error) },
            Ok(replies) => {
                let (mapping, rest) =
                    replies.split_at(usize::from(effects.mapping.is_some()).min(replies.len()));
                let mapping = mapping.first().map_or(Ok(()), accounts::decode_mapping);
                if let (Ok(()), Some((username, account))) = (&mapping, effects.mapping) {
                    self.recall_account(username, account, now);
                }
                let refused = rest.iter().find(|reply| reply.as_error().is_some());
                if effects.block.is_some() && refused.is_none() {
                    // What is left in the list is no reason to fail a login.
                    let _ = boxed(self.trim_bans(ops, rest.get(TRIM_REPLIES).unwrap_or(&[]))).await;
                }
                Written {
                    mapping,
                    rest: refused.map_or(Ok(()), |reply| Err(Error::of(reply, "redis"))),
                }
            }
        }
    }

    fn encode(
        &self,
        effects: &LoginEffects<'_>,
        details: Option<&Details>,
        failures: Option<&OnTheWay<'_>>,
    ) -> Commands {
        let mut commands = Commands::with_capacity(USUAL_BYTES);
        if let Some((username, account)) = effects.mapping {
            self.encode_mapping(&mut commands, username, account);
        }
        if let (Some(block), Some(details)) = (&effects.block, details) {
            self.encode_ban(&mut commands, block, details);
            self.encode_block(&mut commands, block);
        }
        if let Some(account) = effects.affected {
            self.encode_affected(&mut commands, account);
        }
        if let Some(failed) = &effects.failed_from {
            self.encode_failed_from(&mut commands, failed.account, failed.client, failed.ttl);
        }
        if let Some(wrong) = &effects.password {
            self.encode_password(&mut commands, wrong);
        }
        if let Some(entry) = &effects.cached {
            self.encode_cached(&mut commands, entry);
        }
        // Last: their replies are looked for there.
        if let Some(failures) = failures {
            self.encode_failures(&mut commands, failures.counters, &failures.sizes);
        }
        commands
    }
}

/// Failures counted in this process and not yet in Redis, as far as we know. If the login has ended
/// before the reply, Redis is taken to have counted them: it was told.
struct OnTheWay<'a> {
    shadow: &'a MemoryStore,
    counters: &'a Counters,
    sizes: Sizes,
    arrived: SmallVec<[bool; 4]>,
    now: Instant,
}

impl<'a> OnTheWay<'a> {
    fn depart(shadow: &'a MemoryStore, failed: Failed<'a>, now: Instant) -> OnTheWay<'a> {
        let Failed { counters, period_min, username: _ } = failed;
        let sizes = shadow.depart(counters, period_min, now);
        OnTheWay { shadow, counters, arrived: SmallVec::from_elem(true, sizes.len()), sizes, now }
    }

    /// Reads what became of them: two replies a counter, the last of all. None: they were not
    /// taken.
    fn arrive(&mut self, replies: &[Reply]) {
        let sent = self.sizes.iter().filter(|size| **size > 0).count();
        let mut counted = replies
            .get(replies.len().saturating_sub(2 * sent)..)
            .unwrap_or_default()
            .iter()
            .step_by(2);
        for (arrived, _) in self.arrived.iter_mut().zip(&self.sizes).filter(|(_, size)| **size > 0)
        {
            *arrived = counted.next().is_some_and(|reply| reply.view().as_int().is_some());
        }
    }
}

impl Drop for OnTheWay<'_> {
    fn drop(&mut self) {
        for (at, (size, arrived)) in
            self.sizes.iter().zip(&self.arrived).enumerate().filter(|(_, (size, _))| **size > 0)
        {
            self.shadow.settle(self.counters, at, *size, *arrived, self.now);
        }
    }
}

/// For how long a process remembers who was tried: as long as a ban lasts by default.
const TRIED_FOR: Duration = Duration::from_secs(8 * 3600);

/// Those of a new ban whose members are to be removed from the list.
const TRIM_REPLIES: std::ops::Range<usize> = BAN_COMMANDS - 2..BAN_COMMANDS;

/// The failures of two buckets.
const USUAL_BYTES: usize = 384;
