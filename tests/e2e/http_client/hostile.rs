//! Against servers that keep to nothing: each costs its request an error within its time, and the
//! next request nothing.

use super::{GET, ask, error, site};
use serde_json::json;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

/// A server that reads a request's head and then does `vice` with the connection, for as many
/// connections as come.
pub fn server(vice: impl Fn(TcpStream) + Send + Clone + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let vice = vice.clone();
            std::thread::spawn(move || {
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
                while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
                vice(stream);
            });
        }
    });
    url
}

/// Sends these bytes and closes.
pub fn saying(bytes: impl Into<Vec<u8>>) -> String {
    let bytes = bytes.into();
    server(move |mut stream| drop(stream.write_all(&bytes)))
}

/// Sends `first` and then `again` until nobody listens any more.
pub fn endless(first: &'static str, again: Vec<u8>, pause: Duration) -> String {
    server(move |mut stream| {
        let mut sent = stream.write_all(first.as_bytes());
        while sent.is_ok() {
            std::thread::sleep(pause);
            sent = stream.write_all(&again);
        }
    })
}

/// Says nothing until the other side closes.
pub fn silent() -> String {
    server(
        |stream| while BufReader::new(&stream).fill_buf().is_ok_and(|bytes| !bytes.is_empty()) {},
    )
}

#[test]
fn each_is_an_error_within_its_time() {
    let server = site(GET).start();
    let drip = Duration::from_millis(20);
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (what, url, timeout, expected) in [
        ("nobody there", format!("http://{closed}/"), "", "connect: connection refused"),
        ("silence", silent(), "200ms", "context deadline exceeded"),
        (
            "a head byte by byte",
            endless("HTTP/1.1 200 OK\r\nX: ", b"x".to_vec(), drip),
            "300ms",
            "context deadline exceeded",
        ),
        (
            "a body byte by byte",
            endless("HTTP/1.1 200 OK\r\n\r\n", b"x".to_vec(), drip),
            "300ms",
            "context deadline exceeded",
        ),
        (
            "half a chunk",
            endless("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", vec![], drip),
            "300ms",
            "deadline exceeded",
        ),
        (
            "an endless head",
            endless("HTTP/1.1 200 OK\r\n", b"A: b\r\n".repeat(999), Duration::ZERO),
            "",
            "response headers too large",
        ),
        (
            "an endless body",
            endless("HTTP/1.1 200 OK\r\n\r\n", vec![b'x'; 1 << 20], Duration::ZERO),
            "",
            "response body too large",
        ),
        (
            "interim answers",
            endless("", b"HTTP/1.1 100 Continue\r\n\r\n".to_vec(), Duration::ZERO),
            "",
            "malformed HTTP response",
        ),
        ("closing at once", saying(""), "", "EOF"),
        ("closing in the head", saying("HTTP/1.1 200 OK\r\nX-A"), "", "unexpected EOF"),
        (
            "closing in the body",
            saying("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"),
            "",
            "unexpected EOF",
        ),
        (
            "an announced monster",
            saying("HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n"),
            "",
            "response body too large",
        ),
        (
            "two lengths",
            saying("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx"),
            "",
            "malformed HTTP response",
        ),
        (
            "another protocol",
            saying("220 mail.example.org ESMTP\r\n"),
            "",
            "malformed HTTP response",
        ),
        (
            "no gzip",
            saying("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nraw"),
            "",
            "gzip: invalid data",
        ),
    ] {
        let text = error(&server, &url, timeout);
        assert!(text.ends_with(expected), "{what}: {text}");
        assert!(text.starts_with(&format!("Get \"{url}\": ")), "{what}: {text}");
    }
    let good = saying("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine");
    assert_eq!(ask(&server, &good, "")["body"], "fine");
}

#[test]
fn a_bomb_does_not_go_off() {
    use flate2::{Compression, write::GzEncoder};
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    for _ in 0..64 {
        encoder.write_all(&[0; 1 << 20]).unwrap();
    }
    let body = encoder.finish().unwrap();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let url = saying([head.as_bytes(), &body].concat());
    assert_eq!(
        error(&site(GET).start(), &url, ""),
        format!("Get \"{url}\": response body too large")
    );
}

#[test]
fn what_comes_behind_an_answer_is_not_taken_for_the_next() {
    let url = saying(
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nsmuggled",
    );
    let server = site(GET).start();
    for _ in 0..3 {
        assert_eq!(ask(&server, &url, "")["body"], "ok");
    }
}

#[test]
fn a_head_of_a_hundred_kilobytes_is_read() {
    let long = "x".repeat(100_000);
    let url = saying(format!("HTTP/1.1 200 OK\r\nLong: {long}\r\nContent-Length: 2\r\n\r\nok"));
    assert_eq!(ask(&site(GET).start(), &url, "")["body"], "ok");
}

/// The server of an idle connection may close it just when the next request is on its way. Only
/// what the server can tell from a second request may be sent again (RFC 9110 9.2.2).
#[test]
fn a_post_is_sent_again_over_a_new_connection_only_with_an_idempotency_key() {
    const POST: &str = r#"
        local key = timeout ~= "" and { ["Idempotency-Key"] = timeout } or {}
        local response, err = glua_http.post(url, { body = "x", headers = key })
        return { err = err, body = response and response.body }
    "#;
    // Answers one request for each connection, and closes it with the next. Head and body come
    // together.
    let url = server(|mut stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        let _ = stream.read(&mut [0; 4096]);
    });
    let server = site(POST).set(json!({ "server": { "workers": 1 } })).start();
    for _ in 0..2 {
        // A new connection, which stays idle.
        assert_eq!(ask(&server, &url, "")["body"], "ok");
        assert!(error(&server, &url, "").contains("EOF"));
    }
    assert_eq!(ask(&server, &url, "")["body"], "ok");
    assert_eq!(ask(&server, &url, "key-1")["body"], "ok");
}
