//! `server.listeners`: where to listen, and what each listener does; and `server.trusted_proxies`,
//! whose word on a client's address counts there.

use crate::config::address::{ListenAddress, Networks};
use crate::config::check::any;
use crate::config::choice::Choice;
use crate::config::keys::{Keys, Section};
use crate::config::node::{Kind, Mark, Node};
use crate::config::problem::Wrong;
use crate::config::section::listener_tls::ListenerTls;
use crate::config::section::server::Server;
use crate::config::value::{Place, Shape, Value, Word};
use std::net::{Ipv4Addr, SocketAddr};

/// One place to listen.
#[derive(Clone, Debug)]
pub struct Listener {
    pub address: ListenAddress,
    pub tls: ListenerTls,
    /// Whether every connection must begin with a PROXY protocol header.
    pub proxy_protocol: bool,
    /// Of a unix socket; none: `server.unix_socket_mode`.
    pub mode: Option<SocketMode>,
    /// Of a unix socket; none: that of the process.
    pub group: Option<SocketGroup>,
    /// Whether callers must say who they are, where `server.basic_auth`, `jwt_auth` or `oidc_auth`
    /// demand it.
    pub caller_auth: bool,
    pub protocol: ListenerProtocol,
    /// Connections at a time, of all workers together; 0: no limit.
    pub max_connections: u32,
}

impl Default for Listener {
    fn default() -> Listener {
        Listener {
            // A listener that is read from a file has one of its own.
            address: ListenAddress::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))),
            tls: ListenerTls::default(),
            proxy_protocol: false,
            mode: None,
            group: None,
            caller_auth: true,
            protocol: ListenerProtocol::default(),
            max_connections: 0,
        }
    }
}

impl Section for Listener {
    fn keys(&mut self, keys: &mut Keys<'_>) {
        keys.required("address", &mut self.address, any);
        keys.section("tls", &mut self.tls);
        keys.value("proxy_protocol", &mut self.proxy_protocol);
        keys.value("mode", &mut self.mode);
        keys.value("group", &mut self.group);
        keys.value("caller_auth", &mut self.caller_auth);
        keys.value("protocol", &mut self.protocol);
        keys.value("max_connections", &mut self.max_connections);
    }

    fn check(&self) -> Vec<(&'static str, Wrong)> {
        let mut wrong = Vec::new();
        if let ListenAddress::Tcp(_) = self.address {
            let only_unix = |given: bool, key| given.then_some((key, Wrong::new(ONLY_UNIX)));
            wrong.extend(only_unix(self.mode.is_some(), "mode"));
            wrong.extend(only_unix(self.group.is_some(), "group"));
        }
        wrong
    }
}

const ONLY_UNIX: &str = "only a unix socket has one, and \"address\" is TCP: remove it";

impl Server {
    /// Everything to listen on, with the key that says so: `server.address`, then
    /// `server.listeners`, then `server.listen_unix`. What older keys say of `server.address` is
    /// that listener's.
    pub fn every_listener(&self) -> Vec<(String, Listener)> {
        let own = self.address.iter().map(|address| {
            let listener = Listener {
                address: address.clone(),
                tls: self.tls.listener.clone(),
                proxy_protocol: self.haproxy_v2,
                ..Listener::default()
            };
            ("server.address".to_owned(), listener)
        });
        let listed = self.listeners.iter().cloned().enumerate();
        let listed = listed.map(|(at, listener)| (format!("server.listeners[{at}]"), listener));
        let unix = self.listen_unix.iter().enumerate().map(|(at, path)| {
            let address = ListenAddress::Unix(path.clone());
            (format!("server.listen_unix[{at}]"), Listener { address, ..Listener::default() })
        });
        let mut all: Vec<_> = own.chain(listed).chain(unix).collect();
        for (_, listener) in &mut all {
            if matches!(listener.address, ListenAddress::Unix(_)) {
                listener.mode.get_or_insert(self.unix_socket_mode);
            }
        }
        all
    }
}

/// What is spoken at a listener.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ListenerProtocol {
    #[default]
    Http,
}

impl Choice for ListenerProtocol {
    const WORDS: &'static [(&'static str, ListenerProtocol)] = &[("http", ListenerProtocol::Http)];
}

/// The permission bits of a unix socket: who may write to it may connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketMode(u32);

impl SocketMode {
    pub fn bits(self) -> u32 {
        self.0
    }
}

impl Default for SocketMode {
    /// User and group of the process.
    fn default() -> SocketMode {
        SocketMode(0o660)
    }
}

impl Word for SocketMode {
    fn parse(text: &str) -> Result<SocketMode, Wrong> {
        let digits = text.trim().strip_prefix("0o").unwrap_or(text.trim());
        let is_octal = !digits.is_empty() && digits.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
        let mode = is_octal.then(|| u32::from_str_radix(digits, 8).ok()).flatten();
        let wrong = |what: &str| Wrong::new(format!("{text:?} {what}")).allowed("0600, 0660, 0666");
        match mode {
            Some(mode) if mode > 0o777 => Err(wrong("is no mode of a socket")),
            Some(mode) if mode & 0o200 == 0 => Err(wrong("lets not even its owner connect")),
            Some(mode) => Ok(SocketMode(mode)),
            None => Err(wrong("is no mode: it is written in octal digits")),
        }
    }

    fn text(&self) -> String {
        format!("{:04o}", self.0)
    }
}

/// The group of a unix socket: one that the system knows, or a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketGroup {
    text: String,
    id: u32,
}

impl SocketGroup {
    pub fn id(&self) -> u32 {
        self.id
    }
}

impl Word for SocketGroup {
    fn parse(text: &str) -> Result<SocketGroup, Wrong> {
        let of = |id| Ok(SocketGroup { text: text.to_owned(), id });
        // The highest number means "no group" to the system (chown(2)).
        if let Some(id) = text.parse().ok().filter(|id| *id != u32::MAX) {
            return of(id);
        }
        match nix::unistd::Group::from_name(text) {
            Ok(Some(group)) => of(group.gid.as_raw()),
            Ok(None) => Err(Wrong::new(format!("there is no group {text:?}"))),
            Err(error) => {
                Err(Wrong::new(format!("group {text:?} cannot be looked up: {}", error.desc())))
            }
        }
    }

    fn text(&self) -> String {
        self.text.clone()
    }
}

/// Whose PROXY header and `X-Forwarded-For` are believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum TrustedProxies {
    /// Not configured: this host. Proxies in private networks are passed over in `X-Forwarded-For`.
    #[default]
    Auto,
    /// Only these.
    These(Networks),
}

impl TrustedProxies {
    pub fn networks(&self) -> Networks {
        match self {
            TrustedProxies::Auto => Networks::loopback(),
            TrustedProxies::These(networks) => networks.clone(),
        }
    }
}

impl Value for TrustedProxies {
    const SHAPE: Shape = Shape::List;

    fn read(node: &Node, place: &mut Place<'_>) -> Option<TrustedProxies> {
        match &node.kind {
            Kind::Scalar(text) if text == AUTO => Some(TrustedProxies::Auto),
            _ => Networks::read(node, place).map(TrustedProxies::These),
        }
    }

    fn write(&self) -> Node {
        match self {
            TrustedProxies::Auto => Node::scalar(AUTO, Mark::nowhere()),
            TrustedProxies::These(networks) => networks.write(),
        }
    }
}

const AUTO: &str = "auto";
