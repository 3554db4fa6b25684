//! Bytes of unknown origin as one value of a log line: quoting of logfmt, strings of JSON.
//!
//! Pure. Whatever goes in, what comes out is valid UTF-8 on one physical line that reads back as
//! the same text: control characters (the C1 set and the Unicode line separators among them, which
//! some viewers obey) are escaped, invalid UTF-8 becomes U+FFFD. Most values are plain ASCII and
//! pass after one look. Rules: the logfmt notation of Go's loggers; RFC 8259.

/// A value of `key=value`: as it is, or in quotes if it is not plain. An empty value stays empty.
pub fn push_logfmt_value(out: &mut Vec<u8>, value: &[u8]) {
    if are_plain(value) {
        // `null` stands for "no value" in this notation.
        if value == b"null" {
            return out.extend_from_slice(b"\"null\"");
        }
        return out.extend_from_slice(value);
    }
    let harmless = |c: char| !(c <= ' ' || c == '"' || c == '=' || is_unsafe(c));
    match std::str::from_utf8(value) {
        Ok(text) if text.chars().all(harmless) => out.extend_from_slice(value),
        _ => push_quoted(out, value),
    }
}

/// A key that a script chose: what would end a key becomes `_`, and so does an empty one.
pub fn push_logfmt_key(out: &mut Vec<u8>, key: &[u8]) {
    if key.is_empty() {
        return out.push(b'_');
    }
    if are_plain(key) {
        return out.extend_from_slice(key);
    }
    for c in String::from_utf8_lossy(key).chars() {
        let wrong =
            c <= ' ' || c == '"' || c == '=' || is_unsafe(c) || c == char::REPLACEMENT_CHARACTER;
        push_char(out, if wrong { '_' } else { c });
    }
}

/// A JSON string with its quotes; the same escapes serve quoted values of logfmt.
pub fn push_quoted(out: &mut Vec<u8>, value: &[u8]) {
    out.reserve(value.len() + 2);
    out.push(b'"');
    if are_plain_in_quotes(value) {
        out.extend_from_slice(value);
    } else {
        for chunk in value.utf8_chunks() {
            chunk.valid().chars().for_each(|c| push_escaped(out, c));
            if !chunk.invalid().is_empty() {
                push_char(out, char::REPLACEMENT_CHARACTER);
            }
        }
    }
    out.push(b'"');
}

/// Whether [`push_logfmt_value`] would copy the value unseen; for `debug_assert` on the words that
/// skip the look.
pub fn is_plain_word(value: &[u8]) -> bool {
    !value.is_empty() && are_plain(value) && are_plain_in_quotes(value)
}

fn push_escaped(out: &mut Vec<u8>, c: char) {
    match c {
        '"' => out.extend_from_slice(b"\\\""),
        '\\' => out.extend_from_slice(b"\\\\"),
        '\n' => out.extend_from_slice(b"\\n"),
        '\r' => out.extend_from_slice(b"\\r"),
        '\t' => out.extend_from_slice(b"\\t"),
        c if is_unsafe(c) => out.extend_from_slice(format!("\\u{:04x}", u32::from(c)).as_bytes()),
        c => push_char(out, c),
    }
}

fn push_char(out: &mut Vec<u8>, c: char) {
    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

/// Whether all of these are ASCII that needs no quotes.
fn are_plain(bytes: &[u8]) -> bool {
    all_in(&PLAIN, bytes)
}

/// Whether all of these are ASCII that needs no escape between quotes.
fn are_plain_in_quotes(bytes: &[u8]) -> bool {
    all_in(&PLAIN_IN_QUOTES, bytes)
}

/// Values are short: a table and no early exit beat both SIMD code and branches.
#[expect(clippy::indexing_slicing, reason = "a byte is below 256")]
fn all_in(class: &[bool; 256], bytes: &[u8]) -> bool {
    bytes.iter().fold(true, |all, &byte| all & class[usize::from(byte)])
}

const PLAIN: [bool; 256] = printable_but([b' ', b'"', b'=']);
const PLAIN_IN_QUOTES: [bool; 256] = printable_but([b'"', b'"', b'\\']);

#[expect(clippy::indexing_slicing, reason = "a byte is below 256; evaluated by the compiler")]
const fn printable_but(not: [u8; 3]) -> [bool; 256] {
    let mut class = [false; 256];
    let mut byte = b' ';
    while byte < 0x7f {
        class[byte as usize] = byte != not[0] && byte != not[1] && byte != not[2];
        byte += 1;
    }
    class
}

/// Characters that a terminal or viewer may obey instead of show. All below U+10000, so that
/// `\uXXXX` can say them.
fn is_unsafe(c: char) -> bool {
    // Direction overrides can make one field look like another.
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logfmt(value: &[u8]) -> String {
        let mut out = Vec::new();
        push_logfmt_value(&mut out, value);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn logfmt_quotes_only_what_needs_it() {
        for (value, written) in [
            (b"".as_slice(), ""),
            (b"alice", "alice"),
            (b"alice@example.test", "alice@example.test"),
            (b"/api/v1/auth/header", "/api/v1/auth/header"),
            (b"a\\b", "a\\b"),
            ("grüße".as_bytes(), "grüße"),
            (b"null", "\"null\""),
            (b"a b", "\"a b\""),
            (b"a=b", "\"a=b\""),
            (b"say \"hi\" \\o/", r#""say \"hi\" \\o/""#),
            (b"a\nlevel=error", r#""a\nlevel=error""#),
            (b"\r\t\x00\x1b[2J\x7f", r#""\r\t\u0000\u001b[2J\u007f""#),
            ("a\u{85}b\u{2028}c\u{9b}".as_bytes(), r#""a\u0085b\u2028c\u009b""#),
            ("\u{202e}evil".as_bytes(), r#""\u202eevil""#),
            (b"caf\xe9", "\"caf\u{fffd}\""),
            (b"\xf0\x9f\x98", "\"\u{fffd}\""),
        ] {
            assert_eq!(logfmt(value), written);
        }
    }

    #[test]
    fn logfmt_keys_cannot_end_early() {
        for (key, written) in [
            (b"from_feature".as_slice(), "from_feature"),
            (b"p1.lua", "p1.lua"),
            (b"rbl x", "rbl_x"),
            (b"a=b\"c\n", "a_b_c_"),
            (b"", "_"),
            (b"caf\xe9", "caf_"),
            ("größe".as_bytes(), "größe"),
        ] {
            let mut out = Vec::new();
            push_logfmt_key(&mut out, key);
            assert_eq!(String::from_utf8(out).unwrap(), written);
        }
    }

    #[test]
    fn plain_words_pass_unseen() {
        assert!(is_plain_word(b"tempfail"));
        for word in [b"".as_slice(), b"two words", b"a=b", b"a\"b", b"a\\b", b"\xff"] {
            assert!(!is_plain_word(word));
        }
    }
}
