//! `nauthilus_http_response`: the answer to the HTTP request, written by a script.
//!
//! Nothing is sent here: every function notes what it wants in the login's [`ScriptResponse`], and
//! `dialect` makes the answer of it. In a hook the script decides the whole answer; in features,
//! filters and actions only headers count, and of those none that carries the verdict. Post actions
//! run when the answer is out already, backends and the init script have none: there each function
//! raises. A name or value that cannot be a header is `proto::http`'s to defuse. The functions
//! return nothing. Rules: `lua/modules/nauthilus_http_response.md`. Bounds: [`BODY_BYTES_MAX`],
//! [`HEADER_BYTES_MAX`], since the answer lies outside Lua's own memory.

use crate::auth::login::{HeaderChange, ScriptResponse};
use crate::auth::scripts::StageKind;
use crate::proto::http::Method;
use crate::script::ffi::{Call, Fault, Function};
use crate::script::modules::Module;
use std::borrow::Cow;
use std::cell::RefMut;

pub static MODULE: Module = Module {
    names: &["nauthilus_http_response"],
    functions: &[
        Function { name: "set_http_response_header", body: set_header },
        Function { name: "add_http_response_header", body: add_header },
        Function { name: "remove_http_response_header", body: remove_header },
        Function { name: "set_http_status", body: set_status },
        Function { name: "set_http_content_type", body: set_content_type },
        Function { name: "write_http_response_body", body: write_body },
        Function { name: "string", body: string },
        Function { name: "data", body: data },
        Function { name: "html", body: html },
        Function { name: "redirect", body: redirect },
    ],
    waiting: &[],
    setup: Some(&SETUP),
    lua: None,
};

static SETUP: Function = Function {
    name: "nauthilus_http_response",
    body: |call| {
        for (name, status) in STATUSES {
            call.push_number(f64::from(status));
            call.set_field(1, name);
        }
        Ok(0)
    },
};

fn set_header(call: &Call<'_>) -> Result<i32, Fault> {
    let (name, value) = (call.string(1)?, call.string(2)?);
    let mut response = response(call, "set_http_response_header")?;
    if is_content_type(&name) {
        return set_type(call, &mut response, value.into_owned());
    }
    change(&mut response, HeaderChange::Set(name.into_owned(), value.into_owned()))
}

fn add_header(call: &Call<'_>) -> Result<i32, Fault> {
    let (name, value) = (call.string(1)?, call.string(2)?);
    let mut response = response(call, "add_http_response_header")?;
    if is_content_type(&name) {
        // There is one type only; the first one stands, as with a header that is sent twice.
        return if response.content_type.is_none() {
            set_type(call, &mut response, value.into_owned())
        } else {
            Ok(0)
        };
    }
    change(&mut response, HeaderChange::Add(name.into_owned(), value.into_owned()))
}

fn remove_header(call: &Call<'_>) -> Result<i32, Fault> {
    let name = call.string(1)?;
    let mut response = response(call, "remove_http_response_header")?;
    if is_content_type(&name) {
        response.content_type = None;
        return Ok(0);
    }
    change(&mut response, HeaderChange::Remove(name.into_owned()))
}

fn set_status(call: &Call<'_>) -> Result<i32, Fault> {
    let status = status(call)?;
    response(call, "set_http_status")?.status = Some(status);
    Ok(0)
}

fn set_content_type(call: &Call<'_>) -> Result<i32, Fault> {
    let value = call.string(1)?.into_owned();
    let mut response = response(call, "set_http_content_type")?;
    set_type(call, &mut response, value)
}

fn write_body(call: &Call<'_>) -> Result<i32, Fault> {
    let text = call.string(1)?;
    let mut response = response(call, "write_http_response_body")?;
    append(call, &mut response, &text)
}

/// Status, text/plain, and the text as it is: there is no formatting.
fn string(call: &Call<'_>) -> Result<i32, Fault> {
    whole(call, "string", "text/plain; charset=utf-8", 2)
}

