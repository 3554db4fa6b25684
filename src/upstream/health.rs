//! How the stores that workers use are doing: what `/healthz` and `/metrics` tell of them.
//!
//! Each worker has a [`Store`] per pool, which it alone writes, with plain stores, once per turn;
//! the reader adds them up. A worker that ends, or lets a pool go, takes its part along. Off the
//! request path but for those stores.

use crate::metrics::{Scrape, names};
use crate::upstream::redis::Health;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// All stores of all workers.
#[derive(Debug, Default)]
pub struct Stores(Mutex<Vec<Weak<Store>>>);

/// One worker's view of one pool.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Store {
    name: String,
    is_up: AtomicBool,
    connections: AtomicU32,
    idle: AtomicU32,
    in_flight: AtomicU32,
    losses: AtomicU64,
}

/// A pool, all workers together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    pub workers: u32,
    /// Workers whose commands find a server.
    pub up: u32,
    pub connections: u32,
    pub idle: u32,
    pub in_flight: u64,
    pub losses: u64,
}

impl Stores {
    /// A worker begins to use the pool of this name.
    pub fn open(&self, name: &str) -> Arc<Store> {
        let store = Arc::new(Store { name: name.to_owned(), ..Store::default() });
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|other| other.strong_count() > 0);
        all.push(Arc::downgrade(&store));
        store
    }

    /// The pools by name.
    pub fn summaries(&self) -> BTreeMap<String, Summary> {
        let mut summaries: BTreeMap<String, Summary> = BTreeMap::new();
        for store in
            self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().filter_map(Weak::upgrade)
        {
            let summary = summaries.entry(store.name.clone()).or_default();
            summary.workers += 1;
            summary.up += u32::from(store.is_up.load(Relaxed));
            summary.connections += store.connections.load(Relaxed);
            summary.idle += store.idle.load(Relaxed);
            summary.in_flight += u64::from(store.in_flight.load(Relaxed));
            summary.losses += store.losses.load(Relaxed);
        }
        summaries
    }

    /// Adds the pools to a scrape.
    pub fn collect(&self, scrape: &mut Scrape) {
        for (name, summary) in self.summaries() {
            let labels = [("pool_name", name.as_str())];
            scrape.number(&names::REDIS_UP, &labels, f64::from(u8::from(summary.is_up())));
            scrape.number(&names::REDIS_IN_FLIGHT, &labels, summary.in_flight as f64);
            scrape.number(&names::REDIS_POOL_TOTAL, &labels, f64::from(summary.connections));
            scrape.number(&names::REDIS_POOL_IDLE, &labels, f64::from(summary.idle));
            scrape.number(&names::REDIS_POOL_STALE, &labels, summary.losses as f64);
        }
    }

    /// The body of `/healthz`: `{"status":"ok","stores":{"redis":{"default":{"up":true,…}}}}`. The
    /// status is `draining` when the server is about to end, `degraded` when a store is not there
    /// (what needs it fails temporarily, all else is served), else `ok`.
    pub fn health(&self, is_draining: bool) -> String {
        let summaries = self.summaries();
        let status = match summaries.values().all(Summary::is_up) {
            _ if is_draining => "draining",
            true => "ok",
            false => "degraded",
        };
        let pools: serde_json::Map<String, serde_json::Value> =
            summaries.into_iter().map(|(name, summary)| (name, summary.to_json())).collect();
        serde_json::json!({ "status": status, "stores": { "redis": pools } }).to_string()
    }
}

impl Store {
    /// How the worker's pool is doing now.
    pub fn set(&self, health: &Health) {
        self.is_up.store(health.is_up, Relaxed);
        self.connections.store(health.connections, Relaxed);
        self.idle.store(health.idle, Relaxed);
        self.in_flight.store(health.in_flight, Relaxed);
        self.losses.store(health.losses, Relaxed);
    }
}

impl Summary {
    /// Whether every worker that uses the pool finds a server.
    pub fn is_up(&self) -> bool {
        self.up == self.workers
    }

    fn to_json(&self) -> serde_json::Value {
        serde_json::json!({
            "up": self.is_up(),
            "workers": self.workers,
            "workers_up": self.up,
            "connections": self.connections,
            "connections_lost": self.losses,
            "in_flight": self.in_flight,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn up() -> Health {
        Health { is_up: true, connections: 1, idle: 0, in_flight: 3, losses: 2 }
    }

    #[test]
    fn a_pool_is_up_when_it_is_for_every_worker() {
        let stores = Stores::default();
        let (one, other) = (stores.open("default"), stores.open("default"));
        one.set(&up());
        assert!(stores.health(false).contains(r#""status":"degraded""#));
        other.set(&up());
        assert_eq!(
            stores.health(false),
            r#"{"status":"ok","stores":{"redis":{"default":{"up":true,"workers":2,"workers_up":2,"connections":2,"connections_lost":4,"in_flight":6}}}}"#
        );
        assert!(stores.health(true).contains(r#""status":"draining""#));
    }

    #[test]
    fn what_a_worker_lets_go_counts_no_more() {
        let stores = Stores::default();
        let (one, other) = (stores.open("default"), stores.open("default"));
        one.set(&up());
        drop(other);
        assert_eq!(stores.summaries()["default"].workers, 1);
        assert!(stores.health(false).contains(r#""status":"ok""#));
    }

    #[test]
    fn without_stores_all_is_well() {
        assert_eq!(Stores::default().health(false), r#"{"status":"ok","stores":{"redis":{}}}"#);
    }
}
