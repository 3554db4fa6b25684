//! The response object: a userdata whose fields are read by name and cannot be set.

use crate::script::ffi::{Call, Fault, Function};
use crate::upstream::http::Response;

/// What scripts hold.
struct Object(Response);

pub(super) fn register(call: &Call<'_>) -> Result<(), Fault> {
    call.register_type::<Object>(&[]);
    call.push_type::<Object>()?;
    let meta = call.len();
    call.push_function(&FIELD);
    call.set_field(meta, "__index");
    call.pop(1);
    Ok(())
}

pub(super) fn push(call: &Call<'_>, response: Response) -> Result<(), Fault> {
    let headers: usize =
        response.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    let bytes = response.body.len() + headers;
    call.push_userdata_weighing(Object(response), bytes)
}

static FIELD: Function = Function { name: "response", body: field };

fn field(call: &Call<'_>) -> Result<i32, Fault> {
    let Object(response) = call
        .userdata::<Object>(1)
        .ok_or_else(|| Fault::Argument(1, "http.response expected".into()))?;
    match call.bytes(2) {
        b"status_code" => call.push_number(f64::from(response.status)),
        b"body" => call.push_string(&response.body),
        b"body_size" => call.push_number(response.body.len() as f64),
        b"url" => call.push_string(response.url.expose().as_bytes()),
        b"headers" => push_headers(call, response),
        b"cookies" => push_cookies(call, response),
        _ => call.push_nil(),
    }
    Ok(1)
}

/// Name → first value.
fn push_headers(call: &Call<'_>, response: &Response) {
    call.push_table(0, 8);
    let table = call.len();
    for (name, _) in response.headers.iter() {
        call.push_string(response.headers.get(name).unwrap_or_default());
        call.set_field(table, name);
    }
}

/// Name → value of what the response sets.
fn push_cookies(call: &Call<'_>, response: &Response) {
    call.push_table(0, 2);
    let table = call.len();
    for cookie in response.headers.all("Set-Cookie") {
        let pair = cookie.split(|byte| *byte == b';').next().unwrap_or_default();
        let Some(at) = memchr::memchr(b'=', pair) else { continue };
        let (name, value) = pair.split_at_checked(at).unwrap_or_default();
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        let bare =
            value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value);
        call.push_string(bare);
        call.set_field(table, &String::from_utf8_lossy(name.trim_ascii()));
    }
}
