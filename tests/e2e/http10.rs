//! HTTP/1.0, which nginx's mail proxy speaks: no `Host`, a 1.0 answer, closed after it.

use crate::support::Site;

#[test]
fn a_request_as_nginx_sends_it_is_answered_and_closed() {
    let server = Site::new().start();
    let mut client = server.connect();
    client.send(
        b"GET /api/v1/auth/nginx HTTP/1.0\r\nHost: 127.0.0.1\r\nAuth-Method: plain\r\nAuth-User: ada\r\nAuth-Pass: right\r\n\
          Auth-Protocol: imap\r\nAuth-Login-Attempt: 1\r\nClient-IP: 192.0.2.1\r\n\r\n",
    );
    let answer = client.answer();
    assert_eq!(answer.status_line, "HTTP/1.0 200 OK");
    assert_eq!(answer.header("auth-status"), Some("OK"));
    assert_eq!(
        (answer.header("auth-server"), answer.header("auth-port")),
        (Some("127.0.0.1"), Some("9931"))
    );
    client.expect_close();
}

#[test]
fn no_host_is_needed() {
    let server = Site::new().start();
    let mut client = server.connect();
    client.send(b"GET /ping HTTP/1.0\r\n\r\n");
    assert_eq!(client.answer().text(), "pong");
    client.expect_close();
}

#[test]
fn a_client_that_asks_for_it_keeps_its_connection() {
    let server = Site::new().start();
    let mut client = server.connect();
    for _ in 0..2 {
        client.send(b"GET /ping HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        let answer = client.answer();
        assert_eq!((answer.status, answer.header("connection")), (200, Some("keep-alive")));
    }
}
