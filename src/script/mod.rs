//! The Lua host: LuaJIT states that run operators' scripts, one state per worker and epoch, one
//! coroutine per script run.
//!
//! [`Host`] implements the domain's [`crate::auth::scripts::Scripts`]. [`sources`] holds the
//! scripts as read from disk, [`state`] a Lua state with the base environment, the modules and the
//! compiled scripts, [`host`] the run of one script from start to result. `ffi` is the unsafe half
//! that every request uses; `modules` has one Lua-visible module per file; the Lua half lies in
//! `lua/host`. Only this folder names mlua. Rules: specification `lua/*.md`; ARCHITECTURE.md "The
//! Lua host".

#[cfg(test)]
mod alike_tests;
#[cfg(test)]
mod annotations_tests;
mod builtin;
pub mod ffi;
mod files;
#[cfg(test)]
mod files_tests;
mod host;
#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod isolation_tests;
mod look;
pub mod modules;
#[cfg(test)]
mod nesting_tests;
mod request_table;
mod result;
pub mod services;
pub mod sources;
mod state;
#[cfg(test)]
pub mod testing;
#[cfg(test)]
mod tests;
pub mod text;
pub mod watchdog;

pub use host::Host;
pub use sources::{Entry, Script, ScriptSet};
pub use state::{Limits, SetupError, State};
