//! A master and its replicas.

use super::super::testing::{Bench, SECOND, answered};
use super::*;
use crate::proto::resp::Reply;

fn layout(replicas: &[&str]) -> Layout {
    Layout::Direct {
        master: "m:1".into(),
        replicas: replicas.iter().map(|address| (*address).to_owned()).collect(),
    }
}

/// Every server says who it is.
fn who(address: &str, _: &[&str]) -> Option<Reply> {
    Some(Reply::simple(address))
}

#[test]
fn without_replicas_everything_goes_to_the_master() {
    let mut bench = Bench::new(layout(&[]));
    bench.read(1, "GET k");
    bench.write(2, "SET k v");
    bench.run(who);
    assert_eq!(bench.answers(), answered(&[(1, "m:1"), (2, "m:1")]));
    assert!(bench.pool.health().is_up);
}

#[test]
fn reads_take_turns_at_replicas_and_writes_do_not() {
    let mut bench = Bench::new(layout(&["r:1", "m:1", "r:2"]));
    bench.run(who);
    assert_eq!(bench.connected(), ["m:1", "r:1", "r:2"]);
    for asker in 0..4 {
        bench.read(asker, "GET k");
    }
    bench.write(9, "SET k v");
    bench.run(who);
    let answers = bench.answers();
    for replica in ["r:1", "r:2"] {
        assert_eq!(
            answers[..4].iter().filter(|(_, text)| text == replica).count(),
            2,
            "{answers:?}"
        );
    }
    assert_eq!(answers[4].1, "m:1");
}

#[test]
fn without_a_replica_that_is_there_reads_go_to_the_master() {
    let mut bench = Bench::new(layout(&["r:1", "r:2"]));
    let only_master =
        |address: &str, words: &[&str]| if address == "m:1" { who(address, words) } else { None };
    bench.run(only_master);
    bench.read(1, "GET k");
    bench.run(only_master);
    assert_eq!(bench.answers(), answered(&[(1, "m:1")]));
    // One comes up.
    let one =
        |address: &str, words: &[&str]| if address == "r:2" { None } else { who(address, words) };
    bench.pass(2 * SECOND, one);
    bench.read(2, "GET k");
    bench.run(one);
    assert_eq!(bench.answers(), answered(&[(2, "r:1")]));
}

#[test]
fn a_replica_without_its_master_is_left_until_it_serves_again() {
    let mut bench = Bench::new(layout(&["r:1"]));
    bench.run(who);
    bench.read(1, "GET k");
    let down = Reply::error(
        "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
    );
    bench.run(
        |address: &str, words: &[&str]| {
            if address == "r:1" { Some(down.clone()) } else { who(address, words) }
        },
    );
    assert_eq!(
        bench.answers(),
        answered(&[(
            1,
            "!!MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'."
        )])
    );
    bench.read(2, "GET k");
    bench.run(who);
    assert_eq!(bench.answers(), answered(&[(2, "m:1")]));
}

#[test]
fn a_master_that_became_a_replica_is_looked_for_again() {
    let mut bench = Bench::new(layout(&[]));
    let mut connects = 0;
    let mut read_only = |_: &str, words: &[&str]| {
        connects += u32::from(words == ["CONNECT"]);
        Some(Reply::error("READONLY You can't write against a read only replica."))
    };
    bench.run(&mut read_only);
    // A connection younger than a second is kept, or this would be a tight loop.
    for (at, time) in [0, 1, 999].into_iter().enumerate() {
        bench.pass(time * super::super::testing::MILLI, &mut read_only);
        bench.write(at as u64, "SET k v");
        bench.run(&mut read_only);
    }
    bench.pass(SECOND, &mut read_only);
    let text = "!!READONLY You can't write against a read only replica.";
    assert_eq!(bench.answers(), answered(&[(0, text), (1, text), (2, text)]));
    assert_eq!(connects, 2);
    bench.write(3, "SET k v");
    bench.run(who);
    assert_eq!(bench.answers(), answered(&[(3, "m:1")]));
}

#[test]
fn closing_a_pool_answers_everybody() {
    for layout in [
        layout(&["r:1"]),
        Layout::Cluster { seeds: vec!["c:1".into()], reads_at_replicas: false, redirects_max: 3 },
    ] {
        let mut bench = Bench::new(layout);
        bench.write(1, "SET k v");
        bench.read(2, "GET k");
        bench.pool.close(bench.now, &mut bench.out);
        let answers = bench.answers();
        assert_eq!(answers.iter().map(|(who, _)| *who).collect::<Vec<_>>(), [1, 2]);
        assert!(
            answers.iter().all(|(_, text)| text.starts_with("!connection closed by ")),
            "{answers:?}"
        );
    }
}
