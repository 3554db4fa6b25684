//! The tokens of JSON: numbers, strings, words, and what stands between them.
//!
//! Pure: a text and a position. Rules: RFC 8259; error texts as in Go's `encoding/json`, which the
//! reference passes on.

/// Why a text is no JSON.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Undecodable {
    /// The text stops short; more of it might be right.
    #[error("unexpected end of JSON input")]
    End,
    #[error("invalid character {} {context}", quoted(*byte))]
    Character { byte: u8, context: &'static str },
    #[error("invalid character {} in literal {word} (expecting '{}')", quoted(*byte), char::from(*expected))]
    Word { byte: u8, word: &'static str, expected: u8 },
    #[error("json: cannot unmarshal number {0} into Go value of type float64")]
    Number(String),
    #[error("exceeded max depth")]
    TooDeep,
}

/// A text and how far it has been read.
pub(super) struct Scanner<'a> {
    pub text: &'a [u8],
    pub at: usize,
}

/// A string's content.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Text<'a> {
    /// As it stands in the text.
    Verbatim(&'a [u8]),
    /// In the buffer that was handed in.
    Unescaped,
}

impl<'a> Scanner<'a> {
    pub fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    /// The next byte, whatever it is.
    pub fn next(&mut self) -> Result<u8, Undecodable> {
        let byte = self.peek().ok_or(Undecodable::End)?;
        self.at += 1;
        Ok(byte)
    }

    pub fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// The rest of `word`, whose first letter was just read.
    pub fn word(&mut self, word: &'static str) -> Result<(), Undecodable> {
        for &expected in word.as_bytes().iter().skip(1) {
            let byte = self.next()?;
            if byte != expected {
                return Err(Undecodable::Word { byte, word, expected });
            }
        }
        Ok(())
    }

