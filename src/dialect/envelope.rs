//! What every answer is wrapped in, whatever it says: HTTP version, date, connection.

use crate::proto::http::{Framing, Response};

/// The frame of an answer.
#[derive(Clone, Copy, Debug)]
pub struct Envelope<'a> {
    /// Of the request; `keep_alive`: whether the connection stays open after this answer.
    pub framing: Framing,
    /// The present time as [`crate::proto::http::http_date`] writes it.
    pub date: &'a [u8; 29],
    /// The feature `backend_server_monitoring` is on and finds no mail server alive. Only nginx is
    /// told.
    pub servers_down: bool,
}

impl<'a> Envelope<'a> {
    /// For the answer to a request of this framing.
    pub fn new(framing: Framing, date: &'a [u8; 29]) -> Envelope<'a> {
        Envelope { framing, date, servers_down: false }
    }

    /// Begins an answer; [`Envelope::end`] ends it.
    pub(super) fn begin<'out>(&self, out: &'out mut Vec<u8>, status: u16) -> Response<'out> {
        let mut response = Response::begin(out, self.framing.minor, status);
        response.to_method(self.framing.method).date(self.date);
        response
    }

    pub(super) fn end(&self, response: Response<'_>, body: &[u8]) {
        response.finish(body, self.framing.keep_alive);
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
