//! Metrics that scripts create: `nauthilus_prometheus` and the `prometheus` module.
//!
//! A name belongs to one kind for the life of the process; reloads and repeated init scripts change
//! nothing. Values are process-wide atomics, one set per series: a gauge that several workers set
//! has the value that was set last, which shards could not say. A thread finds a series through its
//! own cache ([`ScriptMetrics`]), so the request path takes no lock once a series has been seen.
//!
//! Errors carry the words scripts know. Bounds: [`METRICS_MAX`], [`SERIES_MAX`] (updates of further
//! series go nowhere and are counted).

mod series;

pub use series::{BOUNDS, Series};

use super::names::{self, Kind};
use super::text::Scrape;
use ahash::AHashMap;
use series::Metric;
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// A label of a script's call: name and value as it gave them.
pub type Label<'a> = (&'a [u8], &'a [u8]);

/// Why a script's call is wrong. The text is what the script sees.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScriptMetricError {
    /// The name is in use for another kind, by a script or by the server.
    #[error("duplicate metrics collector registration attempted")]
    Duplicate,
    #[error("{0:?} is not a valid metric name")]
    BadName(String),
    #[error("{label:?} is not a valid label name for metric {metric:?}")]
    BadLabelName { label: String, metric: String },
    #[error("duplicate label names in constant and variable labels for metric {0:?}")]
    DuplicateLabel(String),
    #[error("{label:?} is not allowed as label name in {}", match kind { Kind::Summary => "summaries", _ => "histograms" })]
    ReservedLabel { label: &'static str, kind: Kind },
    #[error("too many metrics created by scripts: {METRICS_MAX}")]
    TooMany,
    #[error("a metric has at most {LABELS_MAX} labels")]
    TooManyLabels,
    /// More or fewer labels than the metric was created with.
    #[error(
        "inconsistent label cardinality: expected {expected} label values but got {got} in {labels}"
    )]
    LabelCount { expected: usize, got: usize, labels: String },
    /// As many labels, but not these.
    #[error("label name {0:?} missing in label map")]
    MissingLabel(String),
    #[error("counter cannot decrease in value")]
    Decrease,
}

/// What came of a call that was not wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    Done,
    /// There is no metric of this name and kind; nothing happens (the reference's later behaviour).
    /// `first`: this thread had not asked for it before, so a warning is due.
    Unknown {
        first: bool,
    },
}

/// One thread's way to the metrics of scripts.
pub struct ScriptMetrics {
    registry: Arc<ScriptRegistry>,
    cache: RefCell<Cache>,
}

/// What a thread has looked up before. Metrics and series are never taken away, so nothing here can
/// be wrong.
#[derive(Default)]
struct Cache {
    metrics: AHashMap<Box<[u8]>, Arc<Metric>>,
    /// By metric and label values, as `Metric::push_key` writes them.
    series: AHashMap<Box<[u8]>, Arc<Series>>,
    key: Vec<u8>,
    unknown: HashSet<Box<[u8]>>,
}

impl ScriptMetrics {
    pub(super) fn new(registry: Arc<ScriptRegistry>) -> ScriptMetrics {
        ScriptMetrics { registry, cache: RefCell::default() }
    }

    /// Creates a metric. One that exists in the same kind is left as it is, with its first help and
    /// labels.
    ///
    /// # Errors
    /// The name or a label is not valid, or the name is in use for another kind, or there are too
    /// many.
    pub fn create(
        &self,
        kind: Kind,
        name: &[u8],
        help: &[u8],
        labels: &[&[u8]],
    ) -> Result<(), ScriptMetricError> {
        self.registry.create(kind, name, help, labels)
    }

