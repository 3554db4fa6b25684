//! Sentinels that agree, do not know, are away or out of date.

use super::super::Layout;
use super::super::testing::{Bench, MILLI, SECOND, answered};
use super::*;
use crate::op::Route;

fn bench(serve: Serve) -> Bench {
    let sentinels = ["s:1", "s:2", "s:3"].map(str::to_owned).to_vec();
    Bench::new(Layout::Sentinel {
        sentinels,
        name: "set".into(),
        username: String::new(),
        password: "secret".into(),
        serve,
    })
}

/// A set whose master and replicas are these; sentinels that are `away` do not answer.
#[derive(Clone, Default)]
struct World {
    master: &'static str,
    replicas: Vec<&'static str>,
    away: Vec<&'static str>,
    /// What each sentinel says instead of the truth.
    says: Vec<(&'static str, &'static str)>,
}

impl World {
    fn serve(&self, address: &str, words: &[&str]) -> Option<Reply> {
        if self.away.contains(&address) {
            return None;
        }
        let text = |text: &str| Reply::bulk(text.as_bytes());
        let said = self
            .says
            .iter()
            .find(|(sentinel, _)| *sentinel == address)
            .map_or(self.master, |(_, said)| said);
        Some(match words {
            ["CONNECT"] => Reply::nil(),
            ["AUTH", "secret"] if address.starts_with("s:") => Reply::simple("OK"),
            ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", "set"] => match said.split_once(':') {
                Some((host, port)) => Reply::array(&[text(host), text(port)]),
                None => Reply::nil(),
            },
            ["SENTINEL", "REPLICAS", "set"] => {
                let each = self.replicas.iter().map(|replica| {
                    let (host, port) = replica.split_once(':').unwrap();
                    Reply::array(&[
                        text("name"),
                        text("x"),
                        text("ip"),
                        text(host),
                        text("port"),
                        text(port),
                        text("flags"),
                        text("slave"),
                    ])
                });
                Reply::array(&each.collect::<Vec<_>>())
            }
            ["ROLE"] => {
                Reply::array(&[text(if address == self.master { "master" } else { "slave" })])
            }
            _ => Reply::simple(address),
        })
    }

    fn go(&self, bench: &mut Bench, time: Duration) {
        bench.pass(time, |address: &str, words: &[&str]| self.serve(address, words));
    }
}

fn world() -> World {
    World { master: "m:1", replicas: vec!["r:1", "r:2"], ..World::default() }
}

#[test]
fn what_is_asked_first_waits_for_the_master_to_be_known() {
    let mut bench = bench(Serve::Master);
    bench.write(1, "SET k v");
    bench.read(2, "GET k");
    world().go(&mut bench, Duration::ZERO);
    assert_eq!(bench.answers(), answered(&[(1, "m:1"), (2, "m:1")]));
    assert!(bench.pool.health().is_up);
    assert_eq!(bench.connected(), ["m:1", "s:1", "s:2", "s:3"]);
}

#[test]
fn reads_go_to_the_replicas_that_sentinels_know() {
    let mut bench = bench(Serve::MasterAndReplicas);
    let mut world = world();
    world.go(&mut bench, Duration::ZERO);
    bench.read(1, "GET k");
    bench.read(2, "GET k");
    bench.write(3, "SET k v");
    world.go(&mut bench, Duration::ZERO);
    let mut answers: Vec<String> = bench.answers().into_iter().map(|(_, text)| text).collect();
    answers.sort();
    assert_eq!(answers, ["m:1", "r:1", "r:2"]);
    // One leaves the set, another joins.
    world.replicas = vec!["r:2", "r:3"];
    world.go(&mut bench, 2 * LOOK);
    assert_eq!(bench.connected(), ["m:1", "r:2", "r:3", "s:1", "s:2", "s:3"]);
}

#[test]
fn a_pool_of_replicas_leaves_the_master_alone() {
    let mut bench = bench(Serve::Replicas);
    bench.read(1, "GET k");
    let mut world = world();
    world.go(&mut bench, Duration::ZERO);
    assert_eq!(bench.answers().len(), 1);
    assert_eq!(bench.connected(), ["r:1", "r:2", "s:1", "s:2", "s:3"]);
    world.replicas = vec!["r:2"];
    world.go(&mut bench, 2 * LOOK);
    bench.write(2, "SET k v");
    bench.read(3, "GET k");
    world.go(&mut bench, Duration::ZERO);
    assert_eq!(bench.answers(), answered(&[(2, "r:2"), (3, "r:2")]));
}

