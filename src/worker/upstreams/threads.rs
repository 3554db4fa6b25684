//! The threads beside the loop: one for slow password hashes, some for what may block.

use crate::op::{Answer, AskId, BlockingJob, Failure, HashOp, Worked};
use crate::reactor::{Mailbox, Waker, mailbox};
use crate::upstream::hash::HashThread;
use crate::upstream::threads::{self, HelperThreads};
use std::io;
use std::time::Instant;

pub(super) struct Threads {
    hash: HashThread,
    helpers: HelperThreads,
    /// What they have answered, each with its ask.
    answers: Mailbox<(AskId, Finished)>,
}

/// What a thread has finished.
enum Finished {
    Hash(Result<Result<bool, String>, Failure>),
    Blocking(Result<Worked, Failure>),
}

impl Threads {
    /// # Errors
    /// No thread.
    pub fn new(core: Option<usize>, waker: Waker) -> io::Result<Threads> {
        // Room for every job there can be: the queues, and one under way on each thread.
        let room = (HASHES_MAX + threads::QUEUE_MAX + threads::THREADS_MAX + 1) * 2;
        let (sender, answers) = mailbox(room, waker);
        let check = |op: &HashOp| {
            crate::password::verify(op.stored.expose(), op.plain.expose())
                .map_err(|error| error.to_string())
        };
        let to_loop = sender.clone();
        let hash = HashThread::spawn(core, HASHES_MAX, check, move |ask, checked| {
            let _ = to_loop.send((ask, Finished::Hash(checked)));
        })?;
        let helpers = HelperThreads::new(move |ask, worked| {
            let _ = sender.send((ask, Finished::Blocking(worked)));
        });
        Ok(Threads { hash, helpers, answers })
    }

    /// Checks a password.
    ///
    /// # Errors
    /// Too many wait.
    pub fn hash(&mut self, ask: AskId, until: Instant, op: HashOp) -> Result<(), Failure> {
        self.hash.submit(ask, until, op)
    }

    /// Runs what may block.
    ///
    /// # Errors
    /// Too many wait, or there is no thread.
    pub fn block(&mut self, ask: AskId, until: Instant, job: BlockingJob) -> Result<(), Failure> {
        self.helpers.submit(ask, until, job)
    }

    /// Appends the answers that have come.
    pub fn receive(&mut self, out: &mut Vec<(AskId, Answer)>) {
        while let Some((ask, finished)) = self.answers.receive() {
            out.push((ask, finished.into()));
        }
    }
}

impl From<Finished> for Answer {
    fn from(finished: Finished) -> Answer {
        match finished {
            Finished::Hash(Ok(checked)) => Answer::Hash(checked),
            Finished::Blocking(Ok(worked)) => Answer::Done(worked.into()),
            Finished::Hash(Err(failure)) | Finished::Blocking(Err(failure)) => {
                Answer::Failed(failure)
            }
        }
    }
}

/// Password checks that may wait for the hash thread: at 50 ms each a queue longer than this ends
/// past every deadline.
const HASHES_MAX: usize = 256;
