//! Search filters: from the text of RFC 4515 to the bytes of RFC 4511, 4.5.1.7.

use super::ber::{OCTET_STRING, SEQUENCE, boolean, bytes, element};

/// Why a text is no filter, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    #[error("filter: '(' is missing at byte {0}")]
    Open(usize),
    #[error("filter: ')' is missing at byte {0}")]
    Close(usize),
    #[error("filter: no attribute and comparison at byte {0}")]
    Item(usize),
    #[error("filter: malformed escape at byte {0}")]
    Escape(usize),
    #[error("filter: text after its end at byte {0}")]
    Trailing(usize),
    #[error("filter: nested too deeply")]
    Depth,
}

/// The bytes of a filter. Line ends with the blanks around them, and blanks around the whole, do
/// not count; the outermost parentheses may be missing.
///
/// # Errors
/// [`FilterError`]; bytes are counted from the first that counts.
pub fn compose_filter(text: &[u8]) -> Result<Vec<u8>, FilterError> {
    let lines = text.split(|byte| matches!(byte, b'\r' | b'\n'));
    let mut text = lines.map(<[u8]>::trim_ascii).collect::<Vec<_>>().concat();
    if text.first() != Some(&b'(') {
        text.insert(0, b'(');
        text.push(b')');
    }
    let mut parser = Parser { text: &text, at: 0 };
    let mut out = Vec::new();
    parser.filter(&mut out, FILTER_DEPTH_MAX)?;
    if parser.at < text.len() { Err(FilterError::Trailing(parser.at)) } else { Ok(out) }
}

struct Parser<'a> {
    text: &'a [u8],
    at: usize,
}

