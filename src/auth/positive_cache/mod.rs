//! The positive cache, backend `cache`: users who logged in are known for some time without asking their backend.
//!
//! It stands at a place among the backends; those before it are asked first, and what those behind it found is what it keeps. An entry
//! belongs to an account, so all login names of an account share it, and to a cache name, so that protocols may keep apart. An entry with
//! another password is no verdict: the next backend is asked, and its success overwrites the entry. Not used with `cache=0` and for master
//! users. Called by `backends` and `aftermath`. Rules: specification `pipeline.md` 8, `decisions.md`.

mod entry;

use crate::auth::backends::User;
use crate::auth::pipeline::Run;
use crate::auth::policy::{Backend, Policy};
use crate::auth::report::{Event, Level};
use crate::auth::request::{Field, Mode, Request};
use crate::secret::Secret;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use std::time::Duration;

/// The backend `cache` of a configuration.
#[derive(Clone)]
pub struct PositiveCache {
    /// How many of [`Policy::backends`] stand before it.
    pub position: usize,
    /// For how long an entry is kept.
    pub ttl: Duration,
    /// Hashes passwords, under `server.redis.password_nonce`.
    keyed: Hmac<Sha256>,
}

impl PositiveCache {
    pub fn new(position: usize, ttl: Duration, nonce: &Secret) -> PositiveCache {
        let mut key = [0; 64];
        // RFC 2104: a key that is longer than a block is hashed first.
        let digest = Sha256::digest(nonce.expose());
        let short = if nonce.expose().len() > key.len() { &digest } else { nonce.expose() };
        key.iter_mut().zip(short).for_each(|(place, byte)| *place = *byte);
        PositiveCache { position, ttl, keyed: Hmac::new(&key.into()) }
    }

    /// The password of a request as an entry keeps it, in hex. With the account in it two users of one password differ.
    fn hash(&self, request: &Request, account: &[u8]) -> String {
        let mut mac = self.keyed.clone();
        mac.update(account);
        mac.update(b"\0");
        mac.update(request.get(Field::Password));
        hex::encode(mac.finalize().into_bytes())
    }
}

impl std::fmt::Debug for PositiveCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PositiveCache").field("position", &self.position).field("ttl", &self.ttl).finish_non_exhaustive()
    }
}

/// The cache that this request may use.
pub(super) fn of<'a>(policy: &'a Policy, request: &Request) -> Option<&'a PositiveCache> {
    let is_usable = request.redis_cache && policy.master_target(request.get(Field::Username)).is_none();
    policy.positive_cache.as_ref().filter(|_| is_usable)
}

/// The user as the cache knows it: authenticated, or found by a lookup. `None`: ask the next backend.
///
/// # Errors
/// The cache could not be asked, or it replied with an error.
pub(super) async fn recall<S>(run: &Run<'_, S>, cache: &PositiveCache, account: &[u8]) -> Result<Option<User>, Event> {
    let request = &run.login.request;
    let caches = names(run.policy, request.get(Field::Protocol));
    let found = run.stores.state.cached(run.ops, &caches, account).await;
    let text = found.map_err(|error| Event::new(Level::Error, "Cache cannot be read").with("error", error.to_string()))?;
    let Some(known) = text.and_then(|text| entry::decode(&text)) else { return Ok(None) };
    let is_right = request.mode == Mode::NoAuth || known.password.matches(cache.hash(request, account).as_bytes());
    Ok(is_right.then(|| User { authenticated: true, account: account.to_vec(), from_cache: true, ..known.user }))
}

/// What the cache keeps of a user whom a backend behind it let in; nothing if its attributes cannot be kept.
pub(super) fn text(cache: &PositiveCache, request: &Request, user: &User) -> Option<Vec<u8>> {
    entry::encode(user, &cache.hash(request, &user.account))
}

/// The names under which a user of this protocol may be kept.
fn names<'a>(policy: &'a Policy, protocol: &[u8]) -> Vec<&'a str> {
    let mut names: Vec<&str> = Vec::new();
    for backend in &policy.backends {
        let name = backend.search(protocol).map_or(DEFAULT, |search| search.cache());
        if !names.contains(&name) {
            names.push(name);
        }
    }
    if names.is_empty() { vec![DEFAULT] } else { names }
}

/// The names under which a user may be kept, whatever the protocol.
pub(super) fn all_names(policy: &Policy) -> Vec<&str> {
    let mut names = vec![DEFAULT];
    for search in policy.backends.iter().flat_map(Backend::searches) {
        if !names.contains(&search.cache()) {
            names.push(search.cache());
        }
    }
    names
}

/// Where entries are kept whose `lua.search` entry names no cache.
pub(super) const DEFAULT: &str = "__default__";
