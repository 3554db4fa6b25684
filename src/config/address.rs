//! Addresses: where we listen, which servers we call, which networks a rule is about, what a header
//! is called.
//!
//! Each type is right once it is read.

use crate::config::node::{Kind, Mark, Node};
use crate::config::problem::Wrong;
use crate::config::value::{Place, Shape, Value, Word};
use ipnet::IpNet;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::path::PathBuf;

/// Where to accept connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAddress {
    /// `127.0.0.1:9080`, `[::]:9080`; a host name is looked up when the file is read.
    Tcp(SocketAddr),
    /// `unix:/run/loligo.sock`
    Unix(PathBuf),
}

impl Word for ListenAddress {
    fn parse(text: &str) -> Result<ListenAddress, Wrong> {
        if let Some(path) = unix_path(text) {
            return path.map(ListenAddress::Unix);
        }
        if let Ok(address) = text.parse() {
            return Ok(ListenAddress::Tcp(address));
        }
        let wrong = || {
            Wrong::new(format!("{text:?} is not a listen address"))
                .allowed("IP:PORT, [IPv6]:PORT, HOST:PORT, unix:/PATH")
        };
        let (host, port) =
            split_host_port(text).filter(|(host, _)| !host.is_empty()).ok_or_else(wrong)?;
        let unresolved =
            |why: &str| Wrong::new(format!("host {host:?} cannot be looked up: {why}"));
        let mut found = (host, port).to_socket_addrs().map_err(|e| unresolved(&e.to_string()))?;
        found.next().map(ListenAddress::Tcp).ok_or_else(|| unresolved("no address"))
    }

    fn text(&self) -> String {
        match self {
            ListenAddress::Tcp(address) => address.to_string(),
            ListenAddress::Unix(path) => format!("unix:{}", path.display()),
        }
    }
}

/// The path of `unix:/path`; `None` if that is not what it is.
fn unix_path(text: &str) -> Option<Result<PathBuf, Wrong>> {
    let path = text.strip_prefix("unix:")?;
    let sound = path.starts_with('/') && path.len() < UNIX_PATH_MAX && !path.contains('\0');
    let wrong = || {
        Wrong::new(format!(
            "must be an absolute path of at most {} bytes after \"unix:\"",
            UNIX_PATH_MAX - 1
        ))
    };
    Some(sound.then(|| path.into()).ok_or_else(wrong))
}

/// A server on this machine or another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerAddress {
    Tcp(HostPort),
    /// `unix:/run/redis/redis.sock`
    Unix(PathBuf),
}

impl ServerAddress {
    /// The name that a certificate must be for.
    pub fn host(&self) -> &str {
        match self {
            ServerAddress::Tcp(address) => &address.host,
            ServerAddress::Unix(_) => "localhost",
        }
    }
}

impl Word for ServerAddress {
    fn parse(text: &str) -> Result<ServerAddress, Wrong> {
        match unix_path(text) {
            Some(path) => path.map(ServerAddress::Unix),
            None => HostPort::parse(text)
                .map(ServerAddress::Tcp)
                .map_err(|wrong| wrong.allowed("HOST:PORT, IP:PORT, [IPv6]:PORT, unix:/PATH")),
        }
    }

    fn text(&self) -> String {
        self.to_string()
    }
}

impl std::fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ServerAddress::Tcp(address) => address.fmt(f),
            ServerAddress::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// A server to connect to: host name or IP address, and port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostPort {
    /// Without brackets.
    pub host: String,
    pub port: u16,
}

impl Word for HostPort {
    fn parse(text: &str) -> Result<HostPort, Wrong> {
        let wrong = || {
            Wrong::new(format!("{text:?} is not a server address"))
                .allowed("HOST:PORT, IP:PORT, [IPv6]:PORT")
        };
        let (host, port) = split_host_port(text).ok_or_else(wrong)?;
        let host = if host.is_empty() { "127.0.0.1" } else { host };
        Ok(HostPort { host: host.to_owned(), port })
    }

    fn text(&self) -> String {
        self.to_string()
    }
}

impl std::fmt::Display for HostPort {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// `host:port` with a sound host (or none) and a port from 1.
fn split_host_port(text: &str) -> Option<(&str, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let port = port
        .bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| port.parse().ok())?
        .filter(|port| *port != 0)?;
    if let Some(inner) = host.strip_prefix('[') {
        let inner = inner.strip_suffix(']')?;
        return inner.parse::<Ipv6Addr>().ok().map(|_| (inner, port));
    }
    (host.is_empty() || is_host_name(host)).then_some((host, port))
}

/// A host name of RFC 1123, with or without the final dot, or an IP address.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Host(String);

impl Host {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// For defaults; the text must be sound.
    pub(super) fn known(text: &str) -> Host {
        debug_assert!(Host::parse(text).is_ok());
        Host(text.to_owned())
    }
}

impl Word for Host {
    fn parse(text: &str) -> Result<Host, Wrong> {
        let sound = is_host_name(text) || text.parse::<IpAddr>().is_ok();
        let wrong = || Wrong::new(format!("{text:?} is not a host name"));
        sound.then(|| Host(text.to_owned())).ok_or_else(wrong)
    }

