//! Watched mail servers: filters see those alive, nginx is told the one that a filter chose, the
//! log tells when one goes and comes.

use crate::support::dovecot::Dovecot;
use crate::support::nginx::Web;
use crate::support::process::free_port;
use crate::support::{Request, Server, Site, until};
use serde_json::{Value, json};

/// Chooses the last live server and tells all of them.
const CHOOSES: &str = r#"
local backend = require("nauthilus_backend")
function nauthilus_call_filter(request)
    local names = {}
    for i, server in ipairs(backend.get_backend_servers()) do
        names[i] = server.protocol
        backend.select_backend_server(server.host, server.port)
    end
    local result = nauthilus_backend_result.new()
    result:attributes({ alive = table.concat(names, " ") })
    backend.apply_backend_result(result)
    return nauthilus_builtin.FILTER_ACCEPT, nauthilus_builtin.FILTER_RESULT_OK
end
"#;

fn watching(servers: Value) -> Site {
    Site::new().filter("choose", CHOOSES).set(settings(servers))
}

fn settings(servers: Value) -> Value {
    json!({ "server": { "features": ["backend_server_monitoring"] }, "backend_server_monitoring": { "backend_servers": servers } })
}

fn alive(server: &Server) -> String {
    server.login("ada", "right").header("x-nauthilus-alive").unwrap_or_default().to_owned()
}

fn wait_until_alive(server: &Server, expected: &str) {
    until(&format!("{expected:?} to be alive"), || (alive(server) == expected).then_some(()));
}

fn nginx_login() -> Request {
    let headers = [
        ("Auth-User", "ada"),
        ("Auth-Pass", "right"),
        ("Auth-Protocol", "imap"),
        ("Client-IP", "192.0.2.1"),
    ];
    headers.into_iter().fold(Request::get("/api/v1/auth/nginx"), |request, (name, value)| {
        request.header(name, value)
    })
}

#[test]
fn real_servers_go_and_come_back() {
    let (mut dovecot, mut web) = (Dovecot::behind_proxy(), Web::start());
    let mut server = watching(json!([
        { "protocol": "imap", "host": "127.0.0.1", "port": dovecot.imap, "deep_check": true },
        { "protocol": "pop3", "host": "localhost", "port": dovecot.pop3, "deep_check": true },
        { "protocol": "smtp", "host": "127.0.0.1", "port": dovecot.submission, "deep_check": true },
        { "protocol": "http", "host": "127.0.0.1", "port": web.port, "deep_check": true, "request_uri": "/health" },
        { "protocol": "http", "host": "127.0.0.1", "port": web.port, "deep_check": true, "request_uri": "/elsewhere" },
        // Dovecot greets with IMAP there.
        { "protocol": "lmtp", "host": "127.0.0.1", "port": dovecot.imap, "deep_check": true },
    ]))
    .start();
    wait_until_alive(&server, "imap pop3 smtp http");
    server.wait_for_log(&format!("Server up: 127.0.0.1:{}", dovecot.imap));
    server.wait_for_log("GET: unexpected answer: HTTP/1.1 404");

    web.stop();
    server.wait_for_log(&format!(
        "Server down: 127.0.0.1:{}\" protocol=http error=\"dial tcp",
        web.port
    ));
    wait_until_alive(&server, "imap pop3 smtp");
    let metrics = server.ask(&Request::get("/metrics")).text();
    assert!(metrics.contains("backend_servers_status{server_status=\"wanted\"} 6\n"), "{metrics}");
    assert!(metrics.contains("backend_servers_status{server_status=\"alive\"} 3\n"), "{metrics}");
    let answer = server.ask(&nginx_login());
    assert_eq!(
        (answer.header("auth-server"), answer.header("auth-port")),
        (Some("127.0.0.1"), Some(dovecot.submission.to_string().as_str()))
    );

    // A reload checks at once; before and after, the servers' own turn is waited for.
    dovecot.stop();
    assert!(server.reload());
    until("nobody to be alive", || {
        (server.ask(&nginx_login()).header("auth-status") == Some("Internal failure")).then_some(())
    });
    web.restart();
    assert!(server.reload());
    wait_until_alive(&server, "http");
    dovecot.restart();
    wait_until_alive(&server, "imap pop3 smtp http");
}

#[test]
fn a_reload_changes_what_is_watched() {
    let web = Web::start();
    let http = |uri: &str| json!({ "protocol": "http", "host": "127.0.0.1", "port": web.port, "deep_check": true, "request_uri": uri });
    let down = json!({ "protocol": "imap", "host": "127.0.0.1", "port": free_port() });
    let mut server = watching(json!([http("/elsewhere"), down])).start();
    server.wait_for_log("GET: unexpected answer: HTTP/1.1 404");
    assert_eq!(alive(&server), "");

    server.change(settings(json!([down, http("/health")])));
    assert!(server.reload());
    wait_until_alive(&server, "http");
    // What is known outlives a reload that does not change it: there is no moment without servers.
    server.change(json!({ "server": { "nginx_wait_delay": 3 } }));
    assert!(server.reload());
    for _ in 0..20 {
        assert_eq!(alive(&server), "http");
    }
    // Switched off, nginx is told the fixed servers again.
    server.change(json!({ "server": { "features": [] } }));
    assert!(server.reload());
    until("the fixed server", || {
        (server.ask(&nginx_login()).header("auth-port") == Some("9931")).then_some(())
    });
}
