//! What the dialects' tests share: requests made of text.

use crate::auth::request::{Field, Request, Service, SessionId};
use crate::dialect::envelope::Envelope;
use crate::dialect::input::{Origin, Rejection, open, parse};
use crate::dialect::settings::Settings;
use crate::proto::http::{Framing, Limits, Method, Span, parse_head};

pub(super) const SESSION: SessionId = SessionId(*b"2ABCDEFGHIJKLMNOPQRSTUVWXYZ");
pub(super) const DATE: &[u8; 29] = b"Sun, 06 Nov 1994 08:49:37 GMT";

/// Around the answer to a plain GET.
pub(super) fn envelope() -> Envelope<'static> {
    Envelope::new(Framing { minor: 1, method: Method::Get, keep_alive: true }, DATE)
}

/// A request as it came over the wire, not yet parsed for a service.
pub(super) fn request(bytes: &[u8]) -> Request {
    let head = parse_head(bytes, &Limits::default()).unwrap().unwrap();
    let body = Span::new(head.len, bytes.len() - head.len);
    open(bytes.to_vec(), head, body, SESSION)
}

pub(super) fn parsed(service: Service, bytes: &[u8]) -> Result<Request, Rejection> {
    let mut request = request(bytes);
    parse(&mut request, service, &Settings::default(), Origin::default()).map(|()| request)
}

/// A GET with these header lines.
pub(super) fn with_headers(
    service: Service,
    query: &str,
    headers: &str,
) -> Result<Request, Rejection> {
    let lines: String = headers.lines().map(|line| format!("{line}\r\n")).collect();
    parsed(service, format!("GET /x{query} HTTP/1.1\r\nHost: x\r\n{lines}\r\n").as_bytes())
}

/// A POST with this body.
pub(super) fn posted(
    service: Service,
    query: &str,
    content_type: &str,
    body: &[u8],
) -> Result<Request, Rejection> {
    let length = body.len();
    let head = format!(
        "POST /x{query} HTTP/1.1\r\nHost: x\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n"
    );
    parsed(service, &[head.as_bytes(), body].concat())
}

pub(super) fn text(request: &Request, field: Field) -> &str {
    std::str::from_utf8(request.get(field)).unwrap()
}
