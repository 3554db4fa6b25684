//! The brute-force counters of one client: their keys, networks, periods and limits.

use super::redis::seconds;
use smallvec::SmallVec;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Range;
use std::time::Duration;

/// The counters of one client, in the order of the buckets that apply to it. All text is in one
/// buffer.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    text: Vec<u8>,
    pub(super) each: SmallVec<[Counter; USUAL]>,
}

#[derive(Clone, Debug)]
pub(super) struct Counter {
    key: Range<usize>,
    network: Range<usize>,
    period: Duration,
    pub(super) limit: u64,
}

/// What a bucket counts: the part of a counter's key that is not the client.
#[derive(Clone, Copy, Debug)]
pub struct Kind<'a> {
    pub period: Duration,
    /// Length of the network's prefix; at most 32 for IPv4.
    pub cidr: u8,
    /// Failures that are allowed.
    pub limit: u64,
    /// The protocol and the OIDC client that a filter of the bucket matched.
    pub protocol: Option<&'a str>,
    pub oidc_cid: Option<&'a str>,
}

impl Counters {
    /// Room for so many counters.
    pub fn with_capacity(counters: usize) -> Counters {
        Counters {
            text: Vec::with_capacity(counters * USUAL_KEY_BYTES),
            each: SmallVec::with_capacity(counters),
        }
    }

    /// Appends the counter of the network that `address` lies in.
    pub fn push(&mut self, kind: &Kind<'_>, address: IpAddr) {
        let text = &mut self.text;
        let start = text.len();
        let family = if address.is_ipv4() { 4 } else { 6 };
        // Writing to a Vec cannot fail.
        let _ = write!(text, "bf:{}:{}:{}:{family}:", seconds(kind.period), kind.cidr, kind.limit);
        let network = text.len();
        let _ = write!(text, "{}/{}", masked(address, kind.cidr), kind.cidr);
        let network = network..text.len();
        if let Some(protocol) = kind.protocol {
            let _ = write!(text, ":{protocol}");
        }
        if let Some(cid) = kind.oidc_cid {
            let _ = write!(text, ":oidc:{cid}");
        }
        self.each.push(Counter {
            key: start..text.len(),
            network,
            period: kind.period,
            limit: kind.limit,
        });
    }

    pub fn len(&self) -> usize {
        self.each.len()
    }

    pub fn is_empty(&self) -> bool {
        self.each.is_empty()
    }

    /// The network that a counter is for: `192.0.2.0/24`. Empty if there is no such counter.
    pub fn network(&self, at: usize) -> &[u8] {
        self.each
            .get(at)
            .and_then(|counter| self.text.get(counter.network.clone()))
            .unwrap_or_default()
    }

    /// A counter's key, without the prefix.
    pub fn key(&self, at: usize) -> &[u8] {
        self.each.get(at).map(|counter| self.key_of(counter)).unwrap_or_default()
    }

    pub fn period(&self, at: usize) -> Duration {
        self.each.get(at).map(|counter| counter.period).unwrap_or_default()
    }

    /// The first counter that `counts` shows as full: one more failure would be more than is
    /// allowed.
    pub fn first_full(&self, counts: &[u64]) -> Option<usize> {
        self.each
            .iter()
            .zip(counts)
            .position(|(counter, count)| count.saturating_add(1) > counter.limit)
    }

    pub(super) fn key_of(&self, counter: &Counter) -> &[u8] {
        self.text.get(counter.key.clone()).unwrap_or_default()
    }

    pub(super) fn networks(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).map(|at| self.network(at))
    }
}

/// The address with all bits but the first `bits` cleared.
pub fn masked(address: IpAddr, bits: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => Ipv4Addr::from_bits(
            v4.to_bits() & u32::MAX.checked_shl(32 - u32::from(bits.min(32))).unwrap_or_default(),
        )
        .into(),
        IpAddr::V6(v6) => Ipv6Addr::from_bits(
            v6.to_bits()
                & u128::MAX.checked_shl(128 - u32::from(bits.min(128))).unwrap_or_default(),
        )
        .into(),
    }
}

/// Buckets that apply to one client, in most configurations.
pub(super) const USUAL: usize = 4;

/// `bf:86400:128:100:6:`, an IPv6 network and its length.
const USUAL_KEY_BYTES: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn key(kind: &Kind<'_>, address: &str) -> (String, String) {
        let mut counters = Counters::default();
        counters.push(kind, address.parse().unwrap());
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        (text(counters.key(0)), text(counters.network(0)))
    }

    #[test]
    fn keys_as_the_reference_writes_them() {
        let kind = Kind {
            period: Duration::from_secs(3600),
            cidr: 24,
            limit: 6,
            protocol: None,
            oidc_cid: None,
        };
        for (kind, address, expected, network) in [
            (kind, "192.0.2.50", "bf:3600:24:6:4:192.0.2.0/24", "192.0.2.0/24"),
            (
                Kind { cidr: 32, ..kind },
                "192.0.2.50",
                "bf:3600:32:6:4:192.0.2.50/32",
                "192.0.2.50/32",
            ),
            (Kind { cidr: 1, ..kind }, "192.0.2.50", "bf:3600:1:6:4:128.0.0.0/1", "128.0.0.0/1"),
            (
                Kind { cidr: 64, ..kind },
                "2001:db8::ffff:1:1:1:1",
                "bf:3600:64:6:6:2001:db8:0:ffff::/64",
                "2001:db8:0:ffff::/64",
            ),
            (
                Kind { cidr: 128, ..kind },
                "2001:db8::1",
                "bf:3600:128:6:6:2001:db8::1/128",
                "2001:db8::1/128",
            ),
            (
                Kind { protocol: Some("imap"), ..kind },
                "192.0.2.1",
                "bf:3600:24:6:4:192.0.2.0/24:imap",
                "192.0.2.0/24",
            ),
            (
                Kind { protocol: Some("imap"), oidc_cid: Some("c"), ..kind },
                "192.0.2.1",
                "bf:3600:24:6:4:192.0.2.0/24:imap:oidc:c",
                "192.0.2.0/24",
            ),
            (
                Kind { period: Duration::from_millis(1500), ..kind },
                "192.0.2.1",
                "bf:2:24:6:4:192.0.2.0/24",
                "192.0.2.0/24",
            ),
        ] {
            assert_eq!(key(&kind, address), (expected.to_owned(), network.to_owned()));
        }
    }

    #[test]
    fn full_is_one_short_of_too_many() {
        let mut counters = Counters::default();
        for limit in [3, 6] {
            counters.push(
                &Kind {
                    period: Duration::from_secs(60),
                    cidr: 32,
                    limit,
                    protocol: None,
                    oidc_cid: None,
                },
                "192.0.2.1".parse().unwrap(),
            );
        }
        for (counts, full) in [
            ([0, 0], None),
            ([2, 5], None),
            ([3, 0], Some(0)),
            ([2, 6], Some(1)),
            ([9, 9], Some(0)),
            ([u64::MAX, 0], Some(0)),
        ] {
            assert_eq!(counters.first_full(&counts), full, "{counts:?}");
        }
    }
}
