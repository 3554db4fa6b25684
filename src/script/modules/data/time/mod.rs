//! `time`: the clock, waiting, and dates as text in Go's layouts.
//!
//! Times are seconds since 1970 in UTC as a double, fractions included. Zones are IANA names; the
//! system's database is used and, where there is none, the one built into the program. Rules:
//! `lua/modules/time.md`. `sleep_ms` is ours: the scripts of the reference look whether it is
//! there.

mod format;
mod layout;
mod parse;
mod zone;

use crate::op::{Answer, Op};
use crate::script::ffi::{Call, Fault, Finish, Function, Start, Waiting};
use crate::script::modules::Module;
use jiff::Timestamp;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub static MODULE: Module = Module {
    names: &["time"],
    functions: &[
        Function { name: "unix", body: unix },
        Function { name: "unix_nano", body: unix_nano },
        Function { name: "format", body: format },
        Function { name: "parse", body: parse },
    ],
    waiting: &[
        Waiting { name: "sleep", start: |call| Ok(sleep(call.number(1)?)) },
        Waiting { name: "sleep_ms", start: |call| Ok(sleep(call.number(1)? / 1000.0)) },
    ],
    setup: None,
    lua: None,
};

fn nanoseconds_since_1970() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos() as f64
}

/// `unix()` → seconds.
fn unix(call: &Call<'_>) -> Result<i32, Fault> {
    call.push_number(nanoseconds_since_1970() / NANOS_PER_SECOND);
    Ok(1)
}

/// `unix_nano()` → nanoseconds, as exact as a double can be.
fn unix_nano(call: &Call<'_>) -> Result<i32, Fault> {
    call.push_number(nanoseconds_since_1970());
    Ok(1)
}

/// Waits; not at all for zero, negative numbers and NaN.
fn sleep(seconds: f64) -> Start {
    if seconds.is_nan() || seconds <= 0.0 {
        return Start::Done(0);
    }
    let duration = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
    Start::Wait { op: Op::Sleep(duration), limit: Duration::MAX, finish: Finish::Plain(slept, 0) }
}

fn slept(_: &Call<'_>, answer: Answer, _: u64) -> Result<i32, Fault> {
    match answer {
        Answer::Failed(failure) => Err(Fault::Message(failure.to_string())),
        _ => Ok(0),
    }
}

/// `format(seconds[, layout[, zone]])` → text.
fn format(call: &Call<'_>) -> Result<i32, Fault> {
    let seconds = call.number(1)?;
    let layout = if call.len() >= 2 { call.string(2)? } else { DEFAULT_LAYOUT.into() };
    let zone = match if call.len() >= 3 { zone::named(&call.text(3)?) } else { Ok(zone::local()) } {
        Ok(zone) => zone,
        Err(unknown) => return Ok(call.nil_and(unknown.to_string())),
    };
    let nanos = (seconds.fract() * NANOS_PER_SECOND) as i32;
    // The cast saturates, and neither bound is within what a timestamp can hold.
    match Timestamp::new(seconds.trunc() as i64, nanos) {
        Ok(at) if !seconds.is_nan() => call.push_string(&format::format(at, &zone, &layout)),
        _ => return Ok(call.nil_and("time out of range")),
    }
    Ok(1)
}

/// `parse(text, layout[, zone])` → seconds.
fn parse(call: &Call<'_>) -> Result<i32, Fault> {
    let (text, layout) = (call.string(1)?, call.string(2)?);
    let (own, local) = if call.len() >= 3 {
        match zone::named(&call.text(3)?) {
            Ok(zone) => (zone.clone(), zone),
            Err(unknown) => return Ok(call.nil_and(unknown.to_string())),
        }
    } else {
        (jiff::tz::TimeZone::UTC, zone::local())
    };
    match parse::parse(&layout, &text, &own, &local) {
        Ok(nanos) => call.push_number(nanos as f64 / NANOS_PER_SECOND),
        Err(error) => return Ok(call.nil_and(error.to_string())),
    }
    Ok(1)
}

const NANOS_PER_SECOND: f64 = 1e9;
const DEFAULT_LAYOUT: &[u8] = b"Mon Jan 2 15:04:05 -0700 MST 2006";

#[cfg(test)]
mod tests;
