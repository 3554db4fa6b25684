//! The syntax of values: how a scalar's text becomes a bool, a number, a duration, a list.
//!
//! A [`Word`] is what one scalar says; a [`Value`] is what one key takes (a word, a list, a map of
//! lists). Types that cannot be wrong once they are read. Called by `keys`. Numbers given where
//! text is expected keep the digits they were written with: a password of digits stays that
//! password.

use crate::config::node::{Kind, Mark, Node};
use crate::config::problem::{Report, Wrong};
use crate::secret::Secret;
use std::path::PathBuf;
use std::time::Duration;

/// A type that one scalar can say.
pub trait Word: Sized {
    fn parse(text: &str) -> Result<Self, Wrong>;

    /// As [`Word::parse`] reads it; a secret gives [`MASK`].
    fn text(&self) -> String;
}

/// A type that one key can take.
pub trait Value: Sized {
    /// How the environment may give it.
    const SHAPE: Shape;

    /// Reads it, or says what is wrong with it.
    fn read(node: &Node, place: &mut Place<'_>) -> Option<Self>;

    fn write(&self) -> Node;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// One text.
    Scalar,
    /// One text, its elements separated by commas.
    List,
    /// Not at all: only an empty text, which empties it.
    Maps,
}

/// Where a value is being read.
pub struct Place<'a> {
    pub(super) path: String,
    pub(super) report: &'a mut Report,
}

impl Place<'_> {
    pub fn wrong(&mut self, mark: &Mark, wrong: Wrong) {
        self.report.wrong(mark, &self.path, wrong);
    }

    /// The place of an element or entry below this one: `suffix` is `[3]` or `.name`.
    pub fn below(&mut self, suffix: &str) -> Place<'_> {
        Place { path: format!("{}{suffix}", self.path), report: &mut *self.report }
    }
}

/// What the effective configuration shows for a secret: long enough to pass every rule of length
/// when it is read again.
pub const MASK: &str = "********************************";

impl<T: Word> Value for T {
    const SHAPE: Shape = Shape::Scalar;

    fn read(node: &Node, place: &mut Place<'_>) -> Option<T> {
        let Kind::Scalar(text) = &node.kind else {
            place.wrong(&node.mark, Wrong::new("must be a single value"));
            return None;
        };
        T::parse(text).map_err(|wrong| place.wrong(&node.mark, wrong)).ok()
    }

    fn write(&self) -> Node {
        Node::scalar(self.text(), Mark::nowhere())
    }
}

/// Nothing, if the text is empty.
impl<T: Word> Value for Option<T> {
    const SHAPE: Shape = Shape::Scalar;

    fn read(node: &Node, place: &mut Place<'_>) -> Option<Option<T>> {
        match &node.kind {
            Kind::Scalar(text) if text.is_empty() => Some(None),
            _ => T::read(node, place).map(Some),
        }
    }

    fn write(&self) -> Node {
        self.as_ref().map_or(Node::new(Kind::Null, Mark::nowhere()), Value::write)
    }
}

/// A list, or one text that is split at commas.
impl<T: Value> Value for Vec<T> {
    const SHAPE: Shape = Shape::List;

    fn read(node: &Node, place: &mut Place<'_>) -> Option<Vec<T>> {
        let split;
        let elements = match &node.kind {
            Kind::List(elements) => elements,
            Kind::Scalar(text) => {
                split = split_list(text, &node.mark);
                &split
            }
            _ => {
                place.wrong(&node.mark, Wrong::new("must be a list, or one text with commas"));
                return None;
            }
        };
        let read = |(index, element)| T::read(element, &mut place.below(&format!("[{index}]")));
        let values: Vec<Option<T>> = elements.iter().enumerate().map(read).collect();
        values.into_iter().collect()
    }

    fn write(&self) -> Node {
        Node::new(Kind::List(self.iter().map(Value::write).collect()), Mark::nowhere())
    }
}

/// The elements of a list given as one text; an empty text is the empty list.
fn split_list(text: &str, mark: &Mark) -> Vec<Node> {
    if text.trim().is_empty() {
        return Vec::new();
    }
    text.split(',').map(|part| Node::scalar(part.trim(), mark.clone())).collect()
}

impl Word for String {
    fn parse(text: &str) -> Result<String, Wrong> {
        Ok(text.to_owned())
    }

    fn text(&self) -> String {
        self.clone()
    }
}

impl Word for PathBuf {
    fn parse(text: &str) -> Result<PathBuf, Wrong> {
        if text.contains('\0') {
            Err(Wrong::new("must not contain a NUL byte"))
        } else {
            Ok(PathBuf::from(text))
        }
    }

    fn text(&self) -> String {
        self.to_string_lossy().into_owned()
    }
}

impl Word for Secret {
    fn parse(text: &str) -> Result<Secret, Wrong> {
        Ok(Secret::from(text))
    }

    fn text(&self) -> String {
        if self.is_empty() { String::new() } else { MASK.to_owned() }
    }
}

