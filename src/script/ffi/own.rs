//! What the scripts of one stage own: changes of library tables, packages, a random generator, open
//! files. This file keeps the books; `changes` applies them.

use super::anchor::Anchor;
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashSet;
use std::rc::Weak;

/// One per state.
#[derive(Default)]
pub struct Own {
    pub(super) lua: OnceCell<LuaHalf>,
    /// Stages that have a record.
    pub(super) known: RefCell<HashSet<u32>>,
    /// Those of them that changed something which all requests share.
    pub(super) changed: RefCell<HashSet<u32>>,
    /// Whether the changes of a stage are in place right now.
    pub(super) applied: Cell<bool>,
    /// Changes could not be taken out again: no script may run in this state any more.
    pub(super) broken: Cell<bool>,
    /// Files that scripts opened, by stage.
    files: RefCell<Vec<(u32, Weak<dyn StageFile>)>>,
}

/// An open file of a stage, as far as its end is concerned.
pub trait StageFile {
    fn is_open(&self) -> bool;
    fn close(&self);
}

/// Functions of `lua/host/changes.lua`.
pub(super) struct LuaHalf {
    pub apply: Anchor,
    pub withdraw: Anchor,
    pub records: Anchor,
    /// The state's memory limit in bytes. It is lifted while changes are swapped: applying them
    /// must not fail.
    pub limit: *const Cell<usize>,
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
    /// Sets the Lua functions that apply and withdraw changes, once per state.
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

    /// Notes a file that is to be closed when the stage ends.
    pub fn note_file(&self, stage: u32, file: Weak<dyn StageFile>) {
        self.files.borrow_mut().push((stage, file));
    }

    pub(super) fn close_files(&self, stage: u32) {
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
