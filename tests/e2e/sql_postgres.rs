//! `db` with a real PostgreSQL: types, ways to log in, transactions, and what happens when the
//! server goes away.

use crate::support::sql::{Database, ask, eval, in_requests, request, script, value};
use crate::support::until;
use serde_json::json;
use std::sync::LazyLock;

/// Shared by the tests that do not stop it; ends with the process.
static POSTGRES: LazyLock<Database> = LazyLock::new(Database::postgres);

fn address() -> String {
    format!("postgres://auth:secret@127.0.0.1:{}/mail?sslmode=disable", POSTGRES.port)
}

#[test]
fn values_are_what_their_types_say() {
    let body = r#"
        local h = open()
        local sql = [[SELECT 5::int2, -9007199254740991::int8, 1.5::float4, 'NaN'::float8, true, 'Grüße 🙂'::text, '{a}'::text, '{}'::jsonb, 1.25::numeric(5,2),
            '\x00ff'::bytea, '2018-12-02 03:33:05.25+00'::timestamptz, '2018-12-02'::date, 'infinity'::timestamp, '12:00'::time,
            '{a,"b c"}'::text[], '{1,2}'::int[], '{{1},{2}}'::int[], NULL::int, 7::oid]]
        local function show(result)
            local out, row = {}, result.rows[1]
            for i = 1, #result.columns do
                local value = row[i]
                if i == 10 then value = #value .. value:byte(2) end
                if type(value) == "table" then value = "[" .. table.concat(value, "|") .. "]" end
                out[i] = type(row[i]):sub(1, 1) .. tostring(value)
            end
            return out
        end
        return { show(assert(h:query(sql))), show(assert(assert(h:stmt(sql)):query())) }
    "#;
    let row = json!([
        "n5",
        "n-9007199254740991",
        "n1.5",
        "nNaN",
        "btrue",
        "sGrüße 🙂",
        "s{a}",
        "s{}",
        "s1.25",
        "s2255",
        "n1.54372158525e+09",
        "n1543708800",
        "sinfinity",
        "s12:00:00",
        "t[a|b c]",
        "t[1|2]",
        "s{{1},{2}}",
        "nnil",
        "s7"
    ]);
    let shown = eval("postgres", &address(), body);
    let lower = |value: &serde_json::Value| value.to_string().to_lowercase();
    assert_eq!((lower(&shown[0]), lower(&shown[1])), (lower(&row), lower(&row)));
}

#[test]
fn statements_take_values_and_survive_changes_of_the_table() {
    let body = r#"
        local h = open()
        h:command("DROP TABLE IF EXISTS changing")
        assert(h:command("CREATE TABLE changing (id serial, name text, size float8, ok bool)"))
        local insert = assert(h:stmt("INSERT INTO changing (name, size, ok) VALUES ($1, $2, $3)"))
        local x = assert(insert:exec("it's", 1.5, true))
        assert(insert:exec(nil, 7, nil))
        local all = assert(h:stmt("SELECT * FROM changing WHERE id >= $1 ORDER BY id"))
        local before = assert(all:query(1))
        assert(h:exec("ALTER TABLE changing ADD COLUMN more int DEFAULT 3"))
        local after = assert(all:query(2))
        local _, count = all:query()
        local _, wrong = h:stmt("SELECT nosuch")
        local _, bad = all:query("x")
        local many = {}
        for i = 1, 40 do many[i] = assert(assert(h:stmt("SELECT " .. i)):query()).rows[1][1] end
        return { x.rows_affected, tostring(x.last_insert_id), before.rows[1][2], before.rows[1][3], before.rows[1][4], #before.columns, #after.columns,
            after.rows[1][3], after.rows[1][5], count, wrong, bad, many[40] }
    "#;
    let expected = json!([
        1,
        "nil",
        "it's",
        1.5,
        true,
        4,
        5,
        7,
        3,
        "sql: expected 1 arguments, got 0",
        "pq: column \"nosuch\" does not exist at column 8 (42703)",
        "pq: invalid input syntax for type integer: \"x\" (22P02)",
        40
    ]);
    assert_eq!(eval("postgres", &address(), body), expected);
}

