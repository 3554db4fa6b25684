//! Counters, blocks, histories, tolerations.

use super::{Subject, bare, behaviours};
use loligo::op::Ops;
use loligo::state::{
    ClientStatus, Counters, Evidence, Failed, FailedFrom, Kind, LoginEffects, NewBlock, Owner,
    Store, Tolerance, WrongPassword,
};
use std::time::Duration;

behaviours!(
    failures_are_counted_per_network,
    shorter_buckets_can_be_left_out,
    a_block_is_met_by_every_client_of_its_network,
    a_block_ends_with_its_time,
    a_block_without_a_time_does_not_end,
    a_flush_removes_what_is_meant,
    affected_accounts_come_with_their_addresses,
    wrong_passwords_are_remembered,
    users_of_an_address_are_counted_once,
    users_of_long_ago_are_cleaned_away,
    a_trace_of_everything_is_written_at_once,
    failures_since_a_look_are_noticed,
    what_has_a_time_ends_with_it,
    nothing_is_left_behind_by_nothing,
);

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// Two buckets: a minute and the address, an hour and its network of 24 bits.
fn counters(address: &str) -> Counters {
    let mut counters = Counters::default();
    for (period, cidr, limit) in [(MINUTE, 32, 3), (HOUR, 24, 6)] {
        counters.push(
            &Kind { period, cidr, limit, protocol: None, oidc_cid: None },
            address.parse().unwrap(),
        );
    }
    counters
}

async fn status(store: &Store, ops: &Ops, address: &str) -> ClientStatus {
    let status = store.client_status(ops, b"", &counters(address)).await;
    assert_eq!(status.outage, None);
    status
}

async fn counts(store: &Store, ops: &Ops, address: &str) -> [u64; 2] {
    status(store, ops, address).await.counts.to_vec().try_into().unwrap()
}

async fn fail(store: &Store, ops: &Ops, address: &str, period_min: Duration) {
    let failures = Some(Failed { counters: &counters(address), period_min, username: b"ada" });
    leave(store, ops, &LoginEffects { failures, ..LoginEffects::default() }).await;
}

async fn leave(store: &Store, ops: &Ops, effects: &LoginEffects<'_>) {
    let written = store.apply(ops, effects).await;
    assert_eq!((written.mapping, written.rest), (Ok(()), Ok(())));
}

async fn block(store: &Store, ops: &Ops, network: &str, bucket: &str, time: Option<Duration>) {
    let block = Some(NewBlock {
        network: network.as_bytes(),
        bucket: bucket.as_bytes(),
        time,
        failures: 1,
    });
    leave(store, ops, &LoginEffects { block, ..LoginEffects::default() }).await;
}

async fn blocks(store: &Store, ops: &Ops) -> Vec<String> {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    store
        .blocks(ops)
        .await
        .unwrap()
        .into_iter()
        .map(|(network, bucket)| text(network) + " " + &text(bucket))
        .collect()
}

fn failures_are_counted_per_network(subject: &mut Subject) {
    subject.run(async |store, ops| {
        assert_eq!(counts(store, ops, "192.0.2.1").await, [0, 0]);
        fail(store, ops, "192.0.2.1", Duration::ZERO).await;
        fail(store, ops, "192.0.2.1", Duration::ZERO).await;
        fail(store, ops, "192.0.2.2", Duration::ZERO).await;
        assert_eq!(counts(store, ops, "192.0.2.1").await, [2, 3]);
        assert_eq!(counts(store, ops, "192.0.2.3").await, [0, 3]);
        assert_eq!(counts(store, ops, "192.0.3.1").await, [0, 0]);
    });
}

fn shorter_buckets_can_be_left_out(subject: &mut Subject) {
    subject.run(async |store, ops| {
        fail(store, ops, "192.0.2.1", HOUR).await;
        fail(store, ops, "192.0.2.1", MINUTE).await;
        assert_eq!(counts(store, ops, "192.0.2.1").await, [1, 2]);
    });
}

