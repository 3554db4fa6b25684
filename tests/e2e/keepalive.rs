//! One connection carries many requests, also when they are sent without waiting for answers.

use crate::support::{Request, Site};

#[test]
fn a_connection_serves_one_request_after_the_other() {
    let server = Site::new().start();
    let mut client = server.connect();
    for (password, status) in [("right", 200), ("wrong", 403), ("right", 200)] {
        assert_eq!(client.ask(&Request::login("ada", password)).status, status);
    }
}

#[test]
fn pipelined_requests_are_answered_in_their_order() {
    let server = Site::new().start();
    let mut client = server.connect();
    let users: Vec<String> = (0..100).map(|number| format!("user{number}")).collect();
    let requests: Vec<u8> =
        users.iter().flat_map(|user| Request::login(user, "right").bytes()).collect();
    client.send(&requests);
    for user in &users {
        assert_eq!(client.answer().header("auth-user"), Some(user.as_str()));
    }
}

#[test]
fn a_client_that_says_close_is_answered_and_closed() {
    let server = Site::new().start();
    let mut client = server.connect();
    let answer = client.ask(&Request::get("/ping").header("Connection", "close"));
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
    client.expect_close();
}

#[test]
fn a_client_that_shuts_its_half_down_is_still_answered_and_then_closed() {
    let server = Site::new().start();
    // Many times, as the requests and the end may reach the server in one event or in two.
    for _ in 0..100 {
        let mut client = server.connect();
        assert_eq!(client.ask(&Request::get("/ping")).text(), "pong");
        client.send(
            &[Request::get("/ping").bytes(), Request::login("ada", "right").bytes()].concat(),
        );
        client.finish_sending();
        assert_eq!(client.answer().text(), "pong");
        assert_eq!(client.answer().status, 200);
        client.expect_close();
    }
}
