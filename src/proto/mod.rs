//! Sans-I/O codecs: bytes in, values out. No socket, no clock; each is fuzzed and gives the same
//! for every split of its input.

pub mod dns;
pub mod http;
pub mod ldap;
pub mod proxy;
pub mod resp;
pub mod smtp;
pub mod sql;
pub mod url;
