//! Framing: where a request ends, and whether another may follow it on the connection.
//!
//! Refuses what a proxy before us could have read otherwise. Fed by `head` with each header once.
//! Rules: RFC 9112 6, 7 and 9; RFC 9110 7.2, 8.6 and 10.1.1.

use super::HeadError;
use super::method::Method;

/// What follows the head.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BodyLength {
    #[default]
    None,
    /// So many bytes.
    Length(u64),
    Chunked,
}

/// What an answer must know of its request. The server may clear `keep_alive`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Framing {
    /// 0 or 1, of HTTP/1.x: an answer speaks the version of its request.
    pub minor: u8,
    /// The answer to a HEAD has no body.
    pub method: Method,
    /// Whether the client expects the connection to stay open, and it is safe to.
    pub keep_alive: bool,
}

/// What the headers say about framing and the connection, gathered in the one pass over them.
#[derive(Default)]
pub(super) struct FramingFields {
    hosts: u8,
    length: Option<u64>,
    /// The last transfer coding named so far is `chunked`.
    chunked: bool,
    /// How many transfer codings were named, at most 255; an empty list counts as one.
    codings: u8,
    close: bool,
    keep_alive: bool,
    expect_continue: bool,
}

impl FramingFields {
    /// Most names are told apart by length and first letter alone; only candidates are compared.
    #[inline]
    pub(super) fn note(&mut self, name: &[u8], value: &[u8]) -> Result<(), HeadError> {
        let Some(first) = name.first() else { return Ok(()) };
        match (name.len(), first | 0x20) {
            (4, b'h') if name.eq_ignore_ascii_case(b"host") => self.note_host(value),
            (6, b'e') if name.eq_ignore_ascii_case(b"expect") => self.note_expect(value),
            (10, b'c') if name.eq_ignore_ascii_case(b"connection") => {
                self.note_connection(value);
                Ok(())
            }
            (14, b'c') if name.eq_ignore_ascii_case(b"content-length") => self.note_length(value),
            (17, b't') if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                self.note_encoding(value);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// What can be said only when all headers are known.
    pub(super) fn check(&self, minor: u8) -> Result<(), HeadError> {
        match (self, minor) {
            (FramingFields { hosts: 0, .. }, 1..) => Err(HeadError::MissingHost),
            (FramingFields { codings: 1.., chunked: false, .. }, _) => Err(HeadError::NotChunked),
            (FramingFields { codings: 1.., .. }, 0) => Err(HeadError::OldChunked),
            (FramingFields { codings: 2.., .. }, _) => Err(HeadError::TransferEncoding),
            _ => Ok(()),
        }
    }

    fn note_host(&mut self, value: &[u8]) -> Result<(), HeadError> {
        if self.hosts > 0 {
            return Err(HeadError::TooManyHosts);
        }
        self.hosts = 1;
        if value.iter().all(|byte| is_host_byte(*byte)) {
            Ok(())
        } else {
            Err(HeadError::MalformedHost)
        }
    }

    fn note_expect(&mut self, value: &[u8]) -> Result<(), HeadError> {
        if value.eq_ignore_ascii_case(b"100-continue") {
            self.expect_continue = true;
        } else if !value.is_empty() {
            return Err(HeadError::Expectation);
        }
        Ok(())
    }

    fn note_connection(&mut self, value: &[u8]) {
        for token in value.split(|byte| *byte == b',') {
            let token = token.trim_ascii();
            self.close |= token.eq_ignore_ascii_case(b"close");
            self.keep_alive |= token.eq_ignore_ascii_case(b"keep-alive");
        }
    }

    /// The same length twice is harmless, a list of them is not worth its risk.
    fn note_length(&mut self, value: &[u8]) -> Result<(), HeadError> {
        let length = decimal(value).ok_or(HeadError::Length)?;
        match self.length.replace(length) {
            Some(other) if other != length => Err(HeadError::Length),
            _ => Ok(()),
        }
    }

    /// Several headers are one list (RFC 9110 5.3). Only `chunked`, once, is accepted:
    /// [`FramingFields::check`].
    fn note_encoding(&mut self, value: &[u8]) {
        for coding in value.split(|byte| *byte == b',') {
            self.chunked = coding.trim_ascii().eq_ignore_ascii_case(b"chunked");
            self.codings = self.codings.saturating_add(1);
        }
    }

    pub(super) fn body(&self) -> BodyLength {
        match self.length {
            _ if self.chunked => BodyLength::Chunked,
            Some(0) | None => BodyLength::None,
            Some(length) => BodyLength::Length(length),
        }
    }

    /// With chunks and a length besides, the chunks count, but a proxy in between may have used the
    /// length: the connection must not be used again (RFC 9112 6.1).
    pub(super) fn keep_alive(&self, minor: u8) -> bool {
        let ambiguous = self.chunked && self.length.is_some();
        let wanted = if minor == 0 { self.keep_alive } else { true };
        wanted && !self.close && !ambiguous
    }

    /// HTTP/1.0 has no interim answers, and a client without a body does not wait for one.
    pub(super) fn expect_continue(&self, minor: u8) -> bool {
        self.expect_continue && minor > 0 && self.body() != BodyLength::None
    }
}

/// Digits only, as RFC 9110 8.6 has it: no sign, no blank, no list.
fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0u64, |number, byte| match byte {
        b'0'..=b'9' => number.checked_mul(10)?.checked_add(u64::from(byte - b'0')),
        _ => None,
    })
}

/// What may stand in a host with port (RFC 3986 3.2.2), user info excluded.
fn is_host_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:[]%".contains(&byte)
}
