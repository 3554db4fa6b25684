//! `prometheus`: metrics as objects, for scripts written for the library of that name.
//! (`nauthilus_prometheus` is another module.)
//!
//! The metrics are those of [`crate::metrics::script`] and appear on the server's own `/metrics`: a
//! server of their own (`register`) is refused. Creating a metric again gives the same one, with or
//! without labels. Rules: `lua/modules/prometheus.md`.

use crate::metrics::Kind;
use crate::metrics::script::Series;
use crate::script::ffi::{self, Call, Fault, Function};
use crate::script::modules::Module;
use crate::script::modules::observe::prometheus::Labels;
use std::sync::Arc;

pub static MODULE: Module = Module {
    names: &["prometheus"],
    functions: &[
        Function { name: "counter", body: |call| create(call, Kind::Counter) },
        Function { name: "gauge", body: |call| create(call, Kind::Gauge) },
        Function {
            name: "register",
            body: |_| {
                Err(Fault::message(
                    "prometheus.register is not part of this server: see its own /metrics",
                ))
            },
        },
    ],
    waiting: &[],
    setup: Some(&SETUP),
    lua: None,
};

static SETUP: Function = Function {
    name: "prometheus",
    body: |call| {
        call.register_type::<Counter>(&[
            Function { name: "inc", body: |call| add::<Counter>(call, 1.0, 2) },
            Function { name: "add", body: |call| add::<Counter>(call, call.number(2)?, 3) },
        ]);
        call.register_type::<Gauge>(&[
            Function { name: "inc", body: |call| add::<Gauge>(call, 1.0, 2) },
            Function { name: "add", body: |call| add::<Gauge>(call, call.number(2)?, 3) },
            Function { name: "set", body: set },
        ]);
        Ok(0)
    },
};

/// The full name of a metric.
struct Counter(Vec<u8>);
struct Gauge(Vec<u8>);

trait Metric: 'static {
    const KIND: Kind;
    fn name(&self) -> &[u8];
}

impl Metric for Counter {
    const KIND: Kind = Kind::Counter;

    fn name(&self) -> &[u8] {
        &self.0
    }
}

impl Metric for Gauge {
    const KIND: Kind = Kind::Gauge;

    fn name(&self) -> &[u8] {
        &self.0
    }
}

/// `counter{namespace=, subsystem=, name=, help=, labels=}`, `gauge{…}` → metric.
fn create(call: &Call<'_>, kind: Kind) -> Result<i32, Fault> {
    call.table(1)?;
    let mut name = Vec::new();
    for part in ["namespace", "subsystem", "name"] {
        let part = field(call, part)?;
        if !part.is_empty() && !name.is_empty() {
            name.push(b'_');
        }
        name.extend_from_slice(&part);
    }
    let help = field(call, "help")?;
    let labels = match call.push_field(1, "labels") {
        ffi::Kind::Nil => Vec::new(),
        _ => {
            call.table(-1)?;
            call.string_list(call.len())?
        }
    };
    let labels: Vec<&[u8]> = labels.iter().map(Vec::as_slice).collect();
    if let Err(error) = call.services().metrics.create(kind, &name, &help, &labels) {
        return Ok(call.nil_and(error.to_string()));
    }
    match kind {
        Kind::Gauge => call.push_userdata(Gauge(name))?,
        _ => call.push_userdata(Counter(name))?,
    }
    Ok(1)
}

/// A text of the table that is the first argument; empty without it.
fn field(call: &Call<'_>, name: &str) -> Result<Vec<u8>, Fault> {
    let text = match call.push_field(1, name) {
        ffi::Kind::Nil => Vec::new(),
        _ => call
            .string(-1)
            .map_err(|_| Fault::Message(format!("{name} must be string")))?
            .into_owned(),
    };
    call.pop(1);
    Ok(text)
}

/// The series of a metric's method with the labels at `labels`: needed exactly if the metric has
/// some.
fn series<M: Metric>(call: &Call<'_>, labels: i32) -> Result<Option<Arc<Series>>, Fault> {
    let expected = || Fault::Argument(1, format!("metric expected, got {}", call.kind(1).name()));
    let metric = call.userdata::<M>(1).ok_or_else(expected)?;
    let labels =
        if call.is_none_or_nil(labels) { Labels::default() } else { Labels::read(call, labels)? };
    Ok(call.services().metrics.series(M::KIND, metric.name(), &labels.pairs())?)
}

fn add<M: Metric>(call: &Call<'_>, by: f64, labels: i32) -> Result<i32, Fault> {
    if M::KIND == Kind::Counter && (by < 0.0 || by.is_nan()) {
        return Err(Fault::message("counter cannot decrease in value"));
    }
    series::<M>(call, labels)?.inspect(|series| series.add(by));
    Ok(0)
}

fn set(call: &Call<'_>) -> Result<i32, Fault> {
    let to = call.number(2)?;
    series::<Gauge>(call, 3)?.inspect(|series| series.set(to));
    Ok(0)
}

#[cfg(test)]
mod tests {
    use crate::auth::scripts::StageKind;
    use crate::script::testing::{Bench, LIMITS, eval};
    use crate::value::Value;

    /// The metrics after a hook with this body has run twice.
    fn scrape(body: &str) -> String {
        let source =
            format!("local p = require('prometheus') function nauthilus_run_hook() {body} end");
        let bench = Bench::with_limits(&[(StageKind::Hook, &source)], LIMITS);
        for _ in 0..2 {
            bench.hook(|op| panic!("{op:?}")).unwrap();
        }
        bench.host.state().services().metrics.render()
    }

    #[test]
    fn counters_and_gauges_are_shown() {
        let shown = scrape(
            "local c = p.counter{ namespace = 'shop', subsystem = 'door', name = 'bell', help = 'Rings.' }
            c:inc() c:add(2)
            local g = p.gauge{ name = 'temp-now', labels = { 'room' } }
            g:set(20, { room = 'hall' }) g:inc({ room = 'hall' }) g:add(-3.5, { room = 'hall' })",
        );
        assert!(
            shown.contains(
                "# HELP shop_door_bell Rings.\n# TYPE shop_door_bell counter\nshop_door_bell 6\n"
            ),
            "{shown}"
        );
        assert!(shown.contains("temp_now{room=\"hall\"} 17.5\n"), "{shown}");
    }

    #[test]
    fn what_is_wrong_is_told() {
        for (source, error) in [
            ("p.counter{ name = 'a' }:add(-1)", "counter cannot decrease in value"),
            ("p.counter{ name = 'a' }:set(1)", "attempt to call method 'set'"),
            ("p.gauge{ name = 'a', labels = { 'x' } }:inc()", "inconsistent label cardinality"),
            ("p.gauge{ name = 'a' }:inc({ x = 1 })", "inconsistent label cardinality"),
            (
                "p.gauge{ name = 'a' }.inc(5)",
                "bad argument #1 to inc (metric expected, got number)",
            ),
            ("p.gauge{ name = {} }", "name must be string"),
            ("p.gauge()", "bad argument #1 to gauge (table expected, got nil)"),
            ("p.register('127.0.0.1:0')", "is not part of this server"),
        ] {
            let raised = eval(&format!("local p = require('prometheus') {source}")).unwrap_err();
            assert!(raised.contains(error), "{source}: {raised}");
        }
        let taken = "local p = require('prometheus') p.gauge{ name = 'a' } return type(select(2, p.counter{ name = 'a' }))";
        assert_eq!(eval(taken), Ok(Value::string("string")));
        assert_eq!(
            eval("return type(select(2, require('prometheus').gauge{}))"),
            Ok(Value::string("string"))
        );
    }
}
