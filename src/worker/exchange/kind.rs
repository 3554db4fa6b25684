//! What every kind of exchange is made of: what it is opened with, how it goes on, and what it
//! returns.

use crate::auth::caller::CheckResult;
use crate::auth::login::Login;
use crate::auth::report::{Event, Report};
use crate::auth::request::Request;
use crate::dialect::envelope::Envelope;
use crate::dialect::overload::Overload;
use crate::epoch::Epoch;
use crate::metrics::WorkerMetrics;
use crate::op::Failure;
use crate::time::Now;
use crate::worker::local::Local;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// What a request is opened with.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    pub local: &'a Local,
    pub from: From,
    pub envelope: Envelope<'a>,
    /// The server is about to end.
    pub draining: bool,
}

/// Where and when a request came in: what is known of its caller besides its credentials.
#[derive(Clone, Copy, Debug)]
pub struct From {
    /// The peer of the connection, or whom its PROXY header names; `None` on a unix socket.
    pub peer: Option<IpAddr>,
    /// See [`Origin`](crate::dialect::input::Origin).
    pub proxied: Option<SocketAddr>,
    /// Whether callers must authenticate at the connection's listener.
    pub caller_auth: bool,
    /// The listener's place in the configuration.
    pub listener: usize,
    pub now: Now,
}

/// How a request goes on; `J` is a job.
pub enum Next<J> {
    /// The answer is in the buffer: its status, and why if the client is to blame.
    Answered(u16, Option<String>),
    /// The answer is in the buffer, and this is to be done all the same: its status.
    AnsweredFirst(u16, J),
    /// Nothing is done for it: there are too many.
    TooMany(Overload),
    Run(J),
}

impl<J> Next<J> {
    pub fn map<K>(self, wrap: impl FnOnce(J) -> K) -> Next<K> {
        match self {
            Next::Answered(status, error) => Next::Answered(status, error),
            Next::AnsweredFirst(status, job) => Next::AnsweredFirst(status, wrap(job)),
            Next::TooMany(overload) => Next::TooMany(overload),
            Next::Run(job) => Next::Run(wrap(job)),
        }
    }
}

/// What a task returned.
pub enum Output {
    /// The answer to a request.
    Answer(Box<dyn Finished>),
    /// Who asks is known, or turned away.
    Admitted(Box<Admitted>),
    Background(Background),
    /// Where the host of an upstream's address is.
    Name(String, Result<Vec<IpAddr>, Failure>),
}

/// An exchange whose work is done.
pub trait Finished {
    /// Appends the answer; returns its status.
    fn compose(&mut self, out: &mut Vec<u8>, epoch: &Epoch, envelope: &Envelope<'_>) -> u16;

    fn request(&self) -> &Request;

    /// Lines for the log besides the authentication and access lines.
    fn events(&mut self) -> Vec<Event> {
        Vec::new()
    }

    /// The login that it was about.
    fn login(&self) -> Option<&Login> {
        None
    }

    /// How that login went, for the authentication line.
    fn report(&self) -> Option<&Report> {
        None
    }

    /// Counts what the metrics tell of it.
    fn count(&self, _metrics: &WorkerMetrics) {}

    /// The login, if post actions are to run for it. The answer's status and the time it took are
    /// known by now.
    fn post_actions(self: Box<Self>, _status: u16, _elapsed: Duration) -> Option<Box<Login>> {
        None
    }
}

/// A request whose caller was looked for.
pub struct Admitted {
    pub request: Box<Request>,
    pub outcome: CheckResult,
    pub from: From,
}

/// How a background job ended.
pub enum Background {
    PostActions(Box<Login>, Vec<Event>),
    Init(Vec<Event>),
    Flushed(Vec<Event>),
    /// How many spans, and why they could not be sent.
    Exported(usize, Result<(), String>),
}

/// The request for a job; what stays behind is empty.
pub(super) fn take(request: &mut Request) -> Box<Request> {
    Box::new(std::mem::take(request))
}

/// The request as a login; what stays behind is empty.
pub(super) fn login(request: &mut Request) -> Box<Login> {
    Box::new(Login::new(std::mem::take(request)))
}
