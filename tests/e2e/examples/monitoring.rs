//! `filters/monitoring.lua` and `hooks/dovecot_session_cleaner.lua`: sessions find a live server,
//! and are forgotten when they end.

use super::{example, login_from, site_with_redis};
use crate::support::redis::Redis;
use crate::support::{Request, Server, until};
use serde_json::{Value, json};
use std::net::TcpListener;

/// Two mail servers that can be connected to; no more is checked of them.
struct MailServers(Vec<TcpListener>);

impl MailServers {
    fn start() -> MailServers {
        MailServers(
            ["127.0.0.1:0", "127.0.0.2:0"]
                .map(|address| TcpListener::bind(address).unwrap())
                .into(),
        )
    }

    fn settings(&self) -> Value {
        let server = |listener: &TcpListener| {
            let address = listener.local_addr().unwrap();
            json!({ "protocol": "imap", "host": address.ip().to_string(), "port": address.port() })
        };
        let servers: Vec<Value> = self.0.iter().map(server).collect();
        json!({ "server": { "features": ["backend_server_monitoring"] }, "backend_server_monitoring": { "backend_servers": servers } })
    }
}

fn start(redis: &Redis, mail: &MailServers) -> Server {
    let cleaner = json!({ "http_location": "dovecot-session", "http_method": "POST", "script_path": "cleaner.lua" });
    let site = site_with_redis(redis)
        .filter("monitoring", &example("filters/monitoring.lua"))
        .set(mail.settings());
    let site = site
        .file("cleaner.lua", &example("hooks/dovecot_session_cleaner.lua"))
        .set(json!({ "lua": { "custom_hooks": [cleaner] } }));
    let server = site.start();
    until("the servers to be found alive", || {
        server
            .ask(&Request::get("/metrics"))
            .text()
            .contains("backend_servers_status{server_status=\"alive\"} 2\n")
            .then_some(())
    });
    server
}

/// The status of a session's login and the server that it is told.
fn login(server: &Server, user: &str, client_port: u16) -> (u16, String) {
    let answer = server.ask(&login_from("192.0.2.1", client_port, user, "right"));
    (answer.status, answer.header("x-nauthilus-host").unwrap_or_default().to_owned())
}

fn session_ends(server: &Server, event: &str, client_port: u16) -> Value {
    let fields = json!({ "user": "ada", "remote_ip": "192.0.2.1", "remote_port": client_port });
    let body = json!({ "event": event, "categories": ["imap", "service:imap"], "fields": fields });
    let answer = server.ask(&Request::post(
        "/api/v1/custom/dovecot-session",
        "application/json",
        body.to_string(),
    ));
    assert_eq!(answer.status, 200, "{}", answer.text());
    serde_json::from_slice(&answer.body).unwrap()
}

#[test]
fn sessions_of_an_account_go_to_one_server() {
    let (redis, mail) = (Redis::start(), MailServers::start());
    let mut server = start(&redis, &mail);
    for (user, host) in [("ada", "127.0.0.1"), ("bob", "127.0.0.2")] {
        let _: i64 = redis.ask(&format!("HSET sessions:{user} 192.0.2.9:1 {host}"));
        for port in 1000..1005 {
            assert_eq!(login(&server, user, port), (200, host.into()));
        }
        assert_eq!(redis.ask::<i64>(&format!("HLEN sessions:{user}")), 6);
        assert!(redis.ask::<i64>(&format!("TTL sessions:{user}")) > 0);
    }
    server.wait_for_log("backend_server=127.0.0.2");

    let nginx = Request::login_at("/api/v1/auth/nginx?in-memory=0", "bob", "right")
        .header("X-Client-Port", "1005");
    let answer = server.ask(&nginx);
    let port = mail.0[1].local_addr().unwrap().port().to_string();
    assert_eq!(
        (answer.header("auth-server"), answer.header("auth-port")),
        (Some("127.0.0.2"), Some(port.as_str()))
    );

    // A look-up follows and leaves no trace; a failed login neither.
    let lookup = Request::login_at("/api/v1/auth/header?mode=no-auth", "bob", "");
    assert_eq!(server.ask(&lookup).header("x-nauthilus-host"), Some("127.0.0.2"));
    assert_eq!(server.ask(&login_from("192.0.2.1", 1, "carl", "wrong")).status, 403);
    assert_eq!(redis.ask::<Vec<String>>("KEYS sessions:*").len(), 2);
    let by_http = Request::get("/api/v1/auth/header")
        .header("Auth-User", "ada")
        .header("Auth-Pass", "right")
        .header("Auth-Protocol", "http");
    let answer = server.ask(&by_http.header("Client-IP", "192.0.2.1"));
    assert_eq!(
        (answer.status, answer.header("x-nauthilus-host")),
        (200, None),
        "a protocol without servers"
    );
}