    /// Adds to a counter; zero makes the series appear.
    ///
    /// # Errors
    /// The labels are not those of the metric, or `by` is negative.
    pub fn counter_add(
        &self,
        name: &[u8],
        labels: &[Label<'_>],
        by: f64,
    ) -> Result<Applied, ScriptMetricError> {
        if by < 0.0 {
            return Err(ScriptMetricError::Decrease);
        }
        self.apply(Kind::Counter, name, labels, |series| series.add(by))
    }

    /// Adds to a gauge; a negative number subtracts.
    ///
    /// # Errors
    /// The labels are not those of the metric.
    pub fn gauge_add(
        &self,
        name: &[u8],
        labels: &[Label<'_>],
        by: f64,
    ) -> Result<Applied, ScriptMetricError> {
        self.apply(Kind::Gauge, name, labels, |series| series.add(by))
    }

    /// # Errors
    /// The labels are not those of the metric.
    pub fn gauge_set(
        &self,
        name: &[u8],
        labels: &[Label<'_>],
        to: f64,
    ) -> Result<Applied, ScriptMetricError> {
        self.apply(Kind::Gauge, name, labels, |series| series.set(to))
    }

    /// Observes a value of a histogram or summary.
    ///
    /// # Errors
    /// The labels are not those of the metric.
    pub fn observe(
        &self,
        kind: Kind,
        name: &[u8],
        labels: &[Label<'_>],
        seconds: f64,
    ) -> Result<Applied, ScriptMetricError> {
        self.apply(kind, name, labels, |series| series.observe(seconds))
    }

    /// The series itself, for a timer to keep. None if the metric was not created.
    ///
    /// # Errors
    /// The labels are not those of the metric.
    pub fn series(
        &self,
        kind: Kind,
        name: &[u8],
        labels: &[Label<'_>],
    ) -> Result<Option<Arc<Series>>, ScriptMetricError> {
        let mut cache = self.cache.borrow_mut();
        let Cache { metrics, series, key, .. } = &mut *cache;
        let metric = match metrics.get(name) {
            Some(metric) => metric,
            None => match self.registry.metric(name) {
                Some(metric) if metrics.len() < METRICS_MAX => {
                    metrics.entry(name.into()).or_insert(metric)
                }
                Some(_) | None => return Ok(None),
            },
        };
        if metric.kind != kind {
            return Ok(None);
        }
        key.clear();
        metric.push_key(labels, key)?;
        if let Some(found) = series.get(key.as_slice()) {
            return Ok(Some(found.clone()));
        }
        let Some(found) = metric.series(key, labels) else {
            self.registry.refused.fetch_add(1, Relaxed);
            return Ok(Some(metric.sink.clone()));
        };
        if series.len() >= SERIES_CACHED_MAX {
            series.clear();
        }
        series.insert(key.as_slice().into(), found.clone());
        Ok(Some(found))
    }

    /// The metrics of scripts as a scrape shows them.
    #[cfg(test)]
    pub fn render(&self) -> String {
        let mut scrape = Scrape::default();
        self.registry.collect(&mut scrape);
        scrape.render()
    }

    /// Notes that a script used a metric that was not created: true for the first time in this
    /// thread.
    pub fn is_first_unknown(&self, name: &[u8]) -> bool {
        let unknown = &mut self.cache.borrow_mut().unknown;
        unknown.len() < METRICS_MAX && unknown.insert(name.into())
    }

    fn apply(
        &self,
        kind: Kind,
        name: &[u8],
        labels: &[Label<'_>],
        update: impl FnOnce(&Series),
    ) -> Result<Applied, ScriptMetricError> {
        match self.series(kind, name, labels)? {
            Some(series) => {
                update(&series);
                Ok(Applied::Done)
            }
            None => Ok(Applied::Unknown { first: self.is_first_unknown(name) }),
        }
    }
}

/// All metrics that scripts have created.
#[derive(Default)]
pub struct ScriptRegistry {
    /// By exported name.
    metrics: RwLock<HashMap<String, Arc<Metric>>>,
    /// Updates that found the table of series full.
    refused: AtomicU64,
}

impl ScriptRegistry {
    fn create(
        &self,
        kind: Kind,
        name: &[u8],
        help: &[u8],
        labels: &[&[u8]],
    ) -> Result<(), ScriptMetricError> {
        let exported = exported_name(name).ok_or_else(|| {
            ScriptMetricError::BadName(String::from_utf8_lossy(name).into_owned())
        })?;
        if names::is_taken(&exported) {
            return Err(ScriptMetricError::Duplicate);
        }
        let mut metrics = write(&self.metrics);
        match metrics.get(&exported) {
            Some(metric) if metric.kind == kind => return Ok(()),
            Some(_) => return Err(ScriptMetricError::Duplicate),
            None if metrics.len() >= METRICS_MAX => return Err(ScriptMetricError::TooMany),
            None => {}
        }
        let labels = checked_labels(kind, &exported, labels)?;
        let id = u32::try_from(metrics.len()).unwrap_or(u32::MAX);
        metrics.insert(exported, Arc::new(Metric::new(id, kind, help, labels)));
        Ok(())
    }

    fn metric(&self, name: &[u8]) -> Option<Arc<Metric>> {
        read(&self.metrics).get(&exported_name(name)?).cloned()
    }

    /// Adds everything to a scrape. A metric without a series is left out, as Prometheus libraries
    /// do.
    pub(super) fn collect(&self, scrape: &mut Scrape) {
        for (name, metric) in read(&self.metrics).iter() {
            metric.collect(name, scrape);
        }
        scrape.number(&names::SCRIPT_SERIES_REFUSED, &[], self.refused.load(Relaxed) as f64);
    }
}

/// The labels as they are exported, checked.
fn checked_labels(
    kind: Kind,
    metric: &str,
    labels: &[&[u8]],
) -> Result<Vec<series::LabelName>, ScriptMetricError> {
    if labels.len() > LABELS_MAX {
        return Err(ScriptMetricError::TooManyLabels);
    }
    let mut checked: Vec<series::LabelName> = Vec::with_capacity(labels.len());
    for &label in labels {
        let bad = || ScriptMetricError::BadLabelName {
            label: String::from_utf8_lossy(label).into_owned(),
            metric: metric.into(),
        };
        let exported = exported_name(label).ok_or_else(bad)?.replace(':', "_");
        // Prometheus keeps these for itself.
        if exported.starts_with("__") {
            return Err(bad());
        }
        for (reserved, of) in [("le", Kind::Histogram), ("quantile", Kind::Summary)] {
            if exported == reserved && kind == of {
                return Err(ScriptMetricError::ReservedLabel { label: reserved, kind });
            }
        }
        if checked.iter().any(|before| before.exported == exported) {
            return Err(ScriptMetricError::DuplicateLabel(metric.into()));
        }
        checked.push(series::LabelName { given: label.into(), exported });
    }
    // As Prometheus' own libraries show them, whatever order the script has.
    checked.sort_unstable_by(|a, b| a.exported.cmp(&b.exported));
    Ok(checked)
}

/// A name as it may appear on the page: what Prometheus does not allow becomes `_`. None for an
/// empty one or invalid UTF-8.
fn exported_name(name: &[u8]) -> Option<String> {
    let name = std::str::from_utf8(name)
        .ok()
        .filter(|name| !name.is_empty() && name.len() <= NAME_BYTES_MAX)?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let mut exported: String = name.chars().map(|c| if allowed(c) { c } else { '_' }).collect();
    if exported.starts_with(|c: char| c.is_ascii_digit()) {
        exported.replace_range(..1, "_");
    }
    Some(exported)
}

/// Labels in the notation of the error text: `prometheus.Labels{"a":"1", "b":"2"}`.
fn labels_shown(labels: &[Label<'_>]) -> String {
    let sorted: BTreeMap<_, _> = labels
        .iter()
        .map(|&(name, value)| (String::from_utf8_lossy(name), String::from_utf8_lossy(value)))
        .collect();
    let mut out = String::from("prometheus.Labels{");
    for (index, (name, value)) in sorted.iter().enumerate() {
        let comma = if index > 0 { ", " } else { "" };
        let _ = write!(out, "{comma}{name:?}:{value:?}");
    }
    out.push('}');
    out
}

fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

/// Labels of one metric: each is compared with all others. Prometheus itself refuses more than a
/// few dozen in most set-ups.
pub const LABELS_MAX: usize = 100;
/// More metrics than any set of scripts creates; each costs little.
pub const METRICS_MAX: usize = 1_000;
/// Series per metric. Some scripts label by user name; one series takes about 200 bytes here and a
/// line in each scrape.
pub const SERIES_MAX: usize = 10_000;
/// Series a thread remembers; then it forgets them all and starts again.
const SERIES_CACHED_MAX: usize = 4_096;
const NAME_BYTES_MAX: usize = 256;

#[cfg(test)]
mod tests;
