//! The module as scripts call it, with tracing and without.

use crate::auth::login::Login;
use crate::auth::request::Request;
use crate::auth::scripts::StageKind;
use crate::op::Answer;
use crate::script::testing::{Bench, LIMITS, eval};
use crate::trace::propagation::Propagator;
use crate::trace::{Attribute, Kind, Settings, Span, Status};
use crate::value::Value;

/// Runs `body` with the module in `otel` and tracing on; what it returns, and the spans that it
/// finished.
fn traced(body: &str) -> (Result<Value, String>, Vec<Span>) {
    let source = format!(
        "local otel = require('nauthilus_opentelemetry') function nauthilus_run_hook() {body} end"
    );
    let bench = Bench::with_settings(&[(StageKind::Hook, &source)], LIMITS, |settings| {
        let propagators = vec![Propagator::TraceContext, Propagator::Baggage];
        settings.tracing = Some(Settings { sampler_ratio: 1.0, propagators });
    });
    let returned = bench.hook_of(0, &Login::new(Request::default()), |_| Answer::Slept);
    (returned, bench.host.state().services().outbox.spans.take())
}

fn text(text: &str) -> Attribute {
    Attribute::Text(text.into())
}

#[test]
fn spans_are_recorded() {
    let (returned, spans) = traced(
        "local tr = otel.tracer('kit')
         local span, err = tr:start_span('one', { kind = 'client', attributes = { a = 1 },
            links = { { trace_id = 'ff', span_id = '1', attributes = { l = true } }, { trace_id = 'x' }, 5 } })
         assert(err == nil and type(span) == 'userdata')
         span:set_attribute('k', 'v')
         span:set_attributes({ n = 1, b = true, skipped = {} })
         span:set_attribute('none', nil)
         span:add_event('event', { x = 'y' })
         span:set_status('error', 'text')
         span:record_error('trouble')
         for _, none in ipairs({ '', 'nil', 'redis: nil' }) do span:record_error(none) end
         span:record_error(nil) span:record_error()
         span:finish()
         span:set_attribute('late', 1) span:finish()
         local other = otel.default_tracer():start_span('two')
         other:set_status('ok')
         other['end'](other)
         return otel.is_enabled()",
    );
    assert_eq!(returned, Ok(Value::Bool(true)));
    let [one, two] = spans.as_slice() else { panic!("{spans:?}") };
    assert_eq!(
        (one.scope.as_str(), one.name.as_str(), one.kind, &one.status),
        ("kit", "one", Kind::Client, &Status::Error("text".into()))
    );
    let attributes = [
        ("a", Attribute::Number(1.0)),
        ("k", text("v")),
        ("b", Attribute::Bool(true)),
        ("n", Attribute::Number(1.0)),
    ];
    assert_eq!(one.attributes, attributes.map(|(name, value)| (name.to_owned(), value)));
    assert_eq!(
        one.events.iter().map(|event| event.name.as_str()).collect::<Vec<_>>(),
        ["event", "exception"]
    );
    assert_eq!(one.events[1].attributes[0], ("exception.message".into(), text("trouble")));
    assert_eq!((one.links.len(), one.links[0].trace.0, one.links[0].attributes.len()), (1, 255, 1));
    assert!(one.ended >= one.began && one.began > 0);
    assert_eq!(
        (two.scope.as_str(), &two.status, two.place.trace),
        ("nauthilus/lua", &Status::Ok, one.place.trace)
    );
}

#[test]
fn with_span_calls_across_waits_and_errors() {
    let (returned, spans) = traced(
        "local tr = otel.tracer('kit')
         local a, b, c = tr:with_span('outer', function(outer)
            require('time').sleep(1)
            tr:with_span('inner', function(inner) inner:set_attribute('x', 1) end, { kind = 'server' })
            return 'first', nil, 3
         end)
         local ok, err = pcall(function() tr:with_span('broken', function() error('inside') end) end)
         local value = select(2, pcall(function() tr:with_span('table', function() error({ 1 }) end) end))
         return { a, tostring(b), c, ok, err:find('inside') ~= nil and err:find('stack traceback') ~= nil, type(value) }",
    );
    let expected = [
        Value::string("first"),
        Value::string("nil"),
        Value::Number(3.0),
        Value::Bool(false),
        Value::Bool(true),
    ];
    assert_eq!(
        returned,
        Ok(Value::List(expected.into_iter().chain([Value::string("table")]).collect()))
    );
    let names: Vec<_> = spans.iter().map(|span| span.name.as_str()).collect();
    assert_eq!(names, ["inner", "outer", "broken", "table"]);
    assert_eq!((spans[0].parent, spans[0].kind), (Some(spans[1].place.span), Kind::Server));
    assert!(matches!(&spans[2].status, Status::Error(text) if text.contains("inside")));
}

