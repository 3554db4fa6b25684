use super::*;
use crate::auth::scripts::StageKind;
use crate::op::{Answer, Op};
use crate::script::testing::{Bench, LIMITS, eval};
use crate::value::Value;
use jiff::civil::date;

/// What a hook with this body prints and returns.
fn printed(body: &str) -> (String, Result<Value, String>) {
    let source = format!("local log = require('log') function nauthilus_run_hook() {body}\nend");
    let bench = Bench::with_limits(&[(StageKind::Hook, &source)], LIMITS);
    let returned = bench.hook(|op: Op| -> Answer { panic!("{op:?}") });
    let output = bench.host.state().services().outbox.output.take();
    (String::from_utf8_lossy(&output).into_owned(), returned)
}

#[test]
fn lines_end_and_have_a_prefix() {
    let (output, _) = printed(
        "local l = log.new('-', '> ')
        l:print('a', 1, 2, 'b', nil, true)
        l:println('a', 1, 'b')
        l:printf('%s=%05.1f', 'x', 1.25)
        l:set_prefix('')
        l:print('done\\n')
        l:close()
        l:print('still')",
    );
    assert_eq!(output, "> a1 2b<nil> true\n> a 1 b\n> x=001.2\ndone\nstill\n");
}

#[test]
fn longfile_names_the_script() {
    let (output, _) =
        printed("local l = log.new(nil, '', { longfile = true }) l:print('x')\nl:printf('y')");
    assert_eq!(output, "test/hook0.lua:1: x\ntest/hook0.lua:2: y\n");
}

#[test]
fn the_time_is_written_as_in_go() {
    let now = date(2026, 11, 22).at(12, 1, 20, 967_816_000).to_zoned(TimeZone::UTC).unwrap();
    for (date, time, microseconds, text) in [
        (true, false, false, "2026/11/22 "),
        (false, true, false, "12:01:20 "),
        (true, true, true, "2026/11/22 12:01:20.967816 "),
        (false, false, false, ""),
    ] {
        assert_eq!(stamp_text(&now, date, time, microseconds), text);
    }
    let (output, _) =
        printed("local l = log.new() l:set_flags{ date = true, utc = true } l:print('x')");
    assert!(
        output.starts_with("20")
            && output.ends_with(" x\n")
            && output.len() == "2026/11/22 x\n".len(),
        "{output}"
    );
}

#[test]
fn files_are_appended_to() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().join("log");
    std::fs::write(&at, "old\n").unwrap();
    let body = format!(
        "local l = log.new('{0}')
        l:print('one')
        local none = select('#', l:set_output('{0}'))
        l:print('two')
        l:close()
        l:print('lost')
        return none",
        at.display()
    );
    assert_eq!(printed(&body), (String::new(), Ok(Value::Number(0.0))));
    assert_eq!(std::fs::read_to_string(at).unwrap(), "old\none\ntwo\n");
}

#[test]
fn a_file_that_cannot_be_written_is_reported_by_set_output_only() {
    let (output, returned) = printed(
        "local l = log.new('/nowhere/x') l:print('here') return l:set_output('/nowhere/y')",
    );
    assert_eq!(output, "here\n");
    assert_eq!(returned, Ok(Value::string("open /nowhere/y: no such file or directory")));
}

#[test]
fn wrong_arguments_raise() {
    for (source, error) in [
        ("log.new(5)", "bad argument #1 to new (string expected, got number)"),
        ("log.new('-', {})", "bad argument #2 to new (string expected, got table)"),
        ("log.new('-', '', 5)", "bad argument #3 to new (table expected, got number)"),
        ("log.new():set_flags{ date = 1 }", "hook0.lua:1: flag 'date' must be boolean"),
        ("log.new():set_prefix()", "bad argument #1 to set_prefix (string expected, got nil)"),
        ("log.new():set_output(5)", "bad argument #1 to set_output (string expected, got number)"),
        ("log.new():printf()", "bad argument #1 to printf (string expected, got nil)"),
    ] {
        let raised = eval(&format!("local log = require('log') {source}")).unwrap_err();
        assert!(raised.contains(error), "{source}: {raised}");
    }
}

#[test]
fn levels_decide_who_speaks() {
    let (output, returned) = printed(
        "local l = require('loglevel')
        local before = l.get_level() .. l.default_output()
        l.set_default_output('-')
        l.set_level('warn')
        l.INFO:print('quiet')
        l.DEBUG:printf('%d', 1)
        l.WARN:print('careful')
        l.ERROR:println('bad', 1)
        return before .. l.get_level() .. type(l.new) .. tostring(pcall(l.set_level, 'loud'))",
    );
    let lines: Vec<(&str, &str)> =
        output.lines().filter_map(|line| line.split_once("] ")).collect();
    assert_eq!(lines.iter().map(|(level, _)| *level).collect::<Vec<_>>(), ["[WARN", "[ERROR"]);
    assert!(lines[0].1.ends_with(" careful") && lines[1].1.ends_with(" bad 1"), "{output}");
    assert_eq!(returned, Ok(Value::string("INFOSTDERRWARNfunctionfalse")));
    // The next request starts anew.
    assert_eq!(eval("return require('loglevel').get_level()"), Ok(Value::string("INFO")));
}

#[test]
fn a_progress_bar_is_quiet() {
    let body = "local bar = require('pb').new(3) bar:configure{ writer = 'stdout' } bar:start() bar:increment() bar:finish() return 1";
    assert_eq!(printed(body), (String::new(), Ok(Value::Number(1.0))));
    assert!(
        eval("require('pb').new({})")
            .unwrap_err()
            .contains("bad argument #1 to new (number expected, got table)")
    );
}
