//! The cluster against scripted nodes on a scripted clock.

use super::super::Layout;
use super::super::testing::{Bench, MILLI, SECOND, answered, commands};
use super::slots::slot_of;
use super::*;
use crate::proto::resp::Reply;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Three masters, each with a third of the slots; the second number of an address is that of its
/// replica.
#[derive(Clone, Default)]
struct World {
    /// Who is not there.
    away: Vec<&'static str>,
    /// Slots that are served elsewhere than at their third.
    moved: BTreeMap<u16, &'static str>,
    /// What the nodes say of the slots is as if none had moved.
    is_stale: bool,
    /// All commands seen, as `address command`.
    seen: Vec<String>,
}

const MASTERS: [&str; 3] = ["c:1", "c:2", "c:3"];

impl World {
    fn owner(&self, slot: u16, stale: bool) -> &'static str {
        let third = MASTERS[usize::from(slot) * 3 / 16384];
        if stale { third } else { self.moved.get(&slot).copied().unwrap_or(third) }
    }

    fn map(&self) -> Reply {
        let node = |address: &str| {
            let (host, port) = address.split_once(':').unwrap();
            Reply::array(&[
                Reply::bulk(host.as_bytes()),
                Reply::int(port.parse().unwrap()),
                Reply::bulk(b"id"),
            ])
        };
        let mut ranges = Vec::new();
        let mut first = 0;
        for slot in 0..=16384u16 {
            if slot == 16384 || self.owner(slot, self.is_stale) != self.owner(first, self.is_stale)
            {
                let master = self.owner(first, self.is_stale);
                let replica = master.replace("c:", "c:1");
                ranges.push(Reply::array(&[
                    Reply::int(first.into()),
                    Reply::int((slot - 1).into()),
                    node(master),
                    node(&replica),
                ]));
                first = slot;
            }
        }
        Reply::array(&ranges)
    }

    /// A node's reply: that of a key is made of the key.
    fn serve(&mut self, address: &str, words: &[&str]) -> Option<Reply> {
        if self.away.contains(&address) {
            return None;
        }
        match words {
            ["CONNECT"] => return Some(Reply::nil()),
            ["READONLY" | "ASKING"] => return Some(Reply::simple("OK")),
            ["CLUSTER", "SLOTS"] => return Some(self.map()),
            _ => self.seen.push(format!("{address} {}", words.join(" "))),
        }
        let value = |key: &str| {
            if key.starts_with('n') {
                Reply::nil()
            } else {
                Reply::bulk(format!("v:{key}").as_bytes())
            }
        };
        let keys = super::keys::of(words[0].as_bytes(), None);
        let bytes: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        let slots: Vec<u16> = keys.places(&bytes).iter().map(|at| slot_of(bytes[*at])).collect();
        assert!(slots.iter().all(|slot| slot == &slots[0]), "{words:?} across slots");
        if let Some(slot) = slots.first() {
            let owner = self.owner(*slot, false);
            if owner != address && owner.replace("c:", "c:1") != address {
                return Some(Reply::error(&format!("MOVED {slot} {owner}")));
            }
        }
        Some(match words[0] {
            "GET" => value(words[1]),
            "MGET" => Reply::array(&words[1..].iter().map(|key| value(key)).collect::<Vec<_>>()),
            "DEL" => Reply::int(words.len() as i64 - 1),
            "KEYS" => Reply::array(&[Reply::bulk(address.as_bytes())]),
            "SCAN" => Reply::array(&[
                Reply::bulk(if words[1] == "0" { b"5" } else { b"0" }),
                Reply::array(&[Reply::bulk(format!("{address}/{}", words[1]).as_bytes())]),
            ]),
            _ => Reply::simple("OK"),
        })
    }

    fn go(&mut self, bench: &mut Bench, time: Duration) {
        bench.pass(time, |address: &str, words: &[&str]| self.serve(address, words));
    }
}

fn bench() -> Bench {
    with(false)
}

fn with(reads_at_replicas: bool) -> Bench {
    let seeds = ["gone:1", "c:2"].map(str::to_owned).to_vec();
    Bench::new(Layout::Cluster { seeds, reads_at_replicas, redirects_max: 3 })
}

