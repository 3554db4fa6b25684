//! The module over SQLite, which needs no server, and over servers that do not answer.

use crate::op::{Answer, ConnectionOp, Failure, Op};
use crate::script::testing::eval_with;
use crate::value::Value;

/// What the body of a function returns, when nobody listens anywhere.
fn eval(body: &str) -> Result<Value, String> {
    eval_with(&format!("local db = require('db') {body}"), |op| match op {
        Op::Connection(ConnectionOp::Open(address)) => Answer::Failed(Failure::Refused(format!(
            "dial tcp {address}: connect: connection refused"
        ))),
        op => panic!("nobody answers {op:?}"),
    })
}

/// A body that has `h`, an empty database in memory.
fn with_memory(body: &str) -> Result<Value, String> {
    eval(&format!("local h = assert(db.open('sqlite3', ':memory:')) {body}"))
}

fn text(value: Result<Value, String>) -> String {
    match value.unwrap() {
        Value::String(text) => String::from_utf8(text).unwrap(),
        value => format!("{value:?}"),
    }
}

#[test]
fn open_tells_what_it_does_not_know_and_does_not_connect() {
    assert_eq!(
        text(eval("local h, e = db.open('oracle', 'x') return e")),
        "unknown driver: oracle"
    );
    let error = "invalid DSN: missing the slash separating the database name";
    assert_eq!(text(eval("local h, e = db.open('mysql', 'u:p@tcp(h:1)') return e")), error);
    assert_eq!(text(eval("return type(db.open('postgres', 'garbage'))")), "userdata");
    assert_eq!(
        text(eval("local r, e = db.open('postgres', 'garbage'):query('SELECT 1') return e")),
        "missing \"=\" after \"garbage\" in connection info string\""
    );
}

#[test]
fn nobody_there_is_an_error_of_the_statement() {
    for open in [
        "db.open('mysql', 'u:hunter2@tcp(127.0.0.1:1)/d')",
        "db.open('postgres', 'postgres://u:hunter2@127.0.0.1:1/d')",
    ] {
        for method in ["query", "exec", "command", "stmt"] {
            let error = text(eval(&format!(
                "local r, e = {open}:{method}('SELECT 1') return tostring(r) .. e"
            )));
            assert_eq!(
                error, "nildial tcp 127.0.0.1:1: connect: connection refused",
                "{open} {method}"
            );
        }
    }
}

#[test]
fn wrong_arguments_raise() {
    for body in [
        "db.open()",
        "db.open('mysql')",
        "db.open('mysql', {})",
        "db.open('mysql', 'u@/d', nil)",
        "db.open('mysql', 'u@/d', 'x')",
        "db.open('mysql', 'u@/d', { shared = 'yes' })",
        "db.open('mysql', 'u@/d', { read_only = 1 })",
        "db.open('mysql', 'u@/d', { max_connections = '3' })",
        "h:query()",
        "h:query({})",
        "h.query('x', 'SELECT 1')",
        "h.close()",
        "h:stmt('SELECT 1').query(h)",
        "h:stmt('SELECT 1').close(h)",
    ] {
        assert!(with_memory(body).is_err(), "{body}");
    }
}

#[test]
fn methods_are_methods_only() {
    assert_eq!(
        text(eval(
            "local n = {} for k in pairs(db) do n[#n + 1] = k end return table.concat(n, ' ')"
        )),
        "open"
    );
}

