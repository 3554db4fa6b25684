//! `goos`: files, folders and the machine.
//!
//! What asks the disk waits for a helper thread. Rules: `lua/modules/goos.md`.

use crate::script::disk;
use crate::script::ffi::{Call, Fault, Function, Start, Waiting};
use crate::script::modules::Module;
use crate::script::modules::support::work;
use std::fs::{DirBuilder, Metadata};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt};

pub static MODULE: Module = Module {
    names: &["goos"],
    functions: &[
        Function { name: "hostname", body: hostname },
        Function { name: "get_pagesize", body: get_pagesize },
        Function { name: "environ", body: environ },
    ],
    waiting: &[
        Waiting { name: "stat", start: stat },
        Waiting { name: "mkdir_all", start: mkdir_all },
    ],
    setup: None,
    lua: None,
};

fn hostname(call: &Call<'_>) -> Result<i32, Fault> {
    call.push_string(rustix::system::uname().nodename().to_bytes());
    Ok(1)
}

fn get_pagesize(call: &Call<'_>) -> Result<i32, Fault> {
    call.push_number(rustix::param::page_size() as f64);
    Ok(1)
}

/// `environ()` → the environment, name → value.
fn environ(call: &Call<'_>) -> Result<i32, Fault> {
    call.push_table(0, 16);
    let table = call.len();
    for (name, value) in std::env::vars_os() {
        call.push_string(name.as_bytes());
        call.push_string(value.as_bytes());
        call.set_pair(table);
    }
    Ok(1)
}

/// `stat(path)` → `{is_dir, size, mod_time, mode}`; links are followed.
fn stat(call: &Call<'_>) -> Result<Start, Fault> {
    let path = call.string(1)?.into_owned();
    let work = move || {
        let path = disk::path(&path);
        path.metadata().map_err(|error| disk::path_error("stat", path, &error))
    };
    Ok(work::on_helper(work, |call, done| match work::flat(done) {
        Ok(about) => Ok(push_about(call, &about)),
        Err(error) => Ok(call.nil_and(error)),
    }))
}

fn push_about(call: &Call<'_>, about: &Metadata) -> i32 {
    call.push_table(0, 4);
    let table = call.len();
    call.push_bool(about.is_dir());
    call.set_field(table, "is_dir");
    call.push_number(about.len() as f64);
    call.set_field(table, "size");
    call.push_number(about.mtime() as f64);
    call.set_field(table, "mod_time");
    let kind = about.file_type();
    let letters = [
        (kind.is_dir(), 'd'),
        (kind.is_block_device() || kind.is_char_device(), 'D'),
        (kind.is_fifo(), 'p'),
        (kind.is_socket(), 'S'),
        (about.mode() & 0o4000 != 0, 'u'),
        (about.mode() & 0o2000 != 0, 'g'),
        (kind.is_char_device(), 'c'),
        (about.mode() & 0o1000 != 0, 't'),
    ];
    let letters: String =
        letters.into_iter().filter(|(is, _)| *is).map(|(_, letter)| letter).collect();
    call.push_string(mode_text(&letters, about.mode()).as_bytes());
    call.set_field(table, "mode");
    1
}

/// Go's notation: letters of what it is (`-` for a plain file), then the rights.
fn mode_text(letters: &str, mode: u32) -> String {
    let rights = "rwxrwxrwx"
        .chars()
        .enumerate()
        .map(|(at, right)| if mode >> (8 - at) & 1 == 1 { right } else { '-' });
    let kind = if letters.is_empty() { "-" } else { letters };
    kind.chars().chain(rights).collect()
}

/// `mkdir_all(path)`: with all folders above it, each made with mode 0755. Nothing, or an error.
fn mkdir_all(call: &Call<'_>) -> Result<Start, Fault> {
    let path = call.string(1)?.into_owned();
    Ok(work::only_error(move || {
        let path = disk::path(&path);
        DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(path)
            .map_err(|error| disk::path_error("mkdir", path, &error))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::testing::eval;
    use crate::value::Value;

    fn run(source: &str) -> Result<Value, String> {
        eval(&format!("local goos = require('goos') {source}"))
    }

    #[test]
    fn stat_tells_of_files_and_folders() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().to_str().unwrap();
        std::fs::write(folder.path().join("file"), "12345").unwrap();
        let file = format!(
            "local s = goos.stat('{at}/file') return s.size .. s.mode:sub(1, 3) .. tostring(s.is_dir) .. #tostring(s.mod_time)"
        );
        assert_eq!(run(&file), Ok(Value::string("5-rwfalse10")));
        assert_eq!(run("return goos.stat('/dev/null').mode:sub(1, 4)"), Ok(Value::string("Dcrw")));
        assert_eq!(
            run("return tostring(goos.stat('/').is_dir) .. goos.stat('/').mode:sub(1, 1)"),
            Ok(Value::string("trued"))
        );
        let missing = format!("return select(2, goos.stat('{at}/none'))");
        assert_eq!(
            run(&missing),
            Ok(Value::string(format!("stat {at}/none: no such file or directory")))
        );
        assert!(
            run("goos.stat()")
                .unwrap_err()
                .contains("bad argument #1 to stat (string expected, got nil)")
        );
    }

    #[test]
    fn modes_read_as_in_go() {
        for (letters, mode, text) in
            [("", 0o644, "-rw-r--r--"), ("dt", 0o1777, "dtrwxrwxrwx"), ("Dc", 0o666, "Dcrw-rw-rw-")]
        {
            assert_eq!(mode_text(letters, mode), text);
        }
    }

    #[test]
    fn mkdir_all_makes_what_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().to_str().unwrap();
        let twice = format!(
            "return select('#', goos.mkdir_all('{at}/a/b')) + select('#', goos.mkdir_all('{at}/a/b'))"
        );
        assert_eq!(run(&twice), Ok(Value::Number(0.0)));
        assert!(folder.path().join("a/b").is_dir());
        std::fs::write(folder.path().join("file"), "").unwrap();
        let below_a_file = format!("return goos.mkdir_all('{at}/file/x')");
        assert_eq!(
            run(&below_a_file),
            Ok(Value::string(format!("mkdir {at}/file/x: not a directory")))
        );
    }

    #[test]
    fn the_machine_has_a_name_and_pages() {
        let source = "local p = goos.get_pagesize() return type(goos.hostname()) .. tostring(p >= 4096 and p % 4096 == 0)";
        assert_eq!(run(source), Ok(Value::string("stringtrue")));
        let path = std::env::var("PATH").unwrap_or_default();
        assert_eq!(run("return goos.environ().PATH or ''"), Ok(Value::string(path)));
    }
}
