//! The MFA back channel: return codes of the backend, named backends, who may ask.

use crate::support::{Request, Site};
use serde_json::json;

const BACKEND: &str = r#"
local codes = {
    alice = nauthilus_builtin.BACKEND_RESULT_OK,
    fails = nauthilus_builtin.BACKEND_RESULT_ERROR,
    missing = nauthilus_builtin.BACKEND_RESULT_NOT_FOUND,
    denied = nauthilus_builtin.BACKEND_RESULT_DENIED,
    odd = 77,
}
function nauthilus_backend_add_totp(request)
    if request.username == "raises" then error("no store") end
    return codes[request.username]
end
function nauthilus_backend_get_webauthn_credentials(request)
    return codes[request.username], { '{"id":"a"}', "no json" }
end
"#;

fn add(user: &str, backend_name: &str) -> Request {
    let body = json!({ "username": user, "totp_secret": "JBSWY3DP", "backend_name": backend_name });
    Request::post("/api/v1/mfa-backchannel/totp", "application/json", body.to_string())
}

#[test]
fn return_codes_are_told_apart() {
    let server = Site::new().backend(BACKEND).start();
    for (user, status, error) in [
        ("alice", 200, ""),
        ("fails", 500, "backend returned code 1"),
        ("missing", 404, "user or resource not found"),
        ("denied", 403, "access denied"),
        ("odd", 500, "backend returned code 77"),
        ("raises", 500, "no store"),
    ] {
        let answer = server.ask(&add(user, ""));
        assert_eq!(answer.status, status, "{user}: {}", answer.text());
        assert!(answer.text().contains(error), "{user}: {}", answer.text());
    }
    let listed =
        server.ask(&Request::get("/api/v1/mfa-backchannel/webauthn/credential?username=alice"));
    assert_eq!(
        (listed.status, listed.text()),
        (200, r#"{"credentials":["{\"id\":\"a\"}"]}"#.into())
    );
    assert_eq!(
        server
            .ask(&Request::get("/api/v1/mfa-backchannel/webauthn/credential?username=missing"))
            .status,
        404
    );
}

/// A factor that nobody keeps must not look kept.
#[test]
fn a_function_that_is_not_defined_is_no_success() {
    let server = Site::new().backend(BACKEND).start();
    let body = json!({ "username": "alice", "codes": ["one"] }).to_string();
    let answer = server.ask(&Request::post(
        "/api/v1/mfa-backchannel/totp/recovery-codes",
        "application/json",
        body,
    ));
    assert_eq!(answer.status, 500);
    assert!(
        answer.text().contains("nauthilus_backend_add_totp_recovery_codes"),
        "{}",
        answer.text()
    );
}

#[test]
fn a_backend_is_chosen_by_its_name() {
    let settings = json!({
        "server": { "backends": ["lua", "lua(second)"] },
        "lua": {
            "optional_lua_backends": { "second": { "backend_script_path": "second.lua" } },
            "search": [{ "protocol": ["imap"], "cache_name": "" }, { "protocol": ["imap"], "cache_name": "", "backend_name": "second" }],
        },
    });
    let second =
        "function nauthilus_backend_add_totp() return nauthilus_builtin.BACKEND_RESULT_DENIED end";
    let server = Site::new().backend(BACKEND).file("second.lua", second).set(settings).start();
    assert_eq!(server.ask(&add("alice", "")).status, 200);
    assert_eq!(server.ask(&add("alice", "default")).status, 200);
    assert_eq!(server.ask(&add("alice", "second")).status, 403);
    let unknown = server.ask(&add("alice", "third"));
    assert_eq!((unknown.status, unknown.text()), (400, r#"{"error":"unknown backend"}"#.into()));
}

#[test]
fn only_callers_may_change_factors() {
    let basic = json!({ "server": { "basic_auth": { "enabled": true, "username": "mail", "password": "0123456789abcdef" } } });
    let server = Site::new().backend(BACKEND).set(basic).start();
    assert_eq!(server.ask(&add("alice", "")).status, 401);
    assert_eq!(
        server.ask(&add("alice", "").header("Authorization", "Basic bWFpbDp3cm9uZw==")).status,
        403
    );
    let right = "Basic bWFpbDowMTIzNDU2Nzg5YWJjZGVm";
    assert_eq!(server.ask(&add("alice", "").header("Authorization", right)).status, 200);
}
