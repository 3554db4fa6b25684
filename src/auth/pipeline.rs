//! The request pipeline: what happens to one authentication request, stage by stage, and how it
//! ends.
//!
//! | Stage | Runs | May end the request with |
//! |---|---|---|
//! | client name | if configured | nothing |
//! | bans by hand | passwords; again once the account is known | failure |
//! | in-process cache | passwords, unless `in-memory=0` or of a master login | nothing; a hit skips to the filters |
//! | brute force, account lookup | passwords; the lookup always | failure |
//! | features | passwords, not for saslauthd | failure, temporary failure |
//! | credentials | always | failure, temporary failure |
//! | backends, account mapping | always | – |
//! | filters | always, except protocol `ory-hydra` | failure |
//! | post actions | [`Outcome::post_actions`] says | nothing: they run after the answer |
//!
//! A stage goes on, or breaks off with the [`End`] that it decided on; `Pipeline::conclude` alone
//! turns that into a verdict. Called by the worker, which answers, writes the [`Report`] and hands the login on to
//! [`post_actions`]. Waiting goes through [`Ops`]; past their deadline the request is a temporary
//! failure, whatever a script made of it.

use crate::auth::backends;
use crate::auth::brute_force::{self, Block, Guard};
use crate::auth::cache::Key;
use crate::auth::features::{self, Decision, Trigger};
use crate::auth::login::Login;
use crate::auth::policy::Policy;
use crate::auth::report::{CacheUse, Ending, Event, Level, Report};
use crate::auth::request::{Field, Mode, Service};
use crate::auth::run::{Run, Stores};
use crate::auth::scripts::{ActionKind, ScriptError, Scripts, StageKind};
use crate::auth::user::{self, User};
use crate::auth::verdict::{Failure, PassDb, Success, TemporaryReason, Verdict};
use crate::auth::{accounts, actions, effects, filters};
use crate::op::{Answer, DnsAnswer, DnsOp, Op, Ops, boxed};
use crate::proto::dns;
use crate::value::Value;
use std::ops::ControlFlow::{self, Break, Continue};
use std::sync::Arc;

/// How a request ended, and what is left to do about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    pub verdict: Verdict,
    pub report: Report,
    /// [`post_actions`] are due, once the login has been told of its answer ([`Login::answered`]).
    pub post_actions: bool,
}

/// Authenticates a login or, in mode no-auth, looks its user up.
pub async fn authenticate<S: Scripts>(
    login: &Login,
    scripts: &S,
    policy: &Policy,
    stores: Stores<'_>,
    ops: &Ops,
) -> Outcome {
    let run = Run { login, scripts, policy, stores, ops };
    let mut pipeline = Pipeline {
        run,
        key: None,
        account: None,
        guard: Guard::default(),
        report: Report::default(),
    };
    let decided = pipeline.stages().await;
    pipeline.conclude(decided)
}

/// Client name: what the address of the client is called, if that is to be looked up for this
/// service. Whatever comes of it, the request goes on; without a name it keeps the one that the
/// client sent.
pub async fn name_client(login: &mut Login, policy: &Policy, ops: &Ops) {
    let Some(wait) = policy.client_name_wait else { return };
    let applies = matches!(
        login.request.service,
        Service::Header | Service::Nginx | Service::Basic | Service::Json | Service::User
    );
    let address = crate::address::client(login.request.get(Field::ClientIp));
    let Some(address) = address.filter(|_| applies) else { return };
    let op = Op::Dns(DnsOp { name: address.to_string(), kind: dns::Kind::Ptr });
    if let Answer::Dns(DnsAnswer::Records(records)) = ops.ask(op, wait).await
        && let Some(dns::Record::Name(name)) = records.first()
    {
        login.request.set(Field::ClientHostname, name.strip_suffix('.').unwrap_or(name).as_bytes());
    }
}

/// The accounts that there are, sorted; mode list-accounts. What could not be listed is missing,
/// and in the report's events.
pub async fn list_accounts<S: Scripts>(
    login: &Login,
    scripts: &S,
    policy: &Policy,
    stores: Stores<'_>,
    ops: &Ops,
) -> (Vec<Vec<u8>>, Report) {
    let mut report = Report::default();
    let accounts =
        backends::list_accounts(&Run { login, scripts, policy, stores, ops }, &mut report.events)
            .await;
    (accounts, report)
}

/// Runs the post actions of a login that has been answered. Returns what is to be logged.
pub async fn post_actions<S: Scripts>(
    login: &Login,
    scripts: &S,
    policy: &Policy,
    stores: Stores<'_>,
    ops: &Ops,
) -> Vec<Event> {
    let mut events = Vec::new();
    actions::run(&Run { login, scripts, policy, stores, ops }, ActionKind::Post, &mut events).await;
    events
}

