//! Authentication of the caller on the wire: what a route needs, credentials out of a request,
//! refusals.
//!
//! Covers everything under `/api/v1` but the token endpoints, and but the service `basic` where
//! callers have basic credentials, since its `Authorization` header holds the user's own.
//! `/metrics` and the admin endpoints have settings of their own besides. Who is let in,
//! [`crate::auth::caller`] decides.

use crate::auth::caller::{AUTHENTICATE, Callers, Need, Presented, Refusal};
use crate::auth::request::{Mode, Request, Service};
use crate::dialect::admin::Endpoint;
use crate::dialect::basic;
use crate::dialect::envelope::{Envelope, JSON};
use crate::dialect::json;
use crate::dialect::route::{self, NotFound, Route};
use crate::dialect::settings::Settings;

/// Who may have what a route has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard<'a> {
    /// All clients.
    Open,
    Callers(Need<'a>),
    /// Callers, and clients that `server.metrics_access` admits.
    Metrics,
    /// Callers, and clients that `server.admin_access` admits.
    Admin(Need<'a>),
}

/// Who may have what this route has. `hook_roles`: those of the hook it leads to.
pub fn guard<'a>(
    route: &Route<'_>,
    query: &[u8],
    hook_roles: &'a [String],
    callers: Option<&Callers>,
) -> Guard<'a> {
    match route {
        Route::Auth(Service::Basic) if callers.is_some_and(|callers| callers.basic.is_some()) => {
            Guard::Open
        }
        Route::Auth(_) => Guard::Callers(match route::mode(query) {
            Mode::Auth => Need::Authenticate,
            Mode::NoAuth => Need::UserInfo,
            Mode::ListAccounts => Need::ListAccounts,
        }),
        Route::Mfa(_) => Guard::Callers(Need::Authenticate),
        Route::Hook { .. } if hook_roles.is_empty() => Guard::Callers(Need::Caller),
        Route::Hook { .. } => Guard::Callers(Need::AnyOf(hook_roles)),
        Route::Admin(Endpoint::ConfigLoad) => Guard::Admin(Need::Admin),
        Route::Admin(_) => Guard::Admin(Need::Security),
        Route::Metrics => Guard::Metrics,
        Route::UnknownService | Route::NotFound(NotFound::Empty) => Guard::Callers(Need::Caller),
        Route::Ping
        | Route::Health
        | Route::Jwt(_)
        | Route::TrailingSlash { .. }
        | Route::NotFound(NotFound::Text) => Guard::Open,
    }
}

/// The credentials of a request.
pub struct Credentials<'a>(Kind<'a>);

enum Kind<'a> {
    Nothing,
    Basic(basic::Credentials),
    Bearer(&'a [u8]),
    Other,
}

impl Credentials<'_> {
    /// Those of the first `Authorization` header.
    pub fn of(request: &Request) -> Credentials<'_> {
        let Some(authorization) = request.header(b"authorization").next() else {
            return Credentials(Kind::Nothing);
        };
        if let Some(credentials) = basic::credentials(authorization) {
            return Credentials(Kind::Basic(credentials));
        }
        Credentials(match authorization.split_at_checked(BEARER.len()) {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case(BEARER) => {
                Kind::Bearer(token.trim_ascii())
            }
            _ if authorization.is_empty() => Kind::Nothing,
            _ => Kind::Other,
        })
    }

    pub fn presented(&self) -> Presented<'_> {
        match &self.0 {
            Kind::Nothing => Presented::Nothing,
            Kind::Basic(credentials) => {
                Presented::Basic { name: credentials.user(), password: credentials.password() }
            }
            Kind::Bearer(token) => Presented::Bearer(token),
            Kind::Other => Presented::Other,
        }
    }
}

/// How the caller of a request says who it is, for the log.
pub fn method(request: &Request) -> &'static str {
    match request.header(b"authorization").next() {
        None | Some(b"") => "none",
        Some(value) if has_scheme(value, b"Basic ") => "basic",
        Some(value) if has_scheme(value, BEARER) => "bearer",
        Some(_) => "other",
    }
}

fn has_scheme(authorization: &[u8], scheme: &[u8]) -> bool {
    authorization.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
}

