//! The answer to a request that is refused before anything is done for it: too many at once, or too
//! many from one address.
//!
//! Clients that wait for a verdict get a temporary failure in their own form, since they would take
//! anything else for a broken server; all others get 429 with `Retry-After` (RFC 6585 4).
//!
//! | Service | too many from one address | too many at once |
//! |---|---|---|
//! | `nginx` | 200, reason and `Auth-Wait` | the same |
//! | `json`, `generic/user`, `saslauthd` | 500, reason | the same |
//! | `header` | 500, reason | 429: what its clients know it by |
//! | `basic`, account lists, hooks, admin, everything else | 429 | 429 |

use crate::auth::login::Login;
use crate::auth::request::{Field, Mode, Request, Service};
use crate::dialect::envelope::Envelope;
use crate::dialect::input::{self, Origin};
use crate::dialect::route::{Route, mode, route};
use crate::dialect::settings::Settings;
use crate::dialect::{answer, fixed};
use std::time::Duration;

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overload {
    /// Its client's address sends too many; the next is served after this time.
    Rate(Duration),
    /// So many are under way, of so many that may be.
    Requests { current: usize, max: usize },
}

impl Overload {
    /// Whole seconds after which to try again, at least one.
    fn retry_after_s(self) -> u64 {
        match self {
            Overload::Rate(wait) => {
                wait.as_millis().div_ceil(1000).max(1).try_into().unwrap_or(u64::MAX)
            }
            // It is unknown how long the others will take; most take less.
            Overload::Requests { .. } => 1,
        }
    }
}

/// Appends the answer to a request that was read, whether for its service or only by its head; says
/// the status.
pub fn refuse(
    out: &mut Vec<u8>,
    overload: Overload,
    request: &mut Request,
    settings: &Settings,
    envelope: &Envelope<'_>,
) -> u16 {
    let path = request.text(request.http.path);
    let service = match route(request.http.head.framing.method, path, &settings.endpoints) {
        Route::Auth(service) => service,
        _ => return plain(out, overload, envelope),
    };
    let is_list = mode(request.text(request.http.query)) == Mode::ListAccounts;
    let is_known_by_429 = service == Service::Header && !matches!(overload, Overload::Rate(_));
    if is_list || is_known_by_429 || matches!(service, Service::Basic | Service::Hook) {
        return plain(out, overload, envelope);
    }
    if request.get(Field::Protocol).is_empty() {
        // Its caller is not known yet, so it was not read; only its protocol is of interest.
        let _ = input::parse(request, service, settings, Origin::default());
    }
    request.service = service;
    let wait_s = u32::try_from(overload.retry_after_s()).unwrap_or(u32::MAX);
    let login = Login::new(std::mem::take(request));
    let status = answer::try_later(out, &login, wait_s, settings, envelope);
    *request = login.request;
    status
}

fn plain(out: &mut Vec<u8>, overload: Overload, envelope: &Envelope<'_>) -> u16 {
    let body = match overload {
        Overload::Rate(_) => "{\"msg\":\"Too many requests\",\"scope\":\"rate\"}".to_owned(),
        Overload::Requests { current, max } => {
            format!("{{\"msg\":\"Too many requests\",\"current\":{current},\"max\":{max}}}")
        }
    };
    fixed::too_many_requests(out, overload.retry_after_s(), &body, envelope)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::testing::{envelope, request};

    const RATE: Overload = Overload::Rate(Duration::from_millis(2500));
    const FULL: Overload = Overload::Requests { current: 3, max: 3 };

    fn answered(overload: Overload, head: &str, settings: &Settings) -> (u16, String) {
        let mut request = request(format!("{head}\r\nHost: x\r\n\r\n").as_bytes());
        let mut out = Vec::new();
        let status = refuse(&mut out, overload, &mut request, settings, &envelope());
        (status, String::from_utf8(out).unwrap())
    }

    #[test]
    fn nginx_is_told_to_wait_and_how_to_say_so() {
        let login = |protocol: &str| {
            format!(
                "GET /api/v1/auth/nginx HTTP/1.1\r\nAuth-User: u\r\nAuth-Pass: p\r\nAuth-Protocol: {protocol}\r\nClient-IP: 192.0.2.1"
            )
        };
        for (overload, wait) in [(RATE, 3), (FULL, 1)] {
            let (status, text) = answered(overload, &login("imap"), &Settings::default());
            assert_eq!(status, 200);
            assert!(
                text.contains("\r\nAuth-Status: Temporary server problem, try again later\r\n")
            );
            assert!(text.contains(&format!("\r\nAuth-Wait: {wait}\r\n")), "{text}");
            assert!(!text.contains("Auth-Server") && !text.contains("Auth-Error-Code"), "{text}");
            let (_, text) = answered(overload, &login("smtp"), &Settings::default());
            assert!(text.contains("\r\nAuth-Error-Code: 451 4.3.0\r\n"), "{text}");
        }
        // No longer than the operator has nginx wait, nor shorter.
        for (delay, least, header) in [
            (10, 0, "Auth-Wait: 3\r\n"),
            (2, 0, "Auth-Wait: 2\r\n"),
            (10, 5, "Auth-Wait: 5\r\n"),
            (0, 0, ""),
        ] {
            let settings =
                Settings { wait_delay_s: delay, wait_min_s: least, ..Settings::default() };
            let (_, text) = answered(RATE, &login("imap"), &settings);
            assert_eq!(text.contains("Auth-Wait"), !header.is_empty(), "{text}");
            assert!(text.contains(header), "{text}");
        }
    }

    #[test]
    fn every_other_service_has_its_form() {
        for (head, by_rate, by_number) in [
            ("GET /api/v1/auth/header HTTP/1.1\r\nAuth-User: u", 500, 429),
            ("POST /api/v1/auth/json HTTP/1.1", 500, 500),
            ("POST /api/v1/auth/saslauthd HTTP/1.1", 500, 500),
            ("GET /api/v1/generic/user HTTP/1.1\r\nAuth-User: u", 500, 500),
            ("GET /api/v1/auth/basic HTTP/1.1", 429, 429),
            ("GET /api/v1/auth/json?mode=list-accounts HTTP/1.1", 429, 429),
            ("GET /api/v1/custom/hook HTTP/1.1", 429, 429),
            ("GET /api/v1/bruteforce/list HTTP/1.1", 429, 429),
            ("POST /api/v1/jwt/token HTTP/1.1", 429, 429),
            ("GET /nowhere HTTP/1.1", 429, 429),
        ] {
            for (overload, expected, seconds) in [(RATE, by_rate, 3), (FULL, by_number, 1)] {
                let (status, text) = answered(overload, head, &Settings::default());
                assert_eq!(status, expected, "{head}");
                let is_verdict =
                    text.contains("Auth-Status: Temporary server problem, try again later\r\n");
                assert_eq!(is_verdict, expected == 500, "{text}");
                let retry = format!("Retry-After: {seconds}\r\n");
                assert_eq!(text.contains(&retry), expected == 429, "{text}");
            }
        }
    }

    #[test]
    fn plain_refusals_say_what_there_is_too_much_of() {
        let hook = "GET /api/v1/custom/hook HTTP/1.1";
        let (_, text) = answered(FULL, hook, &Settings::default());
        assert!(text.ends_with(r#"{"msg":"Too many requests","current":3,"max":3}"#), "{text}");
        let (_, text) = answered(RATE, hook, &Settings::default());
        assert!(text.ends_with(r#"{"msg":"Too many requests","scope":"rate"}"#), "{text}");
    }
}
