//! The brute-force rules of one epoch, in plain types: what is counted, who is exempt, which bucket
//! applies to whom.

use crate::auth::request::{Field, Request};
use crate::metrics::LabelId;
use crate::secret::Secret;
use crate::state::{Counters, Kind, PasswordHash, SoftWhitelist, Tolerations, masked};
use ipnet::IpNet;
use sha2::{Digest, Sha256};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// See the module's head. Without buckets nothing is checked.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    pub buckets: Vec<Bucket>,
    /// `server.brute_force_protocols`: all others pass.
    pub protocols: Vec<String>,
    /// Clients that are neither checked nor counted.
    pub ip_whitelist: Vec<IpNet>,
    /// Users that are not blocked at home.
    pub soft_whitelist: Arc<SoftWhitelist>,
    /// Features whose rejections count as failures.
    pub learning: Vec<String>,
    pub tolerations: Arc<Tolerations>,
    pub histories: Histories,
    /// Bits of the IPv6 network that stands for a client in tolerations and in histories; 0: the
    /// address itself.
    pub tolerations_ipv6_cidr: u8,
    pub histories_ipv6_cidr: u8,
    /// What the metrics count bans by hand by.
    pub manual_label: LabelId,
}

/// A counter per network, and how many failures it takes.
#[derive(Clone, Debug)]
pub struct Bucket {
    pub name: String,
    pub period: Duration,
    pub cidr: u8,
    /// For IPv6 clients; else for IPv4 clients.
    pub ipv6: bool,
    /// Failures that are allowed.
    pub limit: u64,
    /// How long a full bucket blocks; `None`: until it is flushed.
    pub ban_time: Option<Duration>,
    /// Protocols and OIDC clients that it is for; none: all.
    pub protocols: Vec<String>,
    pub oidc_cids: Vec<String>,
    /// What the metrics count it by.
    pub label: LabelId,
}

/// Password histories.
#[derive(Clone, Debug, Default)]
pub struct Histories {
    /// The backend `cache` is configured: a client that repeats one wrong password is not blocked.
    pub exempt: bool,
    /// It stands before the Lua backends: what these find wrong is remembered.
    pub remember: bool,
    pub entries_max: usize,
    pub ttl: Duration,
    /// `server.redis.password_nonce`
    pub nonce: Secret,
}

/// Who is to be unblocked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flush {
    pub address: IpAddr,
    /// The bucket's name; `*`: all of them.
    pub rule: String,
    /// Of a bucket with such a filter, only the counter of this protocol or OIDC client.
    pub protocol: Option<String>,
    pub oidc_cid: Option<String>,
}

impl Flush {
    pub fn applies_to(&self, bucket: &str) -> bool {
        self.rule == ALL || self.rule == bucket
    }
}

impl Rules {
    pub fn is_protocol(&self, protocol: &[u8]) -> bool {
        self.protocols.iter().any(|known| known.as_bytes() == protocol)
    }

    pub fn is_whitelisted(&self, address: IpAddr) -> bool {
        self.ip_whitelist.iter().any(|network| network.contains(&address))
    }

    pub fn is_learning(&self, feature: &str) -> bool {
        self.learning.iter().any(|known| known == feature)
    }

    /// The counters of a client, and which bucket each belongs to.
    pub fn counters(
        &self,
        address: IpAddr,
        protocol: &[u8],
        oidc_cid: &[u8],
    ) -> (Counters, Buckets) {
        let (mut counters, mut buckets) =
            (Counters::with_capacity(self.buckets.len()), Buckets::default());
        for (at, bucket) in self.buckets.iter().enumerate() {
            if let Some(kind) = bucket.kind(address, protocol, oidc_cid) {
                counters.push(&kind, address);
                buckets.push(at);
            }
        }
        (counters, buckets)
    }

    /// A counter for every network of an address that a bucket may block, filters or not.
    pub fn all_counters(&self, address: IpAddr) -> Counters {
        let mut counters = Counters::default();
        for bucket in self.buckets.iter().filter(|bucket| bucket.ipv6 == address.is_ipv6()) {
            counters.push(&bucket.unfiltered(), address);
        }
        counters
    }

    /// The counters that a flush is about: those of its bucket, one for each filter that it does
    /// not name.
    pub fn counters_to_flush(&self, flush: &Flush) -> Counters {
        let address = flush.address.to_canonical();
        let mut counters = Counters::default();
        for bucket in self
            .buckets
            .iter()
            .filter(|bucket| bucket.ipv6 == address.is_ipv6() && flush.applies_to(&bucket.name))
        {
            for protocol in entries(&bucket.protocols, flush.protocol.as_deref()) {
                for oidc_cid in entries(&bucket.oidc_cids, flush.oidc_cid.as_deref()) {
                    counters.push(&Kind { protocol, oidc_cid, ..bucket.unfiltered() }, address);
                }
            }
        }
        counters
    }

    /// The client of `request`, as tolerations name it.
    pub fn toleration_client(&self, address: IpAddr) -> String {
        scoped(address, self.tolerations_ipv6_cidr)
    }

    /// The same for histories.
    pub fn history_client(&self, address: IpAddr) -> String {
        scoped(address, self.histories_ipv6_cidr)
    }
}

/// Positions in [`Rules::buckets`], counter by counter.
pub type Buckets = smallvec::SmallVec<[usize; 4]>;

