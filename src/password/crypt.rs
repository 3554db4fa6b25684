//! crypt(3): MD5-crypt, SHA-256-crypt, SHA-512-crypt and bcrypt. What comes in is the stored value
//! without its `$name$`.
//!
//! Rules: crypt(5); U. Drepper, "Unix crypt using SHA-256 and SHA-512"; P.-H. Kamp's MD5-crypt of
//! FreeBSD 2.0 (written out here, as no maintained crate has it); OpenBSD's bcrypt. As crypt(3)
//! does, the digest is computed, written as crypt(3) writes it, and the two texts are compared; a
//! stored text of another length matches nothing. Bounds: [`PLAIN_BYTES_MAX`], [`SHA_ROUNDS_MAX`],
//! [`BCRYPT_COST_MAX`]: about two seconds at most, three for the longest passwords.

use super::encoding::{decode_bcrypt, encode_bcrypt};
use super::{Error, kdf};
use md5::{Digest, Md5};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// MD5-crypt, `salt$hash`. Always 1,000 rounds; of the salt 8 bytes are used.
pub(super) fn verify_md5(value: &[u8], plain: &[u8]) -> Result<bool, Error> {
    if plain.len() > PLAIN_BYTES_MAX {
        return Ok(false);
    }
    let (salt, stored) = split_field(value);
    let salt = salt.get(..MD5_SALT_BYTES).unwrap_or(salt);
    Ok(matches(&md5_crypt(plain, salt), &MD5_ORDER, stored))
}

/// SHA-256-crypt, `[rounds=N$]salt$hash`; of the salt 16 bytes are used.
pub(super) fn verify_sha256(value: &[u8], plain: &[u8]) -> Result<bool, Error> {
    if plain.len() > PLAIN_BYTES_MAX {
        return Ok(false);
    }
    let (params, value) = sha_rounds(value)?;
    let (salt, stored) = split_field(value);
    Ok(matches(&sha_crypt::sha256_crypt(plain, salt, params), &SHA256_ORDER, stored))
}

/// SHA-512-crypt, `[rounds=N$]salt$hash`; of the salt 16 bytes are used.
pub(super) fn verify_sha512(value: &[u8], plain: &[u8]) -> Result<bool, Error> {
    if plain.len() > PLAIN_BYTES_MAX {
        return Ok(false);
    }
    let (params, value) = sha_rounds(value)?;
    let (salt, stored) = split_field(value);
    Ok(matches(&sha_crypt::sha512_crypt(plain, salt, params), &SHA512_ORDER, stored))
}

/// bcrypt, `NN$` and 53 characters of salt and digest. The password ends at its first zero byte, as
/// a C string does, and only its first 72 bytes count.
#[expect(
    clippy::indexing_slicing,
    reason = "`used` is at most the length of the key and of the password"
)]
pub(super) fn verify_bcrypt(value: &[u8], plain: &[u8]) -> Result<bool, Error> {
    let (cost, value) = split_field(value);
    let (salt, digest) = value.split_at_checked(BCRYPT_SALT_TEXT_BYTES).ok_or(Error::Malformed)?;
    let mut buffer = [0; 16];
    decode_bcrypt(salt, &mut buffer)?;
    let (salt, mut buffer) = (buffer, [0; 23]);
    let digest = decode_bcrypt(digest, &mut buffer)?;
    let ([b'0'..=b'3', b'0'..=b'9'], 23) = (cost, digest.len()) else {
        return Err(Error::Malformed);
    };
    let cost = kdf::number(cost)?;
    if cost < BCRYPT_COST_MIN {
        return Err(Error::Malformed);
    }
    if cost > BCRYPT_COST_MAX {
        return Err(Error::TooExpensive);
    }
    let mut key = Zeroizing::new([0; BCRYPT_KEY_BYTES]);
    let plain = plain.split(|byte| *byte == 0).next().unwrap_or_default();
    let used = plain.len().min(BCRYPT_KEY_BYTES);
    key[..used].copy_from_slice(&plain[..used]);
    // The zero byte at the end belongs to the key, if there is room for it.
    let computed = bcrypt::bcrypt(cost, salt, &key[..(used + 1).min(BCRYPT_KEY_BYTES)]);
    Ok(computed[..23].ct_eq(digest).into())
}

