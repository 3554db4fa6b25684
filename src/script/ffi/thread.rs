//! Coroutines of one state: taken from a pool, resumed for a run, recycled when they finished,
//! dropped when they failed.
//!
//! LuaJIT cannot reset a coroutine that raised, but one that returned can be started again:
//! recycling it costs 30 ns where a new one costs 140 ns and makes work for the collector.

use super::anchor::Anchor;
use super::protected::{new_thread, traceback};
use super::shared::{Run, Shared};
use crate::script::entry::Load;
use mlua::ffi::{self, lua_State};
use std::cell::RefCell;
use std::ffi::c_int;

/// The coroutines of one state.
pub struct Threads {
    main: *mut lua_State,
    idle: RefCell<Vec<Coroutine>>,
}

/// One coroutine, held by the registry until it is handed back to [`Threads`].
pub struct Coroutine {
    state: *mut lua_State,
    reference: c_int,
}

/// How a resume ended.
pub enum Ended {
    /// The script returned.
    Finished,
    /// It waits: [`Run::take_wait`] says for what.
    Waiting,
    /// It raised or was stopped: message and traceback. The coroutine is of no further use.
    Failed(String),
    /// As `Failed`, for lack of memory.
    OutOfMemory(String),
}

impl Threads {
    /// For the state whose main thread is `main` ([`super::main_state`]); must be dropped before
    /// it.
    pub fn new(main: *mut lua_State) -> Threads {
        Threads { main, idle: RefCell::default() }
    }

    /// A coroutine ready to start; `None` if the state has no memory left for one.
    pub fn take(&self) -> Option<Coroutine> {
        if let Some(coroutine) = self.idle.borrow_mut().pop() {
            return Some(coroutine);
        }
        // SAFETY: `main` is the living main thread.
        let (state, reference) = unsafe { new_thread(self.main) }?;
        Some(Coroutine { state, reference })
    }

    /// Takes back a coroutine whose last resume was [`Ended::Finished`].
    pub fn recycle(&self, coroutine: Coroutine) {
        let mut idle = self.idle.borrow_mut();
        if idle.len() < IDLE_MAX {
            idle.push(coroutine);
        } else {
            drop(idle);
            self.discard(coroutine);
        }
    }

    /// Lets go of a coroutine that failed or will not be resumed again; the collector takes it with
    /// all it held.
    pub fn discard(&self, coroutine: Coroutine) {
        // SAFETY: the reference came from luaL_ref and is given back once.
        unsafe { ffi::luaL_unref(self.main, ffi::LUA_REGISTRYINDEX, coroutine.reference) };
    }

    /// Takes what `slot` holds, if anything, out of a table of `drive.lua`.
    pub fn clear(&self, table: Anchor, slot: u32) {
        let slot = c_int::try_from(slot).unwrap_or(c_int::MAX);
        // SAFETY: the main thread is idle with room on its stack. Reading allocates nothing, nor
        // does assigning nil to a key that exists.
        unsafe {
            table.push(self.main);
            ffi::lua_rawgeti_(self.main, -1, slot);
            if ffi::lua_type(self.main, -1) != ffi::LUA_TNIL {
                ffi::lua_pushnil(self.main);
                ffi::lua_rawseti_(self.main, -3, slot);
            }
            ffi::lua_settop(self.main, -3);
        }
    }
}

impl Coroutine {
    /// Starts `driver(slot, script, name, load)` (`lua/host/drive.lua`).
    pub fn start(
        &self,
        shared: &Shared,
        run: &Run<'_>,
        driver: Anchor,
        script: Anchor,
        name: Anchor,
        load: Load,
    ) -> Ended {
        // SAFETY: the coroutine is fresh or finished, with an empty stack of at least 20 slots;
        // nothing here allocates.
        unsafe {
            driver.push(self.state);
            ffi::lua_pushnumber(self.state, f64::from(run.slot));
            script.push(self.state);
            name.push(self.state);
            ffi::lua_pushnumber(self.state, f64::from(load as u8));
        }
        self.go(shared, run, 4)
    }

    /// Goes on after a wait; the answer lies in `run`.
    pub fn resume(&self, shared: &Shared, run: &Run<'_>) -> Ended {
        self.go(shared, run, 0)
    }

    fn go(&self, shared: &Shared, run: &Run<'_>, args: c_int) -> Ended {
        if !shared.apply_changes(run) {
            shared.withdraw_changes(run);
            return Ended::OutOfMemory("not enough memory".into());
        }
        let (status, left) = {
            let _entered = shared.enter(run);
            shared.watch.enter();
            // SAFETY: function and arguments are on the coroutine's stack; lua_resume is itself a
            // protected call.
            let status = unsafe { ffi::lua_resume_(self.state, args) };
            let left = shared.watch.leave();
            if left.overran {
                // SAFETY: the watchdog armed the hook and is done with it; disarming is allowed at
                // any time.
                unsafe { ffi::lua_sethook(shared.main.get(), None, 0, 0) };
            }
            (status, left)
        };
        if left.was_slow {
            run.slow.set(true);
        }
        shared.withdraw_changes(run);
        match status {
            ffi::LUA_OK => {
                // SAFETY: drops the results, which `collect` has read already.
                unsafe { ffi::lua_settop(self.state, 0) };
                Ended::Finished
            }
            ffi::LUA_YIELD => {
                // SAFETY: drops the yielded marker; the coroutine is resumed without arguments.
                unsafe { ffi::lua_settop(self.state, 0) };
                if run.wait.borrow().is_some() {
                    Ended::Waiting
                } else {
                    Ended::Failed("attempt to yield from outside a coroutine".into())
                }
            }
            error => self.failed(shared, error),
        }
    }

    fn failed(&self, shared: &Shared, status: c_int) -> Ended {
        // SAFETY: a failed coroutine has the error value on top of its stack; the main thread is
        // idle.
        let (message, trace) =
            unsafe { (error_text(self.state), traceback(shared.main.get(), self.state)) };
        let text = format!("{message}\n{trace}");
        if status == ffi::LUA_ERRMEM { Ended::OutOfMemory(text) } else { Ended::Failed(text) }
    }
}

/// The error value on top of a failed coroutine's stack, as text.
///
/// # Safety
/// `state` must be a coroutine that has just failed.
unsafe fn error_text(state: *mut lua_State) -> String {
    // SAFETY: reads the top value without converting it.
    unsafe {
        match ffi::lua_type(state, -1) {
            ffi::LUA_TSTRING => {
                let mut len = 0;
                let start = ffi::lua_tolstring(state, -1, &raw mut len);
                String::from_utf8_lossy(std::slice::from_raw_parts(start.cast(), len)).into_owned()
            }
            ffi::LUA_TNUMBER => crate::value::number_text(ffi::lua_tonumber(state, -1)),
            ffi::LUA_TBOOLEAN => (ffi::lua_toboolean(state, -1) != 0).to_string(),
            ffi::LUA_TNIL | ffi::LUA_TNONE => "nil".into(),
            ffi::LUA_TTABLE => format!("table: {:p}", ffi::lua_topointer(state, -1)),
            _ => format!("object: {:p}", ffi::lua_topointer(state, -1)),
        }
    }
}

/// Coroutines kept for reuse: as many as scripts usually wait at once on one core. Each costs about
/// 1 KiB.
const IDLE_MAX: usize = 1024;
