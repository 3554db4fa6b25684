//! saslauthd's `httpform`, which Postfix asks: the request it sends, and what it needs of the
//! answer.
//!
//! Debian's saslauthd is built without this mechanism; the request was recorded from one that was
//! built with it.

use crate::support::{Server, Site};

/// The answer to a login as saslauthd sends it; it closes after each.
fn status_line(server: &Server, user: &str, password: &str) -> (String, String) {
    let body = format!(
        "username={user}&password={password}&realm=&protocol=smtp&port=587&method=plain&tls=on&security=TLSv1%2E3&user%5Fagent=saslauthd"
    );
    let mut client = server.connect();
    client.send(
        format!(
            "POST /api/v1/auth/saslauthd HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nUser-Agent: saslauthd\r\nAccept: */*\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
            server.address,
            body.len()
        )
        .as_bytes(),
    );
    let answer = client.answer();
    client.expect_close();
    let text = answer.text();
    (answer.status_line, text)
}

#[test]
fn the_status_line_has_a_reason() {
    // saslauthd reads the phrase after the code, and crashes where there is none.
    let server = Site::new().start();
    assert_eq!(status_line(&server, "ada%40example%2Etest", "right").0, "HTTP/1.1 200 OK");
    let (line, text) = status_line(&server, "ada%40example%2Etest", "wrong");
    assert_eq!(
        (line.as_str(), text.as_str()),
        ("HTTP/1.1 403 Forbidden", "Invalid login or password")
    );
}

#[test]
fn a_temporary_failure_is_neither_yes_nor_no() {
    let server = Site::new()
        .backend("function nauthilus_backend_verify_password() error('broken') end")
        .start();
    let (line, text) = status_line(&server, "ada", "right");
    assert_eq!(
        (line.as_str(), text.as_str()),
        ("HTTP/1.1 500 Internal Server Error", "Temporary server problem, try again later")
    );
}
