//! `backend_server_monitoring`: mail servers whose health is watched.

use crate::config::address::Host;
use crate::config::check::{any, no_blank, one_of};
use crate::config::keys::{Both, Keys, Section};
use crate::config::problem::Wrong;
use crate::secret::Secret;

#[derive(Clone, Debug, Default)]
pub struct BackendServerMonitoring {
    pub backend_servers: Vec<BackendServer>,
}

impl Section for BackendServerMonitoring {
    fn keys(&mut self, keys: &mut Keys<'_>) {
        keys.require("backend_servers");
        keys.sections("backend_servers", &mut self.backend_servers);
    }
}

#[derive(Clone, Debug, Default)]
pub struct BackendServer {
    /// `imap`, `pop3`, `lmtp`, `smtp`, `sieve` or `http`.
    pub protocol: String,
    pub host: Host,
    /// 0 makes every check fail.
    pub port: u16,
    /// Path for deep checks of `http`.
    pub request_uri: String,
    pub test_username: String,
    pub test_password: Secret,
    /// Whether the protocol is spoken instead of only connecting.
    pub deep_check: bool,
    pub tls: bool,
    pub tls_skip_verify: bool,
    /// Whether the check begins with a PROXY header.
    pub haproxy_v2: bool,
}

impl Section for BackendServer {
    fn keys(&mut self, keys: &mut Keys<'_>) {
        keys.required(
            "protocol",
            &mut self.protocol,
            one_of(&["imap", "pop3", "lmtp", "smtp", "sieve", "http"]),
        );
        keys.alias("ip", "host", Both::Refuse);
        keys.required("host", &mut self.host, any);
        keys.value("port", &mut self.port);
        keys.checked("request_uri", &mut self.request_uri, no_blank);
        keys.checked("test_username", &mut self.test_username, no_blank);
        keys.checked("test_password", &mut self.test_password, |password| {
            let blank = password.expose().contains(&b' ');
            if blank { Err(Wrong::new("must not contain a blank")) } else { Ok(()) }
        });
        keys.value("deep_check", &mut self.deep_check);
        keys.value("tls", &mut self.tls);
        keys.value("tls_skip_verify", &mut self.tls_skip_verify);
        keys.value("haproxy_v2", &mut self.haproxy_v2);
    }
}
