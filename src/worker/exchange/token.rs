//! Tokens for callers: issued for a password or a refresh token.

use super::kind::{self, Context, From, Next, Output, login};
use crate::auth::caller::{self, Issue, Issued, NoToken};
use crate::auth::login::Login;
use crate::auth::pipeline;
use crate::auth::report::{Event, Report};
use crate::auth::request::{Field, Request, Service};
use crate::auth::run::Stores;
use crate::auth::verdict::{Success, Verdict};
use crate::dialect::envelope::Envelope;
use crate::dialect::jwt;
use crate::dialect::route::Token;
use crate::epoch::Epoch;
use crate::op::Ops;
use crate::value::Value;
use crate::worker::local::Local;
use std::rc::Rc;

pub(super) fn open(
    request: &mut Request,
    endpoint: Token,
    context: Context<'_>,
    out: &mut Vec<u8>,
) -> Next<Job> {
    match jwt::read(request, endpoint) {
        Ok(issue) => Next::Run(Job { login: login(request), issue, from: context.from }),
        Err(error) => Next::Answered(jwt::rejected(out, error, &context.envelope), None),
    }
}

pub struct Job {
    pub(super) login: Box<Login>,
    issue: Issue,
    from: From,
}

impl Job {
    pub async fn run(self, local: Rc<Local>, ops: Ops) -> Output {
        let Job { mut login, issue, from } = self;
        let mut report = None;
        let issued = issued(&mut login, issue, from, &local, &mut report, &ops).await;
        if issued.as_ref().is_err_and(|why| why.is_failure()) {
            local.process.throttle.failed(from.peer, ops.now());
        }
        Output::Answer(Box::new(Finished { login, issued, report }))
    }
}

struct Finished {
    login: Box<Login>,
    issued: Issued,
    /// Of the login that was to get a token, if the backends were asked.
    report: Option<Report>,
}

impl kind::Finished for Finished {
    fn compose(&mut self, out: &mut Vec<u8>, _: &Epoch, envelope: &Envelope<'_>) -> u16 {
        jwt::compose(out, &self.issued, envelope)
    }

    fn request(&self) -> &Request {
        &self.login.request
    }

    fn events(&mut self) -> Vec<Event> {
        self.report.as_mut().map(|report| std::mem::take(&mut report.events)).unwrap_or_default()
    }

    fn login(&self) -> Option<&Login> {
        Some(&self.login)
    }

    fn report(&self) -> Option<&Report> {
        self.report.as_ref()
    }
}

async fn issued(
    login: &mut Login,
    issue: Issue,
    from: From,
    local: &Local,
    report: &mut Option<Report>,
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
    report: &mut Option<Report>,
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
    *report = Some(outcome.report);
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

/// The attribute of a user with the roles of its tokens, where the backends say who may have one.
const ROLES: &[u8] = b"roles";

/// The roles that a backend can give: none of them lifts blocks or shows the
/// configuration.
const BACKEND_ROLES: [&str; 3] = [caller::AUTHENTICATE, caller::USER_INFO, caller::LIST_ACCOUNTS];
