//! What all workers of the process share. Everything here is either immutable, sharded, or off the request path.

use crate::auth::admin::Jobs;
use crate::auth::cache::ResultCache;
use crate::auth::caller::throttle::Throttle;
use crate::log::LogSink;
use crate::metrics::Registry;
use crate::reactor::Sender;
use crate::script::modules::cache::ProcessCache;
use crate::script::modules::psnet::targets::Targets;
use crate::script::modules::redis::pools::Pools;
use crate::script::modules::storage::Storages;
use crate::script::watchdog::Registrar;
use crate::state::MemoryStore;
use crate::stores::Stores;
use crate::worker::Message;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};

pub struct Process {
    /// The in-process result cache.
    pub results: ResultCache,
    /// The domain's state where no Redis is configured; where one is, what this process has seen of it.
    pub memory: Arc<MemoryStore>,
    /// Addresses whose callers fail.
    pub throttle: Throttle,
    /// Flushes that were put off.
    pub jobs: Jobs,
    /// `nauthilus_cache`.
    pub cache: Arc<ProcessCache>,
    /// The stores of the module `storage`.
    pub storages: Arc<Storages>,
    /// Redis pools and scripts that Lua scripts registered.
    pub pools: Arc<Pools>,
    /// `nauthilus_psnet`: connections that are counted.
    pub targets: Arc<Targets>,
    pub metrics: Arc<Registry>,
    /// How the stores are doing.
    pub stores: Arc<Stores>,
    pub log: LogSink,
    pub watchdog: Registrar,
    /// The background worker's mailbox; set before the first request is served.
    pub background: OnceLock<Sender<Message>>,
    /// Requests under way, by worker; each writes its own.
    pub in_flight: Vec<InFlight>,
}

/// One worker's count of requests under way, on a cache line of its own.
#[derive(Default)]
#[repr(align(128))]
pub struct InFlight(AtomicI64);

impl InFlight {
    pub fn set(&self, count: usize) {
        self.0.store(i64::try_from(count).unwrap_or(i64::MAX), Ordering::Relaxed);
    }
}

impl Process {
    /// Requests under way in the whole process.
    pub fn requests_in_flight(&self) -> usize {
        let sum: i64 = self.in_flight.iter().map(|worker| worker.0.load(Ordering::Relaxed)).sum();
        usize::try_from(sum).unwrap_or(0)
    }
}
