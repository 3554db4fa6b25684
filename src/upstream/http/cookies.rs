//! Jar: cookies that one client of a script keeps between its requests.
//!
//! Which cookie goes where is `cookie_store`'s to say (RFC 6265). A cookie for a whole top-level
//! domain is refused. Bounds: [`COOKIES_MAX`], [`COOKIE_BYTES_MAX`].

use crate::proto::url::Url;
use cookie_store::{CookieStore, RawCookie};
use std::cell::RefCell;
use std::fmt;

/// Cookies, in memory.
#[derive(Default)]
pub struct Jar(RefCell<CookieStore>);

impl Jar {
    /// The value of a `Cookie` header for a request; `None` if there is none to send.
    pub fn header(&self, url: &Url) -> Option<String> {
        let url = url::Url::parse(&url.expose()).ok()?;
        let store = self.0.borrow();
        let mut pairs: Vec<_> =
            store.get_request_values(&url).map(|(name, value)| format!("{name}={value}")).collect();
        pairs.sort_unstable();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }

    /// Keeps what a response from `url` sets; what is no cookie, or none for that URL, is passed
    /// over.
    pub fn keep<'a>(&self, url: &Url, set_cookie: impl Iterator<Item = &'a [u8]>) {
        let Ok(parsed) = url::Url::parse(&url.expose()) else { return };
        for text in set_cookie.take(COOKIES_MAX).filter_map(|value| std::str::from_utf8(value).ok())
        {
            // It would have to be refused when it is to be sent.
            if text.chars().any(char::is_control) {
                continue;
            }
            let Ok(cookie) = RawCookie::parse(text) else { continue };
            let is_for_all = cookie.domain().is_some_and(|domain| {
                !domain.trim_matches('.').contains('.') && !domain.eq_ignore_ascii_case(&url.host)
            });
            let mut store = self.0.borrow_mut();
            if text.len() <= COOKIE_BYTES_MAX
                && !is_for_all
                && store.iter_any().count() < COOKIES_MAX
            {
                // An error says that the cookie is not for this URL.
                let _ = store.insert_raw(&cookie, &parsed);
            }
        }
    }
}

impl fmt::Debug for Jar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Jar")
    }
}

/// Cookies of one jar. Browsers keep as many per site.
const COOKIES_MAX: usize = 180;

/// Of one cookie, its attributes included.
const COOKIE_BYTES_MAX: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(jar: &Jar, url: &str) -> String {
        jar.header(&Url::parse(url).unwrap()).unwrap_or_default()
    }

    fn keep(jar: &Jar, url: &str, cookies: &[&str]) {
        jar.keep(&Url::parse(url).unwrap(), cookies.iter().map(|cookie| cookie.as_bytes()));
    }

    #[test]
    fn cookies_go_back_to_where_they_are_from() {
        let jar = Jar::default();
        keep(
            &jar,
            "http://a.example.org/x/y",
            &[
                "one=1",
                "two=2; Path=/",
                "three=3; Domain=example.org; Path=/",
                "four=4; Path=/; Secure",
            ],
        );
        assert_eq!(sent(&jar, "http://a.example.org/x/z"), "one=1; three=3; two=2");
        assert_eq!(sent(&jar, "http://a.example.org/"), "three=3; two=2");
        assert_eq!(sent(&jar, "http://b.example.org/"), "three=3");
        assert_eq!(sent(&jar, "http://example.net/"), "");
        keep(
            &jar,
            "http://a.example.org/",
            &["two=new; Path=/", "three=; Domain=example.org; Path=/; Max-Age=0"],
        );
        assert_eq!(sent(&jar, "http://a.example.org/"), "two=new");
    }

    #[test]
    fn cookies_for_others_or_for_all_are_refused() {
        let jar = Jar::default();
        keep(
            &jar,
            "http://a.org/",
            &["x=1; Domain=b.org", "y=1; Domain=org", "no cookie", "", "z=\u{1}"],
        );
        keep(&jar, "http://127.0.0.1/", &["ip=1; Domain=127.0.0.1"]);
        assert_eq!(
            (
                sent(&jar, "http://b.org/"),
                sent(&jar, "http://a.org/"),
                sent(&jar, "http://127.0.0.1/")
            ),
            ("".into(), "".into(), "ip=1".into())
        );
    }

    #[test]
    fn a_jar_is_bounded() {
        let jar = Jar::default();
        for at in 0..1000 {
            keep(&jar, "http://a.org/", &[&format!("c{at}=1; Path=/")]);
        }
        keep(&jar, "http://b.org/", &[&format!("c={}", "x".repeat(5000))]);
        assert_eq!(sent(&jar, "http://a.org/").split("; ").count(), COOKIES_MAX);
        assert_eq!(sent(&jar, "http://b.org/"), "");
    }
}
