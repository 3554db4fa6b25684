//! A cluster of three masters: two servers share their state through it, whatever slots the keys
//! are in; slots that move and nodes that go away cost temporary failures at most.

use crate::support::http::Request;
use crate::support::logins::{Logins, enrol, recovered, site, status};
use crate::support::redis::Cluster;
use crate::support::{Site, until};
use serde_json::{Value, json};
use std::time::Instant;

/// Twelve users: their keys lie in all three thirds.
const USERS: [&str; 12] =
    ["u0", "u1", "u2", "u3", "u4", "u5", "u6", "u7", "u8", "u9", "u10", "u11"];

/// Works on keys of many slots in one go and says what came of it.
const HOOK: &str = r#"
local nauthilus_redis = require("nauthilus_redis")
local nauthilus_http_response = require("nauthilus_http_response")

local function check(value, err)
    if err then error(err) end
    return value
end

function nauthilus_run_hook(logging, session)
    local said = {}
    local function say(value) said[#said + 1] = tostring(value) end
    say(check(nauthilus_redis.redis_mset("default", { a = "1", b = "2", c = "3", d = "4" })))
    local values = check(nauthilus_redis.redis_mget("default", "d", "c", "none", "b", "a"))
    say(values.d .. values.c .. values.b .. values.a .. tostring(values.none))
    local list = check(nauthilus_redis.redis_pipeline("default", "write", {
        { "set", "p1", "x" }, { "incr", "n" }, { "get", "p1" }, { "set", "p2", "y" }, { "get", "p2" }, { "get", "none" }, { "del", "n" },
    }))
    local shown = {}
    for _, result in ipairs(list) do shown[#shown + 1] = tostring(result.value) end
    say(table.concat(shown, " "))
    check(nauthilus_redis.redis_upload_script("default", "redis.call('SET', KEYS[1], ARGV[1]); return redis.call('GET', KEYS[1])", "put"))
    for _, key in ipairs({ "s1", "s2", "s3", "s4", "s5" }) do
        say(check(nauthilus_redis.redis_run_script("default", "", "put", { key }, { key .. "!" })))
    end
    local _, err = nauthilus_redis.redis_rename("default", "a", "b")
    say(err)
    say(check(nauthilus_redis.redis_ping("default")))
    local found, cursor = {}, 0
    repeat
        local page = check(nauthilus_redis.redis_scan("default", cursor, "s*", 100))
        for _, key in ipairs(page.keys) do found[#found + 1] = key end
        cursor = page.cursor
    until cursor == 0
    table.sort(found)
    say(table.concat(found, " "))
    local keys = check(nauthilus_redis.redis_keys("default", "p*"))
    table.sort(keys)
    say(table.concat(keys, " "))
    nauthilus_http_response.string(200, table.concat(said, "\n"))
end
"#;

#[test]
fn two_servers_share_what_they_know() {
    let cluster = Cluster::start();
    let config = json!({ "cluster": { "addresses": cluster.addresses() } });
    let (one, other) = (site(config.clone()).start(), site(config).start());
    enrol(&one, &USERS);
    for user in USERS {
        assert_eq!(status(&other, user, "right"), 200);
        assert_eq!(status(&other, user, "wrong"), 403);
    }
    for node in &cluster.0 {
        assert!(node.calls("set") > 0, "all three hold some of the keys");
    }
}

#[test]
fn two_servers_block_together() {
    let cluster = Cluster::start();
    let config = json!({
        "server": {
            "features": ["brute_force"], "brute_force_protocols": ["imap"], "backends": ["cache", "lua"],
            "redis": { "cluster": { "addresses": cluster.addresses() }, "prefix": "nt_" },
        },
        "brute_force": { "buckets": [{ "name": "b", "period": "1h", "cidr": 32, "ipv4": true, "failed_requests": 2 }] },
    });
    let servers = [Site::new().set(config.clone()).start(), Site::new().set(config).start()];
    let login = |server: usize, client_ip: &str, password: &str| {
        let request = Request::get("/api/v1/auth/header?in-memory=0")
            .header("Auth-User", "ada")
            .header("Auth-Pass", password);
        servers[server]
            .ask(&request.header("Auth-Protocol", "imap").header("Client-IP", client_ip))
            .status
    };
    // The keys of twelve addresses lie in all three thirds.
    let addresses: Vec<String> = (1..=12).map(|n| format!("192.0.2.{n}")).collect();
    for address in &addresses {
        assert_eq!(login(0, address, "wrong"), 403);
        assert_eq!(login(1, address, "wrong again"), 403);
        // Full, by both their counts.
        assert_eq!(login(0, address, "right"), 403);
        assert_eq!(login(1, address, "right"), 403);
    }
    assert_eq!(login(1, "192.0.2.100", "right"), 200);
    let list = servers[1].command("bruteforce", &["list", "--json"]);
    let listed: Vec<&Value> = list.as_array().unwrap().iter().map(|ban| &ban["rule"]).collect();
    assert_eq!(listed, vec![&json!("b"); addresses.len()]);
    for address in &addresses {
        let flushed = servers[0].command("bruteforce", &["flush", "--json", address]);
        assert_eq!(
            flushed["removed_keys"],
            json!(["nt_BRUTEFORCE", format!("nt_bf:3600:32:2:4:{address}/32")])
        );
        assert_eq!((login(0, address, "right"), login(1, address, "right")), (200, 200));
    }
    // What one has cached of a user, the other forgets.
    let flushed = servers[1].command("cache", &["flush", "ada"]);
    assert!(flushed["removed_keys"].as_array().unwrap().contains(&json!("nt_ucp:__default__:ada")));
    for node in &cluster.0 {
        assert!(node.calls("incrby") > 0, "all three hold some of the counters");
    }
}

#[test]
fn commands_on_many_slots() {
    let cluster = Cluster::start();
    let hooks = json!({ "lua": { "custom_hooks": [{ "http_location": "many", "http_method": "GET", "script_path": "many.lua" }] } });
    // One seed is enough.
    let server = site(json!({ "cluster": { "addresses": [cluster.0[1].address()] } }))
        .set(hooks)
        .file("many.lua", HOOK)
        .start();
    let answer = server.ask(&Request::get("/api/v1/custom/many"));
    assert_eq!(
        (answer.status, answer.text().as_str()),
        (
            200,
            "OK\n4321nil\nOK 1 x OK y nil 1\ns1!\ns2!\ns3!\ns4!\ns5!\nCROSSSLOT Keys in request don't hash to the same slot\nPONG\ns1 s2 s3 s4 s5\np1 p2"
        )
    );
}

#[test]
fn a_slot_that_moves_is_followed() {
    let cluster = Cluster::start();
    let server = site(json!({ "cluster": { "addresses": cluster.addresses() } })).start();
    enrol(&server, &["ada"]);
    let logins = Logins::of(&server, &["ada"]);
    let slot: usize = cluster.0[0].ask("CLUSTER KEYSLOT password:ada");
    let (from, to) =
        (&cluster.0[Cluster::of_slot(slot)], &cluster.0[(Cluster::of_slot(slot) + 1) % 3]);
    let (from_id, to_id): (String, String) = (from.ask("CLUSTER MYID"), to.ask("CLUSTER MYID"));
    let _: () = to.ask(&format!("CLUSTER SETSLOT {slot} IMPORTING {from_id}"));
    let _: () = from.ask(&format!("CLUSTER SETSLOT {slot} MIGRATING {to_id}"));
    let _: () = from.ask(&format!("MIGRATE 127.0.0.1 {} password:ada 0 5000", to.port));
    // On its way: the old node says ASK.
    let asked = to.calls("asking");
    assert_eq!(status(&server, "ada", "right"), 200);
    assert_eq!(status(&server, "ada", "wrong"), 403);
    assert!(to.calls("asking") > asked);
    // Moved: the old node says MOVED, once.
    for node in [to, from] {
        let _: () = node.ask(&format!("CLUSTER SETSLOT {slot} NODE {to_id}"));
    }
    assert_eq!(status(&server, "ada", "right"), 200);
    assert_eq!(status(&server, "ada", "wrong"), 403);
    let verdicts = logins.stop("a slot moved");
    assert_eq!(verdicts.temporary, 0);
}

#[test]
fn a_node_that_is_killed_costs_temporary_failures_only() {
    let mut cluster = Cluster::start();
    let server = site(json!({ "cluster": { "addresses": cluster.addresses() } })).start();
    enrol(&server, &USERS);
    let logins = Logins::of(&server, &USERS);
    let node_of = |key: &str| Cluster::of_slot(cluster.0[1].ask(&format!("CLUSTER KEYSLOT {key}")));
    // Every login needs the table of accounts: another node than that one's.
    let victim = (node_of("USER") + 1) % 3;
    let is_needed = |user: &&str| {
        node_of(&format!("password:{user}")) == victim
            || node_of(&format!("counts:{user}")) == victim
    };
    let needs: Vec<bool> = USERS.iter().map(is_needed).collect();
    assert!(needs.contains(&true));
    cluster.0[victim].stop();
    let mut accepted = 0;
    for (user, needs) in USERS.iter().zip(&needs) {
        match (status(&server, user, "right"), status(&server, user, "wrong"), needs) {
            (500, 500, _) => {}
            // What the server keeps of a user, of wrong passwords above all, may lie on the killed
            // node too.
            (200, 403 | 500, false) => accepted += 1,
            other => panic!("{user}: {other:?}"),
        }
    }
    assert!(accepted > 0, "users of the other nodes are served");
    let verdicts = logins.stop("a node killed");
    assert!(verdicts.temporary > 0 && verdicts.accepted > 0);
    cluster.0[victim].restart();
    until("the cluster to be whole", || {
        cluster
            .0
            .iter()
            .all(|node| node.ask::<String>("CLUSTER INFO").contains("cluster_slots_ok:16384"))
            .then_some(())
    });
    let back = Instant::now();
    enrol(&server, &USERS);
    for user in USERS {
        recovered(&server, user, back, "a node of the cluster was killed");
    }
}
