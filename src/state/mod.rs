//! The domain's shared state: what logins leave behind for later logins, in this process and in
//! others.
//!
//! [`Store`] is the only door to it. The pipeline asks for what it means ("how does this client
//! stand", "note a failure") and never for commands or keys; two stores answer. [`RedisStore`]
//! encodes the commands, sends them in one piece through [`Ops`] and reads the replies, so an
//! operation is one round trip however many commands it takes. [`MemoryStore`] is the embedded
//! default: one per process, shared by all its workers, answering at once. One suite of tests is
//! played on memory, a single Redis, sentinels and a cluster (`tests/e2e/state`).
//!
//! ```text
//! accounts.rs      login name → account
//! bans.rs          what explains blocks, and bans by hand         ban.rs: what one is
//! buckets.rs       brute-force counters            blocks.rs       blocked networks
//! counters.rs      their keys and limits
//! forget.rs        forgetting a user               login_counts.rs logins of the process before
//! history.rs       wrong passwords                 tolerations.rs  who logs in from an address
//! known.rs         accounts that need not be asked for
//! results.rs       the positive cache
//! tokens.rs        tokens of the API
//! soft_whitelist.rs, custom_tolerations.rs   lists that scripts may change; of this process alone
//! effects.rs       the effects of one login, written in one piece
//! memory.rs        the tables of a process         table.rs        one table: sharded, expiring, bounded
//! records.rs       what the tables hold
//! redis.rs         prefix, limits, asking
//! ```
//!
//! To add a concern: a file with an `impl Store` of typed methods, a table in [`MemoryStore`], keys
//! named as the reference names them, so that both can share one Redis. Every Redis command works
//! on one key, and no script on more: so a cluster can serve them, each from its node. An [`Error`]
//! is never a verdict; who asked declares what it means.

mod accounts;
mod ban;
mod bans;
mod blocks;
mod buckets;
mod counters;
mod custom_tolerations;
mod effects;
mod forget;
mod history;
mod known;
mod login_counts;
mod memory;
mod records;
mod redis;
mod results;
mod soft_whitelist;
mod table;
mod tokens;
mod tolerations;

pub use ban::{Ban, Details, MANUAL, ManualBans, NotBanned, Subject};
pub use blocks::{AffectedAccounts, Blocks, NewBlock};
pub use buckets::ClientStatus;
pub use counters::{Counters, Kind, masked};
pub use custom_tolerations::{Exception, Tolerated, Tolerations};
pub use effects::{Failed, FailedFrom, LoginEffects, Written};
pub use forget::Forgotten;
pub use history::{Evidence, Owner, WrongPassword};
pub use known::KnownAccounts;
pub use login_counts::LoginCounts;
pub use memory::MemoryStore;
pub use records::{History, PasswordHash};
pub use redis::RedisStore;
pub use results::Cached;
pub use soft_whitelist::{Exemption, SoftWhitelist};
pub use tokens::{KeptToken, TokenKind};
pub use tolerations::Tolerance;

use crate::op::{Answer, Failure};
use crate::proto::resp::Reply;
use std::sync::Arc;

/// Where the domain's state is.
pub enum Store {
    /// In the server's own Redis, shared with other processes.
    Redis(RedisStore),
    /// In this process.
    Memory(Arc<MemoryStore>),
}

/// Why the state could not be asked. For logs: no text of it holds a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No reply: Redis is away, slow, or not configured.
    #[error(transparent)]
    Failed(#[from] Failure),
    /// Redis replied with an error: `WRONGTYPE Operation against …`.
    #[error("{0}")]
    Refused(String),
    /// A reply that cannot be one to the command: something other than Redis answers, or another
    /// program uses the key.
    #[error("unexpected reply to {0}")]
    Unexpected(&'static str),
}

impl Error {
    /// What a reply says that is not of the expected shape.
    fn of(reply: &Reply, command: &'static str) -> Error {
        match reply.as_error() {
            Some(text) => Error::Refused(String::from_utf8_lossy(text).into_owned()),
            None => Error::Unexpected(command),
        }
    }

    /// What an answer says that holds no replies.
    fn of_answer(answer: Answer) -> Error {
        match answer {
            Answer::Failed(failure) => Error::Failed(failure),
            _ => Error::Unexpected("redis"),
        }
    }
}
