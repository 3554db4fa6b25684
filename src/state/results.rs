//! The positive cache: what the backends said of users who logged in, as texts under `<p>ucp:<cache
//! name>:<account>`.
//!
//! What the texts say is the business of `auth::positive_cache`. Entries end after the time they
//! were given, or with a flush.

use super::memory::MemoryStore;
use super::records::Text;
use super::redis::{RedisStore, seconds};
use super::{Error, Store};
use crate::op::{Ops, Route};
use crate::proto::resp::{Commands, Reply, View};
use std::time::{Duration, Instant};

/// An entry to be written.
#[derive(Clone, Copy, Debug)]
pub struct Cached<'a> {
    pub cache: &'a str,
    pub account: &'a [u8],
    pub text: &'a [u8],
    pub ttl: Duration,
}

impl Store {
    /// The first entry of an account among those of these caches.
    ///
    /// # Errors
    /// The state could not be asked.
    pub async fn cached(
        &self,
        ops: &Ops,
        caches: &[&str],
        account: &[u8],
    ) -> Result<Option<Vec<u8>>, Error> {
        match self {
            Store::Memory(memory) => {
                Ok(caches.iter().find_map(|cache| memory.cached(cache, account, ops.now())))
            }
            Store::Redis(redis) => {
                let mut commands = Commands::default();
                for cache in caches {
                    commands.begin(2);
                    commands.arg(b"GET");
                    redis.key(&mut commands, &[PREFIX, cache.as_bytes(), b":", account]);
                }
                let replies = redis.ask(ops, Route::Read, commands).await?;
                replies.iter().map(decode).find_map(Result::transpose).transpose()
            }
        }
    }
}

impl MemoryStore {
    fn cached(&self, cache: &str, account: &[u8], now: Instant) -> Option<Vec<u8>> {
        self.cached.get(&key(cache, account), now, |text| text.0.to_vec())
    }

    pub(super) fn put_cached(&self, entry: &Cached<'_>, now: Instant) {
        self.cached.put(
            &key(entry.cache, entry.account),
            Text(entry.text.into()),
            Some(entry.ttl),
            now,
        );
    }
}

impl RedisStore {
    pub(super) fn encode_cached(&self, out: &mut Commands, entry: &Cached<'_>) {
        out.begin(5);
        out.arg(b"SET");
        self.key(out, &[PREFIX, entry.cache.as_bytes(), b":", entry.account]);
        out.arg(entry.text);
        out.arg(b"EX");
        out.arg(itoa::Buffer::new().format(seconds(entry.ttl)).as_bytes());
    }
}

fn decode(reply: &Reply) -> Result<Option<Vec<u8>>, Error> {
    match reply.view() {
        View::Nil => Ok(None),
        View::Bulk(text) => Ok(Some(text.to_vec())),
        _ => Err(Error::of(reply, "GET")),
    }
}

/// The key of an entry in this process. A cache's name holds no NUL.
pub(super) fn key(cache: &str, account: &[u8]) -> Vec<u8> {
    [cache.as_bytes(), b"\0", account].concat()
}

pub(super) const PREFIX: &[u8] = b"ucp:";
