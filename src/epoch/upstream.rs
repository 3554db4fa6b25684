//! Whom the server and its scripts ask besides Redis: mail servers, directories, HTTP servers, the
//! collector of traces.

use super::keep;
use super::redis::{client_tls, tls_settings};
use crate::config::section::http::HttpClient;
use crate::config::section::insights::Tracing;
use crate::config::section::ldap::{Ldap, LdapPool};
use crate::config::section::monitoring::{BackendServer, BackendServerMonitoring};
use crate::config::section::timeouts::Timeouts;
use crate::config::section::tls::Tls;
use crate::config::{Config, Feature};
use crate::tls::{ClientTls, ClientTlsSettings, DefaultTls, TlsError};
use crate::trace::propagation::Propagator;
use crate::trace::{self, otlp};
use crate::upstream::http::{
    Environment, Proxies, Proxy, Request as HttpRequest, Settings as HttpClientSettings,
    Tls as HttpTls, limits as http_limits, share as http_share,
};
use crate::upstream::ldap::{
    Bind, Pools as LdapPools, Server as LdapServer, Settings as LdapSettings,
};
use crate::upstream::monitor::{Monitor, Server};
use crate::upstream::probe::{Protocol as MailProtocol, Target as Probe};
use std::sync::Arc;
use std::time::Duration;

/// The mail servers to watch, if that feature is on.
pub(super) fn monitor(config: &Config, tls: &DefaultTls, problems: &mut Vec<String>) -> Monitor {
    if !config.server.has_feature(Feature::BackendServerMonitoring) {
        return Monitor::default();
    }
    let server = |server: &BackendServer| -> Result<Arc<Server>, TlsError> {
        let BackendServer {
            protocol,
            host,
            port,
            request_uri,
            test_username,
            test_password,
            deep_check,
            tls: is_tls,
            tls_skip_verify,
            haproxy_v2,
        } = server;
        let target = Probe {
            protocol: MailProtocol::parse(protocol),
            host: host.as_str().to_owned(),
            port: *port,
            tls: if *is_tls { Some(tls.get(*tls_skip_verify)?) } else { None },
            haproxy_v2: *haproxy_v2,
            deep_check: *deep_check,
            request_uri: request_uri.clone(),
            username: test_username.clone(),
            password: test_password.clone(),
        };
        Ok(Arc::new(Server::new(protocol.clone(), *tls_skip_verify, target)))
    };
    let BackendServerMonitoring { backend_servers } = &config.backend_server_monitoring;
    let servers = backend_servers.iter();
    let servers = servers
        .map(|entry| server(entry).map_err(|error| format!("backend_server_monitoring: {error}")));
    Monitor { servers: servers.filter_map(|server| keep(server, problems)).collect() }
}

/// The pools of the section `ldap`. A pool's connections are the process's: each worker has its
/// share of them.
pub(super) fn ldap(config: &Config, workers: usize, problems: &mut Vec<String>) -> LdapPools {
    let Some(ldap) = &config.ldap else { return LdapPools::new() };
    // There is no LDAP backend that searches could be of (`config::inactive`).
    let Ldap { config: default, optional_ldap_pools, search: _ } = ldap;
    let mut pools = LdapPools::new();
    let named = optional_ldap_pools.iter().map(|(name, pool)| (name.as_str(), pool));
    for (name, pool) in std::iter::once(("default", default)).chain(named) {
        let settings = ldap_pool(pool, &config.server.timeouts, workers)
            .map_err(|problem| format!("ldap pool {name:?}: {problem}"));
        pools
            .extend(keep(settings, problems).map(|settings| (name.to_owned(), Arc::new(settings))));
    }
    pools
}

fn ldap_pool(pool: &LdapPool, timeouts: &Timeouts, workers: usize) -> Result<LdapSettings, String> {
    // What an LDAP backend would need, and protects it, is not built (`config::inactive`).
    let LdapPool {
        bind_dn,
        bind_pw,
        bind_timeout,
        connect_abort_timeout,
        lookup_idle_pool_size,
        lookup_pool_size,
        lookup_queue_length,
        modify_timeout,
        retry_base,
        retry_max,
        retry_max_backoff,
        sasl_external,
        search_size_limit,
        search_time_limit,
        search_timeout,
        server_uri,
        starttls,
        tls_ca_cert,
        tls_client_cert,
        tls_client_key,
        tls_skip_verify,
        lookup_pool_only: _,
        number_of_workers: _,
        auth_pool_size: _,
        auth_idle_pool_size: _,
        auth_queue_length: _,
        encryption_secret: _,
        cb_failure_threshold: _,
        cb_cooldown: _,
        cb_half_open_max: _,
        health_check_interval: _,
        health_check_timeout: _,
        dn_cache_ttl: _,
        membership_cache_ttl: _,
        negative_cache_ttl: _,
        cache_max_entries: _,
        cache_impl: _,
        include_raw_result: _,
        auth_rate_limit_per_second: _,
        auth_rate_limit_burst: _,
    } = pool;
    let servers = server_uri
        .iter()
        .map(|uri| LdapServer::parse(uri))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| error.to_string())?;
    let encrypted = *starttls
        || servers.iter().any(|server| matches!(server, LdapServer::Tcp { tls: true, .. }));
    let tls = Tls {
        enabled: encrypted,
        ca_file: tls_ca_cert.clone(),
        cert: tls_client_cert.clone(),
        key: tls_client_key.clone(),
        skip_verify: *tls_skip_verify,
        ..Tls::default()
    };
    let share = |count: u32| (count as usize).div_ceil(workers.max(1)).max(1);
    let or = |time: Duration, otherwise: Duration| if time.is_zero() { otherwise } else { time };
    Ok(LdapSettings {
        servers,
        tls: client_tls(&tls)?,
        start_tls: *starttls,
        bind: match (*sasl_external, bind_dn.is_empty()) {
            (true, _) => Bind::External,
            (false, true) => Bind::Anonymous,
            (false, false) => Bind::Simple(bind_dn.clone(), bind_pw.clone()),
        },
        connections_max: share((*lookup_pool_size).max(*lookup_idle_pool_size)),
        idle_max: share(*lookup_idle_pool_size),
        waiting_max: *lookup_queue_length as usize,
        connect_time: or(*connect_abort_timeout, LDAP_CONNECT),
        bind_time: or(*bind_timeout, timeouts.ldap_bind),
        search_time: or(*search_timeout, timeouts.ldap_search),
        modify_time: or(*modify_timeout, timeouts.ldap_modify),
        size_limit: *search_size_limit,
        time_limit: search_time_limit.as_secs_f64().ceil() as u32,
        retries: *retry_max,
        retry_pause: *retry_base,
        retry_pause_max: *retry_max_backoff,
    })
}

