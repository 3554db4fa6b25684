//! A task: the future that a request, a subtask or a periodic job runs as.

use crate::metrics::LabelId;
use crate::op::{AskId, Done, Driver};
use crate::proto::http::Framing;
use crate::reactor::Key;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

/// What a task is for; the scheduler counts them by it.
#[derive(Clone, Copy, Debug)]
pub enum TaskKind {
    /// A client waits for its answer.
    Exchange(Origin),
    /// No client waits for it: post actions, init scripts, an export of spans.
    Background,
    /// A host of an upstream's address is looked up.
    Lookup,
    /// Runs for as long as a configuration is in force.
    Periodic,
    /// Code that another task asked to be run; answers this ask.
    Subtask(AskId),
}

/// The request that a task answers.
#[derive(Clone, Copy, Debug)]
pub struct Origin {
    pub connection: Key,
    pub framing: Framing,
    /// What the metrics count the route by.
    pub route: LabelId,
}

/// A task of a worker whose jobs return an `E`.
pub struct Task<E> {
    future: Body<E>,
    pub kind: TaskKind,
    pub driver: Driver,
    pub began: Instant,
    /// Asks that are out.
    pub(super) asks: Vec<AskId>,
}

/// What a task runs, by what it returns.
pub enum Body<E> {
    Job(Pin<Box<dyn Future<Output = E>>>),
    Subtask(Pin<Box<dyn Future<Output = Done>>>),
    Periodic(Pin<Box<dyn Future<Output = ()>>>),
}

/// What a task returned.
pub(super) enum Returned<E> {
    Job(E),
    Subtask(Done),
    Periodic,
}

impl<E> Task<E> {
    pub(super) fn new(kind: TaskKind, future: Body<E>, driver: Driver, began: Instant) -> Task<E> {
        Task { future, kind, driver, began, asks: Vec::new() }
    }

    /// Goes on as far as possible.
    pub(super) fn poll(&mut self, now: Instant) -> Poll<Returned<E>> {
        self.driver.set_now(now);
        let context = &mut Context::from_waker(Waker::noop());
        match &mut self.future {
            Body::Job(future) => future.as_mut().poll(context).map(Returned::Job),
            Body::Subtask(future) => future.as_mut().poll(context).map(Returned::Subtask),
            Body::Periodic(future) => future.as_mut().poll(context).map(|()| Returned::Periodic),
        }
    }
}
