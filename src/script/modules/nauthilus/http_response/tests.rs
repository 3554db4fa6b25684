//! What scripts do to the answer, function by function and stage by stage.

use super::*;
use crate::auth::login::Login;
use crate::auth::request::Request;
use crate::auth::scripts::{ActionKind, Scripts};
use crate::op::{self, Answer};
use crate::script::testing::{Bench, eval};
use crate::value::Value;
use std::time::{Duration, Instant};

fn login(method: Method) -> Login {
    let mut request = Request::default();
    request.http.head.framing.method = method;
    Login::new(request)
}

/// What is noted after a hook with this body; its error if it raises.
fn respond_to(method: Method, body: &str) -> Result<ScriptResponse, String> {
    let source = format!(
        "local res = require('nauthilus_http_response') function nauthilus_run_hook() {body} end"
    );
    let login = login(method);
    Bench::new(&[(StageKind::Hook, &source)]).hook_of(0, &login, |_| Answer::Slept)?;
    Ok(login.response.take())
}

fn respond(body: &str) -> ScriptResponse {
    respond_to(Method::Post, body).unwrap()
}

#[test]
fn a_hook_that_calls_nothing_leaves_the_answer_alone() {
    assert!(!respond("local status = res.STATUS_OK").used);
}

#[test]
fn header_changes_are_noted_in_call_order() {
    let response = respond(
        "res.set_http_response_header('X-One', 'a') res.add_http_response_header('X-One', 5) res.remove_http_response_header('X-Gone')",
    );
    assert!(response.used);
    let text = |text: &str| text.as_bytes().to_vec();
    assert_eq!(
        response.headers,
        [
            HeaderChange::Set(text("X-One"), text("a")),
            HeaderChange::Add(text("X-One"), text("5")),
            HeaderChange::Remove(text("X-Gone"))
        ]
    );
}

#[test]
fn parts_make_an_answer() {
    let response = respond(
        "res.set_http_content_type('text/csv') res.set_http_status(res.STATUS_CREATED) \
         res.write_http_response_body('a;b\\n') res.write_http_response_body(7)",
    );
    assert_eq!(
        (response.status, response.content_type.as_deref()),
        (Some(201), Some(b"text/csv".as_slice()))
    );
    assert_eq!(response.body, b"a;b\n7");
}

#[test]
fn whole_answers() {
    for (call, status, content_type, body) in [
        (
            "res.string(res.STATUS_OK, '100% plain %s')",
            200,
            "text/plain; charset=utf-8",
            "100% plain %s",
        ),
        ("res.html(403, '<p>no</p>')", 403, "text/html; charset=utf-8", "<p>no</p>"),
        ("res.data('200', 'image/x', '\\1\\2')", 200, "image/x", "\u{1}\u{2}"),
    ] {
        let response = respond(call);
        assert_eq!(response.status, Some(status), "{call}");
        assert_eq!(response.content_type.as_deref(), Some(content_type.as_bytes()), "{call}");
        assert_eq!(response.body, body.as_bytes(), "{call}");
    }
}

#[test]
fn the_content_type_that_was_set_last_stands_whatever_set_it() {
    for (body, expected) in [
        (
            "res.string(200, '') res.set_http_response_header('content-type', 'text/x')",
            Some("text/x"),
        ),
        (
            "res.set_http_response_header('Content-Type', 'text/x') res.html(200, '')",
            Some("text/html; charset=utf-8"),
        ),
        (
            "res.set_http_content_type('a/b') res.add_http_response_header('Content-Type', 'text/x')",
            Some("a/b"),
        ),
        ("res.set_http_content_type('a/b') res.remove_http_response_header('CONTENT-TYPE')", None),
    ] {
        let response = respond(body);
        assert_eq!(response.content_type.as_deref(), expected.map(str::as_bytes), "{body}");
        assert!(response.headers.is_empty(), "{body}");
    }
}

#[test]
fn head_gets_no_body() {
    let response =
        respond_to(Method::Head, "res.data(404, 'a/b', 'x') res.write_http_response_body('y')")
            .unwrap();
    assert_eq!(
        (response.status, response.content_type, response.body),
        (Some(404), None, Vec::new())
    );
}

#[test]
fn redirects_go_to_their_location() {
    let response =
        respond_to(Method::Get, "res.redirect(302, '/else where?a=1&b=\\228\\r\\nX: y')").unwrap();
    assert_eq!(response.status, Some(302));
    assert_eq!(
        response.headers,
        [HeaderChange::Set(b"Location".to_vec(), b"/else%20where?a=1&b=%E4%0D%0AX:%20y".to_vec())]
    );
    assert!(response.body.starts_with(b"<a href=\"/else where?a=1&amp;b="));
    assert!(response.body.ends_with(b"\">Found</a>.\n\n"));
    let response = respond("res.redirect(201, '/made')");
    assert_eq!(
        (response.status, response.content_type, response.body),
        (Some(201), None, Vec::new())
    );
}

