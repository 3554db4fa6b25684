//! Blocked networks: which are, since which bucket, and until when.
//!
//! In Redis: the hash `<p>BRUTEFORCE`, network → bucket, as the reference keeps it; and beside it
//! the hash `<p>BRUTEFORCE_UNTIL`, network → milliseconds since 1970, for blocks that end by
//! themselves. A network that is in the first only is blocked until it is flushed. This process
//! remembers the blocks it has met, so that their end need not be asked again, and for the time
//! when Redis is away. The reader's clock decides whether a block has ended.

use super::ban::Details;
use super::counters::Counters;
use super::memory::MemoryStore;
use super::records::Block;
use super::redis::{RedisStore, next, seconds};
use super::{Error, Store};
use crate::op::{Ops, Route};
use crate::proto::resp::{Commands, Reply, View};
use smallvec::SmallVec;
use std::time::{Duration, Instant};

/// A network to be blocked.
#[derive(Clone, Copy, Debug)]
pub struct NewBlock<'a> {
    /// As [`Counters::network`] has it.
    pub network: &'a [u8],
    /// The name of the bucket that is full.
    pub bucket: &'a [u8],
    /// `None`: until it is flushed.
    pub time: Option<Duration>,
    /// Failures that its counter had.
    pub failures: u64,
}

/// Network → the bucket that blocks it.
pub type Blocks = Vec<(Vec<u8>, Vec<u8>)>;

/// Account → the addresses that failed for it.
pub type AffectedAccounts = Vec<(Vec<u8>, Vec<Vec<u8>>)>;

/// The places, in a list of networks, of those that are blocked according to the hash.
pub(super) type Found = SmallVec<[usize; 4]>;

impl Store {
    /// All blocks: network → bucket, sorted.
    ///
    /// # Errors
    /// Redis could not be asked.
    pub async fn blocks(&self, ops: &Ops) -> Result<Blocks, Error> {
        let mut blocks = Vec::new();
        match self {
            Store::Memory(memory) => {
                memory.blocks.for_each(ops.now(), |network, block| {
                    blocks.push((network.to_vec(), block.bucket.to_vec()))
                });
            }
            Store::Redis(redis) => {
                let mut commands = Commands::default();
                for hash in [BLOCKS, ENDS] {
                    commands.begin(2);
                    commands.arg(b"HGETALL");
                    redis.key(&mut commands, &[hash]);
                }
                let replies = redis.ask(ops, Route::Read, commands).await?;
                let mut replies = replies.iter();
                blocks = pairs(next(&mut replies)?)?;
                let ends = pairs(next(&mut replies)?)?;
                let now = redis.unix_ms();
                blocks.retain(|(network, _)| {
                    ends.iter().all(|(name, end)| name != network || !is_over(end, now))
                });
            }
        }
        blocks.sort_unstable();
        Ok(blocks)
    }

    /// The buckets that block one of the counters' networks, by name.
    ///
    /// # Errors
    /// Redis could not be asked.
    pub async fn blocking(&self, ops: &Ops, counters: &Counters) -> Result<Vec<Vec<u8>>, Error> {
        let mut buckets = Vec::new();
        match self {
            Store::Memory(memory) => {
                buckets.extend(counters.networks().filter_map(|network| {
                    memory.blocks.get(network, ops.now(), |block| block.bucket.to_vec())
                }));
            }
            Store::Redis(_) if counters.is_empty() => {}
            Store::Redis(redis) => {
                let mut commands = Commands::default();
                for hash in [BLOCKS, ENDS] {
                    redis.encode_fields(&mut commands, hash, counters);
                }
                let replies = redis.ask(ops, Route::Write, commands).await?;
                let mut replies = replies.iter();
                let (names, ends) = (
                    values(next(&mut replies)?, counters.len())?,
                    values(next(&mut replies)?, counters.len())?,
                );
                let now = redis.unix_ms();
                let in_force = names
                    .iter()
                    .zip(ends)
                    .filter(|(_, end)| !end.is_some_and(|end| is_over(end, now)));
                buckets.extend(in_force.filter_map(|(name, _)| name.map(<[u8]>::to_vec)));
            }
        }
        buckets.sort_unstable();
        buckets.dedup();
        Ok(buckets)
    }

