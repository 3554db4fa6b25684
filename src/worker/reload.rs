//! Another configuration, another Lua state, and the end of a worker.

use super::Worker;
use super::local::{Local, host};
use crate::epoch::Epoch;
use crate::log::{Level, Log};
use crate::script::Host;
use std::rc::Rc;
use std::sync::Arc;

impl Worker {
    /// Serves new requests by another configuration. Requests under way end by the one they began
    /// with.
    pub(super) fn reload(&mut self, epoch: Arc<Epoch>) {
        match host(&epoch, &self.process, &self.reporting.metrics, &self.reporting.outbox) {
            Ok(host) => {
                self.upstreams.reload(&epoch, &self.local.epoch, self.now.mono);
                self.deliver_answers();
                self.put_into_force(epoch, host);
                self.count_connections();
            }
            // The main thread has compiled the scripts before it sent the epoch: only a lack of
            // memory leads here.
            Err(error) => self.reporting.failed("reload failed", error, self.now),
        }
    }

    /// Puts a new Lua state in place of one whose memory stays taken. Requests under way end in the
    /// old one; as long as one of them keeps it, the new one is not replaced in turn, so that there
    /// are two at most.
    pub(super) fn replace_state(&mut self) {
        if self.replaced.strong_count() > 0 {
            return;
        }
        match host(
            &self.local.epoch,
            &self.process,
            &self.reporting.metrics,
            &self.reporting.outbox,
        ) {
            Ok(host) => {
                self.reporting
                    .log
                    .line(Level::Warn, self.now)
                    .text("msg", "scripts keep too much memory: the Lua state is replaced")
                    .end();
                self.replaced = Rc::downgrade(self.local.host.state());
                self.put_into_force(self.local.epoch.clone(), host);
            }
            Err(error) => self.reporting.failed("cannot replace the Lua state", error, self.now),
        }
    }

    fn put_into_force(&mut self, epoch: Arc<Epoch>, host: Host) {
        self.reporting.script_output(self.now);
        self.hand_over_spans();
        self.reporting.log = Log::new(&self.process.log, &epoch.log);
        let known = self.upstreams.known();
        self.local = Rc::new(Local::new(epoch, host, self.process.clone(), known));
        self.begin_periodic_tasks();
    }

    /// Begins to end: no new connections, and no further request on those that are there.
    pub(super) fn drain(&mut self) {
        self.draining = true;
        self.drain_periodic_tasks();
        self.drain_clients();
    }

    /// Whether everything that was under way when the drain began has ended.
    pub(super) fn is_done(&self) -> bool {
        self.draining
            && self.clients.open() == 0
            && self.scheduler.unfinished() == 0
            && self.waiting.is_empty()
            && self.mailbox.is_empty()
    }
}