fn a_block_is_met_by_every_client_of_its_network(subject: &mut Subject) {
    subject.run(async |store, ops| {
        block(store, ops, "192.0.2.0/24", "hour", Some(HOUR)).await;
        for (address, blocked) in
            [("192.0.2.1", Some(1)), ("192.0.2.200", Some(1)), ("192.0.3.1", None)]
        {
            // Twice: what the first look has met, the second knows.
            for _ in 0..2 {
                assert_eq!(status(store, ops, address).await.blocked, blocked, "{address}");
            }
        }
        // The first bucket in the configuration's order is the one that is met.
        block(store, ops, "192.0.2.1/32", "minute", Some(HOUR)).await;
        assert_eq!(status(store, ops, "192.0.2.1").await.blocked, Some(0));
        assert_eq!(blocks(store, ops).await, ["192.0.2.0/24 hour", "192.0.2.1/32 minute"]);
        assert_eq!(
            store.blocking(ops, &counters("192.0.2.1")).await,
            Ok(vec![b"hour".to_vec(), b"minute".to_vec()])
        );
        assert_eq!(store.blocking(ops, &Counters::default()).await, Ok(vec![]));
    });
}

fn a_block_ends_with_its_time(subject: &mut Subject) {
    subject.run(async |store, ops| {
        block(store, ops, "192.0.2.0/24", "hour", Some(Duration::from_millis(1))).await;
    });
    subject.pass(Duration::from_millis(5));
    subject.run(async |store, ops| {
        assert!(blocks(store, ops).await.is_empty());
        assert_eq!(store.blocking(ops, &counters("192.0.2.1")).await, Ok(vec![]));
        for _ in 0..2 {
            assert_eq!(status(store, ops, "192.0.2.1").await.blocked, None);
        }
        block(store, ops, "192.0.2.0/24", "hour", Some(HOUR)).await;
        assert_eq!(status(store, ops, "192.0.2.1").await.blocked, Some(1));
    });
}

fn a_block_without_a_time_does_not_end(subject: &mut Subject) {
    subject.run(async |store, ops| {
        // The second makes the end of the first void.
        block(store, ops, "192.0.2.0/24", "hour", Some(Duration::from_millis(1))).await;
        block(store, ops, "192.0.2.0/24", "hour", None).await;
    });
    subject.pass(Duration::from_millis(5));
    subject
        .run(async |store, ops| assert_eq!(status(store, ops, "192.0.2.1").await.blocked, Some(1)));
}

fn a_flush_removes_what_is_meant(subject: &mut Subject) {
    let prefix = subject.prefix.clone();
    let removed = |removed: Vec<Vec<u8>>| -> Vec<String> {
        removed.iter().map(|key| bare(key, &prefix)).collect()
    };
    subject.run(async |store, ops| {
        let counters = counters("192.0.2.1");
        block(store, ops, "192.0.2.1/32", "minute", Some(HOUR)).await;
        block(store, ops, "192.0.2.0/24", "hour", None).await;
        fail(store, ops, "192.0.2.1", HOUR).await;
        assert_eq!(store.flush_blocks(ops, &Counters::default(), |_| true).await, Ok(vec![]));
        // Met before, so that this process must forget it, too.
        assert_eq!(status(store, ops, "192.0.2.1").await.blocked, Some(0));
        let gone = store.flush_blocks(ops, &counters, |bucket| bucket == b"minute").await.unwrap();
        assert_eq!(removed(gone), ["BRUTEFORCE", "bf:3600:24:6:4:192.0.2.0/24"]);
        assert_eq!(status(store, ops, "192.0.2.1").await.blocked, Some(1));
        let gone = store.flush_blocks(ops, &counters, |_| true).await.unwrap();
        assert_eq!(removed(gone), ["BRUTEFORCE"]);
        let after = status(store, ops, "192.0.2.1").await;
        assert_eq!((after.blocked, after.counts.to_vec()), (None, vec![0, 0]));
        assert_eq!(store.flush_blocks(ops, &counters, |_| true).await, Ok(vec![]));
    });
}

