//! A master with replicas: reads go to replicas, writes to the master; without replicas, everything
//! goes to the master.

use crate::support::logins::{Logins, enrol, site, status};
use crate::support::redis::Redis;
use crate::support::until;
use serde_json::json;

#[test]
fn reads_go_to_replicas_while_there_are_any() {
    let master = Redis::start();
    let mut replicas = [Redis::replica_of(&master, &[]), Redis::replica_of(&master, &[])];
    let addresses: Vec<String> = replicas.iter().map(Redis::address).collect();
    let server = site(
        json!({ "master": { "address": master.address() }, "replica": { "addresses": addresses } }),
    )
    .start();
    let _: () = master.ask("SET password:ada right");
    let has_it = |redis: &Redis| {
        redis.try_ask("GET password:ada").is_ok_and(|value: Option<String>| value.is_some())
    };
    until("the replicas to hear of it", || replicas.iter().all(has_it).then_some(()));
    let reads = |redis: &Redis| redis.calls("get");
    until("both replicas to be read from", || {
        assert_eq!(status(&server, "ada", "right"), 200);
        assert_eq!(status(&server, "ada", "wrong"), 403);
        replicas.iter().all(|replica| reads(replica) > 0).then_some(())
    });
    // Before the connections to the replicas were open, the master may have been asked.
    let before = (reads(&master), master.calls("hincrby"));
    for _ in 0..10 {
        assert_eq!(status(&server, "ada", "right"), 200);
    }
    assert_eq!((reads(&master), master.calls("hincrby")), (before.0, before.1 + 10));

    let logins = Logins::of(&server, &["ada"]);
    for replica in &mut replicas {
        replica.stop();
    }
    until("reads at the master", || {
        (status(&server, "ada", "right") == 200 && reads(&master) > before.0).then_some(())
    });
    assert_eq!(status(&server, "ada", "wrong"), 403);
    logins.stop("replicas killed");
    enrol(&server, &["bob"]);
}