#[test]
fn headers_carry_the_trace() {
    let (returned, spans) = traced(
        "local before = {}
         otel.inject_headers(before)
         assert(next(before) == nil)
         otel.extract_headers({ Traceparent = { '00-00000000000000000000000000000abc-0000000000000012-01' }, baggage = 'user=ada' })
         assert(otel.baggage_get('user') == 'ada')
         otel.baggage_set('n', 5)
         local span = otel.tracer():start_span('call')
         local headers = {}
         otel.inject_headers(headers)
         span:finish()
         assert(headers.baggage == 'user=ada,n=5' and otel.baggage_all().n == '5')
         otel.baggage_clear()
         assert(next(otel.baggage_all()) == nil and otel.baggage_get('user') == nil)
         return headers.traceparent",
    );
    let place = spans[0].place;
    assert_eq!((place.trace.0, spans[0].parent.map(|parent| parent.0)), (0xabc, Some(0x12)));
    assert_eq!(
        returned,
        Ok(Value::string(format!("00-{:032x}-{:016x}-01", place.trace.0, place.span.0)))
    );
}

#[test]
fn without_tracing_everything_is_there_and_does_nothing() {
    let returned = eval(
        "local otel = require('nauthilus_opentelemetry')
         assert(otel.is_enabled() == false and select(2, otel.is_enabled()) == nil and otel.start_span == nil)
         local tr = otel.tracer('kit')
         local span = tr:start_span('one', { kind = 'client' })
         span:set_attribute('k', 'v') span:set_attributes({}) span:add_event('e') span:set_status('ok') span:record_error('x') span:finish()
         local headers = {}
         otel.baggage_set('a', 'b') otel.inject_headers(headers) otel.extract_headers({ traceparent = 'x' })
         assert(next(headers) == nil and otel.baggage_get('a') == nil)
         return tr:with_span('two', function(s) s:finish() return 'called' end)",
    );
    assert_eq!(returned, Ok(Value::string("called")));
}

#[test]
fn semconv_renames() {
    let returned = eval(
        "local s = require('nauthilus_opentelemetry').semconv
         local http = s.http_client_attrs({ method = 'GET', url = 'http://h/', status_code = 200 })
         local db = s.db_attrs({ system = 'mysql', name = 'n', operation = 'o', statement = 's' })
         local net = s.net_attrs({ peer_name = 'h', peer_port = 25, other = 1 })
         local n = 0
         for _ in pairs(net) do n = n + 1 end
         assert(not pcall(function() s.more = 1 end))
         return { s.peer_service('svc')['peer.service'], http['http.method'], http['url.full'], http['http.status_code'], db['db.system'],
            db['db.name'] .. db['db.operation'] .. db['db.statement'], net['server.address'], net['server.port'], n }",
    );
    let texts = ["svc", "GET", "http://h/", "200", "mysql", "nos", "h", "25", "2"];
    let Ok(Value::List(found)) = returned else { panic!("{returned:?}") };
    let found: Vec<_> = found
        .iter()
        .map(|value| String::from_utf8(value.text().unwrap().into_owned()).unwrap())
        .collect();
    assert_eq!(found, texts);
}

#[test]
fn wrong_arguments_raise() {
    for (source, error) in [
        ("tracer(5)", "bad argument #1 to tracer (string expected, got number)"),
        ("tracer():start_span()", "bad argument #2 to start_span (string expected, got nil)"),
        ("tracer():with_span('a')", "bad argument #2 to with_span (function expected, got nil)"),
        (
            "tracer():start_span('a'):set_attributes()",
            "bad argument #2 to set_attributes (table expected, got nil)",
        ),
        ("tracer():start_span('a').finish(5)", "bad argument #1 to finish (span expected)"),
        ("baggage_set('a')", "bad argument #2 to baggage_set (string expected, got nil)"),
        ("inject_headers()", "bad argument #1 to inject_headers (table expected, got nil)"),
        ("semconv.net_attrs()", "bad argument #1 to net_attrs (table expected, got nil)"),
    ] {
        let raised = eval(&format!("require('nauthilus_opentelemetry').{source}")).unwrap_err();
        assert!(raised.contains(error), "{source}: {raised}");
    }
}
