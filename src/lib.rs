//! Loligo, an authentication server for mail systems: may this user log in?
//!
//! ```text
//! process    cli
//!            server
//! loop       worker
//! resolved   process
//!            epoch
//! shells     script (names mlua)
//!            upstream (links and clients over proto)
//!            reactor (names mio)
//! cores      dialect · frontend
//!            auth
//!            state
//!            op
//!            proto
//! base       config · log · metrics · trace
//!            password · tls
//!            address · files · masking · secret · time · value
//! ```
//!
//! One [`worker`] accepts a request and serves it to its end: a [`frontend`] session finds it in the
//! byte stream, [`dialect`] reads it into an [`auth::request::Request`], the [`auth`] pipeline
//! decides with the operator's Lua scripts ([`script`]), which wait for other services through
//! [`op`] and [`upstream`], and [`dialect`] writes the verdict as bytes. ARCHITECTURE.md has the
//! reasons.

pub mod address;
pub mod auth;
pub mod cli;
pub mod config;
pub mod dialect;
pub mod epoch;
pub mod files;
pub mod frontend;
pub mod log;
pub mod masking;
pub mod metrics;
pub mod op;
pub mod password;
pub mod process;
pub mod proto;
pub mod reactor;
pub mod script;
pub mod secret;
pub mod server;
pub mod state;
pub mod time;
pub mod tls;
pub mod trace;
pub mod upstream;
pub mod value;
pub mod worker;
