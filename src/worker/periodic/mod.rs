//! Periodic tasks: what the background worker does again and again, by the configuration in force.
//!
//! They are tasks like any other and wait through the same door; they belong to no request, so they
//! leave messages for the log as a [`Notice`](super::reporting::Notice). A reload ends them and
//! begins those of the new configuration. The drain ends them, too, and then only waits for the
//! login counters to be saved once more.
//!
//! ```text
//! bans.rs          bans that operators made
//! certificates.rs  TLS files of the listeners
//! checks.rs        are the monitored mail servers alive
//! connections.rs   counts of `nauthilus_psnet`
//! keys.rs          public keys of an issuer of tokens
//! login_counts.rs  login counters that survive a restart
//! ```

mod bans;
mod certificates;
mod checks;
mod connections;
mod keys;
mod login_counts;

use super::scheduler::{Body, TaskKind};
use super::{Role, Worker};
use crate::op::{self, Ops};
use crate::state::KnownAccounts;
use checks::Checks;
use login_counts::LoginCounts;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

impl Worker {
    /// Begins the periodic tasks of the configuration in force; those of another one end.
    pub(super) fn begin_periodic_tasks(&mut self) {
        self.end_periodic_tasks();
        if !self.is_background() {
            return;
        }
        let targets = self.process.targets.clone();
        self.begin_periodic(FOREVER, |ops| connections::count(targets, ops));
        let checks = Checks::new(
            self.local.epoch.monitor.clone(),
            self.reporting.metrics.clone(),
            self.reporting.notices.clone(),
        );
        for server in &self.local.epoch.monitor.clone().servers {
            self.begin_periodic(FOREVER, |ops| checks.clone().repeat(server.clone(), ops));
        }
        let counts = self.login_counts();
        self.begin_periodic(FOREVER, |ops| counts.keep(ops));
        let store = self.local.epoch.store(&self.process.memory, Arc::new(KnownAccounts::none()));
        let notices = self.reporting.notices.clone();
        self.begin_periodic(FOREVER, |ops| bans::renew(store, notices, ops));
        let listeners = self.local.epoch.listeners.all_tls();
        if !listeners.is_empty() {
            let notices = self.reporting.notices.clone();
            self.begin_periodic(FOREVER, |ops| certificates::renew(listeners, notices, ops));
        }
        if self.local.epoch.key_source.is_some() {
            let (epoch, client) =
                (self.local.epoch.clone(), self.local.host.state().services().http.clone());
            let notices = self.reporting.notices.clone();
            self.begin_periodic(FOREVER, |ops| keys::keep(epoch, client, notices, ops));
        }
    }

    /// Ends them. No worker counts logins any more: their counters are saved a last time.
    pub(super) fn drain_periodic_tasks(&mut self) {
        self.end_periodic_tasks();
        if self.is_background() {
            let counts = self.login_counts();
            self.begin_periodic(LAST_SAVE_MAX, |ops| counts.keep_finally(ops));
        }
    }

    fn end_periodic_tasks(&mut self) {
        for key in std::mem::take(&mut self.periodic) {
            self.scheduler.cancel(key);
        }
    }

    /// Begins a task that must have ended after `limit`.
    fn begin_periodic<F: Future<Output = ()> + 'static>(
        &mut self,
        limit: Duration,
        body: impl FnOnce(Ops) -> F,
    ) {
        let (ops, driver) = op::slot(self.now.mono, self.now.mono + limit);
        let body = Body::Periodic(Box::pin(body(ops)));
        let key = self.scheduler.begin(TaskKind::Periodic, body, driver, self.now.mono);
        self.periodic.push(key);
    }

    fn login_counts(&self) -> LoginCounts {
        let epoch = &self.local.epoch;
        LoginCounts {
            registry: self.process.metrics.clone(),
            store: epoch.store(&self.process.memory, Arc::new(KnownAccounts::none())),
            instance: epoch.log.instance.clone(),
            notices: self.reporting.notices.clone(),
        }
    }

    /// Whether this is the one worker that serves no requests.
    fn is_background(&self) -> bool {
        self.role == Role::Background
    }
}

/// A hundred years.
const FOREVER: Duration = Duration::from_secs(100 * 365 * 86_400);

/// How long a drain waits for a Redis that does not answer. The process's own counters are all that
/// is at stake.
pub const LAST_SAVE_MAX: Duration = Duration::from_secs(2);
