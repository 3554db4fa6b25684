//! End-to-end tests: the built program, asked over sockets. One file per behaviour, named for it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "what cannot go on ends the test, in helpers too")]

#[path = "../support/mod.rs"]
mod support;

mod body;
mod cert_util;
mod dovecot_passdb;
mod drain;
mod hash_thread;
mod http10;
mod isolation;
mod keepalive;
mod layers;
mod limits;
mod nginx_imap;
mod nginx_pop3;
mod nginx_smtp;
mod password_bytes;
mod post_actions;
mod quickstart;
mod redis_gone;
mod reload;
mod runaway;
mod saslauthd;
mod secrets;
mod slow_clients;
mod state;
mod tracing;
mod unix_socket;
