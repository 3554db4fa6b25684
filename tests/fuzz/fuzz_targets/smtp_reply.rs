//! Replies of an SMTP or LMTP server, and messages on their way to one. The first byte chooses
//! where the reply is cut.

#![no_main]

use libfuzzer_sys::fuzz_target;
use loligo::proto::smtp::{LINES_MAX, compose_data, parse_reply};

fuzz_target!(|input: &[u8]| {
    let Some((cut, bytes)) = input.split_first() else { return };
    if let Ok(Some((reply, taken))) = parse_reply(bytes) {
        assert!(taken <= bytes.len() && (1..=LINES_MAX).contains(&reply.lines.len()) && (200..600).contains(&reply.code));
        // The bytes behind it do not matter, and no part of it is a whole reply.
        assert_eq!(parse_reply(&bytes[..taken]), Ok(Some((reply, taken))));
        assert_eq!(parse_reply(&bytes[..usize::from(*cut) % taken]), Ok(None));
    }

    let data = compose_data(bytes);
    let body = data.strip_suffix(b".\r\n").expect("it ends");
    assert!(body.is_empty() || body.ends_with(b"\r\n"));
    assert!(!body.starts_with(b".\r\n") && !body.windows(5).any(|window| window == b"\r\n.\r\n"));
});