fn html(call: &Call<'_>) -> Result<i32, Fault> {
    whole(call, "html", "text/html; charset=utf-8", 2)
}

fn data(call: &Call<'_>) -> Result<i32, Fault> {
    let content_type = call.text(2)?;
    whole(call, "data", &content_type, 3)
}

/// Status, content type, and the body that is argument `body_at`. For HEAD the status is all.
fn whole(call: &Call<'_>, function: &str, content_type: &str, body_at: i32) -> Result<i32, Fault> {
    let (status, body) = (status(call)?, call.string(body_at)?);
    let mut response = response(call, function)?;
    response.status = Some(status);
    if is_head(call)? {
        return Ok(0);
    }
    set_type(call, &mut response, content_type.into())?;
    append(call, &mut response, &body)
}

/// Sends the client elsewhere; for GET with a line of HTML for clients that do not go by
/// themselves.
fn redirect(call: &Call<'_>) -> Result<i32, Fault> {
    let code = call.int(1)?;
    let location = call.string(2)?;
    let Some((status, phrase)) =
        REDIRECTS.into_iter().find(|(status, _)| i64::from(*status) == code)
    else {
        return Err(Fault::Message(format!("Cannot redirect with status code {code}")));
    };
    let mut response = response(call, "redirect")?;
    response.status = Some(status);
    change(&mut response, HeaderChange::Set(b"Location".to_vec(), escaped_location(&location)))?;
    if call.run()?.login.request.http.head.framing.method != Method::Get {
        return Ok(0);
    }
    response.content_type.get_or_insert_with(|| b"text/html; charset=utf-8".to_vec());
    let link =
        [b"<a href=\"", escaped_html(&location).as_ref(), b"\">", phrase.as_bytes(), b"</a>.\n\n"]
            .concat();
    append(call, &mut response, &link)
}

/// The answer as scripts have it so far; from now on it counts.
fn response<'a>(call: &'a Call<'_>, function: &str) -> Result<RefMut<'a, ScriptResponse>, Fault> {
    call.only_in(
        &[StageKind::Hook, StageKind::Feature, StageKind::Filter, StageKind::Action],
        function,
    )?;
    let login = call.run()?.login;
    // Only once the answer is out the status is known (`Login::answered`).
    if login.facts.borrow().http_status != 0 {
        return Err(Fault::Message(format!(
            "{function} has no meaning in a post action: the answer has been sent"
        )));
    }
    let mut response = login.response.borrow_mut();
    response.used = true;
    Ok(response)
}

/// The status code that is the first argument.
fn status(call: &Call<'_>) -> Result<u16, Fault> {
    let code = call.int(1)?;
    let status = u16::try_from(code).ok().filter(|status| (200..600).contains(status));
    status.ok_or_else(|| {
        Fault::Argument(1, format!("status code from 200 to 599 expected, got {code}"))
    })
}

fn is_head(call: &Call<'_>) -> Result<bool, Fault> {
    Ok(call.run()?.login.request.http.head.framing.method == Method::Head)
}

fn append(call: &Call<'_>, response: &mut ScriptResponse, text: &[u8]) -> Result<i32, Fault> {
    if is_head(call)? {
        return Ok(0);
    }
    if response.body.len() + text.len() > BODY_BYTES_MAX {
        return Err(Fault::Message(format!(
            "the response body is longer than {BODY_BYTES_MAX} bytes"
        )));
    }
    call.keep(text.len(), 0)?;
    response.body.extend_from_slice(text);
    Ok(0)
}

fn set_type(call: &Call<'_>, response: &mut ScriptResponse, value: Vec<u8>) -> Result<i32, Fault> {
    call.keep(value.len(), response.content_type.as_ref().map_or(0, Vec::len))?;
    response.content_type = Some(value);
    Ok(0)
}

