//! `humanize`: sizes, quantities and times as people write them.
//!
//! Rules: `lua/modules/humanize.md`.

use crate::script::ffi::{Call, Fault, Function};
use crate::script::modules::Module;
use std::time::{SystemTime, UNIX_EPOCH};

pub static MODULE: Module = Module {
    names: &["humanize"],
    functions: &[
        Function { name: "ibytes", body: ibytes },
        Function { name: "parse_bytes", body: parse_bytes },
        Function {
            name: "si",
            body: |call| push(call, &quantity(call.number(1)?, &call.text(2)?)),
        },
        Function { name: "time", body: time },
    ],
    waiting: &[],
    setup: None,
    lua: None,
};

fn push(call: &Call<'_>, text: &str) -> Result<i32, Fault> {
    call.push_string(text.as_bytes());
    Ok(1)
}

/// `ibytes(n)` → `1.5 KiB`.
fn ibytes(call: &Call<'_>) -> Result<i32, Fault> {
    let n = call.number(1)?;
    if n.is_nan() || n <= -1.0 {
        return Err(Fault::Argument(1, "must not be negative".into()));
    }
    push(call, &size(n as u64))
}

/// `parse_bytes(text)` → how many bytes `1.5 KiB` are.
fn parse_bytes(call: &Call<'_>) -> Result<i32, Fault> {
    match bytes_of(&call.text(1)?) {
        Ok(bytes) => call.push_number(bytes),
        Err(error) => return Ok(call.nil_and(error.to_string())),
    }
    Ok(1)
}

/// `time(seconds)` → how far that is from now.
fn time(call: &Call<'_>) -> Result<i32, Fault> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    push(call, &distance(call.number(1)?.trunc(), now))
}

/// Powers of 1024 with one decimal below 10 and none above, rounded half up.
fn size(bytes: u64) -> String {
    let mut power = 0;
    while power + 1 < BINARY_UNITS.len() && bytes >> (10 * (power + 1)) > 0 {
        power += 1;
    }
    let unit = BINARY_UNITS.get(power).copied().unwrap_or_default();
    if bytes < 10 {
        return format!("{bytes} {unit}");
    }
    let value = (bytes as f64 / 1024_f64.powi(power as i32) * 10.0 + 0.5).floor() / 10.0;
    if value < 10.0 { format!("{value:.1} {unit}") } else { format!("{value:.0} {unit}") }
}

/// Why a text is no size.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoSize {
    #[error("strconv.ParseFloat: parsing {0:?}: invalid syntax")]
    Number(String),
    #[error("unhandled size name: {0}")]
    Unit(String),
    #[error("too large: {0}")]
    TooLarge(String),
}

/// A number, perhaps with commas between its digits, and a unit in any case: powers of 1024 with an
/// `i`, of 1000 without.
///
/// # Errors
/// [`NoSize`]
pub fn bytes_of(text: &str) -> Result<f64, NoSize> {
    let digits =
        text.find(|c: char| !(c.is_numeric() || c == '.' || c == ',')).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number = number.replace(',', "");
    let value: f64 = number.parse().map_err(|_| NoSize::Number(number))?;
    let unit = unit.trim().to_lowercase();
    let factor = factor(&unit).ok_or(NoSize::Unit(unit))?;
    let bytes = value * factor;
    if bytes >= u64::MAX as f64 {
        return Err(NoSize::TooLarge(text.into()));
    }
    Ok(bytes.trunc())
}

fn factor(unit: &str) -> Option<f64> {
    let unit = unit.strip_suffix('b').unwrap_or(unit);
    let (letter, base) = match unit.strip_suffix('i') {
        Some(letter) => (letter, 1024_f64),
        None => (unit, 1000_f64),
    };
    match letter {
        "" => (base == 1000.0).then_some(1.0),
        _ => ["k", "m", "g", "t", "p", "e"]
            .iter()
            .position(|known| *known == letter)
            .map(|at| base.powi(at as i32 + 1)),
    }
}

/// `1.234567 Mm`: a factor of a thousand as the unit's prefix, up to six decimals.
fn quantity(value: f64, unit: &str) -> String {
    let (value, prefix) = scaled(value);
    let digits = format!("{value:.6}");
    let digits = if digits.contains('.') {
        digits.trim_end_matches('0').trim_end_matches('.')
    } else {
        &digits
    };
    format!("{digits} {prefix}{unit}")
}

/// What is below or above all prefixes has none.
fn scaled(value: f64) -> (f64, &'static str) {
    if value == 0.0 || !value.is_finite() {
        return (value, "");
    }
    let thousands = (value.abs().log10() / 3.0).floor() as i32;
    let of = |thousands: i32| value / 10_f64.powi(thousands * 3);
    // Rounding may have put the value right below the next prefix.
    let thousands = if of(thousands).abs() >= 1000.0 { thousands + 1 } else { thousands };
    let prefix = usize::try_from(thousands + 10).ok().and_then(|at| SI_PREFIXES.get(at)).copied();
    (of(thousands), prefix.unwrap_or_default())
}

/// How far `at` is from `now`, both in seconds.
fn distance(at: f64, now: f64) -> String {
    let direction = if at > now { "from now" } else { "ago" };
    let seconds = (now - at).abs();
    let Some((_, form)) = DISTANCES.iter().find(|(below, _)| seconds < *below) else {
        return format!("a long while {direction}");
    };
    match form {
        Form::Bare(text) => (*text).into(),
        Form::One(text) => format!("{text} {direction}"),
        Form::Many(unit, length) => format!("{} {unit} {direction}", (seconds / length).floor()),
    }
}

enum Form {
    Bare(&'static str),
    One(&'static str),
    /// Unit and how many seconds it has.
    Many(&'static str, f64),
}

const MINUTE: f64 = 60.0;
const HOUR: f64 = 60.0 * MINUTE;
const DAY: f64 = 24.0 * HOUR;
const WEEK: f64 = 7.0 * DAY;
const MONTH: f64 = 30.0 * DAY;
const YEAR: f64 = 12.0 * MONTH;

/// What is said of distances below so many seconds.
static DISTANCES: &[(f64, Form)] = &[
    (1.0, Form::Bare("now")),
    (2.0, Form::One("1 second")),
    (MINUTE, Form::Many("seconds", 1.0)),
    (2.0 * MINUTE, Form::One("1 minute")),
    (HOUR, Form::Many("minutes", MINUTE)),
    (2.0 * HOUR, Form::One("1 hour")),
    (DAY, Form::Many("hours", HOUR)),
    (2.0 * DAY, Form::One("1 day")),
    (WEEK, Form::Many("days", DAY)),
    (2.0 * WEEK, Form::One("1 week")),
    (MONTH, Form::Many("weeks", WEEK)),
    (2.0 * MONTH, Form::One("1 month")),
    (YEAR, Form::Many("months", MONTH)),
    (1.5 * YEAR, Form::One("1 year")),
    (2.0 * YEAR, Form::One("2 years")),
    (37.0 * YEAR, Form::Many("years", YEAR)),
];

const BINARY_UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

/// From 1e-30 to 1e30.
const SI_PREFIXES: [&str; 21] = [
    "q", "r", "y", "z", "a", "f", "p", "n", "µ", "m", "", "k", "M", "G", "T", "P", "E", "Z", "Y",
    "R", "Q",
];

#[cfg(test)]
mod tests;