    fn text(&self) -> String {
        self.0.clone()
    }
}

/// RFC 1123 2.1: labels of 1 to 63 letters, digits and inner hyphens, 253 bytes in all; one final
/// dot is fine. IPv4 addresses have this shape too.
fn is_host_name(text: &str) -> bool {
    let name = text.strip_suffix('.').unwrap_or(text);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= 253 && name.split('.').all(is_label)
}

/// IP addresses and networks; an address is the network of itself alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks(Vec<IpNet>);

impl Networks {
    /// Whether `address` lies in one of them. An IPv4 address in IPv6 clothes (`::ffff:192.0.2.1`)
    /// counts as what it is.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = &IpNet> {
        self.0.iter()
    }

    /// This host: the proxies that are trusted unless told otherwise.
    pub fn loopback() -> Networks {
        Networks(vec![
            IpAddr::from(Ipv4Addr::LOCALHOST).into(),
            IpAddr::from(Ipv6Addr::LOCALHOST).into(),
        ])
    }
}

impl FromIterator<IpNet> for Networks {
    fn from_iter<T: IntoIterator<Item = IpNet>>(networks: T) -> Networks {
        Networks(networks.into_iter().collect())
    }
}

/// A list, or one text with commas or blanks between the networks (the original's environment has
/// both).
impl Value for Networks {
    const SHAPE: Shape = Shape::List;

    fn read(node: &Node, place: &mut Place<'_>) -> Option<Networks> {
        let split = match &node.kind {
            Kind::Scalar(text) => {
                let parts = text.split([',', ' ']).filter(|part| !part.is_empty());
                Node::new(
                    Kind::List(parts.map(|part| Node::scalar(part, node.mark.clone())).collect()),
                    node.mark.clone(),
                )
            }
            _ => node.clone(),
        };
        Vec::<Network>::read(&split, place)
            .map(|networks| networks.into_iter().map(|network| network.0).collect())
    }

    fn write(&self) -> Node {
        self.0.iter().map(|network| Network(*network)).collect::<Vec<_>>().write()
    }
}

struct Network(IpNet);

/// A network of IPv4-mapped addresses is one of IPv4 addresses: that is what clients' addresses are
/// compared as.
fn canonical(network: IpNet) -> IpNet {
    let mapped = match network {
        IpNet::V6(v6) => v6.addr().to_ipv4_mapped().zip(v6.prefix_len().checked_sub(96)),
        IpNet::V4(_) => None,
    };
    let v4 = mapped.and_then(|(address, prefix)| IpNet::new(address.into(), prefix).ok());
    v4.unwrap_or(network)
}

impl Word for Network {
    fn parse(text: &str) -> Result<Network, Wrong> {
        let network = text
            .parse::<IpNet>()
            .or_else(|e| text.parse::<IpAddr>().map(IpNet::from).map_err(|_| e));
        network.map(|network| Network(canonical(network))).map_err(|_| {
            Wrong::new(format!("{text:?} is not an IP address or network"))
                .allowed("192.0.2.1, 192.0.2.0/24, 2001:db8::/32")
        })
    }

    fn text(&self) -> String {
        if self.0.prefix_len() == self.0.max_prefix_len() {
            self.0.addr().to_string()
        } else {
            self.0.to_string()
        }
    }
}

/// User names that a rule exempts when they come from given networks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SoftWhitelist(BTreeMap<String, Networks>);

impl SoftWhitelist {
    /// Whether `user` is exempt at `address`. The name is compared as it is, then in lower case,
    /// which is how files for the original had to spell it.
    pub fn exempts(&self, user: &str, address: IpAddr) -> bool {
        let networks = self.0.get(user).or_else(|| self.0.get(&user.to_lowercase()));
        networks.is_some_and(|networks| networks.contains(address))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Users and their networks.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Networks)> {
        self.0.iter().map(|(user, networks)| (user.as_str(), networks))
    }
}

impl FromIterator<(String, Networks)> for SoftWhitelist {
    fn from_iter<T: IntoIterator<Item = (String, Networks)>>(users: T) -> SoftWhitelist {
        SoftWhitelist(users.into_iter().collect())
    }
}

impl Value for SoftWhitelist {
    const SHAPE: Shape = Shape::Maps;

    fn read(node: &Node, place: &mut Place<'_>) -> Option<SoftWhitelist> {
        let entries = match &node.kind {
            Kind::Map(entries) => entries.as_slice(),
            Kind::Scalar(text) if text.is_empty() => &[],
            _ => {
                place.wrong(&node.mark, Wrong::new("must be a map from user names to networks"));
                return None;
            }
        };
        let each = |(name, node): &(String, Node)| {
            Some((name.clone(), Networks::read(node, &mut place.below(&format!(".{name}")))?))
        };
        let read: Vec<_> = entries.iter().map(each).collect();
        read.into_iter().collect::<Option<_>>().map(SoftWhitelist)
    }

