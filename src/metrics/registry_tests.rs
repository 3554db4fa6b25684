//! Tests of `registry`: the whole page against a text written by hand, and sums over threads.

use super::super::{CountBy, Gauge, GaugeBy, Kind, TimeBy};
use super::*;
use std::time::{Duration, Instant};

fn started() -> Now {
    Now { mono: Instant::now(), unix_ns: 1_795_358_488_061_497_003 }
}

/// The page without what the kernel says about this process.
fn page(registry: &Registry, now: Now) -> String {
    let text = registry.render(now);
    let lines =
        text.lines().filter(|line| !line.contains("process_") || line.contains("process_start"));
    lines.map(|line| format!("{line}\n")).collect()
}

#[test]
fn a_page_looks_like_this() {
    let now = started();
    let registry = Registry::new("mail \"1\"", "1.0", now);
    let route = registry.label(Space::Route, &["/api/v1/:category/:service"]);
    let script = registry.label(Space::Script, &["feature", "f1"]);
    let pool = registry.label(Space::Pool, &["default"]);
    let bucket = registry.label(Space::Bucket, &["b1"]);
    let rbl = registry.label(Space::Rbl, &["list"]);
    let worker = registry.worker("0");
    worker.request(route, Duration::from_millis(2), now);
    worker.count(Count::LoginsSucceeded);
    worker.add(Count::RedisReads, 3);
    worker.count_by(CountBy::AcceptedProtocols, worker.protocol(b"imap"));
    worker.count_by(CountBy::BruteForceRejected, bucket);
    worker.add_by(CountBy::RblRejected, rbl, 2);
    worker.set(Gauge::ConnectionsOpen, 5);
    worker.shift(Gauge::ConnectionsOpen, -1);
    worker.set(Gauge::LuaMemory, 250_000);
    worker.set_by(GaugeBy::RedisConnections, pool, 1);
    worker.observe(TimeBy::Script, script, Duration::from_micros(30));
    worker.observe(TimeBy::Turn, LabelId::OTHER, Duration::from_secs(20));
    registry.collect_from(|scrape| scrape.number(&names::LOG_LINES_DROPPED, &[], 2.0));
    registry
        .script_metrics()
        .create(Kind::Gauge, b"kit_level", b"A level.", &[b"service"])
        .unwrap();
    registry.script_metrics().gauge_set(b"kit_level", &[(b"service", b"a")], 2.5).unwrap();
    registry.restore_logins((10, 20));
    registry.show_response_times(true);
    let later = Now { mono: now.mono, unix_ns: now.unix_ns + 1_000_000_000 };
    registry.reloaded("mail \"2\"", later);
    assert_eq!(page(&registry, now), include_str!("registry_tests.txt"));
    assert_eq!(registry.logins(), (11, 20));
}

#[test]
fn workers_are_added_up_while_they_count() {
    let registry = Registry::new("test", "1.0", started());
    let route = registry.label(Space::Route, &["/ping"]);
    std::thread::scope(|scope| {
        for name in ["0", "1", "2", "3"] {
            let worker = registry.worker(name);
            scope.spawn(move || {
                for _ in 0..10_000 {
                    worker.count(Count::LoginsFailed);
                    worker.request(route, Duration::from_micros(100), worker.registry().started);
                }
            });
        }
        // Reading meanwhile must neither fail nor disturb.
        for _ in 0..10 {
            assert!(registry.render(started()).contains("# TYPE logins_total counter\n"));
        }
    });
    assert_eq!(registry.logins(), (0, 40_000));
    let text = registry.render(started());
    assert!(text.contains("\nlogins_total{logins=\"failure\"} 40000\n"));
    assert!(text.contains("\nhttp_requests_total{path=\"/ping\"} 40000\n"));
}

#[test]
fn an_ended_worker_leaves_its_counts_but_no_gauges() {
    let registry = Registry::new("test", "1.0", started());
    let worker = registry.worker("0");
    worker.set(Gauge::ConnectionsOpen, 5);
    worker.count(Count::RedisWrites);
    drop(worker);
    let text = registry.render(started());
    assert!(text.contains("\nloligo_connections_open 0\n"));
    assert!(text.contains("\nredis_write_total 1\n"));
}

#[test]
fn each_worker_shows_its_own_lua_memory() {
    let registry = Registry::new("test", "1.0", started());
    let workers = [registry.worker("0"), registry.worker("1")];
    for worker in &workers {
        worker.set(Gauge::LuaMemory, 7);
        worker.set(Gauge::ConcurrentRequests, 2);
    }
    let text = registry.render(started());
    assert!(text.contains(
        "\nloligo_lua_memory_bytes{worker=\"0\"} 7\nloligo_lua_memory_bytes{worker=\"1\"} 7\n"
    ));
    assert!(text.contains("\nserver_concurrent_requests 4\n"));
}

#[test]
fn response_times_appear_only_if_wanted() {
    let registry = Registry::new("test", "1.0", started());
    let worker = registry.worker("0");
    worker.request(LabelId::OTHER, Duration::from_micros(100), started());
    assert!(!registry.render(started()).contains("# TYPE http_response_time_seconds"));
}
