//! `server.rate_limit_per_second`: who sends too many requests is told so in the form that he
//! understands, and nobody else notices.

use crate::support::mail::Mail;
use crate::support::nginx::Nginx;
use crate::support::site::backend_that_finds_everybody;
use crate::support::{Request, Server, Site, until};
use serde_json::{Value, json};

/// A hundredth of a request per second: no bucket gets a token back while a test runs.
fn limited(burst: u32, settings: Value) -> Site {
    let limits = json!({ "rate_limit_per_second": 0.01, "rate_limit_burst": burst, "workers": 4 });
    // It notes that it ran.
    let backend = backend_that_finds_everybody(
        r#"local f = io.open(request.username .. ".ran", "w") f:close()"#,
        r#"request.password == "right""#,
    );
    Site::new().backend(&backend).set(json!({ "server": limits })).set(settings)
}

fn login(service: &str, client: &str) -> Request {
    Request::get(&format!("/api/v1/auth/{service}?in-memory=0"))
        .header("Auth-User", "ada")
        .header("Auth-Pass", "right")
        .header("Auth-Protocol", "imap")
        .header("Client-IP", client)
}

fn as_json(service: &str, user: &str, client: &str) -> Request {
    let body =
        json!({ "username": user, "password": "right", "protocol": "imap", "client_ip": client });
    Request::post(
        &format!("/api/v1/auth/{service}?in-memory=0"),
        "application/json",
        body.to_string(),
    )
}

const LATER: &str = "Temporary server problem, try again later";

#[test]
fn every_dialect_says_so_in_its_own_form_before_a_script_runs() {
    let server = limited(1, json!({ "server": { "client_address": { "header": "X-Real-IP" } } }))
        .hook("hello", "function nauthilus_run_hook() return { hello = true } end")
        .start();
    let basic = |client: &str| {
        Request::get("/api/v1/auth/basic?in-memory=0")
            .header("Authorization", "Basic YWRhOnJpZ2h0")
            .header("X-Real-IP", client)
    };
    for (request, status, is_verdict) in [
        (login("header", "192.0.2.1"), 500, true),
        (login("nginx", "192.0.2.2"), 200, true),
        (as_json("json", "ada", "192.0.2.3"), 500, true),
        (as_json("saslauthd", "ada", "192.0.2.4"), 500, true),
        (basic("192.0.2.5"), 429, false),
        // By the peer of the connection, whoever the client is.
        (Request::get("/api/v1/custom/hello"), 429, false),
    ] {
        let first = server.ask(&request);
        assert_eq!(first.status, 200, "{}", first.text());
        let _ = std::fs::remove_file(server.path("ada.ran"));
        let refused = server.ask(&request);
        assert_eq!(refused.status, status, "{}", refused.text());
        assert_eq!(refused.header("auth-status"), is_verdict.then_some(LATER));
        let (retry, wait) = (refused.header("retry-after"), refused.header("auth-wait"));
        assert_eq!(retry.is_some(), status == 429, "{retry:?}");
        assert!(retry.is_none_or(|seconds| (1..=100).contains(&seconds.parse::<u32>().unwrap())));
        // As long as it takes, but no longer than nginx is ever told to wait.
        assert_eq!(wait, (status == 200).then_some("10"));
        assert!(!server.path("ada.ran").exists(), "a script ran");
    }
    // The peer's bucket is empty: whoever watches is served all the same.
    for path in ["/ping", "/healthz", "/metrics"] {
        assert_eq!(server.ask(&Request::get(path)).status, 200, "{path}");
    }
    // And so are other clients over the same connections.
    assert_eq!(server.ask(&login("nginx", "198.51.100.1")).header("auth-status"), Some("OK"));
    assert_eq!(server.metric("loligo_requests_rate_limited_total"), 6.0);
    let log = server.log().replace('\\', "");
    assert!(log.contains("rate limit exceeded, client \"192.0.2.1\""), "{log}");
}

#[test]
fn the_burst_holds_for_all_workers_together_and_all_spellings_of_an_address() {
    let server = limited(5, json!({})).start();
    let granted = |clients: &[&str]| {
        let each = |at: usize| server.ask(&login("header", clients[at % clients.len()]));
        (0..40).filter(|at| each(*at).status == 200).count()
    };
    assert_eq!(granted(&["192.0.2.1", "192.0.2.1:99", "::ffff:192.0.2.1"]), 5);
    // One customer's IPv6 network, and its neighbour's.
    assert_eq!(granted(&["2001:db8:0:1::1", "2001:db8:0:1:ffff::2"]), 5);
    assert_eq!(granted(&["2001:db8:0:2::1"]), 5);
}

