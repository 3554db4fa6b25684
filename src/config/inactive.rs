//! What a configuration may say although this version does not do it: the tables of it.
//!
//! Each entry is read and checked like any other key. A key that protects something is refused when
//! it is set ([`PROTECTING`]): a warning is not read, and the protection would silently be missing.
//! All others warn. To activate something, delete its line.
//!
//! In a path `[]` stands for every element of a list and `*` for every name that the operator
//! chose.

use crate::config::choice::{Backend, Feature};

/// Keys that protect something and are not built, each with what to do instead. They may be given
/// as long as they are off: false, 0, empty. A key that is built leaves this list, and nothing else
/// has to change.
pub(super) const PROTECTING: &[(&str, &str)] = &[
    ("ldap.config.auth_rate_limit_per_second", RATE_LIMIT),
    ("ldap.config.auth_rate_limit_burst", RATE_LIMIT),
    ("ldap.optional_ldap_pools.*.auth_rate_limit_per_second", RATE_LIMIT),
    ("ldap.optional_ldap_pools.*.auth_rate_limit_burst", RATE_LIMIT),
    ("server.http_client.tls.cipher_suites", CIPHER_SUITES),
    ("server.insights.tracing.tls.cipher_suites", CIPHER_SUITES),
    ("server.redis.tls.cipher_suites", CIPHER_SUITES),
];

const RATE_LIMIT: &str = "remove it, and limit the rate in the proxy in front or in a Lua feature (lua/examples/features/rate_limit.lua)";
const CIPHER_SUITES: &str =
    "remove it: only sound suites are offered; min_tls_version: TLS1.3 leaves the newest alone";

/// Keys without protective meaning that have no effect yet; sections as a whole. If such a key
/// differs from its default, the start warns.
pub(super) const INACTIVE: &[&str] = &[
    "brute_force.adaptive_toleration",
    "brute_force.custom_tolerations[].adaptive_toleration",
    "brute_force.custom_tolerations[].max_tolerate_percent",
    "brute_force.custom_tolerations[].min_tolerate_percent",
    "brute_force.custom_tolerations[].scale_factor",
    "brute_force.max_tolerate_percent",
    "brute_force.min_tolerate_percent",
    "brute_force.pw_history_for_known_accounts",
    "brute_force.rwp_allowed_unique_hashes",
    "brute_force.rwp_window",
    "brute_force.scale_factor",
    "ldap.config.cache_impl",
    "ldap.config.cache_max_entries",
    "ldap.config.cb_cooldown",
    "ldap.config.cb_failure_threshold",
    "ldap.config.cb_half_open_max",
    "ldap.config.dn_cache_ttl",
    "ldap.config.encryption_secret",
    "ldap.config.health_check_interval",
    "ldap.config.health_check_timeout",
    "ldap.config.include_raw_result",
    "ldap.config.membership_cache_ttl",
    "ldap.config.negative_cache_ttl",
    "ldap.optional_ldap_pools.*.cache_impl",
    "ldap.optional_ldap_pools.*.cache_max_entries",
    "ldap.optional_ldap_pools.*.cb_cooldown",
    "ldap.optional_ldap_pools.*.cb_failure_threshold",
    "ldap.optional_ldap_pools.*.cb_half_open_max",
    "ldap.optional_ldap_pools.*.dn_cache_ttl",
    "ldap.optional_ldap_pools.*.encryption_secret",
    "ldap.optional_ldap_pools.*.health_check_interval",
    "ldap.optional_ldap_pools.*.health_check_timeout",
    "ldap.optional_ldap_pools.*.include_raw_result",
    "ldap.optional_ldap_pools.*.membership_cache_ttl",
    "ldap.optional_ldap_pools.*.negative_cache_ttl",
    "ldap.search",
    "server.compression",
    "server.http_client.tls.enabled",
    "server.keep_alive",
    "server.log.add_source",
    "server.log.color",
    "server.log.debug_modules",
    "server.middlewares",
    "server.prometheus_timer.labels",
    "server.redis.account_local_cache.cleanup_interval",
    "server.redis.account_local_cache.max_items",
    "server.redis.account_local_cache.shards",
];

/// Keys of the original that have nothing to act on here, and why. They warn as [`INACTIVE`] does.
pub(super) const POINTLESS: &[(&str, &str)] = &[
    ("ldap.config.auth_idle_pool_size", NO_LDAP_LOGINS),
    ("ldap.config.auth_queue_length", NO_LDAP_LOGINS),
    ("ldap.config.number_of_workers", COROUTINES),
    ("ldap.optional_ldap_pools.*.auth_idle_pool_size", NO_LDAP_LOGINS),
    ("ldap.optional_ldap_pools.*.auth_queue_length", NO_LDAP_LOGINS),
    ("ldap.optional_ldap_pools.*.number_of_workers", COROUTINES),
    ("lua.config.action_number_of_workers", COROUTINES),
    ("lua.config.backend_number_of_workers", COROUTINES),
    ("lua.config.feature_vm_pool_size", COROUTINES),
    ("lua.config.filter_vm_pool_size", COROUTINES),
    ("lua.config.hook_vm_pool_size", COROUTINES),
    ("lua.config.queue_length", COROUTINES),
    ("lua.optional_lua_backends.*.backend_number_of_workers", COROUTINES),
    ("lua.optional_lua_backends.*.queue_length", COROUTINES),
    ("server.redis.conn_max_idle_time", ONE_CONNECTION),
    ("server.redis.idle_pool_size", ONE_CONNECTION),
    ("server.redis.max_retries", ONE_CONNECTION),
    ("server.redis.pool_fifo", ONE_CONNECTION),
    ("server.redis.pool_size", ONE_CONNECTION),
    ("server.redis.pool_timeout", ONE_CONNECTION),
];

const COROUTINES: &str = "a script that waits holds no worker";
const NO_LDAP_LOGINS: &str = "scripts look up and bind through the lookup pool";
const ONE_CONNECTION: &str = "one connection per worker carries all commands";

/// Enabled in `server.features`, they do nothing.
pub(super) const INACTIVE_FEATURES: &[Feature] = &[];

/// Listed in `server.backends`, such a backend is passed over.
pub(super) fn is_inactive(backend: &Backend) -> bool {
    match backend {
        Backend::Lua(_) | Backend::Cache => false,
        Backend::Ldap(_) | Backend::Test(_) => true,
    }
}
