//! What the end-to-end tests stand on: the real server, real clients of it and a real Redis, each
//! started by the test that needs it.
//!
//! Everything lives in a temporary folder and listens on a port that was free, so tests run side by
//! side. Whatever is waited for has a deadline and nothing is waited for by sleeping a fixed time.
//! Processes end with the value that started them; if the test failed, their logs are printed.

pub mod chain;
pub mod dns;
pub mod dovecot;
pub mod haproxy;
pub mod http;
pub mod logins;
pub mod mail;
pub mod mailbox;
pub mod nginx;
pub mod process;
pub mod proxy;
pub mod redis;
pub mod server;
pub mod site;
pub mod slapd;
pub mod smtp_sink;
pub mod sql;
pub mod stub;
pub mod web;

pub use http::{Client, Request};
pub use server::Server;
pub use site::Site;

use std::path::Path;
use std::time::{Duration, Instant};

/// Looks until there is something, and returns it.
///
/// # Panics
/// After [`PATIENCE`], saying what was waited for.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let mut pause = Duration::ZERO;
    until_at_once(what, || {
        std::thread::sleep(std::mem::replace(&mut pause, LOOK_AGAIN));
        look()
    })
}

/// The same without a pause between two looks, for one that waits by itself.
///
/// # Panics
/// As [`until`].
pub fn until_at_once<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} in vain: {what}");
    }
}

/// The root of the project, where configuration and scripts that we ship are.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// How long anything may take before a test gives it up. Far more than anything needs: it is there
/// to end a hanging test, and says nothing about speed.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The pause between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(5);
