//! RE2 syntax as Go reads it, into the tree that regex-automata compiles.
//!
//! Our own parser because that of the regex crates accepts more and reads some of it differently:
//! `\d \w \s \b` are Unicode there and ASCII here, `a++`, `[a&&b]`, `\<`, `(?x)` mean something
//! there, `a{,5}`, `\Q…\E`, octal escapes are errors there. Error texts are Go's. What differs from
//! Go: nesting is bounded by [`NESTING_MAX`] groups (Go: 1,000), and short or oddly spelt script
//! names (`\p{Grek}`) are known. Rules: `lua/modules/regexp.md`;
//! <https://github.com/google/re2/wiki/Syntax>.

mod classes;

use crate::script::regexp::class;
use regex_syntax::hir::{Capture, Class, Dot, Hir, Look, Repetition};

/// The tree of a pattern.
///
/// # Errors
/// [`Error`]; the script's author is to blame.
pub fn parse(pattern: &[u8]) -> Result<Hir, Error> {
    if pattern.len() > PATTERN_BYTES_MAX {
        return Err(Error::TooLarge);
    }
    let pattern = std::str::from_utf8(pattern)
        .map_err(|_| Error::Utf8(String::from_utf8_lossy(pattern).into_owned()))?;
    let mut parser = Parser {
        pattern,
        at: 0,
        flags: Flags::default(),
        groups: Vec::new(),
        branches: Branches::default(),
        captures: 0,
        repeated: None,
    };
    while let Some(c) = parser.peek() {
        parser.step(c)?;
    }
    match parser.groups.is_empty() {
        true => Ok(parser.branches.finish().hir),
        false => Err(Error::MissingParen(pattern.into())),
    }
}

/// Why a text is no pattern.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("error parsing regexp: missing closing ): `{0}`")]
    MissingParen(String),
    #[error("error parsing regexp: unexpected ): `{0}`")]
    UnexpectedParen(String),
    #[error("error parsing regexp: missing closing ]: `{0}`")]
    MissingBracket(String),
    #[error("error parsing regexp: missing argument to repetition operator: `{0}`")]
    MissingRepeatArgument(String),
    #[error("error parsing regexp: invalid nested repetition operator: `{0}`")]
    NestedRepeat(String),
    #[error("error parsing regexp: invalid repeat count: `{0}`")]
    RepeatCount(String),
    #[error("error parsing regexp: invalid character class range: `{0}`")]
    ClassRange(String),
    #[error("error parsing regexp: invalid escape sequence: `{0}`")]
    Escape(String),
    #[error("error parsing regexp: trailing backslash at end of expression: ``")]
    TrailingBackslash,
    #[error("error parsing regexp: invalid or unsupported Perl syntax: `{0}`")]
    Perl(String),
    #[error("error parsing regexp: invalid named capture: `{0}`")]
    NamedCapture(String),
    #[error("error parsing regexp: invalid UTF-8: `{0}`")]
    Utf8(String),
    #[error("error parsing regexp: expression nests too deeply: `{0}`")]
    TooDeep(String),
    #[error("error parsing regexp: expression too large")]
    TooLarge,
}

/// Those of `(?imsU)`.
#[derive(Clone, Copy, Default)]
struct Flags {
    fold_case: bool,
    multi_line: bool,
    dot_newline: bool,
    swap_greed: bool,
}

/// A piece of a pattern, and how many times its innermost part is repeated by counts.
struct Item {
    hir: Hir,
    repeats: u32,
}

/// The alternatives of a group, as far as they are read.
#[derive(Default)]
struct Branches {
    before: Vec<Hir>,
    /// The items of the one in work.
    items: Vec<Item>,
    /// The largest count inside `before`.
    repeats: u32,
}

impl Branches {
    fn alternate(&mut self) {
        self.repeats = self.items.iter().map(|item| item.repeats).fold(self.repeats, u32::max);
        self.before.push(Hir::concat(self.items.drain(..).map(|item| item.hir).collect()));
    }

    fn finish(mut self) -> Item {
        self.alternate();
        Item { hir: Hir::alternation(self.before), repeats: self.repeats.max(1) }
    }
}

/// A group that is not closed yet.
struct Group {
    /// Number of the capture, if it is one.
    capture: Option<u32>,
    /// What holds again behind it.
    flags: Flags,
    branches: Branches,
}

