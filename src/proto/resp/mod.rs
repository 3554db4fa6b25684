//! RESP, the protocol of Redis: commands out, replies in, of both versions (2 and 3).
//!
//! Pure: no socket, no clock. [`Commands`] and [`Reply`] are what an [`Op`](crate::op::Op) carries;
//! `upstream::redis` feeds the [`Decoder`]. A reply stays in its wire form and is looked at through
//! a [`View`]: one allocation per reply, none to walk it. Neither errors nor `Debug` of commands
//! and replies show content: it is password hashes and user data.
//! Rules: the RESP specification, redis.io. Bounds: [`REPLY_BYTES_MAX`], [`NESTING_MAX`],
//! [`LINE_BYTES_MAX`].

mod commands;
mod decoder;
mod frame;
mod reply;

pub use commands::{Command, Commands, Words};
pub use decoder::Decoder;
pub use frame::Error;
pub use reply::{Items, Reply, View};

/// Bytes of one reply. Redis itself allows 512 MiB, but the asker is a script whose state holds 64
/// MiB, or a stage that wants some bytes; a reply past that is a mistake (`KEYS *`) that must not
/// take the process with it.
pub const REPLY_BYTES_MAX: usize = 64 << 20;

/// Depth of arrays within arrays. Redis' own replies stay below ten; a reply is walked by recursion
/// in places.
pub const NESTING_MAX: usize = 32;

/// Bytes of a reply that is one line: a simple string, an error, a number.
pub const LINE_BYTES_MAX: usize = 64 << 10;
