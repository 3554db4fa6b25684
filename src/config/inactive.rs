//! What a configuration may say although this version does not do it yet: the one table of it.
//!
//! Each entry is read and checked like any other key; if it differs from its default, the start warns. To activate something,
//! delete its line.

use crate::config::choice::{Backend, Feature};

/// Key paths, sections as a whole. What is "not yet active" has no effect at all.
pub(super) const INACTIVE: &[&str] = &[
    "backend_server_monitoring",
    "brute_force",
    "cleartext_networks",
    "ldap",
    "realtime_blackhole_lists",
    "relay_domains",
    "server.brute_force_protocols",
    "server.chroot",
    "server.compression",
    "server.haproxy_v2",
    "server.http_client",
    "server.insights.monitor_connections",
    "server.jwt_auth",
    "server.keep_alive",
    "server.master_user",
    "server.max_password_history_entries",
    "server.middlewares",
    "server.oidc_auth",
    "server.prometheus_timer",
    "server.rate_limit_burst",
    "server.rate_limit_per_second",
    "server.redis.account_local_cache",
    "server.redis.cluster",
    "server.redis.negative_cache_ttl",
    "server.redis.positive_cache_ttl",
    "server.redis.replica",
    "server.redis.sentinels",
    "server.run_as_group",
    "server.run_as_user",
    "server.tls",
];

/// Enabled in `server.features`, they do nothing.
pub(super) const INACTIVE_FEATURES: &[Feature] =
    &[Feature::TlsEncryption, Feature::Rbl, Feature::RelayDomains, Feature::BackendServerMonitoring, Feature::BruteForce];

/// Listed in `server.backends`, such a backend is passed over.
pub(super) fn is_inactive(backend: &Backend) -> bool {
    match backend {
        Backend::Lua(_) => false,
        Backend::Cache | Backend::Ldap(_) | Backend::Test(_) => true,
    }
}
