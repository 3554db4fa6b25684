//! Forgetting a user: what a flush of the cache takes away, mapping and histories included.
//!
//! Called by `auth::admin` only.

use super::accounts::USER;
use super::blocks::{AFFECTED, FAILED_FROM, members};
use super::history::{HISTORY, Owner, own_key};
use super::memory::MemoryStore;
use super::records::{Addresses, History};
use super::redis::RedisStore;
use super::results::{self, PREFIX};
use super::{Error, Store};
use crate::op::{Ops, Route};
use crate::proto::resp::Commands;
use std::time::Instant;

/// Whom to forget.
#[derive(Clone, Copy, Debug)]
pub struct Forgotten<'a> {
    pub username: &'a [u8],
    pub account: &'a [u8],
    /// The caches that may know the account.
    pub caches: &'a [&'a str],
    /// The addresses that failed for it.
    pub clients: &'a [Vec<u8>],
}

impl Store {
    /// The addresses that failed for an account.
    ///
    /// # Errors
    /// The state could not be asked.
    pub async fn failed_from(&self, ops: &Ops, account: &[u8]) -> Result<Vec<Vec<u8>>, Error> {
        match self {
            Store::Memory(memory) => Ok(memory
                .failed_from
                .get(account, ops.now(), Addresses::members)
                .unwrap_or_default()),
            Store::Redis(redis) => {
                let mut commands = Commands::default();
                commands.begin(2);
                commands.arg(b"SMEMBERS");
                redis.key(&mut commands, &[FAILED_FROM, account]);
                members(&redis.ask_one(ops, Route::Write, commands).await?)
            }
        }
    }

    /// Forgets a user; the keys of cache entries and histories that there were.
    ///
    /// # Errors
    /// The state could not be asked; some may be forgotten.
    pub async fn forget(&self, ops: &Ops, user: &Forgotten<'_>) -> Result<Vec<Vec<u8>>, Error> {
        match self {
            Store::Memory(memory) => Ok(memory.forget(user, ops.now())),
            Store::Redis(redis) => {
                redis.shadow.forget(user, ops.now());
                redis.forget(ops, user).await
            }
        }
    }
}

impl MemoryStore {
    fn forget(&self, user: &Forgotten<'_>, now: Instant) -> Vec<Vec<u8>> {
        let mut removed = Vec::new();
        for cache in user.caches {
            if self.cached.remove(&results::key(cache, user.account), now).is_some() {
                removed.push([PREFIX, cache.as_bytes(), b":", user.account].concat());
            }
        }
        for client in user.clients {
            let owner = Owner { name: user.account, client };
            let histories = [
                (own_key(&owner), [HISTORY, user.account, b":", client].concat()),
                (client.clone(), [HISTORY, client].concat()),
            ];
            for (key, name) in histories {
                if self
                    .histories
                    .remove(&key, now)
                    .is_some_and(|history: History| !history.is_empty())
                {
                    removed.push(name);
                }
            }
        }
        self.accounts.remove(user.username, now);
        self.failed_from.remove(user.account, now);
        self.affected.remove(user.account, now);
        removed
    }
}

impl RedisStore {
    async fn forget(&self, ops: &Ops, user: &Forgotten<'_>) -> Result<Vec<Vec<u8>>, Error> {
        let mut names: Vec<Vec<u8>> = Vec::new();
        names.extend(
            user.caches.iter().map(|cache| [PREFIX, cache.as_bytes(), b":", user.account].concat()),
        );
        for client in user.clients {
            names.push([HISTORY, user.account, b":", client].concat());
            names.push([HISTORY, client].concat());
        }
        let mut commands = Commands::default();
        for name in &names {
            commands.begin(2);
            commands.arg(b"DEL");
            self.key(&mut commands, &[name]);
        }
        commands.begin(2);
        commands.arg(b"DEL");
        self.key(&mut commands, &[FAILED_FROM, user.account]);
        for (command, key, member) in
            [(&b"SREM"[..], AFFECTED, user.account), (b"HDEL", USER, user.username)]
        {
            commands.begin(3);
            commands.arg(command);
            self.key(&mut commands, &[key]);
            commands.arg(member);
        }
        let replies = self.ask(ops, Route::Write, commands).await?;
        let mut removed = Vec::new();
        for (name, reply) in names.into_iter().zip(&replies) {
            if reply.view().as_int().ok_or_else(|| Error::of(reply, "DEL"))? > 0 {
                removed.push([self.prefix.as_slice(), &name].concat());
            }
        }
        Ok(removed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::Cached;
    use std::time::Duration;

    #[test]
    fn nothing_of_a_user_stays_and_others_are_left_alone() {
        let (memory, now) = (MemoryStore::default(), Instant::now());
        for account in [b"alice@example.test", b"bobby@example.test"] {
            memory.map_account(&account[..5], account, now);
            memory.put_cached(
                &Cached { cache: "dovecot", account, text: b"{}", ttl: Duration::from_secs(60) },
                now,
            );
            memory.failed_from.update(account, None, now, |set| set.insert(b"192.0.2.9"));
            let owner = Owner { name: account, client: b"192.0.2.9" };
            memory
                .histories
                .update(&own_key(&owner), None, now, |history| history.add(b"01234567"));
        }
        let clients = [b"192.0.2.9".to_vec()];
        let alice = Forgotten {
            username: b"alice",
            account: b"alice@example.test",
            caches: &["__default__", "dovecot"],
            clients: &clients,
        };
        let removed = memory.forget(&alice, now);
        assert_eq!(
            removed,
            [&b"ucp:dovecot:alice@example.test"[..], b"PW_HIST:alice@example.test:192.0.2.9"]
        );
        assert_eq!((memory.account(b"alice", now), memory.forget(&alice, now)), (None, Vec::new()));
        assert_eq!(memory.account(b"bobby", now).as_deref(), Some(&b"bobby@example.test"[..]));
        assert!(
            memory
                .cached
                .get(&results::key("dovecot", b"bobby@example.test"), now, |_| ())
                .is_some()
        );
        assert!(memory.failed_from.get(b"bobby@example.test", now, |_| ()).is_some());
    }
}
