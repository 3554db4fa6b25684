//! Login name → account.

use super::{Subject, behaviours};

behaviours!(a_mapping_is_found_again, names_are_bytes, an_empty_account_is_none);

fn a_mapping_is_found_again(subject: &mut Subject) {
    subject.run(async |store, ops| {
        assert_eq!(store.account(ops, b"alice").await, Ok(None));
        assert_eq!(store.map_account(ops, b"alice", b"alice@example.test").await, Ok(()));
        assert_eq!(store.account(ops, b"alice").await, Ok(Some(b"alice@example.test".to_vec())));
        assert_eq!(store.account(ops, b"Alice").await, Ok(None));
        assert_eq!(store.map_account(ops, b"alice", b"a2").await, Ok(()));
        assert_eq!(store.account(ops, b"alice").await, Ok(Some(b"a2".to_vec())));
    });
}

fn names_are_bytes(subject: &mut Subject) {
    subject.run(async |store, ops| {
        for name in [b"\xff\r\n\0".as_slice(), b"a b", b"*"] {
            assert_eq!(store.map_account(ops, name, name).await, Ok(()));
            assert_eq!(store.account(ops, name).await, Ok(Some(name.to_vec())));
        }
    });
}

fn an_empty_account_is_none(subject: &mut Subject) {
    subject.run(async |store, ops| {
        assert_eq!(store.map_account(ops, b"alice", b"").await, Ok(()));
        assert_eq!(store.account(ops, b"alice").await, Ok(None));
    });
}
