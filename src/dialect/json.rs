//! JSON writer for [`Value`]: hook answers, attributes, error bodies; the scripts' `json.encode`
//! may use it too.
//!
//! Writes what the clients of the reference know: keys sorted bytewise, `<`, `>`, `&`, U+2028 and
//! U+2029 escaped so that the text may stand inside HTML, bytes that are no UTF-8 as `\ufffd` one
//! by one, numbers without an exponent for 1e-6 ≤ |n| < 1e21. Appends to a buffer and allocates
//! only to sort keys. Bounds: [`NESTING_MAX`].

use crate::value::{Value, json_number_text};
use std::borrow::Cow;
use std::io::Write;

/// What JSON cannot say. The buffer then holds half a text: cut it back to where it began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unencodable {
    /// The script's mistake: NaN or an infinity.
    #[error("json: unsupported value: {0}")]
    NotFinite(&'static str),
    /// The script's mistake: a table deeper than [`NESTING_MAX`].
    #[error("json: nested deeper than {NESTING_MAX}")]
    TooDeep,
}

/// Appends a value.
///
/// # Errors
/// [`Unencodable`]; what was appended so far stays.
pub fn value(out: &mut Vec<u8>, value: &Value) -> Result<(), Unencodable> {
    nested(out, value, 0)
}

/// `{"error":…}`, the body of most refusals.
pub fn error(text: &str) -> Vec<u8> {
    let mut body = b"{\"error\":".to_vec();
    string(&mut body, text.as_bytes());
    body.push(b'}');
    body
}

/// Appends a string with its quotes, safe inside HTML.
pub fn string(out: &mut Vec<u8>, text: &[u8]) {
    escaped(out, text, HtmlSafe::Yes);
}

/// Whether `<`, `>` and `&` are escaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HtmlSafe {
    Yes,
    No,
}

/// Appends a string with its quotes.
pub fn escaped(out: &mut Vec<u8>, text: &[u8], html: HtmlSafe) {
    out.push(b'"');
    for chunk in text.utf8_chunks() {
        valid(out, chunk.valid().as_bytes(), html);
        for _ in chunk.invalid() {
            out.extend_from_slice(b"\\ufffd");
        }
    }
    out.push(b'"');
}

/// Appends a number.
///
/// # Errors
/// [`Unencodable::NotFinite`].
pub fn number(out: &mut Vec<u8>, n: f64) -> Result<(), Unencodable> {
    if !n.is_finite() {
        return Err(Unencodable::NotFinite(if n.is_nan() {
            "NaN"
        } else if n > 0.0 {
            "+Inf"
        } else {
            "-Inf"
        }));
    }
    if n.fract() == 0.0 && n.abs() < EXACT_BELOW && !(n == 0.0 && n.is_sign_negative()) {
        // Ports, quotas, flags: the usual numbers need no text in between. Writing to a Vec cannot
        // fail.
        let _ = write!(out, "{}", n as i64);
        return Ok(());
    }
    let text = json_number_text(n);
    match text.split_once("e-0") {
        // One-digit negative exponents lose their zero: 1e-7.
        Some((digits, exponent)) => {
            out.extend_from_slice(digits.as_bytes());
            out.extend_from_slice(b"e-");
            out.extend_from_slice(exponent.as_bytes());
        }
        None => out.extend_from_slice(text.as_bytes()),
    }
    Ok(())
}

/// The members of a table with other keys than 1..n, by the text of their keys, sorted; of two keys
/// with one text (`1` and `"1"`) the first one stays.
pub fn members(map: &[(Value, Value)]) -> Vec<(Cow<'_, [u8]>, &Value)> {
    let mut members: Vec<_> =
        map.iter().filter_map(|(key, value)| Some((key_text(key)?, value))).collect();
    members.sort_by(|(a, _), (b, _)| a.cmp(b));
    members.dedup_by(|(a, _), (b, _)| a == b);
    members
}

