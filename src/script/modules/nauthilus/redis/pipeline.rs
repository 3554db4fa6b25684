//! `redis_pipeline(handle, mode, commands)`: many commands, one round trip, a list of results.
//!
//! Each command is a table, its name first; its arguments are spread out on the stack and encoded
//! as those of the function of that name. Any error but an absent key makes the whole call answer
//! `nil, text`: scripts look at that and at nothing else. Bad input answers in the same way, before
//! anything is sent. Rules: `lua/modules/nauthilus_redis.md`.

use super::arguments::Refused;
use super::command::{Command, Encoded, FIRST, USUAL_BYTES, WRONG_COUNT, settle};
use super::handle::Target;
use super::reply::{self, NoValue, Shape};
use super::{hashes, lists, scripts, sets, sorted_sets, strings};
use crate::op::{Answer, Route};
use crate::proto::resp::{Commands, Reply};
use crate::script::ffi::{Call, Fault, Finish, Kind, Start};
use std::ffi::c_int;

pub fn start(call: &Call<'_>) -> Result<Start, Fault> {
    settle(call, || {
        let target = Target::of(call)?;
        let route = if *call.string(FIRST)? == *b"read" { Route::Read } else { Route::Write };
        let list = FIRST + 1;
        call.table(list)?;
        let mut commands = Commands::with_capacity(USUAL_BYTES);
        let mut shapes = Vec::new();
        for number in 1.. {
            let kind = call.push_index(list, number);
            if kind == Kind::Nil {
                break;
            }
            shapes.push(
                encode(call, kind, target.is_cluster, &mut commands)
                    .map_err(|refused| at(number, refused))?,
            );
            call.pop(1);
        }
        call.pop(1);
        if shapes.is_empty() {
            call.push_table(0, 0);
            return Ok(Start::Done(call.and_nil()));
        }
        let finish = move |call: &Call<'_>, answer| Ok(Start::Done(finish(call, &answer, &shapes)));
        Ok(target.ask(call, route, commands, Finish::Boxed(Box::new(finish))))
    })
}

/// Appends the command in the table on top of the stack.
fn encode(call: &Call<'_>, kind: Kind, is_cluster: bool, out: &mut Commands) -> Result<Shape, Bad> {
    if kind != Kind::Table {
        return Err(Bad::NoTable);
    }
    let table = call.len();
    let words = call.raw_len(table);
    call.reserve(words + 1);
    call.push_index(table, 1);
    let first = call.len() + 1;
    for i in 2..=words {
        call.push_index(table, i);
    }
    let name = call.bytes(first - 1);
    let bad =
        |refused| Bad::Refused { name: String::from_utf8_lossy(name).into_owned(), first, refused };
    let shape = if name == b"run_script" {
        scripts::encode_in_pipeline(call, first, is_cluster, out).map_err(bad)?;
        Shape::Any
    } else {
        let command = command(name).ok_or_else(|| Bad::Unknown(call.display(first - 1)))?;
        match command.encode(call, first, out).map_err(bad)? {
            Encoded::Whole => command.shape,
            Encoded::Nothing => return Err(bad(Refused::answer(WRONG_COUNT))),
        }
    };
    call.pop(call.len() - table);
    Ok(shape)
}

/// What is wrong with one command.
enum Bad {
    NoTable,
    Unknown(String),
    /// `first` is the stack index of its first argument.
    Refused {
        name: String,
        first: c_int,
        refused: Refused,
    },
}

fn at(number: usize, bad: Bad) -> Refused {
    match bad {
        Bad::NoTable => {
            Refused::answer(format!("pipeline command at index {number} must be a table"))
        }
        Bad::Unknown(name) => Refused::answer(format!("unsupported pipeline command: {name}")),
        Bad::Refused { name, first, refused } => {
            let why = match refused {
                Refused::Raise(Fault::Argument(at, why)) => {
                    format!("bad argument #{} ({why})", at - first + 1)
                }
                Refused::Raise(Fault::Message(why)) => why,
                // Nothing that encodes leaves an error value on the stack.
                Refused::Raise(Fault::Top) => WRONG_COUNT.into(),
                Refused::Answer(why) => why.into_owned(),
            };
            Refused::answer(format!("pipeline command at index {number} ({name}): {why}"))
        }
    }
}

