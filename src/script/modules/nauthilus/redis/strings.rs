//! Commands on keys and on single values, connections included.

use super::arguments::{Refused, put_int, put_text, put_value};
use super::command::Arg::{Int, Text};
use super::command::Form::{Args, List, Own};
use super::command::{Command, Empty, Encoded, Rest};
use super::reply::Shape::{Any, Flag, Number, Optional, Scan};
use crate::proto::resp::Commands;
use crate::script::ffi::{Call, Fault, Kind};
use smallvec::{SmallVec, smallvec};
use std::ffi::c_int;

pub static PING: Command = Command::write("PING", Args(&[]), Any);
pub static GET: Command = Command::read("GET", Args(&[Text]), Any);
pub static SET: Command = Command::write("SET", Own(set), Optional);
pub static INCR: Command = Command::write("INCR", Args(&[Text]), Number);
pub static DEL: Command = Command::write("DEL", Args(&[Text]), Number);
pub static EXPIRE: Command = Command::write("EXPIRE", Args(&[Text, Int]), Flag);
pub static EXISTS: Command = Command::read("EXISTS", Args(&[Text]), Number);
pub static RENAME: Command = Command::write("RENAME", Args(&[Text, Text]), Any);
pub static MGET: Command = Command::read("MGET", List(&[], Rest::Texts, Empty::Table), Any);
pub static MSET: Command = Command::write("MSET", List(&[], Rest::Pairs, Empty::OkForTable), Any);
pub static KEYS: Command = Command::read("KEYS", Args(&[Text]), Any);
pub static SCAN: Command = Command::read("SCAN", Own(scan), Scan);

/// `key, value[, ttl | options]`. A ttl counts from one whole second; without a value, or with nil,
/// the key becomes empty, which is hardly ever meant.
fn set(call: &Call<'_>, key: c_int, out: &mut Commands) -> Result<Encoded, Refused> {
    let (value, third) = (key + 1, key + 2);
    if call.is_none_or_nil(value) {
        call.warn_once("redis_set without a value (nil) stores an empty string");
    }
    let options = match call.kind(third) {
        Kind::Table => options(call, third)?,
        Kind::Number | Kind::String => seconds(call.int(third)?),
        _ => Options::new(),
    };
    let words: usize = options.iter().map(|(_, number)| 1 + usize::from(number.is_some())).sum();
    out.begin(3 + words);
    out.arg(SET.name);
    put_text(call, key, out)?;
    put_value(call, value, out)?;
    for (word, number) in options {
        out.arg(word);
        if let Some(number) = number {
            put_int(number, out);
        }
    }
    Ok(Encoded::Whole)
}

/// Words of SET, each with the number it takes, if any.
type Options = SmallVec<[(&'static [u8], Option<i64>); 4]>;

fn seconds(ttl: i64) -> Options {
    if ttl > 0 { smallvec![(b"EX".as_slice(), Some(ttl))] } else { Options::new() }
}

/// `{nx, xx, get, keepttl = bool; ex, px, exat, pxat = number}`. Redis judges combinations, and
/// times that are over; 0 is no time.
fn options(call: &Call<'_>, table: c_int) -> Result<Options, Fault> {
    let mut found = Options::new();
    for (field, word) in SET_FLAGS {
        if call.push_field(table, field) == Kind::Bool && call.truthy(-1) {
            found.push((word, None));
        }
        call.pop(1);
    }
    for (field, word) in SET_TIMES {
        if matches!(call.push_field(table, field), Kind::Number | Kind::String) {
            let number = call
                .int(-1)
                .map_err(|_| Fault::Message(format!("number expected in field '{field}'")))?;
            found.extend((number != 0).then_some((word, Some(number))));
        }
        call.pop(1);
    }
    Ok(found)
}

/// `cursor[, match[, count]]`
fn scan(call: &Call<'_>, cursor: c_int, out: &mut Commands) -> Result<Encoded, Refused> {
    let (pattern, count) = (cursor + 1, cursor + 2);
    out.begin(6);
    out.arg(SCAN.name);
    put_int(call.int(cursor)?, out);
    out.arg(b"MATCH");
    if call.is_none_or_nil(pattern) {
        out.arg(b"*")
    } else {
        put_text(call, pattern, out)?
    }
    out.arg(b"COUNT");
    put_int(call.opt_int(count)?.unwrap_or(SCAN_COUNT), out);
    Ok(Encoded::Whole)
}

const SET_FLAGS: [(&str, &[u8]); 4] =
    [("nx", b"NX"), ("xx", b"XX"), ("get", b"GET"), ("keepttl", b"KEEPTTL")];
const SET_TIMES: [(&str, &[u8]); 4] =
    [("ex", b"EX"), ("px", b"PX"), ("exat", b"EXAT"), ("pxat", b"PXAT")];
const SCAN_COUNT: i64 = 10;
