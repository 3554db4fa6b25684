//! Gate: so many at once, the others wait in line.
//!
//! What bounds the connections of a pool. Permits are handed on in the order of asking; who gives up, or is given up, leaves the line.
//! Bounds: [`LINE_MAX`] waiting unless its owner says otherwise; each waits as long as it says.

use crate::op::{Bell, Failure, Op, Ops};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

/// Clones are the same gate.
#[derive(Clone, Debug)]
pub struct Gate(Rc<Inner>);

#[derive(Debug)]
struct Inner {
    free: Cell<usize>,
    line_max: usize,
    line: RefCell<VecDeque<Rc<Place>>>,
}

/// A place in the line.
#[derive(Debug, Default)]
struct Place {
    bell: Bell,
}

/// The right to be inside; dropping it lets the next one in.
#[derive(Debug)]
pub struct Permit(Gate);

impl Gate {
    /// Lets in so many at once.
    pub fn new(permits: usize) -> Gate {
        Gate::with_line(permits, LINE_MAX)
    }

    /// Lets in so many at once; so many may wait.
    pub fn with_line(permits: usize, line_max: usize) -> Gate {
        Gate(Rc::new(Inner { free: Cell::new(permits), line_max, line: RefCell::default() }))
    }

    /// Waits for its turn, at most `limit`.
    ///
    /// # Errors
    /// [`Failure::TimedOut`], [`Failure::Deadline`]; [`Failure::Full`] at once if too many wait.
    pub async fn enter(&self, ops: &Ops, limit: Duration) -> Result<Permit, Failure> {
        if self.0.free.get() > 0 {
            self.0.free.set(self.0.free.get() - 1);
            return Ok(Permit(self.clone()));
        }
        if self.0.line.borrow().len() >= self.0.line_max {
            return Err(Failure::Full("connection pool"));
        }
        let standing = Standing { gate: self, place: Rc::default(), let_in: false };
        self.0.line.borrow_mut().push_back(standing.place.clone());
        let answer = ops.ask(Op::Bell(standing.place.bell.clone()), limit).await;
        match answer {
            // The bell may have rung in the very turn in which time ran out.
            _ if standing.place.bell.has_rung() => Ok(standing.into_permit()),
            crate::op::Answer::Failed(failure) => Err(failure),
            _ => Err(Failure::TimedOut),
        }
    }

    /// Whether this is the only handle on it: nobody is inside or in line.
    pub fn is_unused(&self) -> bool {
        Rc::strong_count(&self.0) == 1
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.0.line.borrow().len()
    }

    fn leave(&self) {
        match self.0.line.borrow_mut().pop_front() {
            Some(next) => next.bell.ring(),
            None => self.0.free.set(self.0.free.get() + 1),
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.leave();
    }
}

/// Who stands in line. Gone without a permit: the place is free, and a permit that came too late goes on to the next.
struct Standing<'a> {
    gate: &'a Gate,
    place: Rc<Place>,
    /// The permit was taken, and is its owner's to hand on.
    let_in: bool,
}

impl Standing<'_> {
    fn into_permit(mut self) -> Permit {
        self.let_in = true;
        Permit(self.gate.clone())
    }
}

impl Drop for Standing<'_> {
    fn drop(&mut self) {
        if self.let_in {
            return;
        }
        if self.place.bell.has_rung() {
            self.gate.leave();
        } else {
            self.gate.0.line.borrow_mut().retain(|place| !Rc::ptr_eq(place, &self.place));
        }
    }
}

/// Who waits in line behind this many others is not served in time anyway.
pub const LINE_MAX: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op::{Answer, Driver, slot};
    use std::future::Future;
    use std::pin::Pin;
    use std::task::{Context, Poll, Waker};
    use std::time::Instant;

    /// A task that enters.
    struct Entering {
        future: Pin<Box<dyn Future<Output = Result<Permit, Failure>>>>,
        driver: Driver,
    }

    impl Entering {
        fn new(gate: &Gate) -> Entering {
            let now = Instant::now();
            let (ops, driver) = slot(now, now + Duration::from_secs(10));
            let gate = gate.clone();
            Entering { future: Box::pin(async move { gate.enter(&ops, Duration::from_secs(1)).await }), driver }
        }

        fn poll(&mut self) -> Poll<Result<Permit, Failure>> {
            self.future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
        }

        fn answer(&mut self, answer: Answer) -> Result<Permit, Failure> {
            self.driver.put_answer(answer);
            match self.poll() {
                Poll::Ready(entered) => entered,
                Poll::Pending => panic!("still waiting"),
            }
        }

        fn waits(&mut self) -> bool {
            self.poll().is_pending() && matches!(self.driver.take_op(), Some((Op::Bell(_), _)))
        }
    }

    #[test]
    fn the_next_in_line_comes_in_when_one_leaves() {
        let gate = Gate::new(1);
        let Poll::Ready(Ok(first)) = Entering::new(&gate).poll() else { panic!("nobody is inside") };
        let (mut second, mut third) = (Entering::new(&gate), Entering::new(&gate));
        assert!(second.waits() && third.waits());
        drop(first);
        assert_eq!(gate.waiting(), 1);
        let permit = second.answer(Answer::Rung).unwrap();
        drop(permit);
        drop(third.answer(Answer::Rung).unwrap());
        assert!(matches!(Entering::new(&gate).poll(), Poll::Ready(Ok(_))));
    }

    #[test]
    fn who_gives_up_leaves_the_line() {
        let gate = Gate::new(1);
        let Poll::Ready(Ok(first)) = Entering::new(&gate).poll() else { panic!("nobody is inside") };
        let (mut late, mut gone) = (Entering::new(&gate), Entering::new(&gate));
        assert!(late.waits() && gone.waits());
        assert_eq!(late.answer(Answer::Failed(Failure::TimedOut)).err(), Some(Failure::TimedOut));
        drop(late);
        drop(gone);
        assert_eq!(gate.waiting(), 0);
        drop(first);
        assert!(matches!(Entering::new(&gate).poll(), Poll::Ready(Ok(_))));
    }

    #[test]
    fn a_permit_for_somebody_who_is_gone_goes_to_the_next() {
        let gate = Gate::new(1);
        let Poll::Ready(Ok(first)) = Entering::new(&gate).poll() else { panic!("nobody is inside") };
        let (mut gone, mut next) = (Entering::new(&gate), Entering::new(&gate));
        assert!(gone.waits() && next.waits());
        drop(first);
        drop(gone);
        assert!(next.answer(Answer::Rung).is_ok());
        // And one that came with the end of the time is taken.
        let Poll::Ready(Ok(first)) = Entering::new(&gate).poll() else { panic!("nobody is inside") };
        let mut late = Entering::new(&gate);
        assert!(late.waits());
        drop(first);
        assert!(late.answer(Answer::Failed(Failure::TimedOut)).is_ok());
    }

    #[test]
    fn the_line_is_bounded() {
        for (gate, line_max) in [(Gate::new(0), LINE_MAX), (Gate::with_line(0, 2), 2)] {
            let mut line: Vec<Entering> = (0..line_max).map(|_| Entering::new(&gate)).collect();
            assert!(line.iter_mut().all(Entering::waits));
            assert!(matches!(Entering::new(&gate).poll(), Poll::Ready(Err(Failure::Full(_)))));
        }
    }
}