    /// Accounts whose logins led to a block, each with the addresses that failed for it, all
    /// sorted.
    ///
    /// # Errors
    /// Redis could not be asked.
    pub async fn affected_accounts(&self, ops: &Ops) -> Result<AffectedAccounts, Error> {
        let mut affected = Vec::new();
        match self {
            Store::Memory(memory) => {
                memory.affected.for_each(ops.now(), |account, ()| {
                    affected.push((account.to_vec(), Vec::new()))
                });
                for (account, addresses) in &mut affected {
                    *addresses = memory
                        .failed_from
                        .get(account, ops.now(), |set| set.members())
                        .unwrap_or_default();
                }
            }
            Store::Redis(redis) => {
                let mut commands = Commands::default();
                commands.begin(2);
                commands.arg(b"SMEMBERS");
                redis.key(&mut commands, &[AFFECTED]);
                let accounts = members(&redis.ask_one(ops, Route::Read, commands).await?)?;
                let mut commands = Commands::default();
                for account in &accounts {
                    commands.begin(2);
                    commands.arg(b"SMEMBERS");
                    redis.key(&mut commands, &[FAILED_FROM, account]);
                }
                for (account, reply) in
                    accounts.into_iter().zip(redis.ask(ops, Route::Read, commands).await?)
                {
                    affected.push((account, members(&reply)?));
                }
            }
        }
        affected.sort_unstable();
        affected.iter_mut().for_each(|(_, addresses)| addresses.sort_unstable());
        Ok(affected)
    }

    /// Unblocks the networks of `counters` and forgets their counts, bucket by bucket: a block only
    /// if it is by a bucket that `applies` says. Returns the keys that were removed, with the
    /// prefix, sorted.
    ///
    /// # Errors
    /// Redis could not be asked; some may be removed.
    pub async fn flush_blocks(
        &self,
        ops: &Ops,
        counters: &Counters,
        applies: impl Fn(&[u8]) -> bool,
    ) -> Result<Vec<Vec<u8>>, Error> {
        let mut removed = match self {
            Store::Memory(memory) => memory.flush(counters, applies, ops.now()),
            Store::Redis(redis) => redis.flush(ops, counters, applies).await?,
        };
        removed.sort_unstable();
        removed.dedup();
        Ok(removed)
    }
}

impl MemoryStore {
    pub(super) fn is_blocked(&self, network: &[u8], now: Instant) -> bool {
        self.blocks.get(network, now, |_| ()).is_some()
    }

    fn flush(
        &self,
        counters: &Counters,
        applies: impl Fn(&[u8]) -> bool,
        now: Instant,
    ) -> Vec<Vec<u8>> {
        let mut removed = Vec::new();
        for at in 0..counters.len() {
            let network = counters.network(at);
            if self.blocks.get(network, now, |block| applies(&block.bucket)) == Some(true) {
                self.blocks.remove(network, now);
                removed.push(BLOCKS.to_vec());
            }
            if self.failures.remove(counters.key(at), now).is_some() {
                removed.push(counters.key(at).to_vec());
            }
        }
        removed
    }

    pub(super) fn block(&self, block: &NewBlock<'_>, details: Details, now: Instant) {
        let value = Block { bucket: block.bucket.into(), details };
        self.blocks.put(block.network, value, block.time, now);
    }
}

impl RedisStore {
    /// Appends the question which of the counters' networks are blocked: one command.
    pub(super) fn encode_blocks(&self, out: &mut Commands, counters: &Counters) {
        self.encode_fields(out, BLOCKS, counters);
    }

    /// Appends a look at the networks' fields in a hash.
    fn encode_fields(&self, out: &mut Commands, hash: &[u8], counters: &Counters) {
        out.begin(2 + counters.len());
        out.arg(b"HMGET");
        self.key(out, &[hash]);
        counters.networks().for_each(|network| out.arg(network));
    }

