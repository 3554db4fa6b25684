//! The service `basic`: what nginx's `auth_request` passes on of a browser's request.

use crate::auth::request::{Field, Request};
use crate::dialect::basic::credentials;
use crate::dialect::input::client::{self, Origin};
use crate::dialect::input::from_headers::collect;
use crate::dialect::rejection::Rejection;
use crate::dialect::settings::Settings;

/// Reads a request for service `basic`: the headers tell everything but the credentials and the
/// protocol.
///
/// # Errors
/// [`Rejection::ClientAddress`], [`Rejection::NoCredentials`].
pub(super) fn read(
    request: &mut Request,
    settings: &Settings,
    origin: Origin,
) -> Result<(), Rejection> {
    let found = collect(request, &settings.headers);
    for field in Field::ALL {
        if !matches!(field, Field::Username | Field::Password | Field::Protocol) {
            request.set_span(field, found.of(field));
        }
    }
    request.set(Field::Protocol, b"http");
    client::locate(request, settings, origin)?;
    let credentials = request
        .header(b"authorization")
        .next()
        .and_then(credentials)
        .ok_or(Rejection::NoCredentials)?;
    request.set(Field::Username, credentials.user());
    request.set(Field::Password, credentials.password());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::request::Service;
    use crate::dialect::testing::{text, with_headers};

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
}
