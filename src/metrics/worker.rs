//! A worker's end of the metrics.
//!
//! One per worker thread, not shared: that is what makes plain stores enough. A request costs about
//! ten updates of a nanosecond each and one try of a lock that is contended only for a few
//! microseconds per scrape; if it is taken, the time waits in `delayed`.

use super::cells::{Cells, Count, CountBy, Gauge, GaugeBy, TimeBy};
use super::labels::{LabelId, Space};
use super::registry::Registry;
use crate::time::Now;
use ahash::AHashMap;
use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// What one worker counts. Moves to its thread and stays there (`!Sync`).
pub struct WorkerMetrics {
    cells: Arc<Cells>,
    registry: Arc<Registry>,
    /// Protocols this worker has seen.
    protocols: RefCell<AHashMap<Box<[u8]>, LabelId>>,
    /// Times of requests that came while a scrape held the window.
    delayed: RefCell<Vec<Duration>>,
}

impl WorkerMetrics {
    pub(super) fn new(registry: Arc<Registry>, cells: Arc<Cells>) -> WorkerMetrics {
        WorkerMetrics {
            cells,
            registry,
            protocols: RefCell::default(),
            delayed: RefCell::default(),
        }
    }

    /// The registry: for labels when a configuration is loaded, and for the page of metrics.
    pub fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// Counts one.
    pub fn count(&self, count: Count) {
        self.cells.add(count, 1);
    }

    pub fn add(&self, count: Count, number: u64) {
        self.cells.add(count, number);
    }

    /// Counts one of a label of the space that `count` names.
    pub fn count_by(&self, count: CountBy, label: LabelId) {
        self.cells.add_by(count, label.index(), 1);
    }

    pub fn add_by(&self, count: CountBy, label: LabelId, number: u64) {
        self.cells.add_by(count, label.index(), number);
    }

    pub fn set(&self, gauge: Gauge, number: i64) {
        self.cells.gauge(gauge).store(number, Relaxed);
    }

    /// Moves a gauge up, or down with a negative number.
    pub fn shift(&self, gauge: Gauge, number: i64) {
        let cell = self.cells.gauge(gauge);
        cell.store(cell.load(Relaxed).wrapping_add(number), Relaxed);
    }

    pub fn set_by(&self, gauge: GaugeBy, label: LabelId, number: i64) {
        self.cells.set_by(gauge, label.index(), number);
    }

    pub fn observe(&self, time: TimeBy, label: LabelId, elapsed: Duration) {
        self.cells.observe(time, label.index(), elapsed);
    }

    /// Counts an answered request; `elapsed` runs from its last byte to the first byte of the
    /// answer.
    pub fn request(&self, route: LabelId, elapsed: Duration, now: Now) {
        self.count_by(CountBy::Requests, route);
        self.observe(TimeBy::Response, route, elapsed);
        let mut delayed = self.delayed.borrow_mut();
        match self.cells.requests.try_lock() {
            Ok(mut window) => {
                for elapsed in delayed.drain(..) {
                    window.record(elapsed, now.mono);
                }
                window.record(elapsed, now.mono);
            }
            Err(_) if delayed.len() < DELAYED_MAX => delayed.push(elapsed),
            Err(_) => {}
        }
    }

    /// The label of a protocol as a client gave it; `other` once there are too many.
    pub fn protocol(&self, protocol: &[u8]) -> LabelId {
        if let Some(&label) = self.protocols.borrow().get(protocol) {
            return label;
        }
        let label = self.registry.label(Space::Protocol, &[&String::from_utf8_lossy(protocol)]);
        // `other` is not remembered, or clients could fill this map; the length keeps spellings of
        // U+FFFD from doing so.
        let mut protocols = self.protocols.borrow_mut();
        if label != LabelId::OTHER && protocols.len() < PROTOCOLS_REMEMBERED_MAX {
            protocols.insert(protocol.into(), label);
        }
        label
    }
}

impl Drop for WorkerMetrics {
    /// A worker that has ended has no connections and no memory; what it counted stays.
    fn drop(&mut self) {
        self.cells.clear_gauges();
    }
}

/// A scrape holds the window for microseconds: this is more than a worker answers in ten
/// milliseconds.
const DELAYED_MAX: usize = 1024;
const PROTOCOLS_REMEMBERED_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_not_lost_to_a_scrape() {
        let registry = Registry::new("test", "1.0", Now::read());
        let worker = registry.worker("0");
        let now = Now::read();
        let scrape = worker.cells.requests.lock().unwrap();
        worker.request(LabelId::OTHER, Duration::from_millis(1), now);
        assert_eq!(worker.delayed.borrow().len(), 1);
        drop(scrape);
        worker.request(LabelId::OTHER, Duration::from_millis(1), now);
        assert!(worker.delayed.borrow().is_empty());
        assert!(registry.render(now).contains("loligo_request_duration_seconds_count 2\n"));
    }

    #[test]
    fn protocols_are_bounded_whatever_clients_send() {
        let registry = Registry::new("test", "1.0", Now::read());
        let worker = registry.worker("0");
        for n in 0..100_u32 {
            worker.count_by(CountBy::AcceptedProtocols, worker.protocol(&n.to_be_bytes()));
        }
        worker.count_by(CountBy::AcceptedProtocols, worker.protocol(b"imap"));
        worker.count_by(CountBy::AcceptedProtocols, worker.protocol(b"imap"));
        assert_eq!(worker.protocol(b"one more"), LabelId::OTHER);
        let text = registry.render(Now::read());
        assert!(text.contains("accepted_protocols_total{protocol=\"imap\"} 2\n"));
        assert!(text.matches("\naccepted_protocols_total{").count() <= 64);
        assert!(worker.protocols.borrow().len() <= 64);
    }
}
