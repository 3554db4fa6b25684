//! The run of one script, from start to result: `impl Scripts` for the pipeline.
//!
//! A run is a coroutine that is resumed until it ends; whatever it waits for goes through
//! [`Ops::ask`]. Ends badly by raising, by its time limits (waiting and computing), or by the
//! memory limit; each is a [`ScriptError`], and the state serves on.

use crate::auth::login::{BlockFacts, Login};
use crate::auth::scripts::{
    ActionKind, BackendCall, BackendReturn, FeatureReturn, FilterReturn, ScriptError, Scripts,
    StageKind,
};
use crate::op::{Answer, Failure, Ops};
use crate::script::entry::{Entry, Load, Returned};
use crate::script::ffi::{Coroutine, Ended, Run};
use crate::script::state::State;
use crate::value::Value;
use std::rc::Rc;
use std::time::Instant;

/// Runs the scripts of one epoch on one worker.
#[derive(Clone)]
pub struct Host {
    state: Rc<State>,
}

/// Environment and request table of one stage of one request; lets go of them when dropped.
pub struct Stage {
    state: Rc<State>,
    slot: u32,
    kind: StageKind,
    used: bool,
    /// Of brute_force actions: the block they run for.
    block: Option<BlockFacts>,
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.state.release_slot(self.slot, self.used);
    }
}

impl Host {
    pub fn new(state: Rc<State>) -> Host {
        Host { state }
    }

    pub fn state(&self) -> &Rc<State> {
        &self.state
    }

    /// Runs the init scripts one after another. Their errors are returned for the log and stop
    /// nothing.
    pub async fn init(&self, login: &Login, ops: &Ops) -> Vec<ScriptError> {
        let mut errors = Vec::new();
        for script in self.state.set.init.clone() {
            let mut stage = self.stage(StageKind::Init, login);
            match self.run(&mut stage, script, Entry::Hook, login, ops).await {
                Ok(Returned::Missing) => errors.push(self.no_function(script, Entry::Hook)),
                Ok(_) => {}
                Err(error) => errors.push(error),
            }
        }
        errors
    }

    /// Runs one script to its end.
    async fn run(
        &self,
        stage: &mut Stage,
        script: usize,
        entry: Entry,
        login: &Login,
        ops: &Ops,
    ) -> Result<Returned, ScriptError> {
        let state = &*self.state;
        let Some((about, compiled)) = state.set.scripts.get(script).zip(state.scripts.get(script))
        else {
            return Err(self.error(script, "no such script".into()));
        };
        let compiled = *compiled;
        let began = Instant::now();
        let limit = if stage.kind == StageKind::Backend {
            state.limits.backend.min(state.limits.script)
        } else {
            state.limits.script
        };
        let until = ops.now() + limit;
        stage.used = true;
        let mut run =
            Run::new(login, stage.kind, stage.slot, script as u32, entry, about.reuse, ops.now());
        run.block = stage.block.as_ref();
        let Some(coroutine) = state.threads.take() else {
            state.recover_memory();
            return Err(self.error(script, "not enough memory".into()));
        };
        // If the request goes away while the script waits, the coroutine goes with it.
        let mut held = Held { state, coroutine: Some(coroutine) };
        #[expect(clippy::indexing_slicing, reason = "one per entry of Entry::ALL")]
        let name = state.entries[entry.index()];
        // A backend has other entry functions besides.
        let load = if compiled.load == Load::Projected && Entry::main(stage.kind) != Some(entry) {
            Load::Once
        } else {
            compiled.load
        };
        let mut ended =
            held.coroutine()?.start(&state.shared, &run, state.drive, compiled.factory, name, load);
        let outcome = loop {
            match ended {
                Ended::Finished => {
                    held.recycle();
                    break Ok(run.take_returned().unwrap_or(Returned::Missing));
                }
                Ended::Failed(message) => break Err(self.error(script, message)),
                Ended::OutOfMemory(message) => {
                    drop(held);
                    state.recover_memory();
                    break Err(self.error(script, message));
                }
                Ended::Waiting => {
                    let Some(wait) = run.take_wait() else {
                        break Err(self.error(script, "waits for nothing".into()));
                    };
                    let left = until.saturating_duration_since(ops.now());
                    let answer = ops.ask(wait.op, wait.limit.min(left)).await;
                    if matches!(answer, Answer::Failed(Failure::Deadline)) || ops.now() >= until {
                        break Err(self.late(script));
                    }
                    run.now.set(ops.now());
                    run.put_answer(answer, wait.finish);
                    ended = held.coroutine()?.resume(&state.shared, &run);
                }
            }
        };
        state.note_run(script, began.elapsed(), outcome.is_err());
        if run.slow.get() {
            state.shared.services.warn(format!(
                "script {} computed for more than 100 ms without waiting",
                about.path
            ));
        }
        outcome
    }

    fn error(&self, script: usize, message: String) -> ScriptError {
        let script = self.state.set.scripts.get(script).map(|s| s.path.clone()).unwrap_or_default();
        ScriptError { script, message }
    }

