//! Why there is no response, in the words that scripts know.

use crate::op::Failure;
use crate::proto::http::client::{GzipError, HeaderError, ResponseError};
use crate::proto::url::Url;

/// What failed, and what it was about: `Get "http://127.0.0.1:1/": dial tcp 127.0.0.1:1: connect:
/// connection refused`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{label}: {cause}")]
pub struct Error {
    pub label: Label,
    pub cause: Cause,
}

/// Names a request in error texts. The URL's password is left out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{verb} \"{url}\"")]
pub struct Label {
    verb: String,
    url: String,
}

/// Why there is no response.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    #[error("unsupported protocol scheme {0:?}")]
    Scheme(String),
    #[error("http: no Host in request URL")]
    NoHost,
    #[error("invalid port {0:?}")]
    Port(String),
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// No connection came about, or it broke.
    #[error("{0}")]
    Connection(String),
    /// No certificates to check the server's with, or our own are unusable: the operator's to mend.
    #[error("tls: {0}")]
    Tls(String),
    #[error("proxy answered CONNECT with status {0}")]
    Proxy(u16),
    #[error("context deadline exceeded")]
    Deadline,
    /// The server did not keep to the protocol, or closed early.
    #[error(transparent)]
    Response(#[from] ResponseError),
    #[error(transparent)]
    Gzip(#[from] GzipError),
    #[error("stopped after {0} redirects")]
    Redirects(usize),
    #[error("failed to parse Location header: {0}")]
    Location(String),
}

impl Label {
    pub fn new(method: &str, url: &Url) -> Label {
        let mut chars = method.chars();
        let first = chars.next().map(|first| first.to_ascii_uppercase());
        let verb = first.into_iter().chain(chars.map(|c| c.to_ascii_lowercase())).collect();
        Label { verb, url: url.to_string() }
    }

    pub fn error(&self, cause: Cause) -> Error {
        Error { label: self.clone(), cause }
    }
}

impl From<Failure> for Cause {
    fn from(failure: Failure) -> Cause {
        match failure {
            Failure::TimedOut | Failure::Deadline => Cause::Deadline,
            Failure::Refused(text) => match text.strip_prefix("tls: invalid peer certificate: ") {
                Some(why) => Cause::Connection(format!("tls: failed to verify certificate: {why}")),
                None => Cause::Connection(text),
            },
            failure => Cause::Connection(failure.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_those_that_scripts_know() {
        let url = Url::parse("http://u:secret@h/x y").unwrap();
        let label = Label::new("POST", &url);
        for (cause, text) in [
            (Cause::from(Failure::Deadline), "context deadline exceeded"),
            (Cause::from(Failure::TimedOut), "context deadline exceeded"),
            (
                Cause::from(Failure::Refused("dial tcp h:80: connect: connection refused".into())),
                "dial tcp h:80: connect: connection refused",
            ),
            (
                Cause::from(Failure::Refused(
                    "tls: invalid peer certificate: UnknownIssuer".into(),
                )),
                "tls: failed to verify certificate: UnknownIssuer",
            ),
            (ResponseError::NoResponse.into(), "EOF"),
            (Cause::Scheme("ftp".into()), "unsupported protocol scheme \"ftp\""),
        ] {
            assert_eq!(
                label.error(cause).to_string(),
                format!("Post \"http://u:***@h/x%20y\": {text}")
            );
        }
    }
}
