//! An authentication request as a client sent it, read into the fields of [`Request`]; or why it cannot be.
//!
//! The one pass over the headers sets spans and copies nothing; only what was encoded is decoded, behind the request's own bytes.
//! Bodies and `Authorization` have their own files. Errors come in the order of specification `http-api.md` 5.8 (the first of them, an
//! endpoint that is switched off, is the router's). Rules: `http-api.md` 5, `deployments.md` 3.1.
//!
//! nginx escapes the credentials it sends, so its service undoes that, first; a base64 flag applies to what comes out. No other service
//! undoes escapes: there `%` is a forbidden character of the username and an ordinary one of the password.

use crate::auth::request::{Field, HttpRequest, Mode, Request, Service, SessionId};
use crate::dialect::headers::{HeaderTable, Slot, Slots};
use crate::dialect::settings::Settings;
use crate::dialect::{basic, body};
use crate::proto::http::{Head, Method, Span, nginx_decode, percent_decode, query_param};
use base64::Engine;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use std::borrow::Cow;
use std::net::SocketAddr;
use zeroize::Zeroizing;

/// Why a request is not even tried. Always the client's fault; [`crate::dialect::fixed::rejection`] is its answer, the text its log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    #[error("unsupported media type")]
    UnsupportedMediaType,
    #[error("malformed JSON body")]
    MalformedBody,
    /// Only the JSON body says which field it misses.
    #[error("username is required")]
    UsernameRequired,
    #[error("malformed base64 password")]
    PasswordEncoding,
    #[error("invalid username")]
    InvalidUsername,
    /// Service `basic` without credentials that can be read.
    #[error("no credentials")]
    NoCredentials,
}

/// A request that nothing is known of yet but its HTTP form: `head` and `body` as they lie in `buffer`. Enough for the router, for hooks
/// and for the access log.
pub fn open(buffer: Vec<u8>, head: Head, body: Span, session: SessionId) -> Request {
    let (path, query) = head.path_and_query(&buffer);
    let decoded = match percent_decode(path) {
        Ok(Cow::Owned(decoded)) => Some(decoded),
        // Nothing to decode; a broken escape does not get past the head's parser.
        _ => None,
    };
    let start = head.target.start();
    let (path, query) = (Span::new(start, path.len()), Span::new(start + path.len() + 1, query.len()));
    let mut request = Request::new(buffer, HttpRequest { head, path, query, body });
    if let Some(decoded) = decoded {
        request.http.path = request.append(&decoded);
    }
    request.session = session;
    request
}

/// Reads a request for `service` out of its own head, query and body. `peer` is the address that a PROXY header named, if the
/// listener demands such headers; without, nobody but the client's headers says where the client is.
///
/// # Errors
/// The first [`Rejection`] in the specification's order. The request then is good for nothing but the access log.
pub fn parse(request: &mut Request, service: Service, settings: &Settings, peer: Option<SocketAddr>) -> Result<(), Rejection> {
    request.service = service;
    read_query(request);
    match service {
        Service::Header | Service::Nginx | Service::User => from_headers(request, settings, peer)?,
        Service::Json | Service::Saslauthd => from_body(request)?,
        Service::Basic => from_authorization(request, settings, peer)?,
        Service::Hook => return Ok(()),
    }
    settle_protocol(request);
    let needs_name = request.mode != Mode::ListAccounts && service != Service::Basic;
    if needs_name && !is_username(request.get(Field::Username)) {
        return Err(Rejection::InvalidUsername);
    }
    finish_mode(request);
    Ok(())
}

/// What the query asks for; anything but the two known modes is an ordinary login.
pub fn mode(query: &[u8]) -> Mode {
    match query_param(query, b"mode").as_deref() {
        Some(b"no-auth") => Mode::NoAuth,
        Some(b"list-accounts") => Mode::ListAccounts,
        _ => Mode::Auth,
    }
}

fn read_query(request: &mut Request) {
    if request.http.query.is_empty() {
        return;
    }
    let query = request.text(request.http.query);
    let off = |name: &[u8]| query_param(query, name).as_deref() == Some(b"0");
    let (mode, no_memory, no_redis) = (mode(query), off(b"in-memory"), off(b"cache"));
    request.mode = mode;
    request.in_memory_cache = !no_memory;
    request.redis_cache = !no_redis;
}

