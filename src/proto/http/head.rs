//! Request heads: one pass over the bytes, spans out.
//!
//! Syntax is httparse's; what it lets through and the server must not (several empty lines at the
//! start, doubtful lengths, two hosts) is refused here and in `framing`. Called once per request.
//! Rules: RFC 9112 2 to 6, specification `http-api.md` 1. Bounds: [`Limits`].

use super::fold;
use super::framing::{Framing, FramingFields};
use super::method::Method;
use super::{BodyLength, HEADERS_MAX, HeadError, Limits, Span};
use std::mem::MaybeUninit;

/// A parsed request head. All spans are relative to the start of the buffer it was parsed from.
#[derive(Clone, Debug, Default)]
pub struct Head {
    pub framing: Framing,
    /// The method as sent.
    pub method_text: Span,
    /// Path and query as sent: an absolute URI is reduced to them. `*` stays; `http://host` leaves
    /// it empty.
    pub target: Span,
    /// Name and value, in the order they came; values without the blanks around them.
    pub headers: Vec<(Span, Span)>,
    pub body: BodyLength,
    /// The client holds the body back until it has seen [`CONTINUE`](super::CONTINUE). False where
    /// there is no body.
    pub expect_continue: bool,
    /// Bytes of the head, its empty line included: where the body begins.
    pub len: usize,
}

impl Head {
    /// The first value of a header, by its name in lower case.
    pub fn header<'a>(&self, buffer: &'a [u8], lower_case_name: &[u8]) -> Option<&'a [u8]> {
        let (_, value) = self
            .headers
            .iter()
            .find(|(name, _)| name.of(buffer).eq_ignore_ascii_case(lower_case_name))?;
        Some(value.of(buffer))
    }

    /// The target's path, still escaped, and its query without the question mark.
    pub fn path_and_query<'a>(&self, buffer: &'a [u8]) -> (&'a [u8], &'a [u8]) {
        split_query(self.target.of(buffer))
    }
}

/// Parses the head at the start of `buffer`; `None` asks for more bytes.
///
/// The answer does not depend on how the bytes arrived: once it is not `None`, more bytes don't
/// change it. A connection whose head comes in pieces uses a [`HeadParser`], which does not start
/// over for each.
///
/// # Errors
/// See [`HeadError`]. [`HeadError::Folded`] comes only when the head is complete.
pub fn parse_head(buffer: &[u8], limits: &Limits) -> Result<Option<Head>, HeadError> {
    let window = buffer.get(..limits.head_bytes_max).unwrap_or(buffer);
    // httparse skips any number of empty lines before the request line. One is allowed (RFC 9112
    // 2.2).
    let start = match window {
        [b'\r'] => return Ok(None),
        [b'\r', b'\n', ..] => 2,
        [b'\n', ..] => 1,
        _ => 0,
    };
    let lines = window.get(start..).unwrap_or_default();
    match lines {
        [b'\r'] if buffer.len() <= limits.head_bytes_max => return Ok(None),
        [b'\r' | b'\n', ..] => return Err(HeadError::Malformed),
        _ => {}
    }
    let mut table = [const { MaybeUninit::uninit() }; HEADERS_MAX];
    let table = table.get_mut(..limits.headers_max.min(HEADERS_MAX)).unwrap_or_default();
    let mut request = httparse::Request::new(&mut []);
    let whole_head_needed = match request.parse_with_uninit_headers(lines, table) {
        Ok(httparse::Status::Complete(len)) => {
            return interpret(window, &request, start + len).map(Some);
        }
        Ok(httparse::Status::Partial) => None,
        Err(httparse::Error::TooManyHeaders) => return Err(HeadError::TooLarge),
        Err(httparse::Error::Version) => version_fault(lines),
        Err(httparse::Error::HeaderName) => fold::name_fault(lines),
        Err(_) => Some(HeadError::Malformed),
    };
    match whole_head_needed {
        Some(error) => Err(error),
        None if buffer.len() > limits.head_bytes_max => Err(HeadError::TooLarge),
        None => Ok(None),
    }
}

/// Parses a head that arrives in pieces, looking at each byte twice at most (and not, as
/// [`parse_head`] would have to, at all bytes for each new one: a megabyte sent byte by byte would
/// be a day's work).
#[derive(Clone, Copy, Debug, Default)]
pub struct HeadParser {
    seen: usize,
}

