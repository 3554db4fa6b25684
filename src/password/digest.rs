//! `{SHA…}`, `{SSHA…}` and their MD5 relatives: one digest, with or without a salt. Fast enough to
//! be checked inline: nothing is allocated.
//!
//! Rules: RFC 2307 and OpenLDAP for the forms, Dovecot for the unsalted longer digests,
//! `{PLAIN-MD5}` and hexadecimal where the length says so. Bound: digest and salt together
//! [`VALUE_BYTES_MAX`] bytes.

use super::Error;
use super::encoding::Encoding;
use md5::Md5;
use sha1::Sha1;
use sha2::digest::Digest;
use sha2::{Sha256, Sha384, Sha512};
use subtle::ConstantTimeEq;

/// What the word in the braces says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Scheme {
    algorithm: Algorithm,
    salted: bool,
    /// None: hexadecimal if that is what a plain digest is as long as, else base64.
    encoding: Option<Encoding>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Algorithm {
    Md5,
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

impl Scheme {
    /// Reads a word such as `SSHA256`, in upper case and without its encoding. None if it is of
    /// another family, or of none.
    pub(super) fn parse(word: &[u8], encoding: Option<Encoding>) -> Option<Scheme> {
        let (algorithm, salted) = match word {
            b"MD5" | b"PLAIN-MD5" | b"LDAP-MD5" => (Algorithm::Md5, false),
            b"SMD5" => (Algorithm::Md5, true),
            b"SHA" | b"SHA1" => (Algorithm::Sha1, false),
            b"SHA256" => (Algorithm::Sha256, false),
            b"SHA384" => (Algorithm::Sha384, false),
            b"SHA512" => (Algorithm::Sha512, false),
            b"SSHA" | b"SSHA1" => (Algorithm::Sha1, true),
            b"SSHA256" => (Algorithm::Sha256, true),
            b"SSHA384" => (Algorithm::Sha384, true),
            b"SSHA512" => (Algorithm::Sha512, true),
            _ => return None,
        };
        Some(Scheme { algorithm, salted, encoding })
    }

    /// Checks a password against the value behind the braces.
    ///
    /// # Errors
    /// Broken encoding; [`Error::UnsupportedDigest`] if digest or salt are missing or there is more
    /// than there may be.
    pub(super) fn verify(self, value: &[u8], plain: &[u8]) -> Result<bool, Error> {
        let mut buffer = [0; VALUE_BYTES_MAX];
        let hex_digits = 2 * self.algorithm.bytes();
        let is_hex =
            !self.salted && value.len() == hex_digits && value.iter().all(u8::is_ascii_hexdigit);
        let encoding =
            self.encoding.unwrap_or(if is_hex { Encoding::Hex } else { Encoding::Base64 });
        let decoded = encoding.decode(value, &mut buffer)?;
        match self.algorithm {
            Algorithm::Md5 => self.compare::<Md5>(decoded, plain),
            Algorithm::Sha1 => self.compare::<Sha1>(decoded, plain),
            Algorithm::Sha256 => self.compare::<Sha256>(decoded, plain),
            Algorithm::Sha384 => self.compare::<Sha384>(decoded, plain),
            Algorithm::Sha512 => self.compare::<Sha512>(decoded, plain),
        }
    }

    fn compare<D: Digest>(self, decoded: &[u8], plain: &[u8]) -> Result<bool, Error> {
        let (digest, salt) = decoded
            .split_at_checked(<D as Digest>::output_size())
            .ok_or(Error::UnsupportedDigest)?;
        if salt.is_empty() == self.salted {
            return Err(Error::UnsupportedDigest);
        }
        let computed = D::new().chain_update(plain).chain_update(salt).finalize();
        Ok(computed.as_slice().ct_eq(digest).into())
    }
}

impl Algorithm {
    fn bytes(self) -> usize {
        match self {
            Algorithm::Md5 => 16,
            Algorithm::Sha1 => 20,
            Algorithm::Sha256 => 32,
            Algorithm::Sha384 => 48,
            Algorithm::Sha512 => 64,
        }
    }
}

/// The longest digest and 192 bytes of salt; usual are 4 to 32.
const VALUE_BYTES_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use crate::password::{Error, verify};

    /// Computed with Python's hashlib for the password `correct horse` and the salt `kitsalt1`.
    const VECTORS: [&str; 27] = [
        "{SHA}2f9e53523b62abc141a2b4d6019d23cba835dbd0",
        "{sha256}4104D36F8DA2C254349F85836793EBE029E0C957063A34C91C2E9203187B5631",
        "{SHA512}56b698defedb5a435b634afe3320bbaf3fdcd920b6c503a446fc7b7a776b298d479d1ba6a8b617808eb0bf579ce9a95d668347bcab7149085ac93cb27995197b",
        "{MD5}PLTnMmMfR+brlh80VUt83g==",
        "{LDAP-MD5}PLTnMmMfR+brlh80VUt83g==",
        "{PLAIN-MD5}3cb4e732631f47e6eb961f34554b7cde",
        "{ldap-md5.hex}3cb4e732631f47e6eb961f34554b7cde",
        "{PLAIN-MD5.b64}PLTnMmMfR+brlh80VUt83g==",
        "{SMD5}xDYGr0K5GONdWfFmfKs8HmtpdHNhbHQx",
        "{smd5.HEX}c43606af42b918e35d59f1667cab3c1e6b697473616c7431",
        "{ssha256}kdNkeplnWTVMLwOqYwDr7yESu//hjLBNIQUdfFAlG41raXRzYWx0MQ",
        "{Ssha512.Base64}FYJ0RLt1LAr++6W7ahoHC4Rs+dCcIw+D1IUNnpguP1ZoyJ0EPq3FV4YnSeov5GNvwDRmkgUSG1x+HA3YJe0RfGtpdHNhbHQx",
        "{SHA256.b64}QQTTb42iwlQ0n4WDZ5Pr4CngyVcGOjTJHC6SAxh7VjE",
        "{SHA}L55TUjtiq8FBorTWAZ0jy6g129A=",
        "{SHA1.HEX}2f9e53523b62abc141a2b4d6019d23cba835dbd0",
        "{SHA256}QQTTb42iwlQ0n4WDZ5Pr4CngyVcGOjTJHC6SAxh7VjE=",
        "{SHA384}ArIKby67E2Cppg9M+QhXNj7UGcAisSFWfOX5HG45Zk+3j9YCNMSli1v8cUWumDKS",
        "{SHA512}VraY3v7bWkNbY0r+MyC7rz/c2SC2xQOkRvx7endrKY1HnRumqLYXgI6wv1ec6aldZoNHvKtxSQhayTyyeZUZew==",
        "{SSHA}KDMh5vRGwmR3oENmiDuOyGWUiqZraXRzYWx0MQ==",
        "{SSHA.HEX}283321E6F446C26477A04366883B8EC865948AA66B697473616C7431",
        "{SSHA256}kdNkeplnWTVMLwOqYwDr7yESu//hjLBNIQUdfFAlG41raXRzYWx0MQ==",
        "{SSHA256.B64}kdNkeplnWTVMLwOqYwDr7yESu//hjLBNIQUdfFAlG41raXRzYWx0MQ==",
        "{SSHA256.HEX}91d3647a996759354c2f03aa6300ebef2112bbffe18cb04d21051d7c50251b8d6b697473616c7431",
        "{SSHA256.HEX}91D3647A996759354C2F03AA6300EBEF2112BBFFE18CB04D21051D7C50251B8D6B697473616C7431",
        "{SSHA384}f1cUrzRgPhJ0DFyW4GPPBGVNbnnhFCevSZIKlLrUBNsYjqQ6qEsp37V/vpatu9B2a2l0c2FsdDE=",
        "{SSHA512}FYJ0RLt1LAr++6W7ahoHC4Rs+dCcIw+D1IUNnpguP1ZoyJ0EPq3FV4YnSeov5GNvwDRmkgUSG1x+HA3YJe0RfGtpdHNhbHQx",
        "{SSHA512.HEX}15827444BB752C0AFEFBA5BB6A1A070B846CF9D09C230F83D4850D9E982E3F5668C89D043EADC557862749EA2FE4636FC034669205121B5C7E1C0DD825ED117C6B697473616C7431",
    ];

    #[test]
    fn digests_match_their_password_and_no_other() {
        for stored in VECTORS {
            assert_eq!(verify(stored.as_bytes(), b"correct horse"), Ok(true), "{stored}");
            assert_eq!(verify(stored.as_bytes(), b"correct horsf"), Ok(false), "{stored}");
        }
    }

    #[test]
    fn a_value_must_suit_its_digest() {
        let cases = [
            "{SSHA256}YWJj",
            "{SSHA256}",
            // No salt where there must be one, and the other way round.
            "{SSHA256}QQTTb42iwlQ0n4WDZ5Pr4CngyVcGOjTJHC6SAxh7VjE=",
            "{SHA256}kdNkeplnWTVMLwOqYwDr7yESu//hjLBNIQUdfFAlG41raXRzYWx0MQ==",
        ];
        for stored in cases {
            assert_eq!(
                verify(stored.as_bytes(), b"correct horse"),
                Err(Error::UnsupportedDigest),
                "{stored}"
            );
        }
        let too_long = format!("{{SSHA.HEX}}{}", "00".repeat(300));
        assert_eq!(verify(too_long.as_bytes(), b""), Err(Error::UnsupportedDigest));
    }
}
