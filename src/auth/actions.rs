//! Actions: scripts that do something about what was decided, and decide nothing.
//!
//! All scripts of a type run one after the other in one stage, whatever becomes of each; what they
//! said ends up in one log line.
//! Called by the pipeline only.

use crate::auth::login::{BlockFacts, LogValue};
use crate::auth::report::{Event, Level};
use crate::auth::run::Run;
use crate::auth::scripts::{ActionKind, Scripts, StageKind};

/// Runs the actions of a type, if there are any, and notes errors and the summary in `events`.
pub(super) async fn run<S: Scripts>(run: &Run<'_, S>, kind: ActionKind, events: &mut Vec<Event>) {
    begin(run, kind, None, events).await
}

/// Runs the brute_force actions for a blocked client.
pub(super) async fn run_brute_force<S: Scripts>(
    run: &Run<'_, S>,
    block: BlockFacts,
    events: &mut Vec<Event>,
) {
    begin(run, ActionKind::BruteForce, Some(block), events).await
}

async fn begin<S: Scripts>(
    run: &Run<'_, S>,
    kind: ActionKind,
    block: Option<BlockFacts>,
    events: &mut Vec<Event>,
) {
    let actions = run.policy.actions.of(kind);
    if actions.is_empty() {
        return;
    }
    // What actions log belongs to their own line, not to the login's.
    let login_log = run.login.custom_log.take();
    let mut summary = Event::new(Level::Info, "Lua actions finished");
    let mut stage = run.stage(StageKind::Action);
    if let Some(block) = block {
        run.scripts.tell_block(&mut stage, block);
    }
    for (index, action) in actions.iter().enumerate() {
        let returned = run.scripts.action(&mut stage, kind, index, run.login, run.ops).await;
        summary.fields.extend(
            run.login.custom_log.take().into_iter().map(|(name, value)| (name.into(), value)),
        );
        let result = match returned {
            Ok(Some(0)) => "success",
            Ok(Some(1)) => "fail",
            Ok(Some(_)) => "unknown result",
            // It has no function to call.
            Ok(None) => continue,
            Err(error) => {
                events.push(Event::script_failed(StageKind::Action, &error, run.login));
                "unknown result"
            }
        };
        summary.fields.push((action.path.clone().into(), LogValue::Text(result.into())));
    }
    run.login.custom_log.replace(login_log);
    events.push(summary);
}
