//! Exact bytes, dialect by dialect: `tests/golden/DIALECT/NAME.req` in, a scripted end of the
//! pipeline, `NAME.res` out.
//!
//! The files are what goes over the wire; `nc HOST PORT < NAME.req` plays one.
//! `LOLIGO_GOLDEN=update cargo test golden` rewrites the `.res` files: read the difference before
//! you commit it. Date and session are fixed. `answer` is also the shortest account of how a worker
//! puts this folder's functions together.

use crate::auth::attributes::Attributes;
use crate::auth::login::{HeaderChange, Login, ScriptResponse};
use crate::auth::request::Mode;
use crate::auth::scripts::ScriptError;
use crate::auth::verdict::{Failure, PassDb, Success, TemporaryReason, Verdict};
use crate::dialect::envelope::Envelope;
use crate::dialect::list_accounts::Format;
use crate::dialect::route::{Route, route, unknown_service_status};
use crate::dialect::settings::Settings;
use crate::dialect::testing::{DATE, SESSION, request};
use crate::dialect::{answer, fixed, hook, input, list_accounts};
use crate::value::Value;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// How the pipeline, the account list or the hook ended.
enum End {
    /// It never came to that.
    None,
    Verdict(Verdict),
    Accounts(&'static [&'static str]),
    Hook(Result<Value, ScriptError>),
}

struct Case {
    name: &'static str,
    end: End,
    settings: Settings,
    servers_down: bool,
    response: ScriptResponse,
}

fn case(name: &'static str, end: End) -> Case {
    Case {
        name,
        end,
        settings: Settings::default(),
        servers_down: false,
        response: ScriptResponse::default(),
    }
}

fn verdict(name: &'static str, verdict: Verdict) -> Case {
    case(name, End::Verdict(verdict))
}

fn hooked(name: &'static str, returned: Value) -> Case {
    case(name, End::Hook(Ok(returned)))
}

fn success() -> Success {
    let mut attributes = Attributes::default();
    attributes.set_one(b"account", Value::string("alice@example.test"));
    Success {
        account: b"alice@example.test".to_vec(),
        account_field: b"account".to_vec(),
        passdb: PassDb::Lua,
        backend_name: "__meta_default__".into(),
        attributes,
        ..Success::default()
    }
}

fn map(members: &[(&str, Value)]) -> Value {
    Value::Map(members.iter().map(|(key, value)| (Value::string(*key), value.clone())).collect())
}

/// Attributes of all types, with names and values that need care.
fn rich() -> Success {
    let mut success = success();
    for (name, value) in [
        ("isAdmin", Value::Bool(true)),
        ("mailHost", Value::string("m1")),
        ("quota", Value::Number(100.5)),
        ("uid", Value::Number(1_000_000.0)),
        ("groups", Value::List(vec![Value::string("g1"), Value::string("g2")])),
        ("limits", map(&[("name", Value::string("x")), ("mail", Value::Number(5.0))])),
        ("lines", Value::string("one\r\ntwo")),
        ("html", Value::string("<b>&\u{2028}")),
        ("raw", Value::string(b"\xff".as_slice())),
        ("nan", Value::Number(f64::NAN)),
        ("empty", Value::string("")),
        ("bad name", Value::string("dropped")),
        ("session", Value::string("not ours")),
    ] {
        success.attributes.set_one(name.as_bytes(), value);
    }
    success
        .attributes
        .set(b"dn", [Value::string("cn=a"), Value::string("cn=b")].into_iter().collect());
    success.totp_secret_field = b"totp".to_vec();
    success.passdb = PassDb::Cache;
    success
}

fn denied(message: &str, attempts: u32) -> Verdict {
    Verdict::Failure(Failure { status_message: message.into(), attempts })
}

fn wrong() -> Verdict {
    denied("Invalid login or password", 0)
}

fn broken() -> Verdict {
    Verdict::Temporary(TemporaryReason::ServerProblem)
}

fn ok() -> Verdict {
    Verdict::Success(success())
}

