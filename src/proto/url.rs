//! URLs as scripts write them: split, resolved against each other, put together again.
//!
//! Pure. Called by `upstream::http` and by the Lua modules that take URLs. Not the URL standard of
//! browsers, which repairs what it is given (a crate of that kind, `url`, therefore will not do): a
//! URL without a scheme stays one, `\` is no `/`, the query is left alone. What has no place in a
//! URL is escaped, but control characters are refused: they would end a request line. Rules: RFC
//! 3986; error texts and escaping are those that scripts of the reference know. Bound:
//! [`URL_BYTES_MAX`].

use crate::proto::http::percent_decode;
use crate::secret::Secret;
use std::fmt;

/// A URL in its parts. `Display` leaves the password out.
#[derive(Clone, Debug, Default)]
pub struct Url {
    /// In lower case; empty for a relative reference.
    pub scheme: String,
    pub user: Option<UserInfo>,
    /// A name, an address, or an IPv6 address without its brackets. Empty where there is none.
    pub host: String,
    /// As written: empty, or digits.
    pub port: String,
    /// With escapes.
    pub path: String,
    /// Without the question mark, as written.
    pub query: Option<String>,
    pub fragment: Option<String>,
    /// Written with `//`, even if no host follows.
    has_authority: bool,
}

/// Name and password, decoded.
#[derive(Clone, Debug, Default)]
pub struct UserInfo {
    pub name: Secret,
    pub password: Option<Secret>,
}

/// Why a text is no URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    #[error("missing protocol scheme")]
    MissingScheme,
    #[error("first path segment in URL cannot contain colon")]
    ColonInPath,
    #[error("net/url: invalid control character in URL")]
    Control,
    #[error("invalid URL escape {0:?}")]
    Escape(String),
    #[error("invalid port {0:?} after host")]
    Port(String),
    #[error("invalid character in host name")]
    Host,
    #[error("net/url: invalid userinfo")]
    UserInfo,
    #[error("URL too long")]
    TooLong,
}

impl Url {
    /// Splits a URL or a relative reference. Bytes that have no place in a path or fragment, and
    /// blanks in a query, come out escaped.
    ///
    /// # Errors
    /// [`UrlError`].
    pub fn parse(text: impl AsRef<[u8]>) -> Result<Url, UrlError> {
        let text = text.as_ref();
        if text.len() > URL_BYTES_MAX {
            return Err(UrlError::TooLong);
        }
        if text.iter().any(u8::is_ascii_control) {
            return Err(UrlError::Control);
        }
        let (text, fragment) = split(text, b'#');
        let (scheme, rest) = scheme(text)?;
        let (rest, query) = split(rest, b'?');
        let mut url = Url { scheme: lossy(scheme).to_ascii_lowercase(), ..Url::default() };
        url.query = query.map(|query| escape_where(query, |byte| byte != b' ' && byte.is_ascii()));
        url.fragment =
            fragment.map(|fragment| checked_escape(fragment, is_path_byte)).transpose()?;
        let path = match rest.strip_prefix(b"//") {
            Some(rest) => {
                let end = rest.iter().position(|byte| *byte == b'/').unwrap_or(rest.len());
                let (authority, path) = rest.split_at_checked(end).unwrap_or((rest, &[]));
                url.has_authority = true;
                url.set_authority(authority)?;
                path
            }
            None => {
                let segment = rest.split(|byte| *byte == b'/').next().unwrap_or_default();
                if scheme.is_empty() && segment.contains(&b':') {
                    return Err(UrlError::ColonInPath);
                }
                rest
            }
        };
        url.path = checked_escape(path, is_path_byte)?;
        Ok(url)
    }

    /// What `reference` means where it is found at this URL (RFC 3986 5.2). A fragment of ours goes
    /// on where it has none.
    pub fn join(&self, reference: &Url) -> Url {
        let mut joined = reference.clone();
        if joined.fragment.is_none() {
            joined.fragment.clone_from(&self.fragment);
        }
        if !reference.scheme.is_empty() {
            joined.path = without_dots(&reference.path);
            return joined;
        }
        joined.scheme.clone_from(&self.scheme);
        if !reference.has_authority {
            joined.has_authority = self.has_authority;
            joined.user.clone_from(&self.user);
            joined.host.clone_from(&self.host);
            joined.port.clone_from(&self.port);
            if reference.path.is_empty() {
                joined.path.clone_from(&self.path);
                joined.query = reference.query.clone().or_else(|| self.query.clone());
                return joined;
            }
            if !reference.path.starts_with('/') {
                let folder =
                    self.path.rfind('/').and_then(|at| self.path.get(..=at)).unwrap_or("/");
                joined.path = format!("{folder}{}", reference.path);
            }
        }
        joined.path = without_dots(&joined.path);
        joined
    }

