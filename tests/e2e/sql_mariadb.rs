//! `db` with a real MariaDB: types, transactions, pools, and what happens when the server goes
//! away.

use crate::support::sql::{Database, ask, eval, in_requests, request, script, script_with, value};
use serde_json::json;
use std::io::Write;
use std::net::TcpStream;
use std::sync::LazyLock;

/// Shared by the tests that do not stop it; ends with the process.
static MARIADB: LazyLock<Database> = LazyLock::new(Database::mariadb);

fn address() -> String {
    format!("auth:secret@tcp(127.0.0.1:{})/mail", MARIADB.port)
}

#[test]
fn values_are_what_their_columns_say() {
    let body = r#"
        local h = open()
        assert(h:command("DROP TABLE IF EXISTS kinds"))
        assert(h:command([[CREATE TABLE kinds (ti TINYINT, u INT UNSIGNED, b BIGINT, bu BIGINT UNSIGNED, f FLOAT, d DOUBLE, dec1 DECIMAL(10,2),
            s VARCHAR(50), bl BLOB, j JSON, en ENUM('x','y'), bi BIT(8), da DATE, dt DATETIME(3), ts TIMESTAMP NULL, t TIME, y YEAR, bo BOOL)]]))
        assert(h:exec([[INSERT INTO kinds VALUES (-5, 4000000000, -9007199254740991, 18446744073709551615, 3.14, 0.1, 3.5,
            'Grüße 🙂', x'00ff', '{}', 'y', b'00000101', '2018-12-02', '2018-12-02 03:33:05.250', '2018-12-02 03:33:05', '-12:34:56', 2024, TRUE)]]))
        assert(h:exec("INSERT INTO kinds (s) VALUES ('{PLAIN}')"))
        local text = assert(h:query("SELECT * FROM kinds ORDER BY ti DESC"))
        local prepared = assert(assert(h:stmt("SELECT * FROM kinds ORDER BY ti DESC")):query())
        local function show(result)
            local out = {}
            for i, name in ipairs(result.columns) do
                local value = result.rows[1][i]
                local binary = name == "bl" or name == "bi"
                out[i] = name .. "=" .. (binary and #value .. ":" .. value:byte(-1) or type(value):sub(1, 1) .. ":" .. tostring(value))
            end
            local nulls = 0
            for i in ipairs(result.columns) do
                if result.rows[2][i] == nil then nulls = nulls + 1 end
            end
            return table.concat(out, " ") .. " nulls=" .. nulls .. " " .. result.rows[2][8]
        end
        return { text = show(text), prepared = show(prepared) }
    "#;
    let all = "ti=n:-5 u=n:4000000000 b=n:-9007199254740991 bu=s:18446744073709551615 f=n:3.14 d=n:0.1 dec1=s:3.50 s=s:Grüße 🙂 bl=2:255 j=s:{} en=s:y \
               bi=1:5 da=s:2018-12-02 dt=s:2018-12-02 03:33:05.250 ts=s:2018-12-02 03:33:05 t=s:-12:34:56 y=n:2024 bo=n:1 nulls=17 {PLAIN}";
    let all = all.split_whitespace().collect::<Vec<_>>().join(" ");
    let shown = eval("mysql", &format!("{}?time_zone=%27%2B00%3A00%27", address()), body);
    assert_eq!(
        (shown["text"].as_str(), shown["prepared"].as_str()),
        (Some(all.as_str()), Some(all.as_str()))
    );
}

#[test]
fn dates_are_seconds_on_demand_and_values_go_both_ways() {
    let body = r#"
        local h = open()
        local r = assert(h:query("SELECT CAST('2018-12-02 03:33:05' AS DATETIME), CAST('2018-12-02' AS DATE)"))
        local s = assert(h:stmt("SELECT ?, ?, ?, ?, CONCAT(?, ''), ? + 1"))
        local v = assert(s:query("it's {a}", 7, true, nil, 1e21, 41)).rows[1]
        local _, count = s:query(1)
        return { r.rows[1][1], r.rows[1][2], v[1], v[2], v[3], tostring(v[4]), v[5], v[6], count }
    "#;
    let shown = eval("mysql", &format!("{}?parseTime=true&loc=Europe%2FBerlin", address()), body);
    let expected = json!([
        1_543_718_u64 * 1000 - 15,
        1_543_705_200,
        "it's {a}",
        7,
        1,
        "nil",
        "1e21",
        42,
        "sql: expected 6 arguments, got 1"
    ]);
    assert_eq!(shown, expected);
}

#[test]
fn transactions_are_whole_or_nothing() {
    let body = r#"
        local h = open()
        h:command("DROP TABLE IF EXISTS t")
        assert(h:command("CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, n INT UNIQUE)"))
        local first = assert(h:exec("INSERT INTO t (n) VALUES (1), (2), (3)"))
        local same = assert(h:exec("UPDATE t SET n = 1 WHERE n = 1"))
        local _, double = h:exec("INSERT INTO t (n) VALUES (9), (1)")
        local _, many = h:query("SELECT 1; SELECT 2")
        local read_only = open({ read_only = true })
        local _, refused = read_only:exec("INSERT INTO t (n) VALUES (7)")
        assert(read_only:command("INSERT INTO t (n) VALUES (8)"))
        local multi = db.open("mysql", ADDRESS .. "?multiStatements=true")
        local r = assert(multi:query("SELECT 5; INSERT INTO t (n) VALUES (10); SELECT 6"))
        local _, broken = multi:exec("INSERT INTO t (n) VALUES (11); SELEC")
        local found = db.open("mysql", ADDRESS .. "?clientFoundRows=1"):exec("UPDATE t SET n = 1 WHERE n = 1")
        local rest = {}
        for i, row in ipairs(h:query("SELECT n FROM t ORDER BY n").rows) do rest[i] = row[1] end
        return { first.rows_affected, first.last_insert_id, same.rows_affected, double:sub(1, 18), many:sub(1, 18), refused:sub(1, 18),
            r.rows[1][1], #r.rows, broken:sub(1, 18), found.rows_affected, rest }
    "#;
    let shown = eval("mysql", &address(), &body.replace("ADDRESS", &format!("{:?}", address())));
    let syntax = "Error 1064 (42000)";
    assert_eq!(
        shown,
        json!([
            3,
            1,
            0,
            "Error 1062 (23000)",
            syntax,
            "Error 1792 (25006)",
            5,
            1,
            syntax,
            1,
            [1, 2, 3, 8, 10]
        ])
    );
}

#[test]
fn large_results_arrive_whole_or_as_an_error() {
    let body = r#"
        local h = open()
        local r = assert(h:query("SELECT seq, REPEAT('x', 100) FROM seq_1_to_50000"))
        local sum = 0
        for _, row in ipairs(r.rows) do sum = sum + row[1] + #row[2] end
        local _, large = h:query("SELECT REPEAT('x', 1000000) FROM seq_1_to_50")
        local long = assert(h:query("SELECT REPEAT('y', 9000000)")).rows[1][1]
        local statement = assert(h:stmt("SELECT LENGTH(?)")):query(string.rep("z", 3000000))
        return { #r.rows, sum, large, #long, statement.rows[1][1] }
    "#;
    let shown = eval("mysql", &address(), body);
    assert_eq!(
        shown,
        json!([
            50_000,
            1_255_025_000,
            "sql: the result is larger than 16777216 bytes",
            9_000_000,
            3_000_000
        ])
    );
}

#[test]
fn who_may_not_in_is_told_so_without_the_password() {
    let body = r#"
        local out = {}
        for i, address in ipairs({ "auth:hunter2@tcp(127.0.0.1:PORT)/mail", "auth:secret@tcp(127.0.0.1:PORT)/nosuch", "auth:secret@tcp(127.0.0.1:PORT)/mail?tls=true",
            "auth:hunter2@unix(/nonexistent.sock)/", "auth:secret@tcp(127.0.0.1:PORT)/mail?nosuch=1" }) do
            local r, err = db.open("mysql", address):query("SELECT 1")
            out[i] = tostring(r) .. " " .. err
        end
        return out
    "#;
    let shown = eval("mysql", &address(), &body.replace("PORT", &MARIADB.port.to_string()));
    let texts: Vec<&str> =
        shown.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect();
    for (text, beginning) in texts.iter().zip([
        "nil Error 1045 (28000): Access denied for user 'auth'@",
        "nil Error 1044 (42000): Access denied",
        "nil tls: ",
        "nil dial unix /nonexistent.sock: connect: no such file",
        "nil Error 1193 (HY000): Unknown system variable 'nosuch'",
    ]) {
        assert!(text.starts_with(beginning) && !text.contains("hunter2"), "{text}");
    }
}

#[test]
fn it_speaks_over_unix_sockets_and_tls() {
    let body = r#"
        local function cipher(address) return assert(assert(db.open("mysql", address)):query("SHOW STATUS LIKE 'Ssl_cipher'")).rows[1][2] end
        return { #cipher("auth:secret@unix(SOCKET)/mail"), #cipher(ADDRESS), cipher(ADDRESS .. "?tls=skip-verify") ~= "", cipher(ADDRESS .. "?tls=preferred") ~= "" }
    "#;
    let socket = MARIADB.path("db.sock").display().to_string();
    let body = body.replace("SOCKET", &socket).replace("ADDRESS", &format!("{:?}", address()));
    assert_eq!(eval("mysql", &address(), &body), json!([0, 0, true, true]));
}

#[test]
fn a_hundred_scripts_share_ten_connections_of_one_core() {
    let lua = r#"
        local http = require("nauthilus_http_request")
        function nauthilus_run_hook()
            local h = db.open("mysql", ADDRESS, { shared = true, max_connections = 10 })
            local number = tonumber(http.get_http_request_body())
            local r = assert(h:query("SELECT " .. number .. ", CONNECTION_ID(), SLEEP(0.02)"))
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
fn who_waits_too_long_for_a_connection_gets_an_error_and_who_leaves_frees_it() {
    let lua = r#"
        local http = require("nauthilus_http_request")
        function nauthilus_run_hook()
            local h = db.open("mysql", ADDRESS, { shared = true })
            local r, err = h:query(http.get_http_request_body())
            return { r and r.rows[1][1] or err }
        end
    "#;
    let patient = json!({ "server": { "timeouts": { "lua_script": "100s", "request": "100s" } } });
    let server = script_with(&lua.replace("ADDRESS", &format!("{:?}", address())), patient);
    let mut busy = TcpStream::connect(server.address).unwrap();
    busy.write_all(&request("SELECT SLEEP(100)").bytes()).unwrap();
    // The first request is under way when the second one is looked at: both came to the one worker
    // in this order.
    let error = "sql: all connections are in use, and none became free within 5 s";
    assert_eq!(ask(&server, "SELECT 1"), json!([error]));
    // A client that only stops sending may still want its answer; one that resets the connection
    // does not.
    socket2::SockRef::from(&busy).set_linger(Some(std::time::Duration::ZERO)).unwrap();
    drop(busy);
    assert_eq!(ask(&server, "SELECT 2"), json!([2]));
}

#[test]
fn a_server_that_goes_away_is_an_error_and_is_found_again() {
    let mut database = Database::mariadb();
    let lua = r#"
        local http = require("nauthilus_http_request")
        function nauthilus_run_hook()
            local h = db.open("mysql", ADDRESS, { shared = true, max_connections = 3 })
            local r, err = h:query(http.get_http_request_body())
            return { r and r.rows[1][1] or "nil", err or "" }
        end
    "#;
    let address = format!("auth:secret@tcp(127.0.0.1:{})/mail", database.port);
    let server = script(&lua.replace("ADDRESS", &format!("{address:?}")));
    let mut waiting = server.connect();
    waiting.send(&request("SELECT SLEEP(60)").bytes());
    // Idle connections, to be found dead later; the statement above is then surely under way.
    let running =
        "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP%'";
    crate::support::until("the statement to run", || {
        (ask(&server, running)[0] == json!(1)).then_some(())
    });
    database.stop();
    let answer = value(&waiting.answer());
    assert_eq!(answer[0], json!("nil"));
    assert!(
        answer[1].as_str().is_some_and(|text| text.starts_with("connection closed by ")),
        "{answer}"
    );
    assert!(
        ask(&server, "SELECT 1")[1]
            .as_str()
            .is_some_and(|text| text.contains("connection refused"))
    );
    database.restart();
    assert_eq!(ask(&server, "SELECT 3"), json!([3, ""]));
    // Idle ones that die while nobody looks are replaced.
    database.restart();
    assert_eq!(ask(&server, "SELECT 4"), json!([4, ""]));
}

/// Whatever a statement did to a shared connection, the next request finds none of it.
#[test]
fn a_connection_carries_nothing_from_one_request_to_the_next() {
    let said = in_requests(
        "mysql",
        &address(),
        &[
            &["CREATE TEMPORARY TABLE seen AS SELECT 'secret' AS a", "SELECT connection_id()"],
            &["SELECT a FROM seen", "SELECT connection_id()"],
            &["SET @mark = 'secret'"],
            &["SELECT @mark"],
            &["SET SESSION sql_mode = 'ANSI_QUOTES'"],
            &["SELECT @@sql_mode", "SELECT database()"],
        ],
    );
    assert!(said[1][0].as_str().unwrap().contains("doesn't exist"), "{said:?}");
    assert_eq!(said[0][1], said[1][1], "it is the same connection");
    assert_eq!(said[3][0], "nil");
    assert!(said[5][0] != "ANSI_QUOTES", "{said:?}");
    assert_eq!(said[5][1], "mail");
}
