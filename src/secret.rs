//! Bytes that must never be seen: passwords, nonces, tokens, whole request buffers.
//!
//! A [`Secret`] has no `Display`, its `Debug` prints `***`, and its memory is overwritten when it
//! is dropped. Code that needs the bytes says so: [`Secret::expose`]. Used by every layer; names
//! nothing else of the crate.

use subtle::ConstantTimeEq;
use zeroize::Zeroize;

/// Owned secret bytes. Cloning copies them into another [`Secret`].
#[derive(Clone, Default)]
pub struct Secret(Vec<u8>);

impl Secret {
    pub fn new(bytes: impl Into<Vec<u8>>) -> Secret {
        Secret(bytes.into())
    }

    /// The bytes themselves, for the one place that needs them. Never for a log, an error text or a
    /// trace.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Appends bytes. The old allocation, if it has to move, is wiped first.
    pub fn extend_from_slice(&mut self, bytes: &[u8]) {
        if self.0.capacity() - self.0.len() < bytes.len() {
            let mut grown = Vec::with_capacity((self.0.len() + bytes.len()).next_power_of_two());
            grown.extend_from_slice(&self.0);
            self.0.zeroize();
            self.0 = grown;
        }
        self.0.extend_from_slice(bytes);
    }

    /// Compares in time that depends on the lengths only.
    pub fn matches(&self, other: &[u8]) -> bool {
        self.0.ct_eq(other).into()
    }
}

impl PartialEq for Secret {
    /// As [`Secret::matches`].
    fn eq(&self, other: &Secret) -> bool {
        self.matches(&other.0)
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

impl From<Vec<u8>> for Secret {
    fn from(bytes: Vec<u8>) -> Secret {
        Secret(bytes)
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Secret {
        Secret(text.as_bytes().to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", Secret::from("hunter2")), "***");
    }

    #[test]
    fn matches_only_the_same_bytes() {
        let secret = Secret::from("hunter2");
        assert!(secret.matches(b"hunter2"));
        assert!(!secret.matches(b"hunter"));
        assert!(!secret.matches(b"hunter3"));
    }

    #[test]
    fn grows_without_losing_bytes() {
        let mut secret = Secret::default();
        for part in [b"abc".as_slice(), b"defghijklmnop", b""] {
            secret.extend_from_slice(part);
        }
        assert_eq!(secret.expose(), b"abcdefghijklmnop");
    }
}
