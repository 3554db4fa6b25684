//! `loligo bruteforce`: who is banned and why, bans by hand, and lifting bans, asked of the running
//! server.
//!
//! The server that the configuration describes is asked over its own admin endpoints, as any other
//! client would, and not over the control socket: so the commands work for state in Redis and in
//! the process alike, from any host that may administer the server, and with the caller
//! authentication and the log lines of those endpoints. Credentials come from the configuration.

use super::configuration::Configuration;
use super::{Failure, Outcome, client, table};
use crate::config::{Config, Word};
use crate::dialect::bans::{REASON_BYTES_MAX, SECONDS_MAX, network};
use clap::{Args, Subcommand};
use ipnet::IpNet;
use serde_json::{Value, json};
use std::net::IpAddr;
use std::time::Duration;

/// List bans and why they exist, ban by hand, and lift bans, at the running server
///
/// The server is found and the caller authentication taken from the configuration.
#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List who is banned: by which rule, since when, until when, after how many failures, and which
    /// users were tried last
    ///
    /// Bans by hand have the rule "manual" and the operator's reason. At most 10,000 bans by rules
    /// are listed. Times are in UTC.
    List {
        /// Only networks that contain this address, or lie in this network; may be repeated.
        #[arg(long = "address", visible_alias = "ip", value_name = "ADDRESS", value_parser = parse_network)]
        addresses: Vec<IpNet>,
        /// Only bans of this user, and networks that tried this user last; may be repeated.
        #[arg(long = "user", value_name = "USER")]
        users: Vec<String>,
        /// Print JSON; times are in seconds since 1970
        #[arg(long)]
        json: bool,
    },
    /// Ban a network or a user by hand
    ///
    /// The ban applies to password logins at all protocols, whether brute_force is enabled or not.
    /// Every server on the same Redis enforces it within 5 seconds. Without Redis it ends with the
    /// process. A new ban replaces an earlier one of the same network or user.
    Block {
        /// An address or a network: 192.0.2.9, 192.0.2.0/24, 2001:db8::/32.
        #[arg(value_name = "NETWORK", value_parser = parse_network, required_unless_present = "user")]
        network: Option<IpNet>,
        /// A user instead of a network: the login name or the account.
        #[arg(long, value_name = "USER", conflicts_with = "network")]
        user: Option<String>,
        /// How long: 30m, 1h, 24h. By default until it is lifted.
        #[arg(long = "for", value_name = "DURATION", value_parser = parse_duration)]
        duration: Option<Duration>,
        /// Why: one line, which is stored, logged and shown in the list.
        #[arg(long, value_name = "TEXT", value_parser = parse_reason)]
        reason: String,
    },
    /// Lift the bans of an address, and reset its counters. Exit status 3: there was nothing to lift
    ///
    /// With an address, bans by rules and by hand of all networks that contain it end. With a
    /// network or --user, the ban by hand of exactly this network or user ends.
    Flush {
        /// An address: 192.0.2.9; or a network that was banned by hand: 192.0.2.0/24.
        #[arg(value_name = "ADDRESS", required_unless_present = "user")]
        address: Option<String>,
        /// The rule: the name of a bucket, or manual. By default all rules.
        #[arg(value_name = "RULE", default_value = "*")]
        rule: String,
        /// A user that was banned by hand.
        #[arg(long, value_name = "USER", conflicts_with_all = ["address", "protocol", "oidc_cid", "later"])]
        user: Option<String>,
        /// Only the counter of this protocol, for buckets that count by protocol.
        #[arg(long, value_name = "PROTOCOL")]
        protocol: Option<String>,
        /// Only the counter of this OIDC client.
        #[arg(long, value_name = "CLIENT")]
        oidc_cid: Option<String>,
        /// Return immediately; the server continues in the background.
        #[arg(long)]
        later: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

impl Arguments {
    pub fn run(&self, configuration: &Configuration) -> Outcome {
        let config = &configuration.load()?;
        match &self.command {
            Command::List { addresses, users, json } => list(config, addresses, users, *json),
            Command::Block { network, user, duration, reason } => {
                let body = json!({
                    "network": network.map(|network| network.to_string()),
                    "user": user,
                    "reason": reason,
                    "duration": duration.map(|time| time.as_secs()),
                });
                let answer = client::ask(config, "POST", BANS, Some(&body))?;
                print!("{}", compose(&[answer.get("result").unwrap_or(&Value::Null)]));
                Ok(())
            }
            Command::Flush { user: Some(user), json, .. } => {
                lift(config, &json!({ "user": user }), user, *json)
            }
            Command::Flush { address, rule, protocol, oidc_cid, later, json, .. } => {
                let address = address.as_deref().unwrap_or_default();
                if let Ok(ip) = address.parse::<IpAddr>() {
                    let about = json!({ "ip_address": ip, "rule_name": rule, "protocol": protocol, "oidc_cid": oidc_cid });
                    return flush(config, &about, address, *later, *json);
                }
                let network = parse_network(address)?;
                if rule != "*" && rule != "manual" {
                    return Err(Failure::Failed(format!(
                        "{network} is a network, which only the rule manual bans; give an address \
                         to lift the ban of the rule {rule}"
                    )));
                }
                lift(config, &json!({ "network": network.to_string() }), address, *json)
            }
        }
    }
}

fn list(config: &Config, addresses: &[IpNet], users: &[String], as_json: bool) -> Outcome {
    let answer = client::ask(config, "GET", BANS, None)?;
    let all = answer.get("result").and_then(Value::as_array).cloned().unwrap_or_default();
    let bans: Vec<&Value> = all.iter().filter(|ban| is_shown(ban, addresses, users)).collect();
    if as_json {
        println!("{}", serde_json::to_string_pretty(&bans).map_err(|error| error.to_string())?);
    } else if bans.is_empty() {
        println!("{}", if all.is_empty() { "no bans" } else { "no bans that match" });
    } else {
        print!("{}", compose(&bans));
    }
    Ok(())
}

/// Whether a ban matches any of the filters, or there are none.
fn is_shown(ban: &Value, addresses: &[IpNet], users: &[String]) -> bool {
    if addresses.is_empty() && users.is_empty() {
        return true;
    }
    let network = ban.get("network").and_then(Value::as_str);
    let network = network.and_then(|text| text.parse::<IpNet>().ok());
    let by_address = network.is_some_and(|network| {
        addresses.iter().any(|wanted| network.contains(wanted) || wanted.contains(&network))
    });
    let tried = ban.get("users").and_then(Value::as_array).into_iter().flatten();
    let mut names = tried.chain(ban.get("user")).filter_map(Value::as_str);
    by_address
        || names.any(|name| users.iter().any(|user| user.to_lowercase() == name.to_lowercase()))
}

fn compose(bans: &[&Value]) -> String {
    let text = |ban: &Value, key: &str| match ban.get(key) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    };
    let time = |ban: &Value, key: &str| {
        let seconds = ban.get(key).and_then(Value::as_i64);
        let time = seconds.and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
        time.map(|time| time.strftime("%Y-%m-%d %H:%M:%S").to_string())
    };
    let rows = bans.iter().map(|ban| {
        let subject = match ban.get("user") {
            Some(_) => format!("user {}", text(ban, "user")),
            None => text(ban, "network"),
        };
        let users = ban.get("users").and_then(Value::as_array).into_iter().flatten();
        let users: Vec<&str> = users.filter_map(Value::as_str).collect();
        let is_manual = text(ban, "rule") == "manual";
        [
            subject,
            text(ban, "rule"),
            time(ban, "since").unwrap_or_else(|| "?".to_owned()),
            time(ban, "until").unwrap_or_else(|| "lifted by hand".to_owned()),
            if is_manual { "-".to_owned() } else { text(ban, "failures") },
            if is_manual { text(ban, "reason") } else { users.join(" ") },
        ]
    });
    table::compose(["BANNED", "RULE", "SINCE", "UNTIL", "FAILURES", "USERS TRIED, OR REASON"], rows)
}

