//! Callers, wired: who asks is decided by `auth::caller`, what a route needs by `dialect::caller`;
//! here they meet the process's throttle, the hash thread and Redis.

use super::kind::{Admitted, Context, From, Output};
use crate::auth::caller::{
    Access, Callers, Check, CheckResult, Decision, Grant, Need, Presented, Refusal,
    throttle::Throttle,
};
use crate::auth::request::Request;
use crate::dialect::caller::{Credentials, Guard, guard, refuse};
use crate::dialect::route::Route;
use crate::op::Ops;
use crate::worker::local::Local;
use std::rc::Rc;
use std::time::Duration;

/// Whether a request may go on.
pub enum Admission {
    Granted,
    /// The answer is in the buffer: its status, and why.
    Refused(u16, &'static str),
    /// It takes a while to say who asks.
    Later(Check),
}

/// Whether the request's caller may have what is at the route. `known`: who it is, or why it is
/// refused, if that was found out already.
pub fn admit(
    request: &Request,
    route: &Route<'_>,
    known: Option<CheckResult>,
    context: Context<'_>,
    out: &mut Vec<u8>,
) -> Admission {
    let Context { local, from, .. } = context;
    let settings = &local.epoch.dialect;
    let callers = settings.caller.as_deref().filter(|_| from.caller_auth);
    if callers.is_none()
        && !settings.metrics_access.is_restricted()
        && !settings.admin_access.is_restricted()
    {
        return Admission::Granted;
    }
    let throttle = &local.process.throttle;
    let hook_roles = match route {
        Route::Hook { location } => {
            local.epoch.hook_roles(location, request.http.head.framing.method)
        }
        _ => &[],
    };
    let query = request.text(request.http.query);
    let (need, access) = match guard(route, query, hook_roles, callers) {
        Guard::Open if !matches!(route, Route::Jwt(_)) => return Admission::Granted,
        // A caller that fetches tokens sends credentials, too; they are looked at later.
        Guard::Open => {
            return match pause(throttle, from) {
                Some(refusal) => refused(out, refusal, context),
                None => Admission::Granted,
            };
        }
        Guard::Callers(need) => (need, None),
        Guard::Metrics => (Need::Metrics, Some(&settings.metrics_access)),
        Guard::Admin(need) => (need, Some(&settings.admin_access)),
    };
    // A certificate that suffices is enough; credentials may say more.
    let by_certificate = by_certificate(request, callers, from);
    let lacking = match by_certificate.map(|grant| grant.satisfies(need)) {
        Some(Ok(())) if known.is_none() => return Admission::Granted,
        satisfied => satisfied.and_then(Result::err),
    };
    let decision = match known {
        Some(Ok(grant)) => Decision::Granted(grant),
        Some(Err(refusal)) => Decision::Refused(refusal),
        None => {
            let credentials = Credentials::of(request);
            match decide(credentials.presented(), access, local, from) {
                Some(decision) => decision,
                None => return Admission::Granted,
            }
        }
    };
    let refusal = match decision {
        Decision::Granted(grant) => match grant.satisfies(need) {
            Ok(()) => return Admission::Granted,
            Err(refusal) => refusal,
        },
        Decision::Check(check) => return Admission::Later(check),
        Decision::Refused(Refusal::Missing) => lacking.unwrap_or(Refusal::Missing),
        Decision::Refused(refusal) => refusal,
    };
    refused(out, refusal, context)
}

/// Who connected, if a certificate tells.
fn by_certificate(request: &Request, callers: Option<&Callers>, from: From) -> Option<Grant> {
    callers?.by_certificate(from.listener, request.tls.as_ref()?, from.now.unix_seconds())
}

/// Who presents these credentials; `None`: nobody needs to know.
fn decide(
    presented: Presented<'_>,
    access: Option<&Access>,
    local: &Local,
    from: From,
) -> Option<Decision> {
    // What has an access setting of its own is protected at every listener.
    let is_asked = from.caller_auth || access.is_some_and(Access::is_restricted);
    let callers = local.epoch.dialect.caller.as_deref().filter(|_| is_asked);
    let throttle = &local.process.throttle;
    let brings_any = !matches!(presented, Presented::Nothing);
    if callers.is_none() && access.is_none_or(|access| !access.is_restricted()) {
        return None;
    }
    if brings_any && let Some(refusal) = pause(throttle, from) {
        return Some(Decision::Refused(refusal));
    }
    if access.is_some_and(|access| access.admits(presented, from.peer)) {
        return None;
    }
    let decision = match (callers, presented) {
        (Some(callers), presented) => {
            callers.decide(presented, from.now.unix_seconds(), from.now.mono)
        }
        (None, Presented::Bearer(_)) => Decision::Refused(Refusal::InvalidToken),
        (None, Presented::Nothing) => Decision::Refused(Refusal::Missing),
        (None, _) => Decision::Refused(Refusal::Scheme),
    };
    if let Decision::Refused(refusal) = &decision
        && refusal.is_failure()
    {
        throttle.failed(from.peer, from.now.mono);
    }
    Some(decision)
}

fn pause(throttle: &Throttle, from: From) -> Option<Refusal> {
    throttle.pause(from.peer, from.now.mono).map(Refusal::Throttled)
}

/// Writes the answer to a caller that is refused.
fn refused(out: &mut Vec<u8>, refusal: Refusal, context: Context<'_>) -> Admission {
    let status = refuse(out, &refusal, &context.local.epoch.dialect, &context.envelope);
    Admission::Refused(status, refusal.text())
}

/// To find out who asks, before anything else is done for the request.
pub struct Job {
    pub(super) request: Box<Request>,
    /// Boxed, since jobs are moved.
    check: Box<Check>,
    from: From,
}

impl Job {
    pub(super) fn new(request: Box<Request>, check: Check, from: From) -> Job {
        Job { request, check: Box::new(check), from }
    }

    pub async fn run(self, local: Rc<Local>, ops: Ops) -> Output {
        let Job { request, check, from } = self;
        let outcome = find_out(*check, &local, from, &ops).await;
        Output::Admitted(Box::new(Admitted { request, outcome, from }))
    }
}

async fn find_out(check: Check, local: &Local, from: From, ops: &Ops) -> CheckResult {
    let Some(callers) = local.epoch.dialect.caller.as_deref() else {
        return Err(Refusal::Unavailable);
    };
    let throttle = &local.process.throttle;
    let _permit = match check.is_hash() {
        true => Some(
            local
                .caller_hashes
                .acquire(ops, Duration::MAX)
                .await
                .map_err(|_| Refusal::Unavailable)?,
        ),
        false => None,
    };
    // While this one was waiting, others of its address may have failed.
    if let Some(pause) = throttle.pause(from.peer, ops.now()) {
        return Err(Refusal::Throttled(pause));
    }
    let outcome = check.run(callers, &local.state, ops).await;
    if outcome.as_ref().is_err_and(Refusal::is_failure) {
        throttle.failed(from.peer, ops.now());
    }
    outcome
}
