//! Who logs in from an address, and who fails to: what tells a carrier's or webmailer's address
//! from an attacker's.
//!
//! In Redis: the sorted sets `<p>bf:TR:<ip>:P` and `:N`, lower-case login name → time in seconds
//! since 1970, and the hash `<p>bf:TR:<ip>` with their sizes, all gone after the time to live. Old
//! members are dropped with every record. Bounds: those of a table; in Redis, the names seen within
//! the time to live.

use super::memory::MemoryStore;
use super::redis::{RedisStore, next, seconds};
use super::{Error, Store};
use crate::op::{Ops, Route};
use crate::proto::resp::{Commands, Reply};
use std::time::{Duration, Instant};

/// Whose logins count for a client, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Tolerance<'a> {
    pub client: &'a [u8],
    pub within: Duration,
}

impl Store {
    /// Records that a user logged in from a client, or failed to.
    ///
    /// # Errors
    /// Redis could not be asked.
    pub async fn record_user(
        &self,
        ops: &Ops,
        tolerance: Tolerance<'_>,
        username: &[u8],
        positive: bool,
    ) -> Result<(), Error> {
        let Tolerance { client, within } = tolerance;
        let username = String::from_utf8_lossy(username).to_lowercase();
        match self {
            Store::Memory(memory) => {
                memory.record_user(client, within, username.into_bytes(), positive, ops.now());
                Ok(())
            }
            Store::Redis(redis) => {
                redis.record_user(ops, client, within, username.as_bytes(), positive).await
            }
        }
    }

    /// How many users logged in from a client and how many failed to, as last recorded; `None`:
    /// nothing is recorded.
    ///
    /// # Errors
    /// Redis could not be asked.
    pub async fn recorded_users(
        &self,
        ops: &Ops,
        client: &[u8],
    ) -> Result<Option<(u64, u64)>, Error> {
        match self {
            Store::Memory(memory) => {
                Ok(memory.users.get(client, ops.now(), |users| users.counts(None)))
            }
            Store::Redis(redis) => {
                let commands = redis.encode_recorded_users(client);
                decode_recorded_users(&redis.ask_one(ops, Route::Read, commands).await?)
            }
        }
    }
}

impl MemoryStore {
    fn record_user(
        &self,
        client: &[u8],
        within: Duration,
        username: Vec<u8>,
        positive: bool,
        now: Instant,
    ) {
        self.users.update(client, Some(within), now, |users| {
            let since = now.checked_sub(within);
            users.good.drop_before(since);
            users.bad.drop_before(since);
            if positive { users.good.set(username, now) } else { users.bad.set(username, now) }
        });
    }

    pub(super) fn toleration(&self, client: &[u8], within: Duration, now: Instant) -> (u64, u64) {
        self.users
            .get(client, now, |users| users.counts(now.checked_sub(within)))
            .unwrap_or_default()
    }
}

impl RedisStore {
    async fn record_user(
        &self,
        ops: &Ops,
        client: &[u8],
        within: Duration,
        username: &[u8],
        positive: bool,
    ) -> Result<(), Error> {
        let now = self.unix_ms() / 1000;
        let since = now.saturating_sub(seconds(within));
        let (mine, other) = if positive { (GOOD, BAD) } else { (BAD, GOOD) };
        let ttl = seconds(within);
        let (mut first, mut second, mut third) =
            (itoa::Buffer::new(), itoa::Buffer::new(), itoa::Buffer::new());
        let (now, since, ttl) = (
            first.format(now).as_bytes(),
            second.format(since).as_bytes(),
            third.format(ttl).as_bytes(),
        );
        let mut commands = Commands::default();
        commands.begin(4);
        commands.arg(b"ZADD");
        self.key(&mut commands, &[CLIENT, client, mine]);
        commands.arg(now);
        commands.arg(username);
        for set in [mine, other] {
            commands.begin(4);
            commands.arg(b"ZREMRANGEBYSCORE");
            self.key(&mut commands, &[CLIENT, client, set]);
            commands.arg(b"-inf");
            commands.arg(since);
            commands.begin(3);
            commands.arg(b"EXPIRE");
            self.key(&mut commands, &[CLIENT, client, set]);
            commands.arg(ttl);
            commands.begin(2);
            commands.arg(b"ZCARD");
            self.key(&mut commands, &[CLIENT, client, set]);
        }
        let replies = self.ask(ops, Route::Write, commands).await?;
        let size =
            |at: usize| replies.get(at).map_or(Err(Error::Unexpected("ZCARD")), decode_count);
        let sizes = (size(3)?, size(6)?);
        let (good, bad) = if positive { sizes } else { (sizes.1, sizes.0) };
        let mut commands = Commands::default();
        commands.begin(6);
        commands.arg(b"HSET");
        self.key(&mut commands, &[CLIENT, client]);
        commands.arg(POSITIVE);
        commands.arg(itoa::Buffer::new().format(good).as_bytes());
        commands.arg(NEGATIVE);
        commands.arg(itoa::Buffer::new().format(bad).as_bytes());
        commands.begin(3);
        commands.arg(b"EXPIRE");
        self.key(&mut commands, &[CLIENT, client]);
        commands.arg(ttl);
        let replies = self.ask(ops, Route::Write, commands).await?;
        let mut replies = replies.iter();
        decode_count(next(&mut replies)?).map(drop)
    }

    /// Appends the question how many users there were within the time: two commands.
    pub(super) fn encode_toleration(&self, out: &mut Commands, client: &[u8], within: Duration) {
        let since = (self.unix_ms() / 1000).saturating_sub(seconds(within));
        for set in [GOOD, BAD] {
            out.begin(4);
            out.arg(b"ZCOUNT");
            self.key(out, &[CLIENT, client, set]);
            out.arg_of(b"(", &[itoa::Buffer::new().format(since).as_bytes()]);
            out.arg(b"+inf");
        }
    }

    fn encode_recorded_users(&self, client: &[u8]) -> Commands {
        let mut commands = Commands::default();
        commands.begin(4);
        commands.arg(b"HMGET");
        self.key(&mut commands, &[CLIENT, client]);
        commands.arg(POSITIVE);
        commands.arg(NEGATIVE);
        commands
    }
}

/// The two sizes; `None`: there is no such hash.
fn decode_recorded_users(reply: &Reply) -> Result<Option<(u64, u64)>, Error> {
    let mut items = reply.view().items().ok_or_else(|| Error::of(reply, "HMGET"))?;
    let mut number =
        || items.next().and_then(|view| std::str::from_utf8(view.as_bytes()?).ok()?.parse().ok());
    let (positive, negative): (Option<u64>, Option<u64>) = (number(), number());
    Ok((positive.is_some() || negative.is_some())
        .then(|| (positive.unwrap_or_default(), negative.unwrap_or_default())))
}

pub(super) fn decode_count(reply: &Reply) -> Result<u64, Error> {
    reply
        .view()
        .as_int()
        .map(|count| count.max(0).unsigned_abs())
        .ok_or_else(|| Error::of(reply, "ZCOUNT"))
}

const CLIENT: &[u8] = b"bf:TR:";
const GOOD: &[u8] = b":P";
const BAD: &[u8] = b":N";
const POSITIVE: &[u8] = b"positive";
const NEGATIVE: &[u8] = b"negative";
