//! TLS of the listeners.

use crate::config::Config;
use crate::config::section::listener_tls;
use crate::tls::{Refreshed, ServerTls};

/// For each listener its TLS, in the order in which they are opened; those behind the last one have
/// none. Reads certificates.
#[derive(Debug, Default)]
pub struct ListenerTls(Vec<Option<ServerTls>>);

impl ListenerTls {
    pub(super) fn resolve(config: &Config, problems: &mut Vec<String>) -> ListenerTls {
        // The key about outgoing HTTP is `upstream.rs`'s.
        let listener_tls::ServerTls { listener, skip_verify: _ } = &config.server.tls;
        let at_address = listener.settings().and_then(|settings| match ServerTls::new(settings) {
            // `config` has told of warnings.
            Ok((tls, _)) => Some(tls),
            Err(flaws) => {
                problems.extend(flaws.iter().map(|flaw| format!("server.tls.{flaw}")));
                None
            }
        });
        ListenerTls(vec![at_address])
    }

    /// The TLS of a listener.
    pub fn of(&self, listener: usize) -> Option<&ServerTls> {
        self.0.get(listener)?.as_ref()
    }

    pub fn is_empty(&self) -> bool {
        self.0.iter().all(Option::is_none)
    }

    /// Reads what has changed on the disk, for connections to come. Blocks. Says what it did.
    pub fn refresh(&self) -> Vec<Refreshed> {
        self.0.iter().flatten().map(ServerTls::refresh).collect()
    }
}
