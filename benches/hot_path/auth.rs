//! The domain without Lua: session ids, and the pipeline over scripts that are plain Rust, with and
//! without the result cache.

use crate::ROUNDS;
use crate::login::{attributes, logins};
use gungraun::{library_benchmark, library_benchmark_group};
use loligo::auth::cache::{BYTES_MAX, ResultCache};
use loligo::auth::login::{BlockFacts, Login};
use loligo::auth::pipeline::{self, Outcome};
use loligo::auth::policy::{Backend, Policy, Search};
use loligo::auth::report::CacheUse;
use loligo::auth::run::Stores;
use loligo::auth::scripts::{
    ActionKind, BackendCall, BackendResult, BackendReturn, FeatureReturn, FilterReturn,
    ScriptError, Scripts, StageKind,
};
use loligo::auth::session::SessionIds;
use loligo::auth::verdict::Verdict;
use loligo::op::{Driver, Ops, drive, slot};
use loligo::state::Store;
use loligo::value::Value;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

#[library_benchmark]
#[bench::ids(SessionIds::new([7; 32]))]
fn session(mut ids: SessionIds) {
    for _ in 0..ROUNDS {
        black_box(ids.next(black_box(1_795_358_488)));
    }
}

// Logins of different users. `uncached`: without the cache. `stored`: it is asked in vain, and then
// told. `recalled`: it answers.
#[library_benchmark]
#[bench::uncached(Pipeline::new(Duration::ZERO), CacheUse::Unused)]
#[bench::stored(Pipeline::new(Duration::from_secs(30)), CacheUse::Miss)]
#[bench::recalled(Pipeline::new(Duration::from_secs(30)).after_logins(), CacheUse::Hit)]
fn authenticate(pipeline: Pipeline, expected: CacheUse) {
    for login in &pipeline.logins {
        let outcome = pipeline.run(black_box(login));
        assert!(matches!(outcome.verdict, Verdict::Success(_)) && outcome.report.cache == expected);
    }
    // The cache's end is no part of a login.
    std::mem::forget(pipeline);
}

struct Pipeline {
    policy: Policy,
    cache: ResultCache,
    state: Store,
    logins: Vec<Login>,
    task: (Ops, Driver),
}

impl Pipeline {
    fn new(memory_cache_ttl: Duration) -> Pipeline {
        let search = vec![Search { protocols: vec!["imap".into()], cache_name: "bench".into() }];
        let backend = Backend::Lua {
            index: 0,
            name: "__meta_default__".into(),
            path: "backend.lua".into(),
            search,
        };
        let policy = Policy { backends: vec![backend], memory_cache_ttl, ..Policy::default() };
        let now = Instant::now();
        let task = slot(now, now + Duration::from_secs(10));
        Pipeline {
            policy,
            cache: ResultCache::new(&[7; 32], BYTES_MAX),
            state: Store::Memory(Arc::default()),
            logins: logins(ROUNDS),
            task,
        }
    }

    /// The users are in the cache.
    fn after_logins(self) -> Pipeline {
        self.logins.iter().for_each(|login| drop(self.run(login)));
        self
    }

    fn run(&self, login: &Login) -> Outcome {
        let (ops, driver) = &self.task;
        let task = pipeline::authenticate(
            login,
            &KnowsEverybody,
            &self.policy,
            Stores { results: &self.cache, state: &self.state },
            ops,
        );
        drive(task, driver, |op| panic!("nobody answers {op:?}"))
    }
}

/// A backend that finds every user and does not wait; there is nothing else.
struct KnowsEverybody;

impl Scripts for KnowsEverybody {
    type Stage = ();

    fn tell_block(&self, _: &mut (), _: BlockFacts) {}

    fn stage(&self, _: StageKind, _: &Login) {}

    async fn feature(
        &self,
        _: &mut (),
        _: usize,
        _: &Login,
        _: &Ops,
    ) -> Result<Option<FeatureReturn>, ScriptError> {
        Ok(None)
    }

    async fn filter(
        &self,
        _: &mut (),
        _: usize,
        _: &Login,
        _: &Ops,
    ) -> Result<Option<FilterReturn>, ScriptError> {
        Ok(None)
    }

    async fn action(
        &self,
        _: &mut (),
        _: ActionKind,
        _: usize,
        _: &Login,
        _: &Ops,
    ) -> Result<Option<i64>, ScriptError> {
        Ok(None)
    }

    async fn verify_password(
        &self,
        _: &mut (),
        _: usize,
        _: &Login,
        _: &Ops,
    ) -> Result<BackendReturn, ScriptError> {
        let result = BackendResult {
            authenticated: true,
            user_found: true,
            account_field: b"account".to_vec(),
            attributes: attributes(),
            ..BackendResult::default()
        };
        Ok(BackendReturn { code: 0, result: Some(result) })
    }

    async fn list_accounts(
        &self,
        _: &mut (),
        _: usize,
        _: &Login,
        _: &Ops,
    ) -> Result<(i64, Vec<Vec<u8>>), ScriptError> {
        Ok((0, Vec::new()))
    }

    async fn backend_call(
        &self,
        _: &mut (),
        _: usize,
        _: BackendCall,
        _: &Login,
        _: &Ops,
    ) -> Result<(i64, Vec<Vec<u8>>), ScriptError> {
        Ok((0, Vec::new()))
    }

    async fn hook(&self, _: &mut (), _: usize, _: &Login, _: &Ops) -> Result<Value, ScriptError> {
        Ok(Value::Nil)
    }
}

library_benchmark_group!(name = domain, benchmarks = [session, authenticate]);
