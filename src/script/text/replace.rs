//! The core of `gsub`: the subject with its matches replaced.
//!
//! Pure; called by [`super::library`]. Bounds: [`RESULT_BYTES_MAX`], and the matcher's steps, which
//! a replacement string is charged too.

use super::matcher::{Captured, Error, Matcher};
use std::ops::Range;

/// Replaces the first `max` matches. `replace` appends what stands for the match that it is given.
/// Returns the new text and how many matches were replaced.
///
/// # Errors
/// Those of the matcher, those of `replace`, and [`Error::ResultTooLarge`].
pub fn substitute<E: From<Error>>(
    matcher: &mut Matcher<'_>,
    max: i64,
    mut replace: impl FnMut(&mut Matcher<'_>, Range<usize>, &mut Vec<u8>) -> Result<(), E>,
) -> Result<(Vec<u8>, i64), E> {
    let subject = matcher.subject();
    let (mut out, mut count) = (Vec::new(), 0);
    let (mut copied, mut from) = (0, 0);
    while count < max && from <= subject.len() {
        let Some(found) = matcher.search(from)? else { break };
        append(&mut out, subject.get(copied..found.start).unwrap_or_default())?;
        count += 1;
        copied = found.end;
        // Behind an empty match the search goes on one byte later, or it would find it again.
        from = if found.is_empty() { found.end + 1 } else { found.end };
        replace(matcher, found, &mut out)?;
        if matcher.is_anchored() {
            break;
        }
    }
    append(&mut out, subject.get(copied..).unwrap_or_default())?;
    Ok((out, count))
}

/// Appends a replacement string for the match `whole`: `%0` is the match, `%1` to `%9` its
/// captures, `%` before anything else that byte itself (and, as in LuaJIT, a `%` at the very end a
/// NUL).
///
/// # Errors
/// Those of [`Matcher::captured`]; [`Error::TooManySteps`], [`Error::ResultTooLarge`].
pub fn expand(
    template: &[u8],
    matcher: &mut Matcher<'_>,
    whole: &Range<usize>,
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    matcher.spend(template.len())?;
    let mut rest = template;
    while let Some(escape) = memchr::memchr(b'%', rest) {
        let (plain, escaped) = rest.split_at(escape);
        append(out, plain)?;
        match escaped.get(1).copied().unwrap_or(0) {
            b'0' => append(out, matcher.subject().get(whole.clone()).unwrap_or_default())?,
            digit @ b'1'..=b'9' => match matcher.captured(usize::from(digit - b'1'), whole)? {
                Captured::Text(range) => {
                    append(out, matcher.subject().get(range).unwrap_or_default())?
                }
                Captured::Position(at) => append(out, (at + 1).to_string().as_bytes())?,
            },
            byte => append(out, &[byte])?,
        }
        rest = escaped.get(2..).unwrap_or_default();
    }
    append(out, rest)
}

/// Appends to a result, within its bound.
///
/// # Errors
/// [`Error::ResultTooLarge`].
pub fn append(out: &mut Vec<u8>, bytes: &[u8]) -> Result<(), Error> {
    if bytes.len() > RESULT_BYTES_MAX.saturating_sub(out.len()) {
        return Err(Error::ResultTooLarge);
    }
    out.extend_from_slice(bytes);
    Ok(())
}

/// Longest string that `gsub` and `rep` make. It is put together outside of Lua's memory, where
/// Lua's own limit does not reach: the default of that limit.
pub const RESULT_BYTES_MAX: usize = 64 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::text::matcher::steps_for;

    fn gsub(
        subject: &[u8],
        pattern: &[u8],
        template: &[u8],
        max: i64,
    ) -> Result<(Vec<u8>, i64), Error> {
        let mut matcher = Matcher::new(subject, pattern, steps_for(subject));
        substitute(&mut matcher, max, |matcher, whole, out| expand(template, matcher, &whole, out))
    }

    #[test]
    fn replaces_with_text_and_captures() {
        for (subject, pattern, template, max, text, count) in [
            ("hello world", "o", "0", 9, "hell0 w0rld", 2),
            ("hello world", "o", "0", 1, "hell0 world", 1),
            ("hello", "l", "x", 0, "hello", 0),
            ("hello", "l", "x", -1, "hello", 0),
            ("abc", "", "-", 9, "-a-b-c-", 4),
            ("abc", "%w", "%0%0", 9, "aabbcc", 3),
            ("k=v", "(%w)=(%w)", "%2=%1 %%", 9, "v=k %", 1),
            ("abc", "()", "%1", 9, "1a2b3c4", 4),
            ("aaa", "^a", "b", 9, "baa", 1),
            ("abc", "b*", "x", 9, "xaxxcx", 4),
            ("ab", "b", "%", 9, "a\0", 1),
            ("ab", "b", "%x", 9, "ax", 1),
            ("a.b", "%.", "", 9, "ab", 1),
        ] {
            let replaced = gsub(subject.as_bytes(), pattern.as_bytes(), template.as_bytes(), max);
            assert_eq!(
                replaced,
                Ok((text.as_bytes().to_vec(), count)),
                "{subject} {pattern} {template}"
            );
        }
    }

    #[test]
    fn a_template_may_name_only_captures_that_exist() {
        assert_eq!(gsub(b"ab", b"b", b"%2", 9), Err(Error::CaptureIndex));
        assert_eq!(gsub(b"ab", b"(b)", b"%2", 9), Err(Error::CaptureIndex));
        assert_eq!(gsub(b"ab", b"(b", b"%1", 9), Err(Error::OpenCapture));
        assert_eq!(gsub(b"ab", b"(b", b"x", 9), Ok((b"ax".to_vec(), 1)));
    }

    #[test]
    fn refuses_results_that_explode() {
        let (subject, twice) = (vec![b'x'; 1 << 16], b"%0".repeat(1 << 16));
        assert_eq!(gsub(&subject, b".*", &twice, 9), Err(Error::ResultTooLarge));
    }

    #[test]
    fn a_long_template_without_effect_costs_steps() {
        let (subject, nothing) = (vec![b'x'; 1 << 13], b"%1".repeat(1 << 13));
        assert_eq!(gsub(&subject, b"(y?)", &nothing, i64::MAX), Err(Error::TooManySteps));
    }
}
