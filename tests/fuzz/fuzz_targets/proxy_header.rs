//! PROXY headers: what is said of a beginning holds for the whole, and what follows does not matter.

#![no_main]

use libfuzzer_sys::fuzz_target;
use loligo::proto::proxy::{BYTES_MAX, parse};

fuzz_target!(|input: &[u8]| {
    let whole = parse(input);
    for end in 0..input.len() {
        let part = parse(&input[..end]);
        assert!(part == Ok(None) || part == whole);
    }
    match whole {
        Ok(Some(header)) => {
            assert!(header.len <= input.len().min(BYTES_MAX));
            assert_eq!(parse(&input[..header.len]), whole);
            let mapped = header.source.is_some_and(|source| source.ip() != source.ip().to_canonical());
            assert!(!mapped, "an IPv4 address in IPv6 form");
        }
        Ok(None) => assert!(input.len() < BYTES_MAX),
        Err(_) => {}
    }
});
