//! Every host function on large hostile arguments: none may hold its worker up.
//!
//! The list of functions is that of `lua/types` (and the `string` and `table` libraries), so a new
//! function is covered as soon as it is annotated. Each function gets each hostile value in each
//! place, beside harmless values in the others, and in all places at once. It does so with values of
//! two sizes: four times the size may cost four times the processor time, not sixteen times. Behind
//! every call the same state must answer an ordinary request.

use super::annotations_tests::{OBJECTS, root};
use crate::auth::login::Login;
use crate::auth::request::{Field, Request};
use crate::auth::scripts::{Scripts, StageKind};
use crate::op::{self, Answer, Done, Failure, Op};
use crate::script::Limits;
use crate::script::testing::{Bench, LIMITS};
use crate::value::Value;
use std::fmt::Write;
use std::future::Future;
use std::sync::mpsc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// A function of the annotations.
#[derive(Clone, Debug)]
struct Target {
    /// How the test names it: `strings.fields`, `log.Logger:printf`.
    name: String,
    /// A Lua expression for the function.
    function: String,
    /// A Lua expression for its first argument, if it is a method.
    object: Option<String>,
    /// What the annotations say of its parameters.
    parameters: Vec<String>,
}

/// All functions of `lua/types`, file by file.
fn targets() -> Vec<Vec<Target>> {
    let mut files: Vec<_> =
        std::fs::read_dir(root().join("types")).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    let mut all: Vec<_> = files
        .iter()
        .map(|path| {
            targets_of(
                path.file_stem().unwrap().to_str().unwrap(),
                &std::fs::read_to_string(path).unwrap(),
            )
        })
        .collect();
    all.push(
        LIBRARY.iter().map(|(function, parameters)| Target::plain(function, parameters)).collect(),
    );
    all
}

impl Target {
    fn plain(function: &str, parameters: &str) -> Target {
        let parameters = parameters.split_whitespace().map(str::to_owned).collect();
        Target { name: function.into(), function: function.into(), object: None, parameters }
    }
}

fn targets_of(file: &str, text: &str) -> Vec<Target> {
    let (mut out, mut parameters) = (Vec::new(), Vec::new());
    for line in text.lines() {
        if let Some(parameter) = line.strip_prefix("---@param ") {
            parameters.push(parameter.split_once(' ').map_or("any", |(_, kind)| kind).to_owned());
        }
        let Some(function) = line.strip_prefix("function ").and_then(|rest| rest.split('(').next())
        else {
            if !line.starts_with("---") {
                parameters.clear();
            }
            continue;
        };
        let mut target = Target::plain(function, "");
        target.parameters = std::mem::take(&mut parameters);
        let owner = function.split([':', '.']).next().unwrap_or_default();
        let object = OBJECTS.iter().find(|(of, class, _)| (*of, *class) == (file, owner));
        if let Some((_, class, object)) = object {
            let method = &function[class.len() + 1..];
            target.object = function.contains(':').then(|| (*object).to_owned());
            target.function = format!("({object})[\"{method}\"]");
            target.name = format!("{file}.{function}");
        } else if function.contains(':') {
            // Only a peer's answer makes one: its module's tests have it.
            continue;
        } else if file != "globals" {
            target.function = format!("require(\"{file}\"){}", &function[owner.len()..]);
        }
        out.push(target);
    }
    out
}

/// Functions of Lua's own libraries that are the host's, or C code that works on what a request
/// sent.
const LIBRARY: &[(&str, &str)] = &[
    ("string.find", "string string integer boolean"),
    ("string.match", "string string integer"),
    ("string.gsub", "string string any integer"),
    ("string.gmatch", "string string"),
    ("string.rep", "string integer string"),
    ("string.format", "string any any"),
    ("string.lower", "string"),
    ("string.upper", "string"),
    ("string.reverse", "string"),
    ("string.byte", "string integer integer"),
    ("string.sub", "string integer integer"),
    ("table.concat", "table string integer integer"),
    ("table.insert", "table integer any"),
    ("table.remove", "table integer"),
    ("table.maxn", "table"),
    ("table.sort", "table"),
    ("tostring", "any"),
    ("tonumber", "any integer"),
    ("unpack", "table integer integer"),
    ("loadstring", "string string"),
    ("print", "any"),
];

