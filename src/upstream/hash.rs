//! Hash thread: checks passwords against slow hashes (bcrypt, argon2, crypt) beside one worker's
//! loop.
//!
//! One check takes 1 to 60 ms. On the loop it would hold up every other login; on a thread of the
//! same core with nice 10 the loop keeps its pace (p99 1.8 ms instead of 61 at half load) and
//! hashing still gets on when the core is busy, which it would not at nice 19. The queue is
//! bounded, and a job whose asker's time is over is answered without being run: under a flood of
//! wrong passwords the thread works only for those who still listen. What a hash is, is
//! `password`'s business: the check comes as a function.

use crate::op::{AskId, Failure, HashOp};
use crossbeam_queue::ArrayQueue;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Instant;

/// Whether a password matched or why that cannot be said; or why the check was not run.
pub type Checked = Result<Result<bool, String>, Failure>;

/// The worker's end. Dropping it ends the thread after the job it is at; jobs still queued are then
/// never answered.
#[derive(Debug)]
pub struct HashThread {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    queue: ArrayQueue<Job>,
    stopping: AtomicBool,
    /// Jobs turned away because the queue was full.
    refused: AtomicU64,
}

#[derive(Debug)]
struct Job {
    ask: AskId,
    until: Instant,
    op: HashOp,
}

impl HashThread {
    /// Starts a thread on `core` (None: wherever) for at most `capacity` waiting jobs. `check` says
    /// whether a password matches; `answer` gets each job's answer on that thread and carries it to
    /// the loop, as [`Sender::send`](crate::reactor::Sender::send) does.
    ///
    /// # Errors
    /// When the system gives no thread. That it cannot be pinned or made nicer only costs speed,
    /// and is no error.
    pub fn spawn(
        core: Option<usize>,
        capacity: usize,
        check: impl FnMut(&HashOp) -> Result<bool, String> + Send + 'static,
        answer: impl FnMut(AskId, Checked) + Send + 'static,
    ) -> io::Result<HashThread> {
        let shared = Arc::new(Shared {
            queue: ArrayQueue::new(capacity.max(1)),
            stopping: AtomicBool::new(false),
            refused: AtomicU64::new(0),
        });
        let name = core.map_or_else(|| "hash".to_owned(), |core| format!("hash-{core}"));
        let thread = std::thread::Builder::new().name(name).spawn({
            let shared = shared.clone();
            move || {
                settle(core);
                shared.run(check, answer);
            }
        })?;
        Ok(HashThread { shared, thread: Some(thread) })
    }

    /// Queues a job; its answer will carry `who`. Once `until` is over it is answered with
    /// [`Failure::TimedOut`], but not before its turn.
    ///
    /// # Errors
    /// [`Failure::Full`], at once.
    pub fn submit(&self, ask: AskId, until: Instant, op: HashOp) -> Result<(), Failure> {
        if self.shared.queue.push(Job { ask, until, op }).is_err() {
            self.shared.refused.fetch_add(1, Ordering::Relaxed);
            return Err(Failure::Full("hash"));
        }
        if let Some(thread) = &self.thread {
            // Cheap unless the thread sleeps; a token left for a thread that is just about to sleep
            // keeps it awake.
            thread.thread().unpark();
        }
        Ok(())
    }

    /// Jobs waiting, the one being run not counted. For metrics.
    pub fn queued(&self) -> usize {
        self.shared.queue.len()
    }

    /// Jobs turned away since the start. For metrics.
    pub fn refused(&self) -> u64 {
        self.shared.refused.load(Ordering::Relaxed)
    }
}

impl Drop for HashThread {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // It ends within one job. A panic of it has been answered and reported where it
            // happened.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn run(
        &self,
        mut check: impl FnMut(&HashOp) -> Result<bool, String>,
        mut answer: impl FnMut(AskId, Checked),
    ) {
        while !self.stopping.load(Ordering::Acquire) {
            match self.queue.pop() {
                Some(job) if job.until <= Instant::now() => answer(job.ask, Err(Failure::TimedOut)),
                Some(job) => {
                    // A bug in a hash must cost one login, not all that need a hash from now on.
                    let checked = catch_unwind(AssertUnwindSafe(|| check(&job.op)));
                    let checked = checked.unwrap_or_else(|_| {
                        Err("the password check failed unexpectedly".to_owned())
                    });
                    answer(job.ask, Ok(checked));
                }
                None => std::thread::park(),
            }
        }
    }
}

/// Moves the calling thread to its core and lets the loop there go first.
fn settle(core: Option<usize>) {
    if let Some(id) = core {
        core_affinity::set_for_current(core_affinity::CoreId { id });
    }
    // Elsewhere a nice value belongs to the whole process, the loops included.
    #[cfg(target_os = "linux")]
    {
        let thread = Some(rustix::thread::gettid());
        let nice = rustix::process::getpriority_process(thread).unwrap_or(0).max(NICE);
        let _ = rustix::process::setpriority_process(thread, nice);
    }
}

