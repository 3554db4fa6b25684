//! Lua features: scripts that may turn a login away before any backend is asked.
//!
//! They run one after the other; the first that triggers or aborts is the last. Clients of this host are exempt. Called by the
//! pipeline only. Rules: specification `pipeline.md` 5.1, 5.2.

use crate::auth::login::LogValue;
use crate::auth::pipeline::Run;
use crate::auth::report::Event;
use crate::auth::request::Field;
use crate::auth::scripts::{ActionKind, FeatureReturn, Scripts, StageKind};

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
    /// As scripts and logs name it.
    pub feature: &'static str,
    /// These actions run before the answer.
    pub actions: ActionKind,
}

/// Runs the Lua features that are meant for this request.
///
/// # Errors
/// A script failed, or time is over.
pub(super) async fn lua<S: Scripts>(run: &Run<'_, S>) -> Result<Decision, Event> {
    let mode = run.login.request.mode;
    let mut meant = run.policy.features.iter().enumerate().filter(|(_, feature)| feature.when.holds_before_backends(mode)).peekable();
    if meant.peek().is_none() {
        return Ok(Decision::Pass);
    }
    if is_exempt(run.login.request.get(Field::ClientIp)) {
        run.login.custom_log.borrow_mut().push(("feature_lua".into(), LogValue::Text(b"localhost".to_vec())));
        return Ok(Decision::Pass);
    }
    let mut stage = run.stage(StageKind::Feature);
    for (index, _) in meant {
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

/// Features leave clients without an address and on this host alone. Exactly these texts: `127.0.0.2` is not exempt.
pub(super) fn is_exempt(client_ip: &[u8]) -> bool {
    matches!(client_ip, b"" | b"127.0.0.1" | b"::1")
}

const LUA: Trigger = Trigger { feature: "lua", actions: ActionKind::Lua };