/// Services `header`, `nginx`, and the older `generic/user`.
fn from_headers(request: &mut Request, settings: &Settings, peer: Option<SocketAddr>) -> Result<(), Rejection> {
    let found = collect(request, &settings.headers);
    for field in Field::ALL {
        request.set_span(field, found[field as usize]);
    }
    request.login_attempt = attempts(request.text(found[Slot::LoginAttempt.index()]));
    if request.service == Service::Nginx {
        undo_escapes(request, Field::Username);
        undo_escapes(request, Field::Password);
    }
    if request.text(found[Slot::PasswordEncoded.index()]) == b"1" {
        decode_password(request)?;
    }
    locate_client(request, settings, peer);
    Ok(())
}

/// Service `basic`: the headers tell everything but who it is and for what.
fn from_authorization(request: &mut Request, settings: &Settings, peer: Option<SocketAddr>) -> Result<(), Rejection> {
    let found = collect(request, &settings.headers);
    for field in Field::ALL {
        if !matches!(field, Field::Username | Field::Password | Field::Protocol) {
            request.set_span(field, found[field as usize]);
        }
    }
    request.set(Field::Protocol, b"http");
    locate_client(request, settings, peer);
    let credentials = request.header(b"authorization").next().and_then(basic::credentials).ok_or(Rejection::NoCredentials)?;
    request.set(Field::Username, credentials.user());
    request.set(Field::Password, credentials.password());
    Ok(())
}

/// Services `json` and `saslauthd`: only a POST carries data, and for the account list nobody looks at it.
fn from_body(request: &mut Request) -> Result<(), Rejection> {
    if request.mode == Mode::ListAccounts || request.http.head.method != Method::Post {
        return Ok(());
    }
    body::read(request)
}

/// One look-up per header; where a name comes twice, the first one counts.
fn collect(request: &Request, table: &HeaderTable) -> [Span; Slot::COUNT] {
    let mut found = [Span::default(); Slot::COUNT];
    let mut seen = Slots::default();
    for (name, value) in &request.http.head.headers {
        for slot in seen.claim(table.slots(request.text(*name))) {
            found[slot] = *value;
        }
    }
    found
}

fn undo_escapes(request: &mut Request, field: Field) {
    let sent = request.get(field);
    if sent.contains(&b'%') {
        // A `%` that begins no escape was not written by nginx and stays what it is.
        let decoded = Zeroizing::new(nginx_decode(sent).into_owned());
        request.set(field, &decoded);
    }
}

fn decode_password(request: &mut Request) -> Result<(), Rejection> {
    let sent = request.get(Field::Password);
    let decoded = Zeroizing::new(BASE64.decode(sent).map_err(|_| Rejection::PasswordEncoding)?);
    request.set(Field::Password, &decoded);
    Ok(())
}

/// A number, or 0: the client's count is a hint, never an error.
fn attempts(text: &[u8]) -> u32 {
    let number = std::str::from_utf8(text).ok().and_then(|text| text.parse::<i64>().ok()).unwrap_or(0);
    u32::try_from(number.max(0)).unwrap_or(u32::MAX)
}

/// Where the client is: its headers decide. Without them, and only behind a PROXY header, that header's source; and if that is a
/// trusted proxy, the client that it forwards for.
fn locate_client(request: &mut Request, settings: &Settings, peer: Option<SocketAddr>) {
    let Some(peer) = peer else { return };
    if !request.get(Field::ClientIp).is_empty() {
        return;
    }
    let forwarded = request.header(b"x-forwarded-for").next().filter(|_| settings.trusts(peer.ip()));
    let forwarded = forwarded.and_then(|list| list.split(|byte| *byte == b',').next()).map(|first| first.trim_ascii().to_vec());
    match forwarded {
        Some(client) if !client.is_empty() => {
            request.set(Field::ClientIp, &client);
            request.set(Field::ClientPort, b"N/A");
        }
        _ => {
            request.set(Field::ClientIp, peer.ip().to_canonical().to_string().as_bytes());
            request.set(Field::ClientPort, peer.port().to_string().as_bytes());
        }
    }
}