/// Appends the answer to a caller that is turned away; says the status.
pub fn refuse(
    out: &mut Vec<u8>,
    refusal: &Refusal,
    settings: &Settings,
    envelope: &Envelope<'_>,
) -> u16 {
    let callers = settings.caller.as_deref();
    // Without callers it is about a token of metrics or admin endpoints.
    let (has_basic, has_tokens) = (
        callers.is_some_and(|callers| callers.basic.is_some()),
        callers.is_none_or(Callers::takes_tokens),
    );
    let (status, error) = match refusal {
        // No challenge (RFC 9110 11.6.1) could tell how to do better.
        Refusal::Missing | Refusal::Scheme if !has_basic && !has_tokens => {
            (403, "a client certificate is required")
        }
        Refusal::Missing => (401, "authorization header is required"),
        Refusal::Scheme if has_basic => (401, "authorization header is required"),
        Refusal::Scheme => (401, "authorization header must be Bearer token"),
        Refusal::WrongPassword => (403, ""),
        Refusal::InvalidToken => (401, "invalid token"),
        Refusal::Role(role) => return missing_role(out, role, envelope),
        Refusal::HookRoles => (403, "Insufficient permissions"),
        Refusal::Throttled(_) => (429, "too many failed authentications"),
        Refusal::Unavailable => (503, "the caller cannot be checked now"),
    };
    let mut response = envelope.begin(out, status);
    match refusal {
        Refusal::Throttled(pause) => {
            response.header_number("Retry-After", pause.as_secs().max(1));
        }
        Refusal::Unavailable => {
            response.header_number("Retry-After", 1);
        }
        _ => {}
    }
    if status == 401 && has_basic {
        response.header("WWW-Authenticate", "Basic realm=\"restricted\", charset=\"UTF-8\"");
    }
    if status == 401 && has_tokens {
        response.header(
            "WWW-Authenticate",
            if *refusal == Refusal::InvalidToken { INVALID_TOKEN } else { "Bearer" },
        );
    }
    // Those who know basic credentials only expect no body.
    if error.is_empty() || (!has_tokens && status == 401) {
        envelope.end(response, &[]);
    } else {
        response.header("Content-Type", JSON);
        envelope.end(response, &json::error(error));
    }
    status
}

/// What every request needs is answered with 401, as the reference does; else the caller is known
/// and may not have it.
fn missing_role(out: &mut Vec<u8>, role: &str, envelope: &Envelope<'_>) -> u16 {
    let status = if role == AUTHENTICATE { 401 } else { 403 };
    envelope.write(out, status, Some(JSON), &json::error(&format!("missing required role: {role}")))
}

