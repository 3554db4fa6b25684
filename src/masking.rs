//! Takes a secret out of texts that others wrote: error messages and log values of scripts, which
//! quote what they were given.
//!
//! A text holds a secret as it stands, or as an encoder wrote it: quoted (Lua, Rust, Go), in JSON,
//! in a URL or a form, in HTML, in base64, alone or behind `name:` as HTTP basic authentication has
//! it. Each character is looked for in every form at once, so that mixtures are found, too. What is
//! found becomes `***`. A short secret hides the whole text: gaps in words that a reader can guess
//! would give it away.
//! Bounds: [`STEPS_MAX`] steps a byte of text; a text that needs more is hidden as a whole. Names
//! nothing else of the crate.

use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use std::borrow::Cow;

/// The text without the secret. `name` is what may stand before the secret in credentials.
pub fn without<'a>(text: &'a [u8], secret: &[u8], name: &[u8]) -> Cow<'a, [u8]> {
    if secret.is_empty() || text.is_empty() {
        return Cow::Borrowed(text);
    }
    let found = Search { text, secret, steps: text.len().saturating_mul(STEPS_MAX) }.all(name);
    match found.as_deref() {
        Some([]) => Cow::Borrowed(text),
        Some(places) if secret.len() >= SHORT => {
            let mut clean = Vec::with_capacity(text.len());
            let mut rest = 0;
            for (start, end) in places {
                clean.extend_from_slice(text.get(rest..*start).unwrap_or_default());
                clean.extend_from_slice(MASK);
                rest = *end;
            }
            clean.extend_from_slice(text.get(rest..).unwrap_or_default());
            Cow::Owned(clean)
        }
        _ => Cow::Borrowed(MASK),
    }
}

/// Where a part of the secret may end: most often one place.
type Ends = smallvec::SmallVec<[usize; 8]>;

struct Search<'a> {
    text: &'a [u8],
    secret: &'a [u8],
    /// That are left.
    steps: usize,
}

