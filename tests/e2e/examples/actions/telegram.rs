//! `actions/telegram.lua`

use super::{NOTES_MALLORY, finished, login_from, site};
use crate::support::stub::{Asked, WebStub};
use crate::support::{Request, Server, Site};
use serde_json::json;
use std::collections::HashMap;

const TOKEN: &str = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw";

/// Turns logins of `trent` away after his password was found right.
const POLICY: &str = r#"
local context = require("nauthilus_context")
function nauthilus_call_filter(request)
    local bad = request.username == "trent"
    if bad then context.context_set("rt", { filter_geoippolicyd = true }) end
    return bad, nauthilus_builtin.FILTER_RESULT_OK
end
"#;

fn accepted() -> serde_json::Value {
    json!({ "ok": true, "result": { "message_id": 1, "date": 1, "chat": { "id": -100_123, "type": "group" } } })
}

fn telegram_site(service: &WebStub) -> Site {
    site("post", "telegram")
        .feature("blocklist", NOTES_MALLORY)
        .filter("policy", POLICY)
        .env("TELEGRAM_API_URL", service.url(""))
        .env("TELEGRAM_PASSWORD", TOKEN)
        .env("TELEGRAM_CHAT_ID", "-100123")
}

/// The fields of the form that was sent.
fn form(asked: &Asked) -> HashMap<String, String> {
    url::form_urlencoded::parse(&asked.body).into_owned().collect()
}

#[test]
fn a_login_that_was_turned_away_is_told() {
    let service = WebStub::answering(200, accepted());
    let server = telegram_site(&service).start();
    assert_eq!(login_from(&server, "192.0.2.7", "mallory", "right"), 403);
    assert!(finished(&server, 1)[0].contains("telegram=sent"), "{}", server.log());
    let asked = service.last_asked();
    assert_eq!(asked.line, format!("POST /bot{TOKEN}/sendMessage"));
    let form = form(&asked);
    assert_eq!(form["chat_id"], "-100123");
    let lines: Vec<_> = form["text"].lines().collect();
    assert_eq!(lines[0], "Suspicious login: blocklist");
    assert_eq!(
        (lines[2], lines[3], lines[4]),
        ("User mallory", "From 192.0.2.7 by imap", "The password was not accepted.")
    );
    assert!(lines[5].starts_with("Session ") && !form["text"].contains("right"), "{lines:?}");

    assert_eq!(login_from(&server, "192.0.2.7", "trent", "right"), 403);
    finished(&server, 2);
    let text = self::form(&service.last_asked())["text"].clone();
    assert!(
        text.starts_with("Suspicious login: geoippolicyd\n") && text.contains("account trent"),
        "{text}"
    );
    assert!(text.contains("\nThe password was right.\n"), "{text}");
}

#[test]
fn usual_logins_are_not_told() {
    let service = WebStub::answering(200, accepted());
    let server = telegram_site(&service).start();
    assert_eq!(login_from(&server, "192.0.2.7", "ada", "right"), 200);
    assert_eq!(login_from(&server, "192.0.2.7", "ada", "wrong"), 403);
    let look_up = Request::login_at("/api/v1/auth/header?mode=no-auth&in-memory=0", "mallory", "");
    server.ask(&look_up);
    finished(&server, 3);
    assert_eq!(service.asked().len(), 0);
}

#[test]
fn one_user_at_one_address_is_told_once() {
    let service = WebStub::answering(200, accepted());
    let server = telegram_site(&service).start();
    for _ in 0..3 {
        login_from(&server, "192.0.2.7", "mallory", "right");
    }
    let lines = finished(&server, 3);
    let held_back = lines.iter().filter(|line| line.contains("telegram=held_back")).count();
    assert_eq!((service.asked().len(), held_back), (1, 2), "{lines:?}");
    login_from(&server, "192.0.2.8", "mallory", "right");
    finished(&server, 4);
    assert_eq!(service.asked().len(), 2);
}

#[test]
fn an_attack_does_not_bury_the_chat() {
    let service = WebStub::answering(200, accepted());
    let server = telegram_site(&service).start();
    for host in 1..=25 {
        login_from(&server, &format!("192.0.2.{host}"), "mallory", "right");
    }
    let lines = finished(&server, 25);
    let held_back = lines.iter().filter(|line| line.contains("telegram=held_back")).count();
    assert_eq!((service.asked().len(), held_back), (20, 5), "{lines:?}");
}

#[test]
fn a_channel_has_a_name() {
    let service = WebStub::answering(200, accepted());
    let server = telegram_site(&service).env("TELEGRAM_CHAT_ID", "@alerts").start();
    login_from(&server, "192.0.2.7", "mallory", "right");
    finished(&server, 1);
    assert_eq!(form(&service.last_asked())["chat_id"], "@alerts");
}

/// Starts, has a login turned away and waits for `expected` in the log.
fn refused(site: Site, expected: &str) -> Server {
    let mut server = site.start();
    assert_eq!(login_from(&server, "192.0.2.7", "mallory", "right"), 403, "{expected}");
    finished(&server, 1);
    server.wait_for_log(expected);
    assert!(!server.log().contains("AAHdqTcv"), "{}", server.log());
    assert_eq!(login_from(&server, "192.0.2.7", "ada", "right"), 200);
    server
}

#[test]
fn what_goes_wrong_is_logged_without_the_token() {
    let mut service = WebStub::answering(
        401,
        json!({ "ok": false, "error_code": 401, "description": "Unauthorized" }),
    );
    refused(telegram_site(&service), "telegram: Unauthorized");
    service.answer(502, "<html>");
    refused(telegram_site(&service), "/bot***/sendMessage");
    service.stop();
    refused(telegram_site(&service), "connection refused");
    refused(telegram_site(&service).env("TELEGRAM_CHAT_ID", ""), "TELEGRAM_CHAT_ID is not set");
}
