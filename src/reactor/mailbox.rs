//! Mailbox: values from other threads into a worker's loop, bounded, with one wake per nap of the
//! receiver.
//!
//! Many senders, one receiver, a lock-free queue (crossbeam's `ArrayQueue`). A queue costs 0.3 µs a
//! message, a wake through the kernel a whole microsecond, so a [`Waker`] only goes there when its
//! loop is really asleep; a sender of many messages per turn uses [`Sender::send_quietly`] and
//! wakes once. All mailboxes of a loop share its reactor's one waker. A full mailbox is never
//! waited for: the value goes back to the sender, who knows what that means.

use crossbeam_queue::ArrayQueue;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

/// A mailbox for at most `capacity` values (at least 1) whose receiver sleeps in the reactor that
/// gave `waker`.
pub fn mailbox<T>(capacity: usize, waker: Waker) -> (Sender<T>, Mailbox<T>) {
    let shared = Arc::new(Shared {
        queue: ArrayQueue::new(capacity.max(1)),
        closed: AtomicBool::new(false),
    });
    (Sender { shared: shared.clone(), waker }, Mailbox { shared })
}

/// The sending end; clone it for every thread that sends.
#[derive(Debug)]
pub struct Sender<T> {
    shared: Arc<Shared<T>>,
    waker: Waker,
}

/// The receiving end. When it is dropped, what it holds is dropped with the last sender and every
/// further value is refused.
#[derive(Debug)]
pub struct Mailbox<T> {
    shared: Arc<Shared<T>>,
}

#[derive(Debug)]
struct Shared<T> {
    queue: ArrayQueue<T>,
    /// The receiver is gone.
    closed: AtomicBool,
}

impl<T> Sender<T> {
    /// Sends, and wakes the receiver if it sleeps.
    ///
    /// # Errors
    /// The value itself, when the mailbox is full or its receiver gone.
    pub fn send(&self, value: T) -> Result<(), T> {
        self.send_quietly(value)?;
        self.waker.wake();
        Ok(())
    }

    /// Sends without waking. Call [`Sender::wake`] before this thread sleeps, or the value may stay
    /// unseen.
    ///
    /// # Errors
    /// As [`Sender::send`].
    pub fn send_quietly(&self, value: T) -> Result<(), T> {
        if self.shared.closed.load(Ordering::Relaxed) {
            return Err(value);
        }
        self.shared.queue.push(value)
    }

    /// Wakes the receiver if it sleeps.
    pub fn wake(&self) {
        self.waker.wake();
    }

    /// How many values wait; a moment later it may be another number. For metrics.
    pub fn len(&self) -> usize {
        self.shared.queue.len()
    }

    pub fn is_empty(&self) -> bool {
        self.shared.queue.is_empty()
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Sender<T> {
        Sender { shared: self.shared.clone(), waker: self.waker.clone() }
    }
}

impl<T> Mailbox<T> {
    /// The oldest value. Values of one sender come in the order in which they were sent.
    ///
    /// After a wait, go on to None, or remember to come back: only a send during the next wait ends
    /// it early.
    pub fn receive(&mut self) -> Option<T> {
        self.shared.queue.pop()
    }

    pub fn len(&self) -> usize {
        self.shared.queue.len()
    }

    pub fn is_empty(&self) -> bool {
        self.shared.queue.is_empty()
    }
}

impl<T> Drop for Mailbox<T> {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::Relaxed);
    }
}

/// Interrupts the wait of one reactor, from any thread; cheap unless that reactor is asleep.
///
/// One atomic byte tells what the loop does. A sender publishes its value, then swaps in [`RUNG`],
/// and goes to the kernel only if it swapped out [`ASLEEP`]. The loop goes to sleep only by
/// changing [`AWAKE`] to [`ASLEEP`]; if it finds [`RUNG`] it polls without waiting instead. After
/// the wait it swaps in [`AWAKE`] and then looks into its mailboxes. All of these are
/// read-modify-write operations on the same byte, hence in one total order: a ring before the swap
/// to awake is followed by that look (which sees the value: the swap acquires what the ring
/// released), and a ring after it is found at the next try to sleep.
#[derive(Clone, Debug)]
pub struct Waker(Arc<Bell>);

#[derive(Debug)]
struct Bell {
    state: AtomicU8,
    waker: mio::Waker,
}

impl Waker {
    pub(super) fn new(waker: mio::Waker) -> Waker {
        Waker(Arc::new(Bell { state: AtomicU8::new(AWAKE), waker }))
    }

    /// Ends the reactor's wait, or the next one if it is not waiting.
    pub fn wake(&self) {
        if self.0.state.swap(RUNG, Ordering::AcqRel) == ASLEEP {
            self.ring();
        }
    }

