//! Format texts of the Lua module `log`: the first byte is the format's length, a text to show
//! follows it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use loligo::script::modules::observe::log::printf::{Operand, WIDTH_MAX, printf};

fuzz_target!(|input: &[u8]| {
    let Some((length, rest)) = input.split_first() else { return };
    let (format, text) = rest.split_at(usize::from(*length).min(rest.len()));
    let number = text.first_chunk().map_or(-1.5, |bytes| f64::from_le_bytes(*bytes));
    let operands = [Operand::Text(text.to_vec()), Operand::Number(number), Operand::Nil, Operand::Bool(true)];
    let shown = printf(format, &operands);
    let verbs = format.iter().filter(|byte| **byte == b'%').count();
    // A number has at most 309 digits in front of its point.
    assert!(shown.len() <= format.len() + 4 * text.len() + (verbs + 1) * (2 * WIDTH_MAX + 400));
    if verbs == 0 {
        assert_eq!(shown, format);
    }
});
