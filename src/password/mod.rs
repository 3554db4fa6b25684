//! Password hashes: does this password belong to this stored value?
//!
//! Pure functions without clock, threads or state. Owns every hash scheme of the server and the
//! texts of their errors; knows nothing of users. Called by the Lua module `nauthilus_password` and
//! by the hash thread: [`cost`] says which of the two should call [`verify`]. [`policy`] counts
//! characters, [`history_hash`] names a password in the password histories, [`new`] makes hashes for
//! the command line, [`user_file`] is the text form of a file of users.
//!
//! | stored | scheme | source |
//! |---|---|---|
//! | `{SHA}` `{SHA1}` `{SHA256}` `{SHA384}` `{SHA512}` `{MD5}` `{LDAP-MD5}` `{PLAIN-MD5}` | plain digest | RFC 2307, Dovecot |
//! | `{SSHA}` `{SSHA256}` `{SSHA384}` `{SSHA512}` `{SMD5}` | digest of password ‖ salt, then the salt | OpenLDAP |
//! | `{PLAIN}` `{CLEAR}` `{CLEARTEXT}` | the password itself | Dovecot |
//! | `$1$` `$5$` `$6$` `$2a$` `$2b$` `$2y$`, also after `{CRYPT}` | `crypt.rs` | crypt(5) |
//! | `$y$`, also after `{CRYPT}` | `yescrypt.rs` | crypt(5) |
//! | 13 characters after `{CRYPT}` or `{DES-CRYPT}` | `des.rs` | crypt(3) |
//! | `{MD5-CRYPT}` `{MD5}$1$` `{SHA256-CRYPT}` `{SHA512-CRYPT}` `{BLF-CRYPT}` | the same, one family each | Dovecot |
//! | `$argon2i$` `$argon2d$` `$argon2id$`, also after `{CRYPT}`, `{ARGON2}`, `{ARGON2ID}` … | `kdf.rs` | RFC 9106, PHC string format |
//! | `$pbkdf2$` `$pbkdf2-sha256$` `$pbkdf2-sha512$`, `{PBKDF2}` `{PBKDF2-SHA256}` `{PBKDF2-SHA512}` | `kdf.rs` | passlib, OpenLDAP, Dovecot |
//!
//! Words in braces are read without regard to case. Each may end in `.B64`, `.BASE64` or `.HEX`:
//! how what follows is written (Dovecot). Base64 may lack its padding. Bounds: a stored value whose
//! settings ask for more than about two seconds of one core, or for more than 256 MiB, is refused
//! with [`Error::TooExpensive`] before any work is done; so is every other error. Digests are
//! compared in constant time; only lengths and the scheme show in the timing.

mod crypt;
mod des;
mod digest;
mod encoding;
mod kdf;
pub mod new;
pub mod policy;
pub mod user_file;
mod yescrypt;

use encoding::Encoding;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Where a check belongs, judged by the scheme alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cost {
    /// Microseconds at most, nothing allocated: check it where you are. Also everything that ends
    /// with an error at once.
    Inline,
    /// Up to two seconds: crypt(3), bcrypt, argon2, pbkdf2. Belongs on the hash thread.
    Slow,
}

/// Why nothing can be said about a password. Always the stored value's fault; no text holds any
/// part of it but the name of its scheme and the byte of [`Error::Hex`], which is no part of a
/// hash. The first five texts are those that scripts know from the reference server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The scheme is not known, or the stored value names none. The brackets stay empty: settings
    /// may hold the salt.
    #[error("no registered algorithm for settings []: {0}; known are {KNOWN}")]
    UnknownScheme(SchemeName),
    /// A value whose length does not suit its digest.
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

/// The name of a scheme that is not known, as far as it can be told from a password that is stored
/// as it stands: a short word in braces, or between the first two of at least three dollar signs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SchemeName {
    text: [u8; NAME_BYTES_MAX],
    len: usize,
}

