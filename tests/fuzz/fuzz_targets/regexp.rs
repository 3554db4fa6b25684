//! Regular expressions: one byte, the length of the pattern; pattern; text.

#![no_main]

use libfuzzer_sys::fuzz_target;
use loligo::script::regexp::Regexp;

fuzz_target!(|input: &[u8]| {
    let Some((len, rest)) = input.split_first() else { return };
    let (pattern, text) = rest.split_at(rest.len().min(usize::from(*len)));
    let Ok(regexp) = Regexp::compile(pattern) else { return };
    let (mut found, mut end) = (false, 0);
    let all = regexp.find_all(text, |groups| {
        let whole = groups[0].clone().expect("a match is somewhere");
        // From left to right, without overlap, inside the text; groups inside their match.
        assert!(whole.start >= end && whole.end <= text.len() && whole.start <= whole.end);
        assert!(groups.iter().flatten().all(|group| group.start <= group.end && group.end <= text.len()));
        (found, end) = (true, whole.end);
    });
    if all.is_ok() {
        assert_eq!(regexp.is_match(text), Ok(found));
    }
});
