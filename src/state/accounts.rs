//! Login name → account: the hash `<p>USER`. Written at a user's first login, never refreshed, without an end (`pipeline.md` 7.4, 17).
//! What Redis said is remembered in this process for a while (`server.redis.account_local_cache.ttl`), which saves a round trip a login; that a
//! name is not mapped is not.

use super::memory::{MemoryStore, text_bytes};
use super::redis::RedisStore;
use super::table::Weigh;
use super::{Error, Store};
use crate::op::{Ops, Route};
use crate::proto::resp::{Commands, Reply, View};
use std::time::Instant;

impl Store {
    /// The account that a login name was mapped to; `None`: it has never logged in here.
    ///
    /// # Errors
    /// The state could not be asked.
    pub async fn account(&self, ops: &Ops, username: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        match self {
            Store::Memory(memory) => Ok(memory.account(username, ops.now())),
            Store::Redis(redis) => {
                if let Some(account) = redis.shadow.account(username, ops.now()) {
                    return Ok(Some(account));
                }
                let mut commands = Commands::default();
                redis.encode_account(&mut commands, username);
                let account = decode_account(&redis.ask_one(ops, Route::Read, commands).await?)?;
                if let Some(account) = &account {
                    redis.recall_account(username, account, ops.now());
                }
                Ok(account)
            }
        }
    }

    /// Maps a login name to its account.
    ///
    /// # Errors
    /// It could not be written, or nobody knows whether it was.
    pub async fn map_account(&self, ops: &Ops, username: &[u8], account: &[u8]) -> Result<(), Error> {
        match self {
            Store::Memory(memory) => {
                memory.map_account(username, account, ops.now());
                Ok(())
            }
            Store::Redis(redis) => {
                let mut commands = Commands::default();
                redis.encode_mapping(&mut commands, username, account);
                decode_mapping(&redis.ask_one(ops, Route::Write, commands).await?)?;
                redis.recall_account(username, account, ops.now());
                Ok(())
            }
        }
    }
}

impl MemoryStore {
    pub(super) fn account(&self, username: &[u8], now: Instant) -> Option<Vec<u8>> {
        self.accounts.get(username, now, |account| account.0.to_vec()).filter(|account| !account.is_empty())
    }

    pub(super) fn map_account(&self, username: &[u8], account: &[u8], now: Instant) {
        self.accounts.put(username, Account(account.into()), None, now);
    }
}

impl RedisStore {
    /// Spares the next logins of this user the question.
    pub(super) fn recall_account(&self, username: &[u8], account: &[u8], now: Instant) {
        if !self.accounts_for.is_zero() {
            self.shadow.accounts.put(username, Account(account.into()), Some(self.accounts_for), now);
        }
    }

    pub(super) fn encode_account(&self, out: &mut Commands, username: &[u8]) {
        out.begin(3);
        out.arg(b"HGET");
        self.key(out, &[USER]);
        out.arg(username);
    }

    pub(super) fn encode_mapping(&self, out: &mut Commands, username: &[u8], account: &[u8]) {
        out.begin(4);
        out.arg(b"HSET");
        self.key(out, &[USER]);
        out.arg(username);
        out.arg(account);
    }
}

/// An account, as the tables of the process keep it.
#[derive(Default)]
pub(super) struct Account(pub Box<[u8]>);

impl Weigh for Account {
    fn bytes(&self) -> usize {
        text_bytes(&self.0)
    }
}

pub(super) fn decode_account(reply: &Reply) -> Result<Option<Vec<u8>>, Error> {
    match reply.view() {
        // An empty name is no account.
        View::Nil | View::Bulk(b"") => Ok(None),
        View::Bulk(account) => Ok(Some(account.to_vec())),
        _ => Err(Error::of(reply, "HGET")),
    }
}

pub(super) fn decode_mapping(reply: &Reply) -> Result<(), Error> {
    reply.view().as_int().map(drop).ok_or_else(|| Error::of(reply, "HSET"))
}

pub(super) const USER: &[u8] = b"USER";