/// Runs a custom hook: its first result.
///
/// # Errors
/// The script failed, or defines no hook. Log it as [`Event::script_failed`].
pub async fn hook<S: Scripts>(
    login: &Login,
    scripts: &S,
    index: usize,
    ops: &Ops,
) -> Result<Value, ScriptError> {
    let mut stage = scripts.stage(StageKind::Hook, login);
    scripts.hook(&mut stage, index, login, ops).await
}

/// One request on its way.
struct Pipeline<'a, S> {
    run: Run<'a, S>,
    /// Under which the in-process cache may keep the login; `None`: it may not.
    key: Option<Key>,
    /// The account that the login name is mapped to.
    account: Option<Vec<u8>>,
    /// What brute force knows of the client.
    guard: Guard,
    report: Report,
}

impl<S: Scripts> Pipeline<'_, S> {
    /// The stages in their order; each goes on or ends the request. The user who passed them all
    /// is let in.
    async fn stages(&mut self) -> ControlFlow<End, Arc<User>> {
        if !self.run.stores.state.manual_bans().is_empty() {
            boxed(self.bans_by_hand(None)).await?;
        }
        let user = match self.recall() {
            Some(user) => Some(user),
            None => {
                self.brute_force().await?;
                self.features().await?;
                self.credentials()?;
                self.backends().await?
            }
        };
        if !self.run.stores.state.manual_bans().is_empty() {
            boxed(self.bans_by_hand(user.as_deref())).await?;
        }
        self.filters(user).await
    }

    /// Bans that operators made: of the client and the login name, then of the account. Usually
    /// there are none, so that it is not begun.
    async fn bans_by_hand(&mut self, user: Option<&User>) -> ControlFlow<End> {
        let account = user.map(|user| user.account.as_slice());
        match brute_force::manual::ban(&self.run, account, &mut self.report) {
            Some(block) => self.blocked(block).await,
            None => Continue(()),
        }
    }

    /// In-process cache: a user who has just logged in the same way. Master logins are none of its
    /// business.
    fn recall(&mut self) -> Option<Arc<User>> {
        let (policy, request) = (self.run.policy, &self.run.login.request);
        if policy.memory_cache_ttl.is_zero()
            || policy.master_target(request.get(Field::Username)).is_some()
        {
            return None;
        }
        let key = self.run.stores.results.key(&self.run.login.request)?;
        let user = self.run.stores.results.get(&key, self.run.ops.now());
        self.report.cache = if user.is_some() { CacheUse::Hit } else { CacheUse::Miss };
        self.key = Some(key);
        user
    }

    /// Brute force, and whose login name this is, as far as the state knows.
    async fn brute_force(&mut self) -> ControlFlow<End> {
        let (guard, account, block) = brute_force::check(&self.run, &mut self.report).await;
        (self.guard, self.account) = (guard, account);
        if let Some(account) = &self.account {
            accounts::show(&mut self.run.login.facts.borrow_mut(), account);
        }
        match block {
            Some(block) => boxed(self.blocked(block)).await,
            None => Continue(()),
        }
    }

    /// A client is turned away. Only its actions learn the network and the counter.
    async fn blocked<T>(&mut self, block: Block) -> ControlFlow<End, T> {
        {
            let mut facts = self.run.login.facts.borrow_mut();
            facts.feature = brute_force::FEATURE.into();
            facts.brute_force_bucket = block.bucket;
        }
        actions::run_brute_force(&self.run, block.facts, &mut self.report.events).await;
        Break(End::Rejected)
    }

    /// Features, in an order that no configuration changes.
    async fn features(&mut self) -> ControlFlow<End> {
        if self.run.login.request.service == Service::Saslauthd {
            return Continue(());
        }
        if self.run.policy.lua_features {
            match features::lua(&self.run).await {
                Ok(Decision::Pass) => {}
                Ok(Decision::Abort) => return Continue(()),
                Ok(Decision::Trigger(trigger)) => return boxed(self.triggered(trigger)).await,
                Err(event) => return Break(End::Failed(Stage::Features, event)),
            }
        }
        if self.run.login.request.mode == Mode::Auth {
            self.built_in_features().await
        } else {
            Continue(())
        }
    }

    /// Built-in features; those that are not configured pass.
    async fn built_in_features(&mut self) -> ControlFlow<End> {
        if let Decision::Trigger(trigger) = features::tls_encryption(&self.run) {
            return boxed(self.triggered(trigger)).await;
        }
        if let Decision::Trigger(trigger) = features::relay_domains(&self.run) {
            return boxed(self.triggered(trigger)).await;
        }
        match features::blocklists(&self.run, &mut self.report.listings).await {
            Ok(Decision::Trigger(trigger)) => boxed(self.triggered(trigger)).await,
            Ok(_) => Continue(()),
            Err(event) => Break(End::Failed(Stage::Features, event)),
        }
    }

    /// A feature turned the login away: its actions come before the answer, the post actions after
    /// it.
    async fn triggered(&mut self, trigger: Trigger) -> ControlFlow<End> {
        self.run.login.facts.borrow_mut().feature = trigger.feature.into();
        brute_force::learn(&self.run, &self.guard, trigger.feature, &mut self.report.events).await;
        actions::run(&self.run, trigger.actions, &mut self.report.events).await;
        Break(trigger.temporary.map_or(End::Rejected, End::Postponed))
    }

    /// Credentials: is there anything to ask the backends for? A listing that got here has no user
    /// to check.
    fn credentials(&self) -> ControlFlow<End> {
        let request = &self.run.login.request;
        if request.get(Field::Username).is_empty() || request.mode == Mode::ListAccounts {
            return Break(End::NoUsername);
        }
        if request.get(Field::Password).is_empty() && request.mode == Mode::Auth {
            return Break(End::NoPassword);
        }
        Continue(())
    }

    /// Backends; a success is remembered before any filter can judge it.
    async fn backends(&mut self) -> ControlFlow<End, Option<Arc<User>>> {
        accounts::hide(&mut self.run.login.facts.borrow_mut());
        let user = match backends::verify(&self.run, self.account.as_deref()).await {
            Ok(user) => user.map(Arc::new),
            Err(mut event) => {
                let custom_log = self.run.login.custom_log.borrow().clone();
                event
                    .fields
                    .extend(custom_log.into_iter().map(|(name, value)| (name.into(), value)));
                return Break(End::Failed(Stage::Backends, event));
            }
        };
        let (report, account) = (&mut self.report, self.account.as_deref());
        if user.as_ref().is_some_and(|user| user.authenticated)
            && let Some(block) =
                brute_force::recheck(&self.run, &mut self.guard, account, report).await
        {
            return boxed(self.blocked(block)).await;
        }
        if let Err(event) =
            effects::apply(&self.run, &mut self.guard, user.as_deref(), account, report).await
        {
            return Break(End::Failed(Stage::Backends, event));
        }
        // Without the state it is uncertain whether a user is unknown.
        if let (None, Some(error)) = (&user, &self.guard.outage) {
            let event = Event::new(Level::Error, "Account cannot be looked up")
                .with("error", error.to_string());
            return Break(End::Failed(Stage::Backends, event));
        }
        if let (Some(user), Some(key)) = (&user, self.key)
            && user.authenticated
        {
            self.run.stores.results.put(
                key,
                user.clone(),
                self.run.ops.now(),
                self.run.policy.memory_cache_ttl,
            );
        }
        Continue(user)
    }

    /// Filters, whatever the backends said: the user whom they let in.
    async fn filters(&mut self, user: Option<Arc<User>>) -> ControlFlow<End, Arc<User>> {
        self.note(user.as_deref());
        let accepted = if is_ory_hydra(self.run.login) {
            user.filter(|user| user.authenticated)
        } else {
            match filters::accept(&self.run, user).await {
                Ok(accepted) => accepted,
                Err(event) => return Break(End::Failed(Stage::Filters, event)),
            }
        };
        let (guard, events) = (&self.guard, &mut self.report.events);
        brute_force::record(&self.run, guard, accepted.is_some(), events).await;
        accepted.map_or(Break(End::Rejected), Continue)
    }

    /// From here on scripts, log and counters know what the backends said; a filter's verdict does
    /// not change it.
    fn note(&mut self, user: Option<&User>) {
        let Some(user) = user else { return };
        let mut facts = self.run.login.facts.borrow_mut();
        facts.user_found = true;
        facts.authenticated = user.authenticated;
        facts.account.clone_from(&user.account);
        facts.account_field.clone_from(&user.account_field);
        facts.unique_user_id.clone_from(&user.unique_user_id);
        facts.display_name.clone_from(&user.display_name);
        self.report.backend_name.clone_from(&user.backend_name);
        self.report.passdb = match self.report.cache {
            CacheUse::Hit => PassDb::Memory,
            _ if user.from_cache => PassDb::Cache,
            _ => user.passdb,
        };
    }

    /// Verdict, report and the final status message. A failure of a stage is a temporary failure
    /// always, for our outage must neither ban nor admit anybody.
    fn conclude(self, decided: ControlFlow<End, Arc<User>>) -> Outcome {
        let is_told = match &decided {
            Continue(_) => true,
            Break(end) => end.has_post_actions(),
        };
        let post_actions = is_told
            && !is_ory_hydra(self.run.login)
            && !self.run.policy.actions.of(ActionKind::Post).is_empty();
        let Pipeline { run: Run { login, policy, .. }, mut report, .. } = self;
        let verdict = match decided {
            Continue(user) => accept(user, login, policy, &mut report),
            Break(End::Rejected | End::NoPassword) => reject(login, policy, &mut report),
            Break(End::Postponed(reason)) => postpone(reason, login, &mut report),
            Break(End::NoUsername) => postpone(TemporaryReason::NoUsername, login, &mut report),
            Break(End::Failed(_, event)) => {
                report.events.push(event);
                postpone(TemporaryReason::ServerProblem, login, &mut report)
            }
        };
        Outcome { verdict, report, post_actions }
    }
}

