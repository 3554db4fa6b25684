//! One worker's cells: what can be counted, and where the numbers are kept.
//!
//! A cell has one writer, its worker, so an update is a relaxed load and store without a lock
//! prefix; a reader sees each cell as of some moment, which is all that a scrape needs. The cells
//! of a worker share no cache line with those of another. To add a metric: a constant in `names`, a
//! variant here, its line in `describe`.

use super::labels::{LABELS_MAX, Labels, Space};
use super::lock;
use super::names::{self, Family};
use super::text::{Buckets, Sample, Scrape};
use super::window::Window;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

/// An enum that also numbers its variants for use as an index.
macro_rules! indexed {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident,)* }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$doc])* $variant,)* }

        impl $name {
            pub(super) const ALL: &'static [$name] = &[$($name::$variant),*];
        }
    };
}

indexed! {
    /// Counted as they happen.
    Count {
        LoginsSucceeded,
        LoginsFailed,
        TemporaryFailures,
        RedisReads,
        RedisWrites,
        CacheHits,
        CacheMisses,
        /// One too many of all.
        RequestsRefused,
        /// One too many of its client's address.
        RequestsRateLimited,
        PostActionsDropped,
        HashesRefused,
        ConnectionsAccepted,
        /// Tries to accept that failed for want of file descriptors or memory.
        AcceptsFailed,
        /// Closed at once: PROXY headers are demanded, and the peer is no trusted proxy.
        ConnectionsUntrusted,
        /// Answered with 400.
        ProxyHeadersRefused,
        /// Closed at once: the listener has as many as it may.
        ConnectionsOverLimit,
        /// TLS handshakes with clients: whole ones, those that went on with an earlier session,
        /// and those that failed.
        TlsHandshakes,
        TlsResumed,
        TlsFailed,
    }
}

indexed! {
    /// Counted by label.
    CountBy {
        /// By [`Space::Route`]; [`super::WorkerMetrics::request`] counts it.
        Requests,
        /// By [`Space::Protocol`].
        AcceptedProtocols,
        /// By [`Space::Protocol`].
        RejectedProtocols,
        /// By [`Space::Bucket`].
        BruteForceRejected,
        /// By [`Space::Bucket`].
        BruteForceHits,
        /// By [`Space::Rbl`].
        RblRejected,
        /// By [`Space::Pool`], as are the next two.
        RedisHits,
        RedisMisses,
        RedisTimeouts,
        /// By [`Space::Script`].
        ScriptErrors,
    }
}

indexed! {
    /// What is the case now, added up over the workers.
    Gauge {
        ConnectionsOpen,
        UnfinishedBytes,
        /// Connections to servers, but for those to Redis.
        UpstreamConnectionsOpen,
        ConcurrentRequests,
        /// Ops without their answers.
        Waits,
        /// Monitored servers: those configured, those that answer. The background worker's.
        ServersWanted,
        ServersAlive,
        /// Bytes; shown for each worker by itself.
        LuaMemory,
    }
}

indexed! {
    /// What is the case now, by label: all by [`Space::Pool`].
    GaugeBy {
        RedisConnections,
        RedisConnectionsIdle,
        /// Connections lost since the start.
        RedisConnectionsStale,
    }
}

indexed! {
    /// How long things take, by label.
    TimeBy {
        /// By [`Space::Route`]; [`super::WorkerMetrics::request`] observes it.
        Response,
        /// By [`Space::Rbl`].
        Rbl,
        /// By [`Space::Script`].
        Script,
        /// One turn of the loop; [`super::LabelId::OTHER`].
        Turn,
    }
}

