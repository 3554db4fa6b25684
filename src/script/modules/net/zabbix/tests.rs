use crate::script::testing::beside_a_server;
use crate::value::Value;
use serde_json::{Value as Json, json};

fn run(body: &str, answers: &[String]) -> (Result<Value, String>, Vec<String>) {
    beside_a_server(
        "local http, json, zabbix = require('http'), require('json'), require('zabbix')",
        body,
        answers,
    )
}

fn answer(status: u16, json: &str) -> String {
    format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{json}", json.len())
}

fn page(head: &str, body: &str) -> String {
    format!("HTTP/1.1 200 X\r\n{head}Content-Length: {}\r\n\r\n{body}", body.len())
}

fn body(request: &str) -> &str {
    request.split_once("\r\n\r\n").unwrap().1
}

fn questions(sent: &[String]) -> Vec<Json> {
    sent.iter().map(|request| serde_json::from_str(body(request)).unwrap()).collect()
}

/// What `source`, an expression of results, gives, as text.
fn text(source: &str, answers: &[String]) -> String {
    match run(
        &format!("{BOT} local one, two = {source} return tostring(one) .. '|' .. tostring(two)"),
        answers,
    )
    .0
    {
        Ok(Value::String(text)) => String::from_utf8(text).unwrap(),
        other => panic!("{source}: {other:?}"),
    }
}

const BOT: &str = "local bot = assert(zabbix.bot({ url = 'http://127.0.0.1:81/zabbix/', user = 'api', password = 's\"x' }))";
const SESSION: &str = r#"{"jsonrpc":"2.0","result":"0424bd59b807674191e7d77572075f33","id":0}"#;

