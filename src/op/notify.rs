//! Notify: how a task wakes another one of the same worker.
//!
//! One task waits with [`Op::Notified`](super::Op::Notified) until another one calls
//! [`Notify::notify`], once and for good. No other thread takes part.
//! [`Semaphore`](crate::upstream::semaphore::Semaphore) is built on it.

use super::AskId;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;

/// Notified once; clones share the state.
#[derive(Clone, Default)]
pub struct Notify(Rc<Inner>);

#[derive(Default)]
struct Inner {
    notified: Cell<bool>,
    listener: RefCell<Option<(AskId, Woken)>>,
}

impl Notify {
    /// Wakes the task that waits for it, now or later.
    pub fn notify(&self) {
        self.0.notified.set(true);
        if let Some((ask, woken)) = self.0.listener.take() {
            woken.0.borrow_mut().push(ask);
        }
    }

    pub fn is_notified(&self) -> bool {
        self.0.notified.get()
    }

    /// Has `ask` put into `woken` when it is notified; false if it already was.
    pub fn listen(&self, ask: AskId, woken: &Woken) -> bool {
        if self.is_notified() {
            return false;
        }
        *self.0.listener.borrow_mut() = Some((ask, woken.clone()));
        true
    }
}

impl fmt::Debug for Notify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Notify(woken: {})", self.is_notified())
    }
}

/// The asks that were notified; the worker answers them in the same turn.
#[derive(Clone, Default)]
pub struct Woken(Rc<RefCell<Vec<AskId>>>);

impl Woken {
    /// Those that were added since the last call.
    pub fn take(&self) -> Vec<AskId> {
        if self.0.borrow().is_empty() { Vec::new() } else { self.0.take() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_is_woken_once() {
        let (notify, woken) = (Notify::default(), Woken::default());
        assert!(notify.listen(AskId(7), &woken));
        assert!(woken.take().is_empty());
        notify.notify();
        notify.clone().notify();
        assert_eq!((woken.take(), woken.take()), (vec![AskId(7)], vec![]));
    }

    #[test]
    fn a_late_listener_need_not_wait() {
        let notify = Notify::default();
        notify.notify();
        assert!(!notify.listen(AskId(7), &Woken::default()));
    }
}
