//! Subtasks and blocking jobs: ops that are code rather than a message to a link.
//!
//! A [`Subtask`] is how a client of some protocol runs: sequential async code over the same door
//! ([`Ops`]), on a task of its own, so that several of them can be under way for one asker
//! ([`Op::All`](super::Op::All)) and an asker that is gone takes them along. [`BlockingJob`] is a
//! function that may block; it runs on a helper thread and is not interrupted. Both return a value
//! of any type, which the asker takes out of the answer by [`Answer::done`].

use super::{Answer, Failure, Ops};
use std::any::Any;
use std::fmt;
use std::future::Future;
use std::pin::Pin;

/// Code that waits, and begins when it is polled with a door of its own.
pub struct Subtask(Box<Begin>);

type Begin = dyn FnOnce(Ops) -> Pin<Box<dyn Future<Output = Done>>>;

impl Subtask {
    /// `body` gets its own door: its deadline is the time limit of the op.
    pub fn new<T: Any, F: Future<Output = T> + 'static>(
        body: impl FnOnce(Ops) -> F + 'static,
    ) -> Subtask {
        Subtask(Box::new(|ops| {
            let future = body(ops);
            Box::pin(async move { Done(Box::new(future.await)) })
        }))
    }

    pub fn begin(self, ops: Ops) -> Pin<Box<dyn Future<Output = Done>>> {
        (self.0)(ops)
    }
}

/// A function that may block.
pub struct BlockingJob(Box<Compute>);

type Compute = dyn FnOnce() -> Worked + Send;
/// What [`BlockingJob`] returned, on its way from the helper thread.
pub type Worked = Box<dyn Any + Send>;

impl BlockingJob {
    pub fn new<T: Any + Send>(body: impl FnOnce() -> T + Send + 'static) -> BlockingJob {
        BlockingJob(Box::new(|| Box::new(body())))
    }

    pub fn run(self) -> Worked {
        (self.0)()
    }
}

/// A value of the type that the asker knows.
pub struct Done(Box<dyn Any>);

impl Done {
    pub fn new<T: Any>(value: T) -> Done {
        Done(Box::new(value))
    }
}

impl From<Worked> for Done {
    fn from(worked: Worked) -> Done {
        Done(worked)
    }
}

impl Answer {
    /// What the subtask or the blocking job returned.
    ///
    /// # Errors
    /// The answer's own failure: time is over, a queue is full. An answer of another type would be
    /// a bug of the asker; it reads as one.
    pub fn done<T: Any>(self) -> Result<T, Failure> {
        match self {
            Answer::Done(Done(value)) => {
                value.downcast().map(|value| *value).map_err(|_| unexpected())
            }
            Answer::Failed(failure) => Err(failure),
            _ => Err(unexpected()),
        }
    }
}

pub(super) fn unexpected() -> Failure {
    Failure::Protocol("an answer of another kind".into())
}

impl fmt::Debug for Subtask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Subtask")
    }
}

impl fmt::Debug for BlockingJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Work")
    }
}

impl fmt::Debug for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Done")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op::{Op, drive, slot};
    use std::time::{Duration, Instant};

    #[test]
    fn subtasks_and_blocking_jobs_return_what_they_made() {
        let now = Instant::now();
        let (ops, driver) = slot(now, now + Duration::from_secs(10));
        let naps = |count: u32| {
            Op::Run(Subtask::new(move |ops| async move {
                for _ in 0..count {
                    ops.ask(Op::Sleep(Duration::from_secs(1)), Duration::MAX).await;
                }
                count
            }))
        };
        let mut slept = 0;
        let task = async {
            let answer = ops
                .ask(
                    Op::All(vec![naps(2), naps(3), Op::Blocking(BlockingJob::new(|| "worked"))]),
                    Duration::MAX,
                )
                .await;
            let Answer::All(answers) = answer else { panic!("{answer:?}") };
            let [first, second, third] = <[Answer; 3]>::try_from(answers).unwrap();
            (first.done::<u32>(), second.done::<u32>(), third.done::<&str>())
        };
        let returned = drive(task, &driver, |_| {
            slept += 1;
            Answer::Slept
        });
        assert_eq!((returned, slept), ((Ok(2), Ok(3), Ok("worked")), 5));
    }

    #[test]
    fn another_type_is_a_failure_and_a_failure_stays_one() {
        assert!(matches!(Answer::Done(Done::new(1u8)).done::<String>(), Err(Failure::Protocol(_))));
        assert_eq!(Answer::Failed(Failure::TimedOut).done::<u8>(), Err(Failure::TimedOut));
    }
}