#[test]
fn a_redirect_wants_a_code_that_redirects() {
    for code in [200, 299, 309, 404, -1] {
        let error = respond_to(Method::Get, &format!("res.redirect({code}, '/')")).unwrap_err();
        assert!(error.contains(&format!("Cannot redirect with status code {code}")), "{error}");
    }
}

#[test]
fn wrong_arguments_raise() {
    for (call, expected) in [
        (
            "res.set_http_response_header('a')",
            "#2 to set_http_response_header (string expected, got nil)",
        ),
        (
            "res.add_http_response_header({}, 'a')",
            "#1 to add_http_response_header (string expected, got table)",
        ),
        ("res.set_http_status('ok')", "#1 to set_http_status (number expected, got string)"),
        ("res.set_http_status(1000)", "status code from 200 to 599 expected, got 1000"),
        ("res.set_http_status(101)", "status code from 200 to 599 expected, got 101"),
        ("res.string(200)", "#2 to string (string expected, got nil)"),
        ("res.data(200, 'a/b')", "#3 to data (string expected, got nil)"),
        (
            "res.write_http_response_body(nil)",
            "#1 to write_http_response_body (string expected, got nil)",
        ),
    ] {
        let error = respond_to(Method::Get, call).unwrap_err();
        assert!(error.contains(expected), "{call}: {error}");
    }
}

#[test]
fn the_answer_does_not_grow_without_limit() {
    let error = respond_to(
        Method::Get,
        "local s = string.rep('x', 1048576) for i = 1, 17 do res.write_http_response_body(s) end",
    )
    .unwrap_err();
    assert!(error.contains("the response body is longer than 16777216 bytes"), "{error}");
    let error = respond_to(Method::Get, "while true do res.add_http_response_header('a', '') end")
        .unwrap_err();
    assert!(error.contains("the response headers are longer than 65536 bytes"), "{error}");
}

#[test]
fn the_functions_return_nothing() {
    assert_eq!(
        eval("return select('#', require('nauthilus_http_response').set_http_status(200))"),
        Ok(Value::Number(0.0))
    );
}

#[test]
fn constants_are_numbers() {
    let sum: u16 = STATUSES.iter().map(|(_, status)| status).sum();
    let body = "local sum = 0 for name, value in pairs(require('nauthilus_http_response')) do \
        if name:find('^STATUS_') then sum = sum + value end end return sum";
    assert_eq!(eval(body), Ok(Value::Number(f64::from(sum))));
}

/// Runs the same line as a feature, a filter and an action of a login.
fn in_stages(login: &Login) -> [Option<String>; 3] {
    let line = "require('nauthilus_http_response').set_http_response_header('X-Seen', 'yes')";
    let source = |entry: &str| format!("function {entry}() {line} end");
    let (feature, filter, action) = (
        source("nauthilus_call_feature"),
        source("nauthilus_call_filter"),
        source("nauthilus_call_action"),
    );
    let bench = Bench::new(&[
        (StageKind::Feature, &feature),
        (StageKind::Filter, &filter),
        (StageKind::Action, &action),
    ]);
    let now = Instant::now();
    let (ops, driver) = op::slot(now, now + Duration::from_secs(10));
    let host = &bench.host;
    let run = async {
        let feature =
            host.feature(&mut host.stage(StageKind::Feature, login), 0, login, &ops).await.err();
        let filter =
            host.filter(&mut host.stage(StageKind::Filter, login), 0, login, &ops).await.err();
        let action = host
            .action(&mut host.stage(StageKind::Action, login), ActionKind::Post, 0, login, &ops)
            .await
            .err();
        [feature, filter, action].map(|error| error.map(|error| error.message))
    };
    op::drive(run, &driver, |_| Answer::Slept)
}

#[test]
fn features_filters_and_actions_add_headers() {
    let login = login(Method::Get);
    assert_eq!(in_stages(&login), [None, None, None]);
    assert_eq!(login.response.borrow().headers.len(), 3);
}

#[test]
fn a_post_action_is_too_late() {
    let login = login(Method::Get);
    login.answered(200, Duration::ZERO);
    let [_, _, action] = in_stages(&login);
    let error = action.unwrap();
    assert!(
        error.contains(
            "set_http_response_header has no meaning in a post action: the answer has been sent"
        ),
        "{error}"
    );
    assert!(login.response.borrow().headers.is_empty());
}

#[test]
fn the_init_script_has_no_answer() {
    let init =
        "function nauthilus_run_hook() require('nauthilus_http_response').set_http_status(200) end";
    let bench = Bench::new(&[(StageKind::Init, init)]);
    let now = Instant::now();
    let (ops, driver) = op::slot(now, now + Duration::from_secs(10));
    let errors = op::drive(bench.host.init(&Login::default(), &ops), &driver, |_| Answer::Slept);
    assert!(
        errors[0].message.contains("set_http_status has no meaning in the stage 'init'"),
        "{}",
        errors[0]
    );
}