impl Count {
    fn describe(self) -> (&'static Family, &'static [(&'static str, &'static str)]) {
        match self {
            Count::LoginsSucceeded => (&names::LOGINS, &[("logins", "success")]),
            Count::LoginsFailed => (&names::LOGINS, &[("logins", "failure")]),
            Count::TemporaryFailures => (&names::TEMPORARY_FAILURES, &[]),
            Count::RedisReads => (&names::REDIS_READS, &[]),
            Count::RedisWrites => (&names::REDIS_WRITES, &[]),
            Count::CacheHits => (&names::CACHE_HITS, &[]),
            Count::CacheMisses => (&names::CACHE_MISSES, &[]),
            Count::RequestsRefused => (&names::REQUESTS_REFUSED, &[]),
            Count::RequestsRateLimited => (&names::REQUESTS_RATE_LIMITED, &[]),
            Count::PostActionsDropped => (&names::POST_ACTIONS_DROPPED, &[]),
            Count::HashesRefused => (&names::HASHES_REFUSED, &[]),
            Count::ConnectionsAccepted => (&names::CONNECTIONS_ACCEPTED, &[]),
            Count::AcceptsFailed => (&names::ACCEPTS_FAILED, &[]),
            Count::ConnectionsUntrusted => {
                (&names::CONNECTIONS_REFUSED, &[("reason", "untrusted_peer")])
            }
            Count::ProxyHeadersRefused => {
                (&names::CONNECTIONS_REFUSED, &[("reason", "proxy_header")])
            }
            Count::ConnectionsOverLimit => {
                (&names::CONNECTIONS_REFUSED, &[("reason", "max_connections")])
            }
            Count::TlsHandshakes => (&names::TLS_HANDSHAKES, &[("result", "full")]),
            Count::TlsResumed => (&names::TLS_HANDSHAKES, &[("result", "resumed")]),
            Count::TlsFailed => (&names::TLS_HANDSHAKES, &[("result", "failed")]),
        }
    }
}

impl CountBy {
    fn describe(self) -> (&'static Family, Space) {
        match self {
            CountBy::Requests => (&names::REQUESTS, Space::Route),
            CountBy::AcceptedProtocols => (&names::ACCEPTED_PROTOCOLS, Space::Protocol),
            CountBy::RejectedProtocols => (&names::REJECTED_PROTOCOLS, Space::Protocol),
            CountBy::BruteForceRejected => (&names::BRUTE_FORCE_REJECTED, Space::Bucket),
            CountBy::BruteForceHits => (&names::BRUTE_FORCE_HITS, Space::Bucket),
            CountBy::RblRejected => (&names::RBL_REJECTED, Space::Rbl),
            CountBy::RedisHits => (&names::REDIS_HITS, Space::Pool),
            CountBy::RedisMisses => (&names::REDIS_MISSES, Space::Pool),
            CountBy::RedisTimeouts => (&names::REDIS_TIMEOUTS, Space::Pool),
            CountBy::ScriptErrors => (&names::SCRIPT_ERRORS, Space::Script),
        }
    }
}

impl Gauge {
    fn family(self) -> &'static Family {
        match self {
            Gauge::ConnectionsOpen => &names::CONNECTIONS_OPEN,
            Gauge::UnfinishedBytes => &names::UNFINISHED_BYTES,
            Gauge::UpstreamConnectionsOpen => &names::UPSTREAM_CONNECTIONS_OPEN,
            Gauge::ConcurrentRequests => &names::CONCURRENT_REQUESTS,
            Gauge::Waits => &names::WAITS,
            Gauge::ServersWanted | Gauge::ServersAlive => &names::BACKEND_SERVERS_STATUS,
            Gauge::LuaMemory => &names::LUA_MEMORY,
        }
    }

    fn label(self, worker: &str) -> Option<(&'static str, &str)> {
        match self {
            Gauge::LuaMemory => Some(("worker", worker)),
            Gauge::ServersWanted => Some(("server_status", "wanted")),
            Gauge::ServersAlive => Some(("server_status", "alive")),
            Gauge::ConnectionsOpen
            | Gauge::UnfinishedBytes
            | Gauge::UpstreamConnectionsOpen
            | Gauge::ConcurrentRequests
            | Gauge::Waits => None,
        }
    }
}

impl GaugeBy {
    fn describe(self) -> (&'static Family, Space) {
        match self {
            GaugeBy::RedisConnections => (&names::REDIS_POOL_TOTAL, Space::Pool),
            GaugeBy::RedisConnectionsIdle => (&names::REDIS_POOL_IDLE, Space::Pool),
            GaugeBy::RedisConnectionsStale => (&names::REDIS_POOL_STALE, Space::Pool),
        }
    }
}

impl TimeBy {
    fn describe(self) -> (&'static Family, Space) {
        match self {
            TimeBy::Response => (&names::RESPONSE_TIME, Space::Route),
            TimeBy::Rbl => (&names::RBL_DURATION, Space::Rbl),
            TimeBy::Script => (&names::SCRIPT_DURATION, Space::Script),
            TimeBy::Turn => (&names::TURN_DURATION, Space::Nothing),
        }
    }

    /// Upper bounds of the buckets, in seconds.
    fn bounds(self) -> &'static [f64] {
        match self {
            TimeBy::Response | TimeBy::Rbl | TimeBy::Script | TimeBy::Turn => &FINE_BOUNDS,
        }
    }
}

