//! Scripts that never end or want all memory: each costs its own request a temporary failure and
//! nobody else anything, though a single worker serves all.

use crate::support::site::backend_that_finds_everybody;
use crate::support::{Request, Server, Site};
use serde_json::json;

/// What goes wrong, by the user who causes it.
const BOMBS: &[(&str, &str)] = &[
    // Compiled by the JIT after a few rounds.
    ("loop", "local n = 0 while true do n = n + 1 end"),
    ("empty loop", "while true do end"),
    ("goto", "::again:: goto again"),
    ("pcall", "while true do pcall(function() while true do end end) end"),
    (
        "xpcall",
        "local function again() while true do end end while true do xpcall(again, again) end",
    ),
    ("coroutine", "coroutine.wrap(function() while true do end end)()"),
    ("nested coroutines", "local function deeper() return coroutine.wrap(deeper)() end deeper()"),
    (
        "metamethod",
        "local t = setmetatable({}, { __index = function() while true do end end }) return t.x",
    ),
    ("iterator", "for _ in function() return 1 end do end"),
    (
        "sort",
        "local t = {} for i = 1, 1000 do t[i] = i end table.sort(t, function() while true do end end)",
    ),
    ("gsub", "string.gsub('x', '.', function() while true do end end)"),
    ("pattern", "string.find(string.rep('a', 200000), string.rep('a-', 200) .. 'b')"),
    ("recursion", "local function deeper() return 1 + deeper() end deeper()"),
    ("tail call", "local function again() return again() end again()"),
    (
        "tostring",
        "local t = setmetatable({}, {}) getmetatable(t).__tostring = function() return tostring(t) end tostring(t)",
    ),
    ("rep", "return #string.rep('x', 1024 * 1024 * 1024)"),
    ("concat", "local s = 'x' while true do s = s .. s end"),
    ("table", "local t = {} for i = 1, 1e9 do t[i] = { i } end"),
    ("closures", "local t = {} for i = 1, 1e9 do t[i] = function() return i end end"),
    ("hash", "local t = {} for i = 1, 1e9 do t['key' .. i] = true end"),
];

fn server() -> Server {
    let mut backend = String::from("local bombs = {}\n");
    for (name, body) in BOMBS {
        backend += &format!("bombs[{name:?}] = function() {body} end\n");
    }
    backend += &backend_that_finds_everybody(
        "if bombs[request.username] then bombs[request.username]() end",
        "true",
    );
    Site::new()
        .backend(&backend)
        .set(json!({ "lua": { "config": { "cpu_limit": "300ms" } } }))
        .start()
}

#[test]
fn each_costs_its_own_request_a_temporary_failure() {
    let server = server();
    for (name, _) in BOMBS {
        let mut bomb = server.connect();
        bomb.send(&Request::login(name, "any").bytes());
        // Sent while it goes on, or after it; both must be served.
        let mut other = server.connect();
        assert_eq!(other.ask(&Request::login("ada", "any")).status, 200, "meanwhile: {name}");

        let answer = bomb.answer();
        assert_eq!(answer.status, 500, "{name}");
        assert_eq!(
            answer.header("auth-status"),
            Some("Temporary server problem, try again later"),
            "{name}"
        );
        assert_eq!(bomb.ask(&Request::login("bob", "any")).status, 200, "afterwards: {name}");
    }
}

#[test]
fn many_at_once_cost_only_themselves() {
    let server = server();
    let mut bombs: Vec<_> = BOMBS
        .iter()
        .map(|(name, _)| {
            let mut client = server.connect();
            client.send(&Request::login(name, "any").bytes());
            (client, *name)
        })
        .collect();
    let mut others: Vec<_> = (0..20)
        .map(|number| {
            let mut client = server.connect();
            client.send(&Request::login(&format!("user{number}"), "any").bytes());
            client
        })
        .collect();
    assert!(others.iter_mut().all(|client| client.answer().status == 200));
    for (client, name) in &mut bombs {
        assert_eq!(client.answer().status, 500, "{name}");
    }
}
