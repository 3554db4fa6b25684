//! `actions/haproxy_map.lua`, beside HAProxy itself and beside those that only listen where it
//! should.

use super::{login_from, site};
use crate::support::haproxy::HaProxy;
use crate::support::{Request, Server, Site};
use serde_json::json;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};

/// Two wrong passwords from an address, and it is blocked.
fn brute_force_site(stats: &str, generic_map: &str) -> Site {
    let bucket =
        json!({ "name": "b", "period": "1h", "cidr": 32, "ipv4": true, "failed_requests": 2 });
    site("brute_force", "haproxy_map")
        .env("HAPROXY_STATS", stats)
        .env("HAPROXY_GENERIC_MAP", generic_map)
        .set(json!({
            "server": { "features": ["brute_force"], "brute_force_protocols": ["imap", "smtp"] },
            "brute_force": { "buckets": [bucket] },
        }))
}

fn attack(server: &Server, client_ip: &str) {
    for password in ["a", "b", "c", "d"] {
        assert_eq!(login_from(server, client_ip, "ada", password), 403);
    }
    // Whoever is blocked is, password or not.
    assert_eq!(login_from(server, client_ip, "ada", "right"), 403);
}

#[test]
fn haproxy_turns_away_whom_we_blocked() {
    let haproxy = HaProxy::start();
    let server = brute_force_site(&haproxy.stats(), &haproxy.map("generic.map")).start();
    assert_eq!((haproxy.status_for("192.0.2.7"), haproxy.status_for("192.0.2.8")), (200, 200));
    attack(&server, "192.0.2.7");
    assert_eq!((haproxy.status_for("192.0.2.7"), haproxy.status_for("192.0.2.8")), (403, 200));
    // However often it came back.
    assert_eq!(haproxy.entries("generic.map"), ["192.0.2.7/32"]);
    assert_eq!(login_from(&server, "192.0.2.8", "ada", "right"), 200);
    assert!(server.log().contains("haproxy_map=192.0.2.7/32"), "{}", server.log());
}

#[test]
fn a_block_ends_by_itself() {
    let haproxy = HaProxy::start();
    let server = brute_force_site(&haproxy.stats(), &haproxy.map("generic.map"))
        .env("HAPROXY_BLOCK_SECONDS", "0")
        .start();
    attack(&server, "192.0.2.7");
    assert_eq!(haproxy.entries("generic.map"), ["192.0.2.7/32"]);
    assert_eq!(haproxy.status_for("192.0.2.7"), 200);
}

#[test]
fn smtp_may_have_a_map_of_its_own() {
    let haproxy = HaProxy::start();
    let site = brute_force_site(&haproxy.stats(), &haproxy.map("generic.map"))
        .env("HAPROXY_SMTP_MAP", haproxy.map("smtp.map"));
    let server = site.start();
    for password in ["a", "b", "c", "d"] {
        let request = Request::get("/api/v1/auth/header?in-memory=0")
            .header("Auth-User", "ada")
            .header("Auth-Pass", password);
        assert_eq!(
            server
                .ask(&request.header("Auth-Protocol", "smtp").header("Client-IP", "192.0.2.9"))
                .status,
            403
        );
    }
    assert_eq!(
        (haproxy.entries("generic.map"), haproxy.entries("smtp.map")),
        (vec![], vec!["192.0.2.9/32".to_owned()])
    );
}

/// A listener that reads a line and then does `vice` with the connection.
fn listener(vice: impl Fn(TcpStream) + Send + Clone + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let vice = vice.clone();
            std::thread::spawn(move || {
                let mut line = String::new();
                if BufReader::new(&stream).read_line(&mut line).is_ok() {
                    vice(stream);
                }
            });
        }
    });
    address
}

#[test]
fn whatever_haproxy_does_the_login_is_refused_and_the_log_says_why() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    for (what, stats, expected) in [
        ("nobody there", closed, "connection refused"),
        ("silence", listener(|mut stream| drop(stream.read(&mut [0; 8]))), "i/o timeout"),
        (
            "a refusal",
            listener(|mut stream| drop(stream.write_all(b"Permission denied\n\n"))),
            "HAProxy: Permission denied",
        ),
        ("garbage", listener(|mut stream| drop(stream.write_all(b"\x00\xff\r\n"))), "HAProxy: "),
        (
            "no end",
            listener(|mut stream| while stream.write_all(&[b'x'; 1 << 16]).is_ok() {}),
            "more than 4194304 bytes",
        ),
    ] {
        let mut server = brute_force_site(&stats, "map").start();
        for password in ["wrong-one", "wrong-two", "wrong-three"] {
            assert_eq!(login_from(&server, "192.0.2.7", "ada", password), 403, "{what}");
        }
        server.wait_for_log(expected);
        assert_eq!(login_from(&server, "192.0.2.8", "ada", "right"), 200, "{what}");
    }
}

#[test]
fn without_its_settings_it_says_so() {
    let mut server = brute_force_site("", "").start();
    for password in ["wrong-one", "wrong-two", "wrong-three"] {
        assert_eq!(login_from(&server, "192.0.2.7", "ada", password), 403);
    }
    server.wait_for_log("HAPROXY_GENERIC_MAP is not set");
}
