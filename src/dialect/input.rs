//! An authentication request as a client sent it, read into the fields of [`Request`]; or why it
//! cannot be.
//!
//! The one pass over the headers sets spans and copies nothing; only what was encoded is decoded,
//! behind the request's own bytes. Bodies and `Authorization` have their own files. Errors come in
//! the order of specification `http-api.md` 5.8 (the first of them, an endpoint that is switched
//! off, is the router's). Rules: `http-api.md` 5, `deployments.md` 3.1.
//!
//! nginx escapes the credentials it sends, so its service undoes that, first; a base64 flag applies
//! to what comes out. No other service undoes escapes: there `%` is a forbidden character of the
//! username and an ordinary one of the password.

use crate::address;
use crate::auth::request::{Field, HttpRequest, Mode, Request, Service, SessionId};
use crate::dialect::headers::{HeaderTable, Slot, Slots};
use crate::dialect::settings::Settings;
use crate::dialect::{basic, body};
use crate::proto::http::{Head, Method, Span, nginx_decode, percent_decode, query_param};
use base64::Engine;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use zeroize::Zeroizing;

/// Why a request is not even tried. Always the client's fault; [`crate::dialect::fixed::rejection`]
/// is its answer, the text its log line.
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
    #[error("the client's address is none")]
    ClientAddress,
    /// Service `basic` with a mode, where callers must say who they are: its credentials are the
    /// user's.
    #[error("look-ups by service basic are off: server.basic_lookups")]
    Lookup,
}

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

/// Where a request comes from, as far as its connection tells.
#[derive(Clone, Copy, Debug, Default)]
pub struct Origin {
    /// The address that a PROXY header named, if the listener demands such headers.
    pub proxied: Option<SocketAddr>,
    /// The peer of the connection; `None` on a unix socket.
    pub peer: Option<IpAddr>,
}

/// Reads a request for `service` out of its own head, query and body, and out of where it comes
/// from.
///
/// # Errors
/// The first [`Rejection`] in the specification's order. The request then is good for nothing but
/// the access log.
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
            from_headers(request, settings, origin)?
        }
        Service::Json | Service::Saslauthd => from_body(request)?,
        Service::Basic => from_authorization(request, settings, origin)?,
        Service::Hook => return Ok(()),
    }
    if service == Service::Basic
        && request.mode != Mode::Auth
        && settings.caller.is_some()
        && !settings.basic_lookups
    {
        return Err(Rejection::Lookup);
    }
    take_certificate(request, settings);
    settle_client(request)?;
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
fn from_headers(
    request: &mut Request,
    settings: &Settings,
    origin: Origin,
) -> Result<(), Rejection> {
    let mut found = collect(request, &settings.headers);
    if request.service == Service::Nginx {
        collect_of_nginx(request, &mut found);
    }
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
    locate_client(request, settings, origin)?;
    Ok(())
}

/// Service `basic`: the headers tell everything but who it is and for what.
fn from_authorization(
    request: &mut Request,
    settings: &Settings,
    origin: Origin,
) -> Result<(), Rejection> {
    let found = collect(request, &settings.headers);
    for field in Field::ALL {
        if !matches!(field, Field::Username | Field::Password | Field::Protocol) {
            request.set_span(field, found[field as usize]);
        }
    }
    request.set(Field::Protocol, b"http");
    locate_client(request, settings, origin)?;
    let credentials = request
        .header(b"authorization")
        .next()
        .and_then(basic::credentials)
        .ok_or(Rejection::NoCredentials)?;
    request.set(Field::Username, credentials.user());
    request.set(Field::Password, credentials.password());
    Ok(())
}

/// Services `json` and `saslauthd`: only a POST carries data, and for the account list nobody looks
/// at it.
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

/// What nginx' mail proxy says of its client's TLS by names of its own, where no configured header
/// has said it (ngx_mail_auth_http_module).
fn collect_of_nginx(request: &Request, found: &mut [Span; Slot::COUNT]) {
    for (name, value) in &request.http.head.headers {
        let name = request.text(*name);
        let Some(rest) =
            name.get(..NGINX_SSL.len()).filter(|start| start.eq_ignore_ascii_case(NGINX_SSL))
        else {
            continue;
        };
        let rest = name.get(rest.len()..).unwrap_or_default();
        let known = NGINX_SSL_FIELDS.iter().find(|(known, _)| rest.eq_ignore_ascii_case(known));
        if let Some(slot) = known
            .and_then(|(_, field)| found.get_mut(*field as usize))
            .filter(|slot| slot.is_empty())
        {
            *slot = *value;
        }
    }
}

