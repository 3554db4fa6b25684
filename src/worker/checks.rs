//! Checks of the monitored mail servers, which the background worker runs.
//!
//! Each server has its own pace: the next check begins [`PERIOD`] after the last one began, or when that one has ended. So a server that
//! swallows packets delays no news of another. Changes are logged, and noted where all workers look. Rules: specification
//! `pipeline.md` 15. Bound: [`AT_ONCE_MAX`] checks at a time, each of at most [`PROBE_MAX`].

use super::tasks::{Ended, Task};
use super::{Timer, Worker};
use crate::log::Level;
use crate::metrics::Gauge;
use crate::op;
use crate::reactor::Key;
use crate::upstream::probe::{self, Fault, PROBE_MAX};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// What is under way.
#[derive(Default)]
pub struct Checks {
    /// Counts configurations: timers of an earlier one mean nothing any more.
    round: u64,
    running: Vec<Key>,
    /// Servers, by index, whose check waits until fewer are running.
    waiting: VecDeque<usize>,
}

/// How a check ended: of which server, when it began.
pub struct Checked {
    server: usize,
    began: Instant,
    outcome: Result<(), Fault>,
}

impl Checks {
    /// How many tasks are checks.
    pub fn running(&self) -> usize {
        self.running.len()
    }
}

impl Worker {
    /// Begins to watch the servers of the configuration in force, and no others.
    pub(super) fn watch_servers(&mut self) {
        self.stop_watching();
        // Only the background worker is not among those that serve requests.
        if self.process.in_flight.get(self.number).is_some() {
            return;
        }
        self.checks.waiting.extend(0..self.local.epoch.monitor.servers.len());
        self.begin_checks();
        self.count_servers();
    }

    pub(super) fn stop_watching(&mut self) {
        self.checks.round += 1;
        self.checks.waiting.clear();
        for key in std::mem::take(&mut self.checks.running) {
            self.cancel_task(key);
        }
    }

    /// It is time for the next check of a server.
    pub(super) fn check_due(&mut self, round: u64, server: usize) {
        if round == self.checks.round {
            self.checks.waiting.push_back(server);
            self.begin_checks();
        }
    }

    fn begin_checks(&mut self) {
        while self.checks.running.len() < AT_ONCE_MAX
            && let Some(index) = self.checks.waiting.pop_front()
        {
            let Some(server) = self.local.epoch.monitor.servers.get(index).cloned() else { continue };
            let began = self.now.mono;
            let (ops, driver) = op::slot(began, began + PROBE_MAX);
            let check = async move { Ended::Check(Checked { server: index, began, outcome: probe::check(&ops, &server.target).await }) };
            let key = self.tasks.insert(Task::new(check, driver, None, began));
            self.checks.running.push(key);
            self.runnable.push_back(key);
        }
    }

    /// A check has ended.
    pub(super) fn checked(&mut self, key: Key, checked: Checked) {
        self.tasks.remove(key);
        self.checks.running.retain(|running| *running != key);
        let Checked { server: index, began, outcome } = checked;
        self.timers.set(began + PERIOD, Timer::Check(self.checks.round, index));
        let local = self.local.clone();
        if let Some(server) = local.epoch.monitor.servers.get(index)
            && server.note(outcome.is_ok())
        {
            let at = format!("{}:{}", server.target.host, server.target.port);
            match outcome {
                Ok(()) => {
                    self.log.line(Level::Info, self.now).text("msg", format!("Server up: {at}")).text("protocol", &server.protocol).end()
                }
                Err(fault) => {
                    let mut line = self.log.line(Level::Warn, self.now);
                    line.text("msg", format!("Server down: {at}"))
                        .text("protocol", &server.protocol)
                        .text("error", fault.to_string())
                        .end();
                }
            }
            self.count_servers();
        }
        self.begin_checks();
    }

    fn count_servers(&self) {
        let monitor = &self.local.epoch.monitor;
        for (gauge, count) in [(Gauge::ServersWanted, monitor.servers.len()), (Gauge::ServersAlive, monitor.alive().count())] {
            self.metrics.set(gauge, i64::try_from(count).unwrap_or(i64::MAX));
        }
    }
}

/// From one check of a server to its next.
const PERIOD: Duration = Duration::from_secs(10);

/// Checks at a time. Connecting to servers that swallow packets takes seconds each: with this many, a hundred of them still get their turn
/// within a minute.
const AT_ONCE_MAX: usize = 64;
