//! Scripts that wait for HTTP and are given up: nothing of theirs stays.

use super::{GET, hostile, question, site};
use crate::support::until;
use serde_json::json;
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A server that says nothing, and counts who is connected.
fn silent() -> (String, Arc<AtomicUsize>) {
    let connected = Arc::new(AtomicUsize::new(0));
    let count = connected.clone();
    let url = hostile::server(move |mut stream| {
        count.fetch_add(1, Ordering::SeqCst);
        while stream.read(&mut [0; 64]).is_ok_and(|count| count > 0) {}
        count.fetch_sub(1, Ordering::SeqCst);
    });
    (url, connected)
}

#[test]
fn clients_that_leave_and_deadlines_that_pass_leave_nothing_behind() {
    const EACH: usize = 40;
    // The metrics are asked by requests, of which at least one is under way while it is asked.
    let idle = 1.0;
    let limits = json!({ "server": { "timeouts": { "lua_script": "2s", "request": "3s" } } });
    let server = site(GET).set(limits).start();
    let (url, connected) = silent();
    let begin = || {
        let mut client = server.connect();
        client.send(&question(&url, "60s").bytes());
        client
    };
    let leaving: Vec<_> = (0..EACH).map(|_| begin()).collect();
    let mut staying: Vec<_> = (0..EACH).map(|_| begin()).collect();
    until("all scripts to wait", || (connected.load(Ordering::SeqCst) == 2 * EACH).then_some(()));
    assert_eq!(server.metric("loligo_upstream_connections_open"), 2.0 * EACH as f64);

    drop(leaving);
    until("the connections of those that left to close", || {
        (connected.load(Ordering::SeqCst) <= EACH).then_some(())
    });

    for client in &mut staying {
        // The script gets its error in time, or the whole request's time is over.
        assert!(matches!(client.answer().status, 200 | 500));
    }
    until("all connections to close", || (connected.load(Ordering::SeqCst) == 0).then_some(()));
    until("the gauges to return", || {
        let now = (
            server.metric("loligo_upstream_connections_open"),
            server.metric("server_concurrent_requests"),
        );
        (now.0 == 0.0 && now.1 <= idle).then_some(())
    });
    assert_eq!(server.login("ada", "right").status, 200);
}

#[test]
fn a_batch_that_is_given_up_is_given_up_as_a_whole() {
    let body = "local list = {} for i = 1, 30 do list[i] = { 'GET', url } end glua_http.request_batch(list) return 'never'";
    let (server, (url, connected)) = (site(body).start(), silent());
    let mut client = server.connect();
    client.send(&question(&url, "").bytes());
    until("all requests to wait", || (connected.load(Ordering::SeqCst) == 30).then_some(()));
    drop(client);
    until("all connections to close", || (connected.load(Ordering::SeqCst) == 0).then_some(()));
    until("the gauge to return", || {
        (server.metric("loligo_upstream_connections_open") == 0.0).then_some(())
    });
}
