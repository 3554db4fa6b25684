//! A metric of scripts and its series: the values behind `create_counter_vec` and its siblings.
//!
//! Values are atomics that any thread updates; a floating-point sum is a compare-and-swap loop. The
//! table of series is locked for reading when a thread meets a series for the first time, for
//! writing when it is new.

use super::{Label, SERIES_MAX, ScriptMetricError, labels_shown, read, write};
use crate::metrics::names::Kind;
use crate::metrics::text::{Buckets, Sample, Scrape};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, RwLock};

/// What a script created: labels and series.
pub(super) struct Metric {
    id: u32,
    pub kind: Kind,
    help: String,
    labels: Vec<LabelName>,
    series: RwLock<HashMap<Box<[u8]>, Arc<Series>>>,
    /// Takes the updates of series beyond the limit; never shown.
    pub sink: Arc<Series>,
}

/// A label's name as scripts give it and as it is shown.
pub(super) struct LabelName {
    pub given: Box<[u8]>,
    pub exported: String,
}

impl Metric {
    pub fn new(id: u32, kind: Kind, help: &[u8], labels: Vec<LabelName>) -> Metric {
        let sink = Arc::new(Series::new(kind, Vec::new()));
        Metric {
            id,
            kind,
            help: String::from_utf8_lossy(help).into_owned(),
            labels,
            series: RwLock::default(),
            sink,
        }
    }

    /// Appends what identifies the series: the metric, then length and bytes of each label value in
    /// the metric's order.
    pub fn push_key(
        &self,
        labels: &[Label<'_>],
        key: &mut Vec<u8>,
    ) -> Result<(), ScriptMetricError> {
        if labels.len() != self.labels.len() {
            let (expected, got) = (self.labels.len(), labels.len());
            return Err(ScriptMetricError::LabelCount {
                expected,
                got,
                labels: labels_shown(labels),
            });
        }
        key.extend_from_slice(&self.id.to_ne_bytes());
        for label in &self.labels {
            let value = value_of(label, labels)
                .ok_or_else(|| ScriptMetricError::MissingLabel(label.exported.clone()))?;
            key.extend_from_slice(&value.len().to_ne_bytes());
            key.extend_from_slice(value);
        }
        Ok(())
    }

    /// The series of a key, made if there is none yet. None if there are too many.
    pub fn series(&self, key: &[u8], labels: &[Label<'_>]) -> Option<Arc<Series>> {
        if let Some(series) = read(&self.series).get(key) {
            return Some(series.clone());
        }
        let mut all = write(&self.series);
        if all.len() >= SERIES_MAX && !all.contains_key(key) {
            return None;
        }
        let values = self.labels.iter().map(|label| {
            String::from_utf8_lossy(value_of(label, labels).unwrap_or_default()).into_owned()
        });
        Some(
            all.entry(key.into())
                .or_insert_with(|| Arc::new(Series::new(self.kind, values.collect())))
                .clone(),
        )
    }

    pub fn collect(&self, name: &str, scrape: &mut Scrape) {
        // A script that creates a series at the same time waits only for the copy.
        let all: Vec<Arc<Series>> = read(&self.series).values().cloned().collect();
        for series in all {
            let names = self.labels.iter().map(|label| label.exported.as_str());
            let labels: Vec<(&str, &str)> =
                names.zip(series.labels.iter().map(String::as_str)).collect();
            scrape.sample_of(name, self.kind, &self.help, &labels, series.sample());
        }
    }
}

fn value_of<'a>(label: &LabelName, labels: &[Label<'a>]) -> Option<&'a [u8]> {
    labels.iter().find(|(name, _)| *name == &*label.given).map(|(_, value)| *value)
}

/// One series: a value, or the state of a histogram or summary. Shared by all threads.
pub struct Series {
    /// The label values in the metric's order.
    labels: Vec<String>,
    /// The value of a counter or gauge; the sum of the observations of the others.
    value: Float,
    observations: Observations,
}

enum Observations {
    None,
    /// Below or at each of [`BOUNDS`] and above all, each bucket by itself.
    Histogram([AtomicU64; BOUNDS.len() + 1]),
    /// How many.
    Summary(AtomicU64),
}

impl Series {
    fn new(kind: Kind, labels: Vec<String>) -> Series {
        let observations = match kind {
            Kind::Counter | Kind::Gauge => Observations::None,
            Kind::Histogram => Observations::Histogram(Default::default()),
            Kind::Summary => Observations::Summary(AtomicU64::new(0)),
        };
        Series { labels, value: Float::default(), observations }
    }

    /// Of a counter or gauge.
    pub fn add(&self, by: f64) {
        self.value.add(by);
    }

    /// Of a gauge.
    pub fn set(&self, to: f64) {
        self.value.set(to);
    }

    /// Of a histogram or summary: a timer that is stopped.
    pub fn observe(&self, value: f64) {
        match &self.observations {
            Observations::None => {}
            Observations::Histogram(counts) => {
                if let Some(count) = counts.get(BOUNDS.partition_point(|&bound| bound < value)) {
                    count.fetch_add(1, Relaxed);
                }
                self.value.add(value);
            }
            Observations::Summary(count) => {
                count.fetch_add(1, Relaxed);
                self.value.add(value);
            }
        }
    }

    fn sample(&self) -> Sample {
        let value = self.value.get();
        match &self.observations {
            Observations::None => Sample::Number(value),
            Observations::Histogram(counts) => Sample::Histogram(Buckets {
                counts: BOUNDS
                    .iter()
                    .zip(counts)
                    .map(|(&bound, count)| (bound, count.load(Relaxed)))
                    .collect(),
                above: counts.last().map_or(0, |count| count.load(Relaxed)),
                sum: value,
            }),
            Observations::Summary(count) => {
                Sample::Summary { quantiles: Vec::new(), sum: value, count: count.load(Relaxed) }
            }
        }
    }
}

/// A floating-point number that several threads add to.
#[derive(Default)]
struct Float(AtomicU64);

impl Float {
    fn get(&self) -> f64 {
        f64::from_bits(self.0.load(Relaxed))
    }

    fn set(&self, to: f64) {
        self.0.store(to.to_bits(), Relaxed);
    }

    fn add(&self, by: f64) {
        let mut before = self.0.load(Relaxed);
        while let Err(now) = self.0.compare_exchange_weak(
            before,
            (f64::from_bits(before) + by).to_bits(),
            Relaxed,
            Relaxed,
        ) {
            before = now;
        }
    }
}

/// Upper bounds in seconds: 0.001 × 1.75ⁿ, the buckets of the reference's histograms.
#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
pub const BOUNDS: [f64; 15] = {
    let mut bounds = [0.0; 15];
    let mut bound = 0.001;
    let mut index = 0;
    while index < bounds.len() {
        bounds[index] = bound;
        bound *= 1.75;
        index += 1;
    }
    bounds
};
