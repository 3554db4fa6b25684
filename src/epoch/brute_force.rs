//! The section `brute_force`, and what belongs to it elsewhere in the configuration, as the domain's rules.

use crate::auth::brute_force::rules::{Bucket, Histories, Rules};
use crate::config::section::brute_force::{Bucket as ConfigBucket, Toleration};
use crate::config::{Backend, Choice, Config, Feature};
use crate::metrics::{Registry, Space};
use crate::state::{Exception, SoftWhitelist, Spared, Tolerated, Tolerations};
use ipnet::IpNet;
use std::sync::Arc;

/// The brute-force rules. Lists that scripts may change are there even if the feature is not.
pub(super) fn rules(config: &Config, metrics: &Registry) -> Rules {
    let (own, server) = (&config.brute_force, &config.server);
    let is_on = server.has_feature(Feature::BruteForce);
    let bucket = |bucket: &ConfigBucket| Bucket {
        name: bucket.name.clone(),
        period: bucket.period,
        cidr: bucket.cidr,
        ipv6: bucket.ipv6,
        limit: bucket.failed_requests.into(),
        ban_time: Some(bucket.ban_time).filter(|time| !time.is_zero()),
        protocols: bucket.filter_by_protocol.clone(),
        oidc_cids: bucket.filter_by_oidc_cid.clone(),
        label: metrics.label(Space::Bucket, &[&bucket.name]),
    };
    let cache = server.backends.iter().position(|backend| matches!(backend, Backend::Cache));
    let last_lua = server.backends.iter().rposition(|backend| matches!(backend, Backend::Lua(_)));
    Rules {
        buckets: if is_on { own.buckets.iter().map(bucket).collect() } else { Vec::new() },
        protocols: server.brute_force_protocols.clone(),
        ip_whitelist: own.ip_whitelist.iter().copied().collect(),
        soft_whitelist: Arc::new(soft_whitelist(config)),
        learning: own.learning.iter().map(|feature| feature.name().to_owned()).collect(),
        tolerations: Arc::new(tolerations(config)),
        histories: Histories {
            exempt: cache.is_some(),
            remember: cache.is_some() && cache < last_lua,
            entries_max: server.max_password_history_entries as usize,
            ttl: server.redis.negative_cache_ttl,
            nonce: server.redis.password_nonce.clone(),
        },
        tolerations_ipv6_cidr: own.ip_scoping.tolerations_ipv6_cidr,
        histories_ipv6_cidr: own.ip_scoping.rwp_ipv6_cidr,
    }
}

fn soft_whitelist(config: &Config) -> SoftWhitelist {
    let list = SoftWhitelist::default();
    let lists = [
        (Spared::BruteForce, &config.brute_force.soft_whitelist),
        (Spared::RelayDomains, &config.relay_domains.soft_whitelist),
        (Spared::Rbl, &config.realtime_blackhole_lists.soft_whitelist),
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
    let exception = |custom: &Toleration, network: &IpNet| Exception {
        network: *network,
        tolerated: Tolerated { percent: custom.tolerate_percent.into(), ttl: custom.tolerate_ttl },
    };
    let exceptions = own.custom_tolerations.iter();
    let exceptions = exceptions.flat_map(|custom| custom.ip_address.iter().map(move |network| exception(custom, network)));
    Tolerations::new(usual, exceptions.collect())
}
