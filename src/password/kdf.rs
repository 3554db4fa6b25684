//! Argon2 and PBKDF2.
//!
//! Rules: RFC 9106 and the PHC string format for argon2 (`[v=19$]m=M,t=T[,p=P][,k=K]$salt$hash`,
//! base64 without padding; no `v=` means version 16). RFC 8018 for PBKDF2, in three forms:
//!
//! | form | written by |
//! |---|---|
//! | `rounds$salt$key`, base64 with `.` for `+` and without padding | passlib (`$pbkdf2-sha256$…`), OpenLDAP's pw-pbkdf2 (`{PBKDF2-SHA256}…`) |
//! | `$1$salt$rounds$key`, the salt as it stands, the key hexadecimal, SHA-1 | Dovecot (`{PBKDF2}…`) |
//!
//! Bounds: memory [`ARGON2_KIB_MAX`], work [`ARGON2_WORK_MAX`], [`PBKDF2_ROUNDS_MAX`]: about two
//! seconds at most.

use super::Error;
use super::encoding::{Encoding, decode_adapted, decode_unpadded};
use argon2::{Algorithm, Argon2, Params, Version};
use pbkdf2::pbkdf2_hmac;
use sha1::Sha1;
use sha2::{Sha256, Sha512};
use subtle::ConstantTimeEq;

/// The hash inside PBKDF2's HMAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Prf {
    Sha1,
    Sha256,
    Sha512,
}

/// Checks against what follows `$argon2id$` (or its siblings).
///
/// # Errors
/// [`Error::Malformed`], [`Error::TooExpensive`], [`Error::OutOfMemory`].
pub(super) fn verify_argon2(
    algorithm: Algorithm,
    value: &[u8],
    plain: &[u8],
) -> Result<bool, Error> {
    let (version, value) = match value.strip_prefix(b"v=") {
        None => (Version::V0x10, value),
        Some(value) => match split_field(value)? {
            (b"19", value) => (Version::V0x13, value),
            (b"16", value) => (Version::V0x10, value),
            _ => return Err(Error::Malformed),
        },
    };
    let (settings, value) = split_field(value)?;
    let (salt, key) = split_field(value)?;
    let (mut salt_buffer, mut key_buffer) = ([0; SALT_BYTES_MAX], [0; KEY_BYTES_MAX]);
    let salt = decode_unpadded(salt, &mut salt_buffer)?;
    let key = decode_unpadded(key, &mut key_buffer)?;
    let params = argon2_params(settings, key.len())?;

    let mut buffer = [0; KEY_BYTES_MAX];
    let computed = buffer.get_mut(..key.len()).ok_or(Error::Malformed)?;
    Argon2::new(algorithm, version, params).hash_password_into(plain, salt, computed).map_err(
        |error| match error {
            argon2::Error::OutOfMemory => Error::OutOfMemory,
            _ => Error::Malformed,
        },
    )?;
    Ok(computed.ct_eq(key).into())
}

/// Reads `m=M,t=T,p=P,k=K`, in any order, `p` and `k` optional. `k`, the length of the key, must be
/// what is there.
fn argon2_params(settings: &[u8], key_bytes: usize) -> Result<Params, Error> {
    let (mut memory_kib, mut passes, mut lanes) = (None, None, None);
    for setting in settings.split(|byte| *byte == b',') {
        let &[name, b'=', ref value @ ..] = setting else { return Err(Error::Malformed) };
        let value = number(value)?;
        let place = match name {
            b'm' => &mut memory_kib,
            b't' => &mut passes,
            b'p' => &mut lanes,
            b'k' if usize::try_from(value) == Ok(key_bytes) => continue,
            _ => return Err(Error::Malformed),
        };
        if place.replace(value).is_some() {
            return Err(Error::Malformed);
        }
    }
    let (Some(memory_kib), Some(passes)) = (memory_kib, passes) else {
        return Err(Error::Malformed);
    };
    if memory_kib > ARGON2_KIB_MAX || u64::from(memory_kib) * u64::from(passes) > ARGON2_WORK_MAX {
        return Err(Error::TooExpensive);
    }
    if key_bytes < KEY_BYTES_MIN {
        return Err(Error::Malformed);
    }
    Params::new(memory_kib, passes, lanes.unwrap_or(1), Some(key_bytes))
        .map_err(|_| Error::Malformed)
}

