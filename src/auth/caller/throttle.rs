//! Throttle: addresses whose credentials are wrong too often are not listened to for a while.
//!
//! Pure: the clock is passed in. One per process, shared by its workers. An address is refused
//! before its credentials are looked at, so that guessing costs no password hash and tells nothing;
//! loopback is no exception. IPv6 clients count by their /64, which is what one customer has.
//! Bounds: [`FAILURES_MAX`], [`WINDOW`], [`PAUSE`], [`ADDRESSES_MAX`].

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Failed callers by address.
#[derive(Default)]
pub struct Throttle {
    /// How many addresses are in the table: while no caller fails, no request takes its lock.
    known: AtomicUsize,
    addresses: Mutex<HashMap<Address, Record, ahash::RandomState>>,
}

/// What counts as one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Address {
    Ip(IpAddr),
    /// All clients of unix sockets.
    Local,
}

struct Record {
    failures: u32,
    /// When they began to be counted; once there are too many, when the last one was.
    since: Instant,
}

impl Record {
    fn ends(&self) -> Instant {
        self.since + if self.failures >= FAILURES_MAX { PAUSE } else { WINDOW }
    }
}

impl Throttle {
    /// For how long this address is not listened to.
    pub fn pause(&self, peer: Option<IpAddr>, now: Instant) -> Option<Duration> {
        if self.known.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let addresses = self.addresses.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let record =
            addresses.get(&Address::of(peer)).filter(|record| record.failures >= FAILURES_MAX)?;
        record.ends().checked_duration_since(now).filter(|left| !left.is_zero())
    }

    /// The credentials of this address were wrong.
    pub fn failed(&self, peer: Option<IpAddr>, now: Instant) {
        let mut addresses = self.addresses.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let address = Address::of(peer);
        if addresses.len() >= ADDRESSES_MAX && !addresses.contains_key(&address) {
            addresses.retain(|_, record| record.ends() > now);
            // When the table is full, the record that ends first is dropped.
            if addresses.len() >= ADDRESSES_MAX
                && let Some(first) = addresses
                    .iter()
                    .min_by_key(|(_, record)| record.ends())
                    .map(|(address, _)| *address)
            {
                addresses.remove(&first);
            }
        }
        let record = addresses.entry(address).or_insert(Record { failures: 0, since: now });
        if record.ends() <= now {
            *record = Record { failures: 0, since: now };
        }
        record.failures = record.failures.saturating_add(1);
        if record.failures >= FAILURES_MAX {
            record.since = now;
        }
        self.known.store(addresses.len(), Ordering::Relaxed);
    }
}

impl Address {
    fn of(peer: Option<IpAddr>) -> Address {
        match peer.map(|ip| ip.to_canonical()) {
            None => Address::Local,
            Some(IpAddr::V4(ip)) => Address::Ip(ip.into()),
            Some(IpAddr::V6(ip)) => Address::Ip(Ipv6Addr::from(u128::from(ip) >> 64 << 64).into()),
        }
    }
}

/// Wrong credentials within [`WINDOW`] that are still answered one by one. A person who mistypes
/// needs three, a fleet of proxies with an outdated secret is stopped at once either way.
pub const FAILURES_MAX: u32 = 10;

pub const WINDOW: Duration = Duration::from_secs(60);

/// With ten guesses in two minutes a secret of 16 letters is safe for longer than anybody will look
/// for it.
pub const PAUSE: Duration = Duration::from_secs(120);

/// About 64 bytes each. Looking for the first to end takes some 10 µs, and only under an attack
/// from that many addresses.
pub const ADDRESSES_MAX: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn too_many_failures_are_followed_by_a_pause() {
        let now = Instant::now();
        for peer in [at("192.0.2.1"), at("127.0.0.1"), at("::1"), None] {
            let throttle = Throttle::default();
            for _ in 0..FAILURES_MAX {
                assert_eq!(throttle.pause(peer, now), None);
                throttle.failed(peer, now);
            }
            assert_eq!(throttle.pause(peer, now), Some(PAUSE));
            assert_eq!(throttle.pause(at("198.51.100.7"), now), None);
            assert_eq!(throttle.pause(peer, now + PAUSE), None);
            throttle.failed(peer, now + PAUSE);
            assert_eq!(throttle.pause(peer, now + PAUSE), None, "counting begins anew");
        }
    }

    #[test]
    fn failures_are_forgotten_after_the_window() {
        let (throttle, now, peer) = (Throttle::default(), Instant::now(), at("192.0.2.1"));
        for _ in 1..FAILURES_MAX {
            throttle.failed(peer, now);
        }
        throttle.failed(peer, now + WINDOW);
        assert_eq!(throttle.pause(peer, now + WINDOW), None);
    }

    #[test]
    fn an_address_is_one_however_it_is_written() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        for _ in 0..FAILURES_MAX {
            throttle.failed(at("::ffff:192.0.2.1"), now);
            throttle.failed(at("2001:db8::1"), now);
        }
        assert!(throttle.pause(at("192.0.2.1"), now).is_some());
        assert!(throttle.pause(at("2001:db8::ffff"), now).is_some());
        assert!(throttle.pause(at("2001:db8:0:1::1"), now).is_none());
    }

    #[test]
    fn the_table_is_bounded_and_keeps_the_newest() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        for number in 0..(ADDRESSES_MAX as u32 + 10) {
            throttle.failed(
                Some(IpAddr::from(number.to_be_bytes())),
                now + Duration::from_millis(number.into()),
            );
        }
        assert_eq!(throttle.addresses.lock().unwrap().len(), ADDRESSES_MAX);
        let last = Some(IpAddr::from((ADDRESSES_MAX as u32 + 9).to_be_bytes()));
        for _ in 1..FAILURES_MAX {
            throttle.failed(last, now + Duration::from_secs(5));
        }
        assert!(throttle.pause(last, now + Duration::from_secs(5)).is_some());
    }
}
