//! Base64 and hexadecimal as stored hashes use them, into buffers that the caller has on its stack.
//!
//! Strict where scripts can see it: broken input is reported at the byte where the reference server
//! reports it, which are the positions that Go's `encoding/base64` and `encoding/hex` give.
//! Everything else takes a ready-made engine.

use super::Error;
use base64::Engine;
use base64::alphabet::{Alphabet, STANDARD};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// How the value after a digest scheme is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    /// Standard alphabet, with padding or without; line ends are skipped, the unused bits of the
    /// last digit are not looked at.
    Base64,
    /// Either case.
    Hex,
}

impl Encoding {
    /// Decodes `text` into the front of `out` and hands out that part.
    ///
    /// # Errors
    /// The position or the byte that is wrong; [`Error::UnsupportedDigest`] if `out` is too small.
    pub(super) fn decode<'out>(
        self,
        text: &[u8],
        out: &'out mut [u8],
    ) -> Result<&'out [u8], Error> {
        let mut sink = Sink { out, len: 0 };
        match self {
            Encoding::Base64 => decode_base64(text, &mut sink)?,
            Encoding::Hex => decode_hex(text, &mut sink)?,
        }
        let Sink { out, len } = sink;
        Ok(out.get(..len).unwrap_or_default())
    }
}

/// Bytes going into a buffer that may be too small.
struct Sink<'out> {
    out: &'out mut [u8],
    len: usize,
}

impl Sink<'_> {
    fn push(&mut self, byte: u8) -> Result<(), Error> {
        *self.out.get_mut(self.len).ok_or(Error::UnsupportedDigest)? = byte;
        self.len += 1;
        Ok(())
    }
}

fn decode_base64(text: &[u8], sink: &mut Sink<'_>) -> Result<(), Error> {
    let mut bytes =
        text.iter().copied().enumerate().filter(|(_, byte)| !matches!(byte, b'\r' | b'\n'));
    let (mut pending, mut bits, mut digits) = (0_u32, 0_u32, 0_usize);
    while let Some((at, byte)) = bytes.next() {
        if byte == b'=' {
            return check_padding(at, digits, text.len(), bytes);
        }
        let value = base64_digit(byte).ok_or(Error::Base64(at))?;
        pending = pending << 6 | u32::from(value);
        bits += 6;
        digits = (digits + 1) % 4;
        if bits >= 8 {
            bits -= 8;
            sink.push((pending >> bits) as u8)?;
        }
    }
    // Padding may be missing as a whole. One digit alone is no byte; it is reported where its group
    // would have begun had it no line ends in it.
    if digits == 1 { Err(Error::Base64(text.len() - digits)) } else { Ok(()) }
}

/// The first `=` was met at `at` after `digits` digits of a group: what has to follow is another
/// one after two digits, and nothing then.
fn check_padding(
    at: usize,
    digits: usize,
    end: usize,
    mut rest: impl Iterator<Item = (usize, u8)>,
) -> Result<(), Error> {
    match digits {
        0 | 1 => return Err(Error::Base64(at)),
        2 => match rest.next() {
            None => return Err(Error::Base64(end)),
            Some((_, b'=')) => {}
            Some((next, _)) => return Err(Error::Base64(next - 1)),
        },
        _ => {}
    }
    rest.next().map_or(Ok(()), |(next, _)| Err(Error::Base64(next)))
}