/// Checks against `rounds$salt$key`.
///
/// # Errors
/// [`Error::Malformed`], [`Error::TooExpensive`].
pub(super) fn verify_pbkdf2(prf: Prf, value: &[u8], plain: &[u8]) -> Result<bool, Error> {
    let (rounds, value) = split_field(value)?;
    let (salt, key) = split_field(value)?;
    let (mut salt_buffer, mut key_buffer) = ([0; SALT_BYTES_MAX], [0; KEY_BYTES_MAX]);
    let salt = decode_adapted(salt, &mut salt_buffer)?;
    let key = decode_adapted(key, &mut key_buffer)?;
    compare_pbkdf2(prf, number(rounds)?, salt, key, plain)
}

/// Checks against `salt$rounds$key`, Dovecot's form.
///
/// # Errors
/// [`Error::Malformed`], [`Error::TooExpensive`].
pub(super) fn verify_dovecot_pbkdf2(value: &[u8], plain: &[u8]) -> Result<bool, Error> {
    let (salt, value) = split_field(value)?;
    let (rounds, key) = split_field(value)?;
    let mut buffer = [0; KEY_BYTES_MAX];
    let key = Encoding::Hex.decode(key, &mut buffer).map_err(|_| Error::Malformed)?;
    compare_pbkdf2(Prf::Sha1, number(rounds)?, salt, key, plain)
}

fn compare_pbkdf2(
    prf: Prf,
    rounds: u32,
    salt: &[u8],
    key: &[u8],
    plain: &[u8],
) -> Result<bool, Error> {
    let mut buffer = [0; KEY_BYTES_MAX];
    let computed = match prf {
        Prf::Sha1 => &mut buffer[..20],
        Prf::Sha256 => &mut buffer[..32],
        Prf::Sha512 => &mut buffer[..64],
    };
    // All who write these forms write a whole digest; one that was cut short on its way would still
    // match what is left of it.
    if rounds == 0 || key.len() != computed.len() {
        return Err(Error::Malformed);
    }
    if rounds > PBKDF2_ROUNDS_MAX {
        return Err(Error::TooExpensive);
    }
    match prf {
        Prf::Sha1 => pbkdf2_hmac::<Sha1>(plain, salt, rounds, computed),
        Prf::Sha256 => pbkdf2_hmac::<Sha256>(plain, salt, rounds, computed),
        Prf::Sha512 => pbkdf2_hmac::<Sha512>(plain, salt, rounds, computed),
    }
    Ok(computed.ct_eq(key).into())
}

/// Cuts `text` at its first `$`, which has to be there.
fn split_field(text: &[u8]) -> Result<(&[u8], &[u8]), Error> {
    let at = memchr::memchr(b'$', text).ok_or(Error::Malformed)?;
    Ok((text.get(..at).unwrap_or_default(), text.get(at + 1..).unwrap_or_default()))
}

/// A number of decimal digits alone. One that is too large becomes the largest there is: its limit
/// will refuse it.
pub(super) fn number(text: &[u8]) -> Result<u32, Error> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return Err(Error::Malformed);
    }
    Ok(text.iter().fold(0_u32, |value, digit| {
        value.saturating_mul(10).saturating_add(u32::from(digit - b'0'))
    }))
}

/// Argon2's memory. RFC 9106 recommends 64 MiB or 2 GiB; the latter for machines that do nothing
/// else.
const ARGON2_KIB_MAX: u32 = 256 * 1024;