/// Texts as Lua expressions; `N` is their length, or how often something stands in them.
const TEXTS: &[&str] = &[
    "('a'):rep(N)",
    "(' '):rep(N)",
    "('a '):rep(N / 2)",
    "('a,b\\n'):rep(N / 4)",
    "('\\n'):rep(N)",
    "('ä'):rep(N / 2)",
    "('\\255'):rep(N)",
    "('\\0'):rep(N)",
    "('%d'):rep(N / 2)",
    "('%41%s%%'):rep(N / 7)",
    "('../'):rep(N / 3)",
    "('a/*'):rep(N / 3)",
    "('['):rep(N)",
    "('[]'):rep(N / 2)",
    "('('):rep(N)",
    "('(a*)*'):rep(N / 5)",
    "('(a|'):rep(N / 3)",
    "('{'):rep(N)",
    "('{{a}}'):rep(N / 5)",
    "('{{#a}}'):rep(N / 6)",
    "('{\"a\":'):rep(N / 5)",
    "('\"\\\\ud800'):rep(N / 7)",
    "('<a>'):rep(N / 3)",
    "('<a b=\"c\">&amp;</a>'):rep(N / 18)",
    "('<!--<![CDATA['):rep(N / 13)",
    "ATTRIBUTES",
    "MEMBERS",
    "('- '):rep(N / 2)",
    "('a: &a [*a, *a]\\n'):rep(N / 15)",
    "INDENTED",
    "('a=b&'):rep(N / 4)",
    "('a.'):rep(N / 2)",
    "('9'):rep(N)",
    "('-1h'):rep(N / 3)",
    "('='):rep(N)",
    "('\"'):rep(N)",
    "('\\\\'):rep(N)",
    "('05 .000'):rep(N / 7)",
    "('// '):rep(N / 3)",
    "(' ' .. ('a'):rep(60) .. '@b'):rep(N / 64)",
    "('<b><p>'):rep(N / 6)",
    "('<table><a>'):rep(N / 10)",
    "'<body>' .. BODIES",
];

const NUMBERS: &[&str] = &["1e308", "-1e308", "0/0", "2^31", "2^53", "-1", "1e9", "1e-300"];

/// Tables and other values. `LEAVES` are many, `DEEP` are few inside one another.
const TABLES: &[&str] = &[
    "LEAVES",
    "TEXTS",
    "PAIRS",
    "DEEP",
    "CYCLE",
    "{ [1e9] = 1 }",
    "{ ('a'):rep(N), ('b'):rep(N) }",
];

const PRELUDE: &str = r#"
    local function list(n, make) local t = {} for i = 1, n do t[i] = make(i) end return t end
    local ATTRIBUTES = "<a " .. table.concat(list(N / 12, function(i) return "b" .. i .. "='c'" end), " ") .. "/>"
    local BODIES = table.concat(list(N / 14, function(i) return "<body b" .. i .. "=c>" end))
    local MEMBERS = "{" .. table.concat(list(N / 12, function(i) return '"b' .. i .. '":1' end), ",") .. "}"
    local INDENTED = table.concat(list(400, function(i) return (" "):rep(i) .. "a:\n" end))
    local LEAVES = list(N / 8, function(i) return i end)
    local TEXTS = list(N / 16, function(i) return "text " .. i end)
    local PAIRS = {} for i = 1, N / 16 do PAIRS["key" .. i] = "value" end
    local DEEP = {} for _ = 1, N / 8 do DEEP = { DEEP } end
    local CYCLE = {} CYCLE[1], CYCLE.a = CYCLE, CYCLE
    local function same(x) return x end
"#;

