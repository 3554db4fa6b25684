//! Splitting commands and merging replies.

use super::*;
use crate::upstream::redis::testing::commands;
use proptest::prelude::*;

fn parts(command: &str) -> Result<(Vec<(Place, String)>, Merge), String> {
    let commands = commands(command);
    let command = commands.iter().next().unwrap();
    let (parts, merge) = split(&command)
        .map_err(|reply| String::from_utf8_lossy(reply.as_error().unwrap()).into_owned())?;
    let text = |part: &Part| {
        let words: Vec<String> = part
            .commands
            .iter()
            .flat_map(|command| {
                command.words().map(|word| String::from_utf8_lossy(word).into_owned())
            })
            .collect();
        words.join(" ")
    };
    Ok((parts.iter().map(|part| (part.place, text(part))).collect(), merge))
}

#[test]
fn a_command_on_one_slot_stays_whole() {
    for command in [
        "GET k",
        "MGET {t}a {t}b",
        "EVAL src 2 {t}a {t}b x",
        "RENAME {t}a {t}b",
        "MSET k 1",
        "ZUNIONSTORE {t}d 1 {t}a",
    ] {
        let key = if command.contains("{t}") { "t" } else { "k" };
        let expected =
            (vec![(Place::Slot(slot_of(key.as_bytes())), command.to_owned())], Merge::Only);
        assert_eq!(parts(command), Ok(expected), "{command}");
    }
}

#[test]
fn a_command_across_slots_is_taken_apart_or_refused() {
    let at = |key: &str| Place::Slot(slot_of(key.as_bytes()));
    let one = |key: &str, text: &str| (at(key), text.to_owned());
    assert_eq!(
        parts("MGET {a}1 {b}1 {a}2"),
        Ok((vec![one("a", "MGET {a}1 {a}2"), one("b", "MGET {b}1")], Merge::Values(vec![0, 1, 0])))
    );
    assert_eq!(parts("del a b"), Ok((vec![one("a", "del a"), one("b", "del b")], Merge::Sum)));
    assert_eq!(
        parts("MSET {a}1 x b y {a}2 z"),
        Ok((vec![one("a", "MSET {a}1 x {a}2 z"), one("b", "MSET b y")], Merge::Status))
    );
    // An odd one is for Redis to complain of.
    assert_eq!(
        parts("MSET a x b"),
        Ok((vec![one("a", "MSET a x"), one("b", "MSET b")], Merge::Status))
    );
    for command in ["RENAME a b", "EVAL src 2 a b", "PFMERGE a b", "SUNION a b", "MSETNX a 1 b 2"] {
        assert_eq!(
            parts(command),
            Err("CROSSSLOT Keys in request don't hash to the same slot".into()),
            "{command}"
        );
    }
}

#[test]
fn commands_without_keys() {
    for (command, place, merge) in [
        ("PING", Place::AnyNode, Merge::Only),
        ("EVAL src 0", Place::AnyNode, Merge::Only),
        ("MGET", Place::AnyNode, Merge::Only),
        ("KEYS *", Place::EveryMaster, Merge::Concatenate),
        ("DBSIZE", Place::EveryMaster, Merge::Sum),
        ("SCRIPT LOAD x", Place::EveryMaster, Merge::Status),
        ("script exists x", Place::EveryMaster, Merge::Every),
    ] {
        assert_eq!(parts(command), Ok((vec![(place, command.to_owned())], merge)), "{command}");
    }
}

#[test]
fn a_scan_goes_from_master_to_master() {
    for (command, place, sent) in [
        ("SCAN 0", 0, "SCAN 0"),
        ("SCAN 1 MATCH x", 1, "SCAN 0 MATCH x"),
        ("SCAN 17410", 2, "SCAN 17"),
        ("SCAN nonsense", 0, "SCAN nonsense"),
        ("SCAN", 0, "SCAN"),
    ] {
        assert_eq!(
            parts(command),
            Ok((vec![(Place::Master(place), sent.to_owned())], Merge::Scan(place))),
            "{command}"
        );
    }
    let scanned = |cursor: &str| {
        Reply::array(&[Reply::bulk(cursor.as_bytes()), Reply::array(&[Reply::bulk(b"k")])])
    };
    for (number, cursor, next) in [(0, "0", "1"), (2, "17", "17410"), (1023, "0", "0")] {
        let merged = merge(&Merge::Scan(number), vec![scanned(cursor)]);
        assert_eq!(merged.frame(), scanned(next).frame());
    }
    assert!(merge(&Merge::Scan(0), vec![scanned("99999999999999999999")]).is_error());
    assert!(merge(&Merge::Scan(0), vec![Reply::int(1)]).is_error());
}

#[test]
fn replies_become_one() {
    let list = |items: &[&str]| {
        Reply::array(&items.iter().map(|item| Reply::bulk(item.as_bytes())).collect::<Vec<_>>())
    };
    let flags = |items: &[i64]| {
        Reply::array(&items.iter().map(|item| Reply::int(*item)).collect::<Vec<_>>())
    };
    for (how, replies, one) in [
        (Merge::Only, vec![Reply::int(1)], Reply::int(1)),
        (Merge::Sum, vec![Reply::int(1), Reply::int(2)], Reply::int(3)),
        (Merge::Status, vec![Reply::simple("OK"), Reply::simple("OK")], Reply::simple("OK")),
        (Merge::Every, vec![flags(&[1, 0, 1]), flags(&[1, 1, 0])], flags(&[1, 0, 0])),
        (
            Merge::Concatenate,
            vec![list(&["a"]), list(&[]), list(&["b", "c"])],
            list(&["a", "b", "c"]),
        ),
        (
            Merge::Values(vec![1, 0, 1]),
            vec![list(&["b"]), list(&["a", "c"])],
            list(&["a", "b", "c"]),
        ),
        (Merge::Sum, vec![Reply::int(1), Reply::error("NOPERM no")], Reply::error("NOPERM no")),
        (
            Merge::Values(vec![0, 0]),
            vec![list(&["a"])],
            Reply::error("ERR the nodes' replies do not fit together"),
        ),
    ] {
        assert_eq!(merge(&how, replies).frame(), one.frame(), "{how:?}");
    }
}

proptest! {
    /// Whatever the keys: the parts hold each key once, in its slot, and their replies give each
    /// key its own value.
    #[test]
    fn values_come_back_in_the_order_of_their_keys(keys in prop::collection::vec("[a-f]{1,2}", 1..20)) {
        let commands = commands(&format!("MGET {}", keys.join(" ")));
        let (parts, how) = split(&commands.iter().next().unwrap()).unwrap();
        let mut replies = Vec::new();
        for part in &parts {
            let command = part.commands.iter().next().unwrap();
            let own: Vec<&[u8]> = command.words().skip(1).collect();
            prop_assert!(!own.is_empty() && own.iter().all(|key| part.place == Place::Slot(slot_of(key))));
            replies.push(Reply::array(&own.iter().map(|key| Reply::bulk(key)).collect::<Vec<_>>()));
        }
        let expected = Reply::array(&keys.iter().map(|key| Reply::bulk(key.as_bytes())).collect::<Vec<_>>());
        let merged = merge(&how, replies);
        prop_assert_eq!(merged.frame(), expected.frame());
    }
}
