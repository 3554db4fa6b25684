//! `loligo bruteforce`: who is blocked, and unblocking, asked of the running server.
//!
//! The server that the configuration describes is asked over its own admin endpoints, as any other
//! client would: so the commands work for state in Redis and in the process alike. Credentials come
//! from the configuration.

use super::configuration::Configuration;
use super::{Outcome, client};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::net::IpAddr;

/// List or remove brute-force blocks of the running server.
#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

impl Arguments {
    /// Asks the server, and prints the result of its answer.
    pub fn run(&self, configuration: &Configuration) -> Outcome {
        let (method, path, body) = request(&self.command);
        let answer = client::ask(&configuration.load()?, method, path, body.as_ref())?;
        Ok(client::print_result(&answer)?)
    }
}

#[derive(Subcommand)]
enum Command {
    /// List blocked networks, and the accounts whose logins caused the blocks.
    List {
        /// Only networks that contain one of these addresses.
        #[arg(long = "ip", value_name = "ADDRESS")]
        addresses: Vec<IpAddr>,
        /// Only these accounts.
        #[arg(long = "account", value_name = "ACCOUNT")]
        accounts: Vec<String>,
    },
    /// Unblock the networks of an address and reset its counters.
    Flush {
        #[arg(value_name = "ADDRESS")]
        address: IpAddr,
        /// The bucket; by default all buckets.
        #[arg(value_name = "RULE", default_value = "*")]
        rule: String,
        /// Only the counter of this protocol, for buckets that count by protocol.
        #[arg(long, value_name = "PROTOCOL")]
        protocol: Option<String>,
        /// Only the counter of this OIDC client.
        #[arg(long, value_name = "CLIENT")]
        oidc_cid: Option<String>,
        /// Return immediately; the server continues in the background.
        #[arg(long)]
        later: bool,
    },
}

fn request(command: &Command) -> (&'static str, &'static str, Option<Value>) {
    match command {
        Command::List { addresses, accounts } if addresses.is_empty() && accounts.is_empty() => {
            ("GET", "/api/v1/bruteforce/list", None)
        }
        Command::List { addresses, accounts } => (
            "POST",
            "/api/v1/bruteforce/list",
            Some(json!({ "ip_addresses": addresses, "accounts": accounts })),
        ),
        Command::Flush { address, rule, protocol, oidc_cid, later } => {
            let path =
                if *later { "/api/v1/bruteforce/flush/async" } else { "/api/v1/bruteforce/flush" };
            let body = json!({ "ip_address": address, "rule_name": rule, "protocol": protocol, "oidc_cid": oidc_cid });
            ("DELETE", path, Some(body))
        }
    }
}
