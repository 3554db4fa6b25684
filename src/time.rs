//! The time: read once per turn of the loop, and the texts that people and other programs read it
//! in.
//!
//! [`Now`] is a plain value, so cores and tests get their time from outside. [`LogTime`] and
//! [`HttpDate`] keep their text for as long as it is right: formatting a date costs more than a
//! whole log line. Durations are read and written the way Go does it, because configuration files,
//! scripts and log scrapers expect that notation. Rules: RFC 3339; RFC 9110 section 5.6.7;
//! durations as Go writes them. Bounds: dates up
//! to the year 2554, durations up to 292 years.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// What the clocks showed at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// For deadlines and latencies: never goes backwards.
    pub mono: Instant,
    /// Nanoseconds since 1970 in UTC, for people: may jump when the clock is set. Zero if the clock
    /// is set before 1970.
    pub unix_ns: u64,
}

impl Now {
    /// Reads both clocks. Call it once per turn; everything in the turn shares the value.
    pub fn read() -> Now {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now {
            mono: Instant::now(),
            unix_ns: u64::try_from(since_1970.as_nanos()).unwrap_or(u64::MAX),
        }
    }

    pub fn unix_seconds(self) -> u64 {
        self.unix_ns / NANOS_PER_SECOND
    }

    pub fn unix_ms(self) -> u64 {
        self.unix_ns / 1_000_000
    }

    /// Time gone by since `earlier`; zero if that lies ahead.
    pub fn since(self, earlier: Instant) -> Duration {
        self.mono.saturating_duration_since(earlier)
    }
}

/// RFC 3339 in UTC with nanoseconds, `2026-11-22T14:32:00.123456789Z`. The date is formatted once
/// per second, the digits behind the point once per turn.
#[derive(Clone, Debug)]
pub struct LogTime {
    unix_ns: u64,
    text: [u8; LogTime::BYTES],
}

impl LogTime {
    pub const BYTES: usize = 30;

    pub fn new() -> LogTime {
        LogTime { unix_ns: 0, text: *b"1970-01-01T00:00:00.000000000Z" }
    }

    pub fn text(&mut self, now: Now) -> &[u8; LogTime::BYTES] {
        if now.unix_ns != self.unix_ns {
            if now.unix_seconds() != self.unix_ns / NANOS_PER_SECOND {
                let date = date_text(now.unix_seconds(), "%Y-%m-%dT%H:%M:%S");
                overwrite(&mut self.text[..19], date.as_bytes());
            }
            let mut nanos = now.unix_ns % NANOS_PER_SECOND;
            for digit in self.text[20..29].iter_mut().rev() {
                *digit = b'0' + (nanos % 10) as u8;
                nanos /= 10;
            }
            self.unix_ns = now.unix_ns;
        }
        &self.text
    }
}

impl Default for LogTime {
    fn default() -> LogTime {
        LogTime::new()
    }
}

/// IMF-fixdate for the HTTP `Date` field, `Sun, 22 Nov 2026 14:32:00 GMT`, formatted once per
/// second.
#[derive(Clone, Debug)]
pub struct HttpDate {
    second: u64,
    text: [u8; HttpDate::BYTES],
}

impl HttpDate {
    pub const BYTES: usize = 29;

    pub fn new() -> HttpDate {
        HttpDate { second: 0, text: *b"Thu, 01 Jan 1970 00:00:00 GMT" }
    }

    pub fn text(&mut self, now: Now) -> &[u8; HttpDate::BYTES] {
        let second = now.unix_seconds();
        if second != self.second {
            overwrite(&mut self.text, date_text(second, "%a, %d %b %Y %H:%M:%S GMT").as_bytes());
            self.second = second;
        }
        &self.text
    }
}

impl Default for HttpDate {
    fn default() -> HttpDate {
        HttpDate::new()
    }
}

/// Why a text is not a duration, in Go's words: they end up in configuration errors and in scripts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GoDurationError {
    #[error("time: invalid duration {}", quoted(.0))]
    Invalid(String),
    #[error("time: missing unit in duration {}", quoted(.0))]
    MissingUnit(String),
    #[error("time: unknown unit {} in duration {}", quoted(.unit), quoted(.text))]
    UnknownUnit { unit: String, text: String },
    /// Only from [`parse_go_duration`]: the text is fine but below zero.
    #[error("negative duration {}", quoted(.0))]
    Negative(String),
}

