//! Upstream connections as ops: the worker holds the connection, and its opener drives it by a
//! [`Handle`].
//!
//! At most one op of a connection is outstanding. Dropping the handle closes the connection.
//! [`UpstreamConnection`](crate::upstream::connection::UpstreamConnection) is the comfortable end of it.

use crate::address::Address;
use crate::tls::ClientTls;
use std::cell::RefCell;
use std::rc::Rc;

/// What to do with a connection.
#[derive(Debug)]
pub enum ConnectionOp {
    /// Connect; answered by [`Answer::Opened`](super::Answer::Opened).
    Open(Address),
    /// Speak TLS from here on, the certificate being for that name; answered when the handshake is
    /// through.
    StartTls(ConnectionId, ClientTls, String),
    /// Answered when the kernel has taken all of it.
    Send(ConnectionId, Vec<u8>),
    /// Answered when something has come, which is put behind what the buffer holds; nothing new
    /// means that the peer sends no more.
    Receive(ConnectionId, Vec<u8>),
    /// Whether an idle connection may be used again; answered at once.
    Check(ConnectionId),
}

/// Names a connection of one worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConnectionId(pub u64);

/// The right to one connection; dropping it closes the connection at the end of the turn.
#[derive(Debug)]
pub struct Handle {
    id: ConnectionId,
    dropped: Dropped,
}

impl Handle {
    pub fn new(id: ConnectionId, dropped: Dropped) -> Handle {
        Handle { id, dropped }
    }

    pub fn id(&self) -> ConnectionId {
        self.id
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.dropped.0.borrow_mut().push(self.id);
    }
}

/// The connections whose handles are gone; the worker closes them.
#[derive(Clone, Debug, Default)]
pub struct Dropped(Rc<RefCell<Vec<ConnectionId>>>);

impl Dropped {
    /// Those that were dropped since the last call.
    pub fn take(&self) -> Vec<ConnectionId> {
        if self.0.borrow().is_empty() { Vec::new() } else { self.0.take() }
    }
}