/// Cuts `text` at the first `$`; without one all of it is the first part.
fn split_field(text: &[u8]) -> (&[u8], &[u8]) {
    match memchr::memchr(b'$', text) {
        Some(at) => (text.get(..at).unwrap_or(text), text.get(at + 1..).unwrap_or_default()),
        None => (text, b""),
    }
}

/// Reads `rounds=N$`, if it is there. Fewer than 1,000 rounds become 1,000, as in the algorithm's
/// description.
fn sha_rounds(value: &[u8]) -> Result<(sha_crypt::Params, &[u8]), Error> {
    let Some(value) = value.strip_prefix(b"rounds=") else {
        return Ok((sha_crypt::Params::default(), value));
    };
    let (rounds, value) = split_field(value);
    let rounds = kdf::number(rounds)?;
    if rounds > SHA_ROUNDS_MAX {
        return Err(Error::TooExpensive);
    }
    let params = sha_crypt::Params::new(rounds.max(sha_crypt::Params::ROUNDS_MIN))
        .map_err(|_| Error::Malformed)?;
    Ok((params, value))
}

#[expect(
    clippy::indexing_slicing,
    reason = "parts have 16 bytes at most; a length that is not 0 has a first byte"
)]
fn md5_crypt(plain: &[u8], salt: &[u8]) -> [u8; 16] {
    let inner: [u8; 16] =
        Md5::new().chain_update(plain).chain_update(salt).chain_update(plain).finalize().into();
    let mut first = Md5::new().chain_update(plain).chain_update(b"$1$").chain_update(salt);
    for part in plain.chunks(16) {
        first.update(&inner[..part.len()]);
    }
    // One byte for each bit of the length: zero for a one, the password's first byte for a zero.
    let mut length = plain.len();
    while length > 0 {
        first.update(if length & 1 == 1 { &[0] } else { &plain[..1] });
        length >>= 1;
    }
    let mut digest: [u8; 16] = first.finalize().into();
    for round in 0..MD5_ROUNDS {
        let (before, after) =
            if round % 2 == 1 { (plain, &digest[..]) } else { (&digest[..], plain) };
        let mut hash = Md5::new().chain_update(before);
        if round % 3 != 0 {
            hash.update(salt);
        }
        if round % 7 != 0 {
            hash.update(plain);
        }
        digest = hash.chain_update(after).finalize().into();
    }
    digest
}

/// Whether `stored` is how crypt(3) writes `digest`.
fn matches(digest: &[u8], order: &[u8], stored: &[u8]) -> bool {
    let (text, len) = crypt_text(digest, order);
    text.get(..len).unwrap_or_default().ct_eq(stored).into()
}

/// `digest` as crypt(3) writes it, and the length of that: bytes in their `order`, six bits a
/// character, low bits first.
#[expect(
    clippy::indexing_slicing,
    reason = "`order` holds places of the digest, and CRYPT_TEXT_BYTES_MAX is the longest text"
)]
fn crypt_text(digest: &[u8], order: &[u8]) -> ([u8; CRYPT_TEXT_BYTES_MAX], usize) {
    let mut text = [0; CRYPT_TEXT_BYTES_MAX];
    let (mut pending, mut bits, mut len) = (0_u32, 0_u32, 0);
    for (place, index) in order.iter().enumerate() {
        pending |= u32::from(digest[usize::from(*index)]) << bits;
        bits += 8;
        let is_last = place + 1 == order.len();
        while bits >= 6 || (is_last && bits > 0) {
            text[len] = CRYPT_ALPHABET[(pending & 63) as usize];
            len += 1;
            pending >>= 6;
            bits = bits.saturating_sub(6);
        }
    }
    (text, len)
}

/// SHA-512-crypt with these rounds: `$6$rounds=N$salt$hash`. The salt consists of characters of
/// crypt(3), of which 16 count.
pub(super) fn hash_sha512(plain: &[u8], salt: &str, rounds: u32) -> Option<String> {
    let params = sha_crypt::Params::new(rounds).ok()?;
    let digest = sha_crypt::sha512_crypt(plain, salt.as_bytes(), params);
    let (text, len) = crypt_text(&digest, &SHA512_ORDER);
    let text = std::str::from_utf8(text.get(..len)?).ok()?;
    Some(format!("$6$rounds={rounds}${salt}${text}"))
}

