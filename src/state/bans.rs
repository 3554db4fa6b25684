//! Bans as operators see them: who is banned, by which rule, since when, until when and why; and
//! bans that operators make by hand.
//!
//! A ban by a bucket is a block ([`super::blocks`], which enforces it); here is what explains it. In
//! Redis: the sorted set `<p>BRUTEFORCE_BANS`, network → end in milliseconds since 1970 (`+inf`:
//! none), and the hash `<p>BRUTEFORCE_BAN_DETAILS`, network → JSON. Both hold at most [`BANS_MAX`]
//! entries: each new ban removes what is over, and beyond the maximum what ends first. A ban that is
//! not listed any more is still enforced. What was seen of the users who were tried is kept in the
//! process that counted the failures, and is stored with the ban.
//!
//! Bans by hand are few. They are in the hash `<p>BRUTEFORCE_MANUAL`, subject → JSON, and every
//! process keeps a copy ([`ManualBans`]) that the background worker renews: so a login costs a look
//! at memory, and any network can be banned, whichever ones the buckets count. A process that cannot
//! reach Redis goes on with its copy. Without Redis they end with the process.

use super::ban::{Ban, Details, MANUAL, MANUAL_MAX, Manual, ManualBans, NotBanned, Subject};
use super::blocks::NewBlock;
use super::memory::MemoryStore;
use super::redis::{RedisStore, next};
use super::{Error, Store};
use crate::op::{Ops, Route};
use crate::proto::resp::{Commands, Reply};
use crate::time::Now;
use std::net::IpAddr;
use std::time::{Duration, Instant};

impl Store {
    /// The bans by hand that this process knows.
    pub fn manual_bans(&self) -> &ManualBans {
        &self.own().manual
    }

    /// All bans that are in force, those by hand first, then the others, each the newest first.
    ///
    /// # Errors
    /// Redis could not be asked.
    pub async fn bans(&self, ops: &Ops) -> Result<Vec<Ban>, Error> {
        self.renew_manual_bans(ops).await?;
        let own = self.own();
        let mut by_hand: Vec<Ban> = own
            .manual
            .all(ops.now())
            .into_iter()
            .map(|Manual { subject, details, .. }| Ban { subject, rule: MANUAL.to_vec(), details })
            .collect();
        let mut by_bucket = match self {
            Store::Memory(memory) => memory.block_bans(ops.now()),
            Store::Redis(redis) => redis.block_bans(ops).await?,
        };
        for ban in &mut by_bucket {
            // What this process has seen since is newer than what is stored.
            let seen =
                own.tried.get(ban.subject.field().as_bytes(), ops.now(), |tried| tried.names());
            if let Some(seen) = seen.filter(|seen| !seen.is_empty()) {
                ban.details.users = seen;
            }
        }
        by_hand.sort_by_key(|ban| std::cmp::Reverse(ban.details.since));
        by_bucket.sort_by_key(|ban| std::cmp::Reverse(ban.details.since));
        by_hand.extend(by_bucket);
        Ok(by_hand)
    }

