//! Requests that are refused before anything is done for them: by the number under way
//! (`server.max_concurrent_requests`), by the rate of their client's address
//! (`server.rate_limit_per_second`).
//!
//! Logins count by their client's address, once it was settled and their caller is known: nobody
//! else can empty a client's bucket. All other requests count by the peer of their connection,
//! before their caller is found out, which may cost a hash. Whoever watches the server is never
//! refused.

use crate::auth::rate_limit::Client;
use crate::auth::request::Request;
use crate::dialect::overload::Overload;
use crate::dialect::route::Route;
use crate::epoch::Epoch;
use crate::process::Process;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// What was refused, on its way to the log.
#[derive(Debug, Default)]
pub struct Refusals {
    logged: Option<Instant>,
    /// Since then.
    unlogged: u64,
}

impl Refusals {
    /// Whether this one is to be logged: the number before it that were not.
    pub fn next(&mut self, now: Instant) -> Option<u64> {
        if self.logged.is_some_and(|last| now < last + LOG_EVERY) {
            self.unlogged += 1;
            return None;
        }
        self.logged = Some(now);
        Some(std::mem::take(&mut self.unlogged))
    }
}

/// Whether a login's client has sent too many requests.
pub fn by_client(
    request: &Request,
    peer: Option<IpAddr>,
    (epoch, process): (&Epoch, &Process),
    now: Instant,
) -> Option<Overload> {
    let rate = epoch.rate?;
    let client = Client::of_login(request, peer)?;
    process.rate_limit.take(rate, client, now).err().map(Overload::Rate)
}

/// Whether the peer has sent too many requests for what is at a route; logins are counted by
/// [`by_client`].
pub fn by_peer(
    route: &Route<'_>,
    peer: Option<IpAddr>,
    (epoch, process): (&Epoch, &Process),
    now: Instant,
) -> Option<Overload> {
    let rate = epoch.rate?;
    if matches!(route, Route::Auth(_) | Route::Ping | Route::Health | Route::Metrics) {
        return None;
    }
    process.rate_limit.take(rate, Client::of_peer(peer), now).err().map(Overload::Rate)
}

/// Whoever floods a server must not fill its disk, too: a line a second from each worker says that
/// it happens, the metrics say how often.
const LOG_EVERY: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_logged_once_a_second_with_what_was_left_out() {
        let (mut refusals, now) = (Refusals::default(), Instant::now());
        let at = |ms| now + Duration::from_millis(ms);
        assert_eq!(refusals.next(at(0)), Some(0));
        assert_eq!(refusals.next(at(1)), None);
        assert_eq!(refusals.next(at(999)), None);
        assert_eq!(refusals.next(at(1000)), Some(2));
        assert_eq!(refusals.next(at(5000)), Some(0));
    }
}
