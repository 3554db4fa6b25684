//! The positive cache, and forgetting a user.

use super::{Subject, bare, behaviours};
use loligo::op::Ops;
use loligo::state::{Cached, FailedFrom, Forgotten, LoginEffects, Owner, Store, WrongPassword};
use std::time::Duration;

behaviours!(
    an_entry_is_found_in_the_first_cache_that_has_one,
    an_entry_is_replaced_and_ends_with_its_time,
    a_forgotten_user_leaves_nothing,
    who_is_unknown_can_be_forgotten
);

const HOUR: Duration = Duration::from_secs(3600);

async fn put(store: &Store, ops: &Ops, cache: &str, account: &str, text: &str, ttl: Duration) {
    let cached = Some(Cached { cache, account: account.as_bytes(), text: text.as_bytes(), ttl });
    let written = store.apply(ops, &LoginEffects { cached, ..LoginEffects::default() }).await;
    assert_eq!(written.rest, Ok(()));
}

async fn get(store: &Store, ops: &Ops, caches: &[&str], account: &str) -> Option<String> {
    store
        .cached(ops, caches, account.as_bytes())
        .await
        .unwrap()
        .map(|text| String::from_utf8(text).unwrap())
}

fn an_entry_is_found_in_the_first_cache_that_has_one(subject: &mut Subject) {
    subject.run(async |store, ops| {
        let caches = ["dovecot", "submission", "__default__"];
        assert_eq!(get(store, ops, &caches, "alice").await, None);
        put(store, ops, "__default__", "alice", "third", HOUR).await;
        put(store, ops, "submission", "alice", "second", HOUR).await;
        assert_eq!(get(store, ops, &caches, "alice").await.as_deref(), Some("second"));
        assert_eq!(get(store, ops, &caches[..1], "alice").await, None);
        assert_eq!(get(store, ops, &caches, "bob").await, None);
        assert_eq!(get(store, ops, &[], "alice").await, None);
    });
}

fn an_entry_is_replaced_and_ends_with_its_time(subject: &mut Subject) {
    subject.run(async |store, ops| {
        put(store, ops, "c", "alice", "old", HOUR).await;
        put(store, ops, "c", "alice", "new", Duration::from_secs(1)).await;
        assert_eq!(get(store, ops, &["c"], "alice").await.as_deref(), Some("new"));
    });
    subject.pass(Duration::from_millis(1100));
    subject.run(async |store, ops| assert_eq!(get(store, ops, &["c"], "alice").await, None));
}

fn a_forgotten_user_leaves_nothing(subject: &mut Subject) {
    let prefix = subject.prefix.clone();
    subject.run(async |store, ops| {
        for account in ["alice@example.test", "bob@example.test"] {
            let (username, client) =
                (account.split('@').next().unwrap().as_bytes(), b"192.0.2.9".as_slice());
            let owner = Owner { name: account.as_bytes(), client };
            let effects = LoginEffects {
                mapping: Some((username, account.as_bytes())),
                affected: Some(account.as_bytes()),
                failed_from: Some(FailedFrom { account: account.as_bytes(), client, ttl: HOUR }),
                password: Some(WrongPassword {
                    owner,
                    hash: *b"00000001",
                    ttl: HOUR,
                    of_account: true,
                    of_client: false,
                }),
                cached: Some(Cached {
                    cache: "c",
                    account: account.as_bytes(),
                    text: b"{}",
                    ttl: HOUR,
                }),
                ..LoginEffects::default()
            };
            assert_eq!(store.apply(ops, &effects).await.rest, Ok(()));
        }
        let clients = store.failed_from(ops, b"alice@example.test").await.unwrap();
        assert_eq!(clients, [b"192.0.2.9"]);
        let alice = Forgotten {
            username: b"alice",
            account: b"alice@example.test",
            caches: &["b", "c"],
            clients: &clients,
        };
        let removed = store.forget(ops, &alice).await.unwrap();
        let mut removed: Vec<String> = removed.iter().map(|key| bare(key, &prefix)).collect();
        removed.sort_unstable();
        assert_eq!(removed, ["PW_HIST:alice@example.test:192.0.2.9", "ucp:c:alice@example.test"]);
        assert_eq!(store.account(ops, b"alice").await, Ok(None));
        assert_eq!(get(store, ops, &["c"], "alice@example.test").await, None);
        assert!(store.failed_from(ops, b"alice@example.test").await.unwrap().is_empty());
        // Nobody else is.
        assert_eq!(store.account(ops, b"bob").await, Ok(Some(b"bob@example.test".to_vec())));
        assert_eq!(get(store, ops, &["c"], "bob@example.test").await.as_deref(), Some("{}"));
        assert_eq!(
            store.affected_accounts(ops).await,
            Ok(vec![(b"bob@example.test".to_vec(), vec![b"192.0.2.9".to_vec()])])
        );
    });
}

fn who_is_unknown_can_be_forgotten(subject: &mut Subject) {
    subject.run(async |store, ops| {
        let nobody =
            Forgotten { username: b"nobody", account: b"nobody", caches: &["c"], clients: &[] };
        assert_eq!(store.forget(ops, &nobody).await, Ok(vec![]));
        assert!(store.failed_from(ops, b"nobody").await.unwrap().is_empty());
    });
}
