//! `nauthilus_mail` against Dovecot: LMTP into mailboxes, submission with STARTTLS and a login.

use crate::support::dovecot::Dovecot;
use crate::support::smtp_sink::SmtpSink;
use crate::support::{Request, Server, Site, until};
use serde_json::{Value, json};
use std::path::Path;

/// Sends the mail in its query.
const SEND: &str = r#"
local json, mail, query = require("json"), require("nauthilus_mail"), require("nauthilus_http_request")
function nauthilus_run_hook()
    return { err = mail.send_mail(json.decode(query.get_http_query_param("mail"))) or "none" }
end
"#;

fn site() -> Site {
    Site::new().hook("send", SEND)
}

/// The error that a mail ends with, its fields laid over the usual ones.
fn send(server: &Server, fields: Value) -> String {
    let mut mail = json!({ "server": "127.0.0.1", "helo_name": "kit.example", "from": "Kit <kit@example.org>", "to": ["ada@example.org"],
        "subject": "Grüße", "body": "one\n.two\n..\n.\nÜber" });
    mail.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    let mail: String = mail.to_string().bytes().map(|byte| format!("%{byte:02X}")).collect();
    let answer = server.ask(&Request::get(&format!("/api/v1/custom/send?mail={mail}")));
    let result: Value = serde_json::from_slice(&answer.body).unwrap();
    result["err"].as_str().unwrap().to_owned()
}

/// The messages that nobody has looked at yet.
fn new_messages(mailbox: &Path) -> Vec<String> {
    let files = std::fs::read_dir(mailbox.join("new")).into_iter().flatten();
    files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap()).collect()
}

/// Whether the header and the body of [`send`]'s message have come as they were meant.
fn assert_intact(message: &str) {
    let message = message.replace("\r\n", "\n");
    let (head, body) = message.split_once("\n\n").unwrap();
    assert!(
        head.contains("\nSubject: =?utf-8?") && head.contains("From: \"Kit\" <kit@example.org>"),
        "{head}"
    );
    let body = quoted_printable::decode(
        body.trim_end().replace('\n', "\r\n"),
        quoted_printable::ParseMode::Strict,
    )
    .unwrap();
    assert_eq!(String::from_utf8(body).unwrap().replace("\r\n", "\n"), "one\n.two\n..\n.\nÜber");
}

#[test]
fn lmtp_puts_a_message_into_each_mailbox() {
    let (dovecot, server) = (Dovecot::taking_mail(1), site().start());
    let both = json!({ "port": dovecot.lmtp, "lmtp": true, "to": ["ada@example.org", "Bob <bob@example.org>"] });
    assert_eq!(send(&server, both), "none");
    for account in ["ada@example.org", "bob@example.org"] {
        let messages = new_messages(&dovecot.mailbox(account));
        assert_eq!(messages.len(), 1, "{account}");
        assert!(messages[0].starts_with("Return-Path: <kit@example.org>"), "{}", messages[0]);
        assert_intact(&messages[0]);
    }
}

#[test]
fn who_has_no_mailbox_is_an_error_and_nobody_gets_the_message() {
    let (dovecot, server) = (Dovecot::taking_mail(1), site().start());
    let strangers = json!({ "port": dovecot.lmtp, "lmtp": true, "to": ["ada@example.org", "nobody@example.org"] });
    let err = send(&server, strangers);
    assert!(err.starts_with("550 ") && err.contains("nobody@example.org"), "{err}");
    assert_eq!(new_messages(&dovecot.mailbox("ada@example.org")), Vec::<String>::new());
}

#[test]
fn submission_wants_tls_and_a_login() {
    let sink = SmtpSink::start();
    let dovecot = Dovecot::taking_mail(sink.port);
    let server = site().env("SSL_CERT_FILE", dovecot.authority().to_str().unwrap()).start();
    let login = |password: &str, starttls: bool| {
        let to = json!(["ada@example.org", "eve@elsewhere.example"]);
        json!({ "port": dovecot.submission, "username": "ada@example.org", "password": password, "starttls": starttls, "to": to })
    };
    assert_eq!(send(&server, login("right", true)), "none");
    until("the message at the relay", || (!sink.taken().is_empty()).then_some(()));
    let taken = &sink.taken()[0];
    let envelope: Vec<&str> =
        taken.envelope.iter().map(|command| command.split_inclusive('>').next().unwrap()).collect();
    assert_eq!(
        envelope,
        [
            "MAIL FROM:<kit@example.org>",
            "RCPT TO:<ada@example.org>",
            "RCPT TO:<eve@elsewhere.example>"
        ]
    );
    assert!(taken.text.contains("with ESMTPSA"), "by TLS and with a login: {}", taken.text);
    assert_intact(&taken.text);

    assert_eq!(send(&server, login("secret-and-wrong", true)), "535 authentication failed");
    // Without TLS a password goes to this very host only, where nobody listens in.
    assert_eq!(send(&server, login("right", false)), "none");
    assert_eq!(sink.taken().len(), 2);
    assert!(!server.log().contains("secret-and-wrong"));
}

#[test]
fn a_server_that_nobody_vouches_for_gets_neither_password_nor_message() {
    let sink = SmtpSink::start();
    let (dovecot, stranger) = (Dovecot::taking_mail(sink.port), Dovecot::taking_mail(sink.port));
    let server = site().env("SSL_CERT_FILE", stranger.authority().to_str().unwrap()).start();
    let login = json!({ "port": dovecot.submission, "username": "ada@example.org", "password": "right", "starttls": true });
    let err = send(&server, login);
    assert!(err.starts_with("tls: "), "{err}");
    assert_eq!(sink.taken().len(), 0);
}
