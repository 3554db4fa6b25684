//! What our changes to LuaJIT are for (`luajit/changes`): nested calls from C, tables made of
//! several values, sorting, finalizers.

use crate::auth::scripts::StageKind;
use crate::op::Answer;
use crate::script::Limits;
use crate::script::testing::{Bench, LIMITS, eval};
use crate::value::Value;
use std::time::Duration;

/// Ways from C into Lua, by name: bodies of `function again(f)`, which calls `f` from C code.
const WAYS: &[(&str, &str)] = &[
    ("gsub", "string.gsub('x', '.', f)"),
    ("gsub by method", "('x'):gsub('.', function() return f() end)"),
    ("sort", "table.sort({ 1, 2 }, function() f() return false end)"),
    (
        "sort by __lt",
        "local m = { __lt = function() f() return false end } table.sort({ setmetatable({}, m), setmetatable({}, m) })",
    ),
    (
        "format",
        "string.format('%s', setmetatable({}, { __tostring = function() f() return '' end }))",
    ),
    // Within one coroutine LuaJIT calls no handler for an error in a handler.
    ("handler", "coroutine.wrap(function() xpcall(error, function(e) f() return e end) end)()"),
    (
        "gsub in a coroutine",
        "assert(coroutine.resume(coroutine.create(function() string.gsub('x', '.', f) end)))",
    ),
    (
        "wrapped coroutine",
        "coroutine.wrap(function() table.sort({ 1, 2 }, function() f() return false end) end)()",
    ),
    (
        "format in pcall",
        "assert(pcall(string.format, '%s', setmetatable({}, { __tostring = function() f() return '' end })))",
    ),
    ("load", "load(function() string.gsub('x', '.', f) end)"),
    ("index", "return setmetatable({}, { __index = function() string.gsub('x', '.', f) end }).x"),
];

#[test]
fn calls_from_c_nest_as_deep_as_in_standard_lua() {
    for (name, way) in WAYS {
        let depth = format!(
            "local depth, again = 0; \
             again = function() depth = depth + 1 local f = again; {way} end \
             local ok, err = pcall(again) return {{ ok = ok, err = tostring(err), depth = depth }}"
        );
        let bench = Bench::new(&[(
            StageKind::Hook,
            &format!("function nauthilus_run_hook(request) {depth}\nend"),
        )]);
        // The second time counts from the beginning again.
        for _ in 0..2 {
            let Ok(Value::Map(map)) = bench.hook(|_| Answer::Slept) else {
                panic!("{name}: no map")
            };
            let get = |key: &str| {
                map.iter().find(|(k, _)| *k == Value::string(key)).map(|(_, v)| v.clone()).unwrap()
            };
            // A handler takes the error away.
            if *name != "handler" {
                assert_eq!(get("ok"), Value::Bool(false), "{name}");
                let err = String::from_utf8_lossy(&get("err").text().unwrap()).into_owned();
                assert!(err.contains("C stack overflow"), "{name}: {err}");
            }
            let Value::Number(depth) = get("depth") else { panic!("{name}") };
            assert!((180.0..=230.0).contains(&depth), "{name}: {depth}");
        }
    }
}

#[test]
fn a_table_made_of_several_values_has_its_length() {
    // All shapes of up to eight values, the last not nil, behind none to three others; often enough
    // for the compiler to have a go.
    let model = "
        local function values(shape, n)
            if n == 0 then return end
            local first = shape % 2 == 1 and n or nil
            return first, values(math.floor(shape / 2), n - 1)
        end
        local function check(t, n, what)
            if #t ~= n then error(what .. ': ' .. #t .. ' instead of ' .. n) end
            if select('#', unpack(t)) ~= n then error(what .. ': unpack') end
            table.insert(t, 'end')
            if t[n + 1] ~= 'end' then error(what .. ': insert') end
        end
        local function several(...)
            local n = select('#', ...)
            check({ ... }, n, 'varargs')
            check({ 1, ... }, n + 1, 'one before')
            check({ 1, nil, 3, ... }, n + 3, 'three before')
            check({ n = n, ... }, n, 'beside a field')
        end
        for round = 1, 30 do
            for n = 1, 8 do
                for shape = 2 ^ (n - 1), 2 ^ n - 1 do
                    check({ values(shape, n) }, n, 'call')
                    several(values(shape, n))
                end
            end
        end
        return true";
    assert_eq!(eval(model), Ok(Value::Bool(true)));
    for (expression, expected) in [
        ("#{ pcall(error) }", 1.0),
        ("#{ pcall(function() return nil, 'down' end) }", 3.0),
        ("select('#', unpack({ pcall(function() return nil, 'down' end) }, 2))", 2.0),
        ("#{ (function() return 1, nil, 3 end)() }", 3.0),
        ("#{ nil, nil, 3 }", 3.0),
        ("#{ (function() end)() }", 0.0),
        ("#{ (function() return nil end)() }", 0.0),
        (
            "(function(...) local n = 0 for i = 1, 300 do n = n + #{ ... } end return n end)(nil, nil, 3)",
            900.0,
        ),
    ] {
        assert_eq!(
            eval(&format!("return {expression}")),
            Ok(Value::Number(expected)),
            "{expression}"
        );
    }
    assert_eq!(
        eval("return table.concat({ (function() return 'a', 'b', 'c' end)() })"),
        Ok(Value::string("abc"))
    );
}

#[test]
fn sort_takes_any_comparator() {
    let model = "
        local comparators = {
            function(a, b) return a <= b end,
            function(a, b) return a >= b end,
            function() return true end,
            function() return false end,
            function(a, b) return math.random() < 0.5 end,
            function(a, b) return a ~= b end,
        }
        for step = 0, 45 do
            local n = step < 40 and step or step * 4
            for which, comparator in ipairs(comparators) do
                local t, sum = {}, 0
                for i = 1, n do t[i] = math.random(1, n % 2 == 0 and 3 or n) sum = sum + t[i] end
                table.sort(t, function(a, b)
                    if a == nil or b == nil then error('out of bounds') end
                    return comparator(a, b)
                end)
                for i = 1, n do sum = sum - t[i] end
                if sum ~= 0 or #t ~= n then error('no permutation: ' .. which) end
            end
            local t = {}
            for i = 1, n do t[i] = math.random(1, n) end
            table.sort(t)
            for i = 2, n do if t[i - 1] > t[i] then error('not sorted') end end
        end
        return true";
    assert_eq!(eval(model), Ok(Value::Bool(true)));
}

#[test]
fn no_finalizer_of_a_script_runs() {
    // Whatever metatable a script gets hold of, or can make a userdata have.
    let source = "
        local function poison(value)
            local metatable = getmetatable(value)
            if type(metatable) == 'table' then
                pcall(rawset, metatable, '__gc', function() while true do end end)
            end
        end
        poison(io.stdout)
        poison(nauthilus_backend_result.new())
        poison(require('regexp').compile('a'))
        setmetatable({}, { __gc = function() while true do end end })
        pcall(newproxy, true)
        for i = 1, 50 do io.open('/dev/null'):close() poison(io.open('/dev/null')) end
        local t = {}
        for i = 1, 3e5 do t = { i, tostring(i) } end
        return true";
    // A loaded machine needs more than the usual second.
    let limits = Limits { cpu: Duration::from_secs(60), ..LIMITS };
    let source = format!("function nauthilus_run_hook() {source} end");
    let bench = Bench::with_limits(&[(StageKind::Hook, &source)], limits);
    assert_eq!(bench.hook(|_| Answer::Slept), Ok(Value::Bool(true)));
    drop(bench);
}
