//! Several listeners at once: who may connect, how many, who must say who it is, and what a reload
//! changes of that.

use crate::support::site::loligo;
use crate::support::{Client, Request, Site, until};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

/// A group that this user can give a file to: root any, others their own.
fn group() -> u32 {
    let own = rustix::process::getegid().as_raw();
    if rustix::process::geteuid().is_root() { 54_321 } else { own }
}

fn unix(path: &Path) -> String {
    format!("unix:{}", path.display())
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn pong(mut client: Client) {
    assert_eq!(client.ask(&Request::get("/ping")).text(), "pong");
}

#[test]
fn ports_and_sockets_are_served_side_by_side() {
    let site = Site::new();
    let [plain, narrow, given, older] =
        ["plain", "narrow", "given", "older"].map(|name| site.path(name));
    // A host without IPv6 shows the rest.
    let hosts = if TcpListener::bind("[::1]:0").is_ok() {
        vec!["127.0.0.1", "::1"]
    } else {
        vec!["127.0.0.1"]
    };
    let any = if hosts.len() == 2 { "[::]" } else { "0.0.0.0" };
    let server = site
        .set(json!({ "server": { "workers": 2, "listen_unix": [older], "listeners": [
            { "address": format!("{any}:0") },
            { "address": unix(&plain) },
            { "address": unix(&narrow), "mode": "0600" },
            { "address": unix(&given), "mode": "0620", "group": group().to_string() },
        ] } }))
        .start();
    for (path, bits) in [(&plain, 0o660), (&older, 0o660), (&narrow, 0o600), (&given, 0o620)] {
        assert_eq!(mode(path), bits, "{}", path.display());
        for _ in 0..4 {
            pong(Client::unix(path));
        }
    }
    assert_eq!(std::fs::metadata(&given).unwrap().gid(), group());
    pong(server.connect());
    let port = server.last_address().port();
    for host in hosts {
        pong(Client::tcp(SocketAddr::new(host.parse().unwrap(), port)));
    }
}

#[test]
fn the_mode_of_all_sockets_can_be_set_at_once() {
    let site = Site::new();
    let [first, second] = ["first", "second"].map(|name| site.path(name));
    let server = site
        .set(json!({ "server": {
            "unix_socket_mode": "0600", "listen_unix": [first], "listeners": [{ "address": unix(&second), "mode": "0666" }],
        } }))
        .start();
    assert_eq!((mode(&first), mode(&second)), (0o600, 0o666));
    pong(server.connect());
}

#[test]
fn callers_of_one_listener_need_not_say_who_they_are() {
    let site = Site::new().hook("secret", "function nauthilus_run_hook() return 'hook' end");
    let path = site.path("trusted.sock");
    let server = site
        .set(json!({ "server": {
            "basic_auth": { "enabled": true, "username": "proxy", "password": "a-long-password-1" },
            "admin_access": { "token": "a-token-for-admins" },
            "listeners": [{ "address": unix(&path), "mode": "0600", "caller_auth": false }],
        } }))
        .start();
    let right = Request::login("ada", "right");
    assert_eq!(server.ask(&right).status, 401);
    let there = |request: &Request| Client::unix(&path).ask(request).status;
    assert_eq!((there(&right), there(&Request::login("ada", "wrong"))), (200, 403));
    assert_eq!(there(&Request::get("/metrics")), 200);
    assert_eq!(server.ask(&Request::get("/metrics")).status, 401);
    // What has an access setting of its own keeps it, and callers count there as elsewhere.
    let config = Request::get("/api/v1/config/load");
    assert_eq!(there(&config), 401);
    assert_eq!(there(&config.clone().header("Authorization", "Bearer a-token-for-admins")), 200);
    let caller = "Basic cHJveHk6YS1sb25nLXBhc3N3b3JkLTE=";
    assert_eq!(there(&config.header("Authorization", caller)), 200);
}

/// Whether a request on a connection of its own is answered.
fn is_served(address: SocketAddr) -> bool {
    let mut answer = String::new();
    TcpStream::connect(address)
        .and_then(|mut stream| {
            stream.write_all(b"GET /ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")?;
            stream.read_to_string(&mut answer)
        })
        .is_ok()
        && answer.ends_with("pong")
}

#[test]
fn a_listener_has_no_more_connections_than_it_may() {
    let mut server = Site::new()
        .set(json!({ "server": { "workers": 2, "listeners": [{ "address": "127.0.0.1:0", "max_connections": 2 }] } }))
        .start();
    let address = server.last_address();
    let (mut first, mut second) = (Client::tcp(address), Client::tcp(address));
    for client in [&mut first, &mut second] {
        assert_eq!(client.ask(&Request::get("/ping")).text(), "pong");
    }
    for _ in 0..3 {
        let mut third = Client::tcp(address);
        third.send(b"GET");
        third.expect_close();
    }
    assert_eq!(server.metric("loligo_connections_refused_total{reason=\"max_connections\"}"), 3.0);
    server.wait_for_log("the listener has reached max_connections");
    // Those that are there go on, and each that goes makes room.
    assert_eq!(first.ask(&Request::get("/ping")).text(), "pong");
    drop(second);
    until("room for another connection", || is_served(address).then_some(()));
    // Other listeners have limits of their own.
    pong(server.connect());
}

#[test]
fn connections_from_before_a_limit_count_towards_it() {
    let mut server = Site::new()
        .set(json!({ "server": { "workers": 2, "listeners": [{ "address": "127.0.0.1:0" }] } }))
        .start();
    let address = server.last_address();
    let mut clients: Vec<_> = (0..3).map(|_| Client::tcp(address)).collect();
    for client in &mut clients {
        assert_eq!(client.ask(&Request::get("/ping")).text(), "pong");
    }
    server.change(
        json!({ "server": { "listeners": [{ "address": "127.0.0.1:0", "max_connections": 3 }] } }),
    );
    assert!(server.reload());
    until("the limit to hold", || (!is_served(address)).then_some(()));
    for client in &mut clients {
        assert_eq!(client.ask(&Request::get("/ping")).text(), "pong");
    }
    clients.pop();
    until("room for another connection", || is_served(address).then_some(()));
}

#[test]
fn a_reload_changes_rules_and_says_what_it_cannot_change() {
    let site = Site::new();
    let [kept, gone, new] = ["kept", "gone", "new"].map(|name| site.path(name));
    let mut server = site
        .set(json!({ "server": {
            "basic_auth": { "enabled": true, "username": "proxy", "password": "a-long-password-1" },
            "listeners": [{ "address": unix(&gone) }, { "address": unix(&kept) }],
        } }))
        .start();
    let login = Request::login("ada", "right");
    assert_eq!(Client::unix(&kept).ask(&login).status, 401);
    server.change(json!({ "server": { "listeners": [
        { "address": unix(&new) },
        { "address": unix(&kept), "mode": "0600", "caller_auth": false },
    ] } }));
    assert!(server.reload());
    assert_eq!(Client::unix(&kept).ask(&login).status, 200);
    // The one that is not configured any more stays as it was.
    assert_eq!(Client::unix(&gone).ask(&login).status, 401);
    assert!(!new.exists());
    assert_eq!(mode(&kept), 0o660);
    let log = server.log();
    let told = |text: &str| {
        let line = log.lines().find(|line| line.contains(text));
        let line = line.unwrap_or_else(|| panic!("no {text:?} in {log}"));
        assert!(line.contains("loligo.json:"), "{line}");
    };
    told("server.listeners[0]: is not listened on before a restart");
    told("server.listeners[1]: keeps its mode and group until a restart");
    told(&format!("{} is listened on until a restart, as before", unix(&gone)));
}

/// What `loligo check` says of these listeners; empty if they are sound.
fn check(settings: Value) -> String {
    let site = Site::new().set(settings);
    let config = site.write_config();
    let mut command = loligo();
    command.current_dir(site.path("")).args(["check", "-c"]).arg(config);
    let output = command.output().unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    let errors: String = errors
        .lines()
        .filter(|line| !line.starts_with("warning: "))
        .map(|line| format!("{line}\n"))
        .collect();
    assert_eq!(output.status.success(), errors.is_empty(), "{errors}");
    errors
}

#[test]
fn check_refuses_what_would_not_protect() {
    for (listener, problem) in [
        (json!({ "address": "unix:/run/a", "group": "no-such-group" }), "group: there is no group"),
        (json!({ "address": "unix:/run/a", "mode": "0999" }), "mode: \"0999\" is no mode"),
        (json!({ "address": "127.0.0.1:1", "mode": "0600" }), "mode: only a unix socket has one"),
        (json!({ "address": "127.0.0.1:1", "proxy_protocol": "v2" }), "proxy_protocol: "),
        (
            json!({ "address": "127.0.0.1:1", "protocol": "lmtp" }),
            "protocol: unknown word \"lmtp\" (allowed: http)",
        ),
        (json!({ "address": "127.0.0.1:1", "max_connections": "many" }), "max_connections: "),
        (json!({ "address": "127.0.0.1:1", "caller_auth": "no-one" }), "caller_auth: "),
    ] {
        let told = check(json!({ "server": { "listeners": [listener] } }));
        let expected = format!("server.listeners[0].{problem}");
        assert!(told.contains("loligo.json:") && told.contains(&expected), "{told}");
    }
    for (settings, problem) in [
        (json!({ "unix_socket_mode": "0800" }), "server.unix_socket_mode: \"0800\" is no mode"),
        (
            json!({ "address": "unix:/run/a", "haproxy_v2": true }),
            "server.haproxy_v2: is about server.address",
        ),
        (
            json!({ "address": "unix:/run/a", "listen_unix": ["/run/a"] }),
            "server.listen_unix[0]: is listened on already: server.address",
        ),
    ] {
        let told = check(json!({ "server": settings }));
        assert!(told.contains("loligo.json:") && told.contains(problem), "{told}");
    }
    let sound = json!({ "server": { "listeners": [{ "address": "unix:/run/a", "mode": "0600", "group": group().to_string() }] } });
    assert_eq!(check(sound), "");
}

#[test]
fn a_socket_that_cannot_be_made_as_it_should_keeps_the_server_from_starting() {
    let site = Site::new();
    let path = site.path("no-such-folder/a.sock");
    let config = site.set(json!({ "server": { "listeners": [{ "address": unix(&path) }] } }));
    let file = config.write_config();
    let mut command = loligo();
    command.current_dir(config.path("")).args(["serve", "-c"]).arg(file);
    let output = command.output().unwrap();
    assert!(!output.status.success());
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains("cannot listen on") && told.contains("no-such-folder"), "{told}");
}
