//! The body of a login to the services `json` and `saslauthd`: JSON or a form, whichever its
//! Content-Type says.
//!
//! What stands in the body as it is becomes a span of the request and is not copied; what was
//! encoded is decoded once and appended to the request's own bytes.

use crate::auth::request::{Field, Request};
use crate::dialect::input::fields::Fields;
use crate::dialect::input::{form, json};
use crate::dialect::rejection::Rejection;

/// Reads the body into the request's fields.
///
/// # Errors
/// [`Rejection::UnsupportedMediaType`], [`Rejection::MalformedBody`],
/// [`Rejection::UsernameRequired`].
pub(super) fn read(request: &mut Request) -> Result<(), Rejection> {
    let decoded_start = request.append(&[]).start();
    let media = Media::of(request.header(b"content-type").next().unwrap_or_default())
        .ok_or(Rejection::UnsupportedMediaType)?;
    let mut fields =
        Fields::new(request.text(request.http.body), request.http.body.start(), decoded_start);
    match media {
        Media::Json => json::read(&mut fields)?,
        Media::Form => form::read(&mut fields),
    }
    let (spans, decoded) = fields.finish();
    request.append(decoded.expose());
    for field in Field::ALL {
        request.set_span(field, spans.get(field));
    }
    Ok(())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Media {
    Json,
    Form,
}

impl Media {
    /// JSON with or without parameters (clients send `; charset=utf-8`); anything that begins like
    /// a form.
    fn of(content_type: &[u8]) -> Option<Media> {
        let essence =
            content_type.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        if essence.eq_ignore_ascii_case(JSON) {
            return Some(Media::Json);
        }
        let start = content_type.get(..FORM.len())?;
        start.eq_ignore_ascii_case(FORM).then_some(Media::Form)
    }
}

const JSON: &[u8] = b"application/json";
const FORM: &[u8] = b"application/x-www-form-urlencoded";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_type_decides() {
        for (content_type, media) in [
            ("application/json", Some(Media::Json)),
            ("application/json; charset=utf-8", Some(Media::Json)),
            ("Application/JSON ;x=y", Some(Media::Json)),
            ("application/json2", None),
            ("text/json", None),
            ("application/x-www-form-urlencoded", Some(Media::Form)),
            ("application/x-www-form-urlencoded; charset=utf-8", Some(Media::Form)),
            ("multipart/form-data; boundary=x", None),
            ("text/plain", None),
            ("", None),
        ] {
            assert_eq!(Media::of(content_type.as_bytes()), media, "{content_type}");
        }
    }
}
