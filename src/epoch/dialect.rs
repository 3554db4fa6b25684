//! What the wire forms of requests and answers can be configured to.

use super::callers;
use crate::auth::request::Service;
use crate::config::section::headers::DefaultHttpRequestHeader;
use crate::config::section::listeners::TrustedProxies;
use crate::config::section::server::DisabledEndpoints;
use crate::config::{self, Config, Feature};
use crate::dialect::settings::{ClientAddress, Endpoints, MailServer, MailServers, Settings};

pub(super) fn settings(config: &Config, problems: &mut Vec<String>) -> Settings {
    let server = &config.server;
    let DisabledEndpoints {
        auth_header,
        auth_json,
        auth_basic,
        auth_nginx,
        auth_saslauthd,
        auth_jwt,
        custom_hooks,
        configuration,
    } = server.disabled_endpoints;
    let mail_server =
        |host: &config::Host, port| MailServer { address: host.as_str().to_owned(), port };
    Settings {
        headers: crate::dialect::settings::HeaderTable::new(|key| {
            header_name(&server.default_http_request_header, key)
        }),
        endpoints: Endpoints {
            auth_header: !auth_header,
            auth_nginx: !auth_nginx,
            auth_json: !auth_json,
            auth_saslauthd: !auth_saslauthd,
            auth_basic: !auth_basic,
            custom_hooks: !custom_hooks,
            configuration: !configuration,
            jwt_token: server.jwt_auth.enabled && !auth_jwt,
            jwt_refresh: server.jwt_auth.enabled && server.jwt_auth.refresh_token && !auth_jwt,
        },
        caller: callers::callers(config, problems),
        metrics_access: callers::access(&server.metrics_access, problems),
        admin_access: callers::access(&server.admin_access, problems),
        mail_servers: MailServers {
            smtp: mail_server(&server.smtp_backend_address, server.smtp_backend_port),
            imap: mail_server(&server.imap_backend_address, server.imap_backend_port),
            pop3: mail_server(&server.pop3_backend_address, server.pop3_backend_port),
        },
        monitoring: server.has_feature(Feature::BackendServerMonitoring),
        wait_delay_s: server.nginx_wait_delay.into(),
        wait_min_s: server.nginx_wait_min.into(),
        client_address: client_address(&server.client_address),
        basic_lookups: server.basic_lookups,
        trusted_proxies: server.trusted_proxies.networks().iter().copied().collect(),
        passes_private_proxies: matches!(server.trusted_proxies, TrustedProxies::Auto),
    }
}

fn header_name<'a>(headers: &'a DefaultHttpRequestHeader, key: &str) -> Option<&'a str> {
    let DefaultHttpRequestHeader {
        username,
        password,
        password_encoded,
        protocol,
        login_attempt,
        auth_method,
        local_ip,
        local_port,
        client_ip,
        client_port,
        client_host,
        client_id,
        ssl,
        ssl_session_id,
        ssl_verify,
        ssl_subject,
        ssl_client_cn,
        ssl_issuer,
        ssl_client_not_before,
        ssl_client_not_after,
        ssl_subject_dn,
        ssl_issuer_dn,
        ssl_client_subject_dn,
        ssl_client_issuer_dn,
        ssl_cipher,
        ssl_protocol,
        ssl_serial,
        ssl_fingerprint,
        oidc_cid,
    } = headers;
    let name = match key {
        "username" => username,
        "password" => password,
        "password_encoded" => password_encoded,
        "protocol" => protocol,
        "login_attempt" => login_attempt,
        "auth_method" => auth_method,
        "local_ip" => local_ip,
        "local_port" => local_port,
        "client_ip" => client_ip,
        "client_port" => client_port,
        "client_host" => client_host.as_ref()?,
        "client_id" => client_id,
        "ssl" => ssl,
        "ssl_session_id" => ssl_session_id,
        "ssl_verify" => ssl_verify,
        "ssl_subject" => ssl_subject,
        "ssl_client_cn" => ssl_client_cn,
        "ssl_issuer" => ssl_issuer,
        "ssl_client_not_before" => ssl_client_not_before,
        "ssl_client_not_after" => ssl_client_not_after,
        "ssl_subject_dn" => ssl_subject_dn,
        "ssl_issuer_dn" => ssl_issuer_dn,
        "ssl_client_subject_dn" => ssl_client_subject_dn,
        "ssl_client_issuer_dn" => ssl_client_issuer_dn,
        "ssl_cipher" => ssl_cipher,
        "ssl_protocol" => ssl_protocol,
        "ssl_serial" => ssl_serial,
        "ssl_fingerprint" => ssl_fingerprint,
        "oidc_cid" => oidc_cid,
        _ => return None,
    };
    Some(name.as_str())
}

fn client_address(settings: &config::section::server::ClientAddress) -> ClientAddress {
    let config::section::server::ClientAddress { from_connection, header } = settings;
    let service = |service: &config::Service| match service {
        config::Service::Header => vec![Service::Header, Service::User],
        config::Service::Nginx => vec![Service::Nginx],
        config::Service::Basic => vec![Service::Basic],
    };
    let from_connection = from_connection.iter().flat_map(service).collect();
    ClientAddress { from_connection, header: header.to_ascii_lowercase().into_bytes() }
}
