//! Login counters survive a restart in Redis, and a Redis that is away loses none.

use crate::support::redis::Redis;
use crate::support::{Request, Server, Site, until};
use serde_json::json;

/// Two workers, results are not remembered.
fn start(redis: &Redis) -> Server {
    let server = json!({ "instance_name": "mail-1", "workers": 2, "redis": { "master": { "address": redis.address() }, "prefix": "nt_" } });
    Site::new().set(json!({ "server": server })).start()
}

/// `logins_total`: success, failure.
fn counts(server: &Server) -> (u64, u64) {
    let text = server.ask(&Request::get("/metrics")).text();
    let count = |outcome: &str| {
        let prefix = format!("logins_total{{logins=\"{outcome}\"}} ");
        text.lines()
            .find_map(|line| line.strip_prefix(&prefix)?.parse().ok())
            .unwrap_or_else(|| panic!("no {outcome} in {text}"))
    };
    (count("success"), count("failure"))
}

fn log_in(server: &Server, password: &str, status: u16) {
    // On a new connection, so that both workers have some.
    assert_eq!(server.ask(&Request::uncached_login("ada", password)).status, status);
}

fn end(mut server: Server) {
    server.terminate();
    assert!(server.wait().success());
}

fn saved(redis: &Redis) -> (u64, u64) {
    redis.ask("HMGET nt_COUNTER_MAIL-1 success failure")
}

#[test]
fn they_go_on_where_the_last_process_stopped() {
    let redis = Redis::start();
    let server = start(&redis);
    for _ in 0..8 {
        log_in(&server, "right", 200);
    }
    log_in(&server, "wrong", 403);
    assert_eq!(counts(&server), (8, 1));
    end(server);
    assert_eq!(saved(&redis), (8, 1));

    let server = start(&redis);
    until("the counters to be loaded", || (counts(&server) == (8, 1)).then_some(()));
    log_in(&server, "right", 200);
    assert_eq!(counts(&server), (9, 1));
    end(server);
    assert_eq!(saved(&redis), (9, 1));
}

#[test]
fn a_redis_that_is_away_at_start_and_end_loses_none() {
    let redis = Redis::start();
    let _: () = redis.ask("HSET nt_COUNTER_MAIL-1 success 100 failure 50");
    redis.freeze();
    let mut server = start(&redis);
    server.wait_for_log("Login counters cannot be loaded");
    end(server);
    // It still says what it said.
    redis.thaw();
    assert_eq!(saved(&redis), (100, 50));
    redis.freeze();
    let server = start(&redis);
    redis.thaw();
    until("the counters to be loaded", || (counts(&server) == (100, 50)).then_some(()));
    until("a login", || {
        (server.ask(&Request::uncached_login("ada", "right")).status == 200).then_some(())
    });
    assert_eq!(counts(&server), (101, 50));
    end(server);
    assert_eq!(saved(&redis), (101, 50));
}

#[test]
fn a_reload_neither_doubles_nor_loses_them() {
    let redis = Redis::start();
    let _: () = redis.ask("HSET nt_COUNTER_MAIL-1 success 100 failure 50");
    let mut server = start(&redis);
    until("the counters to be loaded", || (counts(&server) == (100, 50)).then_some(()));
    log_in(&server, "right", 200);
    assert!(server.reload());
    // They are saved with every reload.
    until("the counters to be saved", || (saved(&redis) == (101, 50)).then_some(()));
    assert_eq!(counts(&server), (101, 50));
}
