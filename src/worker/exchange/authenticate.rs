//! A login: the request is read, the pipeline decides, the dialect writes the verdict.

use super::kind::{self, Context, Next, Output};
use super::overload;
use crate::address;
use crate::auth::login::Login;
use crate::auth::pipeline::{self, Outcome};
use crate::auth::report::{BruteForceUse, CacheUse, Ending, Event, Report, Tally};
use crate::auth::request::{Field, Mode, Request, Service};
use crate::auth::run::Stores;
use crate::dialect::envelope::Envelope;
use crate::dialect::input::{self, Origin};
use crate::dialect::{answer, fixed};
use crate::epoch::Epoch;
use crate::metrics::{Count, CountBy, TimeBy, WorkerMetrics};
use crate::op::Ops;
use crate::worker::local::Local;
use std::rc::Rc;
use std::time::Duration;

/// Reads the request of a service. `Some`: it goes no further.
pub(super) fn read(
    request: &mut Request,
    service: Service,
    context: Context<'_>,
    out: &mut Vec<u8>,
) -> Option<Next<Job>> {
    let Context { local, from, envelope, .. } = context;
    let callers = local.epoch.dialect.caller.as_deref();
    let origin = Origin {
        proxied: from.proxied,
        peer: from.peer,
        certificate_is_callers: callers
            .is_some_and(|callers| callers.knows_certificates_at(from.listener)),
    };
    if let Err(rejection) = input::parse(request, service, &local.epoch.dialect, origin) {
        let status = fixed::rejection(out, rejection, &envelope);
        return Some(Next::Answered(status, Some(rejection.to_string())));
    }
    warn_of_unprotected(request, context);
    overload::by_client(request, context).map(Next::TooMany)
}

/// Logs that no rule about addresses protects: the operator hears of them once a minute from each
/// worker.
fn warn_of_unprotected(request: &Request, Context { local, from, .. }: Context<'_>) {
    let warn = |text: String| local.host.state().services().warn(text);
    if input::has_unknown_client(request) && local.address_warning.passes(from.now.mono) {
        let sent = request.get(Field::ClientIp);
        let sent = String::from_utf8_lossy(sent.get(..SHOWN_BYTES).unwrap_or(sent));
        warn(format!(
            "the client address {sent:?} is invalid: protection by address does not apply to this client"
        ));
    }
    if request.service == Service::Basic
        && address::client(request.get(Field::ClientIp)).is_some_and(|client| client.is_loopback())
        && local.proxy_warning.passes(from.now.mono)
    {
        warn("service basic uses the proxy's address as the client address: set server.client_address.header to a header that the proxy sets".to_owned());
    }
}

/// Of a client's address that is none, in the log.
const SHOWN_BYTES: usize = 64;

/// The login before the pipeline.
pub struct Job(pub Box<Login>);

impl Job {
    pub async fn run(self, local: Rc<Local>, ops: Ops) -> Output {
        let Job(mut login) = self;
        let Local { epoch, host, state, process, .. } = &*local;
        let stores = Stores { results: &process.results, state };
        pipeline::name_client(&mut login, &epoch.policy, &ops).await;
        let outcome = pipeline::authenticate(&login, host, &epoch.policy, stores, &ops).await;
        Output::Answer(Box::new(Finished { login, outcome }))
    }
}

/// The login and its verdict.
struct Finished {
    login: Box<Login>,
    outcome: Outcome,
}

impl kind::Finished for Finished {
    fn compose(&mut self, out: &mut Vec<u8>, epoch: &Epoch, envelope: &Envelope<'_>) -> u16 {
        answer::compose(out, &self.outcome.verdict, &self.login, &epoch.dialect, envelope)
    }

    fn request(&self) -> &Request {
        &self.login.request
    }

    fn events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.outcome.report.events)
    }

    fn login(&self) -> Option<&Login> {
        Some(&self.login)
    }

    fn report(&self) -> Option<&Report> {
        Some(&self.outcome.report)
    }

    fn count(&self, metrics: &WorkerMetrics) {
        let (report, request) = (&self.outcome.report, &self.login.request);
        match report.cache {
            CacheUse::Hit => metrics.count(Count::CacheHits),
            CacheUse::Miss => metrics.count(Count::CacheMisses),
            CacheUse::Unused => {}
        }
        if let Some(BruteForceUse { bucket, exempted }) = report.brute_force {
            metrics.count_by(CountBy::BruteForceRejected, bucket);
            if exempted {
                metrics.count_by(CountBy::BruteForceHits, bucket);
            }
        }
        for listing in &report.listings {
            metrics.observe(TimeBy::Rbl, listing.list, listing.elapsed);
            if listing.found {
                metrics.count_by(CountBy::RblRejected, listing.list);
            }
        }
        if report.ending == Ending::Temporary {
            metrics.count(Count::TemporaryFailures);
        }
        let (logins, protocols) = match report.tally(request.mode) {
            Some(Tally::Accepted) => (Count::LoginsSucceeded, CountBy::AcceptedProtocols),
            Some(Tally::Rejected) => (Count::LoginsFailed, CountBy::RejectedProtocols),
            None => return,
        };
        metrics.count(logins);
        if request.mode == Mode::Auth {
            metrics.count_by(protocols, metrics.protocol(request.get(Field::Protocol)));
        }
    }

    fn post_actions(self: Box<Self>, status: u16, elapsed: Duration) -> Option<Box<Login>> {
        let Finished { login, outcome } = *self;
        outcome.post_actions.then(|| {
            login.answered(status, elapsed);
            login
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The size of the future that `make` makes.
    fn size_of_future<F>(_: impl FnOnce(Job, Rc<Local>, Ops) -> F) -> usize {
        size_of::<F>()
    }

    /// It is copied into its box, and read from there at every step.
    #[test]
    fn the_task_of_a_login_is_small() {
        assert!(size_of_future(Job::run) <= 2560, "{} bytes", size_of_future(Job::run));
    }
}
