use crate::script::testing::{beside_a_server, eval};
use crate::value::Value;

fn run(body: &str, answers: &[&str]) -> (Result<Value, String>, Vec<String>) {
    beside_a_server("local http = require('http')", body, answers)
}

/// The request that `body` makes of `request`, a GET, and sends by `client`.
fn sent(body: &str) -> String {
    let source = format!(
        "local client, request = http.client(), http.request('GET', 'http://127.0.0.1:81/x') {body}
        assert(client:do_request(request))"
    );
    let (result, sent) = run(&source, &[OK]);
    assert_eq!(result, Ok(Value::Nil), "{body}");
    sent.concat()
}

fn text(source: &str) -> String {
    match eval(&format!("local u = require('http_util') return {source}")) {
        Ok(Value::String(text)) => String::from_utf8(text).unwrap(),
        other => panic!("{source}: {other:?}"),
    }
}

const OK: &str = "HTTP/1.1 201 Created\r\nx-a: 1\r\nX-A: 2\r\nContent-Length: 4\r\n\r\nmade";

#[test]
fn an_answer_is_a_table() {
    let source =
        "local r = http.client():do_request(http.request('PUT', 'http://127.0.0.1:81/', 'data'))
        return { r.code, r.body, r.headers['X-A'] }";
    let (result, sent) = run(source, &[OK]);
    assert_eq!(
        result,
        Ok(Value::List(vec![Value::Number(201.0), Value::string("made"), Value::string("1")]))
    );
    let expected = "PUT / HTTP/1.1\r\nHost: 127.0.0.1:81\r\nUser-Agent: gopher-lua\r\nAccept-Encoding: gzip\r\nContent-Length: 4\r\n\r\ndata";
    assert_eq!(sent, [expected]);
}

#[test]
fn the_clients_settings_are_over_the_requests() {
    for (body, expected) in [
        ("request:header_set('x-num', 5)", "X-Num: 5\r\n"),
        ("request:set_basic_auth('u', 'p')", "Authorization: Basic dTpw\r\n"),
        ("request:header_set('User-Agent', 'mine')", "User-Agent: gopher-lua\r\n"),
        ("client = http.client({ user_agent = 'kit' })", "User-Agent: kit\r\n"),
        (
            "client = http.client({ user_agent = 'kit', headers = { ['user-agent'] = 'head' } })",
            "User-Agent: head\r\n",
        ),
        (
            "client = http.client({ headers = { ['X-A'] = 'c' } }) request:header_set('X-A', 'r')",
            "X-A: c\r\n",
        ),
        (
            "client = http.client({ basic_auth_user = 'u', basic_auth_password = 'p' }) request:set_basic_auth('x', 'y')",
            "Authorization: Basic dTpw\r\n",
        ),
        (
            "client = http.client({ basic_auth_user = 'u' }) request:set_basic_auth('u', 'p')",
            "Authorization: Basic dTpw\r\n",
        ),
        ("client = http.client({ timeout = 0, debug = true, unknown = 5 })", "GET /x HTTP/1.1\r\n"),
        (
            "client = http.client({ proxy = 'http://u:p@127.0.0.2:3128' })",
            "GET http://127.0.0.1:81/x HTTP/1.1\r\n",
        ),
        ("request = http.request('get', 'http://127.0.0.1:81/')", "get / HTTP/1.1\r\n"),
        ("request = http.request('', 'http://127.0.0.1:81/')", "GET / HTTP/1.1\r\n"),
        (
            "request = require('http_client').request('POST', 'http://127.0.0.1:81/', 5)",
            "Content-Length: 1\r\n\r\n5",
        ),
        ("client = require('http_client').client()", "GET /x HTTP/1.1\r\n"),
    ] {
        let found = sent(body);
        assert!(found.contains(expected), "{body}: {found}");
    }
}

