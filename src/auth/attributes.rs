//! A user's attributes: name → values, sorted by name, as the answers show them.

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
        let at = self.position(name).ok()?;
        self.0.get(at).map(|(_, values)| values)
    }

    /// Sets or replaces.
    pub fn set(&mut self, name: &[u8], values: Values) {
        match self.position(name) {
            Ok(at) => {
                if let Some((_, known)) = self.0.get_mut(at) {
                    *known = values;
                }
            }
            Err(at) => {
                if self.0.is_empty() {
                    self.0.reserve(USUAL);
                }
                self.0.insert(at, (name.into(), values));
            }
        }
    }

    /// As [`Attributes::set`] for each pair, in time that grows with their number only: single
    /// insertions would move all others each time.
    pub fn set_all(&mut self, pairs: impl IntoIterator<Item = (Box<[u8]>, Values)>) {
        self.0.extend(pairs);
        // The later of two with the same name comes first, and stays.
        self.0.reverse();
        self.0.sort_by(|a, b| a.0.cmp(&b.0));
        self.0.dedup_by(|later, earlier| later.0 == earlier.0);
    }

    /// About how much memory they take.
    pub fn bytes(&self) -> usize {
        self.0.iter().map(|(name, values)| entry_bytes(name, values)).sum()
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

/// About how much memory a name and its values take.
pub fn entry_bytes(name: &[u8], values: &[Value]) -> usize {
    size_of::<(Box<[u8]>, Values)>() + name.len() + values.iter().map(Value::bytes).sum::<usize>()
}

/// Attributes that a user usually has: room for them is made at once.
const USUAL: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_are_set_as_one_by_one() {
        let pairs =
            [("b", 1), ("a", 2), ("b", 3), ("c", 4)].map(|(name, n)| -> (Box<[u8]>, Values) {
                (name.as_bytes().into(), smallvec![Value::Number(n.into())])
            });
        let (mut one_by_one, mut at_once) = (Attributes::default(), Attributes::default());
        for attributes in [&mut one_by_one, &mut at_once] {
            attributes.set_one(b"c", Value::Nil);
            attributes.set_one(b"d", Value::Nil);
        }
        for (name, values) in pairs.clone() {
            one_by_one.set(&name, values);
        }
        at_once.set_all(pairs);
        assert_eq!(at_once, one_by_one);
    }

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
        assert_eq!(
            attributes.get(b"uid").map(|v| v.as_slice()),
            Some([Value::Number(4.0)].as_slice())
        );
    }
}
