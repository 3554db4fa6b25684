//! Bans by hand: an operator has banned this client, or this user.
//!
//! They apply whether brute force is configured or not, to all protocols and to clients that are
//! exempt from counting; only clients on this host, which stand for unknown ones, are in no banned
//! network. The names of a user are the login name and, once it is known, the account. Called by
//! the pipeline, for passwords only.

use super::{Block, FEATURE, rules};
use crate::auth::features::is_local;
use crate::auth::login::BlockFacts;
use crate::auth::report::{BruteForceUse, Event, Level, Report};
use crate::auth::request::{Field, Mode};
use crate::auth::run::Run;
use crate::state::{MANUAL, Subject};

/// The ban of the client, or of a user who is known by the login name or this account.
pub(in crate::auth) fn ban<S>(
    run: &Run<'_, S>,
    account: Option<&[u8]>,
    report: &mut Report,
) -> Option<Block> {
    let bans = run.stores.state.manual_bans();
    let request = &run.login.request;
    if bans.is_empty() || request.mode != Mode::Auth {
        return None;
    }
    let client_ip = request.get(Field::ClientIp);
    let address = Some(client_ip).filter(|ip| !is_local(ip)).and_then(rules::address);
    let username = request.get(Field::Username);
    let (subject, reason) =
        bans.find(address, &[username, account.unwrap_or(username)], run.ops.now())?;
    let (network, user) = match subject {
        Subject::Network(network) => (network.to_string(), String::new()),
        Subject::User(name) => (String::new(), name),
    };
    report.brute_force =
        Some(BruteForceUse { bucket: run.policy.brute_force.manual_label, exempted: false });
    let rule = String::from_utf8_lossy(MANUAL).into_owned();
    let event = Event::new(Level::Info, "Brute force")
        .with(FEATURE, "Banned by an operator")
        .with("username", username)
        .with("client_ip", client_ip)
        .with("rule", rule.as_str());
    let event = if user.is_empty() {
        event.with("rule_network", network.as_str())
    } else {
        event.with("rule_user", user)
    };
    report.events.push(event.with("ban_reason", reason));
    let facts = BlockFacts { client_net: network, repeating: true, counter: 0 };
    Some(Block { bucket: rule, facts })
}
