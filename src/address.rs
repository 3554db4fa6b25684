//! Address: where to listen or to connect to, as it stands in a configuration.
//!
//! `127.0.0.1:6379`, `[::1]:6379`, `localhost:6379`, `:6379` (this host), `/run/name.sock`,
//! `unix:/run/name.sock`. A name has to be looked up first, which takes its time:
//! [`Address::parse`] knows literals and `localhost` and refuses any other name with
//! [`AddressError::Name`]; who connects to such a host asks the worker's resolver for it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

/// A client's address as other programs write it, in the one form in which addresses are compared
/// here: a port, brackets and a zone are taken off, and an IPv4-mapped address is an IPv4 address.
/// `None`: it is no address.
pub fn client(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?.trim_matches([' ', '\t']);
    let host = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            if !port.is_empty() && !is_port(port.strip_prefix(':')?) {
                return None;
            }
            host
        }
        None => match text.split_once(':') {
            // One colon: an IPv4 address and a port.
            Some((host, port)) if !port.contains(':') => Some(host).filter(|_| is_port(port))?,
            _ => text,
        },
    };
    let (host, zone) = host.split_once('%').map_or((host, None), |(host, zone)| (host, Some(zone)));
    let address: IpAddr = host.parse().ok()?;
    // RFC 4007 11: zones are of IPv6 addresses.
    let has_bad_zone = zone.is_some_and(|zone| zone.is_empty() || address.is_ipv4());
    (!has_bad_zone).then(|| address.to_canonical())
}

fn is_port(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_digit())
        && text.parse::<u16>().is_ok()
}

/// One end of a stream.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// Why a text is no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// A host name.
    #[error("{0}: the name has to be resolved first")]
    Name(String),
    #[error("{0}: missing port in address")]
    NoPort(String),
    #[error("{0}: invalid port")]
    BadPort(String),
    #[error("{0}: invalid host")]
    BadHost(String),
}

impl Address {
    /// Reads an address without asking anybody. `localhost` and an empty host are 127.0.0.1.
    ///
    /// # Errors
    /// What is wrong with it; [`AddressError::Name`] if it is a name that was not looked up yet.
    pub fn parse(text: &str) -> Result<Address, AddressError> {
        if let Some(path) = unix_path(text) {
            return Ok(Address::Unix(path));
        }
        let (host, port) = Address::split(text)?;
        if host.is_empty() || host.eq_ignore_ascii_case("localhost") {
            return Ok(Address::Tcp(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)));
        }
        match host.parse::<IpAddr>() {
            Ok(ip) => Ok(Address::Tcp(SocketAddr::new(ip, port))),
            Err(_) if is_host_name(host) => Err(AddressError::Name(text.to_owned())),
            Err(_) => Err(AddressError::BadHost(text.to_owned())),
        }
    }

    /// Host (without brackets) and port of a text that is no path.
    ///
    /// # Errors
    /// It has no port, or one that is none.
    pub fn split(text: &str) -> Result<(&str, u16), AddressError> {
        let (host, port) =
            text.rsplit_once(':').ok_or_else(|| AddressError::NoPort(text.to_owned()))?;
        let host = match host.strip_prefix('[') {
            Some(rest) => {
                rest.strip_suffix(']').ok_or_else(|| AddressError::NoPort(text.to_owned()))?
            }
            // An IPv6 address without brackets: where does it end?
            None if host.contains(':') => return Err(AddressError::BadHost(text.to_owned())),
            None => host,
        };
        // `parse` alone would take a sign.
        if port.is_empty() || !port.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(AddressError::BadPort(text.to_owned()));
        }
        let port = port.parse().map_err(|_| AddressError::BadPort(text.to_owned()))?;
        Ok((host, port))
    }

    /// The word of error texts: `dial tcp 127.0.0.1:6379: connect: connection refused`.
    pub fn network(&self) -> &'static str {
        match self {
            Address::Tcp(_) => "tcp",
            Address::Unix(_) => "unix",
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(address) => address.fmt(f),
            Address::Unix(path) => path.display().fmt(f),
        }
    }
}

impl std::str::FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Address, AddressError> {
        Address::parse(text)
    }
}

