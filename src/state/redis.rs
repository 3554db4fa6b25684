//! State in the server's own Redis: key prefix, time limits, and one way to ask.
//!
//! The concerns' files encode what they want with [`Commands`] and decode the replies; here is what
//! they share. Commands of one operation leave in one piece, and the link puts those of all logins
//! of a turn into one write. Called by the other files of this folder.

use super::Error;
use super::known::KnownAccounts;
use super::memory::MemoryStore;
use crate::op::{Answer, Op, Ops, PoolId, RedisOp, Route};
use crate::proto::resp::{Commands, Reply};
use crate::time::Now;
use std::sync::Arc;
use std::time::Duration;

/// See the module's head.
#[derive(Clone, Debug)]
pub struct RedisStore {
    /// `server.redis.prefix`, in front of every key.
    pub(super) prefix: Vec<u8>,
    /// Limits of one operation (`server.timeouts.redis_read`, `redis_write`).
    read: Duration,
    write: Duration,
    /// What this process has seen of it: failures that it counted, blocks that it met.
    pub(super) shadow: Arc<MemoryStore>,
    /// For how long this process remembers a mapping that Redis has told; zero: not at all.
    pub(super) accounts_for: Duration,
    /// What this worker knows of it.
    pub(super) known: Arc<KnownAccounts>,
}

impl RedisStore {
    /// `shadow` is the process's own store.
    pub fn new(
        prefix: &str,
        read: Duration,
        write: Duration,
        accounts_for: Duration,
        shadow: Arc<MemoryStore>,
    ) -> RedisStore {
        let known = Arc::new(KnownAccounts::none());
        RedisStore { prefix: prefix.as_bytes().to_vec(), read, write, shadow, accounts_for, known }
    }

    /// With what a worker knows, which must be told whatever its link to Redis is told.
    pub fn with_known(self, known: Arc<KnownAccounts>) -> RedisStore {
        RedisStore { known, ..self }
    }

    /// Sends `commands` and waits for their replies, which may be errors one by one.
    ///
    /// # Errors
    /// [`Error::Failed`]: no reply came; what is written may or may not have been.
    pub(super) async fn ask(
        &self,
        ops: &Ops,
        route: Route,
        commands: Commands,
    ) -> Result<Vec<Reply>, Error> {
        let limit = if route == Route::Read { self.read } else { self.write };
        let count = commands.count();
        if count == 0 {
            return Ok(Vec::new());
        }
        let replies = match ops
            .ask(Op::Redis(RedisOp { pool: PoolId::DEFAULT, route, commands }), limit)
            .await
        {
            Answer::Replies(replies) => replies,
            Answer::Reply(reply) => vec![reply],
            other => return Err(Error::of_answer(other)),
        };
        if replies.len() == count { Ok(replies) } else { Err(Error::Unexpected("redis")) }
    }

    /// As [`RedisStore::ask`], for a single command.
    pub(super) async fn ask_one(
        &self,
        ops: &Ops,
        route: Route,
        commands: Commands,
    ) -> Result<Reply, Error> {
        self.ask(ops, route, commands).await?.pop().ok_or(Error::Unexpected("redis"))
    }

    /// Milliseconds since 1970, for what other processes read. Only here: everything else lives by
    /// the time of its ops.
    pub(super) fn unix_ms(&self) -> u64 {
        Now::read().unix_ms()
    }

    /// Appends the key made of these parts, the prefix before them, as the next argument.
    pub(super) fn key(&self, out: &mut Commands, parts: &[&[u8]]) {
        out.arg_of(&self.prefix, parts);
    }
}

/// The reply to the next command.
pub(super) fn next<'a>(replies: &mut impl Iterator<Item = &'a Reply>) -> Result<&'a Reply, Error> {
    replies.next().ok_or(Error::Unexpected("redis"))
}

/// Whole seconds, at least one: what Redis is told, and what the key says.
pub(super) fn seconds(time: Duration) -> u64 {
    (time.as_secs() + u64::from(time.subsec_nanos() > 0)).max(1)
}
