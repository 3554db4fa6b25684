//! Wire forms: the service `header`.

use crate::login::{ENVELOPE, login, received, success};
use gungraun::{library_benchmark, library_benchmark_group};
use loligo::auth::login::Login;
use loligo::auth::request::{Request, Service, SessionId};
use loligo::auth::verdict::Verdict;
use loligo::dialect::route::{Route, route};
use loligo::dialect::settings::Settings;
use loligo::dialect::{answer, input};
use loligo::proto::http::{Head, Span};
use std::hint::black_box;

// From the bytes and their head to what the pipeline works with.
#[library_benchmark]
#[bench::header(received(), Settings::default())]
fn read_request((buffer, head): (Vec<u8>, Head), settings: Settings) -> (Request, Settings) {
    let body = Span::new(head.len, 0);
    let mut request = input::open(black_box(buffer), head, body, SessionId::default());
    let path = request.text(request.http.path);
    let Route::Auth(service @ Service::Header) = route(request.http.head.method, path, &settings.endpoints) else { panic!("another route") };
    input::parse(&mut request, service, &settings, None).unwrap();
    (request, settings)
}

// From the verdict to the bytes.
#[library_benchmark]
#[bench::header(Vec::with_capacity(4096), Verdict::Success(success()), login(), Settings::default())]
fn compose_success(mut out: Vec<u8>, verdict: Verdict, login: Login, settings: Settings) -> (Vec<u8>, Verdict, Login, Settings) {
    assert_eq!(answer::compose(&mut out, black_box(&verdict), &login, &settings, &ENVELOPE), 200);
    (out, verdict, login, settings)
}

library_benchmark_group!(name = wire_forms, benchmarks = [read_request, compose_success]);
