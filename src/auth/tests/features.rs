//! Lua features: which run, and what their returns decide.

use super::*;
use crate::auth::request::{Mode, Service};

/// f1 does as the case says, f2 passes, x1 accepts; actions of both kinds leave their word.
fn case(f1: impl Fn(&Login) -> Result<Option<FeatureReturn>, ScriptError> + 'static) -> Case {
    Case::with_alice()
        .feature(f1)
        .feature(|_| Ok(Some(PASS)))
        .filter(|_| Ok(Some(ACCEPT)))
        .action(ActionKind::Lua, |_| Ok(Some(0)))
        .action(ActionKind::RelayDomains, |_| Ok(Some(0)))
        .post()
}

#[test]
fn flags_decide() {
    let table: [(Option<FeatureReturn>, &str, &str); 6] = [
        (Some(PASS), "ok", "f1 f2 b1 x1 post1"),
        (Some(TRIGGER), FAIL, "f1 lua1 post1"),
        (Some(ABORT), "ok", "f1 b1 x1 post1"),
        (Some(FeatureReturn { abort: true, ..TRIGGER }), FAIL, "f1 lua1 post1"),
        // The result code means nothing.
        (Some(FeatureReturn { result: 1, ..PASS }), "ok", "f1 f2 b1 x1 post1"),
        // No function to call.
        (None, "ok", "f1 f2 b1 x1 post1"),
    ];
    for (returned, how, calls) in table {
        let case = case(move |_| Ok(returned));
        assert_eq!(ending(&case.run(&login("alice", "secret"))), how, "{returned:?}");
        assert_eq!(case.calls(), calls, "{returned:?}");
    }
}

#[test]
fn a_trigger_names_the_feature_for_actions_and_log() {
    for returned in [TRIGGER, FeatureReturn { abort: true, ..TRIGGER }] {
        let case = case(move |_| Ok(Some(returned)));
        let login = login("alice", "secret");
        case.run(&login);
        let seen: Vec<_> = case
            .stages()
            .into_iter()
            .map(|(kind, facts)| (kind, facts.feature, facts.authenticated))
            .collect();
        let action = (StageKind::Action, "lua".to_owned(), false);
        assert_eq!(seen, [(StageKind::Feature, String::new(), false), action.clone(), action]);
        assert_eq!(login.facts.borrow().feature, "lua");
    }
}

#[test]
fn a_trigger_answers_with_the_scripts_text() {
    let case = case(|login| {
        *login.status_message.borrow_mut() = b"blocked".to_vec();
        Ok(Some(TRIGGER))
    });
    assert_eq!(ending(&case.run(&login("alice", "secret"))), "fail: blocked");
}

#[test]
fn an_error_ends_the_request_without_any_action() {
    let case = case(|login| {
        *login.status_message.borrow_mut() = b"not shown".to_vec();
        Err(raised("broken feature"))
    });
    assert_eq!(ending(&case.run(&login("alice", "secret"))), temporary());
    assert_eq!(case.calls(), "f1");
}

#[test]
fn local_clients_are_exempt() {
    for (client_ip, exempt) in
        [("", true), ("127.0.0.1", true), ("::1", true), ("127.0.0.2", false), ("garbage", false)]
    {
        let case = case(|_| Ok(Some(TRIGGER)));
        let login = login_with("alice", "secret", |request| {
            request.set(Field::ClientIp, client_ip.as_bytes())
        });
        let outcome = case.run(&login);
        assert_eq!(ending(&outcome), if exempt { "ok" } else { FAIL }, "{client_ip}");
        let log: Vec<_> = login.custom_log.borrow().iter().map(|(name, _)| name.clone()).collect();
        assert_eq!(log, if exempt { vec!["feature_lua"] } else { vec![] }, "{client_ip}");
    }
}

#[test]
fn saslauthd_lookups_and_unlisted_features_do_without() {
    let saslauthd = login_with("alice", "secret", |request| request.service = Service::Saslauthd);
    let lookup = login_with("alice", "", |request| request.mode = Mode::NoAuth);
    for login in [saslauthd, lookup] {
        let case = case(|_| Ok(Some(TRIGGER)));
        assert_eq!(ending(&case.run(&login)), "ok");
        assert_eq!(case.calls(), "b1 x1 post1");
    }
    let mut unlisted = case(|_| Ok(Some(TRIGGER)));
    unlisted.policy.lua_features = false;
    assert_eq!(ending(&unlisted.run(&login("alice", "secret"))), "ok");
    assert_eq!(unlisted.calls(), "b1 x1 post1");
}

#[test]
fn flags_of_the_configuration_select_requests() {
    let mut case = case(|_| Ok(Some(TRIGGER)));
    case.policy.features[0].when =
        When { authenticated: false, unauthenticated: false, no_auth: true };
    assert_eq!(ending(&case.run(&login("alice", "secret"))), "ok");
    assert_eq!(case.calls(), "f2 b1 x1 post1");
    assert_eq!(
        ending(&case.run(&login_with("alice", "", |request| request.mode = Mode::NoAuth))),
        FAIL
    );
    assert_eq!(case.calls(), "f1 lua1 post1");
}
