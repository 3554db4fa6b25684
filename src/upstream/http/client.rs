//! Client: what asks, and keeps connections for the next time.

use super::connect::Target;
use super::error::{Cause, Error, Label};
use super::exchange::{Clock, exchange};
use super::redirect::Hop;
use super::request::{Request, Response, basic};
use super::settings::Settings;
use crate::op::{Answer, BlockingJob, Op, Ops, Subtask};
use crate::proto::http::client::{Asked, Decoded, GzipError, Headers, RequestHead, gunzip};
use crate::upstream::connection::UpstreamConnection;
use crate::upstream::pool::Pool;
use crate::upstream::semaphore::{Permit, Semaphore};
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

/// One worker's HTTP client. Cheap to clone; clones share the idle connections.
#[derive(Clone, Debug)]
pub struct Client(Rc<Shared>);

#[derive(Debug)]
struct Shared {
    settings: Arc<Settings>,
    idle: RefCell<Pool<Target, UpstreamConnection>>,
    /// Where the operator has set how many connections a host may have.
    semaphores: RefCell<HashMap<Target, Semaphore>>,
}

impl Client {
    pub fn new(settings: Arc<Settings>) -> Client {
        let idle = RefCell::new(Pool::new(settings.limits));
        Client(Rc::new(Shared { settings, idle, semaphores: RefCell::default() }))
    }

    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// How many connections are idle.
    pub fn idle(&self) -> usize {
        self.0.idle.borrow().len()
    }

    /// Asks, as a subtask of its own; [`Client::outcome`] reads its answer.
    pub fn op(&self, request: Request) -> Op {
        let client = self.clone();
        Op::Run(Subtask::new(move |ops| async move { client.send(&ops, request).await }))
    }

    /// What came of an op. `label` is the request's ([`Request::label`]).
    ///
    /// # Errors
    /// As [`Client::send`].
    pub fn outcome(answer: Answer, label: &Label) -> Result<Response, Error> {
        answer
            .done::<Result<Response, Error>>()
            .unwrap_or_else(|failure| Err(label.error(failure.into())))
    }

    /// Asks, and follows redirects, within the request's time and the caller's.
    ///
    /// # Errors
    /// [`Error`]: there is no response. One with an error status is none.
    pub async fn send(&self, ops: &Ops, mut request: Request) -> Result<Response, Error> {
        let clock = Clock::new(ops, request.timeout);
        let (headers, body) = (std::mem::take(&mut request.headers), request.body.take());
        let mut hop =
            Hop { method: request.method.clone(), url: request.url.clone(), headers, body };
        for _ in 0..=REDIRECTS_MAX {
            let failed = |cause| Label::new(&request.method, &hop.url).error(cause);
            let answer = self.ask(&clock, &request, &hop).await.map_err(failed)?;
            if let Some(jar) = &request.jar {
                jar.keep(&hop.url, answer.head.headers.all("Set-Cookie"));
            }
            match hop.next(request.redirects, &answer.head).map_err(failed)? {
                Some(next) => hop = next,
                None => {
                    return Ok(Response {
                        status: answer.head.status,
                        headers: answer.head.headers,
                        body: answer.body,
                        url: hop.url,
                    });
                }
            }
        }
        Err(Label::new(&request.method, &hop.url).error(Cause::Redirects(REDIRECTS_MAX)))
    }

    /// One request of possibly several, its answer uncompressed.
    async fn ask(&self, clock: &Clock<'_>, request: &Request, hop: &Hop) -> Result<Decoded, Cause> {
        let target = Target::of(&hop.url, request, &self.0.settings)?;
        let (headers, asks_gzip) = headers(request, hop, &target);
        let whole_url;
        let path = hop.url.target();
        let asked_for = if target.plain_proxy().is_some() {
            whole_url = format!("{}://{}{path}", hop.url.scheme, hop.url.authority());
            &whole_url
        } else {
            &path
        };
        let authority = hop.url.authority();
        let head = RequestHead {
            method: &hop.method,
            target: asked_for,
            host: &authority,
            headers: &headers,
        };
        let body = hop
            .body
            .as_deref()
            .or(matches!(hop.method.as_str(), "POST" | "PUT" | "PATCH").then_some(&[]));
        let bytes = head.compose(body)?;
        let keep = !headers.has_token("Connection", "close");
        // A server knows by the key that it is the same request once more.
        let may_repeat = is_idempotent(&hop.method)
            || headers.contains("Idempotency-Key")
            || headers.contains("X-Idempotency-Key");
        let mut answer = self
            .exchange(clock, request, target, bytes, (Asked::by(&hop.method), keep, may_repeat))
            .await?;
        if asks_gzip && answer.head.headers.has_token("Content-Encoding", "gzip") {
            answer.body = uncompressed(clock, answer.body, request.limits.body_bytes_max).await?;
            answer.head.headers.remove("Content-Encoding");
            answer.head.headers.remove("Content-Length");
        }
        Ok(answer)
    }

