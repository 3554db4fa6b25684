//! Bans: what the list says of them, bans by hand, and lifting them.

use crate::support::redis::Redis;
use crate::support::site::backend_that_finds_everybody;
use crate::support::{Request, Server, Site, until};
use serde_json::{Value, json};

/// A server that blocks an address after two failures.
fn site(redis: Option<&Redis>) -> Site {
    let bucket = json!({ "name": "b", "period": 3600, "cidr": 32, "ipv4": true, "failed_requests": 2, "ban_time": "8h" });
    let site = Site::new().set(json!({
        "server": { "features": ["brute_force"], "brute_force_protocols": ["imap"] },
        "brute_force": { "buckets": [bucket] },
    }));
    let address = redis.map(Redis::address);
    match address {
        Some(address) => {
            site.set(json!({ "server": { "redis": { "master": { "address": address } } } }))
        }
        None => site,
    }
}

fn login(server: &Server, client_ip: &str, user: &str, password: &str) -> u16 {
    login_at(server, client_ip, user, password, "imap")
}

fn login_at(server: &Server, client_ip: &str, user: &str, password: &str, protocol: &str) -> u16 {
    let request = Request::get("/api/v1/auth/header")
        .header("Auth-User", user)
        .header("Auth-Pass", password)
        .header("Auth-Protocol", protocol)
        .header("Client-IP", client_ip);
    server.ask(&request).status
}

fn run(server: &Server, arguments: &[&str]) -> (i32, String, String) {
    server.run_command(&[&["bruteforce"], arguments].concat())
}

/// With the state in the process and in Redis.
fn on_each_store(test: impl Fn(Option<&Redis>)) {
    test(None);
    test(Some(&Redis::start()));
}

#[test]
fn the_list_explains_a_ban() {
    on_each_store(|redis| {
        let server = site(redis).start();
        for user in ["ada", "bob", "eve"] {
            assert_eq!(login(&server, "192.0.2.9", user, "wrong"), 403);
        }
        let bans = server.command("bruteforce", &["list", "--json"]);
        let ban = &bans[0];
        assert_eq!((&ban["network"], &ban["rule"]), (&json!("192.0.2.9/32"), &json!("b")));
        assert_eq!(ban["failures"], 2);
        let (since, until) = (ban["since"].as_u64().unwrap(), ban["until"].as_u64().unwrap());
        assert_eq!(until - since, 8 * 3600);
        // The newest first; the one that met the full bucket included.
        assert_eq!(ban["users"], json!(["eve", "bob", "ada"]));

        let (status, out, _) = run(&server, &["list"]);
        assert_eq!(status, 0);
        assert!(out.starts_with("BANNED        RULE  SINCE"), "{out}");
        assert!(out.contains("192.0.2.9/32  b     20") && out.contains("eve bob ada"), "{out}");

        for (filter, matches) in [
            (["--address", "192.0.2.9"], true),
            (["--address", "192.0.2.0/24"], true),
            (["--address", "192.0.2.10"], false),
            (["--user", "BOB"], true),
            (["--user", "nobody"], false),
        ] {
            let found = server.command("bruteforce", &[&["list", "--json"], &filter[..]].concat());
            assert_eq!(found.as_array().unwrap().len(), usize::from(matches), "{filter:?}");
        }
        assert_eq!(run(&server, &["list", "--user", "nobody"]).1, "no bans that match\n");
        assert_eq!(run(&server, &["flush", "192.0.2.9"]).0, 0);
        assert_eq!(run(&server, &["list"]).1, "no bans\n");
        let (status, out, err) = run(&server, &["flush", "192.0.2.9"]);
        assert_eq!((status, out.as_str()), (3, ""));
        assert!(err.contains("nothing is changed"), "{err}");
    });
}

#[test]
fn a_network_is_banned_by_hand_and_says_why() {
    on_each_store(|redis| {
        let mut server = site(redis).start();
        assert_eq!(login(&server, "192.0.2.9", "ada", "right"), 200);
        let ban = ["block", "192.0.2.77/24", "--for", "1h", "--reason", "spam wave, ticket 7"];
        let (status, out, err) = run(&server, &ban);
        assert_eq!((status, err.as_str()), (0, ""));
        assert!(
            out.contains("192.0.2.0/24  manual") && out.contains("spam wave, ticket 7"),
            "{out}"
        );
        // Even what the in-process cache knows, and where brute force does not count.
        assert_eq!(login(&server, "192.0.2.9", "ada", "right"), 403);
        assert_eq!(login_at(&server, "192.0.2.200", "eve", "right", "smtp"), 403);
        assert_eq!(login(&server, "192.0.3.1", "ada", "right"), 200);
        server.wait_for_log("spam wave, ticket 7");
        assert!(server.log().contains("Banned by an operator"));

        let ban = &server.command("bruteforce", &["list", "--json"])[0];
        assert_eq!(
            (&ban["rule"], &ban["reason"]),
            (&json!("manual"), &json!("spam wave, ticket 7"))
        );
        assert_eq!(ban["until"].as_u64().unwrap() - ban["since"].as_u64().unwrap(), 3600);
        // An address lifts what it is in, and a network only itself.
        assert_eq!(run(&server, &["flush", "192.0.2.0/25"]).0, 3);
        assert_eq!(run(&server, &["flush", "192.0.2.5"]).0, 0);
        assert_eq!(login(&server, "192.0.2.9", "ada", "right"), 200);
        assert_eq!(run(&server, &["block", "192.0.2.9", "--reason", "again"]).0, 0);
        assert_eq!(login(&server, "192.0.2.9", "ada", "right"), 403);
        assert_eq!(run(&server, &["flush", "192.0.2.9/32", "manual"]).0, 0);
        assert_eq!(login(&server, "192.0.2.9", "ada", "right"), 200);
    });
}

