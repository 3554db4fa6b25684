//! The pipeline under scripted answers: a [`Case`] is one configuration with scripts that are Rust
//! closures, run for one login after the other on a clock that only moves when a case says so.

mod actions;
mod backends;
mod built_in_features;
mod cache;
mod facts;
mod failures;
mod features;
mod filters;
mod log;
mod verdicts;

use crate::auth::cache::{BYTES_MAX, ResultCache};
use crate::auth::login::{BlockFacts, Facts, Login};
use crate::auth::pipeline::{self, Outcome};
use crate::auth::policy::{
    Action, Backend, DEFAULT_BACKEND, Feature, Filter, Policy, Search, When,
};
use crate::auth::report::Event;
use crate::auth::request::{Field, HttpRequest, Request};
use crate::auth::run::Stores;
use crate::auth::scripts::{
    ActionKind, BackendCall, BackendResult, BackendReturn, FeatureReturn, FilterReturn,
    ScriptError, Scripts, StageKind,
};
use crate::auth::verdict::{TemporaryReason, Verdict};
use crate::op::{self, Answer, DnsOp, Op, Ops};
use crate::state::Store;
use crate::value::Value;
use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::{Duration, Instant};

type Script<T> = Box<dyn Fn(&Login) -> Result<T, ScriptError>>;
type Accounts = (i64, Vec<Vec<u8>>);

/// One configuration, with scripts f1, f2 … (features), b1 … (backends), x1 … (filters), lua1 …,
/// post1 … (actions).
pub(super) struct Case {
    pub policy: Policy,
    pub cache: ResultCache,
    pub state: Store,
    scripts: Closures,
    now: Cell<Instant>,
    /// What the domain name system says.
    dns: Box<dyn Fn(&DnsOp) -> Answer>,
}

/// The scripts, and what became of them.
#[derive(Default)]
struct Closures {
    features: Vec<Script<Option<FeatureReturn>>>,
    backends: Vec<Script<BackendReturn>>,
    listings: Vec<Script<Accounts>>,
    filters: Vec<Script<Option<FilterReturn>>>,
    actions: Vec<(ActionKind, Script<Option<i64>>)>,
    calls: RefCell<Vec<String>>,
    /// The facts at the start of each stage.
    stages: RefCell<Vec<(StageKind, Facts)>>,
    /// The blocks that stages of actions were told of.
    blocks: RefCell<Vec<BlockFacts>>,
    /// This script waits until the deadline is over, and returns as if nothing were.
    waits_too_long: Option<&'static str>,
}

impl Case {
    /// Feature `lua` is listed; there is no script yet.
    pub fn new() -> Case {
        Case {
            policy: Policy { lua_features: true, ..Policy::default() },
            cache: ResultCache::new(&[1; 32], BYTES_MAX),
            state: Store::Memory(Arc::default()),
            scripts: Closures::default(),
            now: Cell::new(Instant::now()),
            dns: Box::new(|op| panic!("nobody answers {op:?}")),
        }
    }

    /// With [`alice`] as its only backend, for protocols imap and default.
    pub fn with_alice() -> Case {
        Case::new().backend(DEFAULT_BACKEND, &["imap", "default"], |login| Ok(alice(login)))
    }

    pub fn feature(
        mut self,
        script: impl Fn(&Login) -> Result<Option<FeatureReturn>, ScriptError> + 'static,
    ) -> Case {
        self.scripts.features.push(Box::new(script));
        let name = format!("f{}", self.scripts.features.len());
        self.policy.features.push(Feature {
            path: format!("{name}.lua"),
            name,
            when: When::FEATURE_DEFAULT,
        });
        self
    }

    pub fn filter(
        mut self,
        script: impl Fn(&Login) -> Result<Option<FilterReturn>, ScriptError> + 'static,
    ) -> Case {
        self.scripts.filters.push(Box::new(script));
        let name = format!("x{}", self.scripts.filters.len());
        self.policy.filters.push(Filter {
            path: format!("{name}.lua"),
            name,
            when: When::FILTER_DEFAULT,
            override_rejection: false,
        });
        self
    }

    pub fn backend(
        mut self,
        name: &str,
        protocols: &[&str],
        script: impl Fn(&Login) -> Result<BackendReturn, ScriptError> + 'static,
    ) -> Case {
        self.scripts.backends.push(Box::new(script));
        self.push_backend(name, protocols);
        self
    }

    pub fn listing(
        mut self,
        name: &str,
        protocols: &[&str],
        script: impl Fn(&Login) -> Result<Accounts, ScriptError> + 'static,
    ) -> Case {
        self.scripts.listings.push(Box::new(script));
        self.push_backend(name, protocols);
        self
    }

    pub fn action(
        mut self,
        kind: ActionKind,
        script: impl Fn(&Login) -> Result<Option<i64>, ScriptError> + 'static,
    ) -> Case {
        self.scripts.actions.push((kind, Box::new(script)));
        let name = action_word(kind, self.policy.actions.of(kind).len());
        self.policy.actions.push(kind, Action { path: format!("{name}.lua"), name });
        self
    }

