//! Tokens of the API that are good as long as they are kept: one pair per user, under
//! `<p>jwt:token:<user>` and `<p>jwt:refresh:<user>`.
//!
//! A new pair takes the place of the older one, which ends with it. In Redis only: without it the
//! configuration is refused. Read from the master, since a replica that is behind would refuse a
//! token that was just handed out.

use super::redis::RedisStore;
use super::{Error, Store};
use crate::op::{Failure, Ops, Route};
use crate::proto::resp::{Commands, View};
use std::time::Duration;

/// Which of a user's two tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    Access,
    Refresh,
}

/// A token, and for how long it is kept.
#[derive(Clone, Copy)]
pub struct KeptToken<'a> {
    pub kind: TokenKind,
    pub token: &'a str,
    pub ttl: Duration,
}

impl Store {
    /// The token of a user that is good now.
    ///
    /// # Errors
    /// Redis could not be asked.
    pub async fn token(
        &self,
        ops: &Ops,
        user: &str,
        kind: TokenKind,
    ) -> Result<Option<Vec<u8>>, Error> {
        let redis = self.redis()?;
        let mut commands = Commands::default();
        commands.begin(2);
        commands.arg(b"GET");
        redis.key(&mut commands, &[kind.prefix(), user.as_bytes()]);
        let reply = redis.ask_one(ops, Route::Write, commands).await?;
        match reply.view() {
            View::Nil => Ok(None),
            View::Bulk(token) => Ok(Some(token.to_vec())),
            _ => Err(Error::of(&reply, "GET")),
        }
    }

    /// Keeps tokens of a user in place of the older ones.
    ///
    /// # Errors
    /// Redis did not take all of them: none of them may be handed out.
    pub async fn keep_tokens(
        &self,
        ops: &Ops,
        user: &str,
        tokens: &[KeptToken<'_>],
    ) -> Result<(), Error> {
        let redis = self.redis()?;
        let mut commands = Commands::default();
        for kept in tokens {
            commands.begin(5);
            commands.arg(b"SET");
            redis.key(&mut commands, &[kept.kind.prefix(), user.as_bytes()]);
            commands.arg(kept.token.as_bytes());
            commands.arg(b"EX");
            commands.arg(itoa::Buffer::new().format(kept.ttl.as_secs().max(1)).as_bytes());
        }
        let replies = redis.ask(ops, Route::Write, commands).await?;
        match replies.iter().find(|reply| reply.as_error().is_some()) {
            Some(refusal) => Err(Error::of(refusal, "SET")),
            None => Ok(()),
        }
    }

    fn redis(&self) -> Result<&RedisStore, Error> {
        match self {
            Store::Redis(redis) => Ok(redis),
            Store::Memory(_) => {
                Err(Error::Failed(Failure::Unavailable("no Redis is configured".into())))
            }
        }
    }
}

impl TokenKind {
    fn prefix(self) -> &'static [u8] {
        match self {
            TokenKind::Access => b"jwt:token:",
            TokenKind::Refresh => b"jwt:refresh:",
        }
    }
}
