//! JSON Web Key Set: the public keys of an issuer of tokens.
//!
//! Pure. A key is used with the algorithms of its kind only, so that a public key is never taken
//! for the secret of an HMAC: symmetric keys in a set are skipped, as are keys for encryption and
//! those of kinds and curves that are not known here.
//! Rules: RFC 7517 4, 5; RFC 7518 6; RFC 8037 2. Bounds: [`JWKS_BYTES_MAX`], [`KEYS_MAX`].

use super::jws::{Algorithm, Unverified, Verified};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::signature::{
    self, EcdsaVerificationAlgorithm, RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde::Deserialize;

/// A public key that verifies signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    id: Option<String>,
    /// The only algorithm it is to be used with, if the set says so.
    algorithm: Option<Algorithm>,
    material: Material,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Material {
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    /// An uncompressed point.
    P256(Vec<u8>),
    P384(Vec<u8>),
    Ed25519(Vec<u8>),
}

/// Why there are no keys.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwksError {
    #[error("has more than {JWKS_BYTES_MAX} bytes")]
    TooLarge,
    #[error("is not a JSON Web Key Set: {0}")]
    Malformed(String),
    #[error("has no usable signature key (RSA from 2048 bits, P-256, P-384, Ed25519)")]
    NoKeys,
}

/// What came of looking for the key of a token.
#[derive(Debug, PartialEq, Eq)]
pub enum Verification {
    Good(Verified),
    /// No key of the set can have signed it: it may have been signed with a newer one.
    UnknownKey,
    Bad,
}

/// Reads the keys of a set.
///
/// # Errors
/// [`JwksError`].
pub fn parse(json: &[u8]) -> Result<Vec<PublicKey>, JwksError> {
    #[derive(Deserialize)]
    struct Set {
        keys: Vec<serde_json::Value>,
    }
    if json.len() > JWKS_BYTES_MAX {
        return Err(JwksError::TooLarge);
    }
    let set: Set =
        serde_json::from_slice(json).map_err(|error| JwksError::Malformed(error.to_string()))?;
    let keys: Vec<_> = set
        .keys
        .into_iter()
        .filter_map(|key| PublicKey::read(serde_json::from_value(key).ok()?))
        .take(KEYS_MAX)
        .collect();
    if keys.is_empty() { Err(JwksError::NoKeys) } else { Ok(keys) }
}

/// Verifies a token by the key it names; one that names none, by any key that suits its algorithm.
pub fn verify(token: &Unverified<'_>, keys: &[PublicKey]) -> Verification {
    let mut verification = Verification::UnknownKey;
    for key in keys.iter().filter(|key| token.key_id.is_none() || key.id == token.key_id) {
        // A token that names a known key with an algorithm of another kind does not mean a newer
        // key.
        if token.key_id.is_some() || key.suits(token.algorithm) {
            verification = Verification::Bad;
        }
        if key.suits(token.algorithm)
            && let Some(verified) = token
                .verify_by(|signed, signature| key.verifies(token.algorithm, signed, signature))
        {
            return Verification::Good(verified);
        }
    }
    verification
}

/// The members of a JWK that are looked at.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    r#use: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl PublicKey {
    fn read(jwk: Jwk) -> Option<PublicKey> {
        let is_for_signatures = jwk.r#use.as_deref().is_none_or(|purpose| purpose == "sig")
            && jwk
                .key_ops
                .as_ref()
                .is_none_or(|operations| operations.iter().any(|operation| operation == "verify"));
        if !is_for_signatures {
            return None;
        }
        let algorithm = match &jwk.alg {
            Some(name) => Some(Algorithm::parse(name)?),
            None => None,
        };
        let decode = |member: &Option<String>| {
            BASE64_URL_SAFE_NO_PAD.decode(member.as_ref()?.trim_end_matches('=')).ok()
        };
        let coordinate = |member: &Option<String>, bytes: usize| {
            decode(member).filter(|number| number.len() == bytes)
        };
        let point = |bytes| {
            Some(
                [vec![UNCOMPRESSED], coordinate(&jwk.x, bytes)?, coordinate(&jwk.y, bytes)?]
                    .concat(),
            )
        };
        let material = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
            ("RSA", _) => {
                let n: Vec<u8> =
                    decode(&jwk.n)?.into_iter().skip_while(|byte| *byte == 0).collect();
                if n.len() < RSA_BYTES_MIN || n.len() > RSA_BYTES_MAX {
                    return None;
                }
                Material::Rsa { n, e: decode(&jwk.e)? }
            }
            ("EC", Some("P-256")) => Material::P256(point(32)?),
            ("EC", Some("P-384")) => Material::P384(point(48)?),
            ("OKP", Some("Ed25519")) => Material::Ed25519(coordinate(&jwk.x, 32)?),
            _ => return None,
        };
        let key = PublicKey { id: jwk.kid, algorithm: None, material };
        match algorithm {
            Some(algorithm) if !key.suits(algorithm) => None,
            algorithm => Some(PublicKey { algorithm, ..key }),
        }
    }

    /// Whether it may be used with this algorithm.
    fn suits(&self, algorithm: Algorithm) -> bool {
        use Algorithm::{EdDsa, Es256, Es384, Ps256, Ps384, Ps512, Rs256, Rs384, Rs512};
        let is_of_its_kind = match self.material {
            Material::Rsa { .. } => {
                matches!(algorithm, Rs256 | Rs384 | Rs512 | Ps256 | Ps384 | Ps512)
            }
            Material::P256(_) => algorithm == Es256,
            Material::P384(_) => algorithm == Es384,
            Material::Ed25519(_) => algorithm == EdDsa,
        };
        is_of_its_kind && self.algorithm.is_none_or(|only| only == algorithm)
    }

    fn verifies(&self, algorithm: Algorithm, signed: &[u8], signature: &[u8]) -> bool {
        let curve = |which: &'static EcdsaVerificationAlgorithm, point: &[u8]| {
            UnparsedPublicKey::new(which, point).verify(signed, signature).is_ok()
        };
        match &self.material {
            Material::Rsa { n, e } => rsa_parameters(algorithm).is_some_and(|parameters| {
                RsaPublicKeyComponents { n, e }.verify(parameters, signed, signature).is_ok()
            }),
            Material::P256(point) => curve(&signature::ECDSA_P256_SHA256_FIXED, point),
            Material::P384(point) => curve(&signature::ECDSA_P384_SHA384_FIXED, point),
            Material::Ed25519(x) => {
                UnparsedPublicKey::new(&signature::ED25519, x).verify(signed, signature).is_ok()
            }
        }
    }
}

