//! Redis scripts: `redis_upload_script` and `redis_run_script`.
//!
//! An uploaded script is remembered process-wide under its name and run by its digest. Redis may
//! forget scripts (a restart, SCRIPT FLUSH, another pool that never had it): a NOSCRIPT is answered
//! by loading it again and asking once more. So an upload that Redis never saw, as it was not up
//! yet when the init script ran, is an error, but remembered all the same. Rules:
//! `lua/modules/nauthilus_redis.md`.

use super::arguments::{
    Refused, count_pairs, count_rest, each_member, each_of_rest, put_int, put_value,
};
use super::cluster;
use super::command::{FIRST, USUAL_BYTES, settle};
use super::handle::Target;
use super::reply::{self, Shape};
use crate::op::{Answer, Route};
use crate::proto::resp::Commands;
use crate::script::ffi::{Call, Fault, Finish, Start};
use crate::script::stores::pools::Uploaded;
use sha1::{Digest, Sha1};
use std::borrow::Cow;
use std::ffi::c_int;
use std::sync::Arc;

/// `redis_upload_script(handle, source[, name])` → the digest.
pub fn upload(call: &Call<'_>) -> Result<Start, Fault> {
    settle(call, || {
        let target = Target::of(call)?;
        let source = call.string(FIRST)?.into_owned();
        let name = if call.is_none_or_nil(FIRST + 1) {
            None
        } else {
            Some(call.string(FIRST + 1)?.into_owned())
        };
        let commands = load(&source);
        let finish =
            move |call: &Call<'_>, answer| Ok(Start::Done(remember(call, &answer, name, source)));
        Ok(target.ask(call, Route::Write, commands, Finish::Boxed(Box::new(finish))))
    })
}

/// `redis_run_script(handle, source, name, keys, args | arg, …)`: by name if there is one, else
/// from its source.
pub fn run(call: &Call<'_>) -> Result<Start, Fault> {
    settle(call, || {
        let target = Target::of(call)?;
        let mut commands = Commands::with_capacity(USUAL_BYTES);
        let script = Script::of(call, FIRST)?;
        script.encode(call, FIRST + 2, target.is_cluster, true, &mut commands)?;
        let finish = match script {
            Script::Source(_) => Finish::Plain(reply::finish, Shape::Any.note()),
            Script::Named(script) => {
                let again = commands.clone();
                Finish::Boxed(Box::new(move |call, answer| {
                    Ok(finish_named(call, &answer, target, &script, again))
                }))
            }
        };
        Ok(target.ask(call, Route::Write, commands, finish))
    })
}

/// The script of a pipeline's command; its arguments begin with the source. A named one is sent
/// from its source, too: a NOSCRIPT in the middle could not be mended without changing the order of
/// the commands.
pub fn encode_in_pipeline(
    call: &Call<'_>,
    first: c_int,
    is_cluster: bool,
    out: &mut Commands,
) -> Result<(), Refused> {
    Script::of(call, first)?.encode(call, first + 2, is_cluster, false, out)
}

/// What is to be run.
enum Script<'a> {
    Source(Cow<'a, [u8]>),
    Named(Arc<Uploaded>),
}

impl<'a> Script<'a> {
    /// Reads source and name.
    fn of(call: &'a Call<'_>, source: c_int) -> Result<Script<'a>, Refused> {
        let name = if call.is_none_or_nil(source + 1) {
            Default::default()
        } else {
            call.string(source + 1)?
        };
        if name.is_empty() {
            return Ok(Script::Source(call.string(source)?));
        }
        let script = call.services().redis.script(&name);
        let unknown = || {
            Refused::answer(format!(
                "could not find script with name {}",
                String::from_utf8_lossy(&name)
            ))
        };
        script.map(Script::Named).ok_or_else(unknown)
    }

    /// Appends the call of the script; `keys` is the index of its keys, behind which its arguments
    /// are.
    fn encode(
        &self,
        call: &Call<'_>,
        keys: c_int,
        is_cluster: bool,
        by_digest: bool,
        out: &mut Commands,
    ) -> Result<(), Refused> {
        call.table(keys)?;
        let args = keys + 1;
        let key_count = count_pairs(call, keys);
        out.begin(3 + key_count + count_rest(call, args));
        match self {
            Script::Named(script) if by_digest => {
                out.arg(b"EVALSHA");
                out.arg(&script.sha1);
            }
            Script::Named(script) => put_eval(&script.source, out),
            Script::Source(source) => put_eval(source, out),
        }
        put_int(i64::try_from(key_count).unwrap_or(i64::MAX), out);
        if is_cluster && key_count > 1 {
            cluster::put_keys(call, keys, out)?;
        } else {
            each_member(call, keys, |call, at| put_value(call, at, out))?;
        }
        each_of_rest(call, args, |call, at| put_value(call, at, out))
    }
}

fn put_eval(source: &[u8], out: &mut Commands) {
    out.arg(b"EVAL");
    out.arg(source);
}

fn load(source: &[u8]) -> Commands {
    Commands::one(&[b"SCRIPT", b"LOAD", source])
}

/// Finishes an upload. What Redis refuses is not remembered; what it was not there to see is, by
/// the digest that it will give.
fn remember(call: &Call<'_>, answer: &Answer, name: Option<Vec<u8>>, source: Vec<u8>) -> c_int {
    let sha1 = match answer {
        Answer::Reply(reply) => reply.view().as_bytes().map(<[u8]>::to_vec),
        _ => Some(hex::encode(Sha1::digest(&source)).into_bytes()),
    };
    if let (Some(name), Some(sha1)) = (name, sha1)
        && let Err(error) = call.services().redis.remember_script(&name, Uploaded { sha1, source })
    {
        return call.nil_and(error.to_string());
    }
    results(call, answer)
}

/// Hands the result on, unless Redis does not know the script: then it is loaded and `again` sent,
/// once.
fn finish_named(
    call: &Call<'_>,
    answer: &Answer,
    target: Target,
    script: &Uploaded,
    again: Commands,
) -> Start {
    let is_unknown = matches!(answer, Answer::Reply(reply) if reply.as_error().is_some_and(|text| text.starts_with(b"NOSCRIPT")));
    if !is_unknown {
        return done(call, answer);
    }
    let run_again = move |call: &Call<'_>, loaded: Answer| {
        Ok(match &loaded {
            Answer::Reply(reply) if reply.as_error().is_none() => target.ask(
                call,
                Route::Write,
                again,
                Finish::Plain(reply::finish, Shape::Any.note()),
            ),
            failed => done(call, failed),
        })
    };
    target.ask(call, Route::Write, load(&script.source), Finish::Boxed(Box::new(run_again)))
}

fn done(call: &Call<'_>, answer: &Answer) -> Start {
    Start::Done(results(call, answer))
}

fn results(call: &Call<'_>, answer: &Answer) -> c_int {
    match answer {
        Answer::Reply(reply) => Shape::Any.results(call, reply.view()),
        other => call.nil_and(reply::failure(other)),
    }
}