    /// The path and query that a request asks for.
    pub fn target(&self) -> String {
        let path = if self.path.is_empty() { "/" } else { &self.path };
        match &self.query {
            Some(query) => format!("{path}?{query}"),
            None => path.to_owned(),
        }
    }

    /// Host and, if one is written, port: what goes into a Host header.
    pub fn authority(&self) -> String {
        let host =
            if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port.is_empty() { host } else { format!("{host}:{}", self.port) }
    }

    /// The port to connect to: the one written, else the scheme's. None: a scheme that is not
    /// HTTP's, or no port number.
    pub fn port_number(&self) -> Option<u16> {
        match (self.port.as_str(), self.scheme.as_str()) {
            ("", "http") => Some(80),
            ("", "https") => Some(443),
            (port, _) => port.parse().ok(),
        }
    }

    /// The path without escapes.
    pub fn decoded_path(&self) -> Vec<u8> {
        percent_decode(self.path.as_bytes()).map(std::borrow::Cow::into_owned).unwrap_or_default()
    }

    /// The whole text, password included: for the script that wrote it, never for a log.
    pub fn expose(&self) -> String {
        self.text(true)
    }

    fn set_authority(&mut self, authority: &[u8]) -> Result<(), UrlError> {
        let host = match authority.iter().rposition(|byte| *byte == b'@') {
            None => authority,
            Some(at) => {
                let (user, host) = authority.split_at_checked(at).unwrap_or_default();
                self.user = Some(user_info(user)?);
                host.get(1..).unwrap_or_default()
            }
        };
        let (host, port) = match host.strip_prefix(b"[") {
            Some(rest) => {
                let end = rest.iter().position(|byte| *byte == b']').ok_or(UrlError::Host)?;
                let (address, rest) = rest.split_at_checked(end).unwrap_or_default();
                if lossy(address).parse::<std::net::Ipv6Addr>().is_err() {
                    return Err(UrlError::Host);
                }
                (address, rest.get(1..).unwrap_or_default())
            }
            None => host
                .split_at_checked(host.iter().position(|byte| *byte == b':').unwrap_or(host.len()))
                .unwrap_or_default(),
        };
        let digits = match port {
            [] => port,
            [b':', digits @ ..] if digits.iter().all(u8::is_ascii_digit) => digits,
            _ => return Err(UrlError::Port(lossy(port))),
        };
        let host = ascii_host(host).ok_or(UrlError::Host)?;
        if !host.bytes().all(is_host_byte) {
            return Err(UrlError::Host);
        }
        self.host = host;
        self.port = lossy(digits);
        Ok(())
    }

    fn text(&self, with_password: bool) -> String {
        let mut text = String::new();
        if !self.scheme.is_empty() {
            text += &self.scheme;
            text.push(':');
        }
        if self.has_authority {
            text += "//";
        }
        if let Some(user) = &self.user {
            text += &escape_user(user.name.expose());
            match &user.password {
                Some(password) if with_password => {
                    text = text + ":" + &escape_user(password.expose())
                }
                Some(_) => text += ":***",
                None => {}
            }
            text.push('@');
        }
        text += &self.authority();
        text += &self.path;
        for (mark, part) in [('?', &self.query), ('#', &self.fragment)] {
            if let Some(part) = part {
                text.push(mark);
                text += part;
            }
        }
        text
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(false))
    }
}

/// Escapes everything but letters, digits and `-_.~`, a blank as `+`: for names and values of
/// queries and forms.
pub fn query_escape(text: &[u8]) -> String {
    escape_where(text, |byte| byte == b' ' || is_unreserved(byte)).replace(' ', "+")
}

/// Escapes what a path has no place for, percent signs and question marks among it.
pub fn escape_path(path: &[u8]) -> String {
    escape_where(path, |byte| byte != b'%' && is_path_byte(byte))
}

/// Escapes what a user name or password has no place for.
pub fn escape_user(text: &[u8]) -> String {
    escape_where(text, is_user_byte)
}

/// Escapes what `plain` does not let through.
pub fn escape_where(text: &[u8], plain: impl Fn(u8) -> bool) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text {
        if byte.is_ascii() && plain(*byte) {
            escaped.push(char::from(*byte));
        } else {
            escaped += &format!("%{byte:02X}");
        }
    }
    escaped
}

/// The first broken escape in `text`, as error texts show it.
pub fn broken_escape(text: &[u8]) -> Option<String> {
    memchr::memchr_iter(b'%', text).find_map(|at| {
        let escape = text.get(at..).unwrap_or_default();
        let escape = escape.get(..3).unwrap_or(escape);
        (!matches!(escape, [_, high, low] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit()))
            .then(|| lossy(escape))
    })
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte)
}

/// pchar of RFC 3986, the slash, and `[]`, which are common in paths and harmless.
fn is_path_byte(byte: u8) -> bool {
    is_unreserved(byte) || b"!$&'()*+,;=:@/[]%".contains(&byte)
}

