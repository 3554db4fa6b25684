//! Prepared statements of one connection, by their text: a script that prepares the same one for
//! every request costs one round trip, not three. Bound: [`STATEMENTS_MAX`] per connection; the one
//! not used for longest goes.

/// Statements of type `P`, the one used last at the end.
#[derive(Debug)]
pub struct Statements<P>(Vec<(Vec<u8>, P)>);

impl<P> Default for Statements<P> {
    fn default() -> Statements<P> {
        Statements(Vec::new())
    }
}

impl<P: Clone> Statements<P> {
    pub fn find(&mut self, sql: &[u8]) -> Option<P> {
        let at = self.0.iter().position(|(text, _)| text == sql)?;
        let entry = self.0.remove(at);
        let found = entry.1.clone();
        self.0.push(entry);
        Some(found)
    }

    /// Keeps a statement.
    pub fn insert(&mut self, sql: &[u8], prepared: P) {
        self.0.push((sql.to_vec(), prepared));
    }

    /// The statement that must go before another one is kept.
    pub fn evict(&mut self) -> Option<P> {
        if self.0.len() < STATEMENTS_MAX { None } else { Some(self.0.remove(0).1) }
    }

    pub fn remove(&mut self, sql: &[u8]) {
        self.0.retain(|(text, _)| text != sql);
    }
}

/// A server bounds them too: MySQL 16,382 for all connections together.
const STATEMENTS_MAX: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_not_used_for_longest_goes() {
        let mut statements = Statements::default();
        for number in 0..STATEMENTS_MAX {
            assert_eq!(statements.evict(), None);
            statements.insert(number.to_string().as_bytes(), number);
        }
        assert_eq!(statements.find(b"0"), Some(0));
        assert_eq!(statements.evict(), Some(1));
        assert_eq!((statements.find(b"1"), statements.find(b"0")), (None, Some(0)));
        statements.remove(b"0");
        assert_eq!(statements.find(b"0"), None);
    }
}
