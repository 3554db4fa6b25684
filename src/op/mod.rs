//! Op and Answer: everything in a request that waits goes through this one door.
//!
//! The pipeline and the scripts are code that names no socket and no clock. Where they must wait
//! they call [`Ops::ask`] with an [`Op`]; the task that polls them (the worker, or a test) takes
//! the op out of the slot, has it done by a link, puts the [`Answer`] back and polls again. There
//! is no executor and no waker: one slot per task, at most one op outstanding (`Op::All` for
//! several at once). A deadline that is over answers every further op at once with
//! [`Failure::Deadline`].

mod boxed;
mod connection;
mod notify;
mod subtask;

pub use boxed::boxed;
pub use connection::{ConnectionId, ConnectionOp, Dropped, Handle};
pub use notify::{Notify, Woken};
pub use subtask::{BlockingJob, Done, Subtask, Worked};

use crate::proto::{dns, resp};
use crate::secret::Secret;
use std::cell::Cell;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// One thing to wait for.
#[derive(Debug)]
pub enum Op {
    /// Commands to one Redis, answered by as many replies.
    Redis(RedisOp),
    /// A password to check against a stored hash on the hash thread.
    Hash(HashOp),
    /// To open a connection, or to go on with one.
    Connection(ConnectionOp),
    /// Code that asks ops of its own, one after the other, as a task of its own: how a client of
    /// some protocol runs.
    Run(Subtask),
    /// A function that may block (a file, a child process, a local database), on a helper thread.
    Blocking(BlockingJob),
    /// Records of a name.
    Dns(DnsOp),
    /// A [`Notify`] that another task of this worker notifies.
    Notified(Notify),
    /// Nothing but time.
    Sleep(Duration),
    /// Several that go out together; answered by [`Answer::All`] in the same order when the last
    /// one is in.
    All(Vec<Op>),
}

/// What came of an [`Op`], kind by kind.
#[derive(Debug)]
pub enum Answer {
    /// The reply to a [`RedisOp`] of one command. A Redis error about the command is a reply; one
    /// about the server is a failure ([`Failure::NotServing`]).
    Reply(resp::Reply),
    /// The replies to a [`RedisOp`] of several commands, in their order.
    Replies(Vec<resp::Reply>),
    /// Whether the password matched, or why that cannot be said (an unknown scheme, say).
    Hash(Result<bool, String>),
    Dns(DnsAnswer),
    /// The [`Notify`] was notified.
    Notified,
    Slept,
    /// [`ConnectionOp::Open`]: the connection.
    Opened(Handle),
    /// [`ConnectionOp::StartTls`], [`ConnectionOp::Send`]: done.
    Passed,
    /// [`ConnectionOp::Receive`]: the buffer that came with it, with what has come behind; nothing new means that the peer sends no more.
    Received(Vec<u8>),
    /// [`ConnectionOp::Check`]: nothing has come and the peer has not closed.
    Fresh(bool),
    /// What an [`Op::Run`] or [`Op::Blocking`] returned.
    Done(Done),
    All(Vec<Answer>),
    /// The link could not do it. Never a verdict: the asker turns it into a temporary failure or
    /// hands it to the script.
    Failed(Failure),
}

/// Commands for one Redis, already encoded, to be sent in one piece.
#[derive(Debug)]
pub struct RedisOp {
    pub pool: PoolId,
    /// A read may go to a replica.
    pub route: Route,
    pub commands: resp::Commands,
}

/// Names what an answer is for: an op that is under way. The side that hands the op on chooses the
/// number and gets it back with the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AskId(pub u64);

/// Which Redis: the server's own is [`PoolId::DEFAULT`], scripts register others by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PoolId(pub u16);

impl PoolId {
    pub const DEFAULT: PoolId = PoolId(0);
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    Read,
    Write,
}

/// A password check that takes a millisecond or more: bcrypt, argon2, crypt(3) (`password` decides
/// which do).
#[derive(Debug)]
pub struct HashOp {
    pub stored: Secret,
    pub plain: Secret,
}

