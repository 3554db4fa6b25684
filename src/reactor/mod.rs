//! The shell over mio: everything one worker's loop needs of the operating system, and nothing that
//! it decides.
//!
//! ```text
//! Reactor   wait for readiness, register sockets            poll.rs
//! Token     what a readiness event is about: kind + Key     token.rs
//! Slots     where the things named by a Key live            slots.rs
//! Timers    a hashed wheel; cancelled by letting Keys go stale  timers.rs
//! Mailbox   values from other threads, one wake per nap     mailbox.rs
//! Listener  TCP (SO_REUSEPORT) and unix                     listener.rs
//! Stream    TCP or unix, plain or TLS: fill and flush       stream.rs
//! Datagram  UDP to one peer                                 datagram.rs
//! ```
//!
//! Called by `worker` only; names no protocol, no script, no configuration. This folder alone names
//! mio (a test of the crate holds that), so another poller would be a change of this folder. All of
//! it is edge-triggered: who is told that a socket is readable reads until [`Fill::WouldBlock`] or
//! until a short read, or remembers that there is more.

mod datagram;
mod listener;
mod mailbox;
mod occupant;
mod poll;
mod slots;
mod stream;
mod timers;
mod token;

pub use crate::address::{Address, AddressError};
pub use crate::tls::{
    CertificateFiles, ClientTls, ClientTlsSettings, ServerTls, TlsError, TlsVersion,
};
pub use datagram::Datagram;
pub use listener::{AcceptError, Access, Listener, PeerAddress};
pub use mailbox::{Mailbox, Sender, Waker, mailbox};
pub use poll::{Interest, Reactor, Readiness, Ready};
pub use slots::{Key, Slots};
pub use stream::{Fill, Flush, Handshake, Stream};
pub use timers::{TICK, Timers};
pub use token::{Kind, Token};
