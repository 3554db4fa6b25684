//! Warnings about settings that would protect something, but for another setting: a blocklist whose
//! feature is not enabled, credentials of callers who need none, networks that exempt all clients.
//!
//! Who calls: `rules`. What is told here starts all the same: a set-up may be half done on purpose.

use crate::config::Config;
use crate::config::address::Networks;
use crate::config::choice::{Choice, Feature};
use crate::config::node::Node;
use crate::config::problem::Report;
use crate::config::section::rbl::Rbl;

/// A warning's path and text.
type Told = (&'static str, String);

pub(super) fn check(config: &Config, tree: &Node, report: &mut Report) {
    let all = features(config)
        .into_iter()
        .chain(blocklists(config))
        .chain(exemptions(config))
        .chain(buckets(config))
        .chain(callers(config, tree))
        .chain(redis(config));
    for (path, text) in all {
        report.warn(&tree.mark_near(path), path, &text);
    }
}

/// Sections that only a feature reads, which is not enabled.
fn features(config: &Config) -> Vec<Told> {
    [
        (Feature::Lua, "lua.features", config.lua.features.is_empty()),
        (Feature::BruteForce, "brute_force.buckets", config.brute_force.buckets.is_empty()),
        (
            Feature::Rbl,
            "realtime_blackhole_lists.lists",
            config.realtime_blackhole_lists.lists.is_empty(),
        ),
        (Feature::RelayDomains, "relay_domains.static", config.relay_domains.r#static.is_empty()),
        (Feature::TlsEncryption, "cleartext_networks", config.cleartext_networks.is_empty()),
        (
            Feature::BackendServerMonitoring,
            "backend_server_monitoring.backend_servers",
            config.backend_server_monitoring.backend_servers.is_empty(),
        ),
    ]
    .into_iter()
    .filter(|(feature, _, is_empty)| !is_empty && !config.server.has_feature(*feature))
    .map(|(feature, path, _)| {
        let verb = if feature == Feature::Lua { "run" } else { "used" };
        (path, format!("never {verb}: server.features has no {:?}", feature.name()))
    })
    .collect()
}

/// Blocklists that cannot reject a client.
fn blocklists(config: &Config) -> Vec<Told> {
    const PATH: &str = "realtime_blackhole_lists.lists";
    if !config.server.has_feature(Feature::Rbl) {
        return Vec::new();
    }
    let section = &config.realtime_blackhole_lists;
    let mut told = Vec::new();
    for list in &section.lists {
        if !list.ipv4 && !list.ipv6 {
            let text = format!("{:?} is never asked: neither ipv4 nor ipv6 is true", list.name);
            told.push((PATH, text));
        }
        if list.return_codes.is_empty() {
            told.push((PATH, format!("{:?} never matches: it has no return_codes", list.name)));
        }
    }
    for (family, knows) in
        [("IPv4", (|list| list.ipv4) as fn(&Rbl) -> bool), ("IPv6", |list| list.ipv6)]
    {
        let lists =
            section.lists.iter().filter(|list| knows(list) && !list.return_codes.is_empty());
        let most: i64 = lists.map(|list| i64::from(list.weight.max(0))).sum();
        if most > 0 && most < i64::from(section.threshold) {
            let text = format!(
                "is never reached by {family} clients: the weights of their lists are {most} together"
            );
            told.push(("realtime_blackhole_lists.threshold", text));
        }
    }
    told
}

/// Exemptions for all clients.
fn exemptions(config: &Config) -> Vec<Told> {
    let exempts_all = |networks: &Networks| networks.iter().any(|net| net.prefix_len() == 0);
    [
        (Feature::BruteForce, "brute_force.ip_whitelist", &config.brute_force.ip_whitelist),
        (
            Feature::Rbl,
            "realtime_blackhole_lists.ip_whitelist",
            &config.realtime_blackhole_lists.ip_whitelist,
        ),
        (Feature::TlsEncryption, "cleartext_networks", &config.cleartext_networks),
    ]
    .into_iter()
    .filter(|(feature, _, networks)| config.server.has_feature(*feature) && exempts_all(networks))
    .map(|(feature, path, _)| {
        (path, format!("exempts all clients of a family from {:?}", feature.name()))
    })
    .collect()
}

/// Buckets of one name and family: logs and blocks do not tell which of them was full.
fn buckets(config: &Config) -> Vec<Told> {
    let buckets = &config.brute_force.buckets;
    buckets
        .iter()
        .enumerate()
        .filter(|(at, bucket)| {
            buckets
                .iter()
                .take(*at)
                .any(|other| (&other.name, other.ipv4) == (&bucket.name, bucket.ipv4))
        })
        .map(|(_, bucket)| ("brute_force.buckets", format!("two are called {:?}", bucket.name)))
        .collect()
}

/// Credentials of callers although "enabled" is not given. Who says "enabled: false" means it.
fn callers(config: &Config, tree: &Node) -> Vec<Told> {
    let server = &config.server;
    [
        (
            "server.basic_auth",
            "server.basic_auth.enabled",
            server.basic_auth.enabled
                || server.basic_auth.password.is_empty() && server.basic_auth.users.is_empty(),
        ),
        (
            "server.jwt_auth",
            "server.jwt_auth.enabled",
            server.jwt_auth.enabled || server.jwt_auth.secret_key.is_empty(),
        ),
        (
            "server.oidc_auth",
            "server.oidc_auth.enabled",
            server.oidc_auth.enabled || server.oidc_auth.issuer.is_empty(),
        ),
    ]
    .into_iter()
    .filter(|(_, enabled, is_fine)| !is_fine && tree.at(enabled).is_none())
    .map(|(path, _, _)| (path, "is off and lets everybody in: set enabled".to_owned()))
    .collect()
}

/// What is given for a Redis that is not there, or not asked over TLS.
fn redis(config: &Config) -> Vec<Told> {
    let redis = &config.server.redis;
    let mut told = Vec::new();
    if !redis.is_configured()
        && (!redis.replica.addresses.is_empty() || !redis.master.password.is_empty())
    {
        let text = "is not used: without server.redis.master.address each process keeps its state to itself";
        told.push(("server.redis", text.to_owned()));
    }
    let tls = &redis.tls;
    let has_files = tls.cert.is_some() || tls.key.is_some() || tls.ca_file.is_some();
    if redis.is_configured() && !tls.enabled && has_files {
        let text = "is off, so that Redis is spoken to without encryption: set enabled";
        told.push(("server.redis.tls", text.to_owned()));
    }
    told
}
