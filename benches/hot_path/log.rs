//! The authentication line of a login.

use crate::ROUNDS;
use crate::login::login;
use gungraun::{library_benchmark, library_benchmark_group};
use loligo::auth::login::{LogValue, Login};
use loligo::auth::report::{Ending, FieldValue, Report};
use loligo::auth::verdict::PassDb;
use loligo::log::{Format, Level, Line, Log, LogSettings, LogWriter};
use loligo::time::Now;
use std::hint::black_box;
use std::time::{Duration, Instant};

// As the worker writes it: the report's fields into a line of the log.
#[library_benchmark]
#[bench::logfmt(Output::new(Level::Info, Format::Logfmt), logged_in(), report())]
#[bench::json(Output::new(Level::Info, Format::Json), logged_in(), report())]
#[bench::switched_off(Output::new(Level::Error, Format::Logfmt), logged_in(), report())]
fn authentication_line(mut output: Output, login: Login, report: Report) {
    for _ in 0..ROUNDS {
        if output.log.takes(black_box(Level::Info)) {
            let mut line = output.log.line(Level::Info, output.now);
            report.fields(black_box(&login), LATENCY, &mut |name, value| {
                field(&mut line, name, value)
            });
            line.end();
        }
    }
    // Ending the writer's thread is no part of a line.
    std::mem::forget(output);
}

fn field(line: &mut Line<'_>, name: &str, value: FieldValue<'_>) {
    match value {
        FieldValue::Text(text) => line.text(name, text),
        FieldValue::Count(count) => line.number(name, count),
        FieldValue::Number(number) => line.number(name, number),
        FieldValue::Bool(flag) => line.flag(name, flag),
    };
}

/// A log that leads nowhere, at a time whose date it has written already, as on all but one line of
/// a second.
struct Output {
    log: Log,
    now: Now,
    /// Ends after the log.
    _writer: LogWriter,
}

impl Output {
    fn new(level: Level, format: Format) -> Output {
        let writer = LogWriter::spawn(Box::new(std::io::sink())).unwrap();
        let mut log =
            Log::new(writer.sink(), &LogSettings { level, format, instance: "bench".into() });
        let now = Now { mono: Instant::now(), unix_ns: UNIX_NS };
        log.line(Level::Error, now).text("msg", "first").end();
        Output { log, now, _writer: writer }
    }
}

/// With what the load test's filter adds.
fn logged_in() -> Login {
    let login = login();
    login.custom_log.borrow_mut().push(("rate".into(), LogValue::Number(17.0)));
    login
}

fn report() -> Report {
    Report {
        ending: Ending::Success,
        backend_name: "__meta_default__".into(),
        passdb: PassDb::Lua,
        ..Report::default()
    }
}

/// Sunday, 22 November 2026, 14:41:28.061497003 UTC.
const UNIX_NS: u64 = 1_795_358_488_061_497_003;
const LATENCY: Duration = Duration::from_nanos(2_061_497);

library_benchmark_group!(name = lines, benchmarks = [authentication_line]);
