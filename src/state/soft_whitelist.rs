//! Users that a feature exempts when they come from given networks: the configured ones, and what
//! scripts add while the server runs.
//!
//! One per epoch, shared by all workers; a reload forgets what scripts added. Names are compared
//! without regard to case. A look-up for a feature without entries takes no lock. Bounds:
//! `USERS_MAX`, `NETWORKS_MAX`.

use ipnet::IpNet;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};

/// The features that have such a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exemption {
    BruteForce,
    RelayDomains,
    Rbl,
}

impl Exemption {
    pub const ALL: [Exemption; 3] =
        [Exemption::BruteForce, Exemption::RelayDomains, Exemption::Rbl];

    /// The feature of this name, as scripts spell it.
    pub fn named(name: &[u8]) -> Option<Exemption> {
        Exemption::ALL.into_iter().find(|feature| feature.name().as_bytes() == name)
    }

    pub fn name(self) -> &'static str {
        match self {
            Exemption::BruteForce => "brute_force",
            Exemption::RelayDomains => "relay_domains",
            Exemption::Rbl => "rbl",
        }
    }
}

/// See the module's head.
#[derive(Debug, Default)]
pub struct SoftWhitelist([List; Exemption::ALL.len()]);

#[derive(Debug, Default)]
struct List {
    /// The list has entries: read without the lock.
    any: AtomicBool,
    users: RwLock<HashMap<String, Vec<IpNet>>>,
}

impl SoftWhitelist {
    /// Whether `user` is exempt at `address`.
    pub fn exempts(&self, feature: Exemption, user: &[u8], address: IpAddr) -> bool {
        let list = self.list(feature);
        if !list.any.load(Ordering::Acquire) {
            return false;
        }
        let users = list.users.read().unwrap_or_else(PoisonError::into_inner);
        users
            .get(&folded(user))
            .is_some_and(|networks| networks.iter().any(|network| network.contains(&address)))
    }

    /// Adds a network of a user. One without a name, and what would be too much, is left out.
    pub fn add(&self, feature: Exemption, user: &[u8], network: IpNet) {
        if user.is_empty() {
            return;
        }
        let list = self.list(feature);
        let mut users = list.users.write().unwrap_or_else(PoisonError::into_inner);
        let name = folded(user);
        if users.len() < USERS_MAX || users.contains_key(&name) {
            let networks = users.entry(name).or_default();
            if networks.len() < NETWORKS_MAX {
                networks.push(network);
                list.any.store(true, Ordering::Release);
            }
        }
    }

    /// The networks of a user, in the order in which they were added.
    pub fn networks(&self, feature: Exemption, user: &[u8]) -> Vec<IpNet> {
        let users = self.list(feature).users.read().unwrap_or_else(PoisonError::into_inner);
        users.get(&folded(user)).cloned().unwrap_or_default()
    }

    /// Removes a network of a user, however often it was added.
    pub fn remove(&self, feature: Exemption, user: &[u8], network: IpNet) {
        let list = self.list(feature);
        let mut users = list.users.write().unwrap_or_else(PoisonError::into_inner);
        let name = folded(user);
        if let Some(networks) = users.get_mut(&name) {
            networks.retain(|known| *known != network);
            if networks.is_empty() {
                users.remove(&name);
            }
        }
        list.any.store(!users.is_empty(), Ordering::Release);
    }

    fn list(&self, feature: Exemption) -> &List {
        let SoftWhitelist([brute_force, relay_domains, rbl]) = self;
        match feature {
            Exemption::BruteForce => brute_force,
            Exemption::RelayDomains => relay_domains,
            Exemption::Rbl => rbl,
        }
    }
}

fn folded(user: &[u8]) -> String {
    String::from_utf8_lossy(user).to_lowercase()
}

/// Users, and networks of one, that scripts may add: enough for any list kept by hand.
const USERS_MAX: usize = 100_000;
const NETWORKS_MAX: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> IpNet {
        text.parse().unwrap()
    }

    #[test]
    fn a_user_is_exempt_in_its_networks_by_its_feature() {
        let list = SoftWhitelist::default();
        list.add(Exemption::BruteForce, b"Ada", net("192.0.2.0/24"));
        for (feature, user, address, exempt) in [
            (Exemption::BruteForce, b"ada".as_slice(), "192.0.2.9", true),
            (Exemption::BruteForce, b"ADA", "192.0.2.9", true),
            (Exemption::BruteForce, b"ada", "198.51.100.1", false),
            (Exemption::BruteForce, b"ada", "2001:db8::1", false),
            (Exemption::BruteForce, b"bob", "192.0.2.9", false),
            (Exemption::BruteForce, b"", "192.0.2.9", false),
            (Exemption::Rbl, b"ada", "192.0.2.9", false),
        ] {
            assert_eq!(
                list.exempts(feature, user, address.parse().unwrap()),
                exempt,
                "{feature:?} {user:?} {address}"
            );
        }
    }

    #[test]
    fn duplicates_are_kept_and_removed_together() {
        let list = SoftWhitelist::default();
        for network in ["192.0.2.0/24", "2001:db8::/32", "192.0.2.0/24"] {
            list.add(Exemption::Rbl, b"ada", net(network));
        }
        assert_eq!(list.networks(Exemption::Rbl, b"ada").len(), 3);
        list.remove(Exemption::Rbl, b"ada", net("192.0.2.0/24"));
        assert_eq!(list.networks(Exemption::Rbl, b"ada"), [net("2001:db8::/32")]);
        list.remove(Exemption::Rbl, b"ada", net("2001:db8::/32"));
        assert!(!list.exempts(Exemption::Rbl, b"ada", "2001:db8::1".parse().unwrap()));
    }

    #[test]
    fn nobody_is_not_listed() {
        let list = SoftWhitelist::default();
        list.add(Exemption::BruteForce, b"", net("0.0.0.0/0"));
        assert!(!list.exempts(Exemption::BruteForce, b"", "192.0.2.1".parse().unwrap()));
    }

    #[test]
    fn features_by_name() {
        for feature in Exemption::ALL {
            assert_eq!(Exemption::named(feature.name().as_bytes()), Some(feature));
        }
        assert_eq!(Exemption::named(b"weather"), None);
    }
}
