//! [`Fault`]: why a host function raises, and how it becomes a Lua error.

use mlua::ffi::{self, lua_State};
use std::ffi::c_int;

/// Why a host function raises. The message gets the position of the script's call in front.
#[derive(Debug)]
pub enum Fault {
    /// `bad argument #n to NAME (…)`.
    Argument(c_int, String),
    Message(String),
    /// The value on top of the stack is raised as it is.
    Top,
}

impl Fault {
    pub fn message(text: impl Into<String>) -> Fault {
        Fault::Message(text.into())
    }
}

/// Raises `fault` as a Lua error with the script's position in front of the text.
///
/// # Safety
/// From a C function of `state`; the caller must have nothing left to drop.
pub(super) unsafe fn raise(state: *mut lua_State, name: &str, fault: Fault) -> ! {
    // SAFETY: plain stack work on the running function's own stack; the message is pushed before
    // its owner is dropped.
    unsafe {
        if !matches!(fault, Fault::Top) {
            let text = match &fault {
                Fault::Argument(at, what) => format!("bad argument #{at} to {name} ({what})"),
                Fault::Message(text) => text.clone(),
                Fault::Top => String::new(),
            };
            push_position(state);
            ffi::lua_pushlstring_(state, text.as_ptr().cast(), text.len());
            drop(text);
            drop(fault);
            ffi::lua_concat(state, 2);
        }
        ffi::lua_error(state)
    }
}

/// Pushes `file:line: ` of the innermost function that is the script's own, skipping C functions
/// and the Lua half of the host.
///
/// # Safety
/// From a C function of `state`.
pub(super) unsafe fn push_position(state: *mut lua_State) {
    // SAFETY: lua_getstack fills `about` before lua_getinfo reads it; short_src is NUL-terminated
    // by Lua.
    unsafe {
        let mut about: ffi::lua_Debug = std::mem::zeroed();
        for level in 1..64 {
            if ffi::lua_getstack(state, level, &raw mut about) == 0 {
                break;
            }
            ffi::lua_getinfo(state, c"Sl".as_ptr(), &raw mut about);
            let source = std::ffi::CStr::from_ptr(about.source).to_bytes();
            if about.currentline > 0 && !source.starts_with(b"=[host]") {
                let place = std::ffi::CStr::from_ptr(about.short_src.as_ptr()).to_bytes();
                let mut text = Vec::with_capacity(place.len() + 12);
                text.extend_from_slice(place);
                text.extend_from_slice(format!(":{}: ", about.currentline).as_bytes());
                ffi::lua_pushlstring_(state, text.as_ptr().cast(), text.len());
                return;
            }
        }
        ffi::lua_pushlstring_(state, c"".as_ptr(), 0);
    }
}
