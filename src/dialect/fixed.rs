//! Answers that no script has a say in: liveness, metrics, nothing here, wrong input, too much at
//! once.
//!
//! Input errors carry neither `Auth-Status` nor a session.

use crate::dialect::envelope::{Envelope, JSON, TEXT};
use crate::dialect::rejection::Rejection;
use crate::dialect::route::NotFound;
use crate::proto::http::Method;
use std::fmt::Write;

/// Appends the answer to `GET /ping`; says the status.
pub fn ping(out: &mut Vec<u8>, envelope: &Envelope<'_>) -> u16 {
    envelope.write(out, 200, Some(TEXT), b"pong")
}

/// Appends the answer to `GET /metrics`; says the status.
pub fn metrics(out: &mut Vec<u8>, text: &[u8], envelope: &Envelope<'_>) -> u16 {
    envelope.write(out, 200, Some(METRICS), text)
}

/// Appends the answer to `GET /healthz`; says the status. A balancer should go on sending requests
/// to a server whose stores are away (it answers what it can, and temporary failures otherwise; its
/// neighbours have the same stores), but to none that is about to end.
pub fn health(out: &mut Vec<u8>, body: &str, is_draining: bool, envelope: &Envelope<'_>) -> u16 {
    envelope.write(out, if is_draining { 503 } else { 200 }, Some(JSON), body.as_bytes())
}

/// Appends one of the two forms of 404; says the status.
pub fn not_found(out: &mut Vec<u8>, form: NotFound, envelope: &Envelope<'_>) -> u16 {
    match form {
        NotFound::Text => envelope.write(out, 404, Some("text/plain"), b"404 page not found"),
        NotFound::Empty => envelope.write(out, 404, None, &[]),
    }
}

/// Appends an answer without body, such as the one to an unknown service; says the status.
pub fn empty(out: &mut Vec<u8>, status: u16, envelope: &Envelope<'_>) -> u16 {
    envelope.write(out, status, None, &[])
}

/// Appends a line of plain text, such as the transport's complaint about a broken head; says the
/// status.
pub fn text(out: &mut Vec<u8>, status: u16, text: &str, envelope: &Envelope<'_>) -> u16 {
    envelope.write(out, status, Some(TEXT), text.as_bytes())
}

/// Appends the redirect to a path without its last slash; says the status. Browsers alone read the
/// body, and only of a GET.
pub fn redirect(out: &mut Vec<u8>, path: &[u8], query: &[u8], envelope: &Envelope<'_>) -> u16 {
    let mut location = String::with_capacity(path.len() + query.len() + 1);
    encode(&mut location, path, is_path_byte);
    if !query.is_empty() {
        location.push('?');
        encode(&mut location, query, is_query_byte);
    }
    let is_get = envelope.framing.method == Method::Get;
    let status = if is_get { 301 } else { 307 };
    let mut response = envelope.begin(out, status);
    response.header("Location", &location);
    if is_get {
        let body =
            format!("<a href=\"{}\">Moved Permanently</a>.\n\n", location.replace('&', "&amp;"));
        response.header("Content-Type", "text/html; charset=utf-8");
        envelope.end(response, body.as_bytes());
    } else {
        envelope.end(response, &[]);
    }
    status
}

/// Appends the answer to a request that could not be read; says the status.
pub fn rejection(out: &mut Vec<u8>, rejection: Rejection, envelope: &Envelope<'_>) -> u16 {
    match rejection {
        Rejection::UnsupportedMediaType => {
            envelope.write(out, 400, Some(JSON), br#"{"error":"Unsupported media type"}"#)
        }
        Rejection::UsernameRequired => envelope.write(
            out,
            400,
            Some(JSON),
            br#"{"errors":[{"field":"Username","message":"This field is required"}]}"#,
        ),
        Rejection::MalformedBody | Rejection::PasswordEncoding | Rejection::InvalidUsername => {
            envelope.write(out, 400, None, &[])
        }
        Rejection::ClientAddress => {
            envelope.write(out, 400, Some(JSON), br#"{"error":"The client address is invalid"}"#)
        }
        Rejection::Lookup => envelope.write(out, 403, None, &[]),
        Rejection::NoCredentials => unauthorized(out, envelope),
    }
}

/// Appends the demand for HTTP basic credentials; says the status.
pub fn unauthorized(out: &mut Vec<u8>, envelope: &Envelope<'_>) -> u16 {
    let mut response = envelope.begin(out, 401);
    response.header("WWW-Authenticate", "Basic realm=\"restricted\", charset=\"UTF-8\"");
    envelope.end(response, &[]);
    401
}

/// Appends the answer to a request that is one too many (RFC 6585 4); says the status.
pub(super) fn too_many_requests(
    out: &mut Vec<u8>,
    retry_after_s: u64,
    body: &str,
    envelope: &Envelope<'_>,
) -> u16 {
    let mut response = envelope.begin(out, 429);
    response.header_number("Retry-After", retry_after_s).header("Content-Type", JSON);
    envelope.end(response, body.as_bytes());
    429
}

/// Percent-encodes what must not stand as it is.
fn encode(text: &mut String, bytes: &[u8], stays: fn(u8) -> bool) {
    for &byte in bytes {
        if stays(byte) {
            text.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(text, "%{byte:02X}");
        }
    }
}

/// RFC 3986 3.3, without the quotation mark that would end an HTML attribute.
fn is_path_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&()*+,;=:@/".contains(&byte)
}

/// A query is not decoded before it gets here: its escapes stay.
fn is_query_byte(byte: u8) -> bool {
    is_path_byte(byte) || byte == b'?' || byte == b'%'
}

const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::testing::envelope;

    #[test]
    fn a_redirect_stays_on_its_line_and_in_its_attribute() {
        let mut out = Vec::new();
        redirect(&mut out, b"/a b\"<\r\nX: y%", b"q=%22&r='>", &envelope());
        let text = String::from_utf8(out).unwrap();
        assert!(
            text.contains("\r\nLocation: /a%20b%22%3C%0D%0AX:%20y%25?q=%22&r=%27%3E\r\n"),
            "{text}"
        );
        assert!(text.ends_with("<a href=\"/a%20b%22%3C%0D%0AX:%20y%25?q=%22&amp;r=%27%3E\">Moved Permanently</a>.\n\n"), "{text}");
    }
}