/// All numbers of one worker.
#[repr(align(128))]
pub(super) struct Cells {
    /// The worker, as the label `worker` has it.
    name: String,
    counts: [Counter; Count::ALL.len()],
    gauges: [AtomicI64; Gauge::ALL.len()],
    counts_by: [[Counter; LABELS_MAX]; CountBy::ALL.len()],
    gauges_by: [[AtomicI64; LABELS_MAX]; GaugeBy::ALL.len()],
    times_by: [[OnceLock<Box<Histogram>>; LABELS_MAX]; TimeBy::ALL.len()],
    /// Times of requests, for quantiles. The worker only ever tries the lock, a reader holds it for
    /// microseconds.
    pub requests: Mutex<Window>,
}

#[expect(clippy::indexing_slicing, reason = "there is a cell for each variant, numbered from 0")]
impl Cells {
    pub fn new(name: &str) -> Cells {
        Cells {
            name: name.into(),
            counts: Default::default(),
            gauges: Default::default(),
            counts_by: std::array::from_fn(|_| std::array::from_fn(|_| Counter::default())),
            gauges_by: std::array::from_fn(|_| std::array::from_fn(|_| AtomicI64::new(0))),
            times_by: std::array::from_fn(|_| std::array::from_fn(|_| OnceLock::new())),
            requests: Mutex::new(Window::new()),
        }
    }

    pub fn add(&self, count: Count, number: u64) {
        self.counts[count as usize].add(number);
    }

    pub fn count(&self, count: Count) -> u64 {
        self.counts[count as usize].value()
    }

    pub fn add_by(&self, count: CountBy, label: usize, number: u64) {
        if let Some(counter) = self.counts_by[count as usize].get(label) {
            counter.add(number);
        }
    }

    pub fn gauge(&self, gauge: Gauge) -> &AtomicI64 {
        &self.gauges[gauge as usize]
    }

    pub fn set_by(&self, gauge: GaugeBy, label: usize, number: i64) {
        if let Some(cell) = self.gauges_by[gauge as usize].get(label) {
            cell.store(number, Relaxed);
        }
    }

    pub fn observe(&self, time: TimeBy, label: usize, elapsed: Duration) {
        if let Some(histogram) = self.times_by[time as usize].get(label) {
            histogram.get_or_init(Box::default).observe(time.bounds(), elapsed);
        }
    }

    /// Forgets what is only true while the worker lives.
    pub fn clear_gauges(&self) {
        for cell in self.gauges.iter().chain(self.gauges_by.iter().flatten()) {
            cell.store(0, Relaxed);
        }
    }

    /// Adds everything to a scrape; series that never happened do not appear. The times of
    /// responses only if they are wanted.
    pub fn collect(&self, labels: &Labels, response_times: bool, scrape: &mut Scrape) {
        for &count in Count::ALL {
            let (family, labels) = count.describe();
            scrape.number(family, labels, self.count(count) as f64);
        }
        for &gauge in Gauge::ALL {
            scrape.number(
                gauge.family(),
                gauge.label(&self.name).as_slice(),
                self.gauge(gauge).load(Relaxed) as f64,
            );
        }
        for (&count, cells) in CountBy::ALL.iter().zip(&self.counts_by) {
            let (family, space) = count.describe();
            collect_numbers(labels, space, family, scrape, |index| {
                cells.get(index).map_or(0.0, |cell| cell.value() as f64)
            });
        }
        for (&gauge, cells) in GaugeBy::ALL.iter().zip(&self.gauges_by) {
            let (family, space) = gauge.describe();
            collect_numbers(labels, space, family, scrape, |index| {
                cells.get(index).map_or(0.0, |cell| cell.load(Relaxed) as f64)
            });
        }
        for (&time, cells) in TimeBy::ALL.iter().zip(&self.times_by) {
            if time == TimeBy::Response && !response_times {
                continue;
            }
            let (family, space) = time.describe();
            labels.each(space, |index, pairs| {
                if let Some(histogram) = cells.get(index).and_then(OnceLock::get) {
                    scrape.sample(family, pairs, histogram.sample(time.bounds()));
                }
            });
        }
    }

    /// Adds the times of requests to those of the other workers.
    pub fn collect_requests(&self, into: &mut Window) {
        into.merge(&lock(&self.requests));
    }
}

/// A counter with one writer.
#[derive(Default)]
struct Counter(AtomicU64);

