//! Verdicts: credentials that are missing, status messages, attempts.

use super::*;
use crate::auth::report::Tally;
use crate::auth::request::{Mode, Service};

fn lookup(username: &str) -> Login {
    login_with(username, "", |request| request.mode = Mode::NoAuth)
}

#[test]
fn credentials_are_looked_at_after_the_features() {
    let case = Case::with_alice().feature(|_| Ok(Some(PASS))).filter(|_| Ok(Some(ACCEPT))).post();
    let no_username = "temporary: No username given";
    for (login, how, calls) in [
        (login("alice", ""), FAIL, "f1"),
        (login("", "secret"), no_username, "f1"),
        (login("", ""), no_username, "f1"),
        (lookup("alice"), "ok", "b1 x1 post1"),
        (lookup(""), no_username, ""),
        (
            login_with("alice", "secret", |request| request.mode = Mode::ListAccounts),
            no_username,
            "",
        ),
    ] {
        assert_eq!(ending(&case.run(&login)), how);
        assert_eq!(case.calls(), calls);
    }
}

#[test]
fn a_text_of_a_script_is_the_failures_and_not_the_successes() {
    let case = Case::new().backend(DEFAULT_BACKEND, &["imap"], |login| {
        *login.status_message.borrow_mut() = b"account locked".to_vec();
        Ok(alice(login))
    });
    assert_eq!(ending(&case.run(&login("alice", "wrong"))), "fail: account locked");
    assert_eq!(ending(&case.run(&login("alice", "secret"))), "ok");
}

#[test]
fn attempts_count_on_for_nginx_up_to_the_limit() {
    for (service, claimed, attempts) in [
        (Service::Header, 0, 0),
        (Service::Header, 5, 5),
        (Service::Header, 1000, 255),
        (Service::Nginx, 0, 1),
        (Service::Nginx, 5, 6),
        (Service::Nginx, 14, 15),
        (Service::Nginx, 15, 15),
        (Service::Nginx, u32::MAX, 255),
    ] {
        let login = login_with("alice", "wrong", |request| {
            (request.service, request.login_attempt) = (service, claimed)
        });
        let outcome = Case::with_alice().run(&login);
        let Verdict::Failure(denial) = outcome.verdict else { panic!("no failure") };
        assert_eq!(
            (denial.attempts, outcome.report.password_retries),
            (attempts, attempts),
            "{service:?} {claimed}"
        );
    }
}

#[test]
fn counters_count_logins_and_failed_lookups() {
    let case = Case::with_alice();
    for (login, tally) in [
        (login("alice", "secret"), Some(Tally::Accepted)),
        (login("alice", "wrong"), Some(Tally::Rejected)),
        (login("broken", "x"), None),
        (lookup("alice"), None),
        (lookup("nobody"), Some(Tally::Rejected)),
    ] {
        assert_eq!(case.run(&login).report.tally(login.request.mode), tally);
    }
}
