//! Wire forms: an HTTP request becomes an [`crate::auth::request::Request`], a verdict becomes the
//! bytes of an answer.
//!
//! Pure: no socket, no clock, no Lua. The worker calls, in this order, [`route::route`],
//! [`input::parse`] and, when the pipeline has come to its verdict, [`answer::compose`] (or
//! [`list_accounts::compose`], [`hook::compose`], [`fixed`]). Nothing else in the crate knows a
//! status code, a header name or a body.
//!
//! What the clients really do, and what therefore must not change:
//!
//! - **nginx** (mail proxy) skips our status line and our body, reads the head into a buffer of
//!   1,024 bytes, escapes the credentials it sends (`%20`, `%25`), and wants an address and a port
//!   beside `Auth-Status: OK`.
//! - **Dovecot** (its Lua passdb) posts JSON with `Expect: 100-continue`, takes the account from
//!   `Auth-User` and its extra fields from `attributes.NAME[1]`; 200, 403 and anything else are
//!   right, wrong and "try again".
//! - **saslauthd** (httpform) posts a form and looks at nothing but the status line, which must
//!   hold a reason phrase.
//! - **nginx** (`auth_request`) passes the user's own `Authorization` on to the service `basic`:
//!   200, 401 and 403 decide.
//! - **HAProxy** sends TLS facts as headers, in lower case, empty ones too.

pub mod admin;
pub mod answer;
mod attributes;
pub mod bans;
mod basic;
pub mod caller;
pub mod envelope;
pub mod fixed;
pub mod forwarded;
mod headers;
pub mod hook;
pub mod input;
pub mod json;
pub mod jwt;
pub mod list_accounts;
pub mod mfa;
pub mod overload;
pub mod rejection;
pub mod route;
pub mod settings;

#[cfg(test)]
mod golden;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod testing;
