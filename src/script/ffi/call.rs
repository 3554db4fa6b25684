//! [`Call`]: a host function's view of its call, with the argument rules of Lua's own
//! library: a number is taken for a string and a numeric string for a number.
//!
//! "string" takes strings and numbers (by the number rule), "number" takes numbers and numeric
//! strings, "int" the same, truncated toward zero. Text borrowed from an argument stays valid as
//! long as the argument stays on the stack, that is, for the call.

use super::fault::Fault;
use super::shared::{Run, Shared};
use crate::auth::scripts::StageKind;
use crate::script::services::Services;
use crate::value;
use mlua::ffi::{self, lua_State};
use std::cell::Cell;
use std::ffi::c_int;
use std::marker::PhantomData;

/// One call of a host function. Stack indices count from 1 at the first argument; negative ones
/// from the top.
pub struct Call<'a> {
    pub(super) state: *mut lua_State,
    pub(super) shared: &'a Shared,
    /// The stack is known to hold this many values; asking Lua for more is a function call.
    room: Cell<c_int>,
    stack: PhantomData<&'a ()>,
}

/// The type of a Lua value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// No such argument.
    None,
    Nil,
    Bool,
    Number,
    String,
    Table,
    Function,
    Userdata,
    Thread,
}

impl Kind {
    /// As error texts name it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::None => "no value",
            Kind::Nil => "nil",
            Kind::Bool => "boolean",
            Kind::Number => "number",
            Kind::String => "string",
            Kind::Table => "table",
            Kind::Function => "function",
            Kind::Userdata => "userdata",
            Kind::Thread => "thread",
        }
    }
}

impl<'a> Call<'a> {
    /// # Safety
    /// `state` must be the running coroutine of the state that `shared` belongs to, inside a
    /// protected call.
    pub(super) unsafe fn new(state: *mut lua_State, shared: &'a Shared) -> Call<'a> {
        Call { state, shared, room: Cell::new(ROOM), stack: PhantomData }
    }

    /// What the host provides besides the run.
    pub fn services(&self) -> &'a Services {
        &self.shared.services
    }

