//! Rules between sections, and warnings about what will not work as its author may think.
//!
//! Rules: specification `config.md` 9, 13.7 to 13.9.

use crate::config::Config;
use crate::config::check::seconds;
use crate::config::choice::{Backend, Choice, Feature};
use crate::config::inactive::{INACTIVE, INACTIVE_FEATURES, is_inactive};
use crate::config::keys;
use crate::config::node::Node;
use crate::config::problem::{Report, Wrong};
use crate::config::value::Word;

/// Asked once all keys could be read. `tree` tells where things stand.
pub(super) fn check(config: &mut Config, tree: &Node, report: &mut Report) {
    backends(config, tree, report);
    searches(config, tree, report);
    features(config, tree, report);
    cache_lifetime(config, tree, report);
    callers(config, tree, report);
    inactive(config, tree, report);
}

fn backends(config: &Config, tree: &Node, report: &mut Report) {
    const PATH: &str = "server.backends";
    let mark = tree.mark_near(PATH);
    if config.server.backends.is_empty() {
        report.warn(&mark, PATH, "is empty: every login fails");
    }
    for backend in &config.server.backends {
        match backend {
            Backend::Lua(None) if config.lua.config.backend_script_path.is_none() => {
                let path = "lua.config.backend_script_path";
                report.wrong(&tree.mark_near(path), path, Wrong::new("is missing, but server.backends has \"lua\""));
            }
            Backend::Lua(Some(name)) => match config.lua.optional_backend(name) {
                None => report.wrong(&mark, PATH, Wrong::new(format!("{:?} is not among lua.optional_lua_backends", backend.text()))),
                Some(own) if own.backend_script_path.is_none() => {
                    let path = format!("lua.optional_lua_backends.{name}.backend_script_path");
                    let wrong = Wrong::new(format!("is missing, but server.backends has {:?}", backend.text()));
                    report.wrong(&tree.mark_near(&path), &path, wrong);
                }
                Some(_) => {}
            },
            Backend::Ldap(name) => {
                let ldap = config.ldap.as_ref();
                let is_there = ldap.is_some_and(|ldap| name.as_ref().is_none_or(|name| ldap.optional_ldap_pools.contains_key(name)));
                if !is_there {
                    report.wrong(&mark, PATH, Wrong::new(format!("{:?} has no section below \"ldap\"", backend.text())));
                } else if ldap.is_some_and(|ldap| ldap.search.is_empty() && !ldap.config.lookup_pool_only) {
                    report.wrong(&tree.mark_near("ldap"), "ldap.search", Wrong::new("is missing, but server.backends has \"ldap\""));
                }
            }
            _ => {}
        }
        if is_inactive(backend) {
            report.warn(&mark, PATH, &format!("{:?} is not yet active: it is passed over", backend.text()));
        }
    }
}

fn searches(config: &Config, tree: &Node, report: &mut Report) {
    const PATH: &str = "lua.search";
    let mark = tree.mark_near(PATH);
    for backend in &config.server.backends {
        let Backend::Lua(name) = backend else { continue };
        let is_own = |other: &Option<String>| match (name, other) {
            (Some(name), Some(other)) => name.eq_ignore_ascii_case(other),
            (None, None) => true,
            _ => false,
        };
        if !config.lua.search.iter().any(|search| is_own(&search.backend_name)) {
            report.warn(&mark, PATH, &format!("has no entry for backend {:?}: it answers no protocol", backend.text()));
        }
    }
    for name in config.lua.search.iter().filter_map(|search| search.backend_name.as_deref()) {
        if config.lua.optional_backend(name).is_none() {
            report.warn(&mark, PATH, &format!("backend_name {name:?} is not among lua.optional_lua_backends"));
        }
    }
}

