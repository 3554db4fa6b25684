use crate::script::testing::beside_a_server;
use crate::value::Value;

fn run(body: &str, answers: &[&str]) -> (Result<Value, String>, Vec<String>) {
    beside_a_server("local http = require('glua_http')", body, answers)
}

/// The text that `body` returns.
fn text(body: &str, answers: &[&str]) -> String {
    match run(body, answers).0 {
        Ok(Value::String(text)) => String::from_utf8(text).unwrap(),
        other => panic!("{body}: {other:?}"),
    }
}

/// What a request with these options sends.
fn sent(arguments: &str) -> String {
    let (result, sent) =
        run(&format!("local res, err = http.post({arguments}) return tostring(err)"), &[OK]);
    assert_eq!(result, Ok(Value::string("nil")), "{arguments}");
    sent.concat()
}

/// The error of a request that is never sent.
fn error(arguments: &str) -> String {
    let (result, sent) = run(
        &format!("local res, err = http.request({arguments}) return tostring(res) .. ' ' .. err"),
        &[],
    );
    assert_eq!(sent, [""; 0], "{arguments}");
    let Ok(Value::String(text)) = result else { panic!("{arguments}: {result:?}") };
    String::from_utf8(text).unwrap().strip_prefix("nil ").unwrap().to_owned()
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const URL: &str = "'http://127.0.0.1:81/x?old=1'";

#[test]
fn a_response_has_its_fields_and_no_others() {
    let answer = "HTTP/1.1 202 Accepted\r\nx-two: a\r\nX-Two: b\r\nSet-Cookie: a=1; Path=/\r\nSet-Cookie: b=\"x y\"\r\nContent-Length: 4\r\n\r\nb\0dy";
    let source = format!(
        "local r = http.get({URL})
        assert(select('#', http.get({URL})) == 1)
        assert(r.headers ~= r.headers and r.nothing == nil and r[1] == nil and not pcall(function() r.body = 'x' end))
        return {{ r.status_code, r.body, r.body_size, r.url, r.headers['X-Two'], r.cookies.a, r.cookies.b, type(r) }}"
    );
    let expected = [
        Value::Number(202.0),
        Value::string("b\0dy"),
        Value::Number(4.0),
        Value::string("http://127.0.0.1:81/x?old=1"),
    ];
    let more = ["a", "1", "x y", "userdata"].map(Value::string);
    assert_eq!(
        run(&source, &[answer, OK]).0,
        Ok(Value::List(expected.into_iter().chain(more).collect()))
    );
}

#[test]
fn each_function_has_its_method() {
    let source = format!(
        "for _, name in ipairs({{ 'get', 'delete', 'head', 'patch', 'post', 'put' }}) do assert(http[name]({URL})) end
        assert(http.request('OpTions', {URL}) and http.request('', {URL}))"
    );
    let (result, sent) = run(&source, &[OK; 8]);
    assert_eq!(result, Ok(Value::Nil));
    let methods: Vec<_> = sent.iter().filter_map(|request| request.split(' ').next()).collect();
    assert_eq!(methods, ["GET", "DELETE", "HEAD", "PATCH", "POST", "PUT", "OPTIONS", "GET"]);
}

#[test]
fn options_shape_the_request() {
    for (options, expected) in [
        (
            "{}",
            "User-Agent: Go-http-client/1.1\r\nAccept-Encoding: gzip\r\nContent-Length: 0\r\n\r\n",
        ),
        ("nil", "Content-Length: 0\r\n\r\n"),
        ("5", "Content-Length: 0\r\n\r\n"),
        ("{ body = 'text', form = 'a=b' }", "gzip\r\nContent-Length: 4\r\n\r\ntext"),
        (
            "{ body = 5, form = 'a=b' }",
            "Content-Type: application/x-www-form-urlencoded\r\nAccept-Encoding: gzip\r\nContent-Length: 3\r\n\r\na=b",
        ),
        ("{ form = 'a=b', headers = { ['content-type'] = 'x/y' } }", "Content-Type: x/y\r\n"),
        ("{ query = 'a=%20&b' }", "POST /x?a=%20&b HTTP/1.1\r\n"),
        ("{ query = 5 }", "POST /x?old=1 HTTP/1.1\r\n"),
        ("{ query = '' }", "POST /x HTTP/1.1\r\n"),
        ("{ headers = { ['x-num'] = 5, ['X-Bool'] = true } }", "X-Num: 5\r\n"),
        ("{ headers = { ['x-num'] = 5, ['X-Bool'] = true } }", "X-Bool: true\r\n"),
        (
            "{ headers = { Host = 'other', ['Content-Length'] = '99' } }",
            "POST /x?old=1 HTTP/1.1\r\nHost: 127.0.0.1:81\r\nUser-Agent",
        ),
        ("{ cookies = { a = 'x y;\"', ['b ad'] = '1' } }", "Cookie: a=\"x y\"\r\n"),
        ("{ auth = { user = 'u', pass = 5 } }", "Authorization: Basic dTo1\r\n"),
        (
            "{ auth = { user = 'u', pass = 'p' }, headers = { authorization = 'Bearer t' } }",
            "Authorization: Bearer t\r\n",
        ),
        ("{ timeout = '10s' }", "POST"),
        ("{ timeout = 0.5 }", "POST"),
    ] {
        let found = sent(&format!("{URL}, {options}"));
        assert!(found.contains(expected), "{options}: {found}");
    }
    assert!(
        !sent(&format!("{URL}, {{ headers = {{ ['User-Agent'] = '' }} }}")).contains("User-Agent")
    );
    assert!(sent("'http://u:p@127.0.0.1:81/'").contains("Authorization: Basic dTpw\r\n"));
}

#[test]
fn what_cannot_be_asked_is_nil_and_a_text() {
    for (arguments, expected) in [
        ("'B AD', 'http://h/'", "net/http: invalid method \"B AD\""),
        ("'GET', '::bad'", "parse \"::bad\": missing protocol scheme"),
        ("'GET', nil", "Get \"\": unsupported protocol scheme \"\""),
        ("'GET', {}", "Get \"\": unsupported protocol scheme \"\""),
        ("'POST', 'ftp://h/'", "Post \"ftp://h/\": unsupported protocol scheme \"ftp\""),
        (
            "'GET', 'http://127.0.0.1:1/'",
            "Get \"http://127.0.0.1:1/\": dial tcp 127.0.0.1:1: connect: connection refused",
        ),
        (
            "'GET', 'http://u:secret@127.0.0.1:1/'",
            "Get \"http://u:***@127.0.0.1:1/\": dial tcp 127.0.0.1:1: connect: connection refused",
        ),
        ("'GET', 'http://h/', { timeout = '10' }", "time: missing unit in duration \"10\""),
        ("'GET', 'http://h/', { timeout = 'abc' }", "time: invalid duration \"abc\""),
        ("'GET', 'http://h/', { timeout = 0 }", "Get \"http://h/\": context deadline exceeded"),
        ("'GET', 'http://h/', { timeout = -1 }", "Get \"http://h/\": context deadline exceeded"),
        ("'GET', 'http://h/', { timeout = '-5s' }", "Get \"http://h/\": context deadline exceeded"),
        ("'GET', 'http://h/', { timeout = {} }", "Get \"http://h/\": context deadline exceeded"),
        ("'GET', 'http://h/', { timeout = 0/0 }", "Get \"http://h/\": context deadline exceeded"),
        (
            "'GET', 'http://h/', { query = 'a b' }",
            "query must not contain blanks, control characters or #",
        ),
        (
            "'GET', 'http://h/', { query = 'a HTTP/1.1\\r\\nX: y' }",
            "query must not contain blanks, control characters or #",
        ),
        (
            "'GET', 'http://h/', { auth = { user = 'u' } }",
            "auth table must contain no nil user and pass fields",
        ),
        (
            "'GET', 'http://h/', { auth = { user = 'u', pass = false } }",
            "auth table must contain no nil user and pass fields",
        ),
    ] {
        assert_eq!(error(arguments), expected, "{arguments}");
    }
    let injected = run(
        "local _, err = http.get('http://127.0.0.1:81/', { headers = { ['X-A'] = 'a\\r\\nX-B: b' } }) return err",
        &[],
    );
    let expected = "Get \"http://127.0.0.1:81/\": net/http: invalid header field value for \"X-A\"";
    assert_eq!(injected, (Ok(Value::string(expected)), vec![]));
}

#[test]
fn a_silent_server_is_a_deadline() {
    assert_eq!(
        text(&format!("return select(2, http.get({URL}))"), &[]),
        "Get \"http://127.0.0.1:81/x?old=1\": context deadline exceeded"
    );
}

#[test]
fn a_batch_keeps_each_answer_at_its_place() {
    let list =
        format!("{{ {{ 'get', {URL} }}, {{ 'POST', {URL}, {{ body = 'b' }} }}, {{ '', {URL} }} }}");
    let (result, sent) = run(
        &format!("local r, e = http.request_batch({list}) return #r .. r[3].body .. tostring(e)"),
        &[OK; 3],
    );
    assert_eq!((result, sent.len()), (Ok(Value::string("3oknil")), 3));

    let bad = "{ { 'GET', 'http://127.0.0.1:1/' }, { 'GET', 'http://127.0.0.1:81/' }, 'no table', { 'B AD', 'http://h/' } }";
    let source = format!(
        "local r, e = http.request_batch({bad})
        return {{ tostring(r[1]), r[2].body, tostring(r[3]), e[1], tostring(e[2]), e[3], e[4] }}"
    );
    let texts = [
        "nil",
        "ok",
        "nil",
        "Get \"http://127.0.0.1:1/\": dial tcp 127.0.0.1:1: connect: connection refused",
        "nil",
        "Request must be a table",
        "net/http: invalid method \"B AD\"",
    ];
    assert_eq!(run(&source, &[OK]).0, Ok(Value::List(texts.map(Value::string).to_vec())));
    assert_eq!(text("local r, e = http.request_batch({}) return #r .. tostring(e)", &[]), "0nil");
}

#[test]
fn a_batch_that_is_none_or_too_large_raises() {
    for (list, expected) in [
        ("nil", "bad argument #1 to request_batch (table expected, got nil)"),
        ("'x'", "bad argument #1 to request_batch (table expected, got string)"),
        (
            "(function() local t = {} for i = 1, 65 do t[i] = { 'GET', 'http://h/' } end return t end)()",
            "at most 64 requests go out together",
        ),
        (
            "(function() local t, b = {}, string.rep('x', 2^20) for i = 1, 33 do t[i] = { 'GET', 'http://h/', { body = b } } end return t end)()",
            "the bodies of the requests are too large together",
        ),
    ] {
        let raised = run(&format!("http.request_batch({list})"), &[]).0.unwrap_err();
        assert!(raised.contains(expected), "{raised}");
    }
}

#[test]
fn responses_count_against_the_memory_of_the_state() {
    let answer = |bytes: usize| {
        format!("HTTP/1.1 200 OK\r\nContent-Length: {bytes}\r\n\r\n{}", "x".repeat(bytes))
    };
    let large = answer(10 << 20);
    let source =
        format!("local kept = {{}} for i = 1, 20 do kept[i] = http.get({URL}) end return #kept");
    let error = run(&source, &[large.as_str(); 20]).0.unwrap_err();
    assert!(error.starts_with("not enough memory"), "{error}");
    // What is not kept costs nothing in the long run.
    let usual = answer(1 << 20);
    let source = format!(
        "for i = 1, 200 do local r = http.get({URL}) assert(r.body_size == 2^20 and #r.body == 2^20) end return 'fine'"
    );
    assert_eq!(text(&source, &[usual.as_str(); 200]), "fine");
}
