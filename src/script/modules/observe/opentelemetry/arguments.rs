//! Tables of attributes, and the options of a span.

use crate::script::ffi::{Call, Fault, Kind};
use crate::trace::{self, Attribute, Attributes, Link, SpanId, TraceId, cut};

/// The attributes of the table at `at`: strings, numbers and booleans under string keys, sorted by
/// name; all else is left out.
pub(super) fn attributes(call: &Call<'_>, at: i32) -> Result<Attributes, Fault> {
    let mut found = Attributes::new();
    if call.kind(at) != Kind::Table {
        return Ok(found);
    }
    call.for_each(at, |call| {
        if let (Kind::String, Some(value)) = (call.kind(-2), attribute(call, -1))
            && found.len() < ATTRIBUTES_MAX
        {
            found.push((cut(&String::from_utf8_lossy(call.bytes(-2))), value));
        }
        Ok(())
    })?;
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    found.dedup_by(|(a, _), (b, _)| a == b);
    Ok(found)
}

pub(super) fn attribute(call: &Call<'_>, at: i32) -> Option<Attribute> {
    match call.kind(at) {
        Kind::String => Some(Attribute::Text(cut(&String::from_utf8_lossy(call.bytes(at))))),
        Kind::Number => Some(Attribute::Number(call.raw_number(at))),
        Kind::Bool => Some(Attribute::Bool(call.truthy(at))),
        _ => None,
    }
}

/// What stands in the table of options at `at`, if there is one.
#[derive(Default)]
pub(super) struct Options {
    pub kind: trace::Kind,
    pub attributes: Attributes,
    pub links: Vec<Link>,
}

impl Options {
    pub fn read(call: &Call<'_>, at: i32) -> Result<Options, Fault> {
        let mut options = Options::default();
        if call.kind(at) != Kind::Table {
            return Ok(options);
        }
        call.push_field(at, "kind");
        options.kind = match call.bytes(-1) {
            b"client" => trace::Kind::Client,
            b"server" => trace::Kind::Server,
            b"producer" => trace::Kind::Producer,
            b"consumer" => trace::Kind::Consumer,
            _ => trace::Kind::Internal,
        };
        call.push_field(at, "attributes");
        options.attributes = attributes(call, call.len())?;
        if call.push_field(at, "links") == Kind::Table {
            let list = call.len();
            for i in 1..=call.raw_len(list).min(ATTRIBUTES_MAX) {
                if call.push_index(list, i) == Kind::Table {
                    options.links.extend(link(call, call.len())?);
                }
                call.pop(1);
            }
        }
        call.pop(3);
        Ok(options)
    }
}

/// A link whose numbers are hexadecimal texts; any other is left out.
fn link(call: &Call<'_>, at: i32) -> Result<Option<Link>, Fault> {
    call.push_field(at, "trace_id");
    let trace = std::str::from_utf8(call.bytes(-1))
        .ok()
        .and_then(|text| u128::from_str_radix(text, 16).ok());
    call.push_field(at, "span_id");
    let span = std::str::from_utf8(call.bytes(-1))
        .ok()
        .and_then(|text| u64::from_str_radix(text, 16).ok());
    call.push_field(at, "attributes");
    let attributes = attributes(call, call.len())?;
    call.pop(3);
    Ok(trace
        .zip(span)
        .filter(|(trace, span)| *trace != 0 && *span != 0)
        .map(|(trace, span)| Link { trace: TraceId(trace), span: SpanId(span), attributes }))
}

/// As OpenTelemetry's own limit.
const ATTRIBUTES_MAX: usize = 128;
