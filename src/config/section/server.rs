//! `server`: what the process as a whole does.

use crate::config::address::{Host, ListenAddress};
use crate::config::check::{
    at_least, at_most, between, each_one_of, hours, if_given, printable, seconds,
};
use crate::config::choice::{Backend, Feature, Features, Service};
use crate::config::keys::{Keys, Section};
use crate::config::problem::Wrong;
use crate::config::section::caller_auth::{Access, BasicAuth, JwtAuth, OidcAuth};
use crate::config::section::dns::Dns;
use crate::config::section::headers::DefaultHttpRequestHeader;
use crate::config::section::http::{Compression, HttpClient, KeepAlive, Middlewares};
use crate::config::section::insights::Insights;
use crate::config::section::listener_tls::ServerTls;
use crate::config::section::listeners::{Listener, SocketMode, TrustedProxies};
use crate::config::section::log::Log;
use crate::config::section::redis::Redis;
use crate::config::section::timeouts::Timeouts;
use crate::config::value::Word;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

#[derive(Clone, Debug)]
pub struct Server {
    /// Where to listen. None: only at `listeners` (and `listen_unix`). See
    /// [`Server::every_listener`].
    pub address: Option<ListenAddress>,
    /// Unix sockets to listen on besides `address`.
    pub listen_unix: Vec<PathBuf>,
    /// Of unix sockets that have none of their own.
    pub unix_socket_mode: SocketMode,
    pub listeners: Vec<Listener>,
    /// Worker threads; 0: one for each core but one, which is left to the background worker. See
    /// [`Server::worker_count`].
    pub workers: usize,
    /// Requests in flight; the next one gets 429. Counted for the process as a whole.
    pub max_concurrent_requests: u32,
    /// Bytes of one request body; a longer one gets 413.
    pub max_body_bytes: usize,
    /// Wrong-password hashes kept for an account and for an account with an address.
    pub max_password_history_entries: u32,
    /// Whether every connection to `address` must begin with a PROXY protocol header.
    pub haproxy_v2: bool,
    /// This process in log lines and metrics.
    pub instance_name: String,
    /// Mail servers that the nginx dialect names unless a filter chose one.
    pub smtp_backend_address: Host,
    pub smtp_backend_port: u16,
    pub imap_backend_address: Host,
    pub imap_backend_port: u16,
    pub pop3_backend_address: Host,
    pub pop3_backend_port: u16,
    /// Ceiling of `Auth-Wait` in seconds; 0: the header is not sent.
    pub nginx_wait_delay: u8,
    /// Seconds; at most `nginx_wait_delay`.
    pub nginx_wait_min: u8,
    /// Service `basic` may look users up although callers must say who they are.
    pub basic_lookups: bool,
    pub client_address: ClientAddress,
    /// The attempts from which on the count that a client sent is not raised any more.
    pub max_login_attempts: u8,
    /// Lifetime of results in the process's own cache.
    pub local_cache_auth_ttl: Duration,
    /// Requests per second of one client address; 0: no limit.
    pub rate_limit_per_second: f64,
    /// How many may come at once; 0: twice the rate.
    pub rate_limit_burst: u32,
    /// Peers whose PROXY header and `X-Forwarded-For` are believed.
    pub trusted_proxies: TrustedProxies,
    /// User and group to become once the sockets are open.
    pub run_as_user: Option<String>,
    pub run_as_group: Option<String>,
    pub chroot: Option<PathBuf>,
    pub landlock: Landlock,
    pub disabled_endpoints: DisabledEndpoints,
    pub tls: ServerTls,
    pub basic_auth: BasicAuth,
    pub jwt_auth: JwtAuth,
    pub oidc_auth: OidcAuth,
    pub metrics_access: Access,
    pub admin_access: Access,
    pub log: Log,
    /// Who is asked about a login, in this order.
    pub backends: Vec<Backend>,
    pub features: Features,
    /// Protocols for which brute force counts and blocks; none: never.
    pub brute_force_protocols: Vec<String>,
    pub dns: Dns,
    pub insights: Insights,
    pub redis: Redis,
    pub master_user: MasterUser,
    pub prometheus_timer: PrometheusTimer,
    pub default_http_request_header: DefaultHttpRequestHeader,
    pub http_client: HttpClient,
    pub compression: Compression,
    pub keep_alive: KeepAlive,
    pub middlewares: Middlewares,
    pub timeouts: Timeouts,
}

