//! Rust values inside Lua: full userdata whose metatable tells the type and whose `__gc` drops the
//! value.

use super::call::{Call, Kind};
use super::fault::Fault;
use super::function::Function;
use super::shared::{Registered, Shared};
use mlua::ffi::{self, lua_State};
use std::any::TypeId;
use std::ffi::{c_int, c_void};

impl Call<'_> {
    /// Registers type `T` in this state: its methods (functions whose first argument is the
    /// userdata) become its `__index` table. To be called once per state and type, while the state
    /// is set up. The metatable cannot be seen by scripts (`getmetatable` gives false).
    pub fn register_type<T: 'static>(&self, methods: &'static [Function]) {
        self.push_table(0, 4);
        let metatable = self.len();
        self.push_table(0, methods.len());
        let index = self.len();
        for method in methods {
            self.push_function(method);
            self.set_field(index, method.name);
        }
        self.set_field(metatable, "__index");
        self.push_bool(false);
        self.set_field(metatable, "__metatable");
        // SAFETY: `collect::<T>` only ever runs on userdata with this metatable, which
        // `push_userdata::<T>` alone hands out.
        unsafe { ffi::lua_pushcclosure(self.state, collect::<T>, 0) };
        self.set_field(metatable, "__gc");
        let address = self.identity(metatable);
        // SAFETY: pops the metatable into the registry.
        let reference = unsafe { ffi::luaL_ref(self.state, ffi::LUA_REGISTRYINDEX) };
        self.shared.types.borrow_mut().push(Registered {
            rust: TypeId::of::<T>(),
            metatable: address,
            reference,
        });
    }

    /// Pushes the metatable of the registered type `T`, to add metamethods while the state is set
    /// up. Scripts must never see it.
    ///
    /// # Errors
    /// A fault if the type was never registered.
    pub fn push_type<T: 'static>(&self) -> Result<(), Fault> {
        let reference =
            registered::<T>(self.shared).ok_or_else(|| Fault::message("unknown userdata type"))?.1;
        // SAFETY: pushes one value, which a C function always has room for.
        unsafe { ffi::lua_rawgeti_(self.state, ffi::LUA_REGISTRYINDEX, reference) };
        Ok(())
    }

    /// Pushes `value` as a userdata of its registered type.
    ///
    /// # Errors
    /// A fault if the type was never registered.
    pub fn push_userdata<T: 'static>(&self, value: T) -> Result<(), Fault> {
        self.push_userdata_weighing(value, 0)
    }

    /// As [`Call::push_userdata`], for a value that holds `bytes` of memory elsewhere: the block is
    /// that much larger. So the collector and the state's memory limit count what they cannot see.
    /// The room is never touched; where it is large, it stays virtual. The collector does as much
    /// work at once: its next cycle may be far, and such values are few and large.
    ///
    /// # Errors
    /// A fault if the type was never registered.
    pub fn push_userdata_weighing<T: 'static>(&self, value: T, bytes: usize) -> Result<(), Fault> {
        let reference =
            registered::<T>(self.shared).ok_or_else(|| Fault::message("unknown userdata type"))?.1;
        // SAFETY: the block is as large as T and, like malloc's, aligned for anything up to 16
        // bytes; it is filled before the metatable (and with it the collector's drop) is set.
        unsafe {
            const { assert!(align_of::<T>() <= 16) };
            if bytes >= 1024 {
                ffi::lua_gc(
                    self.state,
                    ffi::LUA_GCSTEP,
                    c_int::try_from(bytes >> 10).unwrap_or(c_int::MAX),
                );
            }
            let block = ffi::lua_newuserdata(self.state, size_of::<T>() + bytes).cast::<T>();
            block.write(value);
            ffi::lua_rawgeti_(self.state, ffi::LUA_REGISTRYINDEX, reference);
            ffi::lua_setmetatable(self.state, -2);
        }
        Ok(())
    }

    /// The value of a userdata of type `T`; `None` if it is anything else. Shared: `T` keeps what
    /// changes in cells.
    pub fn userdata<T: 'static>(&self, at: c_int) -> Option<&T> {
        if self.kind(at) != Kind::Userdata {
            return None;
        }
        let expected = registered::<T>(self.shared)?.0;
        // SAFETY: the metatable proves that `push_userdata::<T>` made the block; it lives while it
        // is on the stack.
        unsafe { typed(self.state, at, expected).map(|block| &*block.cast::<T>()) }
    }
}

/// The block of a full userdata whose metatable is `expected`.
///
/// # Safety
/// `state` must be usable.
pub(super) unsafe fn typed(
    state: *mut lua_State,
    at: c_int,
    expected: *const c_void,
) -> Option<*mut c_void> {
    // SAFETY: stack reads, one push and pop.
    unsafe {
        if ffi::lua_type(state, at) != ffi::LUA_TUSERDATA || ffi::lua_getmetatable(state, at) == 0 {
            return None;
        }
        let found = ffi::lua_topointer(state, -1);
        ffi::lua_pop(state, 1);
        (found == expected).then(|| ffi::lua_touserdata(state, at))
    }
}

/// Address and registry reference of the metatable of `T`.
pub(super) fn registered<T: 'static>(shared: &Shared) -> Option<(*const c_void, c_int)> {
    shared
        .types
        .borrow()
        .iter()
        .find(|r| r.rust == TypeId::of::<T>())
        .map(|r| (r.metatable, r.reference))
}

/// `__gc`: drops the value.
///
/// # Safety
/// Called by the collector on a userdata made by `push_userdata::<T>`.
unsafe extern "C-unwind" fn collect<T>(state: *mut lua_State) -> c_int {
    // SAFETY: by the above; the collector calls it once.
    unsafe { ffi::lua_touserdata(state, 1).cast::<T>().drop_in_place() };
    0
}
