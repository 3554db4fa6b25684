//! The decoder: from the text straight into Lua tables, in one pass and without recursion.
//!
//! Strict RFC 8259, with two liberties of the reference: bytes that are no UTF-8 and lone
//! surrogates become U+FFFD. `null` is nil, so that members of that value are not there and lists
//! close up over it. Objects get a metatable that marks them; every call makes a new one, so that a
//! script that changes it changes no other request's tables. Error texts are those of Go's
//! `encoding/json`. Bounds: [`NESTING_MAX`]; time and size grow with the text.

use super::push_marker;
use super::scan::{Scanner, Text, Undecodable};
use crate::script::ffi::{Call, Kind};
use std::ffi::c_int;

/// Pushes the value that `text` holds and nothing else.
///
/// # Errors
/// [`Undecodable`]; the stack then holds leftovers.
pub(super) fn decode_all(call: &Call<'_>, text: &[u8]) -> Result<(), Undecodable> {
    let end = decode_at(call, text, 0)?;
    let mut rest = Scanner { text, at: end };
    rest.skip_blanks();
    match rest.peek() {
        None => Ok(()),
        Some(byte) => Err(Undecodable::Character { byte, context: "after top-level value" }),
    }
}

/// Pushes the value that begins at `at`, and tells where it ends.
///
/// # Errors
/// As [`decode_all`].
pub(super) fn decode_at(call: &Call<'_>, text: &[u8], at: usize) -> Result<usize, Undecodable> {
    let mut decoder = Decoder {
        call,
        scanner: Scanner { text, at },
        open: Vec::new(),
        tables: 0,
        unescaped: Vec::new(),
    };
    decoder.run()?;
    Ok(decoder.scanner.at)
}

struct Decoder<'a> {
    call: &'a Call<'a>,
    scanner: Scanner<'a>,
    /// The containers around the value in work, outermost first.
    open: Vec<Container>,
    /// Where on the stack a list of the open tables is (at 0: the metatable of objects), with the
    /// innermost one above it. Lua's stack itself is too small to hold one per level.
    tables: c_int,
    unescaped: Vec<u8>,
}

enum Container {
    /// With the number of members that it has so far.
    List(usize),
    Object,
}

impl Decoder<'_> {
    fn run(&mut self) -> Result<(), Undecodable> {
        loop {
            // One round reads one value, or the beginning of a container with members.
            self.scanner.skip_blanks();
            match self.scanner.peek() {
                Some(b'{') => {
                    self.open_object()?;
                    if !self.closes(b'}') {
                        self.key()?;
                        continue;
                    }
                    self.close();
                }
                Some(b'[') => {
                    self.open_list()?;
                    if !self.closes(b']') {
                        continue;
                    }
                    self.close();
                }
                _ => {
                    self.scalar()?;
                    self.attach();
                }
            }
            if self.after_value()? {
                return Ok(());
            }
        }
    }

    /// What stands behind a value: goes on to the next one, closing containers. True if the
    /// outermost value is complete.
    fn after_value(&mut self) -> Result<bool, Undecodable> {
        loop {
            let Some(container) = self.open.last() else { return Ok(true) };
            let (closing, context) = match container {
                Container::List(_) => (b']', "after array element"),
                Container::Object => (b'}', "after object key:value pair"),
            };
            let is_object = closing == b'}';
            self.scanner.skip_blanks();
            match self.scanner.next()? {
                b',' if is_object => {
                    self.scanner.skip_blanks();
                    self.key()?;
                    return Ok(false);
                }
                b',' => return Ok(false),
                byte if byte == closing => self.close(),
                byte => return Err(Undecodable::Character { byte, context }),
            }
        }
    }

    /// Whether the container just opened ends at once.
    fn closes(&mut self, closing: u8) -> bool {
        self.scanner.skip_blanks();
        let closes = self.scanner.peek() == Some(closing);
        self.scanner.at += usize::from(closes);
        closes
    }

    fn open_object(&mut self) -> Result<(), Undecodable> {
        self.prepare()?;
        self.call.push_table(0, 4);
        if self.call.push_index(self.tables, 0) != Kind::Table {
            self.call.pop(1);
            push_marker(self.call);
            self.call.push_copy(-1);
            self.call.set_index(self.tables, 0);
        }
        self.call.set_metatable(-2);
        self.enter(Container::Object);
        Ok(())
    }

    fn open_list(&mut self) -> Result<(), Undecodable> {
        self.prepare()?;
        self.call.push_table(4, 0);
        self.enter(Container::List(0));
        Ok(())
    }

    fn prepare(&mut self) -> Result<(), Undecodable> {
        if self.open.len() == NESTING_MAX {
            return Err(Undecodable::TooDeep);
        }
        self.scanner.at += 1;
        if self.tables == 0 {
            self.call.push_table(4, 0);
            self.tables = self.call.len();
        }
        Ok(())
    }

    /// Makes the new table on top of the stack the innermost one, as a member of the one that was.
    fn enter(&mut self, container: Container) {
        let level = self.open.len() + 1;
        self.call.push_copy(-1);
        self.call.set_index(self.tables, level);
        if level > 1 {
            self.attach();
            self.call.pop(1);
            self.call.push_index(self.tables, level);
        }
        self.open.push(container);
    }

    /// Leaves the innermost table; the outermost stays on top of the stack.
    fn close(&mut self) {
        self.open.pop();
        if !self.open.is_empty() {
            self.call.pop(1);
            self.call.push_index(self.tables, self.open.len());
        }
    }

    /// Makes the value on top of the stack a member of the innermost table, if there is one.
    fn attach(&mut self) {
        match self.open.last_mut() {
            None => {}
            Some(Container::Object) => self.call.set_pair(self.tables + 1),
            Some(Container::List(_)) if self.call.kind(-1) == Kind::Nil => self.call.pop(1),
            Some(Container::List(len)) => {
                *len += 1;
                self.call.set_index(self.tables + 1, *len);
            }
        }
    }

    /// Pushes a member's key.
    fn key(&mut self) -> Result<(), Undecodable> {
        match self.scanner.next()? {
            b'"' => self.string()?,
            byte => {
                return Err(Undecodable::Character {
                    byte,
                    context: "looking for beginning of object key string",
                });
            }
        }
        self.scanner.skip_blanks();
        match self.scanner.next()? {
            b':' => Ok(()),
            byte => Err(Undecodable::Character { byte, context: "after object key" }),
        }
    }

    /// Pushes anything but a container.
    fn scalar(&mut self) -> Result<(), Undecodable> {
        match self.scanner.next()? {
            b'"' => self.string()?,
            b'-' | b'0'..=b'9' => self.call.push_number(self.scanner.number()?),
            b't' => {
                self.scanner.word("true")?;
                self.call.push_bool(true);
            }
            b'f' => {
                self.scanner.word("false")?;
                self.call.push_bool(false);
            }
            b'n' => {
                self.scanner.word("null")?;
                self.call.push_nil();
            }
            byte => {
                return Err(Undecodable::Character {
                    byte,
                    context: "looking for beginning of value",
                });
            }
        }
        Ok(())
    }

    /// Pushes the string whose opening quote was just read.
    fn string(&mut self) -> Result<(), Undecodable> {
        match self.scanner.string(&mut self.unescaped)? {
            Text::Verbatim(text) => self.call.push_string(text),
            Text::Unescaped => self.call.push_string(&self.unescaped),
        }
        Ok(())
    }
}

/// As deep as the reference goes.
const NESTING_MAX: usize = 10_000;
