//! The encoder: block style, keys sorted, strings quoted when they would read as something else.
//!
//! Lists under a key are not indented. Long lines are not folded, as they are in the reference: any
//! reader takes both. Anything printable is written as it is. Bound: what is encoded comes from a
//! copy, which has one ([`crate::script::ffi::Call::value`]'s).

use super::scalar;
use crate::value::{Value, exponent_text, number_text};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use std::fmt::Write;

/// The document for a value.
pub fn encode(value: &Value) -> String {
    let mut out = String::new();
    Emitter { out: &mut out }.root(value);
    out
}

struct Emitter<'a> {
    out: &'a mut String,
}

impl Emitter<'_> {
    fn root(&mut self, value: &Value) {
        match value {
            Value::List(members) if !members.is_empty() => self.list(members, 0, false),
            Value::Map(pairs) if !pairs.is_empty() => self.map(pairs, 0, false),
            scalar => {
                self.scalar(scalar, 0);
                self.out.push('\n');
            }
        }
    }

    /// `inline`: the first line goes on where the output stands.
    fn list(&mut self, members: &[Value], indent: usize, inline: bool) {
        for (at, member) in members.iter().enumerate() {
            self.indent(if inline && at == 0 { 0 } else { indent });
            self.out.push('-');
            match member {
                Value::List(members) if !members.is_empty() => {
                    self.out.push(' ');
                    self.list(members, indent + 2, true);
                }
                Value::Map(pairs) if !pairs.is_empty() => {
                    self.out.push(' ');
                    self.map(pairs, indent + 2, true);
                }
                scalar => self.line(scalar, indent),
            }
        }
    }

    fn map(&mut self, pairs: &[(Value, Value)], indent: usize, inline: bool) {
        for (at, (key, value)) in sorted(pairs).into_iter().enumerate() {
            self.indent(if inline && at == 0 { 0 } else { indent });
            self.key(key);
            self.out.push(':');
            match value {
                Value::List(members) if !members.is_empty() => {
                    self.out.push('\n');
                    self.list(members, indent, false);
                }
                Value::Map(pairs) if !pairs.is_empty() => {
                    self.out.push('\n');
                    self.map(pairs, indent + 2, false);
                }
                scalar => self.line(scalar, indent),
            }
        }
    }

    fn indent(&mut self, count: usize) {
        self.out.extend(std::iter::repeat_n(' ', count));
    }

    /// The rest of a line.
    fn line(&mut self, scalar: &Value, indent: usize) {
        self.out.push(' ');
        self.scalar(scalar, indent);
        self.out.push('\n');
    }

    fn scalar(&mut self, value: &Value, indent: usize) {
        match value {
            Value::Nil => self.out.push_str("null"),
            Value::Bool(b) => self.out.push_str(if *b { "true" } else { "false" }),
            Value::Number(n) => self.number(*n),
            Value::String(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) if is_literal(text) => self.literal(text, indent),
                Ok(text) => self.text(text),
                Err(_) => self.binary(bytes),
            },
            Value::List(_) | Value::Map(_) => self.out.push_str("[]"),
        }
    }

    fn key(&mut self, key: &Value) {
        match key {
            Value::String(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) => self.text(text),
                Err(_) => self.binary(bytes),
            },
            other => self.scalar(other, 0),
        }
    }

    /// Integers inside int64 with all their digits, others as Go's shortest form, which no reader
    /// takes for an integer.
    fn number(&mut self, n: f64) {
        const INT64_BOUND: f64 = 9_223_372_036_854_775_808.0;
        match n {
            n if n.is_nan() => self.out.push_str(".nan"),
            f64::INFINITY => self.out.push_str(".inf"),
            f64::NEG_INFINITY => self.out.push_str("-.inf"),
            n if n.fract() == 0.0 && n.abs() < INT64_BOUND => self.out.push_str(&number_text(n)),
            n => self.out.push_str(&exponent_text(n, -4, 6)),
        }
    }

    fn binary(&mut self, bytes: &[u8]) {
        self.out.push_str("!!binary ");
        BASE64_STANDARD.encode_string(bytes, self.out);
    }

    /// Several lines as they are, indented.
    fn literal(&mut self, text: &str, indent: usize) {
        let body = text.strip_suffix('\n').unwrap_or(text);
        // What stands behind the bar tells what becomes of line ends at the end.
        self.out.push_str(match text.len() - body.len() {
            0 => "|-",
            _ if body.ends_with('\n') => "|+",
            _ => "|",
        });
        for line in body.split('\n') {
            self.out.push('\n');
            if !line.is_empty() {
                self.indent(indent + 2);
                self.out.push_str(line);
            }
        }
    }

    fn text(&mut self, text: &str) {
        if !text.chars().all(is_printable) || reads_as_something_else(text) {
            self.double_quoted(text);
        } else if is_plain(text) {
            self.out.push_str(text);
        } else {
            self.out.push('\'');
            self.out.push_str(&text.replace('\'', "''"));
            self.out.push('\'');
        }
    }

    fn double_quoted(&mut self, text: &str) {
        self.out.push('"');
        for c in text.chars() {
            match c {
                '"' => self.out.push_str("\\\""),
                '\\' => self.out.push_str("\\\\"),
                '\n' => self.out.push_str("\\n"),
                '\r' => self.out.push_str("\\r"),
                '\t' => self.out.push_str("\\t"),
                c if is_printable(c) => self.out.push(c),
                // Writing to a String cannot fail.
                c => {
                    let _ = match u32::from(c) {
                        code @ 0..=0xff => write!(self.out, "\\x{code:02X}"),
                        code @ 0x100..=0xffff => write!(self.out, "\\u{code:04X}"),
                        code => write!(self.out, "\\U{code:08X}"),
                    };
                }
            }
        }
        self.out.push('"');
    }
}

