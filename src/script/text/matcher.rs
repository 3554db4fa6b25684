//! Lua 5.1 pattern matching over bytes, as LuaJIT 2.1 does it, within a budget of steps.
//!
//! Pure: no Lua, no clock. Called by [`super::library`] and [`super::replace`]. Like LuaJIT's, it
//! interprets the pattern as it goes, so a mistake in a pattern is an error only when the matcher
//! gets there. One difference is meant: a NUL in a pattern is a byte like any other, where LuaJIT's
//! pattern ends (a user name must not cut off a pattern built with it).
//! Bounds: [`CAPTURES_MAX`], [`DEPTH_MAX`], [`steps_for`]. Rules: the Lua 5.1 manual, 5.4.1.

use super::class::{Item, escaped, set_contains, set_end};
use std::ops::Range;

/// A pattern applied to a subject: finds matches and remembers the captures of the last one.
pub struct Matcher<'t> {
    subject: &'t [u8],
    pattern: &'t [u8],
    /// The pattern began with `^` (which `pattern` no longer does): it matches where a search
    /// begins or not at all.
    anchored: bool,
    /// The byte that every match begins with, if the pattern tells.
    leading: Option<u8>,
    /// What is left of the budget.
    steps: u64,
    /// How many calls of [`Matcher::items`] are on the stack.
    depth: usize,
    /// How many of `captures` are in use, finished or not.
    level: usize,
    captures: [Capture; CAPTURES_MAX],
}

/// What a capture holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Captured {
    /// These bytes of the subject.
    Text(Range<usize>),
    /// A position capture `()`: a place in the subject, counted from 0.
    Position(usize),
}

/// Why a match cannot go on: a mistake in the pattern (or replacement), or a bound. The texts are
/// LuaJIT's where it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("malformed pattern (ends with '%')")]
    EndsWithEscape,
    #[error("malformed pattern (missing ']')")]
    OpenSet,
    #[error("missing '[' after '%f' in pattern")]
    FrontierWithoutSet,
    #[error("unbalanced pattern")]
    Unbalanced,
    #[error("invalid pattern capture")]
    StrayParenthesis,
    #[error("invalid capture index")]
    CaptureIndex,
    #[error("unfinished capture")]
    OpenCapture,
    #[error("too many captures")]
    TooManyCaptures,
    #[error("pattern too complex")]
    TooComplex,
    #[error("pattern takes too many steps")]
    TooManySteps,
    #[error("resulting string too large")]
    ResultTooLarge,
}