#[test]
fn a_session_that_ended_is_forgotten() {
    let (mut redis, mail) = (Redis::start(), MailServers::start());
    let server = start(&redis, &mail);
    assert_eq!((login(&server, "ada", 1001).0, login(&server, "ada", 1002).0), (200, 200));
    assert_eq!(
        session_ends(&server, "mail_user_session_started", 1001),
        json!({ "status": "ignored" })
    );
    assert_eq!(
        session_ends(&server, "mail_user_session_finished", 1001),
        json!({ "session": "192.0.2.1:1001", "status": "removed" })
    );
    assert_eq!(session_ends(&server, "mail_user_session_finished", 1001)["status"], "unknown");
    assert_eq!(redis.ask::<Vec<String>>("HKEYS sessions:ada"), ["192.0.2.1:1002"]);
    assert_eq!(session_ends(&server, "proxy_session_finished", 1002)["status"], "removed");
    assert_eq!(redis.ask::<Vec<String>>("KEYS session*"), [""; 0]);

    let post = |content_type: &str, body: &str| {
        server.ask(&Request::post("/api/v1/custom/dovecot-session", content_type, body)).status
    };
    assert_eq!(post("application/json; charset=utf-8", "{"), 400);
    assert_eq!(post("application/json", "[]"), 400);
    assert_eq!(post("application/jsonx", "{}"), 415);
    redis.stop();
    let event = r#"{"event":"mail_user_session_finished","fields":{"remote_ip":"192.0.2.1","remote_port":1}}"#;
    until("Redis to be missed", || (post("application/json", event) == 500).then_some(()));
}

#[test]
fn without_a_live_server_or_redis_nobody_is_judged() {
    let (mut redis, mut mail) = (Redis::start(), MailServers::start());
    let mut server = start(&redis, &mail);
    let _: i64 = redis.ask("HSET sessions:ada 192.0.2.9:1 127.0.0.2");
    assert_eq!(login(&server, "ada", 1001), (200, "127.0.0.2".into()));
    mail.0.pop();
    // A reload checks at once.
    assert!(server.reload());
    until("ada to be sent elsewhere", || {
        (login(&server, "ada", 1001) == (200, "127.0.0.1".into())).then_some(())
    });
    assert_eq!(redis.ask::<Vec<String>>("HGETALL sessions:ada"), ["192.0.2.1:1001", "127.0.0.1"]);
    mail.0.clear();
    assert!(server.reload());
    until("nobody to be sent anywhere", || (login(&server, "ada", 1001).0 == 500).then_some(()));
    assert_eq!(server.ask(&login_from("192.0.2.1", 1001, "ada", "wrong")).status, 403);

    let mail = MailServers::start();
    server.change(mail.settings());
    assert!(server.reload());
    until("logins to work", || (login(&server, "ada", 1001).0 == 200).then_some(()));
    redis.stop();
    until("Redis to be missed", || (login(&server, "ada", 1001).0 == 500).then_some(()));
}
