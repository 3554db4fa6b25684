//! The sections that say how logins are decided, as the domain's policy: features, backends,
//! filters, actions, hooks.
//!
//! Reads the script files they name.

use super::{Hook, brute_force, keep};
use crate::auth::policy::{
    Action, Backend, Blocklist, Blocklists, Feature as PolicyFeature, Filter, Policy, RelayDomains,
    Search, When,
};
use crate::auth::policy::{Actions, DEFAULT_BACKEND};
use crate::auth::positive_cache::settings::PositiveCache;
use crate::auth::scripts::{ActionKind, StageKind};
use crate::config::section::lua::{
    Lua, LuaAction, LuaFeature, LuaFilter, LuaHook, LuaSearch, OptionalLuaBackend,
    When as ConfigWhen,
};
use crate::config::section::rbl::{Rbl, RealtimeBlackholeLists};
use crate::config::section::relay_domains::RelayDomains as ConfigRelayDomains;
use crate::config::section::server::MasterUser;
use crate::config::{self, ActionType, Config, Feature};
use crate::metrics::{Registry, Space};
use crate::script::ScriptSet;
use std::collections::HashMap;

pub(super) fn policy(
    config: &Config,
    metrics: &Registry,
    scripts: &mut ScriptSet,
    problems: &mut Vec<String>,
) -> Policy {
    // Every script that is named anywhere is read below; `Epoch::resolve` reads `config` and the
    // init scripts.
    let Lua {
        features: _,
        filters: _,
        actions: _,
        custom_hooks: _,
        config: _,
        optional_lua_backends: _,
        search: _,
    } = &config.lua;
    let lua = &config.lua;
    let server = &config.server;
    let mut policy = Policy {
        lua_features: server.has_feature(Feature::Lua),
        memory_cache_ttl: server.local_cache_auth_ttl,
        login_attempts_max: server.max_login_attempts.into(),
        brute_force: brute_force::rules(config, metrics),
        server_monitoring: server.has_feature(Feature::BackendServerMonitoring),
        positive_cache: positive_cache(config),
        ..Policy::default()
    };
    for feature in &lua.features {
        let LuaFeature { name, script_path, when: own_when, reuse } = feature;
        let index = scripts.read(script_path, name, StageKind::Feature, *reuse);
        if let Some(index) = keep(index, problems) {
            scripts.features.push(index);
            let path = script_path.display().to_string();
            policy.features.push(PolicyFeature { name: name.clone(), path, when: when(*own_when) });
        }
    }
    for filter in &lua.filters {
        let LuaFilter { name, script_path, when: own_when, reuse, override_rejection } = filter;
        let index = scripts.read(script_path, name, StageKind::Filter, *reuse);
        if let Some(index) = keep(index, problems) {
            scripts.filters.push(index);
            let path = script_path.display().to_string();
            let override_rejection = *override_rejection;
            policy.filters.push(Filter {
                name: name.clone(),
                path,
                when: when(*own_when),
                override_rejection,
            });
        }
    }
    policy.actions = actions(config, scripts, problems);
    policy.backends = backends(config, scripts, problems);
    unused_backends(config, scripts, problems);
    policy
}

