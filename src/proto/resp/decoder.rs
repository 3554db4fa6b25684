//! The decoder: bytes from Redis in, whole replies out.

use super::frame::{self, Element, Error, Parsed};
use super::reply::Reply;
use super::{NESTING_MAX, REPLY_BYTES_MAX};

/// Cuts a stream of bytes into replies, validating them on the way.
///
/// Either [`feed`](Decoder::feed) and then [`poll_reply`](Decoder::poll_reply) until it is `None`,
/// or [`next_reply`](Decoder::next_reply) until it is, which copies whole replies only once. Holds
/// at most one partial reply (and what was fed but not polled yet); a partial reply is never looked
/// at again from its start. After an error it only repeats that error.
#[derive(Debug, Default)]
pub struct Decoder {
    buffer: Buffer,
    scan: Scan,
    failed: Option<Error>,
}

impl Decoder {
    /// Takes in bytes as they were read.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.buffer.append(bytes);
    }

    /// Hands out the next whole reply of what was fed; `None` asks for more bytes.
    ///
    /// # Errors
    /// [`Error::Malformed`], [`Error::TooLarge`] or [`Error::TooDeep`]: the link must be closed.
    pub fn poll_reply(&mut self) -> Result<Option<Reply>, Error> {
        let found = locate(&mut self.scan, &mut self.failed, self.buffer.rest())?;
        Ok(found.map(|reply| Reply::from_valid(self.buffer.take(reply))))
    }

    /// Hands out the next whole reply of what came before and `input`, and moves `input` past what
    /// was used; `None`: all of it was, and a partial reply is kept.
    ///
    /// # Errors
    /// As [`poll_reply`](Decoder::poll_reply).
    pub fn next_reply(&mut self, input: &mut &[u8]) -> Result<Option<Reply>, Error> {
        if !self.buffer.rest().is_empty() {
            // In there is the start of this reply. Its end is not known, so everything goes in,
            // this once.
            self.buffer.append(std::mem::take(input));
            return self.poll_reply();
        }
        let Some(reply) = locate(&mut self.scan, &mut self.failed, input)? else {
            self.buffer.append(std::mem::take(input));
            return Ok(None);
        };
        let frame = input.get(reply.start..reply.end).unwrap_or_default().to_vec();
        *input = input.get(reply.end..).unwrap_or_default();
        Ok(Some(Reply::from_valid(frame)))
    }
}

/// Where a reply lies; before its start there may be attributes, which are dropped.
#[derive(Clone, Copy)]
struct Located {
    start: usize,
    end: usize,
}

fn locate(
    scan: &mut Scan,
    failed: &mut Option<Error>,
    bytes: &[u8],
) -> Result<Option<Located>, Error> {
    if let Some(error) = *failed {
        return Err(error);
    }
    let located = scan.run(bytes);
    match located {
        Ok(None) => {}
        Ok(Some(_)) => scan.reset(),
        Err(error) => *failed = Some(error),
    }
    located
}

/// How far the reply at the start of the bytes has been looked at. Positions count from that start.
struct Scan {
    /// Up to here all elements are complete.
    position: usize,
    /// Where the reply proper begins: past attributes.
    start: usize,
    /// Bytes after `position` that are known to have no line end.
    searched: usize,
    /// With fewer bytes than this the scan cannot get on.
    needed: usize,
    /// Elements still to come, level by level. The first level is the reply itself.
    open: [u32; NESTING_MAX + 1],
    level: usize,
}

impl Scan {
    /// Goes on as far as `bytes` reach, which begin where they did before; says where the reply is
    /// once it is complete.
    fn run(&mut self, bytes: &[u8]) -> Result<Option<Located>, Error> {
        while bytes.len() >= self.needed {
            let rest = bytes.get(self.position..).unwrap_or_default();
            match frame::parse(rest, self.searched)? {
                Parsed::Complete { element, len } => {
                    self.position += len;
                    self.searched = 0;
                    self.needed = self.position + frame::MIN_BYTES;
                    if self.position > REPLY_BYTES_MAX {
                        return Err(Error::TooLarge);
                    }
                    if self.count_off(element)? {
                        return Ok(Some(Located { start: self.start, end: self.position }));
                    }
                }
                Parsed::PartialLine => {
                    self.searched = rest.len();
                    self.needed = bytes.len() + 1;
                }
                // Its head, a few bytes, is read again when the content is there.
                Parsed::PartialBulk { needed } => self.needed = self.position + needed,
            }
            if self.needed > REPLY_BYTES_MAX {
                return Err(Error::TooLarge);
            }
        }
        Ok(None)
    }

