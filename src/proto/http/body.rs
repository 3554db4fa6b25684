//! Request bodies: the bytes after a head, de-chunked, as they arrive.
//!
//! Fed by the worker with what it read; takes no byte beyond the body's end, for that is the next
//! request. Chunk lines and trailers are held to the letter (CRLF, hexadecimal digits only):
//! leniency here is how requests get smuggled.
//! Rules: RFC 9112 6 and 7.1. Bounds: [`Limits::body_bytes_max`], [`CHUNK_DIGITS_MAX`],
//! [`SKIPPED_BYTES_MAX`].

use super::{BodyLength, Limits};

/// Decodes one body. After an error, or once complete, it is done with.
#[derive(Clone, Debug)]
pub struct BodyDecoder {
    state: State,
    /// Bytes of body that may still be announced.
    room: u64,
    /// Bytes of extensions and trailers so far.
    skipped: u32,
}

/// What one [`BodyDecoder::feed`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fed {
    /// Input bytes used up. All of them, unless the body is complete.
    pub consumed: usize,
    pub complete: bool,
}

/// Why a body is refused. The client's fault; the connection ends with the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    #[error("malformed chunked body")]
    Malformed,
    #[error("request body too large")]
    TooLarge,
}

impl BodyError {
    /// The status of the answer.
    pub fn status(self) -> u16 {
        match self {
            BodyError::Malformed => 400,
            BodyError::TooLarge => 413,
        }
    }

    /// The body of the answer, text/plain.
    pub fn body(self) -> &'static str {
        match self {
            BodyError::Malformed => "400 Bad Request",
            BodyError::TooLarge => "413 Request Entity Too Large",
        }
    }
}

/// Where in the body the next byte belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Not chunked, so many bytes to come.
    Plain {
        left: u64,
    },
    /// In the digits of a chunk's size.
    Size {
        size: u64,
        digits: u8,
    },
    /// In a chunk's extension (or the blanks before it), up to its CR.
    Extension {
        size: u64,
    },
    /// After the CR of a size line.
    SizeEnd {
        size: u64,
    },
    /// In a chunk's data.
    Data {
        left: u64,
    },
    /// After a chunk's data: its CR.
    DataCr,
    /// Its LF.
    DataLf,
    /// After the last chunk: a trailer line or the last CR.
    Trailer,
    /// In a trailer line, up to its CR.
    TrailerLine,
    /// After that CR.
    TrailerLf,
    /// After the last CR.
    LastLf,
    Complete,
}

impl BodyDecoder {
    /// A decoder for the body that a head announced.
    ///
    /// # Errors
    /// [`BodyError::TooLarge`] at once when the announced length is over the limit, before any of
    /// it is read (or asked for with 100).
    pub fn new(length: BodyLength, limits: &Limits) -> Result<BodyDecoder, BodyError> {
        let room = limits.body_bytes_max;
        let state = match length {
            BodyLength::None | BodyLength::Length(0) => State::Complete,
            BodyLength::Length(left) if left > room => return Err(BodyError::TooLarge),
            BodyLength::Length(left) => State::Plain { left },
            BodyLength::Chunked => State::Size { size: 0, digits: 0 },
        };
        Ok(BodyDecoder { state, room, skipped: 0 })
    }

    /// Whether the body has been taken in whole; at once for an empty one.
    pub fn is_complete(&self) -> bool {
        self.state == State::Complete
    }

    /// Takes what belongs to the body from the start of `input` and appends the decoded bytes to
    /// `body`.
    ///
    /// # Errors
    /// [`BodyError::TooLarge`] when the chunks announce more than the limit,
    /// [`BodyError::Malformed`] when they are broken.
    pub fn feed(&mut self, input: &[u8], body: &mut Vec<u8>) -> Result<Fed, BodyError> {
        let mut rest = input;
        while !self.is_complete() && !rest.is_empty() {
            rest = match &mut self.state {
                State::Plain { left } => {
                    let rest = take_data(left, rest, body);
                    if *left == 0 {
                        self.state = State::Complete;
                    }
                    rest
                }
                State::Data { left } => {
                    let rest = take_data(left, rest, body);
                    if *left == 0 {
                        self.state = State::DataCr;
                    }
                    rest
                }
                _ => self.take_framing(rest)?,
            };
        }
        Ok(Fed { consumed: input.len() - rest.len(), complete: self.is_complete() })
    }

