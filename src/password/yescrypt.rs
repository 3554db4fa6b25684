//! yescrypt, `$y$settings$salt$hash`: what current Debian, Fedora and Arch write into /etc/shadow.
//!
//! Rules: crypt(5) and the reference implementation's encoding. The settings are numbers of one to
//! six characters each: flavour, the binary logarithm of N, r, then a set of bits that says which
//! of p, t, g, NROM follow. Only the flavour that crypt(3) writes is known. The settings are read
//! here and not by the crate, which cannot be asked for all of them before the work is done.
//! Bounds: memory [`BYTES_MAX`], work [`WORK_MAX`]: about two seconds at most.

use super::Error;
use super::crypt::PLAIN_BYTES_MAX;
use super::encoding::{crypt_digit, decode_crypt};
use ::yescrypt::{Mode, Params};
use subtle::ConstantTimeEq;

/// Checks against what follows `$y$`.
///
/// # Errors
/// [`Error::Malformed`], [`Error::TooExpensive`], [`Error::OutOfMemory`].
pub(super) fn verify(value: &[u8], plain: &[u8]) -> Result<bool, Error> {
    if plain.len() > PLAIN_BYTES_MAX {
        return Ok(false);
    }
    let mut fields = value.split(|byte| *byte == b'$');
    let (Some(settings), Some(salt), Some(hash), None) =
        (fields.next(), fields.next(), fields.next(), fields.next())
    else {
        return Err(Error::Malformed);
    };
    let params = Settings::read(settings)?.params()?;
    let (mut salt_buffer, mut hash_buffer) = ([0; SALT_BYTES_MAX], [0; HASH_BYTES]);
    let salt = decode_crypt(salt, &mut salt_buffer)?;
    let hash = decode_crypt(hash, &mut hash_buffer)?;
    let mut computed = [0; HASH_BYTES];
    ::yescrypt::yescrypt(plain, salt, &params, &mut computed).map_err(|_| Error::Malformed)?;
    Ok(computed.as_slice().ct_eq(hash).into())
}

#[derive(Clone, Copy)]
struct Settings {
    n_log2: u32,
    r: u32,
    p: u32,
    t: u32,
}

impl Settings {
    fn read(text: &[u8]) -> Result<Settings, Error> {
        let mut text = text;
        if number(&mut text, 0)? != u32::from(Mode::Rw) {
            return Err(Error::Malformed);
        }
        let (n_log2, r) = (number(&mut text, 1)?, number(&mut text, 1)?);
        let (mut p, mut t) = (1, 0);
        if !text.is_empty() {
            let given = number(&mut text, 1)?;
            // Upgraded hashes and a common ROM are in no shadow file.
            if given & !(HAS_P | HAS_T) != 0 {
                return Err(Error::Malformed);
            }
            if given & HAS_P != 0 {
                p = number(&mut text, 2)?;
            }
            if given & HAS_T != 0 {
                t = number(&mut text, 1)?;
            }
        }
        if text.is_empty() { Ok(Settings { n_log2, r, p, t }) } else { Err(Error::Malformed) }
    }

    fn params(self) -> Result<Params, Error> {
        let Settings { n_log2, r, p, t } = self;
        // Also keeps the products below from overflowing.
        if n_log2 > 31 || r > 1 << 20 || p > 1 << 20 || t > 1 << 10 {
            return Err(Error::TooExpensive);
        }
        let n = 1_u64 << n_log2;
        let bytes = 128 * u64::from(r) * (n + u64::from(p));
        if bytes > BYTES_MAX || bytes * u64::from(t + 1) > WORK_MAX {
            return Err(Error::TooExpensive);
        }
        // The crate allocates without asking whether there is room.
        let mut probe = Vec::<u8>::new();
        probe
            .try_reserve_exact(usize::try_from(bytes).map_err(|_| Error::TooExpensive)?)
            .map_err(|_| Error::OutOfMemory)?;
        Params::new_with_all_params(Mode::Rw, n, r, p, t, 0).map_err(|_| Error::Malformed)
    }
}

