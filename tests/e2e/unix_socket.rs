//! A unix socket beside the port: for nginx's `auth_http unix:`.

use crate::support::{Client, Request, Site};
use serde_json::json;

#[test]
fn all_workers_answer_at_a_unix_socket_too() {
    let site = Site::new();
    let path = site.path("auth.sock");
    let server = site.set(json!({ "server": { "workers": 2, "listen_unix": [path] } })).start();
    for _ in 0..10 {
        let mut client = Client::unix(&path);
        assert_eq!(client.ask(&Request::login("ada", "right")).header("auth-user"), Some("ada"));
        assert_eq!(client.ask(&Request::login("ada", "wrong")).status, 403);
    }
    assert_eq!(server.login("ada", "right").status, 200);
}

#[test]
fn the_socket_of_a_server_that_was_killed_is_taken_over() {
    let site = Site::new();
    let path = site.path("auth.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let _server = site.set(json!({ "server": { "listen_unix": [path] } })).start();
    assert_eq!(Client::unix(&path).ask(&Request::get("/ping")).text(), "pong");
}
