//! The sections that say how logins are decided, as the domain's policy: features, backends, filters, actions, hooks.
//!
//! Reads the script files they name.

use super::{brute_force, keep};
use crate::auth::policy::{Action, Backend, Blocklist, Blocklists, Feature as PolicyFeature, Filter, Policy, RelayDomains, Search, When};
use crate::auth::policy::{Actions, DEFAULT_BACKEND};
use crate::auth::positive_cache::PositiveCache;
use crate::auth::scripts::{ActionKind, StageKind};
use crate::config::section::lua::When as ConfigWhen;
use crate::config::{self, ActionType, Config, Feature};
use crate::metrics::{Registry, Space};
use crate::script::ScriptSet;
use std::collections::HashMap;

pub(super) fn policy(config: &Config, metrics: &Registry, scripts: &mut ScriptSet, problems: &mut Vec<String>) -> Policy {
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
        let index = scripts.read(&feature.script_path, &feature.name, StageKind::Feature, feature.reuse);
        if let Some(index) = keep(index, problems) {
            scripts.features.push(index);
            let path = feature.script_path.display().to_string();
            policy.features.push(PolicyFeature { name: feature.name.clone(), path, when: when(feature.when) });
        }
    }
    for filter in &lua.filters {
        let index = scripts.read(&filter.script_path, &filter.name, StageKind::Filter, filter.reuse);
        if let Some(index) = keep(index, problems) {
            scripts.filters.push(index);
            let path = filter.script_path.display().to_string();
            let override_rejection = filter.override_rejection;
            policy.filters.push(Filter { name: filter.name.clone(), path, when: when(filter.when), override_rejection });
        }
    }
    policy.actions = actions(config, scripts, problems);
    policy.backends = backends(config, scripts, problems);
    policy
}

/// Those that are listed and have something to do (`config.md` 9).
pub(super) fn built_in_features(policy: &mut Policy, config: &Config, metrics: &Registry) {
    let server = &config.server;
    policy.tls_encryption = server.has_feature(Feature::TlsEncryption).then(|| config.cleartext_networks.clone());
    let relay_domains = &config.relay_domains;
    if server.has_feature(Feature::RelayDomains) && !relay_domains.r#static.is_empty() {
        let domains = relay_domains.r#static.iter().map(|domain| domain.as_str().to_owned());
        policy.relay_domains = Some(RelayDomains::new(domains));
    }
    let rbl = &config.realtime_blackhole_lists;
    if server.has_feature(Feature::Rbl) && !rbl.lists.is_empty() && rbl.threshold > 0 {
        let lists = rbl.lists.iter().map(|list| Blocklist {
            name: list.name.clone(),
            zone: list.rbl.as_str().trim_end_matches('.').to_owned(),
            ipv4: list.ipv4,
            ipv6: list.ipv6,
            return_codes: list.return_codes.clone(),
            weight: list.weight,
            allow_failure: list.allow_failure,
            label: metrics.label(Space::Rbl, &[&list.name]),
        });
        policy.blocklists =
            Some(Blocklists { lists: lists.collect(), threshold: rbl.threshold.into(), ip_whitelist: rbl.ip_whitelist.clone() });
    }
    // A silent name server must leave the request most of its time.
    policy.client_name_wait = server.dns.resolve_client_ip.then(|| server.timeouts.request / 4);
    policy.master_user_delimiter = if server.master_user.enabled { server.master_user.delimiter.bytes().next() } else { None };
}

/// Hooks by location and method, and the roles of each.
pub(super) fn hooks(config: &Config, scripts: &mut ScriptSet, problems: &mut Vec<String>) -> (Hooks, Vec<Vec<String>>) {
    use config::Choice;
    let (mut hooks, mut roles) = (HashMap::new(), Vec::new());
    for hook in &config.lua.custom_hooks {
        let index = scripts.read(&hook.script_path, &hook.http_location, StageKind::Hook, hook.reuse);
        if let Some(index) = keep(index, problems) {
            scripts.hooks.push(index);
            roles.push(hook.roles.clone());
            hooks.insert((hook.http_location.clone().into_bytes(), hook.http_method.name()), scripts.hooks.len() - 1);
        }
    }
    (hooks, roles)
}

type Hooks = HashMap<(Vec<u8>, &'static str), usize>;

fn when(when: ConfigWhen) -> When {
    When { authenticated: when.when_authenticated, unauthenticated: when.when_unauthenticated, no_auth: when.when_no_auth }
}

fn actions(config: &Config, scripts: &mut ScriptSet, problems: &mut Vec<String>) -> Actions {
    let mut actions = Actions::default();
    for action in &config.lua.actions {
        let kind = match action.kind {
            ActionType::BruteForce => ActionKind::BruteForce,
            ActionType::Rbl => ActionKind::Rbl,
            ActionType::TlsEncryption => ActionKind::TlsEncryption,
            ActionType::RelayDomains => ActionKind::RelayDomains,
            ActionType::Lua => ActionKind::Lua,
            ActionType::Post => ActionKind::Post,
        };
        let index = scripts.read(&action.script_path, &action.name, StageKind::Action, action.reuse);
        if let Some(index) = keep(index, problems) {
            scripts.actions[kind as usize].push(index);
            actions.push(kind, Action { name: action.name.clone(), path: action.script_path.display().to_string() });
        }
    }
    actions
}

/// The backend `cache`, and how many Lua backends stand before it.
fn positive_cache(config: &Config) -> Option<PositiveCache> {
    let server = &config.server;
    let place = server.backends.iter().position(|backend| matches!(backend, config::Backend::Cache))?;
    let position = server.backends.iter().take(place).filter(|backend| matches!(backend, config::Backend::Lua(_))).count();
    Some(PositiveCache::new(position, server.redis.positive_cache_ttl, &server.redis.password_nonce))
}

/// The Lua backends among `server.backends`, in order; the others come with their own functions.
fn backends(config: &Config, scripts: &mut ScriptSet, problems: &mut Vec<String>) -> Vec<Backend> {
    let lua = &config.lua;
    let mut backends = Vec::new();
    for backend in &config.server.backends {
        let config::Backend::Lua(name) = backend else { continue };
        let (path, reuse) = match name {
            None => (lua.config.backend_script_path.clone(), lua.config.reuse),
            Some(name) => lua.optional_backend(name).map_or((None, false), |own| (own.backend_script_path.clone(), own.reuse)),
        };
        let shown = name.as_deref().unwrap_or(DEFAULT_BACKEND);
        let Some(path) = path else {
            problems.push(format!("server.backends: the backend {shown} has no backend_script_path"));
            continue;
        };
        let Some(index) = keep(scripts.read(&path, shown, StageKind::Backend, reuse), problems) else { continue };
        scripts.backends.push(index);
        let search = lua.search.iter().filter(|entry| entry.backend_name.as_deref().filter(|n| *n != "default") == name.as_deref());
        backends.push(Backend::Lua {
            index: scripts.backends.len() - 1,
            name: shown.to_owned(),
            path: path.display().to_string(),
            search: search.map(|entry| Search { protocols: entry.protocol.clone(), cache_name: entry.cache_name.clone() }).collect(),
        });
    }
    backends
}