impl Bucket {
    /// What it counts for such a client; `None`: nothing.
    fn kind(&self, address: IpAddr, protocol: &[u8], oidc_cid: &[u8]) -> Option<Kind<'_>> {
        if self.ipv6 != address.is_ipv6() {
            return None;
        }
        Some(Kind {
            protocol: filtered(&self.protocols, protocol)?,
            oidc_cid: filtered(&self.oidc_cids, oidc_cid)?,
            ..self.unfiltered()
        })
    }

    fn unfiltered(&self) -> Kind<'_> {
        Kind {
            period: self.period,
            cidr: self.cidr,
            limit: self.limit,
            protocol: None,
            oidc_cid: None,
        }
    }
}

impl Histories {
    /// The hash by which the request's password is remembered.
    pub fn hash(&self, request: &Request) -> PasswordHash {
        let mut digest = Sha256::new();
        digest.update(self.nonce.expose());
        digest.update(b"\0");
        digest.update(request.get(Field::Password));
        let digest = digest.finalize();
        let mut hash = PasswordHash::default();
        for (digits, byte) in hash.chunks_exact_mut(2).zip(digest.iter()) {
            let digit = |nibble: u8| if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 };
            digits.copy_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
        }
        hash
    }
}

/// The client's address: as other programs mean it, an IPv4 address in IPv6 clothes being what it
/// is.
pub fn address(text: &[u8]) -> Option<IpAddr> {
    crate::address::client(text)
}

/// The entry of a filter that a value matches; `None`: none does. A filter without entries lets
/// everything through.
fn filtered<'a>(filter: &'a [String], value: &[u8]) -> Option<Option<&'a str>> {
    if filter.is_empty() {
        Some(None)
    } else {
        filter.iter().find(|entry| entry.as_bytes() == value).map(|entry| Some(entry.as_str()))
    }
}

/// The entries of a filter, or `only` one of them; a filter without entries has one that says
/// nothing.
fn entries<'a>(filter: &'a [String], only: Option<&str>) -> Vec<Option<&'a str>> {
    if filter.is_empty() {
        return vec![None];
    }
    filter
        .iter()
        .map(String::as_str)
        .filter(|entry| only.is_none_or(|only| only == *entry))
        .map(Some)
        .collect()
}

fn scoped(address: IpAddr, ipv6_cidr: u8) -> String {
    match address {
        IpAddr::V6(_) if ipv6_cidr > 0 && ipv6_cidr < 128 => {
            format!("{}/{ipv6_cidr}", masked(address, ipv6_cidr))
        }
        _ => address.to_string(),
    }
}

pub const ALL: &str = "*";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::request::HttpRequest;

    fn bucket(cidr: u8, ipv6: bool, protocols: &[&str], oidc_cids: &[&str]) -> Bucket {
        let own = |list: &[&str]| list.iter().map(|text| text.to_string()).collect();
        Bucket {
            name: "b".into(),
            period: Duration::from_secs(60),
            cidr,
            ipv6,
            limit: 3,
            ban_time: None,
            protocols: own(protocols),
            oidc_cids: own(oidc_cids),
            label: LabelId::OTHER,
        }
    }

    #[test]
    fn family_and_filters_choose_buckets() {
        let buckets = vec![
            bucket(32, false, &[], &[]),
            bucket(64, true, &[], &[]),
            bucket(24, false, &["imap", "pop3"], &[]),
            bucket(24, false, &[], &["web"]),
            bucket(24, false, &["imap"], &["web"]),
        ];
        let rules = Rules { buckets, ..Rules::default() };
        for (address, protocol, cid, expected) in [
            ("192.0.2.1", "smtp", "", vec![0]),
            ("192.0.2.1", "imap", "", vec![0, 2]),
            ("192.0.2.1", "imap", "web", vec![0, 2, 3, 4]),
            ("192.0.2.1", "smtp", "web", vec![0, 3]),
            ("2001:db8::1", "imap", "web", vec![1]),
        ] {
            let (counters, buckets) =
                rules.counters(address.parse().unwrap(), protocol.as_bytes(), cid.as_bytes());
            assert_eq!(buckets.to_vec(), expected, "{address} {protocol} {cid}");
            assert_eq!(counters.len(), expected.len());
        }
    }

    #[test]
    fn an_address_in_ipv6_clothes_is_what_it_is() {
        assert_eq!(address(b"::ffff:192.0.2.1"), "192.0.2.1".parse().ok());
        for text in [b"garbage".as_slice(), b"", b"192.0.2.300", b"\xff"] {
            assert_eq!(address(text), None);
        }
    }

    #[test]
    fn passwords_are_hashed_as_the_reference_does() {
        let hash = |nonce: &str, password: &str| {
            let mut request = Request::new(Vec::new(), HttpRequest::default());
            request.set(Field::Password, password.as_bytes());
            let hash =
                Histories { nonce: Secret::new(nonce), ..Histories::default() }.hash(&request);
            String::from_utf8(hash.to_vec()).unwrap()
        };
        assert_eq!(hash("", "secret"), "7c8cc910");
        assert_ne!(hash("n", "secret"), "7c8cc910");
    }

    #[test]
    fn ipv6_clients_may_be_networks() {
        let rules = Rules { tolerations_ipv6_cidr: 64, ..Rules::default() };
        let client = |text: &str| rules.toleration_client(text.parse().unwrap());
        assert_eq!(client("2001:db8::1:2:3:4"), "2001:db8::/64");
        assert_eq!(client("192.0.2.1"), "192.0.2.1");
        assert_eq!(rules.history_client("2001:db8::1".parse().unwrap()), "2001:db8::1");
    }
}