/// The Lua source of a function that calls `target` with `values` in turn, wherever their kind is
/// taken.
fn calls(target: &Target) -> String {
    let kinds: Vec<(&str, &[&str])> = vec![("text", TEXTS), ("number", NUMBERS), ("table", TABLES)];
    let takes = |parameter: &str, kind: &str| match kind {
        "text" => ["string", "any"].iter().any(|name| parameter.contains(name)),
        "number" => ["integer", "number", "any"].iter().any(|name| parameter.contains(name)),
        _ => ["table", "any", "[]", "{", "options", "nauthilus_"]
            .iter()
            .any(|name| parameter.contains(name)),
    };
    let mut out = String::new();
    let object = target.object.iter().map(|_| "object()".to_owned());
    for (kind, values) in kinds {
        let places: Vec<usize> = (0..target.parameters.len())
            .filter(|at| takes(&target.parameters[*at], kind))
            .collect();
        // Each place alone, and all at once.
        let together = (places.len() > 1).then(|| places.clone());
        for taken in places.iter().map(|at| vec![*at]).chain(together) {
            let arguments = target.parameters.iter().enumerate();
            let arguments =
                arguments.map(
                    |(at, parameter)| {
                        if taken.contains(&at) { "v".into() } else { harmless(parameter) }
                    },
                );
            let arguments: Vec<String> = object.clone().chain(arguments).collect();
            let _ = writeln!(
                out,
                "kinds.{kind}[#kinds.{kind} + 1] = function(v) return f({}) end",
                arguments.join(", ")
            );
        }
        let _ = writeln!(
            out,
            "values.{kind} = {{ {} }}",
            values
                .iter()
                .map(|v| format!("function() return {v} end"))
                .collect::<Vec<_>>()
                .join(", ")
        );
    }
    out
}

fn harmless(parameter: &str) -> String {
    let is = |name: &str| parameter.contains(name);
    let value = match parameter {
        _ if is("fun") => "same",
        _ if is("string") => "'/nonexistent/a'",
        _ if is("integer") || is("number") => "1",
        _ if is("boolean") => "true",
        _ if is("Encoding") => "require('base64').StdEncoding",
        _ if is("Reader") => "require('strings').new_reader('a')",
        _ if is("Builder") || is("Writer") => "require('strings').new_builder()",
        _ => "{ a = 1 }",
    };
    value.into()
}

/// Calls the target with values of about `size` bytes.
fn script(target: &Target, size: usize) -> String {
    format!(
        r#"function nauthilus_run_hook()
            local N = {size}
            local made, f = pcall(function() return {function} end)
            local function object() return {object} end
            if not made or type(f) ~= "function" then error("no function {name}") end
            {PRELUDE}
            local kinds, values = {{ text = {{}}, number = {{}}, table = {{}} }}, {{}}
            {calls}
            for kind, functions in pairs(kinds) do
                for at, value in ipairs(values[kind]) do
                    for place, call in ipairs(functions) do
                        print(kind, at, place)
                        pcall(call, value())
                    end
                end
            end
            return "done"
        end"#,
        function = target.function,
        name = target.name,
        object = target.object.as_deref().unwrap_or("nil"),
        calls = calls(target),
    )
}

const NEIGHBOUR: &str = "function nauthilus_run_hook() return 'served' end";

/// Runs the task as a worker does, but nothing that it waits for works. Helper threads are off the
/// loop: what runs there may take its time.
fn drive<T>(task: impl Future<Output = T>, driver: &op::Driver, has_threads: bool) -> T {
    let mut task = std::pin::pin!(task);
    loop {
        if let Poll::Ready(output) = task.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return output;
        }
        if let Some((op, until)) = driver.take_op() {
            driver.put_answer(answer(op, driver.now(), until, has_threads));
        }
    }
}

fn answer(op: Op, now: Instant, until: Instant, has_threads: bool) -> Answer {
    match op {
        Op::Run(procedure) => {
            let (ops, driver) = op::slot(now, until);
            Answer::Done(drive(procedure.begin(ops), &driver, has_threads))
        }
        Op::All(ops) => {
            Answer::All(ops.into_iter().map(|op| answer(op, now, until, has_threads)).collect())
        }
        Op::Blocking(job) if has_threads => Answer::Done(Done::from(job.run())),
        Op::Sleep(_) => Answer::Slept,
        _ => Answer::Failed(Failure::Unavailable("nobody answers here".into())),
    }
}