/// Those that are listed and have something to do.
pub(super) fn built_in_features(policy: &mut Policy, config: &Config, metrics: &Registry) {
    let server = &config.server;
    policy.tls_encryption =
        server.has_feature(Feature::TlsEncryption).then(|| config.cleartext_networks.clone());
    // The lists of exempt users of all features are one (`brute_force.rs`).
    let ConfigRelayDomains { r#static: domains, soft_whitelist: _ } = &config.relay_domains;
    if server.has_feature(Feature::RelayDomains) && !domains.is_empty() {
        let domains = domains.iter().map(|domain| domain.as_str().to_owned());
        policy.relay_domains = Some(RelayDomains::new(domains));
    }
    let RealtimeBlackholeLists { threshold, lists, ip_whitelist, soft_whitelist: _ } =
        &config.realtime_blackhole_lists;
    if server.has_feature(Feature::Rbl) && !lists.is_empty() && *threshold > 0 {
        let lists = lists.iter().map(|list| {
            let Rbl { name, rbl, ipv4, ipv6, allow_failure, return_codes, weight } = list;
            Blocklist {
                name: name.clone(),
                zone: rbl.as_str().trim_end_matches('.').to_owned(),
                ipv4: *ipv4,
                ipv6: *ipv6,
                return_codes: return_codes.clone(),
                weight: *weight,
                allow_failure: *allow_failure,
                label: metrics.label(Space::Rbl, &[name]),
            }
        });
        let ip_whitelist = ip_whitelist.clone();
        policy.blocklists = Some(Blocklists {
            lists: lists.collect(),
            threshold: (*threshold).into(),
            ip_whitelist,
        });
    }
    // A silent name server must leave the request most of its time.
    policy.client_name_wait = server.dns.resolve_client_ip.then(|| server.timeouts.request / 4);
    let MasterUser { enabled, delimiter } = &server.master_user;
    policy.master_user_delimiter = if *enabled { delimiter.bytes().next() } else { None };
}

pub(super) fn hooks(
    config: &Config,
    scripts: &mut ScriptSet,
    problems: &mut Vec<String>,
) -> HashMap<(Vec<u8>, &'static str), Hook> {
    use config::Choice;
    let mut hooks = HashMap::new();
    for hook in &config.lua.custom_hooks {
        let LuaHook { http_location, http_method, content_type, script_path, roles, reuse } = hook;
        let index = scripts.read(script_path, http_location, StageKind::Hook, *reuse);
        if let Some(index) = keep(index, problems) {
            scripts.hooks.push(index);
            let hook = Hook {
                index: scripts.hooks.len() - 1,
                content_type: content_type.clone(),
                roles: roles.clone(),
            };
            hooks.insert((http_location.clone().into_bytes(), http_method.name()), hook);
        }
    }
    hooks
}

fn when(when: ConfigWhen) -> When {
    let ConfigWhen { when_authenticated, when_unauthenticated, when_no_auth } = when;
    When {
        authenticated: when_authenticated,
        unauthenticated: when_unauthenticated,
        no_auth: when_no_auth,
    }
}

fn actions(config: &Config, scripts: &mut ScriptSet, problems: &mut Vec<String>) -> Actions {
    let mut actions = Actions::default();
    for action in &config.lua.actions {
        let LuaAction { kind, name, script_path, reuse } = action;
        let kind = match kind {
            ActionType::BruteForce => ActionKind::BruteForce,
            ActionType::Rbl => ActionKind::Rbl,
            ActionType::TlsEncryption => ActionKind::TlsEncryption,
            ActionType::RelayDomains => ActionKind::RelayDomains,
            ActionType::Lua => ActionKind::Lua,
            ActionType::Post => ActionKind::Post,
        };
        let index = scripts.read(script_path, name, StageKind::Action, *reuse);
        if let Some(index) = keep(index, problems) {
            if let Some(of_kind) = scripts.actions.get_mut(kind as usize) {
                of_kind.push(index);
            }
            actions
                .push(kind, Action { name: name.clone(), path: script_path.display().to_string() });
        }
    }
    actions
}

/// The backend `cache`, and how many Lua backends stand before it.
fn positive_cache(config: &Config) -> Option<PositiveCache> {
    let server = &config.server;
    let place =
        server.backends.iter().position(|backend| matches!(backend, config::Backend::Cache))?;
    let position = server
        .backends
        .iter()
        .take(place)
        .filter(|backend| matches!(backend, config::Backend::Lua(_)))
        .count();
    Some(PositiveCache::new(
        position,
        server.redis.positive_cache_ttl,
        &server.redis.password_nonce,
    ))
}

/// Backends that are configured and not listed in `server.backends` are read and compiled all the
/// same: broken ones must be seen before they are listed.
fn unused_backends(config: &Config, scripts: &mut ScriptSet, problems: &mut Vec<String>) {
    let (lua, listed) = (&config.lua, &config.server.backends);
    let is_listed = |name: Option<&str>| {
        let same = |other: Option<&str>| match (name, other) {
            (Some(name), Some(other)) => name.eq_ignore_ascii_case(other),
            (name, other) => name == other,
        };
        listed
            .iter()
            .any(|backend| matches!(backend, config::Backend::Lua(other) if same(other.as_deref())))
    };
    let default = (None, &lua.config.backend_script_path);
    let optional = lua
        .optional_lua_backends
        .iter()
        .map(|(name, own)| (Some(name.as_str()), &own.backend_script_path));
    for (name, path) in std::iter::once(default).chain(optional) {
        if let Some(path) = path.as_ref().filter(|_| !is_listed(name)) {
            let _ = keep(
                scripts.read(path, name.unwrap_or(DEFAULT_BACKEND), StageKind::Backend, false),
                problems,
            );
        }
    }
}

/// The Lua backends among `server.backends`, in order; the others come with their own functions.
fn backends(config: &Config, scripts: &mut ScriptSet, problems: &mut Vec<String>) -> Vec<Backend> {
    let lua = &config.lua;
    let mut backends = Vec::new();
    for backend in &config.server.backends {
        let config::Backend::Lua(name) = backend else { continue };
        let (path, reuse) = match name {
            None => (lua.config.backend_script_path.clone(), lua.config.reuse),
            Some(name) => lua.optional_backend(name).map_or((None, false), |own| {
                // Coroutines need no pool and no queue (`config::inactive`).
                let OptionalLuaBackend {
                    backend_script_path,
                    reuse,
                    backend_number_of_workers: _,
                    queue_length: _,
                } = own;
                (backend_script_path.clone(), *reuse)
            }),
        };
        let shown = name.as_deref().unwrap_or(DEFAULT_BACKEND);
        let Some(path) = path else {
            problems
                .push(format!("server.backends: the backend {shown} has no backend_script_path"));
            continue;
        };
        let Some(index) = keep(scripts.read(&path, shown, StageKind::Backend, reuse), problems)
        else {
            continue;
        };
        scripts.backends.push(index);
        let search = lua.search.iter().filter_map(|entry| {
            let LuaSearch { protocol, cache_name, backend_name } = entry;
            let is_own =
                backend_name.as_deref().filter(|name| *name != "default") == name.as_deref();
            is_own.then(|| Search { protocols: protocol.clone(), cache_name: cache_name.clone() })
        });
        backends.push(Backend::Lua {
            index: scripts.backends.len() - 1,
            name: shown.to_owned(),
            path: path.display().to_string(),
            search: search.collect(),
        });
    }
    backends
}
