//! The trace of the specification (`pipeline.md` 4.10), step by step, with what each step leaves in
//! Redis.
//!
//! Two things differ, by `decisions.md`: blocks end by themselves, and no answer carries a history.
//! The backend `cache` is left out: with it a known user who repeats one wrong password would not
//! be blocked.

use crate::support::redis::Redis;
use crate::support::{Request, Server, Site};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const BACKEND: &str = r#"
function nauthilus_backend_verify_password(request)
    local result = nauthilus_backend_result.new()
    if request.username == "alice" then
        result:user_found(true)
        result:account_field("account")
        result:attributes({ account = "alice@example.test" })
        result:authenticated(request.password == "secret")
    end
    return nauthilus_builtin.BACKEND_RESULT_OK, result
end
"#;

/// Writes down what the action is told.
const ACTION: &str = r#"
function nauthilus_call_action(request)
    local file = assert(io.open("action", "w"))
    file:write(string.format("%s %d %s %s", request.brute_force_bucket, request.brute_force_counter, request.client_net, tostring(request.repeating)))
    file:close()
    return nauthilus_builtin.ACTION_RESULT_OK
end
"#;

fn start(redis: &Redis) -> Server {
    let bucket = |name: &str, period: &str, cidr: u8, limit: u64| json!({ "name": name, "period": period, "cidr": cidr, "ipv4": true, "failed_requests": limit });
    let settings = json!({
        "server": {
            "features": ["brute_force"], "brute_force_protocols": ["imap"],
            "redis": { "master": { "address": redis.address() }, "prefix": "nt_" },
        },
        "brute_force": { "buckets": [bucket("b1m", "1m", 32, 3), bucket("b1h", "1h", 24, 6)] },
        "lua": { "actions": [{ "type": "brute_force", "name": "note", "script_path": "note.lua" }] },
    });
    Site::new().backend(BACKEND).file("note.lua", ACTION).set(settings).start()
}

#[test]
fn step_by_step() {
    let redis = Redis::start();
    let server = start(&redis);
    let log_in = |client_ip: &str, user: &str, password: &str| {
        let _ = std::fs::remove_file(server.path("action"));
        let request = Request::get("/api/v1/auth/header?in-memory=0")
            .header("Auth-User", user)
            .header("Auth-Pass", password);
        let answer =
            server.ask(&request.header("Auth-Protocol", "imap").header("Client-IP", client_ip));
        let body: Value = if answer.body.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&answer.body).unwrap_or_default()
        };
        assert!(answer.status == 200 || body.is_null(), "{body}");
        (answer.status, std::fs::read_to_string(server.path("action")).unwrap_or_default())
    };
    let quiet = |status| (status, String::new());
    let counts = || {
        let count = |key: &str| redis.ask::<Option<u64>>(&format!("GET nt_bf:{key}")).unwrap_or(0);
        [
            count("60:32:3:4:192.0.2.50/32"),
            count("60:32:3:4:192.0.2.9/32"),
            count("3600:24:6:4:192.0.2.0/24"),
        ]
    };
    let hash = |key: &str| {
        redis
            .ask::<BTreeMap<String, String>>(&format!("HGETALL nt_{key}"))
            .into_iter()
            .map(|(a, b)| a + "=" + &b)
    };
    let hash = |key: &str| hash(key).collect::<Vec<_>>().join(" ");

    // Three failures are allowed.
    for (n, password) in ["bad0", "bad1", "bad2"].into_iter().enumerate() {
        assert_eq!(log_in("192.0.2.50", "ghost", password), quiet(403));
        assert_eq!(counts(), [n as u64 + 1, 0, n as u64 + 1]);
    }
    assert_eq!((hash("BRUTEFORCE"), hash("PW_HIST:192.0.2.50")), (String::new(), String::new()));
    // The fourth is turned away, and its network blocked.
    assert_eq!(log_in("192.0.2.50", "ghost", "bad3"), (403, "b1m 3 192.0.2.50/32 false".into()));
    assert_eq!((hash("BRUTEFORCE").as_str(), counts()), ("192.0.2.50/32=b1m", [4, 0, 4]));
    assert_eq!(
        [hash("PW_HIST:192.0.2.50"), hash("PW_HIST:ghost:192.0.2.50")],
        ["07271fdf=1", "07271fdf=1"]
    );
    // From now on for that alone.
    assert_eq!(log_in("192.0.2.50", "ghost", "bad4"), (403, "b1m 0 192.0.2.50/32 true".into()));
    assert_eq!(counts(), [5, 0, 5]);
    assert_eq!(
        [hash("PW_HIST:192.0.2.50"), hash("PW_HIST:ghost:192.0.2.50")],
        ["07271fdf=1 f9d9c337=1"; 2]
    );
    // A success is mapped, and counts nowhere.
    assert_eq!(log_in("192.0.2.1", "alice", "secret"), quiet(200));
    assert_eq!((hash("USER").as_str(), counts()), ("alice=alice@example.test", [5, 0, 5]));
    // The neighbour's failure fills the network's bucket.
    assert_eq!(log_in("192.0.2.9", "alice", "badbad"), quiet(403));
    assert_eq!(counts(), [5, 1, 6]);
    assert_eq!(
        redis.ask::<Vec<String>>("SMEMBERS nt_PW_HIST_IPS:alice@example.test"),
        ["192.0.2.9"]
    );
    // The next one blocks it; the shorter bucket does not count on.
    assert_eq!(log_in("192.0.2.9", "alice", "badbad"), (403, "b1h 6 192.0.2.0/24 false".into()));
    assert_eq!(counts(), [5, 1, 7]);
    assert_eq!(hash("BRUTEFORCE"), "192.0.2.0/24=b1h 192.0.2.50/32=b1m");
    assert_eq!(redis.ask::<Vec<String>>("SMEMBERS nt_AFFECTED_ACCOUNTS"), ["alice@example.test"]);
    assert_eq!(hash("PW_HIST:alice@example.test:192.0.2.9"), "8901f576=1");
    // Everybody there is turned away, whoever knows the password too; others are not.
    for client_ip in ["192.0.2.1", "192.0.2.77"] {
        assert_eq!(log_in(client_ip, "alice", "secret"), (403, "b1h 0 192.0.2.0/24 true".into()));
    }
    assert_eq!(log_in("192.0.3.77", "alice", "secret"), quiet(200));
}
