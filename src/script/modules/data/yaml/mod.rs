//! `yaml`: documents to Lua values and back, and streams of documents.
//!
//! The grammar is saphyr-parser's, which the configuration uses too; what words mean (YAML 1.1),
//! what becomes of nulls and how a value is written is ours, because scripts know the reference's.
//! A failure is `nil, message`. The objects for streams are the Lua half's. What differs from the
//! reference: integer keys work, an unquoted date is its text, a table may occur twice (only cycles
//! are refused). Rules: `lua/modules/yaml.md`. Bounds: those of `decode`; [`OUT_BYTES_MAX`].

mod decode;
mod encode;
mod scalar;

pub use decode::{Documents, Error};
pub use encode::encode as encode_value;

use crate::script::ffi::{Call, DEPTH_MAX, Fault, Function, Kind};
use crate::script::modules::Module;
use crate::value::Value;

pub static MODULE: Module = Module {
    names: &["yaml"],
    functions: &[
        Function { name: "decode", body: decode },
        Function { name: "encode", body: encode },
        // Taken off the table by the Lua half, for its own use.
        Function { name: "decode_documents", body: decode_documents },
    ],
    waiting: &[],
    setup: None,
    lua: Some(concat!(
        include_str!("../../../../../lua/host/streams.lua"),
        include_str!("../../../../../lua/host/yaml.lua")
    )),
};

/// `decode(text)` → the value of the first document.
fn decode(call: &Call<'_>) -> Result<i32, Fault> {
    let text = call.string(1)?;
    match Documents::of(&text, false)
        .and_then(|mut documents| documents.next().unwrap_or(Ok(Value::Nil)))
    {
        Ok(value) => {
            call.push_value(&value);
            Ok(1)
        }
        Err(error) => Ok(call.nil_and(error.to_string())),
    }
}

/// `decode_documents(text, strict)` → list of values, how many, the error behind them or nil.
fn decode_documents(call: &Call<'_>) -> Result<i32, Fault> {
    let (text, strict) = (call.string(1)?, call.truthy(2));
    call.push_table(1, 0);
    let (list, mut count, mut error) = (call.len(), 0, None);
    match Documents::of(&text, strict) {
        Err(faulty) => error = Some(faulty),
        Ok(documents) => {
            for document in documents {
                match document {
                    Ok(value) => {
                        count += 1;
                        call.push_value(&value);
                        call.set_index(list, count);
                    }
                    Err(faulty) => error = Some(faulty),
                }
            }
        }
    }
    call.push_number(count as f64);
    match error {
        Some(error) => call.push_string(error.to_string().as_bytes()),
        None => call.push_nil(),
    }
    Ok(3)
}

/// `encode(value)` → text.
fn encode(call: &Call<'_>) -> Result<i32, Fault> {
    call.any(1)?;
    match copy(call, 1, DEPTH_MAX, &mut { OUT_BYTES_MAX }) {
        Ok(value) => {
            call.push_string(encode::encode(&value).as_bytes());
            Ok(1)
        }
        Err(Fault::Message(text)) => Ok(call.nil_and(text)),
        Err(other) => Err(other),
    }
}

/// A copy of what can be encoded: tables with exactly the keys 1..n are lists, all others maps.
/// `left`: how many bytes it may still have.
fn copy(call: &Call<'_>, at: i32, depth: usize, left: &mut usize) -> Result<Value, Fault> {
    let bytes = if call.kind(at) == Kind::String { call.bytes(at).len() } else { 0 };
    // Each level and each member is written with some blanks.
    let room = bytes + 2 * (DEPTH_MAX - depth) + size_of::<Value>();
    *left =
        left.checked_sub(room).ok_or_else(|| Fault::message("value is too large to be encoded"))?;
    match call.kind(at) {
        Kind::Table => {}
        Kind::Function | Kind::Userdata | Kind::Thread => {
            return Err(Fault::Message(format!(
                "cannot encode values with {} in them",
                call.kind(at).name()
            )));
        }
        _ => return call.value(at),
    }
    if depth == 0 {
        return Err(Fault::message("cannot encode recursively nested tables"));
    }
    let mut pairs: Vec<(Value, Value)> = Vec::new();
    call.for_each(at, |call| {
        if call.kind(-2) == Kind::Table {
            return Err(Fault::message("a table cannot be a key"));
        }
        let value_at = call.len();
        let (key, value) =
            (copy(call, value_at - 1, 1, left)?, copy(call, value_at, depth - 1, left)?);
        pairs.push((key, value));
        Ok(())
    })?;
    let place = |key: &Value| match key {
        Value::Number(n) if n.fract() == 0.0 && *n >= 1.0 && *n <= pairs.len() as f64 => {
            Some(*n as usize)
        }
        _ => None,
    };
    // As many different keys as there are places fill them all.
    if pairs.iter().all(|(key, _)| place(key).is_some()) {
        pairs.sort_by_key(|(key, _)| if let Value::Number(n) = key { *n as usize } else { 0 });
        return Ok(Value::List(pairs.into_iter().map(|(_, value)| value).collect()));
    }
    Ok(Value::Map(pairs))
}

/// A table that occurs twice is written twice, so a small one may stand for a text without end.
const OUT_BYTES_MAX: usize = 8 << 20;

#[cfg(test)]
mod tests;
