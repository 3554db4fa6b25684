//! Percent escapes: paths, queries, forms, and what nginx does to credentials.
//!
//! What needs no decoding is borrowed. A decoded value is an ordinary allocation: where it is a
//! password, the caller moves it into a [`Secret`](crate::secret::Secret). Called by `dialect`.
//! Rules: RFC 3986 2.1, the URL standard's `application/x-www-form-urlencoded`.

use std::borrow::Cow;

/// A percent sign that is not followed by two hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed percent escape")]
pub struct BadEscape;

/// Resolves `%XX`; `+` is a plus.
///
/// # Errors
/// [`BadEscape`]; nothing is guessed.
pub fn percent_decode(text: &[u8]) -> Result<Cow<'_, [u8]>, BadEscape> {
    decode(text, false)
}

/// Undoes what nginx's mail proxy does to user name and password: it escapes every `%`, blank and
/// control character.
///
/// A value with a broken escape was therefore not escaped at all, but comes from another client of
/// the service: unchanged.
pub fn nginx_decode(text: &[u8]) -> Cow<'_, [u8]> {
    percent_decode(text).unwrap_or(Cow::Borrowed(text))
}

/// The first value of a parameter of a query (or form), decoded; `None` where there is none that
/// can be decoded.
pub fn query_param<'a>(query: &'a [u8], name: &[u8]) -> Option<Cow<'a, [u8]>> {
    // Requests without a query are the rule, and names are short: no decoding but for what may
    // match.
    form_pairs(query).find(|(key, _)| key.as_ref() == name).map(|(_, value)| value)
}

/// The pairs of a form body or query, decoded, in their order.
///
/// A pair with a broken escape or a semicolon (a separator to some, not to others) is left out, and
/// the others count: what the reference does.
pub fn form_pairs(body: &[u8]) -> FormPairs<'_> {
    FormPairs { rest: body }
}

/// See [`form_pairs`].
#[derive(Clone, Debug)]
pub struct FormPairs<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for FormPairs<'a> {
    type Item = (Cow<'a, [u8]>, Cow<'a, [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        while !self.rest.is_empty() {
            let (pair, rest) = split_at_byte(self.rest, b'&');
            self.rest = rest;
            if pair.is_empty() || pair.contains(&b';') {
                continue;
            }
            let (name, value) = split_at_byte(pair, b'=');
            if let (Ok(name), Ok(value)) = (decode(name, true), decode(value, true)) {
                return Some((name, value));
            }
        }
        None
    }
}

/// Whether [`percent_decode`] would fail.
pub(super) fn has_broken_escape(text: &[u8]) -> bool {
    memchr::memchr_iter(b'%', text)
        .any(|at| hex_pair(text.get(at + 1..).unwrap_or_default()).is_none())
}

fn decode(text: &[u8], plus_is_blank: bool) -> Result<Cow<'_, [u8]>, BadEscape> {
    let is_special = |byte: &u8| *byte == b'%' || (plus_is_blank && *byte == b'+');
    let Some(first) = text.iter().position(is_special) else { return Ok(Cow::Borrowed(text)) };
    let (plain, mut rest) = text.split_at_checked(first).unwrap_or((text, &[]));
    let mut decoded = Vec::with_capacity(text.len());
    decoded.extend_from_slice(plain);
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        decoded.push(match byte {
            b'%' => {
                let value = hex_pair(after).ok_or(BadEscape)?;
                rest = after.get(2..).unwrap_or_default();
                value
            }
            b'+' if plus_is_blank => b' ',
            _ => *byte,
        });
    }
    Ok(Cow::Owned(decoded))
}

fn hex_pair(text: &[u8]) -> Option<u8> {
    let [high, low, ..] = text else { return None };
    let digit = |byte: u8| (byte as char).to_digit(16);
    u8::try_from(digit(*high)? << 4 | digit(*low)?).ok()
}

fn split_at_byte(text: &[u8], separator: u8) -> (&[u8], &[u8]) {
    match memchr::memchr(separator, text) {
        Some(at) => (text.get(..at).unwrap_or_default(), text.get(at + 1..).unwrap_or_default()),
        None => (text, &[]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pairs(body: &[u8]) -> Vec<(String, String)> {
        let text = |bytes: Cow<'_, [u8]>| String::from_utf8_lossy(&bytes).into_owned();
        form_pairs(body).map(|(name, value)| (text(name), text(value))).collect()
    }

    #[test]
    fn escapes_are_resolved_and_nothing_else() {
        for (text, expected) in [
            ("", Ok("")),
            ("plain", Ok("plain")),
            ("de%6do", Ok("demo")),
            ("%2f%2F+", Ok("//+")),
            ("%25%32%35", Ok("%25")),
            ("100%", Err(BadEscape)),
            ("%4", Err(BadEscape)),
            ("%zz", Err(BadEscape)),
            ("%+4", Err(BadEscape)),
            ("%%41", Err(BadEscape)),
        ] {
            assert_eq!(
                percent_decode(text.as_bytes()).as_deref(),
                expected.map(str::as_bytes).as_ref().copied(),
                "{text}"
            );
            assert_eq!(has_broken_escape(text.as_bytes()), expected.is_err(), "{text}");
        }
    }

    #[test]
    fn credentials_that_nginx_did_not_escape_stay() {
        for (text, expected) in [
            ("a%20b%25", "a b%"),
            ("100%sure", "100%sure"),
            ("50% a%20b", "50% a%20b"),
            ("a+b", "a+b"),
        ] {
            assert_eq!(nginx_decode(text.as_bytes()), expected.as_bytes());
        }
    }

    #[test]
    fn a_parameter_is_its_first_value() {
        let query = b"mode=no-auth&mode=auth&a%62c=x+y%2B&empty&cache=%zz&cache=0";
        for (name, expected) in [
            ("mode", Some("no-auth")),
            ("abc", Some("x y+")),
            ("empty", Some("")),
            ("cache", Some("0")),
            ("Mode", None),
            ("", None),
        ] {
            assert_eq!(
                query_param(query, name.as_bytes()).as_deref(),
                expected.map(str::as_bytes),
                "{name}"
            );
        }
        assert_eq!(query_param(b"", b"mode"), None);
    }

    #[test]
    fn forms_lose_their_broken_pairs_only() {
        let expected = [("username", "al ice"), ("password", "a=b&"), ("x", "")];
        assert_eq!(
            pairs(b"&username=al+ice&password=a=b%26&&bad=%&a;b=c&x="),
            expected.map(|(name, value)| (name.to_owned(), value.to_owned()))
        );
    }

    proptest! {
        #[test]
        fn what_is_escaped_comes_back(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let escaped: String = bytes.iter().map(|byte| format!("%{byte:02X}")).collect();
            prop_assert_eq!(percent_decode(escaped.as_bytes()).unwrap(), &bytes[..]);
            prop_assert_eq!(nginx_decode(escaped.as_bytes()), &bytes[..]);
            let query = format!("x=1&v={escaped}&v=2");
            prop_assert_eq!(query_param(query.as_bytes(), b"v").unwrap(), &bytes[..]);
        }

        #[test]
        fn a_broken_escape_is_seen_by_both(text in "[%a-fg0+]{0,12}") {
            prop_assert_eq!(percent_decode(text.as_bytes()).is_err(), has_broken_escape(text.as_bytes()));
        }
    }
}
