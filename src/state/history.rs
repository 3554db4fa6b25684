//! Password histories: which wrong passwords a client has sent, and how often, as hashes of eight
//! hex digits.
//!
//! One history per account (or login name) and address, one per address: the hashes
//! `<p>PW_HIST:<owner>:<ip>` and `<p>PW_HIST:<ip>`. They tell a forgotten password in some device,
//! which repeats itself, from an attacker, who does not. Bounds: `entries_max` fields each, give or
//! take what arrives at once.

use super::memory::MemoryStore;
use super::records::{History, PasswordHash};
use super::redis::{RedisStore, next, seconds};
use super::tolerations::{self, Tolerance};
use super::{Error, Store};
use crate::op::{Ops, Route};
use crate::proto::resp::{Commands, Reply};
use std::time::Duration;

/// Whose history.
#[derive(Clone, Copy, Debug)]
pub struct Owner<'a> {
    /// The account, or the login name of a user without.
    pub name: &'a [u8],
    /// The client's address.
    pub client: &'a [u8],
}

/// What is known about a client whose attempts fill a bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// Of the account and the address.
    pub account: History,
    /// Of the address.
    pub client: History,
    /// Distinct users who logged in from the address, and who failed to, within the time asked for.
    pub positive: u64,
    pub negative: u64,
}

impl Store {
    /// What is known about a client; who logged in from there only if `tolerance` says for how long
    /// that counts.
    ///
    /// # Errors
    /// Redis could not be asked.
    pub async fn evidence(
        &self,
        ops: &Ops,
        owner: &Owner<'_>,
        tolerance: Option<Tolerance<'_>>,
    ) -> Result<Evidence, Error> {
        match self {
            Store::Memory(memory) => {
                let history = |key: &[u8]| {
                    memory.histories.get(key, ops.now(), History::clone).unwrap_or_default()
                };
                let (positive, negative) = tolerance.map_or((0, 0), |tolerance| {
                    memory.toleration(tolerance.client, tolerance.within, ops.now())
                });
                Ok(Evidence {
                    account: history(&own_key(owner)),
                    client: history(owner.client),
                    positive,
                    negative,
                })
            }
            Store::Redis(redis) => {
                let mut commands = Commands::default();
                for parts in
                    [&[HISTORY, owner.name, b":", owner.client][..], &[HISTORY, owner.client]]
                {
                    commands.begin(2);
                    commands.arg(b"HGETALL");
                    redis.key(&mut commands, parts);
                }
                if let Some(tolerance) = &tolerance {
                    redis.encode_toleration(&mut commands, tolerance.client, tolerance.within);
                }
                let replies = redis.ask(ops, Route::Write, commands).await?;
                let mut replies = replies.iter();
                let (account, client) =
                    (decode(next(&mut replies)?)?, decode(next(&mut replies)?)?);
                let (positive, negative) = match tolerance {
                    Some(_) => (
                        tolerations::decode_count(next(&mut replies)?)?,
                        tolerations::decode_count(next(&mut replies)?)?,
                    ),
                    None => (0, 0),
                };
                Ok(Evidence { account, client, positive, negative })
            }
        }
    }
}

/// A wrong password to be put into histories.
#[derive(Clone, Copy, Debug)]
pub struct WrongPassword<'a> {
    pub owner: Owner<'a>,
    pub hash: PasswordHash,
    pub ttl: Duration,
    /// False: that history is full.
    pub of_account: bool,
    pub of_client: bool,
}

impl MemoryStore {
    pub(super) fn remember_password(&self, wrong: &WrongPassword<'_>, now: std::time::Instant) {
        if wrong.of_account {
            self.histories.update(&own_key(&wrong.owner), Some(wrong.ttl), now, |history| {
                history.add(&wrong.hash)
            });
        }
        if wrong.of_client {
            self.histories.update(wrong.owner.client, Some(wrong.ttl), now, |history| {
                history.add(&wrong.hash)
            });
        }
    }
}

impl RedisStore {
    /// Appends a wrong password: two commands a history.
    pub(super) fn encode_password(&self, out: &mut Commands, wrong: &WrongPassword<'_>) {
        let Owner { name, client } = wrong.owner;
        for (parts, wanted) in [
            (&[HISTORY, name, b":", client][..], wrong.of_account),
            (&[HISTORY, client], wrong.of_client),
        ] {
            if wanted {
                out.begin(4);
                out.arg(b"HINCRBY");
                self.key(out, parts);
                out.arg(&wrong.hash);
                out.arg(b"1");
                out.begin(3);
                out.arg(b"EXPIRE");
                self.key(out, parts);
                out.arg(itoa::Buffer::new().format(seconds(wrong.ttl)).as_bytes());
            }
        }
    }
}

/// A history from its hash; fields that are none of ours are passed over.
fn decode(reply: &Reply) -> Result<History, Error> {
    let mut items = reply.view().items().ok_or_else(|| Error::of(reply, "HGETALL"))?;
    let mut history = History::default();
    while let (Some(field), Some(count)) = (items.next(), items.next()) {
        let hash = field.as_bytes().and_then(|field| PasswordHash::try_from(field).ok());
        let count =
            count.as_bytes().and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
        history.0.extend(hash.zip(count));
    }
    Ok(history)
}

/// The key of a history in this process. An address holds no NUL: so it cannot be mistaken for a
/// client's.
pub(super) fn own_key(owner: &Owner<'_>) -> Vec<u8> {
    [owner.name, b"\0", owner.client].concat()
}

pub(super) const HISTORY: &[u8] = b"PW_HIST:";
