//! Patterns for file names: the first byte is the pattern's length, the name follows it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use loligo::script::modules::system::filepath::pattern::Pattern;

fuzz_target!(|input: &[u8]| {
    let Some((length, rest)) = input.split_first() else { return };
    let (pattern, name) = rest.split_at(usize::from(*length).min(rest.len()));

    let escaped: Vec<u8> = name.iter().flat_map(|byte| [b'\\', *byte]).collect();
    if let Ok(itself) = Pattern::parse(&escaped) {
        assert_eq!(itself.matches(name).ok(), Some(true));
    }
    let Ok(parsed) = Pattern::parse(pattern) else { return };
    let matches = parsed.matches(name) == Ok(true);
    // A star more at the end takes nothing away. (Before a `/` that a class took, it may: the stars
    // in front are not asked again.)
    if let Ok(longer) = Pattern::parse(&[pattern, b"*"].concat())
        && !name.contains(&b'/')
    {
        assert!(!matches || longer.matches(name) == Ok(true), "{pattern:?} {name:?}");
    }
    // One alone takes what no `/` interrupts.
    assert_eq!(Pattern::parse(b"*").map(|all| all.matches(name)), Ok(Ok(!name.contains(&b'/'))));
});
