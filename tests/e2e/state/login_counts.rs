//! Login counters of the process before.

use super::{Subject, behaviours};

behaviours!(counters_are_kept_by_instance_where_the_store_outlives_the_process);

fn counters_are_kept_by_instance_where_the_store_outlives_the_process(subject: &mut Subject) {
    subject.run(async |store, ops| {
        let kept = |counts| if store.outlives_the_process() { counts } else { (0, 0) };
        assert_eq!(store.login_counts(ops, "mail 1").await, Ok((0, 0)));
        for counts in [(1, 2), (3, 0)] {
            assert_eq!(store.save_login_counts(ops, "mail 1", counts).await, Ok(()));
            assert_eq!(store.login_counts(ops, "mail 1").await, Ok(kept(counts)));
        }
        assert_eq!(store.login_counts(ops, "Mail 1").await, Ok(kept((3, 0))));
        assert_eq!(store.login_counts(ops, "mail 2").await, Ok((0, 0)));
    });
}