/// A question to the domain name system. The resolver has a time limit of its own
/// (`server.dns.timeout`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DnsOp {
    /// With a final dot the name is complete; without one the search list of the system counts. For
    /// [`dns::Kind::Ptr`] also an IP address, whose names are wanted then. Any text: what is no
    /// name does not exist.
    pub name: String,
    pub kind: dns::Kind,
}

/// What the domain name system says. That it could not be asked is a [`Failure`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DnsAnswer {
    /// Never empty.
    Records(Arc<[dns::Record]>),
    /// There is no such name; who said so, unless that was known here.
    NoSuchName(Option<SocketAddr>),
    /// The name exists, without records of this kind.
    NoData(Option<SocketAddr>),
}

/// Why a link could not answer. The text is what scripts and logs see; it never holds a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The address does not answer: `dial tcp 127.0.0.1:6379: connect: connection refused`.
    #[error("{0}")]
    Refused(String),
    /// The connection went away with the op in flight; it may or may not have been carried out.
    #[error("connection closed by {0}")]
    Closed(String),
    /// The server is there and does not do it: it is loading, lost its master, is a replica now, is
    /// full. Its words, a code first.
    #[error("{0}")]
    NotServing(String),
    /// The op's own time limit is over.
    #[error("i/o timeout")]
    TimedOut,
    /// The request's (or the script's) deadline is over.
    #[error("context deadline exceeded")]
    Deadline,
    /// A bounded queue is full.
    #[error("{0} queue is full")]
    Full(&'static str),
    /// There is no such service here: no Redis is configured, no pool of that number.
    #[error("{0}")]
    Unavailable(String),
    /// The peer broke its protocol; the link was closed.
    #[error("protocol error: {0}")]
    Protocol(String),
    /// No name server could say: `lookup mail.example on 192.0.2.53:53: server misbehaving`.
    #[error("lookup {name} on {server}: {reason}")]
    Lookup { name: String, server: SocketAddr, reason: String },
    /// A host that was to be talked to does not exist, or has no address.
    #[error("lookup {name}{}: no such host", .server.map(|server| format!(" on {server}")).unwrap_or_default())]
    NoSuchHost { name: String, server: Option<SocketAddr> },
}

/// A task's handle on its slot: held by the code that asks. Cheap to clone.
#[derive(Clone)]
pub struct Ops(Rc<Slot>);

/// The other end, held by the code that polls the task.
#[derive(Clone)]
pub struct Driver(Rc<Slot>);

struct Slot {
    op: Cell<Option<(Op, Instant)>>,
    answer: Cell<Option<Answer>>,
    now: Cell<Instant>,
    deadline: Cell<Instant>,
}

/// The two ends of a new slot whose task must end by `deadline`.
pub fn slot(now: Instant, deadline: Instant) -> (Ops, Driver) {
    let slot = Rc::new(Slot {
        op: Cell::new(None),
        answer: Cell::new(None),
        now: Cell::new(now),
        deadline: Cell::new(deadline),
    });
    (Ops(slot.clone()), Driver(slot))
}

impl Ops {
    /// Waits for `op`, at most `limit` and never past the task's deadline.
    pub fn ask(&self, op: Op, limit: Duration) -> Ask<'_> {
        let until =
            self.now().checked_add(limit).map_or(self.deadline(), |at| at.min(self.deadline()));
        Ask { slot: &self.0, op: Some((op, until)) }
    }

    /// The time as of the last poll: read once per turn of the loop.
    pub fn now(&self) -> Instant {
        self.0.now.get()
    }

    /// When the task must have ended.
    pub fn deadline(&self) -> Instant {
        self.0.deadline.get()
    }

    /// Whether the task's time is over.
    pub fn is_late(&self) -> bool {
        self.now() >= self.deadline()
    }
}

impl Driver {
    /// The op the task is waiting for, and until when. None while it is not waiting, or once taken.
    pub fn take_op(&self) -> Option<(Op, Instant)> {
        self.0.op.take()
    }

    /// Puts the answer where the task looks for it. Poll the task next.
    pub fn put_answer(&self, answer: Answer) {
        self.0.answer.set(Some(answer));
    }

