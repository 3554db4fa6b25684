//! A verdict as the service's client reads it: status, `Auth-*` headers, body.
//!
//! | Service | success | failure | temporary failure |
//! |---|---|---|---|
//! | `header` | 200, attributes as headers | 403 `null` | 500 reason |
//! | `nginx` | 200, server and port | 200 `null` | 200 reason |
//! | `json`, `generic/user` | 200, attributes as JSON | 403 `null` | 500 `{"error":reason}` |
//! | `saslauthd`, `basic` | 200 | 403 message | 500 reason |
//!
//! nginx takes its verdict from `Auth-Status` and nothing else, shows any text but `OK` to the
//! user, and reads the head into a buffer of 1,024 bytes: past it the login fails without a word.
//! So a message is cut before it gets there, and one that says `OK` is not passed on. An account is
//! never cut or mended, for it would be another account: where it leaves no room, or no header can
//! say it, the answer is a temporary failure. A failure carries `Auth-Wait`, and so does the refusal of
//! a request that is one too many (`overload.rs`), which makes nginx
//! delay its answer and keep the client's connection. Nothing about a user leaves with a failure:
//! no attributes, no password history.

use crate::auth::login::{HeaderChange, Login};
use crate::auth::request::{Field, Service};
use crate::auth::verdict::{Failure, Success, TemporaryReason, Verdict};
use crate::dialect::envelope::{Envelope, JSON, TEXT};
use crate::dialect::settings::Settings;
use crate::dialect::{attributes, json};
use crate::proto::http::Response;

/// Appends the answer to an authentication request or look-up, and says its status.
pub fn compose(
    out: &mut Vec<u8>,
    verdict: &Verdict,
    login: &Login,
    settings: &Settings,
    envelope: &Envelope<'_>,
) -> u16 {
    let answer = Answer { login, settings, envelope };
    match verdict {
        Verdict::Success(success) => answer.success(out, success),
        Verdict::Failure(failure) => answer.failure(out, failure),
        Verdict::Temporary(reason) => answer.temporary(out, *reason),
    }
}

/// Appends the temporary failure of a request that is refused for a while, and says its status.
/// nginx holds its client up for so many seconds, within the bounds for `Auth-Wait`.
pub(super) fn try_later(
    out: &mut Vec<u8>,
    login: &Login,
    wait_s: u32,
    settings: &Settings,
    envelope: &Envelope<'_>,
) -> u16 {
    let is_told = login.request.service == Service::Nginx && settings.wait_delay_s > 0;
    let wait_s = wait_s.max(settings.wait_min_s).min(settings.wait_delay_s);
    let answer = Answer { login, settings, envelope };
    answer.temporary_after(out, TemporaryReason::ServerProblem, is_told.then_some(wait_s))
}

/// `Auth-Wait` in seconds: floor(ceiling × tanh(0.03 × attempts)).
pub fn wait_s(ceiling_s: u32, attempts: u32) -> u32 {
    (f64::from(ceiling_s) * (0.03 * f64::from(attempts)).tanh()).floor() as u32
}

/// What all answers to one request have in common.
struct Answer<'a> {
    login: &'a Login,
    settings: &'a Settings,
    envelope: &'a Envelope<'a>,
}