fn rsa_parameters(algorithm: Algorithm) -> Option<&'static RsaParameters> {
    Some(match algorithm {
        Algorithm::Rs256 => &signature::RSA_PKCS1_2048_8192_SHA256,
        Algorithm::Rs384 => &signature::RSA_PKCS1_2048_8192_SHA384,
        Algorithm::Rs512 => &signature::RSA_PKCS1_2048_8192_SHA512,
        Algorithm::Ps256 => &signature::RSA_PSS_2048_8192_SHA256,
        Algorithm::Ps384 => &signature::RSA_PSS_2048_8192_SHA384,
        Algorithm::Ps512 => &signature::RSA_PSS_2048_8192_SHA512,
        _ => return None,
    })
}

/// SEC 1 2.3.3: how an uncompressed point begins.
const UNCOMPRESSED: u8 = 4;

/// 2048 to 8192 bits, which is what the signature check takes.
const RSA_BYTES_MIN: usize = 256;
const RSA_BYTES_MAX: usize = 1024;

/// A set of some ten keys with their certificates has 30 KB.
pub const JWKS_BYTES_MAX: usize = 256 << 10;

/// Issuers publish two to ten. A token without a key's name is tried with all of them: at 60 µs
/// each.
pub const KEYS_MAX: usize = 64;

