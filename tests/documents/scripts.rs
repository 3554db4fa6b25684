//! A script of the documents at its stage, beside the services it asks: what it lets in, what it
//! refuses, what becomes of a login while its service is down. What is expected is what the
//! documents say of their own script.

use crate::blocks::Entry;
use crate::support::redis::Redis;
use crate::support::sql::Database;
use crate::support::stub::WebStub;
use crate::support::{PATIENCE, Request, Server, Site, until};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::sync::mpsc;

/// Runs a whole script.
pub fn run(entry: Entry, script: &str) {
    match entry {
        Entry::Feature => feature(script),
        Entry::Backend => backend(script),
        Entry::Filter => filter(script),
        Entry::Action => action(script),
        Entry::Hook => hook(script),
    }
}

/// Loads a script; the server starts with it and still serves.
pub fn load(entry: Entry, script: &str) {
    let site = match entry {
        Entry::Feature => Site::new().feature("document", script),
        Entry::Backend => Site::new().backend(script),
        Entry::Filter => Site::new().filter("document", script),
        Entry::Action => Site::new().post_action("document", script),
        Entry::Hook => Site::new().hook("document", script),
    };
    assert_eq!(site.start().ask(&Request::get("/ping")).status, 200);
}

/// Runs statements as the body of a backend's function. All their calls must be there. The one
/// result object that the documents show in this way names an account that it does not give, so
/// that its login ends as a temporary failure of the server, not of the script.
pub fn run_body(statements: &str) {
    let server = Site::new()
        .backend(&format!(
            "function nauthilus_backend_verify_password(request)\n{statements}\nend\n"
        ))
        .start();
    assert_eq!(login(&server, "ada", "right").0, 500);
    assert_no_script_failed(&server);
}

fn feature(script: &str) {
    let mut service = WebStub::answering(200, json!({ "found": false }));
    let mut server =
        Site::new().feature("document", script).env("BLOCKLIST_URL", service.url("/")).start();
    assert_eq!(login(&server, "ada", "right").0, 200);
    assert_eq!(login(&server, "ada", "wrong").0, 403);
    assert_eq!(service.last_asked().json(), json!({ "ip": CLIENT }));
    service.answer(200, json!({ "found": true }));
    assert_eq!(login(&server, "ada", "right"), (403, "IP address blocked".into()));
    server.wait_for_log(&format!("blocklist_ip={CLIENT}"));
    // The script reports this as its own failure, which is logged and decides nothing.
    service.answer(200, json!({ "error": "no database" }));
    assert_eq!(login(&server, "ada", "right").0, 200);
    assert_no_script_failed(&server);

    service.answer(500, "");
    assert_eq!(login(&server, "ada", "right").0, 500);
    service.stop();
    assert_eq!(login(&server, "ada", "right").0, 500);
    server.wait_for_log("Lua script failed");
}

fn backend(script: &str) {
    let mut database = users();
    let server = Site::new().backend(script).start();
    let answer = server.ask(&request("ada", "secret"));
    assert_eq!((answer.status, answer.header("auth-user")), (200, Some("ada@example.org")));
    assert_eq!(login(&server, "ada", "Secret").0, 403);
    assert_eq!(login(&server, "nobody", "secret").0, 403);
    let lookup = Request::login_at("/api/v1/auth/header?mode=no-auth", "ada", "");
    assert_eq!(server.ask(&lookup).status, 200);
    let accounts = server.ask(
        &Request::get("/api/v1/auth/json?mode=list-accounts").header("Accept", "application/json"),
    );
    assert_eq!(
        serde_json::from_slice::<Value>(&accounts.body).unwrap(),
        json!(["ada@example.org", "bob@example.org"])
    );
    assert_no_script_failed(&server);

    database.stop();
    for password in ["secret", "Secret"] {
        assert_eq!(login(&server, "ada", password).0, 500);
    }
}

