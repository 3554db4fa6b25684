//! What all workers of the process share. Everything here is either immutable, sharded, or off the
//! request path.

pub mod permits;
pub mod seats;

use crate::auth::admin::Jobs;
use crate::auth::cache::ResultCache;
use crate::auth::caller::throttle::Throttle;
use crate::auth::login::Login;
use crate::auth::rate_limit::RateLimit;
use crate::epoch::Epoch;
use crate::log::LogSink;
use crate::metrics::Registry;
use crate::reactor::Sender;
use crate::script::stores::Pools;
use crate::script::stores::ProcessCache;
use crate::script::stores::Storages;
use crate::script::stores::Targets;
use crate::script::watchdog::Registrar;
use crate::state::MemoryStore;
use crate::trace::Span;
use crate::upstream::health::Stores;
use permits::RequestLimit;
use std::sync::mpsc;
use std::sync::{Arc, OnceLock};

pub struct Process {
    /// The in-process result cache.
    pub results: ResultCache,
    /// The domain's state where no Redis is configured; where one is, what this process has seen of
    /// it.
    pub memory: Arc<MemoryStore>,
    /// Addresses whose callers fail.
    pub throttle: Throttle,
    /// What client addresses may still send.
    pub rate_limit: RateLimit,
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
    /// How many requests may be under way.
    pub requests: Arc<RequestLimit>,
}

/// What other threads tell a worker.
pub enum Message {
    /// Run the post actions of an answered login.
    PostActions(Box<Login>),
    /// Serve new requests by this configuration.
    Reload(Arc<Epoch>),
    /// Spans to be exported.
    Spans(Vec<Span>),
    /// Run the init scripts; the sender is dropped when they have ended.
    Init(mpsc::Sender<()>),
    /// Accept no more, finish what is under way, end.
    Drain,
}
