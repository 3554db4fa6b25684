//! `filters/geoip.lua`, with the metrics that `init.lua` makes.

use super::{example, login_from};
use crate::support::stub::WebStub;
use crate::support::{Request, Server, Site, root};
use serde_json::{Value, json};

/// A client of the public internet.
const CLIENT: &str = "198.18.0.1";

fn start(service: &WebStub) -> Server {
    let site = Site::new()
        .filter("geoip", &example("filters/geoip.lua"))
        .env("GEOIP_POLICY_URL", service.url("/json"));
    let init = root().join("lua/examples/init/init.lua");
    let site = site.env("REDIS_SCRIPTS", root().join("lua/examples/redis").to_str().unwrap());
    site.set(json!({ "lua": { "config": { "init_script_path": init } } })).start()
}

fn verdict(reject: bool) -> Value {
    json!({ "guid": "g-1", "object": { "policy_reject": reject, "countries": ["DE", "FR"], "country_code": "DE" } })
}

fn status(server: &Server, client_ip: &str, user: &str, password: &str) -> u16 {
    server.ask(&login_from(client_ip, 4711, user, password)).status
}

#[test]
fn a_login_that_the_service_objects_to_is_turned_away() {
    let service = WebStub::answering(202, verdict(false));
    let mut server = start(&service);
    assert_eq!(status(&server, CLIENT, "ada", "right"), 200);
    let asked = service.last_asked();
    assert_eq!(
        asked.json(),
        json!({ "key": "client", "value": { "address": CLIENT, "sender": "ada" } })
    );
    assert_eq!(
        (asked.line.as_str(), asked.header("content-type")),
        ("POST /json", Some("application/json"))
    );
    server.wait_for_log("geoippolicyd_guid=g-1 geoippolicyd_countries=DE,FR");

    service.answer(200, verdict(true));
    let answer = server.ask(&login_from(CLIENT, 4711, "ada", "right"));
    assert_eq!((answer.status, answer.header("auth-status")), (403, Some("Policy violation")));
    server.wait_for_log("geoippolicyd=blocked");

    let metrics = server.ask(&Request::get("/metrics")).text();
    for status in ["accept", "reject"] {
        let line = format!("geoippolicyd_count{{country=\"DE\",status=\"{status}\"}} 1\n");
        assert!(metrics.contains(&line), "{line} is missing in {metrics}");
    }
    assert!(
        metrics.contains("http_client_concurrent_requests_total{service=\"geoippolicyd\"} 0\n"),
        "{metrics}"
    );
    assert!(
        metrics.contains("geoippolicyd_duration_seconds_count{http=\"post\"} 2\n"),
        "{metrics}"
    );
}

#[test]
fn what_is_no_login_from_outside_passes_as_it_is() {
    let service = WebStub::answering(202, verdict(true));
    let server = start(&service);
    assert_eq!(status(&server, "10.0.0.1", "ada", "right"), 200);
    assert_eq!(status(&server, CLIENT, "ada", "wrong"), 403);
    let lookup = Request::get("/api/v1/auth/header?mode=no-auth")
        .header("Auth-User", "ada")
        .header("Auth-Protocol", "imap");
    assert_eq!(server.ask(&lookup.header("Client-IP", CLIENT)).status, 200);
    assert_eq!(service.asked().len(), 0);
}

#[test]
fn without_a_usable_answer_nobody_is_judged() {
    let mut service = WebStub::answering(500, verdict(false));
    let server = start(&service);
    for (code, body) in [
        (500, verdict(false).to_string()),
        (202, "{".into()),
        (202, "{}".into()),
        (202, r#"{"err": "no database"}"#.into()),
    ] {
        service.answer(code, &body);
        assert_eq!(status(&server, CLIENT, "ada", "right"), 500, "{code} {body}");
    }
    service.stop();
    assert_eq!(status(&server, CLIENT, "ada", "right"), 500);
    assert_eq!(status(&server, CLIENT, "ada", "wrong"), 403, "the backend has refused it already");
}
