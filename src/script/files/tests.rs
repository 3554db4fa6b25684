//! The library `io` as scripts meet it.

use crate::auth::scripts::StageKind;
use crate::op::{Answer, Op};
use crate::script::files::{PRINTED_BYTES_MAX, READ_BYTES_MAX};
use crate::script::testing::{Bench, eval};
use crate::value::Value;

const YES: Result<Value, String> = Ok(Value::Bool(true));

/// A folder with what scripts may meet, and its path.
fn folder() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("lines"), "one\ntwo\n\nfour").unwrap();
    std::fs::write(at("numbers"), " 1 -2.5\t0x10 1e3 x").unwrap();
    std::fs::write(at("chunk.lua"), "return 'loaded'").unwrap();
    for fifo in ["fifo", "fifo.lua"] {
        rustix::fs::mknodat(
            rustix::fs::CWD,
            at(fifo),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RWXU,
            0,
        )
        .unwrap();
    }
    std::fs::File::create(at("huge")).unwrap().set_len(READ_BYTES_MAX + 1).unwrap();
    let path = folder.path().to_str().unwrap().to_owned();
    (folder, path)
}

#[test]
fn files_are_read_and_written_as_lua_does() {
    let (_folder, at) = folder();
    for expression in [
        "table.concat({ open('lines'):read('*l', '*L', 1, '*l') }, '|') == 'one|two\\n|\\n|four'",
        "open('lines'):read('*a') == 'one\\ntwo\\n\\nfour' and open('lines'):read('a') == open('lines'):read('*all')",
        "table.concat({ open('numbers'):read('*n', '*n', '*n', '*n') }, ' ') == '1 -2.5 16 1000'",
        "select('#', open('numbers'):read('*n', '*n', '*n', '*n', '*n', '*n')) == 5",
        "open('lines'):read(3) == 'one' and open('lines'):read(0) == '' and open('lines'):read(1e6) == open('lines'):read('*a')",
        "(function() local f = open('lines') f:read('*a') return f:read('*a') == '' and f:read('*l') == nil and f:read(0) == nil and f:read(1) == nil end)()",
        "(function() local t = {} for l in open('lines'):lines() do t[#t + 1] = l end return table.concat(t, ',') == 'one,two,,four' end)()",
        "(function() local t = {} for l in io.lines(at .. '/lines') do t[#t + 1] = l end return #t == 4 end)()",
        "(function() local n = 0 for a, b in open('lines'):lines(1, 1) do n = n + 1 end return n == 7 end)()",
        "select(2, pcall(function() for _ in io.lines('/proc/self/mem') do end end)):find('/proc/self/mem: Input/output error', 1, true) ~= nil",
        "select(2, pcall(function() for _ in io.open('/proc/self/mem'):lines() do end end)):find('Input/output error', 1, true) ~= nil",
        "#{ open('lines'):lines('*l', '*l')() } == 2 and open('lines'):lines(4, '*n', '*l')() == 'one\\n'",
        "not pcall(io.lines, at .. '/none') and select(2, pcall(io.lines, at .. '/none')):find('/none: No such file or directory', 1, true) ~= nil",
        "(function() local _, text, number = io.open(at .. '/none') return text == at .. '/none: No such file or directory' and number == 2 end)()",
        "(function() local f = open('new', 'w') return f:write('a', 1, 2.5) == f and f:write('b'):seek('cur') == 6 and f:close() and open('new'):read('*a') == 'a12.5b' end)()",
        "(function() open('new', 'w'):write('ab') open('new', 'a'):write('c') return open('new'):read('*a') == 'abc' end)()",
        "(function() open('new', 'w'):write('abcdef') local f = open('new', 'r+b') f:read(2) f:write('X') f:seek('set') return f:read('*a') == 'abXdef' end)()",
        "(function() open('new', 'w'):write('abc') local f = open('new', 'w+') f:write('x') f:seek('set', 0) return f:read('*a') == 'x' and f:seek('end', -1) == 0 end)()",
        "(function() local f = io.tmpfile() f:write('x'):seek('set') return f:read() == 'x' and f:setvbuf('no') == f and f:flush() == f end)()",
        "(function() io.input(at .. '/lines') local a = io.read() for l in io.lines() do return a .. l == 'onetwo' end end)()",
        "(function() io.output(at .. '/new') io.write('x', 1) io.close() return open('new'):read() == 'x1' and not pcall(io.write, 'x') end)()",
        "(function() local f = open('lines') f:close() return io.type(f) == 'closed file' and tostring(f) == 'file (closed)' and not pcall(f.read, f) and not pcall(f.close, f) end)()",
        "io.type(io.stdout) == 'file' and io.type(5) == nil and io.type({}) == nil and tostring(io.stdout):find('^file %(0x') ~= nil",
        "io.write('') == io.stdout and io.stdout:write(''):write('') == io.stdout and io.stderr:write('') == io.stderr",
        "not pcall(io.write, {}) and select(2, pcall(io.write, 'a', {})):find('bad argument #2 to write (string expected, got table)', 1, true) ~= nil",
        "not pcall(io.open, at .. '/lines', 'x') and not pcall(io.open, at .. '/lines', 'rw')",
        "io.stdin:read() == nil and io.stdin:write('x') == nil and io.type(io.stdin) == 'file'",
        "not pcall(io.read) and not pcall(io.lines) and not pcall(io.popen, 'true')",
        "not pcall(io.stdout.write, {}, 'x') and not pcall(io.stdout.read)",
        "open('lines'):write('x') == nil and open('new', 'w'):read() == nil",
        "loadfile(at .. '/chunk.lua')() == 'loaded' and dofile(at .. '/chunk.lua') == 'loaded'",
        "select(2, loadfile(at .. '/none')) == at .. '/none: No such file or directory'",
        "#io.open('/dev/urandom'):read(16) == 16 and io.open('/dev/null', 'w'):write('x') and io.open('/dev/null'):read('*a') == ''",
    ] {
        let source = format!(
            "local at = '{at}' local function open(name, mode) return assert(io.open(at .. '/' .. name, mode)) end return {expression}"
        );
        assert_eq!(eval(&source), YES, "{expression}");
    }
}

