//! End-to-end tests: the built program, asked over sockets. One file per behaviour, named for it.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "what cannot go on ends the test, in helpers too"
)]

#[path = "../support/mod.rs"]
mod support;

mod bans;
mod blocklists;
mod body;
mod brute_force;
mod brute_force_trace;
mod cache_flush;
mod callers;
mod cert_util;
mod citations;
mod dovecot_passdb;
mod drain;
mod examples;
mod hash_thread;
mod http10;
mod http_client;
mod integrate;
mod isolation;
mod keepalive;
mod known_accounts;
mod layers;
mod ldap;
mod leaks;
mod limits;
mod listeners;
mod log_keys;
mod login_counters;
mod mail_dovecot;
mod manpages;
mod mfa;
mod monitoring;
mod nested_calls;
mod nginx_auth_request;
mod nginx_imap;
mod nginx_pop3;
mod nginx_smtp;
mod overload;
mod password_bytes;
mod post_actions;
mod privileges;
mod proxy_protocol;
mod quickstart;
mod rate_limit;
mod redis_cluster;
mod redis_faults;
mod redis_gone;
mod redis_replica;
mod redis_sentinel;
mod redis_ways;
mod reload;
mod runaway;
mod saslauthd;
mod secrets;
mod slow_clients;
mod spent_state;
mod sql_caching_sha2;
mod sql_mariadb;
mod sql_postgres;
mod sql_sqlite;
mod state;
mod tcp_module;
mod tls;
mod tracing;
mod unix_socket;
mod users;