fn is_user_byte(byte: u8) -> bool {
    is_unreserved(byte) || b"$&+,;=".contains(&byte)
}

/// reg-name of RFC 3986 without escapes, and the colons of IPv6 addresses, which only come here
/// from between brackets.
fn is_host_byte(byte: u8) -> bool {
    is_unreserved(byte) || b"!$&'()*+,;=:".contains(&byte)
}

/// A host name as DNS, TLS and servers know it: one that is not ASCII goes through IDNA. None: it
/// is no name.
fn ascii_host(host: &[u8]) -> Option<String> {
    let host = std::str::from_utf8(host).ok()?;
    if host.is_ascii() { Some(host.to_owned()) } else { idna::domain_to_ascii(host).ok() }
}

/// What stands before the first `mark`, and what behind it.
fn split(text: &[u8], mark: u8) -> (&[u8], Option<&[u8]>) {
    match memchr::memchr(mark, text) {
        Some(at) => (text.get(..at).unwrap_or_default(), text.get(at + 1..)),
        None => (text, None),
    }
}

/// The scheme, which may be missing, and the rest.
fn scheme(text: &[u8]) -> Result<(&[u8], &[u8]), UrlError> {
    for (at, byte) in text.iter().enumerate() {
        match byte {
            b':' if at == 0 => return Err(UrlError::MissingScheme),
            b':' => {
                return Ok((
                    text.get(..at).unwrap_or_default(),
                    text.get(at + 1..).unwrap_or_default(),
                ));
            }
            byte if byte.is_ascii_alphabetic() => {}
            byte if at > 0 && (byte.is_ascii_digit() || b"+-.".contains(byte)) => {}
            _ => break,
        }
    }
    Ok((&[], text))
}

fn user_info(text: &[u8]) -> Result<UserInfo, UrlError> {
    if !text.iter().all(|byte| is_unreserved(*byte) || b"$&+,;=!'()*:%@".contains(byte)) {
        return Err(UrlError::UserInfo);
    }
    let decoded =
        |part: &[u8]| percent_decode(part).map(Secret::new).map_err(|_| UrlError::UserInfo);
    let (name, password) = split(text, b':');
    Ok(UserInfo { name: decoded(name)?, password: password.map(decoded).transpose()? })
}

fn checked_escape(text: &[u8], plain: impl Fn(u8) -> bool) -> Result<String, UrlError> {
    match broken_escape(text) {
        Some(broken) => Err(UrlError::Escape(broken)),
        None => Ok(escape_where(text, |byte| plain(byte) || byte == b'%')),
    }
}

/// RFC 3986 5.2.4.
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            "." if is_last => kept.push(""),
            "." => {}
            ".." => {
                if kept.len() > 1 {
                    kept.pop();
                }
                if is_last {
                    kept.push("");
                }
            }
            _ => kept.push(segment),
        }
    }
    kept.join("/")
}

fn lossy(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}

