//! [`Anchor`]: a Lua value that the registry keeps for Rust.

use mlua::ffi::{self, lua_State};
use std::ffi::c_int;

/// A value kept in the registry for the life of the state.
#[derive(Clone, Copy, Debug)]
pub struct Anchor(c_int);

impl Anchor {
    /// Keeps `value`.
    pub fn new(lua: &mlua::Lua, value: impl mlua::IntoLua) -> mlua::Result<Anchor> {
        let mut reference = 0;
        // SAFETY: pops the one argument into the registry; mlua runs this protected.
        unsafe {
            lua.exec_raw::<()>(value.into_lua(lua)?, |state| {
                reference = ffi::luaL_ref(state, ffi::LUA_REGISTRYINDEX)
            })?
        };
        Ok(Anchor(reference))
    }

    /// # Safety
    /// `state` must be a thread of the same Lua state with room for a value.
    pub(super) unsafe fn push(self, state: *mut lua_State) {
        // SAFETY: reading an integer key of the registry never raises.
        unsafe { ffi::lua_rawgeti_(state, ffi::LUA_REGISTRYINDEX, self.0) }
    }
}
