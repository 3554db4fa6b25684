//! Metrics: what workers count, what scripts count, and the page that Prometheus reads.
//!
//! Each worker counts into cells of its own ([`WorkerMetrics`]): a load and a store, no lock, no
//! shared cache line. The [`Registry`] adds up all cells on demand. Names live in [`names`]; labels
//! are interned once and counted by number ([`LabelId`]), in tables of fixed size, so that no
//! client can make the process grow. Metrics that scripts create are in [`script`]. What is cheaper
//! to look up than to count is sampled at scrape time ([`Registry::collect_from`]).
//!
//! Called by workers, the pipeline, the script host, and the route `/metrics`.

mod cells;
mod labels;
pub mod names;
mod process;
mod registry;
pub mod script;
mod text;
mod window;
mod worker;

pub use cells::{Count, CountBy, Gauge, GaugeBy, TimeBy};
pub use labels::{LabelId, Space};
pub use names::{Family, Kind};
pub use registry::{CONTENT_TYPE, Registry};
pub use script::{ScriptMetrics, ScriptRegistry};
pub use text::{Buckets, Sample, Scrape};
pub use worker::WorkerMetrics;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Numbers stay numbers when a thread panics while it holds them.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
