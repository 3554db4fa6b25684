//! The body of a login to the services `json` and `saslauthd`: JSON or a form, whichever its
//! Content-Type says.
//!
//! What stands in the body as it is becomes a span of the request and is not copied; what was
//! encoded is decoded once, behind the request's own bytes. Rules: specification `http-api.md` 5.3,
//! 5.4, 5.8.

use crate::auth::request::{Field, Request};
use crate::dialect::input::Rejection;
use crate::dialect::{form, json_body};
use crate::proto::http::Span;
use crate::secret::Secret;

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
        Media::Json => json_body::read(&mut fields)?,
        Media::Form => form::read(&mut fields),
    }
    let Fields { spans, decoded, .. } = fields;
    request.append(decoded.expose());
    for field in Field::ALL {
        request.set_span(field, spans[field as usize]);
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

/// The fields found in a body so far.
pub(super) struct Fields<'a> {
    pub body: &'a [u8],
    body_start: usize,
    spans: [Span; Field::ALL.len()],
    /// Text that is not in the body; it will stand in the request from `decoded_start` on. Holds
    /// passwords.
    decoded: Secret,
    decoded_start: usize,
}

impl<'a> Fields<'a> {
    fn new(body: &'a [u8], body_start: usize, decoded_start: usize) -> Fields<'a> {
        Fields {
            body,
            body_start,
            spans: Default::default(),
            decoded: Secret::default(),
            decoded_start,
        }
    }

    /// The place of `text` in the request to be: in the body, if it is a slice of it, else among
    /// the decoded texts.
    pub fn place(&mut self, text: &[u8]) -> Span {
        if self.body.as_ptr_range().contains(&text.as_ptr()) {
            return Span::new(
                self.body_start + (text.as_ptr() as usize - self.body.as_ptr() as usize),
                text.len(),
            );
        }
        let span = Span::new(self.decoded_start + self.decoded.len(), text.len());
        self.decoded.extend_from_slice(text);
        span
    }

    pub fn set(&mut self, field: Field, text: &[u8]) {
        self.spans[field as usize] = self.place(text);
    }

    pub fn set_span(&mut self, field: Field, span: Span) {
        self.spans[field as usize] = span;
    }

    pub fn span(&self, field: Field) -> Span {
        self.spans[field as usize]
    }

    /// The text that a field has got so far.
    pub fn get(&self, field: Field) -> &[u8] {
        let span = self.span(field);
        match span.start().checked_sub(self.decoded_start) {
            Some(start) => Span::new(start, span.len()).of(self.decoded.expose()),
            None => span
                .start()
                .checked_sub(self.body_start)
                .map_or(&[], |start| Span::new(start, span.len()).of(self.body)),
        }
    }

    pub fn is_empty(&self, field: Field) -> bool {
        self.span(field).is_empty()
    }
}

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

    #[test]
    fn text_of_the_body_is_not_copied() {
        let body = b"abcdef";
        let mut fields = Fields::new(body, 100, 106);
        assert_eq!(fields.place(&body[2..4]), Span::new(102, 2));
        assert_eq!(fields.place(b"other"), Span::new(106, 5));
        assert_eq!(fields.place(b"more"), Span::new(111, 4));
        assert_eq!(fields.decoded.expose(), b"othermore");
    }
}
