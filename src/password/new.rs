//! New password hashes, for the command line. The server itself stores none.
//!
//! Only schemes that resist guessing, and the salted digests that high rates of logins need.
//! Parameters: argon2id as OWASP's cheat sheet "Password Storage" recommends (19 MiB, 2 passes, 1
//! lane), bcrypt at cost 12 (about 0.25 s), SHA-512-crypt with 100,000 rounds (about 40 ms).

use super::crypt;
use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD};
use sha2::{Digest, Sha256, Sha512};

/// A scheme that new hashes can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewScheme {
    Argon2id,
    Bcrypt,
    Sha512Crypt,
    Ssha512,
    Ssha256,
}

impl NewScheme {
    /// All of them, the default first: the name, which is Dovecot's, and what to know about it.
    pub const ALL: [(&str, NewScheme, &str); 5] = [
        ("ARGON2ID", NewScheme::Argon2id, "argon2id; the default"),
        ("BLF-CRYPT", NewScheme::Bcrypt, "bcrypt; passwords of at most 72 bytes"),
        ("SHA512-CRYPT", NewScheme::Sha512Crypt, "SHA-512-crypt, as in /etc/shadow"),
        ("SSHA512", NewScheme::Ssha512, "salted SHA-512; fast to check, and fast to guess"),
        ("SSHA256", NewScheme::Ssha256, "salted SHA-256; fast to check, and fast to guess"),
    ];

    /// The scheme of a name, in any case.
    pub fn parse(name: &str) -> Option<NewScheme> {
        Self::ALL
            .iter()
            .find(|(known, ..)| known.eq_ignore_ascii_case(name))
            .map(|(_, scheme, _)| *scheme)
    }
}

/// Why there is no hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// An empty stored password is a missing one.
    #[error("the password is empty")]
    Empty,
    #[error("BLF-CRYPT takes passwords of at most 72 bytes without zero bytes; use ARGON2ID")]
    BeyondBcrypt,
    /// The other schemes of crypt(3) match no longer password.
    #[error("the password has more than {} bytes", crypt::PLAIN_BYTES_MAX)]
    TooLong,
    #[error("the system gives no random bytes")]
    NoRandom,
    /// The library refuses our parameters, or 19 MiB are not to be had.
    #[error("the hash cannot be computed")]
    Failed,
}

/// The hash of a password with a random salt, in the form `{SCHEME}…`. It has no colon, so that it
/// can be a field of a user file.
///
/// # Errors
/// [`Error`].
pub fn hash(scheme: NewScheme, plain: &[u8]) -> Result<String, Error> {
    if plain.is_empty() {
        return Err(Error::Empty);
    }
    if plain.len() > crypt::PLAIN_BYTES_MAX {
        return Err(Error::TooLong);
    }
    let mut salt = [0; SALT_BYTES];
    getrandom::fill(&mut salt).map_err(|_| Error::NoRandom)?;
    Ok(match scheme {
        NewScheme::Argon2id => format!("{{ARGON2ID}}{}", argon2id(plain, &salt)?),
        NewScheme::Bcrypt => {
            let hash = crypt::hash_bcrypt(plain, salt, BCRYPT_COST).ok_or(Error::BeyondBcrypt)?;
            format!("{{BLF-CRYPT}}{hash}")
        }
        NewScheme::Sha512Crypt => {
            // 16 characters of crypt(3)'s alphabet: hexadecimal digits belong to it.
            let salt = hex::encode(salt.get(..8).unwrap_or_default());
            let hash = crypt::hash_sha512(plain, &salt, SHA_ROUNDS).ok_or(Error::Failed)?;
            format!("{{SHA512-CRYPT}}{hash}")
        }
        NewScheme::Ssha512 => format!("{{SSHA512}}{}", salted::<Sha512>(plain, &salt)),
        NewScheme::Ssha256 => format!("{{SSHA256}}{}", salted::<Sha256>(plain, &salt)),
    })
}

/// In the PHC string format.
fn argon2id(plain: &[u8], salt: &[u8]) -> Result<String, Error> {
    let params =
        Params::new(ARGON2_KIB, ARGON2_PASSES, ARGON2_LANES, None).map_err(|_| Error::Failed)?;
    let mut key = [0; 32];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(plain, salt, &mut key)
        .map_err(|_| Error::Failed)?;
    Ok(format!(
        "$argon2id$v=19$m={ARGON2_KIB},t={ARGON2_PASSES},p={ARGON2_LANES}${}${}",
        BASE64_STANDARD_NO_PAD.encode(salt),
        BASE64_STANDARD_NO_PAD.encode(key)
    ))
}

/// OpenLDAP's form: digest, then salt.
fn salted<D: Digest>(plain: &[u8], salt: &[u8]) -> String {
    let digest = D::new().chain_update(plain).chain_update(salt).finalize();
    BASE64_STANDARD.encode([digest.as_slice(), salt].concat())
}

const SALT_BYTES: usize = 16;
const ARGON2_KIB: u32 = 19 << 10;
const ARGON2_PASSES: u32 = 2;
const ARGON2_LANES: u32 = 1;
const BCRYPT_COST: u32 = 12;
const SHA_ROUNDS: u32 = 100_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::password::verify;

    #[test]
    fn new_hashes_verify_and_differ() {
        let plain = "grüße ☃:x".as_bytes();
        for (name, scheme, _) in NewScheme::ALL {
            let stored = hash(scheme, plain).unwrap();
            assert!(stored.starts_with(&format!("{{{name}}}")), "{stored}");
            assert!(!stored.contains(':'), "{stored}");
            assert_eq!(verify(stored.as_bytes(), plain), Ok(true), "{stored}");
            assert_eq!(verify(stored.as_bytes(), b"other"), Ok(false), "{stored}");
            assert_eq!(verify(stored.as_bytes(), b""), Ok(false), "{stored}");
            assert_ne!(hash(scheme, plain).unwrap(), stored);
        }
    }

    #[test]
    fn what_would_be_cut_off_is_refused() {
        let hash = |scheme, plain: &[u8]| hash(scheme, plain).map(drop);
        assert_eq!(hash(NewScheme::Bcrypt, &[b'x'; 73]), Err(Error::BeyondBcrypt));
        assert_eq!(hash(NewScheme::Bcrypt, b"a\0b"), Err(Error::BeyondBcrypt));
        assert_eq!(hash(NewScheme::Bcrypt, &[b'x'; 72]), Ok(()));
        assert_eq!(hash(NewScheme::Sha512Crypt, &[b'x'; 513]), Err(Error::TooLong));
        assert_eq!(hash(NewScheme::Argon2id, b""), Err(Error::Empty));
    }
}
