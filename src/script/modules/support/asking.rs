//! Waiting functions that are async Rust: what the domain asks its state, asked by a script.
//!
//! A typed method of [`crate::state::Store`] may take several round trips; each becomes one wait of
//! the script. Allocates the future and a continuation per wait: for functions that are called now
//! and then, not for the Redis module.

use crate::op::{self, Driver, Ops};
use crate::script::ffi::{Call, Fault, Finish, Start};
use std::ffi::c_int;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// Runs `task` with an [`Ops`] of its own; `push` makes its output the function's results and says
/// how many they are.
pub fn ask<T: 'static, F: Future<Output = T> + 'static>(
    call: &Call<'_>,
    task: impl FnOnce(Ops) -> F,
    push: fn(&Call<'_>, T) -> Result<c_int, Fault>,
) -> Result<Start, Fault> {
    let now = Instant::now();
    // The script's own time ends it earlier.
    let (ops, driver) = op::slot(now, now + TIME_MAX);
    go_on(call, Box::pin(task(ops)), driver, push)
}

fn go_on<T: 'static>(
    call: &Call<'_>,
    mut task: Pin<Box<dyn Future<Output = T>>>,
    driver: Driver,
    push: fn(&Call<'_>, T) -> Result<c_int, Fault>,
) -> Result<Start, Fault> {
    let now = Instant::now();
    driver.set_now(now);
    if let Poll::Ready(output) = task.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        return push(call, output).map(Start::Done);
    }
    let Some((op, until)) = driver.take_op() else {
        return Err(Fault::message("a task waits for nothing"));
    };
    let finish = Finish::Boxed(Box::new(move |call, answer| {
        driver.put_answer(answer);
        go_on(call, task, driver, push)
    }));
    Ok(Start::Wait { op, limit: until.saturating_duration_since(now), finish })
}

/// Of all round trips together.
const TIME_MAX: Duration = Duration::from_secs(60);
