//! The Lua host: the load test's scripts under its configuration, with answers from a list instead
//! of Redis.
//!
//! LuaJIT seeds its string hashes and spreads its attempts to compile at random, so no two states
//! run the same instructions. Therefore each of [`STATES`] states runs [`ROUNDS`] logins: **these
//! figures are for 1,000**. The states are warm: they have run [`WARM_UP`] logins before and
//! compiled what they will compile. The collector's share is counted. Two runs of one build differ
//! by up to 2 %, `pipeline` by 0.1 %.

use crate::ROUNDS;
use crate::login::{ACCOUNT, logins};
use gungraun::{library_benchmark, library_benchmark_group};
use loligo::auth::cache::ResultCache;
use loligo::auth::login::Login;
use loligo::auth::pipeline::authenticate;
use loligo::auth::run::Stores;
use loligo::auth::scripts::{Scripts, StageKind};
use loligo::auth::verdict::Verdict;
use loligo::config::{Source, load};
use loligo::epoch::Epoch;
use loligo::metrics::Registry;
use loligo::op::{self, Answer, Op, Ops, RedisOp, slot};
use loligo::proto::resp::Reply;
use loligo::script::services::Services;
use loligo::script::watchdog::Watchdog;
use loligo::script::{Host, State};
use loligo::state::Store;
use loligo::time::Now;
use std::hint::black_box;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

// `feature`, `backend` and `filter`: one script run, in a stage of its own. `pipeline`: the three
// of a login.
#[library_benchmark]
#[bench::feature(warm(Server::feature), Server::feature)]
#[bench::backend(warm(Server::backend), Server::backend)]
#[bench::filter(warm(Server::filter), Server::filter)]
#[bench::pipeline(warm(Server::pipeline), Server::pipeline)]
fn run(servers: Vec<(Server, Vec<Login>)>, run: Run) {
    for (server, logins) in &servers {
        for login in logins {
            run(black_box(server), login);
        }
    }
    // The end of a state is no part of a login.
    std::mem::forget(servers);
}

type Run = fn(&Server, &Login);

/// Servers that have done it before, and the logins to do it with.
fn warm(run: Run) -> Vec<(Server, Vec<Login>)> {
    let server = || {
        let server = Server::new();
        logins(WARM_UP).iter().for_each(|login| run(&server, login));
        (server, logins(ROUNDS))
    };
    std::iter::repeat_with(server).take(STATES).collect()
}

const STATES: usize = 10;

/// LuaJIT compiles a loop or function after 56 rounds, a side exit after 10 more.
const WARM_UP: usize = 300;

struct Server {
    epoch: Epoch,
    host: Host,
    results: ResultCache,
    state: Store,
    account: Reply,
    /// Ended after the host.
    _watchdog: Watchdog,
}

impl Server {
    fn new() -> Server {
        let metrics = Registry::new("bench", "0", Now::read());
        let epoch = Epoch::resolve(&configuration(), 1, &metrics).unwrap();
        let watchdog = Watchdog::spawn().unwrap();
        let services = Services {
            settings: epoch.script_settings.clone(),
            state: Arc::new(epoch.store(&Arc::default(), Arc::default())),
            rules: Arc::new(epoch.policy.brute_force.clone()),
            cache: Default::default(),
            storages: Default::default(),
            redis: Default::default(),
            monitor: Default::default(),
            tls: Default::default(),
            ldap: Default::default(),
            targets: Default::default(),
            http: loligo::upstream::http::Client::new(epoch.http_client.clone()),
            databases: Default::default(),
            metrics: metrics.script_metrics(),
            worker: Rc::new(metrics.worker("0")),
            outbox: Default::default(),
            warned: Default::default(),
            regexps: Default::default(),
        };
        let state = State::build(
            epoch.scripts.clone(),
            services,
            &epoch.package_path,
            epoch.limits,
            watchdog.registrar(),
        )
        .unwrap();
        let (host, results) = (Host::new(Rc::new(state)), ResultCache::new(&[7; 32], 0));
        let state = epoch.store(&Arc::default(), Arc::default());
        Server {
            epoch,
            host,
            results,
            state,
            account: Reply::from_frame(ACCOUNT).unwrap(),
            _watchdog: watchdog,
        }
    }

    fn feature(&self, login: &Login) {
        let mut stage = self.host.stage(StageKind::Feature, login);
        let returned = self.drive(async |ops| self.host.feature(&mut stage, 0, login, ops).await);
        assert!(returned.unwrap().is_some_and(|returned| !returned.trigger));
    }

    fn backend(&self, login: &Login) {
        let mut stage = self.host.stage(StageKind::Backend, login);
        let returned =
            self.drive(async |ops| self.host.verify_password(&mut stage, 0, login, ops).await);
        assert!(returned.unwrap().result.is_some_and(|result| result.authenticated));
    }

    fn filter(&self, login: &Login) {
        login.facts.borrow_mut().authenticated = true;
        let mut stage = self.host.stage(StageKind::Filter, login);
        let returned = self.drive(async |ops| self.host.filter(&mut stage, 0, login, ops).await);
        assert!(returned.unwrap().is_some_and(|returned| !returned.reject));
    }

    fn pipeline(&self, login: &Login) {
        let stores = Stores { results: &self.results, state: &self.state };
        let outcome = self.drive(async |ops| {
            authenticate(login, &self.host, &self.epoch.policy, stores, ops).await
        });
        assert!(matches!(outcome.verdict, Verdict::Success(_)));
    }

    fn drive<T>(&self, task: impl AsyncFnOnce(&Ops) -> T) -> T {
        let now = Instant::now();
        let (ops, driver) = slot(now, now + Duration::from_secs(10));
        op::drive(task(&ops), &driver, |op| self.answer(&op))
    }

    fn answer(&self, op: &Op) -> Answer {
        let Op::Redis(RedisOp { commands, .. }) = op else { panic!("nobody answers {op:?}") };
        Answer::Reply(if commands.bytes().starts_with(b"*2\r\n$7\r\nHGETALL") {
            self.account.clone()
        } else {
            Reply::int(17)
        })
    }
}

/// That of the load test.
fn configuration() -> loligo::config::Config {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/loadtest/pipeline");
    let template = std::fs::read_to_string(format!("{folder}/config.yml")).unwrap();
    let text = template
        .replace("{{dir}}", folder)
        .replace("{{port}}", "0")
        .replace("{{redis_port}}", "6379");
    let file = std::env::temp_dir().join(format!("loligo-bench-{}.yml", std::process::id()));
    std::fs::write(&file, text).unwrap();
    let loaded = load(&Source { file: Some(file.clone()), ..Source::default() });
    std::fs::remove_file(file).unwrap();
    loaded.unwrap().config
}

library_benchmark_group!(name = host, benchmarks = [run]);
