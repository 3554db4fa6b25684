//! `json`: Lua values to JSON text and back.
//!
//! Texts are those that scripts, signatures and golden tests of the reference know (see `encode`
//! and `decode`); a failure is `nil, message`. The objects for streams are the Lua half's. Rules:
//! `lua/modules/json.md`. What differs from the reference: a table may occur twice (only cycles are
//! refused), and error texts do without its chain of prefixes.

mod decode;
mod encode;
mod scan;

use crate::dialect::json::HtmlSafe;
use crate::script::ffi::{Call, Fault, Function, Kind};
use crate::script::modules::Module;
use encode::Style;

pub static MODULE: Module = Module {
    names: &["json"],
    functions: &[
        Function { name: "encode", body: encode },
        Function { name: "decode", body: decode },
        Function { name: "tableIsObject", body: table_is_object },
        // Taken off the table by the Lua half, for its own use.
        Function { name: "encode_styled", body: encode_styled },
        Function { name: "decode_next", body: decode_next },
    ],
    waiting: &[],
    setup: None,
    lua: Some(concat!(
        include_str!("../../../../../lua/host/streams.lua"),
        include_str!("../../../../../lua/host/json.lua")
    )),
};

/// The value at `at` as JSON, for other modules.
///
/// # Errors
/// [`Fault::Message`] for what JSON cannot say.
pub fn text_of(call: &Call<'_>, at: i32) -> Result<Vec<u8>, Fault> {
    encode::encode(call, at, Style::default())
}

/// Pushes what JSON stands for, for other modules.
///
/// # Errors
/// Why the text is no JSON; nothing is pushed then.
pub fn push_decoded(call: &Call<'_>, text: &[u8]) -> Result<(), String> {
    let height = call.len();
    let decoded = decode::decode_all(call, text);
    // The decoder leaves what it needed for itself below the value.
    let extra = call.len() - height - i32::from(decoded.is_ok());
    if decoded.is_ok() {
        call.insert_below(extra);
    }
    call.pop(extra);
    decoded.map_err(|error| error.to_string())
}

/// `encode(value)` → text.
fn encode(call: &Call<'_>) -> Result<i32, Fault> {
    call.any(1)?;
    push_text(call, Style::default())
}

/// `encode_styled(value, prefix, indent, html_safe)` → text.
fn encode_styled(call: &Call<'_>) -> Result<i32, Fault> {
    call.any(1)?;
    let (prefix, indent) = (call.string(2)?, call.string(3)?);
    let html = if call.truthy(4) { HtmlSafe::Yes } else { HtmlSafe::No };
    let indent =
        if prefix.is_empty() && indent.is_empty() { None } else { Some((&*prefix, &*indent)) };
    push_text(call, Style { html, indent })
}

fn push_text(call: &Call<'_>, style: Style<'_>) -> Result<i32, Fault> {
    match encode::encode(call, 1, style) {
        Ok(text) => {
            call.push_string(&text);
            Ok(1)
        }
        Err(Fault::Message(text)) => Ok(call.nil_and(text)),
        Err(other) => Err(other),
    }
}

/// `decode(text)` → value.
fn decode(call: &Call<'_>) -> Result<i32, Fault> {
    let text = call.string(1)?;
    match decode::decode_all(call, &text) {
        Ok(()) => Ok(1),
        Err(error) => Ok(call.nil_and(error.to_string())),
    }
}

/// `decode_next(text, at)` → value, position behind it; or nil, nil, error, whether more text might
/// mend it. Positions count from 0.
fn decode_next(call: &Call<'_>) -> Result<i32, Fault> {
    let text = call.string(1)?;
    let at = usize::try_from(call.int(2)?).unwrap_or(0);
    match decode::decode_at(call, &text, at) {
        Ok(end) => {
            call.push_number(end as f64);
            Ok(2)
        }
        Err(error) => {
            call.push_nil();
            call.push_nil();
            call.push_string(error.to_string().as_bytes());
            call.push_bool(error == scan::Undecodable::End);
            Ok(4)
        }
    }
}

/// `tableIsObject(t)`: from now on `t` is `{}` when it is empty.
fn table_is_object(call: &Call<'_>) -> Result<i32, Fault> {
    call.table(1)?;
    if !call.push_metatable(1) {
        push_marker(call);
        call.set_metatable(1);
        return Ok(0);
    }
    call.push_bool(true);
    call.set_field(-2, MARKER);
    Ok(0)
}

/// Pushes a metatable that says that its table is an object.
fn push_marker(call: &Call<'_>) {
    call.push_table(0, 1);
    call.push_bool(true);
    call.set_field(-2, MARKER);
}

/// Whether the table at `at` was marked as an object.
fn is_marked(call: &Call<'_>, at: i32) -> bool {
    if !call.push_metatable(at) {
        return false;
    }
    let marked = call.push_field(-1, MARKER) == Kind::Bool && call.truthy(-1);
    call.pop(2);
    marked
}

/// Field of the metatable of every decoded object; its name can be seen by scripts.
const MARKER: &str = "__jsonTableIsObject";

#[cfg(test)]
mod tests;
