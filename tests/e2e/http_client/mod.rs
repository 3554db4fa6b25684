//! HTTP requests of scripts, by `glua_http` and `http`: against nginx, and against servers that
//! keep to nothing.

mod bots;
mod hostile;
mod leaks;
mod nginx;
mod proxy;

use crate::support::{Request, Server, Site};
use serde_json::Value;

/// A site whose hook `ask` runs the Lua code in `body` with `url` and `timeout` from its query and
/// answers what that returns.
fn site(body: &str) -> Site {
    let hook = format!(
        r#"
        local glua_http, http, query = require("glua_http"), require("http"), require("nauthilus_http_request")
        function nauthilus_run_hook()
            local url, timeout = query.get_http_query_param("url"), query.get_http_query_param("timeout")
            {body}
        end
        "#
    );
    Site::new().hook("ask", &hook)
}

/// Asks for `url` and returns the status and the body, or the error.
const GET: &str = r#"
    local response, err = glua_http.get(url, { timeout = timeout ~= "" and timeout or nil })
    if err then return { err = err } end
    return { status = response.status_code, body = response.body, size = response.body_size, url = response.url, headers = response.headers }
"#;

/// What the hook answers for a URL.
fn ask(server: &Server, url: &str, timeout: &str) -> Value {
    let answer = server.ask(&question(url, timeout));
    assert_eq!(answer.status, 200, "{}", answer.text());
    serde_json::from_slice(&answer.body).unwrap()
}

fn question(url: &str, timeout: &str) -> Request {
    let escaped: String = url.bytes().map(|byte| format!("%{byte:02X}")).collect();
    Request::get(&format!("/api/v1/custom/ask?url={escaped}&timeout={timeout}"))
}

/// The error that the hook answers with.
fn error(server: &Server, url: &str, timeout: &str) -> String {
    let answer = ask(server, url, timeout);
    answer["err"].as_str().unwrap_or_else(|| panic!("no error: {answer}")).to_owned()
}
