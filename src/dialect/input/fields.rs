//! The fields of a login that a body names, while it is read.

use crate::auth::request::{Field, Spans};
use crate::proto::http::Span;
use crate::secret::Secret;

/// The fields found in a body so far.
pub(super) struct Fields<'a> {
    pub body: &'a [u8],
    body_start: usize,
    spans: Spans,
    /// Text that is not in the body; it will stand in the request from `decoded_start` on. Holds
    /// passwords.
    decoded: Secret,
    decoded_start: usize,
}

impl<'a> Fields<'a> {
    pub fn new(body: &'a [u8], body_start: usize, decoded_start: usize) -> Fields<'a> {
        Fields {
            body,
            body_start,
            spans: Spans::default(),
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
        let span = self.place(text);
        self.spans.set(field, span);
    }

    pub fn set_span(&mut self, field: Field, span: Span) {
        self.spans.set(field, span);
    }

    pub fn span(&self, field: Field) -> Span {
        self.spans.get(field)
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

    /// The spans, and the decoded text that the request is to be extended by.
    pub fn finish(self) -> (Spans, Secret) {
        (self.spans, self.decoded)
    }

    pub fn is_empty(&self, field: Field) -> bool {
        self.span(field).is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
