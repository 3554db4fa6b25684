//! Tests of `line`: lines against texts written by hand, and any bytes against a JSON parser.

use super::super::testing::Capture;
use super::*;
use proptest::prelude::*;

/// The line without its caller, whose number changes with each edit.
fn without_caller(format: Format, line: &str) -> String {
    let (key, end) = match format {
        Format::Logfmt => ("caller=log/line_tests.rs:", " "),
        Format::Json => ("\"caller\":\"log/line_tests.rs:", ","),
    };
    let (before, after) = line.split_once(key).unwrap();
    format!("{before}{}", after.split_once(end).unwrap().1)
}

fn written(format: Format, write: impl FnOnce(&mut Line<'_>)) -> String {
    let capture = Capture::new();
    let mut log = capture.log(Level::Debug, format);
    let mut line = log.line(Level::Info, capture.now());
    write(&mut line);
    drop(line);
    without_caller(format, &capture.text(&mut log))
}

fn authentication(line: &mut Line<'_>) {
    line.text("session", "3MSgzR")
        .word("mode", "auth")
        .text_or_na("client_host", "")
        .text("username", "alice smith");
    line.number("current_password_retries", 3_u32)
        .number("offset", -7_i64)
        .text("status_message", "Invalid \"login\"");
    line.flag("cached", false).duration("latency", Duration::from_nanos(2_061_497));
    line.pair("from_feature", &Value::string("a b"))
        .pair("number", &Value::Number(7.0))
        .pair("ok", &Value::Bool(true));
    line.pair("rbl x", &Value::Number(1.5)).pair("table", &Value::List(vec![]));
}

#[test]
fn logfmt_lines_look_like_this() {
    assert_eq!(
        written(Format::Logfmt, authentication),
        "level=info ts=2026-11-22T14:41:28.061497003Z instance=test session=3MSgzR mode=auth client_host=N/A \
         username=\"alice smith\" current_password_retries=3 offset=-7 status_message=\"Invalid \\\"login\\\"\" cached=false \
         latency=2.061497ms from_feature=\"a b\" number=7 ok=true rbl_x=1.5 table=UNSUPPORTED\n"
    );
}

#[test]
fn json_lines_look_like_this() {
    assert_eq!(
        written(Format::Json, authentication),
        "{\"level\":\"info\",\"ts\":\"2026-11-22T14:41:28.061497003Z\",\"instance\":\"test\",\"session\":\"3MSgzR\",\"mode\":\"auth\",\
         \"client_host\":\"N/A\",\"username\":\"alice smith\",\"current_password_retries\":3,\"offset\":-7,\
         \"status_message\":\"Invalid \\\"login\\\"\",\"cached\":false,\"latency\":\"2.061497ms\",\"from_feature\":\"a b\",\
         \"number\":7,\"ok\":true,\"rbl x\":1.5,\"table\":\"UNSUPPORTED\"}\n"
    );
}

#[test]
fn numbers_that_json_cannot_say_are_texts() {
    let line = written(Format::Json, |line| {
        line.number("a", f64::NAN)
            .number("b", f64::NEG_INFINITY)
            .number("c", 1e21)
            .number("d", u64::MAX);
    });
    assert!(
        line.ends_with(",\"a\":\"NaN\",\"b\":\"-Inf\",\"c\":1e+21,\"d\":18446744073709551615}\n"),
        "{line}"
    );
}

#[test]
fn the_caller_is_the_file_that_logs() {
    let capture = Capture::new();
    let mut log = capture.log(Level::Info, Format::Logfmt);
    let number = line!() + 1;
    log.line(Level::Info, capture.now()).end();
    assert!(
        capture
            .text(&mut log)
            .contains(&format!(" caller=log/line_tests.rs:{number} instance=test\n"))
    );
}

#[test]
fn a_level_that_is_off_writes_nothing() {
    let capture = Capture::new();
    let mut log = capture.log(Level::Warn, Format::Logfmt);
    log.line(Level::Info, capture.now()).text("msg", "x").pair("k", &Value::Bool(true)).end();
    assert_eq!(capture.text(&mut log), "");
}

#[test]
fn what_follows_the_end_is_ignored() {
    let line = written(Format::Logfmt, |line| {
        line.word("a", "b").end();
        line.word("c", "d").end();
    });
    assert!(line.ends_with(" a=b\n"), "{line}");
}

#[test]
fn an_odd_instance_name_is_quoted() {
    assert_eq!(instance_field(Format::Logfmt, "mail 1"), b" instance=\"mail 1\"");
    assert_eq!(instance_field(Format::Json, "mail 1"), b",\"instance\":\"mail 1\"");
}

#[test]
fn long_fields_are_cut_and_long_lines_take_no_more() {
    for format in [Format::Logfmt, Format::Json] {
        let line = written(format, |line| {
            for _ in 0..1000 {
                line.pair("k".repeat(1000), &Value::string("v".repeat(100_000)));
            }
        });
        assert!(line.len() < 2 * LINE_BYTES_MAX, "{}", line.len());
        assert!(line.ends_with('\n'));
    }
}

#[test]
fn the_check_for_secrets_sees_through_encodings() {
    for line in [
        "password=hunter2",
        "p=68756e7465723200",
        "auth=aHVudGVyMg==",
        "url=/?p=%68%75%6e%74%65%72%32",
    ] {
        assert!(
            std::panic::catch_unwind(|| Capture::assert_absent(line, b"hunter2")).is_err(),
            "{line}"
        );
    }
    Capture::assert_absent("password=***", b"hunter2");
}

proptest! {
    #[test]
    fn any_bytes_give_one_json_object_per_line(key: Vec<u8>, value: Vec<u8>, number: f64) {
        let line = written(Format::Json, |line| {
            line.text("text", &value).pair(&key, &Value::String(value.clone())).number("number", number);
        });
        prop_assert_eq!(line.matches(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']).count(), 1);
        let parsed: serde_json::Value = serde_json::from_str(&line).unwrap();
        let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        prop_assert_eq!(parsed["text"].as_str().unwrap(), lossy(&value));
        prop_assert!(parsed.get(lossy(&key)).is_some());
        // The parser is off by a bit for some numbers, so ask the standard library.
        let written = line.trim_end().trim_end_matches('}').rsplit_once(':').unwrap().1;
        prop_assert!(!number.is_finite() || written.parse() == Ok(number));
    }

    #[test]
    fn any_bytes_give_one_line_of_logfmt(key: Vec<u8>, value: Vec<u8>) {
        let line = written(Format::Logfmt, |line| {
            line.text("text", &value).pair(&key, &Value::String(value.clone())).word("last", "x");
        });
        prop_assert!(line.ends_with(" last=x\n"));
        prop_assert_eq!(line.matches(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']).count(), 1);
        let fields = read_logfmt(line.trim_end());
        prop_assert_eq!(fields.len(), 6);
        let lossy = String::from_utf8_lossy(&value).into_owned();
        prop_assert_eq!(&fields[3], &("text".to_owned(), lossy.clone()));
        prop_assert_eq!(&fields[4].1, &lossy);
    }
}

/// A reader of logfmt that accepts exactly what the notation allows.
fn read_logfmt(line: &str) -> Vec<(String, String)> {
    let mut fields = Vec::new();
    let mut rest = line;
    while !rest.is_empty() {
        let (key, after) = rest.split_once('=').unwrap();
        let (value, after) = if after.starts_with('"') {
            let mut parsed = serde_json::Deserializer::from_str(after).into_iter::<String>();
            (parsed.next().unwrap().unwrap(), &after[parsed.byte_offset()..])
        } else {
            let end = after.find(' ').unwrap_or(after.len());
            (after[..end].to_owned(), &after[end..])
        };
        assert!(!key.is_empty() && !key.contains([' ', '"']));
        fields.push((key.to_owned(), value));
        rest = if after.is_empty() { after } else { after.strip_prefix(' ').unwrap() };
    }
    fields
}
