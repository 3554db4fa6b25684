//! Exchanges: what a request becomes, and how its answer is made. A file per kind:
//!
//! ```text
//! authenticate.rs   a login
//! list_accounts.rs  all accounts of the backends
//! hook.rs           a custom hook
//! admin.rs          lists and flushes of brute force and caches
//! kind.rs           what they have in common
//! overload.rs       requests that are one too many
//! token.rs          tokens for callers
//! mfa.rs            second factors
//! callers.rs        who asks, if that takes a while; then the request goes on
//! background.rs     what no client waits for
//! ```
//!
//! [`open`] routes a request. It either has its answer at once or becomes a [`Job`], the job runs as
//! a task, and what it returns ([`Output`]) composes the answer and says what to log. No socket
//! here, and no decision about logins: `dialect` knows the wire forms, `auth` the verdicts.

mod admin;
mod authenticate;
mod background;
mod callers;
mod hook;
mod kind;
mod list_accounts;
mod mfa;
mod overload;
mod token;

pub use background::{EXPORT_MAX, Export, Init, PostActions};
pub use kind::{Admitted, Background, Context, Finished, From, Next, Output};

use super::local::Local;
use crate::auth::caller::CheckResult;
use crate::auth::request::{Mode, Request, SessionId};
use crate::dialect::hook::not_found as no_such_hook;
use crate::dialect::route::{Route, route, unknown_service_status};
use crate::dialect::{fixed, input};
use crate::frontend::http::Received;
use crate::metrics::{LabelId, Space};
use crate::op::Ops;
use crate::tls::TlsFacts;
use crate::worker::scheduler::Body;
use kind::{login, take};
use std::rc::Rc;
use std::sync::Arc;

/// What [`open`] made of a request.
pub struct Opened {
    /// Empty if a job has it now.
    pub request: Box<Request>,
    /// What the metrics count the route by.
    pub route: LabelId,
    pub next: Next<Job>,
}

/// What runs as a task.
pub enum Job {
    Authenticate(authenticate::Job),
    ListAccounts(list_accounts::Job),
    Hook(hook::Job),
    Admin(admin::Job),
    Admit(callers::Job),
    Issue(token::Job),
    Mfa(mfa::Job),
    PostActions(PostActions),
    Init(Init),
    Export(Export),
}

/// Routes a request. An answer that needs no job is appended to `out`.
pub fn open(
    received: Received,
    session: SessionId,
    tls: Option<Arc<TlsFacts>>,
    context: Context<'_>,
    out: &mut Vec<u8>,
) -> Opened {
    let Received { raw, head, body } = received;
    let mut request = Box::new(input::open(raw, head, body, session));
    request.tls = tls;
    go_on(request, None, context, out)
}

/// As [`open`], for a request whose caller was looked for.
pub fn admitted(admitted: Admitted, context: Context<'_>, out: &mut Vec<u8>) -> Opened {
    let Admitted { request, outcome, from } = admitted;
    go_on(request, Some(outcome), Context { from, ..context }, out)
}

