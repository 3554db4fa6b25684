//! Nothing that one request does is seen by another: each known way of leaving something, and a
//! walk over all that a script can reach.

use crate::auth::login::Login;
use crate::auth::scripts::StageKind;
use crate::op::{Answer, Failure, Op};
use crate::script::modules;
use crate::script::testing::{Bench, eval};
use crate::value::Value;

/// What a script changes, what it must see of that itself, and what must contain for everybody else
/// all the while.
const WAYS: &[(&str, &str, &str)] = &[
    (
        "string.shout = function(s) return s:upper() end",
        "('a'):shout() == 'A' and string.shout('b') == 'B'",
        "string.shout == nil and ('a').shout == nil",
    ),
    (
        "function string:startswith(x) return self:sub(1, #x) == x end",
        "('abc'):startswith('ab')",
        "('a').startswith == nil",
    ),
    ("table.unpack = unpack", "table.unpack({ 7 }) == 7", "table.unpack == nil"),
    (
        "math.round = function(x) return math.floor(x + 0.5) end",
        "math.round(1.5) == 2",
        "math.round == nil",
    ),
    (
        "math.floor = function() return 'mine' end",
        "math.floor(1.5) == 'mine'",
        "math.floor(1.5) == 1",
    ),
    ("string.rep = nil", "string.rep == nil and ('x').rep == nil", "('x'):rep(2) == 'xx'"),
    (
        "rawset(string, 'secret', 's')",
        "string.secret == 's' and rawget(string, 'secret') == 's'",
        "string.secret == nil",
    ),
    (
        "table.insert(string, 'secret')",
        "string[1] == 'secret'",
        "string[1] == nil and rawget(string, 1) == nil",
    ),
    (
        "table.insert(require('json'), 'secret')",
        "require('json')[1] == 'secret'",
        "require('json')[1] == nil and next(require('json')) ~= 1",
    ),
    ("table.move({ 'secret' }, 1, 1, 1, string)", "string[1] == 'secret'", "string[1] == nil"),
    (
        "table.insert(string, 'x') table.insert(string, 'a') table.sort(string)",
        "table.concat(string) == 'ax'",
        "table.concat(string) == ''",
    ),
    ("table.insert(string, 'x') table.remove(string)", "string[1] == nil", "string[1] == nil"),
    (
        "nauthilus_builtin.FILTER_REJECT = false",
        "nauthilus.FILTER_REJECT == false",
        "nauthilus_builtin.FILTER_REJECT == true",
    ),
    (
        "table.insert(nauthilus_builtin, 'secret')",
        "nauthilus_builtin[1] == 'secret'",
        "nauthilus_builtin[1] == nil",
    ),
    (
        "request.logging.log_level = 'secret'",
        "request.logging.log_level == 'secret'",
        "request.logging.log_level == 'info'",
    ),
    (
        "table.insert(request.logging, 'secret')",
        "request.logging[1] == 'secret'",
        "request.logging[1] == nil",
    ),
    (
        "table.insert(request.user_groups, 'secret')",
        "#request.user_groups == 1 and request.user_groups[1] == 'secret' and #request.requested_scopes == 0",
        "#request.user_groups == 0 and #request.allowed_client_scopes == 0",
    ),
    (
        "request.requested_scopes[1] = 'secret'",
        "ipairs(request.requested_scopes)(request.requested_scopes, 0) == 1",
        "request.requested_scopes[1] == nil",
    ),
    (
        "for k, v in pairs(request) do if k == 'user_groups' then v[1] = 'secret' end end",
        "request.user_groups[1] == 'secret'",
        "request.user_groups[1] == nil",
    ),
    (
        "local _, t = pairs(string) rawset(t, 'secret', 1)",
        "string.secret == 1",
        "string.secret == nil",
    ),
    (
        "local _, t = pairs(request) rawset(t, 'secret', 1)",
        "request.secret == 1",
        "request.secret == nil",
    ),
    (
        "package.loaded.json = nil package.loaded.mine = 1",
        "require('mine') == 1",
        "package.loaded.mine == nil and require('json') ~= nil",
    ),
    ("rawset(package, 'path', 'x')", "package.path == 'x'", "package.path == './?.lua'"),
    ("table.insert(package, 'secret')", "package[1] == 'secret'", "package[1] == nil"),
    (
        "package.preload.mine = function() return 1 end",
        "require('mine') == 1",
        "not pcall(require, 'mine')",
    ),
    (
        "local mt = getmetatable(package.loaded) if mt then mt.__index.secret = 1 end",
        "package.loaded.secret == nil",
        "package.loaded.secret == nil",
    ),
    (
        "local mt = getmetatable(io.stdout) if mt then mt.secret = 1 end",
        "not getmetatable(io.stdout)",
        "io.stdout.secret == nil",
    ),
    (
        "pcall(function() io.stdout.__index.secret = 1 end)",
        "true",
        "not pcall(function() return io.stdout.secret.x end)",
    ),
    ("io.output(io.tmpfile())", "io.output() ~= io.stdout", "io.output() == io.stdout"),
    ("io.input(io.tmpfile())", "io.type(io.input()) == 'file'", "not pcall(io.input)"),
    (
        "pcall(setmetatable, string, { __index = { secret = 1 } })",
        "string.secret == nil",
        "string.secret == nil",
    ),
    (
        "pcall(setmetatable, nauthilus_builtin, nil)",
        "getmetatable(nauthilus_builtin) == false",
        "getmetatable(nauthilus_builtin) == false",
    ),
    (
        "pcall(setfenv, 0, string) secret = 1",
        "getfenv(0) ~= string",
        "secret == nil and string.secret == nil",
    ),
    (
        "io.write = function() end",
        "io.write('x') == nil",
        "type(io.write) == 'function' and io.write() == io.stdout",
    ),
    (
        "local util = require('nauthilus_util') util.secret = 1",
        "require('nauthilus_util').secret == 1",
        "require('nauthilus_util').secret == nil",
    ),
    (
        "for i = 1, 300 do string['k' .. i] = i end string.rep = nil",
        "string.k300 == 300",
        "string.k300 == nil and string.rep('x', 1) == 'x'",
    ),
];