/// Reads a duration such as `1h30m15s`, `1.5h`, `500µs` or `0` that is not negative.
///
/// # Errors
/// [`GoDurationError`]; its text is Go's own, except for negative durations.
pub fn parse_go_duration(text: &str) -> Result<Duration, GoDurationError> {
    let nanos = parse_go_nanos(text)?;
    u64::try_from(nanos)
        .map(Duration::from_nanos)
        .map_err(|_| GoDurationError::Negative(text.into()))
}

/// Like [`parse_go_duration`], with the sign: nanoseconds, for the places where zero or less means
/// "the default".
///
/// # Errors
/// [`GoDurationError`], also for what does not fit 64 bits (about 292 years).
pub fn parse_go_nanos(text: &str) -> Result<i64, GoDurationError> {
    let invalid = || GoDurationError::Invalid(text.into());
    let (negative, mut rest) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let (whole, after) = split_while(rest, |b| b.is_ascii_digit());
        let (fraction, after) = match after.strip_prefix('.') {
            Some(after) => split_while(after, |b| b.is_ascii_digit()),
            None => ("", after),
        };
        if whole.is_empty() && fraction.is_empty() {
            return Err(invalid());
        }
        let (unit, after) = split_while(after, |b| b != b'.' && !b.is_ascii_digit());
        if unit.is_empty() {
            return Err(GoDurationError::MissingUnit(text.into()));
        }
        let Some(scale) = unit_nanos(unit) else {
            return Err(GoDurationError::UnknownUnit { unit: unit.into(), text: text.into() });
        };
        let part = part_nanos(whole, fraction, scale).ok_or_else(invalid)?;
        total = total.checked_add(part).filter(|&total| total <= NANOS_MAX).ok_or_else(invalid)?;
        rest = after;
    }
    match i64::try_from(total) {
        Ok(nanos) => Ok(if negative { -nanos } else { nanos }),
        // One more fits below zero than above.
        Err(_) if negative => Ok(i64::MIN),
        Err(_) => Err(invalid()),
    }
}

/// A duration as Go prints it: `0s`, `500µs`, `2.061497ms`, `1m30s`, `2h0m0s`.
pub fn go_duration_text(duration: Duration) -> String {
    let mut text = Vec::with_capacity(16);
    push_go_duration(&mut text, duration);
    String::from_utf8(text).unwrap_or_default()
}

/// Appends [`go_duration_text`] without allocating: the latency of each log line. Durations beyond
/// 584 years print as that.
pub fn push_go_duration(out: &mut Vec<u8>, duration: Duration) {
    let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    if nanos < NANOS_PER_SECOND {
        let (scale, unit) = match nanos {
            0 => return out.extend_from_slice(b"0s"),
            1..1_000 => (1, "ns"),
            1_000..1_000_000 => (1_000, "µs"),
            _ => (1_000_000, "ms"),
        };
        push_fraction(out, nanos, scale);
        out.extend_from_slice(unit.as_bytes());
        return;
    }
    let minutes = nanos / NANOS_PER_SECOND / 60;
    if minutes >= 60 {
        push_decimal(out, minutes / 60);
        out.push(b'h');
    }
    if minutes > 0 {
        push_decimal(out, minutes % 60);
        out.push(b'm');
    }
    push_fraction(out, nanos - minutes * 60 * NANOS_PER_SECOND, NANOS_PER_SECOND);
    out.push(b's');
}

/// Appends a whole number in decimal: the counters and ports of log lines, without the formatting
/// machinery.
pub fn push_decimal(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut start = digits.len();
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
        start -= 1;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(start..).unwrap_or_default());
}

/// `nanos / scale` with as many digits behind the point as it takes; `scale` is a power of ten.
fn push_fraction(out: &mut Vec<u8>, nanos: u64, scale: u64) {
    push_decimal(out, nanos / scale);
    let mut rest = nanos % scale;
    let mut place = scale / 10;
    if rest > 0 {
        out.push(b'.');
    }
    while rest > 0 && place > 0 {
        out.push(b'0' + (rest / place) as u8);
        rest %= place;
        place /= 10;
    }
}

