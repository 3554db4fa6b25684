//! OTLP/HTTP: a batch of spans as the JSON body of a request to a collector's `/v1/traces`.
//!
//! Numbers of traces and spans are hexadecimal, 64-bit integers are strings, kinds and status codes
//! are numbers, as the JSON mapping of OTLP has them. Spans of one scope stand together, in the
//! order of the batch. Rules: OTLP 1.x, `opentelemetry-proto`.

use super::{Attribute, Attributes, Kind, Span, Status};
use serde_json::{Value, json};

/// Path of a collector's URL.
pub const PATH: &str = "/v1/traces";

/// The body for a batch. `service` and `version` say who we are.
pub fn encode(service: &str, version: &str, spans: &[Span]) -> Vec<u8> {
    let mut scopes: Vec<(&str, Vec<Value>)> = Vec::new();
    for span in spans {
        let encoded = encode_span(span);
        match scopes.iter_mut().find(|(scope, _)| *scope == span.scope) {
            Some((_, spans)) => spans.push(encoded),
            None => scopes.push((&span.scope, vec![encoded])),
        }
    }
    let scopes: Vec<Value> =
        scopes.into_iter().map(|(scope, spans)| json!({ "scope": { "name": scope, "version": version }, "spans": spans })).collect();
    let resource = vec![
        ("service.name".to_owned(), Attribute::Text(service.to_owned())),
        ("service.version".to_owned(), Attribute::Text(version.to_owned())),
    ];
    json!({ "resourceSpans": [{ "resource": { "attributes": encode_attributes(&resource) }, "scopeSpans": scopes }] })
        .to_string()
        .into_bytes()
}

fn encode_span(span: &Span) -> Value {
    let mut out = json!({
        "traceId": format!("{:032x}", span.place.trace.0),
        "spanId": format!("{:016x}", span.place.span.0),
        "name": span.name,
        "kind": match span.kind {
            Kind::Internal => 1,
            Kind::Server => 2,
            Kind::Client => 3,
            Kind::Producer => 4,
            Kind::Consumer => 5,
        },
        "startTimeUnixNano": span.began.to_string(),
        "endTimeUnixNano": span.ended.to_string(),
        "attributes": encode_attributes(&span.attributes),
        "droppedAttributesCount": span.dropped,
        "events": span.events.iter().map(|event| json!({
            "timeUnixNano": event.at.to_string(),
            "name": event.name,
            "attributes": encode_attributes(&event.attributes),
        })).collect::<Vec<_>>(),
        "links": span.links.iter().map(|link| json!({
            "traceId": format!("{:032x}", link.trace.0),
            "spanId": format!("{:016x}", link.span.0),
            "attributes": encode_attributes(&link.attributes),
        })).collect::<Vec<_>>(),
        "status": match &span.status {
            Status::Unset => json!({}),
            Status::Ok => json!({ "code": 1 }),
            Status::Error(text) => json!({ "code": 2, "message": text }),
        },
    });
    if let (Some(parent), Some(members)) = (span.parent, out.as_object_mut()) {
        members.insert("parentSpanId".into(), format!("{:016x}", parent.0).into());
    }
    out
}

fn encode_attributes(attributes: &Attributes) -> Value {
    attributes
        .iter()
        .map(|(name, value)| json!({ "key": name, "value": encode_value(value) }))
        .collect()
}

fn encode_value(value: &Attribute) -> Value {
    match value {
        Attribute::Text(text) => json!({ "stringValue": text }),
        Attribute::Bool(b) => json!({ "boolValue": b }),
        Attribute::Number(n) if n.fract() == 0.0 && n.abs() < 9_007_199_254_740_992.0 => {
            json!({ "intValue": (*n as i64).to_string() })
        }
        Attribute::Number(n) if n.is_finite() => json!({ "doubleValue": n }),
        Attribute::Number(n) if n.is_nan() => json!({ "doubleValue": "NaN" }),
        Attribute::Number(n) => {
            json!({ "doubleValue": if *n > 0.0 { "Infinity" } else { "-Infinity" } })
        }
    }
}
