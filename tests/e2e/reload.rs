//! SIGHUP: a good configuration takes over, requests under way end on the old one; a faulty one
//! changes nothing.

use crate::drain::waits_for_a_file;
use crate::support::{Request, Server, Site, until};
use serde_json::json;

/// A backend whose account tells which version of the script it is.
fn version(number: u32) -> String {
    format!(
        r#"
        function nauthilus_backend_verify_password(request)
            local result = nauthilus_backend_result.new()
            result:user_found(true)
            result:account_field("account")
            result:attributes({{ account = "version{number}" }})
            result:authenticated(true)
            return nauthilus_builtin.BACKEND_RESULT_OK, result
        end
        "#
    )
}

fn account(server: &Server) -> String {
    // A result from memory would not tell which script is in force.
    server
        .ask(&Request::uncached_login("ada", "any"))
        .header("auth-user")
        .unwrap_or_default()
        .to_owned()
}

#[test]
fn new_scripts_and_settings_answer_after_it() {
    let mut server = Site::new().backend(&version(1)).start();
    assert_eq!(account(&server), "version1");

    server.write("backend.lua", &version(2));
    server.write("hello.lua", "function nauthilus_run_hook() return { hello = 'world' } end");
    let hook =
        json!({ "http_location": "hello", "http_method": "GET", "script_path": "hello.lua" });
    server.change(json!({ "lua": { "custom_hooks": [hook] } }));
    assert!(server.reload());
    until("the new script", || (account(&server) == "version2").then_some(()));
    assert_eq!(server.ask(&Request::get("/api/v1/custom/hello")).text(), r#"{"hello":"world"}"#);
}

#[test]
fn a_request_under_way_ends_on_the_old_scripts() {
    let mut server = Site::new().backend(&waits_for_a_file()).start();
    let mut slow = server.connect();
    slow.send(&Request::login("slow", "any").bytes());
    server.wait_for_file("at_work");

    server.write("backend.lua", &version(2));
    assert!(server.reload());
    until("the new script", || (account(&server) == "version2").then_some(()));
    server.write("go", "");
    assert_eq!(slow.answer().header("auth-user"), Some("slow"));
    // What it printed in the old state is logged, too.
    server.wait_for_log("went on");
    // The connection lives on and is served by the new ones.
    assert_eq!(
        slow.ask(&Request::uncached_login("slow", "any")).header("auth-user"),
        Some("version2")
    );
}

#[test]
fn a_faulty_script_is_refused_and_the_old_one_goes_on() {
    let mut server = Site::new().backend(&version(1)).start();
    server.write("backend.lua", "this is not Lua");
    assert!(!server.reload());
    assert_eq!(account(&server), "version1");
    assert!(server.log().contains("backend.lua:1"), "the log does not name the place");

    server.write("backend.lua", &version(3));
    assert!(server.reload());
    until("the repaired script", || (account(&server) == "version3").then_some(()));
}

#[test]
fn a_faulty_configuration_is_refused_and_the_old_one_goes_on() {
    let mut server = Site::new().backend(&version(1)).start();
    server.change(json!({ "server": { "max_concurrent_request": 5 } }));
    assert!(!server.reload());
    assert_eq!(account(&server), "version1");
    assert!(server.log().contains("max_concurrent_request"), "the log does not name the key");
}

#[test]
fn a_faulty_action_is_refused_and_the_old_one_goes_on() {
    let mut server = Site::new().backend(&version(1)).start();
    server.write(
        "action.lua",
        "function nauthilus_call_action() return nauthilus_builtin.ACTION_RESULT_OK end",
    );
    server.write("spare.lua", "this is not Lua");
    let action = json!({ "type": "post", "name": "a", "script_path": "action.lua" });
    server.change(json!({ "lua": { "actions": [action] } }));
    assert!(server.reload());
    // An action, and a backend that is not even listed.
    server.write("action.lua", "function nauthilus_call_action( end");
    server.change(json!({ "lua": { "optional_lua_backends": { "spare": { "backend_script_path": "spare.lua" } } } }));
    assert!(!server.reload());
    let log = server.log();
    assert!(
        log.contains("action.lua:1") && log.contains("spare.lua:1"),
        "the log names both places"
    );
    assert_eq!(account(&server), "version1");
}

#[test]
fn what_may_be_misspelt_is_told_at_the_start_and_after_a_reload() {
    let mut server = Site::new()
        .backend(&version(1).replace("BACKEND_RESULT_OK", "BACKEND_RESULT_OKAY"))
        .start();
    server.wait_for_log("backend.lua:8: nauthilus_builtin has no BACKEND_RESULT_OKAY");
    server.write("filter.lua", "\nfunction nauthilus_call_filtre() end");
    server.change(json!({ "lua": { "filters": [{ "name": "f", "script_path": "filter.lua" }] } }));
    assert!(server.reload());
    server.wait_for_log("filter.lua:2: the script does not define nauthilus_call_filter");
}
/// Reading a FIFO ends when somebody has written to it: here, never.
#[test]
fn a_fifo_in_place_of_a_script_or_include_is_refused_and_the_old_one_goes_on() {
    let mut server = Site::new().backend(&version(1)).start();
    server.make_fifo("other.lua");
    server.change(
        json!({ "lua": { "features": [{ "name": "other", "script_path": "other.lua" }] } }),
    );
    assert!(!server.reload());
    assert_eq!(account(&server), "version1");
    assert!(
        server.log().contains("is a FIFO; only regular files can be used here"),
        "{}",
        server.log()
    );
}

/// The worker that opens one goes on, and so does everybody on it.
#[test]
fn a_script_that_opens_a_fifo_gets_an_error_at_once() {
    let reads = r#"
        function nauthilus_run_hook()
            package.path = "./?.lua"
            return { errors = {
                select(2, io.open("pipe")), select(2, loadfile("pipe")), select(2, pcall(io.lines, "pipe")), select(2, pcall(dofile, "pipe")),
                select(2, pcall(require, "piped")), select(2, io.open("pipe", "w")), select(2, pcall(io.read)),
            } }
        end
    "#;
    let server = Site::new().backend(&version(1)).hook("reads", reads).start();
    server.make_fifo("pipe");
    server.make_fifo("piped.lua");
    let answer = server.ask(&Request::get("/api/v1/custom/reads"));
    assert_eq!(
        answer.text().matches("is a FIFO; only regular files can be used here").count(),
        6,
        "{}",
        answer.text()
    );
    assert_eq!(account(&server), "version1");
}