impl Search<'_> {
    /// Where the secret begins and ends, in order and apart. None: there was too much to look at.
    fn all(mut self, name: &[u8]) -> Option<Vec<(usize, usize)>> {
        let mut places = self.in_base64(name);
        let first = self.secret.first().copied().unwrap_or_default();
        let mut at = 0;
        while let Some(byte) = self.text.get(at) {
            // Everything but the byte itself begins with one of a few others.
            let may_begin = *byte == first || matches!(byte, b'\\' | b'%' | b'+' | b'&' | 0xef);
            match if may_begin { self.end_of_match(at)? } else { None } {
                Some(end) => {
                    places.push((at, end));
                    at = end;
                }
                None => at += 1,
            }
        }
        places.sort_unstable();
        // One that begins inside another one goes on from its end.
        let mut apart: Vec<(usize, usize)> = Vec::with_capacity(places.len());
        for (start, end) in places {
            match apart.last_mut() {
                Some((_, before)) if start < *before => *before = end.max(*before),
                _ => apart.push((start, end)),
            }
        }
        Some(apart)
    }

    /// The end of the longest match that begins at `start`: outer none if the steps ran out, inner
    /// none if there is no match.
    fn end_of_match(&mut self, start: usize) -> Option<Option<usize>> {
        let mut ends: Ends = smallvec::smallvec![start];
        let mut next = Ends::new();
        for chunk in self.secret.utf8_chunks() {
            for character in chunk.valid().chars() {
                ends.iter().for_each(|at| self.after_character(*at, character, &mut next));
                self.step(&mut ends, &mut next)?;
                if ends.is_empty() {
                    return Some(None);
                }
            }
            for byte in chunk.invalid() {
                ends.iter().for_each(|at| self.after_broken_byte(*at, *byte, &mut next));
                self.step(&mut ends, &mut next)?;
                if ends.is_empty() {
                    return Some(None);
                }
            }
        }
        Some(ends.into_iter().max())
    }

    /// Goes on from where the last character ended.
    fn step(&mut self, ends: &mut Ends, next: &mut Ends) -> Option<()> {
        next.sort_unstable();
        next.dedup();
        self.steps = self.steps.checked_sub(1 + next.len())?;
        std::mem::swap(ends, next);
        next.clear();
        Some(())
    }

    /// Where a character may end that begins at `at`.
    fn after_character(&self, at: usize, character: char, ends: &mut Ends) {
        let mut buffer = [0; 4];
        let bytes = character.encode_utf8(&mut buffer).as_bytes();
        let rest = self.text.get(at..).unwrap_or_default();
        if rest.starts_with(bytes) {
            ends.push(at + bytes.len());
        }
        match rest.first() {
            Some(b'+') if character == ' ' => ends.push(at + 1),
            Some(b'&') => {
                let named = ENTITIES
                    .iter()
                    .filter(|(of, entity)| *of == character && rest.starts_with(entity));
                ends.extend(named.map(|(_, entity)| at + entity.len()));
            }
            _ => {}
        }
        self.after_escaped_bytes(at, bytes, ends);
        self.after_backslashes(at, |escape| length_of_escape(escape, character), ends);
    }

    /// The same for a byte that is no part of a character: as it is, escaped, or replaced, of which
    /// some encoders make one for several bytes.
    fn after_broken_byte(&self, at: usize, byte: u8, ends: &mut Ends) {
        let rest = self.text.get(at..).unwrap_or_default();
        if rest.first() == Some(&byte) {
            ends.push(at + 1);
        }
        for form in REPLACEMENTS {
            if rest.get(..form.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(form)) {
                ends.push(at + form.len());
            }
        }
        let before = self.text.get(..at).unwrap_or_default();
        let is_behind = |form: &&[u8]| {
            before
                .len()
                .checked_sub(form.len())
                .and_then(|from| before.get(from..))
                .is_some_and(|last| last.eq_ignore_ascii_case(form))
        };
        if REPLACEMENTS.iter().any(is_behind) {
            ends.push(at);
        }
        self.after_escaped_bytes(at, &[byte], ends);
        self.after_backslashes(
            at,
            |escape| length_of_escape(escape, char::REPLACEMENT_CHARACTER),
            ends,
        );
    }

    /// Where bytes end of which each is escaped by itself: `%C3%A4`, `\xc3\xa4`, `\195\164`.
    fn after_escaped_bytes(&self, at: usize, bytes: &[u8], ends: &mut Ends) {
        let rest = self.text.get(at..).unwrap_or_default();
        if let Some(b'%') = rest.first() {
            let is_whole = bytes
                .iter()
                .enumerate()
                .all(|(place, byte)| is_hex(rest.get(3 * place..3 * place + 3), b"%", *byte));
            if is_whole {
                ends.push(at + 3 * bytes.len());
            }
        }
        if let Some(b'\\') = rest.first() {
            let mut end = at;
            let is_whole = bytes.iter().all(|byte| {
                let length = length_of_byte(self.text.get(end..).unwrap_or_default(), *byte);
                end += length.unwrap_or_default();
                length.is_some()
            });
            if is_whole {
                ends.push(end);
            }
        }
    }

    /// Where an escape ends that begins with a backslash, or with several: what was quoted may have
    /// been quoted again.
    fn after_backslashes(
        &self,
        at: usize,
        length: impl Fn(&[u8]) -> Option<usize>,
        ends: &mut Ends,
    ) {
        for backslashes in 1..=BACKSLASHES_MAX {
            if self.text.get(at + backslashes - 1) != Some(&b'\\') {
                return;
            }
            let escape = self.text.get(at + backslashes..).unwrap_or_default();
            ends.extend(length(escape).map(|length| at + backslashes + length));
        }
    }

    /// Where the secret stands in base64, alone or behind its name.
    fn in_base64(&self, name: &[u8]) -> Vec<(usize, usize)> {
        let least = (self.secret.len() * 4).div_ceil(3);
        let mut places = Vec::new();
        let mut encoded: Option<[String; 2]> = None;
        let mut at = 0;
        while at < self.text.len() {
            let rest = self.text.get(at..).unwrap_or_default();
            let length = rest.iter().take_while(|byte| is_base64(**byte)).count();
            if length >= least {
                let run: String =
                    rest.iter().take(length).map(|byte| standard_digit(*byte)).collect();
                let forms = encoded.get_or_insert_with(|| {
                    let credentials = [name, b":", self.secret].concat();
                    [
                        BASE64_STANDARD_NO_PAD.encode(self.secret),
                        BASE64_STANDARD_NO_PAD.encode(credentials),
                    ]
                });
                for form in forms.iter() {
                    // A few characters stand in any word: a short form must be all of it.
                    let found = if form.len() < SHORT {
                        (run == *form).then_some(0)
                    } else {
                        run.find(form.as_str())
                    };
                    places.extend(found.map(|start| (at + start, at + start + form.len())));
                }
            }
            at += length.max(1);
        }
        places
    }
}

