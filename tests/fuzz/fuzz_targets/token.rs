//! Tokens and key sets: nothing verifies that our secret did not sign, and no bytes of an issuer
//! panic.

#![no_main]

use libfuzzer_sys::fuzz_target;
use loligo::auth::caller::jwks::{self, Verification};
use loligo::auth::caller::jws;

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

fuzz_target!(|input: &[u8]| {
    if let Some(token) = jws::parse(input)
        && let Some(verified) = token.verify_hs256([SECRET].into_iter())
    {
        // Only we can have made it: the corpus holds none.
        let signed = jws::sign_hs256(verified.payload(), SECRET);
        assert_eq!(signed.as_deref().map(str::as_bytes), Some(input));
    }
    if let Ok(keys) = jwks::parse(input) {
        assert!(!keys.is_empty() && keys.len() <= jwks::KEYS_MAX);
        let token = jws::sign_hs256(input, SECRET).unwrap_or_default();
        if let Some(token) = jws::parse(token.as_bytes()) {
            assert!(!matches!(jwks::verify(&token, &keys), Verification::Good(_)), "a public key is no secret");
        }
    }
    let mut signed = jws::sign_hs256(input, SECRET).unwrap_or_default().into_bytes();
    let verifies = |token: &[u8]| jws::parse(token).and_then(|token| token.verify_hs256([SECRET].into_iter())).is_some();
    assert!(verifies(&signed) || signed.len() > jws::TOKEN_BYTES_MAX);
    if let (Some(at), Some(change)) = (input.first(), input.get(1).filter(|byte| **byte != 0)) {
        let at = usize::from(*at) % signed.len().max(1);
        if let Some(byte) = signed.get_mut(at) {
            *byte ^= change;
        }
        assert!(!verifies(&signed));
    }
});
