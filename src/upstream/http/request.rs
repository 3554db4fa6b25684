//! What is asked and what comes back.

use super::cookies::Jar;
use super::error::Label;
use super::proxy::Proxy;
use crate::masking::hide_user_information;
use crate::proto::http::client::{Headers, ResponseLimits, is_method};
use crate::proto::url::{Url, UrlError};
use crate::secret::Secret;
use crate::tls::ClientTls;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// One request, with all that is to be observed about it. The fields' defaults are those of
/// [`Request::new`].
#[derive(Clone)]
pub struct Request {
    pub(super) method: String,
    pub url: Url,
    /// Host and length are ours; ours too, unless set: `User-Agent`, `Accept-Encoding`. An empty
    /// `User-Agent` means none.
    pub headers: Headers,
    /// `None`: no body. (POST, PUT and PATCH then announce an empty one.)
    pub body: Option<Vec<u8>>,
    /// For everything, redirects and the last byte of the body included. 60 s.
    pub timeout: Duration,
    pub limits: ResponseLimits,
    pub redirects: Redirects,
    /// TLS of its own kind; `None`: the client's.
    pub tls: Option<ClientTls>,
    /// A proxy of its own; `None`: as the client's settings say.
    pub proxy: Option<Arc<Proxy>>,
    /// Cookies to send and to keep.
    pub jar: Option<Rc<Jar>>,
}

/// Which redirects are followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Redirects {
    /// The redirecting answer is the answer.
    Never,
    /// All but those that would have the body sent again (307 and 308).
    #[default]
    WithoutBody,
    /// All.
    Always,
}

/// Why a request cannot be made. Texts as scripts know them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    #[error("net/http: invalid method {0:?}")]
    Method(String),
    /// The URL, without user information.
    #[error("parse {0:?}: {1}")]
    Url(String, UrlError),
}

impl RequestError {
    /// Quotes neither user information nor what may be a part of it: a password with a slash reads
    /// as a port.
    fn url(url: &[u8], error: UrlError) -> RequestError {
        let text = String::from_utf8_lossy(url);
        let shown = hide_user_information(&text);
        let error = match error {
            UrlError::Port(_) | UrlError::Escape(_) if shown != text => UrlError::UserInfo,
            error => error,
        };
        RequestError::Url(shown, error)
    }
}

/// An answer, of whatever status.
#[derive(Clone, Debug)]
pub struct Response {
    pub status: u16,
    pub headers: Headers,
    /// Uncompressed, if we asked for compression; then the headers say nothing of it.
    pub body: Vec<u8>,
    /// Where it came from, after redirects.
    pub url: Url,
}

impl Request {
    /// An empty method is GET.
    ///
    /// # Errors
    /// [`RequestError`]. A URL that cannot be asked (no scheme, another than HTTP's) is an error of
    /// the sending.
    pub fn new(method: &str, url: impl AsRef<[u8]>) -> Result<Request, RequestError> {
        let method = if method.is_empty() { "GET" } else { method };
        if !is_method(method.as_bytes()) {
            return Err(RequestError::Method(method.to_owned()));
        }
        let url = url.as_ref();
        let parsed = Url::parse(url).map_err(|error| RequestError::url(url, error))?;
        Ok(Request {
            method: method.to_owned(),
            url: parsed,
            headers: Headers::default(),
            body: None,
            timeout: TIMEOUT,
            limits: ResponseLimits::default(),
            redirects: Redirects::default(),
            tls: None,
            proxy: None,
            jar: None,
        })
    }

    /// # Errors
    /// As [`Request::new`].
    pub fn get(url: impl AsRef<[u8]>) -> Result<Request, RequestError> {
        Request::new("GET", url)
    }

    /// # Errors
    /// As [`Request::new`].
    pub fn post(
        url: impl AsRef<[u8]>,
        content_type: &str,
        body: impl Into<Vec<u8>>,
    ) -> Result<Request, RequestError> {
        Ok(Request::new("POST", url)?.header("Content-Type", content_type).body(body))
    }

    /// Sets a header. Whether it may be sent is seen when it is.
    pub fn header(mut self, name: &str, value: impl Into<Vec<u8>>) -> Request {
        self.headers.set(name, value);
        self
    }

    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Request {
        self.body = Some(body.into());
        self
    }

    /// See [`Request::timeout`](struct@Request).
    pub fn timeout(mut self, timeout: Duration) -> Request {
        self.timeout = timeout;
        self
    }

    pub fn set_basic_auth(&mut self, user: &[u8], password: &[u8]) {
        self.headers.set("Authorization", basic(user, password).expose());
    }

    /// Names it in error texts.
    pub fn label(&self) -> Label {
        Label::new(&self.method, &self.url)
    }

    pub fn method(&self) -> &str {
        &self.method
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.url)
    }
}

/// The value of an `Authorization` header.
pub(super) fn basic(user: &[u8], password: &[u8]) -> Secret {
    let pair = Secret::new([user, b":", password].concat());
    Secret::new(format!("Basic {}", BASE64_STANDARD.encode(pair.expose())))
}

/// What the reference gives a request of a script as a whole.
const TIMEOUT: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_does_not_quote_a_password() {
        for url in ["http://u:hunter2@a b/", "http://u:hunter2/x@h/", "http://u:%hunter2@h/"] {
            let error = Request::new("GET", url).unwrap_err().to_string();
            assert!(!error.contains("hunter2") && error.contains("***@"), "{error}");
        }
    }

    #[test]
    fn what_cannot_be_asked_says_why() {
        for (method, url, error) in [
            ("B AD", "http://h/", "net/http: invalid method \"B AD\""),
            ("GET", "::bad", "parse \"::bad\": missing protocol scheme"),
            (
                "GET",
                "http://h/\n",
                "parse \"http://h/\\n\": net/url: invalid control character in URL",
            ),
        ] {
            assert_eq!(Request::new(method, url).unwrap_err().to_string(), error);
        }
        assert_eq!(Request::new("", "http://h/").unwrap().method(), "GET");
    }

    #[test]
    fn credentials_do_not_show() {
        let mut request = Request::get("http://u:secret@h/").unwrap().body("secret");
        request.set_basic_auth(b"u", b"secret");
        assert_eq!(format!("{request:?}"), "GET http://u:***@h/");
        assert_eq!(request.headers.get("authorization"), Some(&b"Basic dTpzZWNyZXQ="[..]));
    }
}
