//! BER as LDAP has it (RFC 4511, 5.1): definite lengths, one byte of tag, octet strings in one
//! piece.

/// Why bytes are no LDAP message. The connection is of no more use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("malformed BER")]
    Ber,
    #[error("not an LDAP message")]
    Message,
    #[error("a message is too long")]
    TooLong,
}

pub const BOOLEAN: u8 = 0x01;
pub const INTEGER: u8 = 0x02;
pub const OCTET_STRING: u8 = 0x04;
pub const ENUMERATED: u8 = 0x0a;
pub const SEQUENCE: u8 = 0x30;
pub const SET: u8 = 0x31;

/// Appends an element whose content `write` appends.
pub fn element(out: &mut Vec<u8>, tag: u8, write: impl FnOnce(&mut Vec<u8>)) {
    let mut content = Vec::new();
    write(&mut content);
    bytes(out, tag, &content);
}

/// Appends an element with this content.
pub fn bytes(out: &mut Vec<u8>, tag: u8, content: &[u8]) {
    out.push(tag);
    match u8::try_from(content.len()) {
        Ok(short) if short < 0x80 => out.push(short),
        _ => {
            let length = content.len().to_be_bytes();
            let zeros = length.iter().take_while(|byte| **byte == 0).count();
            let length = length.get(zeros..).unwrap_or_default();
            out.push(0x80 | length.len() as u8);
            out.extend_from_slice(length);
        }
    }
    out.extend_from_slice(content);
}

/// Appends a number that is not negative.
pub fn number(out: &mut Vec<u8>, tag: u8, number: u32) {
    let digits = number.to_be_bytes();
    // A leading one bit would be a sign.
    let zeros = digits.iter().take_while(|byte| **byte == 0).count().min(3);
    let digits = digits.get(zeros..).unwrap_or_default();
    if digits.first().is_some_and(|first| first & 0x80 != 0) {
        bytes(out, tag, &[&[0], digits].concat())
    } else {
        bytes(out, tag, digits)
    }
}

pub fn boolean(out: &mut Vec<u8>, tag: u8, flag: bool) {
    bytes(out, tag, if flag { &[0xff] } else { &[0] });
}

/// Reads elements one after the other.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    /// Tag and content of the next element; `None` at the end.
    pub fn next(&mut self) -> Result<Option<(u8, &'a [u8])>, Malformed> {
        let Some(tag) = self.0.first().copied() else { return Ok(None) };
        let (head, length) = header(self.0)?.ok_or(Malformed::Ber)?;
        let rest = self.0.get(head..).unwrap_or_default();
        let (content, rest) = rest.split_at_checked(length).ok_or(Malformed::Ber)?;
        self.0 = rest;
        Ok(Some((tag, content)))
    }

    /// The content of the next element, which must have this tag.
    pub fn expect(&mut self, tag: u8) -> Result<&'a [u8], Malformed> {
        match self.next()? {
            Some((found, content)) if found == tag => Ok(content),
            _ => Err(Malformed::Message),
        }
    }

    /// A number that is not negative.
    pub fn number(&mut self, tag: u8) -> Result<u32, Malformed> {
        let content = self.expect(tag)?;
        let digits = content.strip_prefix(&[0]).unwrap_or(content);
        if content.is_empty()
            || content.first().is_some_and(|first| first & 0x80 != 0)
            || digits.len() > 4
        {
            return Err(Malformed::Message);
        }
        Ok(digits.iter().fold(0, |number, byte| number << 8 | u32::from(*byte)))
    }
}

/// How long tag and length of the element are, and its content; `None` asks for more. Lengths may
/// have leading zeros: some servers always use four bytes.
pub fn header(input: &[u8]) -> Result<Option<(usize, usize)>, Malformed> {
    let [tag, first, ..] = input else { return Ok(None) };
    // Tags of several bytes are not among LDAP's.
    if tag & 0x1f == 0x1f {
        return Err(Malformed::Ber);
    }
    if *first < 0x80 {
        return Ok(Some((2, usize::from(*first))));
    }
    let count = usize::from(first & 0x7f);
    if count == 0 || count > 4 {
        return Err(Malformed::Ber);
    }
    let Some(digits) = input.get(2..2 + count) else { return Ok(None) };
    Ok(Some((2 + count, digits.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lengths_have_the_forms_that_ldap_allows() {
        for (input, expected) in [
            (&[0x30][..], Ok(None)),
            (&[0x30, 5], Ok(Some((2, 5)))),
            (&[0x30, 0x82, 1], Ok(None)),
            (&[0x30, 0x82, 1, 2], Ok(Some((4, 258)))),
            (&[0x30, 0x84, 0, 0, 0, 9], Ok(Some((6, 9)))),
            (&[0x30, 0x80], Err(Malformed::Ber)),
            (&[0x30, 0x85, 0, 0, 0, 0, 1], Err(Malformed::Ber)),
            (&[0x3f, 0x81, 1], Err(Malformed::Ber)),
        ] {
            assert_eq!(header(input), expected, "{input:x?}");
        }
    }

    proptest! {
        #[test]
        fn numbers_and_strings_survive(value in any::<u32>(), text in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut out = Vec::new();
            number(&mut out, INTEGER, value);
            bytes(&mut out, OCTET_STRING, &text);
            let mut reader = Reader(&out);
            prop_assert_eq!(reader.number(INTEGER), Ok(value));
            prop_assert_eq!(reader.expect(OCTET_STRING), Ok(&text[..]));
            prop_assert_eq!(reader.next(), Ok(None));
        }
    }
}
