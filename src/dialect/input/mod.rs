//! An authentication request as a client sent it, read into the fields of [`Request`]; or the
//! [`Rejection`] that says why it cannot be.
//!
//! One pass over the headers sets spans and copies nothing. Only what was encoded is decoded, and
//! appended to the request's own bytes. Each way to send a login has a file: headers
//! ([`from_headers`]), `Authorization` ([`basic`]), and a [`body`] of JSON or a form. The client's
//! address is settled in [`client`].
//!
//! The order of the checks is part of the interface, because the first one that fails chooses the
//! answer: media type, body, password encoding or credentials, look-ups by service `basic`, the
//! client's address, the username.

mod basic;
mod body;
mod certificate;
mod client;
mod fields;
mod form;
mod from_headers;
mod json;

pub use client::{Origin, has_unknown_client};

use crate::auth::request::{Field, HttpRequest, Mode, Request, Service, SessionId};
use crate::dialect::rejection::Rejection;
use crate::dialect::route;
use crate::dialect::settings::Settings;
use crate::proto::http::{Head, Method, Span, percent_decode, query_param};
use std::borrow::Cow;

/// A request that nothing is known of yet but its HTTP form: `head` and `body` as they lie in
/// `buffer`. Enough for the router, for hooks and for the access log.
pub fn open(buffer: Vec<u8>, head: Head, body: Span, session: SessionId) -> Request {
    let (path, query) = head.path_and_query(&buffer);
    let decoded = match percent_decode(path) {
        Ok(Cow::Owned(decoded)) => Some(decoded),
        // Nothing to decode; a broken escape does not get past the head's parser.
        _ => None,
    };
    let start = head.target.start();
    let (path, query) =
        (Span::new(start, path.len()), Span::new(start + path.len() + 1, query.len()));
    let mut request = Request::new(buffer, HttpRequest { head, path, query, body });
    if let Some(decoded) = decoded {
        request.http.path = request.append(&decoded);
    }
    request.session = session;
    request
}

/// Reads a request for `service` out of its own head, query and body, and out of where it comes
/// from.
///
/// # Errors
/// The first [`Rejection`] in the order that the module's head gives. The request is then good for
/// nothing but the access log.
pub fn parse(
    request: &mut Request,
    service: Service,
    settings: &Settings,
    origin: Origin,
) -> Result<(), Rejection> {
    request.service = service;
    read_query(request);
    match service {
        Service::Header | Service::Nginx | Service::User => {
            from_headers::read(request, settings, origin)?
        }
        Service::Json | Service::Saslauthd => from_body(request)?,
        Service::Basic => basic::read(request, settings, origin)?,
        Service::Hook => return Ok(()),
    }
    if service == Service::Basic
        && request.mode != Mode::Auth
        && settings.caller.is_some()
        && !settings.basic_lookups
    {
        return Err(Rejection::Lookup);
    }
    certificate::take(request, origin);
    client::settle(request)?;
    settle_protocol(request);
    let needs_name = request.mode != Mode::ListAccounts && service != Service::Basic;
    if needs_name && !is_username(request.get(Field::Username)) {
        return Err(Rejection::InvalidUsername);
    }
    finish_mode(request);
    Ok(())
}

fn read_query(request: &mut Request) {
    if request.http.query.is_empty() {
        return;
    }
    let query = request.text(request.http.query);
    let off = |name: &[u8]| query_param(query, name).as_deref() == Some(b"0");
    let (mode, no_memory, no_redis) = (route::mode(query), off(b"in-memory"), off(b"cache"));
    request.mode = mode;
    request.in_memory_cache = !no_memory;
    request.redis_cache = !no_redis;
}

/// Services `json` and `saslauthd`: only a POST carries data, and the account list ignores it.
fn from_body(request: &mut Request) -> Result<(), Rejection> {
    if request.mode == Mode::ListAccounts || request.http.head.framing.method != Method::Post {
        return Ok(());
    }
    body::read(request)
}

/// Nobody asks for nothing: a request without a protocol is one for `default`, and the account list
/// has a protocol of its own.
fn settle_protocol(request: &mut Request) {
    if request.mode == Mode::ListAccounts {
        request.set(Field::Protocol, b"account-provider");
    } else if request.get(Field::Protocol).is_empty() {
        request.set(Field::Protocol, b"default");
    }
}

/// A look-up has no password, whatever came along. saslauthd cannot list accounts: what it asks is
/// a login without a name, which the pipeline answers as such.
fn finish_mode(request: &mut Request) {
    match (request.mode, request.service) {
        (Mode::NoAuth, _) => request.set_span(Field::Password, Span::default()),
        (Mode::ListAccounts, Service::Saslauthd) => request.mode = Mode::Auth,
        _ => {}
    }
}

