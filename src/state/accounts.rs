//! Login name → account: the hash `<p>USER`. Written at a user's first login, never refreshed,
//! without an end. What Redis said is remembered: until it changes, where Redis tells of changes
//! ([`super::KnownAccounts`]), or for a while (`server.redis.account_local_cache.ttl`). That saves
//! a round trip a login. That a name is not mapped is not remembered.

use super::known::Generation;
use super::memory::MemoryStore;
use super::records::Account;
use super::redis::{RedisStore, next};
use super::{Error, Store};
use crate::op::{Ops, Route, boxed};
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
                let known = redis
                    .known
                    .get(username, ops.now())
                    .or_else(|| redis.shadow.account(username, ops.now()));
                if known.is_some() { Ok(known) } else { boxed(redis.account(ops, username)).await }
            }
        }
    }

    /// Maps a login name to its account.
    ///
    /// # Errors
    /// It could not be written, or it is unknown whether it was.
    pub async fn map_account(
        &self,
        ops: &Ops,
        username: &[u8],
        account: &[u8],
    ) -> Result<(), Error> {
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
        self.accounts
            .get(username, now, |account| account.0.to_vec())
            .filter(|account| !account.is_empty())
    }

    pub(super) fn map_account(&self, username: &[u8], account: &[u8], now: Instant) {
        self.accounts.put(username, Account(account.into()), None, now);
    }
}

impl RedisStore {
    async fn account(&self, ops: &Ops, username: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        let mut commands = Commands::with_capacity(USUAL_BYTES);
        let question = self.encode_question(&mut commands, username);
        let replies = self.ask(ops, Route::Read, commands).await?;
        let account = self.decode_question(&question, &mut replies.iter(), username, ops.now())?;
        if let Some(account) = &account {
            self.recall_account(username, account, ops.now());
        }
        Ok(account)
    }

    /// Appends the question for an account, and asks the server to track it, unless the server
    /// refuses to.
    pub(super) fn encode_question(&self, out: &mut Commands, username: &[u8]) -> Question {
        let generation = self.known.generation();
        if generation.is_some() {
            out.push(&[b"CLIENT", b"CACHING", b"YES"]);
        }
        self.encode_account(out, username);
        Question { generation }
    }

    /// Reads the replies to a question.
    pub(super) fn decode_question<'a>(
        &self,
        question: &Question,
        replies: &mut impl Iterator<Item = &'a Reply>,
        username: &[u8],
        now: Instant,
    ) -> Result<Option<Vec<u8>>, Error> {
        let tracked = question
            .generation
            .map(|generation| next(replies).map(|reply| (generation, !reply.is_error())))
            .transpose()?;
        let account = decode_account(next(replies)?)?;
        match (tracked, &account) {
            (Some((_, false)), _) => self.known.refused(),
            (Some((generation, true)), Some(account)) => {
                self.known.put(generation, username, account, now)
            }
            _ => {}
        }
        Ok(account)
    }

    /// Spares the next logins of this user the question.
    pub(super) fn recall_account(&self, username: &[u8], account: &[u8], now: Instant) {
        if !self.accounts_for.is_zero() {
            self.shadow.accounts.put(
                username,
                Account(account.into()),
                Some(self.accounts_for),
                now,
            );
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

/// What was asked for an account.
pub(super) struct Question {
    generation: Option<Generation>,
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

/// Room for both commands.
const USUAL_BYTES: usize = 128;
