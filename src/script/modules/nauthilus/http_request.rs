//! `nauthilus_http_request`: the HTTP request that started the work, as it came in.
//!
//! Reads the request's own buffer; what it gives to Lua is copied, the request never changes. Every
//! function gives its value and nil. Where nothing came in over HTTP (the init script) each raises.
//! `Host` is no header here, as in the reference. Rules: `lua/modules/nauthilus_http_request.md`.
//! Bounds: those of the HTTP parser.

use crate::auth::request::Request;
use crate::auth::scripts::StageKind;
use crate::proto::http::query_param;
use crate::script::ffi::{Call, Fault, Function};
use crate::script::modules::Module;

pub static MODULE: Module = Module {
    names: &["nauthilus_http_request"],
    functions: &[
        Function { name: "get_all_http_request_headers", body: all_headers },
        Function { name: "get_http_request_header", body: header },
        Function { name: "get_http_request_body", body },
        Function { name: "get_http_method", body: method },
        Function { name: "get_http_path", body: path },
        Function { name: "get_http_query_param", body: query },
    ],
    waiting: &[],
    setup: None,
    lua: None,
};

fn request<'a>(call: &'a Call<'_>, function: &str) -> Result<&'a Request, Fault> {
    call.only_in(&STAGES, function)?;
    Ok(&call.run()?.login.request)
}

/// Lower-case name to list of values, in the order they came.
fn all_headers(call: &Call<'_>) -> Result<i32, Fault> {
    let request = request(call, "get_all_http_request_headers")?;
    let headers = &request.http.head.headers;
    call.push_table(0, headers.len());
    let table = call.len();
    for (at, (span, _)) in headers.iter().enumerate() {
        let name = request.text(*span);
        let is_known = headers
            .iter()
            .take(at)
            .any(|(before, _)| request.text(*before).eq_ignore_ascii_case(name));
        if !is_known && !is_hidden(name) {
            call.push_string(&name.to_ascii_lowercase());
            push_values(call, request, name);
            call.set_pair(table);
        }
    }
    Ok(call.and_nil())
}

fn header(call: &Call<'_>) -> Result<i32, Fault> {
    let request = request(call, "get_http_request_header")?;
    let name = call.string(1)?;
    if is_hidden(&name) {
        call.push_table(0, 0);
    } else {
        push_values(call, request, &name);
    }
    Ok(call.and_nil())
}

/// The list of a header's values; commas are not split.
fn push_values(call: &Call<'_>, request: &Request, name: &[u8]) {
    call.push_table(1, 0);
    let list = call.len();
    for (at, value) in request.header(name).enumerate() {
        call.push_string(value);
        call.set_index(list, at + 1);
    }
}

fn is_hidden(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"host")
}

/// The body without its transfer coding, as often as it is asked for.
fn body(call: &Call<'_>) -> Result<i32, Fault> {
    let request = request(call, "get_http_request_body")?;
    call.push_string(request.text(request.http.body));
    Ok(call.and_nil())
}

/// As the client wrote it: methods are case-sensitive.
fn method(call: &Call<'_>) -> Result<i32, Fault> {
    let request = request(call, "get_http_method")?;
    call.push_string(request.text(request.http.head.method_text));
    Ok(call.and_nil())
}

/// The path, decoded, without the query.
fn path(call: &Call<'_>) -> Result<i32, Fault> {
    let request = request(call, "get_http_path")?;
    call.push_string(request.text(request.http.path));
    Ok(call.and_nil())
}

/// The first value of that name, decoded; the empty string if there is none.
fn query(call: &Call<'_>) -> Result<i32, Fault> {
    let request = request(call, "get_http_query_param")?;
    let name = call.string(1)?;
    let value = query_param(request.text(request.http.query), &name);
    call.push_string(value.as_deref().unwrap_or_default());
    Ok(call.and_nil())
}

/// All stages that an HTTP request started.
const STAGES: [StageKind; 5] =
    [StageKind::Feature, StageKind::Backend, StageKind::Filter, StageKind::Action, StageKind::Hook];

#[cfg(test)]
mod tests {
    use crate::auth::login::Login;
    use crate::auth::request::SessionId;
    use crate::auth::scripts::StageKind;
    use crate::dialect::input;
    use crate::op::{self, Answer};
    use crate::proto::http::{Limits, Span, parse_head};
    use crate::script::testing::Bench;
    use crate::value::Value;
    use std::time::{Duration, Instant};

