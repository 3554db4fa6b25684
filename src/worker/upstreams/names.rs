//! Host names of Redis servers, looked up by the worker's own resolver, so that nothing waits for
//! the system's.
//!
//! Links leave the name and go on; the worker looks it up in a task ([`Names::take_wanted`],
//! [`look_up`]) and brings what was found ([`Names::answer`]). Each name is looked up once at a
//! time. An answer serves for [`FRESH`], so that a name that moves is followed at the next
//! connection; while there is no newer one, because name servers are slow or fail, an old one is
//! better than none.
//! Called by `links`. Bounds: [`NAMES_MAX`] names.

use crate::op::{Failure, Ops};
use crate::reactor::{Address, AddressError};
use crate::upstream::dns::resolve_host;
use ahash::AHashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

#[derive(Default)]
pub struct Names {
    known: AHashMap<String, Known>,
    wanted: Vec<String>,
}

/// What is known of an address whose host is a name.
#[derive(Debug, PartialEq)]
pub enum Lookup {
    /// Where to connect to, in the order to try. Never empty.
    Known(Vec<Address>),
    /// It is being looked up; [`Names::answer`] will tell.
    Asked,
    /// It is nowhere: why.
    Failed(String),
}

#[derive(Default)]
struct Known {
    addresses: Vec<Address>,
    /// Why the last look-up failed, if it did.
    error: Option<String>,
    /// When the last answer came.
    answered: Option<Instant>,
    /// It is being looked up.
    is_asked: bool,
}

impl Names {
    /// Where `text` (`host:port` or a path) is. An address that is none by itself is known at once.
    pub fn look_up(&mut self, text: &str, now: Instant) -> Lookup {
        match Address::parse(text) {
            Ok(address) => return Lookup::Known(vec![address]),
            Err(AddressError::Name(_)) => {}
            Err(error) => return Lookup::Failed(error.to_string()),
        }
        if self.known.len() >= NAMES_MAX && !self.known.contains_key(text) {
            return Lookup::Failed(format!("lookup {text}: too many names"));
        }
        let known = self.known.entry(text.to_owned()).or_default();
        let is_fresh =
            known.answered.is_some_and(|answered| now.saturating_duration_since(answered) < FRESH);
        if !is_fresh && !known.is_asked {
            known.is_asked = true;
            self.wanted.push(text.to_owned());
            return Lookup::Asked;
        }
        match (&known.error, known.addresses.is_empty()) {
            // An answer is under way, and nothing is known yet.
            (None, true) => Lookup::Asked,
            (_, false) => Lookup::Known(known.addresses.clone()),
            (Some(error), true) => Lookup::Failed(error.clone()),
        }
    }

    /// The names that are to be looked up: since the last call.
    pub fn take_wanted(&mut self) -> Vec<String> {
        std::mem::take(&mut self.wanted)
    }

    /// What was found about a name that was wanted.
    pub fn answer(&mut self, text: &str, found: Result<Vec<IpAddr>, Failure>, now: Instant) {
        let known = self.known.entry(text.to_owned()).or_default();
        known.is_asked = false;
        known.answered = Some(now);
        match (found, Address::split(text)) {
            (Ok(found), Ok((_, port))) => {
                known.addresses =
                    found.into_iter().map(|ip| Address::Tcp(SocketAddr::new(ip, port))).collect();
                known.error = None;
            }
            (Err(failure), _) => known.error = Some(failure.to_string()),
            (_, Err(error)) => known.error = Some(error.to_string()),
        }
    }
}

/// Looks up the host of an address that [`Names::take_wanted`] gave.
pub async fn look_up(ops: &Ops, text: &str) -> Result<Vec<IpAddr>, Failure> {
    let (host, _) =
        Address::split(text).map_err(|error| Failure::Unavailable(error.to_string()))?;
    resolve_host(ops, host).await
}

/// Long enough for a link to try each address of a name, short enough to follow one that moves.
const FRESH: Duration = Duration::from_secs(1);

/// Names come from the configuration, from scripts and from clusters: as many as a cluster may have
/// nodes.
const NAMES_MAX: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn found(ips: &[&str]) -> Lookup {
        Lookup::Known(
            ips.iter().map(|ip| Address::Tcp(SocketAddr::new(ip.parse().unwrap(), 1))).collect(),
        )
    }

    fn ips(ips: &[&str]) -> Result<Vec<IpAddr>, Failure> {
        Ok(ips.iter().map(|ip| ip.parse().unwrap()).collect())
    }

    #[test]
    fn names_are_looked_up_beside_the_loop_and_once_at_a_time() {
        let (mut names, now) = (Names::default(), Instant::now());
        let name = "here.example:1";
        assert_eq!(
            [names.look_up(name, now), names.look_up(name, now)],
            [Lookup::Asked, Lookup::Asked]
        );
        assert_eq!(names.take_wanted(), [name]);
        names.answer(name, ips(&["192.0.2.1", "2001:db8::1"]), now);
        assert_eq!(names.look_up(name, now), found(&["192.0.2.1", "2001:db8::1"]));
        assert!(names.take_wanted().is_empty());
        // Another look-up is due, and until it is answered the old answer serves.
        let later = now + FRESH;
        assert_eq!(names.look_up(name, later), Lookup::Asked);
        assert_eq!(names.look_up(name, later), found(&["192.0.2.1", "2001:db8::1"]));
        assert_eq!(names.take_wanted(), [name]);
        names.answer(name, ips(&["192.0.2.2"]), later);
        assert_eq!(names.look_up(name, later), found(&["192.0.2.2"]));
    }

    #[test]
    fn name_servers_that_fail_take_nothing_away() {
        let (mut names, now) = (Names::default(), Instant::now());
        let name = "here.example:1";
        names.look_up(name, now);
        names.answer(
            name,
            Err(Failure::NoSuchHost { name: "here.example".into(), server: None }),
            now,
        );
        assert_eq!(
            names.look_up(name, now),
            Lookup::Failed("lookup here.example: no such host".into())
        );
        names.look_up(name, now + FRESH);
        names.answer(name, ips(&["192.0.2.1"]), now + FRESH);
        names.look_up(name, now + 2 * FRESH);
        names.answer(name, Err(Failure::TimedOut), now + 2 * FRESH);
        assert_eq!(names.look_up(name, now + 2 * FRESH), found(&["192.0.2.1"]));
    }

    #[test]
    fn what_is_no_name_asks_nobody() {
        let (mut names, now) = (Names::default(), Instant::now());
        assert_eq!(
            names.look_up("/run/redis.sock", now),
            Lookup::Known(vec![Address::parse("/run/redis.sock").unwrap()])
        );
        assert_eq!(names.look_up("127.0.0.1:1", now), found(&["127.0.0.1"]));
        assert_eq!(names.look_up("a b:1", now), Lookup::Failed("a b:1: invalid host".into()));
        assert!(names.take_wanted().is_empty());
    }

    #[test]
    fn names_are_bounded() {
        let (mut names, now) = (Names::default(), Instant::now());
        for n in 0..NAMES_MAX {
            assert_eq!(names.look_up(&format!("n{n}.example:1"), now), Lookup::Asked);
        }
        assert_eq!(
            names.look_up("more.example:1", now),
            Lookup::Failed("lookup more.example:1: too many names".into())
        );
    }
}
