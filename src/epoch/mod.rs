//! One configuration, resolved: everything workers need of it, in the types of those who use it.
//!
//! Made by the main thread at start and on reload: reads the script files and certificates, and
//! fails with all that is wrong. Immutable afterwards; requests hold on to the epoch they began
//! with. No other module but `cli` and `server` looks into [`Config`].
//!
//! ```text
//! policy.rs       features, backends, filters, actions, hooks
//! brute_force.rs  brute-force rules
//! callers.rs      who may ask
//! dialect.rs      wire forms
//! listeners.rs    where to listen, and what holds there
//! redis.rs        where Redis is
//! upstream.rs     whom else we ask
//! ```

mod brute_force;
mod callers;
mod dialect;
mod listeners;
mod policy;
mod redis;
mod upstream;

pub use callers::{KeySource, KeysFrom};
pub use listeners::{Listener, Listeners, Rules, Unchanged};
pub use redis::pool_target;
pub use upstream::Collector;

use crate::auth::policy::Policy;
use crate::auth::rate_limit::Rate;
use crate::auth::scripts::{ActionKind, StageKind};
use crate::config::section::dns::Dns;
use crate::config::section::http::{Compression, KeepAlive, Middlewares};
use crate::config::section::insights::Insights;
use crate::config::section::log::Log as ConfigLog;
use crate::config::section::lua::LuaConfig;
use crate::config::section::redis::AccountLocalCache;
use crate::config::section::server::{PrometheusTimer, Server};
use crate::config::section::timeouts::Timeouts as ConfigTimeouts;
use crate::config::{self, Config, LogLevel};
use crate::dialect::hook::HOOK_METHODS;
use crate::dialect::settings::Settings;
use crate::frontend::Timeouts;
use crate::log::{Format, Level, LogSettings};
use crate::metrics::{LabelId, Registry, Space};
use crate::proto::http::{Limits as HttpLimits, Method};
use crate::script::services::Settings as ScriptSettings;
use crate::script::{Limits, ScriptSet};
use crate::state::{KnownAccounts, MemoryStore, RedisStore, Store};
use crate::tls::DefaultTls;
use crate::upstream::dns::Settings as DnsSettings;
use crate::upstream::http::Settings as HttpClientSettings;
use crate::upstream::ldap::Pools as LdapPools;
use crate::upstream::monitor::Monitor;
use crate::upstream::redis::Target;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

