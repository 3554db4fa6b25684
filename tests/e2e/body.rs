//! Request bodies however they come: in chunks, after a `100 Continue`, byte by byte.

use crate::support::{Client, Request, Site};

const BODY: &str = r#"{"username":"ada","password":"right","protocol":"imap"}"#;

fn expect_ok(client: &mut Client) {
    let answer = client.answer();
    assert_eq!(
        (answer.status, answer.header("auth-user")),
        (200, Some("ada")),
        "{}",
        answer.text()
    );
}

#[test]
fn chunks_are_put_together() {
    let server = Site::new().start();
    let mut client = server.connect();
    let chunks: String = BODY
        .as_bytes()
        .chunks(7)
        .map(|part| format!("{:x}\r\n{}\r\n", part.len(), String::from_utf8_lossy(part)))
        .collect();
    let head = "POST /api/v1/auth/json HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
    // Twice, so that the end of the first is seen to be found.
    for _ in 0..2 {
        client.send(format!("{head}{chunks}0\r\n\r\n").as_bytes());
        expect_ok(&mut client);
    }
}

#[test]
fn broken_chunks_are_refused_and_the_connection_closed() {
    let server = Site::new().start();
    let mut client = server.connect();
    client.send(b"POST /api/v1/auth/json HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\nnothex\r\n");
    assert_eq!(client.answer().status, 400);
    client.expect_close();
}

#[test]
fn a_client_that_waits_for_continue_gets_it() {
    let server = Site::new().start();
    let mut client = server.connect();
    let head = format!(
        "POST /api/v1/auth/json HTTP/1.1\r\nHost: test\r\nExpect: 100-continue\r\nContent-Length: {}\r\nContent-Type: application/json\r\n\r\n",
        BODY.len()
    );
    // Twice on one connection, as Dovecot does.
    for _ in 0..2 {
        client.send(head.as_bytes());
        assert_eq!(client.answer().status, 100);
        client.send(BODY.as_bytes());
        expect_ok(&mut client);
    }
}

#[test]
fn a_request_may_come_byte_by_byte() {
    let server = Site::new().start();
    let mut client = server.connect();
    for byte in Request::post("/api/v1/auth/json", "application/json", BODY).bytes() {
        client.send(&[byte]);
    }
    expect_ok(&mut client);
}
