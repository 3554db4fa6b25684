//! Compact JWS: a token's bytes in, its checked parts out.
//!
//! Pure. Reads the header, and nothing of the payload before the signature is verified by a key of
//! ours: a token names an algorithm and a key, but only the key decides which algorithm it is used
//! with. `none` is no algorithm, `crit` is refused, and keys that a header brings along or points
//! to (`jwk`, `jku`, `x5c`, `x5u`) are not looked at. Base64url without padding, as the RFC wants
//! it.
//! Rules: RFC 7515 3.1, 4.1, 7.1; RFC 8725 3.1 to 3.3. Bounds: [`TOKEN_BYTES_MAX`].

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use sha2::Sha256;

/// The algorithms that a key may be used with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    Hs256,
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
    EdDsa,
}

impl Algorithm {
    /// RFC 7518 3.1, RFC 8037 3.1. Case counts.
    pub fn parse(name: &str) -> Option<Algorithm> {
        Some(match name {
            "HS256" => Algorithm::Hs256,
            "RS256" => Algorithm::Rs256,
            "RS384" => Algorithm::Rs384,
            "RS512" => Algorithm::Rs512,
            "PS256" => Algorithm::Ps256,
            "PS384" => Algorithm::Ps384,
            "PS512" => Algorithm::Ps512,
            "ES256" => Algorithm::Es256,
            "ES384" => Algorithm::Es384,
            "EdDSA" => Algorithm::EdDsa,
            _ => return None,
        })
    }
}

/// A token whose signature is not verified yet.
#[derive(Debug)]
pub struct Unverified<'a> {
    pub algorithm: Algorithm,
    /// Which key the token says it was signed with.
    pub key_id: Option<String>,
    /// Header and payload as they were signed.
    signed: &'a [u8],
    payload: Vec<u8>,
    signature: Vec<u8>,
}

/// A payload that a key of ours has signed.
#[derive(Debug, PartialEq, Eq)]
pub struct Verified(Vec<u8>);

impl Verified {
    /// The JSON text of the claims.
    pub fn payload(&self) -> &[u8] {
        &self.0
    }
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    crit: Option<serde::de::IgnoredAny>,
}

/// Takes a token apart. `None`: it is no compact JWS, is too long, or uses an algorithm or an
/// extension that is not known here.
pub fn parse(token: &[u8]) -> Option<Unverified<'_>> {
    if token.len() > TOKEN_BYTES_MAX {
        return None;
    }
    let last_dot = memchr::memrchr(b'.', token)?;
    let (signed, signature) = (token.get(..last_dot)?, token.get(last_dot + 1..)?);
    let first_dot = memchr::memchr(b'.', signed)?;
    let (header, payload) = (signed.get(..first_dot)?, signed.get(first_dot + 1..)?);
    let decode = |part: &[u8]| BASE64_URL_SAFE_NO_PAD.decode(part).ok();
    // A list would do for a struct, too.
    let header = decode(header).filter(|header| header.first() == Some(&b'{'))?;
    let header: Header = serde_json::from_slice(&header).ok()?;
    if header.crit.is_some() {
        return None;
    }
    let algorithm = Algorithm::parse(&header.alg)?;
    Some(Unverified {
        algorithm,
        key_id: header.kid,
        signed,
        payload: decode(payload)?,
        signature: decode(signature)?,
    })
}

impl Unverified<'_> {
    /// Checks the signature by one of these secrets, the algorithm being HS256. Every secret is
    /// tried, so that the time does not tell which.
    pub fn verify_hs256<'k>(self, secrets: impl Iterator<Item = &'k [u8]>) -> Option<Verified> {
        if self.algorithm != Algorithm::Hs256 {
            return None;
        }
        let mut is_good = false;
        for secret in secrets {
            is_good |= mac(secret, self.signed)?.verify_slice(&self.signature).is_ok();
        }
        is_good.then_some(Verified(self.payload))
    }

    /// Checks the signature by `check`, which gets what was signed and the signature.
    pub fn verify_by(&self, check: impl FnOnce(&[u8], &[u8]) -> bool) -> Option<Verified> {
        check(self.signed, &self.signature).then(|| Verified(self.payload.clone()))
    }
}

/// A token with these claims, signed with HS256. `None` only if the secret could not be used, which
/// HMAC does not know.
pub fn sign_hs256(claims: &[u8], secret: &[u8]) -> Option<String> {
    let mut token = String::with_capacity(256);
    BASE64_URL_SAFE_NO_PAD.encode_string(HEADER, &mut token);
    token.push('.');
    BASE64_URL_SAFE_NO_PAD.encode_string(claims, &mut token);
    let signature = mac(secret, token.as_bytes())?.finalize().into_bytes();
    token.push('.');
    BASE64_URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    Some(token)
}