impl Counter {
    fn add(&self, number: u64) {
        self.0.store(self.value().wrapping_add(number), Relaxed);
    }

    fn value(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A histogram with one writer; the bounds are those of its [`TimeBy`].
#[derive(Default)]
#[repr(align(128))]
struct Histogram {
    /// The last one that has a bound's index is followed by the one above all bounds.
    counts: [Counter; BOUNDS_MAX + 1],
    sum_ns: Counter,
}

impl Histogram {
    fn observe(&self, bounds: &[f64], elapsed: Duration) {
        let seconds = elapsed.as_secs_f64();
        let bucket = bounds.partition_point(|&bound| bound < seconds);
        if let Some(counter) = self.counts.get(bucket) {
            counter.add(1);
        }
        self.sum_ns.add(u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX));
    }

    fn sample(&self, bounds: &[f64]) -> Sample {
        Sample::Histogram(Buckets {
            counts: bounds
                .iter()
                .zip(&self.counts)
                .map(|(&bound, counter)| (bound, counter.value()))
                .collect(),
            above: self.counts.get(bounds.len()).map_or(0, Counter::value),
            sum: self.sum_ns.value() as f64 / 1e9,
        })
    }
}

fn collect_numbers(
    labels: &Labels,
    space: Space,
    family: &Family,
    scrape: &mut Scrape,
    number: impl Fn(usize) -> f64,
) {
    labels.each(space, |index, pairs| {
        let number = number(index);
        if number != 0.0 {
            scrape.number(family, pairs, number);
        }
    });
}

/// From a script that computes a little to one that waits for the longest of timeouts.
const FINE_BOUNDS: [f64; 19] = [
    0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025,
    0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];
const BOUNDS_MAX: usize = FINE_BOUNDS.len();

#[cfg(test)]
mod tests {
    use super::super::labels::LabelId;
    use super::*;

    #[test]
    fn an_observation_lands_in_the_first_bucket_that_holds_it() {
        let histogram = Histogram::default();
        for micros in [10, 11, 25, 999, 1000, 10_000_000, 10_000_001] {
            histogram.observe(&FINE_BOUNDS, Duration::from_micros(micros));
        }
        let Sample::Histogram(buckets) = histogram.sample(&FINE_BOUNDS) else {
            panic!("no histogram")
        };
        let filled: Vec<(f64, u64)> =
            buckets.counts.iter().copied().filter(|&(_, count)| count > 0).collect();
        assert_eq!(filled, [(0.000_01, 1), (0.000_025, 2), (0.001, 2), (10.0, 1)]);
        assert_eq!(buckets.above, 1);
        assert_eq!(buckets.sum, 20.002_046);
    }

    #[test]
    fn every_set_of_bounds_fits_and_ascends() {
        for time in TimeBy::ALL {
            let bounds = time.bounds();
            assert!(bounds.len() <= BOUNDS_MAX, "{time:?}");
            assert!(bounds.is_sorted(), "{time:?}");
        }
    }

    #[test]
    fn variants_are_their_own_index() {
        assert!(Count::ALL.iter().enumerate().all(|(index, &count)| count as usize == index));
        assert!(TimeBy::ALL.iter().enumerate().all(|(index, &time)| time as usize == index));
    }

    #[test]
    fn a_series_appears_when_it_has_happened() {
        let labels = Labels::new();
        let cells = Cells::new("0");
        let script = labels.id(Space::Script, &["feature", "f1"]);
        let text = |response_times| {
            let mut scrape = Scrape::default();
            cells.collect(&labels, response_times, &mut scrape);
            scrape.render()
        };
        assert!(!text(true).contains("f1"));
        cells.observe(TimeBy::Script, script.index(), Duration::from_micros(1));
        cells.observe(TimeBy::Response, LabelId::OTHER.index(), Duration::from_micros(1));
        assert!(text(true).contains(
            "loligo_lua_script_duration_seconds_count{stage=\"feature\",script=\"f1\"} 1\n"
        ));
        assert!(!text(false).contains("http_response_time_seconds"));
    }

    #[test]
    fn a_label_beyond_the_table_is_not_counted() {
        let cells = Cells::new("0");
        cells.add_by(CountBy::Requests, LABELS_MAX, 1);
        cells.set_by(GaugeBy::RedisConnections, LABELS_MAX, 1);
        cells.observe(TimeBy::Script, LABELS_MAX, Duration::ZERO);
    }
}