struct Parser<'a> {
    pattern: &'a str,
    at: usize,
    flags: Flags,
    /// The groups around, outermost first, each with the branches outside of it.
    groups: Vec<Group>,
    branches: Branches,
    captures: u32,
    /// Where the repetition operator begins that was read last, if nothing stood behind it.
    repeated: Option<usize>,
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        self.pattern.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    /// Skips `text` if it comes next.
    fn eat(&mut self, text: &str) -> bool {
        let found = self.rest().starts_with(text);
        self.at += if found { text.len() } else { 0 };
        found
    }

    /// What was read since `start`.
    fn since(&self, start: usize) -> String {
        self.pattern.get(start..self.at).unwrap_or_default().to_owned()
    }

    fn step(&mut self, c: char) -> Result<(), Error> {
        let (start, repeated) = (self.at, self.repeated.take());
        match c {
            '*' | '+' | '?' => {
                self.next();
                let (min, max) = match c {
                    '*' => (0, None),
                    '+' => (1, None),
                    _ => (0, Some(1)),
                };
                return self.repeat(min, max, start, repeated);
            }
            '{' => match self.count() {
                Some((min, max)) => return self.counted(min, max, start, repeated),
                None => {
                    self.at = start + 1;
                    self.literal('{');
                }
            },
            '(' => self.open()?,
            ')' => self.close()?,
            '|' => {
                self.next();
                self.branches.alternate();
            }
            '[' => {
                let class = self.class()?;
                self.push(Hir::class(Class::Unicode(class)));
            }
            '\\' => self.escaped()?,
            '^' | '$' | '.' => {
                self.next();
                self.push(match (c, self.flags.multi_line, self.flags.dot_newline) {
                    ('^', false, _) => Hir::look(Look::Start),
                    ('^', true, _) => Hir::look(Look::StartLF),
                    ('$', false, _) => Hir::look(Look::End),
                    ('$', true, _) => Hir::look(Look::EndLF),
                    (_, _, false) => Hir::dot(Dot::AnyCharExceptLF),
                    (_, _, true) => Hir::dot(Dot::AnyChar),
                });
            }
            c => {
                self.next();
                self.literal(c);
            }
        }
        Ok(())
    }

    fn push(&mut self, hir: Hir) {
        self.branches.items.push(Item { hir, repeats: 1 });
    }

    fn literal(&mut self, c: char) {
        let hir = match self.flags.fold_case {
            false => Hir::literal(c.encode_utf8(&mut [0; 4]).as_bytes()),
            true => Hir::class(Class::Unicode(class::folded(class::of(c, c)))),
        };
        self.push(hir);
    }

    // Repetitions
    // ------------------------------------------------------------------------------------------------------

    /// `{n}`, `{n,}` or `{n,m}`; anything else that begins with a brace is a literal. Counts beyond
    /// any sense are `u32::MAX`.
    fn count(&mut self) -> Option<(u32, Option<u32>)> {
        self.next();
        let min = self.number()?;
        let max = match self.eat(",") {
            false => Some(min),
            true if self.peek() == Some('}') => None,
            true => Some(self.number()?),
        };
        self.eat("}").then_some((min, max))
    }

    fn number(&mut self) -> Option<u32> {
        let digits: &str =
            self.rest().split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
        if digits.is_empty() || (digits.len() > 1 && digits.starts_with('0')) {
            return None;
        }
        self.at += digits.len();
        Some(digits.parse().unwrap_or(u32::MAX))
    }

    fn counted(
        &mut self,
        min: u32,
        max: Option<u32>,
        start: usize,
        repeated: Option<usize>,
    ) -> Result<(), Error> {
        let most = max.unwrap_or(min);
        if min > REPEATS_MAX || most > REPEATS_MAX || most < min {
            return Err(Error::RepeatCount(self.since(start)));
        }
        let behind = self.at;
        self.repeat(min, max, start, repeated)?;
        if let Some(item) = self.branches.items.last_mut() {
            item.repeats *= most.max(1);
            if item.repeats > REPEATS_MAX {
                return Err(Error::RepeatCount(
                    self.pattern.get(start..behind).unwrap_or_default().to_owned(),
                ));
            }
        }
        Ok(())
    }

    /// The operator that was read from `start` on, and the `?` behind it.
    fn repeat(
        &mut self,
        min: u32,
        max: Option<u32>,
        start: usize,
        repeated: Option<usize>,
    ) -> Result<(), Error> {
        let lazy = self.eat("?");
        if let Some(before) = repeated {
            return Err(Error::NestedRepeat(self.since(before)));
        }
        let Some(Item { hir, repeats }) = self.branches.items.pop() else {
            return Err(Error::MissingRepeatArgument(self.since(start)));
        };
        let hir = Hir::repetition(Repetition {
            min,
            max,
            greedy: lazy == self.flags.swap_greed,
            sub: Box::new(hir),
        });
        self.branches.items.push(Item { hir, repeats });
        self.repeated = Some(start);
        Ok(())
    }

    // Groups
    // -----------------------------------------------------------------------------------------------------------

    fn open(&mut self) -> Result<(), Error> {
        let (start, outside) = (self.at, self.flags);
        self.next();
        let capture = if self.rest().starts_with("?P<") || self.rest().starts_with("?<") {
            self.name(start)?;
            true
        } else if self.eat("?") {
            if self.set_flags(start)? {
                // `(?i)` is no group: it holds to the end of the one around.
                return Ok(());
            }
            false
        } else {
            true
        };
        if self.groups.len() == NESTING_MAX {
            return Err(Error::TooDeep(self.pattern.into()));
        }
        self.captures += u32::from(capture);
        self.groups.push(Group {
            capture: capture.then_some(self.captures),
            flags: outside,
            branches: std::mem::take(&mut self.branches),
        });
        Ok(())
    }

    /// `?P<name>` or `?<name>`. Scripts see groups by number only, so that a name may be given
    /// twice.
    fn name(&mut self, start: usize) -> Result<(), Error> {
        let rest = self.rest();
        let Some(end) = rest.find('>') else {
            return Err(Error::NamedCapture(
                self.pattern.get(start..).unwrap_or_default().to_owned(),
            ));
        };
        self.at += end + 1;
        let name = rest
            .get(..end)
            .and_then(|text| text.split_once('<'))
            .map(|(_, name)| name)
            .unwrap_or_default();
        let valid = !name.is_empty() && name.chars().all(|c| c == '_' || c.is_ascii_alphanumeric());
        if valid { Ok(()) } else { Err(Error::NamedCapture(self.since(start))) }
    }

    /// The flags behind `(?`. True if they end with the parenthesis, false if a group follows.
    fn set_flags(&mut self, start: usize) -> Result<bool, Error> {
        let (mut flags, mut on, mut seen) = (self.flags, true, false);
        while let Some(c) = self.next() {
            match c {
                'i' => flags.fold_case = on,
                'm' => flags.multi_line = on,
                's' => flags.dot_newline = on,
                'U' => flags.swap_greed = on,
                '-' if on => {
                    (on, seen) = (false, false);
                    continue;
                }
                ':' | ')' if on || seen => {
                    self.flags = flags;
                    return Ok(c == ')');
                }
                _ => break,
            }
            seen = true;
        }
        match self.at == self.pattern.len() && !self.pattern.ends_with(')') {
            true if self.since(start).chars().skip(2).all(|c| "imsU-".contains(c)) => {
                Err(Error::MissingParen(self.pattern.into()))
            }
            _ => Err(Error::Perl(self.since(start))),
        }
    }

    fn close(&mut self) -> Result<(), Error> {
        let Some(group) = self.groups.pop() else {
            return Err(Error::UnexpectedParen(self.pattern.into()));
        };
        self.next();
        let Item { hir, repeats } = std::mem::replace(&mut self.branches, group.branches).finish();
        let hir = match group.capture {
            Some(index) => Hir::capture(Capture { index, name: None, sub: Box::new(hir) }),
            None => hir,
        };
        self.branches.items.push(Item { hir, repeats });
        self.flags = group.flags;
        Ok(())
    }

    // Escapes and classes
    // ----------------------------------------------------------------------------------------------
}

/// As in Go: a count, and the product of nested counts.
const REPEATS_MAX: u32 = 1000;

/// Compiling goes down this deep by recursion.
const NESTING_MAX: usize = 100;

/// A class of any length is made in a few milliseconds at most.
const PATTERN_BYTES_MAX: usize = 4096;
