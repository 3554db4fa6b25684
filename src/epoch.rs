//! One configuration, resolved: everything workers need of it, in the types of those who use it.
//!
//! Made by the main thread at start and on reload: reads the script files and certificates, and fails with all that is wrong. Immutable afterwards; requests hold on to the epoch they began with. No other module but `cli` and `server` looks
//! into [`Config`].

mod brute_force;

use crate::auth::policy::{Action, Backend, Blocklist, Blocklists, Feature as PolicyFeature, Filter, Policy, RelayDomains, Search, When};
use crate::auth::policy::{Actions, DEFAULT_BACKEND};
use crate::auth::positive_cache::PositiveCache;
use crate::auth::scripts::{ActionKind, StageKind};
use crate::config::section::headers::DefaultHttpRequestHeader;
use crate::config::section::ldap::LdapPool;
use crate::config::section::lua::When as ConfigWhen;
use crate::config::section::tls::Tls;
use crate::config::{self, ActionType, Config, Feature, LogLevel};
use crate::dialect::caller::Caller;
use crate::dialect::settings::{Endpoints, MailServer, MailServers, Settings};
use crate::log::{Format, Level, LogSettings};
use crate::metrics::{LabelId, Registry, Space};
use crate::proto::http::{Limits as HttpLimits, Method};
use crate::reactor::{CertificateFiles, ClientTls, ClientTlsSettings, TlsVersion};
use crate::script::modules::redis::pools::{Mode, PoolSettings};
use crate::script::services::Settings as ScriptSettings;
use crate::script::{Limits, ScriptSet};
use crate::state::{MemoryStore, RedisStore, Store};
use crate::tls::{DefaultTls, TlsError};
use crate::trace::propagation::Propagator;
use crate::trace::{self, otlp};
use crate::upstream::dns::Settings as DnsSettings;
use crate::upstream::http::{
    Environment, Proxies, Proxy, Request as HttpRequest, Settings as HttpClientSettings, Tls as HttpTls, limits as http_limits,
    share as http_share,
};
use crate::upstream::ldap::{Bind, Pools as LdapPools, Server as LdapServer, Settings as LdapSettings};
use crate::upstream::monitor::{Monitor, Server};
use crate::upstream::probe::{Protocol as MailProtocol, Target as Probe};
use crate::upstream::redis::{Layout, Plan, Protocol, Serve, Settings as RedisSettings};
use crate::worker::{HOOK_METHODS, Target, Timeouts};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