impl Server {
    /// How many worker threads to start on a machine with `cores` cores.
    pub fn worker_count(&self, cores: usize) -> usize {
        if self.workers == 0 { cores.saturating_sub(1).max(1) } else { self.workers }
    }

    pub fn has_feature(&self, feature: Feature) -> bool {
        self.features.has(feature)
    }
}

impl Default for Server {
    fn default() -> Server {
        let here = || Host::known("127.0.0.1");
        Server {
            address: Some(usual_address()),
            listen_unix: Vec::new(),
            unix_socket_mode: SocketMode::default(),
            listeners: Vec::new(),
            workers: 0,
            // What the manual of the original says; its releases differ from it and from each
            // other.
            max_concurrent_requests: 3000,
            // Bodies are credentials and small JSON; hooks take somewhat more.
            max_body_bytes: 1024 * 1024,
            max_password_history_entries: 100,
            haproxy_v2: false,
            instance_name: "loligo".to_owned(),
            smtp_backend_address: here(),
            smtp_backend_port: 5871,
            imap_backend_address: here(),
            imap_backend_port: 9931,
            pop3_backend_address: here(),
            pop3_backend_port: 9951,
            nginx_wait_delay: 10,
            nginx_wait_min: 0,
            basic_lookups: false,
            client_address: ClientAddress::default(),
            max_login_attempts: 15,
            local_cache_auth_ttl: seconds(30),
            // Off: one webmail host or one network behind NAT is thousands of users.
            rate_limit_per_second: 0.0,
            rate_limit_burst: 0,
            trusted_proxies: TrustedProxies::default(),
            run_as_user: None,
            run_as_group: None,
            chroot: None,
            landlock: Landlock::default(),
            disabled_endpoints: DisabledEndpoints::default(),
            tls: ServerTls::default(),
            basic_auth: BasicAuth::default(),
            jwt_auth: JwtAuth::default(),
            oidc_auth: OidcAuth::default(),
            metrics_access: Access::default(),
            admin_access: Access::default(),
            log: Log::default(),
            backends: Vec::new(),
            features: Features::default(),
            brute_force_protocols: Vec::new(),
            dns: Dns::default(),
            insights: Insights::default(),
            redis: Redis::default(),
            master_user: MasterUser::default(),
            prometheus_timer: PrometheusTimer::default(),
            default_http_request_header: DefaultHttpRequestHeader::default(),
            http_client: HttpClient::default(),
            compression: Compression::default(),
            keep_alive: KeepAlive::default(),
            middlewares: Middlewares::default(),
            timeouts: Timeouts::default(),
        }
    }
}

