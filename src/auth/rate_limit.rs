//! Rate limit: how many requests a client address may send.
//!
//! A token bucket per client address, IPv4 by the address and IPv6 by its /64, which is what one
//! customer has. Kept as in the generic cell rate algorithm (ITU-T I.371): a bucket is one number,
//! the time at which it is full again. Pure: the clock is passed in.
//!
//! One table for the process, shared by its workers: SO_REUSEPORT spreads a client's connections
//! over the workers, and with a table in each a client would get as many times the rate as there
//! are workers. It is allocated and touched only while a limit is set. Nothing in it is locked: a
//! request reads the two cache lines of its set and writes one number of them. Only requests of one
//! client at the same moment contend for it. Where two workers make a bucket for one client at the
//! same moment, there may be two, of which one is not used again: it lends a burst at most.
//!
//! The table is a set-associative cache of [`SETS`] × [`WAYS`] buckets with the whole address in
//! each, so no client ever pays for another. A new address takes the place in its set that is
//! fullest, which a full bucket loses nothing by. Where none is full, the client with the smallest
//! debt is forgiven: to have a large debt forgiven, an attacker must get seven other addresses of
//! the same set deeper into debt, which costs more than using those addresses. The hash is keyed,
//! so an attacker does not know which addresses share a set.

use crate::auth::features::is_local;
use crate::auth::request::{Field, Request};
use std::hint::spin_loop;
use std::net::IpAddr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::AcqRel, Ordering::Acquire, Ordering::Release};
use std::time::{Duration, Instant};

/// What one client address may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Nanoseconds in which one token comes back.
    interval: u64,
    /// Nanoseconds in which an empty bucket fills.
    capacity: u64,
}

impl Rate {
    /// So many requests per second, and so many at once; a `burst` of 0 is twice the rate. `None`:
    /// there is no limit, with a rate of 0.
    pub fn new(per_second: f64, burst: u32) -> Option<Rate> {
        if per_second <= 0.0 {
            return None;
        }
        // Both conversions saturate.
        let burst = if burst == 0 { (2.0 * per_second).ceil() as u32 } else { burst };
        let interval = ((1e9 / per_second) as u64).max(1);
        Some(Rate { interval, capacity: interval.saturating_mul(u64::from(burst.max(1))) })
    }
}

/// Whose bucket a request is taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    Ip(IpAddr),
    /// All clients of unix sockets.
    Local,
}

impl Client {
    /// The client of an authentication request, after its address was settled. `None`: exempt, as
    /// from features, because it is on this host or its address is unknown. An invalid address
    /// exempts no client: such clients count by the peer of their connection.
    pub fn of_login(request: &Request, peer: Option<IpAddr>) -> Option<Client> {
        let sent = request.get(Field::ClientIp);
        if is_local(sent) {
            return None;
        }
        Some(crate::address::client(sent).map_or_else(|| Client::of_peer(peer), Client::Ip))
    }

    pub fn of_peer(peer: Option<IpAddr>) -> Client {
        peer.map_or(Client::Local, Client::Ip)
    }

    /// One number per client. IPv4 lies where IPv6 has multicast, which no client comes from.
    fn key(self) -> u64 {
        match self {
            Client::Local => LOCAL,
            Client::Ip(ip) => match ip.to_canonical() {
                IpAddr::V4(ip) => V4 | u64::from(u32::from(ip)),
                IpAddr::V6(ip) => match (u128::from(ip) >> 64) as u64 {
                    0 => ZERO_PREFIX,
                    prefix => prefix,
                },
            },
        }
    }
}

/// `ffff:ffff::/32`, which is IPv6 multicast.
const V4: u64 = 0xffff_ffff_0000_0000;
const LOCAL: u64 = 0xffff_fffe_0000_0000;
/// `::/64`, the loopback address among it: 0 is the key of a free place.
const ZERO_PREFIX: u64 = 0xffff_fffe_0000_0001;

/// The buckets of all clients.
pub struct RateLimit {
    start: Instant,
    hasher: ahash::RandomState,
    sets: OnceLock<Box<[Set]>>,
}

/// Two cache lines.
#[derive(Default)]
#[repr(align(128))]
struct Set([Bucket; WAYS]);

#[derive(Default)]
struct Bucket {
    client: AtomicU64,
    /// Nanoseconds after the table's start at which it is full again, or [`TAKEN`] while the place
    /// changes hands.
    full_at: AtomicU64,
}

const TAKEN: u64 = u64::MAX;

impl Default for RateLimit {
    fn default() -> RateLimit {
        RateLimit {
            start: Instant::now(),
            hasher: ahash::RandomState::new(),
            sets: OnceLock::new(),
        }
    }
}