/// With a map.
fn ready() -> (Bench, World) {
    let (mut bench, mut world) = (bench(), World { away: vec!["gone:1"], ..World::default() });
    world.go(&mut bench, Duration::ZERO);
    assert!(bench.pool.health().is_up);
    (bench, world)
}

/// A key of the third of a master.
fn key_of(master: &str) -> String {
    let world = World::default();
    (0..)
        .map(|n| format!("k{n}"))
        .find(|key| world.owner(slot_of(key.as_bytes()), false) == master)
        .unwrap()
}

#[test]
fn commands_wait_for_the_map_and_go_where_their_slots_are() {
    let mut bench = bench();
    let mut world = World { away: vec!["gone:1"], ..World::default() };
    for (who, master) in (0..).zip(MASTERS) {
        bench.write(who, &format!("GET {}", key_of(master)));
    }
    world.go(&mut bench, Duration::ZERO);
    let expected: Vec<(u64, String)> =
        (0..).zip(MASTERS.map(|master| format!("v:{}", key_of(master)))).collect();
    assert_eq!(bench.answers(), expected);
    assert_eq!(world.seen.len(), 3, "no guesses: {:?}", world.seen);
    assert_eq!(bench.connected(), MASTERS);
}

#[test]
fn a_pipeline_is_split_and_its_replies_are_in_order() {
    let (mut bench, mut world) = ready();
    let [a, b, c] = MASTERS.map(key_of);
    bench.write(
        1,
        &format!("GET {a};MGET {b} n1 {a};PING;DEL {c} {a};RENAME {a} {b};KEYS *;GET {c}"),
    );
    world.go(&mut bench, Duration::ZERO);
    let crossslot = "-CROSSSLOT Keys in request don't hash to the same slot";
    let expected = format!("v:{a};[v:{b} nil v:{a}];PONG;2;{crossslot};[c:1 c:2 c:3];v:{c}");
    assert_eq!(bench.answers(), answered(&[(1, &expected)]));
    // Refused here, and alone.
    bench.write(2, &format!("RENAME {a} {b}"));
    assert_eq!(bench.answers(), answered(&[(2, crossslot)]));
}

#[test]
fn scripts_are_loaded_everywhere_and_run_by_their_keys() {
    let (mut bench, mut world) = ready();
    bench.write(1, "SCRIPT LOAD x");
    bench.write(2, &format!("EVALSHA sha 1 {}", key_of("c:3")));
    world.go(&mut bench, Duration::ZERO);
    assert_eq!(bench.answers(), answered(&[(1, "OK"), (2, "OK")]));
    let mut seen = world.seen;
    seen.sort();
    let run = format!("c:3 EVALSHA sha 1 {}", key_of("c:3"));
    assert_eq!(
        seen,
        ["c:1 SCRIPT LOAD x", "c:2 SCRIPT LOAD x", "c:3 EVALSHA sha 1 k", "c:3 SCRIPT LOAD x"]
            .map(|line| { if line.contains("EVALSHA") { run.clone() } else { line.to_owned() } })
    );
}

#[test]
fn a_scan_meets_every_master_once() {
    let (mut bench, mut world) = ready();
    let (mut cursor, mut met) = ("0".to_owned(), Vec::new());
    loop {
        bench.write(1, &format!("SCAN {cursor}"));
        world.go(&mut bench, Duration::ZERO);
        let answer = bench.answers().remove(0).1;
        let (next, keys) =
            answer.strip_prefix('[').unwrap().strip_suffix("]]").unwrap().split_once(" [").unwrap();
        met.extend((!keys.is_empty()).then(|| keys.to_owned()));
        if next == "0" {
            break;
        }
        cursor = next.to_owned();
    }
    assert_eq!(met, ["c:1/0", "c:1/5", "c:2/0", "c:2/5", "c:3/0", "c:3/5"]);
}

#[test]
fn moved_is_followed_and_remembered() {
    let (mut bench, mut world) = ready();
    let key = key_of("c:1");
    world.moved.insert(slot_of(key.as_bytes()), "c:3");
    world.is_stale = true;
    bench.write(1, &format!("GET {key}"));
    bench.write(2, &format!("GET {key}"));
    world.go(&mut bench, Duration::ZERO);
    let value = format!("v:{key}");
    assert_eq!(bench.answers(), answered(&[(1, &value), (2, &value)]));
    world.seen.clear();
    bench.write(3, &format!("GET {key}"));
    world.go(&mut bench, Duration::ZERO);
    assert_eq!(world.seen, [format!("c:3 GET {key}")]);
}

