//! `redis_mget` and `redis_hmget`: the reply is a list, the result a table under the names that
//! were asked for.

use super::arguments::each_of_rest;
use super::command::{Command, FIRST, Form};
use super::reply::{self, Shape, push_any};
use crate::op::Answer;
use crate::proto::resp::View;
use crate::script::ffi::{Call, Fault, Finish, Start};
use std::ffi::c_int;

/// Starts `command` and remembers the texts of its list until the reply is there.
pub fn start(command: &'static Command, call: &Call<'_>) -> Result<Start, Fault> {
    command.start_with(call, || {
        let names = names(command, call);
        Finish::Boxed(Box::new(move |call, answer| Ok(Start::Done(finish(call, &answer, &names)))))
    })
}

/// What the command was just encoded with, in the same order.
fn names(command: &Command, call: &Call<'_>) -> Vec<Vec<u8>> {
    let mut names = Vec::new();
    if let Form::List(args, ..) = command.form {
        // They have been encoded already, so none is refused now.
        let _ = each_of_rest(call, FIRST + args.len() as c_int, |call, at| {
            names.push(call.string(at)?.into_owned());
            Ok(())
        });
    }
    names
}

fn finish(call: &Call<'_>, answer: &Answer, names: &[Vec<u8>]) -> c_int {
    let view = match answer {
        Answer::Reply(reply) => reply.view(),
        other => return call.nil_and(reply::failure(other)),
    };
    let View::Array(items) = view else { return Shape::Any.results(call, view) };
    call.push_table(0, names.len());
    let table = call.len();
    for (name, item) in names.iter().zip(items) {
        call.push_string(name);
        if push_any(call, item) {
            call.set_pair(table);
        } else {
            call.pop(1);
        }
    }
    call.and_nil()
}
