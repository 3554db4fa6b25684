//! The module as scripts meet it. Vectors: `lua/modules/time.md`, observed in the reference.

use crate::op::{Answer, Failure, Op};
use crate::script::testing::{eval, eval_with};
use crate::value::Value;
use std::time::Duration;

fn run(source: &str) -> Value {
    eval(&format!("local t = require('time') return {source}"))
        .unwrap_or_else(|error| panic!("{source}: {error}"))
}

fn assert_texts(cases: &[(&str, &str)]) {
    for (source, text) in cases {
        assert_eq!(run(source), Value::string(*text), "{source}");
    }
}

fn assert_numbers(cases: &[(&str, f64)]) {
    for (source, number) in cases {
        assert_eq!(run(source), Value::Number(*number), "{source}");
    }
}

/// What a script sleeps, in order.
fn sleeps(source: &str) -> Vec<Duration> {
    let mut asked = Vec::new();
    let result = eval_with(&format!("local t = require('time') {source}"), |op| {
        let Op::Sleep(duration) = op else { panic!("{op:?}") };
        asked.push(duration);
        Answer::Slept
    });
    assert_eq!(result, Ok(Value::Nil));
    asked
}

#[test]
fn unix_and_unix_nano_tell_the_same_time() {
    assert_eq!(run("math.abs(t.unix() - os.time()) < 2"), Value::Bool(true));
    assert_eq!(run("math.abs(t.unix_nano() / 1e9 - t.unix()) < 2"), Value::Bool(true));
}

#[test]
fn sleep_takes_seconds_and_fractions() {
    assert_eq!(
        sleeps("t.sleep(1.5) t.sleep('0.25')"),
        [Duration::from_millis(1500), Duration::from_millis(250)]
    );
    assert_eq!(sleeps("assert(select('#', t.sleep(1)) == 0)"), [Duration::from_secs(1)]);
    assert_eq!(sleeps("t.sleep(1e300)"), [Duration::MAX]);
}

#[test]
fn sleep_can_be_called_by_pcall() {
    assert_eq!(
        sleeps("assert(pcall(t.sleep, 2)) assert(pcall(function() t.sleep(3) end))"),
        [Duration::from_secs(2), Duration::from_secs(3)]
    );
}

#[test]
fn sleep_does_not_wait_for_the_past() {
    assert_eq!(sleeps("t.sleep(0) t.sleep(-1) t.sleep(0/0)"), [] as [Duration; 0]);
}

#[test]
fn sleep_ms_takes_milliseconds() {
    assert_eq!(sleeps("t.sleep_ms(20)"), [Duration::from_millis(20)]);
}

#[test]
fn sleep_raises_what_kept_it_from_sleeping() {
    let error =
        eval_with("require('time').sleep(1)", |_| Answer::Failed(Failure::TimedOut)).unwrap_err();
    assert!(error.contains("i/o timeout"), "{error}");
    assert!(
        eval("require('time').sleep({})")
            .unwrap_err()
            .contains("bad argument #1 to sleep (number expected, got table)")
    );
}

#[test]
fn format_follows_layout_and_zone() {
    assert_texts(&[
        (
            "t.format(1543721585, '2006-01-02T15:04:05Z07:00', 'Europe/Berlin')",
            "2018-12-02T04:33:05+01:00",
        ),
        ("t.format('1543721585', '2006-01-02T15:04:05Z07:00', 'UTC')", "2018-12-02T03:33:05Z"),
        ("t.format(1543721585.5, '15:04:05.999999999', 'UTC')", "03:33:05.5"),
        ("t.format(-1.5, '2006-01-02 15:04:05.000', 'UTC')", "1969-12-31 23:59:58.500"),
        (
            "t.format(1543721585, 'Mon, 02 Jan 2006 15:04:05 MST', 'GMT')",
            "Sun, 02 Dec 2018 03:33:05 GMT",
        ),
        ("t.format(1543721585, 'MST -07 -070000', 'Europe/Berlin')", "CET +01 +010000"),
    ]);
}

#[test]
fn format_knows_every_element() {
    assert_texts(&[
        (
            "t.format(1543721585, 'Monday January 1 2 _2 __2 002 06', '')",
            "Sunday December 12 2  2 336 336 18",
        ),
        ("t.format(1543721585, '3:4:5 03:04:05 PM pm', '')", "3:33:5 03:33:05 AM am"),
        ("t.format(1543752000, '15 3 PM', '')", "12 12 PM"),
        ("t.format(1543708800, '15 3 PM', '')", "00 12 AM"),
        ("t.format(100000, '_2 002 __2', '')", " 2 002   2"),
        (
            "t.format(0.0625, '5.00 5,000000 5.9 5.999 05 .000', '')",
            "0.06 0,062500 0 0.062 00 .062",
        ),
        (
            "t.format(0, 'Z07:00 Z0700 Z07 -0700 Z07:00:00', 'Asia/Kolkata')",
            "+05:30 +0530 +05 +0530 +05:30:00",
        ),
        ("t.format(0, 'Z0700 -07:00', 'UTC')", "Z +00:00"),
        ("t.format(0, 'am 2nd \\195\\164 \\0', 'UTC')", "am 1nd ä \0"),
    ]);
}

#[test]
fn format_has_defaults() {
    assert_eq!(
        run(
            "t.format(1543721585) == t.format(1543721585, 'Mon Jan 2 15:04:05 -0700 MST 2006', 'Local')"
        ),
        Value::Bool(true)
    );
    assert_eq!(run("t.format(1543721585, '2006') "), Value::string("2018"));
}

