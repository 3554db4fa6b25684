//! `server.insights` (`config.md` 8.11).

use crate::config::keys::{Keys, Section};

#[derive(Clone, Debug, Default)]
pub struct Insights {
    /// Whether connections are counted for the Lua module `nauthilus_psnet`.
    pub monitor_connections: bool,
}

impl Section for Insights {
    fn keys(&mut self, keys: &mut Keys<'_>) {
        keys.value("monitor_connections", &mut self.monitor_connections);
        keys.left_out("enable_pprof", "there is no pprof");
        keys.left_out("enable_block_profile", "there is no pprof");
        keys.left_out("tracing", "there is no tracing");
    }
}
