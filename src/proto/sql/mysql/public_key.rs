//! The public key that a server offers for passwords that must not go in clear text
//! (`caching_sha2_password`, `sha256_password`).
//!
//! The crate that encrypts with it trusts the lengths inside; so a key is taken apart here first,
//! and rebuilt from its parts. Bounds: moduli of [`MODULUS_BYTES`].

use crate::proto::sql::Malformed;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::SubjectPublicKeyInfoDer;
use rustls_pki_types::pem::PemObject;
use std::ops::RangeInclusive;

/// The same key in the one form that the crate is sure to read: PEM of a SubjectPublicKeyInfo (RFC
/// 5280) with an RSA key (RFC 8017).
///
/// # Errors
/// It is none, or too short to protect anything, or too long to compute with.
pub fn checked(pem: &[u8]) -> Result<Vec<u8>, Malformed> {
    let key = SubjectPublicKeyInfoDer::from_pem_slice(pem).map_err(|_| BAD_KEY)?;
    let (modulus, exponent) = numbers(&key).ok_or(BAD_KEY)?;
    if !MODULUS_BYTES.contains(&modulus.len()) || !(1..=4).contains(&exponent.len()) {
        return Err(BAD_KEY);
    }
    let mut text = b"-----BEGIN PUBLIC KEY-----\n".to_vec();
    text.extend_from_slice(STANDARD.encode(compose(modulus, exponent)).as_bytes());
    text.extend_from_slice(b"\n-----END PUBLIC KEY-----\n");
    Ok(text)
}

/// Modulus and exponent, without leading zeros.
fn numbers(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (info, rest) = element(der, SEQUENCE)?;
    let (algorithm, info) = element(info, SEQUENCE)?;
    let (identifier, _) = element(algorithm, IDENTIFIER)?;
    let (bits, end) = element(info, BIT_STRING)?;
    let (0, key) = bits.split_first()? else { return None };
    let (key, key_end) = element(key, SEQUENCE)?;
    let (modulus, key) = element(key, INTEGER)?;
    let (exponent, last) = element(key, INTEGER)?;
    let is_whole = [rest, end, key_end, last].iter().all(|rest| rest.is_empty());
    (is_whole && identifier == RSA).then(|| (without_zeros(modulus), without_zeros(exponent)))
}

fn compose(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    let key = tagged(
        SEQUENCE,
        &[&tagged(INTEGER, &[&[0], modulus]), &tagged(INTEGER, &[&[0], exponent])],
    );
    let algorithm = tagged(SEQUENCE, &[&tagged(IDENTIFIER, &[RSA]), NULL]);
    tagged(SEQUENCE, &[&algorithm, &tagged(BIT_STRING, &[&[0], &key])])
}

/// The contents of the element that `der` begins with, and what is behind it.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (found, rest) = der.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (len, rest) = match first {
        len @ 0..=0x7F => (usize::from(*len), rest),
        0x81 => rest.split_first().map(|(len, rest)| (usize::from(*len), rest))?,
        0x82 => rest
            .split_first_chunk()
            .map(|(len, rest)| (usize::from(u16::from_be_bytes(*len)), rest))?,
        _ => return None,
    };
    if *found == tag { rest.split_at_checked(len) } else { None }
}

fn tagged(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let len: usize = parts.iter().map(|part| part.len()).sum();
    // Always the long form: every reader takes it, and the length is below 64 KiB.
    let [_, _, a, b] = (len as u32).to_be_bytes();
    let mut out = vec![tag, 0x82, a, b];
    parts.iter().for_each(|part| out.extend_from_slice(part));
    out
}

fn without_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const IDENTIFIER: u8 = 0x06;

/// rsaEncryption, 1.2.840.113549.1.1.1.
const RSA: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x01];

const NULL: &[u8] = &[0x05, 0x00];

/// 1024 to 8192 bits; MySQL makes keys of 2048.
const MODULUS_BYTES: RangeInclusive<usize> = 128..=1024;

const BAD_KEY: Malformed = Malformed::Protocol("the server's public key cannot be used");

#[cfg(test)]
mod tests {
    use super::*;
    use mysql_common::crypto;
    use proptest::prelude::*;

    fn pem(der: &[u8]) -> Vec<u8> {
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(der))
            .into_bytes()
    }

    /// A number of so many bytes with its highest bit set, as a modulus has.
    fn modulus(bytes: usize) -> Vec<u8> {
        vec![0xC5; bytes]
    }

    #[test]
    fn a_key_comes_out_as_it_went_in() {
        let der = compose(&modulus(256), &[1, 0, 1]);
        let text = checked(&pem(&der)).unwrap();
        assert_eq!(text, pem(&der));
        assert_eq!(crypto::encrypt(b"secret", &text).unwrap().len(), 256);
    }

    #[test]
    fn what_is_no_usable_key_is_refused() {
        let good = compose(&modulus(256), &[1, 0, 1]);
        let mut other_algorithm = good.clone();
        other_algorithm[16] ^= 1;
        for (what, der) in [
            ("too short", compose(&modulus(64), &[3])),
            ("too long", compose(&modulus(2048), &[3])),
            ("no exponent", compose(&modulus(256), &[])),
            ("a huge exponent", compose(&modulus(256), &modulus(5))),
            ("cut off", good[..good.len() - 1].to_vec()),
            ("something behind", [good.as_slice(), &[0]].concat()),
            ("another algorithm", other_algorithm),
            ("empty", Vec::new()),
        ] {
            assert_eq!(checked(&pem(&der)), Err(BAD_KEY), "{what}");
        }
        assert_eq!(checked(b"no PEM"), Err(BAD_KEY));
    }

    proptest! {
        #[test]
        fn whatever_passes_can_be_encrypted_with(at in 0usize..560, byte: u8) {
            let mut der = compose(&modulus(256), &[1, 0, 1]);
            let at = at % der.len();
            der[at] = byte;
            if let Ok(text) = checked(&pem(&der)) {
                prop_assert!(crypto::encrypt(&[b'x'; 40], &text).is_ok());
            }
        }
    }
}
