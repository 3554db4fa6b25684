//! The sections: one struct and one file each, field names as the keys are written, every default
//! in `Default`.
//!
//! A key is documented at its field; `config/loligo.yml` is the same for operators.

pub mod brute_force;
pub mod caller_auth;
pub mod dns;
pub mod headers;
pub mod http;
pub mod insights;
pub mod ldap;
pub mod listener_tls;
pub mod listeners;
pub mod log;
pub mod lua;
pub mod monitoring;

pub mod rbl;
pub mod redis;
pub mod relay_domains;
pub mod server;
pub mod timeouts;
pub mod tls;
