//! What a finished exchange leaves in the log and in the metrics.

use super::Worker;
use super::exchange::Finished;
use super::tasks::Origin;
use crate::auth::login::Login;
use crate::auth::report::{
    BruteForceUse, CacheUse, Ending, Event, FieldValue, Level as Weight, Report, Tally,
};
use crate::auth::request::{Field, Mode, Request};
use crate::log::{Level, Line, PairValue};
use crate::metrics::{Count, CountBy, TimeBy};
use crate::reactor::Key;
use std::time::Duration;

impl Worker {
    /// Writes the authentication line, the events and the access line.
    pub(super) fn log_finished(
        &mut self,
        finished: &mut Finished,
        origin: Option<&Origin>,
        status: Option<u16>,
        elapsed: Duration,
    ) {
        for event in finished.events() {
            self.log_event(&event, finished.login());
        }
        match finished {
            Finished::Authenticated(login, outcome) => {
                self.log_authentication(&outcome.report, login, elapsed)
            }
            Finished::Accounts(login, _, report, _) => {
                self.log_authentication(report, login, elapsed)
            }
            Finished::Issued(login, _, Some(report)) => {
                self.log_authentication(report, login, elapsed)
            }
            _ => {}
        }
        if let (Some(origin), Some(request)) = (origin, finished.request()) {
            self.log_access(
                request,
                origin.connection,
                status.unwrap_or(CLIENT_GONE),
                None,
                elapsed,
            );
        }
        self.drain_script_output();
    }

    fn log_authentication(&mut self, report: &Report, login: &Login, elapsed: Duration) {
        if self.log.takes(Level::Info) {
            let mut line = self.log.line(Level::Info, self.now);
            report.fields(login, elapsed, &mut |name, value| field(&mut line, name, value));
            report.pairs(login, &mut |name, value| pair(&mut line, name, value));
            line.end();
        }
    }

    fn log_event(&mut self, event: &Event, login: Option<&Login>) {
        let level = match event.level {
            Weight::Error => Level::Error,
            Weight::Warn => Level::Warn,
            Weight::Info => Level::Info,
        };
        if self.log.takes(level) {
            let mut line = self.log.line(level, self.now);
            line.text("msg", event.message.as_bytes());
            let nobody = Login::default();
            event.fields(login.unwrap_or(&nobody), &mut |name, value| pair(&mut line, name, value));
            line.end();
        }
    }

    /// One line per answered request; an input error is its message, at level error.
    pub(super) fn log_access(
        &mut self,
        request: &Request,
        key: Key,
        status: u16,
        error: Option<String>,
        elapsed: Duration,
    ) {
        let level = if error.is_some() { Level::Error } else { Level::Info };
        if !self.log.takes(level) {
            return;
        }
        let connection = self.connections.get(key);
        let peer = connection.and_then(|connection| connection.peer);
        let tls = request.tls.as_deref();
        let mut line = self.log.line(level, self.now);
        line.text("session", request.session.as_str());
        line.text("client_ip", peer.map_or_else(|| "N/A".to_owned(), |ip| ip.to_string()));
        line.text_or_na("http_method", request.text(request.http.head.method_text));
        line.text("protocol", if request.http.head.minor == 0 { "HTTP/1.0" } else { "HTTP/1.1" });
        line.number("http_status", u64::from(status));
        line.duration("latency", elapsed);
        line.text_or_na("user_agent", request.header(b"user-agent").next().unwrap_or_default());
        line.text("tls_protocol", tls.map_or("N/A", |tls| tls.protocol))
            .text("tls_cipher", tls.map_or("N/A", |tls| &tls.cipher))
            .text("auth_method", crate::dialect::caller::method(request));
        line.text_or_na("uri_path", request.text(request.http.path));
        line.text("msg", error.as_deref().unwrap_or("HTTP request"));
        line.end();
    }

    pub(super) fn count_finished(
        &mut self,
        finished: &Finished,
        origin: Option<&Origin>,
        elapsed: Duration,
    ) {
        if let Some(origin) = origin {
            self.metrics.request(origin.route, elapsed, self.now);
        }
        let Finished::Authenticated(login, outcome) = finished else { return };
        let (report, request) = (&outcome.report, &login.request);
        match report.cache {
            CacheUse::Hit => self.metrics.count(Count::CacheHits),
            CacheUse::Miss => self.metrics.count(Count::CacheMisses),
            CacheUse::Unused => {}
        }
        if let Some(BruteForceUse { bucket, exempted }) = report.brute_force {
            self.metrics.count_by(CountBy::BruteForceRejected, bucket);
            if exempted {
                self.metrics.count_by(CountBy::BruteForceHits, bucket);
            }
        }
        for listing in &report.listings {
            self.metrics.observe(TimeBy::Rbl, listing.list, listing.elapsed);
            if listing.found {
                self.metrics.count_by(CountBy::RblRejected, listing.list);
            }
        }
        if report.ending == Ending::Temporary {
            self.metrics.count(Count::TemporaryFailures);
        }
        let (logins, protocols) = match report.tally(request.mode) {
            Some(Tally::Accepted) => (Count::LoginsSucceeded, CountBy::AcceptedProtocols),
            Some(Tally::Rejected) => (Count::LoginsFailed, CountBy::RejectedProtocols),
            None => return,
        };
        self.metrics.count(logins);
        if request.mode == Mode::Auth {
            self.metrics.count_by(protocols, self.metrics.protocol(request.get(Field::Protocol)));
        }
    }
}

fn field(line: &mut Line<'_>, name: &str, value: FieldValue<'_>) {
    match value {
        FieldValue::Text(text) => line.text(name, text),
        FieldValue::Count(count) => line.number(name, count),
        FieldValue::Number(number) => line.number(name, number),
        FieldValue::Bool(flag) => line.flag(name, flag),
    };
}

/// As [`field`], for keys that scripts and paths may have made.
fn pair(line: &mut Line<'_>, name: &str, value: FieldValue<'_>) {
    let value = match value {
        FieldValue::Text(text) => PairValue::Text(text),
        FieldValue::Count(count) => PairValue::Number(count.into()),
        FieldValue::Number(number) => PairValue::Number(number.into()),
        FieldValue::Bool(flag) => PairValue::Flag(flag),
    };
    line.pair(name, value);
}

/// The status that the log shows for a request whose client went away before its answer; no such
/// status is ever sent.
const CLIENT_GONE: u16 = 499;
