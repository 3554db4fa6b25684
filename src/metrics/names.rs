//! The name, kind and help of every metric that the server itself exports.
//!
//! Names that dashboards of the reference server ask for are kept as they are, a misspelt one too;
//! our own begin with `loligo_`. Used by `worker`, `registry` and the sampling at scrape time. Not
//! exported although the reference does: `cpu_*_usage_percent` (ask the machine's exporter),
//! `go_*`, `promhttp_*`, `ldap_pool_*`.

/// What the samples of a family mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
    Summary,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
            Kind::Summary => "summary",
        }
    }
}

/// One metric with all its series.
#[derive(Debug)]
pub struct Family {
    pub name: &'static str,
    pub kind: Kind,
    pub help: &'static str,
}

macro_rules! families {
    ($($constant:ident = $kind:ident $name:literal $help:literal;)*) => {
        $(pub const $constant: Family = Family { name: $name, kind: Kind::$kind, help: $help };)*
        /// All of them: scripts may not create a metric of the same name.
        pub const ALL: &[&Family] = &[$(&$constant),*];
    };
}

families! {
    // Kept names.
    ACCEPTED_PROTOCOLS = Counter "accepted_protocols_total" "Successful logins by protocol.";
    BACKEND_SERVERS_STATUS = Gauge "backend_servers_status" "Backend servers that are configured (wanted) and that are up (alive).";
    // The misspelling is part of the name.
    BRUTE_FORCE_HITS = Counter "brutefore_hits_total" "Triggered brute-force buckets that were exempted as a repeated wrong password.";
    BRUTE_FORCE_REJECTED = Counter "bruteforce_rejected_total" "Triggered brute-force checks by bucket.";
    CACHE_HITS = Counter "cache_hits_total" "Results found in the in-process cache.";
    CACHE_MISSES = Counter "cache_misses_total" "Results not found in the in-process cache.";
    CONCURRENT_REQUESTS = Gauge "server_concurrent_requests" "Requests in progress.";
    GENERIC_CONNECTIONS = Gauge "generic_connections" "Established TCP connections of registered targets.";
    LAST_RELOAD = Gauge "last_reload_timestamp" "When the configuration was last reloaded, in milliseconds since 1970.";
    LOGINS = Counter "logins_total" "Logins that succeeded or failed. Temporary failures are not counted.";
    RBL_DURATION = Histogram "rbl_duration_seconds" "Time until a blocklist answered.";
    RBL_REJECTED = Counter "rbl_rejected_total" "Clients found on a blocklist.";
    REDIS_HITS = Counter "redis_connection_hits_total" "Redis commands that found a connection open.";
    REDIS_MISSES = Counter "redis_connection_misses_total" "Redis commands that found no connection open.";
    REDIS_POOL_IDLE = Gauge "redis_pool_idle_connections" "Open Redis connections with nothing in flight.";
    REDIS_POOL_STALE = Gauge "redis_pool_stale_connections" "Redis connections that were lost since the start.";
    REDIS_POOL_TOTAL = Gauge "redis_pool_total_connections" "Open Redis connections.";
    REDIS_READS = Counter "redis_read_total" "Redis commands that read.";
    REDIS_TIMEOUTS = Counter "redis_connection_timeouts_total" "Redis commands without an answer in time.";
    REDIS_WRITES = Counter "redis_write_total" "Redis commands that write.";
    REJECTED_PROTOCOLS = Counter "rejected_protocols_total" "Failed logins by protocol.";
    REQUESTS = Counter "http_requests_total" "Answered requests by route.";
    RESPONSE_TIME = Histogram "http_response_time_seconds" "Time from the last byte of a request to the first byte of its response.";
    START = Gauge "start_timestamp" "When the server was started, in milliseconds since 1970.";
    // Standard names of a process.
    PROCESS_CPU = Counter "process_cpu_seconds_total" "CPU time spent, user and system.";
    PROCESS_FDS_MAX = Gauge "process_max_fds" "The maximum number of open file descriptors.";
    PROCESS_FDS_OPEN = Gauge "process_open_fds" "Open file descriptors.";
    PROCESS_MEMORY_RESIDENT = Gauge "process_resident_memory_bytes" "Memory in RAM.";
    PROCESS_MEMORY_VIRTUAL = Gauge "process_virtual_memory_bytes" "Address space.";
    PROCESS_START = Gauge "process_start_time_seconds" "When the server was started, in seconds since 1970.";
    // Ours.
    ACCEPTS_FAILED = Counter "loligo_accept_failures_total" "Connections that could not be accepted because of missing file descriptors or memory.";
    CONNECTIONS_ACCEPTED = Counter "loligo_connections_accepted_total" "Connections accepted from clients.";
    UPSTREAM_CONNECTIONS_OPEN = Gauge "loligo_upstream_connections_open" "Open connections to upstream servers, except Redis.";
    CONNECTIONS_OPEN = Gauge "loligo_connections_open" "Open client connections.";
    CONNECTIONS_REFUSED = Counter "loligo_connections_refused_total"
        "Connections closed because the listener had too many, the PROXY header was invalid, or the peer is not a trusted proxy.";
    UNFINISHED_BYTES = Gauge "loligo_unfinished_request_bytes" "Bytes held for requests that are not yet complete.";
    TLS_HANDSHAKES = Counter "loligo_tls_handshakes_total" "TLS handshakes with clients: full, resumed or failed.";
    HASHES_REFUSED = Counter "loligo_hash_queue_overflows_total" "Password hashes not computed because the hash queue was full.";
    LOG_LINES_DROPPED = Counter "loligo_log_lines_dropped_total" "Log lines lost because standard output was stuck or broken.";
    LUA_MEMORY = Gauge "loligo_lua_memory_bytes" "Memory of the Lua state of a worker.";
    POST_ACTIONS_DROPPED = Counter "loligo_post_action_queue_overflows_total" "Post actions not run because their queue was full.";
    REDIS_IN_FLIGHT = Gauge "loligo_redis_in_flight" "Redis commands that wait for their answers.";
    REDIS_UP = Gauge "loligo_redis_up" "1 if every worker has its connections to the masters of a Redis pool, else 0.";
    REQUEST_DURATION = Summary "loligo_request_duration_seconds"
        "From the last byte of a request to the first byte of its answer, all routes; quantiles of the last one to two minutes.";
    REQUESTS_RATE_LIMITED = Counter "loligo_requests_rate_limited_total" "Requests refused because of the rate limit of their client's address.";
    REQUESTS_REFUSED = Counter "loligo_requests_refused_total" "Requests refused because there were too many, or too many incomplete ones (503).";
    SCRIPT_DURATION = Histogram "loligo_lua_script_duration_seconds" "Time from the start of a script to its end, including waiting.";
    SCRIPT_ERRORS = Counter "loligo_lua_script_errors_total" "Scripts that ended with an error or ran out of time.";
    SCRIPT_SERIES_REFUSED = Counter "loligo_script_series_refused_total" "Updates of series beyond the limit of a metric made by a script.";
    TEMPORARY_FAILURES = Counter "loligo_temporary_failures_total" "Logins that could not be decided.";
    TURN_DURATION = Histogram "loligo_turn_duration_seconds" "Turns of the event loop, from waking up to waiting again.";
    VERSION_INFO = Gauge "loligo_version_info" "Always 1; the labels identify the server.";
    WAITS = Gauge "loligo_waits" "Operations that requests and background tasks are waiting for.";
}

/// Whether the server exports a metric of this name.
pub fn is_taken(name: &str) -> bool {
    ALL.iter().any(|family| family.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_are_unique_and_well_formed() {
        let mut names = HashSet::new();
        for family in ALL {
            assert!(names.insert(family.name), "{} is there twice", family.name);
            assert!(
                family
                    .name
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'),
                "{}",
                family.name
            );
            assert!(family.help.ends_with('.'), "{}", family.name);
            assert!(is_taken(family.name));
        }
        assert!(!is_taken("analytics_count"));
    }
}