    /// Counts an element off its level, and levels that are complete off theirs; true when that was
    /// the reply.
    #[inline]
    fn count_off(&mut self, element: Element<'_>) -> Result<bool, Error> {
        let children = match element {
            // Comes before its element and is none of its level's own.
            Element::Attribute(pairs) => {
                *self.open_here() += 1;
                pairs * 2
            }
            Element::Map(pairs) => pairs * 2,
            Element::Array(count) | Element::Set(count) | Element::Push(count) => count,
            _ => 0,
        };
        if children > 0 {
            // Counts are bounded far below 2³².
            *self.open.get_mut(self.level + 1).ok_or(Error::TooDeep)? = children as u32;
            self.level += 1;
            return Ok(false);
        }
        *self.open_here() -= 1;
        while *self.open_here() == 0 {
            if self.level == 0 {
                return Ok(true);
            }
            self.level -= 1;
            *self.open_here() -= 1;
        }
        if self.level == 0 {
            self.start = self.position;
        }
        Ok(false)
    }

    #[expect(clippy::indexing_slicing, reason = "`count_off` goes no deeper than the table")]
    fn open_here(&mut self) -> &mut u32 {
        &mut self.open[self.level]
    }

    fn reset(&mut self) {
        (self.position, self.start, self.searched, self.needed, self.level) =
            (0, 0, 0, frame::MIN_BYTES, 0);
        self.open[0] = 1;
    }
}

impl Default for Scan {
    fn default() -> Scan {
        let mut scan = Scan {
            position: 0,
            start: 0,
            searched: 0,
            needed: 0,
            open: [0; NESTING_MAX + 1],
            level: 0,
        };
        scan.reset();
        scan
    }
}

impl std::fmt::Debug for Scan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Scan(level {}, at {}, needs {})", self.level, self.position, self.needed)
    }
}

/// Bytes taken in and not handed out yet: those from `taken` on.
#[derive(Default)]
struct Buffer {
    bytes: Vec<u8>,
    taken: usize,
}

impl Buffer {
    fn rest(&self) -> &[u8] {
        self.bytes.get(self.taken..).unwrap_or_default()
    }

    fn append(&mut self, bytes: &[u8]) {
        if self.taken > 0 {
            self.bytes.drain(..self.taken.min(self.bytes.len()));
            self.taken = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// A frame of its own. A large one that is all there is changes hands instead of being copied,
    /// and so does not stay behind as an oversized buffer.
    fn take(&mut self, reply: Located) -> Vec<u8> {
        if self.taken == 0
            && reply.start == 0
            && reply.end == self.bytes.len()
            && reply.end >= LARGE_BYTES
        {
            return std::mem::take(&mut self.bytes);
        }
        let frame = self.rest().get(reply.start..reply.end).unwrap_or_default().to_vec();
        self.taken += reply.end;
        if self.taken == self.bytes.len() {
            self.taken = 0;
            self.bytes.clear();
            self.bytes.shrink_to(LARGE_BYTES);
        }
        frame
    }
}

impl std::fmt::Debug for Buffer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Buffer({} bytes)", self.rest().len())
    }
}

/// Four reads of the usual 64 KiB: what a busy link's buffer may keep.
const LARGE_BYTES: usize = 256 << 10;

#[cfg(test)]
mod tests {
    use super::super::{LINE_BYTES_MAX, View};
    use super::*;
    use proptest::prelude::*;