fn base64_digit(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

fn decode_hex(text: &[u8], sink: &mut Sink<'_>) -> Result<(), Error> {
    let (pairs, odd) = text.as_chunks::<2>();
    for &[high, low] in pairs {
        sink.push(hex_digit(high)? << 4 | hex_digit(low)?)?;
    }
    match odd {
        [] => Ok(()),
        [last, ..] => hex_digit(*last).and(Err(Error::HexLength)),
    }
}

fn hex_digit(byte: u8) -> Result<u8, Error> {
    match byte {
        b'0'..=b'9' => Ok(byte - b'0'),
        b'a'..=b'f' => Ok(byte - b'a' + 10),
        b'A'..=b'F' => Ok(byte - b'A' + 10),
        _ => Err(Error::Hex(byte)),
    }
}

/// A byte as two lower-case hexadecimal digits.
pub(super) fn hex_digits(byte: u8) -> [u8; 2] {
    [byte >> 4, byte & 15].map(|digit| if digit < 10 { b'0' + digit } else { b'a' + digit - 10 })
}

/// A byte taken for a code point, as Go's `%#U` writes it: `U+007A 'z'`, and without the character
/// if it is not printable.
pub(super) fn code_point(byte: u8) -> String {
    match byte {
        0x20..=0x7e | 0xa1..=0xac | 0xae..=0xff => format!("U+{byte:04X} '{}'", char::from(byte)),
        _ => format!("U+{byte:04X}"),
    }
}

/// Decodes base64 without padding, as argon2 strings have it; padding that is there all the same is
/// skipped.
///
/// # Errors
/// [`Error::Malformed`], also if `out` is too small.
pub(super) fn decode_unpadded<'out>(text: &[u8], out: &'out mut [u8]) -> Result<&'out [u8], Error> {
    decode_with(&UNPADDED, text, out)
}

/// The same for PBKDF2 strings, which have `.` for `+`; passlib reads both.
pub(super) fn decode_adapted<'out>(text: &[u8], out: &'out mut [u8]) -> Result<&'out [u8], Error> {
    let engine = if memchr::memchr(b'+', text).is_some() { &UNPADDED } else { &ADAPTED };
    decode_with(engine, text, out)
}

/// The same for bcrypt, whose alphabet begins with `./A`.
pub(super) fn decode_bcrypt<'out>(text: &[u8], out: &'out mut [u8]) -> Result<&'out [u8], Error> {
    decode_with(&BCRYPT, text, out)
}

/// The opposite of [`decode_bcrypt`].
pub(super) fn encode_bcrypt(bytes: &[u8]) -> String {
    // Without the padding that the engine writes.
    BCRYPT.encode(bytes).trim_end_matches('=').to_owned()
}

/// Decodes the text that crypt(3) makes of bytes where it has no order of its own: six bits a
/// character, low bits first.
///
/// # Errors
/// [`Error::Malformed`], also if `out` is too small or the last character carries no whole byte.
pub(super) fn decode_crypt<'out>(text: &[u8], out: &'out mut [u8]) -> Result<&'out [u8], Error> {
    let (mut pending, mut bits, mut len) = (0_u32, 0_u32, 0);
    for byte in text {
        pending |= crypt_digit(*byte).ok_or(Error::Malformed)? << bits;
        bits += 6;
        if bits >= 8 {
            *out.get_mut(len).ok_or(Error::Malformed)? = pending as u8;
            (pending, bits, len) = (pending >> 8, bits - 8, len + 1);
        }
    }
    if bits < 6 { Ok(out.get(..len).unwrap_or_default()) } else { Err(Error::Malformed) }
}

/// A character of crypt(3)'s alphabet.
pub(super) fn crypt_digit(byte: u8) -> Option<u32> {
    let place = match byte {
        b'.' | b'/' => byte - b'.',
        b'0'..=b'9' => byte - b'0' + 2,
        b'A'..=b'Z' => byte - b'A' + 12,
        b'a'..=b'z' => byte - b'a' + 38,
        _ => return None,
    };
    Some(place.into())
}

fn decode_with<'out>(
    engine: &GeneralPurpose,
    text: &[u8],
    out: &'out mut [u8],
) -> Result<&'out [u8], Error> {
    let len = engine.decode_slice(text, out).map_err(|_| Error::Malformed)?;
    Ok(out.get(..len).unwrap_or_default())
}

/// Old bcrypt implementations left random bits in the unused part of the last digit, so they are
/// ignored.
const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_allow_trailing_bits(true)
    .with_decode_padding_mode(DecodePaddingMode::Indifferent);

