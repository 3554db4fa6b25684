use super::*;
use crate::op::{ConnectionId, ConnectionOp, Dropped, Failure, Handle, drive, slot};
use crate::upstream::http::{Jar, Proxies, Proxy, Redirects};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::collections::VecDeque;
use std::io::Write;
use std::time::{Duration, Instant};

/// A server in the test: connections by number, what was sent on each, and what comes back, piece
/// by piece.
#[derive(Default)]
struct Wire {
    /// Pieces for the connections in the order of their opening; an empty piece is the end.
    scripts: VecDeque<Vec<Vec<u8>>>,
    pieces: Vec<VecDeque<Vec<u8>>>,
    opened: Vec<String>,
    sent: Vec<String>,
    /// Connections that the check finds closed.
    closed: Vec<u64>,
    dropped: Dropped,
}

impl Wire {
    fn new(scripts: &[&[&str]]) -> Wire {
        let pieces =
            |script: &&[&str]| script.iter().map(|piece| piece.as_bytes().to_vec()).collect();
        Wire { scripts: scripts.iter().map(pieces).collect(), ..Wire::default() }
    }

    fn answer(&mut self, op: Op) -> Answer {
        let Op::Connection(op) = op else { panic!("{op:?}") };
        match op {
            ConnectionOp::Open(address) => {
                self.opened.push(address.to_string());
                let Some(script) = self.scripts.pop_front() else {
                    return Answer::Failed(Failure::Refused(format!(
                        "dial tcp {address}: connect: connection refused"
                    )));
                };
                self.pieces.push(script.into());
                Answer::Opened(Handle::new(
                    ConnectionId(self.pieces.len() as u64 - 1),
                    self.dropped.clone(),
                ))
            }
            ConnectionOp::Send(_, bytes) => {
                self.sent.push(String::from_utf8(bytes).unwrap());
                Answer::Passed
            }
            ConnectionOp::Receive(ConnectionId(id), mut buffer) => {
                match self.pieces[id as usize].pop_front() {
                    Some(piece) => {
                        buffer.extend(piece);
                        Answer::Received(buffer)
                    }
                    None => Answer::Failed(Failure::TimedOut),
                }
            }
            ConnectionOp::Check(ConnectionId(id)) => Answer::Fresh(!self.closed.contains(&id)),
            ConnectionOp::StartTls(..) => Answer::Failed(Failure::Refused(
                "tls: invalid peer certificate: UnknownIssuer".into(),
            )),
        }
    }

    fn send(&mut self, client: &Client, request: Request) -> Result<Response, Error> {
        let now = Instant::now();
        let (ops, driver) = slot(now, now + Duration::from_secs(10));
        let label = request.label();
        let op = client.op(request);
        let task = async { ops.ask(op, Duration::MAX).await };
        Client::outcome(drive(task, &driver, |op| self.answer(op)), &label)
    }

    fn text(&mut self, client: &Client, request: Request) -> String {
        match self.send(client, request) {
            Ok(response) => {
                format!("{} {}", response.status, String::from_utf8_lossy(&response.body))
            }
            Err(error) => error.to_string(),
        }
    }
}

fn client() -> Client {
    Client::new(Arc::new(Settings::plain()))
}

fn get(url: &str) -> Request {
    Request::get(url).unwrap()
}

const URL: &str = "http://127.0.0.1:81/x";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[test]
fn a_request_goes_out_and_its_answer_comes_back_in_pieces() {
    let mut wire = Wire::new(&[&[
        "HTTP/1.1 20",
        "1 Created\r\nX-A: b\r\nContent-Le",
        "ngth: 4\r\n\r\nbo",
        "dy",
    ]]);
    let request = Request::post("http://127.0.0.1:81/a b?c", "text/plain", "in")
        .unwrap()
        .header("user-agent", "Kit");
    let response = wire.send(&client(), request).unwrap();
    assert_eq!(
        (response.status, response.body.as_slice(), response.headers.get("x-a")),
        (201, &b"body"[..], Some(&b"b"[..]))
    );
    let expected = "POST /a%20b?c HTTP/1.1\r\nHost: 127.0.0.1:81\r\nContent-Type: text/plain\r\nUser-Agent: Kit\r\nAccept-Encoding: gzip\r\n\
        Content-Length: 2\r\n\r\nin";
    assert_eq!(
        (wire.opened, wire.sent),
        (vec!["127.0.0.1:81".to_owned()], vec![expected.to_owned()])
    );
}

