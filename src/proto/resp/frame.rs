//! Elements: one head line (and a bulk's bytes) at a time, of a complete reply or of one still
//! arriving.
//!
//! The one place that knows RESP's types. The decoder runs it over what arrived and so validates;
//! views run it over the same bytes again and meet only what was valid.

use super::{LINE_BYTES_MAX, REPLY_BYTES_MAX};

/// The peer does not speak RESP, or overdoes it. The link is then to be closed; what was in flight
/// is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("malformed reply: {0}")]
    Malformed(&'static str),
    #[error("reply of more than {REPLY_BYTES_MAX} bytes")]
    TooLarge,
    #[error("reply nested too deeply")]
    TooDeep,
    /// For [`Reply::from_frame`](super::Reply::from_frame) only.
    #[error("not exactly one reply")]
    NotOne,
}

/// One element without its children.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Element<'a> {
    Nil,
    Int(i64),
    Double(f64),
    Bool(bool),
    Simple(&'a [u8]),
    Bulk(&'a [u8]),
    Error(&'a [u8]),
    BigNumber(&'a [u8]),
    Verbatim(&'a [u8]),
    /// So many elements follow.
    Array(usize),
    Set(usize),
    /// Two elements for each.
    Map(usize),
    Push(usize),
    /// Two elements for each, and then the element it is about.
    Attribute(usize),
}

/// What the start of some bytes is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Parsed<'a> {
    Complete {
        element: Element<'a>,
        len: usize,
    },
    /// No line end yet.
    PartialLine,
    /// A bulk takes so many bytes in all.
    PartialBulk {
        needed: usize,
    },
}

/// Reads the element at the start of `bytes`. In the first `searched` of them there is known to be
/// no line end.
#[inline]
pub(super) fn parse(bytes: &[u8], searched: usize) -> Result<Parsed<'_>, Error> {
    let Some(kind) = bytes.first() else { return Ok(Parsed::PartialLine) };
    // At once: an unknown type may have no line end to wait for.
    if !matches!(
        kind,
        b'$' | b'*'
            | b':'
            | b'+'
            | b'-'
            | b'_'
            | b'#'
            | b','
            | b'('
            | b'!'
            | b'='
            | b'%'
            | b'~'
            | b'>'
            | b'|'
    ) {
        return Err(UNKNOWN);
    }
    if let (b'$', Some((content_len, head_len))) = (kind, short_number(bytes)) {
        return bulk(*kind, bytes, content_len, head_len);
    }
    let Some((line, head_len)) = line(bytes, searched)? else { return Ok(Parsed::PartialLine) };
    let element = match kind {
        b'$' if line == b"-1" => Element::Nil,
        b'$' | b'!' | b'=' => {
            return bulk(*kind, bytes, natural(line).ok_or(Error::Malformed("length"))?, head_len);
        }
        b'+' => Element::Simple(line),
        b'-' => Element::Error(line),
        b':' => Element::Int(int(line).ok_or(Error::Malformed("integer"))?),
        b'*' if line == b"-1" => Element::Nil,
        b'*' => Element::Array(count(line)?),
        b'~' => Element::Set(count(line)?),
        b'>' => Element::Push(count(line)?),
        b'%' => Element::Map(count(line)?),
        b'|' => Element::Attribute(count(line)?),
        b'_' if line.is_empty() => Element::Nil,
        b'#' if line == b"t" => Element::Bool(true),
        b'#' if line == b"f" => Element::Bool(false),
        b',' => Element::Double(double(line).ok_or(Error::Malformed("double"))?),
        b'(' if is_big_number(line) => Element::BigNumber(line),
        b'_' | b'#' | b'(' => return Err(Error::Malformed("value")),
        _ => return Err(UNKNOWN),
    };
    Ok(Parsed::Complete { element, len: head_len })
}

/// Bulk strings, errors and verbatim strings: a length, and so many bytes.
#[inline]
fn bulk(kind: u8, bytes: &[u8], content_len: usize, head_len: usize) -> Result<Parsed<'_>, Error> {
    if content_len > REPLY_BYTES_MAX {
        return Err(Error::TooLarge);
    }
    let end = head_len + content_len;
    let needed = end + LINE_END.len();
    let Some(terminator) = bytes.get(end..needed) else {
        return Ok(Parsed::PartialBulk { needed });
    };
    if terminator != LINE_END {
        return Err(Error::Malformed("bulk without line end"));
    }
    let content = bytes.get(head_len..end).unwrap_or_default();
    let element = match kind {
        b'$' => Element::Bulk(content),
        b'!' => Element::Error(content),
        // Three letters of format and a colon come first.
        _ => match content {
            [_, _, _, b':', text @ ..] => Element::Verbatim(text),
            _ => return Err(Error::Malformed("verbatim string")),
        },
    };
    Ok(Parsed::Complete { element, len: needed })
}

/// What nearly every element of nearly every reply begins with: a bulk's length of up to three
/// digits. In one pass; anything else, mistakes included, is left to the general way.
#[inline]
fn short_number(bytes: &[u8]) -> Option<(usize, usize)> {
    let digit = |byte: u8| byte.is_ascii_digit().then(|| usize::from(byte - b'0'));
    match bytes {
        [_, a, b'\r', b'\n', ..] => Some((digit(*a)?, 4)),
        [_, a, b, b'\r', b'\n', ..] => Some((digit(*a)? * 10 + digit(*b)?, 5)),
        [_, a, b, c, b'\r', b'\n', ..] => {
            Some((digit(*a)? * 100 + digit(*b)? * 10 + digit(*c)?, 6))
        }
        _ => None,
    }
}

/// The short bulk string that validated `bytes` begin with, if that is what they begin with, and
/// the bytes after it.
#[inline]
pub(super) fn short_bulk(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    if bytes.first() != Some(&b'$') {
        return None;
    }
    let (len, head_len) = short_number(bytes)?;
    let (content, rest) = bytes.get(head_len..)?.split_at_checked(len)?;
    Some((content, rest.get(LINE_END.len()..)?))
}

/// The first line without type and line end, and the length with both.
#[inline]
fn line(bytes: &[u8], searched: usize) -> Result<Option<(&[u8], usize)>, Error> {
    let found = memchr::memchr(b'\n', bytes.get(searched..).unwrap_or_default());
    let Some(at) = found.map(|at| at + searched) else {
        return if bytes.len() > LINE_BYTES_MAX { Err(LINE_TOO_LONG) } else { Ok(None) };
    };
    if at > LINE_BYTES_MAX {
        return Err(LINE_TOO_LONG);
    }
    match bytes.get(1..at) {
        Some([line @ .., b'\r']) if !line.contains(&b'\r') => Ok(Some((line, at + 1))),
        _ => Err(Error::Malformed("line end")),
    }
}

/// Elements of an aggregate. Each has at least three bytes, so that a count which cannot fit is
/// refused before it is believed.
fn count(line: &[u8]) -> Result<usize, Error> {
    let count = natural(line).ok_or(Error::Malformed("count"))?;
    if count > REPLY_BYTES_MAX / MIN_BYTES { Err(Error::TooLarge) } else { Ok(count) }
}

#[inline]
fn natural(text: &[u8]) -> Option<usize> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0usize, |number, byte| match byte {
        b'0'..=b'9' => number.checked_mul(10)?.checked_add(usize::from(byte - b'0')),
        _ => None,
    })
}

#[inline]
fn int(text: &[u8]) -> Option<i64> {
    // i64's own parser takes the signs that RESP has, and nothing else.
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn double(text: &[u8]) -> Option<f64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn is_big_number(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").or(text.strip_prefix(b"+")).unwrap_or(text);
    !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
}

/// `_\r\n`.
pub(super) const MIN_BYTES: usize = 3;

const LINE_END: &[u8] = b"\r\n";
const UNKNOWN: Error = Error::Malformed("unknown type");
const LINE_TOO_LONG: Error = Error::Malformed("line too long");
