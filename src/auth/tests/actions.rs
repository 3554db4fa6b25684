//! Actions and post actions: which run when, and what they log.

use super::*;
use crate::auth::login::LogValue;
use crate::auth::request::Mode;

#[test]
fn the_summary_has_what_each_script_logged_and_how_it_ended() {
    let log = |login: &Login, name: &str| {
        login.custom_log.borrow_mut().push((name.into(), LogValue::Bool(true)))
    };
    let case = Case::with_alice()
        .action(ActionKind::Post, move |login| {
            log(login, "first");
            Ok(Some(0))
        })
        .action(ActionKind::Post, |_| Ok(Some(1)))
        .action(ActionKind::Post, |_| Ok(Some(77)))
        .action(ActionKind::Post, move |login| {
            log(login, "fourth");
            Err(raised("broken action"))
        })
        .action(ActionKind::Post, |_| Ok(None));
    let login = login("alice", "secret");
    let outcome = case.run(&login);
    assert_eq!(ending(&outcome), "ok");
    assert_eq!(case.calls(), "b1 post1 post2 post3 post4 post5");
    let session = "0".repeat(27);
    let lines: Vec<_> = outcome.report.events.iter().map(|event| line(event, &login)).collect();
    assert_eq!(
        lines,
        [
            format!(
                "Lua script failed session={session} stage=action script=s.lua error=broken action"
            ),
            format!(
                "Lua actions finished session={session} first=true post1.lua=success post2.lua=fail post3.lua=unknown result \
                 fourth=true post4.lua=unknown result"
            ),
        ]
    );
}

#[test]
fn what_actions_log_stays_off_the_logins_line() {
    let log = |login: &Login, name: &str| {
        login.custom_log.borrow_mut().push((name.into(), LogValue::Bool(true)))
    };
    let case = Case::with_alice()
        .feature(move |login| {
            log(login, "feature");
            Ok(Some(TRIGGER))
        })
        .action(ActionKind::Lua, move |login| {
            log(login, "action");
            Ok(Some(0))
        });
    let login = login("alice", "secret");
    case.run(&login);
    assert_eq!(*login.custom_log.borrow(), [("feature".to_owned(), LogValue::Bool(true))]);
}

#[test]
fn actions_do_not_change_the_outcome() {
    let case = |returned: Result<Option<i64>, ScriptError>| {
        Case::with_alice()
            .feature(|_| Ok(Some(TRIGGER)))
            .action(ActionKind::Lua, move |_| returned.clone())
            .action(ActionKind::Lua, |_| Ok(Some(0)))
    };
    for returned in [Ok(Some(1)), Ok(None), Err(raised("broken"))] {
        let case = case(returned);
        assert_eq!(ending(&case.run(&login("alice", "secret"))), FAIL);
        assert_eq!(case.calls(), "f1 lua1 lua2");
    }
    let late = case(Ok(Some(0))).waiting_too_long_in("lua1");
    assert_eq!(ending(&late.run(&login("alice", "secret"))), FAIL);
}

#[test]
fn without_actions_there_is_no_line_and_nothing_to_run() {
    let outcome = Case::with_alice().feature(|_| Ok(Some(TRIGGER))).run(&login("alice", "secret"));
    assert_eq!((outcome.report.events, outcome.post_actions), (vec![], false));
}

#[test]
fn post_actions_follow_every_answer_about_the_user() {
    let case = Case::with_alice().post();
    let lookup = |username| login_with(username, "", |request| request.mode = Mode::NoAuth);
    for (login, due) in [
        (login("alice", "secret"), true),
        (login("alice", "wrong"), true),
        (login("nobody", "x"), true),
        (lookup("alice"), true),
        (lookup("nobody"), true),
        // From the in-process cache.
        (login("alice", "secret"), true),
        (login("broken", "x"), false),
        (login("alice", ""), false),
        (login("", "x"), false),
    ] {
        assert_eq!(case.run(&login).post_actions, due);
    }
}

#[test]
fn post_actions_know_the_final_text_and_the_answer() {
    for (login, text) in
        [(login("alice", "secret"), "OK"), (login("alice", "wrong"), "Invalid login or password")]
    {
        let case = Case::with_alice().post();
        let outcome = case.drive(async |ops| {
            pipeline::authenticate(&login, &case.scripts, &case.policy, case.stores(), ops).await
        });
        assert!(outcome.post_actions);
        login.answered(418, Duration::from_micros(1500));
        case.run_post_actions(&login);
        let (kind, facts) = case.stages().pop().unwrap();
        assert_eq!(kind, StageKind::Action);
        assert_eq!(
            (facts.status_message.as_slice(), facts.http_status, facts.latency_ms),
            (text.as_bytes(), 418, 1.5)
        );
    }
}
