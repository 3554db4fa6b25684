//! A bench for the host's tests: a state with given scripts, run with scripted answers to what they
//! ask.

use crate::auth::login::{BlockFacts, Login};
use crate::auth::request::Request;
use crate::auth::scripts::{ActionKind, Scripts, StageKind};
use crate::op::{self, Answer, ConnectionId, ConnectionOp, Dropped, Failure, Handle, Op};
use crate::script::services::{Services, Settings};
use crate::script::sources::{Script, ScriptSet};
use crate::script::watchdog::Watchdog;
use crate::script::{Host, Limits, State};
use crate::value::Value;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A host over some scripts, with its own watchdog.
pub struct Bench {
    pub host: Host,
    /// Ended after the host.
    _watchdog: Watchdog,
}

impl Bench {
    /// A host whose set holds each `(stage, source)` as one script of that stage, in order.
    pub fn new(scripts: &[(StageKind, &str)]) -> Bench {
        Bench::with_limits(scripts, LIMITS)
    }

    pub fn with_limits(scripts: &[(StageKind, &str)], limits: Limits) -> Bench {
        Bench::with_settings(scripts, limits, |_| {})
    }

    /// A host with other settings than usual.
    pub fn with_settings(
        scripts: &[(StageKind, &str)],
        limits: Limits,
        change: impl FnOnce(&mut Settings),
    ) -> Bench {
        Bench::with_services(scripts, limits, change, |_| {})
    }

    /// A host with other settings and services than usual.
    pub fn with_services(
        scripts: &[(StageKind, &str)],
        limits: Limits,
        change: impl FnOnce(&mut Settings),
        supply: impl FnOnce(&mut Services),
    ) -> Bench {
        Bench::over(set_of(scripts, false), limits, change, supply)
    }

    /// A host whose scripts run their top-level chunks once per state (`lua.config.reuse`).
    pub fn reusing(scripts: &[(StageKind, &str)]) -> Bench {
        Bench::over(set_of(scripts, true), LIMITS, |_| {}, |_| {})
    }

    fn over(
        set: ScriptSet,
        limits: Limits,
        change: impl FnOnce(&mut Settings),
        supply: impl FnOnce(&mut Services),
    ) -> Bench {
        let watchdog = Watchdog::spawn().expect("a thread");
        let mut settings = Settings {
            log_format: "default".into(),
            log_level: "info".into(),
            redis_prefix: "nt:".into(),
            redis_read: Duration::from_secs(1),
            redis_write: Duration::from_secs(1),
            has_redis: true,
            request_memory: 16 << 20,
            redis_is_cluster: false,
            ..Settings::default()
        };
        change(&mut settings);
        let mut services = Services::for_tests(settings);
        supply(&mut services);
        let state = State::build(Arc::new(set), services, "./?.lua", limits, watchdog.registrar());
        Bench { host: Host::new(Rc::new(state.expect("the state"))), _watchdog: watchdog }
    }

    /// Runs the first hook; ops are answered by `answer`. The error is the script's message.
    pub fn hook(&self, answer: impl FnMut(Op) -> Answer) -> Result<Value, String> {
        let login = Login::new(Request::default());
        self.hook_of(0, &login, answer)
    }

    /// Runs the hook with this index for a login.
    pub fn hook_of(
        &self,
        index: usize,
        login: &Login,
        answer: impl FnMut(Op) -> Answer,
    ) -> Result<Value, String> {
        let now = Instant::now();
        let (ops, driver) = op::slot(now, now + Duration::from_secs(10));
        let mut stage = self.host.stage(StageKind::Hook, login);
        op::drive(self.host.hook(&mut stage, index, login, &ops), &driver, answer)
            .map_err(|error| error.message)
    }
}

impl Bench {
    /// Runs the first post action for a login, which must not wait.
    pub fn action(&self, login: &Login) -> Result<Option<i64>, String> {
        self.action_for(login, None)
    }

