//! `relay_domains`: domains that are served here.

use crate::config::address::{Host, SoftWhitelist};
use crate::config::check::any;
use crate::config::keys::{Keys, Section};

#[derive(Clone, Debug, Default)]
pub struct RelayDomains {
    /// Compared without case and final dot with the part after the only `@` of the login name.
    pub r#static: Vec<Host>,
    pub soft_whitelist: SoftWhitelist,
}

impl Section for RelayDomains {
    fn keys(&mut self, keys: &mut Keys<'_>) {
        keys.required("static", &mut self.r#static, any);
        keys.value("soft_whitelist", &mut self.soft_whitelist);
    }
}
