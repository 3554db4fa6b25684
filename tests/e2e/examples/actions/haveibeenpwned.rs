//! `actions/haveibeenpwned.lua`

use super::{finished, login_from, site};
use crate::support::mailbox::Mailbox;
use crate::support::redis::Redis;
use crate::support::stub::WebStub;
use crate::support::{Request, Server};
use serde_json::json;

/// SHA-1 of the password that all users have, `right`.
const PREFIX: &str = "D27A1";
const SUFFIX: &str = "F11771200949714B1AF99F048A416F5D6F4";
const ADA: &str = "ada@example.org";

/// What the service answers if it knows our password from so many leaks; 0 as a line that is only
/// padding.
fn range(leaks: u32) -> String {
    format!(
        "0018A45C4D1DEF81644B54AB7F969B88D65:7\r\n{SUFFIX}:{leaks}\r\n011053FD0102E94D6AE2F8B83D76FAF94F6:0"
    )
}

fn start(redis: &Redis, service: &WebStub, mailbox: &Mailbox) -> Server {
    site("post", "haveibeenpwned")
        .set(json!({ "server": { "redis": { "master": { "address": redis.address() } } } }))
        .env("HAVEIBEENPWNED_URL", service.url("/range/"))
        .env("SMTP_SERVER", "127.0.0.1")
        .env("SMTP_PORT", mailbox.port().to_string())
        .env("SMTP_MAIL_FROM", "postmaster@example.org")
        .env("SSP_WEBSITE", "https://password.example.org/")
        .start()
}

fn log_in(server: &Server) {
    assert_eq!(login_from(server, "192.0.2.7", ADA, "right"), 200);
}

#[test]
fn a_leaked_password_is_told_once_and_does_not_leave() {
    let (redis, service, mailbox) =
        (Redis::start(), WebStub::answering(200, range(3)), Mailbox::start());
    let server = start(&redis, &service, &mailbox);
    log_in(&server);
    finished(&server, 1);
    log_in(&server);
    let lines = finished(&server, 2);
    assert!(lines.iter().all(|line| line.contains("haveibeenpwned=3")), "{lines:?}");

    let asked = service.asked();
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert_eq!((asked[0].line.clone(), asked[0].body.len()), (format!("GET /range/{PREFIX}"), 0));
    assert_eq!(asked[0].header("add-padding"), Some("true"));
    let everything = format!("{asked:?}").to_uppercase();
    assert!(!everything.contains(SUFFIX) && !everything.contains("ADA"), "{everything}");

    let mails = mailbox.mails();
    assert_eq!(mails.len(), 1, "{mails:?}");
    assert!(mails[0].to.contains(ADA), "{mails:?}");
    let text = mails[0].text.replace("=\n", "");
    assert!(
        text.contains("ada@example.org is in collections") && text.contains("(3 times)"),
        "{text}"
    );
    assert!(text.contains("at https://password.example.org/,"), "{text}");
    assert!(!text.contains("right"), "{text}");

    let keys: Vec<String> = redis.ask("KEYS *");
    assert!(keys.iter().any(|key| key.contains("haveibeenpwned:ada@example.org:")), "{keys:?}");
    assert!(
        keys.iter().all(|key| !key.to_uppercase().contains(PREFIX) && !key.contains("right")),
        "{keys:?}"
    );
}

#[test]
fn what_is_in_no_leak_is_remembered_for_a_day() {
    let (redis, service, mailbox) =
        (Redis::start(), WebStub::answering(200, range(0)), Mailbox::start());
    let server = start(&redis, &service, &mailbox);
    log_in(&server);
    finished(&server, 1);
    log_in(&server);
    let lines = finished(&server, 2);
    assert!(lines.iter().all(|line| !line.contains("haveibeenpwned=")), "{lines:?}");
    assert_eq!((service.asked().len(), mailbox.mails().len()), (1, 0));
    let keys: Vec<String> = redis.ask("KEYS *haveibeenpwned*");
    assert_eq!(keys.len(), 1, "{keys:?}");
    let left: i64 = redis.ask(&format!("TTL {}", keys[0]));
    assert!((86_000..=86_400).contains(&left), "{left}");
}