#[test]
fn the_headers_that_are_ours_can_be_set_and_left_out() {
    let mut wire = Wire::new(&[&[OK, OK, OK, OK]]);
    let client = client();
    wire.send(&client, get(URL)).unwrap();
    wire.send(&client, get(URL).header("User-Agent", "").header("Accept-Encoding", "identity"))
        .unwrap();
    wire.send(&client, get("http://us%20er:p%40@127.0.0.1:81/x")).unwrap();
    let mut other = get("http://user:p@127.0.0.1:81/x");
    other.set_basic_auth(b"other", b"");
    wire.send(&client, other).unwrap();
    let bare = "GET /x HTTP/1.1\r\nHost: 127.0.0.1:81\r\n";
    let agent = format!("User-Agent: {USER_AGENT}\r\n");
    assert_eq!(wire.sent[0], format!("{bare}{agent}Accept-Encoding: gzip\r\n\r\n"));
    assert_eq!(wire.sent[1], format!("{bare}Accept-Encoding: identity\r\n\r\n"));
    assert_eq!(
        wire.sent[2],
        format!("{bare}{agent}Authorization: Basic dXMgZXI6cEA=\r\nAccept-Encoding: gzip\r\n\r\n")
    );
    assert!(wire.sent[3].contains("Authorization: Basic b3RoZXI6\r\n") && wire.opened.len() == 1);
}

#[test]
fn connections_are_used_again_unless_they_must_not_be() {
    for (first, reused) in [
        (OK, true),
        ("HTTP/1.1 204 No Content\r\n\r\n", true),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", true),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok", false),
        ("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", false),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok HTTP/1.1 200 smuggled", false),
    ] {
        let mut wire = Wire::new(&[&[first, OK], &[OK]]);
        let client = client();
        wire.send(&client, get(URL)).unwrap();
        assert_eq!(client.idle(), usize::from(reused), "{first}");
        assert_eq!(wire.text(&client, get(URL)), "200 ok");
        assert_eq!(wire.opened.len(), if reused { 1 } else { 2 }, "{first}");
    }
    let mut wire = Wire::new(&[&[OK], &[OK]]);
    let client = client();
    wire.send(&client, get(URL).header("Connection", "close")).unwrap();
    assert_eq!((client.idle(), wire.dropped.take().len()), (0, 1));
}

#[test]
fn connections_are_shared_by_host_and_port_only() {
    let mut wire = Wire::new(&[&[OK], &[OK], &[OK]]);
    let client = client();
    for url in [URL, "http://127.0.0.1:82/x", "http://127.0.0.2:81/x"] {
        wire.send(&client, get(url)).unwrap();
    }
    assert_eq!((wire.opened.len(), client.idle()), (3, 3));
}

#[test]
fn an_idle_connection_that_was_closed_is_replaced() {
    // Seen before it is used: by any method.
    let mut wire = Wire::new(&[&[OK], &[OK]]);
    let client_a = client();
    wire.send(&client_a, get(URL)).unwrap();
    wire.closed = vec![0];
    assert_eq!(wire.text(&client_a, Request::post(URL, "text/plain", "x").unwrap()), "200 ok");
    // Seen only when the answer is waited for: once, and only what may be repeated.
    let post = || Request::post(URL, "text/plain", "x").unwrap();
    for (request, expected) in
        [(get(URL), "200 ok"), (post(), "Post \"http://127.0.0.1:81/x\": EOF")]
    {
        let mut wire = Wire::new(&[&[OK, ""], &[OK]]);
        let client = client();
        wire.send(&client, get(URL)).unwrap();
        assert_eq!(wire.text(&client, request), expected);
    }
    // A new connection that is closed is an error.
    let mut wire = Wire::new(&[&[""], &[OK]]);
    assert_eq!(wire.text(&client(), get(URL)), "Get \"http://127.0.0.1:81/x\": EOF");
    assert_eq!(wire.opened.len(), 1);
    // And so is one that ends in the middle.
    let mut wire = Wire::new(&[&[OK, "HTTP/1.1 200 O", ""], &[OK]]);
    let client = client();
    wire.send(&client, get(URL)).unwrap();
    assert_eq!(wire.text(&client, get(URL)), "Get \"http://127.0.0.1:81/x\": unexpected EOF");
}