/// Numbers first, then texts, each in its own order.
fn sorted(pairs: &[(Value, Value)]) -> Vec<(&Value, &Value)> {
    let mut sorted: Vec<_> = pairs.iter().map(|(key, value)| (key, value)).collect();
    sorted.sort_by(|(a, _), (b, _)| match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.total_cmp(b),
        (Value::String(a), Value::String(b)) => a.cmp(b),
        (a, b) => rank(a).cmp(&rank(b)),
    });
    sorted
}

fn rank(key: &Value) -> u8 {
    match key {
        Value::Bool(b) => u8::from(*b),
        Value::Number(_) => 2,
        _ => 3,
    }
}

/// Whether a text is best written line by line: it has several, and none that only quotes can say.
fn is_literal(text: &str) -> bool {
    text.contains('\n')
        && !text.starts_with([' ', '\n'])
        && text.chars().all(|c| c == '\n' || is_printable(c))
}

/// What is written unescaped. Line ends of any kind and marks of byte order are not among them.
fn is_printable(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' | '\u{7f}')
}

/// Words that are no text without quotes, here or for readers that know dates and base 60.
fn reads_as_something_else(text: &str) -> bool {
    let digits_then = |mark: char| {
        let rest = text.trim_start_matches(|c: char| c.is_ascii_digit());
        rest.len() < text.len() && rest.starts_with(mark)
    };
    !matches!(scalar::resolve(text), Value::String(_))
        || text == "<<"
        || text == "="
        || digits_then('-')
        || digits_then(':')
}

fn is_plain(text: &str) -> bool {
    let is_indicator = |c: char| ",[]{}#&*!|>'\"%@`".contains(c);
    let mut chars = text.chars();
    let begins_well = match chars.next() {
        None | Some(' ') => false,
        Some('-' | '?' | ':') => chars.next().is_some_and(|c| c != ' '),
        Some(c) => !is_indicator(c),
    };
    begins_well
        && !text.ends_with([' ', ':'])
        && !text.contains(": ")
        && !text.contains(" #")
        && !text.starts_with("---")
        && !text.starts_with("...")
}
