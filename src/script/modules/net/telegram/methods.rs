//! What the methods of the Bot API take from a script's table, and the form that they send.
//!
//! Types are strict, as in the original: a chat's number is a number, a text is a string. Fields
//! that a method does not know are ignored. Rules: `lua/modules/telegram.md`.

use crate::proto::url::query_escape;
use crate::script::disk;
use crate::script::ffi::{Call, Fault, Kind};
use crate::script::modules::data::json;
use crate::script::modules::net::http::{Form, Part};

/// One method.
pub(super) struct Method {
    pub name: &'static str,
    fields: &'static [Field],
}

/// One field of a form.
pub(super) type Pair = (&'static str, Vec<u8>);

struct Field {
    name: &'static str,
    of: Type,
    sent: Sent,
}

#[derive(Clone, Copy)]
enum Type {
    Integer,
    Text,
    Flag,
    /// Any table.
    Json,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sent {
    /// As 0, an empty text or false, if the script says nothing.
    Always,
    IfGiven,
}

/// The photo of a `sendPhoto`.
pub(super) enum Photo {
    /// One that Telegram has already.
    Known(Vec<Pair>),
    File(Form),
}

pub(super) const SEND_MESSAGE: Method = Method {
    name: "sendMessage",
    fields: &[
        CHAT,
        always("text", Type::Text),
        PARSE_MODE,
        always("disable_web_page_preview", Type::Flag),
        SILENT,
        REPLY_TO,
        REPLY_MARKUP,
    ],
};

pub(super) const FORWARD_MESSAGE: Method = Method {
    name: "forwardMessage",
    fields: &[CHAT, always("from_chat_id", Type::Integer), MESSAGE, SILENT, REPLY_TO, REPLY_MARKUP],
};

pub(super) const SEND_PHOTO: Method = Method {
    name: "sendPhoto",
    fields: &[CHAT, if_given("caption", Type::Text), PARSE_MODE, SILENT, REPLY_TO, REPLY_MARKUP],
};

pub(super) const EDIT_MESSAGE_TEXT: Method = Method {
    name: "editMessageText",
    fields: &[
        CHAT,
        MESSAGE,
        INLINE_MESSAGE,
        always("text", Type::Text),
        always("parse_mode", Type::Text),
        always("disable_web_page_preview", Type::Flag),
        REPLY_MARKUP,
    ],
};

pub(super) const EDIT_MESSAGE_CAPTION: Method = Method {
    name: "editMessageCaption",
    fields: &[
        CHAT,
        MESSAGE,
        INLINE_MESSAGE,
        always("caption", Type::Text),
        PARSE_MODE,
        REPLY_MARKUP,
    ],
};

pub(super) const EDIT_MESSAGE_REPLY_MARKUP: Method = Method {
    name: "editMessageReplyMarkup",
    fields: &[CHAT, MESSAGE, INLINE_MESSAGE, REPLY_MARKUP],
};

pub(super) const DELETE_MESSAGE: Method =
    Method { name: "deleteMessage", fields: &[CHAT, MESSAGE] };

const CHAT: Field = always("chat_id", Type::Integer);
const MESSAGE: Field = always("message_id", Type::Integer);
const INLINE_MESSAGE: Field = if_given("inline_message_id", Type::Text);
const PARSE_MODE: Field = if_given("parse_mode", Type::Text);
const SILENT: Field = always("disable_notification", Type::Flag);
const REPLY_TO: Field = if_given("reply_to_message_id", Type::Integer);
const REPLY_MARKUP: Field = if_given("reply_markup", Type::Json);

const fn always(name: &'static str, of: Type) -> Field {
    Field { name, of, sent: Sent::Always }
}

const fn if_given(name: &'static str, of: Type) -> Field {
    Field { name, of, sent: Sent::IfGiven }
}

impl Method {
    /// What the table at `at` says. The name of a channel stands in for a chat's number, an inline
    /// message for chat and message.
    ///
    /// # Errors
    /// A text for the script: a field is of another type, or the table is empty.
    pub fn pairs(&self, call: &Call<'_>, at: i32) -> Result<Vec<Pair>, String> {
        if is_empty(call, at) {
            return Err("the table is empty".into());
        }
        let mut pairs = Vec::with_capacity(self.fields.len());
        for field in self.fields {
            let value = field.value(call, at)?;
            pairs.extend(value.map(|value| (field.name, value)));
        }
        if let Some(channel) = if_given("username", Type::Text).value(call, at)?
            && let Some(chat) = pairs.iter_mut().find(|(name, _)| *name == CHAT.name)
        {
            chat.1 = channel;
        }
        if pairs.iter().any(|(name, _)| *name == INLINE_MESSAGE.name) {
            pairs.retain(|(name, _)| ![CHAT.name, MESSAGE.name].contains(name));
        }
        Ok(pairs)
    }
}

impl Field {
    fn value(&self, call: &Call<'_>, at: i32) -> Result<Option<Vec<u8>>, String> {
        let found = call.push_field(at, self.name);
        let value = match (found, self.of) {
            (Kind::Nil, Type::Integer) => Ok((b"0".to_vec(), false)),
            (Kind::Nil, Type::Flag) => Ok((b"false".to_vec(), false)),
            (Kind::Nil, _) => Ok((Vec::new(), false)),
            (Kind::Number, Type::Integer) => integer(call.raw_number(-1))
                .map(|number| (number.to_string().into_bytes(), number != 0)),
            (Kind::String, Type::Text) => Ok((call.bytes(-1).to_vec(), !call.bytes(-1).is_empty())),
            (Kind::Bool, Type::Flag) => {
                Ok((call.truthy(-1).to_string().into_bytes(), call.truthy(-1)))
            }
            (Kind::Table, Type::Json) => {
                json::text_of(call, -1).map(|text| (text, true)).map_err(|fault| match fault {
                    Fault::Message(text) => text,
                    _ => "cannot be encoded".into(),
                })
            }
            (found, of) => Err(format!("must be {}, got {}", of.name(), found.name())),
        };
        call.pop(1);
        let (value, given) = value.map_err(|error| format!("{} {error}", self.name))?;
        Ok((given || self.sent == Sent::Always).then_some(value))
    }
}

impl Type {
    fn name(self) -> &'static str {
        match self {
            Type::Integer => "an integer",
            Type::Text => "a string",
            Type::Flag => "a boolean",
            Type::Json => "a table",
        }
    }
}

fn integer(number: f64) -> Result<i64, String> {
    if number.fract() == 0.0 && number.abs() < INTEGER_END {
        Ok(number as i64)
    } else {
        Err(format!("must be an integer, got {number}"))
    }
}

/// What a `sendPhoto` sends.
///
/// # Errors
/// As [`Method::pairs`].
pub(super) fn photo(call: &Call<'_>, at: i32) -> Result<Photo, String> {
    let mut pairs = SEND_PHOTO.pairs(call, at)?;
    let text = |name| if_given(name, Type::Text).value(call, at);
    let is_known = if_given("UseExisting", Type::Flag).value(call, at)?.is_some();
    if is_known {
        let id = text("file_id")?.ok_or("UseExisting needs a file_id")?;
        pairs.push(("photo", id));
        return Ok(Photo::Known(pairs));
    }
    let path = text("photo")?.ok_or("photo must be a string, got nil")?;
    let file = Part { field: b"photo".to_vec(), path: disk::path(&path).to_owned(), name: None };
    let fields = pairs.into_iter().map(|(name, value)| (name.as_bytes().to_vec(), value)).collect();
    Ok(Photo::File(Form { files: vec![file], fields }))
}

/// The pairs as `application/x-www-form-urlencoded`, sorted by name.
pub(super) fn form(pairs: &[Pair]) -> Vec<u8> {
    let mut pairs: Vec<String> =
        pairs.iter().map(|(name, value)| format!("{name}={}", query_escape(value))).collect();
    pairs.sort();
    pairs.join("&").into_bytes()
}

fn is_empty(call: &Call<'_>, at: i32) -> bool {
    let mut fields = 0_usize;
    let counted = call.for_each(at, |_| {
        fields += 1;
        Ok(())
    });
    counted.is_ok() && fields == 0
}

/// Two to the 63rd: from here on there is no such integer.
const INTEGER_END: f64 = 9_223_372_036_854_775_808.0;
