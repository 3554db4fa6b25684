//! HTTP/1 as a server speaks it: heads, bodies, escapes and forms in; answers out. As a client
//! speaks it: [`client`].
//!
//! Pure: no socket, no clock, no routing. Called by the worker's HTTP connections (heads, bodies,
//! answers) and by `dialect` (escapes, queries, forms). Refuses whatever two servers in a row could
//! read differently; each refusal is a [`HeadError`] or [`BodyError`] that knows its answer, and
//! every one of them closes the connection.
//! Rules: RFC 9110 and 9112, and the table of specification `http-api.md` 1. Bounds: [`Limits`],
//! and the constants beside it.

mod body;
pub mod client;
mod error;
mod escape;
mod fold;
mod framing;
mod head;
mod method;
mod response;

pub use body::{BodyDecoder, BodyError, Fed};
pub use error::HeadError;
pub use escape::{BadEscape, FormPairs, form_pairs, nginx_decode, percent_decode, query_param};
pub use fold::unfold;
pub use framing::{BodyLength, Framing};
pub use head::{Head, HeadParser, parse_head};
pub use method::Method;
pub use response::{CONTINUE, Response, http_date};

/// A piece of some buffer, by position: what a parser hands out so that nothing is copied and
/// nothing borrows.
///
/// 32 bits each: buffers with spans into them stay below 4 GiB. A position past that, like any
/// other that does not fit its buffer, reads as empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    start: u32,
    len: u32,
}

impl Span {
    pub fn new(start: usize, len: usize) -> Span {
        match (u32::try_from(start), u32::try_from(len)) {
            (Ok(start), Ok(len)) => Span { start, len },
            _ => Span::default(),
        }
    }

    /// The bytes it stands for; empty where it does not fit `buffer`.
    #[inline]
    pub fn of(self, buffer: &[u8]) -> &[u8] {
        let start = self.start as usize;
        buffer.get(start..start.saturating_add(self.len as usize)).unwrap_or_default()
    }

    pub fn start(self) -> usize {
        self.start as usize
    }

    pub fn len(self) -> usize {
        self.len as usize
    }

    pub fn is_empty(self) -> bool {
        self.len == 0
    }

    /// Where `part`, a slice of `buffer`, lies in it.
    #[inline]
    fn locate(part: &[u8], buffer: &[u8]) -> Span {
        debug_assert!(
            buffer.as_ptr_range().start <= part.as_ptr()
                && part.as_ptr_range().end <= buffer.as_ptr_range().end
        );
        Span::new((part.as_ptr() as usize).wrapping_sub(buffer.as_ptr() as usize), part.len())
    }
}

/// How much of a request is taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of request line and header block together; past it the answer is 431.
    pub head_bytes_max: usize,
    /// Header lines; past it the answer is 431. At most [`HEADERS_MAX`].
    pub headers_max: usize,
    /// Bytes of the decoded body; past it the answer is 413.
    pub body_bytes_max: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            head_bytes_max: HEAD_BYTES_MAX,
            headers_max: HEADERS_MAX,
            body_bytes_max: BODY_BYTES_MAX,
        }
    }
}

/// The specification's limit: heads of 100 kB are in use (client certificates in headers), over
/// about 1 MiB is refused.
pub const HEAD_BYTES_MAX: usize = 1 << 20;

/// Every field the server knows is some 40 headers; proxies add a dozen. The parser's table of this
/// size lives on the stack (8 KiB).
pub const HEADERS_MAX: usize = 256;

/// A login is some hundred bytes; hooks and MFA credentials some kilobytes. Scripts get the body as
/// one Lua string, of which a state of 64 MiB should hold several.
pub const BODY_BYTES_MAX: u64 = 8 << 20;

#[cfg(test)]
mod tests {
    use super::Span;

    #[test]
    fn a_span_that_does_not_fit_is_empty() {
        let buffer = b"0123456789";
        for (start, len, expected) in [
            (0, 10, "0123456789"),
            (3, 2, "34"),
            (10, 0, ""),
            (0, 11, ""),
            (11, 0, ""),
            (9, usize::MAX, ""),
            (usize::MAX, 1, ""),
            (u32::MAX as usize, u32::MAX as usize, ""),
        ] {
            assert_eq!(Span::new(start, len).of(buffer), expected.as_bytes(), "{start} {len}");
        }
    }

    #[test]
    fn a_slice_is_located_in_its_buffer() {
        let buffer = b"0123456789";
        assert_eq!(Span::locate(&buffer[4..7], buffer), Span::new(4, 3));
        assert_eq!(Span::locate(&buffer[10..], buffer), Span::new(10, 0));
    }
}
