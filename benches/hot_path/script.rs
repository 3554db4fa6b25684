//! The Lua host: the load test's scripts under its configuration, with answers from a list instead of Redis.
//!
//! What is counted are [`LOGINS`] runs, the collector's share among them, in a state that has run [`WARM_UP`] before: LuaJIT has
//! compiled what it will compile.

use crate::login::{ACCOUNT, login};
use gungraun::{library_benchmark, library_benchmark_group};
use loligo::auth::cache::ResultCache;
use loligo::auth::login::Login;
use loligo::auth::pipeline::authenticate;
use loligo::auth::scripts::{Scripts, StageKind};
use loligo::auth::verdict::Verdict;
use loligo::config::{Source, load};
use loligo::epoch::Epoch;
use loligo::metrics::Registry;
use loligo::op::{Answer, Op, RedisOp, drive, slot};
use loligo::proto::resp::Reply;
use loligo::script::services::Services;
use loligo::script::watchdog::Watchdog;
use loligo::script::{Host, State};
use loligo::time::Now;
use std::hint::black_box;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// How many runs a figure is about.
pub const LOGINS: usize = 100;

/// Runs before the count: LuaJIT compiles within the first hundreds.
const WARM_UP: usize = 1000;

// `feature`, `backend` and `filter`: one script run each, in a stage of its own. `pipeline`: the three of a login.
#[library_benchmark]
#[bench::feature(Server::warm(Server::feature))]
#[bench::backend(Server::warm(Server::backend))]
#[bench::filter(Server::warm(Server::filter))]
#[bench::pipeline(Server::warm(Server::pipeline))]
fn logins((server, run, logins): Warm) -> (Server, Vec<Login>) {
    for login in &logins {
        run(black_box(&server), login);
    }
    (server, logins)
}

type Run = fn(&Server, &Login);
type Warm = (Server, Run, Vec<Login>);

struct Server {
    epoch: Epoch,
    host: Host,
    results: ResultCache,
    account: Reply,
    /// Ended after the host.
    _watchdog: Watchdog,
}

impl Server {
    fn warm(run: Run) -> Warm {
        let server = Server::new();
        for _ in 0..WARM_UP {
            run(&server, &login());
        }
        (server, run, std::iter::repeat_with(login).take(LOGINS).collect())
    }

    fn new() -> Server {
        let metrics = Registry::new("bench", "0", Now::read());
        let epoch = Epoch::resolve(&configuration(), 1, &metrics).unwrap();
        let watchdog = Watchdog::spawn().unwrap();
        let services = Services {
            settings: epoch.script_settings.clone(),
            cache: Default::default(),
            redis: Default::default(),
            metrics: metrics.script_metrics(),
            worker: Rc::new(metrics.worker("0")),
            output: Default::default(),
            warnings: Default::default(),
            warned: Default::default(),
        };
        let state = State::build(epoch.scripts.clone(), services, &epoch.package_path, epoch.limits, watchdog.registrar()).unwrap();
        let (host, results) = (Host::new(Rc::new(state)), ResultCache::new(&[7; 32], 0));
        Server { epoch, host, results, account: Reply::from_frame(ACCOUNT).unwrap(), _watchdog: watchdog }
    }

    fn feature(&self, login: &Login) {
        let mut stage = self.host.stage(StageKind::Feature, login);
        let returned = self.run(async |ops| self.host.feature(&mut stage, 0, login, ops).await);
        assert!(returned.unwrap().is_some_and(|returned| !returned.trigger));
    }

    fn backend(&self, login: &Login) {
        let mut stage = self.host.stage(StageKind::Backend, login);
        let returned = self.run(async |ops| self.host.verify_password(&mut stage, 0, login, ops).await);
        assert!(returned.unwrap().result.is_some_and(|result| result.authenticated));
    }

    fn filter(&self, login: &Login) {
        login.facts.borrow_mut().authenticated = true;
        let mut stage = self.host.stage(StageKind::Filter, login);
        let returned = self.run(async |ops| self.host.filter(&mut stage, 0, login, ops).await);
        assert!(returned.unwrap().is_some_and(|returned| !returned.reject));
    }

    fn pipeline(&self, login: &Login) {
        let outcome = self.run(async |ops| authenticate(login, &self.host, &self.epoch.policy, &self.results, ops).await);
        assert!(matches!(outcome.verdict, Verdict::Success(_)));
    }

    fn run<T>(&self, task: impl AsyncFnOnce(&loligo::op::Ops) -> T) -> T {
        let now = Instant::now();
        let (ops, driver) = slot(now, now + Duration::from_secs(10));
        drive(task(&ops), &driver, |op| self.answer(op))
    }

    fn answer(&self, op: Op) -> Answer {
        let Op::Redis(RedisOp { commands, .. }) = op else { panic!("nobody answers {op:?}") };
        Answer::Reply(if commands.bytes().starts_with(b"*2\r\n$7\r\nHGETALL") { self.account.clone() } else { Reply::int(17) })
    }
}

/// That of the load test.
fn configuration() -> loligo::config::Config {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/loadtest/pipeline");
    let template = std::fs::read_to_string(format!("{folder}/config.yml")).unwrap();
    let text = template.replace("{{dir}}", folder).replace("{{port}}", "0").replace("{{redis_port}}", "6379");
    let file = std::env::temp_dir().join(format!("loligo-bench-{}.yml", std::process::id()));
    std::fs::write(&file, text).unwrap();
    let loaded = load(&Source { file: Some(file.clone()), ..Source::default() });
    std::fs::remove_file(file).unwrap();
    loaded.unwrap().config
}

library_benchmark_group!(name = host, benchmarks = [logins]);
