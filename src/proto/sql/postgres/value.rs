//! Values in text form, by their type, into a [`Table`].
//!
//! Numbers and booleans are what they are; timestamps and dates are Unix seconds; `bytea` is
//! decoded; one-dimensional arrays are lists of texts. All else is text. Where the reference reads
//! every text of `{…}` as an array, here only array types are. Rules: the server's settings
//! `DateStyle=ISO`, and `bytea_output` of either kind.

use crate::proto::sql::{Malformed, Table};
use jiff::civil::{Date, DateTime, Time};

/// What the server's type means to scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    Bool,
    Number,
    Bytes,
    /// `timestamp`, `timestamptz`, `date`.
    Moment,
    Array,
    Text,
}

impl Type {
    /// The meaning of a type's number, which is fixed for the types that come with the server.
    pub fn of(oid: u32) -> Type {
        match oid {
            16 => Type::Bool,
            17 => Type::Bytes,
            // int8, int2, int4, float4, float8.
            20 | 21 | 23 | 700 | 701 => Type::Number,
            // date, timestamp, timestamptz.
            1082 | 1114 | 1184 => Type::Moment,
            // _json, _xml, _point, _line, _cidr, _circle, _macaddr8, _money.
            199 | 143 | 1017 | 629 | 651 | 719 | 775 | 791 => Type::Array,
            // _bool, _bytea, _char, _name, _int2 … _polygon, _oid, _macaddr, _inet.
            1000..=1016 | 1018..=1028 | 1040 | 1041 => Type::Array,
            // _timestamp, _date, _time, _timestamptz, _interval, _numeric, _timetz, _bit, _varbit.
            1115 | 1182 | 1183 | 1185 | 1187 | 1231 | 1270 | 1561 | 1563 => Type::Array,
            // _uuid, _jsonb, ranges.
            2951 | 3807 | 3905 | 3907 | 3909 | 3911 | 3913 | 3927 => Type::Array,
            _ => Type::Text,
        }
    }
}

/// Appends a value that is not NULL. Text that is not what its type promises stays text.
///
/// # Errors
/// [`Malformed::TooLarge`].
pub fn push(text: &[u8], kind: Type, table: &mut Table) -> Result<(), Malformed> {
    match kind {
        Type::Bool if text == b"t" => table.push_bool(true),
        Type::Bool if text == b"f" => table.push_bool(false),
        Type::Number => match number(text) {
            Some(number) => table.push_number(number),
            None => return table.push_text(text),
        },
        Type::Bytes => match bytes(text) {
            Some(bytes) => return table.push_text(&bytes),
            None => return table.push_text(text),
        },
        Type::Moment => match seconds(text) {
            Some(seconds) => table.push_number(seconds),
            None => return table.push_text(text),
        },
        Type::Array => match array(text) {
            Some(members) => table.push_list(members),
            None => return table.push_text(text),
        },
        Type::Bool | Type::Text => return table.push_text(text),
    }
    Ok(())
}

