//! Helper threads: functions that may block, beside one worker's loop.
//!
//! A file on a dead network disk, a child process or a local database would hold up every login of
//! the core. Here it holds up one of [`THREADS_MAX`] threads, which are started when they are
//! needed. The queue is bounded, and work whose asker's time is over before its turn is not begun;
//! work that has begun cannot be interrupted, and its answer is then dropped.

use crate::op::{AskId, BlockingJob, Failure, Worked};
use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Instant;

/// The worker's end. Dropping it ends the threads that are idle; one in the middle of its work ends
/// after it, unwaited for.
pub struct HelperThreads {
    shared: Arc<Shared>,
    threads: usize,
    answer: Arc<Answering>,
}

/// Carries what became of the work of `who` to the loop.
pub type Answering = dyn Fn(AskId, Result<Worked, Failure>) + Send + Sync;

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Job>,
    /// Threads that wait for work.
    idle: usize,
    stopping: bool,
}

struct Job {
    ask: AskId,
    until: Instant,
    work: BlockingJob,
}

impl HelperThreads {
    /// No thread is started before there is work. `answer` is called on the threads.
    pub fn new(
        answer: impl Fn(AskId, Result<Worked, Failure>) + Send + Sync + 'static,
    ) -> HelperThreads {
        HelperThreads { shared: Arc::default(), threads: 0, answer: Arc::new(answer) }
    }

    /// Queues work; its answer will carry `who`.
    ///
    /// # Errors
    /// [`Failure::Full`] at once, or [`Failure::Unavailable`] when the system gives no thread.
    pub fn submit(&mut self, ask: AskId, until: Instant, work: BlockingJob) -> Result<(), Failure> {
        let mut state = self.shared.lock();
        if state.queue.len() >= QUEUE_MAX {
            return Err(Failure::Full("helper thread"));
        }
        if state.idle <= state.queue.len() && self.threads < THREADS_MAX {
            let (shared, answer) = (self.shared.clone(), self.answer.clone());
            match std::thread::Builder::new()
                .name("helper".into())
                .spawn(move || shared.run(&*answer))
            {
                Ok(_) => self.threads += 1,
                Err(error) if self.threads == 0 => return Err(no_thread(&error)),
                // Those that there are will come to it.
                Err(_) => {}
            }
        }
        state.queue.push_back(Job { ask, until, work });
        drop(state);
        self.shared.wake.notify_one();
        Ok(())
    }
}

impl Drop for HelperThreads {
    fn drop(&mut self) {
        self.shared.lock().stopping = true;
        self.shared.wake.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        // Nothing panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, answer: &Answering) {
        while let Some(Job { ask, until, work }) = self.next() {
            if until <= Instant::now() {
                answer(ask, Err(Failure::TimedOut));
                continue;
            }
            // A bug in one function must not cost the thread.
            let worked = catch_unwind(AssertUnwindSafe(|| work.run()));
            answer(
                ask,
                worked
                    .map_err(|_| Failure::Unavailable("the operation failed unexpectedly".into())),
            );
        }
    }

    fn next(&self) -> Option<Job> {
        let mut state = self.lock();
        loop {
            if state.stopping {
                return None;
            }
            if let Some(job) = state.queue.pop_front() {
                return Some(job);
            }
            state.idle += 1;
            state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
        }
    }
}

fn no_thread(error: &io::Error) -> Failure {
    Failure::Unavailable(format!("no helper thread: {}", super::error_text(error)))
}

/// Threads per worker. They wait for disks and children far more than they compute.
pub const THREADS_MAX: usize = 4;

/// Work that may wait for a thread.
pub const QUEUE_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::time::Duration;

    type Answers = mpsc::Receiver<(u64, Result<Worked, Failure>)>;

    fn threads() -> (HelperThreads, Answers) {
        let (sender, receiver) = mpsc::channel();
        (
            HelperThreads::new(move |AskId(ask), worked| {
                sender.send((ask, worked)).unwrap_or_default()
            }),
            receiver,
        )
    }

    fn later() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    fn number(answers: &Answers) -> (u64, Result<u32, Failure>) {
        let (ask, worked) = answers.recv_timeout(Duration::from_secs(60)).unwrap();
        (ask, worked.map(|value| *value.downcast().unwrap()))
    }

    #[test]
    fn what_blocks_holds_up_one_thread_only() {
        let (mut threads, answers) = threads();
        let (release, gate) = mpsc::channel::<()>();
        threads
            .submit(AskId(1), later(), BlockingJob::new(move || gate.recv().map_or(0u32, |()| 1)))
            .unwrap();
        for ask in 2..20 {
            threads.submit(AskId(ask), later(), BlockingJob::new(move || ask as u32)).unwrap();
        }
        let mut others: Vec<u64> = (2..20).map(|_| number(&answers).0).collect();
        others.sort_unstable();
        assert_eq!(others, (2..20).collect::<Vec<_>>());
        release.send(()).unwrap();
        assert_eq!(number(&answers), (1, Ok(1)));
    }

    #[test]
    fn a_panic_is_a_failure_and_the_thread_lives_on() {
        let (mut threads, answers) = threads();
        for ask in 0..8 {
            threads
                .submit(
                    AskId(ask),
                    later(),
                    BlockingJob::new(
                        move || if ask % 2 == 0 { panic!("a bug") } else { ask as u32 },
                    ),
                )
                .unwrap();
        }
        for _ in 0..8 {
            let (ask, worked) = number(&answers);
            assert_eq!(worked.is_err(), ask % 2 == 0);
        }
    }

    #[test]
    fn late_work_is_not_begun_and_a_full_queue_refuses() {
        let (mut threads, answers) = threads();
        threads
            .submit(AskId(1), Instant::now(), BlockingJob::new(|| panic!("must not be run")))
            .unwrap();
        assert_eq!(number(&answers), (1, Err(Failure::TimedOut)));

        let (release, gate) = mpsc::channel::<()>();
        let gate = Arc::new(Mutex::new(gate));
        let mut refused = 0;
        for ask in 0..(THREADS_MAX + QUEUE_MAX + 10) as u64 {
            let gate = gate.clone();
            let wait = move || {
                gate.lock().unwrap_or_else(PoisonError::into_inner).recv().map_or(0u32, |()| 1)
            };
            refused += usize::from(
                threads.submit(AskId(ask), later(), BlockingJob::new(wait))
                    == Err(Failure::Full("helper thread")),
            );
        }
        assert!(refused >= 10, "{refused}");
        drop(release);
    }
}
