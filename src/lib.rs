//! Loligo, an authentication server for mail systems: may this user log in?
//!
//! ```text
//!  process   cli · server · process · epoch
//!  loop      worker
//!  shells    reactor (names mio) · script (names mlua) · upstream (links over proto)
//!  cores     dialect      over     auth · state · op      over     proto
//!  base      config · files · metrics · log · password · stores · time · trace · secret · value · address · tls
//! ```
//!
//! A request is accepted by one [`worker`] and never leaves it: [`proto::http`] cuts it out of the
//! byte stream, [`dialect`] reads it into an [`auth::request::Request`], the [`auth`] pipeline
//! decides with the operator's Lua scripts ([`script`]) and whatever they wait for ([`op`],
//! [`upstream`]), and [`dialect`] writes the verdict as bytes. ARCHITECTURE.md draws the picture.

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
