//! What the wire forms need to know of the configuration, in plain types, worked out once per
//! configuration.
//!
//! The configuration converts itself into this; dialects know no YAML and no environment. The
//! defaults are those of `config/loligo.yml`.

use crate::auth::caller::{Access, Callers};
use crate::auth::request::Service;
pub use crate::dialect::headers::HeaderTable;
use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

/// Everything the dialects are configured with. Immutable; one per epoch.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `server.default_http_request_header`.
    pub headers: HeaderTable,
    /// `server.disabled_endpoints`.
    pub endpoints: Endpoints,
    /// `server.basic_auth`, `server.jwt_auth`, `server.oidc_auth`; none: callers need no
    /// credentials.
    pub caller: Option<Arc<Callers>>,
    /// `server.metrics_access`
    pub metrics_access: Access,
    /// `server.admin_access`
    pub admin_access: Access,
    /// Where nginx finds the mail servers, if nothing monitors them.
    pub mail_servers: MailServers,
    /// The feature `backend_server_monitoring` is on: only a filter names the server for nginx.
    pub monitoring: bool,
    /// Ceiling of `Auth-Wait` in seconds; 0: the header is not sent.
    pub wait_delay_s: u32,
    /// Floor of `Auth-Wait` in seconds.
    pub wait_min_s: u32,
    /// Whose PROXY header and `X-Forwarded-For` are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Trusted proxies are not configured: in `X-Forwarded-For`, addresses of private networks are
    /// those of proxies if a public one was forwarded for.
    pub passes_private_proxies: bool,
    /// `server.client_address`.
    pub client_address: ClientAddress,
    /// `server.basic_lookups`: service `basic` may look users up although callers must say who they
    /// are.
    pub basic_lookups: bool,
}

/// Where the client's address is taken from the connection.
#[derive(Clone, Debug)]
pub struct ClientAddress {
    /// Services whose clients' headers are not believed.
    pub from_connection: Vec<Service>,
    /// In lower case: what a trusted proxy in front tells its client's address by; empty: nothing
    /// does.
    pub header: Vec<u8>,
}

impl Default for ClientAddress {
    fn default() -> ClientAddress {
        ClientAddress { from_connection: vec![Service::Basic], header: Vec::new() }
    }
}

impl Settings {
    /// Whether `peer` may say who the client is.
    pub fn trusts(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.trusted_proxies.iter().any(|network| network.contains(&peer))
    }
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            headers: HeaderTable::default(),
            endpoints: Endpoints::default(),
            caller: None,
            metrics_access: Access::default(),
            admin_access: Access::default(),
            mail_servers: MailServers::default(),
            monitoring: false,
            wait_delay_s: 10,
            wait_min_s: 0,
            trusted_proxies: vec![
                IpAddr::from(Ipv4Addr::LOCALHOST).into(),
                IpAddr::from(Ipv6Addr::LOCALHOST).into(),
            ],
            passes_private_proxies: true,
            client_address: ClientAddress::default(),
            basic_lookups: false,
        }
    }
}

/// Which endpoints are there; by default all but those for tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoints {
    pub auth_header: bool,
    pub auth_nginx: bool,
    pub auth_json: bool,
    pub auth_saslauthd: bool,
    pub auth_basic: bool,
    pub custom_hooks: bool,
    /// `config/load`
    pub configuration: bool,
    pub jwt_token: bool,
    pub jwt_refresh: bool,
}

impl Default for Endpoints {
    fn default() -> Endpoints {
        Endpoints {
            auth_header: true,
            auth_nginx: true,
            auth_json: true,
            auth_saslauthd: true,
            auth_basic: true,
            custom_hooks: true,
            configuration: true,
            jwt_token: false,
            jwt_refresh: false,
        }
    }
}

/// The servers that nginx is told, for the three protocols it proxies.
#[derive(Clone, Debug)]
pub struct MailServers {
    pub smtp: MailServer,
    pub imap: MailServer,
    pub pop3: MailServer,
}

impl MailServers {
    /// Only the three plain names have a server; `imaps` and the like have none.
    pub fn of(&self, protocol: &[u8]) -> Option<&MailServer> {
        match protocol {
            b"smtp" => Some(&self.smtp),
            b"imap" => Some(&self.imap),
            b"pop3" => Some(&self.pop3),
            _ => None,
        }
    }
}

impl Default for MailServers {
    fn default() -> MailServers {
        let local = |port| MailServer { address: "127.0.0.1".into(), port };
        MailServers { smtp: local(5871), imap: local(9931), pop3: local(9951) }
    }
}

/// `Auth-Server` and `Auth-Port`. nginx takes an IP address only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailServer {
    pub address: String,
    pub port: u16,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_trusted_by_default_also_when_mapped() {
        let settings = Settings::default();
        for (peer, trusted) in [
            ("127.0.0.1", true),
            ("::1", true),
            ("::ffff:127.0.0.1", true),
            ("127.0.0.2", false),
            ("192.0.2.1", false),
        ] {
            assert_eq!(settings.trusts(peer.parse().unwrap()), trusted, "{peer}");
        }
    }

    #[test]
    fn only_three_protocols_have_a_server() {
        let servers = MailServers::default();
        assert_eq!(servers.of(b"smtp").map(|server| server.port), Some(5871));
        assert_eq!(servers.of(b"imap").map(|server| server.port), Some(9931));
        assert_eq!(servers.of(b"pop3").map(|server| server.port), Some(9951));
        for other in [&b"IMAP"[..], b"imaps", b"submission", b""] {
            assert!(servers.of(other).is_none());
        }
    }
}
