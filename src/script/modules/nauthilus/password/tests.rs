//! The module as scripts call it. The schemes' own tests are beside `crate::password`.

use super::*;
use crate::op::Failure;
use crate::script::testing::{eval, eval_with};
use crate::value::Value;

/// What `compare_passwords(arguments)` gives, `matched: err`, with that answer from the hash
/// thread.
fn compare_with(arguments: &str, answer: impl FnMut(Op) -> Answer) -> Result<String, String> {
    let source = format!(
        "local matched, err = require('nauthilus_password').compare_passwords({arguments}) return tostring(matched) .. ': ' .. tostring(err)"
    );
    match eval_with(&source, answer)? {
        Value::String(text) => Ok(String::from_utf8(text).unwrap()),
        other => panic!("{other:?}"),
    }
}

fn compare_inline(arguments: &str) -> Result<String, String> {
    compare_with(arguments, |op| panic!("asked for {op:?}"))
}

fn said(text: &str) -> Result<String, String> {
    Ok(text.to_owned())
}

const SALTED: &str = "'{SSHA256}YHwWAhvYSecp3KMnWk68BDFr3xsXX9GS62TGo7+BLF5hYmNkZWZnaA=='";
const CRYPT: &str = "'$1$deadbeef$Q7g0UO4hRC0mgQUQ/qkjZ0'";

/// What the hash thread does.
fn verify(op: Op) -> Answer {
    match op {
        Op::Hash(op) => Answer::Hash(
            password::verify(op.stored.expose(), op.plain.expose())
                .map_err(|error| error.to_string()),
        ),
        other => panic!("asked for {other:?}"),
    }
}

#[test]
fn cheap_schemes_are_compared_at_once() {
    assert_eq!(compare_inline(&format!("{SALTED}, 'secret'")), said("true: nil"));
    assert_eq!(compare_inline(&format!("{SALTED}, 'Secret'")), said("false: nil"));
    assert_eq!(compare_inline("'{PLAIN}5', 5"), said("true: nil"));
}

#[test]
fn expensive_schemes_are_compared_by_the_hash_thread() {
    let mut asked = 0;
    for (plain, expected) in [("password", "true: nil"), ("Password", "false: nil")] {
        let answer = |op| {
            asked += 1;
            verify(op)
        };
        assert_eq!(compare_with(&format!("{CRYPT}, '{plain}'"), answer), said(expected));
    }
    assert_eq!(asked, 2);
}

#[test]
fn a_stored_value_of_no_known_scheme_is_false_with_a_reason() {
    for (stored, expected) in [
        ("{SSHA256}YWJj", "false: unsupported hash algorithm"),
        ("{SSHA256}!!", "false: illegal base64 data at input byte 0"),
    ] {
        assert_eq!(compare_inline(&format!("'{stored}', 'pw'")), said(expected), "{stored}");
    }
    for (stored, named) in [
        ("pw", "names no scheme"),
        ("", "names no scheme"),
        ("{SSHA999}YWJj", "{SSHA999}; known are {PLAIN}"),
    ] {
        let told = compare_inline(&format!("'{stored}', 'pw'")).unwrap();
        assert!(
            told.starts_with("false: no registered algorithm for settings []: ")
                && told.contains(named),
            "{told}"
        );
    }
    assert_eq!(
        compare_with("'$6$rounds=9999999999$a$b', 'pw'", verify),
        said("false: password hash settings exceed the limits")
    );
}

#[test]
fn two_arguments_are_wanted() {
    for arguments in ["", "'pw'", "'a', 'b', 'c'", "nil, 'b', nil"] {
        assert_eq!(
            compare_inline(arguments),
            said("false: wrong number of arguments"),
            "{arguments}"
        );
    }
}

#[test]
fn arguments_that_are_no_text_raise() {
    for (arguments, expected) in [
        ("nil, 'b'", "bad argument #1 to compare_passwords (string expected, got nil)"),
        ("'a', {}", "bad argument #2 to compare_passwords (string expected, got table)"),
    ] {
        let error = compare_inline(arguments).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn there_are_two_results_always() {
    for arguments in [format!("{SALTED}, 'secret'"), "'x', 'y'".into(), "".into()] {
        let source = format!(
            "return select('#', require('nauthilus_password').compare_passwords({arguments}))"
        );
        assert_eq!(eval(&source), Ok(Value::Number(2.0)), "{arguments}");
    }
}

#[test]
fn a_hash_thread_that_cannot_say_is_no_wrong_password() {
    for (failure, text) in
        [(Failure::Full("hash"), "hash queue is full"), (Failure::TimedOut, "i/o timeout")]
    {
        let error =
            compare_with(&format!("{CRYPT}, 'password'"), |_| Answer::Failed(failure.clone()))
                .unwrap_err();
        assert!(error.contains(&format!("the password could not be compared: {text}")), "{error}");
    }
    let out_of_memory = |_| Answer::Hash(Err(password::Error::OutOfMemory.to_string()));
    assert!(compare_with(&format!("{CRYPT}, 'password'"), out_of_memory).is_err());
}

#[test]
fn no_error_shows_the_password_or_the_hash() {
    let error = compare_with(&format!("{CRYPT}, 'hunter2'"), |_| Answer::Failed(Failure::TimedOut))
        .unwrap_err();
    assert!(!error.contains("hunter2") && !error.contains("deadbeef"), "{error}");
}

#[test]
fn a_policy_is_checked_field_by_field() {
    for (policy, password, expected) in [
        (
            "min_length = 8, min_lower = 1, min_upper = 1, min_number = 1, min_special = 1",
            "Passw0rd!",
            true,
        ),
        (
            "min_length = 8, min_lower = 1, min_upper = 1, min_number = 1, min_special = 1",
            "passw0rd!",
            false,
        ),
        ("min_length = 4", "ää", true),
        ("min_length = 2.9", "ab", true),
        ("min_length = -1", "", true),
        ("min_length = '9', max_length = 1", "x", true),
        ("min_special = 1", "a b", false),
        ("", "", true),
    ] {
        let source = format!(
            "return (require('nauthilus_password').check_password_policy({{ {policy} }}, '{password}'))"
        );
        assert_eq!(eval(&source), Ok(Value::Bool(expected)), "{policy} {password}");
    }
    assert_eq!(
        eval("return select('#', require('nauthilus_password').check_password_policy({}, ''))"),
        Ok(Value::Number(2.0))
    );
    let error = eval("require('nauthilus_password').check_password_policy('x', 'y')").unwrap_err();
    assert!(
        error.contains("bad argument #1 to check_password_policy (table expected, got string)"),
        "{error}"
    );
}

#[test]
fn a_password_has_its_name_in_the_histories() {
    let mut settings = Settings {
        password_nonce: Secret::from("5yBOr5PKa8UQq8iXF44ceFWaWW3vO15W"),
        ..Settings::default()
    };
    assert_eq!(history_hash(&settings, b"secret").as_ref(), Some(b"be0377cb"));
    settings.developer_mode = true;
    assert_eq!(history_hash(&settings, b"secret"), None);
}

#[test]
fn generate_password_hash_gives_that_name() {
    let hash = password::history_hash(b"", b"secret").to_vec();
    assert_eq!(
        eval("return (require('nauthilus_password').generate_password_hash('secret'))"),
        Ok(Value::String(hash))
    );
    assert_eq!(
        eval("return select('#', require('nauthilus_password').generate_password_hash(5))"),
        Ok(Value::Number(2.0))
    );
}
