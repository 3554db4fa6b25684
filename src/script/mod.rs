//! The Lua host: LuaJIT states that run operators' scripts, one state per worker and epoch, one
//! coroutine per script run. Only this folder names mlua.
//!
//! Inside it, too, files name only what is below them:
//!
//! ```text
//! host                        the run of one script, from start to result (auth::scripts::Scripts)
//! state                       a Lua state: base environment, modules, compiled scripts
//! collect · look · builtin · request_table · result · files · text · modules     what scripts see
//! ffi                         the raw API: everything that runs per request, the only unsafe code
//! services · entry            what a state and a run carry
//! stores · regexp · base64 · disk · sources · watchdog                           no Lua
//! ```
//!
//! `modules` has one Lua-visible module per file; the Lua half of the host is in `lua/host`
//! (ARCHITECTURE.md, "The Lua host in five steps").

#[cfg(test)]
mod annotations_tests;
pub mod base64;
mod builtin;
mod collect;
mod disk;
mod entry;
pub mod ffi;
mod files;
mod host;
#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod isolation_tests;
mod look;
pub mod modules;
#[cfg(test)]
mod nesting_tests;
#[cfg(test)]
mod purity_tests;
pub mod regexp;
mod request_table;
mod result;
pub mod services;
pub mod sources;
mod state;
pub mod stores;
#[cfg(test)]
pub mod testing;
#[cfg(test)]
mod tests;
pub mod text;
pub mod watchdog;

pub use entry::Entry;
pub use host::Host;
pub use sources::{Script, ScriptSet};
pub use state::{Limits, SetupError, State};
