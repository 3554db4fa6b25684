//! Notices: log lines of periodic tasks, which have no log of their own.

use crate::log::Level;
use std::cell::RefCell;
use std::rc::Rc;

/// A log line of a periodic task.
#[derive(Debug, PartialEq)]
pub struct Notice {
    pub level: Level,
    pub message: String,
    pub fields: Vec<(&'static str, String)>,
}

/// Notices that are not written yet; the worker writes them at the end of its turn. Clones share
/// them.
#[derive(Clone, Default)]
pub struct Notices(Rc<RefCell<Vec<Notice>>>);

impl Notices {
    pub fn add(
        &self,
        level: Level,
        message: impl Into<String>,
        fields: impl IntoIterator<Item = (&'static str, String)>,
    ) {
        self.0.borrow_mut().push(Notice {
            level,
            message: message.into(),
            fields: fields.into_iter().collect(),
        });
    }

    pub fn take(&self) -> Vec<Notice> {
        self.0.take()
    }
}
