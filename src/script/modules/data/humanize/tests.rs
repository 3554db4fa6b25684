use super::*;
use crate::script::testing::eval;
use crate::value::Value;
use proptest::prelude::*;

fn run(source: &str) -> Value {
    eval(&format!("local h = require('humanize') return {source}"))
        .unwrap_or_else(|error| panic!("{source}: {error}"))
}

#[test]
fn ibytes_has_three_digits_at_most_below_the_next_unit() {
    for (n, text) in [
        ("0", "0 B"),
        ("9.9", "9 B"),
        ("999", "999 B"),
        ("1000", "1000 B"),
        ("1024", "1.0 KiB"),
        ("1536", "1.5 KiB"),
        ("1048575", "1024 KiB"),
        ("10 * 1024 * 1024", "10 MiB"),
        ("1e15", "910 TiB"),
        ("2^63", "8.0 EiB"),
        ("-0.5", "0 B"),
    ] {
        assert_eq!(run(&format!("h.ibytes({n})")), Value::string(text), "{n}");
    }
    for bad in ["-1", "0/0", "nil"] {
        assert!(
            eval(&format!("require('humanize').ibytes({bad})"))
                .unwrap_err()
                .contains("bad argument #1 to ibytes"),
            "{bad}"
        );
    }
}

#[test]
fn parse_bytes_knows_both_kinds_of_units() {
    for (text, bytes) in [
        ("1.3GiB", 1_395_864_371.0),
        ("1GB", 1e9),
        ("1.5k", 1500.0),
        ("1kib", 1024.0),
        ("2 Ki", 2048.0),
        ("1,000", 1000.0),
        ("7", 7.0),
        ("7 B", 7.0),
        ("1 EB", 1e18),
    ] {
        assert_eq!(run(&format!("h.parse_bytes('{text}')")), Value::Number(bytes), "{text}");
    }
    for (text, error) in [
        ("5 xb", "unhandled size name: xb"),
        ("5 ib", "unhandled size name: ib"),
        ("", "strconv.ParseFloat: parsing \"\": invalid syntax"),
        ("-1", "strconv.ParseFloat: parsing \"\": invalid syntax"),
        ("1.2.3k", "strconv.ParseFloat: parsing \"1.2.3\": invalid syntax"),
        ("999 EiB", "too large: 999 EiB"),
    ] {
        assert_eq!(
            run(&format!("select(2, h.parse_bytes('{text}'))")),
            Value::string(error),
            "{text}"
        );
    }
}

#[test]
fn si_puts_a_prefix_on_the_unit() {
    for (source, text) in [
        ("h.si(0.212121, 'm')", "212.121 mm"),
        ("h.si(1234567, 'm')", "1.234567 Mm"),
        ("h.si(1e-9, 'm')", "1 nm"),
        ("h.si(0, 'm')", "0 m"),
        ("h.si(-2500, 'W')", "-2.5 kW"),
        ("h.si(1000, 'g')", "1 kg"),
        ("h.si(999, 'g')", "999 g"),
    ] {
        assert_eq!(run(source), Value::string(text), "{source}");
    }
    assert!(
        eval("require('humanize').si(1)")
            .unwrap_err()
            .contains("bad argument #2 to si (string expected, got nil)")
    );
}

#[test]
fn time_is_told_from_now() {
    const NOW: f64 = 1e9;
    for (seconds, text) in [
        (0.5, "now"),
        (1.0, "1 second ago"),
        (59.0, "59 seconds ago"),
        (60.0, "1 minute ago"),
        (125.0, "2 minutes ago"),
        (3605.0, "1 hour ago"),
        (7201.0, "2 hours ago"),
        (90_000.0, "1 day ago"),
        (7.0 * DAY, "1 week ago"),
        (20.0 * DAY, "2 weeks ago"),
        (30.0 * DAY, "1 month ago"),
        (100.0 * DAY, "3 months ago"),
        (360.0 * DAY, "1 year ago"),
        (600.0 * DAY, "2 years ago"),
        (5.0 * YEAR, "5 years ago"),
        (38.0 * YEAR, "a long while ago"),
        (-4.5, "4 seconds from now"),
        (f64::INFINITY, "a long while ago"),
    ] {
        assert_eq!(distance(NOW - seconds, NOW), text, "{seconds}");
    }
    assert_eq!(run("h.time(os.time() - 7300)"), Value::string("2 hours ago"));
    assert!(
        eval("require('humanize').time('x')")
            .unwrap_err()
            .contains("bad argument #1 to time (number expected, got string)")
    );
}

proptest! {
    #[test]
    fn every_size_can_be_read_again(bytes in 0_u64..1 << 60) {
        let read = bytes_of(&size(bytes)).unwrap();
        prop_assert!((read - bytes as f64).abs() <= bytes as f64 * 0.051);
    }

    #[test]
    fn no_text_upsets_the_parser(text: String) {
        if let Ok(bytes) = bytes_of(&text) {
            prop_assert!(bytes.fract() == 0.0 && bytes >= 0.0);
        }
    }

    #[test]
    fn any_number_is_a_quantity_and_a_distance(value: f64, now in 0.0..1e10) {
        prop_assert!(quantity(value, "m").ends_with('m'));
        prop_assert!(!distance(value, now).is_empty());
    }
}
