//! `server.timeouts`: how long each kind of wait may take.

use crate::config::check::{milliseconds, minutes, seconds};
use crate::config::keys::{Keys, Section};
use std::time::Duration;

/// All of them more than 0; 0 means the default.
#[derive(Clone, Debug)]
pub struct Timeouts {
    /// From the end of a request's head to its verdict; then it is a temporary failure.
    pub request: Duration,
    /// From the first byte of a request to the end of its head.
    pub head: Duration,
    /// From the accept of a connection to the end of its TLS handshake; part of `head`.
    pub tls_handshake: Duration,
    /// From the end of the head to the end of the body.
    pub body: Duration,
    /// Between two requests of one connection.
    pub idle: Duration,
    /// Until the client has taken the answer.
    pub write: Duration,
    pub redis_read: Duration,
    pub redis_write: Duration,
    pub ldap_search: Duration,
    pub ldap_bind: Duration,
    pub ldap_modify: Duration,
    /// Waiting of one run of a Lua backend.
    pub lua_backend: Duration,
    /// Waiting of one script run; its computing is bounded by `lua.config.cpu_limit`.
    pub lua_script: Duration,
}

impl Default for Timeouts {
    fn default() -> Timeouts {
        Timeouts {
            request: seconds(10),
            head: seconds(10),
            // A handshake takes two round trips and milliseconds.
            tls_handshake: seconds(5),
            body: seconds(30),
            idle: seconds(75),
            write: seconds(30),
            redis_read: seconds(1),
            redis_write: seconds(2),
            ldap_search: seconds(3),
            ldap_bind: seconds(3),
            ldap_modify: seconds(5),
            lua_backend: seconds(5),
            lua_script: seconds(10),
        }
    }
}

impl Section for Timeouts {
    fn keys(&mut self, keys: &mut Keys<'_>) {
        let named = [
            ("request", &mut self.request),
            ("head", &mut self.head),
            ("tls_handshake", &mut self.tls_handshake),
            ("body", &mut self.body),
            ("idle", &mut self.idle),
            ("write", &mut self.write),
            ("redis_read", &mut self.redis_read),
            ("redis_write", &mut self.redis_write),
            ("ldap_search", &mut self.ldap_search),
            ("ldap_bind", &mut self.ldap_bind),
            ("ldap_modify", &mut self.ldap_modify),
            ("lua_backend", &mut self.lua_backend),
            ("lua_script", &mut self.lua_script),
        ];
        for (key, field) in named {
            keys.or_default(key, field, |value| {
                crate::config::check::between(milliseconds(1), minutes(60))(value)
            });
        }
        keys.left_out("singleflight_work", "equal requests are not merged");
    }
}
