//! Calls from C code into Lua that nest without end, in every stage: each is an error of its own
//! request, and the process serves on.

use crate::support::{Request, Server, Site, until};

/// What nests, by the user who causes it: a function that calls itself as `f` from C code.
const WAYS: &[(&str, &str)] = &[
    ("gsub", "string.gsub('x', '.', f)"),
    ("method", "('x'):gsub('.', function() return f() end)"),
    ("sort", "table.sort({ 1, 2 }, function() f() return false end)"),
    ("lt", "local m = { __lt = function() f() return false end } table.sort({ setmetatable({}, m), setmetatable({}, m) })"),
    ("lt that sorts", "local m = { __lt = f } table.sort({ setmetatable({}, m), setmetatable({}, m) })"),
    ("format", "string.format('%s', setmetatable({}, { __tostring = function() f() return '' end }))"),
    ("tostring", "tostring(setmetatable({}, { __tostring = function() string.gsub('x', '.', f) return '' end }))"),
    ("print", "print(setmetatable({}, { __tostring = function() string.gsub('x', '.', f) return '' end }))"),
    ("load", "load(function() string.gsub('x', '.', f) end)"),
    ("pcall", "assert(pcall(string.gsub, 'x', '.', f))"),
    ("handler", "coroutine.wrap(function() local _, e = xpcall(error, function(e) f() return e end) error(e, 0) end)()"),
    ("index", "return setmetatable({}, { __index = function() string.gsub('x', '.', f) end }).x"),
    ("resume", "assert(coroutine.resume(coroutine.create(function() string.gsub('x', '.', f) end)))"),
    ("wrap", "coroutine.wrap(function() table.sort({ 1, 2 }, function() f() return false end) end)()"),
    ("all", "string.gsub('x', '.', function() table.sort({ 1, 2 }, function() coroutine.wrap(f)() end) end)"),
    (
        "brackets",
        "local function expand(t) return (string.gsub(t, '%b[]', function(x) return '<' .. expand(x:sub(2, -2)) .. '>' end)) end
        expand(('['):rep(1000) .. (']'):rep(1000))",
    ),
];

/// Lua that defines `ways`, by name.
fn ways() -> String {
    let mut lua = String::from("local ways = {}\n");
    for (name, way) in WAYS {
        lua += &format!(
            "ways[{name:?}] = function() local function again() local f = again; {way} end again() end\n"
        );
    }
    lua
}

/// Lua that runs all ways and puts what they raise into `raised`, a line each.
const ALL: &str = "
    local raised = {}
    for name, way in pairs(ways) do
        local _, message = pcall(way)
        raised[#raised + 1] = name .. ': ' .. tostring(message)
    end
    raised = table.concat(raised, '\\n')";

fn assert_all_raised(lines: &str) {
    assert_eq!(lines.lines().count(), WAYS.len(), "{lines}");
    for line in lines.lines() {
        assert!(
            line.contains("C stack overflow") || line.contains("error in error handling"),
            "{line}"
        );
    }
}

fn serves(server: &Server) {
    assert_eq!(server.login("ada", "right").status, 200);
}

#[test]
fn in_features_they_cost_their_own_request() {
    let feature = format!(
        "{} function nauthilus_call_feature(request)
            if ways[request.username] then ways[request.username]() end
            return nauthilus_builtin.FEATURE_TRIGGER_NO, nauthilus_builtin.FEATURES_ABORT_NO, nauthilus_builtin.FEATURE_RESULT_OK
        end",
        ways()
    );
    let server = Site::new().feature("nest", &feature).start();
    for (name, _) in WAYS {
        let answer = server.login(name, "right");
        assert_eq!(answer.status, 500, "{name}");
        serves(&server);
    }
}

#[test]
fn in_hooks_they_raise() {
    let hook = format!(
        "{} function nauthilus_run_hook(logging, session) {ALL}
            local response = require('nauthilus_http_response')
            response.string(200, raised)
        end",
        ways()
    );
    let server = Site::new().hook("nest", &hook).start();
    for _ in 0..3 {
        let answer = server.connect().ask(&Request::get("/api/v1/custom/nest"));
        assert_eq!(answer.status, 200);
        assert_all_raised(&answer.text());
        serves(&server);
    }
}

#[test]
fn in_post_actions_they_raise() {
    let action = format!(
        "{} function nauthilus_call_action(request) {ALL}
            local file = assert(io.open('raised', 'w')) file:write(raised) file:close()
            assert(os.rename('raised', request.username))
            return nauthilus_builtin.ACTION_RESULT_OK
        end",
        ways()
    );
    let server = Site::new().post_action("nest", &action).start();
    for user in ["first", "second"] {
        assert_eq!(server.login(user, "right").status, 200);
        until("the post action", || {
            std::fs::read_to_string(server.path(user)).ok().map(|lines| assert_all_raised(&lines))
        });
    }
}
