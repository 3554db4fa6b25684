//! What scripts are told at each stage.

use super::*;
use crate::auth::request::Mode;

fn stages(case: &Case, login: &Login) -> Vec<(StageKind, Facts)> {
    case.run(login);
    case.stages()
}

fn case() -> Case {
    Case::with_alice().feature(|_| Ok(Some(PASS))).filter(|_| Ok(Some(ACCEPT))).post()
}

fn alice_facts(authenticated: bool) -> Facts {
    Facts {
        user_found: true,
        authenticated,
        account: b"alice@example.test".to_vec(),
        account_field: b"account".to_vec(),
        ..Facts::default()
    }
}

#[test]
fn filters_and_post_actions_know_what_the_backend_said() {
    for (login, after, text) in [
        (login("alice", "secret"), alice_facts(true), "OK"),
        (login("alice", "wrong"), alice_facts(false), "Invalid login or password"),
        (login("nobody", "x"), Facts::default(), "Invalid login or password"),
    ] {
        let post = Facts { status_message: text.into(), ..after.clone() };
        let expected = [
            (StageKind::Feature, Facts::default()),
            (StageKind::Backend, Facts::default()),
            (StageKind::Filter, after),
            (StageKind::Action, post),
        ];
        assert_eq!(stages(&case(), &login), expected);
    }
}

#[test]
fn a_user_who_was_looked_up_is_authenticated() {
    let lookup = login_with("alice", "", |request| request.mode = Mode::NoAuth);
    let filter = stages(&case(), &lookup).into_iter().find(|(kind, _)| *kind == StageKind::Filter);
    assert_eq!(filter, Some((StageKind::Filter, alice_facts(true))));
}

#[test]
fn a_rejection_does_not_change_what_the_backend_said() {
    let case = Case::with_alice().filter(|_| Ok(Some(REJECT))).post();
    let (_, facts) = stages(&case, &login("alice", "secret")).pop().unwrap();
    assert!(facts.authenticated && facts.user_found);
}

#[test]
fn a_status_message_is_seen_in_later_stages() {
    let case = Case::with_alice()
        .feature(|login| {
            *login.status_message.borrow_mut() = b"hint".to_vec();
            Ok(Some(PASS))
        })
        .filter(|_| Ok(Some(ACCEPT)));
    let texts: Vec<_> = stages(&case, &login("alice", "wrong"))
        .into_iter()
        .map(|(_, facts)| facts.status_message)
        .collect();
    assert_eq!(texts, [b"".as_slice(), b"hint", b"hint"]);
}

#[test]
fn scripts_of_a_stage_share_it() {
    let case =
        Case::with_alice().feature(|_| Ok(Some(PASS))).feature(|_| Ok(Some(PASS))).post().post();
    let kinds: Vec<_> =
        stages(&case, &login("alice", "secret")).into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, [StageKind::Feature, StageKind::Backend, StageKind::Action]);
}
