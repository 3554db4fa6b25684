//! The hosts file: names and addresses that no server is asked about.
//!
//! A name has all the addresses of all its lines, an address all its names, in their order. Lines
//! that cannot be read are passed over, as every resolver does. Bounds: [`FILE_BYTES_MAX`]. Rules:
//! hosts(5).

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::Path;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hosts {
    /// By name in lower case without a final dot.
    addresses: HashMap<String, Vec<IpAddr>>,
    names: HashMap<IpAddr, Vec<String>>,
}

impl Hosts {
    /// What the file says; nothing if there is none.
    pub fn read(path: &Path) -> Hosts {
        Hosts::parse(&String::from_utf8_lossy(&super::settings::read_file(path, FILE_BYTES_MAX)))
    }

    pub fn parse(text: &str) -> Hosts {
        let mut hosts = Hosts::default();
        for line in text.lines() {
            let line = line.split('#').next().unwrap_or_default();
            let mut words = line.split_ascii_whitespace();
            let Some(Ok(address)) = words.next().map(str::parse::<IpAddr>) else { continue };
            for name in words {
                hosts.names.entry(address).or_default().push(name.to_owned());
                let addresses = hosts.addresses.entry(key(name)).or_default();
                if !addresses.contains(&address) {
                    addresses.push(address);
                }
            }
        }
        hosts
    }

    /// The addresses of a name; `localhost` and all below it are this host, whatever the file says
    /// or omits (RFC 6761 6.3).
    pub fn addresses(&self, name: &str) -> Option<&[IpAddr]> {
        let name = key(name);
        match self.addresses.get(&name) {
            Some(addresses) => Some(addresses),
            None if name == "localhost" || name.ends_with(".localhost") => Some(&LOOPBACK),
            None => None,
        }
    }

    /// The names of an address, as the file spells them.
    pub fn names(&self, address: IpAddr) -> Option<&[String]> {
        self.names.get(&address.to_canonical()).map(Vec::as_slice)
    }
}

fn key(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

const LOOPBACK: [IpAddr; 2] =
    [IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), IpAddr::V6(std::net::Ipv6Addr::LOCALHOST)];

/// Some tens of thousands of lines.
const FILE_BYTES_MAX: u64 = 4 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn names_and_addresses_both_ways() {
        let text = "# comment\n127.0.0.1 localhost\n192.0.2.1\tMail.example mail # the relay\n2001:db8::1 mail.example\n\
            nonsense here\n192.0.2.1 again mail.example\n192.0.2.7\n";
        let hosts = Hosts::parse(text);
        for name in ["mail.example", "MAIL.EXAMPLE", "mail.example."] {
            assert_eq!(
                hosts.addresses(name),
                Some(&[ip("192.0.2.1"), ip("2001:db8::1")][..]),
                "{name}"
            );
        }
        assert_eq!(hosts.addresses("here"), None);
        assert_eq!(
            hosts.names(ip("192.0.2.1")).unwrap(),
            ["Mail.example", "mail", "again", "mail.example"]
        );
        assert_eq!(hosts.names(ip("::ffff:127.0.0.1")).unwrap(), ["localhost"]);
        assert_eq!(hosts.names(ip("192.0.2.7")), None);
    }

    #[test]
    fn localhost_needs_no_file() {
        let hosts = Hosts::read(Path::new("/nonexistent"));
        for name in ["localhost", "LocalHost.", "db.localhost"] {
            assert_eq!(hosts.addresses(name), Some(&LOOPBACK[..]), "{name}");
        }
        assert_eq!(hosts.addresses("notlocalhost"), None);
        // What the file says of it counts.
        assert_eq!(
            Hosts::parse("127.0.0.7 localhost").addresses("localhost"),
            Some(&[ip("127.0.0.7")][..])
        );
    }
}
