//! What the scripts of one stage have to themselves: changes of library tables, packages, a random
//! generator, open files.
//!
//! `lua/host/base.lua` keeps the Lua half in a record per stage. All requests of a state share its
//! library tables, so the changes that a stage made to them are put in before one of its coroutines
//! runs and taken out when it pauses: no other request ever runs while they are there. A stage that
//! changes nothing, as nearly all, costs a look at an empty set.

use super::call::Call;
use super::function::Fault;
use super::protected::Anchor;
use super::shared::{Run, Shared};
use crate::script::files::OpenFile;
use mlua::ffi::{self, lua_State};
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashSet;
use std::ffi::c_int;
use std::rc::{Rc, Weak};

/// One per state.
#[derive(Default)]
pub struct Own {
    lua: OnceCell<LuaHalf>,
    /// Stages that have a record.
    known: RefCell<HashSet<u32>>,
    /// Those of them that changed something which all requests share.
    changed: RefCell<HashSet<u32>>,
    /// Whether the changes of a stage are in place right now.
    applied: Cell<bool>,
    /// Changes could not be taken out again: no script may run in this state any more.
    broken: Cell<bool>,
    /// Files that scripts opened, by stage.
    files: RefCell<Vec<(u32, Weak<OpenFile>)>>,
}

/// Functions of `base.lua`.
struct LuaHalf {
    apply: Anchor,
    withdraw: Anchor,
    records: Anchor,
    /// The state's memory limit in bytes, which the swap must not meet.
    limit: *const Cell<usize>,
}

/// Files that the scripts of one stage may have open at once.
///
/// A script reads a list or writes a log: four would do. With the usual limit of 1,024 descriptors,
/// 16 such requests at once leave half.
pub const FILES_PER_STAGE_MAX: usize = 32;

/// Files that all scripts of one state may have open at once: with the usual limit of 1,024
/// descriptors, four workers leave half for connections.
pub const FILES_PER_STATE_MAX: usize = 128;

impl Own {
    /// Tells the functions of `base.lua`, once per state.
    pub fn set_lua_half(
        &self,
        apply: Anchor,
        withdraw: Anchor,
        records: Anchor,
        limit: *const Cell<usize>,
    ) {
        // A second call would come from the set-up of the same state and bring the same.
        let _ = self.lua.set(LuaHalf { apply, withdraw, records, limit });
    }

    /// Notes that a stage has a record.
    pub fn note_record(&self, stage: u32) {
        self.known.borrow_mut().insert(stage);
    }

    /// Notes that a stage, which is running, changed something that has to be taken out when it
    /// pauses.
    pub fn note_change(&self, stage: u32) {
        self.changed.borrow_mut().insert(stage);
        self.applied.set(true);
    }

    /// Whether one more file may be opened. The files of scripts that forgot them may wait for the
    /// collector: try again after it ran.
    pub fn admits_file(&self, stage: u32) -> bool {
        let mut files = self.files.borrow_mut();
        files.retain(|(_, file)| file.upgrade().is_some_and(|file| file.is_open()));
        files.len() < FILES_PER_STATE_MAX
            && files.iter().filter(|(owner, _)| *owner == stage).count() < FILES_PER_STAGE_MAX
    }

    /// Keeps an eye on an open file.
    pub fn note_file(&self, stage: u32, file: &Rc<OpenFile>) {
        self.files.borrow_mut().push((stage, Rc::downgrade(file)));
    }

    fn close_files(&self, stage: u32) {
        self.files.borrow_mut().retain(|(owner, file)| {
            if *owner != stage {
                return true;
            }
            if let Some(file) = file.upgrade() {
                file.close();
            }
            false
        });
    }
}

