//! What there is to say about a request afterwards: the authentication line, further log lines,
//! what the counters need.
//!
//! The pipeline fills a [`Report`]; the worker has it written and counted. Nothing is formatted
//! before the fields are read, and then without allocating. A password is in none of them: error
//! texts of scripts are searched for it.

use crate::auth::login::{LogValue, Login};
use crate::auth::request::{Field, Mode};
use crate::auth::scripts::{ScriptError, StageKind};
use crate::auth::verdict::PassDb;
use crate::masking;
use crate::metrics::LabelId;
use std::borrow::Cow;
use std::io::Write;
use std::time::Duration;

/// One request, as log and metrics see it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    pub ending: Ending,
    /// Who found the user, wrong password included; empty if there is none.
    pub backend_name: String,
    /// Where the user came from this time: [`PassDb::Memory`] on a hit, unlike in the verdict.
    pub passdb: PassDb,
    /// Login attempts as the answer counts them.
    pub password_retries: u32,
    /// What the in-process cache said.
    pub cache: CacheUse,
    /// The bucket that was full, if one was.
    pub brute_force: Option<BruteForceUse>,
    /// What the password histories say.
    pub passwords: PasswordsSeen,
    /// What blocklists said about the client.
    pub listings: Vec<Listing>,
    /// Lines of their own besides the authentication line, in order.
    pub events: Vec<Event>,
}

/// The answer of one blocklist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listing {
    pub list: LabelId,
    /// From the question to the answer.
    pub elapsed: Duration,
    /// The client is on the list.
    pub found: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ending {
    Success,
    #[default]
    Failure,
    Temporary,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CacheUse {
    /// Not asked.
    #[default]
    Unused,
    Hit,
    Miss,
}

/// A login that met a full bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BruteForceUse {
    pub bucket: LabelId,
    /// It went on as the repetition of one wrong password.
    pub exempted: bool,
}

/// Wrong passwords in the histories, this one included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PasswordsSeen {
    /// How often this one was sent.
    pub retries: u32,
    /// Different ones for this account from this address, and in all.
    pub of_account: u64,
    pub total: u64,
}

/// How a request counts in `logins_total` and the counters per protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tally {
    Accepted,
    Rejected,
}