#[test]
fn two_nodes_that_point_at_each_other_are_not_followed_for_ever() {
    let (mut bench, mut world) = ready();
    let key = key_of("c:1");
    bench.write(1, &format!("GET {key}"));
    let mut moves = 0;
    bench.pass(SECOND, |address: &str, words: &[&str]| {
        if words[0] != "GET" {
            return world.serve(address, words);
        }
        moves += 1;
        Some(Reply::error(&format!("MOVED 1 {}", if address == "c:1" { "c:2" } else { "c:1" })))
    });
    assert!(bench.answers()[0].1.starts_with("!!MOVED 1 "));
    assert!(moves <= 4, "{moves}");
}

#[test]
fn ask_is_followed_once_and_not_remembered() {
    let (mut bench, mut world) = ready();
    let key = key_of("c:1");
    let mut seen = Vec::new();
    let mut serve = |address: &str, words: &[&str]| {
        if words[0] == "GET" || words == ["ASKING"] {
            seen.push(format!("{address} {}", words[0]));
        }
        match (address, words) {
            ("c:1", ["GET", _]) => Some(Reply::error("ASK 1 c:2")),
            ("c:2", ["GET", key]) => Some(Reply::bulk(key.as_bytes())),
            _ => world.serve(address, words),
        }
    };
    for who in 1..=2 {
        bench.write(who, &format!("GET {key}"));
        bench.pass(Duration::ZERO, &mut serve);
        assert_eq!(bench.answers(), answered(&[(who, &key)]));
    }
    assert_eq!(seen, ["c:1 GET", "c:2 ASKING", "c:2 GET"].repeat(2));
}

#[test]
fn what_passes_is_tried_again_within_the_ops_time() {
    for text in ["TRYAGAIN x", "CLUSTERDOWN x", "LOADING x", "MASTERDOWN x", "READONLY x"] {
        let (mut bench, mut world) = ready();
        bench.pass(2 * SECOND, |address: &str, words: &[&str]| world.serve(address, words));
        let key = key_of("c:1");
        let (mut refusals, started) = (2, bench.now);
        bench.write(1, &format!("GET {key}"));
        let mut serve = |address: &str, words: &[&str]| {
            if words[0] == "GET" && refusals > 0 {
                refusals -= 1;
                return Some(Reply::error(text));
            }
            world.serve(address, words)
        };
        bench.pass(900 * MILLI, &mut serve);
        assert_eq!(bench.answers(), answered(&[(1, &format!("v:{key}"))]), "{text}");
        // One that does not pass ends with the op's time, in the server's words.
        bench.write(2, &format!("GET {key}"));
        let mut never = |address: &str, words: &[&str]| {
            if words[0] == "GET" { Some(Reply::error(text)) } else { world.serve(address, words) }
        };
        bench.pass(SECOND, &mut never);
        // A connection that was given up for it refuses in the same words.
        assert_eq!(bench.answers().remove(0).1.trim_start_matches('!'), text);
        assert!(bench.now <= started + 3 * SECOND);
    }
}

#[test]
fn what_does_not_pass_is_told_at_once() {
    let (mut bench, mut world) = ready();
    let oom = "OOM command not allowed when used memory > 'maxmemory'.";
    bench.write(1, &format!("SET {} x;GET {}", key_of("c:1"), key_of("c:2")));
    bench.run(|address: &str, words: &[&str]| {
        if words[0] == "SET" { Some(Reply::error(oom)) } else { world.serve(address, words) }
    });
    assert_eq!(bench.answers(), answered(&[(1, &format!("!!{oom}"))]));
}

