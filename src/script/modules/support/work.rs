//! Host functions that touch disks or children: the blocking half runs on a helper thread, the
//! script waits.

use crate::op::{BlockingJob, Failure, Op};
use crate::script::ffi::{Call, Fault, Finish, Start};
use std::any::Any;
use std::ffi::c_int;
use std::time::Duration;

/// Runs `body` on a helper thread; `finish` gets what it returned, or why it did not run (its time
/// was over, too much was queued).
pub fn on_helper<T: Any + Send>(
    body: impl FnOnce() -> T + Send + 'static,
    finish: impl FnOnce(&Call<'_>, Result<T, Failure>) -> Result<c_int, Fault> + 'static,
) -> Start {
    let finish = Finish::Boxed(Box::new(move |call: &Call<'_>, answer| {
        finish(call, answer.done()).map(Start::Done)
    }));
    Start::Wait { op: Op::Blocking(BlockingJob::new(body)), limit: Duration::MAX, finish }
}

/// As [`on_helper`], for what can only fail: nothing is returned, or the error's text.
pub fn only_error<E: std::fmt::Display + Any + Send>(
    body: impl FnOnce() -> Result<(), E> + Send + 'static,
) -> Start {
    on_helper(body, |call, done| Ok(push_error(call, done)))
}

/// Pushes nothing for success, else the error's text.
pub fn push_error<E: std::fmt::Display>(
    call: &Call<'_>,
    done: Result<Result<(), E>, Failure>,
) -> c_int {
    let text = match done {
        Ok(Ok(())) => return 0,
        Ok(Err(error)) => error.to_string(),
        Err(failure) => failure.to_string(),
    };
    call.push_string(text.as_bytes());
    1
}

/// What became of work that gives a value or an error text, with both kinds of failure as one.
pub fn flat<T, E: std::fmt::Display>(done: Result<Result<T, E>, Failure>) -> Result<T, String> {
    match done {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(error.to_string()),
        Err(failure) => Err(failure.to_string()),
    }
}
