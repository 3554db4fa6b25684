//! `init/init.lua`

use super::{example, login_from, site_with_redis};
use crate::support::redis::Redis;
use crate::support::{Request, Site, root};
use serde_json::json;

#[test]
fn it_makes_the_metrics_and_watches_the_services() {
    let redis = Redis::start();
    let server =
        site_with_redis(&redis).env("GEOIP_POLICY_SERVICE_ENDPOINT", "127.0.0.1:9").start();
    let metrics = server.ask(&Request::get("/metrics")).text();
    assert!(
        metrics.contains("generic_connections{description=\"GeoIP policy service\""),
        "{metrics}"
    );
    assert_eq!(redis.calls("script|load"), 2);
    assert!(!server.log().contains("level=warn"), "{}", server.log());
}

#[test]
fn scripts_use_the_pool_that_it_registers() {
    let (own, pool) = (Redis::start(), Redis::with(&["--requirepass", "hidden-word"]));
    let site = site_with_redis(&own).feature("rate_limit", &example("features/rate_limit.lua"));
    let site =
        site.env("CUSTOM_REDIS_POOL_NAME", "side").env("CUSTOM_REDIS_POOL_ADDRESS", pool.address());
    let server = site.env("CUSTOM_REDIS_POOL_PASSWORD", "hidden-word").start();
    assert_eq!(server.ask(&login_from("192.0.2.1", 1, "ada", "right")).status, 200);
    assert_eq!(own.ask::<i64>("EXISTS rate_limit:192.0.2.1"), 0);
    assert!(!server.log().contains("hidden-word"));
}

#[test]
fn what_is_wrong_with_it_is_logged_and_stops_nothing() {
    let init = root().join("lua/examples/init/init.lua");
    let site = Site::new()
        .set(json!({ "lua": { "config": { "init_script_path": init } } }))
        .env("REDIS_SCRIPTS", "nowhere");
    let mut server = site.start();
    server.wait_for_log("nowhere/claim_server.lua");
    assert_eq!(server.login("ada", "right").status, 200);
}
