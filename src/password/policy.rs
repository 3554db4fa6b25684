//! Password policy: does a password have enough of each kind of character? Pure; called by the Lua
//! module `nauthilus_password`.
//!
//! Length is counted in bytes, the rest per Unicode character by its general category. Spaces count
//! nowhere.

use unicode_properties::{GeneralCategory, GeneralCategoryGroup, UnicodeGeneralCategory};

/// The least number of each kind. A field that is not set is 0; `number as u64` turns a script's
/// number into one as the rule wants it: fractions cut off, negative numbers 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Bytes, whatever they are.
    pub min_length: u64,
    /// Upper-case letters (Lu).
    pub min_upper: u64,
    /// Lower-case letters (Ll).
    pub min_lower: u64,
    /// Decimal digits of any script (Nd).
    pub min_number: u64,
    /// Punctuation and symbols (P, S). A byte that is no part of a character counts here: it reads
    /// as U+FFFD, a symbol.
    pub min_special: u64,
}

impl Policy {
    /// Whether `password` has enough of everything.
    pub fn allows(&self, password: &[u8]) -> bool {
        let count = Count::of(password);
        password.len() as u64 >= self.min_length
            && count.upper >= self.min_upper
            && count.lower >= self.min_lower
            && count.number >= self.min_number
            && count.special >= self.min_special
    }
}

#[derive(Default)]
struct Count {
    upper: u64,
    lower: u64,
    number: u64,
    special: u64,
}

impl Count {
    fn of(password: &[u8]) -> Count {
        let mut count = Count::default();
        for chunk in password.utf8_chunks() {
            chunk.valid().chars().for_each(|character| count.add(character));
            count.special += chunk.invalid().len() as u64;
        }
        count
    }

    fn add(&mut self, character: char) {
        match character.general_category() {
            GeneralCategory::UppercaseLetter => self.upper += 1,
            GeneralCategory::LowercaseLetter => self.lower += 1,
            GeneralCategory::DecimalNumber => self.number += 1,
            _ => match character.general_category_group() {
                GeneralCategoryGroup::Punctuation | GeneralCategoryGroup::Symbol => {
                    self.special += 1
                }
                _ => {}
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: Policy =
        Policy { min_length: 8, min_upper: 1, min_lower: 1, min_number: 1, min_special: 1 };

    #[test]
    fn every_kind_is_asked_for() {
        assert!(FULL.allows(b"Passw0rd!"));
        for (password, lacks) in [
            ("Pa0!", "length"),
            ("passw0rd!", "upper"),
            ("PASSW0RD!", "lower"),
            ("Password!", "number"),
            ("Passw0rd1", "special"),
        ] {
            assert!(!FULL.allows(password.as_bytes()), "{lacks}");
        }
    }

    #[test]
    fn an_empty_policy_allows_everything() {
        assert!(Policy::default().allows(b""));
    }

    #[test]
    fn length_is_in_bytes() {
        let policy = Policy { min_length: 4, ..Policy::default() };
        assert!(policy.allows("ää".as_bytes()));
        assert!(!policy.allows("äa".as_bytes()));
    }

    #[test]
    fn characters_are_counted_by_category() {
        let (upper, lower) = (
            Policy { min_upper: 1, ..Policy::default() },
            Policy { min_lower: 1, ..Policy::default() },
        );
        let (number, special) = (
            Policy { min_number: 1, ..Policy::default() },
            Policy { min_special: 1, ..Policy::default() },
        );
        let cases = [
            (upper, "Ä", true),
            (upper, "ǅ", false),
            (upper, "Ⓐ", false),
            (lower, "ß", true),
            (lower, "ª", false),
            (number, "٣", true),
            (number, "½", false),
            (special, "€", true),
            (special, "_", true),
            (special, "a b\u{a0}", false),
        ];
        for (policy, password, allowed) in cases {
            assert_eq!(policy.allows(password.as_bytes()), allowed, "{password} {policy:?}");
        }
    }

    #[test]
    fn each_byte_that_is_no_character_is_a_symbol() {
        let special = |min_special| Policy { min_special, ..Policy::default() };
        assert!(special(2).allows(b"a\xe2\x82"));
        assert!(!special(3).allows(b"a\xe2\x82"));
    }
}
