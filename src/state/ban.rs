//! A ban: who, by which rule, and what explains it; and the bans by hand as this process knows them.
//!
//! Without Redis and without the tables of the process: [`super::bans`] fills them.

use super::Error;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

/// A ban, for lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ban {
    pub subject: Subject,
    /// The name of the bucket that was full, or [`MANUAL`].
    pub rule: Vec<u8>,
    pub details: Details,
}

/// What is known about a ban. Times are in milliseconds since 1970.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Details {
    /// 0: not known.
    pub since: u64,
    /// `None`: until it is flushed.
    pub until: Option<u64>,
    /// Failures that were counted when it began; 0 of a ban by hand.
    pub failures: u64,
    /// What the operator has written.
    pub reason: String,
    /// The login names that were tried last, the newest one first, as far as a process knows.
    pub users: Vec<String>,
}

/// Who is banned.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    /// Truncated to its prefix.
    Network(IpNet),
    /// A login name or an account, in lower case.
    User(String),
}

impl Subject {
    /// A network without the bits after its prefix; of IPv4-mapped addresses the IPv4 one.
    pub fn network(network: IpNet) -> Subject {
        let canonical = match network.addr().to_canonical() {
            address if address == network.addr() => Some(network),
            // ::ffff:0:0/96 is where IPv4 begins.
            address => network
                .prefix_len()
                .checked_sub(96)
                .and_then(|prefix| IpNet::new(address, prefix).ok()),
        };
        Subject::Network(canonical.unwrap_or(network).trunc())
    }

    pub fn user(name: &[u8]) -> Subject {
        Subject::User(String::from_utf8_lossy(name).to_lowercase())
    }

    /// As a field of the hash.
    pub(super) fn field(&self) -> String {
        match self {
            Subject::Network(network) => network.to_string(),
            Subject::User(name) => format!("user:{name}"),
        }
    }

    pub(super) fn parse(field: &[u8]) -> Option<Subject> {
        let field = std::str::from_utf8(field).ok()?;
        match field.strip_prefix("user:") {
            Some(name) => Some(Subject::User(name.to_owned())),
            None => field.parse().ok().map(Subject::network),
        }
    }

    pub(super) fn applies_to(&self, address: Option<IpAddr>, names: &[&str]) -> bool {
        match self {
            Subject::Network(network) => address.is_some_and(|address| network.contains(&address)),
            Subject::User(banned) => names.contains(&banned.as_str()),
        }
    }
}

/// The bans by hand, as this process knows them. Bound: [`MANUAL_MAX`].
#[derive(Debug, Default)]
pub struct ManualBans {
    /// There are some: read without the lock.
    any: AtomicBool,
    list: RwLock<Vec<Manual>>,
}

/// A ban by hand.
#[derive(Clone, Debug)]
pub(super) struct Manual {
    pub subject: Subject,
    pub details: Details,
    ends: Option<Instant>,
}

impl Manual {
    /// By the wall clock of now: other processes have other instants.
    pub(super) fn new(subject: Subject, details: Details, now: Instant, unix_ms: u64) -> Manual {
        let left = details.until.map(|until| Duration::from_millis(until.saturating_sub(unix_ms)));
        Manual { subject, details, ends: left.and_then(|left| now.checked_add(left)) }
    }

    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.details.until.is_some() && self.ends.is_none_or(|ends| ends <= now)
    }
}

impl ManualBans {
    pub fn is_empty(&self) -> bool {
        !self.any.load(Ordering::Acquire)
    }

