//! One LuaJIT state: base environment, modules, compiled scripts, coroutines. Made once per worker
//! and epoch, never on the request path.
//!
//! Set-up goes through mlua's safe API; afterwards only `ffi` touches the state. Bounds:
//! [`Limits`].

use crate::config::Finding;
use crate::metrics::{CountBy, LabelId, Space, TimeBy};
use crate::script::entry::{Entry, Load};
mod setup;

use crate::script::ffi::{Anchor, HookArm, Memory, Shared, Threads, main_state, new_state};
use crate::script::services::Services;
use crate::script::sources::{Script, ScriptSet};
use crate::script::watchdog::{Registrar, Watch};
use mlua::Lua;
#[cfg(test)]
use mlua::Table;
use setup::Setup;
use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Duration;

/// A state and everything that belongs to it. Fields are dropped in order: the coroutines and the
/// state before what they point to.
pub struct State {
    pub(super) threads: Threads,
    pub(super) drive: Anchor,
    pub(super) entries: Vec<Anchor>,
    /// One per script of the set.
    pub(super) scripts: Vec<Compiled>,
    findings: Vec<Finding>,
    /// What the metrics count each script by.
    labels: Vec<LabelId>,
    envs: Anchor,
    requests: Anchor,
    slots: RefCell<Slots>,
    /// See [`State::take_spent`].
    spent: Cell<bool>,
    pub(super) limits: Limits,
    pub(super) set: Arc<ScriptSet>,
    /// What environments inherit from.
    #[cfg(test)]
    pub(super) base: Table,
    pub(super) lua: Lua,
    memory: Memory,
    pub(super) shared: Box<Shared>,
    registrar: Registrar,
}

/// A script that compiled.
#[derive(Clone, Copy)]
pub(super) struct Compiled {
    /// Makes its top-level chunk.
    pub factory: Anchor,
    pub load: Load,
}

/// What scripts of one state may use.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Of the whole state; 0: none.
    pub memory_bytes: usize,
    /// Uninterrupted computing.
    pub cpu: Duration,
    /// One script run, waiting included.
    pub script: Duration,
    /// The same for a backend, if that is less.
    pub backend: Duration,
}

/// Why a state could not be made.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// Operator's scripts that do not compile, one line each; `path line:…: text`.
    #[error("{0}")]
    Script(String),
    /// The host's own half failed: a mistake of ours, or no memory.
    #[error("cannot set up the Lua state: {0}")]
    Host(String),
}

impl From<mlua::Error> for SetupError {
    /// As text: what mlua keeps inside its errors cannot leave the thread.
    fn from(error: mlua::Error) -> SetupError {
        SetupError::Host(error.to_string())
    }
}

impl State {
    /// Makes the state and compiles the scripts of `set`.
    ///
    /// # Errors
    /// All scripts that do not compile, whatever their stage; or the host's own half cannot be set
    /// up.
    pub fn build(
        set: Arc<ScriptSet>,
        services: Services,
        package_path: &str,
        limits: Limits,
        registrar: Registrar,
    ) -> Result<State, SetupError> {
        let (memory, lua) =
            new_state().ok_or_else(|| SetupError::Host("not enough memory".into()))?;
        let watch = Arc::new(Watch::default());
        let shared = Shared::new(services, watch.clone());
        let threads = Threads::new(main_state(&lua, &shared)?);
        let setup = Setup { lua: &lua, shared: &shared };
        let base = setup.base(package_path)?;
        setup.modules(&base)?;
        setup.globals(&base)?;
        setup.libraries(&base)?;
        setup.own(&base, &memory)?;
        let (drive, envs, requests, logging, projected) = setup.drive(&base)?;
        let (scripts, findings) = setup.scripts(&base, &set, &logging, &projected)?;
        let entries = Entry::ALL
            .iter()
            .map(|entry| Anchor::new(&lua, entry.function()))
            .collect::<Result<_, _>>()?;
        lua.globals()
            .get::<mlua::Function>("collectgarbage")?
            .call::<()>(("setpause", GC_PAUSE_PERCENT))?;
        if limits.memory_bytes > 0 {
            memory.set_limit(limits.memory_bytes);
        }
        registrar.watch(&watch, limits.cpu, Box::new(HookArm::new(&shared)));
        let registry = shared.services.worker.registry();
        let label =
            |script: &Script| registry.label(Space::Script, &[script.stage.name(), &script.name]);
        let labels = set.scripts.iter().map(label).collect();
        let (slots, spent) = (RefCell::default(), Cell::new(false));
        Ok(State {
            threads,
            drive,
            entries,
            scripts,
            findings,
            labels,
            envs,
            requests,
            slots,
            spent,
            limits,
            set,
            #[cfg(test)]
            base: base.table,
            lua,
            memory,
            shared,
            registrar,
        })
    }

