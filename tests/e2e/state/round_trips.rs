//! A look at a client and what its login leaves behind are one round trip each, however many
//! buckets there are.

use super::{Subject, direct};
use crate::support::redis::Redis;
use loligo::op::{Op, Ops};
use loligo::state::{
    Counters, Failed, FailedFrom, Kind, LoginEffects, NewBlock, Owner, Store, WrongPassword,
};
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn a_look_is_one_and_a_trace_another() {
    let redis = Redis::start();
    let asked = Rc::new(Cell::new(0));
    let (mut carrier, count) = (super::Carrier::new(direct(&redis)), asked.clone());
    let mut subject = Subject::answering(move |op| {
        let Op::Redis(redis_op) = &op else { panic!("{op:?}") };
        assert!(redis_op.commands.count() > 1);
        count.set(count.get() + 1);
        carrier.answer(&op)
    });
    let mut counters = Counters::default();
    for (period, cidr) in [(60, 32), (3600, 32), (3600, 24), (86_400, 16)] {
        let kind = Kind {
            period: Duration::from_secs(period),
            cidr,
            limit: 3,
            protocol: None,
            oidc_cid: None,
        };
        counters.push(&kind, "192.0.2.9".parse().unwrap());
    }
    subject.run(async |store: &Store, ops: &Ops| {
        store.client_status(ops, b"alice", &counters).await;
        assert_eq!(asked.take(), 1);
        let owner = Owner { name: b"alice@example.test", client: b"192.0.2.9" };
        let effects = LoginEffects {
            mapping: Some((b"alice", owner.name)),
            block: Some(NewBlock {
                network: b"192.0.2.9/32",
                bucket: b"b",
                time: Some(HOUR),
                failures: 1,
            }),
            affected: Some(owner.name),
            failed_from: Some(FailedFrom { account: owner.name, client: owner.client, ttl: HOUR }),
            password: Some(WrongPassword {
                owner,
                hash: *b"00000001",
                ttl: HOUR,
                of_account: true,
                of_client: true,
            }),
            failures: Some(Failed {
                counters: &counters,
                period_min: Duration::ZERO,
                username: b"ada",
            }),
            cached: None,
        };
        assert_eq!(store.apply(ops, &effects).await.rest, Ok(()));
        assert_eq!(asked.take(), 1);
        assert_eq!(
            store.client_status(ops, b"alice", &counters).await.counts.to_vec(),
            [1, 1, 1, 1]
        );
        // This process blocked the network itself: when that ends need not be asked.
        assert_eq!(asked.take(), 1);
    });
}
