//! The positive cache, backend `cache`: users who logged in are known for some time without asking
//! their backend.
//!
//! It stands at a place among the backends; those before it are asked first, and what those behind
//! it found is what it keeps. An entry belongs to an account, so all login names of an account
//! share it, and to a cache name, so that protocols may keep apart. An entry with another password
//! is no verdict: the next backend is asked, and its success overwrites the entry. Not used with
//! `cache=0` and for master users. Called by `backends` and `effects`.

mod entry;
pub mod settings;

use crate::auth::policy::{Backend, Policy};
use crate::auth::report::{Event, Level};
use crate::auth::request::{Field, Mode, Request};
use crate::auth::run::Run;
use crate::auth::user::User;
use settings::{DEFAULT, PositiveCache};

/// The cache that this request may use.
pub(super) fn of<'a>(policy: &'a Policy, request: &Request) -> Option<&'a PositiveCache> {
    let is_usable =
        request.redis_cache && policy.master_target(request.get(Field::Username)).is_none();
    policy.positive_cache.as_ref().filter(|_| is_usable)
}

/// The user as the cache knows it: authenticated, or found by a lookup. `None`: ask the next
/// backend.
///
/// # Errors
/// The cache could not be asked, or it replied with an error.
pub(super) async fn recall<S>(
    run: &Run<'_, S>,
    cache: &PositiveCache,
    account: &[u8],
) -> Result<Option<User>, Event> {
    let request = &run.login.request;
    let caches = names(run.policy, request.get(Field::Protocol));
    let found = run.stores.state.cached(run.ops, &caches, account).await;
    let text = found.map_err(|error| {
        Event::new(Level::Error, "Cache cannot be read").with("error", error.to_string())
    })?;
    let Some(known) = text.and_then(|text| entry::decode(&text)) else { return Ok(None) };
    let is_right = request.mode == Mode::NoAuth
        || known.password.matches(cache.hash(request, account).as_bytes());
    Ok(is_right.then(|| User {
        authenticated: true,
        account: account.to_vec(),
        from_cache: true,
        ..known.user
    }))
}

/// What the cache keeps of a user whom a backend behind it let in; nothing if its attributes cannot
/// be kept.
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