    /// Memory that the state holds, in bytes.
    pub fn used_bytes(&self) -> usize {
        self.memory.used()
    }

    /// After an overrun of the memory limit: collects everything that the failed script held, and
    /// notes whether that is enough.
    pub(super) fn recover_memory(&self) {
        // Calling the collector takes a few bytes itself.
        self.memory.set_limit(0);
        // Twice: finalizers of the first cycle free what the second collects. An error means that a
        // finalizer raised.
        let collected = self.lua.gc_collect().and_then(|()| self.lua.gc_collect());
        self.memory.set_limit(self.limits.memory_bytes);
        let recovered = collected.is_ok()
            && (self.limits.memory_bytes == 0 || self.used_bytes() * 2 < self.limits.memory_bytes);
        self.spent.set(!recovered);
    }

    /// Whether the last overrun of the memory limit left more than half of it taken; asking resets
    /// it. Requests would fail again and again, so the worker puts a new state in this one's place.
    pub fn take_spent(&self) -> bool {
        self.spent.get() && self.spent.replace(false)
    }

    /// What the authors of the scripts may have misspelt.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Whether a script is loaded once and not for every call.
    #[cfg(test)]
    pub fn is_loaded_once(&self, script: usize) -> bool {
        matches!(
            self.scripts.get(script),
            Some(Compiled { load: Load::Once | Load::Projected, .. })
        )
    }

    /// Whether a script gets a projected request table.
    #[cfg(test)]
    pub fn is_projected(&self, script: usize) -> bool {
        matches!(self.scripts.get(script), Some(Compiled { load: Load::Projected, .. }))
    }

    /// The services that this state's modules use.
    pub fn services(&self) -> &Services {
        &self.shared.services
    }

    /// Counts a run of a script.
    pub(super) fn note_run(&self, script: usize, elapsed: Duration, failed: bool) {
        let label = self.labels.get(script).copied().unwrap_or_default();
        let metrics = &self.shared.services.worker;
        metrics.observe(TimeBy::Script, label, elapsed);
        if failed {
            metrics.count_by(CountBy::ScriptErrors, label);
        }
    }

    pub(super) fn take_slot(&self) -> u32 {
        let mut slots = self.slots.borrow_mut();
        slots.free.pop().unwrap_or_else(|| {
            slots.made += 1;
            slots.made
        })
    }

    /// Lets go of the environment and request table of `slot`. `used`: a script has run in it.
    pub(super) fn release_slot(&self, slot: u32, used: bool) {
        if used {
            self.threads.clear(self.envs, slot);
            self.threads.clear(self.requests, slot);
            self.shared.services.databases.stage_ended(slot);
            self.shared.release(slot);
        }
        self.slots.borrow_mut().free.push(slot);
    }
}

impl Drop for State {
    fn drop(&mut self) {
        self.registrar.forget(&self.shared.watch);
    }
}

/// Numbers of stages that are under way: indices into the tables of `drive.lua`.
#[derive(Default)]
struct Slots {
    made: u32,
    free: Vec<u32>,
}

/// The collector starts its next cycle when the heap is this many percent of what was left by the
/// last one. A state with all modules holds some 2 MB that are marked in every cycle and never
/// freed: cycles half as often cost half as much, for a few MB.
const GC_PAUSE_PERCENT: u32 = 400;
