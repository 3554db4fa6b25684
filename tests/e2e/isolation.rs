//! Requests that are under way on one worker at the same time, in one Lua state, see nothing of
//! each other.

use crate::support::{Client, Request, Server, Site};

/// Leaves what it can where another request might find it, waits so that others run in between, and
/// tells what it then finds.
///
/// `@STAGE@` is the stage's name; each stage of a request runs this.
const MARK: &str = r#"
local time = require("time")
local context = require("nauthilus_context")

-- A local of the top-level chunk, a global, a field of each table that scripts share or might.
local chunk_local
seen_before = (seen_before or "") .. "@STAGE@"

local function mark(request)
    local mine = request.username
    local found = {}
    local function expect(what, value, expected)
        if value ~= expected then found[#found + 1] = what .. "=" .. tostring(value) end
    end

    expect("global", leaked, nil)
    expect("through _G", _G.leaked_by_G, nil)
    expect("chunk local", chunk_local, nil)
    expect("top-level runs", seen_before, "@STAGE@")
    expect("string", string.leaked, nil)
    expect("list of string", string[1], nil)
    expect("method of strings", (mine).helper, nil)
    expect("list of the request", #request.user_groups, 0)
    expect("list of logging", request.logging[1], nil)
    expect("metatable of files", io.stdout.leaked, nil)
    expect("output", io.output(), io.stdout)
    expect("of strings", (""):rep(1) and string.rep == ("").rep, true)
    expect("module", time.leaked, nil)
    expect("builtin", nauthilus_builtin.LEAKED, nil)
    expect("request", request.leaked, nil)
    expect("loaded", package.loaded.leaked, nil)
    expect("context", context.context_get("@STAGE@"), nil)

    leaked, chunk_local, request.leaked = mine, mine, mine
    _G.leaked_by_G = mine
    string.leaked = mine
    table.insert(string, mine)
    function string:helper() return self .. mine end
    table.insert(request.user_groups, mine)
    table.insert(request.logging, mine)
    pcall(function() getmetatable(io.stdout).__index.leaked = mine end)
    pcall(function() getmetatable(package.loaded).__index.leaked = mine end)
    pcall(function() setfenv("3", { leaked = mine }) end)
    io.output(io.tmpfile())
    pcall(function() string.rep = function() return mine end end)
    pcall(function() time.leaked = mine end)
    pcall(function() nauthilus_builtin.LEAKED = mine end)
    pcall(function() getmetatable("").__index.leaked = mine end)
    pcall(function() getmetatable("").__index = { leaked = mine } end)
    pcall(function() debug.getmetatable("").__index = { leaked = mine } end)
    pcall(function() rawset(string, "leaked", mine) end)
    pcall(function() setmetatable(_G, { __index = { leaked = mine } }) end)
    pcall(function() package.loaded.leaked = mine end)
    pcall(function() package.loaded.time = { sleep = error } end)
    context.context_set("@STAGE@", mine)

    -- Others run meanwhile: longer for every other request, so that they overtake each other.
    time.sleep(tonumber(mine:match("%d+")) % 7 * 0.002)

    expect("own global", leaked, mine)
    expect("own string", string.leaked, mine)
    expect("own helper", ("x"):helper(), "x" .. mine)
    expect("own list", request.user_groups[1], mine)
    expect("own output", io.output() ~= io.stdout, true)
    expect("own chunk local", chunk_local, mine)
    expect("own request", request.leaked, mine)
    expect("own user", request.username, mine)
    expect("own password", request.password, "password of " .. mine)
    expect("own context", context.context_get("@STAGE@"), mine)
    if #found > 0 then nauthilus_builtin.custom_log_add("found", "@STAGE@: " .. table.concat(found, ", ")) end
    return #found == 0
end
"#;

const FEATURE: &str = r#"
function nauthilus_call_feature(request)
    return not mark(request), nauthilus_builtin.FEATURES_ABORT_NO, nauthilus_builtin.FEATURE_RESULT_OK
end
"#;

const BACKEND: &str = r#"
function nauthilus_backend_verify_password(request)
    local result = nauthilus_backend_result.new()
    result:user_found(true)
    result:account_field("account")
    result:attributes({ account = "account of " .. request.username })
    result:authenticated(mark(request) and request.password == "password of " .. request.username)
    return nauthilus_builtin.BACKEND_RESULT_OK, result
end
"#;

const FILTER: &str = r#"
function nauthilus_call_filter(request)
    if request.account ~= "account of " .. request.username then return nauthilus_builtin.FILTER_REJECT, 0 end
    return not mark(request), nauthilus_builtin.FILTER_RESULT_OK
end
"#;

fn marking(stage: &str, rest: &str) -> String {
    [&MARK.replace("@STAGE@", stage), rest].concat()
}

#[test]
fn a_thousand_interleaved_logins_see_only_themselves() {
    let site = Site::new()
        .feature("feature", &marking("feature", FEATURE))
        .backend(&marking("backend", BACKEND));
    let server: Server = site.filter("filter", &marking("filter", FILTER)).start();
    let mut clients: Vec<Client> = (0..100).map(|_| server.connect()).collect();
    for round in 0..10 {
        let user = |at: usize| format!("user{}", round * 100 + at);
        for (at, client) in clients.iter_mut().enumerate() {
            client.send(&Request::login(&user(at), format!("password of {}", user(at))).bytes());
        }
        for (at, client) in clients.iter_mut().enumerate() {
            let answer = client.answer();
            assert_eq!(answer.status, 200, "{}: {}", user(at), server.log());
            assert_eq!(
                answer.header("auth-user"),
                Some(format!("account of {}", user(at)).as_str())
            );
        }
    }
}
