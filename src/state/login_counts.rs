//! How many logins succeeded and failed before this process: the hash `<p>COUNTER_<INSTANCE NAME>`,
//! fields `success` and `failure`.
//!
//! Written whole: of two processes of one name the later stands. When to load and to save is the
//! business of `worker::periodic`.

use super::redis::RedisStore;
use super::{Error, Store};
use crate::op::{Ops, Route};
use crate::proto::resp::{Commands, Reply, View};

/// Successes and failures.
pub type LoginCounts = (u64, u64);

impl Store {
    /// Whether what is kept here is there for the next process, too.
    pub fn outlives_the_process(&self) -> bool {
        matches!(self, Store::Redis(_))
    }

    /// What the instance of this name saved last; none, if nothing.
    ///
    /// # Errors
    /// The state could not be asked, or what is there is no such counter.
    pub async fn login_counts(&self, ops: &Ops, instance: &str) -> Result<LoginCounts, Error> {
        let Store::Redis(redis) = self else { return Ok(LoginCounts::default()) };
        let mut commands = Commands::default();
        redis.begin(&mut commands, b"HMGET", instance, 2);
        commands.arg(SUCCESS);
        commands.arg(FAILURE);
        // Of the master: a replica may not have heard of the last save.
        decode(&redis.ask_one(ops, Route::Write, commands).await?)
    }

    /// Saves them in place of what was saved before.
    ///
    /// # Errors
    /// It was not written, or it is unknown whether it was.
    pub async fn save_login_counts(
        &self,
        ops: &Ops,
        instance: &str,
        (success, failure): LoginCounts,
    ) -> Result<(), Error> {
        let Store::Redis(redis) = self else { return Ok(()) };
        let mut commands = Commands::default();
        redis.begin(&mut commands, b"HSET", instance, 4);
        for (field, count) in [(SUCCESS, success), (FAILURE, failure)] {
            commands.arg(field);
            commands.arg(itoa::Buffer::new().format(count).as_bytes());
        }
        let reply = redis.ask_one(ops, Route::Write, commands).await?;
        reply.view().as_int().map(drop).ok_or_else(|| Error::of(&reply, "HSET"))
    }
}

impl RedisStore {
    /// Begins a command on an instance's hash with so many further words.
    fn begin(&self, out: &mut Commands, command: &[u8], instance: &str, words: usize) {
        out.begin(2 + words);
        out.arg(command);
        self.key(out, &[COUNTER, instance.to_uppercase().as_bytes()]);
    }
}

fn decode(reply: &Reply) -> Result<LoginCounts, Error> {
    let mut items = reply
        .view()
        .items()
        .filter(|items| items.len() == 2)
        .ok_or_else(|| Error::of(reply, "HMGET"))?;
    let mut next = || count(items.next()?);
    next().zip(next()).ok_or(Error::Unexpected("HMGET"))
}

/// A value that is not a number was not written by us and is not overwritten.
fn count(value: View<'_>) -> Option<u64> {
    match value {
        View::Nil => Some(0),
        value => std::str::from_utf8(value.as_bytes()?).ok()?.parse().ok(),
    }
}

const COUNTER: &[u8] = b"COUNTER_";
const SUCCESS: &[u8] = b"success";
const FAILURE: &[u8] = b"failure";
