//! Blocklists behind a name server with vices: its outage is a temporary failure, never a verdict,
//! and ends when it does.

use crate::support::dns::{Manner, NameServer};
use crate::support::{Request, Server, Site, until};
use serde_json::{Value, json};

/// The client of [`Request::login`] is on no list, 192.0.2.66 is on the one that matters.
const RECORDS: &[(&str, [u8; 4])] = &[("66.2.0.192.bad.test", [127, 0, 0, 2])];

fn list(name: &str, allow_failure: bool) -> Value {
    let zone = format!("{name}.test");
    json!({ "name": name, "rbl": zone, "ipv4": true, "return_codes": ["127.0.0.2"], "weight": 10, "allow_failure": allow_failure })
}

fn start(names: &NameServer, lists: Value) -> Server {
    let settings = json!({
        "server": { "features": ["rbl"], "dns": { "resolver": names.address(), "timeout": "1s" } },
        "realtime_blackhole_lists": { "threshold": 10, "lists": lists },
    });
    Site::new().set(settings).start()
}

/// What a client gets that nobody blocks, and one that is on the list.
fn statuses(server: &Server) -> (u16, u16) {
    let login = |client_ip: &str| {
        let request = Request::get("/api/v1/auth/header?in-memory=0")
            .header("Auth-User", "ada")
            .header("Auth-Pass", "right");
        server.ask(&request.header("Auth-Protocol", "imap").header("Client-IP", client_ip)).status
    };
    (login("192.0.2.1"), login("192.0.2.66"))
}

#[test]
fn an_honest_name_server_decides() {
    let names = NameServer::start(RECORDS);
    let server = start(&names, json!([list("bad", false)]));
    assert_eq!(statuses(&server), (200, 403));
    assert_eq!(names.asked(), ["1.2.0.192.bad.test", "66.2.0.192.bad.test"]);
    let metrics = server.ask(&Request::get("/metrics")).text();
    assert!(metrics.contains("rbl_rejected_total{rbl=\"bad\"} 1\n"), "{metrics}");
    assert!(metrics.contains("rbl_duration_seconds_count{rbl=\"bad\"} 2\n"), "{metrics}");
    // The match is remembered for its time to live; a no without an SOA record is not.
    assert_eq!(statuses(&server), (200, 403));
    assert_eq!(names.asked(), ["1.2.0.192.bad.test"]);
}

#[test]
fn a_failing_or_silent_name_server_is_a_temporary_failure_until_it_recovers() {
    for manner in [Manner::Failing, Manner::Silent] {
        let names = NameServer::start(RECORDS);
        let server = start(&names, json!([list("bad", false)]));
        names.turn(manner);
        assert_eq!(statuses(&server), (500, 500), "{manner:?}");
        let answer = server.ask(&Request::uncached_login("ada", "right"));
        assert_eq!(answer.header("auth-status"), Some("Temporary server problem, try again later"));
        names.turn(Manner::Honest);
        assert_eq!(statuses(&server), (200, 403), "{manner:?}");
    }
}

#[test]
fn a_list_that_may_fail_is_passed_over() {
    let names = NameServer::start(RECORDS);
    let mut server = start(&names, json!([list("bad", true)]));
    names.turn(Manner::Failing);
    assert_eq!(statuses(&server), (200, 200));
    server.wait_for_log("server misbehaving");
}

#[test]
fn a_long_answer_comes_over_tcp() {
    let names = NameServer::start(RECORDS);
    let server = start(&names, json!([list("bad", false)]));
    names.turn(Manner::Truncating);
    assert_eq!(statuses(&server), (200, 403));
}

#[test]
fn lies_under_other_ids_decide_nothing() {
    for manner in [Manner::LyingOnce, Manner::LyingAlways] {
        let names = NameServer::start(RECORDS);
        let server = start(&names, json!([list("bad", false)]));
        names.turn(manner);
        assert_eq!(statuses(&server), (200, 403), "{manner:?}");
    }
}

#[test]
fn a_name_server_that_is_not_there_is_a_temporary_failure() {
    let names = NameServer::start(RECORDS);
    let nobody = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut server = start(&names, json!([list("bad", false)]));
    server.change(json!({ "server": { "dns": { "resolver": nobody.to_string() } } }));
    assert!(server.reload());
    // Workers take over a new configuration in their own time.
    until("the new resolver to be asked", || (statuses(&server) == (500, 500)).then_some(()));
    server.wait_for_log("connection refused");
}

#[test]
fn a_silent_name_server_delays_nobody_for_ever_and_names_no_client() {
    let names = NameServer::start(&[]);
    names.turn(Manner::Silent);
    let settings = json!({ "server": { "dns": { "resolver": names.address(), "timeout": "1s", "resolve_client_ip": true } } });
    let server = Site::new().set(settings).start();
    let request = Request::login("ada", "right");
    assert_eq!(server.ask(&request).status, 200);
    assert!(names.asked().iter().any(|name| name == "1.2.0.192.in-addr.arpa"));
}
