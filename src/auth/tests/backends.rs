//! Backends: in which order they are asked, and what their returns mean.

use super::*;
use crate::auth::request::Mode;
use crate::auth::verdict::{PassDb, Success};

type Returned = Result<BackendReturn, ScriptError>;

fn ok(result: BackendResult) -> Returned {
    Ok(BackendReturn { code: 0, result: Some(result) })
}

fn code(code: i64, result: Option<BackendResult>) -> Returned {
    Ok(BackendReturn { code, result })
}

/// b1 answers as given, b2 knows everybody.
fn two(first: Returned) -> Case {
    Case::new()
        .backend("one", &["imap"], move |_| first.clone())
        .backend("two", &["imap"], |_| ok(found("second", true)))
}

fn success(outcome: Outcome) -> Success {
    match outcome.verdict {
        Verdict::Success(success) => success,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_a_backend_returns_decides_who_is_asked_next() {
    let not_found = BackendResult { user_found: false, ..found("a", true) };
    let no_field = BackendResult { account_field: Vec::new(), ..found("a", true) };
    let no_attribute = BackendResult { account_field: b"other".to_vec(), ..found("a", true) };
    let temporary = temporary();
    let table: [(&str, Returned, &str, &str); 15] = [
        ("found", ok(found("a", true)), "ok", "b1"),
        ("other password", ok(found("a", false)), FAIL, "b1"),
        ("nothing set", ok(BackendResult::default()), "ok", "b1 b2"),
        ("authenticated, not found", ok(not_found), "ok", "b1 b2"),
        ("no account field", ok(no_field), "ok", "b1 b2"),
        ("no account attribute", ok(no_attribute), &temporary, "b1"),
        ("empty account", ok(found("", true)), &temporary, "b1"),
        ("no result", code(0, None), &temporary, "b1"),
        ("ERROR", code(1, Some(found("a", true))), &temporary, "b1"),
        ("NOT_FOUND", code(2, Some(found("a", true))), "ok", "b1 b2"),
        ("NOT_FOUND without result", code(2, None), "ok", "b1 b2"),
        ("DENIED", code(3, Some(found("a", true))), FAIL, "b1"),
        ("DENIED without result", code(3, None), FAIL, "b1"),
        ("other code", code(-1, Some(found("a", true))), &temporary, "b1"),
        ("raised", Err(raised("broken")), &temporary, "b1"),
    ];
    for (name, returned, how, calls) in table {
        let case = two(returned);
        let login = login("u", "p");
        assert_eq!(ending(&case.run(&login)), how, "{name}");
        assert_eq!(case.calls(), calls, "{name}");
        // A password that was right for nobody is a mistake of the script, of which the log tells.
        let warned = login.custom_log.borrow().iter().any(|(name, _)| name == "backend_mistake");
        assert_eq!(
            warned,
            matches!(name, "authenticated, not found" | "no account field"),
            "{name}"
        );
    }
}

#[test]
fn the_last_backend_decides_when_nobody_knows_the_user() {
    let unknown = || ok(BackendResult::default());
    let case = Case::new().backend("one", &["imap"], move |_| unknown()).backend(
        "two",
        &["imap"],
        move |_| unknown(),
    );
    assert_eq!(ending(&case.run(&login("u", "p"))), FAIL);
    assert_eq!(case.calls(), "b1 b2");
}

#[test]
fn the_answer_says_who_found_the_user() {
    let outcome = two(ok(BackendResult::default())).run(&login("u", "p"));
    assert_eq!((outcome.report.backend_name.as_str(), outcome.report.passdb), ("two", PassDb::Lua));
    let success = success(outcome);
    assert_eq!(
        (success.backend_name.as_str(), success.passdb, success.memory_hit),
        ("two", PassDb::Lua, false)
    );
    assert_eq!(
        (success.account.as_slice(), success.account_field.as_slice()),
        (b"second".as_slice(), b"account".as_slice())
    );
}

#[test]
fn a_backend_that_does_not_serve_the_protocol_is_passed_over() {
    let case = Case::new().backend("one", &["imap"], |_| ok(found("one", true))).backend(
        "two",
        &["submission"],
        |_| ok(found("two", true)),
    );
    for (protocol, how, calls) in [
        ("imap", "ok", "b1"),
        ("submission", "ok", "b2"),
        ("pop3", &temporary(), ""),
        ("default", &temporary(), ""),
    ] {
        let login =
            login_with("u", "p", |request| request.set(Field::Protocol, protocol.as_bytes()));
        assert_eq!(ending(&case.run(&login)), how, "{protocol}");
        assert_eq!(case.calls(), calls, "{protocol}");
    }
}

#[test]
fn without_backends_nobody_can_tell() {
    let outcome = Case::new().run(&login("u", "p"));
    assert_eq!(ending(&outcome), temporary());
    assert_eq!(outcome.report.events[0].message, "no backend answers protocol \"imap\"");
}

#[test]
fn a_lookup_needs_no_right_password() {
    let lookup = |username| login_with(username, "", |request| request.mode = Mode::NoAuth);
    let case = Case::with_alice();
    assert_eq!(ending(&case.run(&lookup("alice"))), "ok");
    assert_eq!(ending(&case.run(&lookup("nobody"))), FAIL);
    assert_eq!(ending(&case.run(&lookup("broken"))), temporary());
    let denied = Case::new().backend("one", &["imap"], |_| code(3, Some(found("a", true))));
    assert_eq!(ending(&denied.run(&lookup("alice"))), FAIL);
}

#[test]
fn fields_of_the_result_reach_answer_and_scripts() {
    let mut result = found("a", true);
    for (name, value) in [("uid", "7"), ("cn", "A"), ("totp", "JBSW")] {
        result.attributes.set_one(name.as_bytes(), Value::string(value));
    }
    result.unique_user_id_field = b"uid".to_vec();
    result.display_name_field = b"cn".to_vec();
    result.totp_secret_field = b"totp".to_vec();
    let attributes = result.attributes.clone();
    let login = login("u", "p");
    let success = success(two(ok(result)).run(&login));
    assert_eq!(success.totp_secret_field, b"totp");
    assert_eq!(success.attributes, attributes);
    let facts = login.facts.borrow();
    assert_eq!(
        (facts.unique_user_id.as_slice(), facts.display_name.as_slice()),
        (b"7".as_slice(), b"A".as_slice())
    );
}

#[test]
fn accounts_are_listed_sorted_and_once_per_backend() {
    let accounts =
        |names: &[&str]| (0, names.iter().map(|name| name.as_bytes().to_vec()).collect());
    let case = Case::new()
        .listing("one", &["account-provider"], move |_| Ok(accounts(&["c", "a", "c"])))
        .listing("two", &["imap", "account-provider"], move |_| Ok(accounts(&["b"])))
        .listing("three", &["imap"], move |_| Ok(accounts(&["z"])));
    let listing = login_with("", "", |request| request.mode = Mode::ListAccounts);
    assert_eq!(case.list(&listing), (vec!["a".into(), "b".into(), "c".into()], vec![]));
    assert_eq!(case.calls(), "b1 b2");
}

#[test]
fn accounts_of_a_broken_backend_are_missing() {
    let case = Case::new()
        .listing("one", &["account-provider"], |_| Ok((1, vec![b"x".to_vec()])))
        .listing("two", &["account-provider"], |_| Err(raised("expected a list")))
        .listing("three", &["account-provider"], |_| Ok((0, vec![b"a".to_vec()])));
    let listing = login_with("", "", |request| request.mode = Mode::ListAccounts);
    let (accounts, events) = case.list(&listing);
    assert_eq!(accounts, ["a"]);
    assert!(
        line(&events[0], &listing).ends_with("backend_name=one script=b1.lua error=result code 1")
    );
    assert!(
        line(&events[1], &listing).ends_with("stage=backend script=s.lua error=expected a list")
    );
}

#[test]
fn a_hook_returns_its_value_or_its_error() {
    let case = Case::new();
    let hook =
        |login: &Login| case.drive(async |ops| pipeline::hook(login, &case.scripts, 2, ops).await);
    assert_eq!(hook(&login("", "")), Ok(Value::Number(1.0)));
    assert_eq!(hook(&login("broken", "")), Err(raised("hook is broken")));
    assert_eq!(case.calls(), "h3 h3");
}
