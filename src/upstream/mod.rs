//! Upstreams: one sans-I/O state machine per kind of link, and the threads that take work off a
//! loop.
//!
//! No sockets here: the worker owns a [`Stream`](crate::reactor::Stream) beside each link, carries
//! bytes between the two and tells the time. A link turns ops into bytes and bytes into answers,
//! decides when to connect, to give up and to try again. Every op is answered exactly once: with
//! what came, or with a [`Failure`](crate::op::Failure). Clients of other protocols are subtasks
//! over a [`connection`], which may keep their connections in a [`pool`].

#[cfg(test)]
pub mod canned;
pub mod connection;
pub mod dns;
pub mod hash;
pub mod health;
pub mod http;
pub mod ldap;
pub mod monitor;
pub mod pool;
pub mod probe;
pub mod redis;
pub mod semaphore;
pub mod smtp;
pub mod sql;
pub mod threads;

use std::io;

/// `dial tcp 127.0.0.1:6379: connect: connection refused`: what scripts and logs see of a
/// connection that did not come about.
pub fn dial_text(address: &str, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::TimedOut => dial_timeout_text(address),
        _ => format!("dial {} {address}: connect: {}", network(address), error_text(error)),
    }
}

/// As [`dial_text`], for our own time limit.
pub fn dial_timeout_text(address: &str) -> String {
    format!("dial {} {address}: i/o timeout", network(address))
}

/// The system's words for an error, without Rust's "(os error 111)" and in lower case, as scripts
/// know them.
pub fn error_text(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error ").next().unwrap_or_default();
    let mut chars = text.chars();
    chars.next().map(|first| first.to_lowercase().chain(chars).collect()).unwrap_or_default()
}

/// A path is a unix socket, anything else TCP.
fn network(address: &str) -> &'static str {
    if address.starts_with('/') { "unix" } else { "tcp" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_read_as_scripts_know_them() {
        for (address, code, text) in [
            (
                "127.0.0.1:6379",
                libc::ECONNREFUSED,
                "dial tcp 127.0.0.1:6379: connect: connection refused",
            ),
            (
                "10.0.0.1:6379",
                libc::EHOSTUNREACH,
                "dial tcp 10.0.0.1:6379: connect: no route to host",
            ),
            ("10.0.0.1:6379", libc::ETIMEDOUT, "dial tcp 10.0.0.1:6379: i/o timeout"),
            (
                "/run/redis.sock",
                libc::ENOENT,
                "dial unix /run/redis.sock: connect: no such file or directory",
            ),
        ] {
            assert_eq!(dial_text(address, &io::Error::from_raw_os_error(code)), text);
        }
    }
}
