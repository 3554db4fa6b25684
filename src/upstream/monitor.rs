//! Monitored servers: which of the configured mail servers answer.
//!
//! One list per configuration, shared by all workers. The background worker probes and notes; a
//! reader loads one flag per server, without a lock. What is known of a server outlives a reload
//! that does not change it.

use super::probe::Target;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

/// The servers of one configuration; empty while nothing is monitored.
#[derive(Debug, Default)]
pub struct Monitor {
    pub servers: Vec<Arc<Server>>,
}

/// A monitored server.
#[derive(Debug)]
pub struct Server {
    /// As it is configured, for scripts.
    pub protocol: String,
    pub tls_skip_verify: bool,
    pub target: Target,
    health: AtomicU8,
}

impl Monitor {
    /// Those that passed their last check, in configuration order.
    pub fn alive(&self) -> impl Iterator<Item = &Arc<Server>> {
        self.servers.iter().filter(|server| server.is_alive())
    }

    /// Servers are configured, and none of them answers.
    pub fn is_down(&self) -> bool {
        !self.servers.is_empty() && self.alive().next().is_none()
    }

    /// Takes over what `before` knows of servers that are in both: a reload takes none off the
    /// list.
    pub fn know_from(&self, before: &Monitor) {
        for server in &self.servers {
            if let Some(known) = before.servers.iter().find(|known| known.is_same(server)) {
                server.health.store(known.health.load(Relaxed), Relaxed);
            }
        }
    }
}

impl Server {
    pub fn new(protocol: String, tls_skip_verify: bool, target: Target) -> Server {
        Server { protocol, tls_skip_verify, target, health: AtomicU8::new(UNKNOWN) }
    }

    /// It passed its last check.
    pub fn is_alive(&self) -> bool {
        self.health.load(Relaxed) == ALIVE
    }

    /// Notes how a check ended. True if that is changes.
    pub fn note(&self, alive: bool) -> bool {
        let health = if alive { ALIVE } else { DOWN };
        self.health.swap(health, Relaxed) != health
    }

    fn is_same(&self, other: &Server) -> bool {
        let (a, b) = (&self.target, &other.target);
        (&self.protocol, self.tls_skip_verify, a.tls.is_some())
            == (&other.protocol, other.tls_skip_verify, b.tls.is_some())
            && (&a.host, a.port, a.haproxy_v2, a.deep_check)
                == (&b.host, b.port, b.haproxy_v2, b.deep_check)
            && (&a.request_uri, &a.username, a.password.expose())
                == (&b.request_uri, &b.username, b.password.expose())
    }
}

/// Not checked yet: counts as down, but the first check is changes either way.
const UNKNOWN: u8 = 0;
const ALIVE: u8 = 1;
const DOWN: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;
    use crate::upstream::probe::Protocol;

    fn server(port: u16, password: &str) -> Arc<Server> {
        let target = Target {
            protocol: Protocol::Imap,
            host: "192.0.2.1".into(),
            port,
            tls: None,
            haproxy_v2: false,
            deep_check: false,
            request_uri: String::new(),
            username: "test".into(),
            password: Secret::from(password),
        };
        Arc::new(Server::new("imap".into(), false, target))
    }

    #[test]
    fn only_changes_are_told() {
        let server = server(143, "");
        assert!(!server.is_alive());
        let changes: Vec<bool> =
            [false, false, true, true, false].iter().map(|alive| server.note(*alive)).collect();
        assert_eq!(changes, [true, false, true, false, true]);
    }

    #[test]
    fn nothing_monitored_is_not_down() {
        let monitor = Monitor { servers: vec![server(1, ""), server(2, "")] };
        assert!(monitor.is_down() && !Monitor::default().is_down());
        monitor.servers[1].note(true);
        assert!(!monitor.is_down());
        assert_eq!(monitor.alive().map(|server| server.target.port).collect::<Vec<_>>(), [2]);
    }

    #[test]
    fn a_reload_forgets_what_changed_only() {
        let before = Monitor { servers: vec![server(1, "old"), server(2, "same")] };
        before.servers.iter().for_each(|server| assert!(server.note(true)));
        let after =
            Monitor { servers: vec![server(3, "old"), server(2, "same"), server(1, "new")] };
        after.know_from(&before);
        assert_eq!(after.alive().map(|server| server.target.port).collect::<Vec<_>>(), [2]);
    }
}
