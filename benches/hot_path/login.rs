//! The login that all benches are about: what an IMAP proxy sends
//! (`loadtest/pipeline/requests.lua`), and how it ends.

use loligo::auth::attributes::Attributes;
use loligo::auth::login::Login;
use loligo::auth::request::{Field, Service, SessionId};
use loligo::auth::verdict::{PassDb, Success};
use loligo::dialect::envelope::Envelope;
use loligo::dialect::input;
use loligo::dialect::settings::Settings;
use loligo::proto::http::{Framing, Head, Limits, Method, Span, parse_head};
use loligo::value::Value;

/// Fifteen header lines.
pub const REQUEST: &[u8] = b"GET /api/v1/auth/header HTTP/1.1\r\n\
    Host: 127.0.0.1\r\n\
    Auth-User: user0042\r\n\
    Auth-Pass: secret\r\n\
    Auth-Protocol: imap\r\n\
    Auth-Method: plain\r\n\
    Auth-Login-Attempt: 1\r\n\
    Client-IP: 198.51.102.43\r\n\
    X-Client-Port: 20042\r\n\
    X-Client-ID: client-42\r\n\
    X-Local-IP: 192.0.2.10\r\n\
    X-Auth-Port: 993\r\n\
    X-SSL: on\r\n\
    X-SSL-Protocol: TLSv1.3\r\n\
    User-Agent: proxy/1.0\r\n\
    Connection: keep-alive\r\n\r\n";

/// `secret`, salted with `salt`.
pub const STORED_PASSWORD: &[u8] = b"{SSHA256}+E+iFJ27Yu1ODPH1UNKUmzOmUT06dwfghQJRHHnMsO5zYWx0";

/// The reply to HGETALL of the account, as Redis writes it in RESP3.
pub const ACCOUNT: &[u8] = b"%8\r\n\
    $7\r\naccount\r\n$21\r\nuser0042@example.test\r\n\
    $8\r\npassword\r\n$57\r\n{SSHA256}+E+iFJ27Yu1ODPH1UNKUmzOmUT06dwfghQJRHHnMsO5zYWx0\r\n\
    $3\r\nuid\r\n$5\r\n10042\r\n\
    $3\r\ngid\r\n$3\r\n100\r\n\
    $4\r\nhome\r\n$18\r\n/srv/mail/user0042\r\n\
    $5\r\nquota\r\n$2\r\n5G\r\n\
    $4\r\nhost\r\n$10\r\n192.0.2.20\r\n\
    $7\r\nenabled\r\n$1\r\n1\r\n";

/// Around its answer.
pub const ENVELOPE: Envelope<'static> = Envelope {
    framing: Framing { minor: 1, method: Method::Get, keep_alive: true },
    date: b"Sun, 06 Nov 1994 08:49:37 GMT",
    servers_down: false,
};

/// As it comes out of the connection, to be read by a dialect.
pub fn received() -> (Vec<u8>, Head) {
    (REQUEST.to_vec(), parse_head(REQUEST, &Limits::default()).unwrap().unwrap())
}

/// At the start of the pipeline.
pub fn login() -> Login {
    let (buffer, head) = received();
    let mut request = input::open(buffer, head, Span::new(REQUEST.len(), 0), SessionId::default());
    input::parse(&mut request, Service::Header, &Settings::default(), input::Origin::default())
        .unwrap();
    Login::new(request)
}

/// The same of so many users.
pub fn logins(count: usize) -> Vec<Login> {
    let of_user = |number: usize| {
        let mut login = login();
        login.request.set(Field::Username, format!("user{number:04}").as_bytes());
        login
    };
    (0..count).map(of_user).collect()
}

/// At the end of it.
pub fn success() -> Success {
    Success {
        account: b"user0042@example.test".to_vec(),
        account_field: b"account".to_vec(),
        attributes: attributes(),
        passdb: PassDb::Lua,
        backend_name: "__meta_default__".into(),
        ..Success::default()
    }
}

/// What the load test's backend hands out.
pub fn attributes() -> Attributes {
    let mut attributes = Attributes::default();
    for (name, value) in [
        ("account", "user0042@example.test"),
        ("uid", "10042"),
        ("gid", "100"),
        ("home", "/srv/mail/user0042"),
        ("quota", "5G"),
    ] {
        attributes.set_one(name.as_bytes(), Value::string(value));
    }
    attributes
}