fn body(expression: &str) -> String {
    format!("function nauthilus_run_hook(request) return {expression} end")
}

const YES: Result<Value, String> = Ok(Value::Bool(true));

#[test]
fn what_a_script_writes_into_libraries_works_and_is_its_own() {
    for (change, own, others) in WAYS {
        let changing = format!(
            "local time = require('time')
            function nauthilus_run_hook(request)
                local function check(when) if not ({own}) then error('not seen ' .. when, 0) end end
                {change}
                check('at once') time.sleep(1) check('after a pause') time.sleep(1) check('after two')
                return true
            end"
        );
        let bench = Bench::new(&[(StageKind::Hook, &changing), (StageKind::Hook, &body(others))]);
        let login = Login::default();
        let other = |when: &str| {
            assert_eq!(
                bench.hook_of(1, &login, |op| panic!("{op:?}")),
                YES,
                "{change}: others, {when}"
            )
        };
        other("before");
        for _ in 0..2 {
            let changed = bench.hook_of(0, &login, |_: Op| {
                other("during a pause");
                Answer::Slept
            });
            assert_eq!(changed, YES, "{change}");
            other("afterwards");
        }
    }
}

/// Both change the same at the same time, in turn.
#[test]
fn changes_of_two_requests_do_not_meet() {
    let source = "local time = require('time')
        function nauthilus_run_hook(request)
            string.whose, string.rep, math.pi = request.username, function() return request.username end, nil
            for _ = 1, 3 do
                time.sleep(1)
                local seen = string.whose .. ('x'):rep(1) .. tostring(math.pi)
                if seen ~= request.username .. request.username .. 'nil' then return seen end
                string.whose = string.whose
            end
            return true
        end";
    let bench = Bench::new(&[(StageKind::Hook, source)]);
    let login = |name: &str| {
        let mut request = crate::auth::request::Request::default();
        request.set(crate::auth::request::Field::Username, name.as_bytes());
        Login::new(request)
    };
    let (a, b) = (login("a"), login("b"));
    let outer = bench.hook_of(0, &a, |_| {
        assert_eq!(bench.hook_of(0, &b, |_| Answer::Slept), YES);
        Answer::Slept
    });
    assert_eq!(outer, YES);
}

