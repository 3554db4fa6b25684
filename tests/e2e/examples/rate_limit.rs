//! `features/rate_limit.lua`, with `init.lua` and the Redis script `count_attempt`.

use super::{example, login_from, site_with_redis};
use crate::support::redis::Redis;
use crate::support::{Server, until};

fn start(redis: &Redis) -> Server {
    site_with_redis(redis)
        .feature("rate_limit", &example("features/rate_limit.lua"))
        .env("RATE_LIMIT_ATTEMPTS", "3")
        .start()
}

fn status(server: &Server, client_ip: &str, password: &str) -> u16 {
    server.ask(&login_from(client_ip, 4711, "ada", password)).status
}

#[test]
fn who_tries_too_often_is_turned_away_until_the_window_ends() {
    let redis = Redis::start();
    let mut server = start(&redis);
    assert_eq!(status(&server, "192.0.2.1", "right"), 200);
    assert_eq!(status(&server, "192.0.2.1", "wrong"), 403);
    assert_eq!(status(&server, "192.0.2.1", "right"), 200);

    let answer = server.ask(&login_from("192.0.2.1", 4711, "ada", "right"));
    assert_eq!(
        (answer.status, answer.header("auth-status")),
        (403, Some("Too many login attempts"))
    );
    server.wait_for_log("rate_limit_attempts=4");
    assert_eq!(status(&server, "192.0.2.2", "right"), 200, "another client");

    // Later attempts do not make the window longer, and when it ends the count begins anew.
    let left: i64 = redis.ask("TTL rate_limit:192.0.2.1");
    assert!((1..=60).contains(&left), "{left}");
    let _: i64 = redis.ask("EXPIRE rate_limit:192.0.2.1 30");
    assert_eq!(status(&server, "192.0.2.1", "right"), 403);
    assert!(redis.ask::<i64>("TTL rate_limit:192.0.2.1") <= 30);
    let _: i64 = redis.ask("DEL rate_limit:192.0.2.1");
    assert_eq!(status(&server, "192.0.2.1", "right"), 200);
}

#[test]
fn without_redis_nobody_is_judged() {
    let mut redis = Redis::start();
    let server = start(&redis);
    assert_eq!(status(&server, "192.0.2.1", "right"), 200);
    redis.stop();
    until("Redis to be missed", || (status(&server, "192.0.2.1", "right") == 500).then_some(()));
    assert_eq!(status(&server, "192.0.2.1", "wrong"), 500);
}

#[test]
fn redis_may_come_after_the_server() {
    let mut redis = Redis::start();
    redis.stop();
    let server = start(&redis);
    assert_eq!(status(&server, "192.0.2.1", "right"), 500);
    assert!(
        server.log().contains("script=count_attempt"),
        "init.lua says what it could not upload"
    );
    redis.restart();
    until("logins to work", || (status(&server, "192.0.2.1", "right") == 200).then_some(()));
    assert_eq!(redis.ask::<i64>("EXISTS rate_limit:192.0.2.1"), 1);
}
