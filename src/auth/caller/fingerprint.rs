//! Fingerprints: what the server keeps of a secret that it only compares.
//!
//! HMAC-SHA-256 with a key that was generated when the configuration was loaded and never leaves
//! the process. Two of them are compared in constant time, and neither tells how long its secret
//! is.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Makes fingerprints that can be compared with each other.
pub struct Fingerprints(Zeroizing<[u8; 32]>);

#[derive(Clone)]
pub struct Fingerprint([u8; 32]);

impl Fingerprints {
    pub fn new(key: [u8; 32]) -> Fingerprints {
        Fingerprints(Zeroizing::new(key))
    }

    /// Of a secret in parts, whose borders count.
    pub fn of(&self, parts: &[&[u8]]) -> Fingerprint {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.0.as_slice()) else {
            // HMAC takes keys of any length. Were it otherwise, nothing would match: a fingerprint
            // of this kind does not even match itself.
            return Fingerprint([0; 32]);
        };
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        Fingerprint(mac.finalize().into_bytes().into())
    }
}

impl Fingerprint {
    pub fn matches(&self, other: &Fingerprint) -> bool {
        let is_same: bool = self.0.ct_eq(&other.0).into();
        is_same && self.0 != [0; 32]
    }
}

impl std::fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

impl std::fmt::Debug for Fingerprints {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_parts_match() {
        let fingerprints = Fingerprints::new([1; 32]);
        let of = |parts: &[&[u8]]| fingerprints.of(parts);
        assert!(of(&[b"a", b"b"]).matches(&of(&[b"a", b"b"])));
        for other in [
            &[&b"ab"[..], b""][..],
            &[b"", b"ab"],
            &[b"ab"],
            &[b"b", b"a"],
            &[b"a", b"b", b""],
            &[],
        ] {
            assert!(!of(&[b"a", b"b"]).matches(&of(other)), "{other:?}");
        }
        assert!(!of(&[b"a"]).matches(&Fingerprints::new([2; 32]).of(&[b"a"])));
    }
}
