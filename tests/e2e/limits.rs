//! What is too large, malformed or too much is refused with the right status, and costs only the connection it came on.

use crate::support::{Request, Server, Site};
use serde_json::json;

/// Sends bytes on a connection of their own: the status of the answer, after which the server must close.
fn refused(server: &Server, bytes: &[u8]) -> u16 {
    let mut client = server.connect();
    client.send(bytes);
    let status = client.answer().status;
    client.expect_close();
    status
}

#[test]
fn malformed_requests_are_refused_and_their_connection_closed() {
    let server = Site::new().start();
    for (bytes, status) in [
        (&b"nonsense\r\n\r\n"[..], 400),
        (b"GET /ping HTTP/1.1\r\n\r\n", 400),
        (b"GET /ping HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"GET /ping HTTP/1.1\r\nHost : a\r\n\r\n", 400),
        (b"GET /ping HTTP/1.1\r\nHost: a\r\nX: \x00\r\n\r\n", 400),
        (b"GET /ping HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400),
        (b"GET /ping HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (b"GET /p%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET /ping HTTP/1.1\r\nHost: a\r\nExpect: miracle\r\nContent-Length: 1\r\n\r\n", 417),
        (b"POST /ping HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501),
        (b"POST /ping HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n", 400),
        (b"GET /ping HTTP/9.9\r\nHost: a\r\n\r\n", 505),
    ] {
        assert_eq!(refused(&server, bytes), status, "{}", String::from_utf8_lossy(bytes));
    }
    assert_eq!(server.login("ada", "right").status, 200);
}

#[test]
fn a_head_of_a_hundred_kilobytes_is_served_and_one_past_the_limit_refused() {
    let server = Site::new().start();
    let with_header_of = |len: usize| Request::login("ada", "right").header("X-Certificate", "x".repeat(len));
    assert_eq!(server.ask(&with_header_of(100_000)).status, 200);
    assert_eq!(refused(&server, &with_header_of(2 << 20).bytes()), 431);
}

#[test]
fn a_body_past_the_limit_is_refused() {
    let server = Site::new().set(json!({ "server": { "max_body_bytes": 10_000 } })).start();
    let with_body_of = |len: usize| {
        let body = json!({ "username": "ada", "password": "right", "protocol": "imap", "padding": "x".repeat(len) });
        Request::post("/api/v1/auth/json", "application/json", body.to_string())
    };
    assert_eq!(server.ask(&with_body_of(9_000)).status, 200);
    assert_eq!(refused(&server, &with_body_of(10_000).bytes()), 413);
}
