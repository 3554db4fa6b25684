//! A client that is slow to send or slow to read costs nobody but itself, though one worker serves
//! all.

use crate::support::{Request, Site};
use serde_json::json;

#[test]
fn clients_that_stop_half_way_keep_nobody_from_being_served() {
    let server = Site::new().start();
    let whole = Request::json_login("ada", "right").bytes();
    // One of them stops at each byte of a request: within the method, a name, a value, the body.
    let mut slow: Vec<_> = (1..whole.len())
        .map(|stop| {
            let mut client = server.connect();
            client.send(&whole[..stop]);
            (client, stop)
        })
        .collect();
    assert_eq!(server.login("bob", "right").status, 200);
    for (client, stop) in &mut slow {
        client.send(&whole[*stop..]);
        assert_eq!(client.answer().status, 200, "stopped after {stop} bytes");
    }
}

#[test]
fn a_client_that_does_not_read_keeps_nobody_from_being_served() {
    let server = Site::new().start();
    let mut slow = server.connect();
    // Far more answers than the socket buffers of both sides hold.
    let requests = Request::get("/metrics").bytes().repeat(2_000);
    slow.send(&requests);
    assert_eq!(server.login("bob", "right").status, 200);
    for _ in 0..2_000 {
        assert_eq!(slow.answer().status, 200);
    }
}

#[test]
fn a_client_that_never_ends_its_request_is_closed() {
    let server = Site::new().set(json!({ "server": { "timeouts": { "head": "100ms", "body": "100ms", "idle": "100ms" } } })).start();
    let whole = Request::json_login("ada", "right").bytes();
    for sent in [0, 20, whole.len() - 1] {
        let mut client = server.connect();
        client.send(&whole[..sent]);
        client.expect_close();
    }
    let mut idle = server.connect();
    assert_eq!(idle.ask(&Request::get("/ping")).status, 200);
    idle.expect_close();
}