/// An enabled feature without its section is inert, and one that is not built yet says so.
fn features(config: &Config, tree: &Node, report: &mut Report) {
    const PATH: &str = "server.features";
    let mark = tree.mark_near(PATH);
    for feature in config.server.features.iter().map(|enabled| enabled.name) {
        if INACTIVE_FEATURES.contains(&feature) {
            report.warn(&mark, PATH, &format!("{:?} is not yet active", feature.name()));
            continue;
        }
        let missing = match feature {
            Feature::Lua if config.lua.features.is_empty() => "lua.features is empty",
            Feature::BruteForce if config.brute_force.buckets.is_empty() => "brute_force.buckets is empty",
            Feature::BruteForce if config.server.brute_force_protocols.is_empty() => "server.brute_force_protocols is empty",
            Feature::Rbl if config.realtime_blackhole_lists.lists.is_empty() => "realtime_blackhole_lists.lists is empty",
            Feature::Rbl if config.realtime_blackhole_lists.threshold == 0 => "realtime_blackhole_lists.threshold is 0",
            Feature::RelayDomains if config.relay_domains.r#static.is_empty() => "relay_domains.static is empty",
            Feature::BackendServerMonitoring if config.backend_server_monitoring.backend_servers.is_empty() => {
                "backend_server_monitoring.backend_servers is empty"
            }
            _ => continue,
        };
        report.warn(&mark, PATH, &format!("{:?} does nothing: {missing}", feature.name()));
    }
}

/// Roles need callers, as the documents say (there it is no error that nobody looks at them), and tokens that are stored need a store.
fn callers(config: &Config, tree: &Node, report: &mut Report) {
    let server = &config.server;
    let has_callers = server.basic_auth.enabled || server.jwt_auth.enabled || server.oidc_auth.enabled;
    if !has_callers && let Some(hook) = config.lua.custom_hooks.iter().find(|hook| !hook.roles.is_empty()) {
        const PATH: &str = "lua.custom_hooks";
        let why = format!(
            "the roles of hook {:?} protect nothing: enable server.jwt_auth, server.oidc_auth or server.basic_auth, or remove them",
            hook.http_location
        );
        report.warn(&tree.mark_near(PATH), PATH, &why);
    }
    if server.jwt_auth.enabled && server.jwt_auth.store_in_redis && !server.redis.is_configured() {
        const PATH: &str = "server.jwt_auth.store_in_redis";
        report.wrong(&tree.mark_near(PATH), PATH, Wrong::new("needs server.redis, where the tokens are to be stored"));
    }
}

/// The original raises what is too short.
fn cache_lifetime(config: &mut Config, tree: &Node, report: &mut Report) {
    const PATH: &str = "server.local_cache_auth_ttl";
    let shortest = seconds(5);
    if config.server.local_cache_auth_ttl < shortest {
        config.server.local_cache_auth_ttl = shortest;
        report.warn(&tree.mark_near(PATH), PATH, "is raised to 5s, the shortest lifetime");
    }
}

fn inactive(config: &mut Config, tree: &Node, report: &mut Report) {
    // The section has no default as a whole, but its keys have.
    let mut usual = Config { ldap: config.ldap.as_ref().map(|_| Default::default()), ..Config::default() };
    let (given, default) = (keys::write(config), keys::write(&mut usual));
    for path in INACTIVE {
        let differs = match (given.at(path), default.at(path)) {
            (Some(given), Some(default)) => !given.same(default),
            (given, default) => given.is_some() != default.is_some(),
        };
        if differs {
            report.warn(&tree.mark_near(path), path, "is not yet active: it has no effect");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_inactive_path_is_a_key() {
        let mut config = Config { ldap: Some(Default::default()), ..Config::default() };
        config.server.redis.sentinels = Some(Default::default());
        config.server.redis.cluster = Some(Default::default());
        config.server.chroot = Some("/".into());
        let tls = &mut config.server.tls;
        (tls.cert, tls.key, tls.ca_file) = (Some("a".into()), Some("b".into()), Some("c".into()));
        (config.server.run_as_user, config.server.run_as_group) = (Some("a".into()), Some("b".into()));
        let tree = keys::write(&mut config);
        for path in INACTIVE {
            assert!(tree.at(path).is_some(), "{path}");
        }
    }
}
