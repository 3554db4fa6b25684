//! Brute force from outside: many attempts at once over two workers, Redis going away, operators
//! listing and flushing.

use crate::support::http::Answer;
use crate::support::redis::Redis;
use crate::support::{Client, Request, Server, Site, until};
use serde_json::{Value, json};
use std::sync::{Arc, Barrier};

/// One bucket: an address may fail `limit` times within the hour.
fn site(limit: u64, redis: Option<&Redis>) -> Site {
    let redis = redis.map_or(
        json!({}),
        |redis| json!({ "master": { "address": redis.address() }, "prefix": "nt_" }),
    );
    Site::new().set(json!({
        "server": { "workers": 2, "features": ["brute_force"], "brute_force_protocols": ["imap"], "redis": redis },
        "brute_force": { "buckets": [{ "name": "b", "period": "1h", "cidr": 32, "ipv4": true, "failed_requests": limit }] },
    }))
}

fn login_from(client_ip: &str, user: &str, password: &str) -> Request {
    let request = Request::get("/api/v1/auth/header?in-memory=0")
        .header("Auth-User", user)
        .header("Auth-Pass", password);
    request.header("Auth-Protocol", "imap").header("Client-IP", client_ip)
}

fn ask(server: &Server, request: &Request) -> Answer {
    server.ask(request)
}

/// Sends all of them at the same moment, each over a connection of its own: their status codes.
fn all_at_once(server: &Server, requests: Vec<Request>) -> Vec<u16> {
    let start = Arc::new(Barrier::new(requests.len()));
    let address = server.address;
    let threads: Vec<_> = requests
        .into_iter()
        .map(|request| {
            let start = start.clone();
            std::thread::spawn(move || {
                let mut client = Client::tcp(address);
                start.wait();
                client.ask(&request).status
            })
        })
        .collect();
    threads.into_iter().map(|thread| thread.join().unwrap()).collect()
}

fn blocked_networks(server: &Server) -> Value {
    let answer: Value =
        serde_json::from_slice(&ask(server, &Request::get("/api/v1/bruteforce/list")).body)
            .unwrap();
    answer["result"][0]["ip_addresses"].clone()
}

/// Nobody is answered before a hundred are in. `late`, who knows the right password, is answered
/// when the others have failed.
const BACKEND: &str = r#"
local cache = require("nauthilus_cache")
local time = require("time")

function nauthilus_backend_verify_password(request)
    local result = nauthilus_backend_result.new()
    result:user_found(true)
    result:account_field("account")
    result:attributes({ account = request.username })
    local right = request.password == "right"
    cache.cache_update("entered", function(old) return (old or 0) + 1 end)
    while cache.cache_get("entered") < 100 do time.sleep(0.002) end
    if request.username == "late" then
        while (cache.cache_get("failed") or 0) < 99 do time.sleep(0.002) end
        @SETTLED@
    elseif not right then
        cache.cache_update("failed", function(old) return (old or 0) + 1 end)
    end
    result:authenticated(right)
    return nauthilus_builtin.BACKEND_RESULT_OK, result
end
"#;

/// In Redis, too: its replies to two workers come in no order.
const SETTLED: &str = r#"
        local redis = require("nauthilus_redis")
        while (tonumber(redis.redis_get("default", "nt_bf:3600:32:5:4:192.0.2.9/32")) or 0) < 99 do time.sleep(0.002) end
"#;

#[test]
fn of_a_hundred_attempts_at_once_none_succeeds_once_the_bucket_is_full() {
    let redis = Redis::start();
    for (redis, settled) in [(None, ""), (Some(&redis), SETTLED)] {
        let server = site(5, redis).backend(&BACKEND.replace("@SETTLED@", settled)).start();
        let mut requests: Vec<_> =
            (0..99).map(|n| login_from("192.0.2.9", &format!("user{n}"), "wrong")).collect();
        requests.push(login_from("192.0.2.9", "late", "right"));
        assert_eq!(all_at_once(&server, requests), vec![403; 100]);
        assert_eq!(blocked_networks(&server), json!({ "192.0.2.9/32": "b" }));
        assert_eq!(ask(&server, &login_from("192.0.2.9", "late", "right")).status, 403);
        assert_eq!(ask(&server, &login_from("192.0.2.10", "late", "right")).status, 200);
    }
}