const NGINX_SSL: &[u8] = b"auth-ssl";

/// What follows [`NGINX_SSL`] in the name.
const NGINX_SSL_FIELDS: [(&[u8], Field); 8] = [
    (b"", Field::Ssl),
    (b"-protocol", Field::SslProtocol),
    (b"-cipher", Field::SslCipher),
    (b"-verify", Field::SslClientVerify),
    (b"-subject", Field::SslClientDn),
    (b"-issuer", Field::SslIssuer),
    (b"-serial", Field::SslSerial),
    (b"-fingerprint", Field::SslFingerprint),
];

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
    let number =
        std::str::from_utf8(text).ok().and_then(|text| text.parse::<i64>().ok()).unwrap_or(0);
    u32::try_from(number.max(0)).unwrap_or(u32::MAX)
}

/// Where the client is. For services that take its address from the connection
/// (`server.client_address`) that is the peer, or what the configured header says if the peer is a
/// trusted proxy. For the others their headers decide; without them, and only behind a PROXY
/// header, that header's source; and if that is a trusted proxy, the client that it forwards for.
fn locate_client(
    request: &mut Request,
    settings: &Settings,
    origin: Origin,
) -> Result<(), Rejection> {
    if settings.client_address.from_connection.contains(&request.service) {
        return locate_by_connection(request, settings, origin);
    }
    let Some(peer) = origin.proxied else { return Ok(()) };
    if !request.get(Field::ClientIp).is_empty() {
        return Ok(());
    }
    let forwarded =
        request.header(b"x-forwarded-for").next().filter(|_| settings.trusts(peer.ip()));
    let forwarded = forwarded
        .and_then(|list| list.split(|byte| *byte == b',').next())
        .map(|first| first.trim_ascii().to_vec());
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
    Ok(())
}

/// Nothing that the client itself may have written counts: nginx' `auth_request` passes its headers
/// on.
fn locate_by_connection(
    request: &mut Request,
    settings: &Settings,
    origin: Origin,
) -> Result<(), Rejection> {
    let header = &settings.client_address.header;
    // Who may connect to a unix socket is on this host, and chosen by its mode.
    let peer = origin.proxied.map(|peer| peer.ip()).or(origin.peer);
    let is_trusted = peer.is_none_or(|peer| settings.trusts(peer));
    let address = if header.is_empty() || !is_trusted {
        peer.map(|peer| peer.to_canonical())
    } else {
        let mut values = request.header(header);
        let (first, second) = (values.next(), values.next());
        // A second one may be the client's own.
        Some(
            first
                .filter(|_| second.is_none())
                .and_then(address::client)
                .ok_or(Rejection::ClientAddress)?,
        )
    };
    request.set(
        Field::ClientIp,
        address.map(|address| address.to_string()).unwrap_or_default().as_bytes(),
    );
    request.set(Field::ClientPort, b"N/A");
    Ok(())
}

/// The client's address in the one form in which everything compares it. A client on a unix socket
/// of the mail proxy has none: nginx says `unix:` of it. What is no address would switch protection
/// off without a word, so it is refused where the service needs one; the header services, whose
/// callers send anything, go on as with a client of unknown address ([`has_unknown_client`]).
fn settle_client(request: &mut Request) -> Result<(), Rejection> {
    let sent = request.get(Field::ClientIp);
    if sent.is_empty() {
        return Ok(());
    }
    if sent == b"unix:" {
        request.set_span(Field::ClientIp, Span::default());
        return Ok(());
    }
    match address::client(sent) {
        Some(IpAddr::V4(_)) if sent.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.') => {
            Ok(())
        }
        Some(address) => {
            request.set(Field::ClientIp, address.to_string().as_bytes());
            Ok(())
        }
        None if matches!(request.service, Service::Header | Service::User) => Ok(()),
        None => Err(Rejection::ClientAddress),
    }
}

