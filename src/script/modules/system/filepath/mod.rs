//! `filepath`: paths as text, patterns for file names, and what the file system knows of both.
//!
//! The functions on text answer at once; `glob` and `eval_symlinks` wait for a helper thread.
//! Rules: `lua/modules/filepath.md`, for Unix.

mod disk;
pub mod path;
pub mod pattern;

use crate::script::ffi::{Call, Fault, Function, Start, Waiting};
use crate::script::modules::Module;
use crate::script::modules::support::work;
use pattern::Pattern;
use std::os::unix::ffi::OsStrExt;

pub static MODULE: Module = Module {
    names: &["filepath"],
    functions: &[
        Function { name: "abs", body: abs },
        Function { name: "basename", body: |call| push(call, path::base(&call.string(1)?)) },
        Function { name: "clean", body: |call| push(call, &path::clean(&call.string(1)?)) },
        Function { name: "dir", body: |call| push(call, &path::dir(&call.string(1)?)) },
        Function { name: "ext", body: |call| push(call, path::extension(&call.string(1)?)) },
        Function { name: "from_slash", body: |call| push(call, &call.string(1)?) },
        Function { name: "to_slash", body: |call| push(call, &call.string(1)?) },
        Function { name: "volume_name", body: |call| call.string(1).and_then(|_| push(call, b"")) },
        Function { name: "is_abs", body: is_abs },
        Function { name: "join", body: join },
        Function { name: "match", body: matches },
        Function { name: "rel", body: rel },
        Function { name: "separator", body: |call| push(call, b"/") },
        Function { name: "list_separator", body: |call| push(call, b":") },
        Function { name: "split", body: split },
        Function { name: "split_list", body: split_list },
    ],
    waiting: &[
        Waiting { name: "glob", start: glob },
        Waiting { name: "eval_symlinks", start: eval_symlinks },
    ],
    setup: None,
    lua: None,
};

fn push(call: &Call<'_>, text: &[u8]) -> Result<i32, Fault> {
    call.push_string(text);
    Ok(1)
}

fn push_list(call: &Call<'_>, members: impl IntoIterator<Item = impl AsRef<[u8]>>) -> i32 {
    call.push_table(4, 0);
    let list = call.len();
    for (at, member) in members.into_iter().enumerate() {
        call.push_string(member.as_ref());
        call.set_index(list, at + 1);
    }
    1
}

/// A result that is text in any case: with an error it is empty, and the error follows.
fn push_or_error(call: &Call<'_>, outcome: Result<Vec<u8>, String>) -> Result<i32, Fault> {
    match outcome {
        Ok(text) => push(call, &text),
        Err(error) => {
            call.push_string(b"");
            call.push_string(error.as_bytes());
            Ok(2)
        }
    }
}

/// `abs(path)`: below the working directory unless it is absolute.
fn abs(call: &Call<'_>) -> Result<i32, Fault> {
    let path = call.string(1)?;
    if path.starts_with(b"/") {
        return push(call, &path::clean(&path));
    }
    let outcome =
        std::env::current_dir().map(|folder| path::join(&[folder.as_os_str().as_bytes(), &path]));
    push_or_error(
        call,
        outcome.map_err(|error| format!("getwd: {}", crate::upstream::error_text(&error))),
    )
}

fn is_abs(call: &Call<'_>) -> Result<i32, Fault> {
    call.push_bool(call.string(1)?.starts_with(b"/"));
    Ok(1)
}

/// `join(...)`: of any values, as `tostring` shows them.
fn join(call: &Call<'_>) -> Result<i32, Fault> {
    let elements: Result<Vec<Vec<u8>>, Fault> = (1..=call.len())
        .map(|at| {
            call.string(at)
                .map(std::borrow::Cow::into_owned)
                .or_else(|_| Ok(call.display(at).into_bytes()))
        })
        .collect();
    push(call, &path::join(&elements?))
}

/// `match(pattern, name)` → whether the pattern covers the name; false and an error for a faulty
/// one.
fn matches(call: &Call<'_>) -> Result<i32, Fault> {
    let (pattern, name) = (call.string(1)?, call.string(2)?);
    let outcome = Pattern::parse(&pattern).and_then(|pattern| pattern.matches(&name));
    call.push_bool(outcome == Ok(true));
    match outcome {
        Ok(_) => Ok(1),
        Err(error) => {
            call.push_string(error.to_string().as_bytes());
            Ok(2)
        }
    }
}

/// `rel(base, target)` → the way from one to the other.
fn rel(call: &Call<'_>) -> Result<i32, Fault> {
    let (base, target) = (call.string(1)?, call.string(2)?);
    let outcome = path::relative(&base, &target).map_err(|path::Unrelated| {
        format!(
            "Rel: can't make {} relative to {}",
            String::from_utf8_lossy(&target),
            String::from_utf8_lossy(&base)
        )
    });
    push_or_error(call, outcome)
}

/// `split(path)` → folder, name.
fn split(call: &Call<'_>) -> Result<i32, Fault> {
    let path = call.string(1)?;
    let (folder, name) = path::split(&path);
    call.push_string(folder);
    call.push_string(name);
    Ok(2)
}

/// `split_list(text)` → the paths of a list such as `$PATH`.
fn split_list(call: &Call<'_>) -> Result<i32, Fault> {
    let text = call.string(1)?;
    if text.is_empty() {
        call.push_table(0, 0);
        return Ok(1);
    }
    Ok(push_list(call, text.split(|byte| *byte == b':')))
}

/// `glob(pattern)` → sorted list of the files that match.
fn glob(call: &Call<'_>) -> Result<Start, Fault> {
    let pattern = call.string(1)?.into_owned();
    Ok(work::on_helper(
        move || disk::glob(&pattern),
        |call, done| match work::flat(done) {
            Ok(names) => Ok(push_list(call, names)),
            Err(error) => Ok(call.nil_and(error)),
        },
    ))
}

/// `eval_symlinks(path)` → the path without links.
fn eval_symlinks(call: &Call<'_>) -> Result<Start, Fault> {
    let path = call.string(1)?.into_owned();
    Ok(work::on_helper(
        move || disk::eval_symlinks(&path),
        |call, done| push_or_error(call, work::flat(done)),
    ))
}

#[cfg(test)]
mod tests;
