//! Sharing, expiry and size; time is given, so nothing waits.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap as Model;
use std::sync::{Barrier, mpsc};

fn text(text: &str) -> Value {
    Value::string(text)
}

fn number(number: usize) -> Value {
    Value::Number(number as f64)
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn a_value_is_there_until_it_is_deleted() {
    let (cache, now) = (ProcessCache::default(), Instant::now());
    cache.set(b"k", text("v"), None, now).unwrap();
    assert_eq!(cache.get(b"k", now + seconds(1_000_000)).as_deref(), Some(&text("v")));
    assert_eq!(cache.delete(b"k", now), Ok(true));
    assert_eq!(cache.get(b"k", now), None);
    assert_eq!(cache.delete(b"k", now), Ok(false));
    assert_eq!(cache.bytes(), 0);
}

#[test]
fn an_expired_entry_is_not_there_for_anybody() {
    let (cache, now) = (ProcessCache::default(), Instant::now());
    let later = now + seconds(10);
    let expired = || {
        cache.set(b"k", text("v"), Some(seconds(10)), now).unwrap();
        assert!(cache.get(b"k", later - Duration::from_nanos(1)).is_some());
    };
    expired();
    assert_eq!(cache.get(b"k", later), None);
    assert_eq!((cache.len(later), cache.keys(later).len()), (0, 0));
    assert_eq!(cache.delete(b"k", later), Ok(false));
    expired();
    assert_eq!(cache.take(b"k", later), Ok(None));
    expired();
    assert_eq!(cache.push(b"k", text("w"), later), Ok((1, false)));
    expired();
    cache.update::<Error>(b"k", later, |old| Ok(Value::Bool(old.is_some()))).unwrap();
    assert_eq!(
        cache.get(b"k", later + seconds(100)).as_deref(),
        Some(&Value::Bool(false)),
        "the new entry has no end"
    );
}

#[test]
fn update_and_push_keep_the_lifetime_and_set_renews_it() {
    let (cache, now) = (ProcessCache::default(), Instant::now());
    for key in [b"updated", b"pushed ", b"renewed"] {
        cache.set(key, Value::List(vec![]), Some(seconds(10)), now).unwrap();
    }
    let then = now + seconds(9);
    cache.update::<Error>(b"updated", then, |_| Ok(number(1))).unwrap();
    cache.push(b"pushed ", number(1), then).unwrap();
    cache.set(b"renewed", number(1), Some(seconds(10)), then).unwrap();
    assert_eq!(
        cache.keys(now + seconds(10)).iter().map(|key| &**key).collect::<Vec<_>>(),
        [b"renewed"]
    );
}

#[test]
fn push_makes_lists() {
    let (cache, now) = (ProcessCache::default(), Instant::now());
    cache.set(b"scalar", text("s"), None, now).unwrap();
    cache.set(b"nil", Value::Nil, None, now).unwrap();
    for (key, lengths) in [(b"absent".as_slice(), [1, 2]), (b"scalar", [2, 3]), (b"nil", [1, 2])] {
        for length in lengths {
            assert_eq!(cache.push(key, number(length), now), Ok((length, false)));
        }
    }
    assert_eq!(
        cache.get(b"scalar", now).as_deref(),
        Some(&Value::List(vec![text("s"), number(2), number(3)]))
    );
}

#[test]
fn a_reader_keeps_the_list_that_it_has_read() {
    let (cache, now) = (ProcessCache::default(), Instant::now());
    cache.push(b"k", number(1), now).unwrap();
    let read = cache.get(b"k", now);
    cache.push(b"k", number(2), now).unwrap();
    assert_eq!(read.as_deref(), Some(&Value::List(vec![number(1)])));
}

#[test]
fn a_failed_update_changes_nothing() {
    let (cache, now) = (ProcessCache::default(), Instant::now());
    cache.set(b"k", text("v"), None, now).unwrap();
    assert_eq!(cache.update(b"k", now, |_| Err(Error::TooLarge)), Err(Error::TooLarge));
    assert_eq!(cache.get(b"k", now).as_deref(), Some(&text("v")));
    assert_eq!(cache.delete(b"k", now), Ok(true), "and nothing is locked");
}

#[test]
fn inside_an_update_the_cache_can_be_read_and_not_changed() {
    let (cache, now) = (ProcessCache::default(), Instant::now());
    cache.set(b"k", text("old"), None, now).unwrap();
    cache
        .update::<Error>(b"k", now, |_| {
            assert_eq!(cache.get(b"k", now).as_deref(), Some(&text("old")));
            assert_eq!((cache.len(now), cache.keys(now).len()), (1, 1));
            assert_eq!(cache.set(b"other", Value::Nil, None, now), Err(Error::Inside));
            assert_eq!(cache.push(b"k", Value::Nil, now), Err(Error::Inside));
            assert_eq!(cache.take(b"k", now), Err(Error::Inside));
            assert_eq!(cache.clear(), Err(Error::Inside));
            assert_eq!(cache.update(b"k", now, |_| Ok(Value::Nil)), Err(Error::Inside));
            Ok(text("new"))
        })
        .unwrap();
    assert_eq!(cache.get(b"k", now).as_deref(), Some(&text("new")));
    assert_eq!(cache.clear(), Ok(()));
}

#[test]
fn an_update_that_unwinds_leaves_nothing_locked() {
    let (cache, now) = (ProcessCache::default(), Instant::now());
    let unwound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _ = cache.update::<Error>(b"k", now, |_| std::panic::resume_unwind(Box::new(())));
    }));
    assert!(unwound.is_err());
    assert_eq!(cache.set(b"k", Value::Nil, None, now), Ok(false));
}

