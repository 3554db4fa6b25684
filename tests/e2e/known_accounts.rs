//! Whose login name it is, Redis is asked once and then tells when that changes; servers that do
//! not tell are asked each time.

use crate::support::redis::Redis;
use crate::support::{Request, Server, Site, until};
use serde_json::{Value, json};

/// Answers with the account that the feature saw.
const FEATURE: &str = r#"
function nauthilus_call_feature(request)
    require("nauthilus_context").context_set("seen", request.account)
    return nauthilus_builtin.FEATURE_TRIGGER_NO, nauthilus_builtin.FEATURES_ABORT_NO, nauthilus_builtin.FEATURE_RESULT_OK
end
"#;

const BACKEND: &str = r#"
function nauthilus_backend_verify_password(request)
    local result = nauthilus_backend_result.new()
    local seen = require("nauthilus_context").context_get("seen")
    result:user_found(true)
    result:authenticated(true)
    result:account_field("account")
    result:attributes({ account = "ada@example.test", seen = seen })
    return nauthilus_builtin.BACKEND_RESULT_OK, result
end
"#;

fn start(redis: &Redis, settings: Value) -> Server {
    redis.ask::<i64>("HSET t_USER ada first");
    let own = json!({ "master": { "address": redis.address() }, "prefix": "t_" });
    let site = Site::new()
        .feature("account", FEATURE)
        .backend(BACKEND)
        .set(json!({ "server": { "redis": own } }));
    site.set(json!({ "server": { "redis": settings } })).start()
}

fn seen(server: &Server) -> String {
    let answer = server.ask(&Request::uncached_login("ada", "any"));
    assert_eq!(answer.status, 200);
    answer.header("x-nauthilus-seen").unwrap_or_default().to_owned()
}

#[test]
fn an_account_is_asked_for_once_until_it_changes() {
    let redis = Redis::start();
    let server = start(&redis, json!({}));
    for _ in 0..5 {
        assert_eq!(seen(&server), "first");
    }
    assert_eq!(redis.calls("hget"), 1);
    redis.ask::<i64>("HSET t_USER ada second");
    until("the new account", || (seen(&server) == "second").then_some(()));
    // Changes to other keys are none of it.
    let before = redis.calls("hget");
    redis.ask::<i64>("HSET t_OTHER ada third");
    for _ in 0..5 {
        assert_eq!(seen(&server), "second");
    }
    assert_eq!(redis.calls("hget"), before);
    redis.ask::<String>("FLUSHALL");
    until("no account", || seen(&server).is_empty().then_some(()));
}

#[test]
fn without_the_connection_nothing_is_known() {
    let redis = Redis::start();
    let server = start(&redis, json!({}));
    assert_eq!(seen(&server), "first");
    redis.ask::<i64>("CLIENT KILL TYPE normal");
    redis.ask::<i64>("HSET t_USER ada second");
    until("the new account over a new connection", || {
        let answer = server.ask(&Request::uncached_login("ada", "any"));
        (answer.header("x-nauthilus-seen") == Some("second")).then_some(())
    });
}

#[test]
fn a_server_that_does_not_tell_is_asked_each_time() {
    let redis = Redis::start();
    redis.ask::<String>("ACL SETUSER app on >pw ~* &* +@all -client|tracking -client|caching");
    let limited = json!({ "master": { "username": "app", "password": "pw" } });
    for settings in [json!({ "protocol": 2 }), limited] {
        let server = start(&redis, settings);
        let before = redis.calls("hget");
        for _ in 0..3 {
            assert_eq!(seen(&server), "first");
        }
        assert_eq!(redis.calls("hget"), before + 3);
        redis.ask::<i64>("HSET t_USER ada second");
        assert_eq!(seen(&server), "second");
    }
}
