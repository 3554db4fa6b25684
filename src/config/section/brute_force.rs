//! The section `brute_force`.

use crate::config::address::{Networks, SoftWhitelist};
use crate::config::check::{
    Checked, YEAR, any, at_least, at_most, between, hours, minutes, positive, seconds,
};
use crate::config::choice::Feature;
use crate::config::keys::{Keys, Section};
use crate::config::problem::Wrong;
use std::time::Duration;

#[derive(Clone, Debug)]
pub struct BruteForce {
    pub buckets: Vec<Bucket>,
    /// Clients that are never counted or blocked.
    pub ip_whitelist: Networks,
    pub soft_whitelist: SoftWhitelist,
    /// Features that raise the counters when they trigger.
    pub learning: Vec<Feature>,
    /// Percentage of positive to negative logins under which a network is exempt; 0: off.
    pub tolerate_percent: u8,
    pub tolerate_ttl: Duration,
    pub custom_tolerations: Vec<Toleration>,
    pub adaptive_toleration: bool,
    pub min_tolerate_percent: u8,
    pub max_tolerate_percent: u8,
    pub scale_factor: f64,
    /// Distinct wrong passwords that count as the same user mistyping.
    pub rwp_allowed_unique_hashes: u32,
    pub rwp_window: Duration,
    pub ip_scoping: IpScoping,
    pub pw_history_for_known_accounts: bool,
}

impl Default for BruteForce {
    fn default() -> BruteForce {
        BruteForce {
            buckets: Vec::new(),
            ip_whitelist: Networks::default(),
            soft_whitelist: SoftWhitelist::default(),
            learning: Vec::new(),
            tolerate_percent: 0,
            tolerate_ttl: Duration::ZERO,
            custom_tolerations: Vec::new(),
            adaptive_toleration: false,
            min_tolerate_percent: 10,
            max_tolerate_percent: 50,
            scale_factor: 1.0,
            rwp_allowed_unique_hashes: 3,
            rwp_window: minutes(15),
            ip_scoping: IpScoping::default(),
            pw_history_for_known_accounts: false,
        }
    }
}

impl Section for BruteForce {
    fn keys(&mut self, keys: &mut Keys<'_>) {
        keys.require("buckets");
        keys.sections("buckets", &mut self.buckets);
        keys.value("ip_whitelist", &mut self.ip_whitelist);
        keys.value("soft_whitelist", &mut self.soft_whitelist);
        keys.value("learning", &mut self.learning);
        keys.checked("tolerate_percent", &mut self.tolerate_percent, at_most(100));
        keys.checked("tolerate_ttl", &mut self.tolerate_ttl, at_most(YEAR));
        keys.sections("custom_tolerations", &mut self.custom_tolerations);
        keys.value("adaptive_toleration", &mut self.adaptive_toleration);
        keys.checked("min_tolerate_percent", &mut self.min_tolerate_percent, at_most(100));
        keys.checked("max_tolerate_percent", &mut self.max_tolerate_percent, at_most(100));
        keys.or_default("scale_factor", &mut self.scale_factor, between(0.1, 10.0));
        keys.or_default(
            "rwp_allowed_unique_hashes",
            &mut self.rwp_allowed_unique_hashes,
            between(1, 100),
        );
        keys.positive_or_default("rwp_window", &mut self.rwp_window, YEAR);
        keys.section("ip_scoping", &mut self.ip_scoping);
        keys.value("pw_history_for_known_accounts", &mut self.pw_history_for_known_accounts);
        keys.left_out("cold_start_grace_enabled", "there is no grace period after a start");
        keys.left_out("cold_start_grace_ttl", "there is no grace period after a start");
        keys.left_out("neural_network", "there is no neural network");
    }
}

/// A counter per network: so many failures in such a time block the network.
#[derive(Clone, Debug)]
pub struct Bucket {
    pub name: String,
    pub period: Duration,
    /// Size of the network, 1 to 32 or 128.
    pub cidr: u8,
    /// Exactly one of the two.
    pub ipv4: bool,
    pub ipv6: bool,
    pub failed_requests: u32,
    /// How long a tripped bucket blocks; 0: until it is flushed.
    pub ban_time: Duration,
    /// Protocols it counts; none: all.
    pub filter_by_protocol: Vec<String>,
    pub filter_by_oidc_cid: Vec<String>,
}

