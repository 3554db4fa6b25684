//! A login as a form: what saslauthd's httpform posts.
//!
//! Its template is the administrator's, `username=%u&password=%p&realm=%r&…`, with every byte but
//! letters and digits as `%XX`. There is no client address: saslauthd does not know it.

use crate::auth::request::Field;
use crate::dialect::input::fields::Fields;
use crate::proto::http::form_pairs;
use std::borrow::Cow;
use zeroize::Zeroize;

/// Reads the form in the body. Where a name comes twice, the first one counts; unknown names are
/// ignored.
pub(super) fn read(fields: &mut Fields<'_>) {
    let mut seen = 0u16;
    let mut realm = Vec::new();
    for (name, value) in form_pairs(fields.body) {
        let Some(at) = NAMES.iter().position(|(known, _)| known.as_bytes() == &*name) else {
            continue;
        };
        if seen & (1 << at) != 0 {
            continue;
        }
        seen |= 1 << at;
        match NAMES.get(at) {
            Some((_, Some(field))) => fields.set(*field, &value),
            _ => realm.extend_from_slice(&value),
        }
        if let Cow::Owned(mut decoded) = value {
            // It may have been the password.
            decoded.zeroize();
        }
    }
    add_realm(fields, &realm);
    fields.set(Field::LocalIp, b"127.0.0.1");
}

/// Cyrus hands user and realm over apart; a user who came with a domain (`saslauthd -r`) keeps it.
fn add_realm(fields: &mut Fields<'_>, realm: &[u8]) {
    let user = fields.get(Field::Username);
    if realm.is_empty() || user.is_empty() || user.contains(&b'@') {
        return;
    }
    let whole = [user, b"@", realm].concat();
    fields.set(Field::Username, &whole);
}

/// Form field, and the request's field that it becomes; `realm` becomes none.
const NAMES: &[(&str, Option<Field>)] = &[
    ("username", Some(Field::Username)),
    ("password", Some(Field::Password)),
    ("protocol", Some(Field::Protocol)),
    ("method", Some(Field::AuthMethod)),
    ("user_agent", Some(Field::UserAgent)),
    ("port", Some(Field::LocalPort)),
    ("tls", Some(Field::Ssl)),
    ("security", Some(Field::SslProtocol)),
    ("realm", None),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::request::{Request, Service};
    use crate::dialect::rejection::Rejection;
    use crate::dialect::testing::{parsed, posted, text};

    const FORM: &str = "application/x-www-form-urlencoded";

    fn form(body: &str) -> Result<Request, Rejection> {
        posted(Service::Saslauthd, "", FORM, body.as_bytes())
    }

    #[test]
    fn every_name_reaches_its_field() {
        let body = "username=a+l%20e&password=%3D%26%2B+%C3%BC&protocol=imap&method=plain&user_agent=sasl&port=143&tls=on&security=TLSv1.2\
                    &x=y&username=eve&local_ip=10.0.0.1";
        for service in [Service::Saslauthd, Service::Json] {
            let request = posted(
                service,
                "",
                "application/x-www-form-urlencoded; charset=utf-8",
                body.as_bytes(),
            )
            .unwrap();
            for (field, value) in [
                (Field::Username, "a l e"),
                (Field::Password, "=&+ ü"),
                (Field::Protocol, "imap"),
                (Field::AuthMethod, "plain"),
                (Field::UserAgent, "sasl"),
                (Field::LocalPort, "143"),
                (Field::LocalIp, "127.0.0.1"),
                (Field::ClientIp, ""),
                (Field::Ssl, "on"),
                (Field::SslProtocol, "TLSv1.2"),
            ] {
                assert_eq!(text(&request, field), value, "{field:?}");
            }
        }
    }

    #[test]
    fn a_realm_completes_a_name_without_domain() {
        for (body, name) in [
            ("username=alice&realm=example.test", "alice@example.test"),
            ("realm=example%2Etest&username=al%20ice", "al ice@example.test"),
            ("username=alice%40other.test&realm=example.test", "alice@other.test"),
            ("username=alice&realm=", "alice"),
            ("username=alice&realm=&realm=second", "alice"),
            ("username=alice", "alice"),
        ] {
            assert_eq!(text(&form(body).unwrap(), Field::Username), name, "{body}");
        }
    }

    #[test]
    fn what_it_must_not_be() {
        for body in [
            "",
            "password=x",
            "username=&realm=r",
            "Username=u",
            "username=a%28b",
            "username=a%zz",
            "username=u&realm=a(b",
        ] {
            assert_eq!(form(body).err(), Some(Rejection::InvalidUsername), "{body}");
        }
        let multipart = posted(Service::Saslauthd, "", "multipart/form-data; boundary=x", b"--x--");
        assert_eq!(multipart.err(), Some(Rejection::UnsupportedMediaType));
        let untyped = parsed(Service::Saslauthd, b"POST /x HTTP/1.1\r\nHost: x\r\n\r\n");
        assert_eq!(untyped.err(), Some(Rejection::UnsupportedMediaType));
    }
}
