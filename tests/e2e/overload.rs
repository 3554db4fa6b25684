//! `server.max_concurrent_requests`: who comes too many is refused in the form that he understands.

use crate::drain::waits_for_a_file;
use crate::support::{Request, Site};
use serde_json::json;

#[test]
fn each_dialect_has_its_form() {
    let settings = json!({ "server": {
        "max_concurrent_requests": 1,
        "timeouts": { "lua_backend": "20s", "lua_script": "20s", "request": "20s" },
    } });
    let server = Site::new()
        .backend(&waits_for_a_file())
        .hook("hello", "function nauthilus_run_hook() return { hello = true } end")
        .set(settings)
        .start();
    let mut slow = server.connect();
    slow.send(&Request::login("slow", "any").bytes());
    server.wait_until("server_concurrent_requests", 1.0);
    let at = |service: &str| Request::login_at(&format!("/api/v1/auth/{service}"), "ada", "any");
    let basic = Request::get("/api/v1/auth/basic").header("Authorization", "Basic YWRhOmFueQ==");
    for (request, status, auth_status, wait) in [
        (at("nginx"), 200, Some("Temporary server problem, try again later"), Some("1")),
        (
            Request::json_login("ada", "any"),
            500,
            Some("Temporary server problem, try again later"),
            None,
        ),
        (at("header"), 429, None, None),
        (basic, 429, None, None),
        (Request::get("/api/v1/custom/hello"), 429, None, None),
    ] {
        let answer = server.ask(&request);
        assert_eq!(answer.status, status, "{}", answer.text());
        assert_eq!(answer.header("auth-status"), auth_status);
        assert_eq!(answer.header("auth-wait"), wait);
        assert_eq!(answer.header("retry-after"), (status == 429).then_some("1"));
    }
    assert_eq!(server.metric("loligo_requests_refused_total"), 5.0);
    server.write("go", "");
    assert_eq!(slow.answer().status, 200);
}
