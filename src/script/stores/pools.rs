//! [`Pools`]: what Lua scripts have told the process about Redis: pools registered by name, scripts uploaded by name.
//!
//! Process-wide, because an init script runs on one worker and names its pools for all. Written
//! while init scripts run, read with each use of a name; readers do not block each other. Nothing
//! here connects: a worker that meets a [`PoolId`] for the first time asks for its [`PoolSettings`]
//! and opens a link of its own. Bounds: [`POOLS_MAX`], [`SCRIPTS_MAX`].

use crate::op::PoolId;
use crate::secret::Secret;
use ahash::AHashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// See the module's head.
#[derive(Default)]
pub struct Pools {
    registry: RwLock<Registry>,
    scripts: RwLock<AHashMap<Vec<u8>, Arc<Uploaded>>>,
}

/// How to reach a pool, as a script described it.
#[derive(Clone, Debug)]
pub struct PoolSettings {
    pub mode: Mode,
    /// `host:port`, in the order given: one for a standalone server, else sentinels or cluster
    /// nodes.
    pub addresses: Vec<String>,
    /// Of the set that sentinels watch.
    pub master_name: String,
    pub sentinel_username: String,
    pub sentinel_password: Secret,
    pub username: String,
    pub password: Secret,
    /// 0 in a cluster.
    pub database: u32,
    pub tls: Option<PoolTls>,
}

/// TLS is on; perhaps with a certificate of ours (used only with its key).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolTls {
    pub cert_file: Option<String>,
    pub key_file: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Standalone,
    /// The master of a set that sentinels watch.
    Sentinel,
    /// A replica of such a set.
    SentinelReplica,
    Cluster,
}

/// A Redis script that was uploaded under a name.
#[derive(Debug)]
pub struct Uploaded {
    /// 40 hex digits, as Redis answered.
    pub sha1: Vec<u8>,
    /// To upload it again when Redis has forgotten it.
    pub source: Vec<u8>,
}

/// Why something cannot be registered. The operator's scripts are to blame: they make up names, or
/// settings, without end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PoolsError {
    #[error("too many Redis pools are registered (at most {POOLS_MAX})")]
    TooManyPools,
    #[error("too many Redis scripts are uploaded (at most {SCRIPTS_MAX})")]
    TooManyScripts,
}

#[derive(Default)]
struct Registry {
    /// A name stands for the latest pool registered with it. Replicas are beside: the reference
    /// allows a set's master and its replicas to go by the same name, which then means the master.
    masters: AHashMap<Vec<u8>, PoolId>,
    replicas: AHashMap<Vec<u8>, PoolId>,
    /// By number, from 1. Replaced ones stay: a script may still hold a handle.
    settings: Vec<Arc<PoolSettings>>,
}

impl Pools {
    /// Registers a pool, or replaces the one of this name. Other settings make another pool, for
    /// which workers open links of their own; equal ones change nothing.
    ///
    /// # Errors
    /// [`PoolsError::TooManyPools`].
    pub fn register(&self, name: &[u8], settings: PoolSettings) -> Result<PoolId, PoolsError> {
        let mut registry = write(&self.registry);
        if let Some(id) = registry.names(settings.mode).get(name).copied()
            && registry.get(id).is_some_and(|old| **old == settings)
        {
            return Ok(id);
        }
        if registry.settings.len() >= POOLS_MAX {
            return Err(PoolsError::TooManyPools);
        }
        let mode = settings.mode;
        registry.settings.push(Arc::new(settings));
        let id = PoolId(registry.settings.len() as u16);
        registry.names(mode).insert(name.to_vec(), id);
        Ok(id)
    }

    /// The pool that a name stands for.
    pub fn find(&self, name: &[u8]) -> Option<(PoolId, Mode)> {
        let registry = read(&self.registry);
        let id = *registry.masters.get(name).or_else(|| registry.replicas.get(name))?;
        Some((id, registry.get(id)?.mode))
    }

    /// How to reach a pool. The server's own, [`PoolId::DEFAULT`], is not among these.
    pub fn settings(&self, id: PoolId) -> Option<Arc<PoolSettings>> {
        read(&self.registry).get(id).cloned()
    }

    /// The name that a pool was registered with last.
    pub fn name(&self, id: PoolId) -> Option<String> {
        let registry = read(&self.registry);
        let mut names = registry.masters.iter().chain(&registry.replicas);
        names
            .find(|(_, known)| **known == id)
            .map(|(name, _)| String::from_utf8_lossy(name).into_owned())
    }

    /// Remembers an uploaded script, or replaces the one of this name.
    ///
    /// # Errors
    /// [`PoolsError::TooManyScripts`].
    pub fn remember_script(&self, name: &[u8], script: Uploaded) -> Result<(), PoolsError> {
        let mut scripts = write(&self.scripts);
        if scripts.len() >= SCRIPTS_MAX && !scripts.contains_key(name) {
            return Err(PoolsError::TooManyScripts);
        }
        scripts.insert(name.to_vec(), Arc::new(script));
        Ok(())
    }

    pub fn script(&self, name: &[u8]) -> Option<Arc<Uploaded>> {
        read(&self.scripts).get(name).cloned()
    }
}