#[test]
fn a_master_that_is_away_fails_its_own_slots_only() {
    let (mut bench, mut world) = ready();
    world.go(&mut bench, 2 * SECOND);
    world.away.push("c:1");
    bench.cut("c:1");
    world.go(&mut bench, Duration::ZERO);
    assert!(!bench.pool.health().is_up);
    bench.write(1, &format!("GET {}", key_of("c:1")));
    bench.write(2, &format!("GET {}", key_of("c:2")));
    world.go(&mut bench, Duration::ZERO);
    let value = format!("v:{}", key_of("c:2"));
    assert_eq!(
        bench.answers(),
        answered(&[(1, "!dial tcp c:1: connect: connection refused"), (2, &value)])
    );
    // Its replica is made master: the map tells within two seconds.
    world.moved = (0..16384u16)
        .filter(|slot| World::default().owner(*slot, false) == "c:1")
        .map(|slot| (slot, "c:9"))
        .collect();
    world.go(&mut bench, 2 * SECOND);
    bench.write(3, &format!("GET {}", key_of("c:1")));
    world.go(&mut bench, Duration::ZERO);
    assert_eq!(bench.answers(), answered(&[(3, &format!("v:{}", key_of("c:1")))]));
    assert!(bench.pool.health().is_up);
    assert_eq!(bench.connected(), ["c:2", "c:3", "c:9"]);
}

#[test]
fn what_was_in_flight_is_repeated_only_if_it_reads() {
    let mut bench = with(true);
    let mut world = World { away: vec!["gone:1"], ..World::default() };
    world.go(&mut bench, Duration::ZERO);
    let key = key_of("c:1");
    bench.read(1, &format!("GET {key}"));
    bench.write(2, &format!("SET {} x", key_of("c:2")));
    // The replica and the other master die with them.
    let dying =
        |address: &str, words: &[&str]| matches!(address, "c:11" | "c:2") && words[0] != "CLUSTER";
    bench.run(
        |address: &str, words: &[&str]| {
            if dying(address, words) { None } else { world.serve(address, words) }
        },
    );
    world.go(&mut bench, SECOND);
    assert_eq!(
        bench.answers(),
        answered(&[(1, &format!("v:{key}")), (2, "!connection closed by c:2")])
    );
    assert_eq!(world.seen, [format!("c:1 GET {key}")]);
}

#[test]
fn nobody_waits_for_a_cluster_that_is_not_there() {
    let mut bench = bench();
    let mut world = World { away: vec!["gone:1", "c:2"], ..World::default() };
    bench.write(1, "GET k");
    world.go(&mut bench, Duration::ZERO);
    let refused = "!dial tcp c:2: connect: connection refused";
    assert_eq!(bench.answers(), answered(&[(1, refused)]));
    bench.write(2, "GET k");
    assert_eq!(bench.answers(), answered(&[(2, refused)]));
    // It comes back, and is found within two seconds.
    world.away = vec!["gone:1"];
    world.go(&mut bench, 2 * SECOND);
    bench.write(3, "GET k");
    world.go(&mut bench, Duration::ZERO);
    assert_eq!(bench.answers(), answered(&[(3, "v:k")]));
}

#[test]
fn a_server_that_is_no_cluster_is_told_of() {
    let mut bench = bench();
    bench.write(1, "GET k");
    let no = Reply::error("ERR This instance has cluster support disabled");
    bench.run(|_: &str, words: &[&str]| {
        Some(if words[0] == "CLUSTER" { no.clone() } else { Reply::nil() })
    });
    assert_eq!(
        bench.answers(),
        answered(&[(1, "!ERR This instance has cluster support disabled")])
    );
}

#[test]
fn reads_may_go_to_replicas() {
    let mut bench = with(true);
    let mut world = World { away: vec!["gone:1"], ..World::default() };
    world.go(&mut bench, Duration::ZERO);
    assert_eq!(bench.connected(), ["c:1", "c:11", "c:12", "c:13", "c:2", "c:3"]);
    let key = key_of("c:2");
    bench.read(1, &format!("GET {key}"));
    bench.write(2, &format!("GET {key}"));
    world.go(&mut bench, Duration::ZERO);
    assert_eq!(bench.answers().len(), 2);
    world.seen.sort();
    assert_eq!(world.seen, [format!("c:12 GET {key}"), format!("c:2 GET {key}")]);
    // Without its replica, the master.
    world.seen.clear();
    world.away.push("c:12");
    bench.cut("c:12");
    bench.read(3, &format!("GET {key}"));
    world.go(&mut bench, Duration::ZERO);
    assert_eq!(bench.answers(), answered(&[(3, &format!("v:{key}"))]));
}

