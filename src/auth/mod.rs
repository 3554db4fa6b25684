//! The domain: what a login is, how it is decided. Names no socket, no clock, no Lua.
//!
//! [`request`] is what the client asked, [`login`] what the pipeline knows about it so far,
//! [`verdict`] how it ends; [`scripts`] is the door to the operator's scripts (the Lua host, or a
//! test's script of answers); [`pipeline`] reads like the manual: the stages in order.

mod accounts;
mod actions;
pub mod admin;
pub mod attributes;
mod backends;
pub mod brute_force;
pub mod cache;
pub mod caller;
mod effects;
mod features;
mod filters;
pub mod login;
pub mod mfa;
pub mod pipeline;
pub mod policy;
pub mod positive_cache;
pub mod rate_limit;
pub mod report;
pub mod request;
pub mod run;
pub mod scripts;
pub mod session;
#[cfg(test)]
mod tests;
mod user;
pub mod verdict;
