//! nginx as a web server that asks us by `auth_request`, with what
//! `loligo integrate` prints.

use crate::support::nginx::AuthRequest;
use crate::support::site::backend_that_finds_everybody;
use crate::support::{Client, Request, Site};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;

fn page(name: &str, password: &str) -> Request {
    let credentials = BASE64_STANDARD.encode(format!("{name}:{password}"));
    Request::get("/private/page").header("Authorization", format!("Basic {credentials}"))
}

#[test]
fn a_page_is_for_those_who_log_in_and_their_address_is_the_browsers() {
    // Whoever comes from elsewhere is refused, whatever it says of itself.
    let accepts = r#"request.password == "right" and request.client_ip == "127.0.0.7""#;
    let site = Site::new().backend(&backend_that_finds_everybody("", accepts));
    let path = site.path("auth.sock");
    let server = site
        .set(json!({ "server": {
            "client_address": { "header": "X-Real-IP" },
            "listen_unix": [path],
        } }))
        .start();
    for upstream in [server.address.to_string(), format!("unix:{}", path.display())] {
        let arguments = ["nginx-auth-request", "--listener", &upstream];
        let nginx = AuthRequest::start(server.integrate(server.address_setting(), &arguments));
        let ask = |from: &str, request: &Request| {
            Client::tcp_from(from.parse().unwrap(), nginx.address()).ask(request)
        };
        assert_eq!(ask("127.0.0.7", &page("ada", "right")).status, 200, "{upstream}");
        let without = ask("127.0.0.7", &Request::get("/private/page"));
        assert_eq!(without.status, 401);
        assert!(without.header("www-authenticate").unwrap_or_default().starts_with("Basic"));
        for refused in [
            ask("127.0.0.7", &page("ada", "wrong")),
            ask("127.0.0.8", &page("eve", "right")),
            ask("127.0.0.8", &page("eve", "right").header("X-Real-IP", "127.0.0.7")),
            ask("127.0.0.8", &page("eve", "right").header("Client-IP", "127.0.0.7")),
            ask("127.0.0.8", &page("eve", "right").header("X-Forwarded-For", "127.0.0.7")),
        ] {
            assert!(matches!(refused.status, 401 | 403), "{refused:?}");
        }
    }
}