/// `whole.fraction` units of `scale` nanoseconds, digits below a nanosecond cut off. None past the
/// range.
fn part_nanos(whole: &str, fraction: &str, scale: u64) -> Option<u64> {
    let mut nanos = match whole {
        "" => 0,
        digits => digits.parse::<u64>().ok()?.checked_mul(scale)?,
    };
    // As many digits as fit, then in floating point: Go does it this way, and
    // `0.3333333333333333333h` is to be 20 minutes here too.
    let (mut numerator, mut denominator) = (0_u64, 1.0_f64);
    for digit in fraction.bytes() {
        if numerator > i64::MAX as u64 / 10 {
            break;
        }
        numerator = numerator * 10 + u64::from(digit - b'0');
        denominator *= 10.0;
    }
    nanos = nanos.checked_add((numerator as f64 * (scale as f64 / denominator)) as u64)?;
    (nanos <= NANOS_MAX).then_some(nanos)
}

fn unit_nanos(unit: &str) -> Option<u64> {
    Some(match unit {
        "ns" => 1,
        // The micro sign and the Greek letter look the same and are both typed.
        "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
        "ms" => 1_000_000,
        "s" => NANOS_PER_SECOND,
        "m" => 60 * NANOS_PER_SECOND,
        "h" => 3600 * NANOS_PER_SECOND,
        _ => return None,
    })
}

/// Splits behind the leading bytes that satisfy `wanted`, which must not stop inside a character.
fn split_while(text: &str, wanted: impl Fn(u8) -> bool) -> (&str, &str) {
    let end = text.bytes().position(|b| !wanted(b)).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

/// Go's quotes around a text in a duration error: backslashes before quotes and backslashes, `\xNN`
/// for anything beyond ASCII.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => out.extend(['\\', char::from(byte)]),
            b' '..=0x7f => out.push(char::from(byte)),
            _ => out.push_str(&format!("\\x{byte:02x}")),
        }
    }
    out.push('"');
    out
}

/// A moment of UTC in the given notation of strftime, English names.
fn date_text(unix_seconds: u64, notation: &str) -> String {
    let seconds = i64::try_from(unix_seconds).unwrap_or(i64::MAX);
    jiff::Timestamp::from_second(seconds)
        .unwrap_or(jiff::Timestamp::UNIX_EPOCH)
        .strftime(notation)
        .to_string()
}

/// Copies a text of the same length; one of another length (no year has five digits here) is left
/// out.
fn overwrite(place: &mut [u8], text: &[u8]) {
    if place.len() == text.len() {
        place.copy_from_slice(text);
    }
}