    /// Makes a ban by hand. It replaces an earlier one of the same subject.
    ///
    /// # Errors
    /// [`NotBanned`]; then nothing has changed.
    pub async fn ban(
        &self,
        ops: &Ops,
        subject: Subject,
        time: Option<Duration>,
        reason: String,
    ) -> Result<Ban, NotBanned> {
        let unix_ms = Now::read().unix_ms();
        let until = time.map(|time| {
            unix_ms.saturating_add(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
        });
        let details = Details { since: unix_ms, until, reason, ..Details::default() };
        if let Store::Redis(redis) = self {
            self.renew_manual_bans(ops).await.map_err(NotBanned::Failed)?;
            if self.manual_bans().all(ops.now()).len() >= MANUAL_MAX {
                return Err(NotBanned::TooMany);
            }
            let json = serde_json::to_vec(&details)
                .map_err(|_| NotBanned::Failed(Error::Unexpected("JSON")))?;
            redis.write_manual(ops, &subject, &json).await.map_err(NotBanned::Failed)?;
        }
        let ban = Manual::new(subject.clone(), details.clone(), ops.now(), unix_ms);
        if !self.manual_bans().put(ban, ops.now()) {
            return Err(NotBanned::TooMany);
        }
        Ok(Ban { subject, rule: MANUAL.to_vec(), details })
    }

    /// Ends a ban by hand. False: there was none.
    ///
    /// # Errors
    /// Redis could not be asked.
    pub async fn unban(&self, ops: &Ops, subject: &Subject) -> Result<bool, Error> {
        let was = match self {
            Store::Memory(_) => false,
            Store::Redis(redis) => redis.remove_manual(ops, subject).await?,
        };
        Ok(self.manual_bans().remove(subject, ops.now()) || was)
    }

    /// Ends the bans by hand of all networks that an address is in; says whether there were any.
    ///
    /// # Errors
    /// Redis could not be asked; some may be ended.
    pub async fn unban_address(&self, ops: &Ops, address: IpAddr) -> Result<bool, Error> {
        if self.manual_bans().is_empty() {
            return Ok(false);
        }
        let all = self.manual_bans().all(ops.now());
        let mut any = false;
        for ban in all.iter().filter(|ban| ban.subject.applies_to(Some(address), &[])) {
            any |= self.unban(ops, &ban.subject).await?;
        }
        Ok(any)
    }

    /// Reads the bans by hand from Redis into this process; bans that are over are removed there.
    /// Without Redis there is nothing to do.
    ///
    /// # Errors
    /// Redis could not be asked; this process goes on with what it knew.
    pub async fn renew_manual_bans(&self, ops: &Ops) -> Result<(), Error> {
        let Store::Redis(redis) = self else { return Ok(()) };
        let mut commands = Commands::default();
        commands.begin(2);
        commands.arg(b"HGETALL");
        redis.key(&mut commands, &[MANUAL_BANS]);
        let reply = redis.ask_one(ops, Route::Write, commands).await?;
        let (now, unix_ms) = (ops.now(), redis.unix_ms());
        let (mut bans, mut over) = (Vec::new(), Commands::default());
        for (field, value) in super::blocks::pairs(&reply)? {
            let details = serde_json::from_slice::<Details>(&value).ok();
            let (Some(subject), Some(details)) = (Subject::parse(&field), details) else {
                continue;
            };
            if details.until.is_some_and(|until| until <= unix_ms) {
                redis.encode_removal(&mut over, &field, &value);
            } else if bans.len() < MANUAL_MAX {
                bans.push(Manual::new(subject, details, now, unix_ms));
            }
        }
        self.manual_bans().replace(bans);
        redis.ask(ops, Route::Write, over).await.map(drop)
    }
}

impl MemoryStore {
    fn block_bans(&self, now: Instant) -> Vec<Ban> {
        let mut bans = Vec::new();
        self.blocks.for_each(now, |network, block| {
            if let Some(subject) = Subject::parse(network).filter(|_| bans.len() < BANS_MAX) {
                let rule = block.bucket.to_vec();
                bans.push(Ban { subject, rule, details: block.details.clone() });
            }
        });
        bans
    }

    /// What is to be remembered of a new block.
    pub(super) fn details(&self, block: &NewBlock<'_>, unix_ms: u64, now: Instant) -> Details {
        let until = block.time.map(|time| {
            unix_ms.saturating_add(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
        });
        Details {
            since: unix_ms,
            until,
            failures: block.failures,
            reason: String::new(),
            users: self.tried.get(block.network, now, |tried| tried.names()).unwrap_or_default(),
        }
    }
}

impl RedisStore {
    /// Appends what explains a new block: [`BAN_COMMANDS`] commands, the replies of the last two of
    /// which go to [`RedisStore::trim_bans`].
    pub(super) fn encode_ban(&self, out: &mut Commands, block: &NewBlock<'_>, details: &Details) {
        let json = serde_json::to_vec(details).unwrap_or_default();
        let mut end = itoa::Buffer::new();
        let end = details.until.map_or(&b"+inf"[..], |until| end.format(until).as_bytes());
        let mut command = |name: &[u8], key: &[u8], arguments: &[&[u8]]| {
            out.begin(2 + arguments.len());
            out.arg(name);
            self.key(out, &[key]);
            arguments.iter().for_each(|argument| out.arg(argument));
        };
        command(b"HSET", BAN_DETAILS, &[block.network, &json]);
        command(b"ZADD", BANS, &[end, block.network]);
        let mut now = itoa::Buffer::new();
        let now = now.format(details.since).as_bytes();
        let mut most = itoa::Buffer::new();
        let most = most.format(TRIMMED_MAX).as_bytes();
        command(b"ZRANGEBYSCORE", BANS, &[b"-inf", now, b"LIMIT", b"0", most]);
        let last = format!("-{}", BANS_MAX + 1);
        command(b"ZRANGE", BANS, &[b"0", last.as_bytes()]);
    }

    /// Removes the bans that the replies name from the list.
    pub(super) async fn trim_bans(&self, ops: &Ops, replies: &[Reply]) -> Result<(), Error> {
        let mut members = Vec::new();
        for reply in replies {
            members.extend(super::blocks::members(reply)?.into_iter().take(TRIMMED_MAX));
        }
        let mut commands = Commands::default();
        self.encode_unlisted(&mut commands, &members);
        self.ask(ops, Route::Write, commands).await.map(drop)
    }