fn run(bench: &Bench, hook: usize, has_threads: bool) -> Result<Value, String> {
    let mut request = Request::default();
    request.set(Field::Username, b"ada");
    let login = Login::new(request);
    let now = Instant::now();
    let (ops, driver) = op::slot(now, now + Duration::from_secs(3600));
    let mut stage = bench.host.stage(StageKind::Hook, &login);
    drive(bench.host.hook(&mut stage, hook, &login, &ops), &driver, has_threads)
        .map_err(|error| error.message)
}

/// Attacks a target with small and with large values, and compares what both cost.
fn attack(target: &Target) -> Result<(), String> {
    let cost_of = |size: usize| {
        let began = processor_time();
        attack_with(target, size).map(|()| processor_time() - began)
    };
    let mut small = cost_of(SIZE / 4)?;
    let large = cost_of(SIZE)?;
    if large <= NOISE {
        return Ok(());
    }
    // Other processes on the core cost cache and clock: the least of a few runs is closest to the
    // truth.
    for _ in 0..SMALL_RUNS {
        small = small.min(cost_of(SIZE / 4)?);
    }
    if large > small * GROWTH_MAX {
        return Err(format!(
            "{}: {small:?} for {} bytes, {large:?} for {SIZE}",
            target.name,
            SIZE / 4
        ));
    }
    Ok(())
}

/// The comparison finds a quadratic function long before the limit of time does, and passes a
/// linear one that takes as long.
#[test]
fn growth_with_the_square_of_the_input_is_found() {
    let attack_on = |body: &str| {
        let mut target = Target::plain("loops", "string");
        target.function = format!("function(s) local n = 0 {body} return n end");
        attack(&target)
    };
    // Some 4 s for the large values, a tenth of the limit: far from it and from the noise.
    let error = attack_on("for _ = 1, #s, 10 do for i = 1, #s, 10 do n = n + i end end");
    assert!(error.as_ref().is_err_and(|e| e.starts_with("loops: ")), "{error:?}");
    assert!(!error.unwrap_err().contains("deadline"), "the limit came first");
    assert_eq!(attack_on("for i = 1, #s * 600 do n = n + i end"), Ok(()));
}

/// What this thread has computed, however busy the machine is (proc(5), schedstat).
fn processor_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(text.split_ascii_whitespace().next().unwrap().parse().unwrap())
}

/// Bytes of the large values.
const SIZE: usize = 96 * 1024;

/// Further runs with small values, where the large ones took long.
const SMALL_RUNS: usize = 3;

/// Linear functions grow by 4, those that sort by little more, quadratic ones by 16.
const GROWTH_MAX: u32 = 10;

/// Less than this tells nothing: making the values and starting the state is a part of it. A
/// quadratic function needs ten times as much for 96 KiB.
const NOISE: Duration = Duration::from_millis(1500);

/// Runs a target on all hostile values, then the neighbour.
fn attack_with(target: &Target, size: usize) -> Result<(), String> {
    // More than usual: the values are large, too. The processor time ends what the calls together
    // need, not one call.
    let limits = Limits { memory_bytes: 256 << 20, cpu: DEADLINE, ..LIMITS };
    let bench = Bench::with_limits(
        &[(StageKind::Hook, &script(target, size)), (StageKind::Hook, NEIGHBOUR)],
        limits,
    );
    match run(&bench, 0, target.object.is_some()) {
        Ok(Value::String(_)) => {}
        // Its own memory, or its own time: the script is stopped, as it should be.
        Err(error) if error.contains("not enough memory") => {}
        // A library in Lua: the watchdog reaches it wherever it is.
        Err(error)
            if error.contains("context deadline exceeded")
                && target.name.starts_with("nauthilus_util") => {}
        other => return Err(format!("{}: {other:?}", target.name)),
    }
    match run(&bench, 1, false) {
        Ok(Value::String(answer)) if answer == b"served" => Ok(()),
        other => Err(format!("{}: the neighbour got {other:?}", target.name)),
    }
}

/// Four parts, for as many threads of the test run.
#[test]
fn no_host_function_holds_its_worker_up() {
    walk(0);
}

#[test]
fn no_host_function_holds_its_worker_up_second_part() {
    walk(1);
}

