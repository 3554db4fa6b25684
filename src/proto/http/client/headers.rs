//! Headers of requests that we send and of responses that we got: names in canonical form, values
//! as bytes, in order.

use crate::proto::http::response::is_token_byte;
use std::fmt;

/// A list of headers. `Debug` shows the names only: values hold credentials.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, Vec<u8>)>);

/// A header that would not be one on the wire.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    #[error("net/http: invalid header field name {0:?}")]
    Name(String),
    /// The name of the header with that value.
    #[error("net/http: invalid header field value for {0:?}")]
    Value(String),
}

impl Headers {
    /// The first value under a name, whatever its case.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.0
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_slice())
    }

    /// All values under a name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.0
            .iter()
            .filter(move |(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_slice())
    }

    pub fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Puts the value in the place of all that the name had.
    pub fn set(&mut self, name: &str, value: impl Into<Vec<u8>>) {
        self.remove(name);
        self.add(name, value);
    }

    /// Sets the value unless the name has one.
    pub fn set_default(&mut self, name: &str, value: impl Into<Vec<u8>>) {
        if !self.contains(name) {
            self.add(name, value);
        }
    }

    pub fn add(&mut self, name: &str, value: impl Into<Vec<u8>>) {
        self.0.push((canonical_name(name), value.into()));
    }

    pub fn remove(&mut self, name: &str) {
        self.0.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_slice()))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a header holds `token` in a list of tokens, as `Connection: close, te` does.
    pub fn has_token(&self, name: &str, token: &str) -> bool {
        self.all(name)
            .flat_map(|value| value.split(|byte| *byte == b','))
            .any(|part| part.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
    }

    /// Whether all of them may be sent: names are tokens, values hold no control characters but
    /// tabs.
    ///
    /// # Errors
    /// The first that may not.
    pub fn check(&self) -> Result<(), HeaderError> {
        for (name, value) in &self.0 {
            if !is_token(name.as_bytes()) {
                return Err(HeaderError::Name(name.clone()));
            }
            if value.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t') {
                return Err(HeaderError::Value(name.clone()));
            }
        }
        Ok(())
    }
}

impl<N: AsRef<str>, V: Into<Vec<u8>>> FromIterator<(N, V)> for Headers {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Headers {
        Headers(
            pairs
                .into_iter()
                .map(|(name, value)| (canonical_name(name.as_ref()), value.into()))
                .collect(),
        )
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// `x-forwarded-for` → `X-Forwarded-For`; what is no name stays as it is.
pub fn canonical_name(name: &str) -> String {
    if !is_token(name.as_bytes()) {
        return name.to_owned();
    }
    let mut upper = true;
    let letter = |c: char| {
        let c = if upper { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
        upper = c == '-';
        c
    };
    name.chars().map(letter).collect()
}

pub(super) fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|byte| is_token_byte(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_any_case_and_shown_in_one() {
        let mut headers = Headers::default();
        headers.add("x-a", "1");
        headers.add("X-A", "2");
        headers.add("eTAG", "3");
        assert_eq!(headers.all("x-A").collect::<Vec<_>>(), [b"1", b"2"]);
        headers.set("X-a", "4");
        headers.set_default("etag", "5");
        assert_eq!(headers.iter().collect::<Vec<_>>(), [("Etag", &b"3"[..]), ("X-A", b"4")]);
        assert_eq!(canonical_name("no name"), "no name");
    }

    #[test]
    fn what_would_be_another_header_is_refused() {
        for (name, value, error) in [
            ("X-A", "fine\tthing \u{fc}", None),
            ("X-A", "", None),
            ("X-A", "a\r\nX-B: b", Some("net/http: invalid header field value for \"X-A\"")),
            ("X-A", "a\nb", Some("net/http: invalid header field value for \"X-A\"")),
            ("X-A", "a\0", Some("net/http: invalid header field value for \"X-A\"")),
            ("X-A", "a\x7f", Some("net/http: invalid header field value for \"X-A\"")),
            ("X A", "a", Some("net/http: invalid header field name \"X A\"")),
            ("X-A:", "a", Some("net/http: invalid header field name \"X-A:\"")),
            ("", "a", Some("net/http: invalid header field name \"\"")),
            ("X\r\nY", "a", Some("net/http: invalid header field name \"X\\r\\nY\"")),
        ] {
            let checked = Headers::from_iter([(name, value)]).check();
            assert_eq!(
                checked.err().map(|error| error.to_string()).as_deref(),
                error,
                "{name:?}: {value:?}"
            );
        }
    }

    #[test]
    fn tokens_are_looked_for_in_lists() {
        let headers =
            Headers::from_iter([("Connection", "Keep-Alive , Foo"), ("Connection", "CLOSE")]);
        assert!(
            headers.has_token("connection", "close")
                && headers.has_token("connection", "keep-alive")
        );
        assert!(!headers.has_token("connection", "keep") && !headers.has_token("te", "close"));
    }

    #[test]
    fn values_are_not_shown() {
        let headers = Headers::from_iter([("Authorization", "Basic c2VjcmV0")]);
        assert_eq!(format!("{headers:?}"), "[\"Authorization\"]");
    }
}