impl<'t> Matcher<'t> {
    /// For `find`, `match` and `gsub`: a leading `^` anchors. `steps` is the budget, usually
    /// [`steps_for`] the subject.
    pub fn new(subject: &'t [u8], pattern: &'t [u8], steps: u64) -> Matcher<'t> {
        match pattern.split_first() {
            Some((b'^', rest)) => {
                Matcher { anchored: true, ..Matcher::without_anchor(subject, rest, steps) }
            }
            _ => Matcher::without_anchor(subject, pattern, steps),
        }
    }

    /// For `gmatch`, to which a leading `^` is an ordinary byte: an anchor would make no sense
    /// there.
    pub fn without_anchor(subject: &'t [u8], pattern: &'t [u8], steps: u64) -> Matcher<'t> {
        Matcher {
            subject,
            pattern,
            anchored: false,
            leading: leading_byte(pattern),
            steps,
            depth: 0,
            level: 0,
            captures: [Capture::UNUSED; CAPTURES_MAX],
        }
    }

    pub fn subject(&self) -> &'t [u8] {
        self.subject
    }

    /// Whether only a match at the very place where the search begins counts.
    pub fn is_anchored(&self) -> bool {
        self.anchored
    }

    /// The first match that begins at `from` (counted from 0) or later.
    ///
    /// # Errors
    /// A mistake in the pattern that the matcher ran into, or a bound it reached.
    pub fn search(&mut self, from: usize) -> Result<Option<Range<usize>>, Error> {
        let mut at = from;
        while let Some(rest) = self.subject.get(at..) {
            if !self.anchored
                && let Some(byte) = self.leading
            {
                let Some(skip) = memchr::memchr(byte, rest) else { return Ok(None) };
                at += skip;
            }
            self.depth = 0;
            self.level = 0;
            if let Some(end) = self.items(at, 0)? {
                return Ok(Some(at..end));
            }
            if self.anchored {
                break;
            }
            at += 1;
        }
        Ok(None)
    }

    /// How many captures the last match has.
    pub fn capture_count(&self) -> usize {
        self.level
    }

    /// Capture `index`, counted from 0, of the last match, which was `whole`. In a pattern without
    /// captures, capture 0 is the whole match.
    ///
    /// # Errors
    /// [`Error::CaptureIndex`] if there is no such capture, [`Error::OpenCapture`] if its `)` is
    /// missing.
    pub fn captured(&self, index: usize, whole: &Range<usize>) -> Result<Captured, Error> {
        if index == 0 && self.level == 0 {
            return Ok(Captured::Text(whole.clone()));
        }
        let capture = self
            .captures
            .get(..self.level)
            .and_then(|used| used.get(index))
            .ok_or(Error::CaptureIndex)?;
        match capture.extent {
            Extent::Open => Err(Error::OpenCapture),
            Extent::Position => Ok(Captured::Position(capture.start)),
            Extent::Closed(end) => Ok(Captured::Text(capture.start..end)),
        }
    }

    /// Takes `count` steps from the budget.
    ///
    /// # Errors
    /// [`Error::TooManySteps`] if there are not so many left.
    pub(super) fn spend(&mut self, count: usize) -> Result<(), Error> {
        self.steps = self.steps.checked_sub(count as u64).ok_or(Error::TooManySteps)?;
        Ok(())
    }

    /// Matches the pattern from `p` on at place `s` of the subject; the end of the match if there
    /// is one.
    fn items(&mut self, mut s: usize, mut p: usize) -> Result<Option<usize>, Error> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(Error::TooComplex);
        }
        let end = loop {
            self.spend(1)?;
            match self.special(s, p)? {
                Step::Goto(to, next) => (s, p) = (to, next),
                Step::End(end) => break end,
                Step::Item => {
                    let (item, next) = self.item(p)?;
                    match self.repeated(item, s, next)? {
                        Step::Goto(to, next) => (s, p) = (to, next),
                        Step::End(end) => break end,
                        Step::Item => break None,
                    }
                }
            }
        };
        self.depth -= 1;
        Ok(end)
    }

    /// Handles what stands at `p` if it is not a single-character class: end, captures, `%b`, `%f`,
    /// `%1`, `$`.
    fn special(&mut self, s: usize, p: usize) -> Result<Step, Error> {
        let moved = |to: Option<usize>, next| to.map_or(Step::End(None), |to| Step::Goto(to, next));
        Ok(match (self.pattern.get(p), self.pattern.get(p + 1)) {
            (None, _) => Step::End(Some(s)),
            (Some(b'('), Some(b')')) => Step::End(self.open_capture(s, p + 2, Extent::Position)?),
            (Some(b'('), _) => Step::End(self.open_capture(s, p + 1, Extent::Open)?),
            (Some(b')'), _) => Step::End(self.close_capture(s, p + 1)?),
            (Some(b'$'), None) => Step::End((s == self.subject.len()).then_some(s)),
            (Some(b'%'), Some(b'b')) => moved(self.balanced(s, p + 2)?, p + 4),
            (Some(b'%'), Some(b'f')) => {
                let (set, next) = self.frontier_set(p + 2)?;
                moved(self.is_frontier(s, set).then_some(s), next)
            }
            (Some(b'%'), Some(digit)) if digit.is_ascii_digit() => {
                moved(self.back_reference(s, *digit)?, p + 2)
            }
            _ => Step::Item,
        })
    }

    /// Matches `item` as often as the byte behind it, at `next`, says.
    fn repeated(&mut self, item: Item<'t>, s: usize, next: usize) -> Result<Step, Error> {
        let here = self.subject.get(s).is_some_and(|byte| item.matches(*byte));
        Ok(match self.pattern.get(next) {
            Some(b'?') => {
                if here && let Some(end) = self.items(s + 1, next + 1)? {
                    return Ok(Step::End(Some(end)));
                }
                Step::Goto(s, next + 1)
            }
            Some(b'*') => Step::End(self.most(item, s, next + 1)?),
            Some(b'+') if here => Step::End(self.most(item, s + 1, next + 1)?),
            Some(b'-') => Step::End(self.fewest(item, s, next + 1)?),
            Some(b'+') => Step::End(None),
            _ if here => Step::Goto(s + 1, next),
            _ => Step::End(None),
        })
    }

    /// `*`: takes all bytes of the item, then gives back one at a time until the rest of the
    /// pattern matches.
    fn most(&mut self, item: Item<'t>, s: usize, p: usize) -> Result<Option<usize>, Error> {
        for end in (s..=s + self.run_length(item, s)?).rev() {
            if let Some(end) = self.items(end, p)? {
                return Ok(Some(end));
            }
        }
        Ok(None)
    }

    /// `-`: takes a byte of the item only where the rest of the pattern does not match yet.
    fn fewest(&mut self, item: Item<'t>, mut s: usize, p: usize) -> Result<Option<usize>, Error> {
        loop {
            if let Some(end) = self.items(s, p)? {
                return Ok(Some(end));
            }
            if !self.subject.get(s).is_some_and(|byte| item.matches(*byte)) {
                return Ok(None);
            }
            self.spend(item.cost())?;
            s += 1;
        }
    }

    /// How many bytes from `s` on the item matches.
    fn run_length(&mut self, item: Item<'t>, s: usize) -> Result<usize, Error> {
        let rest = self.subject.get(s..).unwrap_or_default();
        // No further than the budget reaches: one byte more and `spend` refuses.
        let affordable = usize::try_from(self.steps / item.cost() as u64)
            .unwrap_or(usize::MAX)
            .saturating_add(1);
        let rest = rest.get(..affordable).unwrap_or(rest);
        let end_of_run = match item {
            Item::Any => None,
            Item::Byte(wanted) => rest.iter().position(|byte| *byte != wanted),
            Item::Class(class) => rest.iter().position(|byte| !class.contains(*byte)),
            Item::Set(set) => rest.iter().position(|byte| !set_contains(set, *byte)),
        };
        let length = end_of_run.unwrap_or(rest.len());
        self.spend(length.saturating_mul(item.cost()))?;
        Ok(length)
    }

    fn open_capture(&mut self, s: usize, p: usize, extent: Extent) -> Result<Option<usize>, Error> {
        *self.captures.get_mut(self.level).ok_or(Error::TooManyCaptures)? =
            Capture { start: s, extent };
        self.level += 1;
        let end = self.items(s, p)?;
        if end.is_none() {
            self.level -= 1;
        }
        Ok(end)
    }

    fn close_capture(&mut self, s: usize, p: usize) -> Result<Option<usize>, Error> {
        let used = self.captures.iter().take(self.level);
        let index = used
            .enumerate()
            .rev()
            .find(|(_, c)| c.extent == Extent::Open)
            .ok_or(Error::StrayParenthesis)?
            .0;
        self.set_extent(index, Extent::Closed(s));
        let end = self.items(s, p)?;
        if end.is_none() {
            self.set_extent(index, Extent::Open);
        }
        Ok(end)
    }

    fn set_extent(&mut self, index: usize, extent: Extent) {
        if let Some(capture) = self.captures.get_mut(index) {
            capture.extent = extent;
        }
    }

    /// `%1` to `%9`: the same bytes as that capture once more. A position capture has no bytes that
    /// could be met again.
    fn back_reference(&mut self, s: usize, digit: u8) -> Result<Option<usize>, Error> {
        let index = usize::from(digit).checked_sub(usize::from(b'1')).ok_or(Error::CaptureIndex)?;
        let capture = self
            .captures
            .get(..self.level)
            .and_then(|used| used.get(index))
            .ok_or(Error::CaptureIndex)?;
        let text = match capture.extent {
            Extent::Open => return Err(Error::CaptureIndex),
            Extent::Position => return Ok(None),
            Extent::Closed(end) => self.subject.get(capture.start..end).unwrap_or_default(),
        };
        self.spend(text.len())?;
        Ok(self
            .subject
            .get(s..)
            .is_some_and(|rest| rest.starts_with(text))
            .then_some(s + text.len()))
    }

    /// `%bxy`: from an x to the y that balances it.
    fn balanced(&mut self, s: usize, p: usize) -> Result<Option<usize>, Error> {
        let (Some(&open), Some(&close)) = (self.pattern.get(p), self.pattern.get(p + 1)) else {
            return Err(Error::Unbalanced);
        };
        let Some((first, rest)) = self.subject.get(s..).and_then(<[u8]>::split_first) else {
            return Ok(None);
        };
        if *first != open {
            return Ok(None);
        }
        let mut unclosed = 1usize;
        let affordable = usize::try_from(self.steps).unwrap_or(usize::MAX).saturating_add(1);
        for (i, byte) in rest.iter().take(affordable).enumerate() {
            // Where x and y are the same, the second one closes.
            if *byte == close {
                unclosed -= 1;
                if unclosed == 0 {
                    self.spend(i)?;
                    return Ok(Some(s + i + 2));
                }
            } else if *byte == open {
                unclosed += 1;
            }
        }
        self.spend(rest.len())?;
        Ok(None)
    }

    /// The set of a `%f[set]`, and what follows.
    fn frontier_set(&mut self, p: usize) -> Result<(&'t [u8], usize), Error> {
        if self.pattern.get(p) != Some(&b'[') {
            return Err(Error::FrontierWithoutSet);
        }
        let end = set_end(self.pattern, p + 1)?;
        self.spend(end - p)?;
        Ok((self.pattern.get(p + 1..end).unwrap_or_default(), end + 1))
    }

    /// Whether the set begins to hold at `s`. Before the first and behind the last byte stands a
    /// NUL.
    fn is_frontier(&self, s: usize, set: &[u8]) -> bool {
        let before = s.checked_sub(1).and_then(|i| self.subject.get(i)).copied().unwrap_or(0);
        let here = self.subject.get(s).copied().unwrap_or(0);
        !set_contains(set, before) && set_contains(set, here)
    }

    /// The single-character class at `p`, and what follows.
    fn item(&mut self, p: usize) -> Result<(Item<'t>, usize), Error> {
        Ok(match self.pattern.get(p) {
            Some(b'%') => (escaped(*self.pattern.get(p + 1).ok_or(Error::EndsWithEscape)?), p + 2),
            Some(b'[') => {
                let end = set_end(self.pattern, p + 1)?;
                self.spend(end - p)?;
                (Item::Set(self.pattern.get(p + 1..end).unwrap_or_default()), end + 1)
            }
            Some(b'.') => (Item::Any, p + 1),
            // `special` has seen to the end of the pattern.
            byte => (Item::Byte(byte.copied().unwrap_or(0)), p + 1),
        })
    }
}

