//! nginx as a mail proxy for IMAP, POP3 and SMTP submission.
//!
//! Its `auth_http` (ngx_mail_auth_http_module) speaks plain HTTP over TCP or a unix socket, sends no
//! PROXY header, and names the mail client in `Client-IP`.

use super::{ClientFile, Integration, fill};
use crate::config::{ListenAddress, Word};

pub fn compose(integration: &Integration<'_>) -> Result<Vec<ClientFile>, String> {
    let server = &integration.config.server;
    integration.require(server.disabled_endpoints.auth_nginx, "auth_nginx")?;
    let needs = "plain HTTP without TLS and PROXY protocol";
    let target = integration.target(|target| target.is_plain(), needs)?;
    let authorization = integration.authorization(target)?.map(|value| {
        format!("    # The caller authentication of this server: keep this file secret.\n    auth_http_header Authorization \"{value}\";")
    });
    let upstream = match &target.address {
        ListenAddress::Tcp(address) => address.to_string(),
        unix => format!("{}:", unix.text()),
    };
    let backend = |address: &dyn std::fmt::Display, port: u16| format!("{address}:{port}");
    let text = fill(
        TEMPLATE,
        &[
            ("AUTH_HTTP", &format!("{upstream}/api/v1/auth/nginx")),
            ("SOCKET", &integration.socket_note(target, 4)),
            ("TIMEOUT", &integration.patience().to_string()),
            ("AUTHORIZATION", &authorization.unwrap_or_default()),
            ("IMAP", &backend(&server.imap_backend_address.text(), server.imap_backend_port)),
            ("POP3", &backend(&server.pop3_backend_address.text(), server.pop3_backend_port)),
            ("SMTP", &backend(&server.smtp_backend_address.text(), server.smtp_backend_port)),
        ],
    );
    Ok(vec![ClientFile { name: "nginx.conf", place: "/etc/nginx/nginx.conf", text }])
}

const TEMPLATE: &str = r#"# nginx as a mail proxy (Debian: packages nginx and libnginx-mod-mail).
# Passwords are sent to the server as the client sent them, so clients should use TLS: uncomment the
# lines with ssl and starttls and change the paths.

load_module modules/ngx_mail_module.so;

events {
    worker_connections 4096;
}

mail {
    server_name mail.example.com;               # change

@SOCKET@
    auth_http @AUTH_HTTP@;
    # Longer than the server works on a request (server.timeouts.request).
    auth_http_timeout @TIMEOUT@s;
@AUTHORIZATION@
    proxy_pass_error_message on;

    #ssl_certificate     /etc/ssl/mail.pem;      # change
    #ssl_certificate_key /etc/ssl/mail.key;      # change

    # Mail servers behind the proxy, unless a filter selects others:
    # IMAP @IMAP@, POP3 @POP3@, SMTP @SMTP@
    # (server.imap_backend_address and so on).

    server {
        listen 143;
        protocol imap;
        imap_auth plain login;
        #starttls only;
    }
    server {
        listen 110;
        protocol pop3;
        pop3_auth plain;
        #starttls only;
    }
    server {
        listen 587;
        protocol smtp;
        smtp_auth plain login;
        # Authenticates to the mail server, as for IMAP and POP3.
        proxy_smtp_auth on;
        xclient off;
        #starttls only;
    }
}
"#;