/// bcrypt: `$2b$NN$…`. `None`: the password has a zero byte or more than 72 bytes, of which bcrypt
/// would ignore the rest.
pub(super) fn hash_bcrypt(plain: &[u8], salt: [u8; 16], cost: u32) -> Option<String> {
    if plain.len() > BCRYPT_KEY_BYTES || plain.contains(&0) {
        return None;
    }
    let mut key = Zeroizing::new(plain.to_vec());
    if key.len() < BCRYPT_KEY_BYTES {
        key.push(0);
    }
    let digest = bcrypt::bcrypt(cost, salt, &key);
    // The last byte of the digest is left out, as OpenBSD does.
    let digest = encode_bcrypt(digest.get(..23)?);
    Some(format!("$2b${cost:02}${}{digest}", encode_bcrypt(&salt)))
}

/// Longer passwords match nothing: the work of all but bcrypt grows with their length. The limit is
/// libxcrypt's.
pub(super) const PLAIN_BYTES_MAX: usize = 512;

/// Rounds of SHA-crypt: 5,000 take 2 ms, so these take 0.4 s, and up to 3 s for a password of
/// [`PLAIN_BYTES_MAX`].
const SHA_ROUNDS_MAX: u32 = 1_000_000;

const BCRYPT_COST_MIN: u32 = 4;

/// Cost 10 takes 60 ms and each step doubles it: two seconds.
const BCRYPT_COST_MAX: u32 = 15;

const BCRYPT_KEY_BYTES: usize = 72;
const BCRYPT_SALT_TEXT_BYTES: usize = 22;

const MD5_ROUNDS: u32 = 1_000;
const MD5_SALT_BYTES: usize = 8;

/// 64 bytes at six bits a character.
const CRYPT_TEXT_BYTES_MAX: usize = 86;

const CRYPT_ALPHABET: &[u8; 64] =
    b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

const MD5_ORDER: [u8; 16] = [12, 6, 0, 13, 7, 1, 14, 8, 2, 15, 9, 3, 5, 10, 4, 11];

#[rustfmt::skip]
const SHA256_ORDER: [u8; 32] = [
    20, 10, 0, 11, 1, 21, 2, 22, 12, 23, 13, 3, 14, 4, 24, 5, 25, 15, 26, 16, 6, 17, 7, 27, 8, 28, 18, 29, 19, 9, 30, 31,
];

#[rustfmt::skip]
const SHA512_ORDER: [u8; 64] = [
    42, 21, 0, 1, 43, 22, 23, 2, 44, 45, 24, 3, 4, 46, 25, 26, 5, 47, 48, 27, 6, 7, 49, 28, 29, 8, 50, 51, 30, 9, 10, 52, 31,
    32, 11, 53, 54, 33, 12, 13, 55, 34, 35, 14, 56, 57, 36, 15, 16, 58, 37, 38, 17, 59, 60, 39, 18, 19, 61, 40, 41, 20, 62, 63,
];

#[cfg(test)]
mod tests {
    use crate::password::{Error, verify};

