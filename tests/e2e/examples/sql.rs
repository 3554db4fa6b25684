//! `backends/sql.lua`, with the table that its head shows, in each of the databases.

use super::{accounts, example, is_temporary, login, look_up};
use crate::support::sql::{Database, eval};
use crate::support::{Request, Server, Site, until};
use serde_json::json;

/// The password of the users is "secret"; nobody can compare that of Dora.
const USERS: &str = "INSERT INTO users (username, account, password, display_name, quota) VALUES
    ('ada', 'ada@example.org', '{SSHA256}YHwWAhvYSecp3KMnWk68BDFr3xsXX9GS62TGo7+BLF5hYmNkZWZnaA==', 'Ada L', '1G'),
    ('ada@example.org', 'ada@example.org', '{PLAIN}secret', NULL, NULL),
    ('carl', 'carl@example.org', NULL, NULL, NULL),
    ('dora', 'dora@example.org', '{NOPE}secret', NULL, NULL)";

/// The statements in the head of the script, which make the tables.
pub(super) fn tables() -> Vec<String> {
    let script = example("backends/sql.lua");
    let lines = script
        .lines()
        .map_while(|line| line.strip_prefix("--"))
        .skip_while(|line| !line.contains("CREATE TABLE"));
    let text: String = lines.map(|line| format!("{line}\n")).collect();
    let tables = text
        .split(");")
        .filter_map(|part| Some(format!("{})", &part[part.find("CREATE TABLE")?..])));
    tables.collect()
}

/// A server whose users are in the database at `address`, which gets them now.
fn start(driver: &str, address: &str) -> Server {
    let script = example("backends/sql.lua");
    let tables: String =
        tables().iter().map(|table| format!("assert(h:command([[{table}]]))\n")).collect();
    eval(
        driver,
        address,
        &format!("local h = open() {tables} assert(h:exec([[{USERS}]])) return 'done'"),
    );
    Site::new().backend(&script).env("SQL_DRIVER", driver).env("SQL_DSN", address).start()
}

fn lets_in_whom_it_should(driver: &str, address: &str) -> Server {
    let mut server = start(driver, address);
    let answer = server.ask(&Request::uncached_login("ada", "secret"));
    assert_eq!((answer.status, answer.header("auth-user")), (200, Some("ada@example.org")));
    assert_eq!(
        (answer.header("x-nauthilus-quota"), answer.header("x-nauthilus-home")),
        (Some("1G"), None)
    );
    assert_eq!(answer.header("x-nauthilus-password"), None);
    assert_eq!(login(&server, "ada@example.org", "secret").0, 200);

    for (user, password) in [
        ("ada", "Secret"),
        ("ada", ""),
        ("nobody", "secret"),
        ("ada' OR 'a'='a", "secret"),
        ("carl", ""),
    ] {
        assert_eq!(
            login(&server, user, password),
            (403, "Invalid login or password".into()),
            "{user}"
        );
    }
    assert!(is_temporary(&login(&server, "dora", "secret")));
    server.wait_for_log("no registered algorithm");

    assert_eq!((look_up(&server, "carl"), look_up(&server, "nobody")), (200, 403));
    assert_eq!(
        accounts(&server),
        (200, json!(["ada@example.org", "carl@example.org", "dora@example.org"]))
    );
    keeps_second_factors(&server, driver, address);
    server
}