impl Call<'_> {
    /// The owner of what the running script changes and opens ([`Run::owner`]); 0 while the state
    /// is set up.
    pub fn owner(&self) -> u32 {
        self.shared.run().map_or(0, Run::owner)
    }

    /// Notes that this owner has a record.
    pub fn note_record(&self) {
        self.shared.own.note_record(self.owner());
    }

    /// Notes that this owner changed something that has to be taken out when the script pauses.
    /// What is changed while the state is set up stays.
    pub fn note_change(&self) {
        if let Some(run) = self.shared.run() {
            self.shared.own.note_change(run.owner());
        }
    }

    /// Whether the running script may open one more file. Files that nobody refers to any more are
    /// closed first.
    ///
    /// # Errors
    /// While the state is set up.
    pub fn admits_file(&self) -> Result<bool, Fault> {
        let owner = self.run()?.owner();
        if self.shared.own.admits_file(owner) {
            return Ok(true);
        }
        // SAFETY: collecting may run finalizers, which are ours; inside a protected call, as
        // everything here.
        unsafe { ffi::lua_gc(self.state, ffi::LUA_GCCOLLECT, 0) };
        Ok(self.shared.own.admits_file(owner))
    }

    /// Keeps an eye on a file that the running script opened.
    ///
    /// # Errors
    /// While the state is set up.
    pub fn note_file(&self, file: &Rc<OpenFile>) -> Result<(), Fault> {
        let owner = self.run()?.owner();
        self.shared.own.note_record(owner);
        self.shared.own.note_file(owner, file);
        Ok(())
    }
}

impl Shared {
    /// Puts in what the stage of `run` has changed. False: the state is of no use any more, or out
    /// of memory.
    pub(super) fn apply_changes(&self, run: &Run<'_>) -> bool {
        if self.own.broken.get() {
            return false;
        }
        let stage = run.owner();
        {
            let changed = self.own.changed.borrow();
            if changed.is_empty() || !changed.contains(&stage) {
                return true;
            }
        }
        self.own.applied.set(true);
        self.swap(stage, |lua| lua.apply)
    }

    /// Takes the changes out again.
    pub(super) fn withdraw_changes(&self, run: &Run<'_>) {
        if self.own.applied.replace(false) && !self.swap(run.owner(), |lua| lua.withdraw) {
            self.own.broken.set(true);
        }
    }

    fn swap(&self, stage: u32, function: fn(&LuaHalf) -> Anchor) -> bool {
        let Some(lua) = self.own.lua.get() else { return false };
        // SAFETY: the limit is part of the state's memory, which outlives all runs; the main thread
        // is idle with room on its stack, and what may raise runs protected.
        unsafe {
            let limit = (*lua.limit).replace(0);
            let main: *mut lua_State = self.main.get();
            function(lua).push(main);
            ffi::lua_pushnumber(main, f64::from(stage));
            let status = ffi::lua_pcall(main, 1, 0, 0);
            if status != ffi::LUA_OK {
                ffi::lua_pop(main, 1);
            }
            (*lua.limit).set(limit);
            status == ffi::LUA_OK
        }
    }

    /// Lets go of what the scripts of a stage had to themselves; open files are closed, whatever
    /// the collector does.
    pub fn release(&self, stage: u32) {
        if self.own.known.borrow().is_empty() || !self.own.known.borrow_mut().remove(&stage) {
            return;
        }
        self.own.changed.borrow_mut().remove(&stage);
        self.own.close_files(stage);
        let Some(lua) = self.own.lua.get() else { return };
        let main = self.main.get();
        // SAFETY: the main thread is idle with room on its stack. Assigning nil to a key that
        // exists allocates nothing.
        unsafe {
            lua.records.push(main);
            ffi::lua_rawgeti_(main, -1, c_int::try_from(stage).unwrap_or(c_int::MAX));
            if ffi::lua_type(main, -1) != ffi::LUA_TNIL {
                ffi::lua_pushnil(main);
                ffi::lua_rawseti_(main, -3, c_int::try_from(stage).unwrap_or(c_int::MAX));
            }
            ffi::lua_settop(main, -3);
        }
    }
}
