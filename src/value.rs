//! A Lua value outside Lua: what scripts put into the request context, attributes, the process
//! cache, hook answers.
//!
//! Owned, `Send`, without identity: storing a table copies it. Numbers are doubles, strings are
//! bytes. Made and consumed by `script::convert`; the domain and the dialects only look at it.

/// One value. A table is a [`Value::List`] if its keys are exactly 1..n in order (the empty table
/// too), else a [`Value::Map`].
#[derive(Clone, Debug, PartialEq, Default)]
pub enum Value {
    #[default]
    Nil,
    Bool(bool),
    Number(f64),
    String(Vec<u8>),
    List(Vec<Value>),
    /// Keys are strings, numbers or booleans, in iteration order, no key twice.
    Map(Vec<(Value, Value)>),
}

impl Value {
    pub fn string(text: impl Into<Vec<u8>>) -> Value {
        Value::String(text.into())
    }

    /// About how much memory it takes, its own place included.
    pub fn bytes(&self) -> usize {
        size_of::<Value>()
            + match self {
                Value::Nil | Value::Bool(_) | Value::Number(_) => 0,
                Value::String(text) => text.len(),
                Value::List(members) => members.iter().map(Value::bytes).sum(),
                Value::Map(pairs) => {
                    pairs.iter().map(|(key, value)| key.bytes() + value.bytes()).sum()
                }
            }
    }

    /// The text of a string or number, numbers as LuaJIT's `tostring` has them; nothing for
    /// other types.
    pub fn text(&self) -> Option<std::borrow::Cow<'_, [u8]>> {
        match self {
            Value::String(s) => Some(s.as_slice().into()),
            Value::Number(n) => Some(number_text(*n).into_bytes().into()),
            _ => None,
        }
    }
}

/// A number as text for the host and its scripts (`tostring`, `print`, string arguments, log):
/// integral values inside int64 with all their digits, others with the fewest digits that
/// round-trip, and with an exponent where that is below -4 or above 5; `+Inf`, `-Inf`, `NaN`. Keys
/// in Redis are made of these texts, so they must be the same in every server that shares it.
pub fn number_text(n: f64) -> String {
    const INT64_BOUND: f64 = 9_223_372_036_854_775_808.0;
    if n.fract() == 0.0 && (-INT64_BOUND..INT64_BOUND).contains(&n) {
        return (n as i64).to_string();
    }
    exponent_text(n, -4, 6)
}

/// Plain notation for 1e-6 ≤ |n| < 1e21, else with an exponent: numbers in JSON and in attribute
/// headers. NaN and infinities, which JSON cannot say, come out as in
/// [`number_text`].
pub fn json_number_text(n: f64) -> String {
    if n == 0.0 {
        return if n.is_sign_negative() { "-0".into() } else { "0".into() };
    }
    exponent_text(n, -6, 21)
}

/// Shortest decimal without any exponent: numbers sent to Redis.
pub fn plain_number_text(n: f64) -> String {
    if n.is_nan() {
        "NaN".into()
    } else if n.is_infinite() {
        if n > 0.0 { "+Inf".into() } else { "-Inf".into() }
    } else {
        format!("{n}")
    }
}

/// `d.ddde±XX` when the decimal exponent is below `low` or at least `high`, plain otherwise;
/// shortest digits that round-trip.
pub fn exponent_text(n: f64, low: i32, high: i32) -> String {
    if !n.is_finite() {
        return plain_number_text(n);
    }
    let scientific = format!("{n:e}");
    let Some((digits, exponent)) = scientific.split_once('e') else { return scientific };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (low..high).contains(&exponent) {
        return format!("{n}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_as_scripts_see_them() {
        for (n, text) in [
            (1e15, "1000000000000000"),
            (9007199254740992.0, "9007199254740992"),
            (0.1 + 0.2, "0.30000000000000004"),
            (1e100, "1e+100"),
            (-5.0, "-5"),
            (1.5, "1.5"),
            (0.0, "0"),
            (-0.0, "0"),
            (1e6, "1000000"),
            (123_456.789, "123456.789"),
            (999_999.5, "999999.5"),
            (1_234_567.5, "1.2345675e+06"),
            (-1_234_567.5, "-1.2345675e+06"),
            (1_543_721_585.25, "1.54372158525e+09"),
            (0.0001, "0.0001"),
            (0.000_05, "5e-05"),
            (9_223_372_036_854_774_784.0, "9223372036854774784"),
            (-9_223_372_036_854_775_808.0, "-9223372036854775808"),
            (9_223_372_036_854_775_808.0, "9.223372036854776e+18"),
            (18_446_744_073_709_551_616.0, "1.8446744073709552e+19"),
            (5e-324, "5e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(number_text(n), text);
        }
    }

    #[test]
    fn numbers_in_json_stay_plain_below_1e21() {
        for (n, text) in [
            (1e6, "1000000"),
            (123456789012.0, "123456789012"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (1e-6, "0.000001"),
            (1e-7, "1e-07"),
            (100.5, "100.5"),
            (-0.0, "-0"),
        ] {
            assert_eq!(json_number_text(n), text);
        }
    }

    #[test]
    fn numbers_for_redis_have_no_exponent() {
        for (n, text) in [
            (42.0, "42"),
            (1e21, "1000000000000000000000"),
            (0.1 + 0.2, "0.30000000000000004"),
            (f64::INFINITY, "+Inf"),
        ] {
            assert_eq!(plain_number_text(n), text);
        }
    }
}