    /// One byte of what stands around the chunks' data.
    fn take_framing<'a>(&mut self, input: &'a [u8]) -> Result<&'a [u8], BodyError> {
        let Some((byte, rest)) = input.split_first() else { return Ok(input) };
        self.state = match (self.state, *byte) {
            (State::Size { digits: 1.., size }, b'\r') => self.announced(size)?,
            (State::Size { digits: 1.., size }, b';' | b' ' | b'\t') => State::Extension { size },
            (State::Size { size, digits }, byte) => {
                let digit = (byte as char).to_digit(16).ok_or(BodyError::Malformed)?;
                if digits == CHUNK_DIGITS_MAX {
                    return Err(BodyError::Malformed);
                }
                State::Size { size: size << 4 | u64::from(digit), digits: digits + 1 }
            }
            (State::Extension { size }, b'\r') => self.announced(size)?,
            (State::Extension { .. } | State::TrailerLine, byte) if is_skippable(byte) => {
                self.skip()?;
                self.state
            }
            (State::SizeEnd { size: 0 }, b'\n') => State::Trailer,
            (State::SizeEnd { size }, b'\n') => State::Data { left: size },
            (State::DataCr, b'\r') => State::DataLf,
            (State::DataLf, b'\n') => State::Size { size: 0, digits: 0 },
            (State::Trailer, b'\r') => State::LastLf,
            (State::Trailer, byte) if is_skippable(byte) => {
                self.skip()?;
                State::TrailerLine
            }
            (State::TrailerLine, b'\r') => State::TrailerLf,
            (State::TrailerLf, b'\n') => State::Trailer,
            (State::LastLf, b'\n') => State::Complete,
            _ => return Err(BodyError::Malformed),
        };
        Ok(rest)
    }

    fn announced(&mut self, size: u64) -> Result<State, BodyError> {
        self.room = self.room.checked_sub(size).ok_or(BodyError::TooLarge)?;
        Ok(State::SizeEnd { size })
    }

    fn skip(&mut self) -> Result<(), BodyError> {
        self.skipped += 1;
        if self.skipped > SKIPPED_BYTES_MAX { Err(BodyError::Malformed) } else { Ok(()) }
    }
}

fn take_data<'a>(left: &mut u64, input: &'a [u8], body: &mut Vec<u8>) -> &'a [u8] {
    let len = usize::try_from(*left).map_or(input.len(), |left| left.min(input.len()));
    let (data, rest) = input.split_at_checked(len).unwrap_or((input, &[]));
    body.extend_from_slice(data);
    *left -= data.len() as u64;
    rest
}

