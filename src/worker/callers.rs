//! Callers, wired: who asks is decided by `auth::caller`, what a route needs by `dialect::caller`;
//! here they meet the process's throttle, the hash thread and Redis.

use super::Worker;
use super::exchange::{self, Finished, Local};
use super::tasks::Origin;
use crate::auth::caller::{
    self, Access, Callers, Check, Decision, Grant, Issue, Issued, Need, NoToken, Outcome,
    Presented, Refusal, throttle::Throttle,
};
use crate::auth::login::Login;
use crate::auth::pipeline;
use crate::auth::report::Report;
use crate::auth::request::{Field, Request, Service};
use crate::auth::run::Stores;
use crate::auth::verdict::{Success, Verdict};
use crate::dialect::caller::{Credentials, Guard, guard, refuse};
use crate::dialect::envelope::Envelope;
use crate::dialect::route::Route;
use crate::op::Ops;
use crate::time::Now;
use crate::upstream::semaphore::Semaphore;
use crate::value::Value;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Where and when a request came in: what is known of its caller besides its credentials and its
/// certificate ([`Request::tls`]).
#[derive(Clone, Copy, Debug)]
pub struct From {
    /// The peer of the connection; `None` on a unix socket.
    pub peer: Option<IpAddr>,
    pub now: Now,
}

/// What a worker lets in one at a time.
pub struct CallerLimits {
    /// Callers whose passwords have hashes that take long. A second request with the same password
    /// finds the first one's result, and an address that fails is stopped after a few hashes
    /// however many requests it sends at once.
    hashes: Semaphore,
}

impl Default for CallerLimits {
    fn default() -> CallerLimits {
        CallerLimits { hashes: Semaphore::with_queue(1, HASHES_WAITING_MAX) }
    }
}