/// Memory in KiB times passes: 256 MiB eight times, about two seconds. 64 MiB with t=3 is a tenth
/// of that work.
const ARGON2_WORK_MAX: u64 = 8 * ARGON2_KIB_MAX as u64;

/// PBKDF2's rounds; OWASP recommends 600,000 for SHA-256.
const PBKDF2_ROUNDS_MAX: u32 = 4_000_000;

const SALT_BYTES_MAX: usize = 128;
const KEY_BYTES_MIN: usize = 16;
const KEY_BYTES_MAX: usize = 128;

#[cfg(test)]
mod tests {
    use crate::password::{Error, verify};

    /// Computed with the reference implementation of argon2, passlib and Python's hashlib for the
    /// password `correct horse`.
    const VECTORS: [&str; 24] = [
        "$argon2id$v=19$m=1024,t=2,p=1$a2l0c2FsdGtpdHNhbHQ$Gup6EPtA2/t4xvzIf+F7lbIlFvtXBTqIZdscJ7v2PYY",
        "$argon2i$v=19$m=1024,t=2,p=1$a2l0c2FsdGtpdHNhbHQ$GS5aT6rXyb0ZRqWyyBGEtYSSC5Jctt4t1bh0PtqUxd0",
        "$argon2i$v=19$m=64,t=2,p=1$a2l0c2FsdGtpdHNhbHQ$2is4xPuvqeElnXIrFhATI0RrSqp7gAgvtGUc816qHOg",
        "$argon2d$v=19$m=64,t=2,p=1$a2l0c2FsdGtpdHNhbHQ$CMbLuhlsxckNfjXgU8qzi3xQsBvUBz5JxmLOMXTWnhM",
        "$argon2id$v=19$m=64,t=1,p=4$a2l0c2FsdGtpdHNhbHQ$ajvJZkmQtBZG1cC/rj7JIf0KUaFYeyyF",
        // Version 16, by number and by the lack of one; settings in another order, without p, with
        // k, with padding.
        "$argon2i$v=16$m=64,t=2,p=1$a2l0c2FsdGtpdHNhbHQ$ge8EFG1xXDIqH2FFe3o9NcW8Uuyot+o0BFiA8UG2mrw",
        "$argon2id$m=64,t=2,p=1$a2l0c2FsdGtpdHNhbHQ$3qSc+2komPVB/+GuCghQ+nDNZqwfYY1/D7DYzPzfGj4",
        "$argon2id$v=19$t=2,m=64,p=1$a2l0c2FsdGtpdHNhbHQ$DG+VeTTvt2MkqUdyL7WBBeNnyrqf5wC7nRZKuZzbnS8",
        "$argon2id$v=19$m=64,t=2$a2l0c2FsdGtpdHNhbHQ$DG+VeTTvt2MkqUdyL7WBBeNnyrqf5wC7nRZKuZzbnS8",
        "$argon2id$v=19$m=64,t=2,p=1,k=32$a2l0c2FsdGtpdHNhbHQ$DG+VeTTvt2MkqUdyL7WBBeNnyrqf5wC7nRZKuZzbnS8",
        "$argon2id$v=19$m=64,t=2,p=1$a2l0c2FsdGtpdHNhbHQ=$DG+VeTTvt2MkqUdyL7WBBeNnyrqf5wC7nRZKuZzbnS8=",
        "{ARGON2ID}$argon2id$v=19$m=64,t=2,p=1$a2l0c2FsdGtpdHNhbHQ$DG+VeTTvt2MkqUdyL7WBBeNnyrqf5wC7nRZKuZzbnS8",
        "{ARGON2I}$argon2i$v=19$m=64,t=2,p=1$a2l0c2FsdGtpdHNhbHQ$2is4xPuvqeElnXIrFhATI0RrSqp7gAgvtGUc816qHOg",
        "{CRYPT}$argon2d$v=19$m=64,t=2,p=1$a2l0c2FsdGtpdHNhbHQ$CMbLuhlsxckNfjXgU8qzi3xQsBvUBz5JxmLOMXTWnhM",
        "$pbkdf2$1000$a2l0c2FsdDE$IKvVTfdj4zWnYCbZ32fzFmALFmo",
        "$pbkdf2-sha256$1000$a2l0c2FsdDH//vs$gNCtLLjHsYo4fduh0O8mz8k79PwcB943gl5jSLsgM04",
        "$pbkdf2-sha512$1000$a2l0c2FsdDE$LkyAf6XMls.15K32qtp3Ij9u6Rl5oDh3BYsm/XuTprG0BpO6L8e//vZ8kkzuCkqhpLYphZVmgi9I8ncTvEonBQ",
        "$pbkdf2-sha512$1000$a2l0c2FsdDE$LkyAf6XMls+15K32qtp3Ij9u6Rl5oDh3BYsm/XuTprG0BpO6L8e//vZ8kkzuCkqhpLYphZVmgi9I8ncTvEonBQ==",
        "{PBKDF2}1000$a2l0c2FsdDE$IKvVTfdj4zWnYCbZ32fzFmALFmo",
        "{PBKDF2-SHA1}1000$a2l0c2FsdDE$IKvVTfdj4zWnYCbZ32fzFmALFmo",
        "{PBKDF2-SHA256}1000$a2l0c2FsdDE$iRqEhQwrUHWFj09AkMk367vTUS5/a.n9eE71x/Vah/8",
        "{PBKDF2-SHA512}1000$a2l0c2FsdDE$LkyAf6XMls.15K32qtp3Ij9u6Rl5oDh3BYsm/XuTprG0BpO6L8e//vZ8kkzuCkqhpLYphZVmgi9I8ncTvEonBQ",
        "{PBKDF2-SHA256}$pbkdf2-sha256$1000$a2l0c2FsdDE$iRqEhQwrUHWFj09AkMk367vTUS5/a.n9eE71x/Vah/8",
        "{PBKDF2}$1$kitsalt1$1000$20abd54df763e335a76026d9df67f316600b166a",
    ];

