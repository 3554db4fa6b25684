//! Ways to a Redis: a unix socket, a host name, TLS with a certificate of our own authority.

use crate::support::dns::{Manner, NameServer};
use crate::support::logins::{enrol, site, status};
use crate::support::process::free_port;
use crate::support::redis::Redis;
use serde_json::{Value, json};
use tempfile::TempDir;

#[test]
fn a_unix_socket() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("redis.sock");
    let _redis = Redis::with(&["--unixsocket", path.to_str().unwrap()]);
    let server =
        site(json!({ "master": { "address": format!("unix:{}", path.display()) } })).start();
    enrol(&server, &["ada"]);
    assert_eq!(status(&server, "ada", "wrong"), 403);
}

#[test]
fn a_host_name_is_asked_of_our_own_name_servers() {
    let names = NameServer::start(&[("redis.test", [127, 0, 0, 1])]);
    let mut redis = Redis::start();
    let address = format!("redis.test:{}", redis.port);
    let server = site(json!({ "master": { "address": address } })).set(resolver(&names)).start();
    enrol(&server, &["ada"]);
    assert_eq!(status(&server, "ada", "wrong"), 403);
    assert!(names.asked().iter().all(|name| name == "redis.test"));
    // What is known of the name serves on while the name server is silent.
    names.turn(Manner::Silent);
    redis.stop();
    assert_eq!(status(&server, "ada", "right"), 500);
    redis.restart();
    enrol(&server, &["ada"]);
}

#[test]
fn a_name_that_cannot_be_looked_up_fails_temporarily_and_holds_nothing_up() {
    let names = NameServer::start(&[("redis.test", [127, 0, 0, 1])]);
    let redis = Redis::start();
    for manner in [Manner::Silent, Manner::Failing] {
        names.turn(manner);
        let address = format!("redis.test:{}", redis.port);
        let mut server =
            site(json!({ "master": { "address": address } })).set(resolver(&names)).start();
        assert_eq!(status(&server, "ada", "right"), 500);
        assert_eq!(server.ask(&crate::support::Request::get("/ping")).text(), "pong");
        names.turn(Manner::Honest);
        enrol(&server, &["ada"]);
        // A look-up that is under way keeps nobody from ending.
        names.turn(manner);
        server.terminate();
        assert!(server.wait().success());
    }
}

#[test]
fn a_name_that_is_nowhere_fails_temporarily() {
    let names = NameServer::start(&[]);
    let mut server =
        site(json!({ "master": { "address": "redis.test:6379" } })).set(resolver(&names)).start();
    assert_eq!(status(&server, "ada", "right"), 500);
    server.wait_for_log("redis.test");
    server.wait_for_log("no such host");
}

fn resolver(names: &NameServer) -> Value {
    json!({ "server": { "dns": { "resolver": names.address(), "timeout": "1s" } } })
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
