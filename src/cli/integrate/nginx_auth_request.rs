//! nginx as a web server that asks this server about HTTP basic authentication (`auth_request`).
//!
//! It forwards all headers of the browser, so the client's address comes in a header that nginx
//! sets itself: `server.client_address.header`. The service `basic` needs no caller authentication.

use super::{ClientFile, Integration, fill};
use crate::config::{ListenAddress, Word};

pub fn compose(integration: &Integration<'_>) -> Result<Vec<ClientFile>, String> {
    let server = &integration.config.server;
    integration.require(server.disabled_endpoints.auth_basic, "auth_basic")?;
    let header = &server.client_address.header;
    if header.is_empty() {
        return Err(NO_HEADER.to_owned());
    }
    let needs = "HTTP or HTTPS without PROXY protocol and without client certificates";
    let target = integration.target(
        |target| {
            let tls = target.tls.as_ref();
            !target.proxy_protocol && !tls.is_some_and(|tls| tls.requires_certificate)
        },
        needs,
    )?;
    let scheme = if target.tls.is_some() { "https" } else { "http" };
    let upstream = match &target.address {
        ListenAddress::Tcp(address) => address.to_string(),
        unix => format!("{}:", unix.text()),
    };
    let tls = target.tls.as_ref().map(|tls| {
        fill(
            TLS,
            &[("CA", &integration.ca_file.display().to_string()), ("NAME", tls.name.as_str())],
        )
    });
    let text = fill(
        TEMPLATE,
        &[
            ("UPSTREAM", &format!("{scheme}://{upstream}/api/v1/auth/basic")),
            ("HEADER", header),
            ("SOCKET", &integration.socket_note(target, 12)),
            ("TLS", &tls.unwrap_or_default()),
            ("TIMEOUT", &integration.patience().to_string()),
        ],
    );
    Ok(vec![ClientFile { name: "nginx.conf", place: "/etc/nginx/nginx.conf", text }])
}

const NO_HEADER: &str = "server.client_address.header is not set: all logins would come from the \
    address of nginx, so no client could be blocked. Set server.client_address: {header: X-Real-IP}";

const TLS: &str = "            proxy_ssl_verify on;
            proxy_ssl_verify_depth 5;
            proxy_ssl_trusted_certificate @CA@;
            proxy_ssl_server_name on;
            proxy_ssl_name @NAME@;";

const TEMPLATE: &str = r#"# nginx as a web server whose pages below /private require a login.
# Browsers send the password with every request, so use TLS: uncomment the lines with ssl and change
# the paths.

events {
    worker_connections 4096;
}

http {
    server {
        listen 80;
        #listen 443 ssl;
        #ssl_certificate     /etc/ssl/web.pem;   # change
        #ssl_certificate_key /etc/ssl/web.key;   # change
        root /var/www/html;                      # change

        location /private {                      # change
            auth_request /loligo;
        }

        location = /loligo {
            internal;
@SOCKET@
            proxy_pass @UPSTREAM@;
@TLS@
            # The password is in the header Authorization; the body of the request is not needed.
            proxy_pass_request_body off;
            proxy_set_header Content-Length "";
            # The client's address (server.client_address.header). The server accepts it from unix
            # sockets and from server.trusted_proxies, which is this host unless it is set.
            proxy_set_header @HEADER@ $remote_addr;
            proxy_read_timeout @TIMEOUT@s;
        }
    }
}
"#;
