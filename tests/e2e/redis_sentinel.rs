//! A set that sentinels watch: its master is found, and found again after a failover.

use crate::support::logins::{Logins, enrol, recovered, site, status};
use crate::support::redis::{Redis, Sentinels};
use crate::support::until;
use serde_json::json;
use std::time::Instant;

#[test]
fn a_failover_is_followed_without_a_wrong_verdict() {
    let mut master = Redis::start();
    let replica = Redis::replica_of(&master, &[]);
    let sentinels = Sentinels::watch(&master, "of-the-sentinels");
    let redis = json!({ "sentinels": { "master": "set", "addresses": sentinels.addresses(), "password": "of-the-sentinels" } });
    let server = site(redis).start();
    let _: () = master.ask("SET password:ada right");
    until("the replica to hear of it", || replica.ask::<Option<String>>("GET password:ada"));
    until("logins to work", || (status(&server, "ada", "right") == 200).then_some(()));
    assert_eq!(status(&server, "ada", "wrong"), 403);

    let logins = Logins::of(&server, &["ada"]);
    master.stop();
    // Sentinels end a server's connections when they change its role: a question may fail.
    let has_role = |redis: &Redis, role| {
        redis.try_ask("INFO replication").is_ok_and(|info: String| info.contains(role))
    };
    until("the failover", || has_role(&replica, "role:master").then_some(()));
    recovered(&server, "ada", Instant::now(), "a sentinel failover");
    let verdicts = logins.stop("failover");
    assert!(verdicts.temporary > 0 && verdicts.accepted > 0);
    enrol(&server, &["bob"]);
    assert!(replica.calls("hincrby") > 0);

    // The old master comes back as a replica of the new one; nothing changes for logins.
    master.restart();
    until("the old master to be a replica", || has_role(&master, "role:slave").then_some(()));
    assert_eq!(status(&server, "bob", "right"), 200);
}
