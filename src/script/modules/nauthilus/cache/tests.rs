//! The module as scripts call it.

use crate::auth::login::Login;
use crate::auth::scripts::StageKind;
use crate::op::Answer;
use crate::script::Limits;
use crate::script::testing::{Bench, eval};
use crate::value::Value;
use std::time::Duration;

/// What a hook with this body returns; the module is in `c`.
fn cache(body: &str) -> Result<Value, String> {
    eval(&format!("local c = require('nauthilus_cache') {body}"))
}

/// Much memory is copied in some of these tests; the machine may be slow or busy.
fn limits(memory_bytes: usize) -> Limits {
    Limits {
        memory_bytes,
        cpu: Duration::from_secs(60),
        script: Duration::from_secs(60),
        backend: Duration::from_secs(60),
    }
}

fn text(text: &str) -> Result<Value, String> {
    Ok(Value::string(text))
}

#[test]
fn values_are_copies() {
    let body = "local t = { a = { 1, 2 } } c.cache_set('t', t) t.a[1] = 'changed'
        local first = c.cache_get('t') first.a[2] = 'changed'
        local again = c.cache_get('t') return { again.a[1], again.a[2], again ~= first }";
    assert_eq!(
        cache(body),
        Ok(Value::List(vec![Value::Number(1.0), Value::Number(2.0), Value::Bool(true)]))
    );
}

#[test]
fn set_and_get_give_a_value_and_nil() {
    assert_eq!(
        cache("local ok, err = c.cache_set('k', 'v') return ok .. ' ' .. tostring(err)"),
        text("OK nil")
    );
    assert_eq!(
        cache(
            "c.cache_set(5, 'v') return table.concat({ c.cache_get('5'), select('#', c.cache_get('5')) }, ' ')"
        ),
        text("v 2")
    );
    assert_eq!(
        cache("return tostring((c.cache_get('absent'))) .. select('#', c.cache_get('absent'))"),
        text("nil2")
    );
}

#[test]
fn a_stored_nil_exists() {
    assert_eq!(cache("c.cache_set('k', nil) return (c.cache_exists('k'))"), Ok(Value::Bool(true)));
    assert_eq!(cache("return (c.cache_exists('k'))"), Ok(Value::Bool(false)));
}

#[test]
fn delete_tells_whether_there_was_something() {
    let body = "c.cache_set('k', 1) return tostring((c.cache_delete('k'))) .. tostring((c.cache_delete('k')))";
    assert_eq!(cache(body), text("truefalse"));
}

#[test]
fn entries_last_for_as_long_as_they_are_told_to() {
    let set = "local c = require('nauthilus_cache') function nauthilus_run_hook()
        for name, ttl in pairs({ brief = 1, text = '1', never = 0, negative = -5, half = 0.5 }) do c.cache_set(name, name, ttl) end
        c.cache_set('absent', 1) c.cache_set('none', 1, nil) end";
    let keys = "local c = require('nauthilus_cache') function nauthilus_run_hook()
        local keys = c.cache_keys() table.sort(keys) return table.concat(keys, ' ') .. ' ' .. c.cache_size() end";
    let bench = Bench::new(&[(StageKind::Hook, set), (StageKind::Hook, keys)]);
    assert_eq!(bench.hook(|_| Answer::Slept), Ok(Value::Nil));
    assert_eq!(
        bench.hook_of(1, &Login::default(), |_| Answer::Slept),
        text("absent brief half negative never none text 7")
    );
    let later = std::time::Instant::now() + Duration::from_secs(2);
    let mut keys: Vec<_> =
        bench.host.state().services().cache.keys(later).iter().map(|key| key.to_vec()).collect();
    keys.sort();
    assert_eq!(keys, [b"absent".as_slice(), b"negative", b"never", b"none"]);
}

#[test]
fn update_changes_in_place() {
    let body = "local function more(old) return (old or 0) + 1 end
        local first = c.cache_update('n', more) local second, err = c.cache_update('n', more)
        return table.concat({ first, second, tostring(err), c.cache_get('n') }, ' ')";
    assert_eq!(cache(body), text("1 2 nil 2"));
    assert_eq!(
        cache(
            "c.cache_set('t', { 1 }) c.cache_update('t', function(t) t[2] = 2 return t end) return #c.cache_get('t')"
        ),
        Ok(Value::Number(2.0))
    );
}

#[test]
fn an_error_in_an_update_is_raised_and_changes_nothing() {
    let body = "c.cache_set('k', 'old')
        local ok, err = pcall(c.cache_update, 'k', function() error({ code = 7 }) end)
        return tostring(ok) .. err.code .. c.cache_get('k') .. tostring((c.cache_delete('k')))";
    assert_eq!(cache(body), text("false7oldtrue"));
}

