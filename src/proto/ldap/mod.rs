//! LDAP version 3, the client's half: requests out, responses in.
//!
//! Pure: no socket, no clock. Fed by `upstream::ldap`. Rules: RFC 4511 (messages; its 5.1 narrows
//! BER so far that a page of code reads it), RFC 4515 (filters as text). Bounds:
//! [`MESSAGE_BYTES_MAX`], [`FILTER_DEPTH_MAX`]; no reader here calls itself on what a server sent.

mod ber;
mod filter;
mod message;

pub use ber::Malformed;
pub use filter::{FILTER_DEPTH_MAX, FilterError, compose_filter};
pub use message::{
    LdapResult, MESSAGE_BYTES_MAX, Message, Modify, Operation, Request, Response, Scope, Search,
    compose, message_length, parse,
};
