//! Span objects. Finished ones, and those of a server without tracing, take calls and do nothing.

use super::arguments::{Options, attribute, attributes};
use super::settings;
use crate::script::ffi::{Call, Fault, Function, Kind};
use crate::trace::{Attribute, Event, SPAN_BYTES_MAX, Span, Status, cut, nanoseconds};
use std::cell::RefCell;
use std::time::SystemTime;

/// What a script holds. `None`: there is nothing to record (any more).
pub(super) struct Handle(RefCell<Option<Span>>);

pub(super) static METHODS: &[Function] = &[
    Function { name: "set_attribute", body: set_attribute },
    Function { name: "set_attributes", body: set_attributes },
    Function { name: "add_event", body: add_event },
    Function { name: "set_status", body: set_status },
    Function { name: "record_error", body: record_error },
    Function { name: "finish", body: finish },
    Function { name: "end", body: finish },
];

/// `start_span(scope, name[, opts])` → span.
pub(super) fn start(call: &Call<'_>) -> Result<i32, Fault> {
    let (scope, name, options) = (call.text(1)?, call.text(2)?, Options::read(call, 3)?);
    let Some(settings) = settings(call) else {
        call.push_userdata(Handle(RefCell::new(None)))?;
        return Ok(call.and_nil());
    };
    let mut random = [0; 24];
    getrandom::fill(&mut random).map_err(|_| Fault::message("no random numbers"))?;
    let (place, parent) = call.run()?.login.trace.borrow_mut().enter(settings, random);
    let mut span = Span::new(place, parent, &scope, &name, options.kind, now());
    span.set(options.attributes);
    options.links.into_iter().for_each(|link| span.add_link(link));
    let weight = if place.sampled { SPAN_BYTES_MAX } else { 0 };
    call.push_userdata_weighing(Handle(RefCell::new(Some(span))), weight)?;
    Ok(call.and_nil())
}

/// Changes the span that the first argument is, if it is recorded.
fn change(call: &Call<'_>, change: impl FnOnce(&mut Span)) -> Result<i32, Fault> {
    if let Some(span) = this(call)?.0.borrow_mut().as_mut() {
        change(span);
    }
    Ok(0)
}

fn this<'a>(call: &'a Call<'_>) -> Result<&'a Handle, Fault> {
    call.userdata::<Handle>(1).ok_or_else(|| Fault::Argument(1, "span expected".into()))
}

/// `span:set_attribute(key, value)`.
fn set_attribute(call: &Call<'_>) -> Result<i32, Fault> {
    let key = cut(&call.text(2)?);
    let value = attribute(call, 3);
    change(call, |span| span.set(value.map(|value| (key, value)).into_iter().collect()))
}

/// `span:set_attributes(table)`.
fn set_attributes(call: &Call<'_>) -> Result<i32, Fault> {
    call.table(2)?;
    let attributes = attributes(call, 2)?;
    change(call, |span| span.set(attributes))
}

/// `span:add_event(name[, attributes])`.
fn add_event(call: &Call<'_>) -> Result<i32, Fault> {
    let event = Event { at: now(), name: cut(&call.text(2)?), attributes: attributes(call, 3)? };
    change(call, |span| span.add_event(event))
}

/// `span:set_status(code[, text])`: `ok` or `error`; anything else takes the status away.
fn set_status(call: &Call<'_>) -> Result<i32, Fault> {
    let code = call.text(2)?;
    let text = if call.is_none_or_nil(3) { String::new() } else { cut(&call.text(3)?) };
    let status = match &*code {
        "ok" => Status::Ok,
        "error" => Status::Error(text),
        _ => Status::Unset,
    };
    change(call, |span| span.status = status)
}

/// `span:record_error(value)`: an event, unless there is no error. A missing Redis key is none.
fn record_error(call: &Call<'_>) -> Result<i32, Fault> {
    let text = if call.kind(2) == Kind::None { String::new() } else { cut(&call.display(2)) };
    if matches!(text.as_str(), "" | "nil" | "redis: nil") {
        return this(call).map(|_| 0);
    }
    let attributes = vec![
        ("exception.message".to_owned(), Attribute::Text(text)),
        ("exception.type".to_owned(), Attribute::Text("lua".to_owned())),
    ];
    change(call, |span| {
        span.add_event(Event { at: now(), name: "exception".to_owned(), attributes })
    })
}

/// `span:finish()`, `span["end"]()`.
fn finish(call: &Call<'_>) -> Result<i32, Fault> {
    let Some(mut span) = this(call)?.0.borrow_mut().take() else { return Ok(0) };
    // A span may outlive its request in a script that is loaded once.
    if let Ok(run) = call.run() {
        run.login.trace.borrow_mut().leave(span.place.span);
    }
    span.ended = now().max(span.began);
    call.services().outbox.spans.push(span);
    Ok(0)
}

fn now() -> u64 {
    nanoseconds(SystemTime::now())
}