impl HeadParser {
    /// As [`parse_head`] of the buffer so far, which may only have grown since the last call. A
    /// fault may be reported later than there (with the end of the head), never another one.
    ///
    /// # Errors
    /// As [`parse_head`].
    pub fn parse(&mut self, buffer: &[u8], limits: &Limits) -> Result<Option<Head>, HeadError> {
        let seen = std::mem::replace(&mut self.seen, buffer.len());
        let fresh = buffer.get(seen.saturating_sub(EMPTY_LINE_BYTES_MAX - 1)..).unwrap_or_default();
        if seen > 0 && buffer.len() <= limits.head_bytes_max && !fold::has_empty_line(fresh) {
            return Ok(None);
        }
        let result = parse_head(buffer, limits);
        if !matches!(result, Ok(None)) {
            self.seen = 0;
        }
        result
    }
}

/// Line end and empty line: `\n\r\n`.
const EMPTY_LINE_BYTES_MAX: usize = 3;

fn interpret(
    buffer: &[u8],
    request: &httparse::Request<'_, '_>,
    len: usize,
) -> Result<Head, HeadError> {
    let method_text = request.method.unwrap_or_default().as_bytes();
    let minor = request.version.unwrap_or_default();
    let mut head = Head {
        method_text: Span::locate(method_text, buffer),
        target: target(request.path.unwrap_or_default().as_bytes(), buffer)?,
        len,
        ..Head::default()
    };
    let mut fields = FramingFields::default();
    head.headers.reserve_exact(request.headers.len());
    for header in request.headers.iter() {
        let name = header.name.as_bytes();
        fields.note(name, header.value)?;
        head.headers.push((Span::locate(name, buffer), Span::locate(header.value, buffer)));
    }
    fields.check(minor)?;
    head.body = fields.body();
    head.framing = Framing {
        minor,
        method: Method::from_text(method_text),
        keep_alive: fields.keep_alive(minor),
    };
    head.expect_continue = fields.expect_continue(minor);
    Ok(head)
}

/// Origin form, absolute form (reduced) and `*`; the authority form belongs to proxies. RFC 9112
/// 3.2.
fn target(text: &[u8], buffer: &[u8]) -> Result<Span, HeadError> {
    let local = match text {
        [b'/', ..] | b"*" => text,
        _ => {
            let rest = strip_prefix(text, b"http://")
                .or_else(|| strip_prefix(text, b"https://"))
                .ok_or(HeadError::Malformed)?;
            let authority =
                rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
            rest.get(authority..).unwrap_or_default()
        }
    };
    // A broken escape in the query spoils one parameter only, see `query_param`.
    let (path, _) = split_query(local);
    if super::escape::has_broken_escape(path) {
        return Err(HeadError::Malformed);
    }
    Ok(Span::locate(local, buffer))
}

fn split_query(target: &[u8]) -> (&[u8], &[u8]) {
    match memchr::memchr(b'?', target) {
        Some(at) => {
            (target.get(..at).unwrap_or_default(), target.get(at + 1..).unwrap_or_default())
        }
        None => (target, &[]),
    }
}

