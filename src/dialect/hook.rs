//! The answer to a custom hook: what its script returned, or what it wrote through
//! `nauthilus_http_response`.
//!
//! | Script returned | Answer |
//! |---|---|
//! | a table with other keys than 1..n | 200, a JSON object |
//! | an empty table, or a table with a NaN in it | 200, nothing |
//! | a list | 500 `{"msg":…}` |
//! | anything else, or nothing | 200 `{}` |
//! | an error | 500 `{"msg":…}`, traceback included: administrators read it |
//!
//! The callers are Dovecot's event exporter (any 200 will do), dashboards and shell scripts. No
//! `Auth-*` headers, no session header.

use crate::auth::login::ScriptResponse;
use crate::auth::request::SessionId;
use crate::auth::scripts::ScriptError;
use crate::dialect::answer::{is_framing, settle};
use crate::dialect::envelope::{Envelope, JSON, TEXT};
use crate::dialect::json;
use crate::proto::http::Method;
use crate::value::Value;

/// Appends the answer for a hook at `location` (without leading slashes) that ended with
/// `returned`; says the status. `content_type` is the configured one of a body for which the script
/// sets none.
pub fn compose(
    out: &mut Vec<u8>,
    location: &[u8],
    returned: &Result<Value, ScriptError>,
    response: &ScriptResponse,
    content_type: Option<&str>,
    envelope: &Envelope<'_>,
) -> u16 {
    match returned {
        Err(error) => message(out, error.message.as_bytes(), envelope),
        Ok(_) if response.used => written(out, response, content_type.unwrap_or(TEXT), envelope),
        Ok(Value::List(items)) if items.is_empty() => envelope.write(out, 200, None, &[]),
        Ok(Value::List(_)) => {
            let text =
                [b"custom location '/", location, b"' returned invalid result, expected a map"]
                    .concat();
            message(out, &text, envelope)
        }
        Ok(map @ Value::Map(_)) => {
            let mut body = Vec::with_capacity(256);
            match json::value(&mut body, map) {
                Ok(()) => envelope.write(out, 200, Some(content_type.unwrap_or(JSON)), &body),
                Err(_) => envelope.write(out, 200, None, &[]),
            }
        }
        Ok(_) => envelope.write(out, 200, Some(JSON), b"{}"),
    }
}

/// Appends the answer for a location (without leading slashes) that has no hook for this method;
/// says the status.
pub fn not_found(
    out: &mut Vec<u8>,
    location: &[u8],
    session: &SessionId,
    envelope: &Envelope<'_>,
) -> u16 {
    let mut body = b"{\"error\":".to_vec();
    json::string(&mut body, &[b"lua script for location '/", location, b"' not found"].concat());
    body.extend_from_slice(b",\"guid\":");
    json::string(&mut body, session.as_str().as_bytes());
    body.push(b'}');
    envelope.write(out, 404, Some(JSON), &body)
}

fn message(out: &mut Vec<u8>, text: &[u8], envelope: &Envelope<'_>) -> u16 {
    let mut body = b"{\"msg\":".to_vec();
    json::string(&mut body, text);
    body.push(b'}');
    envelope.write(out, 500, Some(JSON), &body)
}

/// The answer as the script wrote it. Only its framing is ours, and a status that would not end the
/// exchange is an error.
fn written(
    out: &mut Vec<u8>,
    script: &ScriptResponse,
    usual_type: &str,
    envelope: &Envelope<'_>,
) -> u16 {
    let status = script.status.unwrap_or(200);
    let status = if (200..600).contains(&status) { status } else { 500 };
    let headers = settle(&script.headers);
    let has_type = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(b"content-type"));
    let mut response = envelope.begin(out, status);
    match &script.content_type {
        Some(content_type) => {
            response.header("Content-Type", content_type);
        }
        None if !has_type && !script.body.is_empty() => {
            response.header("Content-Type", usual_type);
        }
        None => {}
    }
    for (name, value) in headers {
        let said_already =
            script.content_type.is_some() && name.eq_ignore_ascii_case(b"content-type");
        if !is_framing(name) && !said_already {
            response.header(name, value);
        }
    }
    envelope.end(response, &script.body);
    status
}

/// Methods that a hook can be configured for.
pub const HOOK_METHODS: [(&str, Method); 6] = [
    ("GET", Method::Get),
    ("POST", Method::Post),
    ("PUT", Method::Put),
    ("DELETE", Method::Delete),
    ("PATCH", Method::Patch),
    ("HEAD", Method::Head),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::login::HeaderChange;
    use crate::dialect::testing::envelope;

    fn answer(script: ScriptResponse) -> (u16, String) {
        let mut out = Vec::new();
        let status = compose(
            &mut out,
            b"h",
            &Ok(Value::Nil),
            &ScriptResponse { used: true, ..script },
            None,
            &envelope(),
        );
        (status, String::from_utf8(out).unwrap())
    }

    #[test]
    fn a_status_ends_the_exchange_or_is_an_error() {
        for (set, sent) in [
            (None, 200),
            (Some(204), 204),
            (Some(599), 599),
            (Some(100), 500),
            (Some(101), 500),
            (Some(0), 500),
            (Some(999), 500),
        ] {
            let (status, text) =
                answer(ScriptResponse { status: set, ..ScriptResponse::default() });
            assert_eq!(status, sent);
            assert!(text.starts_with(&format!("HTTP/1.1 {sent} ")), "{text}");
        }
    }

    #[test]
    fn the_configured_content_type_is_that_of_a_body_without_one() {
        let map = Value::Map(vec![(Value::string("a"), Value::Bool(true))]);
        let text = |body: &str| ScriptResponse {
            used: true,
            body: body.into(),
            ..ScriptResponse::default()
        };
        let own = ScriptResponse { content_type: Some(b"text/x".to_vec()), ..text("a") };
        for (returned, response, configured, expected) in [
            (&map, ScriptResponse::default(), None, "application/json"),
            (
                &map,
                ScriptResponse::default(),
                Some("application/problem+json"),
                "application/problem+json",
            ),
            (&Value::Nil, text("a"), None, "text/plain"),
            (&Value::Nil, text("a"), Some("text/csv"), "text/csv"),
            (&Value::Nil, own, Some("text/csv"), "text/x"),
        ] {
            let mut out = Vec::new();
            compose(&mut out, b"h", &Ok(returned.clone()), &response, configured, &envelope());
            let text = String::from_utf8(out).unwrap();
            assert!(text.contains(&format!("Content-Type: {expected}")), "{text}");
        }
    }

    #[test]
    fn the_content_type_is_said_once() {
        let header = || vec![HeaderChange::Set(b"content-type".to_vec(), b"text/x".to_vec())];
        for (content_type, headers, body, expected) in [
            (Some(b"text/csv".to_vec()), header(), "a", Some("text/csv")),
            (None, header(), "a", Some("text/x")),
            (None, vec![], "a", Some(TEXT)),
            (None, vec![], "", None),
        ] {
            let (_, text) = answer(ScriptResponse {
                content_type,
                headers,
                body: body.into(),
                ..ScriptResponse::default()
            });
            let types: Vec<_> = text
                .lines()
                .filter_map(|line| {
                    line.to_lowercase().strip_prefix("content-type: ").map(str::to_owned)
                })
                .collect();
            assert_eq!(types, expected.into_iter().collect::<Vec<_>>());
        }
    }
}
