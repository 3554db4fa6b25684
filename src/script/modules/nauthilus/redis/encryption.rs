//! `redis_encrypt`, `redis_decrypt`: values that Redis keeps but must not read.
//!
//! Base64 (with padding) of a random nonce of 12 bytes and the ChaCha20-Poly1305 text; the key is
//! the SHA-256 digest of `server.redis.encryption_secret`. Without a secret both functions hand
//! back what they got. Rules: `lua/modules/nauthilus_redis.md`.

use super::command::FIRST;
use crate::script::ffi::{Call, Fault};
use crate::secret::Secret;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead, KeyInit};
use chacha20poly1305::{ChaCha20Poly1305, Nonce};
use sha2::{Digest, Sha256};

/// `redis_is_encryption_enabled(handle)`: one result.
pub fn is_enabled(call: &Call<'_>) -> Result<i32, Fault> {
    call.push_bool(!secret(call).is_empty());
    Ok(1)
}

/// `redis_encrypt(handle, text)`
pub fn encrypt(call: &Call<'_>) -> Result<i32, Fault> {
    let plain = call.string(FIRST)?;
    if plain.is_empty() || secret(call).is_empty() {
        call.push_string(&plain);
        return Ok(call.and_nil());
    }
    match seal(secret(call), &plain) {
        Some(sealed) => {
            call.push_string(sealed.as_bytes());
            Ok(call.and_nil())
        }
        None => Ok(call.nil_and("encryption failed: no random numbers")),
    }
}

/// `redis_decrypt(handle, text)`. Text that is not ours comes back as it is: values stored before
/// encryption was on stay readable.
pub fn decrypt(call: &Call<'_>) -> Result<i32, Fault> {
    let text = call.string(FIRST)?;
    let opened = if secret(call).is_empty() { None } else { open(secret(call), &text) };
    match opened {
        Some(plain) => call.push_string(plain.expose()),
        None => call.push_string(&text),
    }
    Ok(call.and_nil())
}

fn secret<'a>(call: &'a Call<'_>) -> &'a Secret {
    &call.services().settings.encryption_secret
}

fn seal(secret: &Secret, plain: &[u8]) -> Option<String> {
    let mut nonce = [0; NONCE_BYTES];
    getrandom::fill(&mut nonce).ok()?;
    let sealed = cipher(secret).encrypt(&Nonce::from(nonce), plain).ok()?;
    Some(STANDARD.encode([&nonce, sealed.as_slice()].concat()))
}

fn open(secret: &Secret, text: &[u8]) -> Option<Secret> {
    let bytes = STANDARD.decode(text).ok()?;
    let (nonce, sealed) = bytes.split_first_chunk::<NONCE_BYTES>()?;
    cipher(secret).decrypt(&Nonce::from(*nonce), sealed).ok().map(Secret::from)
}

fn cipher(secret: &Secret) -> ChaCha20Poly1305 {
    ChaCha20Poly1305::new(&Sha256::digest(secret.expose()))
}

const NONCE_BYTES: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sealed_opens_again() {
        let secret = Secret::from("0123456789abcdef");
        for plain in ["x", "some text", "\0\u{ff}"] {
            let sealed = seal(&secret, plain.as_bytes()).unwrap();
            assert!(open(&secret, sealed.as_bytes()).unwrap().matches(plain.as_bytes()));
            assert_ne!(sealed, seal(&secret, plain.as_bytes()).unwrap());
        }
    }

    #[test]
    fn what_is_not_ours_does_not_open() {
        let secret = Secret::from("0123456789abcdef");
        let sealed = seal(&Secret::from("another secret!!"), b"text").unwrap();
        for text in
            ["", "garbage", "AAAA", sealed.as_str(), "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="]
        {
            assert!(open(&secret, text.as_bytes()).is_none(), "{text}");
        }
    }
}