impl Answer<'_> {
    fn success(&self, out: &mut Vec<u8>, success: &Success) -> u16 {
        if success.account.iter().any(u8::is_ascii_control) {
            return self.temporary(out, TemporaryReason::ServerProblem);
        }
        let start = out.len();
        let no_server = self.service() == Service::Nginx && self.envelope.servers_down;
        let mut response = self.begin(out, 200, if no_server { NO_SERVER } else { b"OK" });
        if self.service() != Service::Basic && !success.account.is_empty() {
            response.header("Auth-User", &success.account);
        }
        response
            .header("X-Nauthilus-Memory-Cache", if success.memory_hit { "Hit" } else { "Miss" });
        match self.service() {
            Service::Header => attributes::headers(&mut response, &success.attributes),
            Service::Nginx if !no_server => self.mail_server(&mut response, success),
            _ => {}
        }
        match self.service() {
            Service::Json | Service::User => {
                response.header("Content-Type", JSON);
                self.envelope.end(response, &json_success(success));
            }
            _ => self.envelope.end(response, &[]),
        }
        if self.service() == Service::Nginx && out.len() - start >= NGINX_HEAD_BYTES {
            out.truncate(start);
            return self.temporary(out, TemporaryReason::ServerProblem);
        }
        200
    }

    fn failure(&self, out: &mut Vec<u8>, failure: &Failure) -> u16 {
        let service = self.service();
        let status = if service == Service::Nginx { 200 } else { 403 };
        let message = message_of(failure);
        let shown =
            if service == Service::Nginx { cut(message, NGINX_MESSAGE_BYTES) } else { message };
        let mut response = self.begin(out, status, shown);
        let speaks_text = matches!(service, Service::Saslauthd | Service::Basic | Service::Hook);
        if !speaks_text && self.settings.wait_delay_s > 0 {
            let wait =
                wait_s(self.settings.wait_delay_s, failure.attempts).max(self.settings.wait_min_s);
            response.header_number("Auth-Wait", u64::from(wait));
        }
        let (content_type, body) = if speaks_text { (TEXT, message) } else { (JSON, &b"null"[..]) };
        response.header("Content-Type", content_type);
        self.envelope.end(response, body);
        status
    }

    fn temporary(&self, out: &mut Vec<u8>, reason: TemporaryReason) -> u16 {
        self.temporary_after(out, reason, None)
    }

    fn temporary_after(
        &self,
        out: &mut Vec<u8>,
        reason: TemporaryReason,
        wait_s: Option<u32>,
    ) -> u16 {
        let service = self.service();
        let status = if service == Service::Nginx { 200 } else { 500 };
        let text = reason.text();
        let mut response = self.begin(out, status, text.as_bytes());
        if service == Service::Nginx && self.login.request.get(Field::Protocol) == b"smtp" {
            response.header("Auth-Error-Code", "451 4.3.0");
        }
        if let Some(wait) = wait_s {
            response.header_number("Auth-Wait", u64::from(wait));
        }
        match service {
            Service::Json | Service::User => {
                let mut body = b"{\"error\":".to_vec();
                json::string(&mut body, text.as_bytes());
                body.push(b'}');
                response.header("Content-Type", JSON);
                self.envelope.end(response, &body);
            }
            _ => {
                response.header("Content-Type", TEXT);
                self.envelope.end(response, text.as_bytes());
            }
        }
        status
    }

    /// Status line and the headers that every verdict has.
    fn begin<'out>(
        &self,
        out: &'out mut Vec<u8>,
        status: u16,
        auth_status: &[u8],
    ) -> Response<'out> {
        let mut response = self.envelope.begin(out, status);
        response.header("Auth-Status", auth_status);
        response.header("X-Nauthilus-Session", self.login.request.session.as_str());
        self.script_headers(&mut response);
        response
    }

    /// Where nginx is to connect: to the server that a filter chose, if servers are monitored, else
    /// to the protocol's own.
    fn mail_server(&self, response: &mut Response<'_>, success: &Success) {
        let server = if self.settings.monitoring {
            success.server.as_ref().map(|(address, port)| (address.as_str(), *port))
        } else {
            let server = self.settings.mail_servers.of(self.login.request.get(Field::Protocol));
            server.map(|server| (server.address.as_str(), server.port))
        };
        if let Some((address, port)) = server {
            response.header("Auth-Server", address).header_number("Auth-Port", u64::from(port));
        }
    }

    /// What features, filters and actions added by `nauthilus_http_response`. Status and body are
    /// the verdict's, and so are the headers that carry it: a script that could write them would
    /// decide a login.
    fn script_headers(&self, response: &mut Response<'_>) {
        let script = self.login.response.borrow();
        if script.headers.is_empty() {
            return;
        }
        let mut room =
            if self.service() == Service::Nginx { NGINX_SCRIPT_BYTES } else { usize::MAX };
        for (name, value) in settle(&script.headers) {
            let bytes = name.len() + value.len() + ": \r\n".len();
            if !is_ours(name) && bytes <= room {
                room -= bytes;
                response.header(name, value);
            }
        }
    }

    fn service(&self) -> Service {
        self.login.request.service
    }
}

/// What the client is told. Nothing, or what a client would take for another verdict, is no
/// message.
fn message_of(failure: &Failure) -> &[u8] {
    let message = failure.status_message.as_slice();
    let is_blank = |byte: &u8| byte.is_ascii_whitespace() || byte.is_ascii_control();
    let mut said = message;
    while let Some((_, rest)) = said.split_first().filter(|(first, _)| is_blank(first)) {
        said = rest;
    }
    while let Some((_, rest)) = said.split_last().filter(|(last, _)| is_blank(last)) {
        said = rest;
    }
    let is_other_verdict = said.eq_ignore_ascii_case(b"OK") || said.eq_ignore_ascii_case(b"WAIT");
    if said.is_empty() || is_other_verdict { DEFAULT_MESSAGE } else { message }
}

/// What is left of a script's header changes, in call order: a later `Set` or `Remove` of a name
/// undoes the earlier ones.
pub(super) fn settle(changes: &[HeaderChange]) -> Vec<(&[u8], &[u8])> {
    let mut headers: Vec<(&[u8], &[u8])> = Vec::with_capacity(changes.len());
    for change in changes {
        match change {
            HeaderChange::Add(name, value) => headers.push((name, value)),
            HeaderChange::Set(name, value) => {
                headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
                headers.push((name, value));
            }
            HeaderChange::Remove(name) => {
                headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name))
            }
        }
    }
    headers
}

/// Headers that frame an answer on its connection: never a script's.
pub(super) fn is_framing(name: &[u8]) -> bool {
    FRAMING.iter().any(|framing| framing.eq_ignore_ascii_case(name))
}