impl Section for Server {
    fn keys(&mut self, keys: &mut Keys<'_>) {
        // A list of listeners is complete: no port is added to it.
        if keys.gives_any(&["listeners"]) {
            self.address = None;
        }
        keys.value("address", &mut self.address);
        keys.sections("listeners", &mut self.listeners);
        if self.address.is_none() && self.listeners.is_empty() {
            self.address = Some(usual_address());
        }
        keys.value("unix_socket_mode", &mut self.unix_socket_mode);
        keys.checked("listen_unix", &mut self.listen_unix, |paths| {
            paths.iter().try_for_each(|path| absolute(path))
        });
        keys.checked("workers", &mut self.workers, at_most(WORKERS_MAX));
        keys.or_default(
            "max_concurrent_requests",
            &mut self.max_concurrent_requests,
            between(1, i32::MAX as u32),
        );
        keys.or_default("max_body_bytes", &mut self.max_body_bytes, between(1024, BODY_BYTES_MAX));
        keys.or_default(
            "max_password_history_entries",
            &mut self.max_password_history_entries,
            between(1, i32::MAX as u32),
        );
        keys.value("haproxy_v2", &mut self.haproxy_v2);
        keys.or_default("instance_name", &mut self.instance_name, printable(255));
        self.mail_servers(keys);
        keys.value("nginx_wait_delay", &mut self.nginx_wait_delay);
        let wait_max = self.nginx_wait_delay;
        keys.checked("nginx_wait_min", &mut self.nginx_wait_min, |wait: &u8| {
            if *wait <= wait_max {
                Ok(())
            } else {
                Err(Wrong::new(format!(
                    "must not be more than nginx_wait_delay, which is {wait_max}"
                )))
            }
        });
        keys.value("basic_lookups", &mut self.basic_lookups);
        keys.section("client_address", &mut self.client_address);
        keys.or_default("max_login_attempts", &mut self.max_login_attempts, at_least(1));
        keys.positive_or_default("local_cache_auth_ttl", &mut self.local_cache_auth_ttl, hours(1));
        keys.or_default(
            "rate_limit_per_second",
            &mut self.rate_limit_per_second,
            between(RATE_MIN, RATE_MAX),
        );
        keys.or_default("rate_limit_burst", &mut self.rate_limit_burst, at_most(BURST_MAX));
        keys.value("trusted_proxies", &mut self.trusted_proxies);
        keys.value("run_as_user", &mut self.run_as_user);
        keys.value("run_as_group", &mut self.run_as_group);
        keys.checked("chroot", &mut self.chroot, if_given(absolute_directory));
        keys.section("landlock", &mut self.landlock);
        keys.section("disabled_endpoints", &mut self.disabled_endpoints);
        keys.section("tls", &mut self.tls);
        keys.section("basic_auth", &mut self.basic_auth);
        keys.section("jwt_auth", &mut self.jwt_auth);
        keys.section("oidc_auth", &mut self.oidc_auth);
        keys.section("metrics_access", &mut self.metrics_access);
        keys.section("admin_access", &mut self.admin_access);
        keys.section("log", &mut self.log);
        keys.value("backends", &mut self.backends);
        keys.value("features", &mut self.features);
        keys.value("brute_force_protocols", &mut self.brute_force_protocols);
        keys.section("dns", &mut self.dns);
        keys.section("insights", &mut self.insights);
        keys.section("redis", &mut self.redis);
        keys.section("master_user", &mut self.master_user);
        keys.section("prometheus_timer", &mut self.prometheus_timer);
        keys.section("default_http_request_header", &mut self.default_http_request_header);
        keys.section("http_client", &mut self.http_client);
        keys.section("compression", &mut self.compression);
        keys.section("keep_alive", &mut self.keep_alive);
        keys.section("middlewares", &mut self.middlewares);
        keys.section("timeouts", &mut self.timeouts);
        keys.left_out("http3", "there is no HTTP/3");
        keys.left_out("ory_hydra_admin_url", WEB);
        keys.left_out("frontend", WEB);
        keys.left_out("dedup", "equal requests are not merged");
    }

    fn check(&self) -> Vec<(&'static str, Wrong)> {
        let mut wrong = Vec::new();
        if self.rate_limit_burst > 0 && self.rate_limit_per_second == 0.0 {
            let why = "limits nothing without rate_limit_per_second: set that, or remove it";
            wrong.push(("rate_limit_burst", Wrong::new(why)));
        }
        wrong
    }
}

impl Server {
    fn mail_servers(&mut self, keys: &mut Keys<'_>) {
        keys.value("smtp_backend_address", &mut self.smtp_backend_address);
        keys.checked("smtp_backend_port", &mut self.smtp_backend_port, at_least(1));
        keys.value("imap_backend_address", &mut self.imap_backend_address);
        keys.checked("imap_backend_port", &mut self.imap_backend_port, at_least(1));
        keys.value("pop3_backend_address", &mut self.pop3_backend_address);
        keys.checked("pop3_backend_port", &mut self.pop3_backend_port, at_least(1));
    }
}

/// Whether it exists is found out at start: after a reload it is looked for within itself.
#[allow(clippy::ptr_arg, reason = "a rule takes the type of the field as it is")]
fn absolute_directory(path: &PathBuf) -> Result<(), Wrong> {
    if path.is_absolute() { Ok(()) } else { Err(Wrong::new("must be an absolute path")) }
}

fn usual_address() -> ListenAddress {
    ListenAddress::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, 9080)))
}

/// A path that a socket can have.
fn absolute(path: &Path) -> Result<(), Wrong> {
    ListenAddress::parse(&format!("unix:{}", path.display())).map(|_| ())
}

/// `server.landlock`: the files and folders that the process may use; none at all: any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Landlock {
    /// May be read, listed and executed, with all below.
    pub read: Vec<PathBuf>,
    /// The same, and written, made and removed.
    pub write: Vec<PathBuf>,
}

impl Landlock {
    pub fn is_on(&self) -> bool {
        !self.read.is_empty() || !self.write.is_empty()
    }
}