pub struct Epoch {
    pub policy: Policy,
    pub dialect: Settings,
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
    /// TLS of connections that scripts open.
    pub tls: Arc<DefaultTls>,
    /// The directories of the section `ldap`.
    pub ldap: Arc<LdapPools>,
    /// How scripts ask other servers by HTTP.
    pub http_client: Arc<HttpClientSettings>,
    /// Where scripts' spans are sent; none: nowhere.
    pub tracing: Option<Collector>,
    /// The configuration as JSON, secrets masked.
    pub effective: String,
    pub max_concurrent_requests: usize,
    /// A worker with fewer requests than this under way need not ask the others.
    pub requests_share: usize,
    /// Post actions of so many logins run at a time, and so many more wait.
    pub post_actions_max: usize,
    pub post_actions_waiting_max: usize,
    pub post_action_time: Duration,
    /// What the metrics count each route pattern by.
    pub route_labels: Vec<(&'static str, LabelId)>,
    hooks: HashMap<(Vec<u8>, &'static str), usize>,
}

/// What is wrong with a configuration that is sound by itself: files and names that it points to. One line each.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct Unusable(pub Vec<String>);

impl Epoch {
    /// Resolves a configuration for so many workers. Blocks on script files and certificates.
    ///
    /// # Errors
    /// Everything that cannot be read.
    pub fn resolve(config: &Config, workers: usize, metrics: &Arc<Registry>) -> Result<Epoch, Unusable> {
        let mut problems = Vec::new();
        let mut scripts = ScriptSet::default();
        let mut policy = policy(config, metrics, &mut scripts, &mut problems);
        built_in_features(&mut policy, config, metrics);
        let hooks = hooks(config, &mut scripts, &mut problems);
        for path in &config.lua.config.init_script_paths {
            let index = scripts.read(path, "init", StageKind::Init, false);
            scripts.init.extend(keep(index, &mut problems));
        }
        let accounts = &config.server.redis.account_local_cache;
        let redis = redis(config).unwrap_or_else(|problem| {
            problems.push(problem);
            None
        });
        let tls = DefaultTls::default();
        let monitor = monitor(config, &tls, &mut problems);
        let ldap = ldap(config, workers, &mut problems);
        let http_client = http_client(config, workers).map(Arc::new).unwrap_or_else(|problem| {
            problems.push(problem);
            Arc::new(HttpClientSettings::plain())
        });
        let tracing = collector(config).unwrap_or_else(|problem| {
            problems.push(problem);
            None
        });
        if !problems.is_empty() {
            return Err(Unusable(problems));
        }
        let server = &config.server;
        let timeouts =
            Timeouts { head: server.timeouts.head, body: server.timeouts.body, idle: server.timeouts.idle, write: server.timeouts.write };
        let request_time = server.timeouts.request;
        Ok(Epoch {
            policy,
            dialect: dialect(config),
            scripts: Arc::new(scripts),
            script_settings: Arc::new(script_settings(config)),
            package_path: package_path(&config.lua.config.package_path),
            limits: Limits {
                memory_bytes: config.lua.config.memory_limit,
                cpu: config.lua.config.cpu_limit.min(server.timeouts.lua_script),
                script: server.timeouts.lua_script,
                backend: server.timeouts.lua_backend,
            },
            http: HttpLimits { body_bytes_max: server.max_body_bytes as u64, ..HttpLimits::default() },
            timeouts,
            request_time,
            shortest_time: [timeouts.head, timeouts.body, timeouts.idle, timeouts.write, request_time]
                .into_iter()
                .min()
                .unwrap_or_default(),
            log: log_settings(config),
            redis,
            accounts_for: if accounts.enabled { accounts.ttl } else { Duration::ZERO },
            dns: Arc::new(DnsSettings::system(server.dns.resolver, server.dns.timeout)),
            monitor: Arc::new(monitor),
            tls: Arc::new(tls),
            ldap: Arc::new(ldap),
            http_client,
            tracing,
            effective: config.effective_json(),
            max_concurrent_requests: server.max_concurrent_requests as usize,
            requests_share: (server.max_concurrent_requests as usize).div_ceil(workers.max(1)),
            post_actions_max: POST_ACTIONS_MAX,
            post_actions_waiting_max: POST_ACTIONS_WAITING_MAX,
            post_action_time: server.timeouts.lua_script * 10,
            route_labels: ROUTES.map(|route| (route, metrics.label(Space::Route, &[route]))).to_vec(),
            hooks,
        })
    }

    /// The hook for a location (without leading slashes) and method.
    pub fn hook(&self, location: &[u8], method: Method) -> Option<usize> {
        let (name, _) = HOOK_METHODS.iter().find(|(_, known)| *known == method)?;
        self.hooks.get(&(location.to_vec(), *name)).copied()
    }

    /// Where the domain's state is: in the server's Redis, or in this process, whose store is `memory`.
    pub fn store(&self, memory: &Arc<MemoryStore>) -> Store {
        let settings = &self.script_settings;
        match self.redis {
            Some(_) => {
                let ScriptSettings { redis_prefix, redis_read, redis_write, .. } = &**settings;
                Store::Redis(RedisStore::new(redis_prefix, *redis_read, *redis_write, self.accounts_for, memory.clone()))
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

fn keep<T>(outcome: Result<T, String>, problems: &mut Vec<String>) -> Option<T> {
    outcome.map_err(|problem| problems.push(problem)).ok()
}

fn policy(config: &Config, metrics: &Registry, scripts: &mut ScriptSet, problems: &mut Vec<String>) -> Policy {
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
fn built_in_features(policy: &mut Policy, config: &Config, metrics: &Registry) {
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

fn hooks(config: &Config, scripts: &mut ScriptSet, problems: &mut Vec<String>) -> HashMap<(Vec<u8>, &'static str), usize> {
    use config::Choice;
    let mut hooks = HashMap::new();
    for hook in &config.lua.custom_hooks {
        let index = scripts.read(&hook.script_path, &hook.http_location, StageKind::Hook, hook.reuse);
        if let Some(index) = keep(index, problems) {
            scripts.hooks.push(index);
            hooks.insert((hook.http_location.clone().into_bytes(), hook.http_method.name()), scripts.hooks.len() - 1);
        }
    }
    hooks
}

fn dialect(config: &Config) -> Settings {
    let server = &config.server;
    let off = &server.disabled_endpoints;
    let mail_server = |host: &config::Host, port| MailServer { address: host.as_str().to_owned(), port };
    Settings {
        headers: crate::dialect::settings::HeaderTable::new(|key| header_name(&server.default_http_request_header, key)),
        endpoints: Endpoints {
            auth_header: !off.auth_header,
            auth_nginx: !off.auth_nginx,
            auth_json: !off.auth_json,
            auth_saslauthd: !off.auth_saslauthd,
            auth_basic: !off.auth_basic,
            custom_hooks: !off.custom_hooks,
            configuration: !off.configuration,
        },
        caller: server.basic_auth.enabled.then(|| {
            let basic = &server.basic_auth;
            Caller::new(basic.username.as_bytes(), basic.password.expose())
        }),
        mail_servers: MailServers {
            smtp: mail_server(&server.smtp_backend_address, server.smtp_backend_port),
            imap: mail_server(&server.imap_backend_address, server.imap_backend_port),
            pop3: mail_server(&server.pop3_backend_address, server.pop3_backend_port),
        },
        monitoring: server.has_feature(Feature::BackendServerMonitoring),
        wait_delay_s: server.nginx_wait_delay.into(),
        trusted_proxies: server.trusted_proxies.iter().copied().collect(),
    }
}

fn header_name<'a>(headers: &'a DefaultHttpRequestHeader, key: &str) -> Option<&'a str> {
    let name = match key {
        "username" => &headers.username,
        "password" => &headers.password,
        "password_encoded" => &headers.password_encoded,
        "protocol" => &headers.protocol,
        "login_attempt" => &headers.login_attempt,
        "auth_method" => &headers.auth_method,
        "local_ip" => &headers.local_ip,
        "local_port" => &headers.local_port,
        "client_ip" => &headers.client_ip,
        "client_port" => &headers.client_port,
        "client_host" => headers.client_host.as_ref()?,
        "client_id" => &headers.client_id,
        "ssl" => &headers.ssl,
        "ssl_session_id" => &headers.ssl_session_id,
        "ssl_verify" => &headers.ssl_verify,
        "ssl_subject" => &headers.ssl_subject,
        "ssl_client_cn" => &headers.ssl_client_cn,
        "ssl_issuer" => &headers.ssl_issuer,
        "ssl_client_not_before" => &headers.ssl_client_not_before,
        "ssl_client_not_after" => &headers.ssl_client_not_after,
        "ssl_subject_dn" => &headers.ssl_subject_dn,
        "ssl_issuer_dn" => &headers.ssl_issuer_dn,
        "ssl_client_subject_dn" => &headers.ssl_client_subject_dn,
        "ssl_client_issuer_dn" => &headers.ssl_client_issuer_dn,
        "ssl_cipher" => &headers.ssl_cipher,
        "ssl_protocol" => &headers.ssl_protocol,
        "ssl_serial" => &headers.ssl_serial,
        "ssl_fingerprint" => &headers.ssl_fingerprint,
        "oidc_cid" => &headers.oidc_cid,
        _ => return None,
    };
    Some(name.as_str())
}

fn script_settings(config: &Config) -> ScriptSettings {
    use config::Choice;
    let redis = &config.server.redis;
    let (redis_read, redis_write) = redis_times(config);
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
        redis_is_cluster: redis.cluster.is_some(),
        tracing: trace_settings(&config.server.insights.tracing),
    }
}

fn log_settings(config: &Config) -> LogSettings {
    let level = match config.server.log.level {
        LogLevel::None => Level::None,
        LogLevel::Error => Level::Error,
        LogLevel::Warn => Level::Warn,
        LogLevel::Info => Level::Info,
        LogLevel::Debug => Level::Debug,
    };
    let format = if config.server.log.json { Format::Json } else { Format::Logfmt };
    LogSettings { level, format, instance: config.server.instance_name.clone() }
}

/// `package.path`: the engine's part (or `LUA_PATH`), then the usual places, then the configured ones (`lua/runtime.md` 3).
fn package_path(configured: &str) -> String {
    let engine = std::env::var("LUA_PATH").ok().filter(|path| !path.is_empty());
    let engine = engine.as_deref().unwrap_or("./?.lua;/usr/local/share/lua/5.1/?.lua;/usr/local/share/lua/5.1/?/init.lua");
    let usual = "/usr/local/share/nauthilus/lua/?.lua;/usr/share/nauthilus/lua/?.lua;/usr/app/lua-plugins.d/share/?.lua";
    [engine, usual, configured].iter().filter(|part| !part.is_empty()).copied().collect::<Vec<_>>().join(";")
}

/// The server's own Redis. A cluster wins over sentinels, which win over master and replicas.
fn redis(config: &Config) -> Result<Option<Target>, String> {
    let redis = &config.server.redis;
    let texts = |addresses: &[config::HostPort]| addresses.iter().map(ToString::to_string).collect::<Vec<_>>();
    let (layout, username, password) = if let Some(cluster) = &redis.cluster {
        let reads_at_replicas = cluster.route_reads_to_replicas || cluster.route_by_latency || cluster.route_randomly;
        let redirects_max = if cluster.max_redirects == 0 { REDIRECTS_MAX } else { cluster.max_redirects.try_into().unwrap_or(u8::MAX) };
        (Layout::Cluster { seeds: texts(&cluster.addresses), reads_at_replicas, redirects_max }, &cluster.username, &cluster.password)
    } else if let Some(set) = &redis.sentinels {
        let layout = Layout::Sentinel {
            sentinels: texts(&set.addresses),
            name: set.master.clone(),
            username: set.username.clone(),
            password: set.password.clone(),
            // As the reference has it: who names several sentinels reads from replicas.
            serve: if set.addresses.len() > 1 { Serve::MasterAndReplicas } else { Serve::Master },
        };
        (layout, &redis.master.username, &redis.master.password)
    } else if let Some(master) = &redis.master.address {
        let layout = Layout::Direct { master: master.to_string(), replicas: texts(&redis.replica.addresses) };
        (layout, &redis.master.username, &redis.master.password)
    } else {
        return Ok(None);
    };
    let settings = RedisSettings {
        username: username.clone(),
        password: password.clone(),
        database: redis.database_number.into(),
        protocol: if redis.protocol == 3 { Protocol::Resp3 } else { Protocol::Resp2 },
        client_name: config.server.instance_name.replace(' ', "_"),
        connect_timeout: redis.dial_timeout.min(Duration::from_secs(1)),
        ..RedisSettings::new("")
    };
    let tls = client_tls(&redis.tls).map_err(|error| format!("server.redis.tls: {error}"))?;
    Ok(Some(Target { plan: Plan { layout, settings }, tls }))
}

/// The mail servers to watch, if that feature is on.
fn monitor(config: &Config, tls: &DefaultTls, problems: &mut Vec<String>) -> Monitor {
    if !config.server.has_feature(Feature::BackendServerMonitoring) {
        return Monitor::default();
    }
    let server = |server: &config::section::monitoring::BackendServer| -> Result<Arc<Server>, TlsError> {
        let target = Probe {
            protocol: MailProtocol::parse(&server.protocol),
            host: server.host.as_str().to_owned(),
            port: server.port,
            tls: if server.tls { Some(tls.get(server.tls_skip_verify)?) } else { None },
            haproxy_v2: server.haproxy_v2,
            deep_check: server.deep_check,
            request_uri: server.request_uri.clone(),
            username: server.test_username.clone(),
            password: server.test_password.clone(),
        };
        Ok(Arc::new(Server::new(server.protocol.clone(), server.tls_skip_verify, target)))
    };
    let servers = config.backend_server_monitoring.backend_servers.iter();
    let servers = servers.map(|entry| server(entry).map_err(|error| format!("backend_server_monitoring: {error}")));
    Monitor { servers: servers.filter_map(|server| keep(server, problems)).collect() }
}

/// The pools of the section `ldap`. A pool's connections are the process's: each worker has its share of them.
fn ldap(config: &Config, workers: usize, problems: &mut Vec<String>) -> LdapPools {
    let Some(ldap) = &config.ldap else { return LdapPools::new() };
    let mut pools = LdapPools::new();
    let named = ldap.optional_ldap_pools.iter().map(|(name, pool)| (name.as_str(), pool));
    for (name, pool) in std::iter::once(("default", &ldap.config)).chain(named) {
        let settings = ldap_pool(pool, workers).map_err(|problem| format!("ldap pool {name:?}: {problem}"));
        pools.extend(keep(settings, problems).map(|settings| (name.to_owned(), Arc::new(settings))));
    }
    pools
}

fn ldap_pool(pool: &LdapPool, workers: usize) -> Result<LdapSettings, String> {
    let servers =
        pool.server_uri.iter().map(|uri| LdapServer::parse(uri)).collect::<Result<Vec<_>, _>>().map_err(|error| error.to_string())?;
    let encrypted = pool.starttls || servers.iter().any(|server| matches!(server, LdapServer::Tcp { tls: true, .. }));
    let tls = Tls {
        enabled: encrypted,
        ca_file: pool.tls_ca_cert.clone(),
        cert: pool.tls_client_cert.clone(),
        key: pool.tls_client_key.clone(),
        skip_verify: pool.tls_skip_verify,
        ..Tls::default()
    };
    let share = |count: u32| (count as usize).div_ceil(workers.max(1)).max(1);
    let or = |time: Duration, otherwise: Duration| if time.is_zero() { otherwise } else { time };
    Ok(LdapSettings {
        servers,
        tls: client_tls(&tls)?,
        start_tls: pool.starttls,
        bind: match (pool.sasl_external, pool.bind_dn.is_empty()) {
            (true, _) => Bind::External,
            (false, true) => Bind::Anonymous,
            (false, false) => Bind::Simple(pool.bind_dn.clone(), pool.bind_pw.clone()),
        },
        connections_max: share(pool.lookup_pool_size.max(pool.lookup_idle_pool_size)),
        idle_max: share(pool.lookup_idle_pool_size),
        waiting_max: pool.lookup_queue_length as usize,
        connect_time: or(pool.connect_abort_timeout, LDAP_CONNECT),
        bind_time: or(pool.bind_timeout, LDAP_REQUEST),
        search_time: or(pool.search_timeout, LDAP_REQUEST),
        modify_time: or(pool.modify_timeout, LDAP_REQUEST),
        size_limit: pool.search_size_limit,
        time_limit: pool.search_time_limit.as_secs_f64().ceil() as u32,
        retries: pool.retry_max,
        retry_pause: pool.retry_base,
        retry_pause_max: pool.retry_max_backoff,
    })
}

/// How long a command may take: the smaller of the stage's and the connection's time.
fn redis_times(config: &Config) -> (Duration, Duration) {
    let redis = &config.server.redis;
    let (mut read, mut write) = (redis.read_timeout, redis.write_timeout);
    if let Some(cluster) = &redis.cluster {
        let or = |own: Duration, otherwise| if own.is_zero() { otherwise } else { own };
        (read, write) = (or(cluster.read_timeout, read), or(cluster.write_timeout, write));
    }
    (config.server.timeouts.redis_read.min(read), config.server.timeouts.redis_write.min(write))
}

/// How scripts ask other servers by HTTP: `server.http_client`, and what the environment says of proxies.
fn http_client(config: &Config, workers: usize) -> Result<HttpClientSettings, String> {
    let http = &config.server.http_client;
    // The older key of the same meaning stands with the listener's settings.
    let skip_verify = http.tls.skip_verify || config.server.tls.skip_verify;
    let settings = ClientTlsSettings { skip_verify, ..tls_settings(&http.tls) };
    let tls = HttpTls::new(&settings).map_err(|error| format!("server.http_client.tls: {error}"))?;
    // What is no proxy counts as none set, here and in the environment (`config.md` 8.14).
    let proxies = match Proxy::parse(http.proxy.expose()) {
        Ok(proxy) if !http.proxy.is_empty() => Proxies::All(Arc::new(proxy)),
        _ => Proxies::Environment(Environment::read(|name| std::env::var(name).ok()).0),
    };
    let per_host = http.max_idle_connections_per_host as usize;
    let limits = http_limits(per_host, http.max_idle_connections as usize, http.idle_connection_timeout);
    let per_host_max = http_share(http.max_connections_per_host as usize, workers);
    Ok(HttpClientSettings { tls, proxies, limits, per_host_max })
}

/// What sends spans to a collector.
pub struct Collector {
    pub url: String,
    /// The name that we have there.
    pub service: String,
    /// TLS of its own kind; none: plain HTTP, or that of scripts' requests if the endpoint is a URL that says so.
    pub tls: Option<ClientTls>,
    /// A line in the log for each batch.
    pub log_results: bool,
}

/// `server.insights.tracing`, as far as it is about sending.
fn collector(config: &Config) -> Result<Option<Collector>, String> {
    let tracing = &config.server.insights.tracing;
    if !tracing.enabled || tracing.exporter != "otlphttp" {
        return Ok(None);
    }
    let tls = client_tls(&tracing.tls).map_err(|error| format!("server.insights.tracing.tls: {error}"))?;
    let endpoint = tracing.endpoint.trim_end_matches('/');
    let scheme = if tls.is_some() { "https" } else { "http" };
    let base = if endpoint.contains("://") { endpoint.to_owned() } else { format!("{scheme}://{endpoint}") };
    let url = if base.ends_with(otlp::PATH) { base } else { base + otlp::PATH };
    HttpRequest::post(&url, "", []).map_err(|error| format!("server.insights.tracing.endpoint: {error}"))?;
    let name = &tracing.service_name;
    let service = if name.is_empty() { config.server.instance_name.clone() } else { name.clone() };
    Ok(Some(Collector { url, service, tls, log_results: tracing.log_export_results }))
}

/// The same, as far as it is about scripts.
fn trace_settings(tracing: &config::section::insights::Tracing) -> Option<trace::Settings> {
    let named = |(name, propagator)| tracing.propagators.iter().any(|wanted| wanted == name).then_some(propagator);
    let propagators = match tracing.propagators.is_empty() {
        true => vec![Propagator::TraceContext, Propagator::Baggage],
        false => Propagator::ALL.into_iter().filter_map(named).collect(),
    };
    tracing.enabled.then_some(trace::Settings { sampler_ratio: tracing.sampler_ratio, propagators })
}

/// TLS to a server, if it is enabled.
fn client_tls(tls: &Tls) -> Result<Option<ClientTls>, String> {
    if !tls.enabled {
        return Ok(None);
    }
    ClientTls::new(&tls_settings(tls)).map(Some).map_err(|error| error.to_string())
}

fn tls_settings(tls: &Tls) -> ClientTlsSettings {
    let certificate = match (&tls.cert, &tls.key) {
        (Some(certificate), Some(key)) => Some(CertificateFiles { certificate: certificate.clone(), key: key.clone() }),
        _ => None,
    };
    let minimum = if tls.min_tls_version == config::TlsVersion::Tls13 { TlsVersion::Tls13 } else { TlsVersion::Tls12 };
    ClientTlsSettings { ca_file: tls.ca_file.clone(), certificate, skip_verify: tls.skip_verify, skip_name: false, minimum }
}

/// Where the Redis of a pool is that a script registered. Reads certificates, once per pool and worker.
///
/// # Errors
/// Why there is no way to it: no address, certificates that cannot be read.
pub fn pool_target(pool: &PoolSettings) -> Result<Target, String> {
    let first = pool.addresses.first().ok_or("the Redis pool has no address")?;
    let sentinel = |serve| Layout::Sentinel {
        sentinels: pool.addresses.clone(),
        name: pool.master_name.clone(),
        username: pool.sentinel_username.clone(),
        password: pool.sentinel_password.clone(),
        serve,
    };
    let layout = match pool.mode {
        Mode::Standalone => Layout::Direct { master: first.clone(), replicas: Vec::new() },
        Mode::Sentinel => sentinel(Serve::Master),
        Mode::SentinelReplica => sentinel(Serve::Replicas),
        Mode::Cluster => Layout::Cluster { seeds: pool.addresses.clone(), reads_at_replicas: false, redirects_max: REDIRECTS_MAX },
    };
    let settings = RedisSettings {
        username: pool.username.clone(),
        password: pool.password.clone(),
        database: pool.database,
        ..RedisSettings::new("")
    };
    let tls = pool.tls.as_ref().map(|tls| Tls {
        enabled: true,
        cert: tls.cert_file.as_ref().map(Into::into),
        key: tls.key_file.as_ref().map(Into::into),
        ..Tls::default()
    });
    let tls = tls.map_or(Ok(None), |tls| client_tls(&tls))?;
    Ok(Target { plan: Plan { layout, settings }, tls })
}

/// Redirections of one command in a cluster, unless the configuration says otherwise: what client libraries usually follow.
const REDIRECTS_MAX: u8 = 3;

/// Route patterns as the reference's metrics have them.
const ROUTES: [&str; 5] = ["/api/v1/:category/:service", "/api/v1/custom/*hook", "/ping", "/metrics", "/healthz"];

/// Times of LDAP that are not configured: a login waits for them.
const LDAP_CONNECT: Duration = Duration::from_secs(5);
const LDAP_REQUEST: Duration = Duration::from_secs(10);

/// Waiting costs a coroutine and no thread, so this is far above the reference's ten workers: what it bounds is memory.
const POST_ACTIONS_MAX: usize = 1000;

/// Logins whose post actions wait for a place among those that run: some seconds' worth at a thousand logins a second.
const POST_ACTIONS_WAITING_MAX: usize = 4096;
