//! Semaphore: a fixed number of permits; tasks queue for them.
//!
//! Bounds the connections of a pool. Permits go to waiters in the order of asking; dropping a
//! waiting task removes it from the queue.
//! Bounds: [`QUEUE_MAX`] waiters unless the owner sets another number; each gives its own time
//! limit.

use crate::op::{Failure, Notify, Op, Ops};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

/// Clones are the same semaphore.
#[derive(Clone, Debug)]
pub struct Semaphore(Rc<Inner>);

#[derive(Debug)]
struct Inner {
    free: Cell<usize>,
    queue_max: usize,
    queue: RefCell<VecDeque<Rc<Waiter>>>,
}

/// A task in the queue.
#[derive(Debug, Default)]
struct Waiter {
    notify: Notify,
}

/// A permit; dropping it passes it to the next waiter.
#[derive(Debug)]
pub struct Permit(Semaphore);

impl Semaphore {
    /// With this number of permits.
    pub fn new(permits: usize) -> Semaphore {
        Semaphore::with_queue(permits, QUEUE_MAX)
    }

    /// With this number of permits and of waiters.
    pub fn with_queue(permits: usize, queue_max: usize) -> Semaphore {
        Semaphore(Rc::new(Inner { free: Cell::new(permits), queue_max, queue: RefCell::default() }))
    }

    /// Waits for a permit, at most `limit`.
    ///
    /// # Errors
    /// [`Failure::TimedOut`], [`Failure::Deadline`]; [`Failure::Full`] at once if too many wait.
    pub async fn acquire(&self, ops: &Ops, limit: Duration) -> Result<Permit, Failure> {
        if self.0.free.get() > 0 {
            self.0.free.set(self.0.free.get() - 1);
            return Ok(Permit(self.clone()));
        }
        if self.0.queue.borrow().len() >= self.0.queue_max {
            return Err(Failure::Full("connection pool"));
        }
        let waiting = Waiting { semaphore: self, waiter: Rc::default(), acquired: false };
        self.0.queue.borrow_mut().push_back(waiting.waiter.clone());
        let answer = ops.ask(Op::Notified(waiting.waiter.notify.clone()), limit).await;
        match answer {
            // The permit may have come in the turn in which time ran out.
            _ if waiting.waiter.notify.is_notified() => Ok(waiting.into_permit()),
            crate::op::Answer::Failed(failure) => Err(failure),
            _ => Err(Failure::TimedOut),
        }
    }

    /// Whether this is the only handle on it: no permit is out and there are no waiters.
    pub fn is_unused(&self) -> bool {
        Rc::strong_count(&self.0) == 1
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.0.queue.borrow().len()
    }

    fn release(&self) {
        match self.0.queue.borrow_mut().pop_front() {
            Some(next) => next.notify.notify(),
            None => self.0.free.set(self.0.free.get() + 1),
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.release();
    }
}

/// A wait under way. Dropped without a permit it leaves the queue; a permit that came too late goes
/// to the next waiter.
struct Waiting<'a> {
    semaphore: &'a Semaphore,
    waiter: Rc<Waiter>,
    /// The permit was handed to its owner, who releases it.
    acquired: bool,
}

impl Waiting<'_> {
    fn into_permit(mut self) -> Permit {
        self.acquired = true;
        Permit(self.semaphore.clone())
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.acquired {
            return;
        }
        if self.waiter.notify.is_notified() {
            self.semaphore.release();
        } else {
            self.semaphore.0.queue.borrow_mut().retain(|waiter| !Rc::ptr_eq(waiter, &self.waiter));
        }
    }
}

/// A waiter behind this many others would not be served in time.
pub const QUEUE_MAX: usize = 1024;

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
        fn new(semaphore: &Semaphore) -> Entering {
            let now = Instant::now();
            let (ops, driver) = slot(now, now + Duration::from_secs(10));
            let semaphore = semaphore.clone();
            Entering {
                future: Box::pin(
                    async move { semaphore.acquire(&ops, Duration::from_secs(1)).await },
                ),
                driver,
            }
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
            self.poll().is_pending() && matches!(self.driver.take_op(), Some((Op::Notified(_), _)))
        }
    }

    #[test]
    fn the_next_in_line_comes_in_when_one_leaves() {
        let semaphore = Semaphore::new(1);
        let Poll::Ready(Ok(first)) = Entering::new(&semaphore).poll() else {
            panic!("nobody is inside")
        };
        let (mut second, mut third) = (Entering::new(&semaphore), Entering::new(&semaphore));
        assert!(second.waits() && third.waits());
        drop(first);
        assert_eq!(semaphore.waiting(), 1);
        let permit = second.answer(Answer::Notified).unwrap();
        drop(permit);
        drop(third.answer(Answer::Notified).unwrap());
        assert!(matches!(Entering::new(&semaphore).poll(), Poll::Ready(Ok(_))));
    }

    #[test]
    fn who_gives_up_leaves_the_line() {
        let semaphore = Semaphore::new(1);
        let Poll::Ready(Ok(first)) = Entering::new(&semaphore).poll() else {
            panic!("nobody is inside")
        };
        let (mut late, mut gone) = (Entering::new(&semaphore), Entering::new(&semaphore));
        assert!(late.waits() && gone.waits());
        assert_eq!(late.answer(Answer::Failed(Failure::TimedOut)).err(), Some(Failure::TimedOut));
        drop(late);
        drop(gone);
        assert_eq!(semaphore.waiting(), 0);
        drop(first);
        assert!(matches!(Entering::new(&semaphore).poll(), Poll::Ready(Ok(_))));
    }

    #[test]
    fn a_permit_for_somebody_who_is_gone_goes_to_the_next() {
        let semaphore = Semaphore::new(1);
        let Poll::Ready(Ok(first)) = Entering::new(&semaphore).poll() else {
            panic!("nobody is inside")
        };
        let (mut gone, mut next) = (Entering::new(&semaphore), Entering::new(&semaphore));
        assert!(gone.waits() && next.waits());
        drop(first);
        drop(gone);
        assert!(next.answer(Answer::Notified).is_ok());
        // And one that came with the end of the time is taken.
        let Poll::Ready(Ok(first)) = Entering::new(&semaphore).poll() else {
            panic!("nobody is inside")
        };
        let mut late = Entering::new(&semaphore);
        assert!(late.waits());
        drop(first);
        assert!(late.answer(Answer::Failed(Failure::TimedOut)).is_ok());
    }

    #[test]
    fn the_line_is_bounded() {
        for (semaphore, queue_max) in
            [(Semaphore::new(0), QUEUE_MAX), (Semaphore::with_queue(0, 2), 2)]
        {
            let mut queue: Vec<Entering> =
                (0..queue_max).map(|_| Entering::new(&semaphore)).collect();
            assert!(queue.iter_mut().all(Entering::waits));
            assert!(matches!(Entering::new(&semaphore).poll(), Poll::Ready(Err(Failure::Full(_)))));
        }
    }
}