#[cfg(test)]
pub(crate) mod tests {
    use super::super::jws;
    use super::*;
    use ring::rand::SystemRandom;
    use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};

    fn encode(bytes: &[u8]) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(bytes)
    }

    /// An issuer with an Ed25519 key.
    pub(crate) struct Issuer {
        pair: Ed25519KeyPair,
        pub id: &'static str,
    }

    impl Issuer {
        pub(crate) fn new(id: &'static str) -> Issuer {
            let seed: [u8; 32] =
                std::array::from_fn(|at| (at as u8) ^ id.len() as u8 ^ id.as_bytes()[0]);
            Issuer { pair: Ed25519KeyPair::from_seed_unchecked(&seed).unwrap(), id }
        }

        pub(crate) fn jwks(&self) -> String {
            let x = encode(self.pair.public_key().as_ref());
            format!(
                r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","kid":"{}","alg":"EdDSA","use":"sig","x":"{x}"}}]}}"#,
                self.id
            )
        }

        pub(crate) fn sign(&self, claims: &str) -> String {
            self.sign_as(&format!(r#"{{"alg":"EdDSA","kid":"{}"}}"#, self.id), claims)
        }

        pub(crate) fn sign_as(&self, header: &str, claims: &str) -> String {
            let signed = format!("{}.{}", encode(header.as_bytes()), encode(claims.as_bytes()));
            let signature = encode(self.pair.sign(signed.as_bytes()).as_ref());
            format!("{signed}.{signature}")
        }
    }

    fn verified(token: &str, keys: &[PublicKey]) -> bool {
        jws::parse(token.as_bytes())
            .is_some_and(|token| matches!(verify(&token, keys), Verification::Good(_)))
    }

    #[test]
    fn a_token_verifies_by_the_key_it_names() {
        let (one, other) = (Issuer::new("a"), Issuer::new("b"));
        let keys = parse(one.jwks().as_bytes()).unwrap();
        assert!(verified(&one.sign("{}"), &keys));
        assert!(verified(&one.sign_as(r#"{"alg":"EdDSA"}"#, "{}"), &keys));
        let of = |token: &str| verify(&jws::parse(token.as_bytes()).unwrap(), &keys);
        assert_eq!(of(&other.sign("{}")), Verification::UnknownKey);
        assert_eq!(of(&other.sign_as(r#"{"alg":"EdDSA","kid":"a"}"#, "{}")), Verification::Bad);
        assert_eq!(of(&other.sign_as(r#"{"alg":"EdDSA"}"#, "{}")), Verification::Bad);
    }

    #[test]
    fn tricks_with_the_name_of_the_key_find_no_key() {
        let issuer = Issuer::new("a");
        let keys = parse(issuer.jwks().as_bytes()).unwrap();
        for kid in [
            "",
            "../../../../dev/null",
            "a' OR '1'='1",
            "A",
            "a\\u0000",
            "https://evil.example/jwks",
        ] {
            let token = issuer.sign_as(&format!(r#"{{"alg":"EdDSA","kid":"{kid}"}}"#), "{}");
            let token = jws::parse(token.as_bytes()).unwrap();
            assert_eq!(verify(&token, &keys), Verification::UnknownKey, "{kid}");
        }
    }

    #[test]
    fn a_key_that_the_header_brings_along_is_not_used() {
        let (good, evil) = (Issuer::new("a"), Issuer::new("b"));
        let keys = parse(good.jwks().as_bytes()).unwrap();
        let jwk = evil.jwks().replace(r#"{"keys":["#, "").replace("]}", "");
        for header in [
            format!(r#"{{"alg":"EdDSA","jwk":{jwk}}}"#),
            r#"{"alg":"EdDSA","jku":"https://evil.example/"}"#.to_owned(),
            r#"{"alg":"EdDSA","x5u":"https://evil.example/"}"#.to_owned(),
        ] {
            assert!(!verified(&evil.sign_as(&header, "{}"), &keys), "{header}");
        }
    }

    #[test]
    fn a_public_key_is_no_secret_of_an_hmac() {
        let issuer = Issuer::new("a");
        let keys = parse(issuer.jwks().as_bytes()).unwrap();
        let public = issuer.pair.public_key().as_ref().to_vec();
        for secret in [public, issuer.jwks().into_bytes()] {
            let token = jws::sign_hs256(b"{}", &secret).unwrap();
            assert!(!verified(&token, &keys));
        }
        for jwk in [
            r#"{"kty":"oct","k":"c2VjcmV0","alg":"HS256","kid":"a"}"#,
            r#"{"kty":"oct","k":"c2VjcmV0"}"#,
        ] {
            assert_eq!(parse(format!(r#"{{"keys":[{jwk}]}}"#).as_bytes()), Err(JwksError::NoKeys));
        }
        let rsa =
            format!(r#"{{"kty":"RSA","alg":"HS256","n":"{}","e":"AQAB"}}"#, encode(&[0xff; 256]));
        assert_eq!(parse(format!(r#"{{"keys":[{rsa}]}}"#).as_bytes()), Err(JwksError::NoKeys));
    }

    #[test]
    fn elliptic_curves_verify() {
        let random = SystemRandom::new();
        let document =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let pair =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref(), &random)
                .unwrap();
        let point = pair.public_key().as_ref();
        let (x, y) = (encode(&point[1..33]), encode(&point[33..]));
        let jwks = format!(r#"{{"keys":[{{"kty":"EC","crv":"P-256","x":"{x}","y":"{y}"}}]}}"#);
        let keys = parse(jwks.as_bytes()).unwrap();
        let signed = format!("{}.{}", encode(br#"{"alg":"ES256"}"#), encode(b"{}"));
        let signature = encode(pair.sign(&random, signed.as_bytes()).unwrap().as_ref());
        assert!(verified(&format!("{signed}.{signature}"), &keys));
        assert!(!verified(&format!("{signed}.{}", encode(&[0; 64])), &keys));
    }

    #[test]
    fn sets_without_a_usable_key_are_refused() {
        for json in [
            r#"{"keys":[]}"#,
            r#"{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"}]}"#,
            r#"{"keys":[{"kty":"EC","crv":"P-521"}]}"#,
        ] {
            assert_eq!(parse(json.as_bytes()), Err(JwksError::NoKeys), "{json}");
        }
        for json in ["", "{", "[]", r#"{"keys":7}"#, "{}"] {
            assert!(matches!(parse(json.as_bytes()), Err(JwksError::Malformed(_))), "{json}");
        }
        assert_eq!(parse(&vec![b' '; JWKS_BYTES_MAX + 1]), Err(JwksError::TooLarge));
        let encryption = Issuer::new("a").jwks().replace("\"sig\"", "\"enc\"");
        assert_eq!(parse(encryption.as_bytes()), Err(JwksError::NoKeys));
    }
}
