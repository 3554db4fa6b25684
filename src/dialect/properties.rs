//! What holds for every input and every verdict: nothing panics, an answer is one well-formed HTTP
//! message, and no byte from a client, a backend or a script becomes a header of its own.

use crate::auth::attributes::Attributes;
use crate::auth::login::{HeaderChange, Login, ScriptResponse};
use crate::auth::request::{Field, Mode, Request, Service};
use crate::auth::scripts::ScriptError;
use crate::auth::verdict::{Failure, Success, TemporaryReason, Verdict};
use crate::dialect::envelope::Envelope;
use crate::dialect::list_accounts::Format;
use crate::dialect::settings::{Endpoints, Settings};
use crate::dialect::testing::{DATE, SESSION, request, with_headers};
use crate::dialect::{answer, fixed, hook, input, list_accounts, route};
use crate::proto::http::{Framing, Method};
use crate::value::Value;
use proptest::prelude::*;

const SERVICES: [Service; 6] = [
    Service::Header,
    Service::Nginx,
    Service::Json,
    Service::User,
    Service::Saslauthd,
    Service::Basic,
];

const HEADERS: &[&str] = &[
    "Auth-User",
    "Auth-Pass",
    "Auth-Protocol",
    "Auth-Login-Attempt",
    "X-Auth-Password-Encoded",
    "Authorization",
    "Client-IP",
    "X-Forwarded-For",
];

/// Bytes of any kind, often with an attempt to begin a new header.
fn hostile() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        any::<Vec<u8>>(),
        "[ -~]{0,40}".prop_map(String::into_bytes),
        (any::<Vec<u8>>(), any::<Vec<u8>>()).prop_map(|(a, b)| [
            &a,
            &b"\r\nInjected: yes\r\n\r\n"[..],
            &b
        ]
        .concat()),
        Just(b"\nInjected: yes".to_vec()),
        Just(b"OK".to_vec()),
        prop::collection::vec(any::<u8>(), 900..1200),
    ]
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Nil),
        any::<bool>().prop_map(Value::Bool),
        any::<f64>().prop_map(Value::Number),
        hostile().prop_map(Value::String),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::List),
            prop::collection::vec((hostile().prop_map(Value::String), inner), 0..4)
                .prop_map(Value::Map),
        ]
    })
}

fn any_attributes() -> impl Strategy<Value = Attributes> {
    prop::collection::vec((hostile(), prop::collection::vec(any_value(), 0..3)), 0..5).prop_map(
        |list| {
            let mut attributes = Attributes::default();
            for (name, values) in list {
                attributes.set(&name, values.into_iter().collect());
            }
            attributes
        },
    )
}

fn any_verdict() -> impl Strategy<Value = Verdict> {
    let server = prop::option::of(("[ -~\r\n]{0,40}", any::<u16>()));
    prop_oneof![
        (hostile(), hostile(), hostile(), any_attributes(), any::<bool>(), server).prop_map(
            |(account, account_field, totp_secret_field, attributes, memory_hit, server)| {
                Verdict::Success(Success {
                    account,
                    account_field,
                    totp_secret_field,
                    attributes,
                    memory_hit,
                    server,
                    ..Success::default()
                })
            }
        ),
        (hostile(), any::<u32>()).prop_map(|(status_message, attempts)| Verdict::Failure(
            Failure { status_message, attempts }
        )),
        prop_oneof![
            Just(TemporaryReason::ServerProblem),
            Just(TemporaryReason::TlsRequired),
            Just(TemporaryReason::NoUsername)
        ]
        .prop_map(Verdict::Temporary),
    ]
}

fn any_response() -> impl Strategy<Value = ScriptResponse> {
    let change = prop_oneof![
        (hostile(), hostile()).prop_map(|(name, value)| HeaderChange::Set(name, value)),
        (
            prop_oneof![
                Just("Auth-Status"),
                Just("Content-Length"),
                Just("transfer-encoding"),
                Just("Connection"),
                Just("X-Ok"),
                Just("Auth-Server")
            ],
            hostile()
        )
            .prop_map(|(name, value)| HeaderChange::Add(name.into(), value)),
        hostile().prop_map(HeaderChange::Remove),
    ];
    let changes = prop::collection::vec(change, 0..5);
    (changes, any::<bool>(), prop::option::of(any::<u16>()), prop::option::of(hostile()), hostile())
        .prop_map(|(headers, used, status, content_type, body)| ScriptResponse {
            used,
            status,
            content_type,
            headers,
            body,
        })
}

