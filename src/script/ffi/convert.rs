//! Lua values to and from [`Value`]: copies, both ways.
//!
//! The rule for lists: a table is a list if iterating it meets exactly the keys 1..n in order and
//! no other; float keys are truncated for this test; the empty table is a list. Functions, userdata
//! and threads become their `tostring` text. Bounds: [`DEPTH_MAX`] levels; a cycle runs into it and
//! raises. [`BYTES_MAX`] of copies: a table or text that is met twice is copied twice, so a few
//! tables that share their members could otherwise fill any memory and never end.

use super::call::{Call, Kind};
use super::fault::Fault;
use crate::value::Value;
use std::ffi::c_int;

/// Deepest nesting of tables that is copied. A cyclic table is deeper than anything.
pub const DEPTH_MAX: usize = 64;

/// Bytes of one copy, each value's own size included. Copies live outside the state's memory limit.
pub const BYTES_MAX: usize = 16 << 20;

impl Call<'_> {
    /// A deep copy of the value at `at`.
    ///
    /// # Errors
    /// A table nested deeper than [`DEPTH_MAX`] (cyclic, then), a copy larger than [`BYTES_MAX`],
    /// or a table or other object as key.
    pub fn value(&self, at: c_int) -> Result<Value, Fault> {
        self.value_at(at, DEPTH_MAX, &mut { BYTES_MAX })
    }

    /// `left`: how many bytes may still be copied.
    fn value_at(&self, at: c_int, depth: usize, left: &mut usize) -> Result<Value, Fault> {
        let bytes = if self.kind(at) == Kind::String { self.bytes(at).len() } else { 0 };
        *left = left
            .checked_sub(bytes + size_of::<Value>())
            .ok_or_else(|| Fault::message("value is too large to be copied"))?;
        Ok(match self.kind(at) {
            Kind::None | Kind::Nil => Value::Nil,
            Kind::Bool => Value::Bool(self.truthy(at)),
            Kind::Number => Value::Number(self.raw_number(at)),
            Kind::String => Value::String(self.bytes(at).to_vec()),
            Kind::Table => return self.table_value(at, depth, left),
            Kind::Function | Kind::Userdata | Kind::Thread => {
                Value::String(self.display(at).into_bytes())
            }
        })
    }

    fn table_value(&self, at: c_int, depth: usize, left: &mut usize) -> Result<Value, Fault> {
        if depth == 0 {
            return Err(Fault::message("table is nested too deeply (or contains itself)"));
        }
        let mut pairs: Vec<(Value, Value)> = Vec::new();
        let mut is_list = true;
        self.for_each(at, |call| {
            if call.kind(-2) == Kind::Table {
                return Err(Fault::message("a table cannot be a key"));
            }
            let key = call.value_at(-2, 1, left)?;
            is_list =
                is_list && matches!(key, Value::Number(n) if n.trunc() == (pairs.len() + 1) as f64);
            let value = call.value_at(-1, depth - 1, left)?;
            pairs.push((key, value));
            Ok(())
        })?;
        Ok(if is_list {
            Value::List(pairs.into_iter().map(|(_, value)| value).collect())
        } else {
            Value::Map(pairs)
        })
    }

    /// Pushes a fresh copy of `value`.
    pub fn push_value(&self, value: &Value) {
        match value {
            Value::Nil => self.push_nil(),
            Value::Bool(b) => self.push_bool(*b),
            Value::Number(n) => self.push_number(*n),
            Value::String(s) => self.push_string(s),
            Value::List(members) => {
                self.push_table(members.len(), 0);
                let table = self.len();
                for (i, member) in members.iter().enumerate() {
                    self.push_value(member);
                    self.set_index(table, i + 1);
                }
            }
            Value::Map(pairs) => {
                self.push_table(0, pairs.len());
                let table = self.len();
                for (key, value) in pairs {
                    self.push_value(key);
                    self.push_value(value);
                    self.set_pair(table);
                }
            }
        }
    }
}
