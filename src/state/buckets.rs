//! Brute-force counters: how a client stands, bucket by bucket, and how a failure is counted.
//!
//! In Redis a counter is the string `<p>bf:<period>:<cidr>:<limit>:<4|6>:<network>`, renewed by every failure (`pipeline.md` 4.3, 4.9). How a
//! client stands is one round trip for all its buckets, asked of the master: a replica may be behind the attacker.
//!
//! Every failure is first counted in this process, whichever store there is. That count serves three times. When Redis is away it is what
//! the client is judged by: fewer failures than Redis had, perhaps, but never none. Those that Redis did not take (it was away, full,
//! read-only) count on top of what it says, and go to it with the next failure that it takes: an outage pardons nobody. If it took one
//! without our hearing of it, that counts twice. And it closes the gap between a look at the counters and the end of that attempt:
//! [`Store::is_outrun`] tells, without asking anybody, whether failures counted meanwhile could have filled a bucket; then the attempt has
//! to look again.

use super::blocks::{self, Found};
use super::memory::MemoryStore;
use super::redis::RedisStore;
use super::table::Weigh;
use super::{Error, Store};
use crate::op::{Ops, Route};
use crate::proto::resp::{Commands, Reply, View};
use smallvec::SmallVec;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Range;
use std::time::{Duration, Instant};

/// The counters of one client, in the order of the buckets that apply to it. All text is in one buffer.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    text: Vec<u8>,
    each: SmallVec<[Counter; USUAL]>,
}

#[derive(Clone, Debug)]
struct Counter {
    key: Range<usize>,
    network: Range<usize>,
    period: Duration,
    limit: u64,
}

/// What a bucket counts: the part of a counter's key that is not the client.
#[derive(Clone, Copy, Debug)]
pub struct Kind<'a> {
    pub period: Duration,
    /// Length of the network's prefix; at most 32 for IPv4.
    pub cidr: u8,
    /// Failures that are allowed.
    pub limit: u64,
    /// The protocol and the OIDC client that a filter of the bucket matched.
    pub protocol: Option<&'a str>,
    pub oidc_cid: Option<&'a str>,
}

impl Counters {
    /// Room for so many counters.
    pub fn with_capacity(counters: usize) -> Counters {
        Counters { text: Vec::with_capacity(counters * USUAL_KEY_BYTES), each: SmallVec::with_capacity(counters) }
    }

    /// Appends the counter of the network that `address` lies in.
    pub fn push(&mut self, kind: &Kind<'_>, address: IpAddr) {
        let text = &mut self.text;
        let start = text.len();
        let family = if address.is_ipv4() { 4 } else { 6 };
        // Writing to a Vec cannot fail.
        let _ = write!(text, "bf:{}:{}:{}:{family}:", seconds(kind.period), kind.cidr, kind.limit);
        let network = text.len();
        let _ = write!(text, "{}/{}", masked(address, kind.cidr), kind.cidr);
        let network = network..text.len();
        if let Some(protocol) = kind.protocol {
            let _ = write!(text, ":{protocol}");
        }
        if let Some(cid) = kind.oidc_cid {
            let _ = write!(text, ":oidc:{cid}");
        }
        self.each.push(Counter { key: start..text.len(), network, period: kind.period, limit: kind.limit });
    }

    pub fn len(&self) -> usize {
        self.each.len()
    }

    pub fn is_empty(&self) -> bool {
        self.each.is_empty()
    }

    /// The network that a counter is for: `192.0.2.0/24`. Empty if there is no such counter.
    pub fn network(&self, at: usize) -> &[u8] {
        self.each.get(at).and_then(|counter| self.text.get(counter.network.clone())).unwrap_or_default()
    }

    /// A counter's key, without the prefix.
    pub fn key(&self, at: usize) -> &[u8] {
        self.each.get(at).map(|counter| self.key_of(counter)).unwrap_or_default()
    }

    pub fn period(&self, at: usize) -> Duration {
        self.each.get(at).map(|counter| counter.period).unwrap_or_default()
    }

    /// The first counter that `counts` shows as full: one more failure would be more than is allowed.
    pub fn first_full(&self, counts: &[u64]) -> Option<usize> {
        self.each.iter().zip(counts).position(|(counter, count)| count.saturating_add(1) > counter.limit)
    }

    fn key_of(&self, counter: &Counter) -> &[u8] {
        self.text.get(counter.key.clone()).unwrap_or_default()
    }

    pub(super) fn networks(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).map(|at| self.network(at))
    }
}

