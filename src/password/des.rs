//! DES-crypt, the oldest hash of crypt(3): 25 times DES over zeros, keyed by the first eight
//! characters of the password.
//!
//! Rules: FIPS 46-3 for the tables; crypt(3) of Unix V7 for the salt, which swaps bits of the
//! expansion. Written out here: crates for DES know no salt. A permutation is looked up bit by bit,
//! some 0.1 ms for a password. Weak: supported for old password stores.

use super::Error;
use super::encoding::crypt_digit;
use subtle::ConstantTimeEq;

/// Two characters of salt and eleven of digest.
pub(super) const TEXT_BYTES: usize = 13;

/// Whether a text can be a hash of this kind.
pub(super) fn is_text(text: &[u8]) -> bool {
    text.len() == TEXT_BYTES && text.iter().all(|byte| crypt_digit(*byte).is_some())
}

/// Checks a password against the whole text. Only its first eight characters, and the low seven
/// bits of these, count.
///
/// # Errors
/// [`Error::Malformed`]
#[expect(clippy::indexing_slicing, reason = "six bits are below 64")]
pub(super) fn verify(text: &[u8], plain: &[u8]) -> Result<bool, Error> {
    let &[first, second, ref digest @ ..] = text else { return Err(Error::Malformed) };
    let (Some(low), Some(high)) = (crypt_digit(first), crypt_digit(second)) else {
        return Err(Error::Malformed);
    };
    if !is_text(text) {
        return Err(Error::Malformed);
    }
    let block = crypt(key(plain), low | high << 6);
    // Six bits a character from the top; two zero bits fill the last.
    let mut written = [0; TEXT_BYTES - 2];
    for (place, character) in written.iter_mut().enumerate() {
        let bits = (u128::from(block) << 2) >> (60 - 6 * place) & 63;
        *character = ALPHABET[bits as usize];
    }
    Ok(written.ct_eq(digest).into())
}

/// The password ends at its first zero byte, as a C string does.
fn key(plain: &[u8]) -> u64 {
    let plain = plain.split(|byte| *byte == 0).next().unwrap_or_default();
    let mut key = [0; 8];
    key.iter_mut().zip(plain).for_each(|(place, byte)| *place = byte << 1);
    u64::from_be_bytes(key)
}

fn crypt(key: u64, salt: u32) -> u64 {
    let keys = round_keys(key);
    let (mut left, mut right) = (0_u32, 0_u32);
    // The permutations at the ends of one encryption undo each other between two; those of zeros
    // are zeros.
    for _ in 0..25 {
        for key in keys {
            (left, right) = (right, left ^ round(right, key, salt));
        }
        (left, right) = (right, left);
    }
    permute(u64::from(left) << 32 | u64::from(right), 64, &FINAL)
}

fn round_keys(key: u64) -> [u64; 16] {
    let chosen = permute(key, 64, &KEY_CHOICE_1);
    let (mut c, mut d) = (chosen >> 28, chosen & 0x0fff_ffff);
    SHIFTS.map(|shift| {
        c = (c << shift | c >> (28 - shift)) & 0x0fff_ffff;
        d = (d << shift | d >> (28 - shift)) & 0x0fff_ffff;
        permute(c << 28 | d, 56, &KEY_CHOICE_2)
    })
}

#[expect(clippy::indexing_slicing, reason = "a box has 4 rows of 16 columns")]
fn round(half: u32, key: u64, salt: u32) -> u32 {
    let mut expanded = permute(half.into(), 32, &EXPANSION);
    // Bit n of the salt swaps the bits n and n + 24 of the expansion, counted from the top.
    for bit in (0..12).filter(|bit| salt >> bit & 1 == 1) {
        let differ = (expanded >> (47 - bit) ^ expanded >> (23 - bit)) & 1;
        expanded ^= differ << (47 - bit) | differ << (23 - bit);
    }
    let mixed = expanded ^ key;
    let mut out = 0;
    for (place, table) in BOXES.iter().enumerate() {
        let six = (mixed >> (42 - 6 * place)) as usize & 63;
        let (row, column) = (six >> 4 & 2 | six & 1, six >> 1 & 15);
        out = out << 4 | u64::from(table[row * 16 + column]);
    }
    permute(out, 32, &PERMUTATION) as u32
}