    /// Computed with the crypt(3) of glibc and libxcrypt, and with OpenBSD's bcrypt through Python.
    const VECTORS: [(&str, &str); 22] = [
        ("$1$kitsalt1$4DyR.6sAzORfnG7xketkL/", "correct horse"),
        ("$1$ab$rn6aQS/o7141mj179E/zA.", ""),
        ("$1$abcdefgh$tgsVkhHLehHghB1wvPpWP0", "grüße ☃"),
        ("$1$abcdefghijk$tgsVkhHLehHghB1wvPpWP0", "grüße ☃"),
        ("$5$kitsalt1$xh1HHrghRLu.HUpr/q4KWztmkqxvwnc2VITfeURO4w8", "correct horse"),
        ("$5$rounds=5000$kitsalt1$xh1HHrghRLu.HUpr/q4KWztmkqxvwnc2VITfeURO4w8", "correct horse"),
        ("$5$rounds=1500$kitsalt1$oW.qIIIqra6Cm0f/11WKx9qOIIaATzR/e9swANECiFA", "correct horse"),
        ("$5$rounds=1000$a$q29MuptkDKeCD0C/Ugd36TP5BvLNAsYMh9FCDX7KAI3", "correct horse"),
        ("$5$rounds=10000$saltstringsaltst$TZm4At3///GIqafTBqnicuZI0u5BIg4wS9TQJK5Cbp1", "grüße ☃"),
        ("$5$$3c2QQ0KjIU1OLtB29cl8Fplc2WN7X89bnoEjaR7tWu.", ""),
        (
            "$6$kitsalt1$e8MbpvZS07bAAYfx77zDup9jEf18EXYTSj9F3xmv2kRgG0SHINnJlLyx7FV.dhDNRFRy7B47mMuwWrfIMFS9g1",
            "correct horse",
        ),
        (
            "$6$rounds=5000$kitsalt1$e8MbpvZS07bAAYfx77zDup9jEf18EXYTSj9F3xmv2kRgG0SHINnJlLyx7FV.dhDNRFRy7B47mMuwWrfIMFS9g1",
            "correct horse",
        ),
        (
            "$6$rounds=1200$kitsalt1$W6qx19X9HDZhUXG.miii1FTrOlr32v9r.sfQQupqn4b5.kM75mjZ5FhjeZrEkFGwasQWX7tTPJLEeAXTrJHtM/",
            "correct horse",
        ),
        (
            "$6$rounds=10000$saltstringsaltstring$EWPnTISB3pGirxE8WIsm5pendWnY15.2T7aiHD575w88.XC8M5WMIni6VZIY5U/USJ2Kmm8UXiOp9BiaY1j6K1",
            "grüße ☃",
        ),
        (
            "$6$$/chiBau24cE26QQVW3IfIe68Xu5.JQ4E8Ie7lcRLwqxO5cxGuBhqF2HmTL.zWJ9zjChg3yJYFXeGBQ2y3Ba1d1",
            "",
        ),
        ("$2a$05$ZxVMRH0Dp0nYwQgoL5njQu7MHmy1HPCafRwRJs3e4BfLdmW5yqyMy", "correct horse"),
        ("$2b$05$ZxVMRH0Dp0nYwQgoL5njQu7MHmy1HPCafRwRJs3e4BfLdmW5yqyMy", "correct horse"),
        ("$2y$05$ZxVMRH0Dp0nYwQgoL5njQu7MHmy1HPCafRwRJs3e4BfLdmW5yqyMy", "correct horse"),
        ("$2b$04$ZxVMRH0Dp0nYwQgoL5njQum8teTQhXB5bQhrNKHCGSLNogKoew/o2", ""),
        ("$2b$04$ZxVMRH0Dp0nYwQgoL5njQulWguNCZmcjkXaX3J4XChLYoOLOJ1ghW", "grüße ☃"),
        (
            "{BLF-CRYPT}$2y$05$ZxVMRH0Dp0nYwQgoL5njQu7MHmy1HPCafRwRJs3e4BfLdmW5yqyMy",
            "correct horse",
        ),
        ("{CRYPT}$1$kitsalt1$4DyR.6sAzORfnG7xketkL/", "correct horse"),
    ];

    #[test]
    fn hashes_match_their_password_and_no_other() {
        for (stored, plain) in VECTORS {
            assert_eq!(verify(stored.as_bytes(), plain.as_bytes()), Ok(true), "{stored}");
            assert_eq!(verify(stored.as_bytes(), b"correct"), Ok(false), "{stored}");
        }
    }

    #[test]
    fn long_passwords_match_up_to_the_limit() {
        let long = [
            ("$1$longpass$.Bdn3laT/uOGIyZBHbYNG/", "x".repeat(100)),
            ("$5$saltstring$YcViBHgwVKmMjS9ZDqR3ruBKtnY5ZBY5UgC6hrRQ7wC", "y".repeat(200)),
            (
                "$6$saltstring$JLpHkXO7TXkOU5iDSBoK0nf1J6QJ4m2grhOx4eW/oT7Dl/UQ3UXP1UWxX1r5eH695AilrBAugnu/IMzPHKCHJ/",
                "y".repeat(200),
            ),
        ];
        for (stored, plain) in long {
            assert_eq!(verify(stored.as_bytes(), plain.as_bytes()), Ok(true), "{stored}");
            assert_eq!(
                verify(stored.as_bytes(), "x".repeat(1 << 20).as_bytes()),
                Ok(false),
                "{stored}"
            );
        }
    }

