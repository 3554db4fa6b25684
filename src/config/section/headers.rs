//! `server.default_http_request_header`: which request headers the header, nginx and basic dialects
//! read.

use crate::config::address::HeaderName;
use crate::config::keys::{Keys, Section};

/// An empty name means the default one. Changing a name makes the old header meaningless.
#[derive(Clone, Debug)]
pub struct DefaultHttpRequestHeader {
    pub username: HeaderName,
    pub password: HeaderName,
    pub password_encoded: HeaderName,
    pub protocol: HeaderName,
    pub login_attempt: HeaderName,
    pub auth_method: HeaderName,
    pub local_ip: HeaderName,
    pub local_port: HeaderName,
    pub client_ip: HeaderName,
    pub client_port: HeaderName,
    /// None: a host name that the client sends is not believed.
    pub client_host: Option<HeaderName>,
    pub client_id: HeaderName,
    pub ssl: HeaderName,
    pub ssl_session_id: HeaderName,
    pub ssl_verify: HeaderName,
    pub ssl_subject: HeaderName,
    pub ssl_client_cn: HeaderName,
    pub ssl_issuer: HeaderName,
    pub ssl_client_not_before: HeaderName,
    pub ssl_client_not_after: HeaderName,
    pub ssl_subject_dn: HeaderName,
    pub ssl_issuer_dn: HeaderName,
    pub ssl_client_subject_dn: HeaderName,
    pub ssl_client_issuer_dn: HeaderName,
    pub ssl_cipher: HeaderName,
    pub ssl_protocol: HeaderName,
    pub ssl_serial: HeaderName,
    pub ssl_fingerprint: HeaderName,
    pub oidc_cid: HeaderName,
}

impl Default for DefaultHttpRequestHeader {
    fn default() -> DefaultHttpRequestHeader {
        let name = HeaderName::known;
        DefaultHttpRequestHeader {
            username: name("Auth-User"),
            password: name("Auth-Pass"),
            password_encoded: name("X-Auth-Password-Encoded"),
            protocol: name("Auth-Protocol"),
            login_attempt: name("Auth-Login-Attempt"),
            auth_method: name("Auth-Method"),
            local_ip: name("X-Local-IP"),
            local_port: name("X-Auth-Port"),
            client_ip: name("Client-IP"),
            client_port: name("X-Client-Port"),
            client_host: None,
            client_id: name("X-Client-ID"),
            ssl: name("X-SSL"),
            ssl_session_id: name("X-SSL-Session-ID"),
            ssl_verify: name("X-SSL-Client-Verify"),
            ssl_subject: name("X-SSL-Client-DN"),
            ssl_client_cn: name("X-SSL-Client-CN"),
            ssl_issuer: name("X-SSL-Issuer"),
            ssl_client_not_before: name("X-SSL-Client-NotBefore"),
            ssl_client_not_after: name("X-SSL-Client-NotAfter"),
            ssl_subject_dn: name("X-SSL-Subject-DN"),
            ssl_issuer_dn: name("X-SSL-Issuer-DN"),
            ssl_client_subject_dn: name("X-SSL-Client-Subject-DN"),
            ssl_client_issuer_dn: name("X-SSL-Client-Issuer-DN"),
            ssl_cipher: name("X-SSL-Cipher"),
            ssl_protocol: name("X-SSL-Protocol"),
            ssl_serial: name("Auth-SSL-Serial"),
            ssl_fingerprint: name("Auth-SSL-Fingerprint"),
            oidc_cid: name("X-OIDC-CID"),
        }
    }
}

impl Section for DefaultHttpRequestHeader {
    fn keys(&mut self, keys: &mut Keys<'_>) {
        header(keys, "username", &mut self.username);
        header(keys, "password", &mut self.password);
        header(keys, "password_encoded", &mut self.password_encoded);
        header(keys, "protocol", &mut self.protocol);
        header(keys, "login_attempt", &mut self.login_attempt);
        header(keys, "auth_method", &mut self.auth_method);
        header(keys, "local_ip", &mut self.local_ip);
        header(keys, "local_port", &mut self.local_port);
        header(keys, "client_ip", &mut self.client_ip);
        header(keys, "client_port", &mut self.client_port);
        keys.value("client_host", &mut self.client_host);
        header(keys, "client_id", &mut self.client_id);
        header(keys, "ssl", &mut self.ssl);
        header(keys, "ssl_session_id", &mut self.ssl_session_id);
        header(keys, "ssl_verify", &mut self.ssl_verify);
        header(keys, "ssl_subject", &mut self.ssl_subject);
        header(keys, "ssl_client_cn", &mut self.ssl_client_cn);
        header(keys, "ssl_issuer", &mut self.ssl_issuer);
        header(keys, "ssl_client_not_before", &mut self.ssl_client_not_before);
        header(keys, "ssl_client_not_after", &mut self.ssl_client_not_after);
        header(keys, "ssl_subject_dn", &mut self.ssl_subject_dn);
        header(keys, "ssl_issuer_dn", &mut self.ssl_issuer_dn);
        header(keys, "ssl_client_subject_dn", &mut self.ssl_client_subject_dn);
        header(keys, "ssl_client_issuer_dn", &mut self.ssl_client_issuer_dn);
        header(keys, "ssl_cipher", &mut self.ssl_cipher);
        header(keys, "ssl_protocol", &mut self.ssl_protocol);
        header(keys, "ssl_serial", &mut self.ssl_serial);
        header(keys, "ssl_fingerprint", &mut self.ssl_fingerprint);
        header(keys, "oidc_cid", &mut self.oidc_cid);
    }
}

/// An empty name keeps the default.
fn header(keys: &mut Keys<'_>, key: &'static str, field: &mut HeaderName) {
    let mut given = Some(field.clone());
    keys.value(key, &mut given);
    if let Some(name) = given {
        *field = name;
    }
}
