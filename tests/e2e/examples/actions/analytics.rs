//! `actions/analytics.lua`

use super::{NOTES_MALLORY, example, finished, site};
use crate::support::{Request, Server, root};
use serde_json::json;

/// A feature without a name of its own in the context.
const SAYS_NOTHING: &str = r#"
function nauthilus_call_feature(request) return request.username == "trudy", false, nauthilus_builtin.FEATURE_RESULT_OK end
"#;

/// The series of the counter.
fn counts(server: &Server) -> Vec<String> {
    let text = server.ask(&Request::get("/metrics")).text();
    let mut lines: Vec<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix("analytics_count"))
        .map(str::to_owned)
        .collect();
    lines.sort();
    lines
}

#[test]
fn what_turned_logins_away_is_counted_by_name() {
    let settings = json!({ "server": { "features": ["tls_encryption", "lua"] }, "lua": { "config": { "init_script_path": "init.lua" } } });
    let redis_scripts = root().join("lua/examples/redis");
    let server = site("post", "analytics")
        .feature("blocklist", NOTES_MALLORY)
        .feature("silent", SAYS_NOTHING)
        .set(settings)
        .file("init.lua", &example("init/init.lua"))
        .env("REDIS_SCRIPTS", redis_scripts.to_str().unwrap())
        .start();
    let secure =
        |user: &str| server.ask(&Request::login(user, "right").header("X-SSL", "on")).status;
    assert_eq!(
        (secure("mallory"), secure("trudy"), secure("ada"), secure("mallory")),
        (403, 403, 200, 403)
    );
    // In clear text.
    let plain = Request::login("ada", "right").header("Client-IP", "198.51.100.7");
    assert_eq!(server.ask(&plain).status, 500);
    finished(&server, 5);
    assert_eq!(
        counts(&server),
        [r#"{feature="blocklist"} 2"#, r#"{feature="lua"} 1"#, r#"{feature="tls_encryption"} 1"#]
    );
}

#[test]
fn without_its_counter_it_does_no_harm() {
    let server = site("post", "analytics").feature("blocklist", NOTES_MALLORY).start();
    assert_eq!(
        (server.login("mallory", "right").status, server.login("ada", "right").status),
        (403, 200)
    );
    assert!(finished(&server, 2).iter().all(|line| line.contains("success")));
}
