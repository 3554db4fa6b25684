//! `loligo cache`: has the running server forget a user.
//!
//! Asked over the admin endpoint `cache/flush`, as [`bruteforce`](super::bruteforce) does. Other
//! servers on the same Redis forget what they remember of the user in their own processes when its
//! time is over (`server.local_cache_auth_ttl`).

use super::client;
use crate::config::Config;
use clap::Subcommand;
use serde_json::json;

#[derive(Subcommand)]
pub enum Command {
    /// Remove a user's cached results, account, remembered wrong passwords, and the brute-force
    /// counters of the addresses that failed.
    Flush {
        /// The login name.
        #[arg(value_name = "USER")]
        user: String,
    },
}

/// Asks the server, and prints the result of its answer.
pub fn run(command: &Command, config: &Config) -> Result<(), String> {
    let Command::Flush { user } = command;
    client::print_result(&client::ask(
        config,
        "DELETE",
        "/api/v1/cache/flush",
        Some(&json!({ "user": user })),
    )?)
}
