//! Which endpoint a request means.
//!
//! Matching is exact and case-sensitive, on the percent-decoded path; a wrong method is "not
//! found", never 405. Called once per request, before anything of it is read.
//!
//! Everything under `/api/v1` is a pair `/CATEGORY/SERVICE`, but for hooks, whose location may hold
//! slashes, and a few admin endpoints, whose table is in [`admin`], and the MFA back channel, whose
//! table is in [`mfa`].

use crate::auth::request::{Mode, Service};
use crate::dialect::admin::{self, Endpoint};
use crate::dialect::mfa;
use crate::dialect::settings::Endpoints;
use crate::proto::http::{Method, query_param};

/// Where a request goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route<'a> {
    /// Authentication, look-up or account list.
    Auth(Service),
    /// A custom hook: its location without leading slashes. Whether there is one, and for this
    /// method, the list of hooks knows.
    Hook {
        location: &'a [u8],
    },
    Admin(Endpoint),
    /// The token endpoints.
    Jwt(Token),
    Mfa(mfa::Endpoint),
    Ping,
    Metrics,
    /// Whether the server serves, and how its stores are.
    Health,
    /// `auth/SERVICE` for a service that is none: [`unknown_service_status`].
    UnknownService,
    /// A known path with a slash too many.
    TrailingSlash {
        path: &'a [u8],
    },
    NotFound(NotFound),
}

/// What a client of the token endpoints brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token {
    /// A name and a password.
    Fetch,
    /// A refresh token.
    Refresh,
}

/// The two forms of 404.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotFound {
    /// No such route: `404 page not found`.
    Text,
    /// Looks like an endpoint but is none, or is switched off: no body.
    Empty,
}

/// Finds the route of a request by its method and its decoded path (no query).
pub fn route<'a>(method: Method, path: &'a [u8], endpoints: &Endpoints) -> Route<'a> {
    match (method, path) {
        (Method::Get, b"/ping") => return Route::Ping,
        (Method::Get, b"/metrics") => return Route::Metrics,
        (Method::Get, b"/healthz") => return Route::Health,
        (Method::Get, b"/ping/" | b"/metrics/" | b"/healthz/") => {
            return Route::TrailingSlash { path: without_last(path) };
        }
        _ => {}
    }
    match path.strip_prefix(API) {
        Some(rest) => api(method, path, rest, endpoints),
        None => Route::NotFound(NotFound::Text),
    }
}

/// The status of [`Route::UnknownService`], which has no body: nothing was parsed, so the username
/// is what is missing; only the account list, which needs none, finds out that the service is
/// unknown.
pub fn unknown_service_status(query: &[u8]) -> u16 {
    if mode(query) == Mode::ListAccounts { 404 } else { 400 }
}

/// What the query asks for; anything but the two known modes is an ordinary login.
pub fn mode(query: &[u8]) -> Mode {
    match query_param(query, b"mode").as_deref() {
        Some(b"no-auth") => Mode::NoAuth,
        Some(b"list-accounts") => Mode::ListAccounts,
        _ => Mode::Auth,
    }
}

fn api<'a>(method: Method, path: &'a [u8], rest: &'a [u8], endpoints: &Endpoints) -> Route<'a> {
    if let Some(location) = rest.strip_prefix(b"custom/") {
        return if endpoints.custom_hooks {
            Route::Hook { location: without_leading_slashes(location) }
        } else {
            EMPTY
        };
    }
    if let Some(endpoint) = admin::endpoint(method, rest) {
        return if endpoint != Endpoint::ConfigLoad || endpoints.configuration {
            Route::Admin(endpoint)
        } else {
            EMPTY
        };
    }
    if let Some(endpoint) =
        rest.strip_prefix(b"mfa-backchannel/").and_then(|path| mfa::endpoint(method, path))
    {
        return Route::Mfa(endpoint);
    }
    match (method, rest) {
        (Method::Post, b"jwt/token") if endpoints.jwt_token => return Route::Jwt(Token::Fetch),
        (Method::Post, b"jwt/refresh") if endpoints.jwt_refresh => {
            return Route::Jwt(Token::Refresh);
        }
        _ => {}
    }
    let mut parts = rest.split(|byte| *byte == b'/');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some([_, ..]), Some([_, ..]), Some([]), None) if has_pairs(method) => {
            Route::TrailingSlash { path: without_last(path) }
        }
        (Some(category @ [_, ..]), Some(service @ [_, ..]), None, None) => {
            pair(method, category, service, endpoints)
        }
        _ => TEXT,
    }
}