#[test]
fn failures_say_what_and_where() {
    for (request, script, expected) in [
        (
            get(URL),
            None,
            "Get \"http://127.0.0.1:81/x\": dial tcp 127.0.0.1:81: connect: connection refused",
        ),
        (get(URL), Some(vec![]), "Get \"http://127.0.0.1:81/x\": context deadline exceeded"),
        (
            get(URL),
            Some(vec!["HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", ""]),
            "Get \"http://127.0.0.1:81/x\": unexpected EOF",
        ),
        (
            get(URL),
            Some(vec!["220 smtp.example.org ESMTP\r\n"]),
            "Get \"http://127.0.0.1:81/x\": malformed HTTP response",
        ),
        (
            get(URL),
            Some(vec!["HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n"]),
            "Get \"http://127.0.0.1:81/x\": response body too large",
        ),
        (
            get(URL).timeout(Duration::ZERO),
            None,
            "Get \"http://127.0.0.1:81/x\": context deadline exceeded",
        ),
        (get("no scheme"), None, "Get \"no%20scheme\": unsupported protocol scheme \"\""),
        (get(""), None, "Get \"\": unsupported protocol scheme \"\""),
        (get("ftp://h/"), None, "Get \"ftp://h/\": unsupported protocol scheme \"ftp\""),
        (get("http:///x"), None, "Get \"http:///x\": http: no Host in request URL"),
        (get("http://h:99999/"), None, "Get \"http://h:99999/\": invalid port \"99999\""),
        (
            get(URL).header("X-A", "1\r\nX-B: 2"),
            None,
            "Get \"http://127.0.0.1:81/x\": net/http: invalid header field value for \"X-A\"",
        ),
        (
            get(URL).header("X A", "1"),
            None,
            "Get \"http://127.0.0.1:81/x\": net/http: invalid header field name \"X A\"",
        ),
        (get("https://127.0.0.1/"), None, "Get \"https://127.0.0.1/\": tls: no certificates"),
    ] {
        let mut wire = Wire::new(script.as_deref().as_slice());
        assert_eq!(wire.text(&client(), request), expected);
        let (opened, dropped) = (wire.pieces.len(), wire.dropped.take().len());
        assert_eq!(opened, dropped, "the connection is closed: {expected}");
    }
}

#[test]
fn redirects_are_followed_ten_times() {
    let to = |location: &str| {
        format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n")
    };
    let (there, on) = (to("/there?q#f"), to("/x"));
    let mut wire = Wire::new(&[&[&there, OK]]);
    let response =
        wire.send(&client(), Request::post(URL, "text/plain", "secret").unwrap()).unwrap();
    assert_eq!(
        (response.status, response.url.expose().as_str()),
        (200, "http://127.0.0.1:81/there?q#f")
    );
    assert!(
        wire.sent[1].starts_with("GET /there?q HTTP/1.1\r\n")
            && wire.sent[1].contains("Referer: http://127.0.0.1:81/x\r\n")
    );
    assert!(!wire.sent[1].contains("secret") && !wire.sent[1].contains("Content-"));

    let mut wire = Wire::new(&[&[on.as_str(); 20]]);
    assert_eq!(
        wire.text(&client(), get(URL)),
        "Get \"http://127.0.0.1:81/x\": stopped after 10 redirects"
    );
    assert_eq!(wire.sent.len(), REDIRECTS_MAX + 1);

    let mut wire = Wire::new(&[&[on.as_str()]]);
    let request = Request { redirects: Redirects::Never, ..get(URL) };
    assert_eq!(wire.text(&client(), request), "302 ");
}