#[test]
fn a_hundred_right_logins_at_once_all_succeed() {
    let redis = Redis::start();
    for redis in [None, Some(&redis)] {
        let server = site(1, redis).start();
        let requests =
            (0..100).map(|n| login_from("192.0.2.9", &format!("user{n}"), "right")).collect();
        assert_eq!(all_at_once(&server, requests), vec![200; 100]);
        assert_eq!(blocked_networks(&server), json!({}));
    }
}

#[test]
fn without_redis_the_process_counts_by_itself() {
    let mut redis = Redis::start();
    let server = site(2, Some(&redis)).start();
    assert_eq!(ask(&server, &login_from("192.0.2.9", "ada", "right")).status, 200);
    assert_eq!(ask(&server, &login_from("192.0.2.9", "ada", "wrong")).status, 403);

    redis.stop();
    // Nobody can be told whether the password is right; a wrong one counts nevertheless.
    assert_eq!(ask(&server, &login_from("192.0.2.9", "ada", "wrong")).status, 500);
    // The third attempt is refused: one failure is known from before.
    assert_eq!(ask(&server, &login_from("192.0.2.9", "ada", "right")).status, 403);
    assert_eq!(ask(&server, &login_from("192.0.2.10", "ada", "right")).status, 500);
    assert_eq!(ask(&server, &Request::get("/api/v1/bruteforce/list")).status, 500);

    redis.restart();
    until("logins to work again", || {
        (ask(&server, &login_from("192.0.2.10", "ada", "right")).status == 200).then_some(())
    });
    // This Redis has lost everything. What it did not hear of while it was away counts
    // nevertheless: an outage pardons nobody.
    wait_for_the_block(&server);
}

/// Until Redis has the block of 192.0.2.9; nobody is let in from there meanwhile.
fn wait_for_the_block(server: &Server) {
    until("the block to be in Redis", || {
        assert_eq!(ask(server, &login_from("192.0.2.9", "ada", "right")).status, 403);
        (blocked_networks(server) == json!({ "192.0.2.9/32": "b" })).then_some(())
    });
}

/// Wrong passwords while Redis does not do what it should: the buckets fill all the same.
fn guess_during(begin: impl Fn(&Redis), end: impl Fn(&Redis)) {
    let redis = Redis::start();
    let server = site(2, Some(&redis)).set(json!({ "server": { "workers": 1 } })).start();
    // Their login names are mapped.
    assert_eq!(ask(&server, &login_from("192.0.2.8", "ada", "right")).status, 200);
    assert_eq!(ask(&server, &login_from("192.0.2.9", "ada", "wrong")).status, 403);
    begin(&redis);
    // That cannot be written down; it counts all the same.
    assert_eq!(ask(&server, &login_from("192.0.2.9", "ada", "wrong")).status, 500);
    for _ in 0..2 {
        assert_eq!(ask(&server, &login_from("192.0.2.9", "ada", "right")).status, 403);
    }
    end(&redis);
    until("logins to work again", || {
        (ask(&server, &login_from("192.0.2.10", "ada", "right")).status == 200).then_some(())
    });
    wait_for_the_block(&server);
}

#[test]
fn a_full_redis_pardons_nobody() {
    let fill = |redis: &Redis| {
        let _: () = redis.ask("CONFIG SET maxmemory-policy noeviction");
        let _: () = redis.ask("CONFIG SET maxmemory 1");
    };
    guess_during(fill, |redis| redis.ask("CONFIG SET maxmemory 0"));
}

#[test]
fn a_read_only_redis_pardons_nobody() {
    let nobody = crate::support::process::free_port();
    guess_during(
        |redis| redis.ask(&format!("REPLICAOF 127.0.0.1 {nobody}")),
        |redis| redis.ask("REPLICAOF NO ONE"),
    );
}

#[test]
fn a_frozen_redis_pardons_nobody() {
    guess_during(Redis::freeze, Redis::thaw);
}

