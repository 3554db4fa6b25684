//! The databases of one Lua state: those that handles share, and those of single handles, which end
//! with their stage.

use crate::upstream::sql::{Database, OpenError, Options, Registry};
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::{Rc, Weak};

/// One per Lua state.
#[derive(Debug, Default)]
pub struct Databases {
    shared: Registry,
    /// By the slot of the stage that opened them.
    owned: RefCell<HashMap<u32, Vec<Weak<Database>>>>,
}

impl Databases {
    /// Opens a database. One that is not shared is closed when the stage in slot `owner` ends, if
    /// there is an owner; otherwise when the collector finds its handle.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(
        &self,
        driver: &str,
        address: &str,
        options: Options,
        owner: Option<u32>,
    ) -> Result<Rc<Database>, OpenError> {
        let database = self.shared.open(driver, address, options)?;
        if let Some(slot) = owner.filter(|_| !options.shared) {
            let mut owned = self.owned.borrow_mut();
            let list = owned.entry(slot).or_default();
            list.retain(|database| {
                database.upgrade().is_some_and(|database| !database.is_closed())
            });
            if list.len() >= OWNED_MAX {
                return Err(OpenError::TooMany);
            }
            list.push(Rc::downgrade(&database));
        }
        Ok(database)
    }

    /// Closes what was opened in a stage. Its connections must not wait for the collector: a server
    /// has only so many.
    pub fn stage_ended(&self, slot: u32) {
        if self.owned.borrow().is_empty() {
            return;
        }
        let opened = self.owned.borrow_mut().remove(&slot).unwrap_or_default();
        opened.iter().filter_map(Weak::upgrade).for_each(|database| database.close());
    }
}

/// Databases of its own that one stage of one request may have open.
const OWNED_MAX: usize = 64;
