//! What waits to be exported: batches of spans, one on its way at a time.
//!
//! While one is on its way the next one grows, so that a busy server sends few large requests and
//! an idle one sends at once. Owned by the background worker, fed by all workers. Bounds:
//! [`PENDING_MAX`], [`BATCH_MAX`]; what does not fit is dropped and counted.

use super::Span;
use std::collections::VecDeque;

#[derive(Debug, Default)]
pub struct Exporter {
    pending: VecDeque<Span>,
    busy: bool,
    dropped: u64,
}

impl Exporter {
    pub fn add(&mut self, spans: Vec<Span>) {
        for span in spans {
            if self.pending.len() < PENDING_MAX {
                self.pending.push_back(span);
            } else {
                self.dropped += 1;
            }
        }
    }

    /// What is to be sent now: none while a batch is on its way, until [`Exporter::sent`].
    pub fn next_batch(&mut self) -> Option<Vec<Span>> {
        if self.busy || self.pending.is_empty() {
            return None;
        }
        self.busy = true;
        Some(self.pending.drain(..self.pending.len().min(BATCH_MAX)).collect())
    }

    /// The batch has arrived, or is given up.
    pub fn sent(&mut self) {
        self.busy = false;
    }

    /// How many spans found no room since the last time.
    pub fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }
}

/// A few seconds' worth on a busy server; some 10 MB.
const PENDING_MAX: usize = 8192;

/// As OpenTelemetry's own exporters have it.
const BATCH_MAX: usize = 512;

#[cfg(test)]
mod tests {
    use super::super::{Kind, Place, SpanId, TraceId};
    use super::*;

    fn spans(count: usize) -> Vec<Span> {
        let place = Place { trace: TraceId(1), span: SpanId(1), sampled: true };
        vec![Span::new(place, None, "kit", "one", Kind::Internal, 0); count]
    }

    #[test]
    fn one_batch_is_on_its_way_at_a_time() {
        let mut exporter = Exporter::default();
        assert_eq!(exporter.next_batch(), None);
        exporter.add(spans(1));
        assert_eq!(exporter.next_batch().map(|batch| batch.len()), Some(1));
        exporter.add(spans(600));
        assert_eq!(exporter.next_batch(), None);
        exporter.sent();
        assert_eq!(exporter.next_batch().map(|batch| batch.len()), Some(512));
        exporter.sent();
        assert_eq!(exporter.next_batch().map(|batch| batch.len()), Some(88));
        exporter.sent();
        assert_eq!(exporter.next_batch(), None);
    }

    #[test]
    fn what_does_not_fit_is_counted() {
        let mut exporter = Exporter::default();
        exporter.add(spans(PENDING_MAX + 5));
        assert_eq!((exporter.take_dropped(), exporter.take_dropped()), (5, 0));
    }
}
