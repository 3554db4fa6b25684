//! Channels as ops: a connection that the worker holds, and that whoever opened it drives by a
//! [`Handle`].
//!
//! At most one op of a channel is outstanding. Dropping the handle closes the connection.
//! [`Channel`](crate::upstream::channel::Channel) is the comfortable end of it.

use crate::address::Address;
use crate::tls::ClientTls;
use std::cell::RefCell;
use std::rc::Rc;

/// What to do with a connection.
#[derive(Debug)]
pub enum ChannelOp {
    /// Connect; answered by [`Answer::Opened`](super::Answer::Opened).
    Open(Address),
    /// Speak TLS from here on, the certificate being for that name; answered when the handshake is
    /// through.
    StartTls(ChannelId, ClientTls, String),
    /// Answered when the kernel has taken all of it.
    Send(ChannelId, Vec<u8>),
    /// Answered when something has come, which is put behind what the buffer holds; nothing new
    /// means that the peer sends no more.
    Receive(ChannelId, Vec<u8>),
    /// Whether an idle connection may be used again; answered at once.
    Check(ChannelId),
}

/// Names a channel of one worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ChannelId(pub u64);

/// The right to one connection; dropping it closes the connection at the end of the turn.
#[derive(Debug)]
pub struct Handle {
    id: ChannelId,
    dropped: Dropped,
}

impl Handle {
    pub fn new(id: ChannelId, dropped: Dropped) -> Handle {
        Handle { id, dropped }
    }

    pub fn id(&self) -> ChannelId {
        self.id
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.dropped.0.borrow_mut().push(self.id);
    }
}

/// The channels whose handles are gone; the worker closes them.
#[derive(Clone, Debug, Default)]
pub struct Dropped(Rc<RefCell<Vec<ChannelId>>>);

impl Dropped {
    /// Those that were dropped since the last call.
    pub fn take(&self) -> Vec<ChannelId> {
        if self.0.borrow().is_empty() { Vec::new() } else { self.0.take() }
    }
}