#[test]
fn updates_of_all_threads_count() {
    let (cache, now) = (ProcessCache::default(), Instant::now());
    let start = Barrier::new(4);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                start.wait();
                for turn in 0..1_000 {
                    let one_more = |old: Option<&Value>| match old {
                        Some(Value::Number(n)) => Ok::<_, Error>(Value::Number(n + 1.0)),
                        _ => Ok(number(1)),
                    };
                    cache.update(b"sum", now, one_more).unwrap();
                    cache.push(b"list", number(turn), now).unwrap();
                }
            });
        }
    });
    assert_eq!(cache.get(b"sum", now).as_deref(), Some(&number(4_000)));
    assert!(
        matches!(cache.get(b"list", now).as_deref(), Some(Value::List(list)) if list.len() == 4_000)
    );
}

#[test]
fn readers_do_not_wait_for_an_update() {
    let (cache, now) = (ProcessCache::default(), Instant::now());
    cache.set(b"k", text("old"), None, now).unwrap();
    let (inside, is_inside) = mpsc::channel();
    let (read, was_read) = mpsc::channel();
    std::thread::scope(|scope| {
        let cache = &cache;
        scope.spawn(move || {
            cache
                .update::<Error>(b"k", now, |_| {
                    inside.send(()).unwrap();
                    was_read.recv().unwrap();
                    Ok(text("new"))
                })
                .unwrap();
        });
        is_inside.recv().unwrap();
        assert_eq!(cache.get(b"k", now).as_deref(), Some(&text("old")));
        read.send(()).unwrap();
        // This one waits until the update is done.
        assert_eq!(cache.take(b"k", now), Ok(Some(Arc::new(text("new")))));
    });
}

#[test]
fn a_full_cache_drops_what_has_expired_and_then_what_expires_next() {
    // So small that its few entries fill it; they lie in one shard or in several, as the hasher
    // likes.
    let now = Instant::now();
    let cache = ProcessCache::with_capacity(8_000);
    let store = |key: &str, ttl: Option<u64>| {
        cache.set(key.as_bytes(), text(&"x".repeat(1_500)), ttl.map(seconds), now)
    };
    for (key, ttl) in [("forever", None), ("long", Some(100)), ("short", Some(10)), ("older", None)]
    {
        assert_eq!(store(key, ttl), Ok(false), "{key}");
    }
    assert_eq!(store("one more", None), Ok(true));
    assert!(cache.bytes() <= 8_000);
    assert_eq!(cache.evicted(), 1);
    assert!(cache.get(b"one more", now).is_some(), "what was just stored stays");
    // Two expired entries are room enough for two new ones.
    let later = now + seconds(1_000);
    let live = cache.len(later);
    let fresh = cache.set(b"fresh", text(&"x".repeat(1_500)), None, later);
    assert!(cache.get(b"fresh", later).is_some());
    assert!(cache.bytes() <= 8_000);
    assert!(fresh == Ok(false) || cache.len(later) == live);
}

#[test]
fn eviction_order_within_a_shard() {
    let mut entries = Entries::default();
    let now = Instant::now();
    for (key, expiry) in [
        ("old", Expiry::Never),
        ("late", Expiry::At(now + seconds(9))),
        ("new", Expiry::Never),
        ("soon", Expiry::At(now)),
    ] {
        entries.insert(key.as_bytes(), Arc::default(), expiry, 0);
    }
    let mut gone = Vec::new();
    while let Some(victim) = entries.victim(b"late") {
        entries.remove(&victim);
        gone.push(victim);
    }
    assert_eq!(
        gone.iter().map(|key| &**key).collect::<Vec<_>>(),
        [b"soon".as_slice(), b"old", b"new"]
    );
}