const NANOS_PER_SECOND: u64 = 1_000_000_000;
/// The most that Go's signed durations hold, counted on the negative side.
const NANOS_MAX: u64 = 1 << 63;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(unix_ns: u64) -> Now {
        Now { mono: Instant::now(), unix_ns }
    }

    #[test]
    fn log_times_are_rfc_3339_with_nanoseconds() {
        let mut time = LogTime::new();
        for (unix_ns, text) in [
            (0, "1970-01-01T00:00:00.000000000Z"),
            (1_795_358_488_061_497_003, "2026-11-22T14:41:28.061497003Z"),
            (1_795_358_488_999_999_999, "2026-11-22T14:41:28.999999999Z"),
            (1_795_358_489_000_000_000, "2026-11-22T14:41:29.000000000Z"),
            (951_782_400_000_000_001, "2000-02-29T00:00:00.000000001Z"),
            (u64::MAX, "2554-07-21T23:34:33.709551615Z"),
        ] {
            assert_eq!(time.text(at(unix_ns)), text.as_bytes());
            assert_eq!(time.text(at(unix_ns)), text.as_bytes());
        }
    }

    #[test]
    fn http_dates_are_imf_fixdates() {
        let mut date = HttpDate::new();
        for (seconds, text) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (1_795_358_488, "Sun, 22 Nov 2026 14:41:28 GMT"),
        ] {
            assert_eq!(date.text(at(seconds * 1_000_000_000 + 5)), text.as_bytes());
            assert_eq!(date.text(at(seconds * 1_000_000_000 + 6)), text.as_bytes());
        }
    }

    #[test]
    fn now_is_a_plausible_date() {
        let now = Now::read();
        assert!(now.unix_seconds() > 1_700_000_000);
        assert_eq!(now.unix_ms(), now.unix_ns / 1_000_000);
        assert_eq!(now.since(now.mono + Duration::from_secs(1)), Duration::ZERO);
    }

    #[test]
    fn durations_print_as_in_go() {
        for (nanos, text) in [
            (0, "0s"),
            (1, "1ns"),
            (1_100, "1.1µs"),
            (500_000, "500µs"),
            (2_061_497, "2.061497ms"),
            (2_200_000, "2.2ms"),
            (1_000_000_000, "1s"),
            (1_000_000_001, "1.000000001s"),
            (3_300_000_000, "3.3s"),
            (90_000_000_000, "1m30s"),
            (4 * 60_000_000_000 + 5_001_000_000, "4m5.001s"),
            (2 * 3_600_000_000_000, "2h0m0s"),
            (5 * 3_600_000_000_000 + 6 * 60_000_000_000 + 7_001_000_000, "5h6m7.001s"),
        ] {
            assert_eq!(go_duration_text(Duration::from_nanos(nanos)), text);
        }
    }

    #[test]
    fn durations_are_read_as_in_go() {
        for (text, nanos) in [
            ("0", 0),
            ("5s", 5_000_000_000),
            ("+5s", 5_000_000_000),
            ("-5s", -5_000_000_000),
            ("-0", 0),
            ("5.0s", 5_000_000_000),
            ("5.s", 5_000_000_000),
            (".5s", 500_000_000),
            ("1.5h", 5_400_000_000_000),
            ("1h30m15s", 5_415_000_000_000),
            ("10.5s4m", 250_500_000_000),
            ("10ns", 10),
            ("11us", 11_000),
            ("12µs", 12_000),
            ("12μs10ns", 12_010),
            ("0.3333333333333333333h", 1_200_000_000_000),
            ("9223372036854775807ns", i64::MAX),
            ("-9223372036854775808ns", i64::MIN),
            ("0.100000000000000000000h", 360_000_000_000),
        ] {
            assert_eq!(parse_go_nanos(text), Ok(nanos), "{text}");
        }
        assert_eq!(parse_go_duration("90m"), Ok(Duration::from_secs(5400)));
    }

    #[test]
    fn wrong_durations_fail_in_the_words_of_go() {
        for (text, message) in [
            ("", r#"time: invalid duration """#),
            ("abc", r#"time: invalid duration "abc""#),
            ("-", r#"time: invalid duration "-""#),
            (".", r#"time: invalid duration ".""#),
            ("-.s", r#"time: invalid duration "-.s""#),
            ("10", r#"time: missing unit in duration "10""#),
            ("3600", r#"time: missing unit in duration "3600""#),
            ("1d", r#"time: unknown unit "d" in duration "1d""#),
            ("3é", r#"time: unknown unit "\xc3\xa9" in duration "3\xc3\xa9""#),
            ("1\"", r#"time: unknown unit "\"" in duration "1\"""#),
            ("9223372036854775808ns", r#"time: invalid duration "9223372036854775808ns""#),
            ("3000000h", r#"time: invalid duration "3000000h""#),
            ("99999999999999999999s", r#"time: invalid duration "99999999999999999999s""#),
        ] {
            assert_eq!(parse_go_nanos(text).map_err(|e| e.to_string()), Err(message.to_owned()));
        }
        assert_eq!(parse_go_duration("-1s"), Err(GoDurationError::Negative("-1s".into())));
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(nanos in 0..i64::MAX as u64) {
            let duration = Duration::from_nanos(nanos);
            prop_assert_eq!(parse_go_duration(&go_duration_text(duration)), Ok(duration));
        }

        #[test]
        fn no_text_breaks_the_parser(text in ".*") {
            let _ = parse_go_nanos(&text).map_err(|e| e.to_string());
        }

        #[test]
        fn decimals_are_those_of_the_standard_library(number: u64) {
            let mut out = Vec::new();
            push_decimal(&mut out, number);
            prop_assert_eq!(String::from_utf8(out).unwrap(), number.to_string());
        }
    }
}
