//! Wire forms: the service `header`.

use crate::ROUNDS;
use crate::login::{ENVELOPE, login, received, success};
use gungraun::{library_benchmark, library_benchmark_group};
use loligo::auth::login::Login;
use loligo::auth::request::{Service, SessionId};
use loligo::auth::verdict::Verdict;
use loligo::dialect::route::{Route, route};
use loligo::dialect::settings::Settings;
use loligo::dialect::{answer, input};
use loligo::proto::http::{Head, Span};
use std::hint::black_box;

// From the bytes and their head to what the pipeline works with.
#[library_benchmark]
#[bench::header(std::iter::repeat_with(received).take(ROUNDS).collect(), Settings::default())]
fn read_request(requests: Vec<(Vec<u8>, Head)>, settings: Settings) {
    for (buffer, head) in requests {
        let body = Span::new(head.len, 0);
        let mut request = input::open(black_box(buffer), head, body, SessionId::default());
        let path = request.text(request.http.path);
        assert_eq!(
            route(request.http.head.framing.method, path, &settings.endpoints),
            Route::Auth(Service::Header)
        );
        input::parse(&mut request, Service::Header, &settings, input::Origin::default()).unwrap();
        black_box(request);
    }
}

// From the verdict to the bytes.
#[library_benchmark]
#[bench::header(Verdict::Success(success()), login(), Settings::default())]
fn compose_success(verdict: Verdict, login: Login, settings: Settings) {
    let mut out = Vec::new();
    for _ in 0..ROUNDS {
        out.clear();
        assert_eq!(
            answer::compose(&mut out, black_box(&verdict), &login, &settings, &ENVELOPE),
            200
        );
        black_box(&out);
    }
}

library_benchmark_group!(name = wire_forms, benchmarks = [read_request, compose_success]);