/// Headers of an authentication answer that only the verdict may write.
fn is_ours(name: &[u8]) -> bool {
    let starts = |prefix: &[u8]| {
        name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    };
    is_framing(name)
        || starts(b"auth-")
        || starts(b"content-")
        || OURS.iter().any(|ours| ours.eq_ignore_ascii_case(name))
}

/// The body of the JSON service: keys in the order that clients of the reference see.
fn json_success(success: &Success) -> Vec<u8> {
    let mut body = Vec::with_capacity(256);
    body.extend_from_slice(b"{\"passdb_backend\":");
    body.push(b'0' + success.passdb as u8);
    body.extend_from_slice(b",\"account_field\":");
    json::string(&mut body, &success.account_field);
    body.extend_from_slice(b",\"totp_secret_field\":");
    if success.totp_secret_field.is_empty() {
        body.extend_from_slice(b"null");
    } else {
        json::string(&mut body, &success.totp_secret_field);
    }
    body.extend_from_slice(
        b",\"webauth_userid_field\":null,\"display_name_field\":null,\"attributes\":{",
    );
    for (at, (name, values)) in success.attributes.iter().enumerate() {
        if at > 0 {
            body.push(b',');
        }
        json::string(&mut body, name);
        body.extend_from_slice(b":[");
        for (at, value) in values.iter().enumerate() {
            if at > 0 {
                body.push(b',');
            }
            let start = body.len();
            if json::value(&mut body, value).is_err() {
                // JSON has no NaN; one attribute must not cost the user the login.
                body.truncate(start);
                body.extend_from_slice(b"null");
            }
        }
        body.push(b']');
    }
    body.extend_from_slice(b"}}");
    body
}

/// At most `max` bytes of a text, without cutting a UTF-8 character in two.
fn cut(text: &[u8], max: usize) -> &[u8] {
    let mut end = text.len().min(max);
    while end > 0 && end < text.len() && text.get(end).is_some_and(|byte| byte & 0xc0 == 0x80) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

/// nginx's buffer for our whole head; a head must stay below.
const NGINX_HEAD_BYTES: usize = 1024;

/// What a failure for nginx has besides message and script headers is under 300 bytes, so that all
/// three fit.
const NGINX_MESSAGE_BYTES: usize = 400;
const NGINX_SCRIPT_BYTES: usize = 256;

const DEFAULT_MESSAGE: &[u8] = b"Invalid login or password";

/// What nginx is told instead of `OK` when it could not connect to any mail server anyway.
const NO_SERVER: &[u8] = b"Internal failure";

const FRAMING: [&[u8]; 9] = [
    b"connection",
    b"content-length",
    b"date",
    b"keep-alive",
    b"proxy-connection",
    b"te",
    b"trailer",
    b"transfer-encoding",
    b"upgrade",
];

const OURS: [&[u8]; 3] = [b"www-authenticate", b"x-nauthilus-memory-cache", b"x-nauthilus-session"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_with_the_attempts() {
        for (attempts, wait) in [
            (0, 0),
            (3, 0),
            (4, 1),
            (5, 1),
            (6, 1),
            (9, 2),
            (14, 3),
            (15, 4),
            (40, 8),
            (100, 9),
            (255, 9),
        ] {
            assert_eq!(wait_s(10, attempts), wait, "{attempts}");
        }
        // As nginx was seen to delay: 5, 8, 11 seconds for its attempts 1 to 3.
        assert_eq!([2, 3, 4].map(|attempts| wait_s(100, attempts)), [5, 8, 11]);
    }

    #[test]
    fn messages_are_cut_between_characters() {
        for (text, max, kept) in [
            ("abc", 5, "abc"),
            ("abc", 2, "ab"),
            ("aü", 2, "a"),
            ("aü", 3, "aü"),
            ("€€", 4, "€"),
            ("€", 2, ""),
            ("", 0, ""),
        ] {
            assert_eq!(cut(text.as_bytes(), max), kept.as_bytes(), "{text} {max}");
        }
    }

    #[test]
    fn later_header_changes_win() {
        let (set, add) = (
            |n: &str, v: &str| HeaderChange::Set(n.into(), v.into()),
            |n: &str, v: &str| HeaderChange::Add(n.into(), v.into()),
        );
        let changes = [
            add("X-A", "1"),
            add("x-a", "2"),
            set("X-B", "3"),
            set("x-b", "4"),
            add("X-C", "5"),
            HeaderChange::Remove(b"x-c".to_vec()),
        ];
        let left: Vec<_> = settle(&changes).into_iter().map(|(_, value)| value).collect();
        assert_eq!(left, [b"1", b"2", b"4"]);
    }

    #[test]
    fn scripts_do_not_write_the_verdict() {
        for name in [
            "Auth-Status",
            "auth-user",
            "AUTH-X",
            "Content-Type",
            "content-length",
            "Connection",
            "X-Nauthilus-Session",
            "Date",
        ] {
            assert!(is_ours(name.as_bytes()), "{name}");
        }
        for name in
            ["X-Nauthilus-Bruteforce", "X-Account-Protection", "Authorization", "Retry-After"]
        {
            assert!(!is_ours(name.as_bytes()), "{name}");
        }
    }
}