/// One or more characters, none of those that would end a quoted string or a filter expression.
fn is_username(name: &[u8]) -> bool {
    !name.is_empty()
        && !name.iter().any(|byte| matches!(byte, b'(' | b')' | b'{' | b'}' | b'%' | b'"' | b'\\'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::caller::Callers;
    use crate::auth::caller::fingerprint::Fingerprints;
    use crate::dialect::testing::{posted, request, text, with_headers};
    use std::sync::Arc;

    #[test]
    fn path_and_query_are_told_apart_and_the_path_is_decoded() {
        for (target, path, query) in [
            ("/ping", "/ping", ""),
            ("/a%2Fb?x=%2F", "/a/b", "x=%2F"),
            ("/a?", "/a", ""),
            ("/a?b?c", "/a", "b?c"),
            ("http://host/de%6do?q", "/demo", "q"),
        ] {
            let request = request(format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes());
            assert_eq!(request.text(request.http.path), path.as_bytes(), "{target}");
            assert_eq!(request.text(request.http.query), query.as_bytes(), "{target}");
        }
    }

    #[test]
    fn some_characters_make_no_username() {
        for name in ["a(b", "a)b", "a{b", "a}b", "a%b", "a%20b", "a\"b", "a\\b", ""] {
            for service in [Service::Header, Service::User] {
                assert_eq!(
                    with_headers(service, "", &format!("Auth-User: {name}")).err(),
                    Some(Rejection::InvalidUsername),
                    "{name}"
                );
            }
        }
        assert_eq!(
            with_headers(Service::Nginx, "", "Auth-User: a%25b").err(),
            Some(Rejection::InvalidUsername)
        );
        for name in ["a b", "a*&|=b", "jürgen", "a'b", "alice@example.test"] {
            let request = with_headers(Service::Header, "", &format!("Auth-User: {name}")).unwrap();
            assert_eq!(text(&request, Field::Username), name);
        }
    }

    #[test]
    fn the_query_steers() {
        for (query, mode, memory, redis) in [
            ("", Mode::Auth, true, true),
            ("?mode=no-auth", Mode::NoAuth, true, true),
            ("?mode=no-auth&mode=x", Mode::NoAuth, true, true),
            ("?mode=x&mode=no-auth", Mode::Auth, true, true),
            ("?MODE=no-auth", Mode::Auth, true, true),
            ("?mode=No-Auth", Mode::Auth, true, true),
            ("?mode=noauth", Mode::Auth, true, true),
            ("?mode=list-accounts", Mode::ListAccounts, true, true),
            ("?in-memory=0", Mode::Auth, false, true),
            ("?cache=0&in-memory=1", Mode::Auth, true, false),
            ("?cache=off", Mode::Auth, true, true),
            ("?cache=0&in-memory=0&mode=no-auth", Mode::NoAuth, false, false),
        ] {
            let request = with_headers(Service::Header, query, "Auth-User: u").unwrap();
            assert_eq!(
                (request.mode, request.in_memory_cache, request.redis_cache),
                (mode, memory, redis),
                "{query}"
            );
        }
    }

    #[test]
    fn a_lookup_has_no_password() {
        let request =
            with_headers(Service::Header, "?mode=no-auth", "Auth-User: u\nAuth-Pass: x").unwrap();
        assert_eq!(text(&request, Field::Password), "");
    }

    #[test]
    fn listing_accounts_needs_no_user_and_has_its_own_protocol() {
        for service in [Service::Header, Service::Nginx, Service::User, Service::Json] {
            let request =
                with_headers(service, "?mode=list-accounts", "Auth-Protocol: imap").unwrap();
            assert_eq!(
                (request.mode, text(&request, Field::Protocol)),
                (Mode::ListAccounts, "account-provider")
            );
        }
        let request =
            with_headers(Service::Basic, "?mode=list-accounts", "Authorization: Basic YTpi")
                .unwrap();
        assert_eq!(
            (request.mode, text(&request, Field::Protocol)),
            (Mode::ListAccounts, "account-provider")
        );
        for body in [&b""[..], b"{}", b"{", b"null"] {
            assert!(posted(Service::Json, "?mode=list-accounts", "text/plain", body).is_ok());
        }
    }

    #[test]
    fn saslauthd_asks_for_a_list_as_for_a_nameless_login() {
        let request = posted(
            Service::Saslauthd,
            "?mode=list-accounts",
            "application/x-www-form-urlencoded",
            b"username=u",
        )
        .unwrap();
        assert_eq!((request.mode, text(&request, Field::Username)), (Mode::Auth, ""));
    }

    #[test]
    fn service_basic_looks_nobody_up_where_callers_must_say_who_they_are() {
        let ask = |query: &str, settings: &Settings| {
            let head =
                format!("GET /x?{query} HTTP/1.1\r\nHost: x\r\nAuthorization: Basic YTpi\r\n\r\n");
            parse(&mut request(head.as_bytes()), Service::Basic, settings, Origin::default())
        };
        let callers = Callers {
            fingerprints: Fingerprints::new([0; 32]),
            basic: None,
            jwt: None,
            oidc: None,
            certificates: Vec::new(),
        };
        let callers = Settings { caller: Some(Arc::new(callers)), ..Settings::default() };
        let allowed = Settings { basic_lookups: true, ..callers.clone() };
        for query in ["mode=no-auth", "mode=list-accounts"] {
            assert_eq!(ask(query, &Settings::default()), Ok(()), "{query}");
            assert_eq!(ask(query, &callers), Err(Rejection::Lookup), "{query}");
            assert_eq!(ask(query, &allowed), Ok(()), "{query}");
        }
        assert_eq!(ask("", &callers), Ok(()));
    }

    #[test]
    fn a_get_brings_no_body() {
        for service in [Service::Json, Service::Saslauthd] {
            assert_eq!(
                with_headers(service, "", "Content-Type: application/json").err(),
                Some(Rejection::InvalidUsername)
            );
        }
    }
}
