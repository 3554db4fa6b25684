//! Commands on sorted sets. Scores as bounds are numbers or texts such as `-inf` and `(5`.

use super::arguments::{Refused, each_pair, member_text, put_int, put_number, put_text, put_value};
use super::command::Arg::{Int, Number as Float, Text};
use super::command::Form::{Args, List, Own};
use super::command::{Command, Empty, Encoded, Rest, WRONG_COUNT};
use super::reply::Shape::{Any, Number};
use crate::proto::resp::Commands;
use crate::script::ffi::{Call, Fault, Kind};
use std::ffi::c_int;

pub static ZADD: Command = Command::write("ZADD", Own(zadd), Number);
/// In a pipeline the score comes first.
pub static ZADD_SCORE_FIRST: Command = Command::write("ZADD", Args(&[Text, Float, Text]), Number);
pub static ZRANGE: Command = Command::read("ZRANGE", Args(&[Text, Int, Int]), Any);
pub static ZREVRANGE: Command = Command::read("ZREVRANGE", Args(&[Text, Int, Int]), Any);
pub static ZRANGEBYSCORE: Command = Command::read("ZRANGEBYSCORE", Own(zrangebyscore), Any);
pub static ZRANK: Command = Command::read("ZRANK", Args(&[Text, Text]), Number);
pub static ZREVRANK: Command = Command::read("ZREVRANK", Args(&[Text, Text]), Number);
pub static ZREM: Command = Command::write("ZREM", List(&[Text], Rest::Values, Empty::Zero), Number);
pub static ZREMRANGEBYSCORE: Command =
    Command::write("ZREMRANGEBYSCORE", Args(&[Text, Text, Text]), Number);
pub static ZREMRANGEBYRANK: Command =
    Command::write("ZREMRANGEBYRANK", Args(&[Text, Int, Int]), Number);
pub static ZCOUNT: Command = Command::read("ZCOUNT", Args(&[Text, Text, Text]), Number);
pub static ZSCORE: Command = Command::read("ZSCORE", Args(&[Text, Text]), Number);
pub static ZINCRBY: Command = Command::write("ZINCRBY", Args(&[Text, Float, Text]), Number);

/// `key, {member = score}` or `key, member, score, …`
fn zadd(call: &Call<'_>, key: c_int, out: &mut Commands) -> Result<Encoded, Refused> {
    let members = key + 1;
    if call.kind(members) == Kind::Table {
        return zadd_table(call, key, members, out);
    }
    let count = usize::try_from(call.len() - key).unwrap_or(0);
    if count == 0 || !count.is_multiple_of(2) {
        return Err(Refused::answer(WRONG_COUNT));
    }
    out.begin(2 + count);
    out.arg(ZADD.name);
    put_text(call, key, out)?;
    for member in (members..call.len()).step_by(2) {
        put_number(call.number(member + 1)?, out);
        put_value(call, member, out)?;
    }
    Ok(Encoded::Whole)
}

/// Sent in the order of the members, so that the same table is always the same command. What is no
/// score counts as 0.
fn zadd_table(
    call: &Call<'_>,
    key: c_int,
    members: c_int,
    out: &mut Commands,
) -> Result<Encoded, Refused> {
    let mut pairs = Vec::new();
    each_pair(call, members, |call| {
        pairs.push((member_text(call, -2)?.into_owned(), call.raw_number(-1)));
        Ok(())
    })?;
    if pairs.is_empty() {
        return Ok(Encoded::Nothing);
    }
    pairs.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    out.begin(2 + 2 * pairs.len());
    out.arg(ZADD.name);
    put_text(call, key, out)?;
    for (member, score) in pairs {
        put_number(score, out);
        out.arg(&member);
    }
    Ok(Encoded::Whole)
}

/// `key, min, max[, {offset=, count=} | offset, count]`
fn zrangebyscore(call: &Call<'_>, key: c_int, out: &mut Commands) -> Result<Encoded, Refused> {
    let (offset, count) = window(call, key + 3)?;
    let is_limited = offset != 0 || count != 0;
    out.begin(if is_limited { 7 } else { 4 });
    out.arg(ZRANGEBYSCORE.name);
    for at in key..key + 3 {
        put_text(call, at, out)?;
    }
    if is_limited {
        out.arg(b"LIMIT");
        put_int(offset, out);
        put_int(count, out);
    }
    Ok(Encoded::Whole)
}

/// Offset and count, each 0 where it is not given.
fn window(call: &Call<'_>, at: c_int) -> Result<(i64, i64), Fault> {
    match call.kind(at) {
        Kind::None | Kind::Nil => Ok((0, 0)),
        Kind::Number => Ok((call.int(at)?, call.opt_int(at + 1)?.unwrap_or(0))),
        _ => {
            call.table(at)?;
            let field = |name| {
                call.push_field(at, name);
                let number = call.raw_number(-1) as i64;
                call.pop(1);
                number
            };
            Ok((field("offset"), field("count")))
        }
    }
}
