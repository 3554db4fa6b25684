//! Folded header lines: a value that goes on in the next line, which then begins with a blank.
//!
//! Deprecated, seen from old mail software only, and never on the fast path: the head parser
//! notices, the caller unfolds the buffer and parses again. Rules: RFC 9112 5.2, which lets a
//! server replace the fold by blanks.

use super::HeadError;
use zeroize::Zeroize;

/// Joins folded lines of the head at the start of `buffer`, each by one blank. What follows the
/// head stays as it is.
///
/// Afterwards the head has no folds that [`parse_head`](super::parse_head) would report again.
/// Without a complete head nothing is done. The old bytes, credentials among them, are wiped.
pub fn unfold(buffer: &mut Vec<u8>) {
    let Some(end) = head_end(buffer) else { return };
    let (head, rest) = buffer.split_at_checked(end).unwrap_or((buffer, &[]));
    let mut joined = Vec::with_capacity(buffer.len());
    for (number, line) in head.split_inclusive(|byte| *byte == b'\n').enumerate() {
        if number < FIRST_FOLDABLE_LINE || !is_fold(line) {
            joined.extend_from_slice(line);
            continue;
        }
        joined.pop_if(|byte| *byte == b'\n');
        joined.pop_if(|byte| *byte == b'\r');
        while joined.pop_if(|byte| is_blank(*byte)).is_some() {}
        joined.push(b' ');
        let text = line.iter().position(|byte| !is_blank(*byte)).unwrap_or(line.len());
        joined.extend_from_slice(line.get(text..).unwrap_or_default());
    }
    joined.extend_from_slice(rest);
    buffer.zeroize();
    *buffer = joined;
}

/// Why a header name was refused: a fold, once the head is complete (`None` before), or plain
/// rubbish.
pub(super) fn name_fault(window: &[u8]) -> Option<HeadError> {
    let lines = window.split(|byte| *byte == b'\n').skip(1);
    let fault = lines.enumerate().find(|(_, line)| is_fold(line) || !has_name(line));
    match fault {
        Some((number, line)) if is_fold(line) && number + 1 >= FIRST_FOLDABLE_LINE => {
            head_end(window).map(|_| HeadError::Folded)
        }
        _ => Some(HeadError::Malformed),
    }
}

/// Whether a head may end within `bytes`.
pub(super) fn has_empty_line(bytes: &[u8]) -> bool {
    head_end(bytes).is_some()
}

/// Where the first empty line ends. The first line is never empty where this is asked.
fn head_end(buffer: &[u8]) -> Option<usize> {
    memchr::memchr_iter(b'\n', buffer).find_map(|at| match buffer.get(at + 1..)? {
        [b'\n', ..] => Some(at + 2),
        [b'\r', b'\n', ..] => Some(at + 3),
        _ => None,
    })
}

fn has_name(line: &[u8]) -> bool {
    match line.iter().position(|byte| *byte == b':') {
        Some(colon) => {
            colon > 0 && line.iter().take(colon).all(|byte| super::response::is_token_byte(*byte))
        }
        None => false,
    }
}

fn is_fold(line: &[u8]) -> bool {
    line.first().is_some_and(|byte| is_blank(*byte))
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// Request line, first header: the first that can be a continuation is the one after.
const FIRST_FOLDABLE_LINE: usize = 2;