    /// The loop is about to wait. False: a message came in between, so it may only look and not
    /// sleep.
    pub(super) fn start_nap(&self) -> bool {
        self.0.state.compare_exchange(AWAKE, ASLEEP, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// The loop is awake again and will now look into its mailboxes.
    pub(super) fn end_nap(&self) {
        self.0.state.swap(AWAKE, Ordering::AcqRel);
    }

    #[cold]
    fn ring(&self) {
        // The poller's descriptor is open as long as we live, and a full eventfd counts as rung.
        // Anything else would be lost sleep, not lost data: the loop's timers still end its wait.
        while let Err(error) = self.0.waker.wake() {
            if error.kind() != io::ErrorKind::Interrupted {
                break;
            }
        }
    }
}

/// The loop is working; it will look again before it sleeps.
const AWAKE: u8 = 0;
/// The loop is in (or about to enter) a wait that may last.
const ASLEEP: u8 = 1;
/// A message was sent since the loop last woke up.
const RUNG: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reactor::Reactor;
    use std::time::{Duration, Instant};

    /// One turn of a loop: wait, then take all there is.
    fn turn(reactor: &mut Reactor, mailbox: &mut Mailbox<u64>, until: Instant) -> Vec<u64> {
        reactor.wait(Some(until), Instant::now()).unwrap();
        std::iter::from_fn(|| mailbox.receive()).collect()
    }

    fn in_a_minute() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    #[test]
    fn a_full_mailbox_returns_the_value() {
        let reactor = Reactor::new().unwrap();
        let (sender, mut mailbox) = mailbox(2, reactor.waker());
        assert_eq!((sender.send(1), sender.send(2), sender.send(3)), (Ok(()), Ok(()), Err(3)));
        assert_eq!((mailbox.receive(), sender.send(3)), (Some(1), Ok(())));
        assert_eq!(
            (mailbox.receive(), mailbox.receive(), mailbox.receive()),
            (Some(2), Some(3), None)
        );
    }

    #[test]
    fn a_mailbox_that_is_gone_returns_the_value() {
        let reactor = Reactor::new().unwrap();
        let (sender, mailbox) = mailbox(2, reactor.waker());
        drop(mailbox);
        assert_eq!(sender.send(1), Err(1));
    }

    #[test]
    fn what_was_sent_before_the_wait_ends_it() {
        let mut reactor = Reactor::new().unwrap();
        let (sender, mut mailbox) = mailbox(8, reactor.waker());
        sender.send(7).unwrap();
        let until = in_a_minute();
        assert_eq!(turn(&mut reactor, &mut mailbox, until), [7]);
        sender.send_quietly(8).unwrap();
        sender.wake();
        assert_eq!(turn(&mut reactor, &mut mailbox, until), [8]);
        assert!(Instant::now() < until);
    }

    /// Four threads send as fast as the little mailbox allows, one loop sleeps whenever it has
    /// nothing. A lost wake would leave the loop asleep for a minute; values must all arrive, once,
    /// in each sender's order.
    fn hammer(send: impl Fn(&Sender<u64>, u64) + Sync) {
        const EACH: u64 = 20_000;
        let mut reactor = Reactor::new().unwrap();
        let (sender, mut mailbox) = mailbox(16, reactor.waker());
        let until = in_a_minute();
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let (sender, send) = (sender.clone(), &send);
                scope.spawn(move || {
                    (0..EACH).for_each(|number| send(&sender, thread * EACH + number))
                });
            }
            let mut next = [0, EACH, 2 * EACH, 3 * EACH];
            let mut received = 0;
            while received < 4 * EACH {
                assert!(Instant::now() < until, "a wake was lost");
                for value in turn(&mut reactor, &mut mailbox, until) {
                    let expected = &mut next[(value / EACH) as usize];
                    assert_eq!(value, *expected);
                    *expected += 1;
                    received += 1;
                }
            }
        });
        assert!(mailbox.is_empty());
    }

    #[test]
    fn no_wake_is_lost_between_threads() {
        hammer(|sender, value| {
            let mut value = value;
            while let Err(back) = sender.send(value) {
                value = back;
                std::thread::yield_now();
            }
        });
    }

    #[test]
    fn no_wake_is_lost_when_senders_wake_later() {
        hammer(|sender, value| {
            let mut value = value;
            while let Err(back) = sender.send_quietly(value) {
                value = back;
                sender.wake();
                std::thread::yield_now();
            }
            if value % 7 == 0 || value % 20_000 == 19_999 {
                sender.wake();
            }
        });
    }

    /// The sender waits for each echo, so that the loop really sleeps between any two values.
    #[test]
    fn a_sleeping_loop_is_woken_each_time() {
        let mut reactor = Reactor::new().unwrap();
        let (sender, mut mailbox) = mailbox(1, reactor.waker());
        let (echo, echoes) = std::sync::mpsc::channel();
        let until = in_a_minute();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                for value in 0..5_000 {
                    sender.send(value).unwrap();
                    assert_eq!(echoes.recv().unwrap(), value);
                }
            });
            let mut expected = 0;
            while expected < 5_000 {
                assert!(Instant::now() < until, "a wake was lost");
                for value in turn(&mut reactor, &mut mailbox, until) {
                    assert_eq!(value, expected);
                    expected += 1;
                    echo.send(value).unwrap();
                }
            }
        });
    }
}
