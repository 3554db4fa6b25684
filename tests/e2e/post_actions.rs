//! Post actions run after the answer, in the background, and are not lost when the server is
//! stopped.

use crate::support::Site;
use serde_json::json;

const WRITE_DOWN: &str = r#"
function nauthilus_call_action(request)
    local file = assert(io.open("seen", "a"))
    file:write(request.username, " ", tostring(request.authenticated), "\n")
    file:close()
    return nauthilus_builtin.ACTION_RESULT_OK
end
"#;

/// An action that holds the background worker until there is a file, so that those behind it have
/// to wait.
const WAIT_THEN_WRITE_DOWN: &str = r#"
function nauthilus_call_action(request)
    repeat local go = io.open("go") until go
    local file = assert(io.open("seen", "a"))
    file:write(request.username, "\n")
    file:close()
    return nauthilus_builtin.ACTION_RESULT_OK
end
"#;

#[test]
fn they_see_how_the_login_ended() {
    let server = Site::new().post_action("write_down", WRITE_DOWN).start();
    server.login("ada", "right");
    server.login("bob", "wrong");
    crate::support::until("both post actions", || {
        let seen = std::fs::read_to_string(server.path("seen")).ok()?;
        (seen.lines().count() == 2).then(|| assert_eq!(seen, "ada true\nbob false\n"))
    });
}

#[test]
fn the_client_does_not_wait_for_them_and_they_are_done_before_the_end() {
    let limits = json!({ "lua": { "config": { "cpu_limit": "20s" } } });
    let mut server = Site::new().post_action("wait", WAIT_THEN_WRITE_DOWN).set(limits).start();
    for user in 0..20 {
        // Answered, though no action can end yet.
        assert_eq!(server.login(&format!("user{user}"), "right").status, 200);
    }
    assert!(!server.path("seen").exists());
    server.terminate();
    server.wait_for_log("draining");
    server.write("go", "");
    assert!(server.wait().success());
    let seen = std::fs::read_to_string(server.path("seen")).unwrap();
    assert_eq!(seen.lines().count(), 20, "{seen}");
}
