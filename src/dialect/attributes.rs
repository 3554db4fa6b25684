//! A user's attributes as response headers of the service `header`.
//!
//! `X-Nauthilus-` and the attribute's name in canonical case, its values in the print form that
//! clients of the reference know: lists `[a b]`, maps `map[k:v]`, several values joined. Header
//! names that are none, and values without text, are dropped.

use crate::auth::attributes::Attributes;
use crate::dialect::json::{self, members};
use crate::proto::http::Response;
use crate::value::Value;

/// Adds one header per attribute. The response itself leaves out names that are none, and keeps
/// values on their line.
pub(super) fn headers(response: &mut Response<'_>, attributes: &Attributes) {
    let mut name = Vec::with_capacity(64);
    let mut text = Vec::with_capacity(64);
    for (at, (attribute, values)) in attributes.iter().enumerate() {
        // Names that differ in case only are one header: the first one has it. Ours are not for
        // scripts to say.
        let taken =
            attributes.iter().take(at).any(|(earlier, _)| earlier.eq_ignore_ascii_case(attribute));
        if taken
            || OURS.iter().any(|ours| ours.eq_ignore_ascii_case(attribute))
            || attribute.is_empty()
        {
            continue;
        }
        text.clear();
        print_values(&mut text, attribute, values);
        if !text.is_empty() {
            name.clear();
            canonical(&mut name, attribute);
            response.header(&name, &text);
        }
    }
}

/// Parts of header names after the prefix that the answer itself uses.
const OURS: [&[u8]; 2] = [b"session", b"memory-cache"];

/// MIME style: the letter after each hyphen in upper case, the others in lower case.
fn canonical(name: &mut Vec<u8>, attribute: &[u8]) {
    name.extend_from_slice(b"X-Nauthilus-");
    let mut upper = true;
    for byte in attribute {
        name.push(if upper { byte.to_ascii_uppercase() } else { byte.to_ascii_lowercase() });
        upper = *byte == b'-';
    }
}

fn print_values(text: &mut Vec<u8>, attribute: &[u8], values: &[Value]) {
    match values {
        [] | [Value::Nil] => {}
        values => {
            let separator = if attribute == b"dn" { b';' } else { b',' };
            for (at, value) in values.iter().enumerate() {
                if at > 0 {
                    text.push(separator);
                }
                print(text, value, 0);
            }
        }
    }
}

/// The print form of a value.
fn print(text: &mut Vec<u8>, value: &Value, depth: usize) {
    match value {
        _ if depth > json::NESTING_MAX => text.extend_from_slice("…".as_bytes()),
        Value::Nil => text.extend_from_slice(b"<nil>"),
        Value::Bool(true) => text.extend_from_slice(b"true"),
        Value::Bool(false) => text.extend_from_slice(b"false"),
        Value::Number(n) => {
            if let Err(json::Unencodable::NotFinite(name)) = json::number(text, *n) {
                text.extend_from_slice(name.as_bytes());
            }
        }
        Value::String(string) => text.extend_from_slice(string),
        Value::List(items) => {
            text.push(b'[');
            for (at, item) in items.iter().enumerate() {
                separate(text, at);
                print(text, item, depth + 1);
            }
            text.push(b']');
        }
        Value::Map(map) => {
            text.extend_from_slice(b"map[");
            for (at, (key, item)) in members(map).into_iter().enumerate() {
                separate(text, at);
                text.extend_from_slice(&key);
                text.push(b':');
                print(text, item, depth + 1);
            }
            text.push(b']');
        }
    }
}

fn separate(text: &mut Vec<u8>, at: usize) {
    if at > 0 {
        text.push(b' ');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(attribute: &str, values: &[Value]) -> String {
        let mut text = Vec::new();
        print_values(&mut text, attribute.as_bytes(), values);
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn names_are_canonical() {
        for (attribute, header) in [
            ("isAdmin", "X-Nauthilus-Isadmin"),
            ("mailHost", "X-Nauthilus-Mailhost"),
            ("x-y-Z", "X-Nauthilus-X-Y-Z"),
            ("a_b", "X-Nauthilus-A_b"),
        ] {
            let mut name = Vec::new();
            canonical(&mut name, attribute.as_bytes());
            assert_eq!(String::from_utf8(name).unwrap(), header);
        }
    }

    #[test]
    fn values_are_printed_by_type() {
        let map = Value::Map(vec![
            (Value::string("b"), Value::Number(1.0)),
            (Value::string("a"), Value::string("z")),
        ]);
        let list = Value::List(vec![
            Value::string("x"),
            Value::Bool(false),
            Value::Nil,
            Value::List(vec![]),
        ]);
        for (value, text) in [
            (Value::string("as is"), "as is"),
            (Value::Number(1001.0), "1001"),
            (Value::Number(-5.0), "-5"),
            (Value::Number(100.5), "100.5"),
            (Value::Number(0.1), "0.1"),
            (Value::Number(1e6), "1000000"),
            (Value::Number(123456789012.0), "123456789012"),
            (Value::Number(f64::NAN), "NaN"),
            (Value::Bool(true), "true"),
            (list, "[x false <nil> []]"),
            (map, "map[a:z b:1]"),
            (Value::Nil, ""),
        ] {
            assert_eq!(printed("x", &[value]), text);
        }
    }

    #[test]
    fn several_values_are_joined() {
        let two = [Value::string("a"), Value::string("b")];
        assert_eq!(printed("mail", &two), "a,b");
        assert_eq!(printed("dn", &two), "a;b");
        assert_eq!(printed("DN", &two), "a,b");
        assert_eq!(printed("mail", &[]), "");
    }
}
