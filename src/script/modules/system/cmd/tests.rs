use super::*;
use crate::script::testing::eval;
use crate::value::Value;

const LONG: Duration = Duration::from_secs(60);

fn output(command: &str) -> Result<Finished, Unfinished> {
    let (gone, _waits) = io::pipe().unwrap();
    run(command, LONG, &gone)
}

#[test]
fn a_command_has_a_status_and_two_outputs() {
    let source = "local r = require('cmd').exec('echo out; echo err >&2; exit 3') return r.status .. r.stdout .. r.stderr";
    assert_eq!(eval(source), Ok(Value::string("3out\nerr\n")));
    assert_eq!(output("nonesuch-command 2>/dev/null").unwrap().status, 127);
    assert_eq!(output("kill -9 $$").unwrap().status, -1);
    assert_eq!(output("cat").unwrap().stdout, b"");
}

#[test]
fn both_outputs_may_be_large() {
    let finished = output("head -c 300000 /dev/zero >&2; head -c 400000 /dev/zero").unwrap();
    assert_eq!((finished.stdout.len(), finished.stderr.len()), (400_000, 300_000));
    assert!(matches!(output("cat /dev/zero"), Err(Unfinished::TooMuch)));
}

#[test]
fn a_child_that_closes_its_outputs_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("done");
    let command = format!("exec >&- 2>&-; sleep 0.1; : > {}; exit 4", file.display());
    assert_eq!(output(&command).unwrap().status, 4);
    assert!(file.exists());
}

#[test]
fn what_takes_too_long_is_killed() {
    let (gone, _waits) = io::pipe().unwrap();
    assert!(matches!(run("sleep 1000", Duration::from_millis(1), &gone), Err(Unfinished::Timeout)));
}

#[test]
fn nobody_waiting_ends_the_command_and_its_children() {
    let folder = tempfile::tempdir().unwrap();
    let pids = folder.path().join("pids");
    let (gone, waits) = io::pipe().unwrap();
    let command = format!("sleep 1000 & echo $$ $! > {}; wait", pids.display());
    let child = std::thread::spawn(move || run(&command, LONG, &gone));
    let until = Instant::now() + LONG;
    let pids = loop {
        match std::fs::read_to_string(&pids) {
            Ok(text) if text.ends_with('\n') => break text,
            _ => assert!(Instant::now() < until),
        }
        std::thread::yield_now();
    };
    drop(waits);
    assert!(matches!(child.join().unwrap(), Err(Unfinished::Gone)));
    assert_eq!(pids.split_whitespace().count(), 2);
    pids.split_whitespace().for_each(wait_until_gone);
}

/// A killed child of a killed parent stays until init has taken note of it: dead is dead.
fn wait_until_gone(pid: &str) {
    let until = Instant::now() + LONG;
    loop {
        let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let state = state.rsplit(") ").next().unwrap_or_default();
        if state.is_empty() || state.starts_with(['Z', 'X']) {
            return;
        }
        assert!(Instant::now() < until, "{pid} lives on");
        std::thread::yield_now();
    }
}

#[test]
fn limits_are_whole_seconds() {
    let late = "local r, err = require('cmd').exec('sleep 1000', 0.9) return tostring(r) .. err";
    assert_eq!(eval(late), Ok(Value::string("nilexecute timeout")));
    assert_eq!(eval("return require('cmd').exec('exit 5', 60.5).status"), Ok(Value::Number(5.0)));
    for (arguments, error) in [
        ("nil", "bad argument #1 to exec (string expected, got nil)"),
        ("'true', '5'", "bad argument #2 to exec (number expected, got string)"),
        ("'true', {}", "bad argument #2 to exec (number expected, got table)"),
    ] {
        assert!(
            eval(&format!("require('cmd').exec({arguments})")).unwrap_err().contains(error),
            "{arguments}"
        );
    }
}
