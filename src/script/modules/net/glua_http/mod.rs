//! `glua_http`: HTTP requests, the module that features and filters ask their services with.
//!
//! ```text
//! get(url[, options])   delete head patch post put likewise   → response, or nil, err
//! request(method, url[, options])                             the method in any case; empty: GET
//! request_batch({ { method, url[, options] }, … })            all at once → responses; or responses, errors, each at its entry's place
//! ```
//!
//! An answer with an error status is a response. Nothing raises but a batch that is no table or too
//! large. Options (`options.rs`): `headers body form query timeout cookies auth`. A response
//! (`response.rs`) has `status_code headers cookies body body_size url`. Redirects are followed,
//! but for those that would have a body sent again; 60 s are the limit for each request. As the
//! original, it says that it is `Go-http-client/1.1` unless told otherwise. Rules:
//! `lua/modules/glua_http.md`. Bounds: [`BATCH_MAX`], [`BATCH_BYTES_MAX`]; those of
//! `upstream::http`.

mod options;
mod response;
#[cfg(test)]
mod tests;

use crate::op::{Answer, Op};
use crate::script::ffi::{Call, Fault, Finish, Function, Kind, Start, Waiting};
use crate::script::modules::Module;
use crate::upstream::http::{Client, Error, Label, Request, Response};
use options::text;
use std::time::Duration;

pub static MODULE: Module = Module {
    names: &["glua_http"],
    functions: &[],
    waiting: &[
        Waiting { name: "get", start: |call| verb(call, "GET") },
        Waiting { name: "delete", start: |call| verb(call, "DELETE") },
        Waiting { name: "head", start: |call| verb(call, "HEAD") },
        Waiting { name: "patch", start: |call| verb(call, "PATCH") },
        Waiting { name: "post", start: |call| verb(call, "POST") },
        Waiting { name: "put", start: |call| verb(call, "PUT") },
        Waiting { name: "request", start: request },
        Waiting { name: "request_batch", start: request_batch },
    ],
    setup: Some(&SETUP),
    lua: None,
};

static SETUP: Function = Function {
    name: "glua_http",
    body: |call| {
        response::register(call)?;
        Ok(0)
    },
};

fn verb(call: &Call<'_>, method: &str) -> Result<Start, Fault> {
    Ok(ask(call, options::request(call, method, 1, 2)))
}

fn request(call: &Call<'_>) -> Result<Start, Fault> {
    let method = method(call, 1);
    Ok(ask(call, options::request(call, &method, 2, 3)))
}

fn ask(call: &Call<'_>, request: Result<Request, String>) -> Start {
    let request = match request {
        Ok(request) => request,
        Err(error) => return Start::Done(call.nil_and(error)),
    };
    let label = request.label();
    let op = call.services().http.op(request);
    let finish = Finish::Boxed(Box::new(move |call: &Call<'_>, answer| {
        match Client::outcome(answer, &label) {
            Ok(response) => response::push(call, response).map(|()| 1),
            Err(error) => Ok(call.nil_and(error.to_string())),
        }
        .map(Start::Done)
    }));
    Start::Wait { op, limit: Duration::MAX, finish }
}

/// `request_batch(list)`: errors at the places of what failed, as nil among the responses; a script
/// of the original's could not tell which was which, so none relies on its closing up.
fn request_batch(call: &Call<'_>) -> Result<Start, Fault> {
    call.table(1)?;
    let count = call.raw_len(1);
    if count > BATCH_MAX {
        return Err(Fault::Argument(1, format!("at most {BATCH_MAX} requests go out together")));
    }
    let share = (BATCH_BYTES_MAX / count.max(1)).max(SHARE_BYTES_MIN);
    let (mut asked, mut ops, mut sent_bytes) =
        (Vec::with_capacity(count), Vec::with_capacity(count), 0);
    for at in 1..=count {
        let request = entry(call, at);
        sent_bytes +=
            request.as_ref().map_or(0, |request| request.body.as_ref().map_or(0, Vec::len));
        if sent_bytes > BATCH_BYTES_MAX {
            return Err(Fault::Argument(
                1,
                "the bodies of the requests are too large together".into(),
            ));
        }
        asked.push(request.map(|mut request| {
            request.limits.body_bytes_max = request.limits.body_bytes_max.min(share);
            let label = request.label();
            ops.push(call.services().http.op(request));
            label
        }));
    }
    let finish = move |call: &Call<'_>, answer| push_batch(call, asked, answer).map(Start::Done);
    Ok(Start::Wait {
        op: Op::All(ops),
        limit: Duration::MAX,
        finish: Finish::Boxed(Box::new(finish)),
    })
}

/// The request of one entry of a batch.
fn entry(call: &Call<'_>, at: usize) -> Result<Request, String> {
    if call.push_index(1, at) != Kind::Table {
        call.pop(1);
        return Err("Request must be a table".into());
    }
    let entry = call.len();
    for member in 1..=3 {
        call.push_index(entry, member);
    }
    let request = options::request(call, &method(call, entry + 1), entry + 2, entry + 3);
    call.pop(4);
    request
}

/// `asked`: each entry's name in error texts, or why it was not asked.
fn push_batch(
    call: &Call<'_>,
    asked: Vec<Result<Label, String>>,
    answer: Answer,
) -> Result<i32, Fault> {
    let (mut answers, failure) = match answer {
        Answer::All(answers) => (answers.into_iter(), None),
        Answer::Failed(failure) => (Vec::new().into_iter(), Some(failure)),
        _ => (Vec::new().into_iter(), None),
    };
    let mut outcome = |label: &Label| -> Result<Response, Error> {
        let answer = answers.next().or_else(|| failure.clone().map(Answer::Failed));
        answer.map_or_else(
            || Err(label.error(crate::op::Failure::Deadline.into())),
            |answer| Client::outcome(answer, label),
        )
    };
    call.push_table(asked.len(), 0);
    let responses = call.len();
    let mut errors = Vec::new();
    for (at, label) in asked.into_iter().enumerate() {
        match label.and_then(|label| outcome(&label).map_err(|error| error.to_string())) {
            Ok(response) => {
                response::push(call, response)?;
                call.set_index(responses, at + 1);
            }
            Err(error) => errors.push((at + 1, error)),
        }
    }
    if errors.is_empty() {
        return Ok(1);
    }
    call.push_table(0, 0);
    let table = call.len();
    for (at, error) in errors {
        call.push_string(error.as_bytes());
        call.set_index(table, at);
    }
    Ok(2)
}

fn method(call: &Call<'_>, at: i32) -> String {
    String::from_utf8_lossy(&text(call, at)).to_uppercase()
}

/// Requests of one batch.
pub const BATCH_MAX: usize = 64;

/// Bytes of all bodies of a batch, those sent and those received each: half of what a Lua state may
/// hold by default.
const BATCH_BYTES_MAX: usize = 32 << 20;

/// What each response of a batch may have in any case.
const SHARE_BYTES_MIN: usize = 1 << 20;
