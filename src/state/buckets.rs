//! Brute-force counters: the status of a client, bucket by bucket, and how a failure is counted.
//!
//! In Redis a counter is the string `<p>bf:<period>:<cidr>:<limit>:<4|6>:<network>`, renewed by
//! every failure. The status of a client is one round trip for all its buckets, asked of the
//! master: a replica may be behind the attacker.
//!
//! Every failure is first counted in this process, whichever store there is. That count serves
//! three times. When Redis is away it is what the client is judged by: fewer failures than Redis
//! had, perhaps, but never none. Those that Redis did not take (it was away, full, read-only) count
//! on top of what it says, and go to it with the next failure that it takes: an outage forgives
//! nothing. If it took one without our hearing of it, that counts twice. And it closes the gap
//! between a look at the counters and the end of that attempt: [`Store::is_outrun`] tells, without
//! asking anybody, whether failures counted meanwhile could have filled a bucket; then the attempt
//! has to look again.

use super::blocks::{self, Found};
use super::counters::{Counters, USUAL};
use super::memory::MemoryStore;
use super::records::Failures;
use super::redis::{RedisStore, next, seconds};
use super::{Error, Store};
use crate::op::{Ops, Route};
use crate::proto::resp::{Commands, Reply, View};
use smallvec::SmallVec;
use std::time::{Duration, Instant};

/// The status of a client.
#[derive(Clone, Debug, Default)]
pub struct ClientStatus {
    /// The account of the login name that was asked about.
    pub account: Option<Vec<u8>>,
    /// The first counter whose network is blocked.
    pub blocked: Option<usize>,
    /// Failures so far, counter by counter.
    pub counts: SmallVec<[u64; USUAL]>,
    /// Redis could not be asked: all of this is what this process knows.
    pub outage: Option<Error>,
    /// Failures of this process that are among `counts`.
    settled: SmallVec<[u64; USUAL]>,
}

impl Store {
    /// The status of the client of `counters`, and the account of `username` unless that is empty.
    pub async fn client_status(
        &self,
        ops: &Ops,
        username: &[u8],
        counters: &Counters,
    ) -> ClientStatus {
        match self {
            Store::Memory(memory) => {
                let account =
                    if username.is_empty() { None } else { memory.account(username, ops.now()) };
                ClientStatus { account, ..memory.client_status(counters, ops.now()) }
            }
            Store::Redis(redis) => match redis.client_status(ops, username, counters).await {
                Ok(status) => status,
                Err(error) => ClientStatus {
                    outage: Some(error),
                    ..redis.shadow.client_status(counters, ops.now())
                },
            },
        }
    }

    /// Whether failures that were counted since may have filled a bucket that had room: the client
    /// must be looked at again before a success counts. Never waits. It tells of failures in this
    /// process only: `P` processes may each let through one bucket's worth of attempts that begin
    /// at the same moment.
    pub fn is_outrun(&self, status: &ClientStatus, counters: &Counters, now: Instant) -> bool {
        let memory = self.own();
        !memory.failures.is_empty()
            && counters.each.iter().enumerate().any(|(at, counter)| {
                let counted = memory
                    .failures
                    .get(counters.key_of(counter), now, |own| own.counted)
                    .unwrap_or_default();
                let before = status.settled.get(at).copied().unwrap_or_default();
                let count = status.counts.get(at).copied().unwrap_or_default();
                count.saturating_add(counted.saturating_sub(before)).saturating_add(1)
                    > counter.limit
            })
    }

    /// What this process keeps itself.
    pub(super) fn own(&self) -> &MemoryStore {
        match self {
            Store::Redis(redis) => &redis.shadow,
            Store::Memory(memory) => memory,
        }
    }
}

impl MemoryStore {
    fn client_status(&self, counters: &Counters, now: Instant) -> ClientStatus {
        let counts: SmallVec<[u64; USUAL]> =
            (0..counters.len()).map(|at| self.failures_of(counters.key(at), now).counted).collect();
        let blocked = counters.networks().position(|network| self.is_blocked(network, now));
        ClientStatus { settled: counts.clone(), counts, blocked, ..ClientStatus::default() }
    }

    fn failures_of(&self, key: &[u8], now: Instant) -> Failures {
        self.failures.get(key, now, Failures::clone).unwrap_or_default()
    }

    /// Counts a failure in the counters whose period is at least `period_min`.
    pub(super) fn count(&self, counters: &Counters, period_min: Duration, now: Instant) {
        for at in (0..counters.len()).filter(|at| counters.period(*at) >= period_min) {
            self.failures
                .update(counters.key(at), Some(counters.period(at)), now, |own| own.counted += 1);
        }
    }