fn key_text(key: &Value) -> Option<Cow<'_, [u8]>> {
    match key {
        Value::Bool(true) => Some(b"true".into()),
        Value::Bool(false) => Some(b"false".into()),
        other => other.text(),
    }
}

fn nested(out: &mut Vec<u8>, value: &Value, depth: usize) -> Result<(), Unencodable> {
    if depth > NESTING_MAX {
        return Err(Unencodable::TooDeep);
    }
    match value {
        Value::Nil => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Number(n) => number(out, *n)?,
        Value::String(text) => string(out, text),
        Value::List(items) => {
            out.push(b'[');
            for (at, item) in items.iter().enumerate() {
                separate(out, at);
                nested(out, item, depth + 1)?;
            }
            out.push(b']');
        }
        Value::Map(map) => {
            out.push(b'{');
            for (at, (key, item)) in members(map).into_iter().enumerate() {
                separate(out, at);
                string(out, &key);
                out.push(b':');
                nested(out, item, depth + 1)?;
            }
            out.push(b'}');
        }
    }
    Ok(())
}

fn separate(out: &mut Vec<u8>, at: usize) {
    if at > 0 {
        out.push(b',');
    }
}

/// Valid UTF-8: copies runs, escapes what must be.
#[expect(
    clippy::indexing_slicing,
    reason = "`run` and `at` are places in the text, `run` not behind `at`"
)]
fn valid(out: &mut Vec<u8>, text: &[u8], html: HtmlSafe) {
    let mut run = 0;
    for (at, &byte) in text.iter().enumerate() {
        let escape: &[u8] = match byte {
            b'"' => b"\\\"",
            b'\\' => b"\\\\",
            b'\n' => b"\\n",
            b'\r' => b"\\r",
            b'\t' => b"\\t",
            0x08 => b"\\b",
            0x0c => b"\\f",
            b'<' if html == HtmlSafe::Yes => b"\\u003c",
            b'>' if html == HtmlSafe::Yes => b"\\u003e",
            b'&' if html == HtmlSafe::Yes => b"\\u0026",
            0..0x20 => &[],
            0xe2 if text[at..].starts_with(LINE_SEPARATOR) => b"\\u2028",
            0xe2 if text[at..].starts_with(PARAGRAPH_SEPARATOR) => b"\\u2029",
            _ => continue,
        };
        out.extend_from_slice(&text[run..at]);
        run = at + if byte == 0xe2 { LINE_SEPARATOR.len() } else { 1 };
        if escape.is_empty() {
            let _ = write!(out, "\\u{byte:04x}");
        } else {
            out.extend_from_slice(escape);
        }
    }
    out.extend_from_slice(&text[run..]);
}

/// Deeper tables are refused, so that no script's table can exhaust the stack.
pub const NESTING_MAX: usize = 128;

/// Integral doubles below this are written as integers, digit by digit exact.
const EXACT_BELOW: f64 = 1e15;