impl SchemeName {
    fn of(stored: &[u8]) -> SchemeName {
        let (inner, outer_bytes) = match stored {
            [b'{', rest @ ..] => {
                (rest.split(|byte| *byte == b'}').next().filter(|word| word.len() < rest.len()), 2)
            }
            [b'$', rest @ ..] if memchr::memchr_iter(b'$', rest).count() >= 2 => {
                (rest.split(|byte| *byte == b'$').next(), 2)
            }
            _ => (None, 0),
        };
        let is_name = |word: &&[u8]| {
            !word.is_empty()
                && word.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(byte))
        };
        let mut name = SchemeName::default();
        if let Some(word) = inner.filter(is_name)
            && let Some(place) = name.text.get_mut(..word.len() + outer_bytes)
            && let Some(from) = stored.get(..word.len() + outer_bytes)
        {
            place.copy_from_slice(from);
            name.len = place.len();
        }
        name
    }
}

impl std::fmt::Display for SchemeName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.text.get(..self.len).unwrap_or_default() {
            [] => f.write_str("the stored value names no scheme"),
            name => write!(f, "unknown scheme, or not with such a value: {}", name.escape_ascii()),
        }
    }
}

/// Longer than any scheme's name is.
const NAME_BYTES_MAX: usize = 24;

/// Says whether checking against `stored` may be done inline. Looks at the scheme only.
pub fn cost(stored: &[u8]) -> Cost {
    let Ok(named) = Named::parse(stored) else { return Cost::Inline };
    match (named.word, named.encoding) {
        (Word::Plain | Word::Digest(_), _) => Cost::Inline,
        // The check decodes.
        (_, Some(_)) => Cost::Slow,
        (word, None) => match word.scheme(named.value) {
            Some((Scheme::Digest(_), _)) | None => Cost::Inline,
            Some(_) => Cost::Slow,
        },
    }
}

/// Checks the password `plain` against a stored value. False for a wrong password, and for any
/// password longer than 512 bytes where the scheme is one of crypt(3).
///
/// # Errors
/// See [`Error`]. An error is no verdict: the caller must not take it for a wrong password.
pub fn verify(stored: &[u8], plain: &[u8]) -> Result<bool, Error> {
    let named = Named::parse(stored)?;
    let mut buffer = zeroize::Zeroizing::new([0; DECODED_BYTES_MAX]);
    let value = match (named.word, named.encoding) {
        // A digest's own encoding.
        (Word::Digest(_), _) | (_, None) => named.value,
        (_, Some(encoding)) => encoding.decode(named.value, buffer.as_mut_slice())?,
    };
    let (scheme, value) =
        named.word.scheme(value).ok_or_else(|| Error::UnknownScheme(SchemeName::of(stored)))?;
    match scheme {
        // An empty stored value is a missing one, and must not open the account to the empty
        // password.
        Scheme::Plain => Ok(!value.is_empty() && value.ct_eq(plain).into()),
        Scheme::Digest(scheme) => scheme.verify(value, plain),
        Scheme::DesCrypt => des::verify(value, plain),
        Scheme::Md5Crypt => crypt::verify_md5(value, plain),
        Scheme::Sha256Crypt => crypt::verify_sha256(value, plain),
        Scheme::Sha512Crypt => crypt::verify_sha512(value, plain),
        Scheme::Bcrypt => crypt::verify_bcrypt(value, plain),
        Scheme::Yescrypt => yescrypt::verify(value, plain),
        Scheme::Argon2(algorithm) => kdf::verify_argon2(algorithm, value, plain),
        Scheme::Pbkdf2(prf) => kdf::verify_pbkdf2(prf, value, plain),
        Scheme::DovecotPbkdf2 => kdf::verify_dovecot_pbkdf2(value, plain),
    }
}