impl Section for Landlock {
    fn keys(&mut self, keys: &mut Keys<'_>) {
        keys.checked("read", &mut self.read, |paths| paths.iter().try_for_each(absolute_directory));
        keys.checked("write", &mut self.write, |paths| {
            paths.iter().try_for_each(absolute_directory)
        });
    }
}

/// `server.disabled_endpoints`: true makes the endpoint answer 404.
#[derive(Clone, Copy, Debug, Default)]
pub struct DisabledEndpoints {
    pub auth_header: bool,
    pub auth_json: bool,
    pub auth_basic: bool,
    pub auth_nginx: bool,
    pub auth_saslauthd: bool,
    /// The token endpoints `/api/v1/jwt/*`.
    pub auth_jwt: bool,
    /// Everything below `/api/v1/custom/`.
    pub custom_hooks: bool,
    /// `/api/v1/config/load`
    pub configuration: bool,
}

impl Section for DisabledEndpoints {
    fn keys(&mut self, keys: &mut Keys<'_>) {
        keys.value("auth_header", &mut self.auth_header);
        keys.value("auth_json", &mut self.auth_json);
        keys.value("auth_basic", &mut self.auth_basic);
        keys.value("auth_nginx", &mut self.auth_nginx);
        keys.value("auth_saslauthd", &mut self.auth_saslauthd);
        keys.value("auth_jwt", &mut self.auth_jwt);
        keys.value("custom_hooks", &mut self.custom_hooks);
        keys.value("configuration", &mut self.configuration);
    }
}

/// `server.master_user`: logins `user<delimiter>master`.
#[derive(Clone, Debug)]
pub struct MasterUser {
    pub enabled: bool,
    /// Exactly one printable ASCII character.
    pub delimiter: String,
}

impl Default for MasterUser {
    fn default() -> MasterUser {
        MasterUser { enabled: false, delimiter: "*".to_owned() }
    }
}

impl Section for MasterUser {
    fn keys(&mut self, keys: &mut Keys<'_>) {
        keys.value("enabled", &mut self.enabled);
        keys.or_default("delimiter", &mut self.delimiter, |text| {
            let one = text.len() == 1 && printable(1)(text).is_ok();
            if one { Ok(()) } else { Err(Wrong::new("must be one printable ASCII character")) }
        });
    }
}

/// `server.client_address`: services that take the client's address from the connection, not from
/// headers that it may have written.
#[derive(Clone, Debug)]
pub struct ClientAddress {
    pub from_connection: Vec<Service>,
    /// By which a trusted proxy tells the address of its client; empty: none does.
    pub header: String,
}

impl Default for ClientAddress {
    fn default() -> ClientAddress {
        ClientAddress { from_connection: vec![Service::Basic], header: String::new() }
    }
}

impl Section for ClientAddress {
    fn keys(&mut self, keys: &mut Keys<'_>) {
        keys.value("from_connection", &mut self.from_connection);
        keys.checked("header", &mut self.header, |name: &String| {
            let is_token = name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
            if is_token { Ok(()) } else { Err(Wrong::new("must be the name of a header")) }
        });
    }
}

/// `server.prometheus_timer`: which parts of the work are timed.
#[derive(Clone, Debug, Default)]
pub struct PrometheusTimer {
    pub enabled: bool,
    pub labels: Vec<String>,
}

impl Section for PrometheusTimer {
    fn keys(&mut self, keys: &mut Keys<'_>) {
        keys.value("enabled", &mut self.enabled);
        keys.checked("labels", &mut self.labels, each_one_of(&TIMERS));
    }
}

const TIMERS: [&str; 11] = [
    "action",
    "account",
    "auth",
    "backend",
    "brute_force",
    "dns",
    "feature",
    "filter",
    "post_action",
    "request",
    "store_totp",
];

/// More threads than any machine has cores are a typing mistake.
const WORKERS_MAX: usize = 1024;

/// Requests per second: fewer than one in a quarter of an hour is no rate, and more than a million no
/// server takes.
const RATE_MIN: f64 = 0.001;
const RATE_MAX: f64 = 1e6;
const BURST_MAX: u32 = 1_000_000;

/// A body is held in memory as a whole.
const BODY_BYTES_MAX: usize = 1024 * 1024 * 1024;

/// Why the keys of the original's web pages are ignored.
pub(crate) const WEB: &str = "there are no web pages";
