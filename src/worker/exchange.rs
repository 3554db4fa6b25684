//! One exchange: a received request becomes a job, the job's end becomes an answer.
//!
//! [`open`] routes a request and either has its answer at once or makes the [`Job`]; [`Job::run`]
//! is the task; [`Finished::compose`] writes the answer. No socket here, and no decision about
//! logins: `dialect` knows the wire forms, `auth` the verdicts.

use crate::address;
use crate::auth::admin::{Blocked, JobState};
use crate::auth::brute_force::rules::Flush;
use crate::auth::caller::{Check, Grant, Issue, Issued, Outcome as CallerOutcome};
use crate::auth::login::Login;
use crate::auth::mfa;
use crate::auth::pipeline::{self, Outcome};
use crate::auth::policy::Policy;
use crate::auth::report::{Event, Level, Report};
use crate::auth::request::{Field, Mode, Request, Service, SessionId};
use crate::auth::run::Stores;
use crate::auth::scripts::{ScriptError, StageKind};
use crate::dialect::admin::{Endpoint, Question, Wanted};
use crate::dialect::envelope::Envelope;
use crate::dialect::input::{self, Rejection};
use crate::dialect::list_accounts::Format;
use crate::dialect::route::{Route, route, unknown_service_status};
use crate::dialect::{admin, answer, fixed, hook, jwt, list_accounts, mfa as mfa_dialect};
use crate::epoch::Epoch;
use crate::frontend::http::Received;
use crate::op::{Ops, boxed};
use crate::process::Process;
use crate::script::Host;
use crate::state::{Error, KnownAccounts, Store};
use crate::tls::TlsFacts;
use crate::trace::Span;
use crate::value::Value;
use crate::worker::callers::{self, CallerLimits, From};
use crate::worker::exports;
use crate::worker::tasks::Ended;
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What a worker has of one configuration: the process-wide half and its own Lua host. Handed to
/// tasks as an `Rc`: the counts of the `Arc`s in it are shared with other cores and must not be
/// touched per request.
pub struct Local {
    pub epoch: Arc<Epoch>,
    pub host: Host,
    pub state: Store,
    pub process: Arc<Process>,
    pub limits: CallerLimits,
    /// When the log last heard of a client's address that is none,
    warned_of_address: Cell<Option<Instant>>,
    /// and of a proxy that stands for its clients.
    warned_of_proxy: Cell<Option<Instant>>,
}

impl Local {
    /// Puts an epoch and its Lua host into force.
    pub fn new(
        epoch: Arc<Epoch>,
        host: Host,
        process: Arc<Process>,
        known: Arc<KnownAccounts>,
    ) -> Local {
        let state = epoch.store(&process.memory, known);
        Local {
            epoch,
            host,
            state,
            process,
            limits: CallerLimits::default(),
            warned_of_address: Cell::default(),
            warned_of_proxy: Cell::default(),
        }
    }
}

/// What a request asks the worker to do.
pub enum Job {
    Authenticate(Box<Login>),
    ListAccounts(Box<Login>, Format),
    /// The hook with this index; its location for the answer.
    Hook(Box<Login>, usize),
    Admin(Box<Request>, Question),
    /// To find out who asks, before anything else is done for the request.
    Admit(Box<Request>, Box<(Check, From)>),
    /// New tokens for a caller.
    Issue(Box<Login>, Box<(Issue, From)>),
    Mfa(Box<Login>, mfa_dialect::Question),
    /// A flush whose answer is out already.
    FlushLater(SessionId, Flush),
    PostActions(Box<Login>),
    Init(Box<Login>),
    /// Send these spans to the collector.
    Export(Vec<Span>),
}

