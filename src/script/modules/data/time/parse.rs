//! Text as a moment.
//!
//! Follows Go's `time.Parse` in what it takes: a fraction behind the seconds even where the layout
//! has none, names in any case, weekdays that do not fit the date, any number of blanks for a
//! blank. A year that is missing is the year 0.

use super::layout::{Element, MONTHS, Offset, Piece, Pieces, WEEKDAYS, Width};
use super::zone;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// Why a text does not fit its layout.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unparsable {
    #[error("parsing time \"{text}\" as \"{layout}\": cannot parse \"{rest}\" as \"{piece}\"")]
    Mismatch { text: String, layout: String, rest: String, piece: String },
    #[error("parsing time \"{text}\": {what} out of range")]
    Range { text: String, what: &'static str },
    #[error("parsing time \"{text}\": extra text: \"{rest}\"")]
    Extra { text: String, rest: String },
}

/// Nanoseconds since 1970. `own` is the zone of a text that names none; `local` the zone whose
/// abbreviations are known.
pub(super) fn parse(
    layout: &[u8],
    text: &[u8],
    own: &TimeZone,
    local: &TimeZone,
) -> Result<i128, Unparsable> {
    let mut reader = Reader { rest: text, found: Found::default() };
    let mut pieces = Pieces::new(layout);
    while let Some(piece) = pieces.next() {
        let before = reader.rest;
        // The next element counts, whatever stands between: as in Go.
        let next = || pieces.clone().find(|piece| matches!(piece, Piece::Element(..)));
        let fraction_follows = matches!(piece, Piece::Element(Element::Second(_), _))
            && matches!(next(), Some(Piece::Element(Element::Fraction { .. }, _)));
        let (outcome, name) = match piece {
            Piece::Literal(literal) => (reader.literal(literal), literal),
            Piece::Element(element, name) => (reader.element(element, fraction_follows), name),
        };
        outcome.map_err(|wrong| match wrong {
            Wrong::Text => Unparsable::Mismatch {
                text: shown(text),
                layout: shown(layout),
                rest: shown(before),
                piece: shown(name),
            },
            Wrong::Range(what) => Unparsable::Range { text: shown(text), what },
        })?;
    }
    if !reader.rest.is_empty() {
        return Err(Unparsable::Extra { text: shown(text), rest: shown(reader.rest) });
    }
    reader.found.moment(own, local).map_err(|what| Unparsable::Range { text: shown(text), what })
}

fn shown(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}

/// Why a piece cannot be read.
enum Wrong {
    Text,
    Range(&'static str),
}

/// What a text said.
#[derive(Default)]
struct Found<'a> {
    year: i16,
    month: Option<i16>,
    day: Option<i16>,
    year_day: Option<i16>,
    hour: i16,
    minute: i16,
    second: i16,
    nanosecond: i32,
    /// Whether the hour is one of the afternoon, where it counts to twelve.
    afternoon: Option<bool>,
    /// East of Greenwich, in seconds.
    offset: Option<i64>,
    abbreviation: Option<&'a [u8]>,
}

impl Found<'_> {
    fn moment(&self, own: &TimeZone, local: &TimeZone) -> Result<i128, &'static str> {
        let days = i64::from((self.date()? - EPOCH).get_days());
        let hour = match self.afternoon {
            Some(true) if self.hour < 12 => self.hour + 12,
            Some(false) if self.hour == 12 => 0,
            _ => self.hour,
        };
        let shown = days * 86_400
            + i64::from(hour) * 3600
            + i64::from(self.minute) * 60
            + i64::from(self.second);
        let seconds = match (self.offset, self.abbreviation) {
            (Some(offset), _) => shown - offset,
            (None, Some(name)) => {
                shown - zone::abbreviated(local, name, shown).unwrap_or_else(|| gmt_offset(name))
            }
            (None, None) => zone::from_local(own, shown),
        };
        Ok(i128::from(seconds) * 1_000_000_000 + i128::from(self.nanosecond))
    }

    fn date(&self) -> Result<Date, &'static str> {
        let Some(year_day) = self.year_day else {
            let (month, day) = (self.month.unwrap_or(1) as i8, self.day.unwrap_or(1) as i8);
            return Date::new(self.year, month, day).map_err(|_| "day");
        };
        let date =
            Date::new(self.year, 1, 1).and_then(|first| first.with().day_of_year(year_day).build());
        let date = date.map_err(|_| "day-of-year")?;
        let fits = self.month.is_none_or(|month| month == i16::from(date.month()))
            && self.day.is_none_or(|day| day == i16::from(date.day()));
        if fits { Ok(date) } else { Err("day-of-year does not match month or day:") }
    }
}