impl Parser<'_> {
    fn filter(&mut self, out: &mut Vec<u8>, depth: usize) -> Result<(), FilterError> {
        let depth = depth.checked_sub(1).ok_or(FilterError::Depth)?;
        if !self.take(b'(') {
            return Err(FilterError::Open(self.at));
        }
        match self.peek() {
            Some(b'&') => self.list(out, AND, depth)?,
            Some(b'|') => self.list(out, OR, depth)?,
            Some(b'!') => {
                self.at += 1;
                let mut inner = Vec::new();
                self.filter(&mut inner, depth)?;
                bytes(out, NOT, &inner);
            }
            _ => self.item(out)?,
        }
        if self.take(b')') { Ok(()) } else { Err(FilterError::Close(self.at)) }
    }

    fn list(&mut self, out: &mut Vec<u8>, tag: u8, depth: usize) -> Result<(), FilterError> {
        self.at += 1;
        let mut inner = Vec::new();
        while self.peek() == Some(b'(') {
            self.filter(&mut inner, depth)?;
        }
        bytes(out, tag, &inner);
        Ok(())
    }

    fn item(&mut self, out: &mut Vec<u8>) -> Result<(), FilterError> {
        let start = self.at;
        let rest = self.text.get(start..).unwrap_or_default();
        let equals = rest
            .iter()
            .position(|byte| matches!(byte, b'=' | b'(' | b')'))
            .filter(|at| rest.get(*at) == Some(&b'='));
        let left = rest.get(..equals.ok_or(FilterError::Item(start))?).unwrap_or_default();
        self.at += left.len() + 1;
        let (tag, name) = match left {
            [name @ .., b'>'] => (GREATER_OR_EQUAL, name),
            [name @ .., b'<'] => (LESS_OR_EQUAL, name),
            [name @ .., b'~'] => (APPROX, name),
            [name @ .., b':'] => return self.extensible(out, name, start),
            name => (EQUALITY, name),
        };
        if !is_attribute(name) {
            return Err(FilterError::Item(start));
        }
        let parts = self.value()?;
        match parts.as_slice() {
            [value] => comparison(out, tag, name, value),
            _ if tag != EQUALITY => return Err(FilterError::Item(start)),
            parts if parts.iter().all(Vec::is_empty) => bytes(out, PRESENT, name),
            parts => substrings(out, name, parts),
        }
        Ok(())
    }

    /// `name:dn:rule:=value`, of which name or rule, and dn, may be missing.
    fn extensible(
        &mut self,
        out: &mut Vec<u8>,
        left: &[u8],
        start: usize,
    ) -> Result<(), FilterError> {
        let mut parts = left.split(|byte| *byte == b':');
        let name = parts.next().unwrap_or_default();
        let mut parts = parts.peekable();
        let is_dn = parts.next_if(|part| part.eq_ignore_ascii_case(b"dn")).is_some();
        let rule = parts.next().unwrap_or_default();
        let is_sound = |part: &[u8]| part.is_empty() || is_attribute(part);
        if parts.next().is_some()
            || (name.is_empty() && rule.is_empty())
            || !is_sound(name)
            || !is_sound(rule)
        {
            return Err(FilterError::Item(start));
        }
        let parts = self.value()?;
        let [value] = parts.as_slice() else { return Err(FilterError::Item(start)) };
        element(out, EXTENSIBLE, |out| {
            for (tag, part) in [(0x81, rule), (0x82, name)] {
                if !part.is_empty() {
                    bytes(out, tag, part);
                }
            }
            bytes(out, 0x83, value);
            if is_dn {
                boolean(out, 0x84, true);
            }
        });
        Ok(())
    }

    /// The pieces of a value between its asterisks, escapes resolved.
    fn value(&mut self) -> Result<Vec<Vec<u8>>, FilterError> {
        let mut parts = vec![Vec::new()];
        loop {
            let at = self.at;
            let byte = match self.peek() {
                None | Some(b')') => return Ok(parts),
                Some(b'(') => return Err(FilterError::Close(at)),
                Some(b'*') => {
                    self.at += 1;
                    parts.push(Vec::new());
                    continue;
                }
                Some(b'\\') => {
                    let digits = self.text.get(at + 1..at + 3).ok_or(FilterError::Escape(at))?;
                    let mut byte = [0];
                    hex::decode_to_slice(digits, &mut byte).map_err(|_| FilterError::Escape(at))?;
                    self.at += 3;
                    byte[0]
                }
                Some(byte) => {
                    self.at += 1;
                    byte
                }
            };
            if let Some(part) = parts.last_mut() {
                part.push(byte);
            }
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }
}

fn comparison(out: &mut Vec<u8>, tag: u8, name: &[u8], value: &[u8]) {
    element(out, tag, |out| {
        bytes(out, OCTET_STRING, name);
        bytes(out, OCTET_STRING, value);
    });
}

fn substrings(out: &mut Vec<u8>, name: &[u8], parts: &[Vec<u8>]) {
    element(out, SUBSTRINGS, |out| {
        bytes(out, OCTET_STRING, name);
        element(out, SEQUENCE, |out| {
            for (at, part) in parts.iter().enumerate().filter(|(_, part)| !part.is_empty()) {
                // Initial, any, final.
                let tag = if at == 0 {
                    0x80
                } else if at + 1 == parts.len() {
                    0x82
                } else {
                    0x81
                };
                bytes(out, tag, part);
            }
        });
    });
}

/// Names and numbers of attributes and rules, with options.
fn is_attribute(name: &[u8]) -> bool {
    !name.is_empty()
        && name
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b';' | b'_'))
}

/// Filters within filters.
pub const FILTER_DEPTH_MAX: usize = 32;

