//! Standing tasks: what the background worker does again and again, by the configuration in force.
//!
//! They are tasks like any other and wait through the same door; they are nobody's request, so what
//! they have to say to the log they leave as a [`Notice`]. A reload ends them and begins those of
//! the new configuration. The drain ends them, too, and then only waits for the login counters to
//! be saved once more.
//!
//! ```text
//! certificates.rs  TLS files of the listeners
//! checks.rs        are the monitored mail servers alive
//! connections.rs   counts of `nauthilus_psnet`
//! keys.rs          public keys of an issuer of tokens
//! login_counts.rs  login counters that survive a restart
//! ```

mod certificates;
mod checks;
mod connections;
mod keys;
mod login_counts;

use super::tasks::{Ended, Task};
use super::{Role, Worker};
use crate::log::Level;
use crate::op::{self, Ops};
use crate::reactor::Key;
use crate::state::KnownAccounts;
use checks::Checks;
use login_counts::LoginCounts;
use std::cell::RefCell;
use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

impl Worker {
    /// Begins the standing tasks of the configuration in force; those of another one end.
    pub(super) fn begin_standing_tasks(&mut self) {
        self.end_standing_tasks();
        if !self.is_background() {
            return;
        }
        let targets = self.process.targets.clone();
        self.stand(FOREVER, |ops| connections::count(targets, ops));
        let checks = Checks::new(
            self.local.epoch.monitor.clone(),
            self.metrics.clone(),
            self.notices.clone(),
        );
        for server in &self.local.epoch.monitor.clone().servers {
            self.stand(FOREVER, |ops| checks.clone().repeat(server.clone(), ops));
        }
        let counts = self.login_counts();
        self.stand(FOREVER, |ops| counts.keep(ops));
        if !self.local.epoch.listener_tls.is_empty() {
            let (listeners, notices) =
                (self.local.epoch.listener_tls.clone(), self.notices.clone());
            self.stand(FOREVER, |ops| certificates::renew(listeners, notices, ops));
        }
        if self.local.epoch.key_source.is_some() {
            let (epoch, client) =
                (self.local.epoch.clone(), self.local.host.state().services().http.clone());
            let notices = self.notices.clone();
            self.stand(FOREVER, |ops| keys::keep(epoch, client, notices, ops));
        }
    }

    /// Ends them. Nobody counts logins any more: their counters are saved a last time.
    pub(super) fn drain_standing_tasks(&mut self) {
        self.end_standing_tasks();
        if self.is_background() {
            let counts = self.login_counts();
            self.stand(LAST_SAVE_MAX, |ops| counts.keep_finally(ops));
        }
    }

    fn end_standing_tasks(&mut self) {
        for key in std::mem::take(&mut self.standing) {
            self.procedures -= 1;
            self.cancel_task(key);
        }
    }

    /// Begins a task that must have ended after `limit`.
    fn stand<F: Future<Output = ()> + 'static>(
        &mut self,
        limit: Duration,
        body: impl FnOnce(Ops) -> F,
    ) {
        let (ops, driver) = op::slot(self.now.mono, self.now.mono + limit);
        let future = body(ops);
        let future = async {
            future.await;
            Ended::Standing
        };
        let key = self.tasks.insert(Task::new(future, driver, None, self.now.mono));
        // Like procedures they are no jobs.
        self.procedures += 1;
        self.standing.push(key);
        self.runnable.push_back(key);
    }

    /// A standing task has nothing more to do.
    pub(super) fn stood(&mut self, key: Key) {
        self.tasks.remove(key);
        self.procedures -= 1;
        self.standing.retain(|standing| *standing != key);
    }

    /// Writes what standing tasks have to say.
    pub(super) fn log_notices(&mut self) {
        for notice in self.notices.take() {
            let mut line = self.log.line(notice.level, self.now);
            line.text("msg", notice.message);
            for (name, text) in notice.fields {
                line.text(name, text);
            }
            line.end();
        }
    }

    fn login_counts(&self) -> LoginCounts {
        let epoch = &self.local.epoch;
        LoginCounts {
            registry: self.process.metrics.clone(),
            store: epoch.store(&self.process.memory, Arc::new(KnownAccounts::none())),
            instance: epoch.log.instance.clone(),
            notices: self.notices.clone(),
        }
    }

    /// Whether this is the one worker that serves no requests.
    fn is_background(&self) -> bool {
        self.role == Role::Background
    }
}

/// A log line of a standing task.
#[derive(Debug, PartialEq)]
pub struct Notice {
    level: Level,
    message: String,
    fields: Vec<(&'static str, String)>,
}

/// Notices that are not written yet; the worker writes them at the end of its turn.
#[derive(Clone, Default)]
pub struct Notices(Rc<RefCell<Vec<Notice>>>);

impl Notices {
    fn add(
        &self,
        level: Level,
        message: impl Into<String>,
        fields: impl IntoIterator<Item = (&'static str, String)>,
    ) {
        self.0.borrow_mut().push(Notice {
            level,
            message: message.into(),
            fields: fields.into_iter().collect(),
        });
    }

    fn take(&self) -> Vec<Notice> {
        self.0.take()
    }
}

/// A hundred years.
const FOREVER: Duration = Duration::from_secs(100 * 365 * 86_400);

/// How long a drain waits for a Redis that does not answer. The process's own counters are all that
/// is at stake.
pub const LAST_SAVE_MAX: Duration = Duration::from_secs(2);