    #[test]
    fn hashes_match_their_password_and_no_other() {
        for stored in VECTORS {
            assert_eq!(verify(stored.as_bytes(), b"correct horse"), Ok(true), "{stored}");
            assert_eq!(verify(stored.as_bytes(), b"Correct horse"), Ok(false), "{stored}");
        }
    }

    #[test]
    fn an_empty_password_is_a_password() {
        let stored = b"$argon2id$v=19$m=64,t=1,p=4$a2l0c2FsdGtpdHNhbHQ$L5YJPcydM6hIPX9jYiDqJA";
        assert_eq!(verify(stored, b""), Ok(true));
        assert_eq!(verify(stored, b"x"), Ok(false));
    }

    #[test]
    fn hostile_settings_are_refused_before_any_work() {
        let salt_and_key = "$a2l0c2FsdGtpdHNhbHQ$DG+VeTTvt2MkqUdyL7WBBeNnyrqf5wC7nRZKuZzbnS8";
        let cases = [
            ("v=19$m=4194304,t=1,p=1", Error::TooExpensive),
            ("v=19$m=262145,t=1,p=1", Error::TooExpensive),
            ("v=19$m=262144,t=9,p=1", Error::TooExpensive),
            ("v=19$m=8,t=4294967295,p=1", Error::TooExpensive),
            ("v=19$m=99999999999999999999,t=99999999999999999999,p=1", Error::TooExpensive),
            ("v=19$m=64,t=1,p=4294967295", Error::Malformed),
            ("v=19$m=64,t=1,p=9", Error::Malformed),
            ("v=19$m=64,t=1,p=0", Error::Malformed),
            ("v=19$m=7,t=1,p=1", Error::Malformed),
            ("v=19$m=64,t=0,p=1", Error::Malformed),
            ("v=19$m=64,p=1", Error::Malformed),
            ("v=19$t=1", Error::Malformed),
            ("v=19$m=64,m=64,t=1", Error::Malformed),
            ("v=19$m=64,t=1,k=16", Error::Malformed),
            ("v=19$m=64,t=1,x=1", Error::Malformed),
            ("v=19$m=64,t=1,", Error::Malformed),
            ("v=19$m=-1,t=1", Error::Malformed),
            ("v=20$m=64,t=1,p=1", Error::Malformed),
            ("v=19$v=19$m=64,t=1,p=1", Error::Malformed),
            ("", Error::Malformed),
        ];
        for (settings, error) in cases {
            let stored = format!("$argon2id${settings}{salt_and_key}");
            assert_eq!(verify(stored.as_bytes(), b"correct horse"), Err(error), "{settings}");
        }
    }