/// What the connection's TLS tells of a client certificate. It is the certificate of whoever has
/// connected; what the request says of TLS is about the mail client. So it counts only where the
/// request says nothing at all of TLS, and not where certificates tell which proxy asks. Whether the
/// mail client's own connection is encrypted (`ssl`, `ssl_protocol`, `ssl_cipher`) it never tells.
fn take_certificate(request: &mut Request, settings: &Settings) {
    let Some(facts) = request.tls.clone() else { return };
    let Some(shown) = &facts.certificate else { return };
    let is_callers = settings
        .caller
        .as_ref()
        .is_some_and(|callers| callers.knows_certificates_at(facts.listener));
    if is_callers || SSL_FIELDS.iter().any(|field| !request.get(*field).is_empty()) {
        return;
    }
    for (field, text) in [
        (Field::SslClientVerify, "SUCCESS"),
        (Field::SslClientDn, &shown.subject),
        (Field::SslClientCn, &shown.common_name),
        (Field::SslIssuer, &shown.issuer),
        (Field::SslClientNotBefore, &shown.not_before),
        (Field::SslClientNotAfter, &shown.not_after),
        (Field::SslSubjectDn, &shown.subject),
        (Field::SslIssuerDn, &shown.issuer),
        (Field::SslClientSubjectDn, &shown.subject),
        (Field::SslClientIssuerDn, &shown.issuer),
        (Field::SslSerial, &shown.serial),
        (Field::SslFingerprint, &shown.fingerprint),
    ] {
        request.set(field, text.as_bytes());
    }
}

/// All fields about the mail client's TLS.
const SSL_FIELDS: [Field; 16] = [
    Field::Ssl,
    Field::SslSessionId,
    Field::SslClientVerify,
    Field::SslClientDn,
    Field::SslClientCn,
    Field::SslIssuer,
    Field::SslClientNotBefore,
    Field::SslClientNotAfter,
    Field::SslSubjectDn,
    Field::SslIssuerDn,
    Field::SslClientSubjectDn,
    Field::SslClientIssuerDn,
    Field::SslProtocol,
    Field::SslCipher,
    Field::SslSerial,
    Field::SslFingerprint,
];

