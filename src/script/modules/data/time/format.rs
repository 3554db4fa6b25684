//! A moment as text.

use super::layout::{Element, MONTHS, Offset, Piece, Pieces, WEEKDAYS, Width};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use std::io::Write;

/// `at` as clocks and calendars in `zone` show it, in the form of `layout`.
pub(super) fn format(at: Timestamp, zone: &TimeZone, layout: &[u8]) -> Vec<u8> {
    let info = zone.to_offset_info(at);
    let shown = Shown {
        date: info.offset().to_datetime(at),
        offset: info.offset().seconds(),
        abbreviation: info.abbreviation(),
    };
    let mut out = Vec::with_capacity(layout.len() + 16);
    for piece in Pieces::new(layout) {
        match piece {
            Piece::Literal(text) => out.extend_from_slice(text),
            Piece::Element(element, _) => shown.push(&mut out, element),
        }
    }
    out
}

struct Shown<'a> {
    date: DateTime,
    /// East of Greenwich, in seconds.
    offset: i32,
    abbreviation: &'a str,
}

impl Shown<'_> {
    fn push(&self, out: &mut Vec<u8>, element: Element) {
        let date = &self.date;
        match element {
            Element::Year => push_year(out, date.year()),
            Element::ShortYear => {
                push_number(out, i32::from(date.year().rem_euclid(100)), 2, Width::Zeros)
            }
            Element::MonthName => out.extend_from_slice(self.month_name().as_bytes()),
            Element::ShortMonthName => out.extend_from_slice(short(self.month_name())),
            Element::Month(width) => push_number(out, date.month().into(), 2, width),
            Element::WeekdayName => out.extend_from_slice(self.weekday_name().as_bytes()),
            Element::ShortWeekdayName => out.extend_from_slice(short(self.weekday_name())),
            Element::Day(width) => push_number(out, date.day().into(), 2, width),
            Element::YearDay(width) => push_number(out, date.day_of_year().into(), 3, width),
            Element::Hour => push_number(out, date.hour().into(), 2, Width::Zeros),
            Element::HalfDayHour(width) => {
                push_number(out, (i32::from(date.hour()) + 11) % 12 + 1, 2, width)
            }
            Element::UpperHalfDay => {
                out.extend_from_slice(if date.hour() < 12 { b"AM" } else { b"PM" })
            }
            Element::LowerHalfDay => {
                out.extend_from_slice(if date.hour() < 12 { b"am" } else { b"pm" })
            }
            Element::Minute(width) => push_number(out, date.minute().into(), 2, width),
            Element::Second(width) => push_number(out, date.second().into(), 2, width),
            Element::Fraction { digits, separator, trimmed } => {
                self.push_fraction(out, digits, separator, trimmed)
            }
            Element::Abbreviation => out.extend_from_slice(self.abbreviation.as_bytes()),
            Element::Offset(form) => self.push_offset(out, form),
        }
    }

    fn month_name(&self) -> &'static str {
        let index = usize::try_from(self.date.month() - 1).unwrap_or_default();
        MONTHS.get(index).copied().unwrap_or_default()
    }

    fn weekday_name(&self) -> &'static str {
        let index =
            usize::try_from(self.date.weekday().to_monday_zero_offset()).unwrap_or_default();
        WEEKDAYS.get(index).copied().unwrap_or_default()
    }

    /// Digits past the ninth are zeros; those left out are cut off, not rounded.
    fn push_fraction(&self, out: &mut Vec<u8>, digits: usize, separator: u8, trimmed: bool) {
        let start = out.len();
        out.push(separator);
        let _ = write!(out, "{:09}", self.date.subsec_nanosecond());
        out.resize(start + 1 + digits, b'0');
        if trimmed {
            while out.last() == Some(&b'0') {
                out.pop();
            }
            if out.len() == start + 1 {
                out.truncate(start);
            }
        }
    }

    fn push_offset(&self, out: &mut Vec<u8>, form: Offset) {
        if form.z && self.offset == 0 {
            out.push(b'Z');
            return;
        }
        let colon: &[u8] = if form.colons { b":" } else { b"" };
        let offset = self.offset.abs();
        out.push(if self.offset < 0 { b'-' } else { b'+' });
        push_number(out, offset / 3600, 2, Width::Zeros);
        if form.minutes {
            out.extend_from_slice(colon);
            push_number(out, offset / 60 % 60, 2, Width::Zeros);
        }
        if form.seconds {
            out.extend_from_slice(colon);
            push_number(out, offset % 60, 2, Width::Zeros);
        }
    }
}

fn short(name: &str) -> &[u8] {
    name.as_bytes().get(..3).unwrap_or_default()
}

fn push_year(out: &mut Vec<u8>, year: i16) {
    let sign = if year < 0 { "-" } else { "" };
    // Writing to a Vec cannot fail; the same holds below.
    let _ = write!(out, "{sign}{:04}", year.unsigned_abs());
}

fn push_number(out: &mut Vec<u8>, number: i32, full: usize, width: Width) {
    let _ = match width {
        Width::Short => write!(out, "{number}"),
        Width::Zeros => write!(out, "{number:0full$}"),
        Width::Blanks => write!(out, "{number:full$}"),
    };
}
