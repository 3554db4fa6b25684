//! What the host offers to modules besides the running request: process-wide stores, settings, the
//! way out for text.
//!
//! One per Lua state, made by the worker. Shared stores are behind `Arc`; what belongs to the
//! worker alone is in cells.

use crate::auth::brute_force::rules::Rules;
use crate::metrics::WorkerMetrics;
use crate::metrics::script::ScriptMetrics;
use crate::script::regexp;
use crate::script::stores::{Databases, Pools, ProcessCache, Storages, Targets};
use crate::secret::Secret;
use crate::state::Store;
use crate::tls::DefaultTls;
use crate::trace;
use crate::upstream::http;
use crate::upstream::ldap::Ldap;
use crate::upstream::monitor::Monitor;
use std::cell::RefCell;
use std::collections::HashSet;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// See the module's head.
pub struct Services {
    pub settings: Arc<Settings>,
    /// The domain's state, and the brute-force rules with the lists that scripts may change.
    pub state: Arc<Store>,
    pub rules: Arc<Rules>,
    /// `nauthilus_cache`: one store for the whole process.
    pub cache: Arc<ProcessCache>,
    /// `storage`: the stores that scripts opened, process-wide.
    pub storages: Arc<Storages>,
    /// The Redis pools that scripts registered, and the scripts they uploaded: process-wide.
    pub redis: Arc<Pools>,
    /// The mail servers that are watched.
    pub monitor: Arc<Monitor>,
    /// TLS of connections that scripts open.
    pub tls: Arc<DefaultTls>,
    /// This worker's connections to directories.
    pub ldap: Ldap,
    /// `nauthilus_psnet`: what is counted, process-wide.
    pub targets: Arc<Targets>,
    /// The databases that scripts opened.
    pub databases: Databases,
    /// HTTP, with this worker's idle connections.
    pub http: http::Client,
    /// Metrics that scripts create.
    pub metrics: ScriptMetrics,
    /// The worker's own numbers.
    pub worker: Rc<WorkerMetrics>,
    /// Regular expressions that scripts used lately, compiled.
    pub regexps: regexp::Cache,
    /// What scripts leave for the worker.
    pub outbox: Rc<Outbox>,
    /// What was warned of already, by script.
    pub warned: RefCell<HashSet<(u32, String)>>,
}

impl Services {
    /// Stores of its own, for tests and fuzz targets.
    pub fn for_tests(settings: Settings) -> Services {
        let registry = crate::metrics::Registry::new("test", "0", crate::time::Now::read());
        Services {
            settings: Arc::new(settings),
            state: Arc::new(Store::Memory(Arc::default())),
            rules: Arc::default(),
            cache: Arc::default(),
            storages: Arc::default(),
            redis: Arc::default(),
            monitor: Arc::default(),
            tls: Arc::default(),
            ldap: Ldap::default(),
            targets: Arc::default(),
            databases: Databases::default(),
            http: http::Client::new(Arc::new(http::Settings::plain())),
            metrics: registry.script_metrics(),
            worker: Rc::new(registry.worker("test")),
            regexps: regexp::Cache::default(),
            outbox: Rc::default(),
            warned: RefCell::default(),
        }
    }

    /// Leaves a warning for the log.
    pub fn warn(&self, text: String) {
        self.outbox.warnings.borrow_mut().push(text);
    }

    /// Leaves a warning for the log unless this script has caused the same before.
    pub fn warn_once(&self, script: u32, text: &str) {
        let mut warned = self.warned.borrow_mut();
        if warned.len() < WARNED_MAX && warned.insert((script, text.to_owned())) {
            self.warn(text.to_owned());
        }
    }
}

/// What scripts leave for the log and the exporter; the worker empties it in each turn.
///
/// One per worker: after a reload, runs under way end in the old state, and what they leave must
/// not be lost.
#[derive(Default)]
pub struct Outbox {
    /// What they printed.
    pub output: RefCell<Vec<u8>>,
    /// Warnings, a line each.
    pub warnings: RefCell<Vec<String>>,
    /// Spans that they finished.
    pub spans: trace::Buffer,
}

/// Warnings that a worker gives once: a script may build what they name out of a request's bytes,
/// and each is remembered.
const WARNED_MAX: usize = 1000;

/// Configuration as modules need it.
#[derive(Debug, Default)]
pub struct Settings {
    /// `default` or `json`.
    pub log_format: String,
    /// `none error warn info debug`.
    pub log_level: String,
    /// `server.redis.prefix`.
    pub redis_prefix: String,
    /// `server.redis.password_nonce`.
    pub password_nonce: Secret,
    /// `server.redis.encryption_secret`; empty: encryption is off.
    pub encryption_secret: Secret,
    /// Limits of one Redis command (`server.timeouts.redis_read`, `redis_write`).
    pub redis_read: Duration,
    pub redis_write: Duration,
    /// `lua.config.ip_scoping_v6_cidr`, `_v4_cidr`; 0: off.
    pub ip_scoping_v6_cidr: u8,
    pub ip_scoping_v4_cidr: u8,
    /// `brute_force.ip_scoping`; 0: off.
    pub rwp_ipv6_cidr: u8,
    pub tolerations_ipv6_cidr: u8,
    pub developer_mode: bool,
    /// `server.insights.tracing`; none: spans are not recorded.
    pub tracing: Option<trace::Settings>,
    /// True if a Redis is configured: without one the default handle answers with a clear error.
    pub has_redis: bool,
    /// Bytes that the scripts of one request may keep outside of Lua (`lua.config.request_memory`);
    /// 0: no limit.
    pub request_memory: usize,
    /// The server's own Redis is a cluster.
    pub redis_is_cluster: bool,
}