/// What a stage decided that ends a request without a success.
enum End {
    /// Brute force, a feature, the backends or a filter turned the login away.
    Rejected,
    /// A feature asks the client to come again in another way.
    Postponed(TemporaryReason),
    NoUsername,
    NoPassword,
    /// The stage could not do its work; the event says why.
    Failed(Stage, Event),
}

impl End {
    /// Whether post actions learn of it: those that say what was decided about a user, and
    /// failures after the backends have spoken.
    fn has_post_actions(&self) -> bool {
        match self {
            End::Rejected | End::Postponed(_) | End::Failed(Stage::Filters, _) => true,
            End::NoUsername
            | End::NoPassword
            | End::Failed(Stage::Features | Stage::Backends, _) => false,
        }
    }
}

/// The stages that scripts, services or the deadline can make fail. Actions are none of them:
/// whatever becomes of them, the request goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Features,
    Backends,
    Filters,
}

fn accept(user: Arc<User>, login: &Login, policy: &Policy, report: &mut Report) -> Verdict {
    say_unless_said(login, OK);
    report.ending = Ending::Success;
    report.password_retries = login.request.login_attempt;
    Verdict::Success(success(user, login, policy, report.cache == CacheUse::Hit))
}

fn reject(login: &Login, policy: &Policy, report: &mut Report) -> Verdict {
    say_unless_said(login, INVALID_LOGIN);
    let attempts = attempts(login, policy, report.passwords.retries);
    report.ending = Ending::Failure;
    report.password_retries = attempts;
    let status_message = login.status_message.borrow().clone();
    Verdict::Failure(Failure { status_message, attempts })
}

