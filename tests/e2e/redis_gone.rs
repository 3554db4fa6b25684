//! Redis goes away: logins fail temporarily, never as a wrong password. It comes back: they work
//! again, without a restart.

use crate::support::redis::Redis;
use crate::support::{Site, until};
use serde_json::json;

/// A backend that keeps passwords in Redis.
const BACKEND: &str = r#"
local nauthilus_redis = require("nauthilus_redis")

function nauthilus_backend_verify_password(request)
    local result = nauthilus_backend_result.new()
    if request.username == "enrol" then
        local _, err = nauthilus_redis.redis_hset("default", "passwords", "ada", request.password)
        if err then error(err) end
    end
    local password, err = nauthilus_redis.redis_hget("default", "passwords", "ada")
    if err then error(err) end
    result:user_found(true)
    result:account_field("account")
    result:attributes({ account = request.username })
    result:authenticated(request.password == password)
    return nauthilus_builtin.BACKEND_RESULT_OK, result
end
"#;

#[test]
fn logins_fail_temporarily_until_it_is_back() {
    let mut redis = Redis::start();
    let server = Site::new()
        .backend(BACKEND)
        .set(json!({ "server": { "redis": { "master": { "address": redis.address() } } } }))
        .start();
    assert_eq!(server.login("enrol", "first").status, 200);
    assert_eq!(server.login("ada", "first").status, 200);
    assert_eq!(server.login("ada", "wrong").status, 403);

    redis.stop();
    for password in ["second", "wrong"] {
        let answer = server.login("ada", password);
        assert_eq!(
            (answer.status, answer.header("auth-status")),
            (500, Some("Temporary server problem, try again later"))
        );
    }
    // What needs no Redis goes on.
    assert_eq!(server.ask(&crate::support::Request::get("/ping")).text(), "pong");

    redis.restart();
    // The link tries again after a pause; until then the answer must stay the same.
    until("logins to work again", || match server.login("enrol", "second").status {
        200 => Some(()),
        status => {
            assert_eq!(status, 500);
            None
        }
    });
    assert_eq!(server.login("ada", "second").status, 200);
    assert_eq!(server.login("ada", "wrong").status, 403);
}

#[test]
fn the_server_starts_without_it() {
    let mut redis = Redis::start();
    redis.stop();
    let server = Site::new()
        .backend(BACKEND)
        .set(json!({ "server": { "redis": { "master": { "address": redis.address() } } } }))
        .start();
    assert_eq!(server.login("ada", "any").status, 500);
    redis.restart();
    until("logins to work", || (server.login("enrol", "any").status == 200).then_some(()));
}
