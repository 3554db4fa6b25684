//! `log`: loggers of a script's own, to standard output, standard error or a file.
//!
//! Lines for standard output go where `print` goes; those for files and standard error are written
//! on helper threads. A file is opened for each line, so that it can be rotated. The loggers are
//! the Lua half's; `loglevel` (`lua/host/loglevel.lua`) is made of them. Rules:
//! `lua/modules/log.md`.

pub mod printf;

use crate::script::disk;
use crate::script::ffi::{Call, Fault, Function, Start, Waiting};
use crate::script::modules::Module;
use crate::script::modules::support::work;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use printf::Operand;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

pub static MODULE: Module = Module {
    names: &["log"],
    // The Lua half takes all of them for its own use.
    functions: &[
        Function { name: "output", body: output },
        Function { name: "stamp", body: stamp },
        Function { name: "position", body: position },
        Function { name: "print", body: |call| join(call, false) },
        Function { name: "println", body: |call| join(call, true) },
        Function { name: "printf", body: format },
    ],
    waiting: &[
        Waiting { name: "append", start: append },
        Waiting { name: "complain", start: complain },
    ],
    setup: None,
    lua: Some(include_str!("../../../../../lua/host/log.lua")),
};

/// `output(text)`: to standard output, as `print`.
fn output(call: &Call<'_>) -> Result<i32, Fault> {
    crate::script::files::print(call, &call.string(1)?);
    Ok(0)
}

/// `complain(text)`: to standard error.
fn complain(call: &Call<'_>) -> Result<Start, Fault> {
    let text = call.string(1)?.into_owned();
    Ok(work::only_error(move || {
        std::io::stderr().write_all(&text).map_err(|error| crate::upstream::error_text(&error))
    }))
}

/// `append(path, text)`: to a file, which is made with mode 0644 if need be. Nothing, or an error.
/// An empty text tries whether it can be done.
fn append(call: &Call<'_>) -> Result<Start, Fault> {
    let (path, text) = (call.string(1)?.into_owned(), call.string(2)?.into_owned());
    Ok(work::only_error(move || append_to(disk::path(&path), &text)))
}

fn append_to(path: &Path, text: &[u8]) -> Result<(), String> {
    // Not waiting for a reader, should it be a pipe.
    let file = File::options()
        .append(true)
        .create(true)
        .mode(0o644)
        .custom_flags(libc::O_NONBLOCK)
        .open(path);
    let mut file = file.map_err(|error| disk::path_error("open", path, &error))?;
    file.write_all(text).map_err(|error| disk::path_error("write", path, &error))
}

/// `stamp(date, time, microseconds, utc)` → what of the present time stands in front of a line.
fn stamp(call: &Call<'_>) -> Result<i32, Fault> {
    let zone = if call.truthy(4) { TimeZone::UTC } else { TimeZone::system() };
    let now = Timestamp::now().to_zoned(zone);
    call.push_string(stamp_text(&now, call.truthy(1), call.truthy(2), call.truthy(3)).as_bytes());
    Ok(1)
}

fn stamp_text(now: &Zoned, date: bool, time: bool, microseconds: bool) -> String {
    let mut out = String::new();
    if date {
        out.push_str(&now.strftime("%Y/%m/%d ").to_string());
    }
    if microseconds {
        out.push_str(&now.strftime("%H:%M:%S.%6f ").to_string());
    } else if time {
        out.push_str(&now.strftime("%H:%M:%S ").to_string());
    }
    out
}

/// `position()` → `file:line: ` of the script.
fn position(call: &Call<'_>) -> Result<i32, Fault> {
    call.push_position();
    Ok(1)
}

fn operands(call: &Call<'_>, from: i32) -> Vec<Operand> {
    (from..=call.len()).map(|at| Operand::of(call, at)).collect()
}

/// `print(...)` → one text, with blanks between two values that are both no texts; `println(...)`:
/// with blanks between all.
fn join(call: &Call<'_>, always: bool) -> Result<i32, Fault> {
    let operands = operands(call, 1);
    let mut out = Vec::new();
    let mut after_text = true;
    for (at, operand) in operands.iter().enumerate() {
        let is_text = matches!(operand, Operand::Text(_));
        if at > 0 && (always || !(is_text || after_text)) {
            out.push(b' ');
        }
        out.extend_from_slice(&operand.text());
        after_text = is_text;
    }
    call.push_string(&out);
    Ok(1)
}

/// `printf(format, ...)` → text.
fn format(call: &Call<'_>) -> Result<i32, Fault> {
    let text = printf::printf(&call.string(1)?, &operands(call, 2));
    call.push_string(&text);
    Ok(1)
}

#[cfg(test)]
mod tests;