fn postpone(reason: TemporaryReason, login: &Login, report: &mut Report) -> Verdict {
    *login.status_message.borrow_mut() = reason.text().into();
    report.ending = Ending::Temporary;
    report.password_retries = login.request.login_attempt;
    Verdict::Temporary(reason)
}

/// Sets the status message, unless a script has.
fn say_unless_said(login: &Login, text: &[u8]) {
    let mut status_message = login.status_message.borrow_mut();
    if status_message.is_empty() {
        status_message.extend_from_slice(text);
    }
}

/// The answer for `user`, with what filters changed in it.
fn success(user: Arc<User>, login: &Login, policy: &Policy, memory_hit: bool) -> Success {
    // Copied only if the in-process cache holds it too.
    let User {
        mut account,
        account_field,
        totp_secret_field,
        mut attributes,
        passdb,
        backend_name,
        ..
    } = Arc::unwrap_or_clone(user);
    let mut changes = login.filter_changes.take();
    let server = changes.server.take().filter(|_| policy.server_monitoring);
    if !changes.is_empty() {
        filters::change(&mut attributes, changes);
        // The client is told the account attribute as it is now; without one, the backend's.
        let changed = user::attribute(&attributes, &account_field);
        if !changed.is_empty() {
            account = changed;
        }
    }
    Success {
        account,
        account_field,
        totp_secret_field,
        attributes,
        passdb,
        backend_name,
        memory_hit,
        server,
    }
}

/// OAuth pages: neither filters nor post actions run for them.
fn is_ory_hydra(login: &Login) -> bool {
    login.request.get(Field::Protocol) == b"ory-hydra"
}

/// How often the client has failed by now: as often as it says, or as the histories do. For nginx
/// this failure counts too, for `Auth-Wait` grows with it.
fn attempts(login: &Login, policy: &Policy, retries: u32) -> u32 {
    let attempts = login.request.login_attempt.max(retries).min(ATTEMPTS_MAX);
    let counts_on = login.request.service == Service::Nginx && attempts < policy.login_attempts_max;
    attempts + u32::from(counts_on)
}

const OK: &[u8] = b"OK";
const INVALID_LOGIN: &[u8] = b"Invalid login or password";
/// Clients may claim more; the counter stops here.
const ATTEMPTS_MAX: u32 = 255;