#[test]
fn format_refuses_zones_and_times_that_are_none() {
    assert_texts(&[
        ("select(2, t.format(0, '2006', 'Foo/Bar'))", "unknown time zone Foo/Bar"),
        ("select(2, t.format(1e300, '2006', 'UTC'))", "time out of range"),
        ("select(2, t.format(0/0, '2006', 'UTC'))", "time out of range"),
    ]);
    assert!(
        eval("require('time').format(0, nil, 'UTC')")
            .unwrap_err()
            .contains("bad argument #2 to format")
    );
}

#[test]
fn parse_reads_what_the_layout_says() {
    assert_numbers(&[
        (
            "t.parse('Dec  2 06:33:05 2018', 'Jan  2 15:04:05 2006', 'Europe/Moscow')",
            1_543_721_585.0,
        ),
        ("t.parse('2018-07-01 12:00', '2006-01-02 15:04', 'Europe/Berlin')", 1_530_439_200.0),
        ("t.parse('2018-12-02T04:33:05+01:00', '2006-01-02T15:04:05Z07:00')", 1_543_721_585.0),
        (
            "t.parse('2018-12-02T04:33:05Z', '2006-01-02T15:04:05Z07:00', 'Europe/Berlin')",
            1_543_725_185.0,
        ),
        ("t.parse('2018-03-25 02:30', '2006-01-02 15:04', 'Europe/Berlin')", 1_521_941_400.0),
        ("t.parse('2018-10-28 02:30', '2006-01-02 15:04', 'Europe/Berlin')", 1_540_690_200.0),
        (
            "t.parse('sunday, 02-DEC-18 03:33:05 pm', 'Monday, 02-Jan-06 03:04:05 pm')",
            1_543_764_785.0,
        ),
        ("t.parse('12:00 AM 1970', '3:04 PM 2006')", 0.0),
        ("t.parse('12:00 PM 1970', '3:04 PM 2006')", 43_200.0),
        ("t.parse('2018 336', '2006 002')", 1_543_708_800.0),
        ("t.parse('70 1', '06 2')", 0.0),
        ("t.parse('1970-01-01 -0130', '2006-01-02 -0700')", 5400.0),
    ]);
}

#[test]
fn parse_takes_a_fraction_after_the_seconds() {
    assert_numbers(&[
        ("t.parse('1970 05.5', '2006 05')", 5.5),
        ("t.parse('1970 05,25', '2006 05.00')", 5.25),
        ("t.parse('1970 05.1234567899', '2006 05')", 5.123456789),
        ("t.parse('1970 05', '2006 05.999')", 5.0),
    ]);
}

#[test]
fn parse_counts_unknown_abbreviations_as_utc() {
    assert_numbers(&[
        ("t.parse('1970-01-02 GMT', '2006-01-02 MST')", 86_400.0),
        ("t.parse('1970-01-02 PST', '2006-01-02 MST')", 86_400.0),
        ("t.parse('1970-01-02 UTC', '2006-01-02 MST', 'Europe/Berlin')", 86_400.0),
        ("t.parse('1970-01-02 CET', '2006-01-02 MST', 'Europe/Berlin')", 82_800.0),
        ("t.parse('1970-01-02 GMT+3', '2006-01-02 MST')", 75_600.0),
    ]);
}

#[test]
fn parse_says_what_is_wrong() {
    for (text, layout, error) in [
        ("2018-13-01", "2006-01-02", "parsing time \"2018-13-01\": month out of range"),
        ("2018-02-29", "2006-01-02", "parsing time \"2018-02-29\": day out of range"),
        ("24:00", "15:04", "parsing time \"24:00\": hour out of range"),
        ("2018 x", "2006", "parsing time \"2018 x\": extra text: \" x\""),
        ("x", "2006", "parsing time \"x\" as \"2006\": cannot parse \"x\" as \"2006\""),
        (
            "2018/01",
            "2006-01",
            "parsing time \"2018/01\" as \"2006-01\": cannot parse \"/01\" as \"-\"",
        ),
        ("1", "01", "parsing time \"1\" as \"01\": cannot parse \"1\" as \"01\""),
        ("Foo", "Jan", "parsing time \"Foo\" as \"Jan\": cannot parse \"Foo\" as \"Jan\""),
        ("05.1", "05.00", "parsing time \"05.1\" as \"05.00\": cannot parse \".1\" as \".00\""),
        ("abc", "MST", "parsing time \"abc\" as \"MST\": cannot parse \"abc\" as \"MST\""),
        (
            "+2:00",
            "-07:00",
            "parsing time \"+2:00\" as \"-07:00\": cannot parse \"+2:00\" as \"-07:00\"",
        ),
    ] {
        assert_eq!(run(&format!("select(2, t.parse('{text}', '{layout}'))")), Value::string(error));
    }
    assert_eq!(
        run("select(2, t.parse('2018', '2006', 'Foo/Bar'))"),
        Value::string("unknown time zone Foo/Bar")
    );
    assert!(
        eval("require('time').parse('2018')").unwrap_err().contains("bad argument #2 to parse")
    );
}

#[test]
fn parse_reads_years_far_away() {
    assert_numbers(&[
        ("t.parse('0001-01-01', '2006-01-02')", -62_135_596_800.0),
        ("t.parse('9999-12-31', '2006-01-02')", 253_402_214_400.0),
        ("t.parse('12:00', '15:04')", -62_167_176_000.0),
    ]);
}
