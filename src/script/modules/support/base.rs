//! What `lua/host/base.lua` needs from Rust: number texts, output, the environment.

use crate::script::ffi::{Call, Fault, Function};
use crate::value;

pub static FUNCTIONS: &[Function] = &[
    Function { name: "number_text", body: number_text },
    Function { name: "write", body: write },
    Function { name: "getenv", body: getenv },
];

/// `tostring` of a number by the specification's rule.
fn number_text(call: &Call<'_>) -> Result<i32, Fault> {
    call.push_string(value::number_text(call.number(1)?).as_bytes());
    Ok(1)
}

/// Text for standard output: kept, and handed to the log when the script pauses, so that nothing blocks the loop.
fn write(call: &Call<'_>) -> Result<i32, Fault> {
    call.services().output.borrow_mut().extend_from_slice(&call.string(1)?);
    Ok(0)
}

/// An environment variable; nil if it is unset or empty.
fn getenv(call: &Call<'_>) -> Result<i32, Fault> {
    use std::os::unix::ffi::OsStrExt;
    let name = call.string(1)?;
    match std::env::var_os(std::ffi::OsStr::from_bytes(&name)) {
        Some(value) if !value.is_empty() => call.push_string(value.as_bytes()),
        _ => call.push_nil(),
    }
    Ok(1)
}
