//! The module as scripts call it; what comes of it is read as the scrape shows it.

use crate::auth::scripts::StageKind;
use crate::op::Answer;
use crate::script::testing::Bench;
use crate::value::Value;

/// Runs `body` with the module in `p`.
fn bench(body: &str) -> (Result<Value, String>, Bench) {
    let source = format!(
        "local p = require('nauthilus_prometheus') function nauthilus_run_hook() {body} end"
    );
    let bench = Bench::new(&[(StageKind::Hook, &source)]);
    (bench.hook(|_| Answer::Slept), bench)
}

fn page(body: &str) -> String {
    let (returned, bench) = bench(body);
    assert_eq!(returned, Ok(Value::Nil));
    bench.host.state().services().metrics.render()
}

fn error(body: &str) -> String {
    bench(body).0.unwrap_err()
}

#[track_caller]
fn shows(page: &str, line: &str) {
    assert!(page.lines().any(|shown| shown == line), "no {line} in\n{page}");
}

#[test]
fn counters_count() {
    let page = page(
        "p.create_counter_vec('kit_count_total', 'Counts things.', { 'country', 'status' })
         p.create_counter_vec('kit_count_total', 'Again.', { 'country' })
         p.increment_counter('kit_count_total', { country = 'DE', status = 'ok' })
         p.increment_counter('kit_count_total', { country = 'DE', status = 'ok' })
         p.touch_counter('kit_count_total', { country = '', status = true })",
    );
    shows(&page, "# HELP kit_count_total Counts things.");
    shows(&page, "kit_count_total{country=\"DE\",status=\"ok\"} 2");
    shows(&page, "kit_count_total{country=\"\",status=\"true\"} 0");
}

#[test]
fn gauges_go_up_and_down() {
    let page = page(
        "p.create_gauge_vec('kit_level', 'A level.', { 'service' })
         p.increment_gauge('kit_level', { service = 'a' })
         p.increment_gauge('kit_level', { service = 'a' })
         p.decrement_gauge('kit_level', { service = 'a' })
         p.add_gauge('kit_level', '2.5', { service = 'a' })
         p.sub_gauge('kit_level', 1, { service = 'a' })
         p.set_gauge('kit_level', 7, { service = 5 })",
    );
    shows(&page, "kit_level{service=\"a\"} 2.5");
    shows(&page, "kit_level{service=\"5\"} 7");
}

#[test]
fn a_metric_without_labels_has_an_empty_table_of_them() {
    shows(
        &page("p.create_counter_vec('kit_total', '') p.increment_counter('kit_total', {})"),
        "kit_total 1",
    );
    let error = error("p.create_counter_vec('kit_total', '') p.increment_counter('kit_total')");
    assert!(
        error.contains("bad argument #2 to increment_counter (table expected, got nil)"),
        "{error}"
    );
}

#[test]
fn timers_observe_each_time_they_are_stopped() {
    let page = page(
        "p.create_histogram_vec('kit_seconds', 'How long.', { 'http' })
         p.create_summary_vec('kit_summary_seconds', 'How long too.', { 'http' })
         local t, err = p.start_histogram_timer('kit_seconds', { http = 'post' })
         local s = p.start_summary_timer('kit_summary_seconds', { http = 'get' })
         assert(type(t) == 'userdata' and err == nil and getmetatable(t) == false)
         assert(select('#', p.stop_timer(t)) == 0)
         p.stop_timer(t) p.stop_timer(s)",
    );
    shows(&page, "kit_seconds_count{http=\"post\"} 2");
    shows(&page, "kit_seconds_bucket{http=\"post\",le=\"+Inf\"} 2");
    shows(&page, "kit_summary_seconds_count{http=\"get\"} 1");
}

#[test]
fn a_timer_is_wanted_to_stop() {
    for (argument, got) in
        [("", "no value"), ("nil", "nil"), ("5", "number"), ("io.stdout", "userdata")]
    {
        let error = error(&format!("p.stop_timer({argument})"));
        assert!(
            error
                .contains(&format!("bad argument #1 to stop_timer (userdata expected, got {got})")),
            "{error}"
        );
    }
}

#[test]
fn an_unknown_metric_is_ignored_with_one_warning() {
    let (returned, bench) = bench(
        "for i = 1, 3 do
           p.increment_counter('kit_absent_total', { a = '1' }) p.set_gauge('kit_absent', 1, {}) p.decrement_gauge('kit_absent', {})
           p.stop_timer(p.start_histogram_timer('kit_absent_seconds', {}))
         end",
    );
    assert_eq!(returned, Ok(Value::Nil));
    let warnings = bench.host.state().services().outbox.warnings.borrow();
    assert_eq!(warnings.len(), 3, "{warnings:?}");
    assert!(
        warnings.iter().any(|warning| warning.contains("\"kit_absent_seconds\"")),
        "{warnings:?}"
    );
}

#[test]
fn wrong_use_raises() {
    for (body, expected) in [
        (
            "p.create_counter_vec('kit', '') p.create_gauge_vec('kit', '')",
            "duplicate metrics collector registration attempted",
        ),
        (
            "p.create_counter_vec('kit')",
            "bad argument #2 to create_counter_vec (string expected, got nil)",
        ),
        (
            "p.create_counter_vec('kit', '', 'a')",
            "bad argument #3 to create_counter_vec (table expected, got string)",
        ),
        (
            "p.create_counter_vec('kit', '', { 'a', 'b' }) p.increment_counter('kit', { a = 1 })",
            "inconsistent label cardinality: expected 2 label values but got 1 in prometheus.Labels{\"a\":\"1\"}",
        ),
        (
            "p.create_counter_vec('kit', '', { 'a' }) p.increment_counter('kit', { 'x' })",
            "label name \"a\" missing in label map",
        ),
        (
            "p.create_summary_vec('kit', '', { 'a' }) p.start_summary_timer('kit', {})",
            "inconsistent label cardinality",
        ),
        ("p.add_gauge('kit', {}, {})", "bad argument #2 to add_gauge (number expected, got table)"),
    ] {
        let error = error(body);
        assert!(error.contains(expected), "{body}: {error}");
    }
}
