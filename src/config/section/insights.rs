//! The section `server.insights`.

use crate::config::check::{Checked, each_one_of, no_blank, one_of, printable};
use crate::config::keys::{Keys, Section};
use crate::config::problem::Wrong;
use crate::config::section::tls::Tls;
use crate::config::url::Url;

#[derive(Clone, Debug, Default)]
pub struct Insights {
    /// Whether connections are counted for the Lua module `nauthilus_psnet`.
    pub monitor_connections: bool,
    pub tracing: Tracing,
}

impl Section for Insights {
    fn keys(&mut self, keys: &mut Keys<'_>) {
        keys.value("monitor_connections", &mut self.monitor_connections);
        keys.left_out("enable_pprof", "there is no pprof");
        keys.left_out("enable_block_profile", "there is no pprof");
        keys.section("tracing", &mut self.tracing);
    }
}

/// `server.insights.tracing`: spans of scripts, sent to a collector by OTLP over HTTP.
#[derive(Clone, Debug)]
pub struct Tracing {
    pub enabled: bool,
    /// `otlphttp`, or `none`: spans are made, but not sent.
    pub exporter: String,
    /// `host:port` or a URL; needed by `otlphttp`.
    pub endpoint: Url,
    /// Share of the traces that begin here whose spans are kept.
    pub sampler_ratio: f64,
    /// Empty: the instance's name.
    pub service_name: String,
    /// None: `tracecontext`, `baggage`.
    pub propagators: Vec<String>,
    /// A line in the log for each batch.
    pub log_export_results: bool,
    pub tls: Tls,
}

impl Default for Tracing {
    fn default() -> Self {
        Tracing {
            enabled: false,
            exporter: "otlphttp".to_owned(),
            endpoint: Url::default(),
            sampler_ratio: 0.0,
            service_name: String::new(),
            propagators: Vec::new(),
            log_export_results: false,
            tls: Tls::default(),
        }
    }
}

impl Section for Tracing {
    fn keys(&mut self, keys: &mut Keys<'_>) {
        keys.value("enabled", &mut self.enabled);
        keys.or_default("exporter", &mut self.exporter, one_of(&["otlphttp", "none"]));
        if self.enabled && self.exporter == "otlphttp" {
            keys.required("endpoint", &mut self.endpoint, address);
        } else {
            keys.checked("endpoint", &mut self.endpoint, address);
        }
        keys.checked("sampler_ratio", &mut self.sampler_ratio, ratio);
        keys.or_default("service_name", &mut self.service_name, printable(255));
        keys.checked(
            "propagators",
            &mut self.propagators,
            each_one_of(&["tracecontext", "baggage", "b3", "b3multi", "jaeger"]),
        );
        keys.left_out("enable_redis", "commands to Redis make no spans");
        keys.value("log_export_results", &mut self.log_export_results);
        keys.section("tls", &mut self.tls);
    }
}

fn address(url: &Url) -> Checked {
    no_blank(&url.expose().to_owned())
}

fn ratio(value: &f64) -> Checked {
    if (0.0..=1.0).contains(value) { Ok(()) } else { Err(Wrong::new("must be between 0 and 1")) }
}