    /// As [`Bench::action`], for a blocked client.
    pub fn action_for(
        &self,
        login: &Login,
        block: Option<BlockFacts>,
    ) -> Result<Option<i64>, String> {
        let now = Instant::now();
        let (ops, driver) = op::slot(now, now + Duration::from_secs(10));
        let mut stage = self.host.stage(StageKind::Action, login);
        if let Some(block) = block {
            self.host.tell_block(&mut stage, block);
        }
        let run = self.host.action(&mut stage, ActionKind::Post, 0, login, &ops);
        op::drive(run, &driver, |op| panic!("nobody answers {op:?}")).map_err(|error| error.message)
    }
}

/// Each `(stage, source)` as one script of that stage, in order.
fn set_of(scripts: &[(StageKind, &str)], reuse: bool) -> ScriptSet {
    let mut set = ScriptSet::default();
    for (at, (stage, source)) in scripts.iter().enumerate() {
        set.scripts.push(Script {
            path: format!("test/{}{at}.lua", stage.name()),
            name: format!("{}{at}", stage.name()),
            stage: *stage,
            source: source.as_bytes().to_vec(),
            reuse,
        });
        match stage {
            StageKind::Feature => set.features.push(at),
            StageKind::Filter => set.filters.push(at),
            StageKind::Backend => set.backends.push(at),
            StageKind::Hook => set.hooks.push(at),
            StageKind::Init => set.init.push(at),
            StageKind::Action => set.actions[5].push(at),
        }
    }
    set
}

/// What `source`, the body of a function, returns under the real host. Ops fail: what is tested so
/// must not wait.
pub fn eval(source: &str) -> Result<Value, String> {
    eval_with(source, |op| panic!("nobody answers {op:?}"))
}

/// As [`eval`], with answers to ops.
pub fn eval_with(source: &str, answer: impl FnMut(Op) -> Answer) -> Result<Value, String> {
    Bench::new(&[(StageKind::Hook, &format!("function nauthilus_run_hook(request) {source}\nend"))])
        .hook(answer)
}

/// Runs a hook, `body` after `prelude`, beside a server that answers each request with the next of
/// `answers` and then says nothing more; also, what the server was sent. Nobody listens at port 1.
pub fn beside_a_server(
    prelude: &str,
    body: &str,
    answers: &[impl AsRef<str>],
) -> (Result<Value, String>, Vec<String>) {
    let source = format!("{prelude} function nauthilus_run_hook() {body} end");
    let bench = Bench::new(&[(StageKind::Hook, &source)]);
    let (mut sent, mut opened, mut answers, dropped) =
        (Vec::new(), 0, answers.iter(), Dropped::default());
    let result = bench.hook(|op| match op {
        Op::Connection(ConnectionOp::Open(address)) if address.to_string().ends_with(":1") => {
            Answer::Failed(Failure::Refused(format!(
                "dial tcp {address}: connect: connection refused"
            )))
        }
        Op::Connection(ConnectionOp::Open(_)) => {
            opened += 1;
            Answer::Opened(Handle::new(ConnectionId(opened), dropped.clone()))
        }
        Op::Connection(ConnectionOp::Check(_)) => Answer::Fresh(true),
        Op::Connection(ConnectionOp::Send(_, bytes)) => {
            sent.push(String::from_utf8(bytes).unwrap());
            Answer::Passed
        }
        Op::Connection(ConnectionOp::Receive(_, mut buffer)) => match answers.next() {
            Some(answer) => {
                buffer.extend_from_slice(answer.as_ref().as_bytes());
                Answer::Received(buffer)
            }
            None => Answer::Failed(Failure::TimedOut),
        },
        op => panic!("{op:?}"),
    });
    (result, sent)
}

/// As [`eval`], for a script that computes for a good part of a second: on a loaded machine the usual
/// limit would stop it.
pub fn eval_long(source: &str) -> Result<Value, String> {
    let limits = Limits { cpu: Duration::from_secs(60), script: Duration::from_secs(60), ..LIMITS };
    let source = format!("function nauthilus_run_hook(request) {source}\nend");
    Bench::with_limits(&[(StageKind::Hook, &source)], limits)
        .hook(|op| panic!("nobody answers {op:?}"))
}

pub const LIMITS: Limits = Limits {
    memory_bytes: 64 << 20,
    cpu: Duration::from_secs(1),
    script: Duration::from_secs(10),
    backend: Duration::from_secs(10),
};