/// The bits of `value`, which has `width`, in the order of `table`: bit 1 is the highest.
fn permute(value: u64, width: u8, table: &[u8]) -> u64 {
    table.iter().fold(0, |out, bit| out << 1 | value >> (width - bit) & 1)
}

const ALPHABET: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

const SHIFTS: [u32; 16] = [1, 1, 2, 2, 2, 2, 2, 2, 1, 2, 2, 2, 2, 2, 2, 1];

#[rustfmt::skip]
const FINAL: [u8; 64] = [
    40, 8, 48, 16, 56, 24, 64, 32, 39, 7, 47, 15, 55, 23, 63, 31, 38, 6, 46, 14, 54, 22, 62, 30, 37, 5, 45, 13, 53, 21, 61, 29,
    36, 4, 44, 12, 52, 20, 60, 28, 35, 3, 43, 11, 51, 19, 59, 27, 34, 2, 42, 10, 50, 18, 58, 26, 33, 1, 41, 9, 49, 17, 57, 25,
];

#[rustfmt::skip]
const EXPANSION: [u8; 48] = [
    32, 1, 2, 3, 4, 5, 4, 5, 6, 7, 8, 9, 8, 9, 10, 11, 12, 13, 12, 13, 14, 15, 16, 17,
    16, 17, 18, 19, 20, 21, 20, 21, 22, 23, 24, 25, 24, 25, 26, 27, 28, 29, 28, 29, 30, 31, 32, 1,
];

#[rustfmt::skip]
const PERMUTATION: [u8; 32] = [
    16, 7, 20, 21, 29, 12, 28, 17, 1, 15, 23, 26, 5, 18, 31, 10, 2, 8, 24, 14, 32, 27, 3, 9, 19, 13, 30, 6, 22, 11, 4, 25,
];

#[rustfmt::skip]
const KEY_CHOICE_1: [u8; 56] = [
    57, 49, 41, 33, 25, 17, 9, 1, 58, 50, 42, 34, 26, 18, 10, 2, 59, 51, 43, 35, 27, 19, 11, 3, 60, 52, 44, 36,
    63, 55, 47, 39, 31, 23, 15, 7, 62, 54, 46, 38, 30, 22, 14, 6, 61, 53, 45, 37, 29, 21, 13, 5, 28, 20, 12, 4,
];

#[rustfmt::skip]
const KEY_CHOICE_2: [u8; 48] = [
    14, 17, 11, 24, 1, 5, 3, 28, 15, 6, 21, 10, 23, 19, 12, 4, 26, 8, 16, 7, 27, 20, 13, 2,
    41, 52, 31, 37, 47, 55, 30, 40, 51, 45, 33, 48, 44, 49, 39, 56, 34, 53, 46, 42, 50, 36, 29, 32,
];

