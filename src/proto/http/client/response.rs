//! Responses: bytes from a server in any pieces, a status, headers and a body out.
//!
//! [`ResponseDecoder::feed`] takes what has come until it says `complete`;
//! [`ResponseDecoder::finish`] says what the end of the connection means;
//! [`ResponseDecoder::decoded`] gives the response and whether another request may follow on the
//! connection. Interim responses (1xx) are passed over. Rules: RFC 9112 4 to 7 and 9.3.

use super::{HEADERS_MAX, Headers, ResponseLimits};
use crate::proto::http::{BodyDecoder, BodyError, BodyLength, Fed, Limits};
use std::mem::MaybeUninit;

/// Decodes one response. After an error, or once complete, it is done with.
#[derive(Debug)]
pub struct ResponseDecoder {
    asked: Asked,
    limits: ResponseLimits,
    state: State,
    /// Bytes of the input's start that hold no end of the head.
    seen: usize,
    interim: u8,
    head: ResponseHead,
    body: Vec<u8>,
    reusable: bool,
}

/// What kind of request it answers: that decides whether a body follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    Head,
    Connect,
    Other,
}

impl Asked {
    pub fn by(method: &str) -> Asked {
        match method {
            "HEAD" => Asked::Head,
            "CONNECT" => Asked::Connect,
            _ => Asked::Other,
        }
    }
}

/// Status and headers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResponseHead {
    pub status: u16,
    pub headers: Headers,
}

/// A whole response.
#[derive(Debug, PartialEq, Eq)]
pub struct Decoded {
    pub head: ResponseHead,
    pub body: Vec<u8>,
    /// Another request may be sent on the connection, provided that nothing has come behind the
    /// response.
    pub reusable: bool,
}

/// What the server did wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResponseError {
    /// It closed without a byte: perhaps it had closed an idle connection before the request came.
    #[error("EOF")]
    NoResponse,
    /// It closed in the middle.
    #[error("unexpected EOF")]
    CutShort,
    #[error("malformed HTTP response")]
    Malformed,
    #[error("unsupported transfer encoding")]
    TransferEncoding,
    #[error("response headers too large")]
    HeadTooLarge,
    #[error("response body too large")]
    BodyTooLarge,
}

#[derive(Debug)]
enum State {
    Head,
    Framed(BodyDecoder),
    /// Until the server closes.
    Open,
    Complete,
}

impl ResponseDecoder {
    pub fn new(asked: Asked, limits: ResponseLimits) -> ResponseDecoder {
        ResponseDecoder {
            asked,
            limits,
            state: State::Head,
            seen: 0,
            interim: 0,
            head: ResponseHead::default(),
            body: Vec::new(),
            reusable: false,
        }
    }

    /// Takes what belongs to the response from the start of `input`. What it does not consume must
    /// be shown again, with more behind it.
    ///
    /// # Errors
    /// [`ResponseError`]; the connection is of no more use.
    pub fn feed(&mut self, input: &[u8]) -> Result<Fed, ResponseError> {
        let mut consumed = 0;
        loop {
            let rest = input.get(consumed..).unwrap_or_default();
            match &mut self.state {
                State::Head => match self.take_head(rest)? {
                    Some(len) => consumed += len,
                    None => return Ok(Fed { consumed, complete: false }),
                },
                State::Framed(decoder) => {
                    let fed = decoder.feed(rest, &mut self.body)?;
                    consumed += fed.consumed;
                    if !fed.complete {
                        return Ok(Fed { consumed, complete: false });
                    }
                    self.state = State::Complete;
                }
                State::Open => {
                    if self.body.len() + rest.len() > self.limits.body_bytes_max {
                        return Err(ResponseError::BodyTooLarge);
                    }
                    self.body.extend_from_slice(rest);
                    return Ok(Fed { consumed: input.len(), complete: false });
                }
                State::Complete => return Ok(Fed { consumed, complete: true }),
            }
        }
    }

    /// The server sends no more. `left`: whether there is input that was not consumed.
    ///
    /// # Errors
    /// The response is not complete.
    pub fn finish(&mut self, left: bool) -> Result<(), ResponseError> {
        match self.state {
            State::Complete => Ok(()),
            State::Open => {
                self.state = State::Complete;
                Ok(())
            }
            State::Head if !left && self.interim == 0 => Err(ResponseError::NoResponse),
            State::Head | State::Framed(_) => Err(ResponseError::CutShort),
        }
    }

    /// Whether anything of a response was taken in.
    pub fn has_begun(&self) -> bool {
        !matches!(self.state, State::Head) || self.interim > 0
    }

    /// The response; `None` until it is complete.
    pub fn decoded(self) -> Option<Decoded> {
        matches!(self.state, State::Complete).then_some(Decoded {
            head: self.head,
            body: self.body,
            reusable: self.reusable,
        })
    }

