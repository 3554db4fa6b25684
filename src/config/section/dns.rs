//! The section `server.dns`.

use crate::config::check::{at_most, seconds};
use crate::config::keys::{Keys, Section};
use crate::config::problem::Wrong;
use crate::config::value::Word;
use std::net::SocketAddr;
use std::time::Duration;

#[derive(Clone, Debug)]
pub struct Dns {
    /// None: the system's.
    pub resolver: Option<SocketAddr>,
    /// For one lookup as a whole; at most 30 s.
    pub timeout: Duration,
    /// Whether the client's host name is looked up for every login.
    pub resolve_client_ip: bool,
}

impl Default for Dns {
    fn default() -> Dns {
        Dns { resolver: None, timeout: seconds(5), resolve_client_ip: false }
    }
}

impl Section for Dns {
    fn keys(&mut self, keys: &mut Keys<'_>) {
        keys.value("resolver", &mut self.resolver);
        keys.or_default("timeout", &mut self.timeout, at_most(seconds(30)));
        keys.value("resolve_client_ip", &mut self.resolve_client_ip);
    }
}

/// `IP:PORT`: a resolver cannot be looked up by name.
impl Word for SocketAddr {
    fn parse(text: &str) -> Result<SocketAddr, Wrong> {
        text.parse().map_err(|_| {
            Wrong::new(format!("{text:?} is not an IP address with a port"))
                .allowed("192.0.2.53:53, [2001:db8::53]:53")
        })
    }

    fn text(&self) -> String {
        self.to_string()
    }
}