/// Whether the request names a client's address that is none: it is neither judged by its address
/// nor counted.
pub fn has_unknown_client(request: &Request) -> bool {
    let sent = request.get(Field::ClientIp);
    !sent.is_empty() && address::client(sent).is_none()
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

/// URL-safe base64, padded or not; bits left over at the end are ignored, as the reference does.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::caller::Callers;
    use crate::auth::caller::fingerprint::Fingerprints;
    use crate::dialect::settings::ClientAddress;
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
        let lines: String =
            sent.iter().map(|(name, _, value)| format!("{name}: {value}\n")).collect();
        let request = with_headers(
            Service::Header,
            "",
            &format!("{lines}Client-Host: claimed\nAuth-Login-Attempt: 3"),
        )
        .unwrap();
        for (name, field, value) in sent {
            assert_eq!(text(&request, field), value, "{name}");
        }
        assert_eq!(request.login_attempt, 3);
        assert_eq!(text(&request, Field::ClientHostname), "");
        assert_eq!(
            (request.mode, request.in_memory_cache, request.redis_cache),
            (Mode::Auth, true, true)
        );
    }

    #[test]
    fn the_first_of_repeated_headers_counts() {
        let request = with_headers(
            Service::Header,
            "",
            "Auth-User: alice\nauth-user: eve\nAuth-Pass: \nAuth-Pass: other",
        )
        .unwrap();
        assert_eq!(
            (text(&request, Field::Username), text(&request, Field::Password)),
            ("alice", "")
        );
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
            let request = with_headers(
                Service::Header,
                "",
                &format!("Auth-User: u\nAuth-Login-Attempt: {sent}"),
            )
            .unwrap();
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
            let headers =
                format!("Auth-User: u\nAuth-Pass: {sent}\nX-Auth-Password-Encoded: {flag}");
            for service in [Service::Header, Service::Nginx, Service::User] {
                let request = with_headers(service, "", &headers);
                let found = request
                    .as_ref()
                    .map(|request| text(request, Field::Password))
                    .map_err(|error| *error);
                assert_eq!(found, password, "{flag} {sent}");
            }
        }
    }

    #[test]
    fn only_nginx_has_its_escapes_undone() {
        for (sent, password) in [
            ("a%20b%25", &b"a b%"[..]),
            ("a+b=%", b"a+b=%"),
            ("100%sure", b"100%sure"),
            ("%e4", b"\xe4"),
        ] {
            let request = with_headers(
                Service::Nginx,
                "",
                &format!("Auth-User: al%20ice\nAuth-Pass: {sent}"),
            )
            .unwrap();
            assert_eq!(
                (text(&request, Field::Username), request.get(Field::Password)),
                ("al ice", password)
            );
        }
        let request =
            with_headers(Service::Header, "", "Auth-User: alice\nAuth-Pass: a%20b%25").unwrap();
        assert_eq!(text(&request, Field::Password), "a%20b%25");
    }

    #[test]
    fn nginx_escapes_lie_outside_the_base64() {
        let request = with_headers(
            Service::Nginx,
            "",
            "Auth-User: u\nAuth-Pass: c2Vjcm%56%30\nX-Auth-Password-Encoded: 1",
        )
        .unwrap();
        assert_eq!(text(&request, Field::Password), "secret");
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
            let settings = Settings { client_address: believing_headers(), ..Settings::default() };
            for (service, who) in [
                (Service::Header, "Auth-User: u"),
                (Service::Nginx, "Auth-User: u"),
                (Service::Basic, "Authorization: Basic YTpi"),
            ] {
                let lines: String =
                    format!("{who}\n{headers}").lines().map(|line| format!("{line}\r\n")).collect();
                let mut request =
                    request(format!("GET /x HTTP/1.1\r\nHost: x\r\n{lines}\r\n").as_bytes());
                parse(&mut request, service, &settings, Origin { proxied: peer, peer: None })
                    .unwrap();
                assert_eq!(
                    (text(&request, Field::ClientIp), text(&request, Field::ClientPort)),
                    (ip, port),
                    "{peer:?} {headers}"
                );
            }
        }
    }

    #[test]
    fn basic_takes_who_from_authorization_and_the_rest_from_headers() {
        let headers = "Authorization: Basic YShiOnA6cA==\nAuth-User: eve\nAuth-Pass: x\nAuth-Protocol: imap\nClient-IP: 192.0.2.9\nX-SSL: on";
        let request = with_headers(Service::Basic, "", headers).unwrap();
        for (field, value) in [
            (Field::Username, "a(b"),
            (Field::Password, "p:p"),
            (Field::Protocol, "http"),
            // Not what the client itself may have written.
            (Field::ClientIp, ""),
            (Field::Ssl, "on"),
        ] {
            assert_eq!(text(&request, field), value);
        }
        for headers in [
            "",
            "Authorization: Bearer abc",
            "Authorization: Basic !!!",
            "Authorization: Basic YWxpY2U=",
        ] {
            assert_eq!(
                with_headers(Service::Basic, "", headers).err(),
                Some(Rejection::NoCredentials),
                "{headers}"
            );
        }
        let nameless =
            with_headers(Service::Basic, "", "Authorization: Basic OnNlY3JldA==").unwrap();
        assert_eq!(
            (text(&nameless, Field::Username), text(&nameless, Field::Password)),
            ("", "secret")
        );
    }

    fn believing_headers() -> ClientAddress {
        ClientAddress { from_connection: Vec::new(), header: Vec::new() }
    }

    /// What a request of these header lines for `service` says of its client's address, sent by
    /// `peer`.
    fn client_of(
        service: Service,
        headers: &str,
        settings: &Settings,
        peer: Option<&str>,
    ) -> Result<String, Rejection> {
        let lines: String = headers.lines().map(|line| format!("{line}\r\n")).collect();
        let who = "Auth-User: u\r\nAuthorization: Basic YTpi";
        let mut request =
            request(format!("GET /x HTTP/1.1\r\nHost: x\r\n{who}\r\n{lines}\r\n").as_bytes());
        let origin = Origin { proxied: None, peer: peer.map(|peer| peer.parse().unwrap()) };
        parse(&mut request, service, settings, origin)?;
        Ok(text(&request, Field::ClientIp).to_owned())
    }

    #[test]
    fn a_clients_address_has_one_form_and_is_an_address_where_the_service_needs_one() {
        let settings = Settings::default();
        for (sent, address) in [
            ("198.51.100.7", Some("198.51.100.7")),
            ("198.51.100.7:1234", Some("198.51.100.7")),
            ("[2001:DB8::7]:1234", Some("2001:db8::7")),
            ("fe80::1%eth0", Some("fe80::1")),
            ("::ffff:127.0.0.1", Some("127.0.0.1")),
            ("unix:", Some("")),
            ("198.51.100.007", None),
            ("198.51.100.7, 192.0.2.1", None),
            ("198.51.100.7 x", None),
            ("garbage", None),
        ] {
            let headers = format!("Client-IP: {sent}");
            let nginx = client_of(Service::Nginx, &headers, &settings, None);
            assert_eq!(nginx, address.map(str::to_owned).ok_or(Rejection::ClientAddress), "{sent}");
            // The header services go on, and the operator is told.
            let header = client_of(Service::Header, &headers, &settings, None).unwrap();
            assert_eq!(header, address.unwrap_or(sent), "{sent}");
            let body = format!(r#"{{"username":"u","password":"p","client_ip":"{sent}"}}"#);
            let json = posted(Service::Json, "", "application/json", body.as_bytes());
            assert_eq!(json.err(), address.is_none().then_some(Rejection::ClientAddress), "{sent}");
        }
    }

    #[test]
    fn basic_takes_the_clients_address_from_the_connection_or_a_trusted_proxys_header() {
        let by_header = |from_connection: Vec<Service>| Settings {
            client_address: ClientAddress { from_connection, header: b"x-real-ip".to_vec() },
            ..Settings::default()
        };
        let (plain, named) = (Settings::default(), by_header(vec![Service::Basic]));
        let lie = "Client-IP: 192.0.2.66\nX-Forwarded-For: 192.0.2.66";
        let both = format!("{lie}\nX-Real-IP: 198.51.100.7");
        for (settings, headers, peer, expected) in [
            (&plain, lie, Some("127.0.0.1"), Ok("127.0.0.1")),
            (&plain, lie, Some("::ffff:203.0.113.5"), Ok("203.0.113.5")),
            (&plain, lie, None, Ok("")),
            (&named, both.as_str(), Some("127.0.0.1"), Ok("198.51.100.7")),
            (&named, both.as_str(), None, Ok("198.51.100.7")),
            // Nobody whom we trust has set it.
            (&named, both.as_str(), Some("203.0.113.5"), Ok("203.0.113.5")),
            (&named, lie, Some("127.0.0.1"), Err(Rejection::ClientAddress)),
            (&named, "X-Real-IP: garbage", Some("127.0.0.1"), Err(Rejection::ClientAddress)),
            (
                &named,
                "X-Real-IP: 198.51.100.7\nX-Real-IP: 198.51.100.8",
                Some("127.0.0.1"),
                Err(Rejection::ClientAddress),
            ),
        ] {
            assert_eq!(
                client_of(Service::Basic, headers, settings, peer),
                expected.map(str::to_owned),
                "{headers} {peer:?}"
            );
        }
        // Other services as the configuration says.
        assert_eq!(
            client_of(Service::Nginx, lie, &plain, Some("127.0.0.1")).unwrap(),
            "192.0.2.66"
        );
        assert_eq!(
            client_of(Service::Nginx, lie, &by_header(vec![Service::Nginx]), Some("203.0.113.5"))
                .unwrap(),
            "203.0.113.5"
        );
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
    fn nginx_tells_of_tls_by_names_of_its_own() {
        let headers = "Auth-User: u\nAuth-SSL: on\nAuth-SSL-Protocol: TLSv1.3\nAUTH-SSL-CIPHER: TLS_AES_256_GCM_SHA384\n\
            Auth-SSL-Verify: SUCCESS\nAuth-SSL-Subject: CN=a\nAuth-SSL-Issuer: CN=b\nAuth-SSL-Serial: 1\nAuth-SSL-Fingerprint: 2\nAuth-SSL-Cert: x";
        let fields = [
            (Field::Ssl, "on"),
            (Field::SslProtocol, "TLSv1.3"),
            (Field::SslCipher, "TLS_AES_256_GCM_SHA384"),
            (Field::SslClientVerify, "SUCCESS"),
            (Field::SslClientDn, "CN=a"),
            (Field::SslIssuer, "CN=b"),
            (Field::SslSerial, "1"),
            (Field::SslFingerprint, "2"),
        ];
        let request = with_headers(Service::Nginx, "", headers).unwrap();
        for (field, value) in fields {
            assert_eq!(text(&request, field), value);
        }
        // A configured header wins; another service's client has no such names.
        let configured =
            with_headers(Service::Nginx, "", &format!("{headers}\nX-SSL: off")).unwrap();
        assert_eq!(text(&configured, Field::Ssl), "off");
        let other = with_headers(Service::Header, "", headers).unwrap();
        assert_eq!((text(&other, Field::Ssl), text(&other, Field::SslProtocol)), ("", ""));
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
