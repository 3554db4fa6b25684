//! Names as people and files write them.

use std::fmt::Write;
use std::net::IpAddr;

/// Whether a name can be asked for, and may be believed when it comes out of a reply: labels of 1
/// to 63 letters, digits, hyphens and underscores (services have them), none of them at a hyphen's
/// edge; at most 253 bytes besides a final dot. What else there may be in a DNS name has no
/// business in a log or in a script (RFC 5452 does not say so; Go's resolver does it too).
pub fn is_host_name(name: &str) -> bool {
    let labels = name.strip_suffix('.').unwrap_or(name);
    labels.len() <= NAME_BYTES_MAX && labels.split('.').all(is_label)
}

fn is_label(label: &str) -> bool {
    (1..=LABEL_BYTES_MAX).contains(&label.len())
        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// An address as the labels that reverse zones and blocklists know it by: `9.2.0.192`, or the 32
/// nibbles of an IPv6 address, last first.
pub fn reversed(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            format!("{d}.{c}.{b}.{a}")
        }
        IpAddr::V6(address) => {
            let mut labels = String::with_capacity(64);
            for byte in address.octets().iter().rev() {
                // Writing to a string does not fail.
                let _ = write!(labels, "{:x}.{:x}.", byte & 0xf, byte >> 4);
            }
            labels.pop();
            labels
        }
    }
}

/// The name whose PTR records are the names of `address`.
pub(super) fn reverse_name(address: IpAddr) -> String {
    let zone = if address.is_ipv4() { "in-addr.arpa." } else { "ip6.arpa." };
    format!("{}.{zone}", reversed(address))
}

/// RFC 1035 2.3.4, without the length bytes.
const LABEL_BYTES_MAX: usize = 63;
const NAME_BYTES_MAX: usize = 253;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_backwards() {
        for (address, labels, zone) in [
            ("192.0.2.9", "9.2.0.192", "in-addr.arpa."),
            (
                "2001:db8::1",
                "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2",
                "ip6.arpa.",
            ),
        ] {
            let address = address.parse().unwrap();
            assert_eq!(reversed(address), labels);
            assert_eq!(reverse_name(address), format!("{labels}.{zone}"));
        }
    }

    #[test]
    fn what_a_name_may_be() {
        let long = "a.".repeat(126) + "b";
        for name in [
            "a",
            "a.b",
            "a.b.",
            "mail.example",
            "_imaps._tcp.example",
            "9.2.0.192.rbl.example",
            &"x".repeat(63),
            &long,
        ] {
            assert!(is_host_name(name), "{name}");
        }
        let (too_long, long_label) = ("a.".repeat(127) + "b", "x".repeat(64));
        for name in [
            "",
            ".",
            "a..b",
            ".a",
            "a b",
            "-a",
            "a-.b",
            "a\0",
            "ä.example",
            "a/b",
            "a\\.b",
            "a\n",
            "*.a",
            &too_long,
            &long_label,
        ] {
            assert!(!is_host_name(name), "{name:?}");
        }
    }
}
