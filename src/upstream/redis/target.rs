//! Where a Redis is, and how to speak to it.

use crate::reactor::ClientTls;
use crate::upstream::redis::Plan;

/// Where a Redis is and how to talk to it.
#[derive(Clone, Debug)]
pub struct Target {
    pub plan: Plan,
    /// A certificate must be for the host of the server's address.
    pub tls: Option<ClientTls>,
}

impl Target {
    /// Whether it is the same Redis, and whether TLS is spoken to it; certificates may differ.
    pub fn is_same(&self, other: &Target) -> bool {
        self.plan == other.plan && self.tls.is_some() == other.tls.is_some()
    }
}
