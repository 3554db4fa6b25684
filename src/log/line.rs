//! One line of the log, written field by field straight into the thread's buffer.
//!
//! Made by `Log::line`. Keys given as `&'static str` are ours and are copied unseen; keys from
//! scripts go through [`Line::pair`]. Nothing that is written can end the line early or break its
//! notation (`encode`). Bound: `LINE_BYTES_MAX`.

use super::{Format, LINE_BYTES_MAX, Level, Log, encode};
use crate::time::{Now, push_decimal, push_go_duration};
use crate::value::{Value, json_number_text, number_text};
use std::panic::Location;
use std::time::Duration;

/// A line being written. Fields appear in the order of the calls, repeated keys too.
#[must_use = "a line without fields says nothing"]
pub struct Line<'a> {
    /// None: the level is switched off, or the line has ended.
    log: Option<&'a mut Log>,
    /// Where the line begins in the buffer.
    start: usize,
}

impl<'a> Line<'a> {
    pub(super) fn disabled() -> Line<'a> {
        Line { log: None, start: 0 }
    }

    pub(super) fn begin(
        log: &'a mut Log,
        level: Level,
        now: Now,
        caller: &Location<'_>,
    ) -> Line<'a> {
        let start = log.buffer.len();
        let out = &mut log.buffer;
        out.reserve(LINE_BYTES_USUAL);
        let ts = log.time.text(now);
        match log.format {
            Format::Logfmt => {
                out.extend_from_slice(b"level=");
                out.extend_from_slice(level.name().as_bytes());
                out.extend_from_slice(b" ts=");
                out.extend_from_slice(ts);
                out.extend_from_slice(b" caller=");
                push_caller(out, caller);
            }
            Format::Json => {
                out.extend_from_slice(b"{\"level\":\"");
                out.extend_from_slice(level.name().as_bytes());
                out.extend_from_slice(b"\",\"ts\":\"");
                out.extend_from_slice(ts);
                out.extend_from_slice(b"\",\"caller\":\"");
                push_caller(out, caller);
                out.push(b'"');
            }
        }
        out.extend_from_slice(&log.instance);
        Line { log: Some(log), start }
    }

    /// A text, quoted and escaped where it must be.
    #[inline(always)]
    pub fn text(&mut self, key: &str, value: impl AsRef<[u8]>) -> &mut Line<'a> {
        if let Some((out, format)) = self.field(key) {
            push_text(out, format, value.as_ref(), LINE_BYTES_MAX);
        }
        self
    }

    /// A text, or `N/A` if it is empty: most fields of the authentication and access lines.
    #[inline(always)]
    pub fn text_or_na(&mut self, key: &str, value: impl AsRef<[u8]>) -> &mut Line<'a> {
        let value = value.as_ref();
        if let Some((out, format)) = self.field(key) {
            push_text(out, format, if value.is_empty() { b"N/A" } else { value }, LINE_BYTES_MAX);
        }
        self
    }

    /// One of our own words, known to need neither quotes nor escapes: `mode=no-auth`.
    #[inline(always)]
    pub fn word(&mut self, key: &str, word: &'static str) -> &mut Line<'a> {
        debug_assert!(encode::is_plain_word(word.as_bytes()), "{word} is no plain word");
        match self.field(key) {
            Some((out, Format::Logfmt)) => out.extend_from_slice(word.as_bytes()),
            Some((out, Format::Json)) => {
                out.push(b'"');
                out.extend_from_slice(word.as_bytes());
                out.push(b'"');
            }
            None => {}
        }
        self
    }

    /// A number, unquoted.
    #[inline(always)]
    pub fn number(&mut self, key: &str, number: impl Into<Number>) -> &mut Line<'a> {
        if let Some((out, format)) = self.field(key) {
            push_number(out, format, number.into());
        }
        self
    }

    #[inline]
    pub fn flag(&mut self, key: &str, flag: bool) -> &mut Line<'a> {
        if let Some((out, _)) = self.field(key) {
            push_flag(out, flag);
        }
        self
    }

    /// A duration in Go's notation, `2.061497ms`.
    #[inline]
    pub fn duration(&mut self, key: &str, duration: Duration) -> &mut Line<'a> {
        match self.field(key) {
            Some((out, Format::Logfmt)) => push_go_duration(out, duration),
            Some((out, Format::Json)) => {
                out.push(b'"');
                push_go_duration(out, duration);
                out.push(b'"');
            }
            None => {}
        }
        self
    }

    /// A pair from `custom_log_add`: any key; a string, number or boolean, anything else prints
    /// `UNSUPPORTED`. In logfmt the key's blanks, quotes and equals signs become `_`.
    pub fn pair<'v>(
        &mut self,
        key: impl AsRef<[u8]>,
        value: impl Into<PairValue<'v>>,
    ) -> &mut Line<'a> {
        let key = key.as_ref();
        let key = key.get(..KEY_BYTES_MAX).unwrap_or(key);
        let Some((out, format)) = self.open() else { return self };
        match format {
            Format::Logfmt => {
                out.push(b' ');
                encode::push_logfmt_key(out, key);
                out.push(b'=');
            }
            Format::Json => {
                out.push(b',');
                encode::push_quoted(out, key);
                out.push(b':');
            }
        }
        match value.into() {
            PairValue::Text(text) => push_text(out, format, text, VALUE_BYTES_MAX),
            PairValue::Number(number) => push_number(out, format, number),
            PairValue::Flag(flag) => push_flag(out, flag),
        }
        self
    }

    /// Finishes the line. What is added afterwards is ignored.
    pub fn end(&mut self) {
        if let Some(log) = self.log.take() {
            log.buffer.extend_from_slice(match log.format {
                Format::Logfmt => b"\n".as_slice(),
                Format::Json => b"}\n",
            });
            log.line_written();
        }
    }

    /// Writes separator and key; what remains is the value. Inlined, because then the key's length
    /// is known and copying it is a store.
    #[inline(always)]
    fn field(&mut self, key: &str) -> Option<(&mut Vec<u8>, Format)> {
        debug_assert!(encode::is_plain_word(key.as_bytes()), "{key} is no plain key");
        let (out, format) = self.open()?;
        match format {
            Format::Logfmt => push_between(out, b" ", key, b"="),
            Format::Json => push_between(out, b",\"", key, b"\":"),
        }
        Some((out, format))
    }

    /// The buffer, unless the line is switched off or has had enough.
    #[inline(always)]
    fn open(&mut self) -> Option<(&mut Vec<u8>, Format)> {
        let log = self.log.as_mut()?;
        (log.buffer.len() - self.start < LINE_BYTES_MAX).then_some((&mut log.buffer, log.format))
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        self.end();
    }
}

