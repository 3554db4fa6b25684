//! `db` with SQLite: files shared with other processes' rules, and statements that nobody waits for
//! any more.

use crate::support::sql::{ask, eval, in_requests, request, script_with};
use serde_json::json;

#[test]
fn a_file_keeps_what_was_stored() {
    let folder = tempfile::tempdir().unwrap();
    let address = folder.path().join("mail.db").display().to_string();
    let first = r#"
        local h = open()
        assert(h:command("PRAGMA journal_mode=WAL"))
        assert(h:exec("CREATE TABLE users (name TEXT PRIMARY KEY, hash TEXT)"))
        local s = assert(h:stmt("INSERT INTO users VALUES (?, ?)"))
        return { assert(s:exec("Ada", "{SSHA}ä")).rows_affected, select(2, s:exec("Ada", "x")) }
    "#;
    assert_eq!(
        eval("sqlite3", &address, first),
        json!([1, "UNIQUE constraint failed: users.name"])
    );
    let second = r#"return assert(open({ shared = true }):query("SELECT * FROM users")).rows"#;
    assert_eq!(eval("sqlite3", &address, second), json!([["Ada", "{SSHA}ä"]]));
}

#[test]
fn a_lock_is_waited_for_and_then_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let address = folder.path().join("mail.db").display().to_string();
    let body = r#"
        local one, two = open(), db.open("sqlite3", PATH .. "?_busy_timeout=50")
        assert(one:exec("CREATE TABLE t (a)"))
        assert(one:command("BEGIN IMMEDIATE"))
        local _, busy = two:exec("INSERT INTO t VALUES (1)")
        assert(one:command("COMMIT"))
        return { busy, assert(two:exec("INSERT INTO t VALUES (1)")).rows_affected }
    "#;
    assert_eq!(
        eval("sqlite3", &address, &body.replace("PATH", &format!("{address:?}"))),
        json!(["database is locked", 1])
    );
}

#[test]
fn a_statement_that_nobody_waits_for_is_stopped() {
    let lua = r#"
        local http = require("nauthilus_http_request")
        function nauthilus_run_hook()
            local r, err = db.open("sqlite3", ":memory:"):query(http.get_http_request_body())
            return { r and r.rows[1][1] or err }
        end
    "#;
    let server = script_with(lua, json!({ "server": { "timeouts": { "lua_script": "1s" } } }));
    // As many as there are helper threads, so that nothing would be answered if they went on.
    let endless =
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
    let mut busy: Vec<_> = (0..4).map(|_| server.connect()).collect();
    busy.iter_mut().for_each(|client| client.send(&request(endless).bytes()));
    busy.iter_mut().for_each(|client| assert_eq!(client.answer().status, 500, "its time is over"));
    assert_eq!(ask(&server, "SELECT 7"), json!([7]));
}

/// Whatever a statement did to a shared connection, the next request finds none of it.
#[test]
fn a_connection_carries_nothing_from_one_request_to_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let address = folder.path().join("mail.db").display().to_string();
    let said = in_requests(
        "sqlite3",
        &address,
        &[
            &["CREATE TEMP TABLE seen AS SELECT 'secret' AS a"],
            &["SELECT a FROM seen"],
            &["ATTACH ':memory:' AS other"],
            &["CREATE TABLE other.t (a)"],
            &["PRAGMA case_sensitive_like = 1"],
            &["SELECT 'a' LIKE 'A'"],
        ],
    );
    assert!(said[1][0].as_str().unwrap().contains("no such table"), "{said:?}");
    assert!(said[3][0].as_str().unwrap().contains("unknown database"), "{said:?}");
    assert_eq!(said[5][0], "1");
}

#[test]
fn a_huge_value_is_an_error_and_costs_no_memory() {
    let said = in_requests(
        "sqlite3",
        ":memory:",
        &[&["SELECT zeroblob(900000000)", "SELECT length(zeroblob(1000))"]],
    );
    assert!(said[0][0].as_str().unwrap().contains("too big"), "{said:?}");
    assert_eq!(said[0][1], "1000");
}
