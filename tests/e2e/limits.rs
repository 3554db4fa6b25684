//! What is too large, malformed or too much is refused with the right status, and costs only the
//! connection it came on.

use crate::drain::waits_for_a_file;
use crate::support::site::loligo;
use crate::support::{Request, Server, Site, until};
use serde_json::json;
use std::time::Duration;

/// Sends bytes on a connection of their own: the status of the answer, after which the server must
/// close.
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
    let with_header_of =
        |len: usize| Request::login("ada", "right").header("X-Certificate", "x".repeat(len));
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

/// Many clients read no answer before they have sent everything. A connection closed earlier would
/// reset and take the answer along.
#[test]
fn a_client_that_sends_everything_first_gets_the_answer_to_a_refused_request() {
    let server = Site::new().start();
    let body = vec![b'x'; 3 << 20];
    let head = |line: &str| {
        format!("{line}\r\nHost: a\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes()
    };
    for (line, status) in [
        ("POST /api/v1/auth/json HTTP/1.1", 413),
        ("POST /api/v1/auth/json HTTP/1.1\r\nHost: b", 400),
        ("POST /api/v1/auth/json HTTP/1.1\r\nTransfer-Encoding: gzip, chunked", 501),
    ] {
        for _ in 0..20 {
            let mut client = server.connect();
            client.send(&[head(line), body.clone()].concat());
            assert_eq!(client.answer().status, status, "{line}");
            client.finish_sending();
            client.expect_close();
        }
    }
}

#[test]
fn no_more_requests_than_the_limit_are_under_way_over_all_workers() {
    let settings = json!({ "server": {
        "workers": 4,
        "max_concurrent_requests": 2,
        "timeouts": { "lua_backend": "20s", "lua_script": "20s", "request": "20s" },
    } });
    let server = Site::new().backend(&waits_for_a_file()).set(settings).start();
    let mut clients: Vec<_> = (0..32).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.send(&Request::login("slow", "any").bytes());
    }
    // All that are too many are answered while the two that are not still wait.
    let (answers, refused) = std::sync::mpsc::channel();
    let threads: Vec<_> = clients
        .into_iter()
        .map(|mut client| {
            let answers = answers.clone();
            std::thread::spawn(move || answers.send(client.answer().status).unwrap())
        })
        .collect();
    for _ in 0..30 {
        assert_eq!(refused.recv_timeout(PATIENCE).unwrap(), 429);
    }
    // Whoever watches the server is neither counted nor refused.
    for path in ["/ping", "/healthz", "/metrics"] {
        for _ in 0..8 {
            assert_eq!(server.ask(&Request::get(path)).status, 200, "{path}");
        }
    }
    assert_eq!(server.login("ada", "any").status, 429);
    server.write("go", "");
    for _ in 0..2 {
        assert_eq!(refused.recv_timeout(PATIENCE).unwrap(), 200);
    }
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    until("a permit", || (server.login("ada", "any").status == 200).then_some(()));
}

#[test]
fn a_server_without_file_descriptors_says_so_and_serves_on_when_there_are_some() {
    let mut server = Site::new().start();
    assert_eq!(server.login("ada", "right").status, 200);
    // The soft limit was raised to the hard one.
    let (soft, hard) = server.limits_of_files();
    assert_eq!(soft, hard);
    let few = server.metric("process_open_fds") as u64 + 4;
    server.limit_files(few);
    let mut clients: Vec<_> = (0..16).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.send(b"GET /ping HTTP/1.1\r\n");
    }
    server.wait_for_log("connections cannot be accepted");
    drop(clients);
    until("a descriptor", || (server.login("ada", "right").status == 200).then_some(()));
    assert!(server.metric("loligo_accept_failures_total") > 0.0);
}

#[test]
fn a_second_server_on_the_port_does_not_start() {
    let first = Site::new().start();
    let second = Site::new().set(json!({ "server": { "address": first.address.to_string() } }));
    let config = second.write_config();
    let output =
        loligo().current_dir(second.path("")).args(["serve", "-c"]).arg(&config).output().unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(
        !output.status.success() && said.contains("the address is in use by process"),
        "{said}"
    );
    assert_eq!(first.login("ada", "right").status, 200);
}

/// Each of these would be allowed by itself.
#[test]
fn unfinished_requests_are_bounded_together_and_others_are_served_meanwhile() {
    let server = Site::new().set(json!({ "server": { "workers": 1 } })).start();
    let part = [
        b"POST /api/v1/auth/json HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n".as_slice(),
        &vec![b'x'; 900_000],
    ]
    .concat();
    let mut clients: Vec<_> = (0..100).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.send(&part);
    }
    let kept = || server.metric("loligo_unfinished_request_bytes");
    until("refusals", || (server.metric("loligo_requests_refused_total") > 0.0).then_some(()));
    until("the bound", || (kept() > 32e6 && kept() <= f64::from(64 << 20)).then_some(()));
    assert_eq!(server.login("ada", "right").status, 200);
    // Those that were refused have their answer, the others go on.
    clients.iter_mut().for_each(|client| client.send(&vec![b'x'; 100_000]));
    let statuses: Vec<_> = clients.iter_mut().map(|client| client.answer().status).collect();
    assert!(statuses.contains(&503) && statuses.contains(&400), "{statuses:?}");
    assert!(statuses.iter().all(|status| matches!(status, 400 | 503)), "{statuses:?}");
    drop(clients);
    until("the memory", || (kept() == 0.0).then_some(()));
}

/// How long an answer may take before the test gives up.
const PATIENCE: Duration = Duration::from_secs(15);
