//! Lower and upper case, letters outside ASCII included: user names pass through these.
//!
//! Pure; called by [`super::library`]. One character becomes one character, as in the reference
//! (its language maps runes one to one); bytes that are no UTF-8 stay as they are.

use std::borrow::Cow;

/// `text` in lower case.
pub fn lower(text: &[u8]) -> Cow<'_, [u8]> {
    if text.is_ascii() {
        return if text.iter().any(u8::is_ascii_uppercase) {
            text.to_ascii_lowercase().into()
        } else {
            text.into()
        };
    }
    // Only İ has a lower case of two characters; the first one, i, is its simple mapping.
    map(text, |c| c.to_lowercase().next().unwrap_or(c))
}

/// `text` in upper case. A letter whose upper case is several characters stays: `ß`.
pub fn upper(text: &[u8]) -> Cow<'_, [u8]> {
    if text.is_ascii() {
        return if text.iter().any(u8::is_ascii_lowercase) {
            text.to_ascii_uppercase().into()
        } else {
            text.into()
        };
    }
    map(text, |c| {
        let mut upper = c.to_uppercase();
        match (upper.next(), upper.next()) {
            (Some(single), None) => single,
            _ => c,
        }
    })
}

fn map(text: &[u8], change: impl Fn(char) -> char) -> Cow<'_, [u8]> {
    let mut out = Vec::with_capacity(text.len());
    for chunk in text.utf8_chunks() {
        for c in chunk.valid().chars() {
            out.extend_from_slice(change(c).encode_utf8(&mut [0; 4]).as_bytes());
        }
        out.extend_from_slice(chunk.invalid());
    }
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_outside_ascii_change_case() {
        assert_eq!(
            lower("ÄÖÜ-Test@EXAMPLE.org ΣΑΣ İ".as_bytes()),
            "äöü-test@example.org σασ i".as_bytes()
        );
        assert_eq!(upper("grüße äé ж".as_bytes()), "GRÜßE ÄÉ Ж".as_bytes());
    }

    #[test]
    fn text_without_letters_of_the_other_case_is_not_copied() {
        assert!(matches!(lower(b"a1_.b"), Cow::Borrowed(b"a1_.b")));
        assert!(matches!(upper(b"A1_.B"), Cow::Borrowed(b"A1_.B")));
        assert_eq!(lower(b"A1_.B"), b"a1_.b".as_slice());
        assert_eq!(upper(b"a1_.b"), b"A1_.B".as_slice());
    }

    #[test]
    fn bytes_that_are_no_utf8_stay() {
        assert_eq!(lower(b"A\xffB\xc3\xc3\x84\xe2\x82"), b"a\xffb\xc3\xc3\xa4\xe2\x82".as_slice());
        assert_eq!(upper(b"a\xe4b\0"), b"A\xe4B\0".as_slice());
    }
}