/// The name of a password in the password histories: the first 8 lower-case hexadecimal digits of
/// SHA-256 over nonce, a zero byte and the password. Too short to grant access by; it only tells
/// one wrong password from another.
pub fn history_hash(nonce: &[u8], password: &[u8]) -> [u8; 8] {
    let digest =
        Sha256::new().chain_update(nonce).chain_update([0]).chain_update(password).finalize();
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
    DesCrypt,
    Md5Crypt,
    Sha256Crypt,
    Sha512Crypt,
    Bcrypt,
    Yescrypt,
    Argon2(argon2::Algorithm),
    Pbkdf2(kdf::Prf),
    DovecotPbkdf2,
}

/// A stored value, cut into the word in its braces and what follows, which may still be encoded.
struct Named<'a> {
    word: Word,
    value: &'a [u8],
    encoding: Option<Encoding>,
}

/// What the word in the braces allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    Plain,
    Digest(digest::Scheme),
    /// `{MD5}`: Dovecot's `$1$…`, or the digest of OpenLDAP.
    Md5(digest::Scheme),
    /// A modular hash that begins like this; empty for no braces, and for `{CRYPT}`.
    Modular(&'static [u8]),
    Crypt,
    DesCrypt,
    Pbkdf2(kdf::Prf, &'static [u8]),
}

impl Named<'_> {
    fn parse(stored: &[u8]) -> Result<Named<'_>, Error> {
        let Some(braced) = stored.strip_prefix(b"{") else {
            return Ok(Named { word: Word::Modular(b""), value: stored, encoding: None });
        };
        let unknown = || Error::UnknownScheme(SchemeName::of(stored));
        let end = memchr::memchr(b'}', braced).ok_or_else(unknown)?;
        let given = braced.get(..end).unwrap_or_default();
        let value = braced.get(end + 1..).unwrap_or_default();
        let mut upper = [0; NAME_BYTES_MAX];
        let name = upper.get_mut(..given.len()).ok_or_else(unknown)?;
        name.copy_from_slice(given);
        name.make_ascii_uppercase();
        let suffix = SUFFIXES
            .iter()
            .find_map(|(suffix, encoding)| Some((name.strip_suffix(*suffix)?, *encoding)));
        let (name, encoding) =
            suffix.map_or((&*name, None), |(name, encoding)| (name, Some(encoding)));
        let word = Word::parse(name, encoding).ok_or_else(unknown)?;
        Ok(Named { word, value, encoding })
    }
}

impl Word {
    /// A word in upper case, without its encoding.
    fn parse(name: &[u8], encoding: Option<Encoding>) -> Option<Word> {
        if let Some((_, begins)) = FAMILIES.iter().find(|(family, _)| *family == name) {
            return Some(Word::Modular(begins));
        }
        Some(match name {
            b"PLAIN" | b"CLEAR" | b"CLEARTEXT" => Word::Plain,
            b"CRYPT" => Word::Crypt,
            b"DES-CRYPT" => Word::DesCrypt,
            b"PBKDF2" | b"PBKDF2-SHA1" => Word::Pbkdf2(kdf::Prf::Sha1, b"$pbkdf2$"),
            b"PBKDF2-SHA256" => Word::Pbkdf2(kdf::Prf::Sha256, b"$pbkdf2-sha256$"),
            b"PBKDF2-SHA512" => Word::Pbkdf2(kdf::Prf::Sha512, b"$pbkdf2-sha512$"),
            b"MD5" => Word::Md5(digest::Scheme::parse(name, encoding)?),
            _ => Word::Digest(digest::Scheme::parse(name, encoding)?),
        })
    }

    /// The scheme of a value that is written plainly, and what that scheme has to read. None: they
    /// do not suit each other.
    fn scheme(self, value: &[u8]) -> Option<(Scheme, &[u8])> {
        match self {
            Word::Plain => Some((Scheme::Plain, value)),
            Word::Digest(scheme) => Some((Scheme::Digest(scheme), value)),
            Word::Md5(_) if value.starts_with(b"$1$") => modular(value),
            Word::Md5(scheme) => Some((Scheme::Digest(scheme), value)),
            Word::Modular(begins) => modular(value).filter(|_| value.starts_with(begins)),
            Word::Crypt | Word::DesCrypt if des::is_text(value) => Some((Scheme::DesCrypt, value)),
            Word::Crypt => modular(value),
            Word::DesCrypt => None,
            Word::Pbkdf2(_, begins) if value.starts_with(begins) => modular(value),
            Word::Pbkdf2(prf, _) => Some(match value.strip_prefix(b"$1$") {
                Some(value) if prf == kdf::Prf::Sha1 => (Scheme::DovecotPbkdf2, value),
                _ => (Scheme::Pbkdf2(prf), value),
            }),
        }
    }
}

