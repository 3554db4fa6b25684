//! Where a redirect leads, and what of the request goes along.
//!
//! 301, 302 and 303 make a GET of everything but HEAD, without its body; 307 and 308 repeat the
//! request. Credentials stay on the host that they were meant for. Rules: RFC 9110 section 15.4.

use super::error::Cause;
use super::request::Redirects;
use crate::proto::http::client::{Headers, ResponseHead};
use crate::proto::url::Url;

/// One request on the way to the response.
#[derive(Clone)]
pub(super) struct Hop {
    pub(super) method: String,
    pub(super) url: Url,
    pub(super) headers: Headers,
    pub(super) body: Option<Vec<u8>>,
}

impl Hop {
    /// The next one, if `answer` is a redirect that is followed.
    ///
    /// # Errors
    /// It leads nowhere: a location that is no URL.
    pub(super) fn next(
        &self,
        redirects: Redirects,
        answer: &ResponseHead,
    ) -> Result<Option<Hop>, Cause> {
        let repeats = match answer.status {
            301..=303 => false,
            307 | 308 => true,
            _ => return Ok(None),
        };
        let has_body = self.body.as_ref().is_some_and(|body| !body.is_empty());
        let is_followed = match redirects {
            Redirects::Never => false,
            Redirects::WithoutBody => !(repeats && has_body),
            Redirects::Always => true,
        };
        // An empty one leads nowhere: the answer itself is the answer, as in Go.
        let location = answer
            .headers
            .get("Location")
            .filter(|location| is_followed && !location.trim_ascii().is_empty());
        let Some(location) = location else { return Ok(None) };
        let location = Url::parse(location).map_err(|error| Cause::Location(error.to_string()))?;
        let mut hop = Hop { url: self.url.join(&location), ..self.clone() };
        if !repeats {
            if hop.method != "HEAD" {
                hop.method = "GET".into();
            }
            hop.body = None;
            CONTENT.iter().for_each(|name| hop.headers.remove(name));
        }
        if !stays(&self.url, &hop.url) {
            CREDENTIALS.iter().for_each(|name| hop.headers.remove(name));
        }
        hop.headers.remove("Referer");
        if let Some(referer) = referer(&self.url, &hop.url) {
            hop.headers.set("Referer", referer);
        }
        Ok(Some(hop))
    }
}

/// Whether what was meant for `from` may be shown to `to`: the same server, or its encrypted side.
fn stays(from: &Url, to: &Url) -> bool {
    let same_host = from.host.eq_ignore_ascii_case(&to.host);
    let same_port = from.scheme == to.scheme && from.port_number() == to.port_number();
    let encrypted_now = from.scheme == "http"
        && to.scheme == "https"
        && from.port_number() == Some(80)
        && to.port_number() == Some(443);
    same_host && (same_port || encrypted_now)
}

/// Where we come from, without user and fragment; not told in the clear what was asked in secret.
fn referer(from: &Url, to: &Url) -> Option<String> {
    if from.scheme == "https" && to.scheme == "http" {
        return None;
    }
    let mut from = from.clone();
    from.user = None;
    from.fragment = None;
    Some(from.to_string())
}

/// Headers about a body that is not sent any more.
const CONTENT: [&str; 4] =
    ["Content-Type", "Content-Encoding", "Content-Language", "Content-Location"];

/// Headers that other hosts must not see.
const CREDENTIALS: [&str; 4] = ["Authorization", "Cookie", "Cookie2", "Www-Authenticate"];

#[cfg(test)]
mod tests {
    use super::*;

    fn follow(
        method: &str,
        body: &str,
        from: &str,
        status: u16,
        location: &str,
        redirects: Redirects,
    ) -> Option<Hop> {
        let headers = [
            ("Authorization", "Basic x"),
            ("Cookie", "a=b"),
            ("Content-Type", "text/plain"),
            ("X-A", "1"),
        ];
        let body = (!body.is_empty()).then(|| body.as_bytes().to_vec());
        let hop = Hop {
            method: method.into(),
            url: Url::parse(from).unwrap(),
            headers: headers.into_iter().collect(),
            body,
        };
        let headers =
            [("Location", location)].into_iter().filter(|(_, value)| !value.is_empty()).collect();
        hop.next(redirects, &ResponseHead { status, headers }).unwrap()
    }

    #[test]
    fn methods_are_rewritten_as_the_status_says() {
        for (status, method, body, expected) in [
            (301, "POST", "x", Some(("GET", None))),
            (302, "PUT", "x", Some(("GET", None))),
            (303, "DELETE", "", Some(("GET", None))),
            (302, "HEAD", "", Some(("HEAD", None))),
            (307, "GET", "", Some(("GET", None))),
            (308, "POST", "", Some(("POST", None))),
            (307, "POST", "x", None),
            (300, "GET", "", None),
            (304, "GET", "", None),
            (200, "GET", "", None),
        ] {
            let hop = follow(method, body, "http://h/a", status, "/b", Redirects::WithoutBody);
            let found = hop.as_ref().map(|hop| (hop.method.as_str(), hop.body.as_deref()));
            assert_eq!(found, expected, "{status} {method}");
            if let Some(hop) = hop {
                assert_eq!(
                    (hop.url.to_string().as_str(), hop.headers.contains("Content-Type")),
                    ("http://h/b", status > 303)
                );
                assert_eq!(hop.headers.get("Referer"), Some(&b"http://h/a"[..]));
            }
        }
        let again = follow("POST", "x", "http://h/a", 307, "/b", Redirects::Always).unwrap();
        assert_eq!((again.method.as_str(), again.body.as_deref()), ("POST", Some(&b"x"[..])));
        assert!(follow("GET", "", "http://h/a", 302, "/b", Redirects::Never).is_none());
        assert!(follow("GET", "", "http://h/a", 302, "", Redirects::Always).is_none());
        assert!(follow("GET", "", "http://h/a", 302, " ", Redirects::Always).is_none());
    }

    #[test]
    fn credentials_stay_on_their_host() {
        for (from, to, kept) in [
            ("http://h/", "/b", true),
            ("http://h/", "http://H:80/b", true),
            ("http://h/", "https://h/b", true),
            ("http://h/", "http://h:8080/", false),
            ("https://h/", "http://h/", false),
            ("http://h/", "http://h.evil/", false),
            ("http://h/", "http://sub.h/", false),
            ("http://h:8080/", "https://h/", false),
        ] {
            let hop = follow("GET", "", from, 302, to, Redirects::Always).unwrap();
            assert_eq!(
                (hop.headers.contains("Authorization"), hop.headers.contains("Cookie")),
                (kept, kept),
                "{from} → {to}"
            );
            assert!(hop.headers.contains("X-A"));
        }
    }

    #[test]
    fn the_referer_holds_no_secrets() {
        let referer = |from, to| {
            follow("GET", "", from, 302, to, Redirects::Always)
                .unwrap()
                .headers
                .get("Referer")
                .map(<[u8]>::to_vec)
        };
        assert_eq!(referer("http://u:p@h/a?b#c", "/d"), Some(b"http://h/a?b".to_vec()));
        assert_eq!(referer("https://h/a", "http://h/"), None);
    }

    #[test]
    fn a_location_that_is_none_is_an_error() {
        let hop = Hop {
            method: "GET".into(),
            url: Url::parse("http://h/").unwrap(),
            headers: Headers::default(),
            body: None,
        };
        let answer = ResponseHead {
            status: 302,
            headers: [("Location", "http://h/%zz")].into_iter().collect(),
        };
        assert!(matches!(hop.next(Redirects::Always, &answer), Err(Cause::Location(_))));
    }
}