impl Word for bool {
    fn parse(text: &str) -> Result<bool, Wrong> {
        match text {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
            "" | "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
            // A number other than 0 is true.
            _ if whole(text).is_ok() => Ok(true),
            _ => Err(Wrong::new(format!("{text:?} is not a boolean")).allowed("true, false")),
        }
    }

    fn text(&self) -> String {
        self.to_string()
    }
}

/// Gives a type of whole numbers its syntax: its own range is the only one that can be read.
macro_rules! whole_numbers {
    ($($number:ty),*) => {$(
        impl Word for $number {
            fn parse(text: &str) -> Result<$number, Wrong> {
                let range = || Wrong::new(format!("must be between {} and {}", <$number>::MIN, <$number>::MAX));
                <$number>::try_from(whole(text)?).map_err(|_| range())
            }

            fn text(&self) -> String {
                self.to_string()
            }
        }
    )*};
}
whole_numbers!(u8, u16, u32, u64, usize, i32);

impl Word for f64 {
    fn parse(text: &str) -> Result<f64, Wrong> {
        let number = if text.is_empty() { Ok(0.0) } else { text.parse::<f64>() };
        match number {
            Ok(number) if number.is_finite() => Ok(number),
            _ => Err(Wrong::new(format!("{text:?} is not a number"))),
        }
    }

    fn text(&self) -> String {
        self.to_string()
    }
}

impl Word for Duration {
    fn parse(text: &str) -> Result<Duration, Wrong> {
        u64::try_from(nanoseconds(text)?)
            .map(Duration::from_nanos)
            .map_err(|_| Wrong::new("must not be negative"))
    }

    fn text(&self) -> String {
        let nanos = self.as_nanos();
        let largest = DURATION_UNITS
            .iter()
            .rev()
            .find(|(_, size)| nanos > 0 && nanos.is_multiple_of(*size as u128));
        largest.map_or("0s".to_owned(), |(unit, size)| format!("{}{unit}", nanos / *size as u128))
    }
}

/// A whole number: decimal digits, `0x1f`, `0o17`, `0b1`, with `_` between digits if one likes; a
/// fraction is cut off. An empty text is 0, as in the environment.
fn whole(text: &str) -> Result<i128, Wrong> {
    let no_number = || Wrong::new(format!("{text:?} is not a whole number"));
    let digits = text.replace('_', "");
    let (negative, digits) = match digits.strip_prefix(['-', '+']) {
        Some(rest) => (digits.starts_with('-'), rest),
        None => (false, digits.as_str()),
    };
    let magnitude = match digits.get(..2).map(str::to_ascii_lowercase).as_deref() {
        Some("0x") => from_digits(digits.get(2..), 16),
        Some("0o") => from_digits(digits.get(2..), 8),
        Some("0b") => from_digits(digits.get(2..), 2),
        // The original takes 010 for an octal number in places, a human for ten.
        Some(two)
            if two.starts_with('0')
                && two != "0."
                && digits.bytes().all(|b| b.is_ascii_digit()) =>
        {
            return Err(Wrong::new(format!("{text:?} begins with 0")).allowed("10, 0x0a, 0o12"));
        }
        _ if text.is_empty() => Some(0),
        _ if digits.starts_with(|c: char| c.is_ascii_digit()) => {
            from_digits(Some(digits), 10).or_else(|| truncated(digits))
        }
        _ => None,
    };
    magnitude.map(|number| if negative { -number } else { number }).ok_or_else(no_number)
}

fn from_digits(digits: Option<&str>, radix: u32) -> Option<i128> {
    let digits = digits.filter(|digits| !digits.starts_with(['-', '+']))?;
    i128::from_str_radix(digits, radix).ok()
}

/// `10.7` is 10. Past 2^53 a double would lose digits, so that is not a number.
fn truncated(digits: &str) -> Option<i128> {
    let number = digits.parse::<f64>().ok()?;
    (number.abs() < 9_007_199_254_740_992.0).then_some(number as i128)
}

/// A duration: text with units (`1h30m`, `1.5s`, `-2ms`), or a bare whole number of **seconds**,
/// quoted or not. An empty text is 0.
pub(super) fn nanoseconds(text: &str) -> Result<i64, Wrong> {
    let wrong = || {
        Wrong::new(format!("{text:?} is not a duration"))
            .allowed("90s, 1h30m, 500ms; units ns, us, ms, s, m, h; a bare number is seconds")
    };
    let too_long = || Wrong::new(format!("{text:?} is too long a duration"));
    if text.is_empty() {
        return Ok(0);
    }
    let (negative, rest) = match text.strip_prefix(['-', '+']) {
        Some(rest) => (text.starts_with('-'), rest),
        None => (false, text),
    };
    let total = if !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()) {
        rest.parse::<i64>()
            .ok()
            .and_then(|seconds| seconds.checked_mul(SECOND))
            .ok_or_else(too_long)?
    } else {
        sum_of_units(rest).ok_or_else(wrong)?.ok_or_else(too_long)?
    };
    Ok(if negative { -total } else { total })
}

