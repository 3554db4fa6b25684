//! Splitting and merging: one command becomes commands for single slots or nodes, their replies
//! become one.
//!
//! MGET, DEL, EXISTS, UNLINK, TOUCH and MSET are taken apart when their keys lie in several slots
//! (each part is atomic, the whole is not); any other command across slots gets the error that a
//! cluster itself would give. What goes to all masters is merged as `keys` says.

use super::keys::{self, Apart, Gather, Keyless, Keys};
use super::slots::slot_of;
use crate::proto::resp::{Command, Commands, Reply, View};
use crate::upstream::redis::nodes::NODES_MAX;

/// Where a part goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Slot(u16),
    AnyNode,
    EveryMaster,
    /// The master with this number, in the order of their addresses.
    Master(usize),
}

#[derive(Debug)]
pub(super) struct Part {
    pub(super) place: Place,
    pub(super) commands: Commands,
}

/// What becomes of the parts' replies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Merge {
    /// There is one part.
    Only,
    /// A value for each key; of which part it is.
    Values(Vec<usize>),
    Sum,
    Status,
    Every,
    Concatenate,
    /// Of SCAN at the master with this number.
    Scan(usize),
}

/// Takes a command apart.
///
/// # Errors
/// The reply to one that cannot be sent.
pub(super) fn split(command: &Command<'_>) -> Result<(Vec<Part>, Merge), Reply> {
    let words: Vec<&[u8]> = command.words().collect();
    let name = words.first().copied().unwrap_or_default();
    let keys = keys::of(name, words.get(1).copied());
    let whole = |place| vec![Part { place, commands: command.to_commands() }];
    let places = match keys {
        Keys::None(Keyless::AnyNode) => return Ok((whole(Place::AnyNode), Merge::Only)),
        Keys::None(Keyless::EveryMaster(gather)) => {
            return Ok((whole(Place::EveryMaster), Merge::of(gather)));
        }
        Keys::None(Keyless::Scan) => return Ok(scan(&words)),
        keys => keys.places(&words),
    };
    let slots: Vec<u16> =
        places.iter().filter_map(|at| words.get(*at)).map(|key| slot_of(key)).collect();
    match slots.split_first() {
        None => Ok((whole(Place::AnyNode), Merge::Only)),
        Some((first, rest)) if rest.iter().all(|slot| slot == first) => {
            Ok((whole(Place::Slot(*first)), Merge::Only))
        }
        Some(_) => keys::apart(name)
            .map(|apart| take_apart(apart, name, &words, &places, &slots))
            .ok_or_else(|| Reply::error(CROSSSLOT)),
    }
}

/// One reply of the parts' replies, which are in the order of the parts. An error of one of them is
/// the error of all.
pub(super) fn merge(merge: &Merge, replies: Vec<Reply>) -> Reply {
    if let Some(error) = replies.iter().find(|reply| reply.is_error()) {
        return error.clone();
    }
    let merged = match merge {
        Merge::Only | Merge::Status => replies.into_iter().next(),
        Merge::Sum => Some(Reply::int(
            replies.iter().filter_map(|reply| reply.view().as_int()).fold(0, i64::saturating_add),
        )),
        Merge::Values(parts) => values(parts, &replies),
        Merge::Every => every(&replies),
        Merge::Concatenate => concatenate(&replies),
        Merge::Scan(number) => replies.first().and_then(|reply| scanned(*number, reply)),
    };
    merged.unwrap_or_else(|| Reply::error("ERR the nodes' replies do not fit together"))
}

impl Merge {
    fn of(gather: Gather) -> Merge {
        match gather {
            Gather::Same => Merge::Status,
            Gather::Sum => Merge::Sum,
            Gather::Concatenate => Merge::Concatenate,
            Gather::Every => Merge::Every,
        }
    }
}