    const HEAD: &[u8] = b"POST /api/v1/custom/a%20b?q=a%20b%26c&m=1&m=2&bad=%zz HTTP/1.1\r\nHost: here\r\nX-Kit: a, b\r\n\
        X-Twice: one\r\nx-twice: two\r\nContent-Length: 6\r\n\r\n";

    /// What a hook with this body returns for the request above.
    fn eval(body: &str) -> Result<Value, String> {
        let head = parse_head(HEAD, &Limits::default()).unwrap().unwrap();
        let mut buffer = HEAD.to_vec();
        buffer.extend_from_slice(b"\0\xff\n\rab");
        let login =
            Login::new(input::open(buffer, head, Span::new(HEAD.len(), 6), SessionId::default()));
        let source = format!(
            "local req = require('nauthilus_http_request') function nauthilus_run_hook() {body} end"
        );
        Bench::new(&[(StageKind::Hook, &source)]).hook_of(0, &login, |_| Answer::Slept)
    }

    fn strings(texts: &[&str]) -> Result<Value, String> {
        Ok(Value::List(texts.iter().map(|text| Value::string(*text)).collect()))
    }

    #[test]
    fn a_header_is_the_list_of_its_values() {
        assert_eq!(eval("return req.get_http_request_header('x-kit')"), strings(&["a, b"]));
        assert_eq!(eval("return req.get_http_request_header('X-TWICE')"), strings(&["one", "two"]));
        assert_eq!(eval("return req.get_http_request_header('X-Absent')"), strings(&[]));
        assert_eq!(eval("return req.get_http_request_header(5)"), strings(&[]));
    }

    #[test]
    fn all_headers_are_lists_under_lower_case_names() {
        let names = "local names = {} for name in pairs((req.get_all_http_request_headers())) do names[#names + 1] = name end \
            table.sort(names) return names";
        assert_eq!(eval(names), strings(&["content-length", "x-kit", "x-twice"]));
        assert_eq!(
            eval("return req.get_all_http_request_headers()['x-twice']"),
            strings(&["one", "two"])
        );
    }

    #[test]
    fn the_host_is_no_header() {
        assert_eq!(eval("return req.get_http_request_header('Host')"), strings(&[]));
        assert_eq!(eval("return req.get_all_http_request_headers().host"), Ok(Value::Nil));
    }

    #[test]
    fn the_body_is_there_byte_by_byte_and_again() {
        assert_eq!(
            eval("req.get_http_request_body() return (req.get_http_request_body())"),
            Ok(Value::string(*b"\0\xff\n\rab"))
        );
    }

    #[test]
    fn method_path_and_query() {
        assert_eq!(eval("return (req.get_http_method())"), Ok(Value::string("POST")));
        assert_eq!(eval("return (req.get_http_path())"), Ok(Value::string("/api/v1/custom/a b")));
        for (name, value) in [("q", "a b&c"), ("m", "1"), ("absent", ""), ("bad", ""), ("Q", "")] {
            assert_eq!(
                eval(&format!("return (req.get_http_query_param('{name}'))")),
                Ok(Value::string(value)),
                "{name}"
            );
        }
    }

    #[test]
    fn every_value_comes_with_nil() {
        for call in [
            "get_all_http_request_headers()",
            "get_http_request_header('a')",
            "get_http_request_body()",
            "get_http_query_param('q')",
        ] {
            assert_eq!(
                eval(&format!("return select('#', req.{call})")),
                Ok(Value::Number(2.0)),
                "{call}"
            );
        }
    }

    #[test]
    fn a_missing_name_raises() {
        for function in ["get_http_request_header", "get_http_query_param"] {
            let error = eval(&format!("req.{function}()")).unwrap_err();
            assert!(
                error
                    .contains(&format!("bad argument #1 to {function} (string expected, got nil)")),
                "{error}"
            );
        }
    }

    #[test]
    fn the_init_script_has_no_request() {
        let init =
            "function nauthilus_run_hook() require('nauthilus_http_request').get_http_method() end";
        let bench = Bench::new(&[(StageKind::Init, init)]);
        let now = Instant::now();
        let (ops, driver) = op::slot(now, now + Duration::from_secs(10));
        let errors =
            op::drive(bench.host.init(&Login::default(), &ops), &driver, |_| Answer::Slept);
        assert_eq!(errors.len(), 1);
        assert!(
            errors[0].message.contains("get_http_method has no meaning in the stage 'init'"),
            "{}",
            errors[0]
        );
    }
}
