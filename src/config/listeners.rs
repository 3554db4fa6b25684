//! Rules about everything that is listened on, and where in the files each listener stands.

use crate::config::Config;
use crate::config::address::ListenAddress;
use crate::config::finding::{Finding, FindingKind};
use crate::config::node::{Kind, Mark, Node};
use crate::config::problem::{Report, Wrong};
use std::net::IpAddr;

/// Where the listeners of a configuration stand, in the order of
/// [`Server::every_listener`](crate::config::section::server::Server::every_listener).
#[derive(Clone, Debug)]
pub struct ListenerPlaces {
    each: Vec<(String, Mark)>,
    /// Of the list as a whole, or what is nearest to it.
    list: Mark,
}

impl ListenerPlaces {
    pub(super) fn of(config: &Config, tree: &Node) -> ListenerPlaces {
        let each = config.server.every_listener().into_iter().map(|(path, _)| {
            let mark = mark_of(tree, &path);
            (path, mark)
        });
        ListenerPlaces { each: each.collect(), list: tree.mark_near(LIST) }
    }

    /// Something to tell of one of them.
    pub fn finding(&self, at: usize, text: impl Into<String>) -> Finding {
        match self.each.get(at) {
            Some((path, mark)) => Finding::at(FindingKind::Setting, mark, path, text),
            None => self.finding_of_list(text),
        }
    }

    /// Something to tell of a listener that is not in the configuration.
    pub fn finding_of_list(&self, text: impl Into<String>) -> Finding {
        Finding::at(FindingKind::Setting, &self.list, LIST, text)
    }
}

const LIST: &str = "server.listeners";

/// Where a key or an element of a list stands: `server.listeners[1]`.
fn mark_of(tree: &Node, path: &str) -> Mark {
    let mut node = tree;
    for word in path.split('.') {
        let (key, index) = word.split_once('[').map_or((word, None), |(key, index)| {
            (key, index.trim_end_matches(']').parse::<usize>().ok())
        });
        let Some(child) = node.child(key) else { break };
        node = child;
        if let (Some(index), Kind::List(elements)) = (index, &node.kind) {
            node = elements.get(index).unwrap_or(node);
        }
    }
    node.mark.clone()
}

/// Asked once all keys could be read.
pub(super) fn check(config: &Config, tree: &Node, report: &mut Report) {
    proxy_protocol(config, tree, report);
    let all = config.server.every_listener();
    let mut earlier: Vec<(&str, &ListenAddress)> = Vec::new();
    for (path, listener) in &all {
        let (mark, address_path) = address_of(tree, path);
        let taken = earlier.iter().find(|(_, address)| overlap(address, &listener.address));
        if let Some((other, _)) = taken {
            let (other_mark, other) = address_of(tree, other);
            let wrong = format!("is listened on already: {other}{}", place_of(&other_mark));
            report.wrong(&mark, &address_path, Wrong::new(wrong));
        }
        earlier.push((path, &listener.address));
        let is_public = match &listener.address {
            ListenAddress::Tcp(address) => !address.ip().to_canonical().is_loopback(),
            ListenAddress::Unix(_) => listener.mode.is_some_and(|mode| mode.bits() & 0o002 != 0),
        };
        if !listener.caller_auth && is_public {
            let text = "whoever reaches this address may ask without saying who it is: use a unix socket with a narrow mode, or loopback";
            report.warn(
                &mark_of(tree, &format!("{path}.caller_auth")),
                &format!("{path}.caller_auth"),
                text,
            );
        }
    }
}

/// `server.haproxy_v2` is about `server.address`; elsewhere it would protect nothing.
fn proxy_protocol(config: &Config, tree: &Node, report: &mut Report) {
    const PATH: &str = "server.haproxy_v2";
    let server = &config.server;
    if server.haproxy_v2 && !matches!(server.address, Some(ListenAddress::Tcp(_))) {
        let wrong = "is about server.address, which is no TCP address here: set proxy_protocol of a listener in server.listeners instead";
        report.wrong(&tree.mark_near(PATH), PATH, Wrong::new(wrong));
    }
}

/// The key that holds the address of the listener that `path` is about.
fn address_of(tree: &Node, path: &str) -> (Mark, String) {
    let path = if path.starts_with(LIST) { format!("{path}.address") } else { path.to_owned() };
    (mark_of(tree, &path), path)
}

fn place_of(mark: &Mark) -> String {
    match mark.line {
        Some(line) => format!(" ({}:{line})", mark.origin),
        None if mark.origin.is_empty() => String::new(),
        None => format!(" ({})", mark.origin),
    }
}

/// Whether one listener would take connections that are meant for the other. Port 0 is any port.
fn overlap(a: &ListenAddress, b: &ListenAddress) -> bool {
    match (a, b) {
        (ListenAddress::Tcp(a), ListenAddress::Tcp(b)) => {
            let covers = |a: IpAddr, b: IpAddr| {
                a.is_unspecified() && (a.is_ipv6() || b.to_canonical().is_ipv4())
            };
            a.port() == b.port()
                && a.port() != 0
                && (a.ip().to_canonical() == b.ip().to_canonical()
                    || covers(a.ip(), b.ip())
                    || covers(b.ip(), a.ip()))
        }
        (ListenAddress::Unix(a), ListenAddress::Unix(b)) => a == b,
        _ => false,
    }
}