fn finish(call: &Call<'_>, answer: &Answer, shapes: &[Shape]) -> c_int {
    match answer {
        Answer::Replies(replies) => results(call, replies, shapes),
        Answer::Reply(reply) => results(call, std::slice::from_ref(reply), shapes),
        other => call.nil_and(reply::failure(other)),
    }
}

/// Pushes `list, nil` or `nil, text`.
fn results(call: &Call<'_>, replies: &[Reply], shapes: &[Shape]) -> c_int {
    if let Some(text) = replies.iter().find_map(Reply::as_error) {
        return call.nil_and(text);
    }
    call.push_table(shapes.len(), 0);
    let list = call.len();
    for (at, (reply, shape)) in replies.iter().zip(shapes).enumerate() {
        call.push_table(0, 2);
        let result = call.len();
        let is_ok = match shape.push(call, reply.view()) {
            Ok(()) => {
                call.set_field(result, "value");
                true
            }
            Err(NoValue::Missing) => true,
            Err(NoValue::Error(text)) => {
                call.push_string(&text);
                call.set_field(result, "err");
                false
            }
        };
        call.push_bool(is_ok);
        call.set_field(result, "ok");
        call.set_index(list, at + 1);
    }
    call.and_nil()
}

/// The commands that a pipeline knows, besides `run_script`. Names are in lower case only.
pub(super) fn command(name: &[u8]) -> Option<&'static Command> {
    Some(match name {
        b"ping" => &strings::PING,
        b"get" => &strings::GET,
        b"set" => &strings::SET,
        b"incr" => &strings::INCR,
        b"del" => &strings::DEL,
        b"expire" => &strings::EXPIRE,
        b"exists" => &strings::EXISTS,
        b"rename" => &strings::RENAME,
        b"mget" => &strings::MGET,
        b"mset" => &strings::MSET,
        b"keys" => &strings::KEYS,
        b"scan" => &strings::SCAN,
        b"hget" => &hashes::HGET,
        b"hset" => &hashes::HSET,
        b"hdel" => &hashes::HDEL,
        b"hlen" => &hashes::HLEN,
        b"hgetall" => &hashes::HGETALL,
        b"hmget" => &hashes::HMGET,
        b"hincrby" => &hashes::HINCRBY,
        b"hincrbyfloat" => &hashes::HINCRBYFLOAT,
        b"hexists" => &hashes::HEXISTS,
        b"sadd" => &sets::SADD,
        b"srem" => &sets::SREM,
        b"sismember" => &sets::SISMEMBER,
        b"smembers" => &sets::SMEMBERS,
        b"scard" => &sets::SCARD,
        b"pfadd" => &sets::PFADD,
        b"pfcount" => &sets::PFCOUNT,
        b"pfmerge" => &sets::PFMERGE,
        b"zadd" => &sorted_sets::ZADD_SCORE_FIRST,
        b"zrange" => &sorted_sets::ZRANGE,
        b"zrevrange" => &sorted_sets::ZREVRANGE,
        b"zrangebyscore" => &sorted_sets::ZRANGEBYSCORE,
        b"zrank" => &sorted_sets::ZRANK,
        b"zrevrank" => &sorted_sets::ZREVRANK,
        b"zrem" => &sorted_sets::ZREM,
        b"zremrangebyscore" => &sorted_sets::ZREMRANGEBYSCORE,
        b"zremrangebyrank" => &sorted_sets::ZREMRANGEBYRANK,
        b"zcount" => &sorted_sets::ZCOUNT,
        b"zscore" => &sorted_sets::ZSCORE,
        b"zincrby" => &sorted_sets::ZINCRBY,
        b"lpush" => &lists::LPUSH,
        b"rpush" => &lists::RPUSH,
        b"lpop" => &lists::LPOP,
        b"rpop" => &lists::RPOP,
        b"lrange" => &lists::LRANGE,
        b"llen" => &lists::LLEN,
        _ => return None,
    })
}