/// The length of what follows backslashes, if it stands for the character.
fn length_of_escape(escape: &[u8], character: char) -> Option<usize> {
    let first = *escape.first()?;
    let named = NAMED.iter().any(|(of, name)| *of == character && *name == first);
    // Punctuation, and Lua's line break, are escaped by the backslash alone.
    let is_itself = u32::from(first) == u32::from(character)
        && (first.is_ascii_punctuation() || first == b'\n');
    if named || is_itself {
        return Some(1);
    }
    match first {
        b'u' if escape.get(1) == Some(&b'{') => {
            let digits =
                escape.get(2..)?.iter().take(8).take_while(|byte| byte.is_ascii_hexdigit()).count();
            let is_it = hex(escape.get(2..2 + digits)?) == Some(character.into());
            (is_it && escape.get(2 + digits) == Some(&b'}')).then_some(3 + digits)
        }
        b'u' => {
            let mut units = [0; 2];
            let units = character.encode_utf16(&mut units);
            let is_unit = |(place, unit): (usize, &u16)| {
                let at = 6 * place;
                let is_introduced = place == 0
                    || escape.get(at - 1) == Some(&b'\\') && escape.get(at) == Some(&b'u');
                is_introduced && escape.get(at + 1..at + 5).and_then(hex) == Some((*unit).into())
            };
            units.iter().enumerate().all(is_unit).then(|| 6 * units.len() - 1)
        }
        b'U' => (escape.get(1..9).and_then(hex) == Some(character.into())).then_some(9),
        _ => None,
    }
}

/// The length of one byte behind a backslash: `\xc3`, or one to three decimal digits.
fn length_of_byte(text: &[u8], byte: u8) -> Option<usize> {
    if is_hex(text.get(..4), b"\\x", byte) {
        return Some(4);
    }
    let digits = text.get(1..).filter(|_| text.first() == Some(&b'\\'))?;
    let length = digits.iter().take(3).take_while(|digit| digit.is_ascii_digit()).count();
    // The longest number is what a reader of Lua takes.
    let value = digits
        .get(..length)?
        .iter()
        .fold(0_u32, |value, digit| value * 10 + u32::from(digit - b'0'));
    (length > 0 && value == u32::from(byte)).then_some(1 + length)
}

/// Whether `text` is `before` and the byte in two hexadecimal digits.
fn is_hex(text: Option<&[u8]>, before: &[u8], byte: u8) -> bool {
    text.and_then(|text| text.strip_prefix(before)).and_then(hex) == Some(byte.into())
}

fn hex(digits: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(digits)
        .ok()
        .filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    u32::from_str_radix(text, 16).ok()
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+/-_".contains(&byte)
}