fn filter(script: &str) {
    let mut service = WebStub::answering(
        202,
        json!({ "guid": "g-1", "object": { "policy_reject": false, "countries": ["DE", "FR"] } }),
    );
    let mut server =
        Site::new().filter("document", script).env("GEOIP_POLICY_URL", service.url("/")).start();
    assert_eq!(login(&server, "ada", "right").0, 200);
    let asked = service.last_asked().json();
    assert_eq!(asked, json!({ "key": "client", "value": { "address": CLIENT, "sender": "ada" } }));
    server.wait_for_log("geoippolicyd_guid=g-1 geoippolicyd_countries=DE,FR");
    assert_eq!(login(&server, "ada", "wrong").0, 403);
    service.answer(202, json!({ "guid": "g-2", "object": { "policy_reject": true } }));
    assert_eq!(login(&server, "ada", "right"), (403, "Policy violation".into()));
    assert_eq!(
        server.login("ada", "right").status,
        200,
        "a client whose address is not routed is not asked about"
    );
    assert_no_script_failed(&server);

    service.stop();
    assert_eq!(login(&server, "ada", "right").0, 500);
    assert_eq!(login(&server, "ada", "wrong").0, 403);
}

fn action(script: &str) {
    let (address, lines) = haproxy();
    let bucket =
        json!({ "name": "b", "period": "1h", "cidr": 24, "ipv4": true, "failed_requests": 1 });
    let site = Site::new().file("document.lua", script).set(json!({
        "server": { "features": ["brute_force"], "brute_force_protocols": ["imap", "submission"] },
        "brute_force": { "buckets": [bucket] },
        "lua": {
            "actions": [{ "type": "brute_force", "name": "document", "script_path": "document.lua" }],
            "search": [{ "protocol": ["imap", "submission"] }],
        },
    }));
    let site = site
        .env("HAPROXY_STATS", address)
        .env("HAPROXY_SMTP_MAP", "/maps/smtp")
        .env("HAPROXY_GENERIC_MAP", "/maps/generic");
    let server = site.start();
    let refused = |protocol: &str| {
        let request = Request::get("/api/v1/auth/header?in-memory=0")
            .header("Auth-User", "ada")
            .header("Auth-Pass", "wrong");
        server.ask(&request.header("Client-IP", CLIENT).header("Auth-Protocol", protocol)).status
    };
    assert_eq!((refused("imap"), refused("imap")), (403, 403));
    assert_eq!(
        lines.recv_timeout(PATIENCE).unwrap(),
        "add map /maps/generic 198.18.0.0/24 block_imap"
    );
    assert_eq!(refused("submission"), 403);
    assert_eq!(
        lines.recv_timeout(PATIENCE).unwrap(),
        "add map /maps/smtp 198.18.0.0/24 block_smtp"
    );
    assert_no_script_failed(&server);
}