    /// On an idle connection if there is one, else on a new one; on a new one too if the idle one
    /// turns out to be closed and the request may be repeated.
    async fn exchange(
        &self,
        clock: &Clock<'_>,
        request: &Request,
        target: Target,
        bytes: Vec<u8>,
        (asked, keep, may_repeat): (Asked, bool, bool),
    ) -> Result<Decoded, Cause> {
        let _permit = self.enter(clock, &target).await?;
        let idle = self.take_idle(clock, &target).await;
        let (mut connection, spare) = match idle {
            Some(connection) => (connection, may_repeat.then(|| bytes.clone())),
            None => (target.open(clock).await?, None),
        };
        let mut outcome = exchange(&mut connection, clock, bytes, asked, request.limits).await;
        if let (Err(broken), Some(bytes)) = (&outcome, spare)
            && broken.is_stale
        {
            connection = target.open(clock).await?;
            outcome = exchange(&mut connection, clock, bytes, asked, request.limits).await;
        }
        let decoded = outcome.map_err(|broken| broken.cause)?;
        if decoded.reusable && keep {
            self.0.idle.borrow_mut().put(target, connection, clock.ops.now());
        }
        Ok(decoded)
    }

    /// Waits until the target may have one more connection in use. What it has idle is used first,
    /// so that it never has more than that.
    async fn enter(&self, clock: &Clock<'_>, target: &Target) -> Result<Option<Permit>, Cause> {
        let permits = self.0.settings.per_host_max;
        if permits == 0 {
            return Ok(None);
        }
        let semaphore = {
            let mut semaphores = self.0.semaphores.borrow_mut();
            if semaphores.len() >= GATES_MAX {
                semaphores.retain(|_, semaphore| !semaphore.is_unused());
            }
            semaphores.entry(target.clone()).or_insert_with(|| Semaphore::new(permits)).clone()
        };
        let entered = semaphore.acquire(clock.ops, clock.left()?).await;
        entered.map(Some).map_err(|failure| clock.cause(failure))
    }

    async fn take_idle(&self, clock: &Clock<'_>, target: &Target) -> Option<UpstreamConnection> {
        loop {
            let connection = self.0.idle.borrow_mut().take(target, clock.ops.now())?;
            if connection.is_fresh(clock.ops).await {
                return Some(connection);
            }
        }
    }
}

/// The headers of a request, with those that are ours to add; and whether we ask for compression.
fn headers(request: &Request, hop: &Hop, target: &Target) -> (Headers, bool) {
    let mut headers = hop.headers.clone();
    match headers.get("User-Agent") {
        Some(b"") => headers.remove("User-Agent"),
        Some(_) => {}
        None => headers.set("User-Agent", USER_AGENT),
    }
    if let Some(user) = hop.url.user.as_ref().filter(|_| !headers.contains("Authorization")) {
        let password = user.password.clone().unwrap_or_default();
        headers.set("Authorization", basic(user.name.expose(), password.expose()).expose());
    }
    if let Some(cookies) = request.jar.as_ref().and_then(|jar| jar.header(&hop.url)) {
        let own = headers.get("Cookie").map(|own| [own, b"; "].concat()).unwrap_or_default();
        headers.set("Cookie", [&own, cookies.as_bytes()].concat());
    }
    if let Some(proxy) = target.plain_proxy().filter(|proxy| !proxy.authorization.is_empty()) {
        headers.set("Proxy-Authorization", proxy.authorization.expose());
    }
    let asks_gzip =
        !headers.contains("Accept-Encoding") && !headers.contains("Range") && hop.method != "HEAD";
    if asks_gzip {
        headers.set("Accept-Encoding", "gzip");
    }
    (headers, asks_gzip)
}

/// A compressed body's content; on a helper thread, unless it cannot be much.
async fn uncompressed(
    clock: &Clock<'_>,
    body: Vec<u8>,
    bytes_max: usize,
) -> Result<Vec<u8>, Cause> {
    if body.len() <= GUNZIP_AT_ONCE_MAX {
        return Ok(gunzip(&body, bytes_max)?);
    }
    let work = Op::Blocking(BlockingJob::new(move || gunzip(&body, bytes_max)));
    let done = clock.ops.ask(work, clock.left()?).await.done::<Result<Vec<u8>, GzipError>>();
    Ok(done.map_err(|failure| clock.cause(failure))??)
}

/// RFC 9110 9.2.2: what may be sent again, should the first have been carried out.
fn is_idempotent(method: &str) -> bool {
    matches!(method, "GET" | "HEAD" | "OPTIONS" | "TRACE" | "PUT" | "DELETE")
}

/// Redirects that are followed; one more is an error.
pub const REDIRECTS_MAX: usize = 10;

/// Targets whose connections are counted before those that are not in use any more are forgotten.
const GATES_MAX: usize = 1024;

/// Who we say we are, unless the request says otherwise.
const USER_AGENT: &str = concat!("loligo/", env!("CARGO_PKG_VERSION"));

/// Compressed bytes that are uncompressed on the loop: they can grow a thousandfold, which takes
/// some milliseconds.
const GUNZIP_AT_ONCE_MAX: usize = 4 << 10;

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
