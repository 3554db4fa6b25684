//! Contexts, spans' bounds, headers and the body for a collector.

use super::propagation::{BAGGAGE_MAX, Propagator, parse_baggage};
use super::*;
use proptest::prelude::*;
use std::collections::HashMap;

fn settings(sampler_ratio: f64) -> Settings {
    Settings { sampler_ratio, propagators: Vec::new() }
}

fn random(seed: u8) -> [u8; 24] {
    std::array::from_fn(|at| seed.wrapping_mul(31).wrapping_add(at as u8))
}

#[test]
fn spans_inside_spans_belong_to_one_trace() {
    let mut context = Context::default();
    let (outer, none) = context.enter(&settings(1.0), random(1));
    let (inner, parent) = context.enter(&settings(1.0), random(2));
    assert_eq!((none, parent, inner.trace), (None, Some(outer.span), outer.trace));
    assert_eq!(context.current(), Some(inner));
    context.leave(outer.span);
    assert_eq!(context.current(), Some(inner));
    context.leave(inner.span);
    let (later, parent) = context.enter(&settings(1.0), random(3));
    assert_eq!((later.trace, parent), (outer.trace, Some(outer.span)));
}

#[test]
fn a_trace_from_elsewhere_goes_on_as_it_was_sampled() {
    for sampled in [true, false] {
        let mut context = Context::default();
        let remote = Place { trace: TraceId(5), span: SpanId(6), sampled };
        context.extracted(remote);
        let (place, parent) = context.enter(&settings(0.5), random(1));
        assert_eq!(
            (place.trace, place.sampled, parent),
            (remote.trace, sampled, Some(remote.span))
        );
    }
}

#[test]
fn the_ratio_decides_by_the_number_of_the_trace() {
    let sampled = |ratio: f64| {
        (0..=255)
            .filter(|seed| Context::default().enter(&settings(ratio), [*seed; 24]).0.sampled)
            .count()
    };
    assert_eq!((sampled(0.0), sampled(1.0)), (0, 256));
    assert_eq!(sampled(0.5), 128);
    assert_eq!(
        Context::default().enter(&settings(1.0), [0; 24]).0,
        Place { trace: TraceId(1 << 64 | 1), span: SpanId(1), sampled: true }
    );
}

#[test]
fn open_spans_have_a_bound() {
    let mut context = Context::default();
    let places: Vec<Place> =
        (0..100).map(|seed| context.enter(&settings(1.0), random(seed)).0).collect();
    assert_eq!(context.current(), places.get(OPEN_MAX - 1).copied());
}

fn span() -> Span {
    let place = Place { trace: TraceId(0xabc), span: SpanId(0x12), sampled: true };
    Span::new(place, Some(SpanId(0x11)), "kit", "one", Kind::Client, 1_000_000_000)
}

#[test]
fn a_span_keeps_so_many_bytes_and_counts_the_rest() {
    let mut span = span();
    for at in 0..100 {
        span.set(vec![(format!("key{at}"), Attribute::Text("x".repeat(1000)))]);
    }
    assert_eq!(span.attributes.len() as u32 + span.dropped, 100);
    assert_eq!(span.attributes.len(), 15);
    span.set(vec![("key0".into(), Attribute::Bool(true))]);
    assert_eq!((span.attributes.len(), &span.attributes[0].1), (15, &Attribute::Bool(true)));
    span.add_event(Event { at: 0, name: "e".repeat(1000), attributes: vec![] });
    span.add_link(Link {
        trace: TraceId(1),
        span: SpanId(1),
        attributes: vec![("k".into(), Attribute::Text("x".repeat(1000)))],
    });
    assert!(span.events.is_empty() && span.links.is_empty() && span.dropped == 87);
    assert_eq!(cut(&"ä".repeat(1000)).len(), 1024);
}

#[test]
fn a_buffer_keeps_sampled_spans_until_it_is_full() {
    let buffer = Buffer::default();
    let mut unsampled = span();
    unsampled.place.sampled = false;
    buffer.push(unsampled);
    for _ in 0..BUFFERED_MAX + 3 {
        buffer.push(span());
    }
    assert_eq!((buffer.take().len(), buffer.take_dropped()), (BUFFERED_MAX, 3));
    assert_eq!((buffer.take().len(), buffer.take_dropped()), (0, 0));
}