    fn write(&self) -> Node {
        let entries =
            self.0.iter().map(|(name, networks)| (name.clone(), networks.write())).collect();
        Node::new(Kind::Map(entries), Mark::nowhere())
    }
}

/// The name of a request header (RFC 9110 5.6.2: a token). Compare it without regard to case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderName(String);

impl HeaderName {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// For defaults; the text must be sound.
    pub(super) fn known(text: &str) -> HeaderName {
        debug_assert!(HeaderName::parse(text).is_ok());
        HeaderName(text.to_owned())
    }
}

impl Word for HeaderName {
    fn parse(text: &str) -> Result<HeaderName, Wrong> {
        let sound = !text.is_empty()
            && text.len() <= 128
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b));
        sound
            .then(|| HeaderName(text.to_owned()))
            .ok_or_else(|| Wrong::new(format!("{text:?} is not a header name")))
    }

    fn text(&self) -> String {
        self.0.clone()
    }
}

/// `sun_path` on Linux, its final NUL included.
const UNIX_PATH_MAX: usize = 108;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_may_be_on_a_unix_socket() {
        assert_eq!(
            ServerAddress::parse("unix:/run/redis.sock"),
            Ok(ServerAddress::Unix("/run/redis.sock".into()))
        );
        let tcp = HostPort { host: "::1".into(), port: 6379 };
        assert_eq!(ServerAddress::parse("[::1]:6379"), Ok(ServerAddress::Tcp(tcp)));
        for text in ["unix:redis.sock", "redis", "unix:"] {
            assert!(ServerAddress::parse(text).is_err(), "{text}");
        }
        for text in ["unix:/run/redis.sock", "[::1]:6379", "redis.example.org:6379"] {
            assert_eq!(ServerAddress::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn addresses_to_listen_on() {
        for text in ["127.0.0.1:9080", "[::]:9080", "unix:/run/loligo.sock"] {
            assert_eq!(ListenAddress::parse(text).unwrap().text(), text);
        }
        assert!(
            matches!(ListenAddress::parse("localhost:9080"), Ok(ListenAddress::Tcp(address)) if address.ip().is_loopback())
        );
        for text in [
            "",
            "9080",
            ":9080",
            "127.0.0.1",
            "127.0.0.1:70000",
            "::1:x",
            "unix:",
            "unix:run/x",
            "a b:1",
            "[::1]",
            "[::1:9080",
        ] {
            assert!(ListenAddress::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn server_addresses() {
        for (text, host, port) in [
            ("redis.example.net:6379", "redis.example.net", 6379),
            ("[::1]:6379", "::1", 6379),
            (":6379", "127.0.0.1", 6379),
            ("redis_1:1", "", 0),
        ] {
            let expected = (port != 0).then(|| HostPort { host: host.into(), port });
            assert_eq!(HostPort::parse(text).ok(), expected, "{text}");
        }
        assert_eq!(HostPort::parse("[::1]:6379").unwrap().to_string(), "[::1]:6379");
        for text in ["", "host", "host:0", "host:65536", "::1:6379", "ho st:1", "host:+1", "-a:1"] {
            assert!(HostPort::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn host_names() {
        for text in [
            "example.net",
            "example.org.",
            "a.b",
            "1and1.example",
            "192.0.2.1",
            "2001:db8::1",
            "localhost",
        ] {
            assert!(Host::parse(text).is_ok(), "{text}");
        }
        for text in
            ["", ".", "a..b", "-a.b", "a-.b", "a_b.c", "a b", &"a".repeat(64), &"a.".repeat(130)]
        {
            assert!(Host::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn networks_hold_addresses_and_networks() {
        let networks: Networks =
            ["192.0.2.0/24", "2001:db8::1/128"].iter().map(|text| text.parse().unwrap()).collect();
        for (address, inside) in [
            ("192.0.2.77", true),
            ("::ffff:192.0.2.77", true),
            ("192.0.3.1", false),
            ("2001:db8::1", true),
            ("2001:db8::2", false),
        ] {
            assert_eq!(networks.contains(address.parse().unwrap()), inside, "{address}");
        }
    }

    #[test]
    fn a_soft_whitelist_compares_exactly_then_in_lower_case() {
        let networks: Networks = ["192.0.2.0/24".parse().unwrap()].into_iter().collect();
        let list = SoftWhitelist(BTreeMap::from([
            ("Ann".to_owned(), networks.clone()),
            ("bob@example.net".to_owned(), networks),
        ]));
        for (user, exempt) in [
            ("Ann", true),
            ("ann", false),
            ("ANN", false),
            ("bob@example.net", true),
            ("Bob@Example.NET", true),
        ] {
            assert_eq!(list.exempts(user, "192.0.2.9".parse().unwrap()), exempt, "{user}");
        }
        assert!(!list.exempts("Ann", "198.51.100.1".parse().unwrap()));
    }

    #[test]
    fn header_names_are_tokens() {
        assert!(HeaderName::parse("X-Auth_1").is_ok());
        for text in ["", "a b", "a:b", "ä", "a\r\nb"] {
            assert!(HeaderName::parse(text).is_err(), "{text}");
        }
    }
}
