//! Spans on their way out: from the Lua state of each worker to the background worker, and from
//! there to the collector.

use super::Worker;
use super::exchange::{EXPORT_MAX, Export, Job};
use super::scheduler::TaskKind;
use crate::log::Level;
use crate::process::Message;
use crate::trace::Span;

impl Worker {
    /// Hands what scripts finished in this turn to the background worker.
    pub(super) fn hand_over_spans(&mut self) {
        let buffer = &self.local.host.state().services().spans;
        if buffer.is_empty() {
            return;
        }
        let (spans, mut dropped) = (buffer.take(), buffer.take_dropped());
        if self.local.epoch.tracing.is_some() {
            let count = spans.len() as u64;
            let sent = self
                .process
                .background
                .get()
                .map(|background| background.send_quietly(Message::Spans(spans)));
            match sent {
                Some(Ok(())) => self.woke_background = true,
                _ => dropped += count,
            }
        }
        self.warn_of_dropped_spans(dropped);
    }

    /// Takes spans of a worker, and sends them if none are on their way.
    pub(super) fn export_spans(&mut self, spans: Vec<Span>) {
        self.reporting.exporter.add(spans);
        let dropped = self.reporting.exporter.take_dropped();
        self.warn_of_dropped_spans(dropped);
        self.export_next();
    }

    /// A batch has arrived, or is given up.
    pub(super) fn spans_exported(&mut self, count: usize, outcome: Result<(), String>) {
        self.reporting.exporter.sent();
        match outcome {
            Ok(()) if self.local.epoch.tracing.as_ref().is_some_and(|to| to.log_results) => {
                self.reporting
                    .log
                    .line(Level::Info, self.now)
                    .text("msg", "spans exported")
                    .number("spans", count as u64)
                    .end();
            }
            Ok(()) => {}
            Err(error) => {
                self.reporting
                    .log
                    .line(Level::Warn, self.now)
                    .text("msg", "spans could not be exported")
                    .number("spans", count as u64)
                    .text("error", error)
                    .end();
            }
        }
        self.export_next();
    }

    fn export_next(&mut self) {
        if let Some(batch) = self.reporting.exporter.next_batch() {
            let job = Job::Export(Export(batch));
            self.spawn(TaskKind::Background, job, self.now.mono + EXPORT_MAX);
        }
    }

    fn warn_of_dropped_spans(&mut self, dropped: u64) {
        if dropped > 0 {
            self.reporting
                .log
                .line(Level::Warn, self.now)
                .text("msg", "spans were dropped: there are too many")
                .number("spans", dropped)
                .end();
        }
    }
}
