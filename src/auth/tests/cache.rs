//! The in-process cache as logins meet it.

use super::*;
use crate::auth::report::CacheUse;
use crate::auth::request::Mode;
use crate::auth::verdict::PassDb;

/// What a request was: who ran, and whether the cache answered.
fn run(case: &Case, login: &Login) -> (String, CacheUse) {
    let outcome = case.run(login);
    let hit = matches!(&outcome.verdict, Verdict::Success(success) if success.memory_hit);
    assert_eq!(hit, outcome.report.cache == CacheUse::Hit && ending(&outcome) == "ok");
    (case.calls(), outcome.report.cache)
}

fn case() -> Case {
    Case::with_alice().feature(|_| Ok(Some(PASS))).filter(|_| Ok(Some(ACCEPT))).post()
}

const MISS: &str = "f1 b1 x1 post1";
const HIT: &str = "x1 post1";

#[test]
fn a_hit_skips_features_and_backends_but_not_filters_and_post_actions() {
    let case = case();
    assert_eq!(run(&case, &login("alice", "secret")), (MISS.into(), CacheUse::Miss));
    assert_eq!(run(&case, &login("alice", "secret")), (HIT.into(), CacheUse::Hit));
}

#[test]
fn a_hit_keeps_the_backend_in_the_answer_and_says_memory_in_the_log() {
    let case = case();
    let first = case.run(&login("alice", "secret"));
    let second = case.run(&login("alice", "secret"));
    assert_eq!((first.report.passdb, second.report.passdb), (PassDb::Lua, PassDb::Memory));
    assert_eq!(second.report.backend_name, DEFAULT_BACKEND);
    let (Verdict::Success(mut first), Verdict::Success(second)) = (first.verdict, second.verdict)
    else {
        panic!("not both succeeded")
    };
    first.memory_hit = true;
    assert_eq!(first, second);
}

#[test]
fn scripts_see_the_same_user_after_a_hit() {
    let case = case();
    let seen = || {
        case.run(&login("alice", "secret"));
        case.stages().into_iter().find(|(kind, _)| *kind == StageKind::Filter)
    };
    let first = seen();
    assert!(first.as_ref().is_some_and(|(_, facts)| facts.user_found
        && facts.authenticated
        && facts.account == b"alice@example.test"));
    assert_eq!(first, seen());
}

#[test]
fn only_the_same_login_is_answered() {
    let case = case();
    case.run(&login("alice", "secret"));
    case.calls();
    assert_eq!(run(&case, &login("alice", "wrong")), (MISS.into(), CacheUse::Miss));
    for change in
        [(Field::ClientIp, "192.0.2.10"), (Field::Protocol, "default"), (Field::Ssl, "on")]
    {
        let login =
            login_with("alice", "secret", |request| request.set(change.0, change.1.as_bytes()));
        assert_eq!(run(&case, &login), (MISS.into(), CacheUse::Miss), "{change:?}");
    }
}

#[test]
fn an_entry_ends_with_its_time() {
    let case = case();
    case.run(&login("alice", "secret"));
    for (seconds, hit) in [(29, CacheUse::Hit), (1, CacheUse::Miss), (29, CacheUse::Hit)] {
        case.later(Duration::from_secs(seconds));
        assert_eq!(run(&case, &login("alice", "secret")).1, hit);
    }
}

#[test]
fn a_request_may_opt_out_of_reading_and_writing() {
    let case = case();
    let opted_out = || login_with("alice", "secret", |request| request.in_memory_cache = false);
    assert_eq!(run(&case, &opted_out()), (MISS.into(), CacheUse::Unused));
    assert_eq!(run(&case, &login("alice", "secret")), (MISS.into(), CacheUse::Miss));
    assert_eq!(run(&case, &opted_out()), (MISS.into(), CacheUse::Unused));
    assert_eq!(run(&case, &login("alice", "secret")), (HIT.into(), CacheUse::Hit));
}

#[test]
fn a_lookup_never_opens_a_login() {
    let case = case();
    let lookup = |password| login_with("alice", password, |request| request.mode = Mode::NoAuth);
    assert_eq!(run(&case, &lookup("wrong")), ("b1 x1 post1".into(), CacheUse::Unused));
    assert_eq!(ending(&case.run(&login("alice", "wrong"))), FAIL);
    case.run(&login("alice", "secret"));
    case.calls();
    assert_eq!(run(&case, &lookup("secret")), ("b1 x1 post1".into(), CacheUse::Unused));
}

#[test]
fn failures_are_not_remembered() {
    let case = case();
    for (username, password) in [("alice", "wrong"), ("nobody", "x"), ("broken", "x")] {
        for _ in 0..2 {
            assert_eq!(run(&case, &login(username, password)).1, CacheUse::Miss);
        }
    }
}

#[test]
fn a_filters_verdict_and_changes_are_not_remembered() {
    let case = Case::with_alice().filter(|login| {
        login.filter_changes.borrow_mut().removed.push(b"account".to_vec());
        Ok(Some(if login.request.get(Field::UserAgent) == b"bad" { REJECT } else { ACCEPT }))
    });
    let bad = || login_with("alice", "secret", |request| request.set(Field::UserAgent, b"bad"));
    for calls in ["b1 x1", "x1"] {
        assert_eq!(ending(&case.run(&bad())), FAIL);
        assert_eq!(case.calls(), calls);
    }
    let mut without_filter = case;
    without_filter.policy.filters.clear();
    let Verdict::Success(success) = without_filter.run(&login("alice", "secret")).verdict else {
        panic!("no success")
    };
    assert!(success.memory_hit && success.attributes.get(b"account").is_some());
}

#[test]
fn a_request_answered_from_the_cache_has_a_context_of_its_own() {
    let case = Case::with_alice().filter(|login| {
        let reject = login.context.borrow().get(b"key").is_some();
        login.context.borrow_mut().set(b"key", Value::Bool(true));
        Ok(Some(FilterReturn { reject, ..ACCEPT }))
    });
    for _ in 0..2 {
        assert_eq!(ending(&case.run(&login("alice", "secret"))), "ok");
    }
}

#[test]
fn no_lifetime_is_no_cache() {
    let mut case = case();
    case.policy.memory_cache_ttl = Duration::ZERO;
    for _ in 0..2 {
        assert_eq!(run(&case, &login("alice", "secret")), (MISS.into(), CacheUse::Unused));
    }
}
