//! Values in and out of Lua: the input is a program that builds one, in Rust and, with cycles and
//! depth, in Lua.

#![no_main]

use libfuzzer_sys::fuzz_target;
use loligo::auth::login::Login;
use loligo::auth::request::Request;
use loligo::auth::scripts::{ScriptError, Scripts, StageKind};
use loligo::op;
use loligo::script::services::{Services, Settings};
use loligo::script::watchdog::Watchdog;
use loligo::script::{Host, Limits, Script, ScriptSet, State};
use loligo::value::Value;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

fuzz_target!(|input: &[u8]| {
    thread_local!(static HOST: (Host, Watchdog) = host());
    HOST.with(|(host, _)| {
        // Through Lua and back twice: nothing is lost, and a copy of a copy is the same.
        let value = build(&mut input.iter().copied(), DEPTH_MAX);
        let copy = run(host, ECHO, value.clone()).expect("a value of ours is no table that contains itself");
        assert!(is_same(&value, &copy), "{value:?} {copy:?}");
        let again = run(host, ECHO, copy.clone()).expect("nor is its copy");
        assert!(is_same(&copy, &again), "{copy:?} {again:?}");
        // Whatever a script builds is copied or refused; afterwards the state is as good as before.
        match run(host, BUILD, Value::String(input.to_vec())) {
            Ok(built) => match run(host, ECHO, built.clone()) {
                Ok(copy) => assert!(is_same(&built, &copy)),
                // Members that a script's tables share are each a table of its own in the copy, and
                // larger there than in Rust.
                Err(error) => assert!(error.message.contains("not enough memory"), "{error:?}"),
            },
            Err(error) => assert!(!error.message.contains("deadline"), "{error:?}"),
        }
    });
});

/// Runs the hook with this index on `value`.
fn run(host: &Host, hook: usize, value: Value) -> Result<Value, ScriptError> {
    let login = Login::new(Request::default());
    login.context.borrow_mut().set(b"value", value);
    let now = Instant::now();
    let (ops, driver) = op::slot(now, now + Duration::from_secs(36_000));
    let mut stage = host.stage(StageKind::Hook, &login);
    op::drive(host.hook(&mut stage, hook, &login, &ops), &driver, |op| panic!("nobody answers {op:?}"))
}

fn host() -> (Host, Watchdog) {
    let mut set = ScriptSet { hooks: vec![ECHO, BUILD], ..ScriptSet::default() };
    for source in SOURCES {
        let source = format!("local context = require('nauthilus_context')\n{source}").into_bytes();
        set.scripts.push(Script { path: "fuzz.lua".into(), name: "fuzz".into(), stage: StageKind::Hook, source, reuse: false });
    }
    let watchdog = Watchdog::spawn().expect("a thread");
    // The time limits are wall time; a machine that fuzzes is a busy one.
    let hours = Duration::from_secs(36_000);
    let limits = Limits { memory_bytes: 64 << 20, cpu: hours, script: hours, backend: hours };
    let state =
        State::build(Arc::new(set), Services::for_tests(Settings::default()), "./?.lua", limits, watchdog.registrar()).expect("a state");
    (Host::new(Rc::new(state)), watchdog)
}

/// The value that these bytes stand for: nothing that Lua could not hold, no key twice.
fn build(bytes: &mut impl Iterator<Item = u8>, depth: usize) -> Value {
    let Some(kind) = bytes.next() else { return Value::Bool(true) };
    match kind % 6 {
        0 => Value::Bool(kind & 64 != 0),
        1 => Value::Number(number(bytes)),
        4 if depth > 0 => Value::List((0..kind / 32).map(|_| build(bytes, depth - 1)).collect()),
        5 if depth > 0 => {
            let mut pairs: Vec<(Value, Value)> = Vec::new();
            for _ in 0..kind / 32 {
                let key = build(bytes, 0);
                let is_nan = matches!(key, Value::Number(n) if n.is_nan());
                if !is_nan && pairs.iter().all(|(other, _)| *other != key) {
                    pairs.push((key, build(bytes, depth - 1)));
                }
            }
            Value::Map(pairs)
        }
        _ => Value::String(bytes.take(usize::from(kind / 16)).collect()),
    }
}

/// Of all doubles or, mostly, a small one that may be an index.
fn number(bytes: &mut impl Iterator<Item = u8>) -> f64 {
    match bytes.next() {
        Some(255) => f64::from_bits(bytes.take(8).fold(0, |bits, byte| bits << 8 | u64::from(byte))),
        small => f64::from(small.unwrap_or(0)) / 2.0,
    }
}

/// A map may come back as the list that it is, and a map's pairs in any order.
fn is_same(before: &Value, after: &Value) -> bool {
    match (before, after) {
        (Value::Number(a), Value::Number(b)) => a == b || a.is_nan() && b.is_nan(),
        (Value::List(a), Value::List(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same(a, b)),
        (Value::Map(a), Value::Map(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.iter().any(|(other, b)| key == other && is_same(a, b)))
        }
        // The list test cuts off what is behind a key's decimal point.
        (Value::Map(a), Value::List(b)) => {
            a.len() == b.len()
                && a.iter().all(|(key, a)| {
                    let Value::Number(key) = key else { return false };
                    b.get((*key as usize).wrapping_sub(1)).is_some_and(|b| is_same(a, b))
                })
        }
        _ => before == after,
    }
}

const ECHO: usize = 0;
const BUILD: usize = 1;

const SOURCES: [&str; 2] = [
    "function nauthilus_run_hook() return context.context_get('value') end",
    // Three bytes an instruction, all on tables that exist already: lists, holes, cycles, shared
    // members, odd keys.
    "function nauthilus_run_hook()
        local program, made = context.context_get('value'), { {} }
        for i = 1, #program - 2, 3 do
            local op, a, b = program:byte(i, i + 2)
            local target, other = made[a % #made + 1], made[b % #made + 1]
            op = op % 8
            if op == 0 then made[#made + 1] = { other }
            elseif op == 1 then target[#target + 1] = other
            elseif op == 2 then target[b] = other
            elseif op == 3 then target['key' .. b] = other
            elseif op == 4 then target[#target + 1] = program:sub(i, i + b)
            elseif op == 5 then target[b / 2] = b
            elseif op == 6 then target[b % 2 == 0] = b % 3 == 0 and print or coroutine.create(print)
            elseif op == 7 and b > 250 then target[other] = b
            end
        end
        local table = made[#made]
        context.context_set('copy', table)
        context.context_get('copy')
        return table
    end",
];

/// Of what is built in Rust.
const DEPTH_MAX: usize = 20;
