//! Patterns of the `string` library: the first byte is the pattern's length, the subject follows
//! it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use loligo::script::text::matcher::{Captured, Error, Matcher};
use mlua::{Function, Lua, MultiValue, Value};

/// The captures of the first match, or the whole of it: what `string.match` returns.
type Outcome = Result<Option<Vec<Vec<u8>>>, Error>;

fuzz_target!(|input: &[u8]| {
    let Some((length, rest)) = input.split_first() else { return };
    let (pattern, subject) = rest.split_at(usize::from(*length).min(rest.len()));
    let within = first_match(subject, pattern, STEPS);
    // A budget refuses or changes nothing.
    let within_less = first_match(subject, pattern, STEPS / 10);
    assert!(within_less == within || within_less == Err(Error::TooManySteps));
    // To LuaJIT a pattern ends at a NUL. Where we need few steps, so does it; elsewhere it could go
    // on for ever.
    if within != Err(Error::TooManySteps) && !pattern.contains(&0) {
        assert_eq!(within.map_err(|error| error.to_string()), reference(subject, pattern), "{pattern:?} {subject:?}");
    }
});

fn first_match(subject: &[u8], pattern: &[u8], steps: u64) -> Outcome {
    let mut matcher = Matcher::new(subject, pattern, steps);
    let Some(whole) = matcher.search(0)? else { return Ok(None) };
    let captures = (0..matcher.capture_count().max(1)).map(|index| {
        Ok(match matcher.captured(index, &whole)? {
            Captured::Text(range) => subject[range].to_vec(),
            Captured::Position(at) => (at + 1).to_string().into_bytes(),
        })
    });
    captures.collect::<Result<_, _>>().map(Some)
}

/// The same of LuaJIT's own.
fn reference(subject: &[u8], pattern: &[u8]) -> Result<Option<Vec<Vec<u8>>>, String> {
    thread_local! {
        static LUA: Lua = Lua::new();
        static MATCH: Function = LUA.with(|lua| lua.load("return pcall(string.match, ...)").into_function()).expect("a chunk");
    }
    let args = LUA.with(|lua| [subject, pattern].map(|text| lua.create_string(text).expect("a string")));
    let mut values = MATCH.with(|function| function.call::<MultiValue>(MultiValue::from_iter(args.map(Value::String)))).expect("results");
    let is_ok = values.pop_front() == Some(Value::Boolean(true));
    if values.front() == Some(&Value::Nil) {
        return Ok(None);
    }
    let texts: Vec<Vec<u8>> = values.iter().map(text).collect();
    if is_ok { Ok(Some(texts)) } else { Err(String::from_utf8_lossy(&texts[0]).into_owned()) }
}

fn text(value: &Value) -> Vec<u8> {
    match value {
        Value::String(text) => text.as_bytes().to_vec(),
        Value::Integer(n) => n.to_string().into_bytes(),
        Value::Number(n) => n.to_string().into_bytes(),
        other => panic!("unexpected result {other:?}"),
    }
}

const STEPS: u64 = 20_000;