fn go_on(
    mut request: Box<Request>,
    caller: Option<CheckResult>,
    context: Context<'_>,
    out: &mut Vec<u8>,
) -> Opened {
    let (local, envelope) = (context.local, &context.envelope);
    let path = request.text(request.http.path);
    let route = route(request.http.head.framing.method, path, &local.epoch.dialect.endpoints);
    let label = route_label(route_pattern(&route), local);
    // Whose caller was looked for has been counted before.
    if caller.is_none()
        && let Some(overload) = overload::by_peer(&route, context)
    {
        return Opened { request, route: label, next: Next::TooMany(overload) };
    }
    match callers::admit(&request, &route, caller, context, out) {
        callers::Admission::Granted => {}
        callers::Admission::Refused(status, why) => {
            let next = Next::Answered(status, Some(why.to_owned()));
            return Opened { request, route: label, next };
        }
        callers::Admission::Later(check) => {
            let job = callers::Job::new(take(&mut request), check, context.from);
            return Opened { request, route: label, next: Next::Run(Job::Admit(job)) };
        }
    };
    let answered = |status| Next::Answered(status, None);
    let next = match route {
        Route::Auth(service) => match authenticate::read(&mut request, service, context, out) {
            Some(next) => next.map(Job::Authenticate),
            None if request.mode == Mode::ListAccounts => {
                list_accounts::open(&mut request, envelope, out).map(Job::ListAccounts)
            }
            None => Next::Run(Job::Authenticate(authenticate::Job(login(&mut request)))),
        },
        Route::Hook { location } => {
            match local.epoch.hook(location, request.http.head.framing.method) {
                Some(index) => Next::Run(Job::Hook(hook::Job::new(login(&mut request), index))),
                None => answered(no_such_hook(out, location, &request.session, envelope)),
            }
        }
        Route::Admin(endpoint) => admin::open(&mut request, endpoint, context, out).map(Job::Admin),
        Route::Jwt(endpoint) => token::open(&mut request, endpoint, context, out).map(Job::Issue),
        Route::Mfa(endpoint) => mfa::open(&mut request, endpoint, context, out).map(Job::Mfa),
        Route::Ping => answered(fixed::ping(out, envelope)),
        Route::Metrics => {
            let text = local.process.metrics.render(context.from.now);
            answered(fixed::metrics(out, text.as_bytes(), envelope))
        }
        Route::Health => {
            let body = local.process.stores.health(context.draining);
            answered(fixed::health(out, &body, context.draining, envelope))
        }
        Route::UnknownService => {
            let status = unknown_service_status(request.text(request.http.query));
            answered(fixed::empty(out, status, envelope))
        }
        Route::TrailingSlash { path } => {
            answered(fixed::redirect(out, path, request.text(request.http.query), envelope))
        }
        Route::NotFound(form) => answered(fixed::not_found(out, form, envelope)),
    };
    Opened { request, route: label, next }
}

impl Job {
    /// The request that waits for the job's answer.
    pub fn into_request(self) -> Option<Request> {
        match self {
            Job::Authenticate(job) => Some(job.0.request),
            Job::ListAccounts(job) => Some(job.login.request),
            Job::Hook(job) => Some(job.login.request),
            Job::Admin(admin::Job::Ask(request, _)) => Some(*request),
            Job::Admit(job) => Some(*job.request),
            Job::Issue(job) => Some(job.login.request),
            Job::Mfa(job) => Some(job.login.request),
            Job::Admin(admin::Job::FlushLater(..))
            | Job::PostActions(_)
            | Job::Init(_)
            | Job::Export(_) => None,
        }
    }

    /// The job as what a task runs. Each kind has a future of its own, so that a login's is small.
    pub fn into_body(self, local: Rc<Local>, ops: Ops) -> Body<Output> {
        Body::Job(match self {
            Job::Authenticate(job) => Box::pin(job.run(local, ops)),
            Job::ListAccounts(job) => Box::pin(job.run(local, ops)),
            Job::Hook(job) => Box::pin(job.run(local, ops)),
            Job::Admin(job) => Box::pin(job.run(local, ops)),
            Job::Admit(job) => Box::pin(job.run(local, ops)),
            Job::Issue(job) => Box::pin(job.run(local, ops)),
            Job::Mfa(job) => Box::pin(job.run(local, ops)),
            Job::PostActions(job) => Box::pin(job.run(local, ops)),
            Job::Init(job) => Box::pin(job.run(local, ops)),
            Job::Export(job) => Box::pin(job.run(local, ops)),
        })
    }
}

/// The label of the metrics' `path`: patterns that dashboards of Nauthilus know.
fn route_pattern(route: &Route<'_>) -> &'static str {
    match route {
        Route::Auth(_)
        | Route::UnknownService
        | Route::Admin(_)
        | Route::Jwt(_)
        | Route::Mfa(_) => "/api/v1/:category/:service",
        Route::Hook { .. } => "/api/v1/custom/*hook",
        Route::Ping => "/ping",
        Route::Metrics => "/metrics",
        Route::Health => "/healthz",
        Route::TrailingSlash { .. } | Route::NotFound(_) => "",
    }
}

fn route_label(pattern: &'static str, local: &Local) -> LabelId {
    if pattern.is_empty() {
        return LabelId::OTHER;
    }
    local
        .epoch
        .route_labels
        .iter()
        .find(|(known, _)| *known == pattern)
        .map_or_else(|| local.process.metrics.label(Space::Route, &[pattern]), |(_, label)| *label)
}