/// Whoever fails, or is given up while it waits, leaves nothing, either.
#[test]
fn changes_end_with_a_request_that_fails() {
    for end in ["error('x')", "local t = {} while true do t[#t + 1] = {} end", "while true do end"]
    {
        let source =
            format!("function nauthilus_run_hook() string.secret, string.rep = 1, nil {end} end");
        let limits = crate::script::Limits {
            memory_bytes: 32 << 20,
            cpu: std::time::Duration::from_millis(100),
            ..crate::script::testing::LIMITS
        };
        let probe = body("string.secret == nil and ('x'):rep(1) == 'x'");
        let bench =
            Bench::with_limits(&[(StageKind::Hook, &source), (StageKind::Hook, &probe)], limits);
        assert!(bench.hook(|op| panic!("{op:?}")).is_err(), "{end}");
        assert_eq!(bench.hook_of(1, &Login::default(), |op| panic!("{op:?}")), YES, "{end}");
    }
}

#[test]
fn scripts_of_one_stage_share_what_they_change() {
    use crate::auth::scripts::Scripts;
    let bench = Bench::new(&[
        (
            StageKind::Feature,
            "function string:shout() return self .. '!' end function nauthilus_call_feature() return false end",
        ),
        (StageKind::Feature, "function nauthilus_call_feature() return ('a'):shout() == 'a!' end"),
    ]);
    let login = Login::default();
    let now = std::time::Instant::now();
    let (ops, driver) = crate::op::slot(now, now + std::time::Duration::from_secs(10));
    let mut stage = bench.host.stage(StageKind::Feature, &login);
    let both = async {
        bench.host.feature(&mut stage, 0, &login, &ops).await?;
        bench.host.feature(&mut stage, 1, &login, &ops).await
    };
    let returned = crate::op::drive(both, &driver, |op| panic!("{op:?}")).unwrap();
    assert!(returned.unwrap().trigger);
}

/// With `reuse`, the environment outlives the request, and so does what was put on libraries in it:
/// for that script alone.
#[test]
fn a_script_that_is_reused_keeps_its_helpers() {
    let helping = "local time = require('time')
        function string:shout() return self .. '!' end
        count = 0
        function nauthilus_run_hook()
            count = count + 1
            local before = ('a'):shout()
            time.sleep(1)
            return before .. ('b'):shout() .. count
        end";
    let bench = Bench::reusing(&[
        (StageKind::Hook, helping),
        (StageKind::Hook, &body("('a').shout == nil")),
    ]);
    let login = Login::default();
    for count in 1..4 {
        let seen = bench.hook_of(0, &login, |_| {
            assert_eq!(bench.hook_of(1, &login, |op| panic!("{op:?}")), YES);
            Answer::Slept
        });
        assert_eq!(seen, Ok(Value::string(format!("a!b!{count}"))));
        assert_eq!(bench.hook_of(1, &login, |op| panic!("{op:?}")), YES);
    }
}