impl Report {
    /// Visits the fields of the authentication line in their order; [`Report::pairs`] follow.
    /// `latency` is the time since the request came in. A listing has but its first two fields.
    pub fn fields(
        &self,
        login: &Login,
        latency: Duration,
        visit: &mut dyn FnMut(&str, FieldValue<'_>),
    ) {
        let request = &login.request;
        text(visit, "session", request.session.as_str().as_bytes());
        text(visit, "mode", request.mode.name().as_bytes());
        if request.mode == Mode::ListAccounts {
            return;
        }
        text(visit, "backend_name", self.backend_name.as_bytes());
        for (name, field) in CLIENT_FIELDS {
            text(visit, name, request.get(field));
        }
        text(visit, "passdb_backend", self.passdb.name().as_bytes());
        visit("current_password_retries", FieldValue::Count(self.password_retries.into()));
        visit("account_passwords_seen", FieldValue::Count(self.passwords.of_account));
        visit("total_passwords_seen", FieldValue::Count(self.passwords.total));
        text(visit, "user_agent", request.get(Field::UserAgent));
        text(visit, "client_id", request.get(Field::ClientId));
        {
            let facts = login.facts.borrow();
            text(visit, "brute_force_bucket", facts.brute_force_bucket.as_bytes());
            text(visit, "feature", facts.feature.as_bytes());
        }
        // Scripts write this and the pairs, and some quote what they should not.
        text(visit, "status_message", &without_password(&login.status_message.borrow(), login));
        text(visit, "uri_path", request.text(request.http.path));
        text(visit, "authenticated", self.authenticated(request.mode).as_bytes());
        duration_text(latency, |latency| text(visit, "latency", latency));
    }

    /// Visits the pairs that features and scripts added, in their order; they follow the fields.
    /// Keys may be any text.
    pub fn pairs(&self, login: &Login, visit: &mut dyn FnMut(&str, FieldValue<'_>)) {
        if login.request.mode == Mode::ListAccounts {
            return;
        }
        for (name, value) in login.custom_log.borrow().iter() {
            match value {
                LogValue::Text(text) => {
                    visit(name, FieldValue::Text(&without_password(text, login)))
                }
                value => visit(name, value.into()),
            }
        }
    }

    /// The protocol's counter to raise; temporary failures and successful lookups are not counted.
    pub fn tally(&self, mode: Mode) -> Option<Tally> {
        match (self.ending, mode) {
            (_, Mode::ListAccounts) | (Ending::Temporary, _) | (Ending::Success, Mode::NoAuth) => {
                None
            }
            (Ending::Success, Mode::Auth) => Some(Tally::Accepted),
            (Ending::Failure, _) => Some(Tally::Rejected),
        }
    }

    fn authenticated(&self, mode: Mode) -> &'static str {
        match (self.ending, mode) {
            (Ending::Success, Mode::NoAuth) => NOT_AVAILABLE,
            (Ending::Success, _) => "ok",
            (Ending::Failure, _) => "fail",
            (Ending::Temporary, _) => "tempfail",
        }
    }
}

/// A log value, before any log format.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FieldValue<'a> {
    Text(&'a [u8]),
    Count(u64),
    Number(f64),
    Bool(bool),
}

impl<'a> From<&'a LogValue> for FieldValue<'a> {
    fn from(value: &'a LogValue) -> FieldValue<'a> {
        match value {
            LogValue::Text(text) => FieldValue::Text(text),
            LogValue::Number(n) => FieldValue::Number(*n),
            LogValue::Bool(b) => FieldValue::Bool(*b),
            LogValue::Unsupported => FieldValue::Text(b"UNSUPPORTED"),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    Error,
    Warn,
    Info,
}

/// One log line besides the authentication line.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    pub level: Level,
    pub message: Cow<'static, str>,
    /// After the session.
    pub fields: Vec<(Cow<'static, str>, LogValue)>,
}

impl Event {
    pub fn new(level: Level, message: impl Into<Cow<'static, str>>) -> Event {
        Event { level, message: message.into(), fields: Vec::new() }
    }

    /// A script that did not come to its end. The login's password, should the text quote it, is
    /// blotted out.
    pub fn script_failed(stage: StageKind, error: &ScriptError, login: &Login) -> Event {
        Event::new(Level::Error, "Lua script failed")
            .with("stage", stage.name())
            .with("script", error.script.as_str())
            .with("error", &*without_password(error.message.as_bytes(), login))
    }

    /// Appends a field.
    pub fn with(mut self, name: impl Into<Cow<'static, str>>, text: impl Into<Vec<u8>>) -> Event {
        self.fields.push((name.into(), LogValue::Text(text.into())));
        self
    }

    /// Visits the session and then the fields in their order.
    pub fn fields(&self, login: &Login, visit: &mut dyn FnMut(&str, FieldValue<'_>)) {
        visit("session", FieldValue::Text(login.request.session.as_str().as_bytes()));
        for (name, value) in &self.fields {
            visit(name, value.into());
        }
    }
}

fn text(visit: &mut dyn FnMut(&str, FieldValue<'_>), name: &str, text: &[u8]) {
    visit(name, FieldValue::Text(if text.is_empty() { NOT_AVAILABLE.as_bytes() } else { text }));
}

fn without_password<'a>(text: &'a [u8], login: &Login) -> Cow<'a, [u8]> {
    masking::without(text, login.request.get(Field::Password), login.request.get(Field::Username))
}

/// Text of a duration as Go writes it: `2.061497ms`, `1.5s`, `1h2m3s`; on the stack.
fn duration_text(duration: Duration, with: impl FnOnce(&[u8])) {
    let nanos = duration.as_nanos();
    let (unit, digits, name) = match nanos {
        0 => (1, 0, "s"),
        1..=999 => (1, 0, "ns"),
        1_000..=999_999 => (1_000, 3, "µs"),
        1_000_000..=999_999_999 => (1_000_000, 6, "ms"),
        _ => (1_000_000_000, 9, "s"),
    };
    let mut buffer = [0; 64];
    let mut rest = buffer.as_mut_slice();
    let (mut whole, mut fraction, mut width) = (nanos / unit, nanos % unit, digits);
    while width > 0 && fraction.is_multiple_of(10) {
        (fraction, width) = (fraction / 10, width - 1);
    }
    let mut write = |part: std::fmt::Arguments<'_>| rest.write_fmt(part).unwrap_or_default();
    if whole >= 3600 && digits == 9 {
        write(format_args!("{}h", whole / 3600));
    }
    if whole >= 60 && digits == 9 {
        write(format_args!("{}m", whole / 60 % 60));
        whole %= 60;
    }
    write(format_args!("{whole}"));
    if width > 0 {
        write(format_args!(".{fraction:0width$}"));
    }
    write(format_args!("{name}"));
    let left = rest.len();
    let written = buffer.len() - left;
    with(buffer.get(..written).unwrap_or_default());
}

/// What an empty field reads.
const NOT_AVAILABLE: &str = "N/A";

/// From `protocol` to `username`, as they follow each other in the line.
const CLIENT_FIELDS: [(&str, Field); 10] = [
    ("protocol", Field::Protocol),
    ("local_ip", Field::LocalIp),
    ("port", Field::LocalPort),
    ("client_ip", Field::ClientIp),
    ("client_port", Field::ClientPort),
    ("client_host", Field::ClientHostname),
    ("tls_protocol", Field::SslProtocol),
    ("tls_cipher", Field::SslCipher),
    ("auth_method", Field::AuthMethod),
    ("username", Field::Username),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_as_go_writes_them() {
        for (nanos, text) in [
            (0, "0s"),
            (1, "1ns"),
            (999, "999ns"),
            (1_000, "1µs"),
            (12_300, "12.3µs"),
            (2_061_497, "2.061497ms"),
            (1_000_000, "1ms"),
            (1_500_000_000, "1.5s"),
            (59_999_999_999, "59.999999999s"),
            (60_000_000_000, "1m0s"),
            (3_723_000_000_001, "1h2m3.000000001s"),
        ] {
            duration_text(Duration::from_nanos(nanos), |bytes| {
                assert_eq!(std::str::from_utf8(bytes), Ok(text))
            });
        }
        duration_text(Duration::MAX, |bytes| {
            assert_eq!(std::str::from_utf8(bytes), Ok("5124095576030431h0m15.999999999s"))
        });
    }
}