/// How scripts ask other servers by HTTP: `server.http_client`, and what the environment says of
/// proxies.
pub(super) fn http_client(config: &Config, workers: usize) -> Result<HttpClientSettings, String> {
    let HttpClient {
        max_connections_per_host,
        max_idle_connections,
        max_idle_connections_per_host,
        idle_connection_timeout,
        proxy,
        tls: own_tls,
    } = &config.server.http_client;
    // The older key of the same meaning stands with the listener's settings.
    let skip_verify = own_tls.skip_verify || config.server.tls.skip_verify;
    let settings = ClientTlsSettings { skip_verify, ..tls_settings(own_tls) };
    let tls =
        HttpTls::new(&settings).map_err(|error| format!("server.http_client.tls: {error}"))?;
    // What is no proxy counts as none set, here and in the environment.
    let proxies = match Proxy::parse(proxy.expose()) {
        Ok(parsed) if !proxy.is_empty() => Proxies::All(Arc::new(parsed)),
        _ => Proxies::Environment(Environment::read(|name| std::env::var(name).ok()).0),
    };
    let per_host = *max_idle_connections_per_host as usize;
    let limits = http_limits(per_host, *max_idle_connections as usize, *idle_connection_timeout);
    let per_host_max = http_share(*max_connections_per_host as usize, workers);
    Ok(HttpClientSettings { tls, proxies, limits, per_host_max })
}

/// What sends spans to a collector.
pub struct Collector {
    pub url: String,
    /// The name that we have there.
    pub service: String,
    /// TLS of its own kind; none: plain HTTP, or that of scripts' requests if the endpoint is a URL
    /// that says so.
    pub tls: Option<ClientTls>,
    /// A line in the log for each batch.
    pub log_results: bool,
}

/// `server.insights.tracing`, as far as it is about sending.
pub(super) fn collector(config: &Config) -> Result<Option<Collector>, String> {
    let Tracing {
        enabled,
        exporter,
        endpoint,
        // See `trace_settings`.
        sampler_ratio: _,
        propagators: _,
        service_name,
        log_export_results,
        tls,
    } = &config.server.insights.tracing;
    if !enabled || exporter != "otlphttp" {
        return Ok(None);
    }
    let tls = client_tls(tls).map_err(|error| format!("server.insights.tracing.tls: {error}"))?;
    let address = endpoint.expose().trim_end_matches('/');
    let scheme = if tls.is_some() { "https" } else { "http" };
    let base =
        if address.contains("://") { address.to_owned() } else { format!("{scheme}://{address}") };
    let url = if base.ends_with(otlp::PATH) { base } else { base + otlp::PATH };
    HttpRequest::post(&url, "", []).map_err(|error| {
        format!("server.insights.tracing.endpoint: {}", endpoint.explain(error))
    })?;
    let service = if service_name.is_empty() {
        config.server.instance_name.clone()
    } else {
        service_name.clone()
    };
    Ok(Some(Collector { url, service, tls, log_results: *log_export_results }))
}

/// The same, as far as it is about scripts.
pub(super) fn trace_settings(tracing: &Tracing) -> Option<trace::Settings> {
    let named = |(name, propagator)| {
        tracing.propagators.iter().any(|wanted| wanted == name).then_some(propagator)
    };
    let propagators = match tracing.propagators.is_empty() {
        true => vec![Propagator::TraceContext, Propagator::Baggage],
        false => Propagator::ALL.into_iter().filter_map(named).collect(),
    };
    tracing.enabled.then_some(trace::Settings { sampler_ratio: tracing.sampler_ratio, propagators })
}

/// Opening a connection to a directory, where that is not configured: a login waits for it.
const LDAP_CONNECT: Duration = Duration::from_secs(5);
