//! The actions, each beside a stub of the service that it tells, or beside the service itself.

mod analytics;
mod clickhouse;
mod haproxy_map;
mod haveibeenpwned;
mod telegram;

use super::example;
use crate::support::{Request, Server, Site, until};
use serde_json::json;

/// A site with one action of a type.
fn site(kind: &str, name: &str) -> Site {
    let actions = json!([{ "type": kind, "name": name, "script_path": "action.lua" }]);
    Site::new()
        .file("action.lua", &example(&format!("actions/{name}.lua")))
        .set(json!({ "lua": { "actions": actions } }))
}

/// Waits until so many requests have had their actions; what was logged about each.
fn finished(server: &Server, count: usize) -> Vec<String> {
    until(&format!("{count} runs of actions"), || {
        let log = server.log();
        let lines: Vec<String> = log
            .lines()
            .filter(|line| line.contains("Lua actions finished"))
            .map(str::to_owned)
            .collect();
        (lines.len() >= count).then_some(lines)
    })
}

/// The status of a login by IMAP from some address, whose result neither comes from the server's
/// memory nor goes there.
fn login_from(server: &Server, client_ip: &str, user: &str, password: &str) -> u16 {
    let request = Request::get("/api/v1/auth/header?in-memory=0")
        .header("Auth-User", user)
        .header("Auth-Pass", password);
    server.ask(&request.header("Auth-Protocol", "imap").header("Client-IP", client_ip)).status
}

/// A feature that turns `mallory` away and tells the scripts behind it, as the features of the
/// examples do.
const NOTES_MALLORY: &str = r#"
local context = require("nauthilus_context")
function nauthilus_call_feature(request)
    local bad = request.username == "mallory"
    if bad then context.context_set("rt", { feature_blocklist = true, other = true, feature_quiet = false }) end
    return bad, false, nauthilus_builtin.FEATURE_RESULT_OK
end
"#;
