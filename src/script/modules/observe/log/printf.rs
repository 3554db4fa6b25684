//! Texts made by Go's format verbs, as far as scripts use them: `%v %s %q %d %f %e %g %x %X %t %c
//! %%`, with flags, width and precision.
//!
//! A value that a verb does not fit shows as `%!d(text)`, a missing one as `%!d(MISSING)`; surplus
//! values are left out. Nothing raises: a log line must not break a login. Bounds: [`WIDTH_MAX`].
//! Rules: `lua/modules/log.md`.

use crate::script::ffi::{Call, Kind};
use crate::value;

/// A value of a log line.
#[derive(Clone, Debug, PartialEq)]
pub enum Operand {
    Nil,
    Bool(bool),
    Number(f64),
    Text(Vec<u8>),
    /// A table or the like, by its address.
    Other(String),
}

impl Operand {
    pub fn of(call: &Call<'_>, at: i32) -> Operand {
        match call.kind(at) {
            Kind::None | Kind::Nil => Operand::Nil,
            Kind::Bool => Operand::Bool(call.truthy(at)),
            Kind::Number => Operand::Number(call.raw_number(at)),
            Kind::String => Operand::Text(call.bytes(at).to_vec()),
            _ => Operand::Other(call.display(at)),
        }
    }

    pub fn text(&self) -> Vec<u8> {
        match self {
            Operand::Nil => b"<nil>".to_vec(),
            Operand::Bool(b) => b.to_string().into_bytes(),
            Operand::Number(n) => value::number_text(*n).into_bytes(),
            Operand::Text(text) => text.clone(),
            Operand::Other(text) => text.clone().into_bytes(),
        }
    }

    /// A number, or the number that a text is.
    fn number(&self) -> Option<f64> {
        match self {
            Operand::Number(n) => Some(*n),
            Operand::Text(text) => std::str::from_utf8(text).ok()?.trim().parse().ok(),
            _ => None,
        }
    }
}

/// `format` with its verbs replaced by `operands`, one after the other.
pub fn printf(format: &[u8], operands: &[Operand]) -> Vec<u8> {
    let (mut out, mut rest, mut operands) =
        (Vec::with_capacity(format.len()), format, operands.iter());
    while let Some(at) = memchr::memchr(b'%', rest) {
        out.extend_from_slice(rest.get(..at).unwrap_or_default());
        rest = rest.get(at + 1..).unwrap_or_default();
        let spec = Spec::read(&mut rest);
        let Some(verb) = take_char(&mut rest) else {
            out.extend_from_slice(b"%!(NOVERB)");
            break;
        };
        match (verb, operands.as_slice()) {
            ('%', _) => out.push(b'%'),
            (verb, []) => out.extend_from_slice(format!("%!{verb}(MISSING)").as_bytes()),
            (verb, [operand, ..]) => {
                operands.next();
                spec.push(&mut out, verb, operand);
            }
        }
    }
    out.extend_from_slice(rest);
    out
}

/// What stands between `%` and the verb.
#[derive(Debug, Default)]
struct Spec {
    left: bool,
    plus: bool,
    space: bool,
    zero: bool,
    alternate: bool,
    width: usize,
    precision: Option<usize>,
}

impl Spec {
    fn read(rest: &mut &[u8]) -> Spec {
        let mut spec = Spec::default();
        while let Some((&flag, after)) = rest.split_first() {
            match flag {
                b'-' => spec.left = true,
                b'+' => spec.plus = true,
                b' ' => spec.space = true,
                b'0' => spec.zero = true,
                b'#' => spec.alternate = true,
                _ => break,
            }
            *rest = after;
        }
        spec.width = take_number(rest);
        if let Some((b'.', after)) = rest.split_first() {
            *rest = after;
            spec.precision = Some(take_number(rest));
        }
        spec
    }

