//! HTTP for scripts and for the server itself: a request in, a response out.
//!
//! ```text
//! let request = Request::post("https://api.example.org/x", "application/json", body)?.timeout(Duration::from_secs(5));
//! let response = client.send(&ops, request).await?;              // inside a subtask
//! let op = client.op(request);                                   // as an op: client.outcome(answer, &label)
//! ```
//!
//! Connects (by name, through a proxy, with TLS), keeps connections for the next request, follows
//! redirects, keeps cookies if given a [`Jar`], uncompresses. Owns this worker's idle connections.
//! An answer of any status is a success; failures are [`Error`]s, whose texts scripts see. Runs as
//! a subtask: who asked and is gone takes the connection along. Called by the Lua modules and
//! whatever else speaks HTTP. Rules: RFC 9110, 9112, 6265. Bounds: [`Request::timeout`] for
//! everything up to the body's last byte,
//! [`ResponseLimits`](crate::proto::http::client::ResponseLimits), [`REDIRECTS_MAX`], the
//! [`Limits`](Settings::limits) of the pool.
//!
//! ```text
//! request.rs    Request, Response          client.rs    Client: redirects, cookies, gzip
//! error.rs      Error and its texts        exchange.rs  one request on one connection
//! redirect.rs   what a redirect asks for   connect.rs   connections: direct, proxied, TLS, idle ones
//! proxy.rs      which proxy for which URL  cookies.rs   Jar
//! settings.rs   what an operator may set
//! ```

mod client;
mod connect;
mod cookies;
mod error;
mod exchange;
mod proxy;
mod redirect;
mod request;
mod settings;

pub use client::{Client, REDIRECTS_MAX};
pub use cookies::Jar;
pub use error::{Cause, Error, Label};
pub use proxy::{Environment, NoProxy, Proxies, Proxy, ProxyError};
pub use request::{Redirects, Request, RequestError, Response};
pub use settings::{Settings, Tls, limits, share};
