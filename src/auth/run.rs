//! What each stage of the pipeline works with: the login, the scripts, the policy, the stores and
//! the door to whatever waits.
//!
//! Made by the pipeline's entry functions; stages take it by reference and keep nothing of it.

use crate::auth::cache::ResultCache;
use crate::auth::login::Login;
use crate::auth::policy::Policy;
use crate::auth::report::{Event, Level};
use crate::auth::scripts::{ScriptError, Scripts, StageKind};
use crate::op::Ops;
use crate::state::Store;

/// What logins leave behind for later ones.
#[derive(Clone, Copy)]
pub struct Stores<'a> {
    /// The in-process result cache.
    pub results: &'a ResultCache,
    /// The domain's state, in Redis or in this process.
    pub state: &'a Store,
}

/// What each stage works with.
pub(super) struct Run<'a, S> {
    pub login: &'a Login,
    pub scripts: &'a S,
    pub policy: &'a Policy,
    pub stores: Stores<'a>,
    pub ops: &'a Ops,
}

impl<S: Scripts> Run<'_, S> {
    /// Begins a stage of scripts. What they see is in [`Login::facts`] by now, but for the status
    /// message, which scripts set.
    pub fn stage(&self, kind: StageKind) -> S::Stage {
        self.login
            .facts
            .borrow_mut()
            .status_message
            .clone_from(&self.login.status_message.borrow());
        self.scripts.stage(kind, self.login)
    }

    /// What a script returned, if it did so in time: one that caught the error of an op past the
    /// deadline knows nothing.
    pub fn outcome<T>(
        &self,
        stage: StageKind,
        returned: Result<T, ScriptError>,
    ) -> Result<T, Event> {
        match returned {
            Err(error) => Err(Event::script_failed(stage, &error, self.login)),
            Ok(_) if self.ops.is_late() => {
                Err(Event::new(Level::Error, "Request deadline exceeded")
                    .with("stage", stage.name()))
            }
            Ok(value) => Ok(value),
        }
    }
}