    /// Appends that networks are not to be listed any more: two commands, none for no networks.
    pub(super) fn encode_unlisted(&self, out: &mut Commands, networks: &[Vec<u8>]) {
        for (name, key) in [(&b"ZREM"[..], BANS), (b"HDEL", BAN_DETAILS)] {
            if !networks.is_empty() {
                out.begin(2 + networks.len());
                out.arg(name);
                self.key(out, &[key]);
                networks.iter().for_each(|network| out.arg(network));
            }
        }
    }

    async fn block_bans(&self, ops: &Ops) -> Result<Vec<Ban>, Error> {
        let now = self.unix_ms();
        let mut commands = Commands::default();
        commands.begin(7);
        commands.arg(b"ZRANGEBYSCORE");
        self.key(&mut commands, &[BANS]);
        commands.arg(format!("({now}").as_bytes());
        for argument in [&b"+inf"[..], b"LIMIT", b"0", BANS_MAX.to_string().as_bytes()] {
            commands.arg(argument);
        }
        let networks = super::blocks::members(&self.ask_one(ops, Route::Read, commands).await?)?;
        if networks.is_empty() {
            return Ok(Vec::new());
        }
        let mut commands = Commands::default();
        for hash in [super::blocks::BLOCKS, BAN_DETAILS] {
            commands.begin(2 + networks.len());
            commands.arg(b"HMGET");
            self.key(&mut commands, &[hash]);
            networks.iter().for_each(|network| commands.arg(network));
        }
        let replies = self.ask(ops, Route::Read, commands).await?;
        let mut replies = replies.iter();
        let rules = super::blocks::values(next(&mut replies)?, networks.len())?;
        let details = super::blocks::values(next(&mut replies)?, networks.len())?;
        let all = networks.iter().zip(rules).zip(details);
        // One that another program has lifted is in the list only.
        Ok(all
            .filter_map(|((network, rule), details)| {
                let details = details.and_then(|json| serde_json::from_slice(json).ok());
                Some(Ban {
                    subject: Subject::parse(network)?,
                    rule: rule?.to_vec(),
                    details: details.unwrap_or_default(),
                })
            })
            .collect())
    }

    async fn write_manual(&self, ops: &Ops, subject: &Subject, json: &[u8]) -> Result<(), Error> {
        let mut commands = Commands::default();
        commands.begin(4);
        commands.arg(b"HSET");
        self.key(&mut commands, &[MANUAL_BANS]);
        commands.arg(subject.field().as_bytes());
        commands.arg(json);
        let reply = self.ask_one(ops, Route::Write, commands).await?;
        reply.view().as_int().map(drop).ok_or_else(|| Error::of(&reply, "HSET"))
    }

    async fn remove_manual(&self, ops: &Ops, subject: &Subject) -> Result<bool, Error> {
        let mut commands = Commands::default();
        commands.begin(3);
        commands.arg(b"HDEL");
        self.key(&mut commands, &[MANUAL_BANS]);
        commands.arg(subject.field().as_bytes());
        let reply = self.ask_one(ops, Route::Write, commands).await?;
        reply.view().as_int().map(|count| count > 0).ok_or_else(|| Error::of(&reply, "HDEL"))
    }

    /// Appends the removal of a ban by hand, unless it was renewed meanwhile.
    fn encode_removal(&self, out: &mut Commands, field: &[u8], value: &[u8]) {
        out.begin(6);
        out.arg(b"EVAL");
        out.arg(REMOVE_IF_SAME);
        out.arg(b"1");
        self.key(out, &[MANUAL_BANS]);
        out.arg(field);
        out.arg(value);
    }
}

/// KEYS: the hash. ARGV: field, value. Returns the number of fields removed.
const REMOVE_IF_SAME: &[u8] = b"if redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[2] then \
    return redis.call('HDEL', KEYS[1], ARGV[1]) end return 0";

/// Bans that are listed. With their details some 5 MB in Redis.
pub const BANS_MAX: usize = 10_000;

/// Entries that one new ban removes from the list: more than it adds.
const TRIMMED_MAX: usize = 64;

/// See [`RedisStore::encode_ban`].
pub(super) const BAN_COMMANDS: usize = 4;

const BANS: &[u8] = b"BRUTEFORCE_BANS";
const BAN_DETAILS: &[u8] = b"BRUTEFORCE_BAN_DETAILS";
const MANUAL_BANS: &[u8] = b"BRUTEFORCE_MANUAL";
