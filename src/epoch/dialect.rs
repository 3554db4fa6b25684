//! What the wire forms of requests and answers can be configured to.

use super::callers;
use crate::config::section::headers::DefaultHttpRequestHeader;
use crate::config::{self, Config, Feature};
use crate::dialect::settings::{Endpoints, MailServer, MailServers, Settings};

pub(super) fn settings(config: &Config, problems: &mut Vec<String>) -> Settings {
    let server = &config.server;
    let off = &server.disabled_endpoints;
    let mail_server = |host: &config::Host, port| MailServer { address: host.as_str().to_owned(), port };
    Settings {
        headers: crate::dialect::settings::HeaderTable::new(|key| header_name(&server.default_http_request_header, key)),
        endpoints: Endpoints {
            auth_header: !off.auth_header,
            auth_nginx: !off.auth_nginx,
            auth_json: !off.auth_json,
            auth_saslauthd: !off.auth_saslauthd,
            auth_basic: !off.auth_basic,
            custom_hooks: !off.custom_hooks,
            configuration: !off.configuration,
            jwt_token: server.jwt_auth.enabled && !off.auth_jwt,
            jwt_refresh: server.jwt_auth.enabled && server.jwt_auth.refresh_token && !off.auth_jwt,
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
        trusted_proxies: server.trusted_proxies.iter().copied().collect(),
    }
}

fn header_name<'a>(headers: &'a DefaultHttpRequestHeader, key: &str) -> Option<&'a str> {
    let name = match key {
        "username" => &headers.username,
        "password" => &headers.password,
        "password_encoded" => &headers.password_encoded,
        "protocol" => &headers.protocol,
        "login_attempt" => &headers.login_attempt,
        "auth_method" => &headers.auth_method,
        "local_ip" => &headers.local_ip,
        "local_port" => &headers.local_port,
        "client_ip" => &headers.client_ip,
        "client_port" => &headers.client_port,
        "client_host" => headers.client_host.as_ref()?,
        "client_id" => &headers.client_id,
        "ssl" => &headers.ssl,
        "ssl_session_id" => &headers.ssl_session_id,
        "ssl_verify" => &headers.ssl_verify,
        "ssl_subject" => &headers.ssl_subject,
        "ssl_client_cn" => &headers.ssl_client_cn,
        "ssl_issuer" => &headers.ssl_issuer,
        "ssl_client_not_before" => &headers.ssl_client_not_before,
        "ssl_client_not_after" => &headers.ssl_client_not_after,
        "ssl_subject_dn" => &headers.ssl_subject_dn,
        "ssl_issuer_dn" => &headers.ssl_issuer_dn,
        "ssl_client_subject_dn" => &headers.ssl_client_subject_dn,
        "ssl_client_issuer_dn" => &headers.ssl_client_issuer_dn,
        "ssl_cipher" => &headers.ssl_cipher,
        "ssl_protocol" => &headers.ssl_protocol,
        "ssl_serial" => &headers.ssl_serial,
        "ssl_fingerprint" => &headers.ssl_fingerprint,
        "oidc_cid" => &headers.oidc_cid,
        _ => return None,
    };
    Some(name.as_str())
}