fn cases() -> Vec<Case> {
    let script = ScriptResponse {
        used: true,
        status: Some(202),
        headers: vec![
            HeaderChange::Set(b"X-Made-By".to_vec(), b"hook".to_vec()),
            HeaderChange::Add(b"X-Many".to_vec(), b"1".to_vec()),
            HeaderChange::Add(b"X-Many".to_vec(), b"2\r\nInjected: yes".to_vec()),
            HeaderChange::Set(b"Content-Length".to_vec(), b"0".to_vec()),
            HeaderChange::Set(b"Auth-Status".to_vec(), b"OK".to_vec()),
        ],
        content_type: None,
        body: b"accepted".to_vec(),
    };
    let error = ScriptError {
        script: "hooks/h.lua".into(),
        message: "h.lua:1: the hook is broken\nstack traceback:\n\t[C]: in function 'error'".into(),
    };
    let monitored = Settings { monitoring: true, ..Settings::default() };
    let chosen = Success { server: Some(("192.0.2.143".into(), 10143)), ..success() };
    let long = Success { account: [b'a'; 600].to_vec(), ..success() };
    let too_long = Success { account: [b'a'; 1024].to_vec(), ..success() };
    vec![
        verdict("header/success", ok()),
        verdict("header/success-attributes", Verdict::Success(rich())),
        verdict(
            "header/success-memory",
            Verdict::Success(Success { memory_hit: true, ..success() }),
        ),
        Case { response: script.clone(), ..verdict("header/success-script-headers", ok()) },
        verdict("header/lookup", ok()),
        verdict("header/failure", denied("Invalid login or password", 4)),
        verdict("header/failure-own-message", denied("Blocked: bad\r\nneighbourhood", 0)),
        verdict("header/temporary", broken()),
        case("header/no-username", End::None),
        case("header/base64-broken", End::None),
        verdict("header/older-path", ok()),
        verdict("nginx/success-imap", ok()),
        verdict("nginx/success-smtp", ok()),
        verdict("nginx/success-escaped", ok()),
        verdict("nginx/success-submission", ok()),
        Case {
            settings: monitored.clone(),
            ..verdict("nginx/monitored-chosen", Verdict::Success(chosen))
        },
        Case { settings: monitored.clone(), ..verdict("nginx/monitored-none-chosen", ok()) },
        Case {
            settings: monitored,
            servers_down: true,
            ..verdict("nginx/monitored-none-alive", ok())
        },
        verdict("nginx/failure", wrong()),
        verdict("nginx/failure-wait", denied("Invalid login or password", 5)),
        Case {
            settings: Settings { wait_delay_s: 0, ..Settings::default() },
            ..verdict("nginx/failure-no-wait", wrong())
        },
        Case {
            settings: Settings { wait_min_s: 2, ..Settings::default() },
            ..verdict("nginx/failure-wait-min", wrong())
        },
        Case {
            settings: Settings { wait_min_s: 2, ..Settings::default() },
            ..verdict("nginx/failure-wait-above-min", denied("Invalid login or password", 40))
        },
        verdict("nginx/failure-long-message", denied(&"ü".repeat(1000), 0)),
        verdict("nginx/failure-says-ok", denied(" OK", 0)),
        verdict("nginx/success-long-account", Verdict::Success(long)),
        verdict("nginx/success-too-long-account", Verdict::Success(too_long)),
        verdict("nginx/temporary-smtp", broken()),
        verdict("nginx/temporary-imap", Verdict::Temporary(TemporaryReason::TlsRequired)),
        verdict("json/success", ok()),
        verdict("json/success-attributes", Verdict::Success(rich())),
        verdict("json/user-path", ok()),
        verdict("json/failure", wrong()),
        verdict("json/temporary", broken()),
        case("json/unsupported-media-type", End::None),
        case("json/username-missing", End::None),
        case("json/null", End::None),
        case("json/broken", End::None),
        case("json/get", End::None),
        verdict("saslauthd/success", ok()),
        verdict("saslauthd/failure", wrong()),
        verdict("saslauthd/temporary", broken()),
        verdict("basic/success", ok()),
        verdict("basic/failure", wrong()),
        verdict("basic/no-username", Verdict::Temporary(TemporaryReason::NoUsername)),
        case("basic/no-credentials", End::None),
        case("list-accounts/json", End::Accounts(&["b@example.test", "a@example.test", "<c>"])),
        case("list-accounts/json-empty", End::Accounts(&[])),
        case("list-accounts/text", End::Accounts(&["e", "b", "d\r\nx", "a"])),
        case("list-accounts/form", End::Accounts(&["only@example.test"])),
        case("list-accounts/other-accept", End::Accounts(&["only@example.test"])),
        hooked(
            "hook/map",
            map(&[
                ("b", Value::string("<x>")),
                ("a", Value::Number(1.0)),
                ("none", Value::List(vec![])),
            ]),
        ),
        hooked("hook/nothing", Value::Nil),
        hooked("hook/text", Value::string("text")),
        hooked("hook/empty", Value::List(vec![])),
        hooked("hook/list", Value::List(vec![Value::Number(1.0), Value::Number(2.0)])),
        hooked("hook/nan", map(&[("n", Value::Number(f64::NAN))])),
        hooked("hook/head", map(&[("a", Value::Number(1.0))])),
        case("hook/error", End::Hook(Err(error))),
        Case {
            response: script,
            ..hooked("hook/own-response", map(&[("ignored", Value::Bool(true))]))
        },
        case("hook/not-found", End::None),
        case("fixed/ping", End::None),
        case("fixed/ping-1-0", End::None),
        case("fixed/unknown-path", End::None),
        case("fixed/unknown-pair", End::None),
        case("fixed/unknown-service", End::None),
        case("fixed/unknown-service-list", End::None),
        case("fixed/wrong-method", End::None),
        case("fixed/head", End::None),
        case("fixed/trailing-slash", End::None),
        case("fixed/trailing-slash-post", End::None),
    ]
}

