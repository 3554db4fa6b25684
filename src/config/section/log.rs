//! `server.log`. Everything is logged to standard output.

use crate::config::check::each_one_of;
use crate::config::choice::LogLevel;
use crate::config::keys::{Keys, Section};

#[derive(Clone, Debug, Default)]
pub struct Log {
    pub level: LogLevel,
    /// JSON lines instead of `key=value`.
    pub json: bool,
    pub color: bool,
    /// Whether a line names the place in the source that wrote it.
    pub add_source: bool,
    /// What the level `debug` is about; none given: everything.
    pub debug_modules: Vec<String>,
}

impl Section for Log {
    fn keys(&mut self, keys: &mut Keys<'_>) {
        // An empty word means what no word means.
        let mut level = Some(self.level);
        keys.value("level", &mut level);
        self.level = level.unwrap_or_default();
        keys.value("json", &mut self.json);
        keys.value("color", &mut self.color);
        keys.value("add_source", &mut self.add_source);
        keys.checked("debug_modules", &mut self.debug_modules, each_one_of(&MODULES));
    }
}

const MODULES: [&str; 20] = [
    "none",
    "all",
    "auth",
    "hydra",
    "webauthn",
    "statistics",
    "whitelist",
    "ldap",
    "ldappool",
    "cache",
    "brute_force",
    "rbl",
    "action",
    "feature",
    "lua",
    "filter",
    "tolerate",
    "neural",
    "jwt",
    "http",
];
