//! Spans on their way out: from the Lua state of each worker to the background worker, and from
//! there to the collector.

use super::exchange::{Job, Local};
use super::{Message, Worker};
use crate::log::Level;
use crate::op::Ops;
use crate::trace::{Span, otlp};
use crate::upstream::http::Request;
use std::time::Duration;

impl Worker {
    /// Hands what scripts finished in this turn to the background worker.
    pub(super) fn hand_over_spans(&mut self) {
        let buffer = &self.local.host.state().services().outbox.spans;
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
        self.exporter.add(spans);
        let dropped = self.exporter.take_dropped();
        self.warn_of_dropped_spans(dropped);
        self.export_next();
    }

    /// A batch has arrived, or is given up.
    pub(super) fn spans_exported(&mut self, count: usize, outcome: Result<(), String>) {
        self.exporter.sent();
        match outcome {
            Ok(()) if self.local.epoch.tracing.as_ref().is_some_and(|to| to.log_results) => {
                self.log
                    .line(Level::Info, self.now)
                    .text("msg", "spans exported")
                    .number("spans", count as u64)
                    .end();
            }
            Ok(()) => {}
            Err(error) => {
                self.log
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
        if let Some(batch) = self.exporter.next_batch() {
            self.spawn(Job::Export(batch), None, self.now.mono + EXPORT_MAX);
        }
    }

    fn warn_of_dropped_spans(&mut self, dropped: u64) {
        if dropped > 0 {
            self.log
                .line(Level::Warn, self.now)
                .text("msg", "spans were dropped: there are too many")
                .number("spans", dropped)
                .end();
        }
    }
}

/// Sends a batch to the collector.
pub(super) async fn export(local: &Local, spans: &[Span], ops: &Ops) -> Result<(), String> {
    let Some(to) = &local.epoch.tracing else { return Ok(()) };
    let body = otlp::encode(&to.service, env!("CARGO_PKG_VERSION"), spans);
    let request =
        Request::post(&to.url, "application/json", body).map_err(|error| error.to_string())?;
    let mut request = request.timeout(EXPORT_MAX);
    request.tls = to.tls.clone();
    let client = &local.host.state().services().http;
    match client.send(ops, request).await.map_err(|error| error.to_string())?.status {
        200..=299 => Ok(()),
        status => Err(format!("the collector answered with status {status}")),
    }
}

/// As OpenTelemetry's own exporters have it.
const EXPORT_MAX: Duration = Duration::from_secs(10);