/// `/api/v1/CATEGORY/SERVICE`.
fn pair<'a>(method: Method, category: &[u8], service: &[u8], endpoints: &Endpoints) -> Route<'a> {
    match method {
        Method::Get | Method::Post => match service_of(category, service) {
            Some(service) if enabled(service, endpoints) => Route::Auth(service),
            Some(_) => EMPTY,
            None if category == b"auth" => Route::UnknownService,
            None => EMPTY,
        },
        Method::Delete => EMPTY,
        _ => TEXT,
    }
}

/// The services, and below them the paths of an older generation.
fn service_of(category: &[u8], service: &[u8]) -> Option<Service> {
    Some(match (category, service) {
        (b"auth", b"header") => Service::Header,
        (b"auth", b"nginx") => Service::Nginx,
        (b"auth", b"json") => Service::Json,
        (b"auth", b"saslauthd") => Service::Saslauthd,
        (b"auth", b"basic") => Service::Basic,
        (b"mail", b"dovecot") => Service::Header,
        (b"mail", b"nginx") => Service::Nginx,
        (b"mail", b"saslauthd") => Service::Saslauthd,
        (b"generic", b"json") => Service::Json,
        (b"generic", b"user") => Service::User,
        (b"http", b"basicauth") => Service::Basic,
        _ => return None,
    })
}

/// An alias goes where its service goes.
fn enabled(service: Service, endpoints: &Endpoints) -> bool {
    match service {
        Service::Header => endpoints.auth_header,
        Service::Nginx => endpoints.auth_nginx,
        Service::Json | Service::User => endpoints.auth_json,
        Service::Saslauthd => endpoints.auth_saslauthd,
        Service::Basic => endpoints.auth_basic,
        Service::Hook => endpoints.custom_hooks,
    }
}

/// The methods that pairs answer to.
fn has_pairs(method: Method) -> bool {
    matches!(method, Method::Get | Method::Post | Method::Delete)
}

fn without_last(path: &[u8]) -> &[u8] {
    path.split_last().map_or(path, |(_, rest)| rest)
}

fn without_leading_slashes(mut path: &[u8]) -> &[u8] {
    while let Some(rest) = path.strip_prefix(b"/") {
        path = rest;
    }
    path
}

const API: &[u8] = b"/api/v1/";
const TEXT: Route<'_> = Route::NotFound(NotFound::Text);
const EMPTY: Route<'_> = Route::NotFound(NotFound::Empty);

#[cfg(test)]
mod tests {
    use super::*;
    use Method::{Delete, Get, Head, Options, Other, Patch, Post, Put};