#[test]
fn no_host_function_holds_its_worker_up_third_part() {
    walk(2);
}

#[test]
fn no_host_function_holds_its_worker_up_fourth_part() {
    walk(3);
}

fn walk(part: usize) {
    let (sender, done) = mpsc::channel();
    let mine: Vec<Target> = targets().into_iter().flatten().skip(part).step_by(4).collect();
    assert!(mine.len() > 90, "lua/types declares more functions than {}", mine.len());
    let attacked = mine.clone();
    // A thread of its own: what never ends cannot be stopped from here.
    std::thread::spawn(move || attacked.iter().all(|target| sender.send(attack(target)).is_ok()));
    let mut wrong = Vec::new();
    for Target { name, .. } in mine {
        match done.recv_timeout(DEADLINE * 2) {
            Ok(result) => wrong.extend(result.err()),
            Err(mpsc::RecvTimeoutError::Timeout) => {
                panic!("{name} does not end; before it: {wrong:#?}")
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                panic!("{name} panicked; before it: {wrong:#?}")
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// What one function may compute for all its calls together: the limit of the watchdog, which sees
/// an overrun once the function returns. What is linear needs a fortieth of it, without optimisation;
/// the rest is for a busy machine.
const DEADLINE: Duration = Duration::from_secs(120);

#[test]
fn what_scripts_keep_for_a_request_is_bounded() {
    for call in [
        "require('nauthilus_context').context_set('k' .. i, large)",
        "nauthilus_builtin.custom_log_add('k', large)",
        "require('nauthilus_http_response').write_http_response_body(large)",
        "nauthilus_backend_result.new():attributes({ a = large })",
    ] {
        let source = format!(
            "function nauthilus_run_hook()
                local large, kept = ('x'):rep(1e6), 0
                for i = 1, 100 do
                    local ok, err = pcall(function() {call} end)
                    if not ok then return {{ kept, tostring(err) }} end
                    kept = i
                end
            end"
        );
        let bench = Bench::new(&[(StageKind::Hook, &source)]);
        let Ok(Value::List(returned)) = run(&bench, 0, false) else {
            panic!("{call}: nothing was refused")
        };
        assert_eq!(returned.first(), Some(&Value::Number(16.0)), "{call} {returned:?}");
        let error = returned.get(1).and_then(Value::text).unwrap_or_default().into_owned();
        // A body has a bound of its own besides, of the same size.
        let error = String::from_utf8_lossy(&error);
        assert!(
            error.contains("lua.config.request_memory")
                || error.contains("the response body is longer"),
            "{call}: {error}"
        );
        // The next request has all of it again.
        assert_eq!(run(&bench, 0, false).ok(), Some(Value::List(returned)), "{call}");
    }
    // What is replaced or deleted counts no longer.
    let source = "function nauthilus_run_hook()
        local context, large = require('nauthilus_context'), ('x'):rep(9e6)
        for _ = 1, 5 do context.context_set('a', large) end
        for _ = 1, 5 do context.context_delete('a') context.context_set('b', large) context.context_delete('b') end
        return 'kept'
    end";
    assert_eq!(run(&Bench::new(&[(StageKind::Hook, source)]), 0, false), Ok(Value::string("kept")));
}

#[test]
fn places_outside_of_a_list_cost_no_steps() {
    let source = "function nauthilus_run_hook()
        local t = { 'a', 'b', 'c' }
        table.insert(t, 2, 'x') table.insert(t, 'd') table.insert(t, 6, 'e')
        local front = table.concat(t, '')
        table.insert(t, -2 ^ 31, 'far') table.insert(t, 2 ^ 40, 'far')
        local nothing = tostring(table.remove(t, -2 ^ 31)) .. tostring(table.remove(t, 2 ^ 40))
        return { front, nothing, t[-2 ^ 31], table.remove(t, 2), table.remove(t), table.concat(t, ''), tostring(table.remove({})) }
    end";
    let texts = ["axbcde", "nilnil", "far", "x", "e", "abcd", "nil"].map(Value::string);
    assert_eq!(
        run(&Bench::new(&[(StageKind::Hook, source)]), 0, false),
        Ok(Value::List(texts.into()))
    );
}
