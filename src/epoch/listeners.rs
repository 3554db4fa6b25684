//! What each listener does, and what a reload can change of that.

use crate::config::section::listeners::{Listener as ConfigListener, ListenerProtocol};
use crate::config::{Config, ListenAddress};
use crate::tls::ServerTls;

/// One listener's settings. Connections know theirs by its place in [`Listeners`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    pub address: ListenAddress,
    /// Mode and group of a unix socket, which are given when it is bound.
    pub mode: u32,
    pub group: Option<u32>,
    /// `None`: plain HTTP.
    pub tls: Option<ServerTls>,
    pub rules: Rules,
}

/// What holds for connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Each must begin with a PROXY header.
    pub proxy_protocol: bool,
    /// Callers must say who they are, if anybody must.
    pub caller_auth: bool,
    /// At a time, of all workers together; 0: no limit.
    pub max_connections: usize,
    /// Its place in the configuration; [`usize::MAX`] if that does not name it any more.
    pub place: usize,
}

/// All listeners, in the order in which their sockets are bound.
#[derive(Clone, Debug, Default)]
pub struct Listeners(Vec<Listener>);

/// What the configuration of a reload says of listeners that takes a restart. The numbers are
/// places in the new configuration.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Unchanged {
    /// Not listened on.
    pub added: Vec<usize>,
    /// Of unix sockets that keep their mode and group.
    pub differing: Vec<usize>,
    /// Still listened on, by the rules of before.
    pub removed: Vec<ListenAddress>,
}

impl Listeners {
    /// Where to listen, without TLS: no file is read.
    pub fn addresses(config: &Config) -> Listeners {
        let all = config.server.every_listener().into_iter().enumerate();
        Listeners(all.map(|(place, (_, own))| listener(own, place, None)).collect())
    }

    /// Reads certificates.
    pub(super) fn resolve(config: &Config, problems: &mut Vec<String>) -> Listeners {
        let all = config.server.every_listener().into_iter().enumerate();
        let resolved = all.map(|(place, (path, own))| {
            let made = own.tls.settings().map(ServerTls::new);
            let tls = made.and_then(|made| match made {
                // `config` has told of warnings.
                Ok((tls, _)) => Some(tls),
                Err(flaws) => {
                    let path = tls_path(&path);
                    problems.extend(flaws.iter().map(|flaw| format!("{path}.{flaw}")));
                    None
                }
            });
            listener(own, place, tls)
        });
        Listeners(resolved.collect())
    }

    /// The TLS of a listener.
    pub fn tls(&self, at: usize) -> Option<&ServerTls> {
        self.0.get(at)?.tls.as_ref()
    }

    /// Of all listeners that speak TLS.
    pub fn all_tls(&self) -> Vec<ServerTls> {
        self.0.iter().filter_map(|listener| listener.tls.clone()).collect()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Listener> {
        self.0.iter()
    }

    /// What holds for the connections of a listener. There is none without a listener; should there
    /// be, nothing is believed of it.
    pub fn rules(&self, at: usize) -> Rules {
        self.0.get(at).map_or(STRICTEST, |listener| listener.rules)
    }

    /// The sockets that are bound stay as they are: puts these settings in the order of `bound`.
    /// What a socket has no settings for any more keeps those that it had.
    pub fn keep_to(&mut self, bound: &Listeners) -> Unchanged {
        let mut unchanged = Unchanged::default();
        // Several may listen on any port of one address: the first stands for the first.
        let mut left: Vec<_> = std::mem::take(&mut self.0).into_iter().enumerate().collect();
        for old in &bound.0 {
            let found = left.iter().position(|(_, own)| own.address == old.address);
            let Some((at, own)) = found.map(|found| left.remove(found)) else {
                unchanged.removed.push(old.address.clone());
                let rules = Rules { place: usize::MAX, ..old.rules };
                self.0.push(Listener { rules, ..old.clone() });
                continue;
            };
            if (old.mode, old.group) != (own.mode, own.group) {
                unchanged.differing.push(at);
            }
            self.0.push(Listener { mode: old.mode, group: old.group, ..own });
        }
        unchanged.added = left.into_iter().map(|(at, _)| at).collect();
        unchanged
    }
}

/// Where the TLS section of a listener stands, by where the listener does.
fn tls_path(path: &str) -> String {
    if path == "server.address" { "server.tls".to_owned() } else { format!("{path}.tls") }
}

const STRICTEST: Rules =
    Rules { proxy_protocol: true, caller_auth: true, max_connections: 0, place: usize::MAX };

fn listener(config: ConfigListener, place: usize, tls: Option<ServerTls>) -> Listener {
    let ConfigListener {
        address,
        // `Listeners::resolve`, `callers.rs`
        tls: _,
        proxy_protocol,
        mode,
        group,
        caller_auth,
        protocol: ListenerProtocol::Http,
        max_connections,
    } = config;
    Listener {
        address,
        mode: mode.unwrap_or_default().bits(),
        group: group.map(|group| group.id()),
        tls,
        rules: Rules {
            proxy_protocol,
            caller_auth,
            max_connections: max_connections as usize,
            place,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(name: &str, mode: u32, max_connections: usize) -> Listener {
        Listener {
            address: ListenAddress::Unix(name.into()),
            mode,
            group: None,
            tls: None,
            rules: Rules { max_connections, ..STRICTEST },
        }
    }

    #[test]
    fn a_reload_changes_rules_and_no_sockets() {
        let bound = Listeners(vec![at("/a", 0o600, 1), at("/b", 0o600, 1), at("/c", 0o600, 1)]);
        let mut wanted =
            Listeners(vec![at("/d", 0o600, 2), at("/c", 0o660, 2), at("/a", 0o600, 2)]);
        let unchanged = wanted.keep_to(&bound);
        assert_eq!(
            unchanged,
            Unchanged {
                added: vec![0],
                differing: vec![1],
                removed: vec![ListenAddress::Unix("/b".into())]
            }
        );
        assert_eq!(wanted.0, [at("/a", 0o600, 2), at("/b", 0o600, 1), at("/c", 0o600, 2)]);
        // Any port of one address, twice.
        let bound = Listeners(vec![at("/a", 0o600, 1), at("/a", 0o600, 2)]);
        let mut wanted = Listeners(vec![at("/a", 0o600, 3), at("/a", 0o600, 4)]);
        assert_eq!(wanted.keep_to(&bound), Unchanged::default());
        assert_eq!((wanted.rules(0).max_connections, wanted.rules(1).max_connections), (3, 4));
    }

    #[test]
    fn a_connection_of_no_listener_is_believed_nothing() {
        assert_eq!(Listeners::default().rules(3), STRICTEST);
    }
}
