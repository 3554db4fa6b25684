//! `nauthilus_opentelemetry`: scripts' own spans, baggage, and the trace's context as headers.
//!
//! Without tracing in the configuration the whole interface is there and does nothing, but for
//! `with_span`, which calls its function, and `semconv`, which only names things. With it, spans
//! belong to the request's trace ([`crate::trace::Context`] in the login) and go to the worker's
//! buffer when they are finished. Tracers and `with_span` are the Lua half's, since their function
//! may wait. Rules: `lua/modules/nauthilus_opentelemetry.md`. Bounds: those of [`crate::trace`]; a
//! span's memory counts as Lua's.

mod arguments;
mod semconv;
mod span;

use crate::script::ffi::{Call, Fault, Function, Kind};
use crate::script::modules::Module;
use crate::trace::propagation::{BAGGAGE_MAX, Propagator, parse_baggage};
use crate::trace::{Settings, cut};

pub static MODULE: Module = Module {
    names: &["nauthilus_opentelemetry"],
    functions: &[
        Function { name: "is_enabled", body: is_enabled },
        Function { name: "baggage_set", body: baggage_set },
        Function { name: "baggage_get", body: baggage_get },
        Function { name: "baggage_all", body: baggage_all },
        Function { name: "baggage_clear", body: baggage_clear },
        Function { name: "inject_headers", body: inject_headers },
        Function { name: "extract_headers", body: extract_headers },
        // Taken off the table by the Lua half, for its own use.
        Function { name: "start_span", body: span::start },
    ],
    waiting: &[],
    setup: Some(&SETUP),
    lua: Some(include_str!("../../../../../lua/host/opentelemetry.lua")),
};

static SETUP: Function = Function {
    name: "nauthilus_opentelemetry",
    body: |call| {
        call.register_type::<span::Handle>(span::METHODS);
        // A userdata, since scripts could write to a table.
        call.register_type::<semconv::Names>(semconv::FUNCTIONS);
        call.push_userdata(semconv::Names)?;
        call.set_field(1, "semconv");
        Ok(0)
    },
};

/// The configuration, if spans are wanted.
fn settings<'a>(call: &Call<'a>) -> Option<&'a Settings> {
    call.services().settings.tracing.as_ref()
}

/// `is_enabled()` → boolean.
fn is_enabled(call: &Call<'_>) -> Result<i32, Fault> {
    call.push_bool(settings(call).is_some());
    Ok(call.and_nil())
}

/// `baggage_set(key, value)`: an entry that goes with the request to other services.
fn baggage_set(call: &Call<'_>) -> Result<i32, Fault> {
    let (key, value) = (cut(&call.text(1)?), cut(&call.text(2)?));
    if settings(call).is_none() || key.is_empty() {
        return Ok(0);
    }
    let baggage = &mut call.run()?.login.trace.borrow_mut().baggage;
    if let Some((_, old)) = baggage.iter_mut().find(|(known, _)| *known == key) {
        *old = value;
    } else if baggage.len() < BAGGAGE_MAX {
        baggage.push((key, value));
    }
    Ok(0)
}

/// `baggage_get(key)` → its value, or nil.
fn baggage_get(call: &Call<'_>) -> Result<i32, Fault> {
    let key = call.text(1)?;
    match call.run()?.login.trace.borrow().baggage.iter().find(|(known, _)| *known == key) {
        Some((_, value)) => call.push_string(value.as_bytes()),
        None => call.push_nil(),
    }
    Ok(call.and_nil())
}

/// `baggage_all()` → table.
fn baggage_all(call: &Call<'_>) -> Result<i32, Fault> {
    call.push_table(0, 4);
    let table = call.len();
    for (key, value) in &call.run()?.login.trace.borrow().baggage {
        call.push_string(value.as_bytes());
        call.set_field(table, key);
    }
    Ok(call.and_nil())
}

/// `baggage_clear()`.
fn baggage_clear(call: &Call<'_>) -> Result<i32, Fault> {
    call.run()?.login.trace.borrow_mut().baggage.clear();
    Ok(0)
}

/// `inject_headers(table)`: adds the headers of the configured formats, names in lower case.
fn inject_headers(call: &Call<'_>) -> Result<i32, Fault> {
    call.table(1)?;
    let Some(settings) = settings(call) else { return Ok(0) };
    let context = call.run()?.login.trace.borrow();
    for propagator in &settings.propagators {
        propagator.inject(context.current(), &context.baggage, |name, value| {
            call.push_string(value.as_bytes());
            call.set_field(1, name);
        });
    }
    Ok(0)
}

/// `extract_headers(table)`: goes on with the trace that the headers tell of. A value may be a
/// list, as `get_all_http_request_headers` has them; its first member counts.
fn extract_headers(call: &Call<'_>) -> Result<i32, Fault> {
    call.table(1)?;
    let Some(settings) = settings(call) else { return Ok(0) };
    let mut headers = Vec::new();
    call.for_each(1, |call| {
        if call.kind(-2) != Kind::String || headers.len() == HEADERS_MAX {
            return Ok(());
        }
        let name = String::from_utf8_lossy(call.bytes(-2)).to_lowercase();
        if call.kind(-1) == Kind::Table {
            let value = call.absolute(-1);
            call.push_index(value, 1);
            headers.push((name, String::from_utf8_lossy(call.bytes(-1)).into_owned()));
            call.pop(1);
        } else {
            headers.push((name, String::from_utf8_lossy(call.bytes(-1)).into_owned()));
        }
        Ok(())
    })?;
    let header = |name: &str| {
        headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    };
    let mut context = call.run()?.login.trace.borrow_mut();
    if let Some(place) =
        settings.propagators.iter().find_map(|propagator| propagator.extract(header))
    {
        context.extracted(place);
    }
    if settings.propagators.contains(&Propagator::Baggage)
        && let Some(text) = header("baggage")
    {
        context.baggage = parse_baggage(text);
    }
    Ok(0)
}

/// More than any request has.
const HEADERS_MAX: usize = 256;

#[cfg(test)]
mod tests;
