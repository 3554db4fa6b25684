//! URLs as scripts write them: what is parsed can be written, reads back the same, and cannot end a
//! request line.

#![no_main]

use libfuzzer_sys::fuzz_target;
use loligo::proto::url::Url;

fuzz_target!(|input: &[u8]| {
    let (one, other) = input.split_at(input.len() / 2);
    let Ok(url) = Url::parse(one) else { return };
    check(&url);
    if let Ok(reference) = Url::parse(other) {
        check(&url.join(&reference));
    }
});

fn check(url: &Url) {
    let written = url.expose();
    assert!(written.bytes().all(|byte| byte.is_ascii_graphic()));
    assert!(url.target().bytes().all(|byte| byte.is_ascii_graphic()));
    assert!(url.authority().bytes().all(|byte| byte.is_ascii_graphic()));
    if url.user.as_ref().is_none_or(|user| user.password.is_none()) {
        assert_eq!(url.to_string(), written);
    }
}