    /// A post action that only leaves its word.
    pub fn post(self) -> Case {
        self.action(ActionKind::Post, |_| Ok(Some(0)))
    }

    pub fn waiting_too_long_in(mut self, script: &'static str) -> Case {
        self.scripts.waits_too_long = Some(script);
        self
    }

    pub fn dns(mut self, dns: impl Fn(&DnsOp) -> Answer + 'static) -> Case {
        self.dns = Box::new(dns);
        self
    }

    pub fn later(&self, by: Duration) {
        self.now.set(self.now.get() + by);
    }

    /// Authenticates, then runs the post actions if they are due; the lines of these follow those
    /// of the login.
    pub fn run(&self, login: &Login) -> Outcome {
        let mut outcome = self.drive(async |ops| {
            pipeline::authenticate(login, &self.scripts, &self.policy, self.stores(), ops).await
        });
        if outcome.post_actions {
            outcome.report.events.extend(self.run_post_actions(login));
        }
        outcome
    }

    pub fn run_post_actions(&self, login: &Login) -> Vec<Event> {
        self.drive(async |ops| {
            pipeline::post_actions(login, &self.scripts, &self.policy, self.stores(), ops).await
        })
    }

    pub fn list(&self, login: &Login) -> (Vec<String>, Vec<Event>) {
        let (accounts, report) = self.drive(async |ops| {
            pipeline::list_accounts(login, &self.scripts, &self.policy, self.stores(), ops).await
        });
        (
            accounts.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect(),
            report.events,
        )
    }

    fn stores(&self) -> Stores<'_> {
        Stores { results: &self.cache, state: &self.state }
    }

    pub fn name_client(&self, login: &mut Login) {
        self.drive(async |ops| pipeline::name_client(login, &self.policy, ops).await);
    }

    /// The scripts that ran since the last call, in order.
    pub fn calls(&self) -> String {
        self.scripts.calls.take().join(" ")
    }

    /// What the scripts of each stage saw, in order.
    pub fn stages(&self) -> Vec<(StageKind, Facts)> {
        self.scripts.stages.take()
    }

    /// The blocks that actions were told of since the last call, in order.
    pub fn told_blocks(&self) -> Vec<BlockFacts> {
        self.scripts.blocks.take()
    }

    fn push_backend(&mut self, name: &str, protocols: &[&str]) {
        let index = self.policy.backends.len();
        let search = Search {
            protocols: protocols.iter().map(|p| p.to_string()).collect(),
            cache_name: "c".into(),
        };
        self.policy.backends.push(Backend::Lua {
            index,
            name: name.into(),
            path: format!("b{}.lua", index + 1),
            search: vec![search],
        });
    }

    pub fn drive<T>(&self, task: impl AsyncFnOnce(&Ops) -> T) -> T {
        let deadline = self.now.get() + DEADLINE;
        let (ops, driver) = op::slot(self.now.get(), deadline);
        let clock = driver.clone();
        op::drive(task(&ops), &driver, move |op| match op {
            Op::Sleep(_) => {
                clock.set_now(deadline);
                Answer::Failed(op::Failure::Deadline)
            }
            op => self.answer(op),
        })
    }

    /// Names are looked up; a test waits for nothing else.
    fn answer(&self, op: Op) -> Answer {
        match op {
            Op::Dns(op) => (self.dns)(&op),
            Op::All(ops) => Answer::All(ops.into_iter().map(|op| self.answer(op)).collect()),
            Op::Run(procedure) => {
                let (ops, driver) = op::slot(self.now.get(), self.now.get() + DEADLINE);
                Answer::Done(op::drive(procedure.begin(ops), &driver, |op| self.answer(op)))
            }
            op => panic!("nobody answers {op:?}"),
        }
    }
}

impl Closures {
    async fn call(&self, word: String, ops: &Ops) {
        let waits = self.waits_too_long == Some(word.as_str());
        self.calls.borrow_mut().push(word);
        if waits {
            ops.ask(Op::Sleep(Duration::MAX), Duration::MAX).await;
        }
    }
}

impl Scripts for Closures {
    type Stage = ();

    fn stage(&self, kind: StageKind, login: &Login) {
        self.stages.borrow_mut().push((kind, login.facts.borrow().clone()));
    }

    fn tell_block(&self, _: &mut (), block: BlockFacts) {
        self.blocks.borrow_mut().push(block);
    }

    async fn feature(
        &self,
        _: &mut (),
        index: usize,
        login: &Login,
        ops: &Ops,
    ) -> Result<Option<FeatureReturn>, ScriptError> {
        self.call(format!("f{}", index + 1), ops).await;
        self.features[index](login)
    }

    async fn filter(
        &self,
        _: &mut (),
        index: usize,
        login: &Login,
        ops: &Ops,
    ) -> Result<Option<FilterReturn>, ScriptError> {
        self.call(format!("x{}", index + 1), ops).await;
        self.filters[index](login)
    }