    #[test]
    fn broken_fields_are_errors() {
        let long = "A".repeat(400);
        let cases = [
            "$argon2id$".into(),
            "$argon2id$v=19".into(),
            "$argon2id$v=19$m=64,t=2,p=1".into(),
            "$argon2id$v=19$m=64,t=2,p=1$a2l0c2FsdGtpdHNhbHQ".into(),
            "$argon2id$v=19$m=64,t=2,p=1$a2l0c2FsdGtpdHNhbHQ$".into(),
            "$argon2id$v=19$m=64,t=2,p=1$c2hvcnQ$DG+VeTTvt2MkqUdyL7WBBeNnyrqf5wC7nRZKuZzbnS8".into(),
            "$argon2id$v=19$m=64,t=2,p=1$a2l0c2FsdGtpdHNhbHQ$DG+VeTTvt2MkqUdyL7WBBeNnyrqf5wC7nRZKuZzb!S8".into(),
            "$argon2id$v=19$m=64,t=2,p=1$a2l0c2FsdGtpdHNhbHQ$DG+VeTTvt2MkqUdyL7WBBeNnyrqf5wC7nRZKuZzbnS8$more".into(),
            format!("$argon2id$v=19$m=64,t=2,p=1$a2l0c2FsdGtpdHNhbHQ${long}"),
            format!("$argon2id$v=19$m=64,t=2,p=1${long}$DG+VeTTvt2MkqUdyL7WBBeNnyrqf5wC7nRZKuZzbnS8"),
            "$pbkdf2-sha256$".into(),
            "$pbkdf2-sha256$0$a2l0c2FsdDE$iRqEhQwrUHWFj09AkMk367vTUS5/a.n9eE71x/Vah/8".into(),
            "$pbkdf2-sha256$1000$a2l0c2FsdDE$iRqEhQwrUHWFj09AkMk367vTUS5/a.n9eE71x/Vah".into(),
            "$pbkdf2-sha256$1000$a2l0c2FsdDE".into(),
            format!("$pbkdf2-sha256$1000$a2l0c2FsdDE${long}"),
            "{PBKDF2}$1$kitsalt1$1000$20ab".into(),
            "{PBKDF2}$1$kitsalt1$1000$zz".into(),
        ];
        for stored in cases {
            assert_eq!(
                verify(stored.as_bytes(), b"correct horse"),
                Err(Error::Malformed),
                "{stored}"
            );
        }
    }

    #[test]
    fn pbkdf2_rounds_are_bounded() {
        for stored in [
            format!("$pbkdf2-sha512$4000001$a2l0c2FsdDE${}", "A".repeat(86)),
            format!("$pbkdf2-sha256$99999999999$a2l0c2FsdDE${}", "A".repeat(43)),
            format!("{{PBKDF2}}$1$kitsalt1$4294967295${}", "00".repeat(20)),
        ] {
            assert_eq!(
                verify(stored.as_bytes(), b"correct horse"),
                Err(Error::TooExpensive),
                "{stored}"
            );
        }
    }
}