/// Whoever would have to wait, perhaps for ever, gets an error at once.
#[test]
fn what_may_block_is_refused_with_its_name() {
    let (_folder, at) = folder();
    let fifo = format!("{at}/fifo: is a FIFO; only regular files can be used here");
    for (expression, message) in [
        ("select(2, io.open(at .. '/fifo'))", fifo.clone()),
        ("select(2, io.open(at .. '/fifo', 'w'))", fifo.clone()),
        ("select(2, io.open(at .. '/fifo', 'a+'))", fifo.clone()),
        ("select(2, pcall(io.lines, at .. '/fifo'))", fifo.clone()),
        ("select(2, pcall(io.input, at .. '/fifo'))", fifo.clone()),
        ("select(2, pcall(io.output, at .. '/fifo'))", fifo.clone()),
        ("select(2, loadfile(at .. '/fifo'))", fifo.clone()),
        ("select(2, pcall(dofile, at .. '/fifo'))", fifo.clone()),
        (
            "(function() package.path = at .. '/?.lua' return select(2, pcall(require, 'fifo')) end)()",
            format!("{at}/fifo.lua: is a FIFO; only regular files can be used here"),
        ),
        (
            "select(2, io.open('/dev/ptmx'))",
            "/dev/ptmx: is a device; only regular files can be used here".into(),
        ),
        (
            "select(2, loadfile('/dev/zero'))",
            "/dev/zero: is a device; only regular files can be used here".into(),
        ),
        (
            "select(2, io.open(at))",
            format!("{at}: is a directory; only regular files can be used here"),
        ),
        ("select(2, io.open('/dev/zero'):read('*a'))", "/dev/zero: File too large".into()),
        ("select(2, io.open('/dev/zero'):read('*l'))", "/dev/zero: File too large".into()),
        ("select(2, io.open('/dev/zero'):read(1e12))", "/dev/zero: File too large".into()),
        ("select(2, io.open(at .. '/huge'):read('*a'))", format!("{at}/huge: File too large")),
        (
            "select(2, loadfile(at .. '/huge'))",
            format!("{at}/huge: has more than {READ_BYTES_MAX} bytes"),
        ),
        ("tostring(io.open('/dev/zero'):read('*n'))", "nil".into()),
    ] {
        let found = eval(&format!(
            "local at = '{at}' local text = {expression} return (text:gsub('^test/hook0.lua:1: ', ''))"
        ));
        assert_eq!(found, Ok(Value::string(message)), "{expression}");
    }
}

