//! `features/blocklist.lua`

use super::{example, is_temporary, login};
use crate::support::stub::WebStub;
use crate::support::{Server, Site};
use serde_json::json;

/// Whose post action tells what the feature left in the context.
fn start(service: &WebStub) -> Server {
    let shows = r#"
        local context = require("nauthilus_context")
        function nauthilus_call_action()
            nauthilus_builtin.custom_log_add("noted", ((context.context_get("rt") or {}).feature_blocklist) or false)
            return nauthilus_builtin.ACTION_RESULT_OK
        end
    "#;
    let site = Site::new()
        .feature("blocklist", &example("features/blocklist.lua"))
        .post_action("shows", shows);
    site.env("BLOCKLIST_URL", service.url("/check")).start()
}

#[test]
fn a_listed_client_is_turned_away() {
    let service = WebStub::answering(200, json!({ "found": false }));
    let mut server = start(&service);
    assert_eq!(login(&server, "ada", "right").0, 200);
    assert_eq!(login(&server, "ada", "wrong"), (403, "Invalid login or password".into()));
    let asked = service.last_asked();
    assert_eq!((asked.line.as_str(), asked.json()), ("POST /check", json!({ "ip": "192.0.2.1" })));

    service.answer(200, json!({ "found": true }));
    assert_eq!(login(&server, "ada", "right"), (403, "IP address blocked".into()));
    server.wait_for_log("blocklist_ip=192.0.2.1");
    server.wait_for_log("noted=true");
}

#[test]
fn without_a_usable_answer_nobody_is_judged() {
    let mut service = WebStub::answering(200, json!({ "found": false }));
    let server = start(&service);
    for (status, body) in [
        (503, r#"{"found": false}"#),
        (200, "sorry"),
        (200, "null"),
        (200, "{}"),
        (200, r#"{"found": false, "error": "database"}"#),
    ] {
        service.answer(status, body);
        let answer = login(&server, "ada", "right");
        assert!(is_temporary(&answer), "{status} {body}: {answer:?}");
    }
    service.answer(200, json!({ "found": false }));
    assert_eq!(login(&server, "ada", "right").0, 200);
    service.stop();
    assert!(is_temporary(&login(&server, "ada", "right")));
    assert!(is_temporary(&login(&server, "ada", "wrong")));
}

#[test]
fn without_its_url_it_says_so() {
    let mut server = Site::new().feature("blocklist", &example("features/blocklist.lua")).start();
    assert!(is_temporary(&login(&server, "ada", "right")));
    server.wait_for_log("BLOCKLIST_URL is not set");
}