/// `None`: not the syntax; `Some(None)`: more than 64 bits hold.
fn sum_of_units(text: &str) -> Option<Option<i64>> {
    let mut rest = text;
    let mut total = Some(0i64);
    while !rest.is_empty() {
        let number_end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(number_end);
        let unit_end = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_end);
        let (_, size) = DURATION_UNITS
            .iter()
            .find(|(name, _)| *name == unit || unit == "µs" && *name == "us")?;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
            return None;
        }
        let nanos = scaled(whole, fraction, *size);
        total = total.zip(nanos).and_then(|(total, nanos)| total.checked_add(nanos));
        rest = tail;
    }
    (!text.is_empty()).then_some(total)
}

/// `whole.fraction` of a unit of `size` nanoseconds; digits below a nanosecond do not count.
fn scaled(whole: &str, fraction: &str, size: i64) -> Option<i64> {
    let whole = if whole.is_empty() { 0 } else { whole.parse::<i64>().ok()? };
    let mut nanos = whole.checked_mul(size)?;
    let mut weight = size as f64;
    let mut part = 0.0;
    for digit in fraction.bytes().take(18) {
        weight /= 10.0;
        part += f64::from(digit - b'0') * weight;
    }
    nanos = nanos.checked_add(part.round() as i64)?;
    Some(nanos)
}

const SECOND: i64 = 1_000_000_000;

/// From small to large.
const DURATION_UNITS: [(&str, i64); 6] = [
    ("ns", 1),
    ("us", 1_000),
    ("ms", 1_000_000),
    ("s", SECOND),
    ("m", 60 * SECOND),
    ("h", 3600 * SECOND),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn truth_values() {
        for text in ["1", "t", "T", "true", "TRUE", "True", "2"] {
            assert_eq!(bool::parse(text), Ok(true), "{text}");
        }
        for text in ["0", "f", "F", "false", "FALSE", "False", ""] {
            assert_eq!(bool::parse(text), Ok(false), "{text}");
        }
        for text in ["yes", "on", "no", "off", "tRUE", " true"] {
            assert!(bool::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn whole_numbers_keep_their_range() {
        for (text, number) in [
            ("12", 12),
            ("0x10", 16),
            ("0o17", 15),
            ("10.7", 10),
            ("1_000", 1000),
            ("0", 0),
            ("", 0),
            ("+5", 5),
            ("1e3", 1000),
        ] {
            assert_eq!(u16::parse(text), Ok(number), "{text}");
        }
        for text in [
            "-1",
            "65536",
            "99999999999",
            "many",
            "0x",
            "0x-1",
            "010",
            " 1",
            "1 ",
            "--1",
            "0xzz",
            "1e400",
            "NaN",
        ] {
            assert!(u16::parse(text).is_err(), "{text}");
        }
        assert_eq!(i32::parse("-5"), Ok(-5));
        assert_eq!(u64::parse("18446744073709551615"), Ok(u64::MAX));
    }

    #[test]
    fn durations() {
        for (text, nanos) in [
            ("10s", 10 * SECOND),
            ("1h30m15s", 5415 * SECOND),
            ("1.5h", 5400 * SECOND),
            ("500ms", SECOND / 2),
            (".5s", SECOND / 2),
            ("1us", 1000),
            ("1µs", 1000),
            ("7ns", 7),
            ("60", 60 * SECOND),
            ("0", 0),
            ("", 0),
            ("-2s", -2 * SECOND),
            ("+2s", 2 * SECOND),
        ] {
            assert_eq!(nanoseconds(text), Ok(nanos), "{text}");
        }
        for text in [
            "1d",
            "1w",
            "s",
            "1.5",
            "1 s",
            ".",
            ".s",
            "1..5s",
            "1s2",
            "-",
            "ms5",
            "9223372037",
            "1e9s",
            "99999999h",
            "ten",
        ] {
            assert!(nanoseconds(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_duration_is_written_as_it_is_read() {
        for (text, nanos) in [
            ("90s", 90 * SECOND),
            ("2h", 7200 * SECOND),
            ("1500ms", 3 * SECOND / 2),
            ("7ns", 7),
            ("0s", 0),
        ] {
            let duration = Duration::from_nanos(nanos as u64);
            assert_eq!(duration.text(), text);
            assert_eq!(Duration::parse(text), Ok(duration));
        }
    }

    #[test]
    fn a_secret_is_written_as_stars() {
        assert_eq!(Secret::from("hunter2").text(), MASK);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".*") {
            let _ = (bool::parse(&text), u16::parse(&text), i32::parse(&text), f64::parse(&text), Duration::parse(&text));
        }

        #[test]
        fn every_duration_survives_writing(nanos in 0..i64::MAX as u64) {
            let duration = Duration::from_nanos(nanos);
            proptest::prop_assert_eq!(Duration::parse(&duration.text()), Ok(duration));
        }
    }
}
