//! What a stage's failure means. Every row that belongs to scripts and the deadline.

use super::*;

/// The scripts of every stage, all of them in order; `broken` raises.
fn case(broken: &'static str) -> Case {
    let check = move |word: &str| if word == broken { Err(raised("broken")) } else { Ok(()) };
    Case::new()
        .feature(move |_| check("f1").map(|()| Some(PASS)))
        .feature(move |_| check("f2").map(|()| Some(PASS)))
        .backend(DEFAULT_BACKEND, &["imap"], move |login| check("b1").map(|()| alice(login)))
        .filter(move |_| check("x1").map(|()| Some(ACCEPT)))
        .filter(move |_| check("x2").map(|()| Some(ACCEPT)))
        .action(ActionKind::Lua, |_| Ok(Some(0)))
        .post()
}

/// Which scripts run if one fails; post actions follow what the backends have spoken of.
const MATRIX: [(&str, &str); 5] = [
    ("f1", "f1"),
    ("f2", "f1 f2"),
    ("b1", "f1 f2 b1"),
    ("x1", "f1 f2 b1 x1 post1"),
    ("x2", "f1 f2 b1 x1 x2 post1"),
];

#[test]
fn a_script_that_raises_is_a_temporary_failure() {
    for (broken, calls) in MATRIX {
        for password in ["secret", "wrong"] {
            let case = case(broken);
            let outcome = case.run(&login("alice", password));
            assert_eq!(ending(&outcome), temporary(), "{broken}");
            assert_eq!(case.calls(), calls, "{broken}");
            assert_eq!(outcome.report.events[0].message, "Lua script failed");
        }
    }
}

/// The scripts hide from us that their ops failed; still nothing they say counts.
#[test]
fn a_deadline_that_is_over_is_a_temporary_failure() {
    for (slow, calls) in MATRIX {
        for (username, password) in [("alice", "secret"), ("alice", "wrong"), ("nobody", "x")] {
            let case = case("").waiting_too_long_in(slow);
            let outcome = case.run(&login(username, password));
            assert_eq!(ending(&outcome), temporary(), "{slow}");
            assert_eq!(case.calls(), calls, "{slow}");
            assert_eq!(outcome.report.events[0].message, "Request deadline exceeded");
        }
    }
}

#[test]
fn a_trigger_or_rejection_past_the_deadline_does_not_count() {
    let feature = Case::with_alice().feature(|_| Ok(Some(TRIGGER))).waiting_too_long_in("f1");
    let filter = Case::with_alice().filter(|_| Ok(Some(REJECT))).waiting_too_long_in("x1");
    for case in [feature, filter] {
        assert_eq!(ending(&case.run(&login("alice", "secret"))), temporary());
    }
}

#[test]
fn a_success_past_the_deadline_is_not_remembered() {
    let mut case = Case::with_alice().waiting_too_long_in("b1");
    assert_eq!(ending(&case.run(&login("alice", "secret"))), temporary());
    case.scripts.waits_too_long = None;
    case.run(&login("alice", "secret"));
    assert_eq!(case.calls(), "b1 b1");
}

#[test]
fn a_status_message_does_not_replace_the_reason() {
    let case = Case::new().backend(DEFAULT_BACKEND, &["imap"], |login| {
        *login.status_message.borrow_mut() = b"account locked".to_vec();
        Err(raised("x"))
    });
    let login = login("alice", "secret");
    assert_eq!(ending(&case.run(&login)), temporary());
    assert_eq!(*login.status_message.borrow(), TemporaryReason::ServerProblem.text().as_bytes());
}