    async fn flush(
        &self,
        ops: &Ops,
        counters: &Counters,
        applies: impl Fn(&[u8]) -> bool,
    ) -> Result<Vec<Vec<u8>>, Error> {
        if counters.is_empty() {
            return Ok(Vec::new());
        }
        let mut commands = Commands::default();
        self.encode_blocks(&mut commands, counters);
        let reply = self.ask_one(ops, Route::Write, commands).await?;
        let names = values(&reply, counters.len())?;
        let applying: SmallVec<[bool; 4]> =
            names.iter().map(|name| name.is_some_and(&applies)).collect();
        let mut commands = Commands::default();
        for (at, applying) in applying.iter().enumerate() {
            for hash in [BLOCKS, ENDS].into_iter().filter(|_| *applying) {
                commands.begin(3);
                commands.arg(b"HDEL");
                self.key(&mut commands, &[hash]);
                commands.arg(counters.network(at));
            }
            commands.begin(2);
            commands.arg(b"DEL");
            self.key(&mut commands, &[counters.key(at)]);
        }
        // Last: their replies are not looked at.
        let lifted: Vec<_> = applying
            .iter()
            .enumerate()
            .filter(|(_, applying)| **applying)
            .map(|(at, _)| counters.network(at).to_vec())
            .collect();
        self.encode_unlisted(&mut commands, &lifted);
        let replies = self.ask(ops, Route::Write, commands).await?;
        let mut replies = replies.iter();
        let mut removed = Vec::new();
        for (at, applying) in applying.iter().enumerate() {
            if *applying {
                // The second is its end, which is no key of the answer.
                if count(next(&mut replies)?, "HDEL")? > 0 {
                    removed.push([&self.prefix, BLOCKS].concat());
                }
                count(next(&mut replies)?, "HDEL")?;
                self.shadow.blocks.remove(counters.network(at), ops.now());
            }
            if count(next(&mut replies)?, "DEL")? > 0 {
                removed.push([&self.prefix, counters.key(at)].concat());
            }
            self.shadow.failures.remove(counters.key(at), ops.now());
        }
        Ok(removed)
    }

