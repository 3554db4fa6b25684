//! Compiled patterns: how large they may get, what they may be matched against, and where a state
//! keeps them.
//!
//! regex-automata matches in linear time, but neither the watchdog nor the state's memory limit
//! sees what it takes. So a compiled pattern has a bound, as has the text, and so has their
//! product: an object in a script is nothing but its pattern, and what it was compiled to lives in
//! the state's [`Cache`].

use super::parse::{self, parse};
use regex_automata::meta;
use regex_automata::util::captures::Captures;
use std::borrow::Cow;
use std::cell::RefCell;
use std::ops::Range;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// A compiled pattern.
#[derive(Debug)]
pub struct Regexp(meta::Regex);

/// Why there is no answer.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Pattern(#[from] parse::Error),
    #[error("text of {0} bytes is too long for this pattern")]
    Text(usize),
    #[error("finding all matches takes too long")]
    Time,
}

impl Regexp {
    /// # Errors
    /// [`Error::Pattern`].
    pub fn compile(pattern: &[u8]) -> Result<Regexp, Error> {
        let hir = parse(pattern)?;
        let config = meta::Config::new()
            .nfa_size_limit(Some(COMPILED_BYTES_MAX))
            .onepass_size_limit(Some(COMPILED_BYTES_MAX))
            .hybrid_cache_capacity(SEARCH_BYTES);
        let regex = meta::Builder::new()
            .configure(config)
            .build_from_hir(&hir)
            .map_err(|_| parse::Error::TooLarge)?;
        Ok(Regexp(regex))
    }

    /// Whether the pattern matches anywhere.
    ///
    /// # Errors
    /// [`Error::Text`].
    pub fn is_match(&self, text: &[u8]) -> Result<bool, Error> {
        self.check(text)?;
        Ok(self.0.is_match(&*Text::new(text).valid))
    }

    /// Calls `each` with where the groups of a match are, for all matches from left to right; group
    /// 0 is the match itself.
    ///
    /// # Errors
    /// [`Error::Text`], [`Error::Time`].
    pub fn find_all(
        &self,
        text: &[u8],
        mut each: impl FnMut(&[Option<Range<usize>>]),
    ) -> Result<(), Error> {
        self.check(text)?;
        let (text, began) = (Text::new(text), Instant::now());
        let mut groups = vec![None; self.0.group_info().group_len(Default::default())];
        let convert = |found: &Captures, at: usize| {
            found.get_group(at).map(|span| text.original(span.start)..text.original(span.end))
        };
        for found in self.0.captures_iter(&*text.valid) {
            for (at, group) in groups.iter_mut().enumerate() {
                *group = convert(&found, at);
            }
            each(&groups);
            // A match may look at all the text that is left, so that there is no telling
            // beforehand.
            if began.elapsed() > FIND_ALL_MAX {
                return Err(Error::Time);
            }
        }
        Ok(())
    }

    fn check(&self, text: &[u8]) -> Result<(), Error> {
        let states = self.0.memory_usage() / STATE_BYTES + 1;
        let longest = (STEPS_MAX / states).min(TEXT_BYTES_MAX);
        if text.len() > longest { Err(Error::Text(text.len())) } else { Ok(()) }
    }
}

/// A text in which each byte that is no UTF-8 is a character by itself, U+FFFD, as Go has it.
struct Text<'a> {
    valid: Cow<'a, str>,
    /// Where in `valid` such characters begin.
    replaced: Vec<usize>,
}

impl Text<'_> {
    fn new(text: &[u8]) -> Text<'_> {
        if let Ok(valid) = std::str::from_utf8(text) {
            return Text { valid: valid.into(), replaced: Vec::new() };
        }
        let (mut valid, mut replaced) = (String::with_capacity(text.len() + 16), Vec::new());
        for chunk in text.utf8_chunks() {
            valid.push_str(chunk.valid());
            for _ in chunk.invalid() {
                replaced.push(valid.len());
                valid.push(char::REPLACEMENT_CHARACTER);
            }
        }
        Text { valid: valid.into(), replaced }
    }

    /// The position in the text as it was given.
    fn original(&self, at: usize) -> usize {
        let replaced = self.replaced.partition_point(|start| *start < at);
        at - replaced * (char::REPLACEMENT_CHARACTER.len_utf8() - 1)
    }
}

/// The patterns that a state's scripts used last, the latest first.
#[derive(Debug, Default)]
pub struct Cache(RefCell<Vec<(Vec<u8>, Rc<Regexp>)>>);

impl Cache {
    /// # Errors
    /// [`Error::Pattern`].
    pub fn get(&self, pattern: &[u8]) -> Result<Rc<Regexp>, Error> {
        let mut cached = self.0.borrow_mut();
        if let Some(at) = cached.iter().position(|(known, _)| known == pattern) {
            if let Some(recent) = cached.get_mut(..=at) {
                recent.rotate_right(1);
            }
        } else {
            let regexp = Rc::new(Regexp::compile(pattern)?);
            cached.truncate(CACHED_MAX - 1);
            cached.insert(0, (pattern.to_vec(), regexp));
        }
        cached.first().map(|(_, regexp)| regexp.clone()).ok_or(Error::Time)
    }
}

/// A pattern of everyday length takes some kilobytes; a large Unicode class repeated a dozen times
/// as much as this.
const COMPILED_BYTES_MAX: usize = 256 << 10;

/// Memory for states that are worked out during a search, per direction.
const SEARCH_BYTES: usize = 256 << 10;

/// A megabyte of text is more than any field of a request has.
const TEXT_BYTES_MAX: usize = 1 << 20;

/// Bytes of a compiled pattern's state, roughly.
const STATE_BYTES: usize = 32;

/// Of states times bytes of text: at its slowest a search looks at every state for every byte, some
/// 2 ns each.
const STEPS_MAX: usize = 500_000_000;

/// Half of it again may pass before that is seen.
const FIND_ALL_MAX: Duration = Duration::from_millis(200);

/// With what each may take, 25 MB per state at most, and usually a hundredth of it.
const CACHED_MAX: usize = 32;
