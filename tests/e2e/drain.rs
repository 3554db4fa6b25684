//! SIGTERM: what is under way is finished, nothing new is taken, the exit status is 0.

use crate::support::site::backend_that_finds_everybody;
use crate::support::{Request, Site};
use rustix::process::Signal;
use serde_json::json;

/// A backend that says that it is at work and goes on when it is told to.
pub fn waits_for_a_file() -> String {
    let waits = r#"
        if request.username == "slow" then
            local time = require("time")
            assert(io.open("at_work", "w")):close()
            local go = io.open("go")
            while not go do
                time.sleep(0.005)
                go = io.open("go")
            end
            go:close()
            print("went on")
        end
    "#;
    backend_that_finds_everybody(waits, "true")
}

#[test]
fn a_request_under_way_is_finished() {
    let patience = json!({ "server": { "timeouts": { "lua_backend": "20s", "lua_script": "20s", "request": "20s" } } });
    let mut server = Site::new().backend(&waits_for_a_file()).set(patience).start();
    let mut idle = server.connect();
    // A client that has said nothing yet is not accepted yet.
    assert_eq!(idle.ask(&Request::login("ada", "any")).status, 200);
    let mut slow = server.connect();
    slow.send(&Request::login("slow", "any").bytes());
    server.wait_for_file("at_work");

    server.terminate();
    // The worker has heard of it: an idle connection is closed, and nobody listens any more.
    idle.expect_close();
    assert!(std::net::TcpStream::connect(server.address).is_err());

    server.write("go", "");
    let answer = slow.answer();
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
    slow.expect_close();
    assert!(server.wait().success());
}

#[test]
fn an_idle_server_ends_at_once_on_either_signal() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut server = Site::new().start();
        assert_eq!(server.login("ada", "right").status, 200);
        server.signal(signal);
        assert!(server.wait().success(), "{signal:?}");
    }
}
