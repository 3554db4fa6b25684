//! The stub resolver: [`Resolver`] asks recursive name servers, so that nothing on a worker ever
//! waits for the system's resolver.
//!
//! ```text
//! resolver.rs      asks in, queries out; replies in, answers out; retries and time limits
//! lookup.rs        one question under way: which server, which try
//! names.rs         which names a question is about; what needs no server
//! cache.rs         answers for as long as their zones say
//! settings.rs      servers and search list: configuration and resolv.conf
//! hosts.rs         names that a file knows
//! host.rs          the addresses of a host, for clients of other protocols
//! ```
//!
//! Each worker has one. No sockets here: the worker opens one for each query and carries bytes
//! (`worker::upstreams::resolver`). What replies mean is `proto::dns`'s. Files are read at start and on
//! reload. Rules: RFC 1035, 2308, 5452, 6761 (6.3), 6891, 7766; resolv.conf(5), hosts(5).

mod cache;
mod host;
mod hosts;
mod lookup;
mod names;
mod resolver;
mod settings;

pub use host::{addresses, host_op, resolve_host};
pub use hosts::Hosts;
pub use resolver::{Command, QueryId, Resolver, Transport};
pub use settings::Settings;