const UNPADDED: GeneralPurpose = GeneralPurpose::new(&STANDARD, LENIENT);
const BCRYPT: GeneralPurpose = GeneralPurpose::new(&base64::alphabet::BCRYPT, LENIENT);
const ADAPTED: GeneralPurpose = GeneralPurpose::new(&ADAPTED_ALPHABET, LENIENT);
const ADAPTED_ALPHABET: Alphabet =
    match Alphabet::new("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789./") {
        Ok(alphabet) => alphabet,
        Err(_) => STANDARD,
    };

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn base64_errors_are_reported_where_go_reports_them() {
        let cases: [(&[u8], usize); 13] = [
            (b"!!", 0),
            (b"YWJj!", 4),
            (b"=", 0),
            (b"Y=", 1),
            (b"YW=", 3),
            (b"YW=x", 2),
            (b"Y", 0),
            (b"YWJjY", 4),
            (b"YW==x", 4),
            (b"YW===", 4),
            (b"YWI=YWI=", 4),
            (b"YW\n=\nx", 4),
            (b"Y\xc3\xa4==", 1),
        ];
        for (text, at) in cases {
            assert_eq!(
                Encoding::Base64.decode(text, &mut [0; 16]),
                Err(Error::Base64(at)),
                "{}",
                text.escape_ascii()
            );
        }
    }

    #[test]
    fn base64_skips_line_ends_and_unused_bits() {
        for text in [b"YWI=".as_slice(), b"Y\r\nWI\n=\n", b"YWJ=", b"YWI", b"YW\nI\n"] {
            assert_eq!(
                Encoding::Base64.decode(text, &mut [0; 16]),
                Ok(b"ab".as_slice()),
                "{}",
                text.escape_ascii()
            );
        }
    }

    #[test]
    fn hex_reports_the_byte_then_the_length() {
        let cases: [(&[u8], &str); 6] = [
            (b"zz", "encoding/hex: invalid byte: U+007A 'z'"),
            (b"0g", "encoding/hex: invalid byte: U+0067 'g'"),
            (b"abc", "encoding/hex: odd length hex string"),
            (b"ab ", "encoding/hex: invalid byte: U+0020 ' '"),
            (b"\x00", "encoding/hex: invalid byte: U+0000"),
            (b"\xe4\xad", "encoding/hex: invalid byte: U+00E4 'ä'"),
        ];
        for (text, expected) in cases {
            let error = Encoding::Hex.decode(text, &mut [0; 16]).unwrap_err();
            assert_eq!(error.to_string(), expected, "{}", text.escape_ascii());
        }
        assert_eq!(Encoding::Hex.decode(b"0aFf", &mut [0; 2]), Ok([0x0a, 0xff].as_slice()));
    }

    #[test]
    fn a_value_too_long_for_the_buffer_is_refused() {
        assert_eq!(Encoding::Base64.decode(b"YWJj", &mut [0; 2]), Err(Error::UnsupportedDigest));
        assert_eq!(Encoding::Hex.decode(b"616263", &mut [0; 2]), Err(Error::UnsupportedDigest));
        assert_eq!(decode_unpadded(b"YWJj", &mut [0; 2]), Err(Error::Malformed));
    }

    #[test]
    fn adapted_base64_takes_both_spellings() {
        for text in [b"//vs.w".as_slice(), b"//vs+w", b"//vs+w=="] {
            assert_eq!(decode_adapted(text, &mut [0; 8]), Ok([0xff, 0xfb, 0xec, 0xfb].as_slice()));
        }
    }

    proptest! {
        #[test]
        fn what_was_encoded_comes_back(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let text = base64::engine::general_purpose::STANDARD.encode(&bytes);
            let mut out = [0; 100];
            prop_assert_eq!(Encoding::Base64.decode(text.as_bytes(), &mut out), Ok(bytes.as_slice()));
            let text: Vec<u8> = bytes.iter().flat_map(|byte| hex_digits(*byte)).collect();
            prop_assert_eq!(Encoding::Hex.decode(&text, &mut out), Ok(bytes.as_slice()));
        }
    }
}
