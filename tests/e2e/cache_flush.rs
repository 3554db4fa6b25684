//! An operator has a user forgotten: the next login asks the backend, which may have another
//! password by now. Others are left alone.

use crate::support::redis::Redis;
use crate::support::{Request, Server, Site};
use serde_json::{Value, json};

/// Everybody's password is what the file says.
const BACKEND: &str = r#"
function nauthilus_backend_verify_password(request)
    local file = assert(io.open("password"))
    local password = file:read("*l")
    file:close()
    local result = nauthilus_backend_result.new()
    result:user_found(true)
    result:account_field("account")
    result:attributes({ account = request.username:gsub("@.*", "") .. "@example.test" })
    result:authenticated(request.password == password)
    return nauthilus_builtin.BACKEND_RESULT_OK, result
end
"#;

fn start(redis: Value) -> Server {
    let settings = json!({ "server": { "backends": ["cache", "lua"], "redis": redis } });
    Site::new().set(settings).backend(BACKEND).file("password", "old").start()
}

/// Its status, and whether this process remembered the result.
fn log_in(server: &Server, user: &str, password: &str) -> (u16, bool) {
    let answer = server.ask(&Request::login(user, password));
    (answer.status, answer.header("x-nauthilus-memory-cache") == Some("Hit"))
}

#[test]
fn a_user_is_forgotten_from_the_command_line_and_nobody_else_is() {
    let redis = Redis::start();
    for (redis, prefix) in [
        (json!({}), ""),
        (json!({ "master": { "address": redis.address() }, "prefix": "nt_" }), "nt_"),
    ] {
        let server = start(redis);
        for user in ["ada", "ada@example.test", "bob"] {
            assert_eq!(log_in(&server, user, "old"), (200, false));
        }
        server.write("password", "new");
        // Remembered by both caches.
        assert_eq!(log_in(&server, "ada", "old"), (200, true));

        let flushed = server.command("cache", &["flush", "ada"]);
        let key = format!("{prefix}ucp:__default__:ada@example.test");
        assert_eq!(
            flushed,
            json!({ "user": "ada", "removed_keys": [key], "status": "1 keys flushed" })
        );
        // By every login name of the account.
        for user in ["ada", "ada@example.test"] {
            assert_eq!(log_in(&server, user, "old"), (403, false));
            assert_eq!(log_in(&server, user, "new"), (200, false));
        }
        assert_eq!(log_in(&server, "bob", "old"), (200, true));

        let nobody = server.command("cache", &["flush", "nobody"]);
        assert_eq!(
            nobody,
            json!({ "user": "nobody", "removed_keys": null, "status": "not flushed" })
        );
    }
}

#[test]
fn without_the_backend_cache_this_process_forgets_all_the_same() {
    let server = Site::new().backend(BACKEND).file("password", "old").start();
    assert_eq!(log_in(&server, "ada", "old"), (200, false));
    assert_eq!(log_in(&server, "ada", "old"), (200, true));
    assert_eq!(server.command("cache", &["flush", "ada"])["status"], "not flushed");
    assert_eq!(log_in(&server, "ada", "old"), (200, false));
}
