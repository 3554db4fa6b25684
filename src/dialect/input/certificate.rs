//! The certificate of the peer, as fields of the request.

use super::client::Origin;
use crate::auth::request::{Field, Request};

/// What the connection's TLS tells of a client certificate. It is the certificate of the peer; what
/// the request says of TLS is about the mail client. So it counts only where the request says
/// nothing at all of TLS, and not where certificates tell which proxy asks. Whether the mail
/// client's own connection is encrypted (`ssl`, `ssl_protocol`, `ssl_cipher`) it never tells.
pub(super) fn take(request: &mut Request, origin: Origin) {
    let Some(facts) = request.tls.clone() else { return };
    let Some(shown) = &facts.certificate else { return };
    if origin.certificate_is_callers
        || SSL_FIELDS.iter().any(|field| !request.get(*field).is_empty())
    {
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