const LINE_SEPARATOR: &[u8] = "\u{2028}".as_bytes();
const PARAGRAPH_SEPARATOR: &[u8] = "\u{2029}".as_bytes();

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(v: &Value) -> String {
        let mut out = Vec::new();
        value(&mut out, v).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn map(members: &[(&str, Value)]) -> Value {
        Value::Map(
            members.iter().map(|(key, value)| (Value::string(*key), value.clone())).collect(),
        )
    }

    #[test]
    fn strings_are_escaped_as_clients_know_it() {
        for (raw, json) in [
            (&b"plain"[..], r#""plain""#),
            (b"<b>&", r#""\u003cb\u003e\u0026""#),
            (b"\"\\/", r#""\"\\/""#),
            (b"\n\r\t\x08\x0c\x01\x1f\x7f", "\"\\n\\r\\t\\b\\f\\u0001\\u001f\x7f\""),
            ("ü€😀".as_bytes(), "\"ü€😀\""),
            ("a\u{2028}b\u{2029}c\u{2030}".as_bytes(), "\"a\\u2028b\\u2029c\u{2030}\""),
            (b"\xff", r#""\ufffd""#),
            (b"a\xe2\x82z\xe2", r#""a\ufffd\ufffdz\ufffd""#),
            (b"", r#""""#),
        ] {
            assert_eq!(text(&Value::string(raw)), json);
        }
    }

    #[test]
    fn html_characters_may_stay() {
        let mut out = Vec::new();
        escaped(&mut out, b"<a&\"", HtmlSafe::No);
        assert_eq!(out, br#""<a&\"""#);
    }

    #[test]
    fn numbers_are_plain_between_1e_minus_6_and_1e21() {
        for (n, json) in [
            (42.0, "42"),
            (-5.0, "-5"),
            (0.0, "0"),
            (-0.0, "-0"),
            (100.5, "100.5"),
            (0.000001, "0.000001"),
            (1e-7, "1e-7"),
            (1e-10, "1e-10"),
            (123456789012.0, "123456789012"),
            (1e15, "1000000000000000"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (1.5e300, "1.5e+300"),
            (5e-324, "5e-324"),
        ] {
            assert_eq!(text(&Value::Number(n)), json);
        }
    }

    #[test]
    fn what_is_no_number_is_an_error() {
        for (n, name) in [(f64::NAN, "NaN"), (f64::INFINITY, "+Inf"), (f64::NEG_INFINITY, "-Inf")] {
            assert_eq!(
                value(&mut Vec::new(), &Value::List(vec![Value::Number(n)])),
                Err(Unencodable::NotFinite(name))
            );
        }
    }

    #[test]
    fn keys_are_texts_and_sorted() {
        let mixed = Value::Map(vec![
            (Value::string("b"), Value::string("c")),
            (Value::Number(10.0), Value::Number(5.0)),
            (Value::Number(1.0), Value::string("a")),
            (Value::Bool(true), Value::Nil),
            (Value::string("1"), Value::string("second")),
        ]);
        assert_eq!(text(&mixed), r#"{"1":"a","10":5,"b":"c","true":null}"#);
    }

    #[test]
    fn tables_nest() {
        let deep = map(&[
            ("list", Value::List(vec![Value::Number(1.0), Value::List(vec![])])),
            ("m", map(&[("n", Value::string("ü"))])),
        ]);
        assert_eq!(text(&deep), r#"{"list":[1,[]],"m":{"n":"ü"}}"#);
    }

    #[test]
    fn a_bottomless_table_is_refused() {
        let mut deep = Value::Nil;
        for _ in 0..NESTING_MAX {
            deep = Value::List(vec![deep]);
        }
        assert_eq!(value(&mut Vec::new(), &deep), Ok(()));
        assert_eq!(value(&mut Vec::new(), &Value::List(vec![deep])), Err(Unencodable::TooDeep));
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Nil),
            any::<bool>().prop_map(Value::Bool),
            any::<f64>().prop_filter("finite", |n| n.is_finite()).prop_map(Value::Number),
            any::<Vec<u8>>().prop_map(Value::String),
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::List),
                prop::collection::vec((any::<Vec<u8>>().prop_map(Value::String), inner), 0..5)
                    .prop_map(Value::Map),
            ]
        })
    }

    proptest! {
        #[test]
        fn another_reader_understands_it(v in any_value()) {
            let mut out = Vec::new();
            value(&mut out, &v).unwrap();
            prop_assert!(serde_json::from_slice::<serde_json::Value>(&out).is_ok());
        }

        #[test]
        fn a_string_comes_back(s in any::<String>()) {
            let mut out = Vec::new();
            string(&mut out, s.as_bytes());
            prop_assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), s);
        }

        #[test]
        fn a_number_comes_back(n in any::<f64>().prop_filter("finite", |n| n.is_finite())) {
            let mut out = Vec::new();
            number(&mut out, n).unwrap();
            prop_assert_eq!(std::str::from_utf8(&out).unwrap().parse::<f64>().unwrap().to_bits(), n.to_bits());
        }
    }
}
