//! Two processes on one Redis: what one counts, the other sees when it looks next. Of attempts that
//! begin at the same moment each process lets through at most one bucket's worth, and afterwards
//! nobody lets through any.

use super::{Subject, direct};
use crate::support::redis::Redis;
use loligo::state::{ClientStatus, Counters, Failed, Kind, LoginEffects};
use std::time::Duration;

const LIMIT: u64 = 3;

#[test]
fn each_bounds_what_begins_at_the_same_moment() {
    let redis = Redis::start();
    let mut processes = [Subject::at(direct(&redis), "nt_"), Subject::at(direct(&redis), "nt_")];
    let mut counters = Counters::default();
    let kind = Kind {
        period: Duration::from_secs(60),
        cidr: 32,
        limit: LIMIT,
        protocol: None,
        oidc_cid: None,
    };
    counters.push(&kind, "192.0.2.9".parse().unwrap());
    let look = |process: &mut Subject| {
        process.run(async |store, ops| store.client_status(ops, b"", &counters).await)
    };
    let fail = |process: &mut Subject| {
        let failures =
            Some(Failed { counters: &counters, period_min: Duration::ZERO, username: b"ada" });
        let written = process.run(async |store, ops| {
            store.apply(ops, &LoginEffects { failures, ..LoginEffects::default() }).await
        });
        assert_eq!(written.rest, Ok(()));
    };
    let is_outrun = |process: &mut Subject, since: &ClientStatus| {
        process.run(async |store, ops| store.is_outrun(since, &counters, ops.now()))
    };

    let begun = processes.each_mut().map(look);
    assert!(begun.iter().all(|status| counters.first_full(&status.counts).is_none()));
    for (process, begun) in processes.iter_mut().zip(&begun) {
        for n in 0..LIMIT {
            assert!(!is_outrun(process, begun), "a success after {n} failures here would count");
            fail(process);
        }
        // No success of what was begun counts any more without another look, and that says no.
        assert!(is_outrun(process, begun));
        assert_eq!(counters.first_full(&look(process).counts), Some(0));
    }
    for process in &mut processes {
        assert_eq!(look(process).counts.to_vec(), [2 * LIMIT]);
    }
}
