//! A user's attributes: name → values, sorted by name, as the answers show them (`http-api.md` 6.1, 6.4).

use crate::value::Value;
use smallvec::{SmallVec, smallvec};

/// Sorted by name; a Lua value, whatever its type, is one value.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Attributes(Vec<(Box<[u8]>, Values)>);

pub type Values = SmallVec<[Value; 1]>;

impl Attributes {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn get(&self, name: &[u8]) -> Option<&Values> {
        self.position(name).ok().map(|at| &self.0[at].1)
    }

    /// Sets or replaces.
    pub fn set(&mut self, name: &[u8], values: Values) {
        match self.position(name) {
            Ok(at) => self.0[at].1 = values,
            Err(at) => {
                if self.0.is_empty() {
                    self.0.reserve(USUAL);
                }
                self.0.insert(at, (name.into(), values));
            }
        }
    }

    pub fn set_one(&mut self, name: &[u8], value: Value) {
        self.set(name, smallvec![value]);
    }

    pub fn remove(&mut self, name: &[u8]) {
        if let Ok(at) = self.position(name) {
            self.0.remove(at);
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[Value])> {
        self.0.iter().map(|(name, values)| (&**name, values.as_slice()))
    }

    fn position(&self, name: &[u8]) -> Result<usize, usize> {
        self.0.binary_search_by(|(n, _)| (**n).cmp(name))
    }
}

/// Attributes that a user usually has: room for them is made at once.
const USUAL: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stays_sorted_and_unique() {
        let mut attributes = Attributes::default();
        for (name, n) in [("uid", 1.0), ("account", 2.0), ("mail", 3.0), ("uid", 4.0)] {
            attributes.set_one(name.as_bytes(), Value::Number(n));
        }
        attributes.remove(b"mail");
        attributes.remove(b"none");
        let names: Vec<_> = attributes.iter().map(|(name, _)| name.to_vec()).collect();
        assert_eq!(names, [b"account".to_vec(), b"uid".to_vec()]);
        assert_eq!(attributes.get(b"uid").map(|v| v.as_slice()), Some([Value::Number(4.0)].as_slice()));
    }
}
