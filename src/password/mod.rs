//! Password hashes: does this password belong to this stored value?
//!
//! Pure functions without clock, threads or state. Owns every hash scheme of the server and the texts of their errors; knows
//! nothing of users. Called by the Lua module `nauthilus_password` and by the hash thread: [`cost`] says which of the two should
//! call [`verify`]. [`policy`] counts characters, [`history_hash`] names a password in the password histories.
//!
//! | stored | scheme | source |
//! |---|---|---|
//! | `{SHA}` `{SHA1}` `{SHA256}` `{SHA384}` `{SHA512}` | plain digest | RFC 2307, Dovecot |
//! | `{SSHA}` `{SSHA256}` `{SSHA384}` `{SSHA512}` | digest of password ‖ salt, then the salt | OpenLDAP |
//! | … with `.B64` or `.HEX` in the braces | the same in base64 (the default) or hexadecimal | Dovecot |
//! | `{PLAIN}` `{CLEARTEXT}` | the password itself | Dovecot |
//! | `$1$` `$5$` `$6$` `$2a$` `$2b$` `$2y$`, also after `{CRYPT}` | `crypt.rs` | crypt(5) |
//! | `{MD5-CRYPT}` `{SHA256-CRYPT}` `{SHA512-CRYPT}` `{BLF-CRYPT}` | the same, one family each | Dovecot |
//! | `$argon2i$` `$argon2d$` `$argon2id$`, also after `{CRYPT}`, `{ARGON2ID}` … | `kdf.rs` | RFC 9106, PHC string format |
//! | `$pbkdf2$` `$pbkdf2-sha256$` `$pbkdf2-sha512$`, `{PBKDF2}` `{PBKDF2-SHA256}` `{PBKDF2-SHA512}` | `kdf.rs` | passlib, OpenLDAP, Dovecot |
//!
//! Scheme words are case-sensitive. Bounds: a stored value whose settings ask for more than about two seconds of one core, or
//! for more than 256 MiB, is refused with [`Error::TooExpensive`] before any work is done; so is every other error. Digests
//! are compared in constant time; only lengths and the scheme show in the timing.

mod crypt;
mod digest;
mod encoding;
mod kdf;
pub mod policy;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Where a check belongs, judged by the scheme alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cost {
    /// Microseconds at most, nothing allocated: check it where you are. Also everything that ends with an error at once.
    Inline,
    /// Up to two seconds: crypt(3), bcrypt, argon2, pbkdf2. Belongs on the hash thread.
    Slow,
}

/// Why nothing can be said about a password. Always the stored value's fault; no text holds any part of it but the byte of
/// [`Error::Hex`], which is no part of a hash. The first five texts are those that scripts know from the reference server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The scheme is not known, or the stored value names none. The brackets stay empty: settings may hold the salt.
    #[error("no registered algorithm for settings []")]
    UnknownScheme,
    /// An unknown digest after `{SSHA`, or a value whose length does not suit its digest.
    #[error("unsupported hash algorithm")]
    UnsupportedDigest,
    /// The position of the first byte that cannot be base64, counted from the end of the scheme.
    #[error("illegal base64 data at input byte {0}")]
    Base64(usize),
    #[error("encoding/hex: invalid byte: {}", encoding::code_point(*.0))]
    Hex(u8),
    #[error("encoding/hex: odd length hex string")]
    HexLength,
    /// The scheme is known, its fields are missing or broken.
    #[error("malformed password hash")]
    Malformed,
    /// Rounds, cost or memory are beyond this server's limits.
    #[error("password hash settings exceed the limits")]
    TooExpensive,
    /// The memory that argon2 asks for was not to be had.
    #[error("not enough memory for this password hash")]
    OutOfMemory,
}

/// Says whether checking against `stored` may be done inline. Looks at the scheme only.
pub fn cost(stored: &[u8]) -> Cost {
    match Scheme::parse(stored) {
        Err(_) | Ok((Scheme::Plain | Scheme::Digest(_), _)) => Cost::Inline,
        Ok(_) => Cost::Slow,
    }
}

/// Checks the password `plain` against a stored value. False for a wrong password, and for any password longer than
/// 512 bytes where the scheme is one of crypt(3).
///
/// # Errors
/// See [`Error`]. An error is no verdict: the caller must not take it for a wrong password.
pub fn verify(stored: &[u8], plain: &[u8]) -> Result<bool, Error> {
    let (scheme, value) = Scheme::parse(stored)?;
    match scheme {
        // An empty stored value is a missing one, and must not open the account to the empty password.
        Scheme::Plain => Ok(!value.is_empty() && value.ct_eq(plain).into()),
        Scheme::Digest(scheme) => scheme.verify(value, plain),
        Scheme::Md5Crypt => crypt::verify_md5(value, plain),
        Scheme::Sha256Crypt => crypt::verify_sha256(value, plain),
        Scheme::Sha512Crypt => crypt::verify_sha512(value, plain),
        Scheme::Bcrypt => crypt::verify_bcrypt(value, plain),
        Scheme::Argon2(algorithm) => kdf::verify_argon2(algorithm, value, plain),
        Scheme::Pbkdf2(prf) => kdf::verify_pbkdf2(prf, value, plain),
        Scheme::DovecotPbkdf2 => kdf::verify_dovecot_pbkdf2(value, plain),
    }
}

