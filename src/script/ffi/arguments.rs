//! Arguments of host functions by type.
//!
//! "string" takes strings and numbers (as `tostring` writes them), "number" takes numbers and
//! numeric strings, "int" the same, truncated toward zero. Borrowed text stays valid as long as the
//! argument stays on the stack, that is, for the call.

use super::call::{Call, Kind};
use super::fault::Fault;
use crate::value;
use mlua::ffi;
use std::borrow::Cow;
use std::ffi::c_int;

impl Call<'_> {
    /// A string argument; a number is taken as its text.
    ///
    /// # Errors
    /// [`Fault::Argument`] for any other type.
    pub fn string(&self, at: c_int) -> Result<Cow<'_, [u8]>, Fault> {
        match self.kind(at) {
            Kind::String => Ok(Cow::Borrowed(self.bytes(at))),
            Kind::Number => Ok(Cow::Owned(value::number_text(self.raw_number(at)).into_bytes())),
            kind => Err(self.expected("string", at, kind)),
        }
    }

    /// As [`Call::string`], as text; bytes that are no UTF-8 become U+FFFD.
    pub fn text(&self, at: c_int) -> Result<Cow<'_, str>, Fault> {
        Ok(match self.string(at)? {
            Cow::Borrowed(bytes) => String::from_utf8_lossy(bytes),
            Cow::Owned(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
        })
    }

    /// An optional string argument: none and nil are `None`; a number is an error, as in the
    /// reference.
    pub fn opt_string(&self, at: c_int) -> Result<Option<&[u8]>, Fault> {
        match self.kind(at) {
            Kind::None | Kind::Nil => Ok(None),
            Kind::String => Ok(Some(self.bytes(at))),
            kind => Err(self.expected("string", at, kind)),
        }
    }

    /// A number argument; a numeric string is taken as its number.
    pub fn number(&self, at: c_int) -> Result<f64, Fault> {
        match self.kind(at) {
            Kind::Number => Ok(self.raw_number(at)),
            // SAFETY: the index holds a string; both functions only read it.
            Kind::String if unsafe { ffi::lua_isnumber(self.state, at) } != 0 => {
                Ok(self.raw_number(at))
            }
            kind => Err(self.expected("number", at, kind)),
        }
    }

    /// A number argument, truncated toward zero and clamped to the range of `i64`.
    pub fn int(&self, at: c_int) -> Result<i64, Fault> {
        Ok(self.number(at)? as i64)
    }

    pub fn opt_int(&self, at: c_int) -> Result<Option<i64>, Fault> {
        if self.is_none_or_nil(at) { Ok(None) } else { self.int(at).map(Some) }
    }

    /// A boolean argument, strictly.
    pub fn bool(&self, at: c_int) -> Result<bool, Fault> {
        match self.kind(at) {
            Kind::Bool => Ok(self.truthy(at)),
            kind => Err(self.expected("boolean", at, kind)),
        }
    }

    /// Insists on a table.
    pub fn table(&self, at: c_int) -> Result<(), Fault> {
        match self.kind(at) {
            Kind::Table => Ok(()),
            kind => Err(self.expected("table", at, kind)),
        }
    }

    /// Insists on a function.
    pub fn function(&self, at: c_int) -> Result<(), Fault> {
        match self.kind(at) {
            Kind::Function => Ok(()),
            kind => Err(self.expected("function", at, kind)),
        }
    }

    /// Insists that an argument was given, nil or not.
    pub fn any(&self, at: c_int) -> Result<(), Fault> {
        match self.kind(at) {
            Kind::None => Err(Fault::Argument(at, "value expected".into())),
            _ => Ok(()),
        }
    }

    fn expected(&self, what: &str, at: c_int, got: Kind) -> Fault {
        // The reference does not tell a missing argument from nil in its texts.
        let got = if got == Kind::None { Kind::Nil } else { got };
        Fault::Argument(at, format!("{what} expected, got {}", got.name()))
    }

    /// The strings (and numbers, as text) of a list, up to its first nil.
    pub fn string_list(&self, at: c_int) -> Result<Vec<Vec<u8>>, Fault> {
        let mut out = Vec::new();
        for i in 1.. {
            match self.push_index(at, i) {
                Kind::String | Kind::Number => out.push(self.string(-1)?.into_owned()),
                Kind::Nil | Kind::None => break,
                _ => {}
            }
            self.pop(1);
        }
        self.pop(1);
        Ok(out)
    }
}
