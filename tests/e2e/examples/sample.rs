//! `config/examples.yml`: sound, complete, and at work.

use super::{login_from, sql};
use crate::support::http::Client;
use crate::support::redis::Redis;
use crate::support::root;
use crate::support::site::{loligo, serve};
use crate::support::stub::WebStub;
use serde_json::json;

const CONFIG: &str = "config/examples.yml";

#[test]
fn check_finds_it_sound_without_a_warning() {
    let output = loligo().current_dir(root()).args(["check", "-c", CONFIG]).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}

#[test]
fn it_wires_every_example() {
    let config = std::fs::read_to_string(root().join(CONFIG)).unwrap();
    for stage in ["features", "backends", "filters", "actions", "hooks", "init"] {
        let Ok(entries) = std::fs::read_dir(root().join("lua/examples").join(stage)) else {
            continue;
        };
        for entry in entries {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let path = format!("lua/examples/{stage}/{name}\n");
            assert!(
                name.ends_with("_test.lua") || config.contains(&path),
                "{path} is missing in {CONFIG}"
            );
        }
    }
}

#[test]
fn a_login_goes_through_all_of_it() {
    let (redis, folder) = (Redis::start(), tempfile::tempdir().unwrap());
    let blocklist = WebStub::answering(200, json!({ "found": false }));
    let policy = WebStub::answering(202, json!({ "object": { "policy_reject": false } }));
    let leaks = WebStub::answering(200, "0018A45C4D1DEF81644B54AB7F969B88D65:7");
    let users = folder.path().join("users.db");
    let connection = rusqlite::Connection::open(&users).unwrap();
    connection.execute_batch(&sql::tables().join("; ")).unwrap();
    let ada = "INSERT INTO users (username, account, password) VALUES ('ada', 'ada@example.org', '{PLAIN}right')";
    connection.execute_batch(ada).unwrap();

    let environment = [
        ("LOLIGO_SERVER_ADDRESS", "127.0.0.1:0"),
        ("LOLIGO_SERVER_REDIS_MASTER_ADDRESS", &redis.address()),
        ("SQL_DRIVER", "sqlite3"),
        ("SQL_DSN", users.to_str().unwrap()),
        ("BLOCKLIST_URL", &blocklist.url("/")),
        ("GEOIP_POLICY_URL", &policy.url("/")),
        ("HAVEIBEENPWNED_URL", &leaks.url("/range/")),
        // The sample's mail servers are nobody's.
        ("MONITORING_PROTOCOLS", "none"),
    ];
    let (mut process, address) =
        serve(root(), CONFIG.as_ref(), &environment, &folder.path().join("server.log"));
    let answer = Client::tcp(address).ask(&login_from("198.18.0.1", 4711, "ada", "right"));
    assert_eq!((answer.status, answer.header("auth-user")), (200, Some("ada@example.org")));
    assert_eq!((blocklist.asked().len(), policy.asked().len()), (1, 1));
    assert_eq!(redis.ask::<i64>("GET mail:rate_limit:198.18.0.1"), 1);
    process.wait_for_log("authenticated=ok");
    process.wait_for_log("lua/examples/actions/telegram.lua=success");
    assert_eq!(leaks.asked().len(), 1);
}