#[test]
fn one_value_does_not_take_all_the_room() {
    let (cache, now) = (ProcessCache::with_capacity(8_000), Instant::now());
    assert_eq!(cache.set(b"k", text(&"x".repeat(2_000)), None, now), Err(Error::TooLarge));
    assert_eq!(cache.update(b"k", now, |_| Ok(text(&"x".repeat(2_000)))), Err(Error::TooLarge));
    let pushed = std::iter::repeat_with(|| cache.push(b"l", text("0123456789"), now))
        .take(1_000)
        .find_map(Result::err);
    assert_eq!(pushed, Some(Error::TooLarge));
    assert!(cache.bytes() <= 2_000);
    assert_eq!(cache.evicted(), 0);
}

#[test]
fn expired_entries_make_way_as_new_ones_come() {
    let cache = ProcessCache::default();
    let mut now = Instant::now();
    let mut most = 0;
    for turn in 0..20_000 {
        now += Duration::from_millis(10);
        cache.set(format!("k{turn}").as_bytes(), Value::Nil, Some(seconds(1)), now).unwrap();
        most = most.max(cache.bytes());
    }
    // A hundred entries are good at a time; each of the shards may hold on to a few that are not
    // until its next change.
    assert!(most < 4 * (100 + 64) * (ENTRY_BYTES + 64), "{most}");
}

#[derive(Clone, Debug)]
enum Step {
    Set(u8, Option<u8>),
    Push(u8),
    Update(u8),
    Delete(u8),
    Wait(u8),
    Clear,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..8u8, proptest::option::of(1..20u8)).prop_map(|(key, ttl)| Step::Set(key, ttl)),
        4 => (0..8u8).prop_map(Step::Push),
        4 => (0..8u8).prop_map(Step::Update),
        2 => (0..8u8).prop_map(Step::Delete),
        4 => (0..8u8).prop_map(Step::Wait),
        1 => Just(Step::Clear),
    ]
}

proptest! {
    /// The same as a plain map whose entries carry their end.
    #[test]
    fn behaves_as_a_map_with_expiry(steps in proptest::collection::vec(step(), 0..200)) {
        let (cache, start) = (ProcessCache::default(), Instant::now());
        let (mut model, mut clock) = (Model::<u8, (usize, u64)>::new(), 0);
        for (turn, step) in steps.into_iter().enumerate() {
            let now = start + seconds(clock);
            match step {
                Step::Set(key, ttl) => {
                    cache.set(&[key], Value::List(vec![Value::Nil; turn]), ttl.map(|ttl| seconds(ttl.into())), now).unwrap();
                    model.insert(key, (turn, ttl.map_or(u64::MAX, |ttl| clock + u64::from(ttl))));
                }
                Step::Push(key) => {
                    let (length, _) = model.entry(key).and_modify(|(length, _)| *length += 1).or_insert((1, u64::MAX));
                    prop_assert_eq!(cache.push(&[key], number(turn), now), Ok((*length, false)));
                }
                Step::Update(key) => {
                    let expected = model.entry(key).or_insert((0, u64::MAX));
                    cache.update::<Error>(&[key], now, |old| {
                        assert_eq!(old.map_or(0, |old| if let Value::List(old) = old { old.len() } else { 0 }), expected.0);
                        Ok(Value::List(vec![]))
                    }).unwrap();
                    expected.0 = 0;
                }
                Step::Delete(key) => prop_assert_eq!(cache.delete(&[key], now), Ok(model.remove(&key).is_some())),
                Step::Wait(seconds) => clock += u64::from(seconds),
                Step::Clear => {
                    cache.clear().unwrap();
                    model.clear();
                    prop_assert_eq!(cache.bytes(), 0);
                }
            }
            model.retain(|_, (_, until)| *until > clock);
            let now = start + seconds(clock);
            prop_assert_eq!(cache.len(now), model.len());
            for key in 0..8 {
                let length = cache.get(&[key], now).map(|value| if let Value::List(list) = &*value { list.len() } else { 0 });
                prop_assert_eq!(length, model.get(&key).map(|(length, _)| *length));
            }
        }
        cache.clear().unwrap();
        prop_assert_eq!(cache.bytes(), 0);
    }
}
