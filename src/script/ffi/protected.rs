//! Set-up and rare work on the main thread, each inside a protected call.

use super::call::Call;
use super::function::{Function, Waiting, finish, plain, start};
use super::memory::Memory;
use super::shared::Shared;
use crate::script::watchdog::Arm;
use mlua::StdLib;
use mlua::ffi::{self, lua_State};
use std::ffi::{c_int, c_void};

/// The watchdog's hand on a state: arms the hook that stops whatever script runs in it.
pub struct HookArm(*mut lua_State);

// SAFETY: the only thing done with the pointer on another thread is lua_sethook, which LuaJIT
// allows while the state runs; `Registrar::forget` keeps the watchdog from using it after the state
// is gone.
unsafe impl Send for HookArm {}

impl HookArm {
    pub fn new(shared: &Shared) -> HookArm {
        HookArm(shared.main.get())
    }
}

impl Arm for HookArm {
    fn arm(&self) {
        unsafe extern "C-unwind" fn stop(state: *mut lua_State, _: *mut ffi::lua_Debug) {
            // SAFETY: a hook may raise; nothing here needs dropping.
            unsafe {
                super::fault::push_position(state);
                ffi::lua_pushstring_(state, c"context deadline exceeded".as_ptr());
                ffi::lua_concat(state, 2);
                ffi::lua_error(state)
            }
        }

        // Sticky: every call, return and instruction from now on raises, until the worker takes the
        // hook off.
        let events = ffi::LUA_MASKCALL | ffi::LUA_MASKRET | ffi::LUA_MASKCOUNT;
        // SAFETY: see the impl of Send.
        unsafe { ffi::lua_sethook(self.0, Some(stop), events, 1) };
    }
}

/// A state with the libraries that `base.lua` picks from. None: out of memory.
pub fn new_state() -> Option<(Memory, mlua::Lua)> {
    // The debug library is for `base.lua` only, which hands scripts a harmless part of it.
    let libraries = StdLib::TABLE
        | StdLib::IO
        | StdLib::OS
        | StdLib::STRING
        | StdLib::MATH
        | StdLib::PACKAGE
        | StdLib::BIT
        | StdLib::DEBUG
        // Without its library LuaJIT's compiler stays off; no script sees the table.
        | StdLib::JIT;
    Memory::new_state(libraries)
}

/// Tells `shared` its main thread and returns it, for [`super::Threads`].
pub fn main_state(lua: &mlua::Lua, shared: &Shared) -> mlua::Result<*mut lua_State> {
    // SAFETY: only takes the pointer; outside of any coroutine it is the main thread's.
    unsafe { lua.exec_raw::<()>((), |state| shared.main.set(state))? };
    Ok(shared.main.get())
}

/// A Lua function for `function`.
pub fn push_plain(
    lua: &mlua::Lua,
    shared: &Shared,
    function: &'static Function,
) -> mlua::Result<mlua::Function> {
    // SAFETY: both upvalues outlive the state: a static, and the box that the state's owner drops
    // after it.
    unsafe {
        lua.exec_raw((), |state| {
            push_closure(state, std::ptr::from_ref(function).cast(), shared, plain)
        })
    }
}

/// The `start` half of a waiting function, or with `None` the shared `finish` half.
pub fn push_waiting(
    lua: &mlua::Lua,
    shared: &Shared,
    waiting: Option<&'static Waiting>,
) -> mlua::Result<mlua::Function> {
    // SAFETY: as push_plain; `finish` does not look at upvalue 1.
    unsafe {
        lua.exec_raw((), |state| match waiting {
            Some(waiting) => push_closure(state, std::ptr::from_ref(waiting).cast(), shared, start),
            None => push_closure(state, std::ptr::null(), shared, finish),
        })
    }
}

impl Call<'_> {
    /// Pushes a host function.
    pub fn push_function(&self, function: &'static Function) {
        // SAFETY: as push_plain.
        unsafe { push_closure(self.state, std::ptr::from_ref(function).cast(), self.shared, plain) }
    }
}

/// # Safety
/// The upvalues must outlive the state; inside a protected call.
unsafe fn push_closure(
    state: *mut lua_State,
    function: *const c_void,
    shared: &Shared,
    entry: ffi::lua_CFunction,
) {
    // SAFETY: by the caller; the binding lives as long as `shared`.
    unsafe {
        ffi::lua_pushlightuserdata(state, shared.bind(function).cast_mut().cast());
        ffi::lua_pushcclosure(state, entry, 1);
    }
}

/// A new coroutine, anchored in the registry; `None` without memory.
///
/// # Safety
/// `main` must be the idle main thread of a living state.
pub(super) unsafe fn new_thread(main: *mut lua_State) -> Option<(*mut lua_State, c_int)> {
    struct Made(*mut lua_State, c_int);

    unsafe extern "C-unwind" fn make(state: *mut lua_State) -> c_int {
        // SAFETY: lua_cpcall passes its pointer argument as the only argument.
        unsafe {
            let made = ffi::lua_touserdata(state, 1).cast::<Made>();
            (*made).0 = ffi::lua_newthread(state);
            (*made).1 = ffi::luaL_ref(state, ffi::LUA_REGISTRYINDEX);
        }
        0
    }

    let mut made = Made(std::ptr::null_mut(), 0);
    // SAFETY: a protected call; on failure its error value is popped.
    unsafe {
        if ffi::lua_cpcall(main, make, (&raw mut made).cast()) != ffi::LUA_OK {
            ffi::lua_pop(main, 1);
            return None;
        }
    }
    Some((made.0, made.1))
}

/// The traceback of a failed coroutine; empty without memory.
///
/// # Safety
/// `main` as for [`new_thread`]; `failed` a coroutine of the same state.
pub(super) unsafe fn traceback(main: *mut lua_State, failed: *mut lua_State) -> String {
    struct Trace(*mut lua_State, String);

    unsafe extern "C-unwind" fn trace(state: *mut lua_State) -> c_int {
        // SAFETY: as `make` in new_thread.
        unsafe {
            let trace = &mut *ffi::lua_touserdata(state, 1).cast::<Trace>();
            ffi::luaL_traceback(state, trace.0, std::ptr::null(), 0);
            let mut len = 0;
            let start = ffi::lua_tolstring(state, -1, &raw mut len);
            if !start.is_null() {
                trace.1 = String::from_utf8_lossy(std::slice::from_raw_parts(start.cast(), len))
                    .into_owned();
            }
        }
        0
    }

    let mut out = Trace(failed, String::new());
    // SAFETY: a protected call.
    unsafe {
        if ffi::lua_cpcall(main, trace, (&raw mut out).cast()) != ffi::LUA_OK {
            ffi::lua_pop(main, 1);
        }
    }
    out.1
}
