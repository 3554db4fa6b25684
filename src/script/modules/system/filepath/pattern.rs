//! Patterns for file names: `*`, `?`, `[a-c]`, `[^a]` and `\` before any of them.
//!
//! `*` and `?` stop at a `/`; characters are those of UTF-8, and a byte that belongs to none counts
//! as one. A pattern is read as a whole before it is used, so a fault anywhere in it is found
//! whatever the name. Matching takes at most pattern × name steps; both are bounded by
//! [`BYTES_MAX`]. Rules: `lua/modules/filepath.md` (Go's `filepath.Match`).

/// Longest pattern and longest name: as long as paths can be.
pub const BYTES_MAX: usize = 4096;

/// A pattern that was read.
#[derive(Debug)]
pub struct Pattern(Vec<Token>);

#[derive(Debug)]
enum Token {
    /// One byte as it is.
    Byte(u8),
    /// `?`
    Any,
    /// `*`
    Star,
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("syntax error in pattern")]
    Syntax,
    #[error("file name too long")]
    TooLong,
}

impl Pattern {
    /// # Errors
    /// [`Error`]
    pub fn parse(pattern: &[u8]) -> Result<Pattern, Error> {
        if pattern.len() > BYTES_MAX {
            return Err(Error::TooLong);
        }
        let (mut tokens, mut rest) = (Vec::new(), pattern);
        while let Some((&first, after)) = rest.split_first() {
            rest = after;
            tokens.push(match first {
                b'*' => Token::Star,
                b'?' => Token::Any,
                b'[' => class(&mut rest)?,
                b'\\' => {
                    let (&escaped, after) = rest.split_first().ok_or(Error::Syntax)?;
                    rest = after;
                    Token::Byte(escaped)
                }
                byte => Token::Byte(byte),
            });
        }
        Ok(Pattern(tokens))
    }

    /// Whether the pattern covers the whole of `name`.
    ///
    /// # Errors
    /// [`Error::TooLong`]
    pub fn matches(&self, name: &[u8]) -> Result<bool, Error> {
        if name.len() > BYTES_MAX {
            return Err(Error::TooLong);
        }
        let (mut token, mut at) = (0, 0);
        // Where to go on when the rest does not fit: behind the last star, with one byte more for
        // it. Earlier stars need no second chance: whatever they could leave to the last one, it
        // can take itself.
        let mut again: Option<(usize, usize)> = None;
        loop {
            let rest = name.get(at..).unwrap_or_default();
            match self.0.get(token) {
                Some(Token::Star) => {
                    token += 1;
                    again = Some((token, at));
                    continue;
                }
                None if rest.is_empty() => return Ok(true),
                Some(step) => {
                    if let Some(len) = step.takes(rest) {
                        token += 1;
                        at += len;
                        continue;
                    }
                }
                None => {}
            }
            match again {
                Some((behind, from)) if name.get(from).is_some_and(|byte| *byte != b'/') => {
                    again = Some((behind, from + 1));
                    (token, at) = (behind, from + 1);
                }
                _ => return Ok(false),
            }
        }
    }
}

impl Token {
    /// How many bytes at the start of `rest` this takes.
    fn takes(&self, rest: &[u8]) -> Option<usize> {
        match self {
            Token::Byte(byte) => (rest.first() == Some(byte)).then_some(1),
            Token::Any => first_char(rest).filter(|(c, _)| *c != '/').map(|(_, len)| len),
            Token::Class { negated, ranges } => {
                let (c, len) = first_char(rest)?;
                let is_member = ranges.iter().any(|(low, high)| (*low..=*high).contains(&c));
                (is_member != *negated).then_some(len)
            }
            Token::Star => Some(0),
        }
    }
}

/// Whether `pattern` has a character with a meaning.
pub fn is_pattern(pattern: &[u8]) -> bool {
    pattern.iter().any(|byte| b"*?[\\".contains(byte))
}

/// A class, `rest` being behind its bracket.
fn class(rest: &mut &[u8]) -> Result<Token, Error> {
    let negated = rest.first() == Some(&b'^');
    if negated {
        *rest = rest.get(1..).unwrap_or_default();
    }
    let mut ranges = Vec::new();
    loop {
        if let Some((b']', after)) = rest.split_first()
            && !ranges.is_empty()
        {
            *rest = after;
            return Ok(Token::Class { negated, ranges });
        }
        let low = member(rest)?;
        let high = match rest.split_first() {
            Some((b'-', after)) => {
                *rest = after;
                member(rest)?
            }
            _ => low,
        };
        ranges.push((low, high));
    }
}