/// The budget for one call of a host function on `subject`.
pub fn steps_for(subject: &[u8]) -> u64 {
    STEPS_MIN + STEPS_PER_BYTE * subject.len() as u64
}

/// Whether `pattern` holds any of the bytes that make it more than a plain string.
pub fn has_specials(pattern: &[u8]) -> bool {
    pattern.iter().any(|byte| b"^$*+?.([%-".contains(byte))
}

/// How the matcher goes on.
enum Step {
    /// From this place in the subject and this one in the pattern.
    Goto(usize, usize),
    /// The rest matched up to here, or not.
    End(Option<usize>),
    /// A single-character class comes next.
    Item,
}

#[derive(Clone, Copy)]
struct Capture {
    start: usize,
    extent: Extent,
}

impl Capture {
    const UNUSED: Capture = Capture { start: 0, extent: Extent::Open };
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Extent {
    /// Its `)` has not been met.
    Open,
    Position,
    /// Ends before this place.
    Closed(usize),
}

/// The byte that every match of `pattern` begins with: a search need not look elsewhere. `None` if
/// that is not one certain byte.
fn leading_byte(pattern: &[u8]) -> Option<u8> {
    let (byte, next) = match pattern {
        [b'%', byte, rest @ ..] if byte.is_ascii_punctuation() => (*byte, rest.first()),
        [b'%' | b'(' | b')' | b'[' | b'.', ..] | [b'$'] | [] => return None,
        [byte, rest @ ..] => (*byte, rest.first()),
    };
    (!matches!(next, Some(b'*' | b'?' | b'-'))).then_some(byte)
}

/// Most captures of a pattern: LuaJIT's number.
pub const CAPTURES_MAX: usize = 32;

/// Deepest recursion, one level per repetition, optional item or parenthesis on the way to a match:
/// LuaJIT's number. With frames of a few hundred bytes that is less than 200 KiB of stack.
const DEPTH_MAX: usize = 200;

/// Steps that every call has: a step takes 6 to 12 ns, so about 100 ms, which is where scripts get
/// a warning, and well below the second of computing after which the watchdog stops them.
const STEPS_MIN: u64 = 10_000_000;

/// Steps more for each byte of the subject, so that honest work on a large one always gets through:
/// an attempt, a few items, a set of ten members.
const STEPS_PER_BYTE: u64 = 16;
