//! The encoder: from the Lua stack straight into the text.
//!
//! A table is a list if its keys are exactly 1..n, an object if all of them are strings; objects
//! come out sorted by the bytes of their keys. An empty table is `[]` unless it is marked as an
//! object. Raw access: no metamethod is called, so nothing can wait or loop. Strings and numbers
//! are written by [`crate::dialect::json`]. Bounds: [`NESTING_MAX`], [`TEXT_BYTES_MAX`].

use super::is_marked;
use crate::dialect::json::{self, HtmlSafe};
use crate::script::ffi::{Call, Fault, Kind};
use std::ffi::{c_int, c_void};
use std::ops::Range;

/// How the text is to look.
#[derive(Clone, Copy)]
pub(super) struct Style<'a> {
    pub html: HtmlSafe,
    /// Each member on a line of its own that begins with the first text and, per level, the second.
    pub indent: Option<(&'a [u8], &'a [u8])>,
}

impl Default for Style<'_> {
    fn default() -> Self {
        Style { html: HtmlSafe::Yes, indent: None }
    }
}

/// The text of the value at `at`.
///
/// # Errors
/// [`Fault::Message`] with the text of an [`Unencodable`].
pub(super) fn encode(call: &Call<'_>, at: c_int, style: Style<'_>) -> Result<Vec<u8>, Fault> {
    let mut encoder = Encoder {
        call,
        style,
        out: Vec::with_capacity(256),
        open: Vec::new(),
        keys: Vec::new(),
        members: Vec::new(),
    };
    encoder.value(call.absolute(at))?;
    Ok(encoder.out)
}

/// What JSON cannot say: all of it is the script's mistake.
#[derive(Debug, thiserror::Error)]
enum Unencodable {
    #[error("cannot encode sparse array")]
    Sparse,
    #[error("cannot encode mixed or invalid key types")]
    Keys,
    #[error("cannot encode {0} to JSON")]
    Type(&'static str),
    #[error("cannot encode recursively nested tables to JSON")]
    Recursive,
    #[error("cannot encode a table nested deeper than {NESTING_MAX} levels to JSON")]
    TooDeep,
    #[error("cannot encode more than {TEXT_BYTES_MAX} bytes of JSON")]
    TooLong,
    #[error(transparent)]
    Number(#[from] json::Unencodable),
}

impl From<Unencodable> for Fault {
    fn from(error: Unencodable) -> Fault {
        Fault::Message(error.to_string())
    }
}

struct Encoder<'a> {
    call: &'a Call<'a>,
    style: Style<'a>,
    out: Vec<u8>,
    /// The tables around the value in work.
    open: Vec<*const c_void>,
    /// Keys of the objects in work, end to end; `members` of the same objects: where each one's key
    /// and text are. Both are stacks.
    keys: Vec<u8>,
    members: Vec<Member>,
}

struct Member {
    key: Range<usize>,
    text: Range<usize>,
}

impl Encoder<'_> {
    /// `at` is absolute.
    fn value(&mut self, at: c_int) -> Result<(), Fault> {
        if self.out.len() > TEXT_BYTES_MAX {
            return Err(Unencodable::TooLong.into());
        }
        match self.call.kind(at) {
            Kind::None | Kind::Nil => self.out.extend_from_slice(b"null"),
            Kind::Bool => {
                self.out.extend_from_slice(if self.call.truthy(at) { b"true" } else { b"false" })
            }
            // Adding zero takes the sign off a negative zero: `-0` is `0` in the reference.
            Kind::Number => json::number(&mut self.out, self.call.raw_number(at) + 0.0)
                .map_err(Unencodable::from)?,
            Kind::String => json::escaped(&mut self.out, self.call.bytes(at), self.style.html),
            Kind::Table => self.table(at)?,
            kind => return Err(Unencodable::Type(kind.name()).into()),
        }
        Ok(())
    }

    fn table(&mut self, at: c_int) -> Result<(), Fault> {
        let identity = self.call.identity(at);
        if self.open.contains(&identity) {
            return Err(Unencodable::Recursive.into());
        }
        if self.open.len() == NESTING_MAX {
            return Err(Unencodable::TooDeep.into());
        }
        self.open.push(identity);
        match self.call.raw_len(at) {
            0 => self.object(at)?,
            len => self.list(at, len)?,
        }
        self.open.pop();
        Ok(())
    }

