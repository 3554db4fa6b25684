//! What a configuration may say although this version does not do it yet: the one table of it.
//!
//! Each entry is read and checked like any other key; if it differs from its default, the start warns. To activate something,
//! delete its line.

use crate::config::choice::{Backend, Feature};

/// Key paths, sections as a whole. What is "not yet active" has no effect at all.
pub(super) const INACTIVE: &[&str] = &[
    "brute_force.adaptive_toleration",
    "brute_force.max_tolerate_percent",
    "brute_force.min_tolerate_percent",
    "brute_force.pw_history_for_known_accounts",
    "brute_force.rwp_allowed_unique_hashes",
    "brute_force.rwp_window",
    "brute_force.scale_factor",
    "ldap.config.auth_rate_limit_burst",
    "ldap.config.auth_rate_limit_per_second",
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
    "ldap.search",
    "server.chroot",
    "server.compression",
    "server.haproxy_v2",
    "server.http_client.tls.cipher_suites",
    "server.http_client.tls.enabled",
    "server.keep_alive",
    "server.middlewares",
    "server.prometheus_timer",
    "server.rate_limit_burst",
    "server.rate_limit_per_second",
    "server.redis.account_local_cache.cleanup_interval",
    "server.redis.account_local_cache.max_items",
    "server.redis.account_local_cache.shards",
    "server.run_as_group",
    "server.run_as_user",
    "server.tls.ca_file",
    "server.tls.cert",
    "server.tls.cipher_suites",
    "server.tls.enabled",
    "server.tls.key",
    "server.tls.min_tls_version",
];

/// Enabled in `server.features`, they do nothing.
pub(super) const INACTIVE_FEATURES: &[Feature] = &[];

/// Listed in `server.backends`, such a backend is passed over.
pub(super) fn is_inactive(backend: &Backend) -> bool {
    match backend {
        Backend::Lua(_) | Backend::Cache => false,
        Backend::Ldap(_) | Backend::Test(_) => true,
    }
}
