//! The registry: knows every worker's cells and every other source of numbers, and makes the page
//! of metrics.
//!
//! One per process, shared. Nothing here is on the path of a request. A scrape of a server with 16
//! workers takes well under a millisecond plus what the metrics of scripts need (a microsecond per
//! series).

use super::cells::{Cells, Count};
use super::labels::{LabelId, Labels, Space};
use super::script::{ScriptMetrics, ScriptRegistry};
use super::text::Scrape;
use super::window::Window;
use super::worker::WorkerMetrics;
use super::{lock, names, process};
use crate::time::Now;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

pub struct Registry {
    /// `instance_name`; a reload may change it.
    instance: Mutex<String>,
    version: String,
    started: Now,
    /// Milliseconds since 1970.
    last_reload_ms: AtomicU64,
    response_times: AtomicBool,
    /// Logins counted before this process: success, failure.
    logins_before: [AtomicU64; 2],
    /// They are known.
    logins_restored: AtomicBool,
    labels: Labels,
    workers: Mutex<Vec<Arc<Cells>>>,
    scripts: Arc<ScriptRegistry>,
    collectors: Mutex<Vec<Collector>>,
}

/// Adds samples to a scrape.
type Collector = Box<dyn Fn(&mut Scrape) + Send + Sync>;

impl Registry {
    /// `started` is shown as the start of the server and as its last reload until there is one.
    pub fn new(instance: &str, version: &str, started: Now) -> Arc<Registry> {
        Arc::new(Registry {
            instance: Mutex::new(instance.into()),
            version: version.into(),
            started,
            last_reload_ms: AtomicU64::new(started.unix_ms()),
            response_times: AtomicBool::new(false),
            logins_before: Default::default(),
            logins_restored: AtomicBool::new(false),
            labels: Labels::new(),
            workers: Mutex::default(),
            scripts: Arc::default(),
            collectors: Mutex::default(),
        })
    }

    /// Cells for a new worker. `name` is what the label `worker` says. What an ended worker counted
    /// stays in the sums.
    pub fn worker(self: &Arc<Registry>, name: &str) -> WorkerMetrics {
        let cells = Arc::new(Cells::new(name));
        lock(&self.workers).push(cells.clone());
        WorkerMetrics::new(self.clone(), cells)
    }

    /// One thread's way to the metrics that scripts create.
    pub fn script_metrics(&self) -> ScriptMetrics {
        ScriptMetrics::new(self.scripts.clone())
    }

    /// The number to count these label values by; good for the life of the process. Takes a lock:
    /// ask when a configuration is loaded.
    pub fn label(&self, space: Space, values: &[&str]) -> LabelId {
        self.labels.id(space, values)
    }

    /// Asks `collect` for samples in every scrape, from now on.
    pub fn collect_from(&self, collect: impl Fn(&mut Scrape) + Send + Sync + 'static) {
        lock(&self.collectors).push(Box::new(collect));
    }

    /// Whether `http_response_time_seconds` is shown: `server.prometheus_timer.enabled`.
    pub fn show_response_times(&self, show: bool) {
        self.response_times.store(show, Relaxed);
    }

    /// Notes a reload.
    pub fn reloaded(&self, instance: &str, now: Now) {
        *lock(&self.instance) = instance.into();
        self.last_reload_ms.store(now.unix_ms(), Relaxed);
    }

    /// Adds logins that an earlier process counted, success and failure: they survive restarts.
    /// Only the first call counts.
    pub fn restore_logins(&self, (success, failure): (u64, u64)) {
        if !self.logins_restored.swap(true, Relaxed) {
            for (before, number) in self.logins_before.iter().zip([success, failure]) {
                before.store(number, Relaxed);
            }
        }
    }

    /// Whether [`Registry::restore_logins`] has been called.
    pub fn has_restored_logins(&self) -> bool {
        self.logins_restored.load(Relaxed)
    }

    /// Logins that succeeded and that failed, restored ones included: what is to be saved.
    pub fn logins(&self) -> (u64, u64) {
        let mut sums = self.logins_before.each_ref().map(|before| before.load(Relaxed));
        for cells in lock(&self.workers).iter() {
            for (sum, count) in sums.iter_mut().zip([Count::LoginsSucceeded, Count::LoginsFailed]) {
                *sum = sum.saturating_add(cells.count(count));
            }
        }
        (sums[0], sums[1])
    }

    /// The page of metrics, to be sent as [`CONTENT_TYPE`]. With scripts that label by user name it
    /// takes milliseconds: a server with a background worker has it made there.
    pub fn render(&self, now: Now) -> String {
        let mut scrape = Scrape::default();
        self.collect_self(&mut scrape);
        self.collect_workers(&mut scrape, now);
        self.scripts.collect(&mut scrape);
        process::collect(&mut scrape);
        for collect in lock(&self.collectors).iter() {
            collect(&mut scrape);
        }
        scrape.render()
    }

    fn collect_self(&self, scrape: &mut Scrape) {
        let instance = lock(&self.instance).clone();
        scrape.number(
            &names::VERSION_INFO,
            &[("instance_name", &instance), ("version", &self.version)],
            1.0,
        );
        scrape.number(&names::START, &[], self.started.unix_ms() as f64);
        scrape.number(&names::PROCESS_START, &[], self.started.unix_ms() as f64 / 1e3);
        scrape.number(&names::LAST_RELOAD, &[], self.last_reload_ms.load(Relaxed) as f64);
        for (outcome, before) in ["success", "failure"].iter().zip(&self.logins_before) {
            scrape.number(&names::LOGINS, &[("logins", outcome)], before.load(Relaxed) as f64);
        }
    }

    fn collect_workers(&self, scrape: &mut Scrape, now: Now) {
        let mut requests = Window::new();
        for cells in lock(&self.workers).iter() {
            cells.collect(&self.labels, self.response_times.load(Relaxed), scrape);
            lock(&cells.requests).turn(now.mono);
            cells.collect_requests(&mut requests);
        }
        scrape.sample(&names::REQUEST_DURATION, &[], requests.sample());
    }
}

/// Prometheus' text format, version 0.0.4.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores";

#[cfg(test)]
#[path = "registry_tests.rs"]
mod tests;