#[test]
fn logins_from_this_host_or_from_nobody_knows_where_are_exempt() {
    let server = limited(1, json!({})).start();
    for client in ["127.0.0.1", "::1", "::ffff:127.0.0.1", ""] {
        for _ in 0..5 {
            assert_eq!(server.ask(&login("header", client)).status, 200, "{client:?}");
        }
    }
    // What is no address exempts nobody: the peer's bucket pays.
    assert_eq!(server.ask(&login("header", "garbage")).status, 200);
    assert_eq!(server.ask(&login("header", "rubbish")).status, 500);
}

#[test]
fn a_client_is_served_again_when_its_bucket_has_a_token() {
    let rate = json!({ "server": { "rate_limit_per_second": 0.5 } });
    let server = limited(1, rate).start();
    let status = || server.ask(&login("header", "192.0.2.1")).status;
    until("a refusal", || (status() == 500).then_some(()));
    until("a token", || (status() == 200).then_some(()));
}

#[test]
fn a_reload_changes_the_rate_and_takes_it_away() {
    let mut server = limited(1, json!({})).start();
    let count = |server: &Server| {
        (0..4).filter(|_| server.ask(&login("header", "192.0.2.1")).status == 200).count()
    };
    assert_eq!(count(&server), 1);
    server.change(json!({ "server": { "rate_limit_per_second": 0, "rate_limit_burst": 0 } }));
    assert!(server.reload());
    assert_eq!(count(&server), 4);
    // A limit of nothing is a mistake.
    server.change(json!({ "server": { "rate_limit_burst": 5 } }));
    assert!(!server.reload());
    server.wait_for_log("server.rate_limit_burst: limits nothing without rate_limit_per_second");
}

#[test]
fn a_flood_from_many_addresses_takes_no_memory_and_frees_nobody() {
    let server = limited(1, json!({})).start();
    assert_eq!(server.ask(&login("header", "192.0.2.1")).status, 200);
    let mut client = server.connect();
    let mut flood = |from: u32, to: u32| {
        for number in from..to {
            let [a, b, c, d] = number.to_be_bytes();
            let address = format!("2001:db8:{a:x}{b:02x}:{c:x}{d:02x}::1");
            // Nobody's name: no script runs and nothing is cached.
            let request = Request::get("/api/v1/auth/header?mode=list-accounts");
            client.ask(&request.header("Client-IP", address));
        }
    };
    flood(0, 2_000);
    let before = server.metric("process_resident_memory_bytes");
    flood(2_000, 10_000);
    let grown = server.metric("process_resident_memory_bytes") - before;
    // Each set that is touched for the first time is two cache lines of the table's 2 MiB.
    assert!(grown < f64::from(8 << 20), "{grown}");
    assert_eq!(server.ask(&login("header", "192.0.2.1")).status, 500);
}

#[test]
fn nginx_holds_up_a_client_that_comes_too_often_and_says_why() {
    // Short waits: nginx holds the answer back for as long as it is told.
    let server = limited(1, json!({ "server": { "nginx_wait_delay": 1 } }));
    let server = server.set(json!({ "server": {
        // nginx tells the address of its client, which is this host.
        "client_address": { "from_connection": ["nginx"], "header": "X-Test-Client" },
    } }));
    let server = server.start();
    let folder = server.integrate(server.address_setting(), &["nginx"]);
    let config = folder.path().join("nginx.conf");
    let text = std::fs::read_to_string(&config).unwrap();
    let header = "mail {\n    auth_http_header X-Test-Client 192.0.2.1;";
    std::fs::write(&config, text.replace("mail {", header)).unwrap();
    let nginx = Nginx::mail_proxy(folder);
    let first = login("nginx", "").header("X-Test-Client", "192.0.2.1");
    assert_eq!(server.ask(&first).header("auth-status"), Some("OK"));
    let mut mail = Mail::connect(nginx.imap);
    assert_eq!(mail.imap_login(b"ada", b"right"), format!("NO {LATER}"));
    // It keeps the connection, for the next try.
    assert_eq!(mail.imap_login(b"ada", b"right"), format!("NO {LATER}"));
}
