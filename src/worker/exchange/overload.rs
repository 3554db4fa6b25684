//! The rate limit per client address (`server.rate_limit_per_second`).
//!
//! Logins count by their client's address, once their caller is known, so that no other client can
//! empty its bucket. All other requests count by the peer of their connection, before their caller
//! is checked, which may cost a hash. Health checks and scrapes are never refused.

use super::kind::Context;
use crate::auth::rate_limit::Client;
use crate::auth::request::Request;
use crate::dialect::overload::Overload;
use crate::dialect::route::Route;

/// Whether a login's client has sent too many requests.
pub(super) fn by_client(
    request: &Request,
    Context { local, from, .. }: Context<'_>,
) -> Option<Overload> {
    let rate = local.epoch.rate?;
    let client = Client::of_login(request, from.peer)?;
    local.process.rate_limit.take(rate, client, from.now.mono).err().map(Overload::Rate)
}

/// Whether the peer has sent too many requests for what is at a route; logins are counted by
/// [`by_client`].
pub(super) fn by_peer(
    route: &Route<'_>,
    Context { local, from, .. }: Context<'_>,
) -> Option<Overload> {
    let rate = local.epoch.rate?;
    if matches!(route, Route::Auth(_) | Route::Ping | Route::Health | Route::Metrics) {
        return None;
    }
    let client = Client::of_peer(from.peer);
    local.process.rate_limit.take(rate, client, from.now.mono).err().map(Overload::Rate)
}
