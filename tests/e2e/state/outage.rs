//! Redis away, slow or strange: the process goes on with what it has counted itself.

use super::{Subject, direct};
use crate::support::redis::Redis;
use loligo::op::{Answer, Failure};
use loligo::proto::resp::Reply;
use loligo::state::{Counters, Error, Failed, Kind, LoginEffects, NewBlock};
use std::time::Duration;

fn counters() -> Counters {
    let mut counters = Counters::default();
    let kind = Kind {
        period: Duration::from_secs(60),
        cidr: 32,
        limit: 2,
        protocol: None,
        oidc_cid: None,
    };
    counters.push(&kind, "192.0.2.9".parse().unwrap());
    counters
}

fn fail<'a>(counters: &'a Counters) -> LoginEffects<'a> {
    LoginEffects {
        failures: Some(Failed { counters, period_min: Duration::ZERO, username: b"ada" }),
        ..LoginEffects::default()
    }
}

#[test]
fn failures_before_and_during_an_outage_count() {
    let redis = Redis::start();
    let mut subject = Subject::at(direct(&redis), "nt_");
    let counters = counters();
    subject.run(async |store, ops| drop(store.apply(ops, &fail(&counters)).await));
    subject.cut_off();
    subject.run(async |store, ops| {
        let status = store.client_status(ops, b"alice", &counters).await;
        assert_eq!((status.counts.to_vec(), status.outage.is_some()), (vec![1], true));
        let written = store.apply(ops, &fail(&counters)).await;
        assert!(written.rest.is_err());
        let status = store.client_status(ops, b"alice", &counters).await;
        assert_eq!(counters.first_full(&status.counts), Some(0));
        let block =
            Some(NewBlock { network: b"192.0.2.9/32", bucket: b"b", time: None, failures: 1 });
        assert!(
            store
                .apply(ops, &LoginEffects { block, ..LoginEffects::default() })
                .await
                .rest
                .is_err()
        );
        assert_eq!(store.client_status(ops, b"alice", &counters).await.blocked, Some(0));
        assert!(store.account(ops, b"alice").await.is_err());
        assert!(store.blocks(ops).await.is_err());
    });
    subject.connect(direct(&redis));
    subject.run(async |store, ops| {
        // What Redis says counts again, and on top of it what it did not hear of.
        let status = store.client_status(ops, b"alice", &counters).await;
        assert_eq!((status.counts.to_vec(), status.blocked, status.outage), (vec![2], None, None));
        assert_eq!(store.apply(ops, &fail(&counters)).await.rest, Ok(()));
    });
    // With the next failure it has heard of everything, and so have others.
    let mut another = Subject::at(direct(&redis), "nt_");
    for subject in [&mut subject, &mut another] {
        let counts = subject
            .run(async |store, ops| store.client_status(ops, b"", &counters).await.counts.to_vec());
        assert_eq!(counts, [3]);
    }
}

#[test]
fn failures_that_redis_refuses_count_in_this_process() {
    let redis = Redis::start();
    let mut subject = Subject::at(direct(&redis), "nt_");
    let mut counters = counters();
    let kind = Kind {
        period: Duration::from_secs(3600),
        cidr: 24,
        limit: 9,
        protocol: None,
        oidc_cid: None,
    };
    counters.push(&kind, "192.0.2.9".parse().unwrap());
    let mut counts = |failure: Option<Duration>| {
        subject.run(async |store, ops| {
            if let Some(period_min) = failure {
                let failures = Some(Failed { counters: &counters, period_min, username: b"ada" });
                drop(store.apply(ops, &LoginEffects { failures, ..LoginEffects::default() }).await);
            }
            store.client_status(ops, b"", &counters).await.counts.to_vec()
        })
    };
    assert_eq!(counts(Some(Duration::ZERO)), [1, 1]);
    let _: () = redis.ask("CONFIG SET maxmemory-policy noeviction");
    let _: () = redis.ask("CONFIG SET maxmemory 1");
    // It still answers reads.
    assert_eq!(counts(Some(Duration::ZERO)), [2, 2]);
    assert_eq!(counts(Some(Duration::from_secs(3600))), [2, 3]);
    assert_eq!(counts(None), [2, 3]);
    let _: () = redis.ask("CONFIG SET maxmemory 0");
    assert_eq!(counts(None), [2, 3]);
    assert_eq!(counts(Some(Duration::from_secs(3600))), [2, 4]);
    assert_eq!(redis.ask::<u64>("GET nt_bf:3600:24:9:4:192.0.2.0/24"), 4);
    assert_eq!(redis.ask::<u64>("GET nt_bf:60:32:2:4:192.0.2.9/32"), 1);
    assert_eq!(counts(Some(Duration::ZERO)), [3, 5]);
    assert_eq!(redis.ask::<u64>("GET nt_bf:60:32:2:4:192.0.2.9/32"), 3);
}

#[test]
fn a_block_that_was_met_holds_during_an_outage() {
    let redis = Redis::start();
    let mut subject = Subject::at(direct(&redis), "nt_");
    let counters = counters();
    subject.command(&["HSET", "nt_BRUTEFORCE", "192.0.2.9/32", "by another process"]);
    subject.run(async |store, ops| {
        assert_eq!(store.client_status(ops, b"", &counters).await.blocked, Some(0))
    });
    subject.cut_off();
    subject.run(async |store, ops| {
        assert_eq!(store.client_status(ops, b"", &counters).await.blocked, Some(0))
    });
    subject.connect(direct(&redis));
    // Flushed elsewhere: what this process remembers must not bring it back.
    subject.command(&["HDEL", "nt_BRUTEFORCE", "192.0.2.9/32"]);
    subject.run(async |store, ops| {
        assert_eq!(store.client_status(ops, b"", &counters).await.blocked, None)
    });
    subject.cut_off();
    subject.run(async |store, ops| {
        assert_eq!(store.client_status(ops, b"", &counters).await.blocked, None)
    });
}

#[test]
fn strange_replies_are_an_outage_and_no_verdict() {
    let counters = counters();
    let answers: [fn() -> Answer; 7] = [
        || Answer::Failed(Failure::TimedOut),
        || Answer::Reply(Reply::int(1)),
        || Answer::Replies(vec![]),
        || Answer::Replies(vec![Reply::nil(), Reply::nil(), Reply::nil()]),
        || {
            Answer::Replies(vec![
                Reply::error("WRONGTYPE no"),
                Reply::array(&[Reply::nil()]),
                Reply::nil(),
            ])
        },
        || Answer::Replies(vec![Reply::nil(), Reply::array(&[]), Reply::nil()]),
        || Answer::Replies(vec![Reply::nil(), Reply::array(&[Reply::nil()]), Reply::array(&[])]),
    ];
    for answer in answers {
        let mut subject = Subject::answering(move |_| answer());
        subject.run(async |store, ops| {
            let status = store.client_status(ops, b"alice", &counters).await;
            assert!(status.outage.is_some());
            assert_eq!(
                (status.account, status.blocked, status.counts.to_vec()),
                (None, None, vec![0])
            );
        });
    }
    let mut subject = Subject::answering(|_| Answer::Reply(Reply::error("WRONGTYPE no")));
    subject.run(async |store, ops| {
        assert_eq!(store.account(ops, b"alice").await, Err(Error::Refused("WRONGTYPE no".into())));
        assert_eq!(
            store.map_account(ops, b"alice", b"a").await,
            Err(Error::Refused("WRONGTYPE no".into()))
        );
    });
}
