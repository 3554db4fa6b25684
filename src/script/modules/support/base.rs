//! What `lua/host/base.lua` needs from Rust: number texts, output, the environment, the number of
//! the stage.

use crate::script::ffi::{Call, Fault, Function};
use crate::script::files;
use crate::value;

pub static FUNCTIONS: &[Function] = &[
    Function { name: "number_text", body: number_text },
    Function { name: "write", body: write },
    Function { name: "getenv", body: getenv },
    Function { name: "stage", body: stage },
    Function { name: "record", body: record },
    Function { name: "changed", body: changed },
];

/// `tostring` of a number by the specification's rule.
fn number_text(call: &Call<'_>) -> Result<i32, Fault> {
    call.push_string(value::number_text(call.number(1)?).as_bytes());
    Ok(1)
}

/// Text for standard output.
fn write(call: &Call<'_>) -> Result<i32, Fault> {
    files::print(call, &call.string(1)?);
    Ok(0)
}

/// The number of the owner of what the running script changes and opens (`Run::owner`); 0 while the
/// state is set up.
fn stage(call: &Call<'_>) -> Result<i32, Fault> {
    call.push_number(f64::from(call.owner()));
    Ok(1)
}

/// As [`stage`], and notes that this owner has a record from now on.
fn record(call: &Call<'_>) -> Result<i32, Fault> {
    call.note_record();
    stage(call)
}

/// Notes that the owner changed something that all requests share.
fn changed(call: &Call<'_>) -> Result<i32, Fault> {
    call.note_change();
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