/// Longer ones are refused by servers anyway.
pub const URL_BYTES_MAX: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parts(text: &str) -> [String; 6] {
        let url = Url::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        [
            url.scheme,
            url.host,
            url.port,
            url.path,
            url.query.unwrap_or("-".into()),
            url.fragment.unwrap_or("-".into()),
        ]
    }

    #[test]
    fn host_names_go_through_idna() {
        for (url, host) in [
            ("http://münchen.example/ü", "xn--mnchen-3ya.example"),
            ("http://u@MÜNCHEN.example:81/", "xn--mnchen-3ya.example"),
            ("http://example.test/", "example.test"),
            ("http://[2001:db8::1]/", "2001:db8::1"),
        ] {
            assert_eq!(Url::parse(url).unwrap().host, host, "{url}");
        }
        assert!(Url::parse("http://a\u{200b} ü/").is_err() && Url::parse(b"http://\xff/").is_err());
    }

    #[test]
    fn urls_are_split() {
        for (text, expected) in [
            ("http://example.org", ["http", "example.org", "", "", "-", "-"]),
            (
                "HTTPS://Example.org:8443/a/b?x=1&y=/#top",
                ["https", "Example.org", "8443", "/a/b", "x=1&y=/", "top"],
            ),
            ("http://[2001:db8::1]:80/", ["http", "2001:db8::1", "80", "/", "-", "-"]),
            ("http://h?q", ["http", "h", "", "", "q", "-"]),
            ("http://h/a b/ü%41?a b%zz", ["http", "h", "", "/a%20b/%C3%BC%41", "a%20b%zz", "-"]),
            ("/path?", ["", "", "", "/path", "", "-"]),
            ("//other/x", ["", "other", "", "/x", "-", "-"]),
            ("no scheme", ["", "", "", "no%20scheme", "-", "-"]),
            ("", ["", "", "", "", "-", "-"]),
            ("mailto:a@b", ["mailto", "", "", "a@b", "-", "-"]),
            ("http://u:p@h:1/", ["http", "h", "1", "/", "-", "-"]),
        ] {
            assert_eq!(parts(text), expected.map(str::to_owned), "{text}");
        }
    }

    #[test]
    fn what_is_no_url_says_why() {
        for (text, expected) in [
            ("::bad", "missing protocol scheme"),
            ("1a:b", "first path segment in URL cannot contain colon"),
            ("http://h/\r\nX: y", "net/url: invalid control character in URL"),
            ("http://h/%zz", "invalid URL escape \"%zz\""),
            ("http://h/%4", "invalid URL escape \"%4\""),
            ("http://h:x/", "invalid port \":x\" after host"),
            ("http://[::1]x/", "invalid port \"x\" after host"),
            ("http://[::1/", "invalid character in host name"),
            ("http://[v1.x]/", "invalid character in host name"),
            ("http://a b/", "invalid character in host name"),
            ("http://a%41/", "invalid character in host name"),
            ("http://a b@h/", "net/url: invalid userinfo"),
            ("http://a%zz@h/", "net/url: invalid userinfo"),
        ] {
            assert_eq!(
                Url::parse(text).map(|url| url.to_string()).map_err(|error| error.to_string()),
                Err(expected.to_owned()),
                "{text}"
            );
        }
        assert_eq!(Url::parse("a".repeat(URL_BYTES_MAX + 1)).unwrap_err(), UrlError::TooLong);
    }

    #[test]
    fn references_are_resolved_as_the_rfc_has_it() {
        let base = Url::parse("http://a/b/c/d;p?q").unwrap();
        for (reference, expected) in [
            ("g:h", "g:h"),
            ("g", "http://a/b/c/g"),
            ("./g", "http://a/b/c/g"),
            ("g/", "http://a/b/c/g/"),
            ("/g", "http://a/g"),
            ("//g", "http://g"),
            ("?y", "http://a/b/c/d;p?y"),
            ("g?y", "http://a/b/c/g?y"),
            ("#s", "http://a/b/c/d;p?q#s"),
            ("", "http://a/b/c/d;p?q"),
            (".", "http://a/b/c/"),
            ("..", "http://a/b/"),
            ("../g", "http://a/b/g"),
            ("../..", "http://a/"),
            ("../../../g", "http://a/g"),
            ("/./g", "http://a/g"),
            ("/../g", "http://a/g"),
            ("./../g", "http://a/b/g"),
            ("g/../h", "http://a/b/c/h"),
            ("https://x/../y", "https://x/y"),
        ] {
            assert_eq!(
                base.join(&Url::parse(reference).unwrap()).to_string(),
                expected,
                "{reference}"
            );
        }
        assert_eq!(
            Url::parse("http://h").unwrap().join(&Url::parse("x").unwrap()).to_string(),
            "http://h/x"
        );
    }

    #[test]
    fn the_password_is_shown_to_its_owner_only() {
        let url = Url::parse("http://us%20er:p%40ss@h/").unwrap();
        let user = url.user.clone().unwrap();
        assert_eq!(
            (user.name.expose(), user.password.unwrap().expose().to_vec()),
            (&b"us er"[..], b"p@ss".to_vec())
        );
        assert_eq!(
            (url.to_string(), url.expose()),
            ("http://us%20er:***@h/".into(), "http://us%20er:p%40ss@h/".into())
        );
        assert!(!format!("{url:?}").contains("p@ss"));
    }

    #[test]
    fn where_to_connect() {
        for (text, authority, port, target) in [
            ("http://h", "h", Some(80), "/"),
            ("https://h/?", "h", Some(443), "/?"),
            ("http://[::1]:8080/a?b", "[::1]:8080", Some(8080), "/a?b"),
            ("http://h:99999/", "h:99999", None, "/"),
            ("ftp://h/", "h", None, "/"),
        ] {
            let url = Url::parse(text).unwrap();
            assert_eq!(
                (url.authority().as_str(), url.port_number(), url.target().as_str()),
                (authority, port, target),
                "{text}"
            );
        }
    }

    #[test]
    fn query_values_are_escaped() {
        assert_eq!(query_escape("a b*~ü/".as_bytes()), "a+b%2A~%C3%BC%2F");
    }

    proptest! {
        #[test]
        fn a_url_reads_back_as_it_was(text in prop::collection::vec(any::<u8>(), 0..60)) {
            if let Ok(url) = Url::parse(&text) {
                let written = url.expose();
                prop_assert!(!url.target().contains(|c: char| c.is_ascii_control() || c == ' '));
                let again = Url::parse(&written);
                prop_assert_eq!(again.map(|url| url.expose()), Ok(written));
            }
        }
    }
}