/// Why a request does not go on now.
pub enum Turned {
    /// The answer is in the buffer: its status, and why.
    Away(u16, &'static str),
    /// It takes a while to say who asks.
    Later(Check),
}

/// Whether the request's caller may have what is at the route; `None`: it may. `grant`: who it is,
/// if that was found out already.
pub fn admit(
    request: &Request,
    route: &Route<'_>,
    grant: Option<Grant>,
    local: &Local,
    from: From,
    envelope: &Envelope<'_>,
    out: &mut Vec<u8>,
) -> Option<Turned> {
    let settings = &local.epoch.dialect;
    let callers = settings.caller.as_deref();
    if callers.is_none()
        && !settings.metrics_access.is_restricted()
        && !settings.admin_access.is_restricted()
    {
        return None;
    }
    let throttle = &local.process.throttle;
    let hook_roles = match route {
        Route::Hook { location } => local.epoch.hook_roles(location, request.http.head.method),
        _ => &[],
    };
    let query = request.text(request.http.query);
    let (need, access) = match guard(route, query, hook_roles, callers) {
        Guard::Open if !matches!(route, Route::Jwt(_)) => return None,
        // Whoever fetches tokens brings credentials, too; they are looked at later.
        Guard::Open => {
            return pause(throttle, from).map(|refusal| away(out, refusal, local, envelope));
        }
        Guard::Callers(need) => (need, None),
        Guard::Metrics => (Need::Metrics, Some(&settings.metrics_access)),
        Guard::Admin(need) => (need, Some(&settings.admin_access)),
    };
    // A certificate that suffices is enough; credentials may say more.
    let by_certificate = by_certificate(request, callers, from);
    let lacking = match by_certificate.map(|grant| grant.satisfies(need)) {
        Some(Ok(())) if grant.is_none() => return None,
        satisfied => satisfied.and_then(Result::err),
    };
    let decision = match grant {
        Some(grant) => Decision::Granted(grant),
        None => {
            let credentials = Credentials::of(request);
            decide(credentials.presented(), access, local, from)?
        }
    };
    let refusal = match decision {
        Decision::Granted(grant) => grant.satisfies(need).err()?,
        Decision::Check(check) => return Some(Turned::Later(check)),
        Decision::Refused(Refusal::Missing) => lacking.unwrap_or(Refusal::Missing),
        Decision::Refused(refusal) => refusal,
    };
    Some(away(out, refusal, local, envelope))
}

/// Who connected, if a certificate tells.
fn by_certificate(request: &Request, callers: Option<&Callers>, from: From) -> Option<Grant> {
    callers?.by_certificate(request.tls.as_ref()?, from.now.unix_seconds())
}

/// Who presents these credentials; `None`: nobody needs to know.
fn decide(
    presented: Presented<'_>,
    access: Option<&Access>,
    local: &Local,
    from: From,
) -> Option<Decision> {
    let callers = local.epoch.dialect.caller.as_deref();
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

fn away(out: &mut Vec<u8>, refusal: Refusal, local: &Local, envelope: &Envelope<'_>) -> Turned {
    Turned::Away(refuse(out, &refusal, &local.epoch.dialect, envelope), refusal.text())
}

/// Finds out who asks.
pub async fn run(check: Check, local: &Local, from: From, ops: &Ops) -> Outcome {
    let Some(callers) = local.epoch.dialect.caller.as_deref() else {
        return Err(Refusal::Unavailable);
    };
    let throttle = &local.process.throttle;
    let _permit = match check.is_hash() {
        true => Some(
            local
                .limits
                .hashes
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

/// New tokens for whoever brings a password or a refresh token.
pub async fn issue(
    mut login: Box<Login>,
    (issue, from): (Issue, From),
    local: &Local,
    ops: &Ops,
) -> Finished {
    let mut report = None;
    let issued = issued(&mut login, issue, from, local, &mut report, ops).await;
    if issued.as_ref().is_err_and(|why| why.is_failure()) {
        local.process.throttle.failed(from.peer, ops.now());
    }
    Finished::Issued(login, issued, report)
}

async fn issued(
    login: &mut Login,
    issue: Issue,
    from: From,
    local: &Local,
    report: &mut Option<Box<Report>>,
    ops: &Ops,
) -> Issued {
    let callers = local.epoch.dialect.caller.as_deref();
    let Some((callers, jwt)) = callers.and_then(|callers| Some((callers, callers.jwt.as_ref()?)))
    else {
        return Err(NoToken::Unavailable);
    };
    let now = from.now.unix_seconds();
    let session = login.request.session;
    let (username, roles) = match issue {
        Issue::Token { username, password } if jwt.users.is_empty() => {
            let roles =
                by_backends(login, &username, password.expose(), from, local, report, ops).await?;
            (username, roles)
        }
        Issue::Token { username, password } => {
            let user = jwt
                .user(&callers.fingerprints, &username, password.expose())
                .ok_or(NoToken::WrongCredentials)?;
            (user.name.clone(), user.roles.clone())
        }
        Issue::Refresh(token) => {
            let username = caller::refreshed(jwt, &token, now, &local.state, ops).await?;
            // Where the backends know who may, the password is what has to be shown again for a
            // role.
            let roles = match jwt.users.iter().find(|user| user.name == username) {
                Some(user) => user.roles.clone(),
                None if jwt.users.is_empty() => jwt.refreshed_roles(token.expose(), now),
                None => return Err(NoToken::UnknownUser),
            };
            (username, roles)
        }
    };
    caller::issue(jwt, &username, &roles, session.as_str(), now, &local.state, ops).await
}

/// What a user whom the backends let in may do: of the roles in its attribute [`ROLES`], those that
/// cannot change anything.
async fn by_backends(
    login: &mut Login,
    username: &str,
    password: &[u8],
    from: From,
    local: &Local,
    report: &mut Option<Box<Report>>,
    ops: &Ops,
) -> Result<Vec<String>, NoToken> {
    let request = &mut login.request;
    request.service = Service::Json;
    request.set(Field::Username, username.as_bytes());
    request.set(Field::Password, password);
    request.set(Field::Protocol, b"default");
    if let Some(peer) = from.peer {
        request.set(Field::ClientIp, peer.to_canonical().to_string().as_bytes());
    }
    let stores = Stores { results: &local.process.results, state: &local.state };
    let outcome =
        pipeline::authenticate(login, &local.host, &local.epoch.policy, stores, ops).await;
    *report = Some(Box::new(outcome.report));
    match outcome.verdict {
        Verdict::Success(success) => Ok(roles_of(&success)),
        Verdict::Failure(_) => Err(NoToken::WrongCredentials),
        Verdict::Temporary(_) => Err(NoToken::Unavailable),
    }
}

fn roles_of(success: &Success) -> Vec<String> {
    let values = success.attributes.get(ROLES).map(|values| values.to_vec()).unwrap_or_default();
    let texts = values.iter().flat_map(|value| match value {
        Value::List(list) => {
            list.iter().filter_map(|role| role.text()).map(|role| role.into_owned()).collect()
        }
        value => value.text().map(|text| text.into_owned()).into_iter().collect::<Vec<_>>(),
    });
    let words: Vec<String> = texts.filter_map(|text| String::from_utf8(text).ok()).collect();
    let words = words
        .iter()
        .flat_map(|text| text.split([' ', ',']))
        .filter(|role| BACKEND_ROLES.contains(role));
    words.map(str::to_owned).collect()
}

impl Worker {
    /// A request whose caller has been found out goes on, or is turned away.
    pub(super) fn admitted(
        &mut self,
        origin: Origin,
        deadline: Instant,
        request: Box<Request>,
        outcome: Outcome,
        from: From,
    ) {
        let (key, frame) = (origin.connection, origin.frame);
        let local = self.local.clone();
        let date = *self.date.text(self.now);
        let envelope = frame.envelope(&date);
        let Some(connection) = self.connections.get_mut(key) else { return };
        let opened = match outcome {
            Ok(grant) => {
                exchange::go_on(request, &local, Some(grant), from, &envelope, connection.output())
            }
            Err(refusal) => {
                let status = refuse(connection.output(), &refusal, &local.epoch.dialect, &envelope);
                (exchange::Opened::Refused(status, refusal.text()), exchange::API_PATTERN, request)
            }
        };
        self.begin(key, frame, deadline, opened);
    }
}

/// The attribute of a user with the roles of its tokens, where the backends say who may have one.
const ROLES: &[u8] = b"roles";

/// The roles that a backend can give (`http-api.md` 10.2): none of them lifts blocks or shows the
/// configuration.
const BACKEND_ROLES: [&str; 3] = [caller::AUTHENTICATE, caller::USER_INFO, caller::LIST_ACCOUNTS];

/// Requests that wait for a hash of their caller's password: more than come in while one is checked
/// mean a flood.
const HASHES_WAITING_MAX: usize = 1024;