/// How a client stands.
#[derive(Clone, Debug, Default)]
pub struct Standing {
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
    /// How the client of `counters` stands, and the account of `username` unless that is empty.
    pub async fn standing(&self, ops: &Ops, username: &[u8], counters: &Counters) -> Standing {
        match self {
            Store::Memory(memory) => {
                let account = if username.is_empty() { None } else { memory.account(username, ops.now()) };
                Standing { account, ..memory.standing(counters, ops.now()) }
            }
            Store::Redis(redis) => match redis.standing(ops, username, counters).await {
                Ok(standing) => standing,
                Err(error) => Standing { outage: Some(error), ..redis.shadow.standing(counters, ops.now()) },
            },
        }
    }

    /// Whether failures that were counted since may have filled a bucket that had room: the client must be looked at again before a
    /// success counts. Waits for nobody. It tells of failures in this process only: `P` processes may each let through one bucket's worth
    /// of attempts that begin at the same moment.
    pub fn is_outrun(&self, standing: &Standing, counters: &Counters, now: Instant) -> bool {
        let memory = self.own();
        !memory.failures.is_empty()
            && counters.each.iter().enumerate().any(|(at, counter)| {
                let counted = memory.failures.get(counters.key_of(counter), now, |own| own.counted).unwrap_or_default();
                let before = standing.settled.get(at).copied().unwrap_or_default();
                let count = standing.counts.get(at).copied().unwrap_or_default();
                count.saturating_add(counted.saturating_sub(before)).saturating_add(1) > counter.limit
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
    fn standing(&self, counters: &Counters, now: Instant) -> Standing {
        let counts: SmallVec<[u64; USUAL]> = (0..counters.len()).map(|at| self.failures_of(counters.key(at), now).counted).collect();
        let blocked = counters.networks().position(|network| self.is_blocked(network, now));
        Standing { settled: counts.clone(), counts, blocked, ..Standing::default() }
    }

    fn failures_of(&self, key: &[u8], now: Instant) -> Failures {
        self.failures.get(key, now, Failures::clone).unwrap_or_default()
    }

    /// Counts a failure in the counters whose period is at least `period_min`.
    pub(super) fn count(&self, counters: &Counters, period_min: Duration, now: Instant) {
        for at in (0..counters.len()).filter(|at| counters.period(*at) >= period_min) {
            self.failures.update(counters.key(at), Some(counters.period(at)), now, |own| own.counted += 1);
        }
    }

    /// Counts a failure that is to be told to Redis: how many it is to count in each counter, 0 in those of a shorter period.
    pub(super) fn depart(&self, counters: &Counters, period_min: Duration, now: Instant) -> Sizes {
        let depart = |at: usize| {
            let period = Some(counters.period(at)).filter(|period| *period >= period_min)?;
            Some(self.failures.update(counters.key(at), Some(period), now, Failures::depart))
        };
        (0..counters.len()).map(|at| depart(at).unwrap_or_default()).collect()
    }

    /// Notes whether Redis has counted what [`MemoryStore::depart`] said.
    pub(super) fn settle(&self, counters: &Counters, at: usize, size: u64, arrived: bool, now: Instant) {
        self.failures.amend(counters.key(at), now, |own| own.settle(size, arrived));
    }
}

/// How many failures are told to Redis, counter by counter.
pub(super) type Sizes = SmallVec<[u64; USUAL]>;

/// A counter as this process keeps it.
#[derive(Clone, Debug, Default)]
pub(super) struct Failures {
    pub counted: u64,
    /// Of these, how many Redis was told, whatever came of it.
    settled: u64,
    /// Of the settled ones, how many it did not take.
    lost: u64,
    /// Of the lost ones, how many are on their way once more.
    resent: u64,
}

impl Failures {
    /// One more, which takes the lost ones along.
    fn depart(&mut self) -> u64 {
        self.counted += 1;
        let again = self.lost.saturating_sub(self.resent);
        self.resent = self.lost;
        1 + again
    }

    fn settle(&mut self, size: u64, arrived: bool) {
        let again = size.saturating_sub(1);
        self.settled = self.counted.min(self.settled + 1);
        self.resent = self.resent.saturating_sub(again);
        self.lost = if arrived { self.lost.saturating_sub(again) } else { self.lost + 1 };
    }
}

impl Weigh for Failures {
    fn bytes(&self) -> usize {
        0
    }
}

impl RedisStore {
    async fn standing(&self, ops: &Ops, username: &[u8], counters: &Counters) -> Result<Standing, Error> {
        // Before anything is asked: what is settled later may or may not be in the reply, and so counts as not in it.
        let own: SmallVec<[Failures; USUAL]> = (0..counters.len()).map(|at| self.shadow.failures_of(counters.key(at), ops.now())).collect();
        let mut commands = Commands::with_capacity(USUAL_COMMANDS_BYTES);
        let known = self.known.get(username, ops.now());
        let question = (known.is_none() && !username.is_empty()).then(|| self.encode_question(&mut commands, username));
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
        let found = if counters.is_empty() { Found::default() } else { blocks::decode_blocks(next(&mut replies)?, counters.len())? };
        let count = |(reply, own): (&Reply, &Failures)| Ok(decode_count(reply)?.saturating_add(own.lost));
        let counts = replies.zip(&own).map(count).collect::<Result<_, Error>>()?;
        let blocked = self.in_force(ops, counters, found).await?;
        Ok(Standing { account, blocked, counts, outage: None, settled: own.iter().map(|own| own.settled).collect() })
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

/// The reply to the next command.
pub(super) fn next<'a>(replies: &mut impl Iterator<Item = &'a Reply>) -> Result<&'a Reply, Error> {
    replies.next().ok_or(Error::Unexpected("redis"))
}

/// A counter's value; what is no number counts as nothing, as in the reference, and is overwritten by nobody.
fn decode_count(reply: &Reply) -> Result<u64, Error> {
    match reply.view() {
        View::Nil => Ok(0),
        View::Int(count) => Ok(count.max(0).unsigned_abs()),
        View::Bulk(digits) => Ok(std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok()).unwrap_or_default()),
        _ => Err(Error::of(reply, "GET")),
    }
}

/// Whole seconds, at least one: what Redis is told, and what the key says.
pub(super) fn seconds(time: Duration) -> u64 {
    (time.as_secs() + u64::from(time.subsec_nanos() > 0)).max(1)
}

/// The address with all bits but the first `bits` cleared.
pub fn masked(address: IpAddr, bits: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => Ipv4Addr::from_bits(v4.to_bits() & u32::MAX.checked_shl(32 - u32::from(bits.min(32))).unwrap_or_default()).into(),
        IpAddr::V6(v6) => {
            Ipv6Addr::from_bits(v6.to_bits() & u128::MAX.checked_shl(128 - u32::from(bits.min(128))).unwrap_or_default()).into()
        }
    }
}

/// Buckets that apply to one client, in most configurations.
const USUAL: usize = 4;

/// `bf:86400:128:100:6:`, an IPv6 network and its length.
const USUAL_KEY_BYTES: usize = 64;

/// The commands for two buckets.
const USUAL_COMMANDS_BYTES: usize = 320;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(kind: &Kind<'_>, address: &str) -> (String, String) {
        let mut counters = Counters::default();
        counters.push(kind, address.parse().unwrap());
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        (text(counters.key(0)), text(counters.network(0)))
    }