#[test]
fn transactions_are_whole_or_nothing() {
    let body = r#"
        local h = open()
        h:command("DROP TABLE IF EXISTS c, p")
        assert(h:command("CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (p int REFERENCES p DEFERRABLE INITIALLY DEFERRED)"))
        local r, deferred = h:exec("INSERT INTO c VALUES (1)")
        local _, double = h:exec("INSERT INTO p VALUES (1); INSERT INTO p VALUES (1)")
        local many = assert(h:query("SELECT 5 AS five; SELECT 6"))
        local count = assert(h:exec("INSERT INTO p VALUES (2), (3); DELETE FROM p WHERE id = 2"))
        local empty = assert(h:query(""))
        local read_only = open({ read_only = true })
        local _, refused = read_only:exec("INSERT INTO p VALUES (9)")
        local _, out = h:query("COPY p TO STDOUT")
        local _, into = h:query("COPY p FROM STDIN")
        assert(h:command("VACUUM p"))
        local rest = assert(h:query("SELECT count(*) FROM p")).rows[1][1] + assert(h:query("SELECT count(*) FROM c")).rows[1][1]
        return { tostring(r), deferred:match("%((%w+)%)$"), double:match("%((%w+)%)$"), many.columns[1], many.rows[1][1], #many.rows, count.rows_affected,
            #empty.columns + #empty.rows, refused:match("%((%w+)%)$"), out, into:match("%((%w+)%)$"), rest }
    "#;
    let expected = json!([
        "nil",
        "23503",
        "23505",
        "five",
        5,
        1,
        2,
        0,
        "25006",
        "pq: COPY is not supported",
        "57014",
        1
    ]);
    assert_eq!(eval("postgres", &address(), body), expected);
}

#[test]
fn every_way_to_log_in_works_and_a_wrong_password_does_not() {
    let body = r#"
        local base = "host=127.0.0.1 port=PORT dbname=mail "
        local function try(address)
            local r, err = db.open("postgres", address):query("SELECT current_user, (SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid())")
            return r and r.rows[1][1] .. tostring(r.rows[1][2]) or err
        end
        return {
            try(base .. "user=auth password=secret sslmode=disable"), try(base .. "user=old password=secret sslmode=disable"),
            try(base .. "user=plain password=secret"), try("host=FOLDER port=PORT dbname=mail user=auth password=secret"),
            try("host=localhost port=PORT dbname=mail user=auth password=secret sslmode=verify-full sslrootcert=FOLDER/cert.pem"),
            try(base .. "user=auth password=secret sslmode=verify-ca sslrootcert=FOLDER/cert.pem"),
            (try(base .. "user=auth password=secret sslmode=verify-full sslrootcert=FOLDER/cert.pem"):sub(1, 5)),
            try(base .. "user=auth password=hunter2 sslmode=disable"), try(base .. "user=old password=hunter2 sslmode=disable"),
            try(base .. "user=auth password=secret sslmode=prefer"),
        }
    "#;
    let body = body
        .replace("PORT", &POSTGRES.port.to_string())
        .replace("FOLDER", &POSTGRES.folder.display().to_string());
    let expected = json!([
        "authfalse",
        "oldfalse",
        "plaintrue",
        "authfalse",
        "authtrue",
        "authtrue",
        "tls: ",
        "pq: password authentication failed for user \"auth\" (28P01)",
        "pq: password authentication failed for user \"old\" (28P01)",
        "pq: unsupported sslmode; only \"require\" (default), \"verify-full\", \"verify-ca\", and \"disable\" supported"
    ]);
    assert_eq!(eval("postgres", &address(), &body), expected);
}

#[test]
fn large_results_arrive_whole_or_as_an_error() {
    let body = r#"
        local h = open()
        local r = assert(h:query("SELECT i, repeat('x', 100) FROM generate_series(1, 50000) i"))
        local sum = 0
        for _, row in ipairs(r.rows) do sum = sum + row[1] + #row[2] end
        local _, large = h:query("SELECT repeat('x', 1000000) FROM generate_series(1, 50)")
        return { #r.rows, sum, large, #assert(h:query("SELECT repeat('y', 9000000)")).rows[1][1] }
    "#;
    let expected =
        json!([50_000, 1_255_025_000, "sql: the result is larger than 16777216 bytes", 9_000_000]);
    assert_eq!(eval("postgres", &address(), body), expected);
}

#[test]
fn a_hundred_scripts_share_ten_connections_of_one_core() {
    let lua = r#"
        local http = require("nauthilus_http_request")
        function nauthilus_run_hook()
            local h = db.open("postgres", ADDRESS, { shared = true, max_connections = 10 })
            local number = tonumber(http.get_http_request_body())
            local s = assert(h:stmt("SELECT $1::int, pg_backend_pid(), pg_sleep(0.02)"))
            local r = assert(s:query(number))
            return { r.rows[1][1] == number, r.rows[1][2] }
        end
    "#;
    let server = script(&lua.replace("ADDRESS", &format!("{:?}", address())));
    let mut clients: Vec<_> = (0..100).map(|_| server.connect()).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        client.send(&request(&number.to_string()).bytes());
    }
    let mut connections = std::collections::HashSet::new();
    for client in &mut clients {
        let answer = value(&client.answer());
        assert_eq!(answer[0], json!(true), "{answer}");
        connections.insert(answer[1].to_string());
    }
    assert!((2..=10).contains(&connections.len()), "{connections:?}");
}

#[test]
fn a_server_that_goes_away_is_an_error_and_is_found_again() {
    let mut database = Database::postgres();
    let lua = r#"
        local http = require("nauthilus_http_request")
        function nauthilus_run_hook()
            local h = db.open("postgres", ADDRESS, { shared = true, max_connections = 3 })
            local r, err = h:query(http.get_http_request_body())
            return { r and r.rows[1][1] or "nil", err or "" }
        end
    "#;
    let address =
        format!("postgres://auth:secret@127.0.0.1:{}/mail?sslmode=disable", database.port);
    let server = script(&lua.replace("ADDRESS", &format!("{address:?}")));
    let mut waiting = server.connect();
    waiting.send(&request("SELECT pg_sleep(60)").bytes());
    let running = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'";
    until("the statement to run", || (ask(&server, running)[0] == json!(1)).then_some(()));
    database.stop();
    let answer = value(&waiting.answer());
    assert_eq!(answer[0], json!("nil"));
    assert!(answer[1].as_str().is_some_and(|text| !text.is_empty()), "{answer}");
    database.restart();
    until("the server to have recovered", || {
        (ask(&server, "SELECT 3") == json!([3, ""])).then_some(())
    });
    // One that an administrator ends while it is idle is replaced.
    let ended = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = 'auth' AND pid <> pg_backend_pid()";
    assert_eq!(ask(&server, ended)[1], json!(""));
    assert_eq!(ask(&server, "SELECT 4"), json!([4, ""]));
}

/// Whatever a statement did to a shared connection, the next request finds none of it.
#[test]
fn a_connection_carries_nothing_from_one_request_to_the_next() {
    let said = in_requests(
        "postgres",
        &address(),
        &[
            &["CREATE TEMP TABLE seen AS SELECT 'secret' AS a", "SELECT pg_backend_pid()"],
            &["SELECT a FROM seen", "SELECT pg_backend_pid()"],
            &["SET my.mark = 'secret'"],
            &["SELECT current_setting('my.mark', true)"],
            &["PREPARE p AS SELECT 7"],
            &["EXECUTE p"],
        ],
    );
    assert!(said[1][0].as_str().unwrap().contains("does not exist"), "{said:?}");
    assert_eq!(said[0][1], said[1][1], "it is the same connection");
    assert!(said[3][0] != "secret", "{said:?}");
    assert!(said[5][0].as_str().unwrap().contains("does not exist"), "{said:?}");
}

/// `\\x41` are four bytes, and none of them changes, whatever the server's own form of them.
#[test]
fn bytes_go_both_ways_whatever_the_output_form() {
    for form in ["hex", "escape"] {
        let body = r#"
            local h = open()
            assert(h:command("SET bytea_output = '@FORM@'"))
            local bytes = "\\x41\0\255\\'"
            local back = assert(assert(h:stmt("SELECT $1::bytea, length($1::bytea)")):query(bytes)).rows[1]
            local plain = assert(h:query([[SELECT '\x00ff5c'::bytea]])).rows[1][1]
            return { back[1] == bytes, back[2], plain == "\0\255\\" }
        "#;
        assert_eq!(
            eval("postgres", &address(), &body.replace("@FORM@", form)),
            json!([true, 8, true]),
            "{form}"
        );
    }
}
