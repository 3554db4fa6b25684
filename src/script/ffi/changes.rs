//! Applies and withdraws what a stage changed in tables that all requests of the state share.
//!
//! `lua/host/changes.lua` keeps the changes in a record per stage. They are applied before one of
//! the stage's coroutines runs and withdrawn when it pauses, so no other request ever runs while
//! they are in place. A stage without changes, which is nearly every stage, costs a look at an empty
//! set.

use super::anchor::Anchor;
use super::call::Call;
use super::fault::Fault;
use super::own::{LuaHalf, StageFile};
use super::shared::{Run, Shared};
use mlua::ffi::{self, lua_State};
use std::ffi::c_int;
use std::rc::{Rc, Weak};

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

    /// Whether the running script may open one more file. Files that are garbage are closed first.
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

    /// Notes a file that the running script opened: it is closed when the stage ends.
    ///
    /// # Errors
    /// While the state is set up.
    pub fn note_file(&self, file: &Rc<impl StageFile + 'static>) -> Result<(), Fault> {
        let owner = self.run()?.owner();
        self.shared.own.note_record(owner);
        let file: Weak<dyn StageFile> = Rc::downgrade(file) as _;
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
