//! Bans by hand: what operators decided at other processes on the same Redis holds here, too.

use crate::log::Level;
use crate::op::{Op, Ops};
use crate::state::{Error, Store};
use crate::worker::reporting::Notices;
use std::time::Duration;

/// Reads them again and again. While Redis is away, those that are known stay in force.
pub(super) async fn renew(store: Store, notices: Notices, ops: Ops) {
    if !store.outlives_the_process() {
        return;
    }
    let mut fails = false;
    loop {
        let outcome = store.renew_manual_bans(&ops).await;
        // A Redis that is away has a line of its own.
        let is_away = matches!(outcome, Err(Error::Failed(_)));
        if let (Err(error), false, false) = (&outcome, fails, is_away) {
            let error = [("error", error.to_string())];
            notices.add(Level::Warn, "Bans by hand cannot be read", error);
        }
        fails = outcome.is_err() && !is_away;
        ops.ask(Op::Sleep(RENEW_EVERY), Duration::MAX).await;
    }
}

/// How late a ban by hand comes into force at another process.
const RENEW_EVERY: Duration = Duration::from_secs(5);
