//! Tables as host functions use them: always raw, so that no metamethod of a script runs.
//!
//! The one exception is the walk of [`Call::for_each`], which adds the default fields of request
//! tables.

use super::call::{Call, Kind};
use super::fault::Fault;
use mlua::ffi;
use std::ffi::c_int;

impl Call<'_> {
    /// Pushes a new table with room for so many list members and fields.
    pub fn push_table(&self, list: usize, fields: usize) {
        self.room(2);
        let small = |n: usize| c_int::try_from(n).unwrap_or(0);
        // SAFETY: see push_nil.
        unsafe { ffi::lua_createtable(self.state, small(list), small(fields)) }
    }

    /// Pushes `t[i]`, raw.
    pub fn push_index(&self, at: c_int, i: usize) -> Kind {
        self.expect_table(at, 1);
        self.room(1);
        // SAFETY: room was made; reading an integer key of a table never raises.
        unsafe { ffi::lua_rawgeti_(self.state, at, c_int::try_from(i).unwrap_or(c_int::MAX)) };
        self.kind(-1)
    }

    /// Pushes `t[name]`, raw.
    pub fn push_field(&self, at: c_int, name: &str) -> Kind {
        self.expect_table(at, 1);
        let at = self.absolute(at);
        self.push_string(name.as_bytes());
        // SAFETY: the key on top is replaced by the value.
        unsafe { ffi::lua_rawget_(self.state, at) };
        self.kind(-1)
    }

    /// `t[name] = top`, and pops it. `at` is the table.
    pub fn set_field(&self, at: c_int, name: &str) {
        self.expect_table(at, 2);
        let at = self.absolute(at);
        self.push_string(name.as_bytes());
        // SAFETY: the value is below the key; they are swapped for lua_rawset, which pops both.
        unsafe {
            ffi::lua_insert(self.state, -2);
            ffi::lua_rawset(self.state, at);
        }
    }

    /// `t[i] = top`, and pops it.
    pub fn set_index(&self, at: c_int, i: usize) {
        self.expect_table(at, 2);
        // SAFETY: pops the value.
        unsafe { ffi::lua_rawseti_(self.state, at, c_int::try_from(i).unwrap_or(c_int::MAX)) }
    }

    /// `t[key] = value` for a key and a value on top of the stack; pops both.
    pub fn set_pair(&self, at: c_int) {
        self.expect_table(at, 3);
        // SAFETY: pops key and value; a nil or NaN key raises, which is a Lua error like any other.
        unsafe { ffi::lua_rawset(self.state, at) }
    }

    /// Length of the table's array part (`#t`, raw).
    pub fn raw_len(&self, at: c_int) -> usize {
        // SAFETY: raw length never raises.
        unsafe { ffi::lua_objlen(self.state, at) }
    }

    /// Whether the table at `at` itself has the key that is at `key`.
    fn has_key(&self, at: c_int, key: c_int) -> bool {
        self.room(1);
        // SAFETY: room was made for the copy of the key, which the value then replaces; a raw look
        // never raises.
        unsafe {
            ffi::lua_pushvalue(self.state, key);
            ffi::lua_rawget(self.state, at);
        }
        let found = self.kind(-1) != Kind::Nil;
        self.pop(1);
        found
    }

    /// Pushes the metatable of the table at `at`, whatever it shows to scripts. False, and nothing
    /// pushed, if it has none.
    pub fn push_metatable(&self, at: c_int) -> bool {
        self.room(1);
        // SAFETY: room was made; any index may be asked about.
        unsafe { ffi::lua_getmetatable(self.state, at) != 0 }
    }

    /// Makes the table on top of the stack the metatable of the table at `at`, and pops it.
    pub fn set_metatable(&self, at: c_int) {
        let at = self.absolute(at);
        // SAFETY: pops the metatable; never raises for a table.
        unsafe { ffi::lua_setmetatable(self.state, at) };
    }

    /// Calls `each` with every pair of the table at `at`, key at index -2 and value at -1; last
    /// come the fields that a request table lacks and has by default ([`Call::share_defaults`]).
    /// `each` leaves the stack as it found it and must not convert the key in place
    /// ([`Call::string`] does not).
    pub fn for_each(
        &self,
        at: c_int,
        mut each: impl FnMut(&Call<'_>) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let at = self.absolute(at);
        let has_metatable = self.push_metatable(at);
        let is_request = has_metatable && self.identity(-1) == self.shared.defaults.get();
        if has_metatable {
            self.pop(1);
        }
        if is_request {
            self.complete(at);
        }
        self.for_each_raw(at, &mut each)?;
        if !is_request || !self.push_metatable(at) {
            return Ok(());
        }
        let walked = match self.push_field(-1, "__index") {
            Kind::Table => self.for_each_raw(-1, &mut |call| {
                if call.has_key(at, -2) { Ok(()) } else { each(call) }
            }),
            _ => Ok(()),
        };
        self.pop(2);
        walked
    }

    fn for_each_raw(
        &self,
        at: c_int,
        each: &mut impl FnMut(&Call<'_>) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let at = self.absolute(at);
        self.room(4);
        self.push_nil();
        // SAFETY: the key on top came from lua_next itself (or is nil for the first), as it
        // demands.
        while unsafe { ffi::lua_next(self.state, at) } != 0 {
            #[cfg(debug_assertions)]
            let height = self.len();
            if let Err(fault) = each(self) {
                self.pop(2);
                return Err(fault);
            }
            #[cfg(debug_assertions)]
            assert_eq!(self.len(), height, "`each` must leave the stack as it found it");
            self.pop(1);
        }
        Ok(())
    }

    /// Gives the request table at `at` those of its lists that it has not.
    fn complete(&self, at: c_int) {
        for name in self.shared.lists.get() {
            let kind = self.push_field(at, name);
            self.pop(1);
            if kind == Kind::Nil {
                self.push_table(0, 0);
                self.set_field(at, name);
            }
        }
    }

    /// Makes the table at `at` the one metatable whose `__index` holds default fields: that of
    /// request tables. Known by its identity, here as in `lua/host/base.lua`, so that no metatable
    /// of a script's can pass for it. To be called once per state, which keeps it.
    pub fn share_defaults(&self, at: c_int, lists: &'static [&'static str]) {
        self.shared.defaults.set(self.identity(at));
        self.shared.lists.set(lists);
    }
}