#[test]
fn only_successful_logins_are_looked_up() {
    let (redis, service, mailbox) =
        (Redis::start(), WebStub::answering(200, range(3)), Mailbox::start());
    let server = start(&redis, &service, &mailbox);
    assert_eq!(login_from(&server, "192.0.2.7", ADA, "wrong"), 403);
    let look_up = Request::login_at("/api/v1/auth/header?mode=no-auth&in-memory=0", ADA, "");
    assert_eq!(server.ask(&look_up).status, 200);
    finished(&server, 2);
    assert_eq!((service.asked().len(), mailbox.mails().len()), (0, 0));
}

#[test]
fn an_answer_that_is_none_is_not_remembered() {
    let (redis, mut service, mailbox) =
        (Redis::start(), WebStub::answering(503, "busy"), Mailbox::start());
    let mut server = start(&redis, &service, &mailbox);
    let answers = [
        (503, "busy".to_owned(), "haveibeenpwned: status 503"),
        (200, "<html>sorry</html>".to_owned(), "the answer is no list of digests"),
        (200, format!("{}:7", &SUFFIX[1..]), "the answer is no list of digests"),
        (200, String::new(), "the answer is empty"),
    ];
    for (count, (status, body, expected)) in answers.into_iter().enumerate() {
        service.answer(status, body);
        log_in(&server);
        finished(&server, count + 1);
        server.wait_for_log(expected);
    }
    let keys: Vec<String> = redis.ask("KEYS *haveibeenpwned*");
    assert_eq!(keys, [""; 0]);
    service.answer(200, range(3));
    log_in(&server);
    assert!(finished(&server, 5)[4].contains("haveibeenpwned=3"));
    // From now on it need not be there.
    service.stop();
    log_in(&server);
    assert!(finished(&server, 6)[5].contains("haveibeenpwned=3"));
}

#[test]
fn a_mail_that_was_not_taken_is_sent_with_the_next_login() {
    let (redis, service, mailbox) =
        (Redis::start(), WebStub::answering(200, range(3)), Mailbox::start());
    let mut server = start(&redis, &service, &mailbox);
    mailbox.refuse(true);
    log_in(&server);
    server.wait_for_log("come back later");
    finished(&server, 1);
    assert_eq!(mailbox.mails().len(), 0);
    mailbox.refuse(false);
    log_in(&server);
    finished(&server, 2);
    assert_eq!((mailbox.mails().len(), service.asked().len()), (1, 1));
}

#[test]
fn many_logins_at_once_are_one_mail() {
    let (redis, service, mailbox) =
        (Redis::start(), WebStub::answering(200, range(3)), Mailbox::start());
    let server = start(&redis, &service, &mailbox);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| log_in(&server));
        }
    });
    let lines = finished(&server, 8);
    assert!(lines.iter().all(|line| line.contains("haveibeenpwned=3")), "{lines:?}");
    assert_eq!(mailbox.mails().len(), 1);
}

#[test]
fn without_its_redis_nobody_is_asked_and_the_login_stands() {
    let (redis, service, mailbox) =
        (Redis::start(), WebStub::answering(200, range(3)), Mailbox::start());
    let settings = json!({ "server": { "redis": { "master": { "address": redis.address() } } } });
    let site = site("post", "haveibeenpwned")
        .set(settings)
        .env("HAVEIBEENPWNED_URL", service.url("/range/"));
    let mut server =
        site.env("SMTP_SERVER", "127.0.0.1").env("CUSTOM_REDIS_POOL_NAME", "nowhere").start();
    log_in(&server);
    finished(&server, 1);
    server.wait_for_log("nowhere");
    assert_eq!((service.asked().len(), mailbox.mails().len()), (0, 0));
}