/// The offset in a name such as `GMT+3`; other names that a zone does not know count as UTC.
fn gmt_offset(name: &[u8]) -> i64 {
    let hours = name
        .strip_prefix(b"GMT")
        .and_then(|hours| std::str::from_utf8(hours).ok()?.parse::<i64>().ok());
    hours.unwrap_or(0) * 3600
}

struct Reader<'a> {
    rest: &'a [u8],
    found: Found<'a>,
}

impl<'a> Reader<'a> {
    /// A run of blanks stands for any number of them, if there is one, or for the end of the text.
    fn literal(&mut self, mut literal: &[u8]) -> Result<(), Wrong> {
        while let Some((&wanted, after)) = literal.split_first() {
            let next = self.rest.first();
            if wanted == b' ' {
                if next.is_some_and(|byte| *byte != b' ') {
                    return Err(Wrong::Text);
                }
                self.skip_blanks(usize::MAX);
                let blanks = literal.iter().take_while(|byte| **byte == b' ').count();
                literal = literal.get(blanks..).unwrap_or_default();
            } else if next == Some(&wanted) {
                self.take(1);
                literal = after;
            } else {
                return Err(Wrong::Text);
            }
        }
        Ok(())
    }

    fn element(&mut self, element: Element, fraction_follows: bool) -> Result<(), Wrong> {
        match element {
            Element::Year => self.found.year = self.exact(4)?,
            Element::ShortYear => {
                let year = self.exact(2)?;
                self.found.year = year + if year >= 69 { 1900 } else { 2000 };
            }
            Element::MonthName => self.found.month = Some(self.name(&MONTHS, usize::MAX)? + 1),
            Element::ShortMonthName => self.found.month = Some(self.name(&MONTHS, 3)? + 1),
            Element::Month(width) => {
                self.found.month = Some(self.number(width, 2, 1..=12, "month")?)
            }
            Element::WeekdayName => _ = self.name(&WEEKDAYS, usize::MAX)?,
            Element::ShortWeekdayName => _ = self.name(&WEEKDAYS, 3)?,
            Element::Day(width) => self.found.day = Some(self.number(width, 2, 1..=31, "day")?),
            Element::YearDay(width) => {
                self.skip_blanks(if width == Width::Blanks { 2 } else { 0 });
                self.found.year_day = Some(self.number(width, 3, 1..=366, "day-of-year")?);
            }
            Element::Hour => self.found.hour = self.number(Width::Short, 2, 0..=23, "hour")?,
            Element::HalfDayHour(width) => {
                self.found.hour = self.number(width, 2, 0..=12, "hour")?
            }
            Element::UpperHalfDay => self.found.afternoon = Some(self.half_day(b"AM", b"PM")?),
            Element::LowerHalfDay => self.found.afternoon = Some(self.half_day(b"am", b"pm")?),
            Element::Minute(width) => {
                self.found.minute = self.number(width, 2, 0..=59, "minute")?
            }
            Element::Second(width) => {
                self.found.second = self.number(width, 2, 0..=59, "second")?;
                if !fraction_follows {
                    self.fraction();
                }
            }
            Element::Fraction { trimmed: true, .. } => self.fraction(),
            Element::Fraction { digits, .. } => self.exact_fraction(digits)?,
            Element::Abbreviation => self.abbreviation()?,
            Element::Offset(form) => self.offset(form)?,
        }
        Ok(())
    }

    fn skip_blanks(&mut self, at_most: usize) {
        let blanks = self.rest.iter().take(at_most).take_while(|byte| **byte == b' ').count();
        self.take(blanks);
    }

    fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at_checked(len).unwrap_or((self.rest, &[]));
        self.rest = rest;
        taken
    }

    /// As many digits as there are, `digits` at most.
    fn digits(&mut self, digits: usize) -> &'a [u8] {
        let count = self.rest.iter().take(digits).take_while(|byte| byte.is_ascii_digit()).count();
        self.take(count)
    }

    fn exact(&mut self, digits: usize) -> Result<i16, Wrong> {
        let text = self.digits(digits);
        if text.len() == digits { Ok(value(text)) } else { Err(Wrong::Text) }
    }

    fn number(
        &mut self,
        width: Width,
        full: usize,
        range: std::ops::RangeInclusive<i16>,
        what: &'static str,
    ) -> Result<i16, Wrong> {
        if width == Width::Blanks {
            self.skip_blanks(1);
        }
        let text = self.digits(full);
        if text.is_empty() || (width == Width::Zeros && text.len() < full) {
            return Err(Wrong::Text);
        }
        let number = value(text);
        if range.contains(&number) { Ok(number) } else { Err(Wrong::Range(what)) }
    }

    /// The index of the name that the text goes on with, in any case; of its first `letters`
    /// letters.
    fn name(&mut self, names: &[&str], letters: usize) -> Result<i16, Wrong> {
        for (at, name) in names.iter().enumerate() {
            let name = name.as_bytes().get(..letters).unwrap_or(name.as_bytes());
            if self.rest.get(..name.len()).is_some_and(|text| text.eq_ignore_ascii_case(name)) {
                self.take(name.len());
                return Ok(at as i16);
            }
        }
        Err(Wrong::Text)
    }

    /// Whether it says afternoon.
    fn half_day(&mut self, am: &[u8], pm: &[u8]) -> Result<bool, Wrong> {
        match self.take(2) {
            text if text == pm => Ok(true),
            text if text == am => Ok(false),
            _ => Err(Wrong::Text),
        }
    }

    /// A fraction, if there is one; what is less than a nanosecond is cut off.
    fn fraction(&mut self) {
        if !matches!(self.rest, [b'.' | b',', digit, ..] if digit.is_ascii_digit()) {
            return;
        }
        self.take(1);
        self.found.nanosecond = nanoseconds(self.digits(usize::MAX));
    }

    fn exact_fraction(&mut self, digits: usize) -> Result<(), Wrong> {
        if !matches!(self.take(1), b"." | b",") {
            return Err(Wrong::Text);
        }
        let text = self.digits(digits);
        if text.len() != digits {
            return Err(Wrong::Text);
        }
        self.found.nanosecond = nanoseconds(text);
        Ok(())
    }

    fn offset(&mut self, form: Offset) -> Result<(), Wrong> {
        if form.z && self.rest.first() == Some(&b'Z') {
            self.take(1);
            self.found.offset = Some(0);
            return Ok(());
        }
        let sign = match self.take(1) {
            b"+" => 1,
            b"-" => -1,
            _ => return Err(Wrong::Text),
        };
        let mut offset = 0;
        for (wanted, seconds, most, what) in [
            (true, 3600, 24, "time zone offset hour"),
            (form.minutes, 60, 59, "time zone offset minute"),
            (form.seconds, 1, 59, "time zone offset second"),
        ] {
            if !wanted {
                continue;
            }
            if form.colons && seconds < 3600 && self.take(1) != b":" {
                return Err(Wrong::Text);
            }
            offset += i64::from(self.number(Width::Zeros, 2, 0..=most, what)?) * seconds;
        }
        self.found.offset = Some(sign * offset);
        Ok(())
    }

    /// `UTC`, an abbreviation of three to five capitals, or a sign and hours as some zones have in
    /// place of one.
    fn abbreviation(&mut self) -> Result<(), Wrong> {
        if self.rest.starts_with(b"UTC") {
            self.take(3);
            self.found.offset = Some(0);
            return Ok(());
        }
        let len = abbreviation_len(self.rest).ok_or(Wrong::Text)?;
        self.found.abbreviation = Some(self.take(len));
        Ok(())
    }
}

fn abbreviation_len(text: &[u8]) -> Option<usize> {
    if text.starts_with(b"ChST") || text.starts_with(b"MeST") {
        return Some(4);
    }
    if let Some(hours) = text.strip_prefix(b"GMT") {
        return Some(3 + signed_hours_len(hours).unwrap_or(0));
    }
    if matches!(text.first(), Some(b'+' | b'-')) {
        return signed_hours_len(text);
    }
    let capitals = text.iter().take(6).take_while(|byte| byte.is_ascii_uppercase()).count();
    match capitals {
        3 => Some(3),
        4 if text.starts_with(b"WITA") || text.get(3) == Some(&b'T') => Some(4),
        5 if text.get(4) == Some(&b'T') => Some(5),
        _ => None,
    }
}

/// The length of a sign and up to 23 hours.
fn signed_hours_len(text: &[u8]) -> Option<usize> {
    let (b'+' | b'-', digits) = text.split_first()? else { return None };
    let count = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let hours = digits.get(..count).filter(|digits| (1..=4).contains(&digits.len()))?;
    (value(hours) <= 23).then_some(1 + count)
}

/// Of at most four digits.
fn value(digits: &[u8]) -> i16 {
    digits.iter().fold(0, |value, digit| value * 10 + i16::from(digit - b'0'))
}

fn nanoseconds(digits: &[u8]) -> i32 {
    (0..9)
        .fold(0, |value, at| value * 10 + i32::from(digits.get(at).map_or(0, |digit| digit - b'0')))
}

const EPOCH: Date = Date::constant(1970, 1, 1);