#[test]
fn wrong_arguments_raise() {
    for body in [
        "http.client('x')",
        "http.client({ timeout = 'x' })",
        "http.client({ user_agent = 5 })",
        "http.client({ headers = 'x' })",
        "http.client({ headers = { a = 5 } })",
        "http.client({ proxy = 'socks5://h' })",
        "http.client({ insecure_ssl = 'yes' })",
        "http.client({ root_cas_pem_file = '/nonexistent' })",
        "http.client({ client_public_cert_pem_file = '/nonexistent' })",
        "http.client({ client_public_cert_pem_file = '/nonexistent', client_private_key_pem_file = '/nonexistent' })",
        "http.request()",
        "http.request('GET', nil)",
        "http.request('GET', 'http://h/', nil)",
        "http.request('GET', 'http://h/', {})",
        "http.client():do_request()",
        "http.client():do_request({})",
        "http.client():do_request(http.client())",
        "http.client().do_request({}, http.request('GET', 'http://h/'))",
        "http.request('GET', 'http://h/').header_set({}, 'a', 'b')",
        "http.request('GET', 'http://h/').timeout = 5",
        "http.file_request('http://h/', nil)",
        "http.server('127.0.0.1:0')",
        "require('http_server').serve_static('/', '127.0.0.1:0')",
    ] {
        assert!(run(body, &[]).0.is_err(), "{body}");
    }
    let error = run("require('http_server').server()", &[]).0.unwrap_err();
    assert!(
        error.contains("http.server is not available: scripts of this server do not serve HTTP"),
        "{error}"
    );
}

#[test]
fn failures_are_nil_and_a_text() {
    for (body, expected) in [
        ("http.request('B AD', 'http://h/')", "net/http: invalid method \"B AD\""),
        ("http.request('GET', '::bad')", "parse \"::bad\": missing protocol scheme"),
        (
            "http.client():do_request(http.request('GET', 'ftp://h/'))",
            "Get \"ftp://h/\": unsupported protocol scheme \"ftp\"",
        ),
        (
            "http.client():do_request(http.request('GET', 'http://127.0.0.1:81/'))",
            "Get \"http://127.0.0.1:81/\": context deadline exceeded (Client.Timeout exceeded while awaiting headers)",
        ),
    ] {
        let (result, _) =
            run(&format!("local none, err = {body} return tostring(none) .. ' ' .. err"), &[]);
        assert_eq!(result, Ok(Value::string(format!("nil {expected}"))), "{body}");
    }
}

#[test]
fn a_client_keeps_its_own_cookies_and_repeats_bodies() {
    let source = "local one, other = http.client(), http.client()
        local request = http.request('POST', 'http://127.0.0.1:81/', 'data')
        for _, client in ipairs({ one, one, other }) do assert(client:do_request(request)) end";
    let first = "HTTP/1.1 307 Again\r\nLocation: /y\r\nSet-Cookie: a=1; Path=/\r\nContent-Length: 0\r\n\r\n";
    let (result, sent) = run(source, &[first, OK, OK, OK]);
    assert_eq!(result, Ok(Value::Nil));
    let cookies: Vec<_> = sent.iter().map(|request| request.contains("Cookie: a=1\r\n")).collect();
    assert_eq!(cookies, [false, true, true, false]);
    assert!(sent[1].starts_with("POST /y ") && sent[1].ends_with("\r\n\r\ndata"));
}

