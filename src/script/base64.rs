//! One Base64 encoding: an alphabet, with or without padding.
//!
//! Own code because the position of an error is part of what scripts see: it is that of Go's
//! `encoding/base64`. Decoding skips CR and LF anywhere, wants the padding exactly right and does
//! not look at the unused bits of the last digit. Rules: RFC 4648; `lua/modules/base64.md`.

/// See the module's head.
#[derive(Clone, Debug)]
pub struct Codec {
    alphabet: [u8; 64],
    /// Digit of each byte; [`NO_DIGIT`] for those that are none.
    digits: [u8; 256],
    padded: bool,
}

/// What cannot be decoded: the position of the first wrong byte.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("illegal base64 data at input byte {0}")]
pub struct Illegal(pub usize);

/// Why an alphabet cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadAlphabet {
    #[error("encoding alphabet is not 64 bytes long")]
    Length,
    #[error("encoding alphabet contains newline character")]
    LineEnd,
    #[error("encoding alphabet includes duplicate symbols")]
    Duplicate,
    #[error("encoding alphabet contains the padding character")]
    Padding,
}

/// Padded.
pub static STANDARD: Codec =
    Codec::new(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", true);
/// Padded.
pub static URL: Codec =
    Codec::new(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", true);
/// Without padding.
pub static RAW_STANDARD: Codec = Codec::new(&STANDARD.alphabet, false);
/// Without padding.
pub static RAW_URL: Codec = Codec::new(&URL.alphabet, false);

impl Codec {
    /// `alphabet` must be free of duplicates.
    #[expect(
        clippy::indexing_slicing,
        reason = "both tables have an entry for every value of their index"
    )]
    const fn new(alphabet: &[u8; 64], padded: bool) -> Codec {
        let mut digits = [NO_DIGIT; 256];
        let mut digit = 0;
        while digit < 64 {
            digits[alphabet[digit as usize] as usize] = digit;
            digit += 1;
        }
        Codec { alphabet: *alphabet, digits, padded }
    }

    /// A padded encoding with an alphabet of 64 bytes.
    ///
    /// # Errors
    /// [`BadAlphabet`] for an alphabet that could not be decoded again.
    pub fn with_alphabet(alphabet: &[u8]) -> Result<Codec, BadAlphabet> {
        let alphabet: &[u8; 64] = alphabet.try_into().map_err(|_| BadAlphabet::Length)?;
        if alphabet.iter().any(|byte| matches!(byte, b'\r' | b'\n')) {
            return Err(BadAlphabet::LineEnd);
        }
        if alphabet.contains(&PADDING) {
            return Err(BadAlphabet::Padding);
        }
        let codec = Codec::new(alphabet, true);
        if codec.digits.iter().filter(|digit| **digit != NO_DIGIT).count() != alphabet.len() {
            return Err(BadAlphabet::Duplicate);
        }
        Ok(codec)
    }

    pub fn encode(&self, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(bytes.len().div_ceil(3) * 4);
        for group in bytes.chunks(3) {
            let [a, b, c] = [0, 1, 2].map(|i| u32::from(group.get(i).copied().unwrap_or(0)));
            let bits = a << 16 | b << 8 | c;
            for (i, shift) in [18, 12, 6, 0].into_iter().enumerate() {
                if i <= group.len() {
                    #[expect(clippy::indexing_slicing, reason = "six bits, and 64 digits")]
                    let digit = self.alphabet[(bits >> shift & 63) as usize];
                    out.push(digit);
                } else if self.padded {
                    out.push(PADDING);
                }
            }
        }
        out
    }

    /// # Errors
    /// [`Illegal`] with the position of the first wrong byte.
    pub fn decode(&self, text: &[u8]) -> Result<Vec<u8>, Illegal> {
        let mut out = Vec::with_capacity(text.len() / 4 * 3 + 3);
        let (mut pending, mut count) = (0_u32, 0_usize);
        for (at, &byte) in text.iter().enumerate() {
            #[expect(clippy::indexing_slicing, reason = "the table has an entry for every byte")]
            let digit = self.digits[usize::from(byte)];
            if digit != NO_DIGIT {
                pending = pending << 6 | u32::from(digit);
                count += 1;
                if count == 4 {
                    out.extend_from_slice(&[
                        (pending >> 16) as u8,
                        (pending >> 8) as u8,
                        pending as u8,
                    ]);
                    (pending, count) = (0, 0);
                }
            } else if byte == PADDING && self.padded {
                check_padding(text, at, count)?;
                push_rest(&mut out, pending, count);
                return Ok(out);
            } else if !is_line_end(byte) {
                return Err(Illegal(at));
            }
        }
        // A single digit is no byte yet; with padding every group is whole. Such a group is
        // reported at its first digit.
        if count == 1 || (count > 0 && self.padded) {
            return Err(Illegal(text.len() - count));
        }
        push_rest(&mut out, pending, count);
        Ok(out)
    }
}

