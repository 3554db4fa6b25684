//! Behind proxies: PROXY headers, from HAProxy and by hand, and X-Forwarded-For behind them.

use crate::support::haproxy::Front;
use crate::support::site::backend_that_finds_everybody;
use crate::support::{Client, Request, Server, Site};
use serde_json::{Value, json};
use std::net::{IpAddr, SocketAddr, UdpSocket};

/// The account of a login is the client's address and port.
fn backend() -> String {
    backend_that_finds_everybody("", "true").replace(
        "account = request.username",
        r#"account = request.client_ip .. "/" .. request.client_port"#,
    )
}

/// A server with a plain port and one that demands PROXY headers.
fn server(settings: Value) -> (Server, SocketAddr) {
    let site = Site::new().backend(&backend()).set(json!({ "server": {
        "address": "127.0.0.1:0",
        "listeners": [{ "address": "127.0.0.1:0", "proxy_protocol": true }],
    } }));
    let server = site.set(settings).start();
    let address = server.last_address();
    (server, address)
}

/// A login that says nothing of its client's address.
fn login() -> Request {
    let request = Request::get("/api/v1/auth/header?in-memory=0");
    request.header("Auth-User", "ada").header("Auth-Pass", "right")
}

/// Whom the server takes the client for, as address and port, after these bytes.
fn client(mut connection: Client, header: impl AsRef<[u8]>, request: &Request) -> String {
    connection.send(&[header.as_ref(), &request.bytes()].concat());
    connection.answer().header("auth-user").unwrap_or_default().to_owned()
}

fn refused(server: &Server, reason: &str) -> f64 {
    server.metric(&format!("loligo_connections_refused_total{{reason=\"{reason}\"}}"))
}

/// Version 2, for a client at 203.0.113.9:40000, with a part that is skipped.
const V2: &[u8] =
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x13\xcb\0\x71\x09\xc0\0\x02\x01\x9c\x40\0\x8f\x04\0\x04skip";

const V1: &str = "PROXY TCP4 203.0.113.9 192.0.2.1 40000 143\r\n";

#[test]
fn haproxy_tells_of_its_clients_by_either_version() {
    let (mut server, address) = server(json!({}));
    for option in ["send-proxy", "send-proxy-v2", "send-proxy-v2 proxy-v2-options crc32c"] {
        let front = Front::start(address, option, "tcp");
        let from = |ip: &str| Client::tcp_from(ip.parse().unwrap(), front.address);
        for ip in ["127.0.0.7", "127.0.0.8"] {
            let found = client(from(ip), "", &login());
            assert_eq!(found.split('/').next(), Some(ip), "{option}");
        }
        // The client's own headers win, as without a proxy.
        let named = login().header("Client-IP", "198.51.100.3");
        assert_eq!(client(from("127.0.0.7"), "", &named).split('/').next(), Some("198.51.100.3"));
    }
    // In the log, too, whom the header names is the client.
    server.wait_for_log("client_ip=127.0.0.7");
}

#[test]
fn what_haproxy_forwards_for_is_read_from_the_right() {
    let (_server, address) = server(json!({}));
    let front = Front::start(address, "send-proxy-v2", "http");
    let from = || Client::tcp_from("127.0.0.1".parse().unwrap(), front.address);
    // HAProxy appends its own client, 127.0.0.1; what that sent tells of another proxy.
    let forwarded = login().header("X-Forwarded-For", "203.0.113.66, 198.51.100.7, 10.0.0.1");
    assert_eq!(client(from(), "", &forwarded), "198.51.100.7/N/A");
    assert_eq!(client(from(), "", &login()), "127.0.0.1/N/A");
}

#[test]
fn a_header_may_come_in_any_pieces() {
    let (_server, address) = server(json!({}));
    for header in [V1.as_bytes(), V2] {
        let bytes = [header, &login().bytes()].concat();
        let mut connection = Client::tcp(address);
        for byte in &bytes {
            connection.send(std::slice::from_ref(byte));
        }
        assert_eq!(connection.answer().header("auth-user"), Some("203.0.113.9/40000"));
        // It stands before the first request only.
        let again = connection.ask(&login());
        assert_eq!(again.header("auth-user"), Some("203.0.113.9/40000"));
        for middle in [1, 5, 12, 16, 17, header.len() - 1, header.len(), header.len() + 1] {
            let (first, rest) = bytes.split_at(middle);
            let mut connection = Client::tcp(address);
            connection.send(first);
            connection.send(rest);
            assert_eq!(connection.answer().header("auth-user"), Some("203.0.113.9/40000"));
        }
    }
}

#[test]
fn a_connection_without_a_sound_header_is_refused_and_closed() {
    let (mut server, address) = server(json!({}));
    let mut wrong_checksum = V2.to_vec();
    wrong_checksum[28] = 3;
    let attempts = [
        login().bytes(),
        b"PROXY TCP4 203.0.113.9 192.0.2.1 40000\r\n".to_vec(),
        b"PROXY TCP4 203.0.113.9 192.0.2.1 40000 143 and so on, without an end, as if to fill our memory, byte after byte after byte".to_vec(),
        b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\0".to_vec(),
        b"\x16\x03\x01\x02\0\x01".to_vec(),
        wrong_checksum,
    ];
    for attempt in &attempts {
        let mut connection = Client::tcp(address);
        connection.send(attempt);
        assert_eq!(connection.answer().status, 400, "{}", String::from_utf8_lossy(attempt));
        connection.expect_close();
    }
    // One that ends within its header.
    let mut connection = Client::tcp(address);
    connection.send(b"PROXY TCP4 203");
    connection.finish_sending();
    assert_eq!(connection.answer().status, 400);
    connection.expect_close();
    assert_eq!(refused(&server, "proxy_header"), attempts.len() as f64 + 1.0);
    server.wait_for_log("connection refused: invalid PROXY header");
    // Anybody can cause the line, so it does not come each time.
    assert_eq!(server.log().matches("connection refused: invalid PROXY header").count(), 1);
    // A plain port takes no header.
    let mut plain = server.connect();
    plain.send(V1.as_bytes());
    assert_eq!(plain.answer().status, 400);
}

