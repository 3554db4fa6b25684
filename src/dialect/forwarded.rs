//! `X-Forwarded-For` and `X-Forwarded-Proto`, as a proxy that is trusted sends them: whom it
//! forwards for.
//!
//! Each proxy appends the address of its own client to what that client sent, so the list is read
//! from its right end: only what trusted proxies wrote counts, and a client can write anything
//! before it.

use crate::address;
use crate::dialect::settings::Settings;
use std::net::IpAddr;

/// The client: the rightmost address that is no proxy's. `lines`: the values of all headers of this
/// name, in the order they came. `None`: the list says nothing, or begins at its right end with
/// something that is no address.
///
/// As long as trusted proxies are not configured, addresses of private networks count as proxies,
/// provided that a public address follows to their left. What stands left of something that is no
/// address is not looked at.
pub fn client<'a>(lines: impl Iterator<Item = &'a [u8]>, settings: &Settings) -> Option<IpAddr> {
    let lines: Vec<&[u8]> = lines.collect();
    let hops = lines.iter().rev().flat_map(|line| line.rsplit(|byte| *byte == b','));
    // RFC 9110 5.6.1: empty elements do not count.
    let hops = hops.map(<[u8]>::trim_ascii).filter(|hop| !hop.is_empty());
    let (mut leftmost, mut private) = (None, None);
    for hop in hops.map_while(address::client) {
        leftmost = Some(hop);
        if settings.trusts(hop) {
            continue;
        }
        if !settings.passes_private_proxies || !is_private(hop) {
            return Some(hop);
        }
        private.get_or_insert(hop);
    }
    private.or(leftmost)
}

/// Whether the client that a proxy forwards for speaks TLS: all that is said of it says so.
pub fn is_https<'a>(lines: impl Iterator<Item = &'a [u8]>) -> bool {
    let mut words = lines
        .flat_map(|line| line.split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|word| !word.is_empty())
        .peekable();
    words.peek().is_some() && words.all(|word| word.eq_ignore_ascii_case(b"https"))
}

/// Loopback, link-local (RFC 3927, RFC 4291 2.5.6), private (RFC 1918, RFC 4193).
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_private() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn found(lines: &str, settings: &Settings) -> String {
        let lines = lines.lines().map(str::as_bytes);
        client(lines, settings).map(|address| address.to_string()).unwrap_or_default()
    }

    /// As if `server.trusted_proxies` were these.
    fn trusting(networks: &[&str]) -> Settings {
        Settings {
            trusted_proxies: networks.iter().map(|network| network.parse().unwrap()).collect(),
            passes_private_proxies: false,
            ..Settings::default()
        }
    }

    #[test]
    fn the_rightmost_address_that_is_no_proxys_is_the_client() {
        let settings = trusting(&["10.0.0.0/8", "127.0.0.1/32", "2001:db8::/32"]);
        for (lines, client) in [
            ("192.0.2.5", "192.0.2.5"),
            ("192.0.2.5, 10.0.0.1", "192.0.2.5"),
            ("203.0.113.66, 192.0.2.5, 10.0.0.1,10.0.0.2", "192.0.2.5"),
            ("192.0.2.5, 192.168.0.1", "192.168.0.1"),
            ("192.0.2.5, 2001:db8::1", "192.0.2.5"),
            // Only proxies: the first of them asks for itself.
            ("10.0.0.3, 10.0.0.1", "10.0.0.3"),
            // Several lines are one list.
            ("203.0.113.66\n192.0.2.5\n10.0.0.1", "192.0.2.5"),
            ("203.0.113.66, 192.0.2.5\n, ,\n10.0.0.1 ,", "192.0.2.5"),
            // As other programs write addresses.
            ("192.0.2.5:4711, [2001:db8::1]:443", "192.0.2.5"),
            ("::ffff:192.0.2.5, ::ffff:10.0.0.1", "192.0.2.5"),
            ("[::ffff:192.0.2.5]:1", "192.0.2.5"),
            // Nothing left of what is no address.
            ("192.0.2.5, unknown, 10.0.0.1", "10.0.0.1"),
            ("192.0.2.5, _hidden", ""),
            ("192.0.2.5, 10.0.0.1 10.0.0.2", ""),
            ("192.0.2.5\nfor=10.0.0.1", ""),
            ("", ""),
            (" , ,", ""),
        ] {
            assert_eq!(found(lines, &settings), client, "{lines:?}");
        }
    }

    #[test]
    fn unless_configured_private_addresses_are_proxies_of_a_public_one() {
        let settings = Settings::default();
        for (lines, client) in [
            ("192.0.2.5, 10.0.0.1", "192.0.2.5"),
            ("192.0.2.5, 127.0.0.1, fd00::1, fe80::1, 169.254.0.1, 172.16.0.1", "192.0.2.5"),
            ("203.0.113.66, 192.0.2.5, 192.168.0.1", "192.0.2.5"),
            // A client of this network.
            ("10.0.0.1", "10.0.0.1"),
            ("10.0.0.1, 10.0.0.2", "10.0.0.2"),
            ("192.168.0.9, 127.0.0.1", "192.168.0.9"),
            ("192.0.2.5, unknown, 10.0.0.1", "10.0.0.1"),
            ("192.0.2.5, unknown, 10.0.0.1, 127.0.0.1", "10.0.0.1"),
            ("127.0.0.1, ::1", "127.0.0.1"),
        ] {
            assert_eq!(found(lines, &settings), client, "{lines:?}");
        }
    }

    #[test]
    fn https_is_what_everybody_says() {
        for (lines, https) in [
            ("https", true),
            ("HTTPS", true),
            ("https, https", true),
            ("https\nhttps", true),
            ("http", false),
            ("https, http", false),
            ("http\nhttps", false),
            ("https;x", false),
            ("", false),
            (",", false),
        ] {
            assert_eq!(is_https(lines.lines().map(str::as_bytes)), https, "{lines:?}");
        }
    }

    proptest! {
        #[test]
        fn what_a_client_writes_does_not_matter(
            lie in proptest::collection::vec(any::<u8>(), 0..60),
            proxies in 0..3_usize,
        ) {
            // The trusted proxy at the edge appends the client, further ones each other.
            let settings = trusting(&["10.0.0.0/8"]);
            let told = format!(", 192.0.2.5{}", ", 10.0.0.1".repeat(proxies));
            let line = [&lie[..], told.as_bytes()].concat();
            prop_assert_eq!(
                client([&line[..]].into_iter(), &settings),
                Some("192.0.2.5".parse().unwrap())
            );
        }
    }
}
