//! The host as scripts meet it: isolation, waiting, limits.

use crate::auth::login::Login;
use crate::auth::scripts::StageKind;
use crate::op::Answer;
use crate::script::Limits;
use crate::script::testing::{Bench, LIMITS, eval, eval_long, eval_with};
use crate::value::Value;
use std::time::Duration;

fn hook(source: &str) -> Bench {
    Bench::new(&[(StageKind::Hook, source)])
}

fn text(value: &Value) -> String {
    value.text().map(|t| String::from_utf8_lossy(&t).into_owned()).unwrap_or_default()
}

#[test]
fn a_script_returns_its_values() {
    let Ok(Value::Map(map)) = eval("return { a = 1, b = { 'x', true } }") else { panic!("no map") };
    assert_eq!(map.len(), 2);
    assert!(map.contains(&(Value::string("a"), Value::Number(1.0))));
    assert!(
        map.contains(&(
            Value::string("b"),
            Value::List(vec![Value::string("x"), Value::Bool(true)])
        ))
    );
}

#[test]
fn errors_carry_the_place_and_the_state_goes_on() {
    let bench = hook("\n\nfunction nauthilus_run_hook()\n  error('broken')\nend");
    for _ in 0..3 {
        let message = bench.hook(|_| Answer::Slept).unwrap_err();
        assert!(message.starts_with("test/hook0.lua:4: broken\nstack traceback:"), "{message}");
    }
}

#[test]
fn globals_do_not_survive_a_call() {
    let bench = hook(
        "counter = (counter or 0) + 1; _G.other = (_G.other or 0) + 1 function nauthilus_run_hook() return counter + other end",
    );
    for _ in 0..3 {
        assert_eq!(bench.hook(|_| Answer::Slept), Ok(Value::Number(2.0)));
    }
}

#[test]
fn a_copy_of_a_table_is_bounded() {
    let shared = "local t = {1} for i = 1, 60 do t = {t, t} end require('nauthilus_context').context_set('k', t)";
    let large = "local s = string.rep('x', 2^20) local t = {} for i = 1, 20 do t[i] = s end require('nauthilus_context').context_set('k', t)";
    for source in [shared, large] {
        let error = eval(source).unwrap_err();
        assert!(error.contains("value is too large to be copied"), "{source}: {error}");
    }
}

#[test]
fn loaded_code_stays_in_the_environment() {
    let bench = hook(
        "function nauthilus_run_hook() local before = leaked; loadstring('leaked = 1')(); return { before = tostring(before), after = leaked } end",
    );
    for _ in 0..2 {
        let Ok(Value::Map(map)) = bench.hook(|_| Answer::Slept) else { panic!("no map") };
        assert!(map.contains(&(Value::string("before"), Value::string("nil"))));
        assert!(map.contains(&(Value::string("after"), Value::Number(1.0))));
    }
}

#[test]
fn bytecode_is_refused() {
    assert_eq!(
        eval("return (loadstring(string.dump(function() end))) == nil"),
        Ok(Value::Bool(true))
    );
}

#[test]
fn numbers_print_as_in_the_reference() {
    for (source, expected) in [
        ("1e15", "1000000000000000"),
        ("0.1 + 0.2", "0.30000000000000004"),
        ("-7", "-7"),
        ("1/0", "+Inf"),
        ("2^53", "9007199254740992"),
    ] {
        assert_eq!(
            eval(&format!("return {{ tostring({source}), x = 1 }}")).map(|v| match v {
                Value::Map(map) => text(&map[0].1),
                _ => String::new(),
            }),
            Ok(expected.to_owned())
        );
    }
}

#[test]
fn a_jit_compiled_endless_loop_is_stopped() {
    let limits = Limits {
        memory_bytes: 64 << 20,
        cpu: Duration::from_millis(50),
        script: Duration::from_secs(10),
        backend: Duration::from_secs(10),
    };
    let loops = [
        "local x = 0 while true do x = x + 1 end",
        "while true do pcall(function() while true do end end) end",
        "while true do pcall(error) end",
        "local co = coroutine.wrap(function() while true do end end) while true do pcall(co) end",
        "string.find(string.rep('a', 40), string.rep('a?', 40) .. string.rep('a', 40))",
        "return string.find(string.rep('x', 3000), '.-.-.-.-.-.-b')",
    ];
    for body in loops {
        let bench = Bench::with_limits(
            &[
                (StageKind::Hook, &format!("function nauthilus_run_hook() {body} end")),
                (StageKind::Hook, "function nauthilus_run_hook() return 'alive' end"),
            ],
            limits,
        );
        let error = bench.hook(|_| Answer::Slept).unwrap_err();
        assert!(
            error.contains("context deadline exceeded")
                || error.contains("too many steps")
                || error.contains("too complex"),
            "{body}: {error}"
        );
        assert_eq!(
            bench.hook_of(1, &Login::default(), |_| Answer::Slept),
            Ok(Value::string("alive")),
            "{body}"
        );
    }
}

