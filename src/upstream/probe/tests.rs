//! Dialogues against canned servers: what is said, what is taken for health.

use super::*;
use crate::tls::ClientTlsSettings;
use crate::upstream::canned::Canned;

fn target(protocol: &str) -> Target {
    Target {
        protocol: Protocol::parse(protocol),
        host: "127.0.0.1".into(),
        port: 143,
        tls: None,
        haproxy_v2: false,
        deep_check: true,
        request_uri: "/health?a=b".into(),
        username: "test \"user\"".into(),
        password: Secret::from("pass\\word"),
    }
}

fn over_tls(protocol: &str) -> Target {
    let tls =
        ClientTls::new(&ClientTlsSettings { skip_verify: true, ..ClientTlsSettings::default() })
            .unwrap();
    Target { tls: Some(tls), ..target(protocol) }
}

fn run(target: Target, mut server: Canned) -> (Result<(), Fault>, String) {
    let outcome = server.run(|ops| async move { check(&ops, &target).await });
    (outcome, server.transcript.replacen("<open 127.0.0.1:143>", "", 1))
}

#[test]
fn each_protocol_is_spoken() {
    for (protocol, pieces, said) in [
        ("imap", &["* OK rea", "dy\r\n"][..], "b LOGOUT\r\n"),
        ("pop3", &["+OK ready\r\n"], "QUIT\r\n"),
        ("smtp", &["220-a\r\n220 b\r\n", "250 a\r\n"], "EHLO loligo\r\nQUIT\r\n"),
        ("lmtp", &["220 b\r\n", "250 a\r\n"], "LHLO loligo\r\nQUIT\r\n"),
        ("sieve", &["\"SIEVE\" \"fileinto\"\r\n\"STARTTLS\"\r\nOK \"ready\"\r\n"], "LOGOUT\r\n"),
        (
            "http",
            &["HTTP/1.1 200 OK\r\n\r\n"],
            "GET /health?a=b HTTP/1.1\r\nHost: 127.0.0.1:143\r\nUser-Agent: loligo\r\nConnection: close\r\n\r\n",
        ),
    ] {
        assert_eq!(
            run(target(protocol), Canned::new(pieces)),
            (Ok(()), said.to_owned()),
            "{protocol}"
        );
    }
}

#[test]
fn test_users_log_in_over_tls() {
    for (protocol, pieces, said) in [
        (
            "imap",
            &["* OK ready\r\n", "* CAPABILITY X\r\na OK in\r\n"][..],
            "a LOGIN \"test \\\"user\\\"\" \"pass\\\\word\"\r\nb LOGOUT\r\n",
        ),
        (
            "pop3",
            &["+OK ready\r\n", "+OK\r\n", "+OK in\r\n"],
            "USER test \"user\"\r\nPASS pass\\word\r\nQUIT\r\n",
        ),
        (
            "sieve",
            &["OK ready\r\n", "OK in\r\n"],
            "AUTHENTICATE \"PLAIN\" \"AHRlc3QgInVzZXIiAHBhc3Ncd29yZA==\"\r\nLOGOUT\r\n",
        ),
        ("smtp", &["220 b\r\n", "250 a\r\n"], "EHLO loligo\r\nQUIT\r\n"),
    ] {
        let expected = format!("<tls 127.0.0.1>{said}");
        assert_eq!(run(over_tls(protocol), Canned::new(pieces)), (Ok(()), expected), "{protocol}");
    }
}

#[test]
fn sieve_falls_back_to_starttls() {
    let server = || Canned {
        broken_handshakes: 1,
        ..Canned::new(&["\"STARTTLS\"\r\nOK\r\n", "OK go\r\n", "OK again\r\n", "OK in\r\n"])
    };
    let said = "<tls 127.0.0.1><open 127.0.0.1:143>STARTTLS\r\n<tls 127.0.0.1>AUTHENTICATE \"PLAIN\" \"AHRlc3QgInVzZXIiAHBhc3Ncd29yZA==\"\r\nLOGOUT\r\n";
    assert_eq!(run(over_tls("sieve"), server()), (Ok(()), said.to_owned()));
    let said = "<tls 127.0.0.1><open 127.0.0.1:143>STARTTLS\r\n<tls 127.0.0.1>";
    assert_eq!(
        run(Target { deep_check: false, ..over_tls("sieve") }, server()),
        (Ok(()), said.to_owned())
    );
}

#[test]
fn a_proxy_header_comes_first() {
    let target = Target { haproxy_v2: true, deep_check: false, ..over_tls("imap") };
    assert_eq!(
        run(target, Canned::new(&[])),
        (Ok(()), "\r\n\r\n\0\r\nQUIT\n \0\0\0<tls 127.0.0.1>".to_owned())
    );
}

#[test]
fn without_a_deep_check_connecting_is_enough() {
    assert_eq!(
        run(Target { deep_check: false, ..target("whatever") }, Canned::new(&[])),
        (Ok(()), String::new())
    );
    assert_eq!(
        run(target("whatever"), Canned::new(&[])).0,
        Err(Fault::Settings("no deep check for this protocol"))
    );
}

#[test]
fn servers_in_trouble_are_told_from_healthy_ones() {
    for (protocol, pieces) in [
        ("imap", &["* BYE busy\r\n"][..]),
        ("imap", &["* OKAY"]),
        ("imap", &[]),
        ("pop3", &["-ERR busy\r\n"]),
        ("smtp", &["554 no\r\n"]),
        ("smtp", &["220 b\r\n", "421 no\r\n"]),
        ("lmtp", &["220 b\r\n"]),
        ("sieve", &["\"SIEVE\"\r\nBYE \"busy\"\r\n"]),
        ("http", &["HTTP/1.1 503 Busy\r\n\r\n"]),
        ("http", &["HTTP/1.1 301 Moved\r\n\r\n"]),
    ] {
        assert!(run(target(protocol), Canned::new(pieces)).0.is_err(), "{protocol} {pieces:?}");
    }
    for (protocol, pieces) in [
        ("imap", &["* OK ready\r\n", "a NO wrong\r\n"][..]),
        ("pop3", &["+OK ready\r\n", "+OK\r\n", "-ERR wrong\r\n"]),
        ("sieve", &["OK ready\r\n", "NO wrong\r\n"]),
    ] {
        let error = run(over_tls(protocol), Canned::new(pieces)).0.unwrap_err().to_string();
        assert!(error.contains("wrong") && !error.contains("pass"), "{error}");
    }
}

#[test]
fn endless_talk_is_cut_off() {
    let (many, long) = ("* NOISE\r\n".repeat(200), "x".repeat(10_000));
    assert!(matches!(
        run(over_tls("imap"), Canned::new(&["* OK\r\n", &many])).0,
        Err(Fault::Unexpected { step: "LOGIN", .. })
    ));
    assert!(matches!(
        run(target("imap"), Canned::new(&[&long])).0,
        Err(Fault::Failure(Failure::Protocol(_)))
    ));
}

#[test]
fn nothing_can_be_smuggled_into_a_dialogue() {
    let smuggled = Target { username: "a\r\nb".into(), ..over_tls("pop3") };
    assert!(matches!(run(smuggled, Canned::new(&["+OK\r\n"])).0, Err(Fault::Settings(_))));
    let smuggled = Target { request_uri: "/ HTTP/1.1\r\nX: y".into(), ..target("http") };
    assert!(matches!(run(smuggled, Canned::new(&[])).0, Err(Fault::Settings(_))));
}
