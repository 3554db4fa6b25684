//! The databases that handles of one worker share: one for each driver and address.
//!
//! The first to open one fixes its other options. A statement under way holds its database, too.
//! Bound: [`DATABASES_MAX`]; those that are not in use are removed.

use super::{Database, OpenError, Options};
use crate::secret::Secret;
use std::cell::RefCell;
use std::rc::Rc;

/// One per Lua state.
#[derive(Debug, Default)]
pub struct Registry(RefCell<Vec<Entry>>);

#[derive(Debug)]
struct Entry {
    driver: String,
    /// It holds a password.
    address: Secret,
    database: Rc<Database>,
}

impl Registry {
    /// The database of that address, shared with other users of it if `options` say so.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(
        &self,
        driver: &str,
        address: &str,
        options: Options,
    ) -> Result<Rc<Database>, OpenError> {
        if !options.shared {
            return Database::open(driver, address, options);
        }
        let mut entries = self.0.borrow_mut();
        let is_it =
            |entry: &&Entry| entry.driver == driver && entry.address.matches(address.as_bytes());
        if let Some(entry) = entries.iter().find(is_it) {
            return Ok(entry.database.clone());
        }
        let database = Database::open(driver, address, options)?;
        if entries.len() >= DATABASES_MAX {
            let idle = entries.iter().position(|entry| Rc::strong_count(&entry.database) == 1);
            entries.remove(idle.ok_or(OpenError::TooMany)?);
        }
        entries.push(Entry {
            driver: driver.to_owned(),
            address: address.into(),
            database: database.clone(),
        });
        Ok(database)
    }
}

/// Shared databases per Lua state. A script that builds addresses out of user names must not fill
/// the memory.
const DATABASES_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    const SHARED: Options = Options { shared: true, max_connections: 2, read_only: false };

    #[test]
    fn the_same_address_is_the_same_database() {
        let registry = Registry::default();
        let first = registry.open("mysql", "u@/a", SHARED).unwrap();
        let again =
            registry.open("mysql", "u@/a", Options { max_connections: 9, ..SHARED }).unwrap();
        let other = registry.open("mysql", "u@/b", SHARED).unwrap();
        let own = registry.open("mysql", "u@/a", Options::default()).unwrap();
        assert!(
            Rc::ptr_eq(&first, &again) && !Rc::ptr_eq(&first, &other) && !Rc::ptr_eq(&first, &own)
        );
    }

    #[test]
    fn those_that_nobody_holds_make_room() {
        let registry = Registry::default();
        let held: Vec<_> = (1..DATABASES_MAX)
            .map(|at| registry.open("mysql", &format!("/{at}"), SHARED).unwrap())
            .collect();
        drop(registry.open("mysql", "/loose", SHARED).unwrap());
        let next = registry.open("mysql", "/next", SHARED).unwrap();
        assert_eq!(registry.open("mysql", "/more", SHARED).err(), Some(OpenError::TooMany));
        drop((held, next));
        assert!(registry.open("mysql", "/more", SHARED).is_ok());
    }

    #[test]
    fn what_cannot_be_opened_is_an_error() {
        let registry = Registry::default();
        assert_eq!(
            registry.open("oracle", "x", SHARED).err().map(|e| e.to_string()).as_deref(),
            Some("unknown driver: oracle")
        );
        assert!(matches!(registry.open("mysql", "x", SHARED), Err(OpenError::Mysql(_))));
    }
}