/// Takes a number off the front of `text`: its first character says how many follow, and each
/// length goes on where the shorter ones end.
fn number(text: &mut &[u8], least: u32) -> Result<u32, Error> {
    let mut digits = text.iter().map(|byte| crypt_digit(*byte).ok_or(Error::Malformed));
    let first = digits.next().ok_or(Error::Malformed)??;
    let (mut start, mut end, mut value, mut bits, mut used) = (0, 47, least, 0, 1);
    while first > end {
        value = value.saturating_add((end + 1 - start) << bits);
        start = end + 1;
        end = start + (62 - end) / 2;
        bits += 6;
    }
    value = value.saturating_add((first - start) << bits);
    while bits > 0 {
        bits -= 6;
        value = value.saturating_add(digits.next().ok_or(Error::Malformed)?? << bits);
        used += 1;
    }
    *text = text.get(used..).unwrap_or_default();
    Ok(value)
}

const HAS_P: u32 = 1;
const HAS_T: u32 = 2;

const HASH_BYTES: usize = 32;

/// crypt(3) writes 16.
const SALT_BYTES_MAX: usize = 64;

/// As for argon2; the default of crypt(3) takes 16 MiB.
const BYTES_MAX: u64 = 256 << 20;

/// Bytes that are filled and read again: the largest memory four times over, about two seconds.
const WORK_MAX: u64 = 4 * BYTES_MAX;

#[cfg(test)]
mod tests {
    use crate::password::{Error, verify};

    /// Computed with crypt(3) of libxcrypt.
    const VECTORS: [(&str, &str); 6] = [
        ("$y$j9T$abcdefgh$4mqd6JVlUo/.JMgenptcdPqIowfqDPoC9lSyWQhPMf1", "correct horse"),
        ("$y$j75$abcdefgh$dnXG1KuMBmwYrnuKh9nriQRakI62k6mwFrGgxhxYD/2", ""),
        ("$y$j75..$abcd$peEKeUyWfd/dZdq5w/rU6wWHzNw6WwQJDPx.5N/3Jr1", "grüße ☃"),
        ("$y$j75/.$abcdefgh$8xkViLuI1e8sjA8OVFBHvKAXbqostChChdRm6fZjOiD", "x"),
        ("$y$j75$abcdefghijklmnop$1kKL1r02wT4HlcktLfzeoOHd1GFgv7Ay4JeEbqGj80B", "correct horse"),
        (
            "$y$jA5$$gs6.jaLmWrK8ZNwT7.VRhY91YM6eAJqUvb2MOulW976",
            "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy",
        ),
    ];

    #[test]
    fn hashes_match_their_password_and_no_other() {
        for (stored, plain) in VECTORS {
            assert_eq!(verify(stored.as_bytes(), plain.as_bytes()), Ok(true), "{stored}");
            assert_eq!(
                verify(format!("{{CRYPT}}{stored}").as_bytes(), b"correct"),
                Ok(false),
                "{stored}"
            );
        }
    }

    #[test]
    fn hostile_settings_are_refused_before_any_work() {
        for (settings, error) in [
            ("", Error::Malformed),
            ("j", Error::Malformed),
            ("j9", Error::Malformed),
            ("j9T$salt", Error::Malformed),
            (".9T$abcd$abcd", Error::Malformed),
            ("j9T.$abcd$abcd", Error::Malformed),
            ("j9T1.$abcd$abcd", Error::Malformed),
            ("j9T$!$abcd", Error::Malformed),
            ("jzzzzzz5$abcd$abcd", Error::TooExpensive),
            ("jK5$abcd$abcd", Error::TooExpensive),
            ("jG5/A$abcd$abcd", Error::TooExpensive),
            ("jT5$abcd$abcd", Error::TooExpensive),
        ] {
            assert_eq!(
                verify(format!("$y${settings}").as_bytes(), b"pw"),
                Err(error),
                "{settings}"
            );
        }
    }
}
