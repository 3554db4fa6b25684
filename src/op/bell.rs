//! Bells: how a task lets another one of the same worker go on.
//!
//! One task waits by [`Op::Bell`](super::Op::Bell) for a bell that another one rings, once and for good. No thread but the worker's is
//! concerned. [`Gate`](crate::upstream::gate::Gate) is the comfortable end of it.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;

/// Rings once; clones are the same bell.
#[derive(Clone, Default)]
pub struct Bell(Rc<Inner>);

#[derive(Default)]
struct Inner {
    rung: Cell<bool>,
    listener: RefCell<Option<(u64, Rung)>>,
}

impl Bell {
    /// Lets go on who waits for it, now or later.
    pub fn ring(&self) {
        self.0.rung.set(true);
        if let Some((who, rung)) = self.0.listener.take() {
            rung.0.borrow_mut().push(who);
        }
    }

    pub fn has_rung(&self) -> bool {
        self.0.rung.get()
    }

    /// Has `who` put into `rung` when it rings; false if it has rung already.
    pub fn listen(&self, who: u64, rung: &Rung) -> bool {
        if self.has_rung() {
            return false;
        }
        *self.0.listener.borrow_mut() = Some((who, rung.clone()));
        true
    }
}

impl fmt::Debug for Bell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bell(rung: {})", self.has_rung())
    }
}

/// The asks whose bells have rung; the worker answers them in the same turn.
#[derive(Clone, Default)]
pub struct Rung(Rc<RefCell<Vec<u64>>>);

impl Rung {
    /// Those that were added since the last call.
    pub fn take(&self) -> Vec<u64> {
        if self.0.borrow().is_empty() { Vec::new() } else { self.0.take() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_listens_hears_it_once() {
        let (bell, rung) = (Bell::default(), Rung::default());
        assert!(bell.listen(7, &rung));
        assert!(rung.take().is_empty());
        bell.ring();
        bell.clone().ring();
        assert_eq!((rung.take(), rung.take()), (vec![7], vec![]));
    }

    #[test]
    fn who_comes_late_need_not_wait() {
        let bell = Bell::default();
        bell.ring();
        assert!(!bell.listen(7, &Rung::default()));
    }
}
