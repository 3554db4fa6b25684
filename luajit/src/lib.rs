//! Links LuaJIT (see `build.rs`). Its functions are declared by mlua.

#![no_std]