/// A member of a class. `-` and `]` must be escaped.
fn member(rest: &mut &[u8]) -> Result<char, Error> {
    match rest.first() {
        None | Some(b'-' | b']') => return Err(Error::Syntax),
        Some(b'\\') => *rest = rest.get(1..).unwrap_or_default(),
        Some(_) => {}
    }
    let (c, len) = first_char(rest).ok_or(Error::Syntax)?;
    if c == char::REPLACEMENT_CHARACTER && len == 1 {
        return Err(Error::Syntax);
    }
    *rest = rest.get(len..).unwrap_or_default();
    Ok(c)
}

/// The first character and its length; U+FFFD and 1 for a byte that belongs to none.
fn first_char(bytes: &[u8]) -> Option<(char, usize)> {
    let window = bytes.get(..4).unwrap_or(bytes);
    let chunk = window.utf8_chunks().next()?;
    match chunk.valid().chars().next() {
        Some(c) => Some((c, c.len_utf8())),
        None => Some((char::REPLACEMENT_CHARACTER, 1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn matches(pattern: &str, name: &str) -> Result<bool, Error> {
        Pattern::parse(pattern.as_bytes())?.matches(name.as_bytes())
    }

    #[test]
    fn names_match() {
        for (pattern, name, expected) in [
            ("", "", true),
            ("abc", "abc", true),
            ("*", "abc", true),
            ("*c", "abc", true),
            ("a*", "ab/c", false),
            ("a*/b", "abc/b", true),
            ("*.txt", "a.txt", true),
            ("*.txt", "d/a.txt", false),
            ("a*b*c*d*e*/f", "axbxcxdxe/f", true),
            ("a*b?c*x", "abxbbxdbxebxczzx", true),
            ("a*b?c*x", "abxbbxdbxebxczzy", false),
            ("ab[c]", "abc", true),
            ("ab[b-d]", "abc", true),
            ("ab[e-g]", "abc", false),
            ("ab[^c]", "abc", false),
            ("[!a]", "!", true),
            ("[^a]?c", "bxc", true),
            ("a?b", "a/b", false),
            ("a???b", "a☺b", false),
            ("a?b", "a☺b", true),
            ("a[^a]b", "a☺b", true),
            (r"a\*b", "a*b", true),
            (r"a\*b", "ab", false),
            (r"[\]a]", "]", true),
            (r"[\-x]", "-", true),
            ("*x", "xxx", true),
            ("a", "ab", false),
            ("*a", "a\u{fffd}", false),
        ] {
            assert_eq!(matches(pattern, name), Ok(expected), "{pattern} {name}");
        }
        assert_eq!(Pattern::parse(b"a?b").unwrap().matches(b"a\xffb"), Ok(true));
    }

    #[test]
    fn faults_are_found_wherever_they_are() {
        for pattern in [
            "[", "[]", "[]a]", "[-]", "[x-]", "[-x]", "[a-b-c]", "[^", "[^bc", "a[", "zzz[", r"a\",
            r"[\", "[a-",
        ] {
            assert_eq!(matches(pattern, "a"), Err(Error::Syntax), "{pattern}");
        }
        assert!(matches!(Pattern::parse(b"[\xff]"), Err(Error::Syntax)));
        assert_eq!(matches(&"a".repeat(BYTES_MAX + 1), ""), Err(Error::TooLong));
        assert_eq!(matches("*", &"a".repeat(BYTES_MAX + 1)), Err(Error::TooLong));
    }

    /// The same by trying everything.
    fn slowly(tokens: &[Token], name: &[u8]) -> bool {
        match tokens.split_first() {
            None => name.is_empty(),
            Some((Token::Star, rest)) => {
                let reach = name.iter().position(|byte| *byte == b'/').unwrap_or(name.len());
                (0..=reach).any(|len| slowly(rest, &name[len..]))
            }
            Some((step, rest)) => step.takes(name).is_some_and(|len| slowly(rest, &name[len..])),
        }
    }

    proptest! {
        #[test]
        fn the_last_star_is_enough(pattern in "[ab*?/]{0,10}", name in "[ab/]{0,10}") {
            let parsed = Pattern::parse(pattern.as_bytes()).unwrap();
            prop_assert_eq!(parsed.matches(name.as_bytes()), Ok(slowly(&parsed.0, name.as_bytes())));
        }

        #[test]
        fn nothing_upsets_the_parser(pattern: Vec<u8>, name: Vec<u8>) {
            if let Ok(parsed) = Pattern::parse(&pattern) {
                // A class may take a `/`, and then an earlier star could have found more: as in the
                // reference, it is not asked.
                prop_assert!(parsed.matches(&name) == Ok(false) || slowly(&parsed.0, &name));
            }
        }

        #[test]
        fn an_escaped_name_matches_itself(name: Vec<u8>) {
            let pattern: Vec<u8> = name.iter().flat_map(|byte| [b'\\', *byte]).collect();
            prop_assume!(pattern.len() <= BYTES_MAX);
            prop_assert_eq!(Pattern::parse(&pattern).unwrap().matches(&name), Ok(true));
        }
    }
}