    /// All frames of `stream`, fed in pieces of at most `step` bytes, and the error at the end if
    /// there was one.
    fn decode(stream: &[u8], step: usize) -> (Vec<Vec<u8>>, Option<Error>) {
        let (mut decoder, mut frames) = (Decoder::default(), Vec::new());
        for piece in stream.chunks(step) {
            decoder.feed(piece);
            loop {
                match decoder.poll_reply() {
                    Ok(Some(reply)) => frames.push(reply.frame().to_vec()),
                    Ok(None) => break,
                    Err(error) => return (frames, Some(error)),
                }
            }
        }
        (frames, None)
    }

    /// The same through `next_reply`.
    fn decode_in_place(stream: &[u8], step: usize) -> (Vec<Vec<u8>>, Option<Error>) {
        let (mut decoder, mut frames) = (Decoder::default(), Vec::new());
        for mut piece in stream.chunks(step) {
            loop {
                match decoder.next_reply(&mut piece) {
                    Ok(Some(reply)) => frames.push(reply.frame().to_vec()),
                    Ok(None) => break,
                    Err(error) => return (frames, Some(error)),
                }
            }
            assert!(piece.is_empty());
        }
        (frames, None)
    }

    fn frames(texts: &[&str]) -> Vec<Vec<u8>> {
        texts.iter().map(|text| text.as_bytes().to_vec()).collect()
    }

    #[test]
    fn a_stream_is_cut_into_replies() {
        let replies = [
            "+OK\r\n",
            ":-5\r\n",
            "$5\r\nhe\r\no\r\n",
            "*2\r\n$1\r\na\r\n*0\r\n",
            "$-1\r\n",
            "*-1\r\n",
            ">1\r\n+x\r\n",
            "%1\r\n+k\r\n_\r\n",
        ];
        let stream = replies.concat();
        for step in 1..stream.len() {
            assert_eq!(decode(stream.as_bytes(), step), (frames(&replies), None), "{step}");
            assert_eq!(
                decode_in_place(stream.as_bytes(), step),
                (frames(&replies), None),
                "{step}"
            );
        }
    }

    #[test]
    fn attributes_before_a_reply_are_dropped() {
        let stream = b"|1\r\n+ttl\r\n:3\r\n|1\r\n+a\r\n*1\r\n|0\r\n:1\r\n$2\r\nhi\r\n+OK\r\n";
        for step in 1..stream.len() {
            assert_eq!(
                decode(stream, step),
                (frames(&["$2\r\nhi\r\n", "+OK\r\n"]), None),
                "{step}"
            );
        }
    }

    #[test]
    fn hostile_streams() {
        let nested = |levels: usize| "*1\r\n".repeat(levels) + ":1\r\n";
        let (line, length, count) =
            (Error::Malformed("line end"), Error::Malformed("length"), Error::Malformed("count"));
        let unknown = Error::Malformed("unknown type");
        let table: [(&str, Option<Error>); 38] = [
            ("x\r\n", Some(unknown)),
            ("HTTP/1.1 400 Bad Request\r\n", Some(unknown)),
            ("\r\n\r\n", Some(unknown)),
            ("+OK\n", Some(line)),
            ("+O\rK\r\n", Some(line)),
            ("+OK\r\r\n", Some(line)),
            ("+\r\n", None),
            (":\r\n", Some(Error::Malformed("integer"))),
            (": 1\r\n", Some(Error::Malformed("integer"))),
            (":1x\r\n", Some(Error::Malformed("integer"))),
            (":9223372036854775807\r\n", None),
            (":9223372036854775808\r\n", Some(Error::Malformed("integer"))),
            ("$-2\r\n", Some(length)),
            ("$+1\r\na\r\n", Some(length)),
            ("$\r\n\r\n", Some(length)),
            ("$?\r\n", Some(length)),
            ("$99999999999999999999\r\n", Some(length)),
            ("$67108864\r\n", Some(Error::TooLarge)),
            ("$1\r\nab\r\n", Some(Error::Malformed("bulk without line end"))),
            ("$1\r\na\n\n", Some(Error::Malformed("bulk without line end"))),
            ("!-1\r\n", Some(length)),
            ("=3\r\ntxt\r\n", Some(Error::Malformed("verbatim string"))),
            ("=4\r\ntxt:\r\n", None),
            ("*-2\r\n", Some(count)),
            ("*1x\r\n", Some(count)),
            ("~-1\r\n", Some(count)),
            ("%\r\n", Some(count)),
            ("*22369622\r\n", Some(Error::TooLarge)),
            ("%99999999999\r\n", Some(Error::TooLarge)),
            ("#x\r\n", Some(Error::Malformed("value"))),
            ("_x\r\n", Some(Error::Malformed("value"))),
            ("(12a\r\n", Some(Error::Malformed("value"))),
            ("(-\r\n", Some(Error::Malformed("value"))),
            (",1.2.3\r\n", Some(Error::Malformed("double"))),
            (",-inf\r\n", None),
            (",\r\n", Some(Error::Malformed("double"))),
            (&nested(NESTING_MAX), None),
            (&nested(NESTING_MAX + 1), Some(Error::TooDeep)),
        ];
        for (stream, expected) in table {
            for step in [1, 2, 1000] {
                assert_eq!(decode(stream.as_bytes(), step).1, expected, "{stream:?}");
                assert_eq!(decode_in_place(stream.as_bytes(), step).1, expected, "{stream:?}");
            }
        }
    }