/// LuaJIT compiles what runs often, with what it found in the libraries then.
#[test]
fn compiled_code_sees_changes_come_and_go() {
    let source = "local function work()
            local sum, text = 0, ''
            for i = 1, 300 do sum, text = sum + math.floor(i + 0.5), ('x'):rep(2) end
            return sum .. text
        end
        function nauthilus_run_hook(request)
            if request.username == 'changes' then
                work()
                math.floor, string.rep = function() return 0 end, function() return 'mine' end
            end
            return work()
        end";
    let bench = Bench::new(&[(StageKind::Hook, source)]);
    let mut request = crate::auth::request::Request::default();
    request.set(crate::auth::request::Field::Username, b"changes");
    let (changes, reads) = (Login::new(request), Login::default());
    for _ in 0..20 {
        assert_eq!(bench.hook_of(0, &reads, |op| panic!("{op:?}")), Ok(Value::string("45150xx")));
        assert_eq!(bench.hook_of(0, &changes, |op| panic!("{op:?}")), Ok(Value::string("0mine")));
    }
}

#[test]
fn more_changes_than_any_collection_of_helpers_has_are_refused() {
    let error = eval("for i = 1, 1001 do string['k' .. i] = i end").unwrap_err();
    assert!(
        error.contains("too many fields of library tables were changed (at most 1000)"),
        "{error}"
    );
}

#[test]
fn a_seed_holds_for_its_own_request() {
    let drawn = "(function() local t = {} for i = 1, 5 do t[i] = math.random(1e6) end return table.concat(t, ',') end)()";
    let seeded = format!(
        "function nauthilus_run_hook() local r = math.random math.randomseed(42) local x = r() return {drawn} end"
    );
    let bench = Bench::new(&[(StageKind::Hook, &seeded), (StageKind::Hook, &body(drawn))]);
    let draw = |script| bench.hook_of(script, &Login::default(), |op| panic!("{op:?}")).unwrap();
    let first = draw(0);
    let (other, another) = (draw(1), draw(1));
    assert_eq!(draw(0), first);
    assert_ne!(other, first);
    assert_ne!(draw(1), other);
    assert_ne!(other, another);
    for (expression, holds) in [
        ("math.random(3, 5) >= 3 and math.random(3) <= 3 and math.random() < 1", true),
        ("type(math.random(2, 1)) == 'number'", true),
        ("(pcall(math.randomseed, 'x'))", false),
        ("(pcall(math.random, 'x'))", false),
    ] {
        for seed in [
            "",
            "math.randomseed(7)",
            "math.randomseed('7')",
            "math.randomseed(0/0)",
            "math.randomseed(-1e300)",
        ] {
            let result = eval(&format!(
                "{seed} for i = 1, 100 do if (({expression}) ~= {holds}) then return 'no' end end return true"
            ));
            assert_eq!(result, YES, "{seed} {expression}");
        }
    }
}

#[test]
fn neither_host_functions_nor_their_environments_are_handed_out() {
    for expression in [
        "(function() for level = 0, 30 do for _, what in ipairs({ 'f', 'nSlufL', 'Sf' }) do
            local ok, info = pcall(debug.getinfo, level, what)
            local f = ok and info and info.func
            if f and (debug.getinfo(f, 'S').what == 'C' or debug.getinfo(f, 'S').source:find('=[host]', 1, true)) then return false end
        end end return true end)()",
        "(function() local co = coroutine.create(function() pcall(coroutine.yield) end) coroutine.resume(co)
            for level = 0, 5 do local info = debug.getinfo(co, level, 'f') local f = info and info.func
                if f and debug.getinfo(f, 'S').what == 'C' then return false end end return true end)()",
        "(function() local name = 0 for level = 1, 30 do
            local info = debug.getinfo(level, 'S')
            if info and (info.what == 'C' or info.source:find('=[host]', 1, true)) and debug.getlocal(level, 1) then return false end
        end return true end)()",
        "(function() local mine = 7 local name, value = debug.getlocal(1, 1) return name == 'mine' and value == 7 end)()",
        "debug.getinfo(1, 'f').func ~= nil and debug.getinfo(1, 'l').currentline == 1",
        "debug.getinfo(print).func == print and debug.getinfo(print).what ~= nil",
        "(function() local function f() return debug.getinfo(1, 'f').func == f end return f() end)()",
        "not pcall(setfenv, '1', {})",
        "not pcall(setfenv, '3', {})",
        "not pcall(setfenv, '0x3', {})",
        "not pcall(getfenv, '3')",
        "not pcall(debug.setfenv, '3', {})",
        "not pcall(debug.getinfo, '1')",
        "not pcall(debug.getlocal, '1', 1)",
        "not pcall(setfenv, print, {})",
        "not pcall(setfenv, string.rep, {})",
        "(function() setfenv(1.9, getfenv(1)) return true end)()",
        "not pcall(setfenv, 30, {})",
        "not pcall(setfenv, -1, {})",
    ] {
        assert_eq!(eval(&format!("local answer = {expression} return answer")), YES, "{expression}");
    }
    // Each level in turn: either there is none, or it is a script's own.
    for level in 1..30 {
        let source = format!("local ok, f = pcall(getfenv, {level}) return not ok or f == _G");
        assert_eq!(eval(&source), YES, "{level}");
    }
}

