//! `hooks/status.lua`

use super::{example, site_with_redis};
use crate::support::redis::Redis;
use crate::support::stub::WebStub;
use crate::support::{Request, Server, until};
use serde_json::{Value, json};

fn status(server: &Server) -> (u16, Value) {
    let answer = server.ask(&Request::get("/api/v1/custom/status"));
    (
        answer.status,
        serde_json::from_slice(&answer.body)
            .unwrap_or_else(|error| panic!("{error}: {}", answer.text())),
    )
}

#[test]
fn it_tells_whether_redis_is_there() {
    let (mut redis, service) = (Redis::start(), WebStub::answering(200, "{}"));
    let site = site_with_redis(&redis).hook("status", &example("hooks/status.lua"));
    let server = site.env("BLOCKLIST_SERVICE_ENDPOINT", service.endpoint()).start();
    let (code, report) = status(&server);
    assert_eq!((code, &report["status"], &report["redis"]), (200, &json!("ok"), &json!("up")));
    assert_eq!(report["connections"], json!({ "BLOCKLIST_SERVICE_ENDPOINT": 0 }));
    assert!(report["cache_entries"].is_number(), "{report}");

    redis.stop();
    let report =
        until("Redis to be missed", || Some(status(&server)).filter(|(code, _)| *code == 503)).1;
    assert_eq!(report["status"], "degraded");
    assert_ne!(report["redis"], "up");
    redis.restart();
    until("Redis to be found again", || (status(&server).0 == 200).then_some(()));
}