const BEARER: &[u8] = b"Bearer ";
const INVALID_TOKEN: &str = "Bearer error=\"invalid_token\"";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::caller::basic::{Basic, BasicUser};
    use crate::auth::caller::fingerprint::Fingerprints;
    use crate::auth::caller::{Decision, Rights};
    use crate::dialect::route::Token;
    use crate::dialect::testing::{envelope, request};
    use base64::Engine;
    use proptest::prelude::*;
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    fn callers() -> Callers {
        let fingerprints = Fingerprints::new([1; 32]);
        let basic = Basic {
            users: vec![BasicUser::plain("mail", b"0123456789abcdef", &fingerprints, Rights::All)],
        };
        Callers {
            fingerprints,
            basic: Some(basic),
            jwt: None,
            oidc: None,
            certificates: Vec::new(),
        }
    }

    fn with(authorization: &str) -> Request {
        request(
            format!("GET / HTTP/1.1\r\nHost: x\r\nAuthorization: {authorization}\r\n\r\n")
                .as_bytes(),
        )
    }

    #[test]
    fn both_must_match() {
        for (credentials, expected) in [
            ("mail:0123456789abcdef", None),
            ("mail:wrong", Some(Refusal::WrongPassword)),
            ("other:0123456789abcdef", Some(Refusal::WrongPassword)),
            (":", Some(Refusal::WrongPassword)),
        ] {
            let request =
                with(&format!("Basic {}", base64::prelude::BASE64_STANDARD.encode(credentials)));
            let refusal =
                match callers().decide(Credentials::of(&request).presented(), 0, Instant::now()) {
                    Decision::Refused(refusal) => Some(refusal),
                    Decision::Granted(_) => None,
                    Decision::Check(_) => panic!("it takes long"),
                };
            assert_eq!(refusal, expected, "{credentials}");
        }
    }

    #[test]
    fn schemes_are_told_apart() {
        for (header, expected) in [
            ("Bearer x", "x"),
            ("bearer  x ", "x"),
            ("Bearer", "?"),
            ("Basic", "?"),
            ("Basic ???", "?"),
            ("x", "?"),
            ("Token abc", "?"),
            ("", "-"),
        ] {
            let request = with(header);
            let text = match Credentials::of(&request).presented() {
                Presented::Nothing => "-".to_owned(),
                Presented::Basic { .. } => "basic".to_owned(),
                Presented::Bearer(token) => String::from_utf8(token.to_vec()).unwrap(),
                Presented::Other => "?".to_owned(),
            };
            assert_eq!(text, expected, "{header}");
        }
    }

    #[test]
    fn every_route_has_its_guard() {
        let roles = ["monitoring".to_owned()];
        let callers = callers();
        let only_tokens = Callers { basic: None, ..self::callers() };
        for (route, query, expected) in [
            (Route::Auth(Service::Header), "", Guard::Callers(Need::Authenticate)),
            (Route::Auth(Service::Json), "mode=no-auth", Guard::Callers(Need::UserInfo)),
            (
                Route::Auth(Service::Json),
                "a=b&mode=list-accounts",
                Guard::Callers(Need::ListAccounts),
            ),
            (Route::Auth(Service::Basic), "", Guard::Open),
            (
                Route::Mfa(crate::dialect::mfa::Endpoint::AddTotp),
                "mode=no-auth",
                Guard::Callers(Need::Authenticate),
            ),
            (Route::Admin(Endpoint::BruteForceList), "mode=no-auth", Guard::Admin(Need::Security)),
            (Route::Admin(Endpoint::CacheFlush), "", Guard::Admin(Need::Security)),
            (Route::Admin(Endpoint::ConfigLoad), "", Guard::Admin(Need::Admin)),
            (Route::Hook { location: b"x" }, "", Guard::Callers(Need::AnyOf(&roles))),
            (Route::UnknownService, "", Guard::Callers(Need::Caller)),
            (Route::NotFound(NotFound::Empty), "", Guard::Callers(Need::Caller)),
            (Route::NotFound(NotFound::Text), "", Guard::Open),
            (Route::Metrics, "", Guard::Metrics),
            (Route::Jwt(Token::Fetch), "", Guard::Open),
            (Route::Ping, "", Guard::Open),
            (Route::Health, "", Guard::Open),
        ] {
            assert_eq!(
                guard(&route, query.as_bytes(), &roles, Some(&callers)),
                expected,
                "{route:?} {query}"
            );
        }
        assert_eq!(
            guard(&Route::Hook { location: b"x" }, b"", &[], Some(&callers)),
            Guard::Callers(Need::Caller)
        );
        assert_eq!(
            guard(&Route::Auth(Service::Basic), b"", &[], Some(&only_tokens)),
            Guard::Callers(Need::Authenticate)
        );
    }

    #[test]
    fn refusals_as_the_clients_know_them() {
        let text = |callers: Option<Callers>, refusal: &Refusal| {
            let mut out = Vec::new();
            let settings = Settings { caller: callers.map(Arc::new), ..Settings::default() };
            refuse(&mut out, refusal, &settings, &envelope());
            String::from_utf8(out).unwrap()
        };
        let missing = text(Some(callers()), &Refusal::Missing);
        assert!(
            missing.contains(" 401 ")
                && missing.contains("Basic realm=\"restricted\", charset=\"UTF-8\"")
                && missing.ends_with("\r\n\r\n")
        );
        let tokens = || Some(Callers { basic: None, jwt: None, oidc: None, ..callers() });
        assert!(!text(tokens(), &Refusal::Missing).contains("Basic"));
        let throttled = text(None, &Refusal::Throttled(Duration::from_millis(2500)));
        assert!(
            throttled.contains(" 429 ") && throttled.contains("Retry-After: 2\r\n"),
            "{throttled}"
        );
        assert!(text(None, &Refusal::Unavailable).contains(" 503 "));
        assert!(text(None, &Refusal::Role("authenticate")).contains(" 401 "));
        assert!(text(None, &Refusal::Role("user_info")).contains(" 403 "));
    }

    proptest! {
        #[test]
        fn credentials_are_read_as_they_were_written(user in "[^:\\x00-\\x1f]{0,30}", password in "\\PC{0,30}") {
            let encoded = base64::prelude::BASE64_STANDARD.encode(format!("{user}:{password}"));
            let request = with(&format!("Basic {encoded}"));
            let credentials = Credentials::of(&request);
            let Presented::Basic { name, password: found } = credentials.presented() else { panic!("no basic credentials") };
            prop_assert_eq!((name, found), (user.as_bytes(), password.as_bytes()));
        }
    }
}