#[test]
fn a_result_has_columns_and_rows() {
    let body = "h:exec('CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, size REAL, raw BLOB)')
        local x = h:exec(\"INSERT INTO t (name, size, raw) VALUES ('Ä', 1.5, x'00ff'), (NULL, 2, NULL)\")
        local r = h:query('SELECT id, name, size, raw, name FROM t ORDER BY id')
        local none = h:query('SELECT id FROM t WHERE id > 9')
        local nothing = h:command('DELETE FROM t')
        return x.rows_affected .. x.last_insert_id .. '|' .. table.concat(r.columns, ',') .. '|' .. r.rows[1][2] .. r.rows[1][3]
            .. #r.rows[1][4] .. '|' .. tostring(r.rows[2][2]) .. r.rows[2][1] .. '|' .. #none.columns .. #none.rows .. '|'
            .. #nothing.columns .. #nothing.rows";
    assert_eq!(text(with_memory(body)), "22|id,name,size,raw,name|Ä1.52|nil2|10|00");
}

#[test]
fn statements_take_values() {
    let body = "h:exec('CREATE TABLE t (a, b, c, d)')
        local s = assert(h:stmt('INSERT INTO t VALUES (?, ?, ?, ?)'))
        local x = s:exec('{a}', 7, true, nil)
        local q = h:stmt('SELECT a, b, c, d, typeof(b), typeof(d) FROM t WHERE b = ?')
        local r = q:query(7)
        local _, count = s:exec(1)
        local _, kind = s:exec({}, 1, 2, 3)
        s:close() s:close()
        local _, closed = s:query(1, 2, 3, 4)
        local _, bad = h:stmt('SELEC')
        return x.rows_affected .. table.concat({ r.rows[1][1], r.rows[1][2], r.rows[1][3], tostring(r.rows[1][4]), r.rows[1][5], r.rows[1][6] }, ',')
            .. '|' .. count .. '|' .. kind .. '|' .. closed .. '|' .. bad";
    assert_eq!(
        text(with_memory(body)),
        "1{a},7,1,nil,integer,null|sql: expected 4 arguments, got 1|sql: converting argument $1 type: unsupported type table\
         |sql: statement is closed|near \"SELEC\": syntax error"
    );
}

#[test]
fn a_failing_transaction_leaves_nothing() {
    let body = "h:command('PRAGMA foreign_keys=1')
        h:exec('CREATE TABLE p (id INTEGER PRIMARY KEY)')
        h:exec('CREATE TABLE c (p REFERENCES p(id) DEFERRABLE INITIALLY DEFERRED)')
        local r, e = h:exec('INSERT INTO c VALUES (1)')
        local two, e2 = h:exec('INSERT INTO p VALUES (1); INSERT INTO p VALUES (1)')
        return tostring(r) .. '|' .. e .. '|' .. tostring(two) .. '|' .. #h:query('SELECT * FROM p').rows .. #h:query('SELECT * FROM c').rows";
    assert_eq!(text(with_memory(body)), "nil|FOREIGN KEY constraint failed|nil|00");
}

#[test]
fn read_only_concerns_query_and_exec() {
    let body = "local h = db.open('sqlite3', ':memory:', { read_only = true })
        assert(h:command('CREATE TABLE t (a)'))
        local _, e = h:exec('INSERT INTO t VALUES (1)')
        assert(h:command('INSERT INTO t VALUES (2)'))
        assert(h:stmt('INSERT INTO t VALUES (3)'):exec())
        return e .. '|' .. #h:query('SELECT * FROM t').rows";
    assert_eq!(text(eval(body)), "attempt to write a readonly database|2");
}

#[test]
fn closing_a_shared_handle_concerns_its_holder_only() {
    let body = "local o = { shared = true }
        local a, b = db.open('sqlite3', 'file:x?mode=memory', o), db.open('sqlite3', 'file:x?mode=memory', o)
        a:command('CREATE TABLE t (a)')
        a:close() a:close()
        local _, e = a:query('SELECT 1')
        local own = db.open('sqlite3', ':memory:')
        local s = own:stmt('SELECT 1')
        own:close()
        local _, e2 = s:query()
        return e .. '|' .. #b:query('SELECT * FROM t').columns .. '|' .. e2";
    assert_eq!(text(eval(body)), "sql: database is closed|1|sql: database is closed");
}

#[test]
fn a_transaction_is_not_left_open_for_strangers() {
    let body = "local h = db.open('sqlite3', 'file:y?mode=memory', { shared = true })
        local _, e = h:command('BEGIN')
        local own = db.open('sqlite3', ':memory:')
        own:command('CREATE TABLE t (a)') assert(own:command('BEGIN')) own:command('INSERT INTO t VALUES (1)') assert(own:command('ROLLBACK'))
        return e .. '|' .. #own:query('SELECT * FROM t').rows";
    assert_eq!(
        text(eval(body)),
        "sql: a transaction was left open on a shared connection; it was rolled back|0"
    );
}

#[test]
fn a_result_that_is_too_large_is_an_error() {
    let body = "local _, e = h:query('WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i, zeroblob(100000) FROM n')
        local r = h:query('WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 20000) SELECT i FROM n')
        return e .. '|' .. r.rows[20000][1]";
    assert_eq!(text(with_memory(body)), "sql: the result is larger than 16777216 bytes|20000");
}
