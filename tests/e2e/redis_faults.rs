//! What can happen to a Redis, with real processes: whatever it is, no verdict is wrong while it
//! lasts (a right password is accepted or answered with a temporary failure, a wrong one refused or
//! the same), and logins work again when it is over, without a restart.

use crate::support::http::Request;
use crate::support::logins::{Logins, enrol, recovered, site, status};
use crate::support::proxy::SlowProxy;
use crate::support::redis::Redis;
use crate::support::{Server, until};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

fn server(redis: &Redis) -> Server {
    site(json!({ "master": { "address": redis.address() } })).start()
}

fn health(server: &Server) -> Value {
    let answer = server.ask(&Request::get("/healthz"));
    assert_eq!(answer.status, 200);
    serde_json::from_str(&answer.text()).unwrap()
}

/// A gauge or counter of the pool `default`.
fn metric(server: &Server, name: &str) -> f64 {
    let text = server.ask(&Request::get("/metrics")).text();
    let prefix = format!("{name}{{pool_name=\"default\"}} ");
    text.lines()
        .find_map(|line| line.strip_prefix(&prefix)?.parse().ok())
        .unwrap_or_else(|| panic!("no {name} in {text}"))
}

#[test]
fn killed() {
    let mut redis = Redis::start();
    let server = server(&redis);
    enrol(&server, &["ada"]);
    until("all workers to be connected", || (health(&server)["status"] == "ok").then_some(()));
    assert_eq!(metric(&server, "loligo_redis_up"), 1.0);
    let logins = Logins::of(&server, &["ada"]);
    redis.stop();
    assert_eq!(status(&server, "ada", "right"), 500);
    let degraded = until("the loss to be told", || {
        Some(health(&server)).filter(|health| health["status"] == "degraded")
    });
    assert_eq!(degraded["stores"]["redis"]["default"]["up"], json!(false));
    assert_eq!(metric(&server, "loligo_redis_up"), 0.0);
    let verdicts = logins.stop("killed");
    assert!(verdicts.temporary > 0);
    redis.restart();
    let back = Instant::now();
    enrol(&server, &["ada"]);
    recovered(&server, "ada", back, "Redis was killed");
    until("all workers to be connected again", || {
        (health(&server)["status"] == "ok").then_some(())
    });
    assert!(metric(&server, "redis_pool_stale_connections") >= 1.0);
}

#[test]
fn frozen() {
    let redis = Redis::start();
    let server = server(&redis);
    enrol(&server, &["ada"]);
    let logins = Logins::of(&server, &["ada"]);
    redis.freeze();
    assert_eq!(status(&server, "ada", "right"), 500);
    assert_eq!(status(&server, "ada", "wrong"), 500);
    redis.thaw();
    recovered(&server, "ada", Instant::now(), "Redis was frozen");
    logins.stop("frozen");
}

#[test]
fn slow() {
    let redis = Redis::start();
    let proxy = SlowProxy::before(redis.port);
    let server = site(json!({ "master": { "address": proxy.address.to_string() } })).start();
    enrol(&server, &["ada"]);
    proxy.delay(Duration::from_millis(200));
    let logins = Logins::of(&server, &["ada"]);
    // Slow is not away.
    assert_eq!(status(&server, "ada", "right"), 200);
    assert_eq!(status(&server, "ada", "wrong"), 403);
    // Slower than a command may take is.
    proxy.delay(Duration::from_millis(1500));
    until("a time limit", || (status(&server, "ada", "right") == 500).then_some(()));
    proxy.delay(Duration::ZERO);
    recovered(&server, "ada", Instant::now(), "Redis was slow");
    logins.stop("slow");
}

#[test]
fn made_a_replica() {
    let redis = Redis::start();
    let server = server(&redis);
    enrol(&server, &["ada"]);
    let logins = Logins::of(&server, &["ada"]);
    // A replica of a port where nobody listens keeps its data and refuses writes.
    let _: () = redis.ask(&format!("REPLICAOF 127.0.0.1 {}", crate::support::process::free_port()));
    until("a refusal", || (status(&server, "ada", "right") == 500).then_some(()));
    assert_eq!(status(&server, "ada", "wrong"), 500);
    let _: () = redis.ask("REPLICAOF NO ONE");
    recovered(&server, "ada", Instant::now(), "Redis was read-only");
    logins.stop("made a replica");
}

#[test]
fn full() {
    let redis = Redis::start();
    let server = server(&redis);
    enrol(&server, &["ada"]);
    let logins = Logins::of(&server, &["ada"]);
    let _: () = redis.ask("CONFIG SET maxmemory-policy noeviction");
    let _: () = redis.ask("CONFIG SET maxmemory 1");
    until("a refusal", || (status(&server, "ada", "right") == 500).then_some(()));
    assert_eq!(status(&server, "ada", "wrong"), 500);
    let _: () = redis.ask("CONFIG SET maxmemory 0");
    recovered(&server, "ada", Instant::now(), "Redis was full");
    logins.stop("full");
}

#[test]
fn with_another_password() {
    let redis = Redis::with(&["--requirepass", "what-it-wants-now"]);
    let config =
        json!({ "master": { "address": redis.address(), "password": "what-it-wanted-before" } });
    let mut server = site(config).start();
    for password in ["right", "wrong"] {
        assert_eq!(status(&server, "ada", password), 500);
    }
    assert_eq!(health(&server)["status"], "degraded");
    assert!(!server.log().contains("what-it-wanted-before"), "a password in the log");
    server.change(
        json!({ "server": { "redis": { "master": { "password": "what-it-wants-now" } } } }),
    );
    let mended = Instant::now();
    assert!(server.reload());
    enrol(&server, &["ada"]);
    recovered(&server, "ada", mended, "the password was wrong");
}

#[test]
fn loading() {
    let mut redis = Redis::with(&[
        "--enable-debug-command",
        "yes",
        "--key-load-delay",
        "500",
        "--loading-process-events-interval-bytes",
        "1024",
    ]);
    let server = server(&redis);
    enrol(&server, &["ada"]);
    // What is left on the disk takes a second to load, and the password is among it.
    let _: () = redis.ask("DEBUG POPULATE 2000");
    let _: () = redis.ask("SAVE");
    redis.stop();
    let logins = Logins::of(&server, &["ada"]);
    redis.restart_loading();
    recovered(&server, "ada", Instant::now(), "Redis was loading");
    logins.stop("loading");
}