impl RateLimit {
    /// Takes a token for a request of this client.
    ///
    /// # Errors
    /// There is none: the time until there is one. A refused request costs none.
    pub fn take(&self, rate: Rate, client: Client, now: Instant) -> Result<(), Duration> {
        let key = client.key();
        let now = now.saturating_duration_since(self.start).as_nanos();
        let now = u64::try_from(now).unwrap_or(u64::MAX);
        let sets =
            self.sets.get_or_init(|| std::iter::repeat_with(Set::default).take(SETS).collect());
        let Some(set) = sets.get(self.hasher.hash_one(key) as usize % SETS) else { return Ok(()) };
        // It ends: each further look means that another worker has got a token of this set, or is
        // about to finish the two stores of `Set::hand_over`.
        loop {
            match set.take(rate, key, now) {
                Some(outcome) => return outcome.map_err(Duration::from_nanos),
                None => spin_loop(),
            }
        }
    }
}

impl Set {
    /// `None`: another worker was faster.
    fn take(&self, rate: Rate, key: u64, now: u64) -> Option<Result<(), u64>> {
        let mut fullest: Option<(&Bucket, u64)> = None;
        for bucket in &self.0 {
            let full_at = bucket.full_at.load(Acquire);
            if full_at == TAKEN {
                continue;
            }
            if bucket.client.load(Acquire) == key {
                let next = match spend(rate, full_at, now) {
                    Ok(next) => next,
                    Err(wait) => {
                        // The number may be of the owner before.
                        let is_same = bucket.full_at.load(Acquire) == full_at;
                        return is_same.then_some(Err(wait));
                    }
                };
                // It fails if the place has got another owner since: that changes the number.
                let stored = bucket.full_at.compare_exchange(full_at, next, AcqRel, Acquire);
                return stored.ok().map(|_| Ok(()));
            }
            if fullest.is_none_or(|(_, least)| full_at < least) {
                fullest = Some((bucket, full_at));
            }
        }
        let (bucket, full_at) = fullest?;
        let next = spend(rate, 0, now).unwrap_or(now);
        bucket.hand_over(full_at, key, next).then_some(Ok(()))
    }
}

impl Bucket {
    /// Gives the place to another client. False if it has changed meanwhile.
    fn hand_over(&self, seen: u64, key: u64, full_at: u64) -> bool {
        let taken = self.full_at.compare_exchange(seen, TAKEN, AcqRel, Acquire).is_ok();
        if taken {
            self.client.store(key, Release);
            self.full_at.store(full_at, Release);
        }
        taken
    }
}

/// When a bucket is full again after another token is taken; or the time until there is one.
fn spend(rate: Rate, full_at: u64, now: u64) -> Result<u64, u64> {
    let empty_at = now.saturating_add(rate.capacity);
    // After a reload with a smaller rate a debt may be larger than any that this one allows.
    let next = full_at.clamp(now, empty_at).saturating_add(rate.interval);
    if next <= empty_at { Ok(next.min(TAKEN - 1)) } else { Err(next - empty_at) }
}

/// 16,384 × 8 buckets of 16 bytes are 2 MiB. What matters is a client until its bucket is full
/// again, which takes two seconds with the usual burst; 131,072 clients are as many as 65,000
/// requests a second can be from in that time, which is more than one machine serves.
const SETS: usize = 1 << 14;