#[test]
fn an_update_cannot_change_the_cache_otherwise() {
    for call in [
        "c.cache_set('k', 1)",
        "c.cache_delete('k')",
        "c.cache_update('k', tostring)",
        "c.cache_push('k', 1)",
        "c.cache_pop_all('k')",
        "c.cache_flush()",
    ] {
        let error = cache(&format!("c.cache_update('k', function() {call} end)")).unwrap_err();
        assert!(
            error.contains("the cache cannot be changed inside the function of cache_update"),
            "{call}: {error}"
        );
    }
    assert_eq!(
        cache(
            "c.cache_set('k', 3) return (c.cache_update('k', function() return c.cache_get('k') + c.cache_size() end))"
        ),
        Ok(Value::Number(4.0))
    );
}

#[test]
fn an_update_cannot_wait() {
    let waits = "require('nauthilus_password').compare_passwords('$1$deadbeef$Q7g0UO4hRC0mgQUQ/qkjZ0', 'password')";
    let error = cache(&format!("c.cache_update('k', function() {waits} end)")).unwrap_err();
    assert!(
        error.contains(
            "cannot be called inside a callback of table.sort, string.gsub or cache_update"
        ),
        "{error}"
    );
    let body =
        format!("pcall(c.cache_update, 'k', function() {waits} end) return (c.cache_set('k', 1))");
    assert_eq!(cache(&body), text("OK"));
}

#[test]
fn an_update_that_runs_out_of_memory_leaves_nothing_locked() {
    let bomb = "local c = require('nauthilus_cache') function nauthilus_run_hook()
        local t, kept = {}, {} for i = 1, 1e5 do t[i] = i end c.cache_set('k', t)
        for i = 1, 1e5 do kept[i] = c.cache_update('k', function(old) return old end) end end";
    let after = "local c = require('nauthilus_cache') function nauthilus_run_hook() return (c.cache_set('k', 'free')) end";
    let bench =
        Bench::with_limits(&[(StageKind::Hook, bomb), (StageKind::Hook, after)], limits(16 << 20));
    let error = bench.hook(|_| Answer::Slept).unwrap_err();
    assert!(error.contains("memory"), "{error}");
    assert_eq!(bench.hook_of(1, &Login::default(), |_| Answer::Slept), text("OK"));
}

#[test]
fn push_collects_and_pop_takes_all() {
    let body = "local one, two = c.cache_push('l', 'a'), c.cache_push('l', { b = 1 })
        local all, err = c.cache_pop_all('l')
        return table.concat({ one, two, all[1], all[2].b, #all, tostring(err), tostring((c.cache_exists('l'))) }, ' ')";
    assert_eq!(cache(body), text("1 2 a 1 2 nil false"));
    assert_eq!(
        cache("c.cache_set('s', 's') return (c.cache_push('s', 't'))"),
        Ok(Value::Number(2.0))
    );
}

#[test]
fn pop_gives_a_list_always() {
    assert_eq!(cache("return (c.cache_pop_all('absent'))"), Ok(Value::List(vec![])));
    assert_eq!(
        cache("c.cache_set('s', 's') return (c.cache_pop_all('s'))"),
        Ok(Value::List(vec![Value::string("s")]))
    );
    assert_eq!(
        cache("c.cache_set('m', { a = 1 }) return c.cache_pop_all('m')[1].a"),
        Ok(Value::Number(1.0))
    );
}

#[test]
fn flush_empties_and_returns_nothing() {
    assert_eq!(
        cache(
            "c.cache_set('a', 1) c.cache_push('b', 1) return select('#', c.cache_flush()) + c.cache_size()"
        ),
        Ok(Value::Number(0.0))
    );
}

#[test]
fn wrong_arguments_raise() {
    for (call, expected) in [
        ("c.cache_set('k')", "bad argument #2 to cache_set (value expected)"),
        ("c.cache_set({}, 1)", "bad argument #1 to cache_set (string expected, got table)"),
        (
            "c.cache_set('k', 1, 'soon')",
            "bad argument #3 to cache_set (number expected, got string)",
        ),
        ("c.cache_push('k')", "bad argument #2 to cache_push (value expected)"),
        ("c.cache_get()", "bad argument #1 to cache_get (string expected, got nil)"),
        (
            "c.cache_update('k', 5)",
            "bad argument #2 to cache_update (function expected, got number)",
        ),
    ] {
        let error = cache(call).unwrap_err();
        assert!(error.contains(expected), "{call}: {error}");
    }
}

#[test]
fn a_full_cache_is_reported_once() {
    let body = "local c = require('nauthilus_cache') function nauthilus_run_hook()
        local s = string.rep('x', 8388608) for i = 1, 40 do c.cache_set('k' .. i, s) end return (c.cache_size()) end";
    let bench = Bench::with_limits(&[(StageKind::Hook, body)], limits(64 << 20));
    assert_eq!(bench.hook(|_| Answer::Slept), Ok(Value::Number(31.0)));
    let services = bench.host.state().services();
    let warnings = services.outbox.warnings.take();
    let reports = warnings
        .iter()
        .filter(|warning| *warning == "nauthilus_cache is full: entries are evicted early");
    assert_eq!(reports.count(), 1, "{warnings:?}");
    assert_eq!(services.cache.evicted(), 9);
}
