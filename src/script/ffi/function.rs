//! Host functions: safe Rust functions over [`Call`], and the trampolines that let Lua call them.
//!
//! A plain function returns how many values it pushed. A waiting function is split in two: `start`
//! notes an [`Op`] and the script's coroutine yields; when the answer is in, its [`Finish`] runs
//! inside the coroutine and pushes the results. The Lua half of that (`lua/host/wait.lua`) is
//! `function(...) return hand(start(...)) end`.

use super::call::Call;
use super::fault::{Fault, raise};
use super::shared::{Binding, Wait};
use crate::op::{Answer, Op};
use mlua::ffi::{self, lua_State};
use std::ffi::c_int;
use std::time::Duration;

/// A host function that returns at once.
pub struct Function {
    pub name: &'static str,
    pub body: fn(&Call<'_>) -> Result<c_int, Fault>,
}

/// A host function that may wait.
pub struct Waiting {
    pub name: &'static str,
    pub start: fn(&Call<'_>) -> Result<Start, Fault>,
}

/// What `start` came to.
pub enum Start {
    /// No need to wait: so many results are pushed already.
    Done(c_int),
    /// Yield until the op is answered, at most `limit`.
    Wait { op: Op, limit: Duration, finish: Finish },
}

/// The second half of a waiting function.
pub enum Finish {
    /// A function and a number of its own choice to remember: no allocation.
    Plain(fn(&Call<'_>, Answer, u64) -> Result<c_int, Fault>, u64),
    /// A closure; it may wait again.
    Boxed(Box<Continuation>),
}

/// What goes on with an answer.
pub type Continuation = dyn FnOnce(&Call<'_>, Answer) -> Result<Start, Fault>;

/// Entry of a [`Function`].
///
/// # Safety
/// Only as a C function of a state whose closures were made by [`push_closure`].
pub(super) unsafe extern "C-unwind" fn plain(state: *mut lua_State) -> c_int {
    // SAFETY: the upvalue is what `push_closure` put there; it and what it points to outlive the
    // state.
    let (function, call) = unsafe {
        let binding = binding(state);
        (&*binding.function.cast::<Function>(), Call::new(state, &*binding.shared))
    };
    match (function.body)(&call) {
        Ok(count) => {
            call.expect_height(count);
            count
        }
        // SAFETY: raising is all that is left; no local needs dropping.
        Err(fault) => unsafe { raise(state, function.name, fault) },
    }
}

/// Entry of a [`Waiting`]'s start: pushes `true`, or `false` and the results.
///
/// # Safety
/// As for [`plain`].
pub(super) unsafe extern "C-unwind" fn start(state: *mut lua_State) -> c_int {
    // SAFETY: as in `plain`.
    let (function, call) = unsafe {
        let binding = binding(state);
        (&*binding.function.cast::<Waiting>(), Call::new(state, &*binding.shared))
    };
    match (function.start)(&call).and_then(|start| begin(&call, start)) {
        Ok(count) => count,
        // SAFETY: we are a C function of `state`, and no local needs dropping when `raise` leaves.
        Err(fault) => unsafe { raise(state, function.name, fault) },
    }
}

/// Entry of the one `finish` that all waiting functions share; its results are those of `start`.
///
/// # Safety
/// As for [`plain`].
pub(super) unsafe extern "C-unwind" fn finish(state: *mut lua_State) -> c_int {
    // SAFETY: as in `plain`.
    let call = unsafe { Call::new(state, &*binding(state).shared) };
    let outcome = match call.run().and_then(|run| run.answer.borrow_mut().take().ok_or_else(stray))
    {
        Ok((answer, Finish::Plain(body, note))) => body(&call, answer, note).map(Start::Done),
        Ok((answer, Finish::Boxed(body))) => body(&call, answer),
        Err(fault) => Err(fault),
    };
    match outcome.and_then(|start| begin(&call, start)) {
        Ok(count) => count,
        // SAFETY: no local needs dropping.
        Err(fault) => unsafe { raise(state, "host function", fault) },
    }
}

fn stray() -> Fault {
    Fault::message("a waiting host function was resumed without an answer")
}

/// Turns a [`Start`] into what `hand` in `lua/host/wait.lua` expects.
fn begin(call: &Call<'_>, start: Start) -> Result<c_int, Fault> {
    match start {
        Start::Done(count) => {
            call.expect_height(count);
            call.push_bool(false);
            call.insert_below(count);
            Ok(count + 1)
        }
        Start::Wait { op, limit, finish } => {
            let run = call.run()?;
            // SAFETY: only reads whether a C function is in between.
            if unsafe { lua_isyieldable(call.state) } == 0 {
                return Err(Fault::message(CANNOT_WAIT));
            }
            *run.wait.borrow_mut() = Some(Wait { op, limit, finish });
            call.push_bool(true);
            Ok(1)
        }
    }
}

unsafe extern "C-unwind" {
    /// LuaJIT has it, mlua does not declare it: whether a yield would reach the resume without
    /// meeting a C function.
    fn lua_isyieldable(state: *mut lua_State) -> c_int;
}

/// C code cannot be left and entered again, so nothing that it calls can wait.
const CANNOT_WAIT: &str = "a function that waits cannot be called inside a callback of table.sort, string.gsub or cache_update, \
    a __tostring or __lt that they call, or a handler of xpcall";

/// The binding of the running C closure.
///
/// # Safety
/// Only in a closure made by `push_closure`.
unsafe fn binding<'a>(state: *mut lua_State) -> &'a Binding {
    // SAFETY: by the caller.
    unsafe { &*ffi::lua_touserdata(state, ffi::lua_upvalueindex(1)).cast::<Binding>() }
}
