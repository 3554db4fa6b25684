//! The quickstart of the README works as it stands there.

use crate::support::http::{Client, Request};
use crate::support::root;
use crate::support::site::{loligo, serve};
use std::process::Output;

const CONFIG: &str = "config/quickstart.yml";

#[test]
fn the_right_password_is_let_in_and_a_wrong_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let free_port = [("LOLIGO_SERVER_ADDRESS", "127.0.0.1:0")];
    let (_process, address) =
        serve(root(), CONFIG.as_ref(), &free_port, &folder.path().join("server.log"));

    let answer = Client::tcp(address).ask(&Request::login("alice", "secret"));
    assert_eq!((answer.status, answer.header("auth-status")), (200, Some("OK")));
    assert_eq!(answer.header("auth-user"), Some("alice@example.test"));

    let answer = Client::tcp(address).ask(&Request::login("alice", "Secret"));
    assert_eq!(
        (answer.status, answer.header("auth-status")),
        (403, Some("Invalid login or password"))
    );
}

#[test]
fn check_finds_it_sound() {
    let output = run(&["check", "-c", CONFIG]);
    assert!(output.status.success(), "{output:?}");
    assert!(
        String::from_utf8_lossy(&output.stdout).contains("quickstart.yml: valid"),
        "{output:?}"
    );
}

#[test]
fn config_prints_what_is_in_force() {
    let output = run(&["config", "-c", CONFIG]);
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8_lossy(&output.stdout);
    for expected in [
        "127.0.0.1:9080",
        "max_concurrent_requests: 3000",
        "lua/examples/backends/password_file.lua",
    ] {
        assert!(text.contains(expected), "{expected} is missing in {text}");
    }
}

#[test]
fn check_refuses_what_is_wrong_and_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("faulty.yml");
    std::fs::write(&config, "server:\n  adress: 127.0.0.1:0\n").unwrap();
    let output = run(&["check", "-c", config.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("adress"), "{output:?}");
}

fn run(arguments: &[&str]) -> Output {
    loligo().current_dir(root()).args(arguments).output().unwrap()
}
