//! Reporting: what a worker leaves in the log, in the metrics and at the collector of spans.

mod notices;
mod refusals;

pub use notices::Notices;
use refusals::Refusals;

use super::exchange::Finished;
use crate::auth::login::Login;
use crate::auth::report::{Event, FieldValue, Level as EventLevel, Report};
use crate::auth::request::Request;
use crate::log::{Level, Line, Log, PairValue};
use crate::metrics::WorkerMetrics;
use crate::script::services::Outbox;
use crate::time::Now;
use crate::trace::exporter::Exporter;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

pub struct Reporting {
    pub log: Log,
    pub metrics: Rc<WorkerMetrics>,
    /// What periodic tasks have to say to the log.
    pub notices: Notices,
    /// What scripts printed, warnings of the host, and spans.
    pub outbox: Rc<Outbox>,
    /// Spans of all workers; the background worker's.
    pub exporter: Exporter,
    pub refusals: Refusals,
    out_of_files_logged: Option<Instant>,
}

impl Reporting {
    pub fn new(log: Log, metrics: Rc<WorkerMetrics>) -> Reporting {
        Reporting {
            log,
            metrics,
            notices: Notices::default(),
            outbox: Rc::default(),
            exporter: Exporter::default(),
            refusals: Refusals::default(),
            out_of_files_logged: None,
        }
    }

    /// Writes the events and the authentication line of an exchange.
    pub fn finished(&mut self, finished: &mut dyn Finished, elapsed: Duration, now: Now) {
        let events = finished.events();
        self.events(&events, finished.login(), now);
        if let (Some(report), Some(login)) = (finished.report(), finished.login()) {
            self.authentication(report, login, elapsed, now);
        }
    }

    fn authentication(&mut self, report: &Report, login: &Login, elapsed: Duration, now: Now) {
        if self.log.takes(Level::Info) {
            let mut line = self.log.line(Level::Info, now);
            report.fields(login, elapsed, &mut |name, value| field(&mut line, name, value));
            report.pairs(login, &mut |name, value| pair(&mut line, name, value));
            line.end();
        }
    }

    /// Writes a line per event; `login`: what they are about.
    pub fn events(&mut self, events: &[Event], login: Option<&Login>, now: Now) {
        for event in events {
            let level = match event.level {
                EventLevel::Error => Level::Error,
                EventLevel::Warn => Level::Warn,
                EventLevel::Info => Level::Info,
            };
            if self.log.takes(level) {
                let mut line = self.log.line(level, now);
                line.text("msg", event.message.as_bytes());
                let nobody = Login::default();
                event.fields(login.unwrap_or(&nobody), &mut |name, value| {
                    pair(&mut line, name, value)
                });
                line.end();
            }
        }
    }

    /// One line per answered request; an input error is its message, at level error. `status`:
    /// `None` if the client went away before its answer.
    pub fn access(
        &mut self,
        request: &Request,
        peer: Option<IpAddr>,
        status: Option<u16>,
        error: Option<&str>,
        elapsed: Duration,
        now: Now,
    ) {
        let level = if error.is_some() { Level::Error } else { Level::Info };
        if !self.log.takes(level) {
            return;
        }
        let head = &request.http.head;
        let mut line = self.log.line(level, now);
        line.text("session", request.session.as_str());
        line.text("client_ip", peer.map_or_else(|| "N/A".to_owned(), |ip| ip.to_string()));
        line.text_or_na("http_method", request.text(head.method_text));
        line.text("protocol", if head.framing.minor == 0 { "HTTP/1.0" } else { "HTTP/1.1" });
        line.number("http_status", u64::from(status.unwrap_or(CLIENT_GONE)));
        line.duration("latency", elapsed);
        line.text_or_na("user_agent", request.header(b"user-agent").next().unwrap_or_default());
        let tls = request.tls.as_deref();
        line.text("tls_protocol", tls.map_or("N/A", |tls| tls.protocol))
            .text("tls_cipher", tls.map_or("N/A", |tls| &tls.cipher))
            .text("auth_method", crate::dialect::caller::method(request));
        line.text_or_na("uri_path", request.text(request.http.path));
        line.text("msg", error.unwrap_or("HTTP request"));
        line.end();
    }

    /// Writes a line that is only a message and why.
    pub fn failed(&mut self, message: &str, error: impl std::fmt::Display, now: Now) {
        let mut line = self.log.line(Level::Error, now);
        line.text("msg", message).text("error", error.to_string()).end();
    }

    /// Tells now and then that connections cannot be accepted.
    pub fn out_of_files(&mut self, error: &std::io::Error, connections: usize, now: Now) {
        if self.out_of_files_logged.is_none_or(|last| now.mono >= last + OUT_OF_FILES_EVERY) {
            self.out_of_files_logged = Some(now.mono);
            let mut line = self.log.line(Level::Error, now);
            line.text("msg", "connections cannot be accepted");
            line.text("error", error.to_string()).number("connections", connections as u64).end();
        }
    }

    /// Writes what scripts printed and what the host warns of.
    pub fn script_output(&mut self, now: Now) {
        let output = self.outbox.output.take();
        if !output.is_empty() {
            self.log.raw(&output);
        }
        for warning in self.outbox.warnings.take() {
            self.log.line(Level::Warn, now).text("msg", warning).end();
        }
    }

    /// Writes what periodic tasks have to say.
    pub fn notices(&mut self, now: Now) {
        for notice in self.notices.take() {
            let mut line = self.log.line(notice.level, now);
            line.text("msg", notice.message);
            for (name, text) in notice.fields {
                line.text(name, text);
            }
            line.end();
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

/// Between two lines about connections that cannot be accepted.
const OUT_OF_FILES_EVERY: Duration = Duration::from_secs(10);