    fn at(method: Method, path: &str) -> Route<'_> {
        route(method, path.as_bytes(), &Endpoints::default())
    }

    fn hook(location: &str) -> Route<'_> {
        Route::Hook { location: location.as_bytes() }
    }

    #[test]
    fn services_answer_to_get_and_post() {
        for (path, service) in [
            ("/api/v1/auth/header", Service::Header),
            ("/api/v1/auth/nginx", Service::Nginx),
            ("/api/v1/auth/json", Service::Json),
            ("/api/v1/auth/saslauthd", Service::Saslauthd),
            ("/api/v1/auth/basic", Service::Basic),
            ("/api/v1/mail/dovecot", Service::Header),
            ("/api/v1/mail/nginx", Service::Nginx),
            ("/api/v1/mail/saslauthd", Service::Saslauthd),
            ("/api/v1/generic/json", Service::Json),
            ("/api/v1/generic/user", Service::User),
            ("/api/v1/http/basicauth", Service::Basic),
        ] {
            assert_eq!(at(Get, path), Route::Auth(service), "{path}");
            assert_eq!(at(Post, path), Route::Auth(service), "{path}");
            for method in [Put, Patch, Head, Options, Other] {
                assert_eq!(at(method, path), TEXT, "{method:?} {path}");
            }
            assert_eq!(at(Delete, path), EMPTY, "{path}");
        }
    }

    #[test]
    fn what_is_not_there() {
        for (method, path, expected) in [
            (Get, "/", TEXT),
            (Get, "", TEXT),
            (Get, "*", TEXT),
            (Get, "/nothing", TEXT),
            (Get, "/Ping", TEXT),
            (Post, "/ping", TEXT),
            (Head, "/ping", TEXT),
            (Head, "/metrics", TEXT),
            (Get, "/debug/pprof/", TEXT),
            (Get, "/api/v1", TEXT),
            (Get, "/api/v1/", TEXT),
            (Get, "/api/v1/auth", TEXT),
            (Get, "/api/v1/auth/", TEXT),
            (Get, "/api/v1/custom", TEXT),
            (Get, "/api/v1//auth/header", TEXT),
            (Get, "/api/v1/auth//header", TEXT),
            (Get, "//api/v1/auth/header", TEXT),
            (Get, "/api/v1/auth/header/more", TEXT),
            (Get, "/API/v1/auth/header", TEXT),
            (Get, "/api/v1/foo/bar", EMPTY),
            (Post, "/api/v1/foo/bar", EMPTY),
            (Put, "/api/v1/foo/bar", TEXT),
            (Delete, "/api/v1/nothing/here", EMPTY),
            (Get, "/api/v1/cache/flush", EMPTY),
            (Post, "/api/v1/bruteforce/flush", EMPTY),
            (Get, "/api/v1/mail/json", EMPTY),
            (Get, "/api/v1/auth/dovecot", Route::UnknownService),
            (Post, "/api/v1/auth/Header", Route::UnknownService),
            (Delete, "/api/v1/auth/dovecot", EMPTY),
        ] {
            assert_eq!(at(method, path), expected, "{method:?} {path}");
        }
    }

    #[test]
    fn hooks_answer_to_any_method() {
        for (path, location) in [
            ("/api/v1/custom/a/b", "a/b"),
            ("/api/v1/custom///a/b", "a/b"),
            ("/api/v1/custom/a//b/", "a//b/"),
            ("/api/v1/custom/", ""),
            ("/api/v1/custom/H", "H"),
        ] {
            for method in [Get, Post, Put, Delete, Patch, Head, Options, Other] {
                assert_eq!(at(method, path), hook(location), "{path}");
            }
        }
    }

    #[test]
    fn a_trailing_slash_is_redirected_where_the_path_is_known() {
        for (method, path) in [
            (Get, "/ping/"),
            (Get, "/metrics/"),
            (Get, "/api/v1/auth/header/"),
            (Post, "/api/v1/auth/json/"),
            (Get, "/api/v1/foo/bar/"),
            (Delete, "/api/v1/cache/flush/"),
        ] {
            assert_eq!(
                at(method, path),
                Route::TrailingSlash { path: &path.as_bytes()[..path.len() - 1] },
                "{method:?} {path}"
            );
        }
        for (method, path) in [
            (Post, "/ping/"),
            (Put, "/api/v1/auth/header/"),
            (Get, "/api/v1/auth/header//"),
            (Get, "/nothing/"),
        ] {
            assert_eq!(at(method, path), TEXT, "{method:?} {path}");
        }
    }

    #[test]
    fn disabled_endpoints_are_not_there() {
        let all = Endpoints::default();
        for (path, endpoints) in [
            ("/api/v1/auth/header", Endpoints { auth_header: false, ..all }),
            ("/api/v1/mail/dovecot", Endpoints { auth_header: false, ..all }),
            ("/api/v1/auth/nginx", Endpoints { auth_nginx: false, ..all }),
            ("/api/v1/mail/nginx", Endpoints { auth_nginx: false, ..all }),
            ("/api/v1/auth/json", Endpoints { auth_json: false, ..all }),
            ("/api/v1/generic/json", Endpoints { auth_json: false, ..all }),
            ("/api/v1/generic/user", Endpoints { auth_json: false, ..all }),
            ("/api/v1/auth/saslauthd", Endpoints { auth_saslauthd: false, ..all }),
            ("/api/v1/mail/saslauthd", Endpoints { auth_saslauthd: false, ..all }),
            ("/api/v1/auth/basic", Endpoints { auth_basic: false, ..all }),
            ("/api/v1/http/basicauth", Endpoints { auth_basic: false, ..all }),
            ("/api/v1/custom/h", Endpoints { custom_hooks: false, ..all }),
        ] {
            assert_eq!(route(Get, path.as_bytes(), &endpoints), EMPTY, "{path}");
        }
    }

    #[test]
    fn an_unknown_service_is_a_bad_request_unless_accounts_are_listed() {
        for (query, status) in [
            ("", 400),
            ("mode=no-auth", 400),
            ("mode=list-accounts", 404),
            ("a=b&mode=list-accounts", 404),
        ] {
            assert_eq!(unknown_service_status(query.as_bytes()), status, "{query}");
        }
    }
}
