//! Requests as bytes.

use super::headers::is_token;
use super::{HeaderError, Headers};

/// What a request begins with. Length and host are added by [`RequestHead::compose`] and must not
/// be among the headers.
#[derive(Debug)]
pub struct RequestHead<'a> {
    /// Sent as it is: methods are case-sensitive.
    pub method: &'a str,
    /// Path and query, a whole URL (to a proxy), or host and port (CONNECT).
    pub target: &'a str,
    pub host: &'a str,
    pub headers: &'a Headers,
}

impl RequestHead<'_> {
    /// The whole request. `body`: `None` for a method that has none; an empty one is announced as
    /// such.
    ///
    /// # Errors
    /// A header that may not be sent.
    pub fn compose(&self, body: Option<&[u8]>) -> Result<Vec<u8>, HeaderError> {
        self.headers.check()?;
        let mut bytes = Vec::with_capacity(512 + body.map_or(0, <[u8]>::len));
        for part in [self.method, " ", self.target, " HTTP/1.1\r\nHost: ", self.host, "\r\n"] {
            bytes.extend_from_slice(part.as_bytes());
        }
        for (name, value) in self.headers.iter().filter(|(name, _)| !OURS.contains(name)) {
            for part in [name.as_bytes(), b": ", value, b"\r\n"] {
                bytes.extend_from_slice(part);
            }
        }
        if let Some(body) = body {
            for part in
                [b"Content-Length: ", itoa::Buffer::new().format(body.len()).as_bytes(), b"\r\n"]
            {
                bytes.extend_from_slice(part);
            }
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(body.unwrap_or_default());
        Ok(bytes)
    }
}

/// Whether a text can be a request's method.
pub fn is_method(text: &[u8]) -> bool {
    is_token(text)
}

/// What frames a request is not the caller's to say.
const OURS: [&str; 4] = ["Host", "Content-Length", "Transfer-Encoding", "Trailer"];

#[cfg(test)]
mod tests {
    use super::*;

    fn compose(headers: &[(&str, &str)], body: Option<&[u8]>) -> Result<String, HeaderError> {
        let headers = headers.iter().copied().collect();
        let head = RequestHead { method: "POST", target: "/a?b", host: "h:81", headers: &headers };
        head.compose(body).map(|bytes| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn a_request_has_its_host_and_length_once() {
        let headers = [
            ("x-a", "1"),
            ("Host", "other"),
            ("content-length", "99"),
            ("Transfer-Encoding", "chunked"),
            ("x-a", "2"),
        ];
        assert_eq!(
            compose(&headers, Some(b"body")).unwrap(),
            "POST /a?b HTTP/1.1\r\nHost: h:81\r\nX-A: 1\r\nX-A: 2\r\nContent-Length: 4\r\n\r\nbody"
        );
    }

    #[test]
    fn no_body_and_an_empty_one_differ() {
        assert_eq!(compose(&[], None).unwrap(), "POST /a?b HTTP/1.1\r\nHost: h:81\r\n\r\n");
        assert_eq!(
            compose(&[], Some(b"")).unwrap(),
            "POST /a?b HTTP/1.1\r\nHost: h:81\r\nContent-Length: 0\r\n\r\n"
        );
    }

    #[test]
    fn an_injected_header_is_refused() {
        assert_eq!(compose(&[("X-A", "1\r\nX-B: 2")], None), Err(HeaderError::Value("X-A".into())));
    }

    #[test]
    fn methods_are_tokens() {
        assert!(is_method(b"GET") && is_method(b"M-SEARCH") && is_method(b"get"));
        assert!(!is_method(b"B AD") && !is_method(b"") && !is_method(b"GET\r\n"));
    }
}