/// The first padding byte is at `at`, behind `count` digits of its group: two digits want another
/// one, and nothing may follow.
fn check_padding(text: &[u8], at: usize, count: usize) -> Result<(), Illegal> {
    let mut rest = text.iter().enumerate().skip(at + 1).filter(|(_, byte)| !is_line_end(**byte));
    match count {
        0 | 1 => return Err(Illegal(at)),
        2 => match rest.next() {
            None => return Err(Illegal(text.len())),
            Some((_, &PADDING)) => {}
            Some((next, _)) => return Err(Illegal(next - 1)),
        },
        _ => {}
    }
    rest.next().map_or(Ok(()), |(next, _)| Err(Illegal(next)))
}

/// The whole bytes among the bits of `count` digits.
fn push_rest(out: &mut Vec<u8>, pending: u32, count: usize) {
    match count {
        2 => out.push((pending >> 4) as u8),
        3 => out.extend_from_slice(&[(pending >> 10) as u8, (pending >> 2) as u8]),
        _ => {}
    }
}

fn is_line_end(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n')
}

const PADDING: u8 = b'=';
const NO_DIGIT: u8 = 0xff;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decoded(codec: &Codec, text: &str) -> Result<String, usize> {
        codec
            .decode(text.as_bytes())
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .map_err(|Illegal(at)| at)
    }

    #[test]
    fn rfc_4648_vectors() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
        ] {
            assert_eq!(STANDARD.encode(bytes.as_bytes()), text.as_bytes());
            assert_eq!(decoded(&STANDARD, text), Ok(bytes.into()));
            let raw = text.trim_end_matches('=');
            assert_eq!(RAW_URL.encode(bytes.as_bytes()), raw.as_bytes());
            assert_eq!(decoded(&RAW_STANDARD, raw), Ok(bytes.into()));
        }
    }

    #[test]
    fn line_ends_are_skipped_and_spare_bits_ignored() {
        assert_eq!(decoded(&STANDARD, "Zm\r\n9v\nYg=\n=\r\n"), Ok("foob".into()));
        assert_eq!(STANDARD.decode(b"Yf9="), Ok(b"a\xff".to_vec()));
        assert_eq!(decoded(&RAW_STANDARD, "Zh"), Ok("f".into()));
    }

    #[test]
    fn errors_have_the_position_of_the_reference() {
        for (text, at) in [
            ("a", 0),
            ("YQ", 0),
            ("YWJjZA", 4),
            ("YW Jj", 2),
            ("=", 0),
            ("Y===", 1),
            ("YQ=", 3),
            ("YQ=a", 2),
            ("YQ==a", 4),
            ("Zg==Zg==", 4),
            ("YWI=x", 4),
            ("YQ\n=\n", 5),
            ("YW\nJjZA", 5),
        ] {
            assert_eq!(decoded(&STANDARD, text), Err(at), "{text:?}");
        }
        assert_eq!(decoded(&RAW_STANDARD, "YQ=="), Err(2));
        assert_eq!(decoded(&RAW_STANDARD, "YWJjZ"), Err(4));
        assert_eq!(decoded(&URL, "YT8+"), Err(3));
    }

    #[test]
    fn alphabets_that_cannot_be_decoded_are_refused() {
        let mut alphabet = STANDARD.alphabet;
        assert_eq!(Codec::with_alphabet(b"abc").err(), Some(BadAlphabet::Length));
        for (byte, error) in [
            (b'\n', BadAlphabet::LineEnd),
            (b'=', BadAlphabet::Padding),
            (b'B', BadAlphabet::Duplicate),
        ] {
            alphabet[0] = byte;
            assert_eq!(Codec::with_alphabet(&alphabet).err(), Some(error));
        }
    }

    proptest! {
        #[test]
        fn what_was_encoded_comes_back(bytes: Vec<u8>) {
            for codec in [&STANDARD, &URL, &RAW_STANDARD, &RAW_URL] {
                prop_assert_eq!(codec.decode(&codec.encode(&bytes)), Ok(bytes.clone()));
            }
        }

        #[test]
        fn no_text_upsets_the_decoder(text: Vec<u8>) {
            if let Err(Illegal(at)) = STANDARD.decode(&text) {
                prop_assert!(at <= text.len());
            }
        }
    }
}
