//! `nauthilus_prometheus`: metrics that scripts create and count in, shown on `/metrics`.
//!
//! The metrics themselves are [`crate::metrics::script`]'s; here are the arguments. Labels are a
//! table from name to value, read into one buffer on the stack, so that counting in a series that
//! this thread has seen allocates nothing. Using a metric that was not created only warns, once: an
//! operator's dashboard must not break a login. All functions return nothing, except the starts of
//! timers. Rules: `lua/modules/nauthilus_prometheus.md`. Bounds: those of the registry.

use crate::metrics::Kind;
use crate::metrics::script::{Applied, Label, ScriptMetricError, Series};
use crate::script::ffi::{self, Call, Fault, Function};
use crate::script::modules::Module;
use smallvec::SmallVec;
use std::sync::Arc;
use std::time::Instant;

pub static MODULE: Module = Module {
    names: &["nauthilus_prometheus"],
    functions: &[
        Function { name: "create_counter_vec", body: |call| create(call, Kind::Counter) },
        Function { name: "create_gauge_vec", body: |call| create(call, Kind::Gauge) },
        Function { name: "create_histogram_vec", body: |call| create(call, Kind::Histogram) },
        Function { name: "create_summary_vec", body: |call| create(call, Kind::Summary) },
        Function { name: "increment_counter", body: |call| count(call, 1.0) },
        Function { name: "touch_counter", body: |call| count(call, 0.0) },
        Function { name: "increment_gauge", body: |call| step_gauge(call, 1.0) },
        Function { name: "decrement_gauge", body: |call| step_gauge(call, -1.0) },
        Function { name: "add_gauge", body: |call| move_gauge(call, 1.0) },
        Function { name: "sub_gauge", body: |call| move_gauge(call, -1.0) },
        Function { name: "set_gauge", body: set_gauge },
        Function { name: "start_histogram_timer", body: |call| start_timer(call, Kind::Histogram) },
        Function { name: "start_summary_timer", body: |call| start_timer(call, Kind::Summary) },
        Function { name: "stop_timer", body: stop_timer },
    ],
    waiting: &[],
    setup: Some(&SETUP),
    lua: None,
};

static SETUP: Function = Function {
    name: "nauthilus_prometheus",
    body: |call| {
        call.register_type::<Timer>(&[]);
        Ok(0)
    },
};

/// What a script holds between start and stop: where to observe, and since when. A timer of an
/// unknown metric has nowhere to.
struct Timer {
    series: Option<Arc<Series>>,
    began: Instant,
}

impl From<ScriptMetricError> for Fault {
    fn from(error: ScriptMetricError) -> Fault {
        Fault::Message(error.to_string())
    }
}

fn create(call: &Call<'_>, kind: Kind) -> Result<i32, Fault> {
    let (name, help) = (call.string(1)?, call.string(2)?);
    let labels = if call.is_none_or_nil(3) {
        Vec::new()
    } else {
        call.table(3)?;
        call.string_list(3)?
    };
    let labels: SmallVec<[&[u8]; 8]> = labels.iter().map(Vec::as_slice).collect();
    call.services().metrics.create(kind, &name, &help, &labels)?;
    Ok(0)
}

fn count(call: &Call<'_>, by: f64) -> Result<i32, Fault> {
    let (name, labels) = (call.string(1)?, Labels::read(call, 2)?);
    let applied = call.services().metrics.counter_add(&name, &labels.pairs(), by)?;
    Ok(settle(call, &name, applied))
}

fn step_gauge(call: &Call<'_>, by: f64) -> Result<i32, Fault> {
    let (name, labels) = (call.string(1)?, Labels::read(call, 2)?);
    let applied = call.services().metrics.gauge_add(&name, &labels.pairs(), by)?;
    Ok(settle(call, &name, applied))
}

fn move_gauge(call: &Call<'_>, sign: f64) -> Result<i32, Fault> {
    let (name, by, labels) = (call.string(1)?, call.number(2)?, Labels::read(call, 3)?);
    let applied = call.services().metrics.gauge_add(&name, &labels.pairs(), sign * by)?;
    Ok(settle(call, &name, applied))
}

fn set_gauge(call: &Call<'_>) -> Result<i32, Fault> {
    let (name, to, labels) = (call.string(1)?, call.number(2)?, Labels::read(call, 3)?);
    let applied = call.services().metrics.gauge_set(&name, &labels.pairs(), to)?;
    Ok(settle(call, &name, applied))
}

/// `userdata, nil`. The series appears with the start, not with the first stop.
fn start_timer(call: &Call<'_>, kind: Kind) -> Result<i32, Fault> {
    let (name, labels) = (call.string(1)?, Labels::read(call, 2)?);
    let metrics = &call.services().metrics;
    let series = metrics.series(kind, &name, &labels.pairs())?;
    if series.is_none() {
        settle(call, &name, Applied::Unknown { first: metrics.is_first_unknown(&name) });
    }
    call.push_userdata(Timer { series, began: Instant::now() })?;
    Ok(call.and_nil())
}

/// Observes the seconds since the start, as often as it is called.
fn stop_timer(call: &Call<'_>) -> Result<i32, Fault> {
    let expected = || Fault::Argument(1, format!("userdata expected, got {}", call.kind(1).name()));
    let timer = call.userdata::<Timer>(1).ok_or_else(expected)?;
    if let Some(series) = &timer.series {
        series.observe(timer.began.elapsed().as_secs_f64());
    }
    Ok(0)
}

/// Reports a metric that was not created, once per worker. Nothing is returned either way.
fn settle(call: &Call<'_>, name: &[u8], applied: Applied) -> i32 {
    if applied == (Applied::Unknown { first: true }) {
        let name = String::from_utf8_lossy(name);
        call.services().warn(format!(
            "nauthilus_prometheus: no metric {name:?} of this kind was created; updates are ignored"
        ));
    }
    0
}

/// The labels of one call: names and values one after the other, and where each ends.
#[derive(Default)]
pub(super) struct Labels {
    text: SmallVec<[u8; 256]>,
    ends: SmallVec<[usize; 16]>,
}

impl Labels {
    /// Reads the table at `at`. Names and values that are no strings count with their `tostring`
    /// text.
    pub(super) fn read(call: &Call<'_>, at: i32) -> Result<Labels, Fault> {
        call.table(at)?;
        let mut labels = Labels::default();
        call.for_each(at, |call| {
            for part in [-2, -1] {
                match call.kind(part) {
                    ffi::Kind::String => labels.text.extend_from_slice(call.bytes(part)),
                    _ => labels.text.extend_from_slice(call.display(part).as_bytes()),
                }
                labels.ends.push(labels.text.len());
            }
            Ok(())
        })?;
        Ok(labels)
    }

    pub(super) fn pairs(&self) -> SmallVec<[Label<'_>; 8]> {
        let mut start = 0;
        let mut part = |end: usize| {
            let part = self.text.get(start..end).unwrap_or_default();
            start = end;
            part
        };
        self.ends.as_chunks().0.iter().map(|&[name, value]| (part(name), part(value))).collect()
    }
}

#[cfg(test)]
mod tests;