    /// The number whose first byte was just read.
    pub fn number(&mut self) -> Result<f64, Undecodable> {
        let start = self.at - 1;
        let negative = self.text.get(start) == Some(&b'-');
        if negative {
            self.digit("in numeric literal")?;
        }
        let first_digit = self.at - 1;
        if self.text.get(first_digit) != Some(&b'0') {
            self.digits();
        }
        let end_of_integer = self.at;
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digit("after decimal point in numeric literal")?;
            self.digits();
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            self.digit("in exponent of numeric literal")?;
            self.digits();
        }
        let text = self.text.get(start..self.at).unwrap_or_default();
        let digits = self.text.get(first_digit..end_of_integer).unwrap_or_default();
        if self.at == end_of_integer && digits.len() <= EXACT_DIGITS {
            // The usual numbers: integers that a double holds exactly.
            let value =
                digits.iter().fold(0_u64, |value, digit| value * 10 + u64::from(digit - b'0'))
                    as f64;
            return Ok(if negative { -value } else { value });
        }
        let text = std::str::from_utf8(text).unwrap_or_default();
        match text.parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(value),
            _ => Err(Undecodable::Number(text.to_owned())),
        }
    }

    fn digit(&mut self, context: &'static str) -> Result<(), Undecodable> {
        match self.next()? {
            b'0'..=b'9' => Ok(()),
            byte => Err(Undecodable::Character { byte, context }),
        }
    }

    fn digits(&mut self) {
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
    }

    /// The string whose opening quote was just read. `buffer` is cleared and used if the content
    /// differs from the text.
    pub fn string(&mut self, buffer: &mut Vec<u8>) -> Result<Text<'a>, Undecodable> {
        let start = self.at;
        let ascii = self.run()?;
        let run = self.text.get(start..self.at).unwrap_or_default();
        if self.peek() == Some(b'"') && (ascii || std::str::from_utf8(run).is_ok()) {
            self.at += 1;
            return Ok(Text::Verbatim(run));
        }
        buffer.clear();
        self.at = start;
        loop {
            let start = self.at;
            self.run()?;
            push_valid(buffer, self.text.get(start..self.at).unwrap_or_default());
            match self.next()? {
                b'"' => return Ok(Text::Unescaped),
                _ => self.escape(buffer)?,
            }
        }
    }

    /// Goes to the next quote or backslash; whether all before it is ASCII.
    fn run(&mut self) -> Result<bool, Undecodable> {
        let mut ascii = true;
        loop {
            match self.peek().ok_or(Undecodable::End)? {
                b'"' | b'\\' => return Ok(ascii),
                byte @ 0..0x20 => {
                    return Err(Undecodable::Character { byte, context: "in string literal" });
                }
                byte => ascii &= byte.is_ascii(),
            }
            self.at += 1;
        }
    }

    /// What follows a backslash.
    fn escape(&mut self, buffer: &mut Vec<u8>) -> Result<(), Undecodable> {
        let byte = match self.next()? {
            byte @ (b'"' | b'\\' | b'/') => byte,
            b'b' => 0x08,
            b'f' => 0x0c,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                let character = self.utf16()?;
                buffer.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                return Ok(());
            }
            byte => return Err(Undecodable::Character { byte, context: "in string escape code" }),
        };
        buffer.push(byte);
        Ok(())
    }

    /// One character after `\u`, which may take a second escape. A surrogate without its other half
    /// is U+FFFD.
    fn utf16(&mut self) -> Result<char, Undecodable> {
        let unit = self.hex4()?;
        if !(0xd800..0xdc00).contains(&unit) {
            return Ok(char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        let after = self.at;
        if self.text.get(after..).is_some_and(|rest| rest.starts_with(b"\\u")) {
            self.at += 2;
            let low = self.hex4()?;
            if (0xdc00..0xe000).contains(&low) {
                let scalar = 0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
                return Ok(char::from_u32(scalar).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            // The second escape stands for itself.
            self.at = after;
        }
        Ok(char::REPLACEMENT_CHARACTER)
    }

    fn hex4(&mut self) -> Result<u32, Undecodable> {
        let mut value = 0;
        for _ in 0..4 {
            let byte = self.next()?;
            let digit = char::from(byte).to_digit(16).ok_or(Undecodable::Character {
                byte,
                context: "in \\u hexadecimal character escape",
            })?;
            value = value << 4 | digit;
        }
        Ok(value)
    }
}

/// Appends `text` with U+FFFD in place of each byte that is no UTF-8.
fn push_valid(buffer: &mut Vec<u8>, text: &[u8]) {
    for chunk in text.utf8_chunks() {
        buffer.extend_from_slice(chunk.valid().as_bytes());
        for _ in chunk.invalid() {
            buffer.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
}

/// A byte as error texts show it.
fn quoted(byte: u8) -> String {
    match byte {
        b'\'' => r"'\''".into(),
        b'"' => "'\"'".into(),
        b'\\' => r"'\\'".into(),
        b'\n' => r"'\n'".into(),
        b'\r' => r"'\r'".into(),
        b'\t' => r"'\t'".into(),
        0..0x20 | 0x7f => format!("'\\x{byte:02x}'"),
        _ => format!("'{}'", char::from(byte)),
    }
}

/// Integers of so many digits fit into a double.
const EXACT_DIGITS: usize = 15;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn number(text: &str) -> Result<f64, Undecodable> {
        Scanner { text: text.as_bytes(), at: 1 }.number()
    }

    fn string(content: &[u8]) -> Result<Vec<u8>, Undecodable> {
        let mut buffer = Vec::new();
        let text = [content, b"\""].concat();
        match (Scanner { text: &text, at: 0 }).string(&mut buffer)? {
            Text::Verbatim(text) => Ok(text.to_vec()),
            Text::Unescaped => Ok(buffer),
        }
    }

    #[test]
    fn numbers_are_doubles() {
        for (text, value) in [
            ("0", 0.0),
            ("7", 7.0),
            ("-12", -12.0),
            ("999999999999999", 999_999_999_999_999.0),
            ("9007199254740993", 9_007_199_254_740_992.0),
            ("-1.5e2", -150.0),
            ("1E+2", 100.0),
            ("0.1", 0.1),
            ("1e-400", 0.0),
        ] {
            assert_eq!(number(text), Ok(value), "{text}");
        }
        assert!(number("-0").is_ok_and(|n| n == 0.0 && n.is_sign_negative()));
    }

    #[test]
    fn what_is_no_number_says_why() {
        for (text, error) in [
            ("-", "unexpected end of JSON input"),
            ("-x", "invalid character 'x' in numeric literal"),
            ("1.", "unexpected end of JSON input"),
            ("1.x", "invalid character 'x' after decimal point in numeric literal"),
            ("1e'", r"invalid character '\'' in exponent of numeric literal"),
            ("1e400", "json: cannot unmarshal number 1e400 into Go value of type float64"),
        ] {
            assert_eq!(number(text).unwrap_err().to_string(), error, "{text}");
        }
    }

    #[test]
    fn strings_are_unescaped() {
        for (content, value) in [
            (&b""[..], ""),
            (b"plain", "plain"),
            ("ü€".as_bytes(), "ü€"),
            (br#"\"\\\/\b\f\n\r\t"#, "\"\\/\x08\x0c\n\r\t"),
            (br"a\u00e4z", "aäz"),
            (br"\ud83d\ude00!", "😀!"),
            (br"\ud83d", "\u{fffd}"),
            (br"\ude00", "\u{fffd}"),
            (br"\ud83d\u0041", "\u{fffd}A"),
            (br"\ud83d\n", "\u{fffd}\n"),
            (b"a\xffb\xe2\x82", "a\u{fffd}b\u{fffd}\u{fffd}"),
        ] {
            assert_eq!(string(content), Ok(value.as_bytes().to_vec()));
        }
    }

    #[test]
    fn what_is_no_string_says_why() {
        for (content, error) in [
            (&b"a\nb"[..], r"invalid character '\n' in string literal"),
            (b"\x01", r"invalid character '\x01' in string literal"),
            (br"\x41", "invalid character 'x' in string escape code"),
            (br"\u12", "invalid character '\"' in \\u hexadecimal character escape"),
            (br"\", "unexpected end of JSON input"),
        ] {
            assert_eq!(string(content).unwrap_err().to_string(), error);
        }
    }

    #[test]
    fn words_are_spelled_out() {
        assert_eq!(Scanner { text: b"true", at: 1 }.word("true"), Ok(()));
        assert_eq!(Scanner { text: b"tru", at: 1 }.word("true"), Err(Undecodable::End));
        let error = Scanner { text: b"trie", at: 1 }.word("true").unwrap_err();
        assert_eq!(error.to_string(), "invalid character 'i' in literal true (expecting 'u')");
    }

    proptest! {
        #[test]
        fn numbers_are_read_as_another_reader_does(n in any::<f64>().prop_filter("finite", |n| n.is_finite())) {
            let text = serde_json::to_string(&n).unwrap();
            prop_assert_eq!(number(&text).map(f64::to_bits), Ok(n.to_bits()));
        }

        #[test]
        fn strings_are_read_as_another_reader_does(s in any::<String>()) {
            let text = serde_json::to_string(&s).unwrap();
            prop_assert_eq!(string(&text.as_bytes()[1..text.len() - 1]), Ok(s.into_bytes()));
        }
    }
}
