//! No password gets into the log, however a login ends and whatever goes wrong in a script. (What a
//! script logs on purpose, by `custom_log_add` or as its status message, is its own affair.)

use crate::support::site::backend_that_finds_everybody;
use crate::support::{Request, Site};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;

const SECRET: &str = "correct horse battery";

/// Fails in every way a script can, by user.
const WAYS: &str = r#"
local ways = {
    raise = function(request) error("cannot check " .. request.password) end,
    index = function(request) return request.password.x.y end,
    call = function(request) request[request.password]() end,
    table = function(request) error({ password = request.password }) end,
    result = function(request) return request.password end,
    code = function() return nauthilus_builtin.BACKEND_RESULT_FAIL, nauthilus_backend_result.new() end,
    endless = function(request) local copy = request.password while true do copy = request.password .. "" end end,
}
"#;

/// Goes the user's way; where it leads nowhere, the login is judged.
const GOES: &str = "
local way = ways[request.username]
if way then
    local code, result = way(request)
    if code ~= nil then return code, result end
end
";

#[test]
fn the_log_never_holds_a_password() {
    let settings = json!({ "server": { "log": { "level": "debug" } }, "lua": { "config": { "cpu_limit": "100ms" } } });
    let backend =
        format!("{WAYS}{}", backend_that_finds_everybody(GOES, r#"request.username == "good""#));
    let mut server = Site::new().backend(&backend).set(settings).start();
    let users = ["good", "bad", "raise", "index", "call", "table", "result", "code", "endless"];
    for user in users {
        server.ask(&Request::login(user, SECRET));
        server.ask(&Request::json_login(user, SECRET));
        server.ask(&Request::login_at("/api/v1/auth/nginx", user, SECRET.replace(' ', "%20")));
        let credentials = BASE64_STANDARD.encode(format!("{user}:{SECRET}"));
        server.ask(
            &Request::get("/api/v1/auth/basic")
                .header("Authorization", format!("Basic {credentials}")),
        );
    }
    // Input that is refused, and a hook that was not asked for.
    server.ask(&Request::login("bad(user", SECRET));
    server.ask(&Request::post(
        "/api/v1/auth/json",
        "application/json",
        format!("{{\"password\":\"{SECRET}\", \"username\":"),
    ));
    server.ask(&Request::login_at("/api/v1/custom/nothing", "ada", SECRET));
    let mut broken = server.connect();
    broken.send(format!("GET /ping HTTP/1.1\r\nAuth-Pass: {SECRET}\r\n\r\n").as_bytes());
    broken.answer();

    // Answers may overtake their lines, which a thread of its own writes in order.
    server.wait_for_log("uri_path=/api/v1/custom/nothing");
    let log = server.log();
    for user in users {
        assert!(log.contains(&format!("username={user} ")), "{user} left no trace");
    }
    let encoded = BASE64_STANDARD.encode(format!("good:{SECRET}"));
    for form in [SECRET.to_owned(), SECRET.replace(' ', "%20"), SECRET.replace(' ', "+"), encoded] {
        let line = log.lines().find(|line| line.contains(&form));
        assert_eq!(line, None, "{form}");
    }
}

#[test]
fn secrets_of_the_configuration_are_masked() {
    let folder = tempfile::tempdir().unwrap();
    let backend = folder.path().join("backend.lua");
    std::fs::write(&backend, "").unwrap();
    let config = folder.path().join("loligo.json");
    let settings = json!({
        "server": {
            "backends": ["lua"],
            "redis": { "password_nonce": "sixteen-or-more-characters", "master": { "address": "127.0.0.1:6379", "password": "redis-has-one-too" } },
        },
        "lua": { "config": { "backend_script_path": backend }, "search": [{ "protocol": ["imap"], "cache_name": "" }] },
    });
    std::fs::write(&config, settings.to_string()).unwrap();
    let output =
        crate::support::site::loligo().arg("config").arg("-c").arg(&config).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("127.0.0.1:6379"), "{text}");
    assert!(!text.contains("redis-has-one-too") && !text.contains("sixteen-or-more"), "{text}");
}
