//! Files of the Lua module `storage`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use loligo::script::stores::storage::file::{parse, text};

fuzz_target!(|input: &[u8]| {
    let Ok(entries) = parse(input) else { return };
    let written = text(&entries).expect("what was read can be written");
    assert_eq!(parse(&written).expect("what was written can be read"), entries);
});
