//! Go's date layouts: a sample date (Mon Jan 2 15:04:05 MST 2006) whose parts stand for those of
//! any date.
//!
//! Elements are found from left to right, the longest first; whatever is none is literal. Rules:
//! `lua/modules/time.md`.

/// A part of a date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Element {
    Year,
    /// Its last two digits.
    ShortYear,
    MonthName,
    ShortMonthName,
    Month(Width),
    WeekdayName,
    ShortWeekdayName,
    Day(Width),
    YearDay(Width),
    Hour,
    HalfDayHour(Width),
    /// AM or PM.
    UpperHalfDay,
    LowerHalfDay,
    Minute(Width),
    Second(Width),
    /// The separator and so many digits; `trimmed` of zeros at their end, and of the separator if
    /// none is left.
    Fraction {
        digits: usize,
        separator: u8,
        trimmed: bool,
    },
    Abbreviation,
    Offset(Offset),
}

/// How a number that may have one digit less is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Width {
    Short,
    Zeros,
    Blanks,
}

/// How an offset is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Offset {
    /// `Z` for UTC.
    pub z: bool,
    pub colons: bool,
    pub minutes: bool,
    pub seconds: bool,
}

/// What a layout is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    Literal(&'a [u8]),
    /// With its own text, for error messages.
    Element(Element, &'a [u8]),
}

/// The pieces of a layout, in order.
#[derive(Clone)]
pub(super) struct Pieces<'a> {
    rest: &'a [u8],
}

impl<'a> Pieces<'a> {
    pub fn new(layout: &'a [u8]) -> Pieces<'a> {
        Pieces { rest: layout }
    }

    fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at_checked(len).unwrap_or((self.rest, &[]));
        self.rest = rest;
        taken
    }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        if let Some((element, len)) = element(self.rest) {
            return Some(Piece::Element(element, self.take(len)));
        }
        let literal =
            (1..self.rest.len()).find(|&at| self.rest.get(at..).and_then(element).is_some());
        Some(Piece::Literal(self.take(literal.unwrap_or(self.rest.len()))))
    }
}

/// The element that `text` begins with, and its length.
fn element(text: &[u8]) -> Option<(Element, usize)> {
    if let Some(fraction) = fraction(text) {
        return Some(fraction);
    }
    let (name, element) = ELEMENTS.iter().find(|(name, _)| text.starts_with(name))?;
    let behind = text.get(name.len());
    match element {
        // Parts of longer words, such as "Month" and "Janet".
        Element::ShortMonthName | Element::ShortWeekdayName
            if behind.is_some_and(u8::is_ascii_lowercase) =>
        {
            None
        }
        // An underscore and a year.
        Element::Day(Width::Blanks) if text.starts_with(b"_2006") => None,
        _ => Some((*element, name.len())),
    }
}

/// A separator and a run of one digit, 0 or 9, with no other digit behind it. It counts wherever it
/// stands.
fn fraction(text: &[u8]) -> Option<(Element, usize)> {
    let (&separator, digits) = text.split_first()?;
    let &digit = digits.first()?;
    if !matches!(separator, b'.' | b',') || !matches!(digit, b'0' | b'9') {
        return None;
    }
    let count = digits.iter().take_while(|byte| **byte == digit).count();
    if digits.get(count).is_some_and(u8::is_ascii_digit) {
        return None;
    }
    Some((Element::Fraction { digits: count, separator, trimmed: digit == b'9' }, count + 1))
}

const fn offset(z: bool, colons: bool, minutes: bool, seconds: bool) -> Element {
    Element::Offset(Offset { z, colons, minutes, seconds })
}

/// Longer ones before those that they begin with.
const ELEMENTS: &[(&[u8], Element)] = &[
    (b"January", Element::MonthName),
    (b"Jan", Element::ShortMonthName),
    (b"Monday", Element::WeekdayName),
    (b"Mon", Element::ShortWeekdayName),
    (b"MST", Element::Abbreviation),
    (b"002", Element::YearDay(Width::Zeros)),
    (b"01", Element::Month(Width::Zeros)),
    (b"02", Element::Day(Width::Zeros)),
    (b"03", Element::HalfDayHour(Width::Zeros)),
    (b"04", Element::Minute(Width::Zeros)),
    (b"05", Element::Second(Width::Zeros)),
    (b"06", Element::ShortYear),
    (b"15", Element::Hour),
    (b"1", Element::Month(Width::Short)),
    (b"2006", Element::Year),
    (b"2", Element::Day(Width::Short)),
    (b"__2", Element::YearDay(Width::Blanks)),
    (b"_2", Element::Day(Width::Blanks)),
    (b"3", Element::HalfDayHour(Width::Short)),
    (b"4", Element::Minute(Width::Short)),
    (b"5", Element::Second(Width::Short)),
    (b"PM", Element::UpperHalfDay),
    (b"pm", Element::LowerHalfDay),
    (b"-070000", offset(false, false, true, true)),
    (b"-07:00:00", offset(false, true, true, true)),
    (b"-0700", offset(false, false, true, false)),
    (b"-07:00", offset(false, true, true, false)),
    (b"-07", offset(false, false, false, false)),
    (b"Z070000", offset(true, false, true, true)),
    (b"Z07:00:00", offset(true, true, true, true)),
    (b"Z0700", offset(true, false, true, false)),
    (b"Z07:00", offset(true, true, true, false)),
    (b"Z07", offset(true, false, false, false)),
];

pub(super) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// From Monday on.
pub(super) const WEEKDAYS: [&str; 7] =
    ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

#[cfg(test)]
mod tests {
    use super::*;

    /// Elements in brackets, literals as they are.
    fn shown(layout: &str) -> String {
        let mut out = String::new();
        for piece in Pieces::new(layout.as_bytes()) {
            match piece {
                Piece::Literal(text) => out.push_str(std::str::from_utf8(text).unwrap()),
                Piece::Element(_, text) => {
                    out.push_str(&format!("[{}]", std::str::from_utf8(text).unwrap()))
                }
            }
        }
        out
    }

    #[test]
    fn elements_are_found_from_the_left() {
        for (layout, pieces) in [
            ("2006-01-02T15:04:05Z07:00", "[2006]-[01]-[02]T[15]:[04]:[05][Z07:00]"),
            ("Mon, 02 Jan 2006 15:04:05 MST", "[Mon], [02] [Jan] [2006] [15]:[04]:[05] [MST]"),
            ("2nd", "[2]nd"),
            ("6", "6"),
            ("Tue", "Tue"),
            ("Month of Janet", "Month of Janet"),
            ("Monday January", "[Monday] [January]"),
            ("_2006 _2 __2 002", "_[2006] [_2] [__2] [002]"),
            ("05.000 05,99 5.9", "[05][.000] [05][,99] [5][.9]"),
            ("05 .000 05.09 .9", "[05] [.000] [05].09 [.9]"),
            (".000 04.000 2006,000 x.99", "[.000] [04][.000] [2006][,000] x[.99]"),
            ("2006.01.02 02.01.06 1.0", "[2006].[01].[02] [02].[01].[06] [1][.0]"),
            (
                "-070000 -07:00:00 -0700 -07:00 -07 -7",
                "[-070000] [-07:00:00] [-0700] [-07:00] [-07] -7",
            ),
            ("20060102150405", "[2006][01][02][15][04][05]"),
            ("", ""),
        ] {
            assert_eq!(shown(layout), pieces);
        }
    }
}