fn affected_accounts_come_with_their_addresses(subject: &mut Subject) {
    subject.run(async |store, ops| {
        for (account, client) in [
            ("alice", "192.0.2.9"),
            ("alice", "192.0.2.1"),
            ("alice", "192.0.2.9"),
            ("bob", "192.0.2.2"),
        ] {
            let failed_from = Some(FailedFrom {
                account: account.as_bytes(),
                client: client.as_bytes(),
                ttl: HOUR,
            });
            leave(store, ops, &LoginEffects { failed_from, ..LoginEffects::default() }).await;
        }
        for account in [b"carol".as_slice(), b"alice", b"alice"] {
            leave(store, ops, &LoginEffects { affected: Some(account), ..LoginEffects::default() })
                .await;
        }
        let addresses = vec![b"192.0.2.1".to_vec(), b"192.0.2.9".to_vec()];
        assert_eq!(
            store.affected_accounts(ops).await,
            Ok(vec![(b"alice".to_vec(), addresses), (b"carol".to_vec(), vec![])])
        );
    });
}

fn wrong_passwords_are_remembered(subject: &mut Subject) {
    let owner = |name: &'static str| Owner { name: name.as_bytes(), client: b"192.0.2.9" };
    subject.run(async |store, ops| {
        for (name, hash, of_account, of_client) in [
            ("alice", *b"00000001", true, true),
            ("alice", *b"00000001", true, true),
            ("alice", *b"00000002", true, false),
            ("bob", *b"00000003", false, true),
        ] {
            let password =
                Some(WrongPassword { owner: owner(name), hash, ttl: HOUR, of_account, of_client });
            leave(store, ops, &LoginEffects { password, ..LoginEffects::default() }).await;
        }
        let Evidence { account, client, .. } =
            store.evidence(ops, &owner("alice"), None).await.unwrap();
        assert_eq!(
            [account.count(b"00000001"), account.count(b"00000002"), account.count(b"00000003")],
            [2, 1, 0]
        );
        assert_eq!(
            [client.count(b"00000001"), client.count(b"00000002"), client.count(b"00000003")],
            [2, 0, 1]
        );
        assert_eq!(account.merged(&client).len(), 3);
        assert!(store.evidence(ops, &owner("bob"), None).await.unwrap().account.is_empty());
    });
}

fn users_of_an_address_are_counted_once(subject: &mut Subject) {
    let tolerance = Tolerance { client: b"192.0.2.9", within: HOUR };
    let owner = Owner { name: b"x", client: b"192.0.2.9" };
    subject.run(async |store, ops| {
        assert_eq!(store.recorded_users(ops, b"192.0.2.9").await, Ok(None));
        for (user, positive) in
            [("u1", true), ("U1", true), ("u2", true), ("eve", false), ("u1", false)]
        {
            assert_eq!(store.record_user(ops, tolerance, user.as_bytes(), positive).await, Ok(()));
        }
        assert_eq!(store.recorded_users(ops, b"192.0.2.9").await, Ok(Some((2, 2))));
        let evidence = store.evidence(ops, &owner, Some(tolerance)).await.unwrap();
        assert_eq!((evidence.positive, evidence.negative), (2, 2));
        let other = Tolerance { client: b"192.0.2.10", ..tolerance };
        let evidence = store.evidence(ops, &owner, Some(other)).await.unwrap();
        assert_eq!((evidence.positive, evidence.negative), (0, 0));
    });
}

fn users_of_long_ago_are_cleaned_away(subject: &mut Subject) {
    let within = |within| Tolerance { client: b"192.0.2.9", within };
    let owner = Owner { name: b"x", client: b"192.0.2.9" };
    subject.run(async |store, ops| {
        for (user, positive) in [(b"u1", true), (b"u2", true), (b"u3", false)] {
            assert_eq!(store.record_user(ops, within(HOUR), user, positive).await, Ok(()));
        }
    });
    // Times are kept in whole seconds.
    subject.pass(Duration::from_millis(2100));
    subject.run(async |store, ops| {
        let seen = async |time| {
            let evidence = store.evidence(ops, &owner, Some(within(time))).await.unwrap();
            (evidence.positive, evidence.negative)
        };
        // They are there, but they do not count.
        assert_eq!((seen(HOUR).await, seen(Duration::from_secs(1)).await), ((2, 1), (0, 0)));
        assert_eq!(
            store.record_user(ops, within(Duration::from_secs(1)), b"u4", true).await,
            Ok(())
        );
        assert_eq!(
            (seen(HOUR).await, store.recorded_users(ops, b"192.0.2.9").await),
            ((1, 0), Ok(Some((1, 0))))
        );
    });
}