impl Default for Bucket {
    fn default() -> Bucket {
        Bucket {
            name: String::new(),
            period: Duration::ZERO,
            cidr: 0,
            ipv4: false,
            ipv6: false,
            failed_requests: 0,
            ban_time: hours(8),
            filter_by_protocol: Vec::new(),
            filter_by_oidc_cid: Vec::new(),
        }
    }
}

impl Section for Bucket {
    fn keys(&mut self, keys: &mut Keys<'_>) {
        keys.required("name", &mut self.name, not_manual);
        keys.required("period", &mut self.period, between(seconds(1), YEAR));
        keys.required("cidr", &mut self.cidr, between(1, 128));
        keys.value("ipv4", &mut self.ipv4);
        keys.value("ipv6", &mut self.ipv6);
        keys.required("failed_requests", &mut self.failed_requests, at_least(1));
        keys.checked("ban_time", &mut self.ban_time, |time: &Duration| {
            if time.is_zero() { Ok(()) } else { between(seconds(1), YEAR)(time) }
        });
        keys.value("filter_by_protocol", &mut self.filter_by_protocol);
        keys.value("filter_by_oidc_cid", &mut self.filter_by_oidc_cid);
    }

    fn check(&self) -> Vec<(&'static str, Wrong)> {
        let mut wrong = Vec::new();
        if self.ipv4 == self.ipv6 {
            wrong.push(("ipv4", Wrong::new("exactly one of \"ipv4\" and \"ipv6\" must be true")));
        } else if self.ipv4 && self.cidr > 32 {
            wrong.push(("cidr", Wrong::new("must be between 1 and 32 for IPv4")));
        }
        wrong
    }
}

/// Bans by hand have a rule of their own (`loligo bruteforce block`).
fn not_manual(name: &String) -> Checked {
    if name == "manual" {
        Err(Wrong::new("\"manual\" is the rule of bans by operators: choose another name"))
    } else {
        Ok(())
    }
}

/// `brute_force.custom_tolerations[]`: other tolerance for some clients.
#[derive(Clone, Debug)]
pub struct Toleration {
    /// The key `ip_address`: an address or a network.
    pub ip_address: Networks,
    pub tolerate_percent: u8,
    pub tolerate_ttl: Duration,
    pub adaptive_toleration: bool,
    pub min_tolerate_percent: u8,
    pub max_tolerate_percent: u8,
    pub scale_factor: f64,
}

impl Default for Toleration {
    fn default() -> Toleration {
        Toleration {
            ip_address: Networks::default(),
            tolerate_percent: 0,
            tolerate_ttl: Duration::ZERO,
            adaptive_toleration: false,
            min_tolerate_percent: 10,
            max_tolerate_percent: 50,
            scale_factor: 1.0,
        }
    }
}

impl Section for Toleration {
    fn keys(&mut self, keys: &mut Keys<'_>) {
        keys.required("ip_address", &mut self.ip_address, any);
        keys.required("tolerate_percent", &mut self.tolerate_percent, between(1, 100));
        keys.required("tolerate_ttl", &mut self.tolerate_ttl, positive);
        keys.value("adaptive_toleration", &mut self.adaptive_toleration);
        keys.checked("min_tolerate_percent", &mut self.min_tolerate_percent, at_most(100));
        keys.checked("max_tolerate_percent", &mut self.max_tolerate_percent, at_most(100));
        keys.or_default("scale_factor", &mut self.scale_factor, between(0.1, 10.0));
    }
}

/// `brute_force.ip_scoping`: size of the IPv6 network that stands for a client; 0: the address
/// itself.
#[derive(Clone, Debug, Default)]
pub struct IpScoping {
    pub rwp_ipv6_cidr: u8,
    pub tolerations_ipv6_cidr: u8,
}

impl Section for IpScoping {
    fn keys(&mut self, keys: &mut Keys<'_>) {
        keys.checked("rwp_ipv6_cidr", &mut self.rwp_ipv6_cidr, at_most(128));
        keys.checked("tolerations_ipv6_cidr", &mut self.tolerations_ipv6_cidr, at_most(128));
    }
}
