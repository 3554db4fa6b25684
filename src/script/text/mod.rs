//! The `string` functions that the host replaces.
//!
//! LuaJIT's own `find`, `match`, `gmatch` and `gsub` are C code that no hook can interrupt: a
//! catastrophic pattern (`.-.-.-.-.-b` on 300 bytes) would block a core indefinitely. Ours behave
//! the same but run within a budget of steps. `lower` and `upper` know letters outside ASCII, as
//! the reference's do; `rep` refuses absurd results before it allocates them.
//!
//! [`matcher`] (with [`class`]), [`replace`] and [`case`] are pure: bytes in, ranges and bytes out.
//! [`library`] is the thin layer that Lua calls; `script::state` takes [`library::table`] over into
//! the base environment. Rules: the Lua 5.1 manual 5.4, LuaJIT 2.1's behaviour (the tests compare
//! with it).

mod case;
mod class;
#[cfg(test)]
mod differential;
pub mod library;
pub mod matcher;
mod replace;
