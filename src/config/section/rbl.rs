//! The section `realtime_blackhole_lists`: DNS blocklists.

use crate::config::address::{Host, Networks, SoftWhitelist};
use crate::config::check::{any, at_most, between};
use crate::config::keys::{Both, Keys, Section};
use crate::config::problem::Wrong;
use crate::config::value::Word;
use std::net::Ipv4Addr;

#[derive(Clone, Debug, Default)]
pub struct RealtimeBlackholeLists {
    /// The feature triggers from this score on, given at least one match. 0: it cannot trigger.
    pub threshold: u8,
    pub lists: Vec<Rbl>,
    /// Clients that are never looked up.
    pub ip_whitelist: Networks,
    pub soft_whitelist: SoftWhitelist,
}

impl Section for RealtimeBlackholeLists {
    fn keys(&mut self, keys: &mut Keys<'_>) {
        keys.checked("threshold", &mut self.threshold, at_most(100));
        keys.require("lists");
        keys.sections("lists", &mut self.lists);
        keys.value("ip_whitelist", &mut self.ip_whitelist);
        keys.value("soft_whitelist", &mut self.soft_whitelist);
    }
}

#[derive(Clone, Debug, Default)]
pub struct Rbl {
    pub name: String,
    /// The zone: A records of `<reversed address>.<rbl>` are asked for.
    pub rbl: Host,
    pub ipv4: bool,
    pub ipv6: bool,
    /// Whether a list that does not answer counts as not listing the client, instead of making the
    /// login a temporary failure.
    pub allow_failure: bool,
    /// Any of these answers counts.
    pub return_codes: Vec<Ipv4Addr>,
    /// Added to the score; negative for lists of good clients.
    pub weight: i32,
}

impl Section for Rbl {
    fn keys(&mut self, keys: &mut Keys<'_>) {
        keys.required("name", &mut self.name, any);
        keys.required("rbl", &mut self.rbl, any);
        keys.value("ipv4", &mut self.ipv4);
        keys.value("ipv6", &mut self.ipv6);
        keys.value("allow_failure", &mut self.allow_failure);
        keys.alias("return_code", "return_codes", Both::Newer);
        keys.required("return_codes", &mut self.return_codes, any);
        keys.checked("weight", &mut self.weight, between(-100, 100));
    }
}

impl Word for Ipv4Addr {
    fn parse(text: &str) -> Result<Ipv4Addr, Wrong> {
        text.parse().map_err(|_| Wrong::new(format!("{text:?} is not an IPv4 address")))
    }

    fn text(&self) -> String {
        self.to_string()
    }
}