/// The path of `unix:/path`, `unix:///path` or `/path`.
fn unix_path(text: &str) -> Option<PathBuf> {
    let path = text
        .strip_prefix("unix:")
        .map(|rest| rest.strip_prefix("//").unwrap_or(rest))
        .unwrap_or(text);
    path.starts_with('/').then(|| PathBuf::from(path))
}

/// Letters, digits, hyphens, underscores (service names have them), dots; at most 253 bytes (RFC
/// 1123).
fn is_host_name(host: &str) -> bool {
    let labels = host.strip_suffix('.').unwrap_or(host);
    labels.len() <= 253
        && labels.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_read_however_they_are_written() {
        for (text, address) in [
            ("198.51.100.7", Some("198.51.100.7")),
            ("198.51.100.7:1234", Some("198.51.100.7")),
            (" 198.51.100.7 ", Some("198.51.100.7")),
            ("2001:db8::7", Some("2001:db8::7")),
            ("2001:DB8:0::7", Some("2001:db8::7")),
            ("[2001:db8::7]", Some("2001:db8::7")),
            ("[2001:db8::7]:1234", Some("2001:db8::7")),
            ("[198.51.100.7]:1234", Some("198.51.100.7")),
            ("fe80::1%eth0", Some("fe80::1")),
            ("[fe80::1%eth0]:1234", Some("fe80::1")),
            ("::ffff:198.51.100.7", Some("198.51.100.7")),
            ("[::ffff:127.0.0.1]:99", Some("127.0.0.1")),
            ("::1", Some("::1")),
            ("", None),
            ("unknown", None),
            ("198.51.100.007", None),
            ("198.51.100.7:", None),
            ("198.51.100.7:99999", None),
            ("198.51.100.7:-1", None),
            ("198.51.100.7, 192.0.2.1", None),
            ("198.51.100.7 192.0.2.1", None),
            ("198.51.100.7%eth0", None),
            ("fe80::1%", None),
            ("[2001:db8::7", None),
            ("[2001:db8::7]x", None),
            ("[2001:db8::7]:", None),
            ("198.51.100", None),
            ("3325256711", None),
            ("0x7f000001", None),
        ] {
            assert_eq!(
                client(text.as_bytes()).map(|address| address.to_string()).as_deref(),
                address,
                "{text:?}"
            );
        }
        assert_eq!(client(b"\xff"), None);
    }

    #[test]
    fn reads_what_a_configuration_holds() {
        for (text, shown, network) in [
            ("127.0.0.1:6379", "127.0.0.1:6379", "tcp"),
            ("[::1]:6379", "[::1]:6379", "tcp"),
            ("localhost:1", "127.0.0.1:1", "tcp"),
            ("LocalHost:1", "127.0.0.1:1", "tcp"),
            (":6379", "127.0.0.1:6379", "tcp"),
            ("0.0.0.0:0", "0.0.0.0:0", "tcp"),
            ("/run/auth.sock", "/run/auth.sock", "unix"),
            ("unix:/run/auth.sock", "/run/auth.sock", "unix"),
            ("unix:///run/auth.sock", "/run/auth.sock", "unix"),
        ] {
            let address = Address::parse(text).unwrap();
            assert_eq!(
                (address.to_string().as_str(), address.network()),
                (shown, network),
                "{text}"
            );
        }
    }

    #[test]
    fn refuses_what_is_no_address() {
        let owned = str::to_owned;
        for (text, error) in [
            ("redis.example.org:6379", AddressError::Name(owned("redis.example.org:6379"))),
            ("127.0.0.1", AddressError::NoPort(owned("127.0.0.1"))),
            ("", AddressError::NoPort(owned(""))),
            ("[::1:6379", AddressError::NoPort(owned("[::1:6379"))),
            ("::1:6379", AddressError::BadHost(owned("::1:6379"))),
            ("127.0.0.1:", AddressError::BadPort(owned("127.0.0.1:"))),
            ("127.0.0.1:+1", AddressError::BadPort(owned("127.0.0.1:+1"))),
            ("127.0.0.1:65536", AddressError::BadPort(owned("127.0.0.1:65536"))),
            ("a b:1", AddressError::BadHost(owned("a b:1"))),
            ("a..b:1", AddressError::BadHost(owned("a..b:1"))),
            ("unix:relative:1", AddressError::BadHost(owned("unix:relative:1"))),
        ] {
            assert_eq!(Address::parse(text), Err(error), "{text}");
        }
    }
}
