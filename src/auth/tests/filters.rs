//! Filters: which run, what they decide and what they change.

use super::*;
use crate::auth::request::Mode;
use crate::auth::verdict::Success;

fn lookup(username: &str) -> Login {
    login_with(username, "", |request| request.mode = Mode::NoAuth)
}

fn success(outcome: Outcome) -> Success {
    match outcome.verdict {
        Verdict::Success(success) => success,
        other => panic!("{other:?}"),
    }
}

/// x1 that accepts and may override; x2 that accepts and may not.
fn overriding() -> Case {
    let mut case = Case::with_alice().filter(|_| Ok(Some(ACCEPT))).filter(|_| Ok(Some(ACCEPT)));
    case.policy.filters[0].override_rejection = true;
    case
}

#[test]
fn accepting_is_neutral() {
    for returned in [Some(ACCEPT), Some(FilterReturn { result: 1, ..ACCEPT }), None] {
        let case =
            Case::with_alice().filter(move |_| Ok(returned)).filter(move |_| Ok(returned)).post();
        let logins = [
            (login("alice", "secret"), "ok"),
            (login("alice", "wrong"), FAIL),
            (login("nobody", "secret"), FAIL),
            (lookup("nobody"), FAIL),
        ];
        for (login, how) in logins {
            assert_eq!(ending(&case.run(&login)), how);
            assert_eq!(case.calls(), "b1 x1 x2 post1");
        }
    }
}

#[test]
fn the_first_rejection_is_the_last_word() {
    let case = Case::with_alice()
        .filter(|login| {
            *login.status_message.borrow_mut() = b"Policy violation".to_vec();
            Ok(Some(REJECT))
        })
        .filter(|_| Ok(Some(ACCEPT)))
        .post();
    assert_eq!(ending(&case.run(&login("alice", "secret"))), "fail: Policy violation");
    assert_eq!(case.calls(), "b1 x1 post1");
    assert_eq!(ending(&case.run(&lookup("alice"))), "fail: Policy violation");
}

#[test]
fn a_rejection_without_text_has_the_usual_one() {
    let case = Case::with_alice().filter(|_| Ok(Some(REJECT)));
    assert_eq!(ending(&case.run(&login("alice", "secret"))), FAIL);
}

#[test]
fn an_overriding_filter_admits_a_found_user_with_a_wrong_password_and_nobody_else() {
    for (login, how) in [
        (login("alice", "wrong"), "ok"),
        (login("nobody", "wrong"), FAIL),
        (lookup("nobody"), FAIL),
    ] {
        assert_eq!(ending(&overriding().run(&login)), how);
    }
}

#[test]
fn a_lookup_that_a_backend_denies_cannot_be_overridden() {
    let mut case = Case::new()
        .backend(DEFAULT_BACKEND, &["imap"], |_| {
            Ok(BackendReturn { code: 3, result: Some(found("a", true)) })
        })
        .filter(|_| Ok(Some(ACCEPT)));
    case.policy.filters[0].override_rejection = true;
    assert_eq!(ending(&case.run(&lookup("alice"))), FAIL);
}

#[test]
fn an_override_is_not_remembered_and_the_backends_word_stays_a_fact() {
    let case = overriding();
    for _ in 0..2 {
        let login = login("alice", "wrong");
        assert!(!success(case.run(&login)).memory_hit);
        assert_eq!(case.calls(), "b1 x1 x2");
        assert!(!login.facts.borrow().authenticated);
    }
}

#[test]
fn a_later_filter_can_reject_what_was_overridden() {
    let mut case = Case::with_alice().filter(|_| Ok(Some(ACCEPT))).filter(|_| Ok(Some(REJECT)));
    case.policy.filters[0].override_rejection = true;
    assert_eq!(ending(&case.run(&login("alice", "wrong"))), FAIL);
}

#[test]
fn a_filter_without_the_function_overrides_nothing() {
    let mut case = Case::with_alice().filter(|_| Ok(None));
    case.policy.filters[0].override_rejection = true;
    assert_eq!(ending(&case.run(&login("alice", "wrong"))), FAIL);
}

#[test]
fn flags_of_the_configuration_select_requests() {
    let mut case = Case::with_alice()
        .filter(|_| Ok(Some(ACCEPT)))
        .filter(|_| Ok(Some(ACCEPT)))
        .filter(|_| Ok(Some(ACCEPT)));
    let never = When { authenticated: false, unauthenticated: false, no_auth: false };
    case.policy.filters[0].when = When { authenticated: true, ..never };
    case.policy.filters[1].when = When { unauthenticated: true, ..never };
    case.policy.filters[2].when = When { no_auth: true, ..never };
    for (login, calls) in [
        (login("alice", "secret"), "b1 x1"),
        (login("alice", "wrong"), "b1 x2"),
        (lookup("alice"), "b1 x3"),
    ] {
        case.run(&login);
        assert_eq!(case.calls(), calls);
    }
}

#[test]
fn attributes_are_changed_in_the_answer() {
    let case = Case::with_alice().filter(|login| {
        let mut changes = login.filter_changes.borrow_mut();
        changes.added.set_one(b"foo", Value::string("1"));
        changes.added.set_one(b"account", Value::string("not this"));
        changes.removed.push(b"foo".to_vec());
        Ok(Some(ACCEPT))
    });
    let success = success(case.run(&login("alice", "secret")));
    assert_eq!(success.account, b"alice@example.test");
    let names: Vec<_> = success.attributes.iter().map(|(name, _)| name.to_vec()).collect();
    assert_eq!(names, [b"account".to_vec(), b"foo".to_vec()]);
}

#[test]
fn the_client_is_told_the_account_attribute() {
    let case = Case::with_alice().filter(|login| {
        let mut changes = login.filter_changes.borrow_mut();
        changes.removed.push(b"account".to_vec());
        if login.request.get(Field::ClientIp) == b"192.0.2.9" {
            changes.added.set_one(b"account", Value::string("other"));
        }
        Ok(Some(ACCEPT))
    });
    assert_eq!(success(case.run(&login("alice", "secret"))).account, b"other");
    let elsewhere =
        login_with("alice", "secret", |request| request.set(Field::ClientIp, b"192.0.2.10"));
    assert_eq!(success(case.run(&elsewhere)).account, b"alice@example.test");
}

#[test]
fn attributes_for_an_unknown_user_change_nothing() {
    let case = Case::with_alice().filter(|login| {
        login.filter_changes.borrow_mut().added.set_one(b"one", Value::string("1"));
        Ok(Some(ACCEPT))
    });
    assert_eq!(ending(&case.run(&login("nobody", "secret"))), FAIL);
}

#[test]
fn a_selected_server_counts_with_monitoring_only() {
    let mut case = Case::with_alice().filter(|login| {
        login.filter_changes.borrow_mut().server = Some(("192.0.2.143".into(), 10143));
        Ok(Some(ACCEPT))
    });
    assert_eq!(success(case.run(&login("alice", "secret"))).server, None);
    case.policy.server_monitoring = true;
    assert_eq!(
        success(case.run(&login("alice", "secret"))).server,
        Some(("192.0.2.143".into(), 10143))
    );
}

#[test]
fn protocol_ory_hydra_has_neither_filters_nor_post_actions() {
    let case = Case::new()
        .backend(DEFAULT_BACKEND, &["ory-hydra"], |login| Ok(alice(login)))
        .filter(|_| Ok(Some(REJECT)))
        .post();
    let login = login_with("alice", "secret", |request| request.set(Field::Protocol, b"ory-hydra"));
    assert_eq!(ending(&case.run(&login)), "ok");
    assert_eq!(case.calls(), "b1");
}
