//! The account list: what Dovecot's `doveadm user '*'` asks for.
//!
//! The form is chosen by the Accept header, literally: four values are known, and everything else,
//! lists and parameters among it, is 415. No `Auth-*` headers.

use crate::auth::request::Request;
use crate::dialect::envelope::{Envelope, JSON};
use crate::dialect::json;

/// How the accounts are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A JSON array, `[]` if there are none: Dovecot's glue walks over it.
    Json,
    /// One a line, lines end with CR LF.
    Text,
    /// The same lines under the type that the client asked for.
    Form,
}

impl Format {
    /// What the request's Accept header asks for; `None` is answered by [`unacceptable`], and no
    /// backend needs to be asked.
    pub fn of(request: &Request) -> Option<Format> {
        match request.header(b"accept").next()? {
            b"application/json" => Some(Format::Json),
            b"*/*" | b"text/plain" => Some(Format::Text),
            b"application/x-www-form-urlencoded" => Some(Format::Form),
            _ => None,
        }
    }
}

/// Appends the list, sorted; says the status.
pub fn compose(
    out: &mut Vec<u8>,
    mut accounts: Vec<Vec<u8>>,
    format: Format,
    envelope: &Envelope<'_>,
) -> u16 {
    accounts.sort_unstable();
    let (content_type, body) = match format {
        Format::Json => (JSON, array(&accounts)),
        Format::Text => ("text/plain", lines(&accounts)),
        Format::Form => ("application/x-www-form-urlencoded", lines(&accounts)),
    };
    envelope.write(out, 200, Some(content_type), &body)
}

/// Appends the answer to an Accept header that asks for none of the forms; says the status.
pub fn unacceptable(out: &mut Vec<u8>, envelope: &Envelope<'_>) -> u16 {
    envelope.write(out, 415, None, &[])
}

fn array(accounts: &[Vec<u8>]) -> Vec<u8> {
    let mut body = vec![b'['];
    for (at, account) in accounts.iter().enumerate() {
        if at > 0 {
            body.push(b',');
        }
        json::string(&mut body, account);
    }
    body.push(b']');
    body
}

/// An account that holds a line end is still one line.
fn lines(accounts: &[Vec<u8>]) -> Vec<u8> {
    let mut body = Vec::with_capacity(accounts.iter().map(|account| account.len() + 2).sum());
    for account in accounts {
        body.extend(
            account.iter().map(|byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { *byte }),
        );
        body.extend_from_slice(b"\r\n");
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::testing::request;

    #[test]
    fn only_four_accept_headers_are_known_to_the_letter() {
        for (accept, format) in [
            ("Accept: application/json\r\n", Some(Format::Json)),
            ("accept: */*\r\n", Some(Format::Text)),
            ("Accept: text/plain\r\n", Some(Format::Text)),
            ("Accept: application/x-www-form-urlencoded\r\n", Some(Format::Form)),
            ("Accept: text/plain\r\nAccept: text/html\r\n", Some(Format::Text)),
            ("Accept: text/html\r\n", None),
            ("Accept: application/json, text/plain\r\n", None),
            ("Accept: text/plain; q=1\r\n", None),
            ("Accept: Text/Plain\r\n", None),
            ("Accept: \r\n", None),
            ("", None),
        ] {
            let request = request(format!("GET /x HTTP/1.1\r\nHost: x\r\n{accept}\r\n").as_bytes());
            assert_eq!(Format::of(&request), format, "{accept}");
        }
    }
}