    fn push(&self, out: &mut Vec<u8>, verb: char, operand: &Operand) {
        let text = match verb {
            'v' | 's' => self.cut(operand.text()),
            'q' => quoted(&operand.text()),
            't' if matches!(operand, Operand::Bool(_)) => operand.text(),
            'x' | 'X' => match operand {
                Operand::Text(text) => hex(verb, hex::encode(text)),
                _ => operand
                    .number()
                    .map(|n| self.hexadecimal(verb, n))
                    .unwrap_or_else(|| unfit(verb, operand)),
            },
            'd' => operand
                .number()
                .map(|n| self.signed(n, whole(n)))
                .unwrap_or_else(|| unfit(verb, operand)),
            'e' | 'E' | 'f' | 'F' | 'g' | 'G' => operand
                .number()
                .map(|n| self.signed(n, self.decimal(verb, n)))
                .unwrap_or_else(|| unfit(verb, operand)),
            'c' => match operand.number().and_then(|n| char::from_u32(n as u32)) {
                Some(c) => c.to_string().into_bytes(),
                None => unfit(verb, operand),
            },
            _ => unfit(verb, operand),
        };
        self.pad(out, text, "deEfFgGxX".contains(verb) && operand.number().is_some());
    }

    /// Texts are cut after so many characters.
    fn cut(&self, text: Vec<u8>) -> Vec<u8> {
        let Some(precision) = self.precision else { return text };
        String::from_utf8_lossy(&text).chars().take(precision).collect::<String>().into_bytes()
    }

    fn decimal(&self, verb: char, n: f64) -> String {
        if !n.is_finite() {
            return value::number_text(n).trim_start_matches(['+', '-']).into();
        }
        let n = n.abs();
        match verb {
            'f' | 'F' => format!("{n:.*}", self.precision.unwrap_or(6)),
            'e' | 'E' => {
                let text = format!("{n:.*e}", self.precision.unwrap_or(6));
                let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
                let exponent: i32 = exponent.parse().unwrap_or(0);
                let sign = if exponent < 0 { '-' } else { '+' };
                format!("{digits}{}{sign}{:02}", verb, exponent.abs())
            }
            // Shortest: the number rule of texts differs only in large whole numbers.
            _ => value::number_text(n),
        }
    }

    fn hexadecimal(&self, verb: char, n: f64) -> Vec<u8> {
        let digits = format!("{}{:x}", if self.alternate { "0x" } else { "" }, n.abs() as u64);
        self.signed(n, String::from_utf8_lossy(&hex(verb, digits)).into_owned())
    }

    fn signed(&self, n: f64, digits: String) -> Vec<u8> {
        let sign = if n < 0.0 {
            "-"
        } else if self.plus {
            "+"
        } else if self.space {
            " "
        } else {
            ""
        };
        format!("{sign}{digits}").into_bytes()
    }

    fn pad(&self, out: &mut Vec<u8>, text: Vec<u8>, is_number: bool) {
        let missing = self.width.saturating_sub(String::from_utf8_lossy(&text).chars().count());
        if self.left {
            out.extend_from_slice(&text);
            out.resize(out.len() + missing, b' ');
        } else if self.zero && is_number {
            let signs = usize::from(matches!(text.first(), Some(b'+' | b'-' | b' ')));
            let (sign, digits) = text.split_at(signs);
            out.extend_from_slice(sign);
            out.resize(out.len() + missing, b'0');
            out.extend_from_slice(digits);
        } else {
            out.resize(out.len() + missing, b' ');
            out.extend_from_slice(&text);
        }
    }
}

/// Without sign and fraction.
fn whole(n: f64) -> String {
    if n.is_nan() { "NaN".into() } else { (n.abs() as u64).to_string() }
}

fn hex(verb: char, digits: String) -> Vec<u8> {
    if verb == 'X' { digits.to_uppercase().into_bytes() } else { digits.into_bytes() }
}

fn unfit(verb: char, operand: &Operand) -> Vec<u8> {
    [format!("%!{verb}(").as_bytes(), &operand.text(), b")"].concat()
}

/// In double quotes; what cannot be seen is escaped.
fn quoted(text: &[u8]) -> Vec<u8> {
    let mut out = String::from("\"");
    for chunk in text.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '"' | '\\' => out.extend(['\\', c]),
                '\u{7}' => out.push_str("\\a"),
                '\u{8}' => out.push_str("\\b"),
                '\u{b}' => out.push_str("\\v"),
                '\u{c}' => out.push_str("\\f"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                c if c.is_ascii_control() => out.push_str(&format!("\\x{:02x}", u32::from(c))),
                c if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
                c => out.push(c),
            }
        }
        chunk.invalid().iter().for_each(|byte| out.push_str(&format!("\\x{byte:02x}")));
    }
    out.push('"');
    out.into_bytes()
}

