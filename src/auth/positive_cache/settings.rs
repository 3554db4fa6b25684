//! The settings of the positive cache, and how it hashes passwords.

use crate::auth::request::{Field, Request};
use crate::secret::Secret;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use std::time::Duration;

/// The backend `cache` of a configuration.
#[derive(Clone)]
pub struct PositiveCache {
    /// How many of [`Policy::backends`] stand before it.
    pub position: usize,
    /// For how long an entry is kept.
    pub ttl: Duration,
    /// Hashes passwords, under `server.redis.password_nonce`.
    keyed: Hmac<Sha256>,
}

impl PositiveCache {
    pub fn new(position: usize, ttl: Duration, nonce: &Secret) -> PositiveCache {
        let mut key = [0; 64];
        // RFC 2104: a key that is longer than a block is hashed first.
        let digest = Sha256::digest(nonce.expose());
        let short = if nonce.expose().len() > key.len() { &digest } else { nonce.expose() };
        key.iter_mut().zip(short).for_each(|(place, byte)| *place = *byte);
        PositiveCache { position, ttl, keyed: Hmac::new(&key.into()) }
    }

    /// The password of a request as an entry keeps it, in hex. With the account in it two users of
    /// one password differ.
    pub(super) fn hash(&self, request: &Request, account: &[u8]) -> String {
        let mut mac = self.keyed.clone();
        mac.update(account);
        mac.update(b"\0");
        mac.update(request.get(Field::Password));
        hex::encode(mac.finalize().into_bytes())
    }
}

impl std::fmt::Debug for PositiveCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PositiveCache")
            .field("position", &self.position)
            .field("ttl", &self.ttl)
            .finish_non_exhaustive()
    }
}

/// Where entries are kept whose `lua.search` entry names no cache.
pub(crate) const DEFAULT: &str = "__default__";