/// A digit of either alphabet in the standard one.
fn standard_digit(byte: u8) -> char {
    match byte {
        b'-' => '+',
        b'_' => '/',
        byte => char::from(byte),
    }
}

const MASK: &[u8] = b"***";

/// A secret of fewer bytes hides the whole text.
const SHORT: usize = 8;

/// Steps for each byte of a text: a step is one character of the secret at one place, or a way to
/// go on. Ordinary texts need fewer than two; a secret of one repeated letter in a text of that
/// letter needs its length for each.
const STEPS_MAX: usize = 64;

/// Quoted twice, a quote has three; more is no text that anybody wrote.
const BACKSLASHES_MAX: usize = 4;

const REPLACEMENT: &[u8] = "\u{fffd}".as_bytes();

/// What one replacement may have been written as.
const REPLACEMENTS: [&[u8]; 4] = [REPLACEMENT, b"\\ufffd", b"\\u{fffd}", b"%ef%bf%bd"];

/// Escapes of one letter, of all languages that quote here.
const NAMED: [(char, u8); 10] = [
    ('\n', b'n'),
    ('\r', b'r'),
    ('\t', b't'),
    ('\x08', b'b'),
    ('\x0c', b'f'),
    ('\x07', b'a'),
    ('\x0b', b'v'),
    ('\x1b', b'e'),
    ('\0', b'0'),
    ('\0', b'z'),
];

/// Entities that templates write.
const ENTITIES: [(char, &[u8]); 10] = [
    ('&', b"&amp;"),
    ('<', b"&lt;"),
    ('>', b"&gt;"),
    ('"', b"&quot;"),
    ('"', b"&#34;"),
    ('\'', b"&#39;"),
    ('\'', b"&apos;"),
    ('\'', b"&#x27;"),
    ('+', b"&#43;"),
    ('\0', b"&#0;"),
];