/// What [`open`] made of a request.
pub enum Opened {
    Job(Job),
    /// The answer is in the buffer: its status, and why if the client is to blame.
    Answered(u16, Option<Rejection>),
    /// The answer to a caller that is turned away is in the buffer: its status, and why.
    Refused(u16, &'static str),
    /// The answer is in the buffer, and this is to be done all the same: its status.
    Accepted(u16, Job),
    /// The scrape of the metrics, which the worker composes.
    Metrics,
    /// The state of the server, which the worker composes.
    Health,
}

/// How a job ended.
pub enum Finished {
    Authenticated(Box<Login>, Box<Outcome>),
    Accounts(Box<Login>, Vec<Vec<u8>>, Report, Format),
    Hook(Box<Login>, Result<Value, ScriptError>),
    Blocked(Box<Request>, Wanted, Blocked),
    /// Who asks is known, or turned away.
    Admitted(Box<Request>, CallerOutcome, From),
    /// The report is of the login that was to get a token, if the backends were asked.
    Issued(Box<Login>, Issued, Option<Box<Report>>),
    Mfa(Box<Login>, mfa::Answer, Option<Event>),
    Flushed(Box<Request>, Flush, Result<Vec<Vec<u8>>, Error>),
    FlushedLater(Flush, Result<Vec<Vec<u8>>, Error>),
    Forgotten(Box<Request>, String, Result<Vec<Vec<u8>>, Error>),
    PostActions(Box<Login>, Vec<Event>),
    Init(Vec<ScriptError>),
    /// How many spans, and why not.
    Exported(usize, Result<(), String>),
}

/// The label of the metrics' `path`: the reference's route patterns.
pub fn route_pattern(route: &Route<'_>) -> &'static str {
    match route {
        Route::Auth(_)
        | Route::UnknownService
        | Route::Admin(_)
        | Route::Jwt(_)
        | Route::Mfa(_) => API_PATTERN,
        Route::Hook { .. } => "/api/v1/custom/*hook",
        Route::Ping => "/ping",
        Route::Metrics => "/metrics",
        Route::Health => "/healthz",
        Route::TrailingSlash { .. } | Route::NotFound(_) => "",
    }
}

/// Routes a request. An answer that needs no job is appended to `out`; the pattern of the route is
/// for the metrics.
pub fn open(
    received: Received,
    session: SessionId,
    local: &Local,
    from: From,
    tls: Option<Arc<TlsFacts>>,
    envelope: &Envelope<'_>,
    out: &mut Vec<u8>,
) -> (Opened, &'static str, Box<Request>) {
    let Received { raw, head, body } = received;
    let mut request = Box::new(input::open(raw, head, body, session));
    request.tls = tls;
    go_on(request, local, None, from, envelope, out)
}

/// As [`open`], for a request that was read before; `grant`: its caller, if that was found out
/// already.
pub fn go_on(
    mut request: Box<Request>,
    local: &Local,
    grant: Option<Grant>,
    from: From,
    envelope: &Envelope<'_>,
    out: &mut Vec<u8>,
) -> (Opened, &'static str, Box<Request>) {
    let (epoch, session) = (&*local.epoch, request.session);
    let path = request.text(request.http.path);
    let route = route(request.http.head.method, path, &epoch.dialect.endpoints);
    let pattern = route_pattern(&route);
    if let Some(turned) = callers::admit(&request, &route, grant, local, from, envelope, out) {
        return match turned {
            callers::Turned::Away(status, why) => (Opened::Refused(status, why), pattern, request),
            callers::Turned::Later(check) => (
                Opened::Job(Job::Admit(
                    Box::new(std::mem::take(&mut *request)),
                    Box::new((check, from)),
                )),
                pattern,
                request,
            ),
        };
    }
    let answered = |status| Opened::Answered(status, None);
    let opened = match route {
        Route::Auth(service) => authentication(&mut request, service, local, from, envelope, out),
        Route::Hook { location } => match epoch.hook(location, request.http.head.method) {
            Some(index) => {
                request.service = Service::Hook;
                Opened::Job(Job::Hook(login(&mut request), index))
            }
            None => answered(hook::not_found(out, location, &session, envelope)),
        },
        Route::Admin(endpoint) => administration(&mut request, endpoint, local, envelope, out),
        Route::Jwt(endpoint) => match jwt::read(&request, endpoint) {
            Ok(issue) => Opened::Job(Job::Issue(login(&mut request), Box::new((issue, from)))),
            Err(error) => answered(jwt::refused(out, error, envelope)),
        },
        Route::Mfa(endpoint) => {
            let mut login = login(&mut request);
            match mfa_dialect::read(&mut login, endpoint) {
                Ok(question) => Opened::Job(Job::Mfa(login, question)),
                Err(error) => {
                    *request = login.request;
                    answered(mfa_dialect::refused(out, error, envelope))
                }
            }
        }
        Route::Ping => answered(fixed::ping(out, envelope)),
        Route::Metrics => Opened::Metrics,
        Route::Health => Opened::Health,
        Route::UnknownService => {
            let status = unknown_service_status(request.text(request.http.query));
            answered(fixed::empty(out, status, envelope))
        }
        Route::TrailingSlash { path } => {
            answered(fixed::redirect(out, path, request.text(request.http.query), envelope))
        }
        Route::NotFound(form) => answered(fixed::not_found(out, form, envelope)),
    };
    (opened, pattern, request)
}

/// The request as a login; what stays behind is empty.
fn login(request: &mut Request) -> Box<Login> {
    Box::new(Login::new(std::mem::take(request)))
}

fn authentication(
    request: &mut Request,
    service: Service,
    local: &Local,
    from: From,
    envelope: &Envelope<'_>,
    out: &mut Vec<u8>,
) -> Opened {
    let origin = input::Origin { proxied: None, peer: from.peer };
    if let Err(rejection) = input::parse(request, service, &local.epoch.dialect, origin) {
        return Opened::Answered(fixed::rejection(out, rejection, envelope), Some(rejection));
    }
    warn_of_unprotected(request, local, from);
    if request.mode != Mode::ListAccounts {
        return Opened::Job(Job::Authenticate(login(request)));
    }
    match Format::of(request) {
        Some(format) => Opened::Job(Job::ListAccounts(login(request), format)),
        None => Opened::Answered(list_accounts::unacceptable(out, envelope), None),
    }
}

/// Logins that no rule about addresses protects: the operator hears of them once a minute from each
/// worker.
fn warn_of_unprotected(request: &Request, local: &Local, from: From) {
    let warn = |last: &Cell<Option<Instant>>, text: &dyn Fn() -> String| {
        if last.get().is_none_or(|last| from.now.mono >= last + WARN_EVERY) {
            last.set(Some(from.now.mono));
            local.host.state().services().warn(text());
        }
    };
    if input::has_unknown_client(request) {
        let sent = request.get(Field::ClientIp);
        let sent = String::from_utf8_lossy(sent.get(..SHOWN_BYTES).unwrap_or(sent)).into_owned();
        warn(&local.warned_of_address, &|| {
            format!("the client's address {sent:?} is none: nothing protects against this client")
        });
    }
    if request.service == Service::Basic
        && address::client(request.get(Field::ClientIp)).is_some_and(|client| client.is_loopback())
    {
        let text = "service basic takes the proxy for the client: name a header that the proxy sets in server.client_address.header";
        warn(&local.warned_of_proxy, &|| text.to_owned());
    }
}

const WARN_EVERY: Duration = Duration::from_secs(60);

/// Of a client's address that is none, in the log.
const SHOWN_BYTES: usize = 64;

fn administration(
    request: &mut Request,
    endpoint: Endpoint,
    local: &Local,
    envelope: &Envelope<'_>,
    out: &mut Vec<u8>,
) -> Opened {
    let session = request.session;
    let question = match endpoint {
        Endpoint::ConfigLoad => {
            return Opened::Answered(
                admin::config(out, &local.epoch.effective, &session, envelope),
                None,
            );
        }
        Endpoint::Job => {
            let id = admin::job_id(request.text(request.http.path));
            return Opened::Answered(
                admin::job(out, &id, local.process.jobs.get(&id).as_ref(), &session, envelope),
                None,
            );
        }
        Endpoint::BruteForceList => admin::wanted(request).map(Question::Blocked),
        Endpoint::BruteForceFlush | Endpoint::BruteForceFlushLater => {
            admin::flush(request).map(Question::Flush)
        }
        Endpoint::CacheFlush => admin::forget(request).map(Question::Forget),
    };
    match question {
        Err(refusal) => Opened::Answered(admin::refused(out, &refusal, envelope), None),
        Ok(Question::Flush(flush)) if endpoint == Endpoint::BruteForceFlushLater => {
            local.process.jobs.set(session.as_str(), JobState::Queued);
            Opened::Accepted(
                admin::queued(out, &session, envelope),
                Job::FlushLater(session, flush),
            )
        }
        Ok(question) => Opened::Job(Job::Admin(Box::new(std::mem::take(request)), question)),
    }
}

impl Job {
    /// The job as a task. All but logins are rare and go apart, so that a login's task stays small.
    pub async fn run(self, local: Rc<Local>, ops: Ops) -> Ended {
        let (Local { epoch, host, state, process, .. }, ops) = (&*local, &ops);
        let policy = &epoch.policy;
        let stores = Stores { results: &process.results, state };
        let finished = match self {
            Job::Authenticate(mut login) => {
                pipeline::name_client(&mut login, policy, ops).await;
                let outcome = pipeline::authenticate(&login, host, policy, stores, ops).await;
                return Ended::Job(Finished::Authenticated(login, Box::new(outcome)));
            }
            Job::ListAccounts(login, format) => boxed(async move {
                let (accounts, report) =
                    pipeline::list_accounts(&login, host, policy, stores, ops).await;
                Finished::Accounts(login, accounts, report, format)
            }),
            Job::Hook(login, index) => boxed(async move {
                let returned = pipeline::hook(&login, host, index, ops).await;
                Finished::Hook(login, returned)
            }),
            Job::Admit(request, check) => {
                let local = &local;
                boxed(async move {
                    let (check, from) = *check;
                    let outcome = callers::run(check, local, from, ops).await;
                    Finished::Admitted(request, outcome, from)
                })
            }
            Job::Issue(login, issue) => {
                let local = &local;
                boxed(callers::issue(login, *issue, local, ops))
            }
            Job::Mfa(login, question) => boxed(async move {
                let (answer, event) = mfa::call(
                    &login,
                    &question.backend_name,
                    question.call,
                    host,
                    policy,
                    stores,
                    ops,
                )
                .await;
                Finished::Mfa(login, answer, event)
            }),
            Job::Admin(request, question) => {
                boxed(administer(request, question, policy, stores, ops))
            }
            Job::FlushLater(session, flush) => boxed(async move {
                let removed =
                    crate::auth::admin::flush(&policy.brute_force, state, ops, &flush).await;
                let done = removed
                    .clone()
                    .map_or_else(|error| JobState::Failed(error.to_string()), JobState::Done);
                process.jobs.set(session.as_str(), done);
                Finished::FlushedLater(flush, removed)
            }),
            Job::PostActions(login) => boxed(async move {
                let events = pipeline::post_actions(&login, host, policy, stores, ops).await;
                Finished::PostActions(login, events)
            }),
            Job::Init(login) => boxed(async move { Finished::Init(host.init(&login, ops).await) }),
            Job::Export(spans) => {
                let local = &local;
                boxed(async move {
                    Finished::Exported(spans.len(), exports::export(local, &spans, ops).await)
                })
            }
        };
        Ended::Job(finished.await)
    }
}

async fn administer(
    request: Box<Request>,
    question: Question,
    policy: &Policy,
    stores: Stores<'_>,
    ops: &Ops,
) -> Finished {
    match question {
        Question::Blocked(wanted) => {
            let blocked = crate::auth::admin::blocked(stores.state, ops).await;
            Finished::Blocked(request, wanted, blocked)
        }
        Question::Flush(flush) => {
            let removed =
                crate::auth::admin::flush(&policy.brute_force, stores.state, ops, &flush).await;
            Finished::Flushed(request, flush, removed)
        }
        Question::Forget(user) => {
            let removed = crate::auth::admin::forget(policy, stores, ops, &user).await;
            Finished::Forgotten(request, user, removed)
        }
    }
}

impl Finished {
    /// Appends the answer; `None` for jobs that nobody waits for.
    pub fn compose(
        &mut self,
        out: &mut Vec<u8>,
        epoch: &Epoch,
        envelope: &Envelope<'_>,
    ) -> Option<u16> {
        match self {
            Finished::Authenticated(login, outcome) => {
                Some(answer::compose(out, &outcome.verdict, login, &epoch.dialect, envelope))
            }
            Finished::Accounts(_, accounts, _, format) => {
                Some(list_accounts::compose(out, std::mem::take(accounts), *format, envelope))
            }
            Finished::Hook(login, returned) => {
                let path = login.request.text(login.request.http.path);
                let location = path.strip_prefix(HOOKS).unwrap_or(path);
                let leading = location.iter().take_while(|byte| **byte == b'/').count();
                let location = location.get(leading..).unwrap_or_default();
                let content_type =
                    epoch.hook_content_type(location, login.request.http.head.method);
                Some(hook::compose(
                    out,
                    location,
                    returned,
                    &login.response.borrow(),
                    content_type,
                    envelope,
                ))
            }
            Finished::Blocked(request, wanted, blocked) => {
                Some(admin::list(out, blocked, wanted, &request.session, envelope))
            }
            Finished::Flushed(request, flush, removed) => {
                Some(admin::flushed(out, flush, removed, &request.session, envelope))
            }
            Finished::Forgotten(request, user, removed) => {
                Some(admin::forgotten(out, user, removed, &request.session, envelope))
            }
            Finished::Issued(_, issued, _) => Some(jwt::compose(out, issued, envelope)),
            Finished::Mfa(_, answer, _) => Some(mfa_dialect::compose(out, answer, envelope)),
            Finished::Admitted(..)
            | Finished::FlushedLater(..)
            | Finished::PostActions(..)
            | Finished::Init(_)
            | Finished::Exported(..) => None,
        }
    }

    /// Lines for the log besides the authentication and access lines.
    pub fn events(&mut self) -> Vec<Event> {
        match self {
            Finished::Authenticated(_, outcome) => std::mem::take(&mut outcome.report.events),
            Finished::Accounts(_, _, report, _) => std::mem::take(&mut report.events),
            Finished::Hook(login, Err(error)) => {
                vec![Event::script_failed(StageKind::Hook, error, login)]
            }
            Finished::Issued(_, _, report) => {
                report.as_mut().map(|report| std::mem::take(&mut report.events)).unwrap_or_default()
            }
            Finished::Mfa(_, _, event) => event.take().into_iter().collect(),
            Finished::Hook(_, Ok(_))
            | Finished::Blocked(..)
            | Finished::Exported(..)
            | Finished::Admitted(..) => Vec::new(),
            Finished::Flushed(_, flush, removed) | Finished::FlushedLater(flush, removed) => {
                flush_events(flush, removed)
            }
            Finished::Forgotten(_, user, removed) => forget_events(user, removed),
            Finished::PostActions(_, events) => std::mem::take(events),
            Finished::Init(errors) => {
                let login = Login::default();
                errors
                    .iter()
                    .map(|error| Event::script_failed(StageKind::Init, error, &login))
                    .collect()
            }
        }
    }

    /// The login it was about.
    pub fn login(&self) -> Option<&Login> {
        match self {
            Finished::Authenticated(login, _)
            | Finished::Accounts(login, ..)
            | Finished::Hook(login, _)
            | Finished::Issued(login, ..)
            | Finished::Mfa(login, ..)
            | Finished::PostActions(login, _) => Some(login),
            Finished::Blocked(..)
            | Finished::Admitted(..)
            | Finished::Flushed(..)
            | Finished::FlushedLater(..)
            | Finished::Forgotten(..)
            | Finished::Init(_)
            | Finished::Exported(..) => None,
        }
    }

    /// The request of an exchange that is about no login.
    pub fn request(&self) -> Option<&Request> {
        match self {
            Finished::Blocked(request, ..)
            | Finished::Admitted(request, ..)
            | Finished::Flushed(request, ..)
            | Finished::Forgotten(request, ..) => Some(request),
            other => other.login().map(|login| &login.request),
        }
    }
}

/// A line for every key that went with a user.
fn forget_events(user: &str, removed: &Result<Vec<Vec<u8>>, Error>) -> Vec<Event> {
    match removed {
        Ok(keys) => {
            let line = |key: &Vec<u8>| {
                Event::new(Level::Info, "Cache")
                    .with("user", user)
                    .with("keys", key.as_slice())
                    .with("status", "flushed")
            };
            keys.iter().map(line).collect()
        }
        Err(error) => vec![
            Event::new(Level::Error, "Flush failed")
                .with("user", user)
                .with("error", error.to_string()),
        ],
    }
}

/// A line for every key that a flush removed.
fn flush_events(flush: &Flush, removed: &Result<Vec<Vec<u8>>, Error>) -> Vec<Event> {
    let about = |event: Event| {
        event.with("ip_address", flush.address.to_string()).with("rule_name", flush.rule.as_str())
    };
    match removed {
        Ok(keys) => {
            let line = |key: &Vec<u8>| {
                Event::new(Level::Info, "Brute force")
                    .with("keys", key.as_slice())
                    .with("status", "flushed")
            };
            keys.iter().map(|key| about(line(key))).collect()
        }
        Err(error) => {
            vec![about(Event::new(Level::Error, "Flush failed").with("error", error.to_string()))]
        }
    }
}

/// The pattern of everything that is a pair of category and service.
pub const API_PATTERN: &str = "/api/v1/:category/:service";

const HOOKS: &[u8] = b"/api/v1/custom/";

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