/// Collects what a script reaches by the means it has. `…` are the names of all modules.
const WALK: &str = r#"
local function walk(request, names)
    local found, queue = {}, {}

    local function add(value, path)
        local kind = type(value)

        local is_mine = value == found or value == queue or value == walked or value == changes or value == walk_shared

        if (kind == "table" or kind == "function" or kind == "userdata" or kind == "thread") and not found[value] and not is_mine then
            found[value] = path
            queue[#queue + 1] = value
        end
    end

    add(_G, "_G")
    add(request, "request")
    add(coroutine.running(), "running")
    add(getmetatable(""), "getmetatable('')")
    add(debug.getmetatable(""), "debug.getmetatable('')")
    add(io.tmpfile(), "tmpfile")
    add(nauthilus_backend_result.new(), "backend_result")

    for name in names:gmatch("%S+") do
        local module = require(name)
        add(module, "require " .. name)

        -- What the functions of modules return; those of the standard library would do things to this process.
        for key, f in pairs(_G[name] and {} or module) do
            for _, arguments in ipairs(type(f) == "function" and { {}, { "x" }, { "x", "x" }, { {} }, { 1, 2 } } or {}) do
                local results = { pcall(f, unpack(arguments)) }

                for i = 2, #results do
                    add(results[i], name .. "." .. key .. "()")
                end
            end
        end
    end

    for level = 0, 30 do
        local info = debug.getinfo(level)

        for key, value in pairs(info or {}) do
            add(value, "level " .. level .. "." .. key)
        end

        for i = 1, info and 20 or 0 do
            local name, value = debug.getlocal(level, i)

            if name ~= "found" and name ~= "queue" then
                add(value, "local " .. level .. "." .. tostring(name))
            end
        end

        local ok, env = pcall(getfenv, level)
        add(ok and env, "getfenv " .. level)
    end

    local at = 1

    while queue[at] do
        local value, path = queue[at], found[queue[at]]
        at = at + 1

        add(getmetatable(value), path .. " metatable")
        add(debug.getmetatable(value), path .. " debug metatable")

        if type(value) == "table" then
            for key, member in next, value do
                add(key, path .. " key " .. tostring(key))
                add(member, path .. "." .. tostring(key))
            end

            local step, state, first = pairs(value)
            add(step, path .. " step")
            add(state, path .. " state")

            for key, member in step, state, first do
                add(key, path .. " key " .. tostring(key))
                add(member, path .. "." .. tostring(key))
            end
        elseif type(value) == "function" then
            add(getfenv(value), path .. " environment")
            add(debug.getinfo(value).func, path .. " info")
        end

        if type(value) == "table" or type(value) == "userdata" then
            for _, name in ipairs({ "__index", "__newindex", "__gc", "__metatable", "__tostring", "_G", "_M", "loaded", "preload", "loaders" }) do
                local ok, member = pcall(function() return value[name] end)
                add(ok and member, path .. "." .. name)
            end
        end
    end

    return found
end
"#;

/// With the real debug library: what of two walks is the same; what there is in and behind that;
/// and what has changed of it.
const CHECK: &str = r#"
local first, shared, before, paths = nil, {}, {}, {}
local next, type, raw_tostring, getmetatable, getupvalue, getfenv = next, type, tostring, debug.getmetatable, debug.getupvalue, debug.getfenv

-- What the host itself changes: by name of the upvalue or field that holds it.
local HOSTS_OWN = {
    records = true, nested = true, envs = true, requests = true, kept = true, searched = true, factories = true, bundled_factories = true,
    seeded = true, REAL = true,
    -- This test's own.
    walked = true, changes = true, walk_shared = true,
}

local function contents(value)
    local out = {}

    if type(value) == "table" then
        for key, member in next, value do
            out[key] = member
        end
    end

    return { fields = out, metatable = getmetatable(value), environment = type(value) ~= "table" and getfenv(value) or nil }
end

local function remember(value, path)
    local queue = { value }
    paths[value] = paths[value] or path

    while #queue > 0 do
        local next_value = table.remove(queue)

        if not before[next_value] then
            local now, here = contents(next_value), paths[next_value]
            before[next_value] = now

            local function add(member, name)
                local kind = type(member)

                if (kind == "table" or kind == "function" or kind == "userdata") and not before[member] and not HOSTS_OWN[name] then
                    paths[member] = paths[member] or here .. " → " .. raw_tostring(name)
                    queue[#queue + 1] = member
                end
            end

            for key, member in next, now.fields do
                add(key, "key")
                add(member, key)
            end

            add(now.metatable, "metatable")
            add(now.environment, "environment")

            if type(next_value) == "function" then
                for i = 1, 100 do
                    local name, member = getupvalue(next_value, i)
                    if name == nil then break end
                    add(member, name)
                end
            end
        end
    end
end

-- Of each walk, in turn. The second returns how much is shared.
local function walked(found)
    if not first then
        first = found
        return 0
    end

    for value, path in next, found do
        if first[value] and type(value) ~= "thread" then
            shared[value] = path
        end
    end

    for value, path in next, shared do remember(value, path) end

    -- Behind the registry's numbers stand functions, metatables of userdata, and tables that the host alone changes.
    for key, value in next, debug.getregistry() do
        if type(value) == "function" or type(value) == "table" and (type(key) ~= "number" or rawget(value, "__gc")) then
            remember(value, "registry " .. raw_tostring(key))
        end
    end

    local count = 0
    for _ in next, shared do count = count + 1 end
    return count
end

-- A text for each difference.
local function changes()
    local out = {}

    local function compare(path, what, old, new)
        if old ~= new then out[#out + 1] = path .. " " .. what end
    end

    for value, old in next, before do
        if old.fields then
            local now, path = contents(value), paths[value]
            for key, member in next, old.fields do compare(path, raw_tostring(key), member, now.fields[key]) end
            for key, member in next, now.fields do compare(path, raw_tostring(key), old.fields[key], member) end
            compare(path, "metatable", old.metatable, now.metatable)
            compare(path, "environment", old.environment, now.environment)
        end
    end

    return table.concat(out, "\n")
end

return walked, shared, changes
"#;

/// Writes into everything that is shared, by all means there are.
const ATTACK: &str = r#"
function nauthilus_run_hook(request)
    local sleep, targets = require("time").sleep, walk_shared
    local pcall, rawset, insert, remove, move, sort, setmetatable, setfenv, next, type, pairs, debug, ipairs, rawget, tostring =
        pcall, rawset, table.insert, table.remove, table.move, table.sort, setmetatable, setfenv, next, type, pairs, debug, ipairs, rawget, tostring
    local secret, refused, keep = function() end, 0, { [sleep] = true }
    local list = {}

    math.randomseed(1)
    io.output(io.tmpfile())

    for value in next, targets do list[#list + 1] = value end

    for _, value in ipairs(list) do
        pcall(function() value.leaked = secret end)
        pcall(setmetatable, value, { __index = { leaked = secret } })
        pcall(setmetatable, value, nil)

        if type(value) == "table" then
            local key, member = next(value)
            pcall(rawset, value, "leaked_raw", secret)
            pcall(insert, value, secret)
            pcall(insert, value, 1, secret)
            pcall(move, { secret }, 1, 1, 5, value)
            pcall(sort, value, function() return true end)
            pcall(remove, value)
            if key ~= nil then
                pcall(function() value[key] = secret end)
                pcall(rawset, value, key, nil)
                pcall(rawset, value, key, member)
            end
        elseif type(value) == "function" then
            pcall(setfenv, value, { leaked = secret })
            pcall(debug.setfenv, value, { leaked = secret })
        end

        pcall(function() debug.setmetatable(value, { leaked = secret }) end)
    end

    for level = 0, 20 do
        for _, text in ipairs({ level, tostring(level), level + 0.5, -level }) do
            if level > 1 then pcall(setfenv, text, {}) end
        end
    end

    sleep(1)
    return #list
end
"#;

/// What is left of an attack on everything that two requests share, during its pause and behind it.
fn left_by_an_attack(prepare: impl Fn(&Bench)) -> (f64, Vec<String>) {
    let names: Vec<&str> =
        modules::MODULES.iter().flat_map(|module| module.names).copied().collect();
    let libraries = modules::LIBRARIES.iter().map(|(name, _)| *name);
    let names: Vec<&str> = names
        .into_iter()
        .chain(libraries)
        .chain(["string", "table", "math", "os", "io", "debug", "coroutine", "package"])
        .collect();
    let walking = format!(
        "{WALK} function nauthilus_run_hook(request) return walked(walk(request, '{}')) end",
        names.join(" ")
    );
    let bench = Bench::new(&[
        (StageKind::Hook, &walking),
        (StageKind::Hook, ATTACK),
        (StageKind::Hook, "function nauthilus_run_hook() return changes() end"),
    ]);
    prepare(&bench);
    let state = bench.host.state();
    let (walked, shared, changes): (mlua::Function, mlua::Table, mlua::Function) =
        state.lua.load(CHECK).call(()).unwrap();
    state.base.raw_set("walk_shared", shared).unwrap();
    state.base.raw_set("walked", walked).unwrap();
    state.base.raw_set("changes", changes).unwrap();
    let login = Login::default();
    let run = |index| {
        bench.hook_of(index, &login, |_| Answer::Failed(Failure::Refused("nobody is there".into())))
    };
    run(0).unwrap();
    let Value::Number(count) = run(0).unwrap() else { panic!("no count") };
    let text = |value: &Value| {
        value.text().map(|text| String::from_utf8_lossy(&text).into_owned()).unwrap_or_default()
    };
    assert_eq!(text(&run(2).unwrap()), "", "before the attack");
    let mut left = Vec::new();
    let mut look = || left.push(text(&run(2).unwrap()));
    bench
        .hook_of(1, &login, |_| {
            look();
            Answer::Slept
        })
        .unwrap();
    look();
    (count, left)
}

#[test]
fn nothing_that_a_script_can_reach_carries_anything_over() {
    let (count, left) = left_by_an_attack(|_| {});
    assert!(count > 400.0, "the walk reached only {count} values");
    assert_eq!(left, ["", ""]);
}

#[test]
fn a_shared_table_that_can_be_written_is_found() {
    for place in ["base.new_table = {}", "getmetatable('').__index.new_table = {}"] {
        let (_, left) = left_by_an_attack(|bench| {
            let state = bench.host.state();
            state
                .lua
                .load(format!("local base = ... local getmetatable = debug.getmetatable {place}"))
                .call::<()>(&state.base)
                .unwrap();
        });
        assert!(left.iter().all(|left| left.contains("leaked_raw")), "{place}: {left:?}");
    }
}
