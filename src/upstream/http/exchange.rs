//! One request and its response on one connection.

use super::error::Cause;
use crate::op::{Failure, Ops};
use crate::proto::http::client::{Asked, Decoded, ResponseDecoder, ResponseError, ResponseLimits};
use crate::upstream::connection::UpstreamConnection;
use std::time::{Duration, Instant};

/// The time that a request has, all its waits together.
pub(super) struct Clock<'a> {
    pub(super) ops: &'a Ops,
    until: Instant,
}

impl<'a> Clock<'a> {
    pub(super) fn new(ops: &'a Ops, limit: Duration) -> Clock<'a> {
        let until =
            ops.now().checked_add(limit).map_or(ops.deadline(), |until| until.min(ops.deadline()));
        Clock { ops, until }
    }

    /// How much of it is left.
    pub(super) fn left(&self) -> Result<Duration, Cause> {
        let left = self.until.saturating_duration_since(self.ops.now());
        if left.is_zero() { Err(Cause::Deadline) } else { Ok(left) }
    }

    /// What a failure means: whatever fails when the time is over fails for that.
    pub(super) fn cause(&self, failure: Failure) -> Cause {
        self.left().err().unwrap_or_else(|| failure.into())
    }
}

/// An exchange that came to nothing.
pub(super) struct Broken {
    pub(super) cause: Cause,
    /// The connection had ended before anything of a response came: an idle one, that the server
    /// closed as we took it.
    pub(super) is_stale: bool,
}

/// Sends `bytes`, the request, and takes in the response.
pub(super) async fn exchange(
    connection: &mut UpstreamConnection,
    clock: &Clock<'_>,
    bytes: Vec<u8>,
    asked: Asked,
    limits: ResponseLimits,
) -> Result<Decoded, Broken> {
    let broken = |failure: Failure| {
        let is_stale = matches!(failure, Failure::Closed(_));
        Broken { cause: clock.cause(failure), is_stale }
    };
    connection.send(clock.ops, bytes, clock.left()?).await.map_err(broken)?;
    let mut decoder = ResponseDecoder::new(asked, limits);
    loop {
        let fed = decoder.feed(connection.input())?;
        connection.consume(fed.consumed);
        if fed.complete {
            break;
        }
        let has_begun = decoder.has_begun() || !connection.input().is_empty();
        let received = connection.receive(clock.ops, clock.left()?).await.map_err(|failure| {
            let Broken { cause, is_stale } = broken(failure);
            Broken { cause, is_stale: is_stale && !has_begun }
        })?;
        if !received {
            decoder.finish(has_begun)?;
            break;
        }
    }
    let decoded = decoder.decoded().ok_or(ResponseError::CutShort)?;
    // What came unasked behind a response would be taken for the answer to the next request.
    let reusable = decoded.reusable && connection.input().is_empty();
    Ok(Decoded { reusable, ..decoded })
}

impl From<Cause> for Broken {
    fn from(cause: Cause) -> Broken {
        Broken { cause, is_stale: false }
    }
}

impl From<ResponseError> for Broken {
    fn from(error: ResponseError) -> Broken {
        Broken { is_stale: error == ResponseError::NoResponse, cause: error.into() }
    }
}