fn mac(secret: &[u8], signed: &[u8]) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).ok()?;
    mac.update(signed);
    Some(mac)
}

const HEADER: &[u8] = br#"{"alg":"HS256","typ":"JWT"}"#;

/// Tokens of large identity providers have 2 to 4 KB; a request head has room for little more than
/// this.
pub const TOKEN_BYTES_MAX: usize = 16 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KEY: &[u8] = b"0123456789abcdef0123456789abcdef";

    fn token(header: &str, claims: &str, signature: &[u8]) -> String {
        let encode = |part: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(part);
        format!("{}.{}.{}", encode(header.as_bytes()), encode(claims.as_bytes()), encode(signature))
    }

    #[test]
    fn only_well_formed_tokens_of_known_algorithms_are_read() {
        let good = r#"{"alg":"HS256"}"#;
        assert!(parse(token(good, "{}", b"x").as_bytes()).is_some());
        for header in [
            r#"{"alg":"none"}"#,
            r#"{"alg":"None"}"#,
            r#"{"alg":"hs256"}"#,
            r#"{"alg":"HS384"}"#,
            r#"{"alg":""}"#,
            r#"{"alg":null}"#,
            r#"{"alg":["HS256"]}"#,
            r#"{"typ":"JWT"}"#,
            r#"{"alg":"HS256","alg":"none"}"#,
            r#"{"alg":"HS256","kid":"a","kid":"b"}"#,
            r#"{"alg":"HS256","kid":7}"#,
            r#"{"alg":"HS256","crit":["exp"]}"#,
            r#"{"alg":"HS256","crit":[]}"#,
            r#"["HS256",null,null]"#,
            "{",
            "",
        ] {
            assert!(parse(token(header, "{}", b"x").as_bytes()).is_none(), "{header}");
        }
        let plain = token(good, "{}", b"x");
        for broken in [
            String::new(),
            ".".to_owned(),
            "..".to_owned(),
            plain.replace('.', ""),
            format!("{plain}.x"),
            format!("{plain}="),
            format!("{plain}\n"),
            format!(" {plain}"),
            plain.replacen('.', "..", 1),
        ] {
            assert!(parse(broken.as_bytes()).is_none(), "{broken:?}");
        }
    }

    #[test]
    fn a_huge_token_is_not_looked_at() {
        let claims = format!(r#"{{"x":"{}"}}"#, "y".repeat(TOKEN_BYTES_MAX));
        let huge = sign_hs256(claims.as_bytes(), KEY).unwrap();
        assert!(parse(huge.as_bytes()).is_none());
    }

    #[test]
    fn another_key_or_a_changed_signature_does_not_verify() {
        let token = sign_hs256(b"{}", KEY).unwrap();
        let verify = |token: &str, key: &'static [u8]| {
            parse(token.as_bytes()).and_then(|token| token.verify_hs256([key].into_iter()))
        };
        assert!(verify(&token, KEY).is_some());
        assert!(verify(&token, b"another key").is_none());
        let (signed, signature) = token.rsplit_once('.').unwrap();
        for end in 0..signature.len() {
            assert!(verify(&format!("{signed}.{}", &signature[..end]), KEY).is_none(), "{end}");
        }
        assert_eq!(verify("eyJhbGciOiJIUzI1NiJ9.e30.", KEY), None);
    }

    #[test]
    fn any_of_several_keys_verifies() {
        let token = sign_hs256(b"{}", KEY).unwrap();
        let keys = [&b"new"[..], KEY, b"older"];
        assert!(parse(token.as_bytes()).unwrap().verify_hs256(keys.into_iter()).is_some());
        assert!(parse(token.as_bytes()).unwrap().verify_hs256(std::iter::empty()).is_none());
    }

    proptest! {
        #[test]
        fn what_is_signed_is_read_back(claims in ".{0,200}", key in proptest::collection::vec(any::<u8>(), 0..80)) {
            let token = sign_hs256(claims.as_bytes(), &key).unwrap();
            let verified = parse(token.as_bytes()).unwrap().verify_hs256([key.as_slice()].into_iter()).unwrap();
            prop_assert_eq!(verified.payload(), claims.as_bytes());
        }

        #[test]
        fn a_token_with_one_byte_changed_does_not_verify(claims in "[a-z]{1,40}", at in any::<prop::sample::Index>(), byte: u8) {
            let mut token = sign_hs256(claims.as_bytes(), KEY).unwrap().into_bytes();
            let at = at.index(token.len());
            prop_assume!(token[at] != byte);
            token[at] = byte;
            prop_assert!(parse(&token).and_then(|token| token.verify_hs256([KEY].into_iter())).is_none());
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse(&bytes);
        }
    }
}