    /// The script run that called.
    ///
    /// # Errors
    /// A fault where no request is being served: while the state is set up.
    pub fn run(&self) -> Result<&Run<'_>, Fault> {
        self.shared.run().ok_or_else(|| Fault::message("this function needs a request to work on"))
    }

    /// Refuses the call unless the script runs in one of `stages`.
    ///
    /// # Errors
    /// A fault that names the function and the stage.
    pub fn only_in(&self, stages: &[StageKind], function: &str) -> Result<(), Fault> {
        let stage = self.run()?.stage;
        if stages.contains(&stage) {
            return Ok(());
        }
        Err(Fault::Message(format!("{function} has no meaning in the stage '{}'", stage.name())))
    }

    /// Counts what a script keeps outside of Lua's memory until its request ends: `bytes` more,
    /// `freed` less.
    ///
    /// # Errors
    /// A fault where that is more than `lua.config.request_memory`; then nothing is counted, and
    /// nothing may be kept.
    pub fn keep(&self, bytes: usize, freed: usize) -> Result<(), Fault> {
        let sum = self.may_keep(bytes, freed)?;
        self.run()?.login.kept_bytes.set(sum);
        Ok(())
    }

    /// How much would be kept after [`Call::keep`].
    ///
    /// # Errors
    /// As there.
    pub fn may_keep(&self, bytes: usize, freed: usize) -> Result<usize, Fault> {
        let sum = self.run()?.login.kept_bytes.get().saturating_sub(freed).saturating_add(bytes);
        let limit = self.services().settings.request_memory;
        if limit > 0 && bytes > freed && sum > limit {
            return Err(Fault::Message(format!(
                "scripts keep more than {limit} bytes for this request (lua.config.request_memory)"
            )));
        }
        Ok(sum)
    }

    /// Leaves a warning for the log, the first time that this script gives cause for it.
    pub fn warn_once(&self, text: &str) {
        let script = self.shared.run().map_or(u32::MAX, |run| run.script);
        self.services().warn_once(script, text);
    }

    /// How many arguments there are (or, after pushes, how high the stack is).
    pub fn len(&self) -> c_int {
        // SAFETY: reads the stack height.
        unsafe { ffi::lua_gettop(self.state) }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn kind(&self, at: c_int) -> Kind {
        // SAFETY: any index may be asked about.
        match unsafe { ffi::lua_type(self.state, at) } {
            ffi::LUA_TNONE => Kind::None,
            ffi::LUA_TBOOLEAN => Kind::Bool,
            ffi::LUA_TNUMBER => Kind::Number,
            ffi::LUA_TSTRING => Kind::String,
            ffi::LUA_TTABLE => Kind::Table,
            ffi::LUA_TFUNCTION => Kind::Function,
            ffi::LUA_TUSERDATA | ffi::LUA_TLIGHTUSERDATA => Kind::Userdata,
            ffi::LUA_TTHREAD => Kind::Thread,
            _ => Kind::Nil,
        }
    }

    pub fn is_none_or_nil(&self, at: c_int) -> bool {
        matches!(self.kind(at), Kind::None | Kind::Nil)
    }

    /// Lua's own idea of truth: everything but nil and false.
    pub fn truthy(&self, at: c_int) -> bool {
        // SAFETY: any index may be asked about.
        unsafe { ffi::lua_toboolean(self.state, at) != 0 }
    }

    /// The bytes of a string at `at`; empty for any other type (numbers are not converted in
    /// place).
    pub fn bytes(&self, at: c_int) -> &[u8] {
        // SAFETY: for a string lua_tolstring only reads; the string lives as long as it is on the
        // stack, which the borrow of self (the call) does not outlast.
        unsafe {
            if ffi::lua_type(self.state, at) != ffi::LUA_TSTRING {
                return &[];
            }
            let mut len = 0;
            let start = ffi::lua_tolstring(self.state, at, &raw mut len);
            if start.is_null() { &[] } else { std::slice::from_raw_parts(start.cast(), len) }
        }
    }

    /// Lua's number at `at`: 0 if it is neither a number nor a numeric string.
    pub fn raw_number(&self, at: c_int) -> f64 {
        // SAFETY: any index may be asked about.
        unsafe { ffi::lua_tonumber(self.state, at) }
    }

    pub fn push_nil(&self) {
        self.room(1);
        // SAFETY: room was made; the same holds for the pushes below.
        unsafe { ffi::lua_pushnil(self.state) }
    }

    pub fn push_bool(&self, value: bool) {
        self.room(1);
        // SAFETY: see push_nil.
        unsafe { ffi::lua_pushboolean(self.state, c_int::from(value)) }
    }

    pub fn push_number(&self, value: f64) {
        self.room(1);
        // SAFETY: see push_nil.
        unsafe { ffi::lua_pushnumber(self.state, value) }
    }

    /// Pushes a string, its copy; of a long one the collector hears first ([`Call::collect_for`]).
    pub fn push_string(&self, bytes: &[u8]) {
        self.collect_for(bytes.len());
        self.room(1);
        // SAFETY: see push_nil; Lua copies the bytes.
        unsafe { ffi::lua_pushlstring_(self.state, bytes.as_ptr().cast(), bytes.len()) }
    }

    /// Pushes a copy of the value at `at`.
    pub fn push_copy(&self, at: c_int) {
        debug_assert!(self.kind(at) != Kind::None, "no value at {at} to copy");
        self.room(1);
        // SAFETY: see push_nil.
        unsafe { ffi::lua_pushvalue(self.state, at) }
    }

    /// Calls the function below `args` arguments on top of the stack and leaves `results` results.
    /// Errors are raised through. The called function must not wait: there is a C function (ours)
    /// below it.
    pub fn invoke(&self, args: c_int, results: c_int) {
        self.expect_height(args + 1);
        // SAFETY: inside a protected call; an error unwinds our frames, which own nothing the
        // caller has not seen to.
        unsafe { ffi::lua_call(self.state, args, results) }
    }

    /// As [`Call::invoke`], but an error comes back as [`Fault::Top`]: its value stays on top of
    /// the stack.
    pub fn invoke_protected(&self, args: c_int, results: c_int) -> Result<(), Fault> {
        // SAFETY: as invoke.
        if unsafe { ffi::lua_pcall(self.state, args, results, 0) } == ffi::LUA_OK {
            Ok(())
        } else {
            Err(Fault::Top)
        }
    }

    pub fn pop(&self, count: c_int) {
        self.expect_height(count);
        // SAFETY: callers pop what they pushed.
        unsafe { ffi::lua_pop(self.state, count) }
    }

    /// Moves the top value below the `count` values under it.
    pub fn insert_below(&self, count: c_int) {
        self.expect_height(count + 1);
        // SAFETY: those values are on the stack.
        unsafe { ffi::lua_insert(self.state, -count - 1) }
    }

    /// Pushes `nil, text`: how host functions report an error that is not raised. Returns the two.
    pub fn nil_and(&self, error: impl AsRef<[u8]>) -> c_int {
        self.push_nil();
        self.push_string(error.as_ref());
        2
    }

    /// Pushes nil behind one pushed value: `value, nil`. Returns the two.
    pub fn and_nil(&self) -> c_int {
        self.push_nil();
        2
    }

    /// Pushes `file:line: ` of the script's code that called; empty if none did.
    pub fn push_position(&self) {
        self.room(2);
        // SAFETY: this is a C function of the state.
        unsafe { super::fault::push_position(self.state) }
    }

    /// An index that stays right while values are pushed.
    pub fn absolute(&self, at: c_int) -> c_int {
        if at > 0 || at <= ffi::LUA_REGISTRYINDEX { at } else { self.len() + 1 + at }
    }

    /// What identifies a table, function, userdata or thread; null for other types.
    pub fn identity(&self, at: c_int) -> *const std::ffi::c_void {
        // SAFETY: any index may be asked about.
        unsafe { ffi::lua_topointer(self.state, at) }
    }

    /// `tostring` of a value for texts: strings and numbers as they are, others as `table: 0x…`,
    /// without metamethods.
    pub fn display(&self, at: c_int) -> String {
        match self.kind(at) {
            Kind::String => String::from_utf8_lossy(self.bytes(at)).into_owned(),
            Kind::Number => value::number_text(self.raw_number(at)),
            Kind::Bool => self.truthy(at).to_string(),
            Kind::None | Kind::Nil => "nil".into(),
            kind => format!("{}: {:p}", kind.name(), self.identity(at)),
        }
    }

    /// Lets the collector work as much as `bytes` of new memory call for. By itself it takes one
    /// small step for each allocation, however large, so that large ones in a row would reach the
    /// memory limit although they are garbage. Small ones are left to it.
    #[inline]
    pub fn collect_for(&self, bytes: usize) {
        if bytes >= COLLECT_BYTES_MIN {
            // SAFETY: collecting may run finalizers, which are ours; inside a protected call, as
            // everything here.
            unsafe {
                ffi::lua_gc(
                    self.state,
                    ffi::LUA_GCSTEP,
                    c_int::try_from(bytes >> 10).unwrap_or(c_int::MAX),
                )
            };
        }
    }

    /// Makes room for so many more values; worth it before pushing more than a dozen at once.
    pub fn reserve(&self, count: usize) {
        let count = c_int::try_from(count).unwrap_or(c_int::MAX);
        // SAFETY: grows the stack or raises a Lua error.
        unsafe { ffi::luaL_checkstack(self.state, count, c"too many values".as_ptr()) };
        self.room.set(self.len().saturating_add(count));
    }

    /// In debug builds: insists on at least `count` values on the stack.
    #[inline]
    pub(super) fn expect_height(&self, count: c_int) {
        debug_assert!(
            (0..=self.len()).contains(&count),
            "{count} values of {} on the stack",
            self.len()
        );
    }

    /// In debug builds: insists on a table at `at`, and on `count` values on the stack. Lua's raw
    /// functions take the one as given and the other for a pointer.
    #[inline]
    pub(super) fn expect_table(&self, at: c_int, count: c_int) {
        debug_assert!(self.kind(at) == Kind::Table, "{:?} at {at} is no table", self.kind(at));
        self.expect_height(count);
    }

    /// Makes sure that `count` more values fit.
    #[inline]
    pub(super) fn room(&self, count: c_int) {
        if self.len() + count > self.room.get() {
            self.reserve(ROOM_STEP);
        }
    }
}

/// What Lua guarantees a C function, less what the raw calls in this folder push without asking.
const ROOM: c_int = ffi::LUA_MINSTACK - 4;

/// Allocations from here on are large: a step of the collector covers a few kilobytes.
const COLLECT_BYTES_MIN: usize = 64 << 10;

/// By how much the stack grows when that is used up.
const ROOM_STEP: usize = 32;