    /// The bytes of a head at the start of `input`, once it is there as a whole; each byte is
    /// looked at once while it is not.
    fn take_head(&mut self, input: &[u8]) -> Result<Option<usize>, ResponseError> {
        let shown = input.len().min(PROTOCOL.len());
        if input.get(..shown) != PROTOCOL.get(..shown) {
            return Err(ResponseError::Malformed);
        }
        let from = self.seen.saturating_sub(END_BYTES_MAX);
        let Some(end) = end_of_head(input.get(from..).unwrap_or_default()).map(|end| from + end)
        else {
            self.seen = input.len();
            return if input.len() > self.limits.head_bytes_max {
                Err(ResponseError::HeadTooLarge)
            } else {
                Ok(None)
            };
        };
        if end > self.limits.head_bytes_max {
            return Err(ResponseError::HeadTooLarge);
        }
        // No more than the head: what has come behind it must not change how it reads.
        let input = input.get(..end).unwrap_or_default();
        let mut table = [const { MaybeUninit::uninit() }; HEADERS_MAX];
        let mut response = httparse::Response::new(&mut []);
        let mut config = httparse::ParserConfig::default();
        config.allow_obsolete_multiline_headers_in_responses(true);
        let len = match config.parse_response_with_uninit_headers(&mut response, input, &mut table)
        {
            Ok(httparse::Status::Complete(len)) => len,
            // An empty line that httparse takes for a fold's beginning or the like.
            Ok(httparse::Status::Partial) => return Err(ResponseError::Malformed),
            Err(httparse::Error::TooManyHeaders) => return Err(ResponseError::HeadTooLarge),
            Err(_) => return Err(ResponseError::Malformed),
        };
        let (status, minor) =
            (response.code.unwrap_or_default(), response.version.unwrap_or_default());
        let headers =
            response.headers.iter().map(|header| (header.name, unfolded(header.value))).collect();
        self.seen = 0;
        self.note_head(minor, ResponseHead { status, headers })?;
        Ok(Some(len))
    }

    fn note_head(&mut self, minor: u8, head: ResponseHead) -> Result<(), ResponseError> {
        match head.status {
            // We did not ask for another protocol.
            0..=99 | 101 => return Err(ResponseError::Malformed),
            102..=199 | 100 => {
                self.interim += 1;
                return if self.interim > INTERIM_MAX {
                    Err(ResponseError::Malformed)
                } else {
                    Ok(())
                };
            }
            _ => {}
        }
        let Framing { body, reusable } = framing(self.asked, minor, &head)?;
        self.reusable = reusable;
        self.head = head;
        self.state = match body {
            Some(length) => {
                let body_bytes_max = u64::try_from(self.limits.body_bytes_max).unwrap_or(u64::MAX);
                State::Framed(BodyDecoder::new(
                    length,
                    &Limits { body_bytes_max, ..Limits::default() },
                )?)
            }
            None => State::Open,
        };
        Ok(())
    }
}

impl From<BodyError> for ResponseError {
    fn from(error: BodyError) -> ResponseError {
        match error {
            BodyError::Malformed => ResponseError::Malformed,
            BodyError::TooLarge => ResponseError::BodyTooLarge,
        }
    }
}

/// Where a response ends.
struct Framing {
    /// `None`: where the server closes.
    body: Option<BodyLength>,
    reusable: bool,
}

/// RFC 9112 6.3 and 9.3.
fn framing(asked: Asked, minor: u8, head: &ResponseHead) -> Result<Framing, ResponseError> {
    let headers = &head.headers;
    let persistent = match minor {
        0 => headers.has_token("Connection", "keep-alive"),
        _ => !headers.has_token("Connection", "close"),
    };
    let length = content_length(headers)?;
    let is_chunked = match headers.all("Transfer-Encoding").collect::<Vec<_>>()[..] {
        [] => false,
        [only] if only.trim_ascii().eq_ignore_ascii_case(b"chunked") && minor > 0 => true,
        _ => return Err(ResponseError::TransferEncoding),
    };
    let has_no_body = asked == Asked::Head
        || matches!(head.status, 204 | 304)
        || (asked == Asked::Connect && (200..300).contains(&head.status));
    Ok(match (has_no_body, is_chunked, length) {
        (true, ..) => Framing { body: Some(BodyLength::None), reusable: persistent },
        // Both: one of them lies, and a proxy in between may use the other.
        (_, true, length) => {
            Framing { body: Some(BodyLength::Chunked), reusable: persistent && length.is_none() }
        }
        (_, _, Some(length)) => {
            Framing { body: Some(BodyLength::Length(length)), reusable: persistent }
        }
        (_, _, None) => Framing { body: None, reusable: false },
    })
}

/// The length that the headers agree on.
fn content_length(headers: &Headers) -> Result<Option<u64>, ResponseError> {
    let mut length = None;
    for part in headers.all("Content-Length").flat_map(|value| value.split(|byte| *byte == b',')) {
        let digits = part.trim_ascii();
        let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
        let number = std::str::from_utf8(digits)
            .ok()
            .filter(|_| is_number)
            .and_then(|digits| digits.parse::<u64>().ok());
        let number = number.ok_or(ResponseError::Malformed)?;
        if length.is_some_and(|known| known != number) {
            return Err(ResponseError::Malformed);
        }
        length = Some(number);
    }
    Ok(length)
}

/// A value whose folds are blanks (RFC 9112 5.2).
fn unfolded(value: &[u8]) -> Vec<u8> {
    value.iter().map(|byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { *byte }).collect()
}

/// Where the first empty line ends.
fn end_of_head(bytes: &[u8]) -> Option<usize> {
    memchr::memchr_iter(b'\n', bytes).find_map(|at| match bytes.get(at + 1..)? {
        [b'\n', ..] => Some(at + 2),
        [b'\r', b'\n', ..] => Some(at + 3),
        _ => None,
    })
}

/// What every response begins with; a server of another protocol is told from it at its first byte.
const PROTOCOL: &[u8] = b"HTTP/1.";

/// `\n\r\n`, less the last byte.
const END_BYTES_MAX: usize = 2;

/// Interim responses before the real one.
const INTERIM_MAX: u8 = 8;

#[cfg(test)]
#[path = "response_tests.rs"]
mod tests;