    async fn action(
        &self,
        _: &mut (),
        kind: ActionKind,
        index: usize,
        login: &Login,
        ops: &Ops,
    ) -> Result<Option<i64>, ScriptError> {
        self.call(action_word(kind, index), ops).await;
        let mut of_kind = self.actions.iter().filter(|(k, _)| *k == kind);
        of_kind.nth(index).map(|(_, script)| script(login)).unwrap()
    }

    async fn verify_password(
        &self,
        _: &mut (),
        backend: usize,
        login: &Login,
        ops: &Ops,
    ) -> Result<BackendReturn, ScriptError> {
        self.call(format!("b{}", backend + 1), ops).await;
        self.backends[backend](login)
    }

    async fn list_accounts(
        &self,
        _: &mut (),
        backend: usize,
        login: &Login,
        ops: &Ops,
    ) -> Result<Accounts, ScriptError> {
        self.call(format!("b{}", backend + 1), ops).await;
        self.listings[backend](login)
    }

    async fn backend_call(
        &self,
        _: &mut (),
        _: usize,
        call: BackendCall,
        _: &Login,
        _: &Ops,
    ) -> Result<Accounts, ScriptError> {
        unreachable!("the pipeline makes no {call:?}")
    }

    async fn hook(
        &self,
        _: &mut (),
        index: usize,
        login: &Login,
        ops: &Ops,
    ) -> Result<Value, ScriptError> {
        self.call(format!("h{}", index + 1), ops).await;
        if login.request.get(Field::Username) == b"broken" {
            Err(raised("hook is broken"))
        } else {
            Ok(Value::Number(1.0))
        }
    }
}

fn action_word(kind: ActionKind, index: usize) -> String {
    format!("{}{}", format!("{kind:?}").to_lowercase(), index + 1)
}

/// A login from 192.0.2.9 over imap.
pub(super) fn login(username: &str, password: &str) -> Login {
    login_with(username, password, |_| {})
}

pub(super) fn login_with(
    username: &str,
    password: &str,
    change: impl FnOnce(&mut Request),
) -> Login {
    let mut request = Request::new(Vec::new(), HttpRequest::default());
    for (field, text) in [
        (Field::Username, username),
        (Field::Password, password),
        (Field::Protocol, "imap"),
        (Field::ClientIp, "192.0.2.9"),
    ] {
        request.set(field, text.as_bytes());
    }
    change(&mut request);
    Login::new(request)
}

/// A backend that knows `alice` with password `secret`, and breaks over `broken`.
pub(super) fn alice(login: &Login) -> BackendReturn {
    let result = match login.request.get(Field::Username) {
        b"alice" => found("alice@example.test", login.request.get(Field::Password) == b"secret"),
        b"broken" => return BackendReturn { code: 1, result: None },
        _ => BackendResult::default(),
    };
    BackendReturn { code: 0, result: Some(result) }
}

pub(super) fn found(account: &str, authenticated: bool) -> BackendResult {
    let mut result = BackendResult {
        user_found: true,
        authenticated,
        account_field: b"account".to_vec(),
        ..BackendResult::default()
    };
    result.attributes.set_one(b"account", Value::string(account));
    result
}

pub(super) fn raised(message: &str) -> ScriptError {
    ScriptError { script: "s.lua".into(), message: message.into() }
}

pub(super) const PASS: FeatureReturn = FeatureReturn { trigger: false, abort: false, result: 0 };
pub(super) const TRIGGER: FeatureReturn = FeatureReturn { trigger: true, ..PASS };
pub(super) const ABORT: FeatureReturn = FeatureReturn { abort: true, ..PASS };
pub(super) const ACCEPT: FilterReturn = FilterReturn { reject: false, result: 0 };
pub(super) const REJECT: FilterReturn = FilterReturn { reject: true, result: 0 };

/// `ok`, `fail: TEXT` or `temporary: TEXT`.
pub(super) fn ending(outcome: &Outcome) -> String {
    match &outcome.verdict {
        Verdict::Success(_) => "ok".into(),
        Verdict::Failure(failure) => {
            format!("fail: {}", String::from_utf8_lossy(&failure.status_message))
        }
        Verdict::Temporary(reason) => format!("temporary: {}", reason.text()),
    }
}

pub(super) const FAIL: &str = "fail: Invalid login or password";

pub(super) fn temporary() -> String {
    format!("temporary: {}", TemporaryReason::ServerProblem.text())
}

/// An event as a line: message, then `name=value`.
pub(super) fn line(event: &Event, login: &Login) -> String {
    let mut line = event.message.to_string();
    event.fields(login, &mut |name, value| line.push_str(&format!(" {name}={}", shown(value))));
    line
}

pub(super) fn shown(value: crate::auth::report::FieldValue<'_>) -> String {
    use crate::auth::report::FieldValue;
    match value {
        FieldValue::Text(text) => String::from_utf8_lossy(text).into_owned(),
        FieldValue::Count(n) => n.to_string(),
        FieldValue::Number(n) => n.to_string(),
        FieldValue::Bool(b) => b.to_string(),
    }
}

const DEADLINE: Duration = Duration::from_secs(10);