fn a_trace_of_everything_is_written_at_once(subject: &mut Subject) {
    subject.run(async |store, ops| {
        let counters = counters("192.0.2.9");
        let owner = Owner { name: b"alice", client: b"192.0.2.9" };
        leave(
            store,
            ops,
            &LoginEffects {
                cached: None,
                mapping: Some((b"al", b"alice")),
                block: Some(NewBlock {
                    network: b"192.0.2.0/24",
                    bucket: b"hour",
                    time: Some(HOUR),
                    failures: 7,
                }),
                affected: Some(b"alice"),
                failed_from: Some(FailedFrom {
                    account: b"alice",
                    client: b"192.0.2.9",
                    ttl: HOUR,
                }),
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
            },
        )
        .await;
        let status = store.client_status(ops, b"al", &counters).await;
        assert_eq!(
            (status.account, status.blocked, status.counts.to_vec()),
            (Some(b"alice".to_vec()), Some(1), vec![1, 1])
        );
    });
}

fn failures_since_a_look_are_noticed(subject: &mut Subject) {
    subject.run(async |store, ops| {
        let counters = counters("192.0.2.9");
        fail(store, ops, "192.0.2.9", Duration::ZERO).await;
        let status = status(store, ops, "192.0.2.9").await;
        for expected in [false, true] {
            fail(store, ops, "192.0.2.9", Duration::ZERO).await;
            assert_eq!(store.is_outrun(&status, &counters, ops.now()), expected);
        }
    });
}

fn what_has_a_time_ends_with_it(subject: &mut Subject) {
    const SECOND: Duration = Duration::from_secs(1);
    let owner = Owner { name: b"alice", client: b"192.0.2.9" };
    let mut counters = Counters::default();
    counters.push(
        &Kind { period: SECOND, cidr: 32, limit: 3, protocol: Some("imap"), oidc_cid: None },
        "192.0.2.9".parse().unwrap(),
    );
    let seen = async |store: &Store, ops: &Ops| {
        let evidence = store.evidence(ops, &owner, None).await.unwrap();
        let status = store.client_status(ops, b"", &counters).await;
        let addresses = store.failed_from(ops, b"alice").await.unwrap();
        (status.counts.to_vec(), evidence.account.len(), evidence.client.len(), addresses.len())
    };
    subject.run(async |store, ops| {
        let effects = LoginEffects {
            failed_from: Some(FailedFrom { account: b"alice", client: b"192.0.2.9", ttl: SECOND }),
            password: Some(WrongPassword {
                owner,
                hash: *b"00000001",
                ttl: SECOND,
                of_account: true,
                of_client: true,
            }),
            failures: Some(Failed {
                counters: &counters,
                period_min: Duration::ZERO,
                username: b"ada",
            }),
            ..LoginEffects::default()
        };
        leave(store, ops, &effects).await;
        assert_eq!(seen(store, ops).await, (vec![1], 1, 1, 1));
    });
    subject.pass(SECOND + SECOND / 10);
    subject.run(async |store, ops| assert_eq!(seen(store, ops).await, (vec![0], 0, 0, 0)));
}

fn nothing_is_left_behind_by_nothing(subject: &mut Subject) {
    subject.run(async |store, ops| {
        assert!(LoginEffects::default().is_empty());
        leave(store, ops, &LoginEffects::default()).await;
        let status = store.client_status(ops, b"", &Counters::default()).await;
        assert_eq!((status.account, status.blocked, status.outage), (None, None, None));
    });
}