    /// Appends a new block.
    pub(super) fn encode_block(&self, out: &mut Commands, block: &NewBlock<'_>) {
        out.begin(4);
        out.arg(b"HSET");
        self.key(out, &[BLOCKS]);
        out.arg(block.network);
        out.arg(block.bucket);
        match block.time {
            Some(time) => {
                let end = self
                    .unix_ms()
                    .saturating_add(u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
                out.begin(4);
                out.arg(b"HSET");
                self.key(out, &[ENDS]);
                out.arg(block.network);
                out.arg(itoa::Buffer::new().format(end).as_bytes());
            }
            None => {
                out.begin(3);
                out.arg(b"HDEL");
                self.key(out, &[ENDS]);
                out.arg(block.network);
            }
        }
    }

    /// Appends an account whose login led to a block.
    pub(super) fn encode_affected(&self, out: &mut Commands, account: &[u8]) {
        out.begin(3);
        out.arg(b"SADD");
        self.key(out, &[AFFECTED]);
        out.arg(account);
    }

    /// Appends that `client` failed for `account`.
    pub(super) fn encode_failed_from(
        &self,
        out: &mut Commands,
        account: &[u8],
        client: &[u8],
        ttl: Duration,
    ) {
        out.begin(3);
        out.arg(b"SADD");
        self.key(out, &[FAILED_FROM, account]);
        out.arg(client);
        out.begin(3);
        out.arg(b"EXPIRE");
        self.key(out, &[FAILED_FROM, account]);
        out.arg(itoa::Buffer::new().format(seconds(ttl)).as_bytes());
    }

    /// The first of the networks found that is still blocked. Asks for the ends of blocks that this
    /// process has not met; clears away those that are over. Networks that are not blocked any more
    /// are forgotten here, too.
    pub(super) async fn in_force(
        &self,
        ops: &Ops,
        counters: &Counters,
        found: Found,
    ) -> Result<Option<usize>, Error> {
        let now = ops.now();
        if !self.shadow.blocks.is_empty() {
            for at in (0..counters.len()).filter(|at| !found.contains(at)) {
                self.shadow.blocks.remove(counters.network(at), now);
            }
        }
        let Some(first) = found.first().copied() else { return Ok(None) };
        if self.shadow.is_blocked(counters.network(first), now) {
            return Ok(Some(first));
        }
        let mut commands = Commands::default();
        commands.begin(2 + found.len());
        commands.arg(b"HMGET");
        self.key(&mut commands, &[ENDS]);
        found.iter().for_each(|at| commands.arg(counters.network(*at)));
        let reply = self.ask_one(ops, Route::Write, commands).await?;
        let (ends, unix_ms) = (values(&reply, found.len())?, self.unix_ms());
        let is_over = |end: &Option<&[u8]>| end.is_some_and(|end| is_over(end, unix_ms));
        let over: Found =
            found.iter().zip(&ends).filter(|(_, end)| is_over(end)).map(|(at, _)| *at).collect();
        self.clear_away(ops, counters, &over).await?;
        let Some((at, end)) = found.iter().zip(&ends).find(|(_, end)| !is_over(end)) else {
            return Ok(None);
        };
        let left =
            end.and_then(parse).map(|end| Duration::from_millis(end.saturating_sub(unix_ms)));
        // Its bucket does not matter here: a list of blocks is read from Redis.
        let network = counters.network(*at);
        let block = NewBlock { network, bucket: b"", time: left, failures: 0 };
        self.shadow.block(&block, Details::default(), now);
        Ok(Some(*at))
    }

    async fn clear_away(
        &self,
        ops: &Ops,
        counters: &Counters,
        over: &[usize],
    ) -> Result<(), Error> {
        let mut commands = Commands::default();
        for hash in [BLOCKS, ENDS].into_iter().filter(|_| !over.is_empty()) {
            commands.begin(2 + over.len());
            commands.arg(b"HDEL");
            self.key(&mut commands, &[hash]);
            over.iter().for_each(|at| commands.arg(counters.network(*at)));
        }
        self.ask(ops, Route::Write, commands).await.map(drop)
    }
}

/// Which of so many networks are blocked.
pub(super) fn decode_blocks(reply: &Reply, count: usize) -> Result<Found, Error> {
    let items = reply
        .view()
        .items()
        .filter(|items| items.len() == count)
        .ok_or_else(|| Error::of(reply, "HMGET"))?;
    let is_name = |view: View<'_>| view.as_bytes().is_some_and(|name| !name.is_empty());
    Ok(items.enumerate().filter_map(|(at, view)| is_name(view).then_some(at)).collect())
}

/// The values of an HMGET for so many fields; `None` for those that are not there, or empty.
pub(super) fn values(reply: &Reply, count: usize) -> Result<SmallVec<[Option<&[u8]>; 4]>, Error> {
    let items = reply
        .view()
        .items()
        .filter(|items| items.len() == count)
        .ok_or_else(|| Error::of(reply, "HMGET"))?;
    Ok(items.map(|view| view.as_bytes().filter(|value| !value.is_empty())).collect())
}

/// The pairs of an HGETALL.
pub(super) fn pairs(reply: &Reply) -> Result<Blocks, Error> {
    let mut items = reply.view().items().ok_or_else(|| Error::of(reply, "HGETALL"))?;
    let mut pairs = Vec::with_capacity(items.len() / 2);
    while let (Some(field), Some(value)) = (items.next(), items.next()) {
        pairs.push((
            field.as_bytes().unwrap_or_default().to_vec(),
            value.as_bytes().unwrap_or_default().to_vec(),
        ));
    }
    Ok(pairs)
}

pub(super) fn members(reply: &Reply) -> Result<Vec<Vec<u8>>, Error> {
    let items = reply.view().items().ok_or_else(|| Error::of(reply, "SMEMBERS"))?;
    Ok(items.filter_map(|view| view.as_bytes().map(<[u8]>::to_vec)).collect())
}

fn count(reply: &Reply, command: &'static str) -> Result<i64, Error> {
    reply.view().as_int().ok_or_else(|| Error::of(reply, command))
}

fn parse(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Whether a block's end lies behind; one that cannot be read does not.
fn is_over(end: &[u8], unix_ms: u64) -> bool {
    parse(end).is_some_and(|end| end <= unix_ms)
}

pub(super) const BLOCKS: &[u8] = b"BRUTEFORCE";
const ENDS: &[u8] = b"BRUTEFORCE_UNTIL";
pub(super) const AFFECTED: &[u8] = b"AFFECTED_ACCOUNTS";
pub(super) const FAILED_FROM: &[u8] = b"PW_HIST_IPS:";
