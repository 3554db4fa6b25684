//! The feature `relay_domains`: logins of domains that are not served here end at once.
//!
//! Only names with exactly one `@` are looked at; of a master login (`target*master`) the target's.

use super::{Decision, Trigger, client_address, is_exempt, note};
use crate::auth::request::Field;
use crate::auth::run::Run;
use crate::auth::scripts::ActionKind;
use crate::state::Exemption;

pub(in crate::auth) fn relay_domains<S>(run: &Run<'_, S>) -> Decision {
    let Some(relay_domains) = &run.policy.relay_domains else { return Decision::Pass };
    if is_exempt(run, RELAY_DOMAINS.feature) {
        return Decision::Pass;
    }
    let username = run.login.request.get(Field::Username);
    let user = String::from_utf8_lossy(run.policy.master_target(username).unwrap_or(username));
    let Some(domain) = domain(&user) else { return Decision::Pass };
    if relay_domains.serves(domain) {
        return Decision::Pass;
    }
    let soft_whitelist = &run.policy.brute_force.soft_whitelist;
    if client_address(run).is_some_and(|address| {
        soft_whitelist.exempts(Exemption::RelayDomains, user.as_bytes(), address)
    }) {
        note(run, RELAY_DOMAINS.feature, "Username is whitelisted");
        return Decision::Pass;
    }
    note(run, RELAY_DOMAINS.feature, &format!("{domain} not our domain"));
    Decision::Trigger(RELAY_DOMAINS)
}

/// The part after the only `@`.
fn domain(username: &str) -> Option<&str> {
    username.split_once('@').map(|(_, domain)| domain).filter(|domain| !domain.contains('@'))
}

const RELAY_DOMAINS: Trigger =
    Trigger { feature: "relay_domains", actions: ActionKind::RelayDomains, temporary: None };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_follows_the_only_at_sign() {
        for (username, expected) in [
            ("u@a.test", Some("a.test")),
            ("u@", Some("")),
            ("@a.test", Some("a.test")),
            ("u", None),
            ("u@v@a.test", None),
            ("", None),
        ] {
            assert_eq!(domain(username), expected, "{username}");
        }
    }
}
