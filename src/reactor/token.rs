//! Token: what a readiness event is about, in the one word that the poller carries for us.
//!
//! Layout, high to low: 8 bits kind, 24 bits generation, 32 bits index. A socket closed in the
//! middle of a turn may still have an event in the same batch; its generation keeps that event from
//! the next user of the slot.

use super::slots::{GENERATION_MASK, Key};

/// A registered thing: its kind chooses the table, its key the entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Token {
    pub kind: Kind,
    pub key: Key,
}

/// Which of the worker's tables a token belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// The reactor's own waker: a mailbox has something.
    Waker = 0,
    /// A listening socket.
    Listener = 1,
    /// A client's connection.
    Connection = 2,
    /// A lasting connection to an upstream (Redis, SQL).
    Link = 3,
    /// A connection opened for one op (HTTP, TCP, mail).
    Upstream = 4,
    /// A socket of the DNS resolver, for one query.
    Resolver = 5,
}

impl Token {
    pub const fn new(kind: Kind, key: Key) -> Token {
        Token { kind, key }
    }

    /// The word given to the poller.
    pub(super) const fn to_bits(self) -> u64 {
        (self.kind as u64) << 56
            | ((self.key.generation & GENERATION_MASK) as u64) << 32
            | self.key.index as u64
    }

    /// None for a word that we never gave out.
    pub(super) fn from_bits(bits: u64) -> Option<Token> {
        let kind = match bits >> 56 {
            0 => Kind::Waker,
            1 => Kind::Listener,
            2 => Kind::Connection,
            3 => Kind::Link,
            4 => Kind::Upstream,
            5 => Kind::Resolver,
            _ => return None,
        };
        Some(Token {
            kind,
            key: Key { index: bits as u32, generation: (bits >> 32) as u32 & GENERATION_MASK },
        })
    }
}

// The poller's word is a usize; all three parts must fit.
const _: () = assert!(usize::BITS >= 64, "a token needs 64 bits");

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KINDS: [Kind; 6] =
        [Kind::Waker, Kind::Listener, Kind::Connection, Kind::Link, Kind::Upstream, Kind::Resolver];

    proptest! {
        #[test]
        fn a_token_survives_the_poller(kind in 0..KINDS.len(), index in any::<u32>(), generation in 0..=GENERATION_MASK) {
            let token = Token::new(KINDS[kind], Key { index, generation });
            prop_assert_eq!(Token::from_bits(token.to_bits()), Some(token));
        }
    }

    #[test]
    fn an_unknown_kind_is_nobody() {
        assert_eq!(Token::from_bits(6 << 56), None);
        assert_eq!(Token::from_bits(u64::MAX), None);
    }
}
