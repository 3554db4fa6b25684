//! Escapes and character classes: `\d`, `\p{L}`, `\x41`, `[a-z[:alpha:]]`.

use super::{Error, Parser};
use crate::script::regexp::class;
use regex_syntax::hir::{Class, ClassUnicode, Hir, Look};

impl Parser<'_> {
    /// A backslash outside of a class.
    pub(super) fn escaped(&mut self) -> Result<(), Error> {
        let look = match self.rest().get(1..).and_then(|rest| rest.chars().next()) {
            Some('A') => Some(Look::Start),
            Some('z') => Some(Look::End),
            Some('b') => Some(Look::WordAscii),
            Some('B') => Some(Look::WordAsciiNegate),
            Some('Q') => {
                self.at += 2;
                let (text, len) = match self.rest().split_once("\\E") {
                    Some((text, _)) => (text, text.len() + 2),
                    None => (self.rest(), self.rest().len()),
                };
                text.chars().for_each(|c| self.literal(c));
                self.at += len;
                return Ok(());
            }
            _ => None,
        };
        if let Some(look) = look {
            self.at += 2;
            self.push(Hir::look(look));
            return Ok(());
        }
        match self.named_class()? {
            Some(class) => self.push(Hir::class(Class::Unicode(class))),
            None => match self.escape()? {
                Some(c) => self.literal(c),
                None => self.push(Hir::fail()),
            },
        }
        Ok(())
    }

    /// `\d`, `\p{Greek}` and the like, in the class' own form under the flags. None: something else
    /// comes.
    pub(super) fn named_class(&mut self) -> Result<Option<ClassUnicode>, Error> {
        let start = self.at;
        let Some(letter) = self.rest().strip_prefix('\\').and_then(|rest| rest.chars().next())
        else {
            return Ok(None);
        };
        let (class, negated) = if let Some(class) = class::perl(letter) {
            self.at += 2;
            (class, letter.is_ascii_uppercase())
        } else if matches!(letter, 'p' | 'P') {
            self.at += 2;
            let mut negated = letter == 'P';
            let first = self.next().ok_or_else(|| Error::ClassRange(self.since(start)))?;
            let name = if first == '{' {
                let end = self.rest().find('}').ok_or_else(|| {
                    Error::ClassRange(self.pattern.get(start..).unwrap_or_default().into())
                })?;
                let name = self.rest().get(..end).unwrap_or_default();
                self.at += end + 1;
                name.to_owned()
            } else {
                first.to_string()
            };
            let name = match name.strip_prefix('^') {
                Some(name) => {
                    negated = !negated;
                    name
                }
                None => &name,
            };
            (class::unicode(name).ok_or_else(|| Error::ClassRange(self.since(start)))?, negated)
        } else {
            return Ok(None);
        };
        Ok(Some(self.with_flags(class, negated)))
    }

    fn with_flags(&self, class: ClassUnicode, negated: bool) -> ClassUnicode {
        let mut class = if self.flags.fold_case { class::folded(class) } else { class };
        if negated {
            class.negate();
        }
        class
    }

    /// An escaped character. None: a surrogate, which no text holds.
    fn escape(&mut self) -> Result<Option<char>, Error> {
        let start = self.at;
        self.next();
        let c = self.next().ok_or(Error::TrailingBackslash)?;
        let code = match c {
            'a' => 7,
            'f' => 12,
            'n' => 10,
            'r' => 13,
            't' => 9,
            'v' => 11,
            '0'..='7' => {
                let more =
                    self.rest().chars().take(2).take_while(|c| matches!(c, '0'..='7')).count();
                // A single digit but zero would be a backreference.
                if c != '0' && more == 0 {
                    return Err(Error::Escape(self.since(start)));
                }
                self.at += more;
                u32::from_str_radix(self.pattern.get(start + 1..self.at).unwrap_or_default(), 8)
                    .unwrap_or(u32::MAX)
            }
            'x' => self.hexadecimal().ok_or_else(|| Error::Escape(self.since(start)))?,
            c if c.is_ascii_punctuation() || (c.is_ascii() && !c.is_ascii_alphanumeric()) => {
                u32::from(c)
            }
            _ => return Err(Error::Escape(self.since(start))),
        };
        Ok(char::from_u32(code))
    }

    /// Behind `\x`: two digits, or any number of them in braces.
    fn hexadecimal(&mut self) -> Option<u32> {
        let (text, len) = if self.eat("{") {
            let end = self.rest().find('}')?;
            (self.rest().get(..end)?, end + 1)
        } else {
            (self.rest().get(..2)?, 2)
        };
        let valid = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let code = u32::from_str_radix(text.trim_start_matches('0'), 16)
            .unwrap_or(if text.bytes().all(|b| b == b'0') { 0 } else { u32::MAX });
        self.at += len;
        (valid && code <= u32::from(char::MAX)).then_some(code)
    }

    /// `[…]`.
    pub(super) fn class(&mut self) -> Result<ClassUnicode, Error> {
        let start = self.at;
        self.next();
        let negated = self.eat("^");
        let mut class = ClassUnicode::empty();
        let mut first = true;
        while first || self.peek() != Some(']') {
            first = false;
            if let Some(named) = self.posix_class()? {
                class.union(&named);
            } else if let Some(named) = self.named_class()? {
                class.union(&named);
            } else {
                let range = self.at;
                let low = self.class_character(start)?;
                let mut high = low;
                if self.rest().starts_with('-')
                    && !matches!(self.rest().as_bytes().get(1), None | Some(b']'))
                {
                    self.next();
                    high = self.class_character(start)?;
                    if high < low {
                        return Err(Error::ClassRange(self.since(range)));
                    }
                }
                let members = class::between(low, high);
                class.union(&if self.flags.fold_case { class::folded(members) } else { members });
            }
        }
        self.next();
        if negated {
            class.negate();
        }
        Ok(class)
    }

    /// A character of a class, as a number: surrogates can be said, though no text holds them.
    fn class_character(&mut self, start: usize) -> Result<u32, Error> {
        match self.peek() {
            None => {
                Err(Error::MissingBracket(self.pattern.get(start..).unwrap_or_default().to_owned()))
            }
            Some('\\') => self.escape().map(|c| c.map_or(SURROGATE, u32::from)),
            Some(c) => {
                self.next();
                Ok(u32::from(c))
            }
        }
    }

    /// `[:alpha:]` inside a class.
    fn posix_class(&mut self) -> Result<Option<ClassUnicode>, Error> {
        let start = self.at;
        let Some(end) = self.rest().strip_prefix("[:").and_then(|rest| rest.find(":]")) else {
            return Ok(None);
        };
        self.at += end + 4;
        let name = self.pattern.get(start + 2..start + 2 + end).unwrap_or_default();
        let (name, negated) = name.strip_prefix('^').map_or((name, false), |name| (name, true));
        let class = class::posix(name).ok_or_else(|| Error::ClassRange(self.since(start)))?;
        Ok(Some(self.with_flags(class, negated)))
    }
}

/// Stands for all surrogates: below the characters that can follow, so that ranges keep their
/// order.
const SURROGATE: u32 = 0xd800;
