//! A configuration of the documents: `loligo check` finds it sound, and one with a backend serves
//! logins.
//!
//! The files that it names are made of the documents' own scripts for the same stage. They stand in
//! a folder of the test's own: names with a leading slash are moved below it, which is the only
//! change to the text. The section `server` is ours: the documents' blocks have none.

use crate::blocks::{Block, Entry, Kind};
use crate::scripts::{CLIENT, haproxy, request, users};
use crate::support::PATIENCE;
use crate::support::http::Client;
use crate::support::site::{loligo, serve};
use crate::support::stub::WebStub;
use serde_json::json;
use std::path::Path;

/// Checks a configuration, and serves by it if it is more than a part of one.
pub fn run(text: &str, documents: &[Block]) {
    let folder = tempfile::Builder::new().prefix("loligo-documents-").tempdir().unwrap();
    let text = with_files(text, folder.path(), documents);
    std::fs::write(folder.path().join("document.yml"), &text).unwrap();
    let has_backend = text.contains("  config:\n");
    let mut server = json!({ "address": "127.0.0.1:0", "workers": 1, "features": ["lua"] });
    if has_backend {
        server["backends"] = json!(["lua"]);
    }
    // Roles are for hooks "when JWT authentication is enabled"; without, they would protect nothing
    // and are refused.
    if text.contains("roles:") {
        server["jwt_auth"] =
            json!({ "enabled": true, "secret_key": "0123456789abcdef0123456789abcdef" });
    }
    // JSON is YAML.
    let main = json!({ "includes": { "required": ["document.yml"] }, "server": server });
    std::fs::write(folder.path().join("server.yml"), main.to_string()).unwrap();
    let output =
        loligo().current_dir(folder.path()).args(["check", "-c", "server.yml"]).output().unwrap();
    assert!(output.status.success(), "{}{text}", String::from_utf8_lossy(&output.stderr));
    if has_backend {
        serves(folder.path());
    }
}

/// A login passes the features, the backend and the filters of the document.
fn serves(folder: &Path) {
    let (database, (address, lines)) = (users(), haproxy());
    let blocklist = WebStub::answering(200, json!({ "found": false }));
    let policy = WebStub::answering(202, json!({ "object": { "policy_reject": false } }));
    let environment = [
        ("BLOCKLIST_URL", blocklist.url("/")),
        ("GEOIP_POLICY_URL", policy.url("/")),
        ("HAPROXY_STATS", address),
        ("HAPROXY_SMTP_MAP", "smtp".to_owned()),
        ("HAPROXY_GENERIC_MAP", "generic".to_owned()),
    ];
    let environment: Vec<_> =
        environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let (process, address) =
        serve(folder, "server.yml".as_ref(), &environment, &folder.join("server.log"));
    for (password, expected) in [("secret", 200), ("Secret", 403)] {
        let answer = Client::tcp(address).ask(&request("ada", password));
        assert_eq!(answer.status, expected, "{password}");
    }
    // As many as the configuration has features and filters; a failed login passes no filter's
    // service.
    assert!(!blocklist.asked().is_empty() && policy.asked().len() == 1);
    assert_eq!(blocklist.last_asked().json(), json!({ "ip": CLIENT }));
    // The post actions, which nobody waits for.
    lines.recv_timeout(PATIENCE).unwrap();
    assert!(!process.log().contains("Lua script failed"));
    drop(database);
}

/// Makes the files that a configuration names, and moves those with absolute names below `folder`.
fn with_files(text: &str, folder: &Path, documents: &[Block]) -> String {
    let mut stage = Entry::Backend;
    let mut moved = String::new();
    for line in text.lines() {
        stage = match line.trim() {
            "features:" => Entry::Feature,
            "filters:" => Entry::Filter,
            "actions:" => Entry::Action,
            "custom_hooks:" => Entry::Hook,
            "config:" => Entry::Backend,
            _ => stage,
        };
        let path = line.split_once("script_path:").map(|(_, path)| path.trim().trim_matches('"'));
        let Some(path) = path else {
            moved += &format!("{line}\n");
            continue;
        };
        let file = folder.join(path.trim_start_matches('/'));
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, script(stage, documents)).unwrap();
        let path = if path.starts_with('/') {
            line.replace(path, &file.display().to_string())
        } else {
            line.to_owned()
        };
        moved += &format!("{path}\n");
    }
    moved
}

/// The documents' whole script for a stage.
fn script(stage: Entry, documents: &[Block]) -> &str {
    let found = documents
        .iter()
        .find(|block| matches!(&block.kind, Kind::Script(entry) if *entry == stage));
    &found.unwrap_or_else(|| panic!("the documents have no script for the stage {stage:?}")).text
}
