//! Features: what may turn a login away before any backend is asked.
//!
//! ```text
//! lua                scripts, one after the other; may also send the login past all features that are left
//! tls_encryption     the client's connection must be encrypted
//! relay_domains      the user's domain must be served here
//! rbl                the client must not be on blocklists
//! ```
//!
//! In this order, whatever the configuration's is; the first that triggers is the last. Each runs
//! only if it is listed, and leaves clients of this host alone. Called by the pipeline only.

mod blocklists;
mod relay_domains;
mod tls_encryption;

pub(super) use blocklists::blocklists;
pub(super) use relay_domains::relay_domains;
pub(super) use tls_encryption::tls_encryption;

use crate::auth::login::LogValue;
use crate::auth::report::Event;
use crate::auth::request::Field;
use crate::auth::run::Run;
use crate::auth::scripts::{ActionKind, FeatureReturn, Scripts, StageKind};
use crate::auth::verdict::TemporaryReason;
use std::net::IpAddr;

/// What features say about a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    Pass,
    /// On to the backends, past all features that are left.
    Abort,
    Trigger(Trigger),
}

/// A feature that turns a login away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Trigger {
    /// As scripts, logs and `brute_force.learning` name it.
    pub feature: &'static str,
    /// These actions run before the answer.
    pub actions: ActionKind,
    /// The answer is this temporary failure, not a failure.
    pub temporary: Option<TemporaryReason>,
}

/// Runs the Lua features that apply to this request.
///
/// # Errors
/// A script failed, or time is over.
pub(super) async fn lua<S: Scripts>(run: &Run<'_, S>) -> Result<Decision, Event> {
    let mode = run.login.request.mode;
    let mut features = run
        .policy
        .features
        .iter()
        .enumerate()
        .filter(|(_, feature)| feature.when.applies_before_backends(mode))
        .peekable();
    if features.peek().is_none() {
        return Ok(Decision::Pass);
    }
    if is_exempt(run, LUA.feature) {
        return Ok(Decision::Pass);
    }
    let mut stage = run.stage(StageKind::Feature);
    for (index, _) in features {
        let returned = run.scripts.feature(&mut stage, index, run.login, run.ops).await;
        match run.outcome(StageKind::Feature, returned)? {
            // Both flags: trigger wins, and the feature keeps its name in log and post action.
            Some(FeatureReturn { trigger: true, .. }) => return Ok(Decision::Trigger(LUA)),
            Some(FeatureReturn { abort: true, .. }) => return Ok(Decision::Abort),
            Some(_) | None => {}
        }
    }
    Ok(Decision::Pass)
}

/// Features leave clients without an address and on this host alone, and say so. Exactly these
/// texts: `127.0.0.2` is not exempt.
fn is_exempt<S>(run: &Run<'_, S>, feature: &str) -> bool {
    let exempt = is_local(run.login.request.get(Field::ClientIp));
    if exempt {
        note(run, &format!("feature_{feature}"), "localhost");
    }
    exempt
}

/// Whether a client is on this host or its address is unknown.
pub(super) fn is_local(client_ip: &[u8]) -> bool {
    matches!(client_ip, b"" | b"127.0.0.1" | b"::1")
}

/// A pair for the login's log line.
fn note<S>(run: &Run<'_, S>, key: &str, text: &str) {
    run.login.custom_log.borrow_mut().push((key.into(), LogValue::Text(text.into())));
}

/// The client's address; an IPv4 address in IPv6 clothes is what it is. None: the text is none.
fn client_address<S>(run: &Run<'_, S>) -> Option<IpAddr> {
    crate::address::client(run.login.request.get(Field::ClientIp))
}

const LUA: Trigger = Trigger { feature: "lua", actions: ActionKind::Lua, temporary: None };
