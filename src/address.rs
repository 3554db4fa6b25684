//! Address: where to listen or to connect to, as it stands in a configuration.
//!
//! `127.0.0.1:6379`, `[::1]:6379`, `localhost:6379`, `:6379` (this host), `/run/name.sock`, `unix:/run/name.sock`.
//! Asking the system's resolver can take seconds and must not happen on a loop: [`Address::parse`] knows literals and
//! `localhost` and refuses any other name with [`AddressError::Name`]; [`Address::resolve`] asks the resolver and is for start, reload and
//! other threads. So a name that moves is followed at the next reload.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::path::PathBuf;

/// One end of a stream.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// Why a text is no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// A host name, which only [`Address::resolve`] may look up.
    #[error("{0}: the name has to be resolved first")]
    Name(String),
    #[error("{0}: missing port in address")]
    NoPort(String),
    #[error("{0}: invalid port")]
    BadPort(String),
    #[error("{0}: invalid host")]
    BadHost(String),
    /// The resolver knows no such name, or could not say.
    #[error("lookup {name}: {reason}")]
    NotFound { name: String, reason: String },
}

impl Address {
    /// Reads an address without asking anybody. `localhost` and an empty host are 127.0.0.1.
    ///
    /// # Errors
    /// Every variant but [`AddressError::NotFound`].
    pub fn parse(text: &str) -> Result<Address, AddressError> {
        if let Some(path) = unix_path(text) {
            return Ok(Address::Unix(path));
        }
        let (host, port) = split(text)?;
        if host.is_empty() || host.eq_ignore_ascii_case("localhost") {
            return Ok(Address::Tcp(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)));
        }
        match host.parse::<IpAddr>() {
            Ok(ip) => Ok(Address::Tcp(SocketAddr::new(ip, port))),
            Err(_) if is_host_name(host) => Err(AddressError::Name(text.to_owned())),
            Err(_) => Err(AddressError::BadHost(text.to_owned())),
        }
    }

    /// Reads an address and looks its name up, which may block for as long as the system's resolver likes. Never empty.
    ///
    /// # Errors
    /// Every variant but [`AddressError::Name`].
    pub fn resolve(text: &str) -> Result<Vec<Address>, AddressError> {
        match Address::parse(text) {
            Err(AddressError::Name(_)) => {}
            parsed => return parsed.map(|address| vec![address]),
        }
        let (host, port) = split(text)?;
        let not_found = |reason: String| AddressError::NotFound { name: host.to_owned(), reason };
        let found: Vec<Address> = (host, port).to_socket_addrs().map_err(|error| not_found(error.to_string()))?.map(Address::Tcp).collect();
        if found.is_empty() { Err(not_found("no such host".to_owned())) } else { Ok(found) }
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
    let path = text.strip_prefix("unix:").map(|rest| rest.strip_prefix("//").unwrap_or(rest)).unwrap_or(text);
    path.starts_with('/').then(|| PathBuf::from(path))
}

/// Host (without brackets) and port.
fn split(text: &str) -> Result<(&str, u16), AddressError> {
    let (host, port) = text.rsplit_once(':').ok_or_else(|| AddressError::NoPort(text.to_owned()))?;
    let host = match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').ok_or_else(|| AddressError::NoPort(text.to_owned()))?,
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

/// Letters, digits, hyphens, underscores (service names have them), dots; at most 253 bytes (RFC 1123).
fn is_host_name(host: &str) -> bool {
    let labels = host.strip_suffix('.').unwrap_or(host);
    labels.len() <= 253
        && labels.split('.').all(|label| {
            (1..=63).contains(&label.len()) && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        })
}

#[cfg(test)]
mod tests {
    use super::*;

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
            assert_eq!((address.to_string().as_str(), address.network()), (shown, network), "{text}");
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

    #[test]
    fn resolving_literals_asks_nobody() {
        assert_eq!(Address::resolve("127.0.0.1:7"), Ok(vec![Address::Tcp(([127, 0, 0, 1], 7).into())]));
        assert!(matches!(Address::resolve("127.0.0.1"), Err(AddressError::NoPort(_))));
    }
}
