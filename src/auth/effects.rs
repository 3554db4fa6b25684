//! The effects of what the backends said: account mapping, where a failure came from, the wrong
//! password, the failure itself.
//!
//! All of it is one round trip, and a success of a user who is mapped needs none. A mapping that
//! cannot be written is a temporary failure; the rest is noted in the log, and failures are counted
//! in this process in any case. Called by the pipeline only.

use crate::auth::brute_force::{self, Guard, rules};
use crate::auth::positive_cache;
use crate::auth::report::{Event, Level, Report};
use crate::auth::request::{Field, Mode};
use crate::auth::run::Run;
use crate::auth::user::User;
use crate::auth::verdict::PassDb;
use crate::op::boxed;
use crate::state::{Cached, Failed, FailedFrom, LoginEffects, Owner};
use std::time::Duration;

/// Writes them. `account`: what the login name was mapped to before.
///
/// # Errors
/// The login name could not be mapped to the account that a backend found.
pub(super) async fn apply<S>(
    run: &Run<'_, S>,
    guard: &mut Guard,
    user: Option<&User>,
    account: Option<&[u8]>,
    report: &mut Report,
) -> Result<(), Event> {
    if has_no_effects(run, user, account) {
        Ok(())
    } else {
        boxed(write(run, guard, user, account, report)).await
    }
}

/// Whether a user who is mapped has logged in, and the positive cache does not want to know.
fn has_no_effects<S>(run: &Run<'_, S>, user: Option<&User>, account: Option<&[u8]>) -> bool {
    let request = &run.login.request;
    let is_uncached = |user: &User| {
        !user.from_cache
            && request.mode == Mode::Auth
            && positive_cache::of(run.policy, request).is_some()
    };
    account.is_some() && user.is_some_and(|user| user.authenticated && !is_uncached(user))
}

/// See [`apply`].
async fn write<S>(
    run: &Run<'_, S>,
    guard: &mut Guard,
    user: Option<&User>,
    account: Option<&[u8]>,
    report: &mut Report,
) -> Result<(), Event> {
    let (rules, request) = (&run.policy.brute_force, &run.login.request);
    let failed = request.mode == Mode::Auth && !user.is_some_and(|user| user.authenticated);
    let mapping = user
        .filter(|_| account.is_none())
        .map(|user| (request.get(Field::Username), user.account.as_slice()));
    let wrong = user.filter(|_| failed);
    let from = wrong
        .and_then(|_| rules::address(request.get(Field::ClientIp)))
        .map(|address| address.to_string());
    let failed_from = wrong.zip(from.as_deref()).map(|(user, from)| FailedFrom {
        account: &user.account,
        client: from.as_bytes(),
        ttl: rules.histories.ttl,
    });
    let client = guard.address.map(|address| rules.history_client(address)).unwrap_or_default();
    let remembers = |user: &&User| {
        rules.histories.remember
            && !guard.is_noted
            && !guard.counters.is_empty()
            && user.passdb == PassDb::Lua
    };
    let mut password = None;
    if let Some(user) = wrong.filter(remembers) {
        let owner = Owner { name: &user.account, client: client.as_bytes() };
        match run.stores.state.evidence(run.ops, &owner, None).await {
            Ok(evidence) => {
                let hash = rules.histories.hash(request);
                let (wrong, seen) =
                    brute_force::enter(rules, owner, hash, evidence, &mut report.events);
                (password, report.passwords) = (Some(wrong), seen);
            }
            Err(error) => brute_force::note_outage(Err(error), &mut report.events),
        }
    }
    let failures = (failed && !guard.counters.is_empty()).then_some(Failed {
        counters: &guard.counters,
        period_min: Duration::ZERO,
        username: run.login.request.get(Field::Username),
    });
    let cache = positive_cache::of(run.policy, request);
    let keeps = |user: &&User| user.authenticated && !user.from_cache && request.mode == Mode::Auth;
    let kept = user.filter(keeps).zip(cache).and_then(|(user, cache)| {
        let name = user.cache_name.as_deref()?;
        let text = positive_cache::text(cache, request, user);
        if text.is_none() {
            report.events.push(
                Event::new(Level::Error, "Attributes cannot be cached")
                    .with("account", user.account.as_slice()),
            );
        }
        Some((name, text?, user, cache.ttl))
    });
    let cached = kept.as_ref().map(|(cache, text, user, ttl)| Cached {
        cache,
        account: &user.account,
        text,
        ttl: *ttl,
    });
    let effects = LoginEffects {
        mapping,
        failed_from,
        password,
        failures,
        cached,
        ..LoginEffects::default()
    };
    if effects.is_empty() {
        return Ok(());
    }
    let written = run.stores.state.apply(run.ops, &effects).await;
    brute_force::note_outage(written.rest, &mut report.events);
    written.mapping.map_err(|error| {
        Event::new(Level::Error, "Account cannot be mapped").with("error", error.to_string())
    })
}