fn any_envelope() -> impl Strategy<Value = Envelope<'static>> {
    let method = prop_oneof![Just(Method::Get), Just(Method::Post), Just(Method::Head)];
    (0u8..2, any::<bool>(), method, any::<bool>()).prop_map(
        |(minor, keep_alive, method, servers_down)| Envelope {
            framing: Framing { minor, method, keep_alive },
            date: DATE,
            servers_down,
        },
    )
}

/// An answer taken apart by an independent parser.
struct Parsed {
    status: u16,
    headers: Vec<(String, Vec<u8>)>,
    head_bytes: usize,
}

impl Parsed {
    fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.headers
            .iter()
            .filter(move |(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_slice())
    }

    fn one(&self, name: &'static str) -> Option<&[u8]> {
        let mut values = self.values(name);
        let first = values.next();
        assert!(values.next().is_none(), "{name} comes twice");
        first
    }
}

/// Takes an answer apart; panics unless it is exactly one message.
fn take_apart(out: &[u8], envelope: &Envelope<'_>) -> Parsed {
    let mut table = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut table);
    let Ok(httparse::Status::Complete(head_bytes)) = response.parse(out) else {
        panic!("no HTTP message: {:?}", String::from_utf8_lossy(out))
    };
    let headers = response
        .headers
        .iter()
        .map(|header| (header.name.to_owned(), header.value.to_vec()))
        .collect();
    let parsed = Parsed { status: response.code.unwrap(), headers, head_bytes };
    let length = parsed
        .one("Content-Length")
        .map_or(0, |length| std::str::from_utf8(length).unwrap().parse().unwrap());
    let sent = if envelope.framing.method == Method::Head { 0 } else { length };
    assert_eq!(out.len() - head_bytes, sent, "body and Content-Length differ");
    assert!(parsed.one("Date").is_some());
    assert_eq!(parsed.values("Injected").count() + parsed.values("Transfer-Encoding").count(), 0);
    parsed
}

fn login(service: Service, protocol: &str, response: ScriptResponse) -> Login {
    let mut request = Request::default();
    request.service = service;
    request.session = SESSION;
    request.set(Field::Protocol, protocol.as_bytes());
    let login = Login::new(request);
    login.response.replace(response);
    login
}