/// See the head of this file: 19 or SCHED_IDLE may starve, SCHED_BATCH does not help.
const NICE: i32 = 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;
    use std::sync::mpsc;
    use std::time::Duration;

    fn job(stored: &str, plain: &str) -> HashOp {
        HashOp { stored: Secret::from(stored), plain: Secret::from(plain) }
    }

    fn same(op: &HashOp) -> Result<bool, String> {
        Ok(op.stored.matches(op.plain.expose()))
    }

    fn later() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    fn spawn(
        capacity: usize,
        check: impl FnMut(&HashOp) -> Result<bool, String> + Send + 'static,
    ) -> (HashThread, mpsc::Receiver<(u64, Checked)>) {
        let (sender, receiver) = mpsc::channel();
        let thread = HashThread::spawn(None, capacity, check, move |AskId(ask), answer| {
            sender.send((ask, answer)).unwrap_or_default()
        })
        .unwrap();
        (thread, receiver)
    }

    fn next(answers: &mpsc::Receiver<(u64, Checked)>) -> (u64, Checked) {
        answers.recv_timeout(Duration::from_secs(60)).unwrap()
    }

    /// A check that waits until the test lets it go on.
    fn held() -> (
        mpsc::Sender<()>,
        mpsc::Receiver<()>,
        impl FnMut(&HashOp) -> Result<bool, String> + Send + 'static,
    ) {
        let (release, gate) = mpsc::channel::<()>();
        let (started, starts) = mpsc::channel();
        let check = move |op: &HashOp| {
            started.send(()).unwrap_or_default();
            gate.recv().unwrap_or_default();
            same(op)
        };
        (release, starts, check)
    }

    #[test]
    fn answers_each_job_in_turn() {
        let (thread, answers) = spawn(100, same);
        for ask in 0..100 {
            thread
                .submit(AskId(ask), later(), job("a", if ask % 2 == 0 { "a" } else { "b" }))
                .unwrap();
        }
        for expected in 0..100 {
            let (ask, answer) = next(&answers);
            assert_eq!(ask, expected);
            assert!(matches!(answer, Ok(Ok(matched)) if matched == (ask % 2 == 0)));
        }
        assert_eq!((thread.queued(), thread.refused()), (0, 0));
    }

    #[test]
    fn a_full_queue_refuses_at_once_and_is_counted() {
        let (release, starts, check) = held();
        let (thread, answers) = spawn(2, check);
        thread.submit(AskId(0), later(), job("a", "a")).unwrap();
        starts.recv().unwrap();
        thread.submit(AskId(1), later(), job("a", "a")).unwrap();
        thread.submit(AskId(2), later(), job("a", "a")).unwrap();
        assert_eq!(thread.submit(AskId(3), later(), job("a", "a")), Err(Failure::Full("hash")));
        assert_eq!((thread.queued(), thread.refused()), (2, 1));
        (0..3).for_each(|_| release.send(()).unwrap());
        assert_eq!([next(&answers).0, next(&answers).0, next(&answers).0], [0, 1, 2]);
    }

    #[test]
    fn a_job_that_nobody_waits_for_is_not_run() {
        let (thread, answers) = spawn(8, |_| panic!("must not be run"));
        thread.submit(AskId(1), Instant::now(), job("a", "a")).unwrap();
        assert!(matches!(next(&answers), (1, Err(Failure::TimedOut))));
    }

    #[test]
    fn a_panic_costs_one_answer() {
        let (thread, answers) =
            spawn(8, |op| if op.plain.is_empty() { panic!("a bug") } else { same(op) });
        thread.submit(AskId(1), later(), job("a", "")).unwrap();
        thread.submit(AskId(2), later(), job("a", "a")).unwrap();
        assert!(matches!(next(&answers), (1, Ok(Err(_)))));
        assert!(matches!(next(&answers), (2, Ok(Ok(true)))));
    }

    #[test]
    fn dropping_it_ends_the_thread_and_forgets_the_queue() {
        let (release, starts, check) = held();
        let (thread, answers) = spawn(8, check);
        thread.submit(AskId(1), later(), job("a", "a")).unwrap();
        thread.submit(AskId(2), later(), job("a", "a")).unwrap();
        starts.recv().unwrap();
        thread.shared.stopping.store(true, Ordering::Release);
        release.send(()).unwrap();
        drop(thread);
        assert_eq!(answers.iter().map(|(ask, _)| ask).collect::<Vec<_>>(), [1]);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn it_is_nicer_than_the_loop() {
        let (sender, receiver) = mpsc::channel();
        let check = move |_: &HashOp| {
            let nice =
                rustix::process::getpriority_process(Some(rustix::thread::gettid())).unwrap();
            sender.send(nice).unwrap();
            Ok(true)
        };
        let ours = rustix::process::getpriority_process(Some(rustix::thread::gettid())).unwrap();
        let (thread, _answers) = spawn(1, check);
        thread.submit(AskId(1), later(), job("a", "a")).unwrap();
        assert_eq!(receiver.recv_timeout(Duration::from_secs(60)).unwrap(), ours.max(NICE));
    }
}
