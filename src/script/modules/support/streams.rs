//! The Rust half of the objects that are written to (`lua/host/streams.lua`).

use crate::script::ffi::{Call, Fault, Function};

/// `write(...)` → all arguments, strings or numbers, as one text.
pub const WRITE: Function = Function { name: "write", body: write };

fn write(call: &Call<'_>) -> Result<i32, Fault> {
    let mut text = Vec::new();
    for at in 1..=call.len() {
        text.extend_from_slice(&call.string(at)?);
    }
    call.push_string(&text);
    Ok(1)
}