#[test]
fn a_batch_is_written_as_a_collector_reads_it() {
    let mut one = span();
    one.ended = 2_000_000_000;
    one.set(vec![
        ("text".into(), Attribute::Text("v".into())),
        ("int".into(), Attribute::Number(5.0)),
        ("double".into(), Attribute::Number(0.5)),
        ("nan".into(), Attribute::Number(f64::NAN)),
        ("flag".into(), Attribute::Bool(true)),
    ]);
    one.add_event(Event {
        at: 1_500_000_000,
        name: "event".into(),
        attributes: vec![("x".into(), Attribute::Text("y".into()))],
    });
    one.add_link(Link { trace: TraceId(1), span: SpanId(2), attributes: vec![] });
    one.status = Status::Error("broken".into());
    let mut other = span();
    other.parent = None;
    other.scope = "other".into();
    let body: serde_json::Value =
        serde_json::from_slice(&otlp::encode("loligo", "1", &[one, other])).unwrap();
    let expected = serde_json::json!({ "resourceSpans": [{
        "resource": { "attributes": [
            { "key": "service.name", "value": { "stringValue": "loligo" } },
            { "key": "service.version", "value": { "stringValue": "1" } },
        ] },
        "scopeSpans": [
            { "scope": { "name": "kit", "version": "1" }, "spans": [{
                "traceId": "00000000000000000000000000000abc", "spanId": "0000000000000012", "parentSpanId": "0000000000000011",
                "name": "one", "kind": 3, "startTimeUnixNano": "1000000000", "endTimeUnixNano": "2000000000",
                "attributes": [
                    { "key": "text", "value": { "stringValue": "v" } },
                    { "key": "int", "value": { "intValue": "5" } },
                    { "key": "double", "value": { "doubleValue": 0.5 } },
                    { "key": "nan", "value": { "doubleValue": "NaN" } },
                    { "key": "flag", "value": { "boolValue": true } },
                ],
                "droppedAttributesCount": 0,
                "events": [{ "timeUnixNano": "1500000000", "name": "event",
                    "attributes": [{ "key": "x", "value": { "stringValue": "y" } }] }],
                "links": [{ "traceId": "00000000000000000000000000000001", "spanId": "0000000000000002", "attributes": [] }],
                "status": { "code": 2, "message": "broken" },
            }] },
            { "scope": { "name": "other", "version": "1" }, "spans": [{
                "traceId": "00000000000000000000000000000abc", "spanId": "0000000000000012",
                "name": "one", "kind": 3, "startTimeUnixNano": "1000000000", "endTimeUnixNano": "1000000000",
                "attributes": [], "droppedAttributesCount": 0, "events": [], "links": [], "status": {},
            }] },
        ],
    }] });
    assert_eq!(body, expected);
}

fn inject(
    propagator: Propagator,
    place: Option<Place>,
    baggage: &[(String, String)],
) -> HashMap<String, String> {
    let mut headers = HashMap::new();
    propagator.inject(place, baggage, |name, value| {
        headers.insert(name.to_owned(), value);
    });
    headers
}

#[test]
fn headers_of_each_format() {
    let place = Place { trace: TraceId(0xabc), span: SpanId(0x12), sampled: true };
    for (propagator, name, value) in [
        (
            Propagator::TraceContext,
            "traceparent",
            "00-00000000000000000000000000000abc-0000000000000012-01",
        ),
        (Propagator::B3, "b3", "00000000000000000000000000000abc-0000000000000012-1"),
        (Propagator::B3Multi, "x-b3-spanid", "0000000000000012"),
        (
            Propagator::Jaeger,
            "uber-trace-id",
            "00000000000000000000000000000abc:0000000000000012:0:1",
        ),
    ] {
        assert_eq!(inject(propagator, Some(place), &[]).get(name).map(String::as_str), Some(value));
        assert!(inject(propagator, None, &[]).is_empty());
    }
    let baggage = [("user".to_owned(), "a b,c".to_owned()), ("ä".to_owned(), String::new())];
    assert_eq!(
        inject(Propagator::Baggage, None, &baggage).get("baggage").unwrap(),
        "user=a%20b%2Cc,%C3%A4="
    );
}

#[test]
fn headers_that_say_nothing() {
    for text in [
        "",
        "00",
        "00-00000000000000000000000000000000-0000000000000012-01",
        "00-00000000000000000000000000000abc-0000000000000000-01",
        "00-00000000000000000000000000000ABC-0000000000000012-01",
        "00-00000000000000000000000000000abc-0000000000000012-01-more",
        "ff-00000000000000000000000000000abc-0000000000000012-01",
        "00-0000000000000000000000000000abc-0000000000000012-01",
        "00-+0000000000000000000000000000abc-0000000000000012-01",
    ] {
        assert_eq!(Propagator::TraceContext.extract(|_| Some(text)), None, "{text}");
    }
    let later = "01-00000000000000000000000000000abc-0000000000000012-00-more";
    assert_eq!(
        Propagator::TraceContext.extract(|_| Some(later)).map(|place| place.sampled),
        Some(false)
    );
    for text in ["0", "-", "x-1-1", "0-0-1", "+1-1-1", "1-1--"] {
        let place = Propagator::B3.extract(|_| Some(text));
        assert!(place.is_none_or(|place| !place.sampled), "{text}");
        assert_eq!(Propagator::Jaeger.extract(|_| Some(text)), None);
    }
    assert_eq!(
        parse_baggage("a, =b, c=%zz, d=%2, e=1;property, f = %C3%A4 "),
        [("e", "1"), ("f", "ä")].map(|(k, v)| (k.into(), v.into()))
    );
    assert_eq!(parse_baggage(&"a=b,".repeat(1000)).len(), BAGGAGE_MAX);
}

proptest! {
    #[test]
    fn what_is_injected_is_extracted(trace in 1u128.., span in 1u64.., sampled: bool, baggage in prop::collection::vec(("[^\0]{1,8}", ".{0,8}"), 0..5)) {
        let place = Place { trace: TraceId(trace), span: SpanId(span), sampled };
        for (_, propagator) in Propagator::ALL {
            let headers = inject(propagator, Some(place), &baggage);
            let found = propagator.extract(|name| headers.get(name).map(String::as_str));
            if propagator == Propagator::Baggage {
                prop_assert_eq!(headers.get("baggage").map(|text| parse_baggage(text)).unwrap_or_default(), baggage.clone());
            } else {
                prop_assert_eq!(found, Some(place));
            }
        }
    }

    #[test]
    fn any_header_is_read_or_ignored(text in "[0-9a-f:,=;%+ -]{0,80}") {
        for (_, propagator) in Propagator::ALL {
            prop_assert!(propagator.extract(|_| Some(text.as_str())).is_none_or(|place| place.trace.0 != 0 && place.span.0 != 0));
        }
        prop_assert!(parse_baggage(&text).len() <= BAGGAGE_MAX);
    }
}