#[test]
fn a_user_is_banned_by_login_name_and_by_account() {
    on_each_store(|redis| {
        let backend = backend_that_finds_everybody("", r#"request.password == "right""#).replace(
            "account = request.username",
            r#"account = request.username .. "@example.org""#,
        );
        let server = site(redis).backend(&backend).start();
        let ok = |user: &str| login(&server, "192.0.2.9", user, "right");
        assert_eq!((ok("ada"), ok("bob"), ok("eve")), (200, 200, 200));
        for who in ["ADA", "Bob@example.org"] {
            assert_eq!(run(&server, &["block", "--user", who, "--reason", "stolen"]).0, 0);
        }
        assert_eq!((ok("ada"), ok("bob"), ok("eve")), (403, 403, 200));
        let mine = server.command("bruteforce", &["list", "--json", "--user", "Ada"]);
        assert_eq!((&mine[0]["user"], &mine[0]["until"]), (&json!("ada"), &Value::Null));
        assert_eq!(run(&server, &["flush", "--user", "ada"]).0, 0);
        assert_eq!(run(&server, &["flush", "--user", "ada"]).0, 3);
        assert_eq!((ok("ada"), ok("bob")), (200, 403));
    });
}

#[test]
fn bans_by_hand_end_and_need_no_brute_force() {
    let server = Site::new().start();
    assert_eq!(run(&server, &["block", "192.0.2.9", "--for", "1s", "--reason", "short"]).0, 0);
    until("the end of the ban", || {
        (login(&server, "192.0.2.9", "ada", "right") == 200).then_some(())
    });
    // This host stands for clients whose address is not known.
    assert_eq!(run(&server, &["block", "0.0.0.0/0", "--reason", "all"]).0, 0);
    assert_eq!(login(&server, "127.0.0.1", "ada", "right"), 200);
    assert_eq!(login(&server, "192.0.2.9", "ada", "right"), 403);
}

#[test]
fn another_process_enforces_bans_by_hand_and_they_survive_restarts() {
    let redis = Redis::start();
    let (one, other) = (site(Some(&redis)).start(), site(Some(&redis)).start());
    assert_eq!(login(&other, "192.0.2.9", "ada", "right"), 200);
    assert_eq!(run(&one, &["block", "192.0.2.0/24", "--reason", "x"]).0, 0);
    until("the ban", || (login(&other, "192.0.2.9", "ada", "right") == 403).then_some(()));
    drop(one);
    let later = site(Some(&redis)).start();
    until("the ban", || (login(&later, "192.0.2.9", "ada", "right") == 403).then_some(()));
    assert_eq!(run(&later, &["flush", "192.0.2.9"]).0, 0);
    until("its end", || (login(&other, "192.0.2.9", "ada", "right") == 200).then_some(()));
}

#[test]
fn without_redis_no_ban_is_promised() {
    let mut redis = Redis::start();
    let server = site(Some(&redis)).start();
    assert_eq!(run(&server, &["block", "192.0.2.9", "--reason", "x"]).0, 0);
    redis.stop();
    let (status, out, err) = run(&server, &["block", "192.0.2.10", "--reason", "x"]);
    assert_eq!((status, out.as_str()), (1, ""));
    assert!(err.contains("500"), "{err}");
    // The one that is known stays.
    assert_eq!(login(&server, "192.0.2.9", "ada", "right"), 403);
}

#[test]
fn the_index_is_bounded_and_forgets_what_is_over() {
    let redis = Redis::start();
    let server = site(Some(&redis)).start();
    // Full of bans, of which some are over. Its blanks are tabs: blanks end an argument.
    let fill = "for i = 1, 10100 do
        local ends = i < 50 and 1000 or 4102444800000 + i
        redis.call('ZADD', KEYS[1], ends, '10.0.' .. math.floor(i / 256) .. '.' .. i % 256 .. '/32')
    end return redis.call('ZCARD', KEYS[1])"
        .replace(' ', "\t");
    assert_eq!(redis.ask::<u64>(&format!("EVAL {fill} 1 BRUTEFORCE_BANS")), 10_100);
    for user in ["ada", "bob", "eve"] {
        assert_eq!(login(&server, "192.0.2.9", user, "wrong"), 403);
    }
    until("the list to be trimmed", || {
        for n in 10..14 {
            for _ in 0..3 {
                login(&server, &format!("192.0.2.{n}"), "ada", "wrong");
            }
        }
        (redis.ask::<u64>("ZCARD BRUTEFORCE_BANS") <= 10_000).then_some(())
    });
    assert_eq!(redis.ask::<u64>("ZCOUNT BRUTEFORCE_BANS -inf 2000"), 0);
}

#[test]
fn arguments_that_cannot_be_right_are_refused() {
    let server = Site::new().start();
    for (arguments, status) in [
        (&["block", "192.0.2.0/33", "--reason", "x"][..], 2),
        (&["block", "192.0.2.9"], 2),
        (&["block", "--reason", "x"], 2),
        (&["block", "192.0.2.9", "--user", "ada", "--reason", "x"], 2),
        (&["block", "192.0.2.9", "--for", "0s", "--reason", "x"], 2),
        (&["block", "192.0.2.9", "--reason", " "], 2),
        (&["flush"], 2),
        (&["flush", "nonsense"], 1),
        (&["flush", "192.0.2.0/24", "b"], 1),
        (&["list", "--address", "x"], 2),
    ] {
        let (is, _, err) = run(&server, arguments);
        assert_eq!(is, status, "{arguments:?}: {err}");
    }
}