#[test]
fn jobs_are_bounded() {
    let (mut bench, _) = ready();
    for who in 0..100 {
        bench.write(who, "GET k");
    }
    assert_eq!(bench.answers(), []);
    bench.write(100, "GET k");
    assert_eq!(bench.answers(), answered(&[(100, "!redis queue is full")]));
}

#[derive(Clone, Debug)]
enum Step {
    Ask(Vec<String>),
    /// So many bytes of the server at a place arrive.
    Deliver(usize, usize),
    Pass(u64),
    /// A slot of these keys goes to another master.
    Move(u8, usize),
}

fn step() -> impl Strategy<Value = Step> {
    let key = || "[a-dn][0-9]";
    let keys = || prop::collection::vec(key(), 1..5).prop_map(|keys| keys.join(" "));
    let command = prop_oneof![
        3 => key().prop_map(|key| format!("GET {key}")),
        3 => keys().prop_map(|keys| format!("MGET {keys}")),
        1 => keys().prop_map(|keys| format!("DEL {keys}")),
        1 => Just("PING".to_owned()),
        1 => Just("KEYS *".to_owned()),
    ];
    prop_oneof![
        3 => prop::collection::vec(command, 1..5).prop_map(Step::Ask),
        6 => (0usize..6, 1usize..80).prop_map(|(place, count)| Step::Deliver(place, count)),
        1 => (1u64..20).prop_map(Step::Pass),
        1 => (any::<u8>(), 0usize..3).prop_map(|(key, master)| Step::Move(key, master)),
    ]
}

fn expected(command: &str) -> String {
    let value =
        |key: &str| if key.starts_with('n') { "nil".to_owned() } else { format!("v:{key}") };
    let words: Vec<&str> = command.split(' ').collect();
    match words[0] {
        "GET" => value(words[1]),
        "MGET" => {
            format!("[{}]", words[1..].iter().map(|key| value(key)).collect::<Vec<_>>().join(" "))
        }
        "DEL" => (words.len() - 1).to_string(),
        "PING" => "PONG".to_owned(),
        _ => "[c:1 c:2 c:3]".to_owned(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// However the nodes' replies interleave and slots move meanwhile: every op is answered once,
    /// with its own replies, in order; only one that was sent elsewhere too often fails.
    #[test]
    fn every_op_is_answered_once_and_in_order(steps in prop::collection::vec(step(), 1..60)) {
        let (mut bench, mut world) = ready();
        // Nodes know where their own slots are, and tell an old map.
        world.is_stale = true;
        bench.holds = true;
        let mut open: Vec<Option<Vec<String>>> = Vec::new();
        let check = |open: &mut Vec<Option<Vec<String>>>, answers: Vec<(u64, String)>| {
            for (who, text) in answers {
                let commands = open[who as usize].take().expect("answered twice");
                let own = commands.iter().map(|command| expected(command)).collect::<Vec<_>>().join(";");
                assert!(text == own || text.starts_with("!!MOVED "), "{text} instead of {own}");
            }
        };
        for step in steps {
            match step {
                Step::Ask(list) => {
                    bench.ask_within(open.len() as u64, Route::Write, commands(&list.join(";")), 60 * SECOND);
                    open.push(Some(list));
                }
                Step::Deliver(place, count) => bench.deliver(place, count),
                Step::Pass(time) => bench.now += Duration::from_millis(time),
                Step::Move(key, master) => {
                    let key = format!("{}{}", ["a", "b", "c", "d", "n"][usize::from(key) % 5], key % 10);
                    world.moved.insert(slot_of(key.as_bytes()), MASTERS[master]);
                }
            }
            bench.run(|address: &str, words: &[&str]| world.serve(address, words));
            check(&mut open, bench.answers());
        }
        bench.holds = false;
        for _ in 0..20 {
            for place in 0..6 {
                bench.deliver(place, usize::MAX);
            }
            bench.run(|address: &str, words: &[&str]| world.serve(address, words));
            check(&mut open, bench.answers());
        }
        prop_assert!(bench.is_delivered());
        prop_assert!(open.iter().all(Option::is_none), "unanswered: {open:?}");
        prop_assert_eq!(bench.pool.health().in_flight, 0);
    }
}
