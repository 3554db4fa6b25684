//! What a plain word means: YAML 1.1 as Go's yaml.v2 reads it.
//!
//! `yes no on off y n` are booleans, `010` is octal, digits may have underscores. Dates stay text.
//! Rules: `lua/modules/yaml.md`.

use crate::value::Value;

/// The value of an unquoted, untagged word. An integer that only unsigned 64 bits hold is nil, as
/// in the reference.
pub fn resolve(word: &str) -> Value {
    match word {
        "" | "~" | "null" | "Null" | "NULL" => Value::Nil,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            Value::Bool(true)
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            Value::Bool(false)
        }
        ".nan" | ".NaN" | ".NAN" => Value::Number(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Value::Number(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => Value::Number(f64::NEG_INFINITY),
        _ => number(word).unwrap_or_else(|| Value::string(word)),
    }
}

fn number(word: &str) -> Option<Value> {
    if !word.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.'))
        || word.len() > NUMBER_LEN_MAX
    {
        return None;
    }
    let digits = word.replace('_', "");
    match integer(&digits) {
        Some(n) if i64::try_from(n).is_ok() => Some(Value::Number(n as f64)),
        Some(n) if u64::try_from(n).is_ok() => Some(Value::Nil),
        _ if is_float(&digits) => digits.parse().ok().map(Value::Number),
        _ => None,
    }
}

/// Digits with the prefixes of Go's literals.
fn integer(text: &str) -> Option<i128> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, text.get(1..)?),
        b'+' => (false, text.get(1..)?),
        _ => (false, text),
    };
    let lower = digits.to_ascii_lowercase();
    let (digits, radix) = match lower.get(..2) {
        Some("0x") => (lower.get(2..)?, 16),
        Some("0o") => (lower.get(2..)?, 8),
        Some("0b") => (lower.get(2..)?, 2),
        Some(two) if two.starts_with('0') => (lower.get(1..)?, 8),
        _ => (lower.as_str(), 10),
    };
    // from_str_radix would take a second sign.
    if digits.starts_with(['+', '-']) {
        return None;
    }
    let magnitude = i128::from_str_radix(digits, radix).ok()?;
    Some(if negative { -magnitude } else { magnitude })
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
fn is_float(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => {
            (mantissa, Some(exponent.strip_prefix(['-', '+']).unwrap_or(exponent)))
        }
        None => (unsigned, None),
    };
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
    all_digits(whole)
        && all_digits(fraction)
        && !(whole.is_empty() && fraction.is_empty())
        && exponent.is_none_or(|digits| !digits.is_empty() && all_digits(digits))
}

/// Longer words are text, whatever they look like.
const NUMBER_LEN_MAX: usize = 400;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_mean_what_they_mean_in_yaml_1_1() {
        for (word, value) in [
            ("", Value::Nil),
            ("NULL", Value::Nil),
            ("nUll", Value::string("nUll")),
            ("on", Value::Bool(true)),
            ("oN", Value::string("oN")),
            ("N", Value::Bool(false)),
            ("12", Value::Number(12.0)),
            ("-12", Value::Number(-12.0)),
            ("+12", Value::Number(12.0)),
            ("1_000", Value::Number(1000.0)),
            ("010", Value::Number(8.0)),
            ("0", Value::Number(0.0)),
            ("00", Value::Number(0.0)),
            ("08", Value::Number(8.0)),
            ("0o17", Value::Number(15.0)),
            ("0b101", Value::Number(5.0)),
            ("0x1F", Value::Number(31.0)),
            ("-0x1f", Value::Number(-31.0)),
            ("1e3", Value::Number(1000.0)),
            ("1.", Value::Number(1.0)),
            (".5", Value::Number(0.5)),
            ("-1.5E-1", Value::Number(-0.15)),
            ("-.inf", Value::Number(f64::NEG_INFINITY)),
            ("9223372036854775807", Value::Number(9223372036854775807.0)),
            ("9223372036854775808", Value::Nil),
            ("18446744073709551616", Value::Number(18446744073709551616.0)),
            ("-9223372036854775809", Value::Number(-9223372036854775809.0)),
            ("2001-12-14", Value::string("2001-12-14")),
            ("12:30:45", Value::string("12:30:45")),
            ("0x", Value::string("0x")),
            ("0x-1", Value::string("0x-1")),
            ("--1", Value::string("--1")),
            (".", Value::string(".")),
            ("-", Value::string("-")),
            ("1e", Value::string("1e")),
            ("e3", Value::string("e3")),
            ("1.2.3", Value::string("1.2.3")),
            ("inf", Value::string("inf")),
            ("_1", Value::string("_1")),
        ] {
            assert_eq!(resolve(word), value, "{word}");
        }
        assert!(matches!(resolve(".nan"), Value::Number(n) if n.is_nan()));
    }
}