/// Descriptors of this process that lead to `path`.
fn descriptors(path: &str) -> usize {
    let entries = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
    entries
        .filter(|entry| {
            std::fs::read_link(entry.path()).is_ok_and(|target| target.to_string_lossy() == path)
        })
        .count()
}

#[test]
fn files_that_nobody_closed_are_closed_when_the_stage_ends() {
    let (_folder, at) = folder();
    let path = format!("{at}/lines");
    for keep in [
        "",
        "kept = kept or {} kept[#kept + 1] = f",
        "string.kept = f",
        "package.loaded.kept = f",
        "io.input(f)",
    ] {
        for end in ["return true", "error('x')", "time.sleep(1) return true"] {
            let source = format!(
                "local time = require('time')
                function nauthilus_run_hook() for i = 1, 5 do local f = assert(io.open('{path}')) f:read() {keep} end {end} end"
            );
            let bench = Bench::new(&[(StageKind::Hook, &source)]);
            for _ in 0..20 {
                let _ = bench.hook(|_: Op| {
                    assert!(descriptors(&path) <= 5);
                    Answer::Slept
                });
                assert_eq!(descriptors(&path), 0, "{keep} {end}");
            }
        }
    }
}

#[test]
fn a_stage_has_a_bounded_number_of_open_files() {
    let (_folder, at) = folder();
    let open_all = |keep: &str, count: usize| {
        eval(&format!(
            "local t = {{}} for i = 1, {count} do local f, err = io.open('{at}/lines') if not f then return i .. err end {keep} end return true"
        ))
    };
    let refusal = format!(
        "33{at}/lines: too many open files (at most 32 in one stage of a request; close them)"
    );
    assert_eq!(open_all("t[i] = f", 40), Ok(Value::string(refusal)));
    // Files that were closed, or that nobody can reach any more, do not count.
    assert_eq!(open_all("f:close()", 200), YES);
    assert_eq!(open_all("", 200), YES);
}

#[test]
fn what_is_printed_is_bounded() {
    for print in [
        "print(text)",
        "io.write(text)",
        "io.stdout:write(text)",
        "require('log').new():println(text)",
    ] {
        let source = format!(
            "function nauthilus_run_hook() local text = ('x'):rep(2 ^ 16) for i = 1, 100 do {print} end return true end"
        );
        let bench = Bench::new(&[(StageKind::Hook, &source)]);
        for _ in 0..3 {
            assert_eq!(bench.hook(|_| Answer::Slept), YES, "{print}");
        }
        let services = bench.host.state().services();
        let shown = services.outbox.output.take().len();
        assert!(shown > PRINTED_BYTES_MAX && shown <= 3 * PRINTED_BYTES_MAX, "{print}: {shown}");
        let warnings = services.outbox.warnings.take();
        let about_output = warnings
            .iter()
            .filter(|text| text.contains("printed more than 1048576 bytes in one run"))
            .count();
        assert_eq!(about_output, 1, "{print}: {warnings:?}");
    }
}
