//! `loligo cache`: has the running server forget a user.
//!
//! Asked over the admin endpoint `cache/flush`, as [`bruteforce`](super::bruteforce) does. Other
//! servers on the same Redis forget what they remember of the user in their own processes when its
//! time is over (`server.local_cache_auth_ttl`).

use super::configuration::Configuration;
use super::{Outcome, client};
use clap::{Args, Subcommand};
use serde_json::json;

/// Remove a user's cached data from the running server
#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

impl Arguments {
    /// Asks the server, and prints the result of its answer.
    pub fn run(&self, configuration: &Configuration) -> Outcome {
        let Command::Flush { user } = &self.command;
        let body = json!({ "user": user });
        let answer =
            client::ask(&configuration.load()?, "DELETE", "/api/v1/cache/flush", Some(&body))?;
        Ok(client::print_result(&answer)?)
    }
}

#[derive(Subcommand)]
enum Command {
    /// Remove a user's cached results, account, remembered wrong passwords, and the brute-force
    /// counters of the addresses that failed.
    Flush {
        /// The login name.
        #[arg(value_name = "USER")]
        user: String,
    },
}