    fn late(&self, script: usize) -> ScriptError {
        let mut error = self.error(script, String::new());
        error.message = format!("{}: {}", error.script, Failure::Deadline);
        error
    }

    fn no_function(&self, script: usize, entry: Entry) -> ScriptError {
        let mut error = self.error(script, String::new());
        error.message = format!(
            "entry function '{}' is not defined as a function in the loaded script ({}): attempt to call a non-function object",
            entry.function(),
            error.script
        );
        error
    }

    fn script_of(list: &[usize], index: usize) -> usize {
        list.get(index).copied().unwrap_or(usize::MAX)
    }
}

/// A coroutine while it may have to be given up.
struct Held<'a> {
    state: &'a State,
    coroutine: Option<Coroutine>,
}

impl Held<'_> {
    fn coroutine(&self) -> Result<&Coroutine, ScriptError> {
        self.coroutine.as_ref().ok_or_else(|| ScriptError {
            script: String::new(),
            message: "the script has ended already".into(),
        })
    }

    fn recycle(&mut self) {
        if let Some(coroutine) = self.coroutine.take() {
            self.state.threads.recycle(coroutine);
        }
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if let Some(coroutine) = self.coroutine.take() {
            self.state.threads.discard(coroutine);
        }
    }
}

impl Scripts for Host {
    type Stage = Stage;

    fn stage(&self, kind: StageKind, _: &Login) -> Stage {
        Stage {
            state: self.state.clone(),
            slot: self.state.take_slot(),
            kind,
            used: false,
            block: None,
        }
    }

    fn tell_block(&self, stage: &mut Stage, block: BlockFacts) {
        stage.block = Some(block);
    }

    async fn feature(
        &self,
        stage: &mut Stage,
        index: usize,
        login: &Login,
        ops: &Ops,
    ) -> Result<Option<FeatureReturn>, ScriptError> {
        let script = Host::script_of(&self.state.set.features, index);
        match self.run(stage, script, Entry::Feature, login, ops).await? {
            Returned::Feature(returned) => Ok(Some(returned)),
            _ => Ok(None),
        }
    }

    async fn filter(
        &self,
        stage: &mut Stage,
        index: usize,
        login: &Login,
        ops: &Ops,
    ) -> Result<Option<FilterReturn>, ScriptError> {
        let script = Host::script_of(&self.state.set.filters, index);
        match self.run(stage, script, Entry::Filter, login, ops).await? {
            Returned::Filter(returned) => Ok(Some(returned)),
            _ => Ok(None),
        }
    }

    async fn action(
        &self,
        stage: &mut Stage,
        kind: ActionKind,
        index: usize,
        login: &Login,
        ops: &Ops,
    ) -> Result<Option<i64>, ScriptError> {
        let script = Host::script_of(
            self.state.set.actions.get(kind as usize).map_or(&[], Vec::as_slice),
            index,
        );
        match self.run(stage, script, Entry::Action, login, ops).await? {
            Returned::Code(code) => Ok(Some(code)),
            _ => Ok(None),
        }
    }

    async fn verify_password(
        &self,
        stage: &mut Stage,
        backend: usize,
        login: &Login,
        ops: &Ops,
    ) -> Result<BackendReturn, ScriptError> {
        let script = Host::script_of(&self.state.set.backends, backend);
        match self.run(stage, script, Entry::VerifyPassword, login, ops).await? {
            Returned::Backend(returned) => Ok(returned),
            _ => Err(self.no_function(script, Entry::VerifyPassword)),
        }
    }

    async fn list_accounts(
        &self,
        stage: &mut Stage,
        backend: usize,
        login: &Login,
        ops: &Ops,
    ) -> Result<(i64, Vec<Vec<u8>>), ScriptError> {
        let script = Host::script_of(&self.state.set.backends, backend);
        match self.run(stage, script, Entry::ListAccounts, login, ops).await? {
            Returned::List(code, accounts) => Ok((code, accounts)),
            _ => Err(self.no_function(script, Entry::ListAccounts)),
        }
    }

    async fn backend_call(
        &self,
        stage: &mut Stage,
        backend: usize,
        call: BackendCall,
        login: &Login,
        ops: &Ops,
    ) -> Result<(i64, Vec<Vec<u8>>), ScriptError> {
        let script = Host::script_of(&self.state.set.backends, backend);
        match self.run(stage, script, Entry::Backend(call), login, ops).await? {
            Returned::List(code, list) => Ok((code, list)),
            // The reference takes this for success; but a second factor that was not stored must
            // not look stored.
            _ => Err(self.no_function(script, Entry::Backend(call))),
        }
    }

    async fn hook(
        &self,
        stage: &mut Stage,
        index: usize,
        login: &Login,
        ops: &Ops,
    ) -> Result<Value, ScriptError> {
        let script = Host::script_of(&self.state.set.hooks, index);
        match self.run(stage, script, Entry::Hook, login, ops).await? {
            Returned::Hook(value) => Ok(value),
            _ => Err(self.no_function(script, Entry::Hook)),
        }
    }
}