/// Nobody asks for nothing: a request without a protocol is one for `default`, and the account list has a protocol of its own.
fn settle_protocol(request: &mut Request) {
    if request.mode == Mode::ListAccounts {
        request.set(Field::Protocol, b"account-provider");
    } else if request.get(Field::Protocol).is_empty() {
        request.set(Field::Protocol, b"default");
    }
}

/// A look-up has no password, whatever came along. saslauthd cannot list accounts: what it asks is a login without a name, which
/// the pipeline answers as such.
fn finish_mode(request: &mut Request) {
    match (request.mode, request.service) {
        (Mode::NoAuth, _) => request.set_span(Field::Password, Span::default()),
        (Mode::ListAccounts, Service::Saslauthd) => request.mode = Mode::Auth,
        _ => {}
    }
}

/// One or more characters, none of those that would end a quoted string or a filter expression.
fn is_username(name: &[u8]) -> bool {
    !name.is_empty() && !name.iter().any(|byte| matches!(byte, b'(' | b')' | b'{' | b'}' | b'%' | b'"' | b'\\'))
}

/// URL-safe base64, padded or not; bits left over at the end are ignored, as the reference does.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent).with_decode_allow_trailing_bits(true),
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::testing::{posted, request, text, with_headers};

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
    fn every_header_reaches_its_field() {
        let sent = [
            ("Auth-User", Field::Username, "u"),
            ("Auth-Pass", Field::Password, "p"),
            ("Auth-Protocol", Field::Protocol, "pop3s"),
            ("Auth-Method", Field::AuthMethod, "plain"),
            ("Client-IP", Field::ClientIp, "2001:db8::7"),
            ("X-Client-Port", Field::ClientPort, "40001"),
            ("X-Client-ID", Field::ClientId, "id"),
            ("User-Agent", Field::UserAgent, "proxy/1.0"),
            ("X-Local-IP", Field::LocalIp, "198.51.100.1"),
            ("X-Auth-Port", Field::LocalPort, "995"),
            ("X-OIDC-CID", Field::OidcCid, "cid"),
            ("X-SSL", Field::Ssl, "on"),
            ("X-SSL-Session-ID", Field::SslSessionId, "sid"),
            ("X-SSL-Client-Verify", Field::SslClientVerify, "SUCCESS"),
            ("X-SSL-Client-DN", Field::SslClientDn, "cdn"),
            ("X-SSL-Client-CN", Field::SslClientCn, "ccn"),
            ("X-SSL-Issuer", Field::SslIssuer, "iss"),
            ("X-SSL-Client-NotBefore", Field::SslClientNotBefore, "nb"),
            ("X-SSL-Client-NotAfter", Field::SslClientNotAfter, "na"),
            ("X-SSL-Subject-DN", Field::SslSubjectDn, "sdn"),
            ("X-SSL-Issuer-DN", Field::SslIssuerDn, "idn"),
            ("X-SSL-Client-Subject-DN", Field::SslClientSubjectDn, "csdn"),
            ("X-SSL-Client-Issuer-DN", Field::SslClientIssuerDn, "cidn"),
            ("X-SSL-Protocol", Field::SslProtocol, "TLSv1.3"),
            ("X-SSL-Cipher", Field::SslCipher, "AES"),
            ("Auth-SSL-Serial", Field::SslSerial, "01"),
            ("Auth-SSL-Fingerprint", Field::SslFingerprint, "ff"),
        ];
        let lines: String = sent.iter().map(|(name, _, value)| format!("{name}: {value}\n")).collect();
        let request = with_headers(Service::Header, "", &format!("{lines}Client-Host: claimed\nAuth-Login-Attempt: 3")).unwrap();
        for (name, field, value) in sent {
            assert_eq!(text(&request, field), value, "{name}");
        }
        assert_eq!(request.login_attempt, 3);
        assert_eq!(text(&request, Field::ClientHostname), "");
        assert_eq!((request.mode, request.in_memory_cache, request.redis_cache), (Mode::Auth, true, true));
    }

    #[test]
    fn the_first_of_repeated_headers_counts() {
        let request = with_headers(Service::Header, "", "Auth-User: alice\nauth-user: eve\nAuth-Pass: \nAuth-Pass: other").unwrap();
        assert_eq!((text(&request, Field::Username), text(&request, Field::Password)), ("alice", ""));
        assert_eq!(text(&request, Field::Protocol), "default");
    }

    #[test]
    fn attempts_are_a_number_or_nothing() {
        for (sent, attempts) in [
            ("5", 5),
            ("+5", 5),
            ("0", 0),
            ("-1", 0),
            ("x", 0),
            ("", 0),
            ("1.5", 0),
            ("99999999999", u32::MAX),
            ("99999999999999999999", 0),
        ] {
            let request = with_headers(Service::Header, "", &format!("Auth-User: u\nAuth-Login-Attempt: {sent}")).unwrap();
            assert_eq!(request.login_attempt, attempts, "{sent}");
        }
    }

    #[test]
    fn base64_passwords() {
        for (flag, sent, password) in [
            ("1", "c2VjcmV0", Ok("secret")),
            ("1", "cGHDnz8-", Ok("paß?>")),
            ("1", "YQ==", Ok("a")),
            ("1", "YQ", Ok("a")),
            ("1", "YR", Ok("a")),
            ("1", "", Ok("")),
            ("1", "%%%", Err(Rejection::PasswordEncoding)),
            ("1", "abcde", Err(Rejection::PasswordEncoding)),
            ("1", "cGHDnz8+", Err(Rejection::PasswordEncoding)),
            ("0", "c2VjcmV0", Ok("c2VjcmV0")),
            ("true", "%%%", Ok("%%%")),
            ("", "secret", Ok("secret")),
        ] {
            let headers = format!("Auth-User: u\nAuth-Pass: {sent}\nX-Auth-Password-Encoded: {flag}");
            for service in [Service::Header, Service::Nginx, Service::User] {
                let request = with_headers(service, "", &headers);
                let found = request.as_ref().map(|request| text(request, Field::Password)).map_err(|error| *error);
                assert_eq!(found, password, "{flag} {sent}");
            }
        }
    }

    #[test]
    fn only_nginx_has_its_escapes_undone() {
        for (sent, password) in [("a%20b%25", &b"a b%"[..]), ("a+b=%", b"a+b=%"), ("100%sure", b"100%sure"), ("%e4", b"\xe4")] {
            let request = with_headers(Service::Nginx, "", &format!("Auth-User: al%20ice\nAuth-Pass: {sent}")).unwrap();
            assert_eq!((text(&request, Field::Username), request.get(Field::Password)), ("al ice", password));
        }
        let request = with_headers(Service::Header, "", "Auth-User: alice\nAuth-Pass: a%20b%25").unwrap();
        assert_eq!(text(&request, Field::Password), "a%20b%25");
    }

    #[test]
    fn nginx_escapes_lie_outside_the_base64() {
        let request = with_headers(Service::Nginx, "", "Auth-User: u\nAuth-Pass: c2Vjcm%56%30\nX-Auth-Password-Encoded: 1").unwrap();
        assert_eq!(text(&request, Field::Password), "secret");
    }

    #[test]
    fn some_characters_make_no_username() {
        for name in ["a(b", "a)b", "a{b", "a}b", "a%b", "a%20b", "a\"b", "a\\b", ""] {
            for service in [Service::Header, Service::User] {
                assert_eq!(with_headers(service, "", &format!("Auth-User: {name}")).err(), Some(Rejection::InvalidUsername), "{name}");
            }
        }
        assert_eq!(with_headers(Service::Nginx, "", "Auth-User: a%25b").err(), Some(Rejection::InvalidUsername));
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
            assert_eq!((request.mode, request.in_memory_cache, request.redis_cache), (mode, memory, redis), "{query}");
        }
    }

    #[test]
    fn a_lookup_has_no_password() {
        let request = with_headers(Service::Header, "?mode=no-auth", "Auth-User: u\nAuth-Pass: x").unwrap();
        assert_eq!(text(&request, Field::Password), "");
    }

    #[test]
    fn listing_accounts_needs_no_user_and_has_its_own_protocol() {
        for service in [Service::Header, Service::Nginx, Service::User, Service::Json] {
            let request = with_headers(service, "?mode=list-accounts", "Auth-Protocol: imap").unwrap();
            assert_eq!((request.mode, text(&request, Field::Protocol)), (Mode::ListAccounts, "account-provider"));
        }
        let request = with_headers(Service::Basic, "?mode=list-accounts", "Authorization: Basic YTpi").unwrap();
        assert_eq!((request.mode, text(&request, Field::Protocol)), (Mode::ListAccounts, "account-provider"));
        for body in [&b""[..], b"{}", b"{", b"null"] {
            assert!(posted(Service::Json, "?mode=list-accounts", "text/plain", body).is_ok());
        }
    }

    #[test]
    fn saslauthd_asks_for_a_list_as_for_a_nameless_login() {
        let request = posted(Service::Saslauthd, "?mode=list-accounts", "application/x-www-form-urlencoded", b"username=u").unwrap();
        assert_eq!((request.mode, text(&request, Field::Username)), (Mode::Auth, ""));
    }

    #[test]
    fn a_client_is_where_its_headers_say_else_behind_the_proxy() {
        let far = Some("192.0.2.200:4711".parse().unwrap());
        let near = Some("127.0.0.1:4712".parse().unwrap());
        let mapped = Some("[::ffff:192.0.2.200]:1".parse().unwrap());
        let both = "Client-IP: 192.0.2.9\nX-Client-Port: 1\nX-Forwarded-For: 10.0.0.1";
        for (peer, headers, ip, port) in [
            (None, "X-Forwarded-For: 10.0.0.1", "", ""),
            (None, both, "192.0.2.9", "1"),
            (near, both, "192.0.2.9", "1"),
            (far, "", "192.0.2.200", "4711"),
            (far, "X-Client-Port: 7", "192.0.2.200", "4711"),
            (far, "X-Forwarded-For: 10.0.0.1", "192.0.2.200", "4711"),
            (near, "X-Forwarded-For: 10.0.0.1 , 10.0.0.2", "10.0.0.1", "N/A"),
            (near, "X-Forwarded-For: ", "127.0.0.1", "4712"),
            (mapped, "", "192.0.2.200", "1"),
        ] {
            for (service, who) in
                [(Service::Header, "Auth-User: u"), (Service::Nginx, "Auth-User: u"), (Service::Basic, "Authorization: Basic YTpi")]
            {
                let lines: String = format!("{who}\n{headers}").lines().map(|line| format!("{line}\r\n")).collect();
                let mut request = request(format!("GET /x HTTP/1.1\r\nHost: x\r\n{lines}\r\n").as_bytes());
                parse(&mut request, service, &Settings::default(), peer).unwrap();
                assert_eq!((text(&request, Field::ClientIp), text(&request, Field::ClientPort)), (ip, port), "{peer:?} {headers}");
            }
        }
    }

    #[test]
    fn basic_takes_who_from_authorization_and_the_rest_from_headers() {
        let headers =
            "Authorization: Basic YShiOnA6cA==\nAuth-User: eve\nAuth-Pass: x\nAuth-Protocol: imap\nClient-IP: 192.0.2.9\nX-SSL: on";
        let request = with_headers(Service::Basic, "", headers).unwrap();
        for (field, value) in [
            (Field::Username, "a(b"),
            (Field::Password, "p:p"),
            (Field::Protocol, "http"),
            (Field::ClientIp, "192.0.2.9"),
            (Field::Ssl, "on"),
        ] {
            assert_eq!(text(&request, field), value);
        }
        for headers in ["", "Authorization: Bearer abc", "Authorization: Basic !!!", "Authorization: Basic YWxpY2U="] {
            assert_eq!(with_headers(Service::Basic, "", headers).err(), Some(Rejection::NoCredentials), "{headers}");
        }
        let nameless = with_headers(Service::Basic, "", "Authorization: Basic OnNlY3JldA==").unwrap();
        assert_eq!((text(&nameless, Field::Username), text(&nameless, Field::Password)), ("", "secret"));
    }

    #[test]
    fn a_get_brings_no_body() {
        for service in [Service::Json, Service::Saslauthd] {
            assert_eq!(with_headers(service, "", "Content-Type: application/json").err(), Some(Rejection::InvalidUsername));
        }
    }
}