#[test]
fn the_session_goes_with_what_is_asked_between_login_and_logout() {
    let body = format!(
        "{BOT} assert(select('#', bot:login()) == 0)
        local hosts = assert(bot:request('host.get', {{ output = {{ 'host' }} }}))
        assert(select('#', bot:logout()) == 0)
        assert(bot:logout() == 'not logged in')
        return hosts[1].host .. tostring(bot:request('apiinfo.version', json.decode('{{}}')))"
    );
    let answers = [
        answer(200, SESSION),
        answer(200, r#"{"jsonrpc":"2.0","result":[{"host":"mail"}],"id":1}"#),
        answer(200, r#"{"jsonrpc":"2.0","result":true,"id":2}"#),
        answer(200, r#"{"jsonrpc":"2.0","result":"6.0.1","id":3}"#),
    ];
    let (result, sent) = run(&body, &answers);
    assert_eq!(result, Ok(Value::string("mail6.0.1")));
    let session = "0424bd59b807674191e7d77572075f33";
    assert_eq!(
        questions(&sent),
        [
            json!({ "jsonrpc": "2.0", "method": "user.login", "params": { "username": "api", "password": "s\"x" }, "id": 0 }),
            json!({ "jsonrpc": "2.0", "method": "host.get", "params": { "output": ["host"] }, "id": 1, "auth": session }),
            json!({ "jsonrpc": "2.0", "method": "user.logout", "params": [], "id": 2, "auth": session }),
            json!({ "jsonrpc": "2.0", "method": "apiinfo.version", "params": {}, "id": 3 }),
        ]
    );
    assert!(sent[0].starts_with("POST /zabbix/api_jsonrpc.php HTTP/1.1\r\n"), "{}", sent[0]);
    assert!(sent[0].contains("Content-Type: application/json-rpc\r\n"), "{}", sent[0]);
}

#[test]
fn an_older_server_knows_the_user_by_another_name() {
    let unknown = r#"{"jsonrpc":"2.0","error":{"code":-32602,"message":"Invalid params.","data":"Invalid parameter \"/\": unexpected parameter \"username\"."},"id":0}"#;
    let (result, sent) = run(
        &format!("{BOT} return tostring(bot:login())"),
        &[answer(200, unknown), answer(200, SESSION)],
    );
    assert_eq!(result, Ok(Value::string("nil")));
    assert_eq!(questions(&sent)[1]["params"], json!({ "user": "api", "password": "s\"x" }));
    // It is not asked again and again.
    let (result, sent) =
        run(&format!("{BOT} return bot:login()"), &[answer(200, unknown), answer(200, unknown)]);
    assert_eq!(
        result,
        Ok(Value::string(
            "error -32602: Invalid parameter \"/\": unexpected parameter \"username\"."
        ))
    );
    assert_eq!(sent.len(), 2);
}

#[test]
fn settings_have_two_names_each() {
    let body =
        "local bot = assert(zabbix.new({ base_url = 'http://127.0.0.1:81', username = 'a', passwd = 'b', api_url = '/rpc', debug = true },
            http.client({ headers = { ['X-A'] = 'a' }, basic_auth_user = 'u', basic_auth_password = 'p' })))
        return tostring(bot:login())";
    let (result, sent) = run(body, &[answer(200, SESSION)]);
    assert_eq!(result, Ok(Value::string("nil")));
    assert!(
        sent[0].starts_with("POST /rpc HTTP/1.1\r\n") && sent[0].contains("X-A: a\r\n"),
        "{}",
        sent[0]
    );
    assert!(sent[0].contains("Authorization: Basic dTpw\r\n"), "{}", sent[0]);
    for (settings, expected) in [
        ("{}", "base_url must be set"),
        ("{ user = 'x' }", "base_url must be set"),
        ("{ url = 'http://h/', hosts = 'x' }", "unknown config parameter: hosts"),
        ("{ 'http://h/' }", "unknown config parameter: 1"),
        ("{ url = 5 }", "url must be a string, got number"),
        ("{ url = '::bad' }", "missing protocol scheme"),
    ] {
        assert_eq!(
            text(&format!("zabbix.bot({settings})"), &[]),
            format!("nil|{expected}"),
            "{settings}"
        );
    }
}

#[test]
fn wrong_arguments_raise() {
    for body in [
        "zabbix.bot()",
        "zabbix.bot('http://h/')",
        "zabbix.bot({ url = 'http://h/' }, 'client')",
        "zabbix.bot({ url = 'http://h/' }).login({})",
        "zabbix.bot({ url = 'http://h/' }):request()",
        "zabbix.bot({ url = 'http://h/' }):save_graph('x', 'path')",
        "zabbix.bot({ url = 'http://h/' }):save_graph(5)",
        "zabbix.bot({ url = 'http://h/' }):save_graph(5, 'path', 'size')",
        "zabbix.bot({ url = 'http://h/' }):save_graph(5, 'path', { width = 'x' })",
    ] {
        assert!(run(body, &[]).0.is_err(), "{body}");
    }
}

#[test]
fn what_is_no_result_is_an_error() {
    let ask = "bot:request('host.get', { a = 1 })";
    let at = "Post \"http://127.0.0.1:81/zabbix/api_jsonrpc.php\": ";
    for (call, answers, expected) in [
        ("bot:request('x', {})", vec![], "nil|params must be an object to JSON".to_owned()),
        ("bot:request('x')", vec![], "nil|params must be an object to JSON".to_owned()),
        ("bot:request('x', { print })", vec![], "nil|cannot encode function to JSON".to_owned()),
        (
            ask,
            vec![answer(200, r#"{"error":{"code":-32602,"message":"no perms"}}"#)],
            "nil|error -32602: no perms".to_owned(),
        ),
        (
            ask,
            vec![answer(
                200,
                r#"{"error":{"code":-32500,"message":"Application error.","data":"d"}}"#,
            )],
            "nil|error -32500: d".to_owned(),
        ),
        (ask, vec![answer(200, r#"{"result":null}"#)], "nil|nil".to_owned()),
        (ask, vec![answer(502, "<html>")], format!("nil|{at}status 502: ")),
        (
            ask,
            vec![answer(200, "\"x\"")],
            format!("nil|{at}status 200: the answer is not an object"),
        ),
        (
            ask,
            vec!["HTTP/1.1 200 X\r\nContent-Length: 99999999\r\n\r\n".into()],
            format!("nil|{at}response body too large"),
        ),
        (ask, vec!["ZBXD\u{1}".into(), String::new()], format!("nil|{at}malformed HTTP response")),
        (ask, vec![], format!("nil|{at}context deadline exceeded")),
        ("bot:login()", vec![], format!("{at}context deadline exceeded|nil")),
        (
            "bot:login()",
            vec![answer(200, r#"{"result":[]}"#)],
            "login was answered without a session|nil".to_owned(),
        ),
        ("bot:logout()", vec![], "not logged in|nil".to_owned()),
    ] {
        let found = text(call, &answers);
        assert!(found.starts_with(&expected), "{call} {answers:?}: {found}");
    }
}

#[test]
fn a_graph_is_written_to_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("graph.png");
    let call = format!("bot:save_graph(23296, '{}', {{ width = 640 }})", path.display());
    let answers = [
        page("Set-Cookie: zbx_session=S; Path=/\r\n", "welcome"),
        page("Content-Type: image/png\r\n", "PNG"),
    ];
    let (result, sent) = run(&format!("{BOT} return select('#', {call})"), &answers);
    assert_eq!(result, Ok(Value::Number(0.0)));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "PNG");
    assert!(sent[0].starts_with("POST /zabbix/index.php HTTP/1.1\r\n"), "{}", sent[0]);
    assert_eq!(body(&sent[0]), "name=api&password=s%22x&autologin=1&enter=Sign+in");
    let picture = "GET /zabbix/chart.php?itemids%5B0%5D=23296&period=3600&from=now-3600s&to=now&width=640&height=300 HTTP/1.1\r\n";
    assert!(
        sent[1].starts_with(picture) && sent[1].contains("Cookie: zbx_session=S\r\n"),
        "{}",
        sent[1]
    );

    let welcome = page("", "welcome");
    for (path, answers, expected) in [
        (
            "/nonexistent/graph.png",
            vec![welcome.clone(), page("", "PNG")],
            "open /nonexistent/graph.png: no such file or directory",
        ),
        (
            "/nonexistent/graph.png",
            vec![welcome.clone(), page("Content-Type: text/html\r\n", "log in")],
            "http://127.0.0.1:81/zabbix/chart.php: a page",
        ),
        (
            "/nonexistent/graph.png",
            vec![welcome, answer(404, "")],
            "Get \"http://127.0.0.1:81/zabbix/chart.php?",
        ),
        (
            "/nonexistent/graph.png",
            vec![answer(500, "")],
            "Post \"http://127.0.0.1:81/zabbix/index.php\": status 500",
        ),
        (
            "/nonexistent/graph.png",
            vec![],
            "Post \"http://127.0.0.1:81/zabbix/index.php\": context deadline exceeded",
        ),
    ] {
        let found = text(&format!("bot:save_graph(5, '{path}')"), &answers);
        assert!(found.starts_with(expected), "{answers:?}: {found}");
    }
}
