//! What every answer is wrapped in, whatever it says: HTTP version, date, connection.

use crate::proto::http::{Head, Method, Response};

/// The frame of an answer.
#[derive(Clone, Copy, Debug)]
pub struct Envelope<'a> {
    /// 0 or 1, of HTTP/1.x: an answer speaks the version of its request.
    pub minor: u8,
    /// Of the request: the answer to a HEAD has no body.
    pub method: Method,
    /// Whether the connection stays open after this answer.
    pub keep_alive: bool,
    /// The present time as [`crate::proto::http::http_date`] writes it.
    pub date: &'a [u8; 29],
    /// The feature `backend_server_monitoring` is on and finds no mail server alive. Only nginx is
    /// told.
    pub servers_down: bool,
}

impl<'a> Envelope<'a> {
    /// For the answer to this request.
    pub fn to(head: &Head, date: &'a [u8; 29]) -> Envelope<'a> {
        Envelope {
            minor: head.minor,
            method: head.method,
            keep_alive: head.keep_alive,
            date,
            servers_down: false,
        }
    }

    /// Begins an answer; [`Envelope::end`] ends it.
    pub(super) fn begin<'out>(&self, out: &'out mut Vec<u8>, status: u16) -> Response<'out> {
        let mut response = Response::begin(out, self.minor, status);
        response.to_method(self.method).date(self.date);
        response
    }

    pub(super) fn end(&self, response: Response<'_>, body: &[u8]) {
        response.finish(body, self.keep_alive);
    }

    /// A whole answer without headers of its own.
    pub(super) fn write(
        &self,
        out: &mut Vec<u8>,
        status: u16,
        content_type: Option<&str>,
        body: &[u8],
    ) -> u16 {
        let mut response = self.begin(out, status);
        if let Some(content_type) = content_type {
            response.header("Content-Type", content_type);
        }
        self.end(response, body);
        status
    }
}

pub(super) const JSON: &str = "application/json; charset=utf-8";
pub(super) const TEXT: &str = "text/plain; charset=utf-8";