/// Lifts a ban by hand.
fn lift(config: &Config, body: &Value, who: &str, as_json: bool) -> Outcome {
    let answer = client::ask(config, "DELETE", BANS, Some(body))?;
    if as_json {
        client::print_result(&answer)?;
    }
    if answer.pointer("/result/lifted") != Some(&Value::Bool(true)) {
        return Err(Failure::Negative(format!("{who} is not banned by hand; nothing is changed")));
    }
    if !as_json {
        println!("the ban of {who} is lifted");
    }
    Ok(())
}

/// Lifts the bans of an address.
fn flush(config: &Config, body: &Value, address: &str, later: bool, as_json: bool) -> Outcome {
    let path = if later { "/api/v1/bruteforce/flush/async" } else { "/api/v1/bruteforce/flush" };
    let answer = client::ask(config, "DELETE", path, Some(body))?;
    if as_json {
        client::print_result(&answer)?;
    }
    if later {
        if !as_json {
            let job = answer.pointer("/result/jobId").and_then(Value::as_str).unwrap_or_default();
            println!("queued: GET /api/v1/async/jobs/{job} tells when it is done");
        }
        return Ok(());
    }
    let removed = answer.pointer("/result/removed_keys").and_then(Value::as_array);
    match removed.filter(|keys| !keys.is_empty()) {
        None => Err(Failure::Negative(format!(
            "{address} is not banned and has no counted failures; nothing is changed"
        ))),
        Some(_) if as_json => Ok(()),
        Some(keys) => {
            println!(
                "{address}: removed {}",
                keys.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
            );
            Ok(())
        }
    }
}

fn parse_network(text: &str) -> Result<IpNet, String> {
    network(text).ok_or_else(|| format!("{text:?} is no address or network such as 192.0.2.0/24"))
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    let duration = Duration::parse(text).map_err(|wrong| wrong.wrong)?;
    if (1..=SECONDS_MAX).contains(&duration.as_secs()) {
        Ok(duration)
    } else {
        Err("must be at least 1s and at most 100 years".to_owned())
    }
}

fn parse_reason(text: &str) -> Result<String, String> {
    if text.trim().is_empty() || text.len() > REASON_BYTES_MAX || text.contains(char::is_control) {
        return Err(format!("must be one line of at most {REASON_BYTES_MAX} bytes, not empty"));
    }
    Ok(text.to_owned())
}

const BANS: &str = "/api/v1/bruteforce/bans";
