//! What explains blocks, and bans by hand.

use super::{Subject as Tested, behaviours};
use loligo::op::Ops;
use loligo::state::{Ban, Counters, Failed, Kind, LoginEffects, NewBlock, Store, Subject};
use std::net::IpAddr;
use std::time::{Duration, Instant};

behaviours!(
    a_block_is_listed_with_what_explains_it,
    a_block_that_is_flushed_or_over_is_not_listed,
    a_ban_by_hand_holds_until_it_is_lifted,
    a_ban_by_hand_that_is_over_is_removed,
);

const HOUR: Duration = Duration::from_secs(3600);

fn counters() -> Counters {
    let mut counters = Counters::default();
    let kind = Kind { period: HOUR, cidr: 32, limit: 3, protocol: None, oidc_cid: None };
    counters.push(&kind, address());
    counters
}

fn address() -> IpAddr {
    "192.0.2.9".parse().unwrap()
}

/// Failures of two users, then a block of the network.
async fn block(store: &Store, ops: &Ops, time: Option<Duration>) {
    for username in [&b"ada"[..], b"bob"] {
        let failures = Some(Failed { counters: &counters(), period_min: Duration::ZERO, username });
        let effects = LoginEffects { failures, ..LoginEffects::default() };
        assert_eq!(store.apply(ops, &effects).await.rest, Ok(()));
    }
    let block = NewBlock { network: b"192.0.2.9/32", bucket: b"b", time, failures: 3 };
    let effects = LoginEffects { block: Some(block), ..LoginEffects::default() };
    assert_eq!(store.apply(ops, &effects).await.rest, Ok(()));
}

async fn bans(store: &Store, ops: &Ops) -> Vec<Ban> {
    store.bans(ops).await.unwrap()
}

fn network() -> Subject {
    Subject::network("192.0.2.0/24".parse().unwrap())
}

fn a_block_is_listed_with_what_explains_it(subject: &mut Tested) {
    subject.run(async |store, ops| {
        block(store, ops, Some(HOUR)).await;
        let all = bans(store, ops).await;
        let [ban] = all.as_slice() else { panic!("{all:?}") };
        assert_eq!(ban.subject, Subject::network("192.0.2.9/32".parse().unwrap()));
        let details = &ban.details;
        assert_eq!((ban.rule.as_slice(), details.failures), (&b"b"[..], 3));
        assert_eq!(details.until.unwrap() - details.since, 3_600_000);
        assert_eq!(details.users, ["bob", "ada"]);
    });
}

fn a_block_that_is_flushed_or_over_is_not_listed(subject: &mut Tested) {
    subject.run(async |store, ops| {
        block(store, ops, None).await;
        assert_eq!(bans(store, ops).await[0].details.until, None);
        store.flush_blocks(ops, &counters(), |_| true).await.unwrap();
        assert_eq!(bans(store, ops).await, []);
        block(store, ops, Some(Duration::from_millis(400))).await;
    });
    subject.pass(Duration::from_millis(500));
    subject.run(async |store, ops| assert_eq!(bans(store, ops).await, []));
}

fn a_ban_by_hand_holds_until_it_is_lifted(subject: &mut Tested) {
    subject.run(async |store, ops| {
        let is_banned = |address: Option<IpAddr>, user: &[u8]| {
            store.manual_bans().find(address, &[user], Instant::now()).is_some()
        };
        let user = Subject::user(b"Eve");
        store.ban(ops, network(), None, "spam".into()).await.unwrap();
        store.ban(ops, user.clone(), Some(HOUR), "stolen".into()).await.unwrap();
        assert!(is_banned(Some(address()), b"bob") && is_banned(None, b"eve"));
        let reasons = |all: Vec<Ban>| -> Vec<String> {
            let mut reasons: Vec<_> = all.into_iter().map(|ban| ban.details.reason).collect();
            reasons.sort();
            reasons
        };
        assert_eq!(reasons(bans(store, ops).await), ["spam", "stolen"]);
        // A new one takes the place of the old one.
        store.ban(ops, network(), None, "more spam".into()).await.unwrap();
        assert_eq!(reasons(bans(store, ops).await), ["more spam", "stolen"]);

        assert_eq!(store.unban(ops, &user).await, Ok(true));
        assert_eq!(store.unban(ops, &user).await, Ok(false));
        assert_eq!(store.unban_address(ops, address()).await, Ok(true));
        assert_eq!(store.unban_address(ops, address()).await, Ok(false));
        assert_eq!(bans(store, ops).await, []);
        assert!(!is_banned(Some(address()), b"eve"));
    });
}

fn a_ban_by_hand_that_is_over_is_removed(subject: &mut Tested) {
    subject.run(async |store, ops| {
        let time = Some(Duration::from_millis(400));
        store.ban(ops, network(), time, "short".into()).await.unwrap();
        assert_eq!(bans(store, ops).await.len(), 1);
    });
    subject.pass(Duration::from_millis(500));
    subject.run(async |store, ops| {
        assert_eq!(bans(store, ops).await, []);
        // The one after it finds nothing left.
        assert_eq!(store.unban(ops, &network()).await, Ok(false));
    });
}
