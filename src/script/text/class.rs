//! Single-character classes of Lua patterns: `.`, `x`, `%a`, `[set]`.
//!
//! Pure; called by [`super::matcher`]. Sets are not compiled: they are parsed again for each byte,
//! which for the usual two or three members costs less than a table would; [`Item::cost`] has the
//! matcher pay for long ones. Rules: the Lua 5.1 manual, 5.4.1.

use super::matcher::Error;

/// A single-character class of a pattern.
#[derive(Clone, Copy)]
pub enum Item<'t> {
    Any,
    Byte(u8),
    Class(Class),
    /// What stands between `[` and `]`.
    Set(&'t [u8]),
}

impl Item<'_> {
    pub fn matches(self, byte: u8) -> bool {
        match self {
            Item::Any => true,
            Item::Byte(wanted) => byte == wanted,
            Item::Class(class) => class.contains(byte),
            Item::Set(set) => set_contains(set, byte),
        }
    }

    /// What a test of one byte costs, in steps.
    pub fn cost(self) -> usize {
        match self {
            Item::Set(set) => set.len(),
            _ => 1,
        }
    }
}

/// `%a`, or `%A`: the bytes that have one of these bits in [`KINDS`], or those that have none.
#[derive(Clone, Copy)]
pub struct Class {
    bits: u8,
    negated: bool,
}

impl Class {
    pub fn contains(self, byte: u8) -> bool {
        #[expect(clippy::indexing_slicing, reason = "the table has an entry for every byte")]
        let kinds = KINDS[usize::from(byte)];
        (kinds & self.bits != 0) != self.negated
    }
}

/// What a byte means behind `%`: a class, or itself.
pub fn escaped(byte: u8) -> Item<'static> {
    let bits = match byte.to_ascii_lowercase() {
        b'a' => UPPER | LOWER,
        b'c' => CONTROL,
        b'd' => DIGIT,
        b'g' => UPPER | LOWER | DIGIT | PUNCTUATION,
        b'l' => LOWER,
        b'p' => PUNCTUATION,
        b's' => SPACE,
        b'u' => UPPER,
        b'w' => UPPER | LOWER | DIGIT,
        b'x' => HEX_DIGIT,
        b'z' => NUL,
        _ => return Item::Byte(byte),
    };
    Item::Class(Class { bits, negated: byte.is_ascii_uppercase() })
}

/// Where the `]` of the set is whose first byte (behind the `[`) is at `p`.
pub fn set_end(pattern: &[u8], p: usize) -> Result<usize, Error> {
    let mut p = if pattern.get(p) == Some(&b'^') { p + 1 } else { p };
    // The first byte is a member whatever it is, also `]`.
    loop {
        p += match pattern.get(p) {
            None => return Err(Error::OpenSet),
            Some(b'%') if p + 1 < pattern.len() => 2,
            Some(_) => 1,
        };
        if pattern.get(p) == Some(&b']') {
            return Ok(p);
        }
    }
}

/// Whether the set `[…]`, given without its brackets, holds `byte`.
pub fn set_contains(set: &[u8], byte: u8) -> bool {
    let (mut rest, negated) = match set {
        [b'^', rest @ ..] => (rest, true),
        _ => (set, false),
    };
    loop {
        let found;
        (found, rest) = match rest {
            [] => return negated,
            [b'%', member, rest @ ..] => (escaped(*member).matches(byte), rest),
            // A range may end in a `%` that `set_end` took for the escape of the `]`: then that is
            // left here alone.
            [b'%'] => return (byte == b']') != negated,
            [low, b'-', high, rest @ ..] => ((*low..=*high).contains(&byte), rest),
            [member, rest @ ..] => (*member == byte, rest),
        };
        if found {
            return !negated;
        }
    }
}

const CONTROL: u8 = 1;
const SPACE: u8 = 2;
const PUNCTUATION: u8 = 4;
const DIGIT: u8 = 8;
const HEX_DIGIT: u8 = 16;
const UPPER: u8 = 32;
const LOWER: u8 = 64;
const NUL: u8 = 128;

/// What each byte is. Bytes outside ASCII are nothing of all this, as in LuaJIT, whatever the
/// locale.
#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
static KINDS: [u8; 256] = {
    let mut kinds = [0; 256];
    let mut i = 0u8;
    while i < 128 {
        let flags = [
            (i.is_ascii_control(), CONTROL),
            (matches!(i, 9..=13 | b' '), SPACE),
            (i.is_ascii_punctuation(), PUNCTUATION),
            (i.is_ascii_digit(), DIGIT),
            (i.is_ascii_hexdigit(), HEX_DIGIT),
            (i.is_ascii_uppercase(), UPPER),
            (i.is_ascii_lowercase(), LOWER),
            (i == 0, NUL),
        ];
        let mut flag = 0;
        while flag < flags.len() {
            if flags[flag].0 {
                kinds[i as usize] |= flags[flag].1;
            }
            flag += 1;
        }
        i += 1;
    }
    kinds
};
