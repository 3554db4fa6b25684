//! Which scripts are pure, so that their top-level chunk runs once per state, and which get a
//! projected request table (`lua/host/purity.lua`).

use crate::auth::scripts::StageKind;
use crate::op::Answer;
use crate::script::testing::Bench;
use crate::value::Value;

/// What operators' scripts often begin with.
const USUAL: &str = "
    dynamic_loader('nauthilus_redis')
    local nauthilus_redis = require('nauthilus_redis')
    local context, LIMIT, NAME, NONE = require('nauthilus_context'), 1e12, 'x', nil
    local format, ok = string.format, nauthilus_builtin.BACKEND_RESULT_OK
    local home = os.getenv('HOME')
    NUMBER = 7
    local function key(name) return NAME .. name .. NUMBER end
";

fn once(scripts: &[(StageKind, &str)]) -> Vec<bool> {
    let bench = Bench::new(scripts);
    (0..scripts.len()).map(|script| bench.host.state().is_loaded_once(script)).collect()
}

fn hook(source: &str) -> bool {
    once(&[(StageKind::Hook, source)])[0]
}

#[test]
fn scripts_that_load_modules_and_define_functions_are_pure() {
    assert!(hook("function nauthilus_run_hook() end"));
    assert!(hook(&format!("{USUAL} function nauthilus_run_hook(r) return key(r.username) end")));
    assert!(hook(&format!(
        "{USUAL} function helper() return NUMBER end function nauthilus_run_hook() return helper() end"
    )));
    assert!(hook(
        "function nauthilus_run_hook() local t = {} t.x = 1 local json = require('json') return json.encode(t) end"
    ));
    assert!(hook(
        "function nauthilus_run_hook() local util = require('nauthilus_util') return util.exists_in_table({}, 1) end"
    ));
}

#[test]
fn chunks_that_could_differ_from_call_to_call_run_per_call() {
    for top in [
        "local t = {}",
        "local t = { a = 1 }",
        "print('loading')",
        "local n = math.random()",
        "local now = os.time()",
        "local n = os.getenv(NAME)",
        "local n = tonumber(os.getenv('HOME') or '5')",
        "if nauthilus_builtin then x = 1 end",
        "for i = 1, 2 do end",
        "local own = require('own_module')",
        "local name = 'json' local json = require(name .. '')",
        "local load = require local json = load('json')",
        "local package = require('package')",
        "local debug = require('debug')",
        "local json = require('json') json.x = 1",
        "local first = ...",
        "string = nil",
        "_G.x = 1",
        "local env = getfenv()",
        "package.path = '/tmp/?.lua'",
        "setmetatable(_G, {})",
        "x = unknown",
        "local s = ('x').rep",
        "local s = ('x'):rep(3)",
    ] {
        assert!(!hook(&format!("{top} function nauthilus_run_hook() end")), "{top}");
    }
}

#[test]
fn scripts_whose_functions_could_leave_something_run_per_call() {
    for body in [
        "counter = 1",
        "count = count + 1",
        "count = 'text'",
        "count = nil",
        "local function inner() count = 2 end inner()",
        "return count, unknown",
        "_G.x = 1",
        "setfenv(1, {})",
        "return getfenv()",
        "loadstring('x = 1')()",
        "load('x = 1')()",
        "dofile('x.lua')",
        "module('x')",
        "return package.loaded",
        "debug.setfenv(1, {})",
        "return require",
        "local r = require r('json')",
        "require(count and 'json' or 'time')",
        "require('own_module')",
        "require('package')",
        "pcall(require, 'json')",
    ] {
        let source = format!("local count function nauthilus_run_hook() {body} end");
        assert!(!hook(&source), "{body}");
    }
}

#[test]
fn scripts_of_one_stage_run_once_only_if_all_are_pure() {
    use StageKind::{Backend, Feature, Filter};
    const PLAIN: &str = "function nauthilus_call_feature() end";
    const SHARING: &str = "shared = {} function nauthilus_call_feature() end";
    assert_eq!(once(&[(Feature, PLAIN), (Feature, PLAIN), (Filter, PLAIN)]), [true, true, true]);
    assert_eq!(
        once(&[(Feature, PLAIN), (Feature, SHARING), (Filter, PLAIN)]),
        [false, false, true]
    );
    // Backends have a stage each.
    assert_eq!(once(&[(Backend, PLAIN), (Backend, SHARING)]), [true, false]);
}

/// Whether an action with this function gets only the fields that it reads.
fn projected(function: &str) -> bool {
    let bench = Bench::new(&[(StageKind::Action, &format!("nauthilus_call_action = {function}"))]);
    assert!(bench.host.state().is_loaded_once(0), "{function}");
    bench.host.state().is_projected(0)
}

#[test]
fn a_function_that_only_reads_fields_gets_no_others() {
    for function in [
        "function() end",
        "function(request) end",
        "function(request) return request.username end",
        "function(r) if r.no_auth and r.authenticated then return r.account .. r.session end return #r.client_ip end",
        "function(request) return request.username:lower() .. request.log_level .. request.logging.log_format end",
        "function(request) local name = request.username local f = function() return 1 end return f() end",
    ] {
        assert!(projected(function), "{function}");
    }
}

