//! X-Forwarded-For: whatever a client sends, the address that the trusted proxy appends is the client.

#![no_main]

use libfuzzer_sys::fuzz_target;
use loligo::dialect::forwarded::{client, is_https};
use loligo::dialect::settings::Settings;
use std::net::IpAddr;

fuzz_target!(|input: &[u8]| {
    let auto = Settings::default();
    let exact = Settings { passes_private_proxies: false, ..Settings::default() };
    let lines: Vec<&[u8]> = input.split(|byte| *byte == b'\n').collect();
    for settings in [&auto, &exact] {
        let found = client(lines.iter().copied(), settings);
        // Several lines are one list.
        let joined = lines.join(&b", "[..]);
        assert_eq!(client([&joined[..]].into_iter(), settings), found);
        let appended: IpAddr = [192, 0, 2, 5].into();
        for told in [&b"192.0.2.5"[..], b"192.0.2.5, 127.0.0.1", b"::ffff:192.0.2.5"] {
            let lines = lines.iter().copied().chain([told]);
            assert_eq!(client(lines, settings), Some(appended));
        }
        if let Some(found) = found {
            assert_eq!(found, found.to_canonical());
        }
    }
    if is_https(lines.iter().copied()) {
        assert!(!is_https(lines.iter().copied().chain([&b"http"[..]])));
    }
});
