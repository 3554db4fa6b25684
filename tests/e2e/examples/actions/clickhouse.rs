//! `actions/clickhouse.lua`

use super::{finished, login_from, site};
use crate::support::stub::WebStub;
use crate::support::{Request, Server};
use serde_json::Value;

/// Lets time pass for the action: what it remembers for a while is forgotten.
const FORGET: &str = r#"
local cache = require("nauthilus_cache")
function nauthilus_run_hook()
    return { pause = cache.cache_delete("clickhouse:logins:pause"), mark = cache.cache_delete("clickhouse:logins:mark") }
end
"#;

fn start(service: &WebStub, batch: &str) -> Server {
    site("post", "clickhouse")
        .hook("forget", FORGET)
        .env(
            "CLICKHOUSE_INSERT_URL",
            service.url("/?query=INSERT%20INTO%20logins%20FORMAT%20JSONEachRow"),
        )
        .env("CLICKHOUSE_USER", "writer")
        .env("CLICKHOUSE_PASSWORD", "key of the house")
        .env("CLICKHOUSE_BATCH_SIZE", batch)
        .start()
}

fn forget(server: &Server) {
    assert_eq!(server.ask(&Request::get("/api/v1/custom/forget")).status, 200);
}

/// The rows of each INSERT.
fn rows(service: &WebStub) -> Vec<Vec<Value>> {
    let rows = |body: &[u8]| {
        String::from_utf8_lossy(body)
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    };
    service.asked().iter().map(|asked| rows(&asked.body)).collect()
}

#[test]
fn a_batch_is_one_insert_without_passwords() {
    let service = WebStub::answering(200, "");
    let server = start(&service, "3");
    assert_eq!(login_from(&server, "192.0.2.7", "ada", "right"), 200);
    assert_eq!(login_from(&server, "192.0.2.8", "bob", "Tr0ub4dor"), 403);
    finished(&server, 2);
    assert_eq!(service.asked().len(), 0);
    assert_eq!(login_from(&server, "192.0.2.8", "carl", "Tr0ub4dor"), 403);
    assert!(finished(&server, 3)[2].contains("clickhouse_rows=3"), "{}", server.log());

    let asked = service.last_asked();
    assert_eq!(asked.line, "POST /?query=INSERT%20INTO%20logins%20FORMAT%20JSONEachRow");
    assert_eq!(
        (asked.header("x-clickhouse-user"), asked.header("x-clickhouse-key")),
        (Some("writer"), Some("key of the house"))
    );
    let rows = rows(&service).concat();
    let users: Vec<_> = rows
        .iter()
        .map(|row| (&row["username"], &row["client_ip"], &row["authenticated"]))
        .collect();
    let expected = [
        (&"ada".into(), &"192.0.2.7".into(), &true.into()),
        (&"bob".into(), &"192.0.2.8".into(), &false.into()),
        (&"carl".into(), &"192.0.2.8".into(), &false.into()),
    ];
    assert_eq!(users, expected);
    // One password on two accounts can be seen, and not what it is.
    assert_eq!(rows[1]["password_hash"], rows[2]["password_hash"]);
    assert_ne!(rows[0]["password_hash"], rows[1]["password_hash"]);
    let text = String::from_utf8_lossy(&asked.body).into_owned();
    assert!(!text.contains("right") && !text.contains("Tr0ub4dor"), "{text}");
}

#[test]
fn a_row_does_not_wait_for_a_batch_for_ever() {
    let service = WebStub::answering(200, "");
    let server = start(&service, "100");
    login_from(&server, "192.0.2.7", "ada", "right");
    login_from(&server, "192.0.2.7", "ada", "right");
    finished(&server, 2);
    assert_eq!(service.asked().len(), 0);
    forget(&server);
    login_from(&server, "192.0.2.7", "ada", "right");
    finished(&server, 3);
    assert_eq!(rows(&service).iter().map(Vec::len).collect::<Vec<_>>(), [3]);
}

#[test]
fn while_the_service_is_away_rows_wait_and_are_bounded() {
    let service =
        WebStub::answering(500, "Code: 60. DB::Exception: Table default.logins does not exist");
    let mut server = start(&service, "1");
    assert_eq!(login_from(&server, "192.0.2.7", "ada", "right"), 200);
    server.wait_for_log("status 500: Code: 60.");
    // Nobody asks again at once.
    assert_eq!(login_from(&server, "192.0.2.7", "bob", "right"), 200);
    finished(&server, 2);
    assert_eq!(service.asked().len(), 1);
    service.answer(200, "");
    forget(&server);
    assert_eq!(login_from(&server, "192.0.2.7", "carl", "right"), 200);
    finished(&server, 3);
    assert_eq!(
        rows(&service)[1].iter().map(|row| &row["username"]).collect::<Vec<_>>(),
        ["ada", "bob", "carl"]
    );

    service.answer(500, "");
    for user in 0..11 {
        assert_eq!(login_from(&server, "192.0.2.7", &format!("user{user}"), "right"), 200);
        finished(&server, 4 + user);
    }
    server.wait_for_log("11 rows were dropped");
    assert!(!server.log().contains("key of the house"));
}