fn take_apart(
    apart: Apart,
    name: &[u8],
    words: &[&[u8]],
    places: &[usize],
    slots: &[u16],
) -> (Vec<Part>, Merge) {
    let mut order: Vec<u16> = Vec::new();
    let part_of: Vec<usize> = slots
        .iter()
        .map(|slot| {
            order.iter().position(|known| known == slot).unwrap_or_else(|| {
                order.push(*slot);
                order.len() - 1
            })
        })
        .collect();
    // A key of MSET brings its value along.
    let width = if apart == Apart::Status { 2 } else { 1 };
    let parts = order.iter().enumerate().map(|(number, slot)| {
        let own =
            || places.iter().zip(&part_of).filter(|(_, part)| **part == number).map(|(at, _)| *at);
        let args = || {
            own().flat_map(|at| {
                words.get(at..at + width).or_else(|| words.get(at..)).unwrap_or_default()
            })
        };
        let mut commands = Commands::default();
        commands.begin(1 + args().count());
        commands.arg(name);
        args().for_each(|word| commands.arg(word));
        Part { place: Place::Slot(*slot), commands }
    });
    let parts = parts.collect();
    let merge = match apart {
        Apart::Values => Merge::Values(part_of),
        Apart::Sum => Merge::Sum,
        Apart::Status => Merge::Status,
    };
    (parts, merge)
}

/// SCAN at the master that its cursor is at.
fn scan(words: &[&[u8]]) -> (Vec<Part>, Merge) {
    let cursor: Option<u64> =
        words.get(1).and_then(|word| std::str::from_utf8(word).ok()?.parse().ok());
    let (cursor, number) =
        cursor.map_or((0, 0), |cursor| (cursor / MASTERS_MAX, cursor % MASTERS_MAX));
    let mut buffer = itoa::Buffer::new();
    let mut inner = words.to_vec();
    if let Some(word) = inner.get_mut(1).filter(|word| word.iter().all(u8::is_ascii_digit)) {
        *word = buffer.format(cursor).as_bytes();
    }
    let number = number as usize;
    (
        vec![Part { place: Place::Master(number), commands: Commands::one(&inner) }],
        Merge::Scan(number),
    )
}

/// A master's reply to SCAN, its cursor telling where to go on: here, or at the next master. After
/// the last comes one that is not there, and the answer to that ([`end_of_scan`]) ends the scan.
fn scanned(number: usize, reply: &Reply) -> Option<Reply> {
    let mut items = reply.view().items()?;
    let inner: u64 = std::str::from_utf8(items.next()?.as_bytes()?).ok()?.parse().ok()?;
    let keys: Vec<Reply> = items.next()?.items()?.map(made).collect::<Option<_>>()?;
    let number = number as u64;
    let cursor = match inner {
        0 => (number + 1) % MASTERS_MAX,
        inner => inner.checked_mul(MASTERS_MAX)?.checked_add(number)?,
    };
    Some(Reply::array(&[
        Reply::bulk(itoa::Buffer::new().format(cursor).as_bytes()),
        Reply::array(&keys),
    ]))
}

/// The reply to SCAN at a master that is not there.
pub(super) fn end_of_scan() -> Reply {
    Reply::array(&[Reply::bulk(b"0"), Reply::array(&[])])
}

fn values(parts: &[usize], replies: &[Reply]) -> Option<Reply> {
    let mut lists: Vec<_> =
        replies.iter().map(|reply| reply.view().items()).collect::<Option<_>>()?;
    let values: Option<Vec<Reply>> =
        parts.iter().map(|part| made(lists.get_mut(*part)?.next()?)).collect();
    Some(Reply::array(&values?))
}

fn every(replies: &[Reply]) -> Option<Reply> {
    let lists: Vec<Vec<i64>> = replies
        .iter()
        .map(|reply| reply.view().items()?.map(|item| item.as_int()).collect())
        .collect::<Option<_>>()?;
    let mut lists = lists.into_iter();
    let first = lists.next()?;
    let all = lists.fold(first, |all, list| {
        all.iter().zip(&list).map(|(one, other)| *one.min(other)).collect()
    });
    Some(Reply::array(&all.into_iter().map(Reply::int).collect::<Vec<_>>()))
}

fn concatenate(replies: &[Reply]) -> Option<Reply> {
    let mut all = Vec::new();
    for reply in replies {
        for item in reply.view().items()? {
            all.push(made(item)?);
        }
    }
    Some(Reply::array(&all))
}

/// A string or nil as a reply of its own.
fn made(view: View<'_>) -> Option<Reply> {
    if view.is_nil() { Some(Reply::nil()) } else { view.as_bytes().map(Reply::bulk) }
}

/// A cursor of SCAN is that of one master, times this, plus the master's number: a script may keep
/// it in a number (53 bits), since Redis' cursors are no larger than its tables.
const MASTERS_MAX: u64 = NODES_MAX as u64;

const CROSSSLOT: &str = "CROSSSLOT Keys in request don't hash to the same slot";

#[cfg(test)]
#[path = "split_tests.rs"]
mod tests;