/// The digits at the start; more than [`WIDTH_MAX`] count as that.
fn take_number(rest: &mut &[u8]) -> usize {
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, after) = rest.split_at(digits);
    *rest = after;
    number.iter().fold(0, |sum: usize, digit| (sum * 10 + usize::from(digit - b'0')).min(WIDTH_MAX))
}

/// The character at the start; a byte that belongs to none counts as one.
fn take_char(rest: &mut &[u8]) -> Option<char> {
    // No character is longer than four bytes. Looking at the whole rest for each verb would be
    // quadratic.
    let chunk = rest.get(..4).unwrap_or(rest).utf8_chunks().next()?;
    let c = chunk.valid().chars().next().unwrap_or(char::REPLACEMENT_CHARACTER);
    let len = if chunk.valid().is_empty() { 1 } else { c.len_utf8() };
    *rest = rest.get(len..).unwrap_or_default();
    Some(c)
}

/// Largest width and precision.
pub const WIDTH_MAX: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(value: &str) -> Operand {
        Operand::Text(value.into())
    }

    #[test]
    fn verbs_show_their_values() {
        for (format, operand, shown) in [
            ("%s", text("a"), "a"),
            ("%v", Operand::Number(1.5), "1.5"),
            ("%v", Operand::Nil, "<nil>"),
            ("%v", Operand::Bool(true), "true"),
            ("%t", Operand::Bool(false), "false"),
            ("%d", Operand::Number(42.9), "42"),
            ("%d", Operand::Number(-42.0), "-42"),
            ("%+d|", Operand::Number(7.0), "+7|"),
            ("%05d", Operand::Number(-42.0), "-0042"),
            ("%-5d|", Operand::Number(42.0), "42   |"),
            ("%5s|", text("ä"), "    ä|"),
            ("%.2s", text("äöü"), "äö"),
            ("%f", Operand::Number(1.5), "1.500000"),
            ("%5.2f", Operand::Number(1.234_5), " 1.23"),
            ("%.1e", Operand::Number(-12345.0), "-1.2e+04"),
            ("%g", Operand::Number(0.1), "0.1"),
            ("%x", Operand::Number(255.0), "ff"),
            ("%#X", Operand::Number(255.0), "0XFF"),
            ("%x", text("az"), "617a"),
            ("%c", Operand::Number(228.0), "ä"),
            ("%q", text("a\"\n\u{1}ä"), "\"a\\\"\\n\\x01ä\""),
            ("%f", Operand::Number(f64::NEG_INFINITY), "-Inf"),
            ("%d", text("12"), "12"),
            ("100%%", Operand::Nil, "100%"),
        ] {
            assert_eq!(
                String::from_utf8_lossy(&printf(format.as_bytes(), &[operand])),
                shown,
                "{format}"
            );
        }
    }

    #[test]
    fn what_does_not_fit_is_shown_as_such() {
        for (format, operands, shown) in [
            ("%d", &[text("x")][..], "%!d(x)"),
            ("%z", &[Operand::Number(1.0)], "%!z(1)"),
            ("%s and %s", &[text("a")], "a and %!s(MISSING)"),
            ("%s", &[text("a"), text("b")], "a"),
            ("50%", &[], "50%!(NOVERB)"),
            ("%é", &[Operand::Nil], "%!é(<nil>)"),
            ("%t", &[Operand::Nil], "%!t(<nil>)"),
        ] {
            assert_eq!(
                String::from_utf8_lossy(&printf(format.as_bytes(), operands)),
                shown,
                "{format}"
            );
        }
        assert_eq!(printf(b"%99999999999999999999d", &[Operand::Number(1.0)]).len(), WIDTH_MAX);
        assert_eq!(printf(b"%q", &[Operand::Text(b"\xff".to_vec())]), br#""\xff""#);
    }

    proptest! {
        #[test]
        fn no_format_upsets_it(format: Vec<u8>, n: f64, word: Vec<u8>) {
            let verbs = format.iter().filter(|byte| **byte == b'%').count();
            let shown = printf(&format, &[Operand::Number(n), Operand::Text(word.clone()), Operand::Nil]);
            prop_assert!(shown.len() <= format.len() + word.len() * 4 + (verbs + 1) * (2 * WIDTH_MAX + 400));
        }

        #[test]
        fn what_has_no_verb_stays(format in "[^%]*") {
            prop_assert_eq!(printf(format.as_bytes(), &[]), format.into_bytes());
        }
    }
}