proptest! {
    #[test]
    fn any_verdict_is_one_message_that_says_what_it_means(
        verdict in any_verdict(),
        service in prop::sample::select(&SERVICES[..]),
        protocol in prop::sample::select(&["imap", "smtp", "submission", ""][..]),
        response in any_response(),
        envelope in any_envelope(),
        monitoring: bool,
    ) {
        let settings = Settings { monitoring, ..Settings::default() };
        let mut out = Vec::new();
        let status = answer::compose(&mut out, &verdict, &login(service, protocol, response), &settings, &envelope);
        let parsed = take_apart(&out, &envelope);
        prop_assert_eq!(parsed.status, status);
        prop_assert_eq!(parsed.one("X-Nauthilus-Session"), Some(&SESSION.0[..]));
        let says_ok = parsed.one("Auth-Status").unwrap().trim_ascii().eq_ignore_ascii_case(b"OK");
        match &verdict {
            Verdict::Success(success) if says_ok => {
                prop_assert_eq!(status, 200);
                let expected = (service != Service::Basic && !success.account.is_empty()).then(|| success.account.trim_ascii());
                prop_assert_eq!(parsed.one("Auth-User").map(<[u8]>::trim_ascii), expected);
                prop_assert_eq!(parsed.one("Auth-Wait"), None);
            }
            Verdict::Success(_) => prop_assert!(service == Service::Nginx || status == 500),
            _ => {
                prop_assert!(!says_ok);
                prop_assert_eq!(status == 200, service == Service::Nginx);
                for name in ["Auth-User", "Auth-Server", "Auth-Port", "X-Nauthilus-Memory-Cache"] {
                    prop_assert_eq!(parsed.one(name), None);
                }
            }
        }
        if service == Service::Nginx {
            prop_assert!(parsed.head_bytes < 1024, "nginx cannot read a head of {} bytes", parsed.head_bytes);
        }
    }

    #[test]
    fn any_hook_answer_is_one_message(
        returned in prop_oneof![
            any_value().prop_map(Ok),
            "\\PC*".prop_map(|message| Err(ScriptError { script: "h.lua".into(), message })),
        ],
        location in hostile(),
        response in any_response(),
        envelope in any_envelope(),
    ) {
        let mut out = Vec::new();
        let status = hook::compose(&mut out, &location, &returned, &response, None, &envelope);
        prop_assert_eq!(take_apart(&out, &envelope).status, status);
        out.clear();
        hook::not_found(&mut out, &location, &SESSION, &envelope);
        prop_assert_eq!(take_apart(&out, &envelope).status, 404);
    }

    #[test]
    fn any_list_and_redirect_is_one_message(
        accounts in prop::collection::vec(hostile(), 0..5),
        path in hostile(),
        envelope in any_envelope(),
    ) {
        for format in [Format::Json, Format::Text, Format::Form] {
            let mut out = Vec::new();
            list_accounts::compose(&mut out, accounts.clone(), format, &envelope);
            let parsed = take_apart(&out, &envelope);
            if format != Format::Json && envelope.framing.method != Method::Head {
                let body = &out[parsed.head_bytes..];
                prop_assert_eq!(body.iter().filter(|byte| **byte == b'\n').count(), accounts.len());
            }
        }
        let mut out = Vec::new();
        fixed::redirect(&mut out, &path, &path, &envelope);
        take_apart(&out, &envelope);
    }

    #[test]
    fn no_request_panics(
        method in prop::sample::select(&["GET", "POST"][..]),
        query in prop::sample::select(&["", "?mode=no-auth", "?mode=list-accounts", "?in-memory=0&cache=0&mode=%zz"][..]),
        headers in prop::collection::vec((prop::sample::select(HEADERS), "[ -~]{0,30}|1|Basic [A-Za-z0-9+/=]{0,12}"), 0..8),
        content_type in prop::sample::select(&["application/json", "application/x-www-form-urlencoded", "text/plain"][..]),
        body in prop_oneof![
            hostile(),
            r#"\{("(username|PASSWORD|service|x|auth_login_attempt)":("[a-z\\"]{0,6}"|null|1|\[\]|\{\}),?){0,4}\}?"#
                .prop_map(String::into_bytes),
            "((username|password|realm|tls)=[a-z%+@0-9]{0,8}&?){0,5}".prop_map(String::into_bytes),
        ],
        peer in prop::option::of(prop::sample::select(&["127.0.0.1:1", "[2001:db8::1]:65535"][..])),
    ) {
        let lines: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let length = body.len();
        let head = format!(
            "{method} /x{query} HTTP/1.1\r\nHost: x\r\n{lines}Content-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n"
        );
        let bytes = [head.as_bytes(), &body].concat();
        for service in SERVICES {
            let mut request = request(&bytes);
            let origin = input::Origin { proxied: peer.map(|peer| peer.parse().unwrap()), ..Default::default() };
            if input::parse(&mut request, service, &Settings::default(), origin).is_ok() {
                prop_assert!(!request.get(Field::Protocol).is_empty());
                let nameless = request.mode == Mode::ListAccounts || matches!(service, Service::Basic | Service::Saslauthd);
                prop_assert!(nameless || !request.get(Field::Username).is_empty());
                prop_assert!(request.mode != Mode::NoAuth || request.get(Field::Password).is_empty());
            }
        }
    }

    #[test]
    fn any_path_has_a_route(path in prop_oneof![hostile(), "(/|api|v1|auth|custom|header|%|x){0,12}".prop_map(String::into_bytes)]) {
        for method in [Method::Get, Method::Post, Method::Delete, Method::Head, Method::Other] {
            let found = route::route(method, &path, &Endpoints::default());
            prop_assert!(path.starts_with(b"/") || found == route::Route::NotFound(route::NotFound::Text));
        }
    }
}

#[test]
fn a_failure_tells_nothing_about_the_user() {
    let verdict = Verdict::Failure(Failure { status_message: b"no".to_vec(), attempts: 0 });
    for service in SERVICES {
        let login = login(service, "imap", ScriptResponse::default());
        login.facts.borrow_mut().account = b"alice@example.test".to_vec();
        let mut out = Vec::new();
        let head = request(b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n").http.head;
        answer::compose(
            &mut out,
            &verdict,
            &login,
            &Settings::default(),
            &Envelope::new(head.framing, DATE),
        );
        assert!(!String::from_utf8(out).unwrap().contains("alice"), "{service:?}");
    }
}

#[test]
fn a_request_shows_no_password_when_it_is_printed() {
    let request = with_headers(Service::Header, "", "Auth-User: u\nAuth-Pass: hunter2").unwrap();
    assert!(!format!("{request:?}").contains("hunter2"));
}
