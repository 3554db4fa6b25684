//! A worker's share of a listener, and what is told of connections that are refused there.

use crate::metrics::Count;
use crate::process::seats::Seats;
use crate::proto::proxy::HeaderError;
use crate::reactor::Listener;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// One worker's share of a listener. Its place in the worker's list is its place in the epoch's.
pub struct Listening {
    pub socket: Listener,
    /// Shared with the other workers.
    pub seats: Arc<Seats>,
}

/// Why a connection is not served.
#[derive(Clone, Copy, Debug)]
pub(super) enum Refused {
    /// Its listener requires PROXY headers, and its peer is not a trusted proxy.
    Peer,
    Header(HeaderError),
    /// Its listener has as many as it may. It is closed at once, so that the client can try another
    /// server; in the kernel's queue it would wait behind connections that may be idle.
    Limit,
}

/// When refused connections were last logged, and how many there were since, by kind.
#[derive(Default)]
pub(super) struct RefusalLog {
    last: [Option<Instant>; Refused::KINDS],
    unlogged: [u64; Refused::KINDS],
}

impl RefusalLog {
    /// Whether this one is to be logged: how many there were since the last line, this one included.
    pub(super) fn next(&mut self, why: Refused, now: Instant) -> Option<u64> {
        let kind = why.index();
        let (last, unlogged) = (self.last.get_mut(kind)?, self.unlogged.get_mut(kind)?);
        *unlogged += 1;
        if last.is_some_and(|last| now < last + LOG_EVERY) {
            return None;
        }
        *last = Some(now);
        Some(std::mem::take(unlogged))
    }
}

impl Refused {
    const KINDS: usize = 3;

    fn index(self) -> usize {
        match self {
            Refused::Peer => 0,
            Refused::Header(_) => 1,
            Refused::Limit => 2,
        }
    }

    pub(super) fn count(self) -> Count {
        match self {
            Refused::Peer => Count::ConnectionsUntrusted,
            Refused::Header(_) => Count::ProxyHeadersRefused,
            Refused::Limit => Count::ConnectionsOverLimit,
        }
    }

    pub(super) fn text(self) -> &'static str {
        match self {
            Refused::Peer => {
                "connection closed: the listener requires PROXY headers, and the peer is not in server.trusted_proxies"
            }
            Refused::Header(_) => "connection refused: invalid PROXY header",
            Refused::Limit => "connection closed: the listener has reached max_connections",
        }
    }
}

/// Between two lines about refused connections of one kind: anybody can cause them.
const LOG_EVERY: Duration = Duration::from_secs(10);
