//! Replies: one complete frame each, and views of what is in it.

use super::decoder::Decoder;
use super::frame::{self, Element, Error, Parsed};

/// Exactly one complete top-level reply, in its wire form. Made by a [`Decoder`], which has
/// validated it.
#[derive(Clone)]
pub struct Reply {
    frame: Vec<u8>,
}

/// What is in a reply. `Debug` shows it all: for tests, never for logs.
#[derive(Clone, Debug, PartialEq)]
pub enum View<'a> {
    Nil,
    Int(i64),
    Double(f64),
    Bool(bool),
    Simple(&'a [u8]),
    Bulk(&'a [u8]),
    /// An error reply's text, its code first: `WRONGTYPE Operation against …`.
    Error(&'a [u8]),
    /// Its digits, perhaps with a sign.
    BigNumber(&'a [u8]),
    /// The text without its format.
    Verbatim(&'a [u8]),
    Array(Items<'a>),
    Set(Items<'a>),
    /// Keys and values in turn.
    Map(Items<'a>),
    /// Not an answer to any command.
    Push(Items<'a>),
}

/// The elements of an aggregate. `len` is exact; attributes are passed over.
#[derive(Clone, Debug, PartialEq)]
pub struct Items<'a> {
    rest: &'a [u8],
    left: usize,
}

impl Reply {
    /// A reply from its wire form.
    ///
    /// # Errors
    /// [`Error::NotOne`] unless the bytes are one whole reply and no more.
    pub fn from_frame(frame: &[u8]) -> Result<Reply, Error> {
        let mut input = frame;
        match Decoder::default().next_reply(&mut input)? {
            Some(reply) if input.is_empty() => Ok(reply),
            _ => Err(Error::NotOne),
        }
    }

    pub fn int(value: i64) -> Reply {
        Reply::line(b':', itoa::Buffer::new().format(value).as_bytes())
    }

    pub fn bulk(content: &[u8]) -> Reply {
        let mut frame =
            Reply::line(b'$', itoa::Buffer::new().format(content.len()).as_bytes()).frame;
        frame.extend_from_slice(content);
        frame.extend_from_slice(b"\r\n");
        Reply { frame }
    }

    pub fn nil() -> Reply {
        Reply { frame: b"$-1\r\n".to_vec() }
    }

    /// An error reply; line ends in the text become blanks.
    pub fn error(text: &str) -> Reply {
        Reply::line(b'-', text.as_bytes())
    }

    /// A status such as `OK`; line ends in the text become blanks.
    pub fn simple(text: &str) -> Reply {
        Reply::line(b'+', text.as_bytes())
    }

    pub fn array(items: &[Reply]) -> Reply {
        let mut frame = Reply::line(b'*', itoa::Buffer::new().format(items.len()).as_bytes()).frame;
        for item in items {
            frame.extend_from_slice(&item.frame);
        }
        Reply { frame }
    }

    /// What is in it.
    #[inline]
    pub fn view(&self) -> View<'_> {
        Items { rest: &self.frame, left: 1 }.next().unwrap_or(View::Nil)
    }

    /// Out-of-band data (RESP3): belongs to no command.
    pub fn is_push(&self) -> bool {
        self.frame.first() == Some(&b'>')
    }

    /// Whether it is an error, known from its first byte.
    #[inline]
    pub fn is_error(&self) -> bool {
        matches!(self.frame.first(), Some(b'-' | b'!'))
    }

    /// The text of an error reply.
    pub fn as_error(&self) -> Option<&[u8]> {
        match self.view() {
            View::Error(text) => Some(text),
            _ => None,
        }
    }

    /// The wire form.
    pub fn frame(&self) -> &[u8] {
        &self.frame
    }

    /// For the decoder: `frame` is one whole valid reply.
    pub(super) fn from_valid(frame: Vec<u8>) -> Reply {
        Reply { frame }
    }

    fn line(kind: u8, text: &[u8]) -> Reply {
        let mut frame = Vec::with_capacity(text.len() + frame::MIN_BYTES);
        frame.push(kind);
        frame.extend(
            text.iter().map(|byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { *byte }),
        );
        frame.extend_from_slice(b"\r\n");
        Reply { frame }
    }
}

impl std::fmt::Debug for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = self.frame.first().copied().unwrap_or_default();
        write!(f, "Reply({:?}, {} bytes)", char::from(kind), self.frame.len())
    }
}

impl<'a> View<'a> {
    /// The bytes of any kind of string; not of errors.
    pub fn as_bytes(&self) -> Option<&'a [u8]> {
        match self {
            View::Simple(text)
            | View::Bulk(text)
            | View::Verbatim(text)
            | View::BigNumber(text) => Some(text),
            _ => None,
        }
    }

    pub fn as_int(&self) -> Option<i64> {
        match self {
            View::Int(value) => Some(*value),
            _ => None,
        }
    }

    /// The elements of any aggregate, a map's keys and values in turn.
    pub fn items(&self) -> Option<Items<'a>> {
        match self {
            View::Array(items) | View::Set(items) | View::Map(items) | View::Push(items) => {
                Some(items.clone())
            }
            _ => None,
        }
    }

    pub fn is_nil(&self) -> bool {
        matches!(self, View::Nil)
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = View<'a>;

    #[inline]
    fn next(&mut self) -> Option<View<'a>> {
        if self.left == 0 {
            return None;
        }
        // The fields and values of hashes, the bulk of all that is walked.
        if let Some((content, rest)) = frame::short_bulk(self.rest) {
            self.rest = rest;
            self.left -= 1;
            return Some(View::Bulk(content));
        }
        let mut element = self.take()?;
        while let Element::Attribute(pairs) = element {
            self.skip(pairs * 2);
            element = self.take()?;
        }
        self.left -= 1;
        Some(match element {
            Element::Nil | Element::Attribute(_) => View::Nil,
            Element::Int(value) => View::Int(value),
            Element::Double(value) => View::Double(value),
            Element::Bool(value) => View::Bool(value),
            Element::Simple(text) => View::Simple(text),
            Element::Bulk(content) => View::Bulk(content),
            Element::Error(text) => View::Error(text),
            Element::BigNumber(digits) => View::BigNumber(digits),
            Element::Verbatim(text) => View::Verbatim(text),
            Element::Array(count) => View::Array(self.children(count)),
            Element::Set(count) => View::Set(self.children(count)),
            Element::Map(pairs) => View::Map(self.children(pairs * 2)),
            Element::Push(count) => View::Push(self.children(count)),
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Items<'_> {}

impl<'a> Items<'a> {
    /// The next head, its children still ahead. In a validated frame there is one; elsewhere that
    /// was the end.
    #[inline]
    fn take(&mut self) -> Option<Element<'a>> {
        if let Ok(Parsed::Complete { element, len }) = frame::parse(self.rest, 0) {
            self.rest = self.rest.get(len..).unwrap_or_default();
            return Some(element);
        }
        debug_assert!(false, "a reply was not validated");
        self.left = 0;
        None
    }

    /// The next `count` elements as items of their own; goes past them unless they were the last.
    fn children(&mut self, count: usize) -> Items<'a> {
        let children = Items { rest: self.rest, left: count };
        if self.left > 0 {
            self.skip(count);
        }
        children
    }

    fn skip(&mut self, count: usize) {
        let mut pending = count;
        while pending > 0 {
            // An attribute comes before its element and is none itself.
            let children = match self.take() {
                None => return,
                Some(Element::Attribute(pairs)) => pairs * 2 + 1,
                Some(Element::Map(pairs)) => pairs * 2,
                Some(Element::Array(count) | Element::Set(count) | Element::Push(count)) => count,
                Some(_) => 0,
            };
            pending = pending - 1 + children;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn reply(frame: &[u8]) -> Reply {
        Reply::from_frame(frame).unwrap()
    }

    #[test]
    fn every_type_has_its_view() {
        for (frame, expected) in [
            ("_\r\n", View::Nil),
            ("$-1\r\n", View::Nil),
            ("*-1\r\n", View::Nil),
            (":-12\r\n", View::Int(-12)),
            (":+12\r\n", View::Int(12)),
            (",1.5e3\r\n", View::Double(1500.0)),
            (",-inf\r\n", View::Double(f64::NEG_INFINITY)),
            ("#t\r\n", View::Bool(true)),
            ("#f\r\n", View::Bool(false)),
            ("+OK\r\n", View::Simple(b"OK")),
            ("$4\r\na\r\nb\r\n", View::Bulk(b"a\r\nb")),
            ("-ERR no\r\n", View::Error(b"ERR no")),
            ("!6\r\nERR no\r\n", View::Error(b"ERR no")),
            ("(-123\r\n", View::BigNumber(b"-123")),
            ("=7\r\ntxt:a:b\r\n", View::Verbatim(b"a:b")),
        ] {
            assert_eq!(reply(frame.as_bytes()).view(), expected, "{frame:?}");
        }
    }

    #[test]
    fn aggregates_are_walked_element_by_element() {
        let frame = b"*4\r\n*2\r\n:1\r\n*1\r\n:2\r\n%1\r\n+k\r\n~1\r\n:3\r\n|1\r\n+ttl\r\n*1\r\n:9\r\n$1\r\nv\r\n>1\r\n+p\r\n";
        let reply = reply(frame);
        let View::Array(mut items) = reply.view() else { panic!("{reply:?}") };
        assert_eq!(items.len(), 4);
        let Some(View::Array(mut first)) = items.next() else { panic!() };
        assert_eq!((first.len(), first.next()), (2, Some(View::Int(1))));
        assert_eq!(first.next().unwrap().items().unwrap().collect::<Vec<_>>(), [View::Int(2)]);
        let Some(View::Map(mut second)) = items.next() else { panic!() };
        assert_eq!((second.len(), second.next()), (2, Some(View::Simple(b"k"))));
        assert!(matches!(second.next(), Some(View::Set(set)) if set.len() == 1));
        assert_eq!(items.next(), Some(View::Bulk(b"v")));
        assert!(matches!(items.next(), Some(View::Push(push)) if push.len() == 1));
        assert_eq!((items.len(), items.next()), (0, None));
    }

    #[test]
    fn a_frame_is_one_reply_and_no_more() {
        for (frame, expected) in [
            ("", Error::NotOne),
            ("+OK", Error::NotOne),
            ("+OK\r\n+OK\r\n", Error::NotOne),
            ("*1\r\n", Error::NotOne),
            ("?\r\n", Error::Malformed("unknown type")),
        ] {
            assert_eq!(Reply::from_frame(frame.as_bytes()).err(), Some(expected), "{frame:?}");
        }
    }

    #[test]
    fn made_replies_are_valid() {
        let made = Reply::array(&[
            Reply::int(i64::MIN),
            Reply::bulk(b"a\r\n"),
            Reply::nil(),
            Reply::error("ERR a\r\nb"),
            Reply::simple("OK"),
            Reply::array(&[]),
        ]);
        let read = reply(made.frame());
        let items: Vec<_> = read.view().items().unwrap().collect();
        assert_eq!(
            items[..5],
            [
                View::Int(i64::MIN),
                View::Bulk(b"a\r\n"),
                View::Nil,
                View::Error(b"ERR a  b"),
                View::Simple(b"OK")
            ]
        );
        assert_eq!(items[5].items().unwrap().len(), 0);
    }

    #[test]
    fn debug_shows_no_content() {
        assert_eq!(format!("{:?}", Reply::bulk(b"hunter2")), "Reply('$', 13 bytes)");
    }

    /// A view as the `redis` crate shows the same frame, as far as its types go: it tells errors by
    /// kinds, and so compares as text.
    fn to_redis(view: View<'_>) -> redis::Value {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        match view {
            View::Nil => redis::Value::Nil,
            View::Int(value) => redis::Value::Int(value),
            View::Double(value) => redis::Value::Double(value),
            View::Bool(value) => redis::Value::Boolean(value),
            View::Simple(b"OK") => redis::Value::Okay,
            View::Simple(value) => redis::Value::SimpleString(text(value)),
            View::Bulk(value) => redis::Value::BulkString(value.to_vec()),
            View::BigNumber(digits) => redis::Value::BigNumber(digits.to_vec()),
            View::Verbatim(value) => redis::Value::VerbatimString {
                format: redis::VerbatimFormat::Text,
                text: text(value),
            },
            View::Array(items) => redis::Value::Array(items.map(to_redis).collect()),
            View::Set(items) => redis::Value::Set(items.map(to_redis).collect()),
            View::Map(mut items) => {
                let mut pairs = Vec::new();
                while let (Some(key), Some(value)) = (items.next(), items.next()) {
                    pairs.push((to_redis(key), to_redis(value)));
                }
                redis::Value::Map(pairs)
            }
            View::Error(_) | View::Push(_) => panic!("not generated"),
        }
    }

    fn frames() -> impl Strategy<Value = Vec<u8>> {
        let leaf = prop_oneof![
            any::<i64>().prop_map(|value| format!(":{value}\r\n").into_bytes()),
            any::<bool>()
                .prop_map(|value| format!("#{}\r\n", if value { 't' } else { 'f' }).into_bytes()),
            (-1e9..1e9f64).prop_map(|value| format!(",{value}\r\n").into_bytes()),
            "[ -~]{0,12}".prop_map(|text| format!("+{text}\r\n").into_bytes()),
            "-?[0-9]{1,30}".prop_map(|digits| format!("({digits}\r\n").into_bytes()),
            "[ -~]{0,12}"
                .prop_map(|text| format!("={}\r\ntxt:{text}\r\n", text.len() + 4).into_bytes()),
            prop::collection::vec(any::<u8>(), 0..20)
                .prop_map(|content| Reply::bulk(&content).frame().to_vec()),
            prop::sample::select(vec!["$-1\r\n", "_\r\n", "*-1\r\n"])
                .prop_map(|nil| nil.as_bytes().to_vec()),
        ];
        leaf.prop_recursive(5, 60, 6, |inner| {
            (prop::sample::select(vec!['*', '~', '%']), prop::collection::vec(inner, 0..6))
                .prop_map(|(kind, mut items)| {
                    let mut count = items.len();
                    if kind == '%' {
                        count /= 2;
                        items.truncate(count * 2);
                    }
                    [format!("{kind}{count}\r\n").into_bytes(), items.concat()].concat()
                })
        })
    }

    proptest! {
        #[test]
        fn the_redis_crate_reads_the_same(frame in frames()) {
            prop_assert_eq!(to_redis(reply(&frame).view()), redis::parse_redis_value(&frame).unwrap());
        }
    }
}