#[test]
fn a_function_that_uses_the_request_otherwise_gets_all_of_it() {
    for function in [
        "function(request) return request end",
        "function(request) return 1, request end",
        "function(request) return (request) end",
        "function(request) local copy = request return copy.username end",
        "function(request) request = request.username return request end",
        "function(request) request.username = 'x' end",
        "function(request) request[1] = 'x' end",
        "function(request) return request[1] end",
        "function(request) local key = 'username' return request[key] end",
        "function(request) return request:username() end",
        "function(request) return tostring(request) end",
        "function(request) for _ in pairs(request) do end end",
        "function(request) for _ in next, request do end end",
        "function(request) return function() return request.username end end",
        "function(request) local f = function() return function() return request end end return f end",
        "function(request) return { request } end",
        "function(request) return { key = request } end",
        "function(request) local t = {} t[request] = 1 end",
        "function(request) return request == 1 end",
        "function(request) return not request end",
        "function(request) return request and 1 end",
        "function(request) if request then return 1 end end",
        "function(request) return #request end",
        "function(request) return request .. 'x' end",
        "function(request) return 1 + request end",
        "function(request) return request.username < request end",
        "function(request) return request.username, unpack(request) end",
        "function(request, session) return request.username end",
        "function(...) return (...).username end",
        "function(request) return request.client_hostname end",
        "function(request) return request.no_such_field end",
    ] {
        assert!(!projected(function), "{function}");
    }
}

#[test]
fn what_one_script_changes_in_the_request_the_next_one_of_its_stage_sees() {
    const READS: &str = "function nauthilus_call_feature(request) return request.username end";
    const WRITES: &str = "function nauthilus_call_feature(request) request.username = 'x' end";
    let projected = |scripts: &[(StageKind, &str)]| -> Vec<bool> {
        let bench = Bench::new(scripts);
        (0..scripts.len()).map(|script| bench.host.state().is_projected(script)).collect()
    };
    use StageKind::{Backend, Feature, Filter};
    assert_eq!(projected(&[(Feature, READS), (Feature, READS)]), [true, true]);
    assert_eq!(projected(&[(Feature, READS), (Feature, WRITES)]), [false, false]);
    assert_eq!(projected(&[(Feature, READS), (Filter, WRITES)]), [true, false]);
    assert_eq!(projected(&[(Feature, READS), (Feature, "shared = {}")]), [false, false]);
    let backend = "function nauthilus_backend_verify_password(request) return request.username end";
    assert_eq!(projected(&[(Backend, backend), (Backend, "shared = {}")]), [true, false]);
}

#[test]
fn a_script_without_an_entry_function_of_its_own_is_loaded_once_at_most() {
    let bench = Bench::new(&[(StageKind::Hook, "function other() end")]);
    for _ in 0..2 {
        assert!(
            bench.hook(|_| Answer::Slept).unwrap_err().contains("is not defined as a function")
        );
    }
}

#[test]
fn calls_of_a_script_that_is_loaded_once_share_nothing() {
    let source = "local context = require('nauthilus_context')
        function nauthilus_run_hook(request)
            local before = context.context_get('k')
            context.context_set('k', 1)
            request.username = request.username .. 'x'
            return tostring(before) .. request.username
        end";
    let bench = Bench::new(&[(StageKind::Hook, source)]);
    assert!(bench.host.state().is_loaded_once(0));
    for _ in 0..3 {
        assert_eq!(bench.hook(|_| Answer::Slept), Ok(Value::string("nilx")));
    }
}

/// A script that is loaded once may change libraries, too: that is its stage's own, and not the
/// script's.
#[test]
fn what_scripts_that_are_loaded_once_do_to_libraries_ends_with_the_call() {
    for (change, seen) in [
        ("string.rep = nil", "string.rep"),
        ("local library = string library.rep = nil", "string.rep"),
        ("local library = nauthilus_builtin and string or table library.rep = nil", "string.rep"),
        ("rawset(string, 'rep', nil)", "string.rep"),
        ("table.insert(string, 1)", "not string[1]"),
        ("nauthilus_builtin.X = 1", "not nauthilus_builtin.X"),
        ("json.x = 1", "not json.x"),
        ("local other = json other.encode = nil", "json.encode"),
        ("math.randomseed(1)", "math.random() ~= first"),
    ] {
        let source = format!(
            "local json = require('json')
            function nauthilus_run_hook(request)
                local first = 0.5
                if not ({seen}) then return 'seen' end
                {change}
                return 'changed'
            end"
        );
        let bench = Bench::new(&[(StageKind::Hook, &source)]);
        assert!(bench.host.state().is_loaded_once(0), "{change}");
        for _ in 0..3 {
            assert_eq!(bench.hook(|_| Answer::Slept), Ok(Value::string("changed")), "{change}");
        }
    }
    assert!(!hook("function string:shout() end function nauthilus_run_hook() end"));
    assert!(!hook("table.unpack = unpack function nauthilus_run_hook() end"));
}

#[test]
fn what_is_protected_looks_the_same_to_scripts_that_are_loaded_once() {
    let source = "function nauthilus_run_hook() return tostring(getmetatable(string)) .. type(string.format) .. tostring(nauthilus_builtin.NO_SUCH) end";
    let bench = Bench::new(&[(StageKind::Hook, source)]);
    assert_eq!(bench.hook(|_| Answer::Slept), Ok(Value::string("falsefunctionnil")));
    let source = "function nauthilus_run_hook() return string.format('%s', os.time() > 0) .. math.floor(1.5) .. table.concat({ 'a' }) end";
    let bench = Bench::new(&[(StageKind::Hook, source)]);
    assert!(bench.host.state().is_loaded_once(0));
    assert_eq!(bench.hook(|_| Answer::Slept), Ok(Value::string("true1a")));
}