fn hook(script: &str) {
    let mut redis = Redis::start();
    let hook = json!({ "http_location": "document", "http_method": "POST", "script_path": "document.lua" });
    let settings = json!({ "server": { "redis": { "master": { "address": redis.address() } } }, "lua": { "custom_hooks": [hook] } });
    let server = Site::new().file("document.lua", script).set(settings).start();
    let _: i64 = redis.ask("HSET ntc:DS_ACCOUNT 192.0.2.1:4711 ada 192.0.2.1:4712 ada");
    let _: i64 = redis.ask("HSET ntc:DS:ada 192.0.2.1:4711 x 192.0.2.1:4712 x");
    let event = |category: &str| {
        let fields = json!({ "user": "ada", "remote_ip": "192.0.2.1", "remote_port": 4711 });
        let body = json!({ "categories": ["auth-client", category], "fields": fields }).to_string();
        let answer =
            server.ask(&Request::post("/api/v1/custom/document", "application/json", body));
        (answer.status, serde_json::from_slice::<Value>(&answer.body).unwrap())
    };
    let (status, other) = event("service:smtp");
    assert_eq!((status, &other["category"]), (200, &Value::Null));
    assert_eq!(redis.ask::<i64>("HLEN ntc:DS_ACCOUNT"), 2);

    let (status, result) = event("service:imap-login");
    assert_eq!(status, 200);
    for (key, value) in [
        ("caller", "callback.lua"),
        ("state", "client disconnected"),
        ("category", "service:imap-login"),
        ("user", "ada"),
    ] {
        assert_eq!(result[key], value, "{result}");
    }
    assert_eq!(redis.ask::<Vec<String>>("HKEYS ntc:DS_ACCOUNT"), ["192.0.2.1:4712"]);
    assert_eq!(redis.ask::<Vec<String>>("HKEYS ntc:DS:ada"), ["192.0.2.1:4712"]);

    let plain = server.ask(&Request::post("/api/v1/custom/document", "text/plain", "x"));
    assert_eq!(plain.status, 200);
    until("the refusal to be printed", || {
        server.log().contains("Wrong 'Content-Type'").then_some(())
    });
    // It does without Redis, and says nothing of it.
    redis.stop();
    assert_eq!(event("service:imap-login").0, 200);
    assert_no_script_failed(&server);
}

/// A MariaDB where the documents' backend looks for it, with the table that it asks. The passwords
/// are "secret".
pub fn users() -> Database {
    Database::mariadb_at(MYSQL_PORT, USERS)
}

/// Whether somebody is already where the documents' backend looks for its database.
pub fn mysql_port_is_taken() -> bool {
    TcpListener::bind(("127.0.0.1", MYSQL_PORT)).is_err()
}

/// HAProxy's socket for statistics: its address, and the lines that come.
pub fn haproxy() -> (String, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (sender, lines) = mpsc::channel();
    // It ends with the process: nothing tells it that nobody connects any more.
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            for line in BufReader::new(stream.unwrap()).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        }
    });
    (address, lines)
}

/// A login from the public internet, whose result neither comes from the server's memory nor goes
/// there.
pub fn request(user: &str, password: &str) -> Request {
    let request = Request::get("/api/v1/auth/header?in-memory=0")
        .header("Auth-User", user)
        .header("Auth-Pass", password);
    request.header("Auth-Protocol", "imap").header("Client-IP", CLIENT)
}

fn login(server: &Server, user: &str, password: &str) -> (u16, String) {
    let answer = server.ask(&request(user, password));
    (answer.status, answer.header("auth-status").unwrap_or_default().to_owned())
}

fn assert_no_script_failed(server: &Server) {
    let log = server.log();
    assert!(!log.contains("Lua script failed"), "{log}");
}

/// The address of the clients; the scripts leave those of private networks alone.
pub const CLIENT: &str = "198.18.0.1";

/// What `tcp(127.0.0.1)` means.
pub const MYSQL_PORT: u16 = 3306;

const USERS: &str = "
CREATE DATABASE IF NOT EXISTS `database` CHARACTER SET utf8mb4;
CREATE USER IF NOT EXISTS user@'%' IDENTIFIED BY 'password';
CREATE USER IF NOT EXISTS user@localhost IDENTIFIED BY 'password';
GRANT ALL ON `database`.* TO user@'%';
GRANT ALL ON `database`.* TO user@localhost;
CREATE TABLE `database`.users (username VARCHAR(64) PRIMARY KEY, account VARCHAR(64), password VARCHAR(255), totp_secret VARCHAR(64));
INSERT INTO `database`.users VALUES ('ada', 'ada@example.org', '{SSHA256}YHwWAhvYSecp3KMnWk68BDFr3xsXX9GS62TGo7+BLF5hYmNkZWZnaA==', NULL);
INSERT INTO `database`.users VALUES ('bob', 'bob@example.org', '{SSHA256}YHwWAhvYSecp3KMnWk68BDFr3xsXX9GS62TGo7+BLF5hYmNkZWZnaA==', NULL);
";