/// The value of a [`Line::pair`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PairValue<'v> {
    Text(&'v [u8]),
    Number(Number),
    Flag(bool),
}

impl<'v> From<&'v Value> for PairValue<'v> {
    fn from(value: &'v Value) -> PairValue<'v> {
        match value {
            Value::String(text) => PairValue::Text(text),
            Value::Number(number) => PairValue::Number(Number::Float(*number)),
            Value::Bool(flag) => PairValue::Flag(*flag),
            Value::Nil | Value::List(_) | Value::Map(_) => PairValue::Text(b"UNSUPPORTED"),
        }
    }
}

/// A number of a log line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    Unsigned(u64),
    Signed(i64),
    Float(f64),
}

macro_rules! number_from {
    ($($of:ty => $variant:ident as $into:ty),*) => {
        $(impl From<$of> for Number {
            fn from(number: $of) -> Number {
                Number::$variant(number as $into)
            }
        })*
    };
}

number_from!(u8 => Unsigned as u64, u16 => Unsigned as u64, u32 => Unsigned as u64, u64 => Unsigned as u64,
    usize => Unsigned as u64, i32 => Signed as i64, i64 => Signed as i64, f64 => Float as f64);

/// The `instance` field, made once per log.
pub(super) fn instance_field(format: Format, instance: &str) -> Vec<u8> {
    let mut out = match format {
        Format::Logfmt => b" instance=".to_vec(),
        Format::Json => b",\"instance\":".to_vec(),
    };
    push_text(&mut out, format, instance.as_bytes(), VALUE_BYTES_MAX);
    out
}

/// Appends key and punctuation in one piece.
#[inline(always)]
#[expect(clippy::indexing_slicing, reason = "the three lengths add up to `end`, which is checked")]
fn push_between<const BEFORE: usize, const AFTER: usize>(
    out: &mut Vec<u8>,
    before: &[u8; BEFORE],
    key: &str,
    after: &[u8; AFTER],
) {
    let mut joined = [0; 64];
    let end = BEFORE + key.len() + AFTER;
    if end <= joined.len() {
        joined[..BEFORE].copy_from_slice(before);
        joined[BEFORE..BEFORE + key.len()].copy_from_slice(key.as_bytes());
        joined[BEFORE + key.len()..end].copy_from_slice(after);
        out.extend_from_slice(&joined[..end]);
    } else {
        out.extend_from_slice(before);
        out.extend_from_slice(key.as_bytes());
        out.extend_from_slice(after);
    }
}

fn push_text(out: &mut Vec<u8>, format: Format, value: &[u8], bytes_max: usize) {
    // A cut inside a character leaves invalid UTF-8, which shows as U+FFFD.
    let value = value.get(..bytes_max).unwrap_or(value);
    match format {
        Format::Logfmt => encode::push_logfmt_value(out, value),
        Format::Json => encode::push_quoted(out, value),
    }
}

fn push_number(out: &mut Vec<u8>, format: Format, number: Number) {
    match (number, format) {
        (Number::Unsigned(n), _) => push_decimal(out, n),
        (Number::Signed(n), _) => {
            if n < 0 {
                out.push(b'-');
            }
            push_decimal(out, n.unsigned_abs());
        }
        (Number::Float(n), Format::Logfmt) => out.extend_from_slice(number_text(n).as_bytes()),
        (Number::Float(n), Format::Json) if n.is_finite() => {
            out.extend_from_slice(json_number_text(n).as_bytes())
        }
        // JSON has no word for these.
        (Number::Float(n), Format::Json) => encode::push_quoted(out, number_text(n).as_bytes()),
    }
}

fn push_flag(out: &mut Vec<u8>, flag: bool) {
    out.extend_from_slice(if flag { b"true" } else { b"false" });
}

/// `auth/pipeline.rs:120`: the path inside the crate's source folder.
fn push_caller(out: &mut Vec<u8>, caller: &Location<'_>) {
    let file = caller.file();
    let inside = file
        .strip_prefix("src/")
        .unwrap_or_else(|| file.rsplit_once("/src/").map_or(file, |(_, inside)| inside));
    out.extend_from_slice(inside.as_bytes());
    out.push(b':');
    push_decimal(out, u64::from(caller.line()));
}

/// What an authentication line usually takes: one reservation instead of several.
const LINE_BYTES_USUAL: usize = 768;
/// Of a key from a script.
const KEY_BYTES_MAX: usize = 256;
/// Of a value from a script.
const VALUE_BYTES_MAX: usize = 16 * 1024;

#[cfg(test)]
#[path = "line_tests.rs"]
mod tests;