/// With eight places in each set, sets hardly overflow before the table is full.
const WAYS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ip(text: &str) -> Client {
        Client::Ip(text.parse().unwrap())
    }

    fn numbered(number: u32) -> Client {
        Client::Ip(IpAddr::from(number.to_be_bytes()))
    }

    fn rate(per_second: f64, burst: u32) -> Rate {
        Rate::new(per_second, burst).unwrap()
    }

    #[test]
    fn a_bucket_gives_its_burst_and_then_the_rate() {
        let (table, rate) = (RateLimit::default(), rate(2.0, 3));
        let start = table.start;
        let at = |ms: u64| start + Duration::from_millis(ms);
        let client = ip("192.0.2.1");
        for _ in 0..3 {
            assert_eq!(table.take(rate, client, at(0)), Ok(()));
        }
        assert_eq!(table.take(rate, client, at(0)), Err(Duration::from_millis(500)));
        // A refused request costs nothing.
        assert_eq!(table.take(rate, client, at(400)), Err(Duration::from_millis(100)));
        assert_eq!(table.take(rate, client, at(500)), Ok(()));
        assert!(table.take(rate, client, at(500)).is_err());
        assert_eq!(table.take(rate, ip("192.0.2.2"), at(500)), Ok(()));
        // Full again, and no more than full.
        let granted = (0..9).filter(|_| table.take(rate, client, at(600_000)).is_ok()).count();
        assert_eq!(granted, 3);
    }

    #[test]
    fn no_rate_is_no_limit_and_no_burst_is_twice_the_rate() {
        assert_eq!(Rate::new(0.0, 5), None);
        assert_eq!(rate(100.0, 0), rate(100.0, 200));
        assert_eq!(rate(0.2, 0), rate(0.2, 1));
        assert_eq!(rate(0.2, 1).interval, 5_000_000_000);
        // The ends of what can be configured.
        assert_eq!(rate(1e6, 1_000_000).interval, 1000);
        assert_eq!(rate(0.001, 1_000_000).capacity, 1_000_000_000_000_000_000);
    }

    #[test]
    fn an_address_is_one_however_it_is_written_and_no_two_are_one() {
        let same = [
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2"),
            ("::1", "::2"),
        ];
        for (one, other) in same {
            assert_eq!(ip(one).key(), ip(other).key(), "{one} {other}");
        }
        let different = [ip("192.0.2.1"), ip("192.0.2.2"), ip("2001:db8::1"), ip("::1")];
        let different = [&different[..], &[ip("2001:db8:0:1::1"), Client::Local]].concat();
        let keys: std::collections::HashSet<_> = different.iter().map(|c| c.key()).collect();
        assert_eq!(keys.len(), different.len());
        assert!(!keys.contains(&0));
    }

    #[test]
    fn who_is_on_this_host_is_exempt_and_who_lies_is_not() {
        let login = |address: &str| {
            let mut request = Request::default();
            request.set(Field::ClientIp, address.as_bytes());
            Client::of_login(&request, Some("198.51.100.9".parse().unwrap()))
        };
        for address in ["", "127.0.0.1", "::1"] {
            assert_eq!(login(address), None, "{address}");
        }
        assert_eq!(login("127.0.0.2"), Some(ip("127.0.0.2")));
        assert_eq!(login("192.0.2.7"), Some(ip("192.0.2.7")));
        assert_eq!(login("garbage"), Some(ip("198.51.100.9")));
    }

    #[test]
    fn a_smaller_limit_holds_at_once_and_forgives_what_it_could_not_have_lent() {
        let table = RateLimit::default();
        let client = ip("192.0.2.1");
        for _ in 0..100 {
            table.take(rate(0.1, 100), client, table.start).unwrap();
        }
        let wait = table.take(rate(1.0, 1), client, table.start).unwrap_err();
        assert_eq!(wait, Duration::from_secs(1));
    }

    /// One set holds eight; nine contend for it.
    #[test]
    fn a_full_set_forgives_the_smallest_debt() {
        let (set, rate) = (Set::default(), rate(1.0, 10));
        let take = |key: u64| set.take(rate, key, 0).unwrap();
        for key in 1..=8 {
            for _ in 0..key {
                assert_eq!(take(key), Ok(()));
            }
        }
        for _ in 8..10 {
            take(8).unwrap();
        }
        assert!(take(8).is_err());
        // A thousand new addresses take the places of each other, never that of the deepest debt.
        for key in 100..1100 {
            assert_eq!(take(key), Ok(()));
        }
        assert!(take(8).is_err());
    }

    #[test]
    fn a_flood_of_addresses_resets_nobody_who_is_over_the_rate() {
        let (table, rate) = (RateLimit::default(), rate(1.0, 10));
        let attackers: Vec<_> = (0..50).map(|number| numbered(0xc000_0200 + number)).collect();
        for client in &attackers {
            while table.take(rate, *client, table.start).is_ok() {}
        }
        for number in 0..1_000_000 {
            // A flood of new addresses is served, however many there are.
            assert_eq!(table.take(rate, numbered(number), table.start), Ok(()));
        }
        for client in attackers {
            assert!(table.take(rate, client, table.start).is_err());
        }
        assert_eq!(table.sets.get().unwrap().len() * size_of::<Set>(), 2 << 20);
    }

    #[test]
    fn a_table_that_nobody_needs_takes_no_memory() {
        assert!(RateLimit::default().sets.get().is_none());
    }

    #[test]
    fn workers_together_get_no_more_than_the_burst() {
        let (table, rate) = (RateLimit::default(), rate(0.001, 1000));
        let clients: Vec<_> = (0..4).map(numbered).collect();
        for client in &clients {
            table.take(rate, *client, table.start).unwrap();
        }
        let granted = std::sync::atomic::AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for turn in 0..8000 {
                        let outcome = table.take(rate, clients[turn % 4], table.start);
                        granted.fetch_add(usize::from(outcome.is_ok()), AcqRel);
                    }
                });
            }
        });
        assert_eq!(granted.into_inner(), 4 * 999);
    }

    proptest! {
        /// In any time a client gets no more than its burst and what comes back in that time.
        #[test]
        fn never_more_than_the_rate(
            burst in 1u32..50,
            per_second in 0.01f64..1000.0,
            waits in prop::collection::vec(0u64..50_000_000, 1..400),
        ) {
            let (table, rate) = (RateLimit::default(), rate(per_second, burst));
            let (mut passed, mut granted) = (0u64, 0u64);
            for wait in waits {
                passed += wait;
                let now = table.start + Duration::from_nanos(passed);
                granted += u64::from(table.take(rate, ip("192.0.2.1"), now).is_ok());
                prop_assert!(granted <= u64::from(burst) + passed / rate.interval);
            }
        }
    }
}
