//! Tests of the metrics that scripts create.

use super::*;
use crate::metrics::Registry;
use crate::time::Now;

struct World {
    registry: Arc<Registry>,
    metrics: ScriptMetrics,
}

fn world() -> World {
    let registry = Registry::new("test", "1.0", Now::read());
    World { metrics: registry.script_metrics(), registry }
}

impl World {
    /// The lines of the page that belong to `name`.
    fn page(&self, name: &str) -> Vec<String> {
        self.registry
            .render(Now::read())
            .lines()
            .filter(|line| line.contains(name))
            .map(str::to_owned)
            .collect()
    }

    fn create(&self, kind: Kind, name: &str, labels: &[&str]) -> Result<(), String> {
        let labels: Vec<&[u8]> = labels.iter().map(|label| label.as_bytes()).collect();
        self.metrics.create(kind, name.as_bytes(), b"Help.", &labels).map_err(|e| e.to_string())
    }
}

fn text<T>(result: Result<T, ScriptMetricError>) -> String {
    result.err().map(|e| e.to_string()).unwrap_or_default()
}

#[test]
fn counters_count() {
    let world = world();
    world.create(Kind::Counter, "kit_count_total", &["country", "status"]).unwrap();
    let labels: [Label<'_>; 2] = [(b"status", b"ok"), (b"country", b"DE")];
    for _ in 0..2 {
        assert_eq!(world.metrics.counter_add(b"kit_count_total", &labels, 1.0), Ok(Applied::Done));
    }
    world
        .metrics
        .counter_add(b"kit_count_total", &[(b"country", b""), (b"status", b"bad")], 0.0)
        .unwrap();
    assert_eq!(
        world.page("kit_count_total"),
        [
            "# HELP kit_count_total Help.",
            "# TYPE kit_count_total counter",
            "kit_count_total{country=\"\",status=\"bad\"} 0",
            "kit_count_total{country=\"DE\",status=\"ok\"} 2",
        ]
    );
    assert_eq!(
        text(world.metrics.counter_add(b"kit_count_total", &labels, -1.0)),
        "counter cannot decrease in value"
    );
}

#[test]
fn gauges_go_up_and_down_and_are_set() {
    let world = world();
    world.create(Kind::Gauge, "level", &[]).unwrap();
    for by in [1.0, 1.0, -1.0, 2.5, -1.0] {
        world.metrics.gauge_add(b"level", &[], by).unwrap();
    }
    assert_eq!(world.page("level")[2], "level 2.5");
    world.metrics.gauge_set(b"level", &[], 7.0).unwrap();
    assert_eq!(world.page("level")[2], "level 7");
}

#[test]
fn the_last_of_several_threads_sets_a_gauge() {
    let world = world();
    world.create(Kind::Gauge, "level", &[]).unwrap();
    let other = world.registry.script_metrics();
    world.metrics.gauge_set(b"level", &[], 5.0).unwrap();
    other.gauge_set(b"level", &[], 3.0).unwrap();
    world.metrics.gauge_add(b"level", &[], 1.0).unwrap();
    assert_eq!(world.page("level")[2], "level 4");
}

#[test]
fn histograms_and_summaries_observe() {
    let world = world();
    world.create(Kind::Histogram, "h_seconds", &["http"]).unwrap();
    world.create(Kind::Summary, "s_seconds", &["http"]).unwrap();
    for seconds in [0.001, 0.06, 3.0] {
        for (kind, name) in [(Kind::Histogram, b"h_seconds"), (Kind::Summary, b"s_seconds")] {
            world.metrics.observe(kind, name, &[(b"http", b"get")], seconds).unwrap();
        }
    }
    let page = world.page("h_seconds");
    assert_eq!(page[2], "h_seconds_bucket{http=\"get\",le=\"0.001\"} 1");
    assert_eq!(page[3], "h_seconds_bucket{http=\"get\",le=\"0.00175\"} 1");
    assert!(
        page[16].starts_with("h_seconds_bucket{http=\"get\",le=\"2.52657783347740")
            && page[16].ends_with("\"} 2"),
        "{page:?}"
    );
    assert_eq!(
        page[17..],
        [
            "h_seconds_bucket{http=\"get\",le=\"+Inf\"} 3",
            "h_seconds_sum{http=\"get\"} 3.061",
            "h_seconds_count{http=\"get\"} 3"
        ]
    );
    assert_eq!(
        world.page("s_seconds")[2..],
        ["s_seconds_sum{http=\"get\"} 3.061", "s_seconds_count{http=\"get\"} 3"]
    );
}

#[test]
fn a_timer_keeps_its_series() {
    let world = world();
    world.create(Kind::Histogram, "h_seconds", &[]).unwrap();
    let series = world.metrics.series(Kind::Histogram, b"h_seconds", &[]).unwrap().unwrap();
    series.observe(0.5);
    series.observe(0.5);
    assert_eq!(world.page("h_seconds_count"), ["h_seconds_count 2"]);
}

#[test]
fn a_name_stays_with_its_kind_and_labels() {
    let world = world();
    assert_eq!(world.create(Kind::Counter, "things", &["a"]), Ok(()));
    assert_eq!(world.create(Kind::Counter, "things", &["b", "c"]), Ok(()));
    assert_eq!(world.metrics.counter_add(b"things", &[(b"a", b"1")], 1.0), Ok(Applied::Done));
    let duplicate = Err("duplicate metrics collector registration attempted".to_owned());
    assert_eq!(world.create(Kind::Gauge, "things", &["a"]), duplicate);
    assert_eq!(world.create(Kind::Counter, "redis_read_total", &[]), duplicate);
}

#[test]
fn wrong_labels_are_named_in_the_words_of_the_reference() {
    let world = world();
    world.create(Kind::Counter, "things", &["a", "b"]).unwrap();
    let add = |labels: &[Label<'_>]| text(world.metrics.counter_add(b"things", labels, 1.0));
    let few = "inconsistent label cardinality: expected 2 label values but got 1 in prometheus.Labels{\"a\":\"1\"}";
    assert_eq!(add(&[(b"a", b"1")]), few);
    let many = "inconsistent label cardinality: expected 2 label values but got 3 in prometheus.Labels{\"a\":\"1\", \"b\":\"2\", \"c\":\"3\"}";
    assert_eq!(add(&[(b"c", b"3"), (b"b", b"2"), (b"a", b"1")]), many);
    let none =
        "inconsistent label cardinality: expected 2 label values but got 0 in prometheus.Labels{}";
    assert_eq!(add(&[]), none);
    assert_eq!(add(&[(b"a", b"1"), (b"x", b"2")]), "label name \"b\" missing in label map");
}

#[test]
fn what_nobody_created_is_reported_once() {
    let world = world();
    world.create(Kind::Gauge, "level", &[]).unwrap();
    for (first, name) in [(true, b"absent"), (false, b"absent")] {
        assert_eq!(world.metrics.counter_add(name, &[], 1.0), Ok(Applied::Unknown { first }));
    }
    assert_eq!(world.metrics.counter_add(b"level", &[], 1.0), Ok(Applied::Unknown { first: true }));
    assert!(world.metrics.series(Kind::Histogram, b"absent", &[]).unwrap().is_none());
    assert!(world.page("absent").is_empty());
}

#[test]
fn odd_names_come_out_with_underscores() {
    let world = world();
    world.create(Kind::Counter, "my-metric.total", &["a-b"]).unwrap();
    world.metrics.counter_add(b"my-metric.total", &[(b"a-b", b"x")], 1.0).unwrap();
    world.create(Kind::Gauge, "1st", &[]).unwrap();
    world.metrics.gauge_set(b"1st", &[], 1.0).unwrap();
    assert_eq!(world.page("my_metric_total")[2], "my_metric_total{a_b=\"x\"} 1");
    assert_eq!(world.page("_st")[2], "_st 1");
}

#[test]
fn names_that_cannot_be_are_refused() {
    let world = world();
    let create =
        |kind, name: &[u8], labels: &[&[u8]]| text(world.metrics.create(kind, name, b"", labels));
    assert_eq!(create(Kind::Counter, b"", &[]), "\"\" is not a valid metric name");
    assert_eq!(create(Kind::Counter, b"a\xff", &[]), "\"a\u{fffd}\" is not a valid metric name");
    assert_eq!(
        create(Kind::Counter, &[b'a'; 257], &[]),
        format!("{:?} is not a valid metric name", "a".repeat(257))
    );
    assert_eq!(
        create(Kind::Counter, b"a", &[b"__name"]),
        "\"__name\" is not a valid label name for metric \"a\""
    );
    assert_eq!(
        create(Kind::Counter, b"a", &[b""]),
        "\"\" is not a valid label name for metric \"a\""
    );
    let duplicate = "duplicate label names in constant and variable labels for metric \"a\"";
    assert_eq!(create(Kind::Counter, b"a", &[b"x-y", b"x_y"]), duplicate);
    assert_eq!(
        create(Kind::Histogram, b"a", &[b"le"]),
        "\"le\" is not allowed as label name in histograms"
    );
    assert_eq!(
        create(Kind::Summary, b"a", &[b"quantile"]),
        "\"quantile\" is not allowed as label name in summaries"
    );
}

#[test]
fn there_is_a_limit_to_metrics() {
    let world = world();
    for n in 0..METRICS_MAX {
        world.create(Kind::Counter, &format!("m{n}"), &[]).unwrap();
    }
    assert_eq!(world.create(Kind::Counter, "m0", &[]), Ok(()));
    assert_eq!(
        world.create(Kind::Counter, "one_more", &[]),
        Err(format!("too many metrics created by scripts: {METRICS_MAX}"))
    );
}

#[test]
fn there_is_a_limit_to_series() {
    let world = world();
    world.create(Kind::Counter, "by_user", &["user"]).unwrap();
    for n in 0..SERIES_MAX + 10 {
        world.metrics.counter_add(b"by_user", &[(b"user", n.to_string().as_bytes())], 1.0).unwrap();
    }
    world.metrics.counter_add(b"by_user", &[(b"user", b"0")], 1.0).unwrap();
    let page = world.page("by_user");
    assert_eq!(page.len(), SERIES_MAX + 2);
    assert!(page.contains(&"by_user{user=\"0\"} 2".to_owned()));
    assert_eq!(
        world.page("loligo_script_series_refused_total")[2],
        "loligo_script_series_refused_total 10"
    );
    assert!(world.metrics.cache.borrow().series.len() <= SERIES_CACHED_MAX);
}

#[test]
fn label_values_may_be_any_bytes() {
    let world = world();
    world.create(Kind::Counter, "things", &["a"]).unwrap();
    for value in [b"\"\n\\".as_slice(), b"\xff\xfe"] {
        world.metrics.counter_add(b"things", &[(b"a", value)], 1.0).unwrap();
    }
    assert_eq!(
        world.page("things")[2..],
        ["things{a=\"\\\"\\n\\\\\"} 1", "things{a=\"\u{fffd}\u{fffd}\"} 1"]
    );
}

#[test]
fn nothing_is_lost_between_threads() {
    let world = world();
    world.create(Kind::Counter, "things", &["a"]).unwrap();
    world.create(Kind::Summary, "times", &[]).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let metrics = world.registry.script_metrics();
            scope.spawn(move || {
                for n in 0..1000 {
                    let value: &[u8] = if n % 2 == 0 { b"even" } else { b"odd" };
                    metrics.counter_add(b"things", &[(b"a", value)], 0.5).unwrap();
                    metrics.observe(Kind::Summary, b"times", &[], 0.25).unwrap();
                }
            });
        }
    });
    assert_eq!(world.page("things{"), ["things{a=\"even\"} 1000", "things{a=\"odd\"} 1000"]);
    assert_eq!(world.page("times_"), ["times_sum 1000", "times_count 4000"]);
}

#[test]
fn labels_are_shown_in_the_order_of_their_names() {
    let registry = crate::metrics::Registry::new("test", "0", crate::time::Now::read());
    let metrics = registry.script_metrics();
    metrics.create(Kind::Counter, b"kit_total", b"", &[b"zone", b"action", b"method"]).unwrap();
    metrics
        .counter_add(b"kit_total", &[(b"zone", b"1"), (b"action", b"2"), (b"method", b"3")], 1.0)
        .unwrap();
    assert!(
        metrics.render().contains("kit_total{action=\"2\",method=\"3\",zone=\"1\"} 1"),
        "{}",
        metrics.render()
    );
    let many: Vec<Vec<u8>> = (0..101).map(|n| format!("l{n}").into_bytes()).collect();
    let many: Vec<&[u8]> = many.iter().map(Vec::as_slice).collect();
    assert_eq!(
        metrics.create(Kind::Counter, b"many_total", b"", &many),
        Err(ScriptMetricError::TooManyLabels)
    );
}
