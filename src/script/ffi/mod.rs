//! The unsafe half of the Lua host: what runs for every request, on the raw API of `mlua::ffi`.
//!
//! Why raw: a login costs 18 µs this way against 30 to 35 µs through mlua's safe API, and with a
//! memory limit set mlua's calls cost five times more while raw calls cost nothing extra
//! (ARCHITECTURE.md, measurements). mlua still owns the state and does all set-up; this folder is
//! the only place of the crate that may say `unsafe`.
//!
//! The rules that make it sound:
//! - One thread: a state and everything here that points into it stay on the thread that made them.
//! - Whatever may raise a Lua error (allocation, above all) runs inside a coroutine or a protected
//!   call, never on the bare main state.
//! - A Lua error unwinds through our frames ("C-unwind"; LuaJIT raises with the platform's
//!   unwinder), so destructors run.
//! - Host functions are safe Rust over [`Call`]; only the trampolines in [`function`] touch the raw
//!   state for them.

#![allow(unsafe_code)]

// Named here so that it is linked: mlua declares its functions.
use luajit as _;

mod anchor;
mod arguments;
mod call;
mod changes;
mod convert;
mod fault;
mod function;
mod memory;
mod own;
mod protected;
mod shared;
mod tables;
mod thread;
mod userdata;

pub use anchor::Anchor;
pub use call::{Call, Kind};
pub use convert::DEPTH_MAX;
pub use fault::Fault;
pub use function::{Finish, Function, Start, Waiting};
pub use memory::Memory;
pub use own::{FILES_PER_STAGE_MAX, FILES_PER_STATE_MAX, Own, StageFile};
pub use protected::{HookArm, main_state, new_state, push_plain, push_waiting};
pub use shared::{Connection, Run, Shared, Wait};
pub use thread::{Coroutine, Ended, Threads};