/// What a worker does with a request, but for the waiting.
fn answer(bytes: &[u8], case: Case) -> Vec<u8> {
    let mut out = Vec::new();
    let mut request = request(bytes);
    let envelope = Envelope {
        servers_down: case.servers_down,
        ..Envelope::new(request.http.head.framing, DATE)
    };
    match route(
        request.http.head.framing.method,
        request.text(request.http.path),
        &case.settings.endpoints,
    ) {
        other @ (Route::Admin(_) | Route::Jwt(_) | Route::Mfa(_)) => {
            panic!("{}: no case for {other:?}", case.name)
        }
        Route::Auth(service) => {
            match input::parse(&mut request, service, &case.settings, input::Origin::default()) {
                Err(rejection) => fixed::rejection(&mut out, rejection, &envelope),
                Ok(()) if request.mode == Mode::ListAccounts => {
                    match (Format::of(&request), case.end) {
                        (None, _) => list_accounts::unacceptable(&mut out, &envelope),
                        (Some(format), End::Accounts(accounts)) => {
                            let accounts = accounts
                                .iter()
                                .map(|account| account.as_bytes().to_vec())
                                .collect();
                            list_accounts::compose(&mut out, accounts, format, &envelope)
                        }
                        _ => panic!("{}: accounts are needed", case.name),
                    }
                }
                Ok(()) => {
                    let login = Login::new(request);
                    login.response.replace(case.response);
                    let End::Verdict(verdict) = case.end else {
                        panic!("{}: a verdict is needed", case.name)
                    };
                    answer::compose(&mut out, &verdict, &login, &case.settings, &envelope)
                }
            }
        }
        Route::Hook { location } => match case.end {
            End::Hook(returned) => {
                hook::compose(&mut out, location, &returned, &case.response, None, &envelope)
            }
            _ => hook::not_found(&mut out, location, &SESSION, &envelope),
        },
        Route::Ping => fixed::ping(&mut out, &envelope),
        Route::Metrics => fixed::metrics(&mut out, b"", &envelope),
        Route::Health => {
            fixed::health(&mut out, r#"{"status":"ok","stores":{"redis":{}}}"#, false, &envelope)
        }
        Route::UnknownService => fixed::empty(
            &mut out,
            unknown_service_status(request.text(request.http.query)),
            &envelope,
        ),
        Route::TrailingSlash { path } => {
            fixed::redirect(&mut out, path, request.text(request.http.query), &envelope)
        }
        Route::NotFound(form) => fixed::not_found(&mut out, form, &envelope),
    };
    out
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

#[test]
fn golden() {
    let update = std::env::var("LOLIGO_GOLDEN").is_ok_and(|value| value == "update");
    let mut differing = Vec::new();
    for case in cases() {
        let name = case.name;
        let bytes = std::fs::read(folder().join(format!("{name}.req")))
            .unwrap_or_else(|error| panic!("{name}.req: {error}"));
        let answer = answer(&bytes, case);
        let expected = folder().join(format!("{name}.res"));
        if update {
            std::fs::write(&expected, &answer).unwrap();
        } else if std::fs::read(&expected).ok().as_deref() != Some(&answer) {
            differing.push(format!("{name}:\n{}", String::from_utf8_lossy(&answer)));
        }
    }
    assert!(
        differing.is_empty(),
        "answers that differ from their .res file:\n{}",
        differing.join("\n\n")
    );
}

#[test]
fn every_golden_file_has_its_case() {
    let cases: BTreeSet<String> = cases().iter().map(|case| case.name.to_owned()).collect();
    let mut files = BTreeSet::new();
    for dialect in std::fs::read_dir(folder())
        .unwrap()
        .map(Result::unwrap)
        .filter(|entry| entry.path().is_dir())
    {
        for file in std::fs::read_dir(dialect.path()).unwrap().map(|entry| entry.unwrap().path()) {
            let stem = file.file_stem().unwrap().to_string_lossy().into_owned();
            files.insert(format!("{}/{stem}", dialect.file_name().to_string_lossy()));
        }
    }
    assert_eq!(files, cases);
}