/// The text of a URL with `***` in place of the user information. Everything from the scheme to the
/// last `@` is hidden, so that a password which should have been escaped (`/`, `?`, `@`) is not shown
/// in part.
pub fn hide_user_information(url: &str) -> String {
    let Some((hidden, shown)) = url.rsplit_once('@') else { return url.to_owned() };
    match hidden.split_once("://") {
        Some((scheme, _)) => format!("{scheme}://***@{shown}"),
        None => format!("***@{shown}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
    use proptest::prelude::*;

    /// LuaJIT's `%q`.
    fn lua_quoted(text: &[u8]) -> Vec<u8> {
        let mut out = vec![b'"'];
        for (place, byte) in text.iter().enumerate() {
            match byte {
                b'"' | b'\\' | b'\n' => out.extend([b'\\', *byte]),
                byte if byte.is_ascii_control() => {
                    let followed = text.get(place + 1).is_some_and(u8::is_ascii_digit);
                    out.extend(
                        if followed { format!("\\{byte:03}") } else { format!("\\{byte}") }
                            .into_bytes(),
                    );
                }
                byte => out.push(*byte),
            }
        }
        out.push(b'"');
        out
    }

    /// JSON in ASCII, as some encoders write it.
    fn ascii_json(text: &[u8]) -> Vec<u8> {
        let unit = |unit: u16| match unit {
            0x20..=0x7e if unit != 0x22 && unit != 0x5c => char::from(unit as u8).to_string(),
            unit => format!("\\u{unit:04X}"),
        };
        String::from_utf8_lossy(text).encode_utf16().map(unit).collect::<String>().into_bytes()
    }

    /// How texts of ours and of scripts may hold a password.
    fn encodings(secret: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
        let lossy = String::from_utf8_lossy(secret);
        let json = |html| {
            let mut out = Vec::new();
            crate::dialect::json::escaped(&mut out, secret, html);
            out
        };
        let json_text = serde_json::to_string(&*lossy).unwrap();
        vec![
            ("raw", secret.to_vec()),
            ("lossy", lossy.as_bytes().to_vec()),
            ("serde", json_text.clone().into_bytes()),
            ("json in json", serde_json::to_string(&json_text).unwrap().into_bytes()),
            ("our json", json(crate::dialect::json::HtmlSafe::No)),
            ("our html-safe json", json(crate::dialect::json::HtmlSafe::Yes)),
            ("ascii json", ascii_json(secret)),
            ("slashes", json_text.replace('/', "\\/").into_bytes()),
            ("query", crate::proto::url::query_escape(secret).into_bytes()),
            ("path", crate::proto::url::escape_path(secret).into_bytes()),
            ("user", crate::proto::url::escape_user(secret).into_bytes()),
            (
                "lower",
                crate::proto::url::escape_where(secret, |_| false).to_lowercase().into_bytes(),
            ),
            ("lua", lua_quoted(secret)),
            ("rust", format!("{:?}", &*lossy).into_bytes()),
            ("rust bytes", secret.escape_ascii().to_string().into_bytes()),
            ("base64", BASE64_STANDARD.encode(secret).into_bytes()),
            ("base64url", BASE64_URL_SAFE_NO_PAD.encode(secret).into_bytes()),
            ("basic", BASE64_STANDARD.encode([b"ada:", secret].concat()).into_bytes()),
        ]
    }

    fn secret() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            proptest::collection::vec(any::<u8>(), 1..24),
            "\\PC{1,24}".prop_map(String::into_bytes),
            "[ -~]{1,24}".prop_map(String::into_bytes),
            "[a\"\\\\ %+&<>/\n\u{0}ä€😀]{1,12}".prop_map(String::into_bytes),
        ]
        .prop_filter("the mask is no secret", |secret| !secret.iter().all(|byte| *byte == b'*'))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn no_password_survives_in_any_encoding(secret in secret()) {
            for (how, encoded) in encodings(&secret) {
                let text = [b"cannot check <".as_slice(), &encoded, b"> of ada"].concat();
                let clean = without(&text, &secret, b"ada");
                let shown = format!("{how}: {} in {}", clean.escape_ascii(), text.escape_ascii());
                prop_assert!(matches!(clean, Cow::Owned(_)) || &*clean == MASK, "{}", shown);
                prop_assert!(secret.len() < 2 || memchr::memmem::find(&clean, &secret).is_none(), "{}", shown);
            }
        }

        #[test]
        fn other_texts_stay(text in "[a-m ]{0,40}", secret in "[n-z]{3,20}") {
            prop_assert!(matches!(without(text.as_bytes(), secret.as_bytes(), b"ada"), Cow::Borrowed(kept) if kept == text.as_bytes()));
        }

        #[test]
        fn nothing_panics(text in proptest::collection::vec(any::<u8>(), 0..200), secret in secret()) {
            without(&text, &secret, b"ada");
        }
    }

    #[test]
    fn a_long_secret_leaves_the_words_around_it() {
        let text = br#"b.lua:3: "correct horse", not correct%20horse or "Y29ycmVjdCBob3JzZQ==""#;
        assert_eq!(
            &*without(text, b"correct horse", b"ada"),
            br#"b.lua:3: "***", not *** or "***==""#
        );
    }

    #[test]
    fn a_short_secret_hides_the_whole_text() {
        for secret in ["a", "ab", "abc", "Invalid"] {
            assert_eq!(&*without(b"Invalid abc", secret.as_bytes(), b"ada"), MASK, "{secret}");
        }
        assert_eq!(&*without(b"Invalid abc", b"x", b"ada"), b"Invalid abc");
    }

    #[test]
    fn hostile_texts_are_hidden_instead_of_searched() {
        let text = vec![b'a'; 1 << 20];
        let secret = [vec![b'a'; 4000], vec![b'b']].concat();
        assert_eq!(&*without(&text, &secret, b"ada"), MASK);
    }
}
