//! Where the client is: its address as the request or its connection tells it, in the one form in
//! which everything compares addresses.

use crate::address;
use crate::auth::request::{Field, Request, Service};
use crate::dialect::forwarded;
use crate::dialect::rejection::Rejection;
use crate::dialect::settings::Settings;
use crate::proto::http::Span;
use std::net::{IpAddr, SocketAddr};

/// Where a request comes from, as far as its connection tells.
#[derive(Clone, Copy, Debug, Default)]
pub struct Origin {
    /// If the listener demands PROXY headers: the address that the header names, else the peer's.
    pub proxied: Option<SocketAddr>,
    /// The peer of the connection; `None` on a unix socket.
    pub peer: Option<IpAddr>,
    /// Client certificates at the listener are those of callers, not of users.
    pub certificate_is_callers: bool,
}

/// Where the client is. For services that take its address from the connection
/// (`server.client_address`) that is the peer, or what the configured header says if the peer is a
/// trusted proxy. For the others their headers decide; without them, and only behind a PROXY
/// header, that header's source; and if that is a trusted proxy, the client that it forwards for.
pub(super) fn locate(
    request: &mut Request,
    settings: &Settings,
    origin: Origin,
) -> Result<(), Rejection> {
    if settings.client_address.from_connection.contains(&request.service) {
        return locate_by_connection(request, settings, origin);
    }
    let Some(source) = origin.proxied else { return Ok(()) };
    if !request.get(Field::ClientIp).is_empty() {
        return Ok(());
    }
    let is_trusted = settings.trusts(source.ip());
    let forwarded = is_trusted
        .then(|| forwarded::client(request.header(b"x-forwarded-for"), settings))
        .flatten();
    if is_trusted
        && request.get(Field::Ssl).is_empty()
        && forwarded::is_https(request.header(b"x-forwarded-proto"))
    {
        request.set(Field::Ssl, b"on");
    }
    match forwarded {
        Some(client) => {
            request.set(Field::ClientIp, client.to_string().as_bytes());
            request.set(Field::ClientPort, b"N/A");
        }
        None => {
            request.set(Field::ClientIp, source.ip().to_canonical().to_string().as_bytes());
            request.set(Field::ClientPort, source.port().to_string().as_bytes());
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
pub(super) fn settle(request: &mut Request) -> Result<(), Rejection> {
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

/// Whether the request names a client's address that is none: it is neither judged by its address
/// nor counted.
pub fn has_unknown_client(request: &Request) -> bool {
    let sent = request.get(Field::ClientIp);
    !sent.is_empty() && address::client(sent).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::input::parse;
    use crate::dialect::settings::ClientAddress;
    use crate::dialect::testing::{posted, request, text};

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
            (near, "X-Forwarded-For: 203.0.113.7 , 10.0.0.2", "203.0.113.7", "N/A"),
            (near, "X-Forwarded-For: 203.0.113.7\nX-Forwarded-For: 10.0.0.2", "203.0.113.7", "N/A"),
            (near, "X-Forwarded-For: 10.0.0.1 , 10.0.0.2", "10.0.0.2", "N/A"),
            (near, "X-Forwarded-For: 203.0.113.7, garbage", "127.0.0.1", "4712"),
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
                parse(
                    &mut request,
                    service,
                    &settings,
                    Origin { proxied: peer, ..Origin::default() },
                )
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
    fn a_trusted_proxy_says_that_its_client_speaks_tls() {
        let (near, far) = ("127.0.0.1:4712", "192.0.2.200:4711");
        for (peer, headers, ssl) in [
            (Some(near), "X-Forwarded-Proto: https", "on"),
            (Some(near), "X-Forwarded-Proto: https\r\nX-SSL: yes", "yes"),
            (Some(near), "X-Forwarded-Proto: http", ""),
            (Some(near), "X-Forwarded-Proto: https\r\nClient-IP: 192.0.2.9", ""),
            (Some(far), "X-Forwarded-Proto: https", ""),
            (None, "X-Forwarded-Proto: https", ""),
        ] {
            let head = format!("GET /x HTTP/1.1\r\nHost: x\r\nAuth-User: u\r\n{headers}\r\n\r\n");
            let mut request = request(head.as_bytes());
            let proxied = peer.map(|peer| peer.parse().unwrap());
            let origin = Origin { proxied, ..Origin::default() };
            parse(&mut request, Service::Header, &Settings::default(), origin).unwrap();
            assert_eq!(text(&request, Field::Ssl), ssl, "{peer:?} {headers}");
        }
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
        let origin = Origin { peer: peer.map(|peer| peer.parse().unwrap()), ..Origin::default() };
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
            // It was not set by a trusted peer.
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
}