pub struct Epoch {
    pub policy: Policy,
    pub dialect: Settings,
    pub listeners: Listeners,
    pub scripts: Arc<ScriptSet>,
    pub script_settings: Arc<ScriptSettings>,
    pub package_path: String,
    pub limits: Limits,
    pub http: HttpLimits,
    pub timeouts: Timeouts,
    /// Of a whole request.
    pub request_time: Duration,
    /// The shortest of the times that a connection's timer watches.
    pub shortest_time: Duration,
    pub log: LogSettings,
    /// The server's own Redis; `None`: the embedded memory state.
    pub redis: Option<Target>,
    /// For how long this process remembers what Redis said of a login name.
    accounts_for: Duration,
    /// Name servers, the hosts file.
    pub dns: Arc<DnsSettings>,
    /// The mail servers that are watched.
    pub monitor: Arc<Monitor>,
    /// How long the TLS handshake of a client may take.
    pub tls_handshake_time: Duration,
    /// TLS of connections that scripts open.
    pub tls: Arc<DefaultTls>,
    /// The directories of the section `ldap`.
    pub ldap: Arc<LdapPools>,
    /// How scripts ask other servers by HTTP.
    pub http_client: Arc<HttpClientSettings>,
    /// Where the keys of an issuer of tokens come from.
    pub key_source: Option<KeySource>,
    /// Where scripts' spans are sent; none: nowhere.
    pub tracing: Option<Collector>,
    /// The configuration as JSON, secrets masked.
    pub effective: String,
    pub max_concurrent_requests: usize,
    /// Of each client address; `None`: no limit.
    pub rate: Option<Rate>,
    /// Of requests that are not whole yet, in each worker.
    pub unfinished_bytes_max: usize,
    /// Post actions of so many logins run at a time, and so many more wait.
    pub post_actions_max: usize,
    pub post_actions_waiting_max: usize,
    pub post_action_time: Duration,
    /// What the metrics count each route pattern by.
    pub route_labels: Vec<(&'static str, LabelId)>,
    hooks: HashMap<(Vec<u8>, &'static str), Hook>,
}

/// What the configuration says of a hook at a location and method.
pub(super) struct Hook {
    /// Its place in the list of hooks.
    index: usize,
    /// Of a body for which the script sets none.
    content_type: Option<String>,
    /// Of which a caller needs one; none: any caller will do.
    roles: Vec<String>,
}

/// What is wrong with a configuration that is sound by itself: files and names that it points to.
/// One line each.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct Unusable(pub Vec<String>);

impl Epoch {
    /// Resolves a configuration for so many workers. Blocks on script files and certificates.
    ///
    /// # Errors
    /// Everything that cannot be read.
    pub fn resolve(
        config: &Config,
        workers: usize,
        metrics: &Arc<Registry>,
    ) -> Result<Epoch, Unusable> {
        read_whole(config);
        let mut problems = Vec::new();
        let mut scripts = ScriptSet::default();
        let mut policy = policy::policy(config, metrics, &mut scripts, &mut problems);
        policy::built_in_features(&mut policy, config, metrics);
        let hooks = policy::hooks(config, &mut scripts, &mut problems);
        let LuaConfig {
            // See `policy.rs`.
            backend_script_path: _,
            reuse: _,
            init_script_paths,
            package_path: own_package_path,
            memory_limit,
            cpu_limit,
            // Coroutines need no pool and no queue (`config::inactive`).
            backend_number_of_workers: _,
            action_number_of_workers: _,
            queue_length: _,
            feature_vm_pool_size: _,
            filter_vm_pool_size: _,
            hook_vm_pool_size: _,
            // See `script_settings`.
            request_memory: _,
            ip_scoping_v6_cidr: _,
            ip_scoping_v4_cidr: _,
        } = &config.lua.config;
        for path in init_script_paths {
            let index = scripts.read(path, "init", StageKind::Init, false);
            scripts.init.extend(keep(index, &mut problems));
        }
        // Its memory is bounded in any case (`config::inactive`).
        let AccountLocalCache {
            enabled: remembers_accounts,
            ttl: accounts_ttl,
            shards: _,
            cleanup_interval: _,
            max_items: _,
        } = config.server.redis.account_local_cache;
        let redis = redis::redis(config).unwrap_or_else(|problem| {
            problems.push(problem);
            None
        });
        let tls = DefaultTls::default();
        let monitor = upstream::monitor(config, &tls, &mut problems);
        let ldap = upstream::ldap(config, workers, &mut problems);
        let http_client =
            upstream::http_client(config, workers).map(Arc::new).unwrap_or_else(|problem| {
                problems.push(problem);
                Arc::new(HttpClientSettings::plain())
            });
        let tracing = upstream::collector(config).unwrap_or_else(|problem| {
            problems.push(problem);
            None
        });
        let dialect = dialect::settings(config, &mut problems);
        let listeners = Listeners::resolve(config, &mut problems);
        if !problems.is_empty() {
            return Err(Unusable(problems));
        }
        let server = &config.server;
        let ConfigTimeouts {
            request: request_time,
            head,
            tls_handshake: tls_handshake_time,
            body,
            idle,
            write,
            // See `redis.rs` and `upstream.rs`.
            redis_read: _,
            redis_write: _,
            ldap_search: _,
            ldap_bind: _,
            ldap_modify: _,
            lua_backend,
            lua_script,
        } = server.timeouts;
        let timeouts = Timeouts { head, body, idle, write };
        // The client's own name is looked up by `policy.rs`.
        let Dns { resolver, timeout: dns_timeout, resolve_client_ip: _ } = server.dns;
        Ok(Epoch {
            policy,
            key_source: callers::key_source(config, dialect.caller.as_deref()),
            dialect,
            listeners,
            scripts: Arc::new(scripts),
            script_settings: Arc::new(script_settings(config)),
            package_path: package_path(own_package_path),
            limits: Limits {
                memory_bytes: *memory_limit,
                cpu: (*cpu_limit).min(lua_script),
                script: lua_script,
                backend: lua_backend,
            },
            http: HttpLimits {
                body_bytes_max: server.max_body_bytes as u64,
                ..HttpLimits::default()
            },
            timeouts,
            request_time,
            shortest_time: [
                timeouts.head,
                timeouts.body,
                timeouts.idle,
                timeouts.write,
                request_time,
            ]
            .into_iter()
            .min()
            .unwrap_or_default(),
            log: log_settings(config),
            redis,
            accounts_for: if remembers_accounts { accounts_ttl } else { Duration::ZERO },
            dns: Arc::new(DnsSettings::system(resolver, dns_timeout)),
            monitor: Arc::new(monitor),
            tls_handshake_time,
            tls: Arc::new(tls),
            ldap: Arc::new(ldap),
            http_client,
            tracing,
            effective: config.effective_json(),
            max_concurrent_requests: server.max_concurrent_requests as usize,
            rate: Rate::new(server.rate_limit_per_second, server.rate_limit_burst),
            unfinished_bytes_max: UNFINISHED_BYTES_MAX.max(server.max_body_bytes.saturating_mul(4)),
            post_actions_max: POST_ACTIONS_MAX,
            post_actions_waiting_max: POST_ACTIONS_WAITING_MAX,
            post_action_time: lua_script * 10,
            route_labels: ROUTES
                .map(|route| (route, metrics.label(Space::Route, &[route])))
                .to_vec(),
            hooks,
        })
    }

    /// The hook for a location (without leading slashes) and method.
    pub fn hook(&self, location: &[u8], method: Method) -> Option<usize> {
        self.find_hook(location, method).map(|hook| hook.index)
    }

    /// The content type that is configured for a hook's answers.
    pub fn hook_content_type(&self, location: &[u8], method: Method) -> Option<&str> {
        self.find_hook(location, method)?.content_type.as_deref()
    }

    fn find_hook(&self, location: &[u8], method: Method) -> Option<&Hook> {
        let (name, _) = HOOK_METHODS.iter().find(|(_, known)| *known == method)?;
        self.hooks.get(&(location.to_vec(), *name))
    }

    /// The roles of which a caller needs one for the hook; none: any caller will do.
    pub fn hook_roles(&self, location: &[u8], method: Method) -> &[String] {
        self.find_hook(location, method).map_or(&[], |hook| &hook.roles)
    }

    /// Takes over keys that were fetched before a reload: otherwise no token would be valid until
    /// they are fetched again.
    pub fn know_keys_from(&self, before: &Epoch) {
        if let (Some(ours), Some(theirs)) = (&self.key_source, &before.key_source)
            && matches!(ours.from, KeysFrom::Url(_))
            && ours.from == theirs.from
        {
            ours.keys.know_from(&theirs.keys);
        }
    }

    /// Where the domain's state is: in the server's Redis, or in this process, whose store is
    /// `memory`.
    pub fn store(&self, memory: &Arc<MemoryStore>, known: Arc<KnownAccounts>) -> Store {
        let settings = &self.script_settings;
        match self.redis {
            Some(_) => {
                let ScriptSettings { redis_prefix, redis_read, redis_write, .. } = &**settings;
                let store = RedisStore::new(
                    redis_prefix,
                    *redis_read,
                    *redis_write,
                    self.accounts_for,
                    memory.clone(),
                );
                Store::Redis(store.with_known(known))
            }
            None => Store::Memory(memory.clone()),
        }
    }

    pub fn has_post_actions(&self) -> bool {
        !self.policy.actions.of(ActionKind::Post).is_empty()
    }

    /// Where the server's Redis is now, if that is somewhere else than `before`.
    pub fn redis_if_changed(&self, before: &Epoch) -> Option<&Target> {
        let same = |target: &&Target| before.redis.as_ref().is_some_and(|old| old.is_same(target));
        self.redis.as_ref().filter(|target| !same(target))
    }
}

/// Every section without a `..`: a key that is added has to be put in one of these lists, or the
/// compiler complains. Keys are bound where they are read; here are the sections that are read in
/// several places, and those that nobody reads.
fn read_whole(config: &Config) {
    let Config {
        server,
        // `policy.rs`
        cleartext_networks: _,
        relay_domains: _,
        realtime_blackhole_lists: _,
        lua: _,
        // `brute_force.rs`
        brute_force: _,
        // `upstream.rs`
        backend_server_monitoring: _,
        ldap: _,
    } = config;
    let Server {
        // `listeners.rs`
        address: _,
        listen_unix: _,
        unix_socket_mode: _,
        listeners: _,
        haproxy_v2: _,
        // `server.rs` at the start: threads
        workers: _,
        // `privileges.rs` at the start
        run_as_user: _,
        run_as_group: _,
        chroot: _,
        landlock: _,
        // `Epoch::resolve`
        max_concurrent_requests: _,
        rate_limit_per_second: _,
        rate_limit_burst: _,
        max_body_bytes: _,
        instance_name: _,
        log: _,
        dns: _,
        timeouts: _,
        // `dialect.rs`
        smtp_backend_address: _,
        smtp_backend_port: _,
        imap_backend_address: _,
        imap_backend_port: _,
        pop3_backend_address: _,
        pop3_backend_port: _,
        nginx_wait_delay: _,
        nginx_wait_min: _,
        client_address: _,
        basic_lookups: _,
        trusted_proxies: _,
        disabled_endpoints: _,
        default_http_request_header: _,
        // `callers.rs`
        basic_auth: _,
        jwt_auth: _,
        oidc_auth: _,
        metrics_access: _,
        admin_access: _,
        // `policy.rs`, `brute_force.rs`
        max_password_history_entries: _,
        max_login_attempts: _,
        local_cache_auth_ttl: _,
        backends: _,
        features: _,
        brute_force_protocols: _,
        master_user: _,
        // `redis.rs`
        redis: _,
        // `upstream.rs`
        http_client: _,
        // `listeners.rs`, `callers.rs`
        tls: _,
        insights,
        // `server.rs`
        prometheus_timer,
        // Without effect, with a warning (`config::inactive`).
        compression,
        keep_alive,
        middlewares,
    } = server;
    // `server.rs` counts connections; `upstream.rs` has the rest.
    let Insights { monitor_connections: _, tracing: _ } = insights;
    // The labels are without effect.
    let PrometheusTimer { enabled: _, labels: _ } = prometheus_timer;
    let Compression {
        enabled: _,
        level_gzip: _,
        level_zstd: _,
        level_brotli: _,
        min_length: _,
        algorithms: _,
    } = compression;
    let KeepAlive {
        enabled: _,
        timeout: _,
        max_idle_connections: _,
        max_idle_connections_per_host: _,
    } = keep_alive;
    let Middlewares {
        logging: _,
        limit: _,
        recovery: _,
        trusted_proxies: _,
        request_decompression: _,
        response_compression: _,
        metrics: _,
        rate: _,
    } = middlewares;
}

fn keep<T>(outcome: Result<T, String>, problems: &mut Vec<String>) -> Option<T> {
    outcome.map_err(|problem| problems.push(problem)).ok()
}

fn script_settings(config: &Config) -> ScriptSettings {
    use config::Choice;
    let redis = &config.server.redis;
    let (redis_read, redis_write) = redis::times(config);
    ScriptSettings {
        log_format: if config.server.log.json { "json" } else { "default" }.into(),
        log_level: config.server.log.level.name().into(),
        redis_prefix: redis.prefix.clone(),
        password_nonce: redis.password_nonce.clone(),
        encryption_secret: redis.encryption_secret.clone(),
        redis_read,
        redis_write,
        ip_scoping_v6_cidr: config.lua.config.ip_scoping_v6_cidr,
        ip_scoping_v4_cidr: config.lua.config.ip_scoping_v4_cidr,
        rwp_ipv6_cidr: config.brute_force.ip_scoping.rwp_ipv6_cidr,
        tolerations_ipv6_cidr: config.brute_force.ip_scoping.tolerations_ipv6_cidr,
        developer_mode: false,
        has_redis: redis.is_configured(),
        request_memory: config.lua.config.request_memory,
        redis_is_cluster: redis.cluster.is_some(),
        tracing: upstream::trace_settings(&config.server.insights.tracing),
    }
}

fn log_settings(config: &Config) -> LogSettings {
    // The last three are not built (`config::inactive`).
    let ConfigLog { level, json, color: _, add_source: _, debug_modules: _ } = &config.server.log;
    let level = match level {
        LogLevel::None => Level::None,
        LogLevel::Error => Level::Error,
        LogLevel::Warn => Level::Warn,
        LogLevel::Info => Level::Info,
        LogLevel::Debug => Level::Debug,
    };
    let format = if *json { Format::Json } else { Format::Logfmt };
    LogSettings { level, format, instance: config.server.instance_name.clone() }
}

/// `package.path`: the engine's part (or `LUA_PATH`), then the usual places, then the configured
/// ones.
fn package_path(configured: &str) -> String {
    let engine = std::env::var("LUA_PATH").ok().filter(|path| !path.is_empty());
    let engine = engine
        .as_deref()
        .unwrap_or("./?.lua;/usr/local/share/lua/5.1/?.lua;/usr/local/share/lua/5.1/?/init.lua");
    let usual = "/usr/local/share/nauthilus/lua/?.lua;/usr/share/nauthilus/lua/?.lua;/usr/app/lua-plugins.d/share/?.lua";
    [engine, usual, configured]
        .iter()
        .filter(|part| !part.is_empty())
        .copied()
        .collect::<Vec<_>>()
        .join(";")
}

/// Route patterns as the reference's metrics have them.
const ROUTES: [&str; 5] =
    ["/api/v1/:category/:service", "/api/v1/custom/*hook", "/ping", "/metrics", "/healthz"];

/// Of requests that are not whole yet, in each worker: 64 of the largest heads or bodies at once
/// (or four, where the operator allows bodies of more than 16 MiB). Usual requests arrive whole and
/// take nothing of it.
const UNFINISHED_BYTES_MAX: usize = 64 << 20;

/// Waiting costs a coroutine and no thread, so this is far above the reference's ten workers: what
/// it bounds is memory.
const POST_ACTIONS_MAX: usize = 1000;

/// Logins whose post actions wait for a place among those that run: some seconds' worth at a
/// thousand logins a second.
const POST_ACTIONS_WAITING_MAX: usize = 4096;