fn change(response: &mut ScriptResponse, change: HeaderChange) -> Result<i32, Fault> {
    let used: usize = response.headers.iter().map(header_bytes).sum();
    if used + header_bytes(&change) > HEADER_BYTES_MAX {
        return Err(Fault::Message(format!(
            "the response headers are longer than {HEADER_BYTES_MAX} bytes"
        )));
    }
    response.headers.push(change);
    Ok(0)
}

fn header_bytes(change: &HeaderChange) -> usize {
    match change {
        HeaderChange::Set(name, value) | HeaderChange::Add(name, value) => {
            name.len() + value.len() + HEADER_OVERHEAD_BYTES
        }
        HeaderChange::Remove(name) => name.len() + HEADER_OVERHEAD_BYTES,
    }
}

/// The answer has one content type, whichever function it was set by last.
fn is_content_type(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"content-type")
}

/// A URI has no bytes but visible ASCII (RFC 3986 2).
fn escaped_location(location: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(location.len());
    for &byte in location {
        match byte {
            b'!'..=b'~' => out.push(byte),
            _ => out.extend_from_slice(format!("%{byte:02X}").as_bytes()),
        }
    }
    out
}

fn escaped_html(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.iter().any(|byte| b"&<>\"'".contains(byte)) {
        return text.into();
    }
    let mut out = Vec::with_capacity(text.len() + 16);
    for &byte in text {
        match byte {
            b'&' => out.extend_from_slice(b"&amp;"),
            b'<' => out.extend_from_slice(b"&lt;"),
            b'>' => out.extend_from_slice(b"&gt;"),
            b'"' => out.extend_from_slice(b"&#34;"),
            b'\'' => out.extend_from_slice(b"&#39;"),
            _ => out.push(byte),
        }
    }
    out.into()
}

/// An administrator's page or export, not a download server.
pub const BODY_BYTES_MAX: usize = 16 << 20;
/// Names and values of all changes together. Proxies in front of us rarely take more than a tenth
/// of it.
pub const HEADER_BYTES_MAX: usize = 64 << 10;
/// What a change costs besides its text; it bounds their number.
const HEADER_OVERHEAD_BYTES: usize = 32;

/// Codes that `redirect` takes, with the link's text.
const REDIRECTS: [(u16, &str); 10] = [
    (201, "Created"),
    (300, "Multiple Choices"),
    (301, "Moved Permanently"),
    (302, "Found"),
    (303, "See Other"),
    (304, "Not Modified"),
    (305, "Use Proxy"),
    (306, ""),
    (307, "Temporary Redirect"),
    (308, "Permanent Redirect"),
];

const STATUSES: [(&str, u16); 20] = [
    ("STATUS_OK", 200),
    ("STATUS_CREATED", 201),
    ("STATUS_NO_CONTENT", 204),
    ("STATUS_MOVED_PERMANENTLY", 301),
    ("STATUS_FOUND", 302),
    ("STATUS_SEE_OTHER", 303),
    ("STATUS_NOT_MODIFIED", 304),
    ("STATUS_BAD_REQUEST", 400),
    ("STATUS_UNAUTHORIZED", 401),
    ("STATUS_FORBIDDEN", 403),
    ("STATUS_NOT_FOUND", 404),
    ("STATUS_METHOD_NOT_ALLOWED", 405),
    ("STATUS_CONFLICT", 409),
    ("STATUS_UNSUPPORTED_MEDIA_TYPE", 415),
    ("STATUS_TOO_MANY_REQUESTS", 429),
    ("STATUS_INTERNAL_SERVER_ERROR", 500),
    ("STATUS_NOT_IMPLEMENTED", 501),
    ("STATUS_BAD_GATEWAY", 502),
    ("STATUS_SERVICE_UNAVAILABLE", 503),
    ("STATUS_GATEWAY_TIMEOUT", 504),
];

#[cfg(test)]
mod tests;