#[test]
fn operators_list_and_flush_from_the_command_line() {
    let server = site(1, None).start();
    let command = |arguments: &[&str]| server.command("bruteforce", arguments);
    let block = |address: &str| {
        for _ in 0..2 {
            assert_eq!(ask(&server, &login_from(address, "ada", "wrong")).status, 403);
        }
    };
    block("192.0.2.9");
    block("192.0.2.10");
    let networks = |bans: Value| -> Vec<Value> {
        bans.as_array().unwrap().iter().map(|ban| ban["network"].clone()).collect()
    };
    assert_eq!(networks(command(&["list", "--json"])).len(), 2);
    let one = command(&["list", "--json", "--ip", "192.0.2.9"]);
    assert_eq!(networks(one), ["192.0.2.9/32"]);

    let flushed = command(&["flush", "--json", "192.0.2.9", "b"]);
    assert_eq!(flushed["removed_keys"], json!(["BRUTEFORCE", "bf:3600:32:1:4:192.0.2.9/32"]));
    let (status, out, err) = server.run_command(&["bruteforce", "flush", "192.0.2.9"]);
    assert_eq!((status, out.as_str()), (3, ""));
    assert!(err.contains("192.0.2.9 is not banned"), "{err}");
    assert_eq!(ask(&server, &login_from("192.0.2.9", "ada", "right")).status, 200);

    // Put off, it is done a moment later.
    let job = command(&["flush", "--later", "--json", "192.0.2.10"]);
    assert_eq!(job["status"], "QUEUED");
    let path = format!("/api/v1/async/jobs/{}", job["jobId"].as_str().unwrap());
    until("the flush", || {
        let answer: Value =
            serde_json::from_slice(&ask(&server, &Request::get(&path)).body).unwrap();
        (answer["result"]["status"] == "DONE")
            .then(|| assert_eq!(answer["result"]["removed_keys"][0], "BRUTEFORCE"))
    });
    assert_eq!(blocked_networks(&server), json!({}));
    assert_eq!(ask(&server, &Request::get("/api/v1/async/jobs/unknown")).status, 404);
}

/// Spares ada at home, and an address that others log in from.
const SPARES: &str = r#"
local whitelist = require("nauthilus_soft_whitelist")
local brute_force = require("nauthilus_brute_force")

function nauthilus_run_hook()
    whitelist.soft_whitelist_set("ada", "192.0.2.0/24", "brute_force")
    assert(brute_force.set_custom_toleration({ ip_address = "198.51.100.9", tolerate_percent = 100, tolerate_ttl = "1h" }))
    return {}
end
"#;

#[test]
fn scripts_spare_users_and_addresses() {
    let redis = Redis::start();
    for redis in [None, Some(&redis)] {
        let server = site(1, redis).hook("spare", SPARES).start();
        assert_eq!(ask(&server, &Request::get("/api/v1/custom/spare")).status, 200);
        for _ in 0..3 {
            assert_eq!(ask(&server, &login_from("192.0.2.9", "ada", "wrong")).status, 403);
        }
        assert_eq!(ask(&server, &login_from("192.0.2.9", "ada", "right")).status, 200);
        // Her failures counted, and nobody else is spared.
        assert_eq!(ask(&server, &login_from("192.0.2.9", "bob", "right")).status, 403);

        for client_ip in ["198.51.100.9", "198.51.100.10"] {
            for (user, password, status) in
                [("u1", "right", 200), ("u2", "right", 200), ("eve", "wrong", 403)]
            {
                assert_eq!(ask(&server, &login_from(client_ip, user, password)).status, status);
            }
        }
        assert_eq!(ask(&server, &login_from("198.51.100.9", "u3", "right")).status, 200);
        assert_eq!(ask(&server, &login_from("198.51.100.10", "u3", "right")).status, 403);
    }
}

#[test]
fn the_configuration_in_force_can_be_read_without_its_secrets() {
    let server = site(1, None)
        .set(json!({ "server": { "redis": { "password_nonce": "a-nonce-that-is-secret" } } }))
        .start();
    let answer = ask(&server, &Request::get("/api/v1/config/load"));
    assert!(!answer.text().contains("a-nonce-that-is-secret"));
    let answer: Value = serde_json::from_slice(&answer.body).unwrap();
    let config: Value = serde_json::from_str(answer["result"].as_str().unwrap()).unwrap();
    assert_eq!((&answer["object"], &answer["operation"]), (&json!("config"), &json!("load")));
    assert_eq!(config["brute_force"]["buckets"][0]["failed_requests"], 1);
}
