//! `http`, and its parts `http_client`, `http_util` and `http_server`: clients with settings and
//! cookies of their own, and URL functions.
//!
//! ```text
//! client([options])                      → a client (client.rs); raises if an option is wrong
//! request(method, url[, body])           → a request, or nil, err (request.rs)
//! file_request(url, files[, fields])     → a request that uploads files, or nil, err (multipart.rs)
//! client:do_request(request)             → { code, body, headers = { Name = first value } }, or nil, err
//! request:header_set(name, value)        request:set_basic_auth(user, password)
//! query_escape(s) query_unescape(s) parse_url(s) build_url(t)                       (url.rs)
//! server(…) serve_static(…)              raise: scripts do not serve
//! ```
//!
//! Redirects are followed, bodies sent again where the status says so. Which proxy is used follows
//! the same rule as `glua_http`'s, unless the client names one. Idle connections are the worker's,
//! shared by all clients whose settings allow it. Rules: `lua/modules/http.md`. Bounds: those of
//! `upstream::http` and of the script's own time.

mod client;
mod multipart;
mod request;
#[cfg(test)]
mod tests;
mod url;

pub use client::HttpClient;
pub use multipart::{Form, Part};

use crate::script::ffi::{Call, Fault, Function, Waiting};
use crate::script::modules::Module;

pub static MODULE: Module = Module {
    names: &["http"],
    functions: &[
        NEW_REQUEST,
        HEADER_SET,
        SET_BASIC_AUTH,
        url::QUERY_ESCAPE,
        url::QUERY_UNESCAPE,
        url::PARSE_URL,
        url::BUILD_URL,
        SERVER_FUNCTION,
        SERVE_STATIC,
    ],
    waiting: &[NEW_CLIENT, FILE_REQUEST, DO_REQUEST],
    setup: Some(&SETUP),
    lua: Some(OBJECTS),
};

pub static CLIENT: Module = Module {
    names: &["http_client"],
    functions: &[NEW_REQUEST, HEADER_SET, SET_BASIC_AUTH],
    waiting: &[NEW_CLIENT, FILE_REQUEST, DO_REQUEST],
    setup: Some(&TYPES),
    lua: Some(OBJECTS),
};

pub static UTIL: Module = Module {
    names: &["http_util"],
    functions: &[url::QUERY_ESCAPE, url::QUERY_UNESCAPE, url::PARSE_URL, url::BUILD_URL],
    waiting: &[],
    setup: None,
    lua: None,
};

pub static SERVER: Module = Module {
    names: &["http_server"],
    functions: &[SERVER_FUNCTION, SERVE_STATIC],
    waiting: &[],
    setup: None,
    lua: None,
};

const NEW_REQUEST: Function = Function { name: "request", body: request::new };
const HEADER_SET: Function = Function { name: "header_set", body: request::header_set };
const SET_BASIC_AUTH: Function = Function { name: "set_basic_auth", body: request::set_basic_auth };
const SERVER_FUNCTION: Function = Function { name: "server", body: |_| not_here("server") };
const SERVE_STATIC: Function =
    Function { name: "serve_static", body: |_| not_here("serve_static") };
const NEW_CLIENT: Waiting = Waiting { name: "client", start: client::new };
const FILE_REQUEST: Waiting = Waiting { name: "file_request", start: multipart::file_request };
const DO_REQUEST: Waiting = Waiting { name: "do_request", start: client::do_request };

/// Moves the methods from the module to the objects.
const OBJECTS: &str = include_str!("../../../../../lua/host/http.lua");

static SETUP: Function = Function {
    name: "http",
    body: |call| {
        call.register_type::<HttpClient>(&[]);
        call.register_type::<request::HttpRequest>(&[]);
        show_types(call)
    },
};

/// For the module whose types are there already.
static TYPES: Function = Function { name: "http_client", body: show_types };

/// Lets the Lua half see the types.
fn show_types(call: &Call<'_>) -> Result<i32, Fault> {
    call.push_type::<HttpClient>()?;
    call.set_field(1, "client_type");
    call.push_type::<request::HttpRequest>()?;
    call.set_field(1, "request_type");
    Ok(0)
}

fn not_here(function: &str) -> Result<i32, Fault> {
    Err(Fault::Message(format!(
        "http.{function} is not available: scripts of this server do not serve HTTP, hooks do"
    )))
}
