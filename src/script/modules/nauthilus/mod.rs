//! Modules of the `nauthilus_` family: what a script learns of its login and changes in it, and the
//! state that logins share.

pub mod backend;
pub mod brute_force;
pub mod cache;
pub mod context;
pub mod http_request;
pub mod http_response;
pub mod misc;
pub mod neural;
pub mod password;
pub mod redis;
pub mod soft_whitelist;