fn strip_prefix<'a>(text: &'a [u8], prefix: &[u8]) -> Option<&'a [u8]> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// Tells an unknown version from no version; `None` while the request line is incomplete.
fn version_fault(window: &[u8]) -> Option<HeadError> {
    let line = window.get(..memchr::memchr(b'\n', window)?)?;
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    match line.splitn(3, |byte| *byte == b' ').nth(2) {
        Some([b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9']) => {
            Some(HeadError::Version)
        }
        _ => Some(HeadError::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{HEAD_BYTES_MAX, unfold};
    use super::*;
    use proptest::prelude::*;

    fn parse(head: &[u8]) -> Result<Option<Head>, HeadError> {
        parse_head(head, &Limits::default())
    }

    fn whole(head: &[u8]) -> Head {
        parse(head).unwrap().unwrap()
    }

    /// What is parsed, in a form that compares; unfolded first where need be.
    fn summary(buffer: &[u8], limits: &Limits) -> Result<Option<String>, HeadError> {
        let mut buffer = buffer.to_vec();
        let mut parsed = parse_head(&buffer, limits);
        if let Err(HeadError::Folded) = parsed {
            unfold(&mut buffer);
            parsed = parse_head(&buffer, limits);
            assert_ne!(parsed.as_ref().err(), Some(&HeadError::Folded));
        }
        Ok(parsed?.map(|head| {
            let headers: Vec<_> = head
                .headers
                .iter()
                .map(|(n, v)| (n.of(&buffer).escape_ascii(), v.of(&buffer).escape_ascii()))
                .collect();
            format!(
                "{:?} {headers:?} {:?}",
                Head { headers: Vec::new(), ..head.clone() },
                &buffer[head.len..]
            )
        }))
    }

    #[test]
    fn a_request_of_nginx() {
        let buffer = b"GET /api/v1/auth/nginx?mode=x HTTP/1.0\r\nHost: 127.0.0.1\r\nAuth-User: al%20ice\r\nAuth-Pass: \r\nClient-IP:\t192.0.2.9 \r\n\r\nrest";
        let head = whole(buffer);
        assert_eq!(
            (head.framing.method, head.framing.minor, head.len),
            (Method::Get, 0, buffer.len() - 4)
        );
        assert_eq!(head.method_text.of(buffer), b"GET");
        assert_eq!(
            head.path_and_query(buffer),
            (b"/api/v1/auth/nginx".as_slice(), b"mode=x".as_slice())
        );
        assert_eq!(head.header(buffer, b"auth-user"), Some(b"al%20ice".as_slice()));
        assert_eq!(head.header(buffer, b"auth-pass"), Some(b"".as_slice()));
        assert_eq!(head.header(buffer, b"client-ip"), Some(b"192.0.2.9".as_slice()));
        assert_eq!(head.header(buffer, b"user-agent"), None);
        assert_eq!(
            (head.body, head.framing.keep_alive, head.expect_continue),
            (BodyLength::None, false, false)
        );
    }

    #[test]
    fn what_is_accepted_though_odd() {
        for (head, target) in [
            ("GET /ping HTTP/1.1\nHost: x\n\n", "/ping"),
            ("GET /ping HTTP/1.1\r\nHost:\r\n\r\n", "/ping"),
            ("get /ping HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", "/ping"),
            ("GET http://host:1/a%20b?c HTTP/1.1\r\nHost: x\r\n\r\n", "/a%20b?c"),
            ("GET HTTPS://host?c/d HTTP/1.1\r\nHost: x\r\n\r\n", "?c/d"),
            ("GET http://host HTTP/1.1\r\nHost: x\r\n\r\n", ""),
            ("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", "*"),
            ("GET /?a=%zz HTTP/1.1\r\nHost: x\r\n\r\n", "/?a=%zz"),
            ("GET /\u{e4} HTTP/1.0\r\nX: \u{e4}\r\n\r\n", "/\u{e4}"),
            ("GET / HTTP/1.0\r\nExpect: 100-continue\r\nX:\r\n\r\n", "/"),
            ("\r\nGET /ping HTTP/1.1\r\nHost: x\r\n\r\n", "/ping"),
            ("\nGET /ping HTTP/1.1\r\nHost: x\r\n\r\n", "/ping"),
            ("\r\nGET /ping HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: \tChunked\r\n\r\n", "/ping"),
        ] {
            assert_eq!(
                whole(head.as_bytes()).target.of(head.as_bytes()),
                target.as_bytes(),
                "{head:?}"
            );
        }
        assert_eq!(whole(b"get / HTTP/1.0\r\n\r\n").framing.method, Method::Other);
    }

    #[test]
    fn hostile_heads() {
        let one = |lines: &str| format!("POST / HTTP/1.1\r\nHost: x\r\n{lines}\r\n\r\n");
        let table: [(String, HeadError); 66] = [
            ("\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n".into(), HeadError::Malformed),
            ("\n\nGET / HTTP/1.1\r\nHost: x\r\n\r\n".into(), HeadError::Malformed),
            ("\r\n\nGET / HTTP/1.1\r\nHost: x\r\n\r\n".into(), HeadError::Malformed),
            ("\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n".into(), HeadError::Malformed),
            ("\rGET / HTTP/1.1\r\nHost: x\r\n\r\n".into(), HeadError::Malformed),
            ("\r\n GET / HTTP/1.1\r\nHost: x\r\n\r\n".into(), HeadError::Malformed),
            ("\r\nGET / HTTP/1.1\r\n Host: a\r\n\r\n".into(), HeadError::Malformed),
            ("\r\nGET / HTTP/9.9\r\nHost: x\r\n\r\n".into(), HeadError::Version),
            (" GET / HTTP/1.1\r\nHost: x\r\n\r\n".into(), HeadError::Malformed),
            ("hello\r\n\r\n".into(), HeadError::Malformed),
            ("GET /ping\r\n\r\n".into(), HeadError::Malformed),
            ("GET  /ping HTTP/1.1\r\nHost: x\r\n\r\n".into(), HeadError::Malformed),
            ("GET /ping  HTTP/1.1\r\nHost: x\r\n\r\n".into(), HeadError::Malformed),
            ("GET /p ing HTTP/1.1\r\nHost: x\r\n\r\n".into(), HeadError::Malformed),
            ("GET\t/ping HTTP/1.1\r\nHost: x\r\n\r\n".into(), HeadError::Malformed),
            ("GET /ping HTTP/1.1 \r\nHost: x\r\n\r\n".into(), HeadError::Malformed),
            ("GET /ping http/1.1\r\nHost: x\r\n\r\n".into(), HeadError::Malformed),
            ("GET /ping HTTP/1\r\nHost: x\r\n\r\n".into(), HeadError::Malformed),
            ("GET /ping HTTP/9.9\r\nHost: x\r\n\r\n".into(), HeadError::Version),
            ("GET /ping HTTP/9.9\n".into(), HeadError::Version),
            ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".into(), HeadError::Version),
            ("GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n".into(), HeadError::Malformed),
            ("GET /% HTTP/1.1\r\nHost: x\r\n\r\n".into(), HeadError::Malformed),
            ("GET ping HTTP/1.1\r\nHost: x\r\n\r\n".into(), HeadError::Malformed),
            ("GET ftp://x/ HTTP/1.1\r\nHost: x\r\n\r\n".into(), HeadError::Malformed),
            ("CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n".into(), HeadError::Malformed),
            ("G(T / HTTP/1.1\r\nHost: x\r\n\r\n".into(), HeadError::Malformed),
            ("GET / HTTP/1.1\r\n\r\n".into(), HeadError::MissingHost),
            ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n".into(), HeadError::TooManyHosts),
            ("GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n".into(), HeadError::TooManyHosts),
            ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n".into(), HeadError::MalformedHost),
            ("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n".into(), HeadError::MalformedHost),
            ("GET / HTTP/1.1\r\n Host: a\r\n\r\n".into(), HeadError::Malformed),
            (one("no colon here"), HeadError::Malformed),
            (one(": nothing"), HeadError::Malformed),
            (one("X : y"), HeadError::Malformed),
            (one("X\u{e4}: y"), HeadError::Malformed),
            (one("X: a\0b"), HeadError::Malformed),
            (one("X: a\x01b"), HeadError::Malformed),
            (one("X: a\x7fb"), HeadError::Malformed),
            (one("X: a\rb"), HeadError::Malformed),
            (one("X: a\r"), HeadError::Malformed),
            (one("Content-Length: -1"), HeadError::Length),
            (one("Content-Length: +1"), HeadError::Length),
            (one("Content-Length: 1x"), HeadError::Length),
            (one("Content-Length: 0x1"), HeadError::Length),
            (one("Content-Length:"), HeadError::Length),
            (one("Content-Length: 5, 5"), HeadError::Length),
            (one("Content-Length: 18446744073709551616"), HeadError::Length),
            (one("Content-Length: 5\r\nContent-Length: 6"), HeadError::Length),
            (one("Transfer-Encoding: chunked\r\nContent-Length: x"), HeadError::Length),
            (one("Transfer-Encoding: gzip, chunked"), HeadError::TransferEncoding),
            (
                one("Transfer-Encoding: gzip\r\nTransfer-Encoding: Chunked"),
                HeadError::TransferEncoding,
            ),
            (
                one("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
                HeadError::TransferEncoding,
            ),
            (one("Transfer-Encoding: chunked, chunked"), HeadError::TransferEncoding),
            (one("Transfer-Encoding: chunked, gzip"), HeadError::NotChunked),
            (one("Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip"), HeadError::NotChunked),
            (one("Transfer-Encoding: gzip"), HeadError::NotChunked),
            (one("Transfer-Encoding: identity"), HeadError::NotChunked),
            (one("Transfer-Encoding: xchunked"), HeadError::NotChunked),
            (one("Transfer-Encoding: chunked;q=1"), HeadError::NotChunked),
            (one("Transfer-Encoding: ,"), HeadError::NotChunked),
            (one("Transfer-Encoding: chunked\r\nTransfer-Encoding: "), HeadError::NotChunked),
            (one("Transfer-Encoding:"), HeadError::NotChunked),
            ("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n".into(), HeadError::OldChunked),
            (one("Expect: a-miracle"), HeadError::Expectation),
        ];
        for (head, expected) in table {
            assert_eq!(parse(head.as_bytes()).err(), Some(expected), "{head:?}");
        }
    }

    #[test]
    fn every_refusal_has_its_answer() {
        for (error, status, body) in [
            (HeadError::Malformed, 400, "400 Bad Request"),
            (HeadError::MissingHost, 400, "400 Bad Request: missing required Host header"),
            (HeadError::TransferEncoding, 501, "Unsupported transfer encoding"),
            (
                HeadError::Version,
                505,
                "505 HTTP Version Not Supported: unsupported protocol version",
            ),
            (HeadError::TooLarge, 431, "431 Request Header Fields Too Large"),
            (HeadError::Expectation, 417, ""),
        ] {
            assert_eq!((error.status(), error.body()), (status, body));
        }
    }

    #[test]
    fn the_framing_of_the_body() {
        for (lines, body) in [
            ("", BodyLength::None),
            ("Content-Length: 0\r\n", BodyLength::None),
            ("content-length: 10\r\n", BodyLength::Length(10)),
            ("Content-Length: 10\r\nContent-Length: 10\r\n", BodyLength::Length(10)),
            ("Content-Length: 18446744073709551615\r\n", BodyLength::Length(u64::MAX)),
            ("TRANSFER-ENCODING: Chunked\r\n", BodyLength::Chunked),
            ("Content-Length: 10\r\nTransfer-Encoding: chunked\r\n", BodyLength::Chunked),
        ] {
            assert_eq!(
                whole(format!("POST / HTTP/1.1\r\nHost: x\r\n{lines}\r\n").as_bytes()).body,
                body,
                "{lines:?}"
            );
        }
    }

    #[test]
    fn the_end_of_the_connection() {
        for (minor, lines, keep_alive) in [
            (1, "", true),
            (1, "Connection: close\r\n", false),
            (1, "Connection: Keep-Alive, CLOSE\r\n", false),
            (1, "Connection: closed\r\n", true),
            (1, "Connection: upgrade\r\nConnection: close\r\n", false),
            (0, "", false),
            (0, "Connection: keep-alive\r\n", true),
            (0, "Connection: keep-alive, close\r\n", false),
            (1, "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", false),
            (1, "Transfer-Encoding: chunked\r\n", true),
        ] {
            let head = format!("POST / HTTP/1.{minor}\r\nHost: x\r\n{lines}\r\n");
            assert_eq!(whole(head.as_bytes()).framing.keep_alive, keep_alive, "{head:?}");
        }
    }

    #[test]
    fn an_expectation_counts_where_there_is_a_body() {
        for (minor, lines, expected) in [
            (1, "Expect: 100-Continue\r\nContent-Length: 1\r\n", true),
            (1, "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n", true),
            (1, "Expect: 100-continue\r\n", false),
            (1, "Expect:\r\nContent-Length: 1\r\n", false),
            (0, "Expect: 100-continue\r\nContent-Length: 1\r\n", false),
        ] {
            let head = format!("POST / HTTP/1.{minor}\r\nHost: x\r\n{lines}\r\n");
            assert_eq!(whole(head.as_bytes()).expect_continue, expected, "{head:?}");
        }
    }

    #[test]
    fn folded_lines_are_joined_by_one_blank() {
        let mut buffer = b"GET / HTTP/1.1\r\nHost: x\r\nX: a \t\r\n \t b\n\tc\r\nY:\r\n d\r\nZ: e\r\n \r\n\r\nbody\r\n kept".to_vec();
        assert_eq!(parse(&buffer).err(), Some(HeadError::Folded));
        unfold(&mut buffer);
        let head = whole(&buffer);
        for (name, value) in [("x", "a b c"), ("y", "d"), ("z", "e")] {
            assert_eq!(head.header(&buffer, name.as_bytes()), Some(value.as_bytes()));
        }
        assert_eq!(&buffer[head.len..], b"body\r\n kept");
    }

    #[test]
    fn a_fold_hides_nothing() {
        for (lines, expected) in [
            ("Content-Length: 1\r\n 0", HeadError::Length),
            ("Transfer-Encoding:\r\n chunked, x", HeadError::NotChunked),
            ("X: a\r\r\n b", HeadError::Malformed),
            ("X: a\r\n b\0", HeadError::Malformed),
            ("X: a\r\n b\r\nno colon", HeadError::Malformed),
        ] {
            let head = format!("POST / HTTP/1.1\r\nHost: x\r\n{lines}\r\n\r\n");
            assert_eq!(summary(head.as_bytes(), &Limits::default()), Err(expected), "{head:?}");
        }
    }

    #[test]
    fn heads_have_a_limit() {
        let head = |bytes: usize| {
            [b"GET / HTTP/1.1\r\nHost: x\r\nX-Big: ", vec![b'x'; bytes].as_slice(), b"\r\n\r\n"]
                .concat()
        };
        assert!(parse(&head(100_000)).unwrap().is_some());
        for head in [head(2 << 20), head(HEAD_BYTES_MAX)] {
            assert_eq!(parse(&head).err(), Some(HeadError::TooLarge));
            assert!(parse(&head[..HEAD_BYTES_MAX]).unwrap().is_none());
        }
    }

    #[test]
    fn header_lines_have_a_limit() {
        let head = |lines: usize| {
            format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "A: b\r\n".repeat(lines - 1))
        };
        assert_eq!(whole(head(HEADERS_MAX).as_bytes()).headers.len(), HEADERS_MAX);
        assert_eq!(parse(head(HEADERS_MAX + 1).as_bytes()).err(), Some(HeadError::TooLarge));
        let few = Limits { headers_max: 2, ..Limits::default() };
        assert_eq!(parse_head(head(3).as_bytes(), &few).err(), Some(HeadError::TooLarge));
    }

    #[test]
    fn a_head_in_pieces_is_parsed_when_it_is_there() {
        let head = b"GET / HTTP/1.1\r\nHost: x\r\nX: y\r\n\r\n";
        let mut parser = HeadParser::default();
        for end in 1..head.len() {
            assert!(parser.parse(&head[..end], &Limits::default()).unwrap().is_none(), "{end}");
        }
        assert_eq!(parser.parse(head, &Limits::default()).unwrap().unwrap().len, head.len());
        // Ready for the next.
        assert!(parser.parse(head, &Limits::default()).unwrap().is_some());
        assert_eq!(parser.parse(b"\r\n\r\n", &Limits::default()).err(), Some(HeadError::Malformed));
    }

    fn heads() -> impl Strategy<Value = Vec<u8>> {
        let line = prop::sample::select(vec![
            "Host: x",
            "Host:",
            "Content-Length: 5",
            "Transfer-Encoding: chunked",
            "Connection: close",
            "X: y",
            "X:",
            " fold",
            "\tfold ",
            "X : y",
            "Expect: 100-continue",
            "X: a\rb",
            "bad",
            "",
        ]);
        let request = prop::sample::select(vec![
            "GET / HTTP/1.1",
            "POST /a?b HTTP/1.0",
            "GET / HTTP/9.9",
            "GET / HTTP/1",
            "GET /",
            "",
            " ",
            "GET http://x/ HTTP/1.1",
            "GET /%z HTTP/1.1",
        ]);
        let end = prop::sample::select(vec!["\r\n", "\n"]);
        (request, prop::collection::vec((line, end.clone()), 0..7), end).prop_map(
            |(request, lines, end)| {
                let mut head = format!("{request}{end}");
                lines.iter().for_each(|(line, end)| head.extend([*line, *end]));
                (head + end).into_bytes()
            },
        )
    }

    proptest! {
        #[test]
        fn a_head_is_the_same_however_it_is_cut(head in heads(), head_bytes_max in 10usize..200, step in 1usize..9) {
            let limits = Limits { head_bytes_max, headers_max: 4, ..Limits::default() };
            let outcome = |buffer: &[u8]| parse_head(buffer, &limits).map(|head| head.map(|head| format!("{head:?}")));
            let whole = outcome(&head);
            let mut parser = HeadParser::default();
            let mut decided = false;
            for end in (1..head.len()).step_by(step).chain([head.len()]) {
                let part = outcome(&head[..end]);
                if part != Ok(None) {
                    prop_assert_eq!(&part, &whole, "{}", end);
                }
                if !decided {
                    let stepwise = parser.parse(&head[..end], &limits).map(|head| head.map(|head| format!("{head:?}")));
                    decided = stepwise != Ok(None);
                    prop_assert!(!decided || stepwise == whole, "{:?} {:?}", stepwise, whole);
                }
            }
            prop_assert!(decided == (whole != Ok(None)));
            // Never folded twice.
            let _ = summary(&head, &limits);
        }

        #[test]
        fn any_bytes_are_an_answer(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = summary(&bytes, &Limits::default());
            let _ = summary(&[b"GET / HTTP/1.1\r\nHost: x\r\n".as_slice(), &bytes, b"\r\n\r\n"].concat(), &Limits::default());
        }
    }
}