#[rustfmt::skip]
const BOXES: [[u8; 64]; 8] = [
    [
        14, 4, 13, 1, 2, 15, 11, 8, 3, 10, 6, 12, 5, 9, 0, 7, 0, 15, 7, 4, 14, 2, 13, 1, 10, 6, 12, 11, 9, 5, 3, 8,
        4, 1, 14, 8, 13, 6, 2, 11, 15, 12, 9, 7, 3, 10, 5, 0, 15, 12, 8, 2, 4, 9, 1, 7, 5, 11, 3, 14, 10, 0, 6, 13,
    ],
    [
        15, 1, 8, 14, 6, 11, 3, 4, 9, 7, 2, 13, 12, 0, 5, 10, 3, 13, 4, 7, 15, 2, 8, 14, 12, 0, 1, 10, 6, 9, 11, 5,
        0, 14, 7, 11, 10, 4, 13, 1, 5, 8, 12, 6, 9, 3, 2, 15, 13, 8, 10, 1, 3, 15, 4, 2, 11, 6, 7, 12, 0, 5, 14, 9,
    ],
    [
        10, 0, 9, 14, 6, 3, 15, 5, 1, 13, 12, 7, 11, 4, 2, 8, 13, 7, 0, 9, 3, 4, 6, 10, 2, 8, 5, 14, 12, 11, 15, 1,
        13, 6, 4, 9, 8, 15, 3, 0, 11, 1, 2, 12, 5, 10, 14, 7, 1, 10, 13, 0, 6, 9, 8, 7, 4, 15, 14, 3, 11, 5, 2, 12,
    ],
    [
        7, 13, 14, 3, 0, 6, 9, 10, 1, 2, 8, 5, 11, 12, 4, 15, 13, 8, 11, 5, 6, 15, 0, 3, 4, 7, 2, 12, 1, 10, 14, 9,
        10, 6, 9, 0, 12, 11, 7, 13, 15, 1, 3, 14, 5, 2, 8, 4, 3, 15, 0, 6, 10, 1, 13, 8, 9, 4, 5, 11, 12, 7, 2, 14,
    ],
    [
        2, 12, 4, 1, 7, 10, 11, 6, 8, 5, 3, 15, 13, 0, 14, 9, 14, 11, 2, 12, 4, 7, 13, 1, 5, 0, 15, 10, 3, 9, 8, 6,
        4, 2, 1, 11, 10, 13, 7, 8, 15, 9, 12, 5, 6, 3, 0, 14, 11, 8, 12, 7, 1, 14, 2, 13, 6, 15, 0, 9, 10, 4, 5, 3,
    ],
    [
        12, 1, 10, 15, 9, 2, 6, 8, 0, 13, 3, 4, 14, 7, 5, 11, 10, 15, 4, 2, 7, 12, 9, 5, 6, 1, 13, 14, 0, 11, 3, 8,
        9, 14, 15, 5, 2, 8, 12, 3, 7, 0, 4, 10, 1, 13, 11, 6, 4, 3, 2, 12, 9, 5, 15, 10, 11, 14, 1, 7, 6, 0, 8, 13,
    ],
    [
        4, 11, 2, 14, 15, 0, 8, 13, 3, 12, 9, 7, 5, 10, 6, 1, 13, 0, 11, 7, 4, 9, 1, 10, 14, 3, 5, 12, 2, 15, 8, 6,
        1, 4, 11, 13, 12, 3, 7, 14, 10, 15, 6, 8, 0, 5, 9, 2, 6, 11, 13, 8, 1, 4, 10, 7, 9, 5, 0, 15, 14, 2, 3, 12,
    ],
    [
        13, 2, 8, 4, 6, 15, 11, 1, 10, 9, 3, 14, 5, 0, 12, 7, 1, 15, 13, 8, 10, 3, 7, 4, 12, 5, 6, 11, 0, 14, 9, 2,
        7, 11, 4, 1, 9, 12, 14, 2, 0, 6, 10, 13, 15, 3, 5, 8, 2, 1, 14, 7, 4, 10, 8, 13, 15, 12, 9, 0, 3, 5, 6, 11,
    ],
];

#[cfg(test)]
mod tests {
    use crate::password::verify;

    /// Computed with crypt(3) of libxcrypt.
    const VECTORS: [(&str, &str); 6] = [
        ("abhfCpXqd4GrI", "correct horse"),
        ("./Una9Fi.seRo", ""),
        ("zZdIVhqAptZNA", "pw"),
        ("9a7r2L0IG163E", "hunter2"),
        ("AxKfeubocNbw6", "grüße"),
        ("00nGDmsyQv3qU", "12345678"),
    ];

    #[test]
    fn hashes_match_their_password_and_no_other() {
        for (stored, plain) in VECTORS {
            for word in ["{CRYPT}", "{DES-CRYPT}", "{des-crypt}"] {
                let stored = format!("{word}{stored}");
                assert_eq!(verify(stored.as_bytes(), plain.as_bytes()), Ok(true), "{stored}");
                assert_eq!(verify(stored.as_bytes(), b"Correct horse"), Ok(false), "{stored}");
            }
        }
    }

    #[test]
    fn eight_characters_count() {
        let (stored, plain) = VECTORS[0];
        let stored = format!("{{CRYPT}}{stored}");
        assert_eq!(verify(stored.as_bytes(), &plain.as_bytes()[..8]), Ok(true));
        assert_eq!(verify(stored.as_bytes(), &plain.as_bytes()[..7]), Ok(false));
    }
}