    /// Tells the time; call it before each poll.
    pub fn set_now(&self, now: Instant) {
        self.0.now.set(now);
    }

    pub fn now(&self) -> Instant {
        self.0.now.get()
    }

    pub fn deadline(&self) -> Instant {
        self.0.deadline.get()
    }
}

/// The future of one [`Ops::ask`].
pub struct Ask<'a> {
    slot: &'a Slot,
    op: Option<(Op, Instant)>,
}

impl Future for Ask<'_> {
    type Output = Answer;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Answer> {
        if let Some((op, until)) = self.op.take() {
            if self.slot.now.get() >= self.slot.deadline.get() {
                return Poll::Ready(Answer::Failed(Failure::Deadline));
            }
            self.slot.answer.set(None);
            self.slot.op.set(Some((op, until)));
            return Poll::Pending;
        }
        match self.slot.answer.take() {
            Some(answer) => Poll::Ready(answer),
            None => Poll::Pending,
        }
    }
}

/// Runs a task to its end with answers from `answer`, on a clock that stands still: for tests and
/// start-up code. Subtasks and blocking jobs are run here and now, so `answer` is only asked for
/// what goes to a link.
pub fn drive<T>(
    task: impl Future<Output = T>,
    driver: &Driver,
    mut answer: impl FnMut(Op) -> Answer,
) -> T {
    drive_with(task, driver, &mut answer)
}

fn drive_with<T>(
    task: impl Future<Output = T>,
    driver: &Driver,
    answer: &mut dyn FnMut(Op) -> Answer,
) -> T {
    let mut task = std::pin::pin!(task);
    let mut context = Context::from_waker(std::task::Waker::noop());
    loop {
        if let Poll::Ready(output) = task.as_mut().poll(&mut context) {
            return output;
        }
        if let Some((op, until)) = driver.take_op() {
            driver.put_answer(answer_with(op, driver.now(), until, answer));
        }
    }
}

fn answer_with(
    op: Op,
    now: Instant,
    until: Instant,
    answer: &mut dyn FnMut(Op) -> Answer,
) -> Answer {
    match op {
        Op::Run(subtask) => {
            let (ops, driver) = slot(now, until);
            Answer::Done(drive_with(subtask.begin(ops), &driver, answer))
        }
        Op::Blocking(work) => Answer::Done(work.run().into()),
        Op::All(ops) => {
            Answer::All(ops.into_iter().map(|op| answer_with(op, now, until, answer)).collect())
        }
        op => answer(op),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_reaches_who_asked() {
        let now = Instant::now();
        let (ops, driver) = slot(now, now + Duration::from_secs(10));
        let slept = drive(
            async move { ops.ask(Op::Sleep(Duration::from_secs(1)), Duration::MAX).await },
            &driver,
            |op| match op {
                Op::Sleep(_) => Answer::Slept,
                _ => Answer::Failed(Failure::TimedOut),
            },
        );
        assert!(matches!(slept, Answer::Slept));
    }

    #[test]
    fn an_op_waits_no_longer_than_its_limit_and_the_deadline() {
        let now = Instant::now();
        let (ops, driver) = slot(now, now + Duration::from_secs(10));
        for (limit, until) in [(3, 3), (30, 10)] {
            let mut ask =
                std::pin::pin!(ops.ask(Op::Sleep(Duration::ZERO), Duration::from_secs(limit)));
            assert!(
                ask.as_mut().poll(&mut Context::from_waker(std::task::Waker::noop())).is_pending()
            );
            assert_eq!(driver.take_op().map(|(_, at)| at), Some(now + Duration::from_secs(until)));
        }
    }

    #[test]
    fn past_the_deadline_nothing_is_asked() {
        let now = Instant::now();
        let (ops, driver) = slot(now, now);
        let answer = drive(
            async move { ops.ask(Op::Sleep(Duration::ZERO), Duration::MAX).await },
            &driver,
            |_| Answer::Slept,
        );
        assert!(matches!(answer, Answer::Failed(Failure::Deadline)));
    }
}