impl Registry {
    fn names(&mut self, mode: Mode) -> &mut AHashMap<Vec<u8>, PoolId> {
        if mode == Mode::SentinelReplica { &mut self.replicas } else { &mut self.masters }
    }

    fn get(&self, id: PoolId) -> Option<&Arc<PoolSettings>> {
        self.settings.get(usize::from(id.0).checked_sub(1)?)
    }
}

impl Mode {
    pub fn parse(text: &str) -> Option<Mode> {
        Some(match text {
            "standalone" => Mode::Standalone,
            "sentinel" => Mode::Sentinel,
            "sentinel_replica" => Mode::SentinelReplica,
            "cluster" => Mode::Cluster,
            _ => return None,
        })
    }
}

impl PartialEq for PoolSettings {
    fn eq(&self, other: &PoolSettings) -> bool {
        let plain = |of: &PoolSettings| (of.mode, of.database, of.tls.clone());
        let texts = |of: &PoolSettings| {
            [of.master_name.clone(), of.sentinel_username.clone(), of.username.clone()]
        };
        plain(self) == plain(other)
            && self.addresses == other.addresses
            && texts(self) == texts(other)
            && self.password.matches(other.password.expose())
            && self.sentinel_password.matches(other.sentinel_password.expose())
    }
}

/// A panic while the lock was held cannot have left anything half done: each change is one
/// insertion.
fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

/// Each costs every worker that uses it a connection. Operators have a handful; the rest is for
/// years of reloads with changed settings.
pub const POOLS_MAX: usize = 1024;

/// Operators have dozens; the sources stay in memory.
pub const SCRIPTS_MAX: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(mode: Mode, password: &str) -> PoolSettings {
        PoolSettings {
            mode,
            addresses: vec!["localhost:6379".into()],
            master_name: String::new(),
            sentinel_username: String::new(),
            sentinel_password: Secret::default(),
            username: String::new(),
            password: password.into(),
            database: 0,
            tls: None,
        }
    }

    #[test]
    fn registering_the_same_again_changes_nothing() {
        let pools = Pools::default();
        let first = pools.register(b"side", settings(Mode::Standalone, "a"));
        assert_eq!(first, pools.register(b"side", settings(Mode::Standalone, "a")));
        assert_ne!(first, Ok(PoolId::DEFAULT));
    }

    #[test]
    fn other_settings_make_another_pool_and_the_old_one_stays() {
        let pools = Pools::default();
        let old = pools.register(b"side", settings(Mode::Standalone, "a")).unwrap();
        let new = pools.register(b"side", settings(Mode::Standalone, "b")).unwrap();
        assert_ne!(old, new);
        assert_eq!(pools.find(b"side"), Some((new, Mode::Standalone)));
        assert_eq!((pools.name(new).as_deref(), pools.name(old)), (Some("side"), None));
        assert!(pools.settings(old).unwrap().password.matches(b"a"));
        assert!(pools.settings(new).unwrap().password.matches(b"b"));
    }

    #[test]
    fn another_mode_replaces_a_pool_but_replicas_are_beside() {
        let pools = Pools::default();
        pools.register(b"side", settings(Mode::Standalone, "")).unwrap();
        let sentinel = pools.register(b"side", settings(Mode::Sentinel, "")).unwrap();
        pools.register(b"side", settings(Mode::SentinelReplica, "")).unwrap();
        let replica = pools.register(b"only", settings(Mode::SentinelReplica, "")).unwrap();
        assert_eq!(pools.find(b"side"), Some((sentinel, Mode::Sentinel)));
        assert_eq!(pools.find(b"only"), Some((replica, Mode::SentinelReplica)));
    }

    #[test]
    fn the_default_pool_and_unknown_ones_have_no_settings() {
        let pools = Pools::default();
        assert!(
            pools.settings(PoolId::DEFAULT).is_none()
                && pools.settings(PoolId(7)).is_none()
                && pools.find(b"x").is_none()
        );
    }

    #[test]
    fn there_is_a_bound_on_pools() {
        let pools = Pools::default();
        for count in 0..POOLS_MAX {
            pools.register(b"side", settings(Mode::Standalone, &count.to_string())).unwrap();
        }
        assert_eq!(
            pools.register(b"side", settings(Mode::Standalone, "more")),
            Err(PoolsError::TooManyPools)
        );
        assert!(
            pools
                .register(b"side", settings(Mode::Standalone, &(POOLS_MAX - 1).to_string()))
                .is_ok()
        );
    }

    #[test]
    fn there_is_a_bound_on_scripts_but_a_known_name_is_replaced() {
        let pools = Pools::default();
        let script = |text: &str| Uploaded { sha1: text.into(), source: Vec::new() };
        for count in 0..SCRIPTS_MAX {
            pools.remember_script(count.to_string().as_bytes(), script("old")).unwrap();
        }
        assert_eq!(pools.remember_script(b"more", script("new")), Err(PoolsError::TooManyScripts));
        pools.remember_script(b"7", script("new")).unwrap();
        assert_eq!(pools.script(b"7").unwrap().sha1, b"new");
    }

    #[test]
    fn debug_shows_no_password() {
        assert!(!format!("{:?}", settings(Mode::Standalone, "hunter2")).contains("hunter2"));
    }
}