#[test]
fn a_failover_is_followed() {
    let mut bench = bench(Serve::Master);
    let mut world = world();
    world.go(&mut bench, 3 * SECOND);
    world.away = vec!["m:1"];
    bench.write(1, "SET k v");
    world.go(&mut bench, 300 * MILLI);
    assert_eq!(bench.answers(), answered(&[(1, "!connection closed by m:1")]));
    bench.write(2, "SET k v");
    world.go(&mut bench, Duration::ZERO);
    assert_eq!(bench.answers(), answered(&[(2, "!dial tcp m:1: connect: connection refused")]));
    world.master = "r:1";
    world.go(&mut bench, LOOK_AGAIN);
    bench.write(3, "SET k v");
    world.go(&mut bench, Duration::ZERO);
    assert_eq!(bench.answers(), answered(&[(3, "r:1")]));
}

#[test]
fn a_master_that_was_deposed_quietly_is_left() {
    let mut bench = bench(Serve::Master);
    let mut world = world();
    world.go(&mut bench, SECOND);
    world.master = "r:2";
    world.go(&mut bench, LOOK);
    bench.write(1, "SET k v");
    world.go(&mut bench, Duration::ZERO);
    assert_eq!(bench.answers(), answered(&[(1, "r:2")]));
}

#[test]
fn sentinels_are_tried_in_turn() {
    // One is away, one does not know the set, one knows.
    let mut bench = bench(Serve::Master);
    let world = World { away: vec!["s:1"], says: vec![("s:2", "nobody")], ..world() };
    world.go(&mut bench, 2 * LOOK_AGAIN);
    bench.write(1, "SET k v");
    world.go(&mut bench, Duration::ZERO);
    assert_eq!(bench.answers(), answered(&[(1, "m:1")]));
}

#[test]
fn a_sentinel_that_is_out_of_date_does_not_mislead() {
    let mut bench = bench(Serve::Master);
    let world = World { says: vec![("s:1", "r:1"), ("s:2", "r:1")], ..world() };
    world.go(&mut bench, SECOND);
    bench.write(1, "SET k v");
    world.go(&mut bench, SECOND);
    // r:1 says that it is no master; nothing was written to it.
    assert_eq!(bench.answers(), answered(&[(1, "m:1")]));
}

#[test]
fn without_sentinels_or_without_a_master_asks_are_refused() {
    for (world, text) in [
        (
            World { away: vec!["s:1", "s:2", "s:3"], ..world() },
            "!no sentinel answers: dial tcp s:3: connect: connection refused",
        ),
        (World { master: "nobody", ..world() }, "!the sentinels know no master \"set\""),
    ] {
        let mut bench = bench(Serve::Master);
        bench.ask_within(1, Route::Write, super::super::testing::commands("SET k v"), 10 * SECOND);
        world.go(&mut bench, Duration::ZERO);
        assert_eq!(bench.answers(), answered(&[(1, text)]));
        assert!(!bench.pool.health().is_up);
    }
}

#[test]
fn an_established_master_is_used_although_the_sentinels_are_away() {
    let mut bench = bench(Serve::Master);
    let mut world = world();
    world.go(&mut bench, Duration::ZERO);
    world.away = vec!["s:1", "s:2", "s:3"];
    for sentinel in ["s:1", "s:2", "s:3"] {
        bench.cut(sentinel);
    }
    world.go(&mut bench, 10 * SECOND);
    bench.write(1, "SET k v");
    world.go(&mut bench, Duration::ZERO);
    assert_eq!(bench.answers(), answered(&[(1, "m:1")]));
}

#[test]
fn addresses_that_are_none_are_nobody() {
    let text = |text: &str| Reply::bulk(text.as_bytes());
    for (host, port, expected) in [
        ("127.0.0.1", "6379", Some("127.0.0.1:6379")),
        ("::1", "6379", Some("[::1]:6379")),
        ("redis.example.org", "1", Some("redis.example.org:1")),
        ("", "6379", None),
        ("a b", "6379", None),
        ("h", "0", None),
        ("h", "65536", None),
        ("h", "x", None),
    ] {
        assert_eq!(
            master_address(&Reply::array(&[text(host), text(port)])).as_deref(),
            expected,
            "{host}:{port}"
        );
    }
    for reply in [
        Reply::nil(),
        Reply::int(1),
        Reply::array(&[]),
        Reply::array(&[text("h")]),
        Reply::error("IDONTKNOW"),
    ] {
        assert_eq!(master_address(&reply), None);
        assert!(replica_addresses(&reply).is_empty());
    }
    let down = ["ip", "h", "port", "1", "flags", "s_down,slave,disconnected"].map(text);
    let fine = ["ip", "h", "port", "2", "flags", "slave"].map(text);
    let list = Reply::array(&[
        Reply::array(&down),
        Reply::array(&fine),
        Reply::array(&[text("ip")]),
        Reply::int(1),
    ]);
    assert_eq!(replica_addresses(&list), ["h:2"]);
}