#[test]
fn files_are_uploaded() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.txt");
    std::fs::write(&path, "content\n").unwrap();
    let source = format!(
        "local file = {{ fieldname = 'f\"\\r\\n', path = '{}' }}
        local request = assert(http.file_request('http://127.0.0.1:81/', {{ file, {{ fieldname = 'g', path = file.path, filename = 'b' }} }}, \
         {{ z = 'last', a = 5 }}))
        assert(http.client():do_request(request))",
        path.display()
    );
    let (result, sent) = run(&source, &[OK]);
    assert_eq!(result, Ok(Value::Nil));
    let sent = sent.concat();
    let boundary = sent
        .split_once("Content-Type: multipart/form-data; boundary=")
        .unwrap()
        .1
        .split_once("\r\n")
        .unwrap()
        .0;
    let part = |disposition: &str, rest: &str| {
        format!("--{boundary}\r\nContent-Disposition: form-data; {disposition}\r\n{rest}\r\n")
    };
    let file = "Content-Type: application/octet-stream\r\n\r\ncontent\n";
    let expected = [
        part("name=\"f\\\"%0D%0A\"; filename=\"a.txt\"", file),
        part("name=\"g\"; filename=\"b\"", file),
        part("name=\"a\"", "\r\n5"),
        part("name=\"z\"", "\r\nlast"),
        format!("--{boundary}--\r\n"),
    ];
    assert!(sent.starts_with("POST / ") && sent.ends_with(&expected.concat()), "{sent}");

    for (files, expected) in [
        ("{}", "fieldname or path is nil"),
        ("{ fieldname = 'f' }", "fieldname or path is nil"),
        (
            "{ { fieldname = 'f', path = '/dev/null' }, { path = '/dev/null' } }",
            "fieldname or path is nil",
        ),
        (
            "{ fieldname = 'f', path = '/nonexistent' }",
            "open /nonexistent: no such file or directory",
        ),
        ("{ fieldname = 'f', path = '/dev/zero' }", "read /dev/zero: file too large"),
    ] {
        let source = format!("return select(2, http.file_request('http://h/', {files}))");
        assert_eq!(run(&source, &[]).0, Ok(Value::string(expected)), "{files}");
    }
}

#[test]
fn urls_are_escaped_and_taken_apart() {
    assert_eq!(text("u.query_escape('a b*~\u{fc}/')"), "a+b%2A~%C3%BC%2F");
    assert_eq!(text("u.query_unescape('a+b%2a%7E')"), "a b*~");
    assert_eq!(text("select(2, u.query_unescape('a%zz'))"), "invalid URL escape \"%zz\"");
    assert_eq!(text("select(2, u.parse_url('::bad'))"), "parse \"::bad\": missing protocol scheme");
    let source = "local u = require('http').parse_url('https://us%20er:p%40@h.org:81/a%20b?x=1&y=2+3&x=4')
        return { u.scheme, u.host, u.port, u.path, u.raw_query, u.query.x[2], u.query.y[1], u.user.username, u.user.password }";
    let expected = ["https", "h.org:81", "81", "/a b", "x=1&y=2+3&x=4", "4", "2 3", "us er", "p@"];
    assert_eq!(eval(source), Ok(Value::List(expected.map(Value::string).to_vec())));
    let source = "local u = require('http').parse_url('/only') return { u.scheme, u.host, tostring(u.user), type(u.query), u.path }";
    assert_eq!(
        eval(source),
        Ok(Value::List(["", "", "nil", "table", "/only"].map(Value::string).to_vec()))
    );
}

#[test]
fn urls_are_built() {
    for (table, expected) in [
        (
            "{ scheme = 'http', host = 'h:81', path = '/a b?', query = { b = { '2', '3' }, a = { 'x y' } } }",
            "http://h:81/a%20b%3F?a=x+y&b=2&b=3",
        ),
        ("{ host = 'h' }", "//h"),
        (
            "{ scheme = 'https', host = 'h', path = 'rel', user = { username = 'u@', password = 'p:' } }",
            "https://u%40:p%3A@h/rel",
        ),
        ("{ scheme = 'http', host = 'h', user = { username = 'u' } }", "http://u:nil@h"),
        ("{ path = '/x' }", "/x"),
        ("{}", ""),
    ] {
        assert_eq!(text(&format!("u.build_url({table})")), expected, "{table}");
    }
    for table in [
        "nil",
        "'x'",
        "{ host = {} }",
        "{ user = 'u' }",
        "{ query = 'x' }",
        "{ query = { a = 'x' } }",
    ] {
        assert!(eval(&format!("require('http_util').build_url({table})")).is_err(), "{table}");
    }
}
