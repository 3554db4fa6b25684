//! `http.request`: a request to be sent, perhaps several times.

use crate::script::ffi::{Call, Fault, Kind};
use crate::upstream::http::Request;
use std::cell::RefCell;

/// What scripts hold.
pub(super) struct HttpRequest(pub(super) RefCell<Request>);

/// `request(method, url[, body])`. An explicit nil is no body but an error, as in the original.
pub(super) fn new(call: &Call<'_>) -> Result<i32, Fault> {
    let (method, url) = (call.text(1)?, call.string(2)?);
    let body = if call.len() >= 3 { Some(call.string(3)?.into_owned()) } else { None };
    match Request::new(&method, &url) {
        Ok(mut request) => {
            request.body = body;
            push(call, request)
        }
        Err(error) => Ok(call.nil_and(error.to_string())),
    }
}

pub(super) fn push(call: &Call<'_>, request: Request) -> Result<i32, Fault> {
    let bytes = request.body.as_ref().map_or(0, Vec::len);
    call.push_userdata_weighing(HttpRequest(RefCell::new(request)), bytes)?;
    Ok(1)
}

/// `request:header_set(name, value)`.
pub(super) fn header_set(call: &Call<'_>) -> Result<i32, Fault> {
    let (name, value) = (shown(call, 2), shown(call, 3));
    this(call)?.borrow_mut().headers.set(&String::from_utf8_lossy(&name), value);
    Ok(0)
}

/// `request:set_basic_auth(user, password)`.
pub(super) fn set_basic_auth(call: &Call<'_>) -> Result<i32, Fault> {
    let (user, password) = (shown(call, 2), shown(call, 3));
    this(call)?.borrow_mut().set_basic_auth(&user, &password);
    Ok(0)
}

fn this<'a>(call: &'a Call<'_>) -> Result<&'a RefCell<Request>, Fault> {
    call.userdata::<HttpRequest>(1)
        .map(|request| &request.0)
        .ok_or_else(|| Fault::Argument(1, "http request expected".into()))
}

/// A value made text.
fn shown(call: &Call<'_>, at: i32) -> Vec<u8> {
    match call.kind(at) {
        Kind::String => call.bytes(at).to_vec(),
        _ => call.display(at).into_bytes(),
    }
}
