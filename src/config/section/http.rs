//! `server.http_client`, `compression`, `keep_alive`, `middlewares`.

use crate::config::check::{any, at_least, between, each_one_of, positive, seconds};
use crate::config::keys::{Both, Keys, Section};
use crate::config::section::tls::Tls;
use crate::secret::Secret;
use std::time::Duration;

/// `server.http_client`: HTTP requests of scripts.
#[derive(Clone, Debug, Default)]
pub struct HttpClient {
    /// 0: no limit.
    pub max_connections_per_host: u32,
    /// 0: no limit.
    pub max_idle_connections: u32,
    /// 0: 2.
    pub max_idle_connections_per_host: u32,
    /// 0: never.
    pub idle_connection_timeout: Duration,
    /// A URL; it may hold a password. None: `HTTP_PROXY`, `HTTPS_PROXY`, `NO_PROXY` of the
    /// environment.
    pub proxy: Secret,
    pub tls: Tls,
}

impl Section for HttpClient {
    fn keys(&mut self, keys: &mut Keys<'_>) {
        keys.value("max_connections_per_host", &mut self.max_connections_per_host);
        keys.value("max_idle_connections", &mut self.max_idle_connections);
        keys.value("max_idle_connections_per_host", &mut self.max_idle_connections_per_host);
        keys.value("idle_connection_timeout", &mut self.idle_connection_timeout);
        keys.value("proxy", &mut self.proxy);
        keys.section("tls", &mut self.tls);
    }
}

/// `server.compression`: of responses, and whether compressed requests are accepted.
#[derive(Clone, Debug, Default)]
pub struct Compression {
    pub enabled: bool,
    /// 1 to 9; 0: the library's.
    pub level_gzip: u8,
    /// 0 to 3.
    pub level_zstd: u8,
    /// 0 to 3.
    pub level_brotli: u8,
    /// Bytes below which nothing is compressed.
    pub min_length: u32,
    /// The first one known is used; none: zstd.
    pub algorithms: Vec<String>,
}

impl Section for Compression {
    fn keys(&mut self, keys: &mut Keys<'_>) {
        keys.value("enabled", &mut self.enabled);
        keys.alias("level", "level_gzip", Both::Newer);
        keys.or_default("level_gzip", &mut self.level_gzip, between(1, 9));
        keys.or_default("level_zstd", &mut self.level_zstd, between(0, 3));
        keys.or_default("level_brotli", &mut self.level_brotli, between(0, 3));
        keys.value("min_length", &mut self.min_length);
        keys.checked("algorithms", &mut self.algorithms, each_one_of(&["br", "zstd", "gzip"]));
        keys.left_out("content_types", "it has no effect in the original either");
    }
}

/// `server.keep_alive`: replaces the idle time of connections.
#[derive(Clone, Debug)]
pub struct KeepAlive {
    pub enabled: bool,
    pub timeout: Duration,
    pub max_idle_connections: u32,
    pub max_idle_connections_per_host: u32,
}

impl Default for KeepAlive {
    fn default() -> KeepAlive {
        KeepAlive {
            enabled: false,
            timeout: seconds(60),
            max_idle_connections: 0,
            max_idle_connections_per_host: 0,
        }
    }
}

impl Section for KeepAlive {
    fn keys(&mut self, keys: &mut Keys<'_>) {
        keys.value("enabled", &mut self.enabled);
        keys.checked("timeout", &mut self.timeout, positive);
        keys.or_default("max_idle_connections", &mut self.max_idle_connections, at_least(1));
        keys.or_default(
            "max_idle_connections_per_host",
            &mut self.max_idle_connections_per_host,
            any,
        );
    }
}

/// `server.middlewares`: each switch removes one layer of the HTTP side.
#[derive(Clone, Debug)]
pub struct Middlewares {
    pub logging: bool,
    pub limit: bool,
    pub recovery: bool,
    pub trusted_proxies: bool,
    pub request_decompression: bool,
    pub response_compression: bool,
    pub metrics: bool,
    pub rate: bool,
}

impl Default for Middlewares {
    fn default() -> Middlewares {
        Middlewares {
            logging: true,
            limit: true,
            recovery: true,
            trusted_proxies: true,
            request_decompression: true,
            response_compression: true,
            metrics: true,
            rate: true,
        }
    }
}

impl Section for Middlewares {
    fn keys(&mut self, keys: &mut Keys<'_>) {
        keys.value("logging", &mut self.logging);
        keys.value("limit", &mut self.limit);
        keys.value("recovery", &mut self.recovery);
        keys.value("trusted_proxies", &mut self.trusted_proxies);
        keys.value("request_decompression", &mut self.request_decompression);
        keys.value("response_compression", &mut self.response_compression);
        keys.value("metrics", &mut self.metrics);
        keys.value("rate", &mut self.rate);
    }
}