/// What the MFA back channel answers: status and body.
fn factor(
    server: &Server,
    method: &str,
    path: &str,
    body: serde_json::Value,
) -> (u16, serde_json::Value) {
    let body = body.to_string();
    let length = body.len();
    let request = format!(
        "{method} /api/v1/mfa-backchannel/{path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    let mut client = server.connect();
    client.send(request.as_bytes());
    let answer = client.answer();
    (answer.status, serde_json::from_slice(&answer.body).unwrap_or_default())
}

fn keeps_second_factors(server: &Server, driver: &str, address: &str) {
    let ok = || (200, json!({ "status": "ok" }));
    let ada = |more: serde_json::Value| {
        let mut input = json!({ "username": "ada" });
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        input
    };
    let column = |name: &str| {
        eval(
            driver,
            address,
            &format!(
                "return open():query([[SELECT {name} FROM users WHERE username = 'ada']]).rows[1][1] or 'NULL'"
            ),
        )
    };
    assert_eq!(
        factor(server, "POST", "totp", ada(json!({ "totp_secret": "JBSWY3DP'; --" }))),
        ok()
    );
    assert_eq!(column("totp_secret"), json!("JBSWY3DP'; --"));
    assert_eq!(
        factor(server, "POST", "totp/recovery-codes", ada(json!({ "codes": ["one", "two"] }))),
        ok()
    );
    assert_eq!(column("recovery_codes"), json!("[\"one\",\"two\"]"));
    assert_eq!(factor(server, "DELETE", "totp", ada(json!({}))), ok());
    assert_eq!(factor(server, "DELETE", "totp/recovery-codes", ada(json!({}))), ok());
    assert_eq!((column("totp_secret"), column("recovery_codes")), (json!("NULL"), json!("NULL")));

    let credentials = || {
        factor(server, "GET", "webauthn/credential?username=ada", json!({})).1["credentials"]
            .clone()
    };
    let (one, other, changed) =
        (r#"{"id":"YQ==", "n":1}"#, r#"{"id":"yq==", "n":1}"#, r#"{"id":"YQ==","n":2}"#);
    assert_eq!(credentials(), json!([]));
    for credential in [one, other, one] {
        assert_eq!(
            factor(server, "POST", "webauthn/credential", ada(json!({ "credential": credential }))),
            ok()
        );
    }
    assert_eq!(credentials().as_array().unwrap().len(), 2);
    let update = ada(json!({ "credential": changed, "old_credential": one }));
    assert_eq!(factor(server, "PUT", "webauthn/credential", update.clone()), ok());
    assert_eq!(factor(server, "PUT", "webauthn/credential", update).0, 404);
    assert_eq!(
        factor(server, "DELETE", "webauthn/credential", ada(json!({ "credential": one }))).0,
        404
    );
    assert_eq!(
        factor(server, "DELETE", "webauthn/credential", ada(json!({ "credential": other }))),
        ok()
    );
    assert_eq!(credentials(), json!([changed]));
    assert_eq!(
        factor(server, "DELETE", "webauthn/credential", ada(json!({ "credential": changed }))),
        ok()
    );

    let missing = (404, json!({ "error": "user or resource not found" }));
    assert_eq!(
        factor(server, "POST", "totp", json!({ "username": "nobody", "totp_secret": "x" })),
        missing
    );
    assert_eq!(
        factor(
            server,
            "POST",
            "webauthn/credential",
            json!({ "username": "nobody", "credential": "{}" })
        ),
        missing
    );
    assert_eq!(factor(server, "GET", "webauthn/credential?username=nobody", json!({})), missing);
}

#[test]
fn users_in_mariadb_which_goes_and_comes_back() {
    let mut database = Database::mariadb();
    let server = lets_in_whom_it_should(
        "mysql",
        &format!("auth:secret@tcp(127.0.0.1:{})/mail", database.port),
    );
    database.stop();
    for password in ["secret", "wrong"] {
        assert!(is_temporary(&login(&server, "ada", password)), "{password}");
    }
    assert!(is_temporary(&login(&server, "nobody", "secret")));
    assert_eq!(accounts(&server), (200, json!([])), "they are missing, and the log says why");
    database.restart();
    // It was killed, so that it may have lost what was written last.
    until("it to be asked again", || (login(&server, "ada", "secret").0 != 500).then_some(()));
}

#[test]
fn users_in_postgresql() {
    let database = Database::postgres();
    lets_in_whom_it_should(
        "postgres",
        &format!("postgres://auth:secret@127.0.0.1:{}/mail?sslmode=disable", database.port),
    );
}

#[test]
fn users_in_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    lets_in_whom_it_should("sqlite3", folder.path().join("users.db").to_str().unwrap());
}

#[test]
fn without_its_database_it_says_so() {
    let mut server =
        Site::new().backend(&example("backends/sql.lua")).env("SQL_DRIVER", "sqlite3").start();
    assert!(is_temporary(&login(&server, "ada", "secret")));
    server.wait_for_log("SQL_DSN is not set");
}
