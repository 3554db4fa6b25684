//! Credentials of callers: what is read from an `Authorization` header is what stands in it.

#![no_main]

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use libfuzzer_sys::fuzz_target;
use loligo::auth::caller::Presented;
use loligo::auth::request::SessionId;
use loligo::dialect::caller::Credentials;
use loligo::dialect::input;
use loligo::proto::http::{Limits, Span, parse_head};

fuzz_target!(|value: &[u8]| {
    let raw = [b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: ", value, b"\r\n\r\n"].concat();
    let Ok(Some(head)) = parse_head(&raw, &Limits::default()) else { return };
    let request = input::open(raw, head, Span::default(), SessionId::default());
    let credentials = Credentials::of(&request);
    match credentials.presented() {
        Presented::Basic { name, password } => {
            assert!(!name.contains(&b':'));
            let encoded = BASE64_STANDARD.encode([name, b":", password].concat());
            assert!(value.windows(encoded.len()).any(|part| part == encoded.as_bytes()));
        }
        Presented::Bearer(token) => assert!(value.windows(token.len().max(1)).any(|part| part == token) || token.is_empty()),
        Presented::Nothing | Presented::Other => {}
    }
});