#[test]
fn compressed_bodies_come_uncompressed_unless_they_were_asked_for() {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&[b'x'; 9000]).unwrap();
    let body = encoder.finish().unwrap();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Encoding: GZIP\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let script = [head.as_bytes(), &body].concat();
    let with = |request: Request| {
        let mut wire = Wire { scripts: VecDeque::from([vec![script.clone()]]), ..Wire::default() };
        wire.send(&client(), request)
    };
    let response = with(get(URL)).unwrap();
    assert_eq!((response.body.len(), response.headers.is_empty()), (9000, true));
    let response = with(get(URL).header("Accept-Encoding", "gzip")).unwrap();
    assert_eq!(
        (response.body, response.headers.contains("Content-Encoding")),
        (body.clone(), true)
    );
    let mut small = get(URL);
    small.limits.body_bytes_max = 8999;
    assert_eq!(
        with(small).unwrap_err().to_string(),
        "Get \"http://127.0.0.1:81/x\": response body too large"
    );
}

#[test]
fn cookies_are_kept_in_the_jar_that_is_given() {
    let set = "HTTP/1.1 302 Found\r\nLocation: /y\r\nSet-Cookie: a=1; Path=/\r\nContent-Length: 0\r\n\r\n";
    let mut wire = Wire::new(&[&[set, OK, OK]]);
    let (client, jar) = (client(), Rc::new(Jar::default()));
    let with_jar = Request { jar: Some(jar), ..get(URL).header("Cookie", "own=2") };
    wire.send(&client, with_jar).unwrap();
    wire.send(&client, get(URL)).unwrap();
    assert!(
        !wire.sent[0].contains("a=1")
            && wire.sent[1].contains("Cookie: own=2; a=1\r\n")
            && !wire.sent[2].contains("Cookie")
    );
}

#[test]
fn a_proxy_is_asked_for_whole_urls() {
    let proxy = Arc::new(Proxy::parse(b"http://u:p@127.0.0.9:3128").unwrap());
    let client =
        Client::new(Arc::new(Settings { proxies: Proxies::All(proxy), ..Settings::plain() }));
    let mut wire = Wire::new(&[&[OK, OK]]);
    wire.send(&client, get("http://example.org/a?b")).unwrap();
    wire.send(&client, get("http://example.net/")).unwrap();
    assert_eq!(wire.opened, ["127.0.0.9:3128"]);
    assert!(
        wire.sent[0].starts_with("GET http://example.org/a?b HTTP/1.1\r\nHost: example.org\r\n")
    );
    assert!(wire.sent[0].contains("Proxy-Authorization: Basic dTpw\r\n"));
}

#[test]
fn a_proxy_tunnels_what_is_encrypted() {
    let proxy = Some(Arc::new(Proxy::parse(b"http://u:p@127.0.0.9:3128").unwrap()));
    let settings = crate::tls::ClientTlsSettings { skip_verify: true, ..Default::default() };
    let tls = Some(crate::tls::ClientTls::new(&settings).unwrap());
    let request =
        || Request { proxy: proxy.clone(), tls: tls.clone(), ..get("https://example.org/") };
    let mut wire = Wire::new(&[
        &["HTTP/1.1 200 Connected\r\n\r\n"],
        &["HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n"],
    ]);
    assert_eq!(
        wire.text(&client(), request()),
        "Get \"https://example.org/\": tls: failed to verify certificate: UnknownIssuer"
    );
    assert_eq!(
        wire.sent,
        [
            "CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\nProxy-Authorization: Basic dTpw\r\n\r\n"
        ]
    );
    assert_eq!(
        wire.text(&client(), request()),
        "Get \"https://example.org/\": proxy answered CONNECT with status 407"
    );
}
