//! DNS messages of a stub resolver: questions out, replies in.
//!
//! Pure: no socket, no clock. `hickory-proto` reads and writes the messages; this module decides
//! which reply belongs to which question and what it says about it, and names of that crate stay in
//! here. Called by `upstream::dns`; [`Kind`] and [`Record`] are what an [`Op`](crate::op::Op) and
//! its answer carry. Rules: RFC 1035, 2181 (5, 8), 2308 (2, 5), 5452 (9), 6891. Bounds: a message
//! of 64 KiB (its length has 16 bits), [`ALIASES_MAX`].

mod name;
mod question;
mod record;
mod reply;

pub use name::{is_host_name, reversed};
pub use question::Question;
pub use record::{Kind, Record};
pub use reply::{Lie, Reply, parse_reply};

/// Aliases (CNAME) that are followed from one name. Chains in the wild have two or three; resolvers
/// stop between eight and sixteen.
pub const ALIASES_MAX: usize = 12;

/// The size of datagram that we tell servers we take. What is longer comes over TCP; this length
/// crosses every network unfragmented.
pub const DATAGRAM_BYTES_MAX: usize = 1232;