    #[test]
    fn a_line_has_an_end() {
        let long = [b"+".as_slice(), &vec![b'x'; LINE_BYTES_MAX]].concat();
        assert_eq!(decode(&long, 1000).1, Some(Error::Malformed("line too long")));
    }

    #[test]
    fn an_error_stays() {
        let mut decoder = Decoder::default();
        decoder.feed(b"+OK\r\n?\r\n+OK\r\n");
        assert!(decoder.poll_reply().unwrap().is_some());
        let error = decoder.poll_reply().unwrap_err();
        decoder.feed(b"+OK\r\n");
        assert_eq!(decoder.poll_reply().unwrap_err(), error);
        assert_eq!(decoder.next_reply(&mut b"+OK\r\n".as_slice()).unwrap_err(), error);
    }

    #[test]
    fn errors_do_not_quote_the_peer() {
        let mut decoder = Decoder::default();
        decoder.feed(b":hunter2\r\n");
        let error = decoder.poll_reply().unwrap_err();
        assert_eq!(error.to_string(), "malformed reply: integer");
        assert!(!format!("{decoder:?}").contains("hunter2"));
    }

    #[test]
    fn a_large_reply_in_pieces_arrives_whole() {
        let content = vec![7; LARGE_BYTES + 1];
        let stream = [Reply::bulk(&content).frame(), b"+OK\r\n"].concat();
        for step in [1000, stream.len() - 5, stream.len()] {
            let (frames, error) = decode(&stream, step);
            assert_eq!((frames.len(), error), (2, None));
            assert_eq!(Reply::from_frame(&frames[0]).unwrap().view(), View::Bulk(&content));
        }
    }

    proptest! {
        #[test]
        fn a_stream_gives_the_same_however_it_is_cut(
            parts in prop::collection::vec(prop::sample::select(vec![
                "+OK\r\n", ":12\r\n", "$3\r\nabc\r\n", "$-1\r\n", "*2\r\n", "*0\r\n", "%1\r\n", "~1\r\n", ">2\r\n", "|1\r\n", "_\r\n", "#t\r\n",
                ",1.5\r\n", "(123\r\n", "=5\r\ntxt:a\r\n", "!3\r\nERR\r\n", "-ERR x\r\n", "\r\n", "$", "1", "x",
            ]), 0..20),
            step in 1usize..12,
        ) {
            let stream = parts.concat();
            let whole = decode(stream.as_bytes(), stream.len().max(1));
            prop_assert_eq!(&decode(stream.as_bytes(), step), &whole);
            prop_assert_eq!(&decode_in_place(stream.as_bytes(), step), &whole);
            for frame in &whole.0 {
                let reply = Reply::from_frame(frame).unwrap();
                prop_assert_eq!(reply.frame(), &frame[..]);
            }
        }
    }
}
