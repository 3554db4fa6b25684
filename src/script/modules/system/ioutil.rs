//! `ioutil`: whole files, and copying from readers to writers.
//!
//! Files are read and written on helper threads; `copy` and `copyn` are the Lua half's. Bounds:
//! [`disk::FILE_BYTES_MAX`]. Rules: `lua/modules/ioutil.md`.

use crate::script::disk;
use crate::script::ffi::{Call, Fault, Start, Waiting};
use crate::script::modules::Module;
use crate::script::modules::support::work;

pub static MODULE: Module = Module {
    names: &["ioutil"],
    functions: &[],
    waiting: &[
        Waiting { name: "read_file", start: read_file },
        Waiting { name: "write_file", start: write_file },
    ],
    setup: None,
    lua: Some(concat!(
        include_str!("../../../../lua/host/streams.lua"),
        include_str!("../../../../lua/host/ioutil.lua")
    )),
};

/// `read_file(path)` → the bytes.
fn read_file(call: &Call<'_>) -> Result<Start, Fault> {
    let path = call.string(1)?.into_owned();
    Ok(work::on_helper(
        move || disk::read_file(disk::path(&path)),
        |call, done| match work::flat(done) {
            Ok(bytes) => {
                call.push_string(&bytes);
                Ok(1)
            }
            Err(error) => Ok(call.nil_and(error)),
        },
    ))
}

/// `write_file(path, bytes)`: in place of what the file held; a new one gets mode 0644. Nothing, or
/// an error.
fn write_file(call: &Call<'_>) -> Result<Start, Fault> {
    let (path, bytes) = (call.string(1)?.into_owned(), call.string(2)?.into_owned());
    Ok(work::only_error(move || disk::write_file(disk::path(&path), &bytes)))
}

#[cfg(test)]
mod tests {
    use crate::script::testing::eval;
    use crate::value::Value;

    fn run(source: &str) -> Result<Value, String> {
        eval(&format!("local io, strings = require('ioutil'), require('strings') {source}"))
    }

    #[test]
    fn files_are_written_and_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        let at = file.to_str().unwrap();
        let source = format!(
            "local count = select('#', io.write_file('{at}', 'longer text')) + select('#', io.write_file('{at}', 'a\\0b'))
            return io.read_file('{at}') .. count"
        );
        assert_eq!(run(&source), Ok(Value::string("a\0b0")));
    }

    #[test]
    fn failures_are_returned() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().to_str().unwrap();
        let read = format!("return select(2, io.read_file('{at}/none'))");
        assert_eq!(
            run(&read),
            Ok(Value::string(format!("open {at}/none: no such file or directory")))
        );
        assert_eq!(
            run(&format!("return io.write_file('{at}', '')")),
            Ok(Value::string(format!("open {at}: is a directory")))
        );
        for (call, error) in [
            ("read_file()", "#1 to read_file (string"),
            ("write_file('x', nil)", "#2 to write_file (string"),
        ] {
            assert!(run(&format!("io.{call}")).unwrap_err().contains(error), "{call}");
        }
    }

    #[test]
    fn copy_moves_everything_and_copyn_a_part() {
        let source = "local out = strings.new_builder()
            local count = select('#', io.copy(out, strings.new_reader(('x'):rep(9000))))
            local r = strings.new_reader('abcdef')
            count = count + select('#', io.copyn(out, r, 4))
            local short = io.copyn(out, r, 9)
            return count .. #out:string() .. out:string():sub(-6) .. short";
        assert_eq!(run(source), Ok(Value::string("09006abcdefEOF")));
    }

    #[test]
    fn copy_returns_what_goes_wrong() {
        let broken = "local reader = { read = function() error('no more', 0) end } return io.copy(strings.new_builder(), reader)";
        assert_eq!(run(broken), Ok(Value::string("no more")));
        let full = "local writer = { write = function() return nil, 'full' end } return io.copy(writer, strings.new_reader('x'))";
        assert_eq!(run(full), Ok(Value::string("full")));
        assert!(
            run("io.copy(strings.new_builder(), 5)")
                .unwrap_err()
                .contains("bad argument #2 to copy")
        );
        assert!(
            run("io.copyn(strings.new_builder(), strings.new_reader(''), 'x')")
                .unwrap_err()
                .contains("bad argument #3 to copyn")
        );
    }
}