#[test]
fn a_header_has_the_time_of_a_head() {
    let (_server, address) = server(json!({ "server": { "timeouts": { "head": "200ms" } } }));
    for part in [&b""[..], b"PROXY TCP4 203", &V2[..20]] {
        let mut connection = Client::tcp(address);
        connection.send(part);
        connection.expect_close();
    }
}

#[test]
fn a_header_that_names_nobody_leaves_the_peer() {
    let (_server, address) = server(json!({}));
    let local = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";
    for header in [&local[..], b"PROXY UNKNOWN\r\n", b"\r\n\r\n\0\r\nQUIT\n\x21\0\0\x02ab"] {
        let found = client(Client::tcp(address), header, &login());
        assert!(found.starts_with("127.0.0.1/"), "{found}");
    }
}

#[test]
fn mapped_addresses_are_ipv4_everywhere() {
    let (_server, address) = server(json!({}));
    let forwarded = login().header("X-Forwarded-For", "::ffff:198.51.100.7, [::ffff:10.0.0.1]:99");
    let mapped = "PROXY TCP6 ::ffff:127.0.0.1 ::1 40000 143\r\n";
    assert_eq!(client(Client::tcp(address), mapped, &login()), "127.0.0.1/40000");
    assert_eq!(client(Client::tcp(address), mapped, &forwarded), "198.51.100.7/N/A");
}

#[test]
fn the_address_in_the_header_is_whom_access_lists_and_throttles_mean() {
    let (_server, address) = server(json!({ "server": {
        "basic_auth": { "enabled": true, "username": "proxy", "password": "a-long-password-1" },
        "metrics_access": { "networks": ["203.0.113.0/24"] },
    } }));
    let ask = |ip: &str, request: &Request| {
        let mut connection = Client::tcp(address);
        connection.send(format!("PROXY TCP4 {ip} 192.0.2.1 1 2\r\n").as_bytes());
        connection.ask(request).status
    };
    let metrics = Request::get("/metrics");
    assert_eq!((ask("203.0.113.9", &metrics), ask("198.51.100.9", &metrics)), (200, 401));
    // Ten wrong passwords silence the address that they come from, not the proxy.
    let wrong = login().header("Authorization", "Basic cHJveHk6d3Jvbmc=");
    let statuses: Vec<_> = (0..11).map(|_| ask("203.0.113.9", &wrong)).collect();
    assert_eq!(statuses, [403, 403, 403, 403, 403, 403, 403, 403, 403, 403, 429]);
    assert_eq!(ask("203.0.113.10", &wrong), 403);
}

#[test]
fn a_unix_socket_can_demand_headers_too() {
    let site = Site::new().backend(&backend());
    let path = site.path("proxied.sock");
    let listener = format!("unix:{}", path.display());
    let settings =
        json!({ "server": { "listeners": [{ "address": listener, "proxy_protocol": true }] } });
    let _server = site.set(settings).start();
    assert_eq!(client(Client::unix(&path), V1, &login()), "203.0.113.9/40000");
    let mut connection = Client::unix(&path);
    assert_eq!(connection.ask(&login()).status, 400);
    connection.expect_close();
}

/// An address of this host that is not loopback, if it has one. Nothing is sent.
fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    socket.local_addr().ok().map(|address| address.ip()).filter(|ip| !ip.is_loopback())
}

#[test]
fn a_header_counts_only_from_a_trusted_peer() {
    // A host without a network has no such peer.
    let Some(own) = own_address() else { return };
    let (mut server, address) = server(json!({ "server": {
        "listeners": [{ "address": "0.0.0.0:0", "proxy_protocol": true }],
    } }));
    let from_outside = || Client::tcp(SocketAddr::new(own, address.port()));
    for _ in 0..3 {
        let mut connection = from_outside();
        connection.send(V1.as_bytes());
        connection.expect_close();
    }
    assert_eq!(refused(&server, "untrusted_peer"), 3.0);
    server.wait_for_log("the peer is not in server.trusted_proxies");
    assert_eq!(server.log().matches("the peer is not in server.trusted_proxies").count(), 1);
    // This host's own word counts.
    let here = Client::tcp(SocketAddr::new([127, 0, 0, 1].into(), address.port()));
    assert_eq!(client(here, V1, &login()), "203.0.113.9/40000");

    server.change(json!({ "server": { "trusted_proxies": [own.to_string(), "203.0.113.9"] } }));
    assert!(server.reload());
    assert_eq!(client(from_outside(), V1, &login()), "203.0.113.9/40000");
    // Now the list is exact: 10.0.0.1 is no proxy.
    let forwarded = login().header("X-Forwarded-For", "198.51.100.7, 10.0.0.1, 203.0.113.9");
    assert_eq!(client(from_outside(), V1, &forwarded), "10.0.0.1/N/A");
}