    /// The ban of a client or of a user by one of these names, and why.
    pub fn find(
        &self,
        address: Option<IpAddr>,
        names: &[&[u8]],
        now: Instant,
    ) -> Option<(Subject, String)> {
        if self.is_empty() {
            return None;
        }
        let names: Vec<_> =
            names.iter().map(|name| String::from_utf8_lossy(name).to_lowercase()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let list = self.list.read().unwrap_or_else(PoisonError::into_inner);
        let ban =
            list.iter().find(|ban| !ban.is_over(now) && ban.subject.applies_to(address, &names))?;
        Some((ban.subject.clone(), ban.details.reason.clone()))
    }

    pub(super) fn replace(&self, bans: Vec<Manual>) {
        let mut list = self.list.write().unwrap_or_else(PoisonError::into_inner);
        self.any.store(!bans.is_empty(), Ordering::Release);
        *list = bans;
    }

    /// Puts a ban in the place of any other of its subject. False: there are too many.
    pub(super) fn put(&self, ban: Manual, now: Instant) -> bool {
        let mut list = self.list.write().unwrap_or_else(PoisonError::into_inner);
        list.retain(|known| known.subject != ban.subject && !known.is_over(now));
        if list.len() >= MANUAL_MAX {
            return false;
        }
        list.push(ban);
        self.any.store(true, Ordering::Release);
        true
    }

    pub(super) fn remove(&self, subject: &Subject, now: Instant) -> bool {
        let mut list = self.list.write().unwrap_or_else(PoisonError::into_inner);
        let was = list.iter().any(|ban| ban.subject == *subject && !ban.is_over(now));
        list.retain(|ban| ban.subject != *subject);
        self.any.store(!list.is_empty(), Ordering::Release);
        was
    }

    pub(super) fn all(&self, now: Instant) -> Vec<Manual> {
        let list = self.list.read().unwrap_or_else(PoisonError::into_inner);
        list.iter().filter(|ban| !ban.is_over(now)).cloned().collect()
    }
}

/// Why a ban by hand was not made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotBanned {
    TooMany,
    Failed(Error),
}

/// The rule of bans by hand.
pub const MANUAL: &[u8] = b"manual";

/// Bans by hand: operators write them one by one, and every login looks through them.
pub const MANUAL_MAX: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(text: &str) -> Subject {
        Subject::network(text.parse().unwrap())
    }

    #[test]
    fn subjects_are_what_they_mean() {
        for (text, field) in [
            ("192.0.2.9/24", "192.0.2.0/24"),
            ("192.0.2.9/32", "192.0.2.9/32"),
            ("2001:db8::1/64", "2001:db8::/64"),
            ("::ffff:192.0.2.9/120", "192.0.2.0/24"),
            ("::/0", "::/0"),
        ] {
            assert_eq!(subject(text).field(), field, "{text}");
            assert_eq!(Subject::parse(field.as_bytes()), Some(subject(text)), "{text}");
        }
        let user = Subject::user("Ädä:x".as_bytes());
        assert_eq!(Subject::parse(user.field().as_bytes()), Some(user));
        assert_eq!(Subject::parse(b"nonsense"), None);
    }

    #[test]
    fn bans_by_hand_end() {
        let (bans, now) = (ManualBans::default(), Instant::now());
        let ban = |what: Subject, until: Option<u64>| {
            let details = Details { until, reason: "r".into(), ..Details::default() };
            Manual::new(what, details, now, 1000)
        };
        let address: IpAddr = "192.0.2.9".parse().unwrap();
        assert!(bans.put(ban(subject("192.0.2.0/24"), Some(2000)), now));
        assert!(bans.put(ban(Subject::user(b"Ada"), None), now));
        let found = |address, name: &[u8], now| bans.find(address, &[name], now).is_some();
        assert!(found(Some(address), b"bob", now));
        assert!(!found(Some("192.0.3.1".parse().unwrap()), b"bob", now));
        assert!(found(None, b"ADA", now));
        let later = now + Duration::from_secs(1);
        assert!(!found(Some(address), b"bob", later) && found(None, b"ada", later));
        assert!(bans.remove(&Subject::user(b"ada"), now) && !found(None, b"ada", now));
        assert!(!bans.remove(&Subject::user(b"ada"), now));
    }

    #[test]
    fn bans_by_hand_are_bounded() {
        let (bans, now) = (ManualBans::default(), Instant::now());
        let ban = |n: usize| Manual::new(Subject::User(n.to_string()), Details::default(), now, 0);
        assert!((0..MANUAL_MAX).all(|n| bans.put(ban(n), now)));
        assert!(!bans.put(ban(MANUAL_MAX), now));
        assert!(bans.put(ban(0), now), "one that is there can be renewed");
    }
}
