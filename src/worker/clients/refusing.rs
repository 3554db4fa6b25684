//! How the worker refuses a request that is one too many: the answer, the metrics, the log.

use crate::auth::request::{Field, Request};
use crate::dialect::envelope::Envelope;
use crate::dialect::overload::{Overload, refuse};
use crate::metrics::Count;
use crate::proto::http::Framing;
use crate::reactor::Key;
use crate::worker::Worker;
use crate::worker::exchange::Job;
use std::time::Duration;

impl Worker {
    /// A job that is one too many is refused.
    pub(super) fn refuse_job(&mut self, key: Key, framing: Framing, job: Job) {
        // All jobs of clients have one.
        let Some(request) = job.into_request() else { return self.close(key) };
        let (current, max) = (self.process.requests.taken(), self.process.requests.max());
        self.refuse_overload(key, framing, Overload::Requests { current, max }, request);
    }

    /// Answers a request that is one too many; the log hears of some of them.
    pub(super) fn refuse_overload(
        &mut self,
        key: Key,
        framing: Framing,
        overload: Overload,
        mut request: Request,
    ) {
        let (count, why) = match overload {
            Overload::Rate(_) => (Count::RequestsRateLimited, "rate limit exceeded"),
            Overload::Requests { .. } => (Count::RequestsRefused, "too many requests"),
        };
        self.reporting.metrics.count(count);
        let local = self.local.clone();
        let date = *self.date.text(self.now);
        let settings = &local.epoch.dialect;
        let Some(connection) = self.clients.connections.get_mut(key) else { return };
        let peer = connection.peer;
        let envelope = Envelope::new(framing, &date);
        let status = refuse(connection.output(), overload, &mut request, settings, &envelope);
        if let Some(unlogged) = self.reporting.refusals.next(self.now.mono) {
            let sent = String::from_utf8_lossy(request.get(Field::ClientIp));
            let client: String = sent.chars().take(SHOWN_MAX).collect();
            let text = match unlogged {
                0 => format!("{why}, client {client:?}"),
                more => format!("{why}, client {client:?}; {more} refusals were not logged"),
            };
            let (error, elapsed) = (Some(text.as_str()), Duration::ZERO);
            self.reporting.access(&request, peer, Some(status), error, elapsed, self.now);
        }
        self.answered(key, framing.keep_alive);
    }
}

/// Of a client's address in the log; the longest that is one has 45.
const SHOWN_MAX: usize = 64;
