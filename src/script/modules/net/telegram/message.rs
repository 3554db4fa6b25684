//! What Telegram answers, as scripts know it: a message has all its plain fields, with an empty
//! value where Telegram left one out.
//!
//! Objects and lists that are absent stay nil; what a message has besides is left as it is. Rules:
//! `lua/modules/telegram.md`. Bounds: [`NESTING_MAX`] messages inside of messages.

use crate::script::ffi::{Call, Kind};

/// An empty value.
enum Empty {
    Zero,
    Text,
    False,
}

/// Completes the message on top of the stack; what is none (deleting is answered with `true`)
/// becomes an empty one.
pub(super) fn complete(call: &Call<'_>) {
    if call.kind(-1) != Kind::Table {
        call.pop(1);
        call.push_table(0, MESSAGE.len());
    }
    complete_message(call, call.len(), 0);
}

/// Completes the messages of the list of updates on top of the stack. The number of the last
/// update, if there is one.
pub(super) fn complete_updates(call: &Call<'_>) -> Option<i64> {
    if call.kind(-1) != Kind::Table {
        call.pop(1);
        call.push_table(0, 0);
    }
    let (list, mut last) = (call.len(), None);
    for at in 1..=call.raw_len(list) {
        if call.push_index(list, at) == Kind::Table {
            let update = call.len();
            if call.push_field(update, "update_id") == Kind::Number {
                last = last.max(Some(call.raw_number(-1) as i64));
            }
            call.pop(1);
            for name in MESSAGES_OF_UPDATE {
                complete_in(call, update, name, 0);
            }
        }
        call.pop(1);
    }
    last
}

fn complete_message(call: &Call<'_>, message: i32, nesting: usize) {
    fill(call, message, MESSAGE);
    for (name, fields) in
        [("chat", CHAT), ("from", USER), ("forward_from", USER), ("forward_from_chat", CHAT)]
    {
        if call.push_field(message, name) == Kind::Table {
            fill(call, call.len(), fields);
        }
        call.pop(1);
    }
    if nesting < NESTING_MAX {
        for name in ["reply_to_message", "pinned_message"] {
            complete_in(call, message, name, nesting + 1);
        }
    }
}

fn complete_in(call: &Call<'_>, table: i32, name: &str, nesting: usize) {
    if call.push_field(table, name) == Kind::Table {
        complete_message(call, call.len(), nesting);
    }
    call.pop(1);
}

fn fill(call: &Call<'_>, table: i32, fields: &[(&str, Empty)]) {
    for (name, empty) in fields {
        let is_absent = call.push_field(table, name) == Kind::Nil;
        call.pop(1);
        if is_absent {
            match empty {
                Empty::Zero => call.push_number(0.0),
                Empty::Text => call.push_string(b""),
                Empty::False => call.push_bool(false),
            }
            call.set_field(table, name);
        }
    }
}

const MESSAGE: &[(&str, Empty)] = &[
    ("message_id", Empty::Zero),
    ("date", Empty::Zero),
    ("text", Empty::Text),
    ("caption", Empty::Text),
    ("edit_date", Empty::Zero),
    ("forward_date", Empty::Zero),
    ("forward_from_message_id", Empty::Zero),
    ("new_chat_title", Empty::Text),
    ("delete_chat_photo", Empty::False),
    ("group_chat_created", Empty::False),
    ("supergroup_chat_created", Empty::False),
    ("channel_chat_created", Empty::False),
    ("migrate_to_chat_id", Empty::Zero),
    ("migrate_from_chat_id", Empty::Zero),
];

const CHAT: &[(&str, Empty)] = &[
    ("id", Empty::Zero),
    ("type", Empty::Text),
    ("title", Empty::Text),
    ("username", Empty::Text),
    ("first_name", Empty::Text),
    ("last_name", Empty::Text),
    ("all_members_are_administrators", Empty::False),
];

const USER: &[(&str, Empty)] = &[
    ("id", Empty::Zero),
    ("first_name", Empty::Text),
    ("last_name", Empty::Text),
    ("username", Empty::Text),
    ("language_code", Empty::Text),
    ("is_bot", Empty::False),
];

const MESSAGES_OF_UPDATE: [&str; 4] =
    ["message", "edited_message", "channel_post", "edited_channel_post"];

/// The API answers with one level; more would be a loop.
const NESTING_MAX: usize = 4;
