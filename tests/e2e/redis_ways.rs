//! Ways to a Redis: a unix socket, a host name, TLS with a certificate of our own authority.

use crate::support::logins::{enrol, site, status};
use crate::support::process::free_port;
use crate::support::redis::Redis;
use serde_json::json;
use std::net::ToSocketAddrs;
use tempfile::TempDir;

#[test]
fn a_unix_socket() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("redis.sock");
    let _redis = Redis::with(&["--unixsocket", path.to_str().unwrap()]);
    let server = site(json!({ "master": { "address": format!("unix:{}", path.display()) } })).start();
    enrol(&server, &["ada"]);
    assert_eq!(status(&server, "ada", "wrong"), 403);
}

#[test]
fn a_host_name() {
    let mut redis = Redis::with(&["--bind", "* -::*", "--protected-mode", "no"]);
    let server = site(json!({ "master": { "address": format!("{}:{}", own_name(), redis.port) } })).start();
    enrol(&server, &["ada"]);
    assert_eq!(status(&server, "ada", "wrong"), 403);
    redis.stop();
    assert_eq!(status(&server, "ada", "right"), 500);
    redis.restart();
    enrol(&server, &["ada"]);
}

/// A name of this host that is one for the system's resolver ("localhost" we know ourselves).
fn own_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let names = [name.trim(), "ip6-localhost", "localhost.localdomain"];
    let resolves = |name: &&str| (*name, 1).to_socket_addrs().is_ok_and(|mut found| found.next().is_some());
    (*names.iter().find(|name| resolves(name)).unwrap()).to_owned()
}

#[test]
fn a_name_that_is_nowhere_fails_temporarily_and_holds_nothing_up() {
    let server = site(json!({ "master": { "address": "redis.invalid:6379" } })).start();
    assert_eq!(status(&server, "ada", "right"), 500);
    assert_eq!(server.ask(&crate::support::Request::get("/ping")).text(), "pong");
}

#[test]
fn tls() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let key = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    std::fs::write(path("cert.pem"), key.cert.pem()).unwrap();
    std::fs::write(path("key.pem"), key.signing_key.serialize_pem()).unwrap();
    let port = free_port();
    let _redis = Redis::with(&[
        "--tls-port",
        &port.to_string(),
        "--tls-cert-file",
        &path("cert.pem"),
        "--tls-key-file",
        &path("key.pem"),
        "--tls-ca-cert-file",
        &path("cert.pem"),
        "--tls-auth-clients",
        "no",
    ]);
    let config = |tls| json!({ "master": { "address": format!("127.0.0.1:{port}") }, "tls": tls });
    let server = site(config(json!({ "enabled": true, "ca_file": path("cert.pem") }))).start();
    enrol(&server, &["ada"]);
    assert_eq!(status(&server, "ada", "wrong"), 403);
    // With another authority nobody is let in, and nobody refused.
    let other = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    std::fs::write(path("other.pem"), other.cert.pem()).unwrap();
    let stranger = site(config(json!({ "enabled": true, "ca_file": path("other.pem") }))).start();
    assert_eq!(status(&stranger, "ada", "right"), 500);
}