/// Text of any charset; a control character (a bare CR or LF above all) has no business in an
/// extension or a trailer.
fn is_skippable(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

/// All that fit into 64 bits; leading zeros count.
const CHUNK_DIGITS_MAX: u8 = 16;

/// Bytes of chunk extensions and trailers of one body together. No known client sends any.
const SKIPPED_BYTES_MAX: u32 = 16 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The body, and how much of the input it took; fed in pieces of at most `step` bytes.
    fn decode(
        length: BodyLength,
        input: &[u8],
        step: usize,
        body_bytes_max: u64,
    ) -> Result<(Vec<u8>, usize, bool), BodyError> {
        let mut decoder =
            BodyDecoder::new(length, &Limits { body_bytes_max, ..Limits::default() })?;
        let (mut body, mut consumed) = (Vec::new(), 0);
        for piece in input.chunks(step) {
            consumed += decoder.feed(piece, &mut body)?.consumed;
            if decoder.is_complete() {
                break;
            }
        }
        Ok((body, consumed, decoder.is_complete()))
    }

    #[test]
    fn a_plain_body_ends_with_its_length() {
        let decoded = decode(BodyLength::Length(5), b"helloGET /", 100, 5);
        assert_eq!(decoded, Ok((b"hello".to_vec(), 5, true)));
        let decoded = decode(BodyLength::Length(5), b"hel", 100, 5);
        assert_eq!(decoded, Ok((b"hel".to_vec(), 3, false)));
    }

    #[test]
    fn an_empty_body_is_complete_at_once() {
        for length in [BodyLength::None, BodyLength::Length(0)] {
            assert_eq!(decode(length, b"GET /", 100, 0), Ok((vec![], 0, true)));
        }
    }

    #[test]
    fn an_announced_length_over_the_limit_is_refused_before_any_byte() {
        let refused = BodyDecoder::new(
            BodyLength::Length(11),
            &Limits { body_bytes_max: 10, ..Limits::default() },
        );
        assert_eq!(refused.err(), Some(BodyError::TooLarge));
    }

    #[test]
    fn chunks_are_joined_extensions_and_trailers_skipped() {
        let input = b"a\r\n0123456789\r\n3;ext=\"1\"\r\nabc\r\n001 \r\n!\r\n0;x\r\nTrailer: x\r\nOther: y\r\n\r\nGET / HTTP/1.1";
        let decoded = decode(BodyLength::Chunked, input, 1000, 14);
        assert_eq!(decoded, Ok((b"0123456789abc!".to_vec(), input.len() - 14, true)));
    }

    #[test]
    fn hostile_chunks() {
        let (malformed, too_large) = (Err(BodyError::Malformed), Err(BodyError::TooLarge));
        let long_extension =
            [b"1;".as_slice(), &vec![b'x'; SKIPPED_BYTES_MAX as usize + 1], b"\r\nx"].concat();
        let long_trailer =
            [b"0\r\n".as_slice(), &b"a: b\r\n".repeat(SKIPPED_BYTES_MAX as usize / 4 + 1)].concat();
        let table: [(&[u8], _); 26] = [
            (b"zz\r\n", malformed.clone()),
            (b"\r\n", malformed.clone()),
            (b" 1\r\nx", malformed.clone()),
            (b"-1\r\nx", malformed.clone()),
            (b"+1\r\nx", malformed.clone()),
            (b"0x1\r\nx", malformed.clone()),
            (b"1_0\r\n", malformed.clone()),
            (b";ext\r\n", malformed.clone()),
            (b"1\nx\n", malformed.clone()),
            (b"1;a\nx", malformed.clone()),
            (b"1;a\rx", malformed.clone()),
            (b"1;a\0x", malformed.clone()),
            (b"1\rx", malformed.clone()),
            (b"1\r\nxy", malformed.clone()),
            (b"1\r\nx\n", malformed.clone()),
            (b"1\r\nx\ry", malformed.clone()),
            (b"0\r\n\n", malformed.clone()),
            (b"0\r\n\rx", malformed.clone()),
            (b"0\r\na: b\n", malformed.clone()),
            (b"0\r\na: b\rc", malformed.clone()),
            (b"00000000000000001\r\n", malformed.clone()),
            (b"ffffffffffffffff\r\n", too_large.clone()),
            (b"b\r\n", too_large.clone()),
            (b"6\r\nabcdef\r\n5\r\n", too_large),
            (&long_extension, malformed.clone()),
            (&long_trailer, malformed),
        ];
        for (input, expected) in table {
            for step in [1, 3, 100_000] {
                assert_eq!(
                    decode(BodyLength::Chunked, input, step, 10),
                    expected,
                    "{:?}",
                    input.escape_ascii().to_string()
                );
            }
        }
    }

    proptest! {
        #[test]
        fn a_chunked_body_is_the_same_however_it_is_cut(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..8),
            mutation in any::<Option<(prop::sample::Index, u8)>>(),
            step in 1usize..20,
        ) {
            let mut input = Vec::new();
            for chunk in &chunks {
                input.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                input.extend_from_slice(chunk);
                input.extend_from_slice(b"\r\n");
            }
            input.extend_from_slice(b"0\r\nA: b\r\n\r\nGET");
            if let Some((at, byte)) = mutation {
                let at = at.index(input.len());
                input[at] = byte;
            }
            let whole = decode(BodyLength::Chunked, &input, input.len(), 1000);
            prop_assert_eq!(&decode(BodyLength::Chunked, &input, step, 1000), &whole);
            if mutation.is_none() {
                prop_assert_eq!(whole, Ok((chunks.concat(), input.len() - 3, true)));
            }
        }
    }
}