const AND: u8 = 0xa0;
const OR: u8 = 0xa1;
const NOT: u8 = 0xa2;
const EQUALITY: u8 = 0xa3;
const SUBSTRINGS: u8 = 0xa4;
const GREATER_OR_EQUAL: u8 = 0xa5;
const LESS_OR_EQUAL: u8 = 0xa6;
const PRESENT: u8 = 0x87;
const APPROX: u8 = 0xa8;
const EXTENSIBLE: u8 = 0xa9;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_kind_of_filter() {
        for (text, bytes) in [
            ("(cn=Ada)", "a309 0402 636e 0403 416461"),
            ("cn=Ada", "a309 0402 636e 0403 416461"),
            (" (cn=\r\nAda) ", "a309 0402 636e 0403 416461"),
            (
                "\n\t(&\r\n\t  (a=1)\r\n\r\n\t  (b=2)  \n  )\n",
                "a010 a306 0401 61 0401 31 a306 0401 62 0401 32",
            ),
            ("(|\r  (a=1)\r  (a=2)\r)", "a110 a306 0401 61 0401 31 a306 0401 61 0401 32"),
            ("(cn=Ada  Love)", "a30f 0402 636e 0409 416461 2020 4c6f7665"),
            ("(cn= Ada )", "a30b 0402 636e 0405 2041646120"),
            ("(cn=)", "a306 0402 636e 0400"),
            ("(cn=*)", "8702 636e"),
            ("(cn=\\2a\\28x)", "a309 0402 636e 0403 2a2878"),
            ("(cn=a*b*c)", "a40f 0402 636e 3009 8001 61 8101 62 8201 63"),
            ("(cn=*b*)", "a409 0402 636e 3003 8101 62"),
            ("(cn=*c)", "a409 0402 636e 3003 8201 63"),
            ("(n>=5)", "a506 0401 6e 0401 35"),
            ("(n<=5)", "a606 0401 6e 0401 35"),
            ("(n~=5)", "a806 0401 6e 0401 35"),
            ("(&)", "a000"),
            ("(&(a=1)(b=2))", "a010 a306 0401 61 0401 31 a306 0401 62 0401 32"),
            ("(|(a=1)(!(b=*)))", "a10d a306 0401 61 0401 31 a203 8701 62"),
            ("(cn:=x)", "a907 8202 636e 8301 78"),
            ("(cn:dn:2.4.6:=x)", "a911 8105 322e342e36 8202 636e 8301 78 8401 ff"),
            ("(:dn:r:=x)", "a909 8101 72 8301 78 8401 ff"),
        ] {
            assert_eq!(
                compose_filter(text.as_bytes()).map(hex::encode),
                Ok(bytes.replace(' ', "")),
                "{text}"
            );
        }
    }

    #[test]
    fn hostile_input() {
        let deep = format!("{}(a=1){}", "(!".repeat(100), ")".repeat(100));
        for (text, error) in [
            ("", FilterError::Item(1)),
            ("()", FilterError::Item(1)),
            ("(a)", FilterError::Item(1)),
            ("(=x)", FilterError::Item(1)),
            ("(a=1", FilterError::Close(4)),
            ("(a=1)(b=2)", FilterError::Trailing(5)),
            ("(a=(b))", FilterError::Close(3)),
            ("(a=\\4)", FilterError::Escape(3)),
            ("(a=\\zz)", FilterError::Escape(3)),
            ("(a=x\\", FilterError::Escape(4)),
            ("(a>=x*y)", FilterError::Item(1)),
            ("(a b=1)", FilterError::Item(1)),
            ("(!)", FilterError::Open(2)),
            ("(&(a=1)x)", FilterError::Close(7)),
            (":=x", FilterError::Item(1)),
            ("(a:b:c:=x)", FilterError::Item(1)),
            (&deep, FilterError::Depth),
        ] {
            assert_eq!(compose_filter(text.as_bytes()), Err(error), "{text}");
        }
    }

    proptest! {
        /// A value that is escaped is compared as it is, whatever it holds.
        #[test]
        fn escaped_values_are_taken_as_they_are(value in prop::collection::vec(any::<u8>(), 1..40)) {
            let escaped: String = value.iter().map(|byte| format!("\\{byte:02x}")).collect();
            let mut expected = Vec::new();
            comparison(&mut expected, EQUALITY, b"uid", &value);
            prop_assert_eq!(compose_filter(format!("(uid={escaped})").as_bytes()), Ok(expected));
        }
    }
}
