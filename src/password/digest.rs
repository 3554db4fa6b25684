//! `{SHA…}` and `{SSHA…}`: one digest, with or without a salt. Fast enough to be checked inline: nothing is allocated.
//!
//! Rules: RFC 2307 and OpenLDAP for the forms, Dovecot for `.B64`, `.HEX` and the unsalted longer digests. Bound: digest and
//! salt together [`VALUE_BYTES_MAX`] bytes.

use super::Error;
use super::encoding::Encoding;
use sha1::Sha1;
use sha2::digest::Digest;
use sha2::{Sha256, Sha384, Sha512};
use subtle::ConstantTimeEq;

/// What the word in the braces says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Scheme {
    algorithm: Algorithm,
    salted: bool,
    encoding: Encoding,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Algorithm {
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

impl Scheme {
    /// Reads a word such as `SSHA256.HEX`. None if it is of another family, or of none.
    pub(super) fn parse(word: &[u8]) -> Option<Scheme> {
        let (word, encoding) = if let Some(word) = word.strip_suffix(b".HEX") {
            (word, Encoding::Hex)
        } else {
            (word.strip_suffix(b".B64").unwrap_or(word), Encoding::Base64)
        };
        let (algorithm, salted) = match word {
            b"SHA" | b"SHA1" => (Algorithm::Sha1, false),
            b"SHA256" => (Algorithm::Sha256, false),
            b"SHA384" => (Algorithm::Sha384, false),
            b"SHA512" => (Algorithm::Sha512, false),
            b"SSHA" => (Algorithm::Sha1, true),
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
    /// Broken encoding; [`Error::UnsupportedDigest`] if digest or salt are missing or there is more than there may be.
    pub(super) fn verify(self, value: &[u8], plain: &[u8]) -> Result<bool, Error> {
        let mut buffer = [0; VALUE_BYTES_MAX];
        let decoded = self.encoding.decode(value, &mut buffer)?;
        match self.algorithm {
            Algorithm::Sha1 => self.compare::<Sha1>(decoded, plain),
            Algorithm::Sha256 => self.compare::<Sha256>(decoded, plain),
            Algorithm::Sha384 => self.compare::<Sha384>(decoded, plain),
            Algorithm::Sha512 => self.compare::<Sha512>(decoded, plain),
        }
    }

    fn compare<D: Digest>(self, decoded: &[u8], plain: &[u8]) -> Result<bool, Error> {
        let (digest, salt) = decoded.split_at_checked(<D as Digest>::output_size()).ok_or(Error::UnsupportedDigest)?;
        if salt.is_empty() == self.salted {
            return Err(Error::UnsupportedDigest);
        }
        let computed = D::new().chain_update(plain).chain_update(salt).finalize();
        Ok(computed.as_slice().ct_eq(digest).into())
    }
}

/// The longest digest and 192 bytes of salt; usual are 4 to 32.
const VALUE_BYTES_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use crate::password::{Error, verify};

    /// Computed with Python's hashlib for the password `correct horse` and the salt `kitsalt1`.
    const VECTORS: [&str; 14] = [
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
            "{SSHA999}YWJj",
            "{SSHA256.B32}YWJj",
            "{SSHA256",
        ];
        for stored in cases {
            assert_eq!(verify(stored.as_bytes(), b"correct horse"), Err(Error::UnsupportedDigest), "{stored}");
        }
        let too_long = format!("{{SSHA.HEX}}{}", "00".repeat(300));
        assert_eq!(verify(too_long.as_bytes(), b""), Err(Error::UnsupportedDigest));
    }
}