/// The modular form, `$name$…`.
fn modular(stored: &[u8]) -> Option<(Scheme, &[u8])> {
    MODULAR.iter().find_map(|(prefix, scheme)| Some((*scheme, stored.strip_prefix(*prefix)?)))
}

/// How the value is written, by the end of the word.
const SUFFIXES: [(&[u8], Encoding); 3] =
    [(b".B64", Encoding::Base64), (b".BASE64", Encoding::Base64), (b".HEX", Encoding::Hex)];

/// A hash, or a password stored as it stands, behind a word that says how it is encoded: the
/// longest hash with the longest salts has 400.
const DECODED_BYTES_MAX: usize = 1024;

/// For the error text of an unknown scheme.
const KNOWN: &str = "{PLAIN} {CLEAR} {CLEARTEXT} {CRYPT} {DES-CRYPT} {MD5-CRYPT} {SHA256-CRYPT} {SHA512-CRYPT} {BLF-CRYPT} {ARGON2} {ARGON2I} \
    {ARGON2D} {ARGON2ID} {PBKDF2} {PBKDF2-SHA1} {PBKDF2-SHA256} {PBKDF2-SHA512} {MD5} {PLAIN-MD5} {LDAP-MD5} {SMD5} {SHA} {SHA1} {SHA256} \
    {SHA384} {SHA512} {SSHA} {SSHA256} {SSHA384} {SSHA512}, each also with .B64 or .HEX, and $1$ $2a$ $2b$ $2y$ $5$ $6$ $y$ $argon2i$ \
    $argon2d$ $argon2id$ $pbkdf2$ $pbkdf2-sha256$ $pbkdf2-sha512$";

/// Modular schemes by how they begin.
const MODULAR: [(&[u8], Scheme); 13] = [
    (b"$1$", Scheme::Md5Crypt),
    (b"$5$", Scheme::Sha256Crypt),
    (b"$6$", Scheme::Sha512Crypt),
    (b"$2a$", Scheme::Bcrypt),
    (b"$2b$", Scheme::Bcrypt),
    (b"$2y$", Scheme::Bcrypt),
    (b"$y$", Scheme::Yescrypt),
    (b"$argon2i$", Scheme::Argon2(argon2::Algorithm::Argon2i)),
    (b"$argon2d$", Scheme::Argon2(argon2::Algorithm::Argon2d)),
    (b"$argon2id$", Scheme::Argon2(argon2::Algorithm::Argon2id)),
    (b"$pbkdf2$", Scheme::Pbkdf2(kdf::Prf::Sha1)),
    (b"$pbkdf2-sha256$", Scheme::Pbkdf2(kdf::Prf::Sha256)),
    (b"$pbkdf2-sha512$", Scheme::Pbkdf2(kdf::Prf::Sha512)),
];

/// Words in braces that announce a modular hash, and how that hash has to begin.
const FAMILIES: [(&[u8], &[u8]); 8] = [
    (b"MD5-CRYPT", b"$1$"),
    (b"SHA256-CRYPT", b"$5$"),
    (b"SHA512-CRYPT", b"$6$"),
    (b"BLF-CRYPT", b"$2"),
    (b"ARGON2", b"$argon2"),
    (b"ARGON2I", b"$argon2i$"),
    (b"ARGON2D", b"$argon2d$"),
    (b"ARGON2ID", b"$argon2id$"),
];

#[cfg(test)]
mod tests;