    #[test]
    fn bcrypt_reads_a_c_string_of_72_bytes() {
        let stored = b"$2b$04$ZxVMRH0Dp0nYwQgoL5njQu8c1b0V8CFH89NCFHbfudTlXqA1Ofgby";
        assert_eq!(verify(stored, &[b'z'; 72]), Ok(true));
        assert_eq!(verify(stored, &[b'z'; 80]), Ok(true));
        assert_eq!(verify(stored, &[b'z'; 71]), Ok(false));
        let stored = b"$2b$05$ZxVMRH0Dp0nYwQgoL5njQu7MHmy1HPCafRwRJs3e4BfLdmW5yqyMy";
        assert_eq!(verify(stored, b"correct horse\0staple"), Ok(true));
        assert_eq!(verify(stored, b"\0correct horse"), Ok(false));
    }

    #[test]
    fn unused_bits_of_a_bcrypt_salt_do_not_matter() {
        let stored = b"$2b$05$ZxVMRH0Dp0nYwQgoL5njQv7MHmy1HPCafRwRJs3e4BfLdmW5yqyMy";
        assert_eq!(verify(stored, b"correct horse"), Ok(true));
    }

    #[test]
    fn settings_without_a_whole_hash_match_nothing() {
        for stored in [
            "$1$",
            "$1$salt",
            "$1$salt$",
            "$5$salt$x",
            "$6$",
            "$6$rounds=1000$kitsalt1$x",
            "$5$rounds=10$a$",
        ] {
            assert_eq!(verify(stored.as_bytes(), b"correct horse"), Ok(false), "{stored}");
        }
    }

    #[test]
    fn broken_settings_are_errors() {
        let cases = [
            ("$6$rounds=$salt$hash", Error::Malformed),
            ("$6$rounds=-1$salt$hash", Error::Malformed),
            ("$6$rounds=1e9$salt$hash", Error::Malformed),
            ("$6$rounds=1000001$salt$hash", Error::TooExpensive),
            ("$5$rounds=999999999$salt$hash", Error::TooExpensive),
            ("$5$rounds=99999999999999999999999999$salt$hash", Error::TooExpensive),
            ("$2b$16$ZxVMRH0Dp0nYwQgoL5njQu7MHmy1HPCafRwRJs3e4BfLdmW5yqyMy", Error::TooExpensive),
            ("$2b$31$ZxVMRH0Dp0nYwQgoL5njQu7MHmy1HPCafRwRJs3e4BfLdmW5yqyMy", Error::TooExpensive),
            ("$2b$99$ZxVMRH0Dp0nYwQgoL5njQu7MHmy1HPCafRwRJs3e4BfLdmW5yqyMy", Error::Malformed),
            ("$2b$03$ZxVMRH0Dp0nYwQgoL5njQu7MHmy1HPCafRwRJs3e4BfLdmW5yqyMy", Error::Malformed),
            ("$2b$5$ZxVMRH0Dp0nYwQgoL5njQu7MHmy1HPCafRwRJs3e4BfLdmW5yqyMy", Error::Malformed),
            ("$2b$05$ZxVMRH0Dp0nYwQgoL5njQu7MHmy1HPCafRwRJs3e4BfLdmW5yqyM", Error::Malformed),
            ("$2b$05$ZxVMRH0Dp0nYwQgoL5njQu7MHmy1HPCafRwRJs3e4BfLdmW5yqyMyy", Error::Malformed),
            ("$2b$05$ZxVMRH0Dp0nYwQgoL5nj u7MHmy1HPCafRwRJs3e4BfLdmW5yqyMy", Error::Malformed),
            ("$2b$05$", Error::Malformed),
            ("$2b$", Error::Malformed),
        ];
        for (stored, error) in cases {
            assert_eq!(verify(stored.as_bytes(), b"correct horse"), Err(error), "{stored}");
        }
    }
}