/// For each `elseif` and each label the compiler walks all jumps before it, in C code.
#[test]
fn compiling_is_stopped() {
    let limits = Limits { cpu: Duration::from_millis(50), memory_bytes: 256 << 20, ..LIMITS };
    for text in [
        "'if a then ' .. ('elseif a then '):rep(1e6) .. 'end'",
        "('do ' .. ('goto a '):rep(3e4) .. '::a:: end '):rep(200)",
    ] {
        let (sender, done) = std::sync::mpsc::channel();
        // A thread of its own: what never ends cannot be stopped from here.
        std::thread::spawn(move || {
            let script = format!("function nauthilus_run_hook() return loadstring({text}) end");
            let bench = Bench::with_limits(
                &[
                    (StageKind::Hook, &script),
                    (StageKind::Hook, "function nauthilus_run_hook() return 'alive' end"),
                ],
                limits,
            );
            let error = bench.hook(|_| Answer::Slept).unwrap_err();
            sender.send((error, bench.hook_of(1, &Login::default(), |_| Answer::Slept)))
        });
        // Without the look at the hook the compiler needs minutes.
        let (error, neighbour) = done.recv_timeout(Duration::from_secs(60)).expect(text);
        assert!(error.contains("context deadline exceeded"), "{text}: {error}");
        assert_eq!(neighbour, Ok(Value::string("alive")), "{text}");
    }
}

#[test]
fn long_strings_in_a_row_are_collected_as_they_are_dropped() {
    let body = "for i = 1, 300 do local s = string.rep('x', 2 ^ 20 + i) end return 'done'";
    assert_eq!(eval_long(body), Ok(Value::string("done")));
}

#[test]
fn memory_bombs_are_stopped_and_the_state_serves_on() {
    let limits = Limits {
        memory_bytes: 16 << 20,
        cpu: Duration::from_secs(5),
        script: Duration::from_secs(10),
        backend: Duration::from_secs(10),
    };
    let bombs = [
        "local s = string.rep('x', 1e9) return #s",
        "local t = {} for i = 1, 1e9 do t[i] = { i } end",
        "local t = {} for i = 1, 1e9 do t[i] = coroutine.create(function() end) end",
        "local s = 'x' while true do s = s .. s end",
        "local c = require('nauthilus_context') local t = {} for i = 1, 1e9 do t[i] = tostring(i + 0.5) end c.context_set('t', t)",
        "local function f() return 1 + f() end return f()",
    ];
    for body in bombs {
        let bench = Bench::with_limits(
            &[
                (StageKind::Hook, &format!("function nauthilus_run_hook() {body} end")),
                (StageKind::Hook, "function nauthilus_run_hook() return 'alive' end"),
            ],
            limits,
        );
        for _ in 0..2 {
            assert!(bench.hook(|_| Answer::Slept).is_err(), "{body}");
            assert_eq!(
                bench.hook_of(1, &Login::default(), |_| Answer::Slept),
                Ok(Value::string("alive")),
                "{body}"
            );
        }
        assert!(bench.host.state().used_bytes() < 8 << 20, "{body}");
    }
}

#[test]
fn pcall_and_own_coroutines_may_be_waited_across() {
    let waits = [
        "local ok = pcall(t.sleep, 1) return ok",
        "local ok = pcall(function() t.sleep(1) end) return ok",
        "return (xpcall(function() t.sleep(1) end, function(m) return m end))",
        "return coroutine.wrap(function() t.sleep(1) return true end)()",
        "local outer = coroutine.wrap(function() return coroutine.wrap(function() t.sleep(1) return true end)() end) return outer()",
        "local x = setmetatable({}, { __index = function() t.sleep(1) return true end }) return x.y",
        "for v in function(_, last) if not last then t.sleep(1) return true end end do return v end",
        "local co = coroutine.create(function(a) local b = coroutine.yield(a) t.sleep(1) return b end)
         local _, first = coroutine.resume(co, 1) local _, second = coroutine.resume(co, true) return first == 1 and second",
    ];
    for source in waits {
        let mut slept = 0;
        let result = eval_with(&format!("local t = require('time') {source}"), |_| {
            slept += 1;
            Answer::Slept
        });
        assert_eq!((result, slept), (Ok(Value::Bool(true)), 1), "{source}");
    }
}

