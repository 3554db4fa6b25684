//! What a worker has of one configuration: the process-wide half and a Lua host of its own.

use crate::config::Finding;
use crate::epoch::Epoch;
use crate::metrics::{Registry, WorkerMetrics};
use crate::process::Process;
use crate::script::services::Services;
use crate::script::{Host, SetupError, State};
use crate::state::{KnownAccounts, Store};
use crate::time::Now;
use crate::upstream::http::Client;
use crate::upstream::ldap::Ldap;
use crate::upstream::semaphore::Semaphore;
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Handed to tasks as an `Rc`: the counts of the `Arc`s in it are shared with other cores and must
/// not be touched per request.
pub struct Local {
    pub epoch: Arc<Epoch>,
    pub host: Host,
    pub state: Store,
    pub process: Arc<Process>,
    /// For callers whose passwords have hashes that take long, one at a time. A second request with
    /// the same password finds the first one's result, and an address that fails is stopped after a
    /// few hashes however many requests it sends at once.
    pub caller_hashes: Semaphore,
    /// About a client's address that is none.
    pub address_warning: Interval,
    /// About a proxy that stands for its clients.
    pub proxy_warning: Interval,
}

impl Local {
    /// Puts an epoch and its Lua host into force.
    pub fn new(
        epoch: Arc<Epoch>,
        host: Host,
        process: Arc<Process>,
        known: Arc<KnownAccounts>,
    ) -> Local {
        let state = epoch.store(&process.memory, known);
        Local {
            epoch,
            host,
            state,
            process,
            caller_hashes: Semaphore::with_queue(1, CALLER_HASHES_WAITING_MAX),
            address_warning: Interval::default(),
            proxy_warning: Interval::default(),
        }
    }
}

/// Requests that wait for a hash of their caller's password: more than come in while one is checked
/// mean a flood.
const CALLER_HASHES_WAITING_MAX: usize = 1024;

/// Lets something happen once in [`WARN_EVERY`].
#[derive(Default)]
pub struct Interval(Cell<Option<Instant>>);

impl Interval {
    /// Whether it may happen now; it is then taken to have happened.
    pub fn passes(&self, now: Instant) -> bool {
        let passes = self.0.get().is_none_or(|last| now >= last + WARN_EVERY);
        if passes {
            self.0.set(Some(now));
        }
        passes
    }
}

/// Often enough to be seen, rare enough not to fill a log.
const WARN_EVERY: Duration = Duration::from_secs(60);

/// A Lua host for an epoch.
///
/// # Errors
/// A script does not compile, or there is no memory.
pub fn host(
    epoch: &Epoch,
    process: &Arc<Process>,
    metrics: &Rc<WorkerMetrics>,
) -> Result<Host, SetupError> {
    let services = Services {
        settings: epoch.script_settings.clone(),
        state: Arc::new(epoch.store(&process.memory, Arc::new(KnownAccounts::none()))),
        rules: Arc::new(epoch.policy.brute_force.clone()),
        cache: process.cache.clone(),
        storages: process.storages.clone(),
        redis: process.pools.clone(),
        monitor: epoch.monitor.clone(),
        tls: epoch.tls.clone(),
        ldap: Ldap::new(&epoch.ldap),
        targets: process.targets.clone(),
        databases: Default::default(),
        http: Client::new(epoch.http_client.clone()),
        metrics: process.metrics.script_metrics(),
        worker: metrics.clone(),
        output: Default::default(),
        warnings: Default::default(),
        warned: Default::default(),
        regexps: Default::default(),
        spans: Default::default(),
    };
    let state = State::build(
        epoch.scripts.clone(),
        services,
        &epoch.package_path,
        epoch.limits,
        process.watchdog.clone(),
    )?;
    Ok(Host::new(Rc::new(state)))
}

/// Compiles all scripts of an epoch in a state of their own, which is then thrown away; says what
/// their authors may have misspelt.
///
/// # Errors
/// A script does not compile.
pub fn try_scripts(epoch: &Epoch, process: &Arc<Process>) -> Result<Vec<Finding>, SetupError> {
    let nobody = Registry::new("check", "", Now::read());
    host(epoch, process, &Rc::new(nobody.worker("check")))
        .map(|host| host.state().findings().to_vec())
}