    fn list(&mut self, at: c_int, len: usize) -> Result<(), Fault> {
        check_list_keys(self.call, at, len)?;
        let start = self.out.len();
        for i in 1..=len {
            self.separate();
            self.call.push_index(at, i);
            self.value(self.call.len())?;
            self.call.pop(1);
        }
        self.close(start, b'[', b']');
        Ok(())
    }

    /// A table without a first member: an object, empty or in error.
    fn object(&mut self, at: c_int) -> Result<(), Fault> {
        let (start, first_key, first_member) =
            (self.out.len(), self.keys.len(), self.members.len());
        let call = self.call;
        call.for_each(at, |call| match call.kind(-2) {
            Kind::String => self.member(call),
            Kind::Number if self.members.len() == first_member => Err(Unencodable::Sparse.into()),
            _ => Err(Unencodable::Keys.into()),
        })?;
        if self.members.len() == first_member {
            self.out.extend_from_slice(if is_marked(call, at) { b"{}" } else { b"[]" });
            return Ok(());
        }
        self.sort(start, first_member);
        self.keys.truncate(first_key);
        self.members.truncate(first_member);
        self.close(start, b'{', b'}');
        Ok(())
    }

    /// The pair on top of the stack.
    fn member(&mut self, call: &Call<'_>) -> Result<(), Fault> {
        let text = self.out.len();
        let key = self.keys.len();
        self.separate();
        json::escaped(&mut self.out, call.bytes(-2), self.style.html);
        self.out.extend_from_slice(if self.style.indent.is_some() { b": " } else { b":" });
        self.keys.extend_from_slice(call.bytes(-2));
        let key = key..self.keys.len();
        self.value(call.len())?;
        self.members.push(Member { key, text: text..self.out.len() });
        Ok(())
    }

    /// Puts the members written since `start` in the order of their keys.
    #[expect(clippy::indexing_slicing, reason = "ranges of what this encoder has just written")]
    fn sort(&mut self, start: usize, first_member: usize) {
        let Encoder { out, keys, members, .. } = self;
        let members = &mut members[first_member..];
        if members.is_sorted_by(|a, b| keys[a.key.clone()] <= keys[b.key.clone()]) {
            return;
        }
        members.sort_unstable_by(|a, b| keys[a.key.clone()].cmp(&keys[b.key.clone()]));
        let unsorted = out.split_off(start);
        for member in members {
            out.extend_from_slice(&unsorted[member.text.start - start..member.text.end - start]);
        }
    }

    /// Before each member: the comma (which [`Encoder::close`] turns into the bracket for the first
    /// one) and its line.
    fn separate(&mut self) {
        self.out.push(b',');
        self.begin_line(self.open.len());
    }

    /// Ends the table that began at `start` and has members.
    fn close(&mut self, start: usize, opening: u8, closing: u8) {
        if let Some(comma) = self.out.get_mut(start) {
            *comma = opening;
        }
        self.begin_line(self.open.len().saturating_sub(1));
        self.out.push(closing);
    }

    fn begin_line(&mut self, depth: usize) {
        let Some((prefix, indent)) = self.style.indent else { return };
        self.out.push(b'\n');
        self.out.extend_from_slice(prefix);
        for _ in 0..depth {
            self.out.extend_from_slice(indent);
        }
    }
}

/// Insists on the keys 1..len, whose number alone is known.
fn check_list_keys(call: &Call<'_>, at: c_int, len: usize) -> Result<(), Fault> {
    let mut met = 0;
    call.for_each(at, |call| {
        if call.kind(-2) != Kind::Number {
            return Err(Unencodable::Keys.into());
        }
        let key = call.raw_number(-2);
        if key.fract() != 0.0 || key < 1.0 || key > len as f64 {
            return Err(Unencodable::Sparse.into());
        }
        met += 1;
        Ok(())
    })?;
    if met == len { Ok(()) } else { Err(Unencodable::Sparse.into()) }
}

/// Deeper tables are refused: each level takes some of the thread's stack.
const NESTING_MAX: usize = 512;

/// No value begins behind this. A table that occurs twice is written twice, so a small one may
/// stand for a text without end, which neither the watchdog nor the state's memory limit would
/// notice.
const TEXT_BYTES_MAX: usize = 8 << 20;