#[test]
fn waiting_inside_a_c_callback_is_a_clear_error() {
    for source in [
        "table.sort({ 3, 2, 1 }, function(a, b) t.sleep(1) return a < b end)",
        "return (('x'):gsub('x', function() t.sleep(1) end))",
        "local x = setmetatable({}, { __tostring = function() t.sleep(1) return '' end }) return string.format('%s', x)",
    ] {
        let error = eval_with(&format!("local t = require('time') {source}"), |_| Answer::Slept)
            .unwrap_err();
        assert!(
            error.starts_with(
                "test/hook0.lua:1: a function that waits cannot be called inside a callback"
            ),
            "{source}: {error}"
        );
    }
    let handler =
        "local t = require('time') return select(2, xpcall(error, function() t.sleep(1) end))";
    let error = text(&eval(handler).unwrap());
    assert_eq!(
        error,
        "error in error handling: the handler of xpcall failed itself (it cannot call functions that wait)"
    );
    // tostring and print call the metamethod without C code in between.
    let waits = "local x = setmetatable({}, { __tostring = function() require('time').sleep(1) return 'slept' end }) return tostring(x)";
    assert_eq!(eval_with(waits, |_| Answer::Slept), Ok(Value::string("slept")));
}

#[test]
fn environments_of_host_functions_are_out_of_reach() {
    let reaches = [
        "return getfenv(require('time').sleep) == getfenv(0)",
        "return getfenv(require('nauthilus_util').toboolean) == getfenv(0)",
        "return getfenv(require).io.popen == io.popen",
        "return debug.getfenv(print) == _G",
        "return not pcall(setfenv, require('nauthilus_util').toboolean, {})",
        "return not pcall(setfenv, require('time').sleep, {})",
    ];
    for source in reaches {
        assert_eq!(eval(source), Ok(Value::Bool(true)), "{source}");
    }
}

#[test]
fn a_script_may_change_environments_of_its_own() {
    for source in [
        "local function f() return x end setfenv(f, { x = true }) return f()",
        "local function f() setfenv(1, { y = true }) return y end return f()",
        "local function f() return getfenv(1) == getfenv() and getfenv(1) == _G end return f()",
        "local outer = getfenv(1) local function f() return getfenv(2) == outer end return f()",
    ] {
        assert_eq!(eval(source), Ok(Value::Bool(true)), "{source}");
    }
}

#[test]
fn a_byte_order_mark_is_skipped() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("marked.lua"),
        "\u{feff}#!/usr/bin/lua\nreturn { name = 'marked' }",
    )
    .unwrap();
    let place = folder.path().display();
    let uses = [
        format!("package.path = '{place}/?.lua' return require('marked').name"),
        format!("return dofile('{place}/marked.lua').name"),
        format!("return assert(loadfile('{place}/marked.lua'))().name"),
        "return loadstring('\u{feff}return \\'marked\\'')()".to_owned(),
    ];
    for source in uses {
        let bench = hook(&format!("\u{feff}function nauthilus_run_hook() {source} end"));
        assert_eq!(bench.hook(|_| Answer::Slept), Ok(Value::string("marked")), "{source}");
    }
}

#[test]
fn what_require_remembers_is_bounded() {
    let folder = tempfile::tempdir().unwrap();
    for file in 0..40 {
        std::fs::write(
            folder.path().join(format!("m{file}.lua")),
            format!("local t = {{}} {} return {file}", "t[1] = {} ".repeat(50)),
        )
        .unwrap();
    }
    let source = format!(
        "function nauthilus_run_hook()
            for i = 1, 2000 do
                pcall(require, 'missing' .. math.random(1e9) .. ('x'):rep(i % 400))
                package.path = '{place}/?.lua;' .. math.random(1e9)
                package.loaded.m1 = nil
                if require('m' .. i % 40) ~= i % 40 then error('wrong module') end
            end
            return true
        end",
        place = folder.path().display()
    );
    let limits = Limits {
        cpu: Duration::from_secs(600),
        script: Duration::from_secs(600),
        ..crate::script::testing::LIMITS
    };
    let bench = Bench::with_limits(&[(StageKind::Hook, &source)], limits);
    let used = |rounds| {
        for _ in 0..rounds {
            assert_eq!(bench.hook(|_| Answer::Slept), Ok(Value::Bool(true)));
        }
        bench.host.state().recover_memory();
        bench.host.state().used_bytes()
    };
    let (first, later) = (used(1), used(5));
    assert!(later < first + (1 << 20), "{first} grew to {later}");
}

#[test]
fn the_warning_of_a_slow_script_names_that_script() {
    let slow = "function nauthilus_run_hook()
        local began = os.clock()
        while os.clock() - began < 0.5 do end
        require('time').sleep(1)
    end";
    let limits = Limits { cpu: Duration::from_secs(600), ..crate::script::testing::LIMITS };
    let bench = Bench::with_limits(
        &[(StageKind::Hook, slow), (StageKind::Hook, "function nauthilus_run_hook() end")],
        limits,
    );
    // The other script ends while the slow one waits.
    bench
        .hook(|_| {
            bench.hook_of(1, &Login::default(), |_| Answer::Slept).unwrap();
            Answer::Slept
        })
        .unwrap();
    let warnings = bench.host.state().services().outbox.warnings.take();
    assert_eq!(warnings, ["script test/hook0.lua computed for more than 100 ms without waiting"]);
}
