//! Answers: composed in one go into the connection's output buffer.
//!
//! Nothing that a script, a backend or a client supplied can end a header line early: names that
//! are no tokens are left out, control characters in values become blanks. Called by the worker for
//! every exchange; appends only, so that pipelined answers share one write.
//! Rules: RFC 9110 6 to 8, RFC 9112 4.

use super::Method;

/// The interim answer to `Expect: 100-continue`.
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// An answer being written: [`begin`](Response::begin), then headers, then
/// [`finish`](Response::finish), without which it is no answer.
#[derive(Debug)]
#[must_use = "an answer ends with finish()"]
pub struct Response<'a> {
    out: &'a mut Vec<u8>,
    minor: u8,
    status: u16,
    head_only: bool,
}

impl<'a> Response<'a> {
    /// Begins an answer in the request's version, HTTP/1.`minor` (1 where it is unknown). A status
    /// that is no three digits is sent as 500.
    pub fn begin(out: &'a mut Vec<u8>, minor: u8, status: u16) -> Response<'a> {
        let status = if (100..1000).contains(&status) { status } else { 500 };
        out.extend_from_slice(if minor == 0 { b"HTTP/1.0 " } else { b"HTTP/1.1 " });
        push_decimal(out, u64::from(status));
        out.push(b' ');
        out.extend_from_slice(reason(status).as_bytes());
        out.extend_from_slice(b"\r\n");
        Response { out, minor, status, head_only: false }
    }

    /// Answers to HEAD have no body; [`finish`](Response::finish) then sends its length only.
    pub fn to_method(&mut self, method: Method) -> &mut Self {
        self.head_only = method == Method::Head;
        self
    }

    /// Adds a header. Length and connection are [`finish`](Response::finish)'s.
    #[inline]
    pub fn header(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> &mut Self {
        let (name, value) = (name.as_ref(), value.as_ref());
        if name.is_empty() || !name.iter().all(|byte| is_token_byte(*byte)) {
            return self;
        }
        self.out.reserve(name.len() + value.len() + 4);
        self.out.extend_from_slice(name);
        self.out.extend_from_slice(b": ");
        self.out.extend(value.iter().map(|byte| if is_value_byte(*byte) { *byte } else { b' ' }));
        self.out.extend_from_slice(b"\r\n");
        self
    }

    /// Adds a header whose value is a number.
    pub fn header_number(&mut self, name: &str, value: u64) -> &mut Self {
        self.header(name, itoa::Buffer::new().format(value))
    }

    /// Adds the date, from a clock that keeps its text (see [`http_date`]).
    pub fn date(&mut self, date: &[u8; DATE_BYTES]) -> &mut Self {
        self.header("Date", date)
    }

    /// Ends the answer with its body. 204, 304 and 1xx have none, whatever `body` is.
    pub fn finish(self, body: &[u8], keep_alive: bool) {
        let Response { out, minor, status, head_only } = self;
        match (minor, keep_alive) {
            (0, true) => out.extend_from_slice(b"Connection: keep-alive\r\n"),
            (1.., false) => out.extend_from_slice(b"Connection: close\r\n"),
            // Each version's default.
            (0, false) | (1.., true) => {}
        }
        if matches!(status, 100..=199 | 204 | 304) {
            out.extend_from_slice(b"\r\n");
            return;
        }
        out.extend_from_slice(b"Content-Length: ");
        push_decimal(out, body.len() as u64);
        out.extend_from_slice(b"\r\n\r\n");
        if !head_only {
            out.extend_from_slice(body);
        }
    }
}

/// A time in seconds since 1970 as RFC 9110 5.6.7 wants it: `Sun, 06 Nov 1994 08:49:37 GMT`.
///
/// For once a second, not once an answer. Years end with 9999; a time past that shows as the epoch.
pub fn http_date(unix_seconds: u64) -> [u8; DATE_BYTES] {
    let printer = jiff::fmt::rfc2822::DateTimePrinter::new();
    i64::try_from(unix_seconds)
        .ok()
        .and_then(|seconds| jiff::Timestamp::from_second(seconds).ok())
        .and_then(|time| printer.timestamp_to_rfc9110_string(&time).ok())
        .and_then(|text| text.into_bytes().try_into().ok())
        .unwrap_or(*b"Thu, 01 Jan 1970 00:00:00 GMT")
}

/// tchar of RFC 9110 5.6.2: what names consist of.
#[expect(clippy::indexing_slicing, reason = "a byte is below 256")]
#[inline]
pub(super) fn is_token_byte(byte: u8) -> bool {
    TOKEN_BYTES[byte as usize]
}

#[inline]
fn is_value_byte(byte: u8) -> bool {
    byte >= b' ' && byte != 0x7f || byte == b'\t'
}

fn push_decimal(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// The phrases of RFC 9110 15 and 6585; informative only, so that unknown ones may be empty.
fn reason(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        101 => "Switching Protocols",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        203 => "Non-Authoritative Information",
        204 => "No Content",
        205 => "Reset Content",
        206 => "Partial Content",
        300 => "Multiple Choices",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Request Entity Too Large",
        414 => "Request URI Too Long",
        415 => "Unsupported Media Type",
        417 => "Expectation Failed",
        418 => "I'm a teapot",
        422 => "Unprocessable Entity",
        423 => "Locked",
        428 => "Precondition Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        451 => "Unavailable For Legal Reasons",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        507 => "Insufficient Storage",
        511 => "Network Authentication Required",
        _ => "",
    }
}

/// Length of [`http_date`]'s text.
const DATE_BYTES: usize = 29;

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
const TOKEN_BYTES: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = matches!(byte as u8,
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~');
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn compose(minor: u8, status: u16, method: Method, body: &[u8], keep_alive: bool) -> String {
        let mut out = Vec::new();
        let mut response = Response::begin(&mut out, minor, status);
        response.to_method(method).header("X-A", "b");
        response.finish(body, keep_alive);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn an_answer_byte_for_byte() {
        let mut out = b"earlier".to_vec();
        let mut response = Response::begin(&mut out, 1, 200);
        response
            .date(&http_date(784_111_777))
            .header("Auth-Status", "OK")
            .header_number("Auth-Port", 9931);
        response.finish(b"pong", true);
        let expected = "earlierHTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nAuth-Status: OK\r\nAuth-Port: 9931\r\nContent-Length: 4\r\n\r\npong";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn the_connection_is_told_where_it_is_not_the_default() {
        for (minor, keep_alive, expected) in [
            (1, true, "HTTP/1.1 200 OK\r\nX-A: b\r\nContent-Length: 1\r\n\r\nx"),
            (
                1,
                false,
                "HTTP/1.1 200 OK\r\nX-A: b\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx",
            ),
            (
                0,
                true,
                "HTTP/1.0 200 OK\r\nX-A: b\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx",
            ),
            (0, false, "HTTP/1.0 200 OK\r\nX-A: b\r\nContent-Length: 1\r\n\r\nx"),
        ] {
            assert_eq!(compose(minor, 200, Method::Get, b"x", keep_alive), expected);
        }
    }

    #[test]
    fn some_answers_have_no_body() {
        for status in [204, 304] {
            let answer = compose(1, status, Method::Get, b"body", true);
            assert!(answer.ends_with("X-A: b\r\n\r\n"), "{answer}");
        }
        let answer = compose(1, 404, Method::Head, b"body", true);
        assert_eq!(answer, "HTTP/1.1 404 Not Found\r\nX-A: b\r\nContent-Length: 4\r\n\r\n");
    }

    #[test]
    fn a_status_has_three_digits() {
        for (status, line) in [
            (0, "500 Internal Server Error"),
            (99, "500 Internal Server Error"),
            (1000, "500 Internal Server Error"),
            (599, "599 "),
        ] {
            assert!(
                compose(1, status, Method::Get, b"", true)
                    .starts_with(&format!("HTTP/1.1 {line}\r\n")),
                "{status}"
            );
        }
    }

    #[test]
    fn headers_cannot_be_injected() {
        let mut out = Vec::new();
        let mut response = Response::begin(&mut out, 1, 200);
        response
            .header("X-A", "b\r\nSet-Cookie: c\0\x7fd\te")
            .header("X-B\r\nC", "d")
            .header("", "e")
            .header("X Y", "f")
            .header("X-Ü", "g");
        response.finish(b"", true);
        assert_eq!(
            out,
            b"HTTP/1.1 200 OK\r\nX-A: b  Set-Cookie: c  d\te\r\nContent-Length: 0\r\n\r\n"
        );
    }

    #[test]
    fn dates_end_with_their_calendar() {
        assert_eq!(&http_date(0), b"Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(&http_date(951_782_400), b"Tue, 29 Feb 2000 00:00:00 GMT");
        assert_eq!(&http_date(u64::MAX), b"Thu, 01 Jan 1970 00:00:00 GMT");
    }

    proptest! {
        #[test]
        fn whatever_is_composed_can_be_parsed(
            minor in 0u8..2,
            status in any::<u16>(),
            headers in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..4), prop::collection::vec(any::<u8>(), 0..30)), 0..8),
            body in prop::collection::vec(any::<u8>(), 0..50),
            keep_alive in any::<bool>(),
        ) {
            let mut out = Vec::new();
            let mut response = Response::begin(&mut out, minor, status);
            for (name, value) in &headers {
                response.header(name, value);
            }
            response.header("Last", "one");
            response.finish(&body, keep_alive);
            let mut table = [httparse::EMPTY_HEADER; 16];
            let mut parsed = httparse::Response::new(&mut table);
            let head = parsed.parse(&out).unwrap().unwrap();
            prop_assert_eq!(parsed.version, Some(minor));
            let tokens = headers.iter().filter(|(name, _)| !name.is_empty() && name.iter().all(|byte| is_token_byte(*byte))).count();
            let framing = usize::from(keep_alive == (minor == 0)) + usize::from(!matches!(parsed.code, Some(100..=199 | 204 | 304)));
            prop_assert_eq!(parsed.headers.len(), tokens + 1 + framing);
            let expected: &[u8] = if matches!(parsed.code, Some(100..=199 | 204 | 304)) { b"" } else { &body };
            prop_assert_eq!(&out[head..], expected);
        }
    }
}
