//! `tac`: a file's lines from the last to the first.
//!
//! The disk is asked on helper threads, a piece at a time. Lines may be longer than in the
//! reference, which stops silently at 8 KiB: up to [`backward::LINE_BYTES_MAX`], beyond it is an
//! error. Rules: `lua/modules/tac.md`.

mod backward;

use crate::script::disk;
use crate::script::ffi::{Call, Fault, Function, Start, Waiting};
use crate::script::modules::Module;
use crate::script::modules::support::work;
use backward::Backward;
use std::cell::RefCell;
use std::rc::Rc;

pub static MODULE: Module = Module {
    names: &["tac"],
    // All but `open` become methods of the objects that the Lua half makes.
    functions: &[Function { name: "close", body: close }],
    waiting: &[Waiting { name: "open", start: open }, Waiting { name: "line", start: line }],
    setup: Some(&SETUP),
    lua: Some(include_str!("../../../../../lua/host/tac.lua")),
};

static SETUP: Function = Function {
    name: "tac",
    body: |call| {
        call.register_type::<Handle>(&[]);
        Ok(0)
    },
};

/// The file; empty when it is closed and while a helper thread has it.
#[derive(Clone)]
struct Handle(Rc<RefCell<Option<Backward>>>);

/// `open(path)` → handle.
fn open(call: &Call<'_>) -> Result<Start, Fault> {
    let path = call.string(1)?.into_owned();
    Ok(work::on_helper(
        move || Backward::open(disk::path(&path)),
        |call, done| match work::flat(done) {
            Ok(file) => {
                call.push_userdata(Handle(Rc::new(RefCell::new(Some(file)))))?;
                Ok(1)
            }
            Err(error) => Ok(call.nil_and(error)),
        },
    ))
}

/// `line(handle)` → the next line towards the start; nil behind the last one and when the file is
/// closed.
fn line(call: &Call<'_>) -> Result<Start, Fault> {
    let Some(Handle(slot)) = call.userdata::<Handle>(1).cloned() else {
        return Err(Fault::message("tac: no handle"));
    };
    let taken = slot.borrow_mut().take();
    let Some(mut file) = taken else {
        call.push_nil();
        return Ok(Start::Done(1));
    };
    if let Some(line) = file.held_line() {
        *slot.borrow_mut() = Some(file);
        call.push_string(&line);
        return Ok(Start::Done(1));
    }
    let work = move || {
        let line = file.line();
        (file, line)
    };
    Ok(work::on_helper(work, move |call, done| {
        let line = match done {
            Ok((file, line)) => {
                *slot.borrow_mut() = Some(file);
                line
            }
            Err(failure) => Err(failure.to_string()),
        };
        match line {
            Ok(Some(line)) => call.push_string(&line),
            Ok(None) => call.push_nil(),
            Err(error) => return Ok(call.nil_and(error)),
        }
        Ok(1)
    }))
}

/// `close(handle)`; twice is once.
fn close(call: &Call<'_>) -> Result<i32, Fault> {
    if let Some(Handle(slot)) = call.userdata::<Handle>(1) {
        slot.borrow_mut().take();
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use crate::script::testing::eval;
    use crate::value::Value;

    #[test]
    fn a_script_reads_from_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().join("log");
        std::fs::write(&at, "one\ntwo\r\nthree\n").unwrap();
        let source = format!(
            "local t = require('tac').open('{}')
            local out = t:line() .. ',' .. t:line() .. ',' .. t:line() .. ',' .. tostring(t:line())
            t:close() t:close()
            return out .. tostring(t:line())",
            at.display()
        );
        assert_eq!(eval(&source), Ok(Value::string("three,two,one,nilnil")));
    }

    #[test]
    fn what_cannot_be_opened_is_an_error() {
        let missing = eval("return select(2, require('tac').open('/nowhere/x'))");
        assert_eq!(missing, Ok(Value::string("open /nowhere/x: no such file or directory")));
        assert!(
            eval("require('tac').open({})")
                .unwrap_err()
                .contains("bad argument #1 to open (string expected, got table)")
        );
    }
}