/// Also `NaN` and `Infinity`.
fn number(text: &[u8]) -> Option<f64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// `\x68692e`, or, where `bytea_output` is `escape`, `hi\056` with doubled backslashes: then no
/// value begins with `\x`.
fn bytes(text: &[u8]) -> Option<Vec<u8>> {
    if let Some(digits) = text.strip_prefix(b"\\x") {
        return hex::decode(digits).ok();
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    loop {
        rest = match rest {
            [] => return Some(out),
            [b'\\', b'\\', rest @ ..] => {
                out.push(b'\\');
                rest
            }
            [b'\\', a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', rest @ ..] => {
                out.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                rest
            }
            [b'\\', ..] => return None,
            [byte, rest @ ..] => {
                out.push(*byte);
                rest
            }
        };
    }
}

/// `2018-12-02`, `2018-12-02 03:33:05.25`, the latter also with an offset: `+05:30`.
fn seconds(text: &[u8]) -> Option<f64> {
    let text = std::str::from_utf8(text).ok()?;
    let Some((date, clock)) = text.split_once(' ') else {
        return civil(text.parse::<Date>().ok()?.to_datetime(Time::midnight()));
    };
    let (clock, offset) = match clock.find(['+', '-']) {
        Some(at) => clock.split_at_checked(at)?,
        None => (clock, ""),
    };
    let moment = date.parse::<Date>().ok()?.to_datetime(clock.parse().ok()?);
    Some(civil(moment)? - offset_seconds(offset)?)
}

/// Unix seconds of a moment in UTC.
fn civil(moment: DateTime) -> Option<f64> {
    let timestamp = jiff::tz::TimeZone::UTC.to_timestamp(moment).ok()?;
    Some(timestamp.as_second() as f64 + f64::from(timestamp.subsec_nanosecond()) / 1e9)
}

/// `+01`, `-03:30`, `+00:53:28`, or nothing.
fn offset_seconds(text: &str) -> Option<f64> {
    let Some(sign) = text.chars().next() else { return Some(0.0) };
    let mut total = 0;
    let mut unit = 3600;
    for part in text.get(1..)?.split(':') {
        total += part.parse::<u32>().ok().filter(|part| *part < 100)? * unit;
        unit /= 60;
    }
    Some(if sign == '-' { -f64::from(total) } else { f64::from(total) })
}

/// The members of a one-dimensional array: `{a,"b c"}`. None for one with NULL, of more dimensions,
/// or with bounds of its own.
fn array(text: &[u8]) -> Option<Vec<Vec<u8>>> {
    let inner = text.strip_prefix(b"{")?.strip_suffix(b"}")?;
    let mut members = Vec::new();
    if inner.is_empty() {
        return Some(members);
    }
    let mut rest = inner.iter().copied();
    loop {
        let mut member = Vec::new();
        let mut next = rest.next();
        let quoted = next == Some(b'"');
        if quoted {
            loop {
                match rest.next()? {
                    b'"' => break,
                    b'\\' => member.push(rest.next()?),
                    byte => member.push(byte),
                }
            }
            next = rest.next();
        } else {
            while let Some(byte) = next {
                match byte {
                    b',' => break,
                    b'{' | b'}' | b'"' => return None,
                    b'\\' => member.push(rest.next()?),
                    byte => member.push(byte),
                }
                next = rest.next();
            }
            if member.is_empty() || member == b"NULL" {
                return None;
            }
        }
        members.push(member);
        match next {
            None => return Some(members),
            Some(b',') => {}
            Some(_) => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::sql::Cell;
    use proptest::prelude::*;

    fn show(text: &str, kind: Type) -> String {
        let mut table = Table::new(vec![Vec::new()]);
        push(text.as_bytes(), kind, &mut table).unwrap();
        match table.rows().flatten().next() {
            Some(Cell::Text(text)) => format!("'{}'", String::from_utf8_lossy(text)),
            Some(Cell::Number(number)) => number.to_string(),
            Some(Cell::List(members)) => format!(
                "{:?}",
                members.iter().map(|m| String::from_utf8_lossy(m)).collect::<Vec<_>>()
            ),
            cell => format!("{cell:?}"),
        }
    }

    #[test]
    fn texts_become_what_their_types_say() {
        for (kind, text, shown) in [
            (Type::Bool, "t", "Some(Bool(true))"),
            (Type::Bool, "f", "Some(Bool(false))"),
            (Type::Number, "-5", "-5"),
            (Type::Number, "1.5e10", "15000000000"),
            (Type::Number, "NaN", "NaN"),
            (Type::Number, "-Infinity", "-inf"),
            (Type::Bytes, "\\x6869", "'hi'"),
            (Type::Bytes, "\\x", "''"),
            (Type::Bytes, "\\x6", "'\\x6'"),
            (Type::Bytes, "hi", "'hi'"),
            (Type::Bytes, "", "''"),
            (Type::Bytes, "a\\\\x41\\303\\244", "'a\\x41ä'"),
            (Type::Bytes, "a\\9", "'a\\9'"),
            (Type::Text, "{a}", "'{a}'"),
            (Type::Moment, "2018-12-02", "1543708800"),
            (Type::Moment, "2018-12-02 03:33:05.25", "1543721585.25"),
            (Type::Moment, "2018-12-02 03:33:05.25+00", "1543721585.25"),
            (Type::Moment, "2018-12-02 03:33:05+05:30", "1543701785"),
            (Type::Moment, "2018-12-02 03:33:05-01", "1543725185"),
            (Type::Moment, "1800-01-01 00:00:00+00:53:28", "-5364665608"),
            (Type::Moment, "infinity", "'infinity'"),
            (Type::Moment, "0044-03-15 BC", "'0044-03-15 BC'"),
            (Type::Moment, "12345-01-01", "'12345-01-01'"),
        ] {
            assert_eq!(show(text, kind), shown, "{kind:?} {text}");
        }
    }

    #[test]
    fn arrays_become_lists() {
        for (text, shown) in [
            ("{}", "[]"),
            ("{a}", r#"["a"]"#),
            ("{1,2}", r#"["1", "2"]"#),
            ("{a b, c}", r#"["a b", " c"]"#),
            (r#"{"a","b c"}"#, r#"["a", "b c"]"#),
            (r#"{"a\"b","c\\d",""}"#, r#"["a\"b", "c\\d", ""]"#),
            (r#"{"NULL",null}"#, r#"["NULL", "null"]"#),
            ("{NULL}", "'{NULL}'"),
            ("{a,NULL}", "'{a,NULL}'"),
            ("{a,}", "'{a,}'"),
            ("{,a}", "'{,a}'"),
            (r#"{"}"#, r#"'{"}'"#),
            (r#"{"a" }"#, r#"'{"a" }'"#),
            ("{{a},{b}}", "'{{a},{b}}'"),
            ("[0:1]={1,2}", "'[0:1]={1,2}'"),
            (r"{a\", r"'{a\'"),
            (r"{\}", r"'{\}'"),
        ] {
            assert_eq!(show(text, Type::Array), shown, "{text}");
        }
    }

    proptest! {
        #[test]
        fn an_array_comes_back_as_it_was_quoted(members in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..6), 1..5)) {
            let mut text = vec![b'{'];
            for (at, member) in members.iter().enumerate() {
                if at > 0 {
                    text.push(b',');
                }
                text.push(b'"');
                for byte in member {
                    if matches!(byte, b'"' | b'\\') {
                        text.push(b'\\');
                    }
                    text.push(*byte);
                }
                text.push(b'"');
            }
            text.push(b'}');
            prop_assert_eq!(array(&text), Some(members));
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,30}", bytes in proptest::collection::vec(any::<u8>(), 0..30)) {
            for kind in [Type::Bool, Type::Number, Type::Bytes, Type::Moment, Type::Array, Type::Text] {
                let mut table = Table::new(vec![Vec::new()]);
                prop_assert!(push(text.as_bytes(), kind, &mut table).is_ok() && push(&bytes, kind, &mut table).is_ok());
                prop_assert_eq!(table.len(), 2);
            }
        }
    }
}