/// The name of a password in the password histories: the first 8 lower-case hexadecimal digits of SHA-256 over nonce, a zero
/// byte and the password. Too short to grant access by; it only tells one wrong password from another.
pub fn history_hash(nonce: &[u8], password: &[u8]) -> [u8; 8] {
    let digest = Sha256::new().chain_update(nonce).chain_update([0]).chain_update(password).finalize();
    let mut name = [0; 8];
    for (digits, byte) in name.as_chunks_mut::<2>().0.iter_mut().zip(digest) {
        *digits = encoding::hex_digits(byte);
    }
    name
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    Plain,
    Digest(digest::Scheme),
    Md5Crypt,
    Sha256Crypt,
    Sha512Crypt,
    Bcrypt,
    Argon2(argon2::Algorithm),
    Pbkdf2(kdf::Prf),
    DovecotPbkdf2,
}

impl Scheme {
    /// Splits a stored value into its scheme and what that scheme has to read.
    fn parse(stored: &[u8]) -> Result<(Scheme, &[u8]), Error> {
        let Some(braced) = stored.strip_prefix(b"{") else { return Scheme::parse_modular(stored) };
        let Some(end) = memchr::memchr(b'}', braced) else { return Err(unknown(braced)) };
        let (word, value) = (&braced[..end], &braced[end + 1..]);
        if let Some(scheme) = digest::Scheme::parse(word) {
            return Ok((Scheme::Digest(scheme), value));
        }
        if let Some((_, family)) = FAMILIES.iter().find(|(name, _)| *name == word)
            && value.starts_with(family)
        {
            return Scheme::parse_modular(value);
        }
        match word {
            b"PLAIN" | b"CLEARTEXT" => Ok((Scheme::Plain, value)),
            b"PBKDF2" if value.starts_with(b"$1$") => Ok((Scheme::DovecotPbkdf2, &value[3..])),
            b"PBKDF2" | b"PBKDF2-SHA1" => Ok((Scheme::Pbkdf2(kdf::Prf::Sha1), value)),
            b"PBKDF2-SHA256" => Ok((Scheme::Pbkdf2(kdf::Prf::Sha256), value)),
            b"PBKDF2-SHA512" => Ok((Scheme::Pbkdf2(kdf::Prf::Sha512), value)),
            _ => Err(unknown(word)),
        }
    }

    /// The same for the modular form, `$name$…`.
    fn parse_modular(stored: &[u8]) -> Result<(Scheme, &[u8]), Error> {
        let known = MODULAR.iter().find_map(|(prefix, scheme)| Some((*scheme, stored.strip_prefix(*prefix)?)));
        known.ok_or(Error::UnknownScheme)
    }
}

/// The reference server tells unknown salted digests from all other unknown schemes.
fn unknown(word: &[u8]) -> Error {
    if word.starts_with(b"SSHA") { Error::UnsupportedDigest } else { Error::UnknownScheme }
}

/// Modular schemes by how they begin.
const MODULAR: [(&[u8], Scheme); 12] = [
    (b"$1$", Scheme::Md5Crypt),
    (b"$5$", Scheme::Sha256Crypt),
    (b"$6$", Scheme::Sha512Crypt),
    (b"$2a$", Scheme::Bcrypt),
    (b"$2b$", Scheme::Bcrypt),
    (b"$2y$", Scheme::Bcrypt),
    (b"$argon2i$", Scheme::Argon2(argon2::Algorithm::Argon2i)),
    (b"$argon2d$", Scheme::Argon2(argon2::Algorithm::Argon2d)),
    (b"$argon2id$", Scheme::Argon2(argon2::Algorithm::Argon2id)),
    (b"$pbkdf2$", Scheme::Pbkdf2(kdf::Prf::Sha1)),
    (b"$pbkdf2-sha256$", Scheme::Pbkdf2(kdf::Prf::Sha256)),
    (b"$pbkdf2-sha512$", Scheme::Pbkdf2(kdf::Prf::Sha512)),
];

/// Words in braces that announce a modular hash, and how that hash has to begin.
const FAMILIES: [(&[u8], &[u8]); 11] = [
    (b"CRYPT", b"$"),
    (b"MD5-CRYPT", b"$1$"),
    (b"SHA256-CRYPT", b"$5$"),
    (b"SHA512-CRYPT", b"$6$"),
    (b"BLF-CRYPT", b"$2"),
    (b"ARGON2I", b"$argon2i$"),
    (b"ARGON2D", b"$argon2d$"),
    (b"ARGON2ID", b"$argon2id$"),
    (b"PBKDF2", b"$pbkdf2$"),
    (b"PBKDF2-SHA256", b"$pbkdf2-sha256$"),
    (b"PBKDF2-SHA512", b"$pbkdf2-sha512$"),
];

#[cfg(test)]
mod tests;
