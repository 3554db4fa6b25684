//! The section `brute_force`, and what belongs to it elsewhere in the configuration, as the
//! domain's rules.

use crate::auth::brute_force::rules::{Bucket, Histories, Rules};
use crate::config::section::brute_force::{
    BruteForce, Bucket as ConfigBucket, IpScoping, Toleration,
};
use crate::config::{Backend, Choice, Config, Feature};
use crate::metrics::{Registry, Space};
use crate::state::{Exception, Exemption, SoftWhitelist, Tolerated, Tolerations};
use ipnet::IpNet;
use std::sync::Arc;

/// The brute-force rules. Lists that scripts may change are there even if the feature is not.
pub(super) fn rules(config: &Config, metrics: &Registry) -> Rules {
    let server = &config.server;
    // Tolerated shares that adapt and repeated passwords of other bounds are not built
    // (`config::inactive`).
    let BruteForce {
        buckets,
        ip_whitelist,
        soft_whitelist: _,
        learning,
        tolerate_percent: _,
        tolerate_ttl: _,
        custom_tolerations: _,
        adaptive_toleration: _,
        min_tolerate_percent: _,
        max_tolerate_percent: _,
        scale_factor: _,
        rwp_allowed_unique_hashes: _,
        rwp_window: _,
        ip_scoping,
        pw_history_for_known_accounts: _,
    } = &config.brute_force;
    let IpScoping { rwp_ipv6_cidr, tolerations_ipv6_cidr } = ip_scoping;
    let is_on = server.has_feature(Feature::BruteForce);
    let bucket = |bucket: &ConfigBucket| {
        // What is not for IPv6 is for IPv4.
        let ConfigBucket {
            name,
            period,
            cidr,
            ipv4: _,
            ipv6,
            failed_requests,
            ban_time,
            filter_by_protocol,
            filter_by_oidc_cid,
        } = bucket;
        Bucket {
            name: name.clone(),
            period: *period,
            cidr: *cidr,
            ipv6: *ipv6,
            limit: (*failed_requests).into(),
            ban_time: Some(*ban_time).filter(|time| !time.is_zero()),
            protocols: filter_by_protocol.clone(),
            oidc_cids: filter_by_oidc_cid.clone(),
            label: metrics.label(Space::Bucket, &[name]),
        }
    };
    let cache = server.backends.iter().position(|backend| matches!(backend, Backend::Cache));
    let last_lua = server.backends.iter().rposition(|backend| matches!(backend, Backend::Lua(_)));
    Rules {
        buckets: if is_on { buckets.iter().map(bucket).collect() } else { Vec::new() },
        protocols: server.brute_force_protocols.clone(),
        ip_whitelist: ip_whitelist.iter().copied().collect(),
        soft_whitelist: Arc::new(soft_whitelist(config)),
        learning: learning.iter().map(|feature| feature.name().to_owned()).collect(),
        tolerations: Arc::new(tolerations(config)),
        histories: Histories {
            exempt: cache.is_some(),
            remember: cache.is_some() && cache < last_lua,
            entries_max: server.max_password_history_entries as usize,
            ttl: server.redis.negative_cache_ttl,
            nonce: server.redis.password_nonce.clone(),
        },
        tolerations_ipv6_cidr: *tolerations_ipv6_cidr,
        histories_ipv6_cidr: *rwp_ipv6_cidr,
        manual_label: metrics.label(Space::Bucket, &["manual"]),
    }
}

fn soft_whitelist(config: &Config) -> SoftWhitelist {
    let list = SoftWhitelist::default();
    let lists = [
        (Exemption::BruteForce, &config.brute_force.soft_whitelist),
        (Exemption::RelayDomains, &config.relay_domains.soft_whitelist),
        (Exemption::Rbl, &config.realtime_blackhole_lists.soft_whitelist),
    ];
    for (feature, configured) in lists {
        for (user, networks) in configured.iter() {
            networks.iter().for_each(|network| list.add(feature, user.as_bytes(), *network));
        }
    }
    list
}

fn tolerations(config: &Config) -> Tolerations {
    let own = &config.brute_force;
    let usual = Tolerated { percent: own.tolerate_percent.into(), ttl: own.tolerate_ttl };
    let exceptions = own.custom_tolerations.iter().flat_map(|custom| {
        // The share does not adapt (`config::inactive`).
        let Toleration {
            ip_address,
            tolerate_percent,
            tolerate_ttl,
            adaptive_toleration: _,
            min_tolerate_percent: _,
            max_tolerate_percent: _,
            scale_factor: _,
        } = custom;
        let tolerated = Tolerated { percent: (*tolerate_percent).into(), ttl: *tolerate_ttl };
        ip_address.iter().map(move |network: &IpNet| Exception { network: *network, tolerated })
    });
    Tolerations::new(usual, exceptions.collect())
}
