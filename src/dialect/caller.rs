//! Authentication of the caller (the mail proxy, not the user): `server.basic_auth`.
//!
//! Covers everything under `/api/v1` but the service `basic`, whose `Authorization` header holds the user's own credentials.
//! Rules: specification `http-api.md` 4. Both values are hashed before they are compared, so that the time tells nothing, not even
//! their lengths.

use crate::auth::request::{Request, Service};
use crate::dialect::basic;
use crate::dialect::route::{NotFound, Route};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Who may ask.
#[derive(Clone)]
pub struct Caller {
    user: [u8; 32],
    password: [u8; 32],
}

/// What a request's `Authorization` is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    Granted,
    /// No credentials, or of another kind: 401.
    Missing,
    /// The wrong ones: 403.
    Wrong,
}

impl Caller {
    pub fn new(user: &[u8], password: &[u8]) -> Caller {
        Caller { user: Sha256::digest(user).into(), password: Sha256::digest(password).into() }
    }

    /// Whether the caller of `request` may have what it asks for.
    pub fn admit(&self, request: &Request) -> Admission {
        let Some(credentials) = request.header(b"authorization").next().and_then(basic::credentials) else { return Admission::Missing };
        let user = self.user.ct_eq(&Sha256::digest(credentials.user()));
        let password = self.password.ct_eq(&Sha256::digest(credentials.password()));
        if (user & password).into() { Admission::Granted } else { Admission::Wrong }
    }
}

impl std::fmt::Debug for Caller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Caller(***)")
    }
}

/// Whether only an authenticated caller may see what this route has, or that it has nothing.
pub fn is_covered(route: &Route<'_>) -> bool {
    match route {
        Route::Auth(service) => *service != Service::Basic,
        Route::Ping | Route::Metrics | Route::Health | Route::TrailingSlash { .. } | Route::NotFound(NotFound::Text) => false,
        Route::Hook { .. } | Route::Admin(_) | Route::UnknownService | Route::NotFound(NotFound::Empty) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::request::{HttpRequest, SessionId};
    use crate::dialect::input;
    use crate::proto::http::{Limits, Span, parse_head};
    use base64::Engine;

    fn with(authorization: &str) -> Request {
        let raw = format!("GET / HTTP/1.1\r\nHost: x\r\nAuthorization: {authorization}\r\n\r\n").into_bytes();
        let head = parse_head(&raw, &Limits::default()).unwrap().unwrap();
        input::open(raw, head, Span::default(), SessionId::default())
    }

    #[test]
    fn both_must_match() {
        let caller = Caller::new(b"mail", b"0123456789abcdef");
        for (credentials, admission) in [
            ("mail:0123456789abcdef", Admission::Granted),
            ("mail:wrong", Admission::Wrong),
            ("other:0123456789abcdef", Admission::Wrong),
            (":", Admission::Wrong),
        ] {
            let header = format!("Basic {}", base64::prelude::BASE64_STANDARD.encode(credentials));
            assert_eq!(caller.admit(&with(&header)), admission, "{credentials}");
        }
    }

    #[test]
    fn other_schemes_are_none() {
        let caller = Caller::new(b"mail", b"0123456789abcdef");
        for header in ["Bearer x", "Basic", "Basic ???", "x"] {
            assert_eq!(caller.admit(&with(header)), Admission::Missing, "{header}");
        }
        assert_eq!(caller.admit(&Request::new(Vec::new(), HttpRequest::default())), Admission::Missing);
    }

    #[test]
    fn the_service_basic_and_what_is_outside_are_open() {
        for (route, covered) in [
            (Route::Auth(Service::Header), true),
            (Route::Auth(Service::Basic), false),
            (Route::Hook { location: b"x" }, true),
            (Route::UnknownService, true),
            (Route::NotFound(NotFound::Empty), true),
            (Route::NotFound(NotFound::Text), false),
            (Route::Ping, false),
        ] {
            assert_eq!(is_covered(&route), covered, "{route:?}");
        }
    }
}
