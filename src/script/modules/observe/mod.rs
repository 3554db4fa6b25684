//! Modules that tell operators what scripts do: metrics, log lines and traces.

pub mod gll_prometheus;
pub mod log;
pub mod opentelemetry;
pub mod prometheus;