    #[test]
    fn keys_as_the_reference_writes_them() {
        let kind = Kind { period: Duration::from_secs(3600), cidr: 24, limit: 6, protocol: None, oidc_cid: None };
        for (kind, address, expected, network) in [
            (kind, "192.0.2.50", "bf:3600:24:6:4:192.0.2.0/24", "192.0.2.0/24"),
            (Kind { cidr: 32, ..kind }, "192.0.2.50", "bf:3600:32:6:4:192.0.2.50/32", "192.0.2.50/32"),
            (Kind { cidr: 1, ..kind }, "192.0.2.50", "bf:3600:1:6:4:128.0.0.0/1", "128.0.0.0/1"),
            (Kind { cidr: 64, ..kind }, "2001:db8::ffff:1:1:1:1", "bf:3600:64:6:6:2001:db8:0:ffff::/64", "2001:db8:0:ffff::/64"),
            (Kind { cidr: 128, ..kind }, "2001:db8::1", "bf:3600:128:6:6:2001:db8::1/128", "2001:db8::1/128"),
            (Kind { protocol: Some("imap"), ..kind }, "192.0.2.1", "bf:3600:24:6:4:192.0.2.0/24:imap", "192.0.2.0/24"),
            (
                Kind { protocol: Some("imap"), oidc_cid: Some("c"), ..kind },
                "192.0.2.1",
                "bf:3600:24:6:4:192.0.2.0/24:imap:oidc:c",
                "192.0.2.0/24",
            ),
            (Kind { period: Duration::from_millis(1500), ..kind }, "192.0.2.1", "bf:2:24:6:4:192.0.2.0/24", "192.0.2.0/24"),
        ] {
            assert_eq!(key(&kind, address), (expected.to_owned(), network.to_owned()));
        }
    }

    #[test]
    fn full_is_one_short_of_too_many() {
        let mut counters = Counters::default();
        for limit in [3, 6] {
            counters.push(
                &Kind { period: Duration::from_secs(60), cidr: 32, limit, protocol: None, oidc_cid: None },
                "192.0.2.1".parse().unwrap(),
            );
        }
        for (counts, full) in
            [([0, 0], None), ([2, 5], None), ([3, 0], Some(0)), ([2, 6], Some(1)), ([9, 9], Some(0)), ([u64::MAX, 0], Some(0))]
        {
            assert_eq!(counters.first_full(&counts), full, "{counts:?}");
        }
    }

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
