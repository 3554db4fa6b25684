//! The services that are asked by headers: `header`, `nginx`, and the older `generic/user`.
//!
//! nginx escapes the credentials it sends, so its service undoes that first; a base64 flag applies
//! to the result. No other service undoes escapes: there `%` is a forbidden character of the
//! username and an ordinary one of the password.

use crate::auth::request::{Field, Request, Service};
use crate::dialect::headers::{HeaderTable, Slot, Slots};
use crate::dialect::input::client::{self, Origin};
use crate::dialect::rejection::Rejection;
use crate::dialect::settings::Settings;
use crate::proto::http::{Span, nginx_decode};
use base64::Engine;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

/// Reads the fields, then the client's address.
///
/// # Errors
/// [`Rejection::PasswordEncoding`], [`Rejection::ClientAddress`].
pub(super) fn read(
    request: &mut Request,
    settings: &Settings,
    origin: Origin,
) -> Result<(), Rejection> {
    let mut found = collect(request, &settings.headers);
    if request.service == Service::Nginx {
        collect_of_nginx(request, &mut found);
    }
    for field in Field::ALL {
        request.set_span(field, found.of(field));
    }
    request.login_attempt = attempts(request.text(found.at(Slot::LoginAttempt)));
    if request.service == Service::Nginx {
        undo_escapes(request, Field::Username);
        undo_escapes(request, Field::Password);
    }
    if request.text(found.at(Slot::PasswordEncoded)) == b"1" {
        decode_password(request)?;
    }
    client::locate(request, settings, origin)
}

/// The header values found, by slot.
pub(super) struct Found([Span; Slot::COUNT]);

impl Found {
    pub(super) fn of(&self, field: Field) -> Span {
        self.at(Slot::Field(field))
    }

    #[expect(clippy::indexing_slicing, reason = "slots are numbered from 0 to COUNT")]
    fn at(&self, slot: Slot) -> Span {
        self.0[slot.index()]
    }
}

/// One look-up per header; where a name comes twice, the first one counts.
pub(super) fn collect(request: &Request, table: &HeaderTable) -> Found {
    let mut found = Found([Span::default(); Slot::COUNT]);
    let mut seen = Slots::default();
    for (name, value) in &request.http.head.headers {
        for slot in seen.claim(table.slots(request.text(*name))) {
            if let Some(place) = found.0.get_mut(slot) {
                *place = *value;
            }
        }
    }
    found
}

/// What nginx' mail proxy says of its client's TLS by names of its own, where no configured header
/// has said it (ngx_mail_auth_http_module).
fn collect_of_nginx(request: &Request, found: &mut Found) {
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
            .and_then(|(_, field)| found.0.get_mut(*field as usize))
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
    use crate::auth::request::Mode;
    use crate::dialect::testing::{text, with_headers};

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
}