    /// Counts a failure that is to be told to Redis: how many it is to count in each counter, 0 in
    /// those of a shorter period.
    pub(super) fn depart(&self, counters: &Counters, period_min: Duration, now: Instant) -> Sizes {
        let depart = |at: usize| {
            let period = Some(counters.period(at)).filter(|period| *period >= period_min)?;
            Some(self.failures.update(counters.key(at), Some(period), now, Failures::depart))
        };
        (0..counters.len()).map(|at| depart(at).unwrap_or_default()).collect()
    }

    /// Notes whether Redis has counted what [`MemoryStore::depart`] said.
    pub(super) fn settle(
        &self,
        counters: &Counters,
        at: usize,
        size: u64,
        arrived: bool,
        now: Instant,
    ) {
        self.failures.amend(counters.key(at), now, |own| own.settle(size, arrived));
    }
}

/// How many failures are told to Redis, counter by counter.
pub(super) type Sizes = SmallVec<[u64; USUAL]>;

impl RedisStore {
    async fn client_status(
        &self,
        ops: &Ops,
        username: &[u8],
        counters: &Counters,
    ) -> Result<ClientStatus, Error> {
        // Before anything is asked: what is settled later may or may not be in the reply, and so
        // counts as not in it.
        let own: SmallVec<[Failures; USUAL]> = (0..counters.len())
            .map(|at| self.shadow.failures_of(counters.key(at), ops.now()))
            .collect();
        let mut commands = Commands::with_capacity(USUAL_COMMANDS_BYTES);
        let known = self.known.get(username, ops.now());
        let question = (known.is_none() && !username.is_empty())
            .then(|| self.encode_question(&mut commands, username));
        if !counters.is_empty() {
            self.encode_blocks(&mut commands, counters);
        }
        for at in 0..counters.len() {
            commands.begin(2);
            commands.arg(b"GET");
            self.key(&mut commands, &[counters.key(at)]);
        }
        let replies = self.ask(ops, Route::Write, commands).await?;
        let mut replies = replies.iter();
        let account = match question {
            Some(question) => self.decode_question(&question, &mut replies, username, ops.now())?,
            None => known,
        };
        let found = if counters.is_empty() {
            Found::default()
        } else {
            blocks::decode_blocks(next(&mut replies)?, counters.len())?
        };
        let count =
            |(reply, own): (&Reply, &Failures)| Ok(decode_count(reply)?.saturating_add(own.lost));
        let counts = replies.zip(&own).map(count).collect::<Result<_, Error>>()?;
        let blocked = self.in_force(ops, counters, found).await?;
        Ok(ClientStatus {
            account,
            blocked,
            counts,
            outage: None,
            settled: own.iter().map(|own| own.settled).collect(),
        })
    }

    /// Appends the count of failures; two commands for each counter that has any.
    pub(super) fn encode_failures(&self, out: &mut Commands, counters: &Counters, sizes: &Sizes) {
        for (at, size) in sizes.iter().enumerate().filter(|(_, size)| **size > 0) {
            let key = counters.key(at);
            out.begin(3);
            out.arg(b"INCRBY");
            self.key(out, &[key]);
            out.arg(itoa::Buffer::new().format(*size).as_bytes());
            out.begin(3);
            out.arg(b"EXPIRE");
            self.key(out, &[key]);
            out.arg(itoa::Buffer::new().format(seconds(counters.period(at))).as_bytes());
        }
    }
}

/// A counter's value; what is not a number counts as nothing, as in the reference, and is never
/// overwritten.
fn decode_count(reply: &Reply) -> Result<u64, Error> {
    match reply.view() {
        View::Nil => Ok(0),
        View::Int(count) => Ok(count.max(0).unsigned_abs()),
        View::Bulk(digits) => Ok(std::str::from_utf8(digits)
            .ok()
            .and_then(|digits| digits.parse().ok())
            .unwrap_or_default()),
        _ => Err(Error::of(reply, "GET")),
    }
}

/// The commands for two buckets.
const USUAL_COMMANDS_BYTES: usize = 320;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn whatever_redis_takes_no_failure_is_lost_or_doubled(steps in prop::collection::vec((any::<bool>(), any::<usize>(), any::<bool>()), 0..60)) {
            let (mut own, mut redis, mut on_the_way) = (Failures::default(), 0, Vec::new());
            for (begins, at, arrives) in steps {
                if begins || on_the_way.is_empty() {
                    on_the_way.push(own.depart());
                } else {
                    let size = on_the_way.swap_remove(at % on_the_way.len());
                    redis += if arrives { size } else { 0 };
                    own.settle(size, arrives);
                }
                prop_assert_eq!(redis + own.lost, own.settled);
                prop_assert_eq!(own.settled + on_the_way.len() as u64, own.counted);
            }
        }
    }
}
