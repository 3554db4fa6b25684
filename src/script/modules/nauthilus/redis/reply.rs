//! Replies as Lua values: pushed straight from the view of the wire form.
//!
//! Every function answers `value, nil` or `nil, text`. A Redis error and a failed link are the
//! text; an absent key is `redis: nil`, which is part of the API: `nauthilus_util.if_error_raise`
//! ignores it. Rules: `lua/modules/nauthilus_redis.md`, RESP2 and RESP3 alike.

use super::typed;
use crate::op::Answer;
use crate::proto::resp::{Items, View};
use crate::script::ffi::{Call, Fault};
use std::borrow::Cow;
use std::ffi::c_int;

/// What a reply becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Shape {
    /// By the reply's own type: strings, numbers, lists without their nil members.
    Any,
    /// As `Any`, but nil is a value: `SET … NX` that did not set.
    Optional,
    /// A number, also out of its text.
    Number,
    /// Whether the number is not 0.
    Flag,
    /// A table out of a map, or out of keys and values in turn.
    Map,
    /// `{cursor = number, keys = list}`.
    Scan,
    /// Typed reads: the text, converted; nil without an error if it is empty.
    TypedText,
    TypedNumber,
    TypedBool,
    TypedNil,
}

/// Why there is no value.
#[derive(Debug)]
pub enum NoValue<'a> {
    /// There is no such key, field or member.
    Missing,
    /// The server's words, or why the text does not convert.
    Error(Cow<'a, [u8]>),
}

impl Shape {
    const ALL: [Shape; 10] = [
        Shape::Any,
        Shape::Optional,
        Shape::Number,
        Shape::Flag,
        Shape::Map,
        Shape::Scan,
        Shape::TypedText,
        Shape::TypedNumber,
        Shape::TypedBool,
        Shape::TypedNil,
    ];

    /// What [`finish`] is told.
    pub const fn note(self) -> u64 {
        self as u64
    }

    /// Pushes the results of a function: `value, nil` or `nil, text`.
    pub fn results(self, call: &Call<'_>, view: View<'_>) -> c_int {
        match self.push(call, view) {
            Ok(()) => call.and_nil(),
            Err(NoValue::Missing) => call.nil_and(MISSING),
            Err(NoValue::Error(text)) => call.nil_and(text),
        }
    }

    /// Pushes one value, or nothing and says why.
    pub fn push<'a>(self, call: &Call<'_>, view: View<'a>) -> Result<(), NoValue<'a>> {
        match (self, view) {
            (_, View::Error(text)) => return Err(NoValue::Error(text.into())),
            (Shape::Optional, View::Nil) => call.push_nil(),
            (_, View::Nil) => return Err(NoValue::Missing),
            (Shape::Number, view) => push_number(call, view)?,
            (Shape::Flag, View::Int(number)) => call.push_bool(number != 0),
            (Shape::Map, View::Array(items)) => push_map(call, items),
            (Shape::Scan, View::Array(items)) => push_scan(call, items),
            (Shape::TypedText | Shape::TypedNumber | Shape::TypedBool | Shape::TypedNil, view) => {
                self.push_typed(call, view)?
            }
            (_, view) => {
                push_any(call, view);
            }
        }
        Ok(())
    }

    fn push_typed<'a>(self, call: &Call<'_>, view: View<'a>) -> Result<(), NoValue<'a>> {
        let text = view.as_bytes().unwrap_or_default();
        let error = |text: String| NoValue::Error(Cow::Owned(text.into_bytes()));
        match self {
            _ if text.is_empty() => call.push_nil(),
            Shape::TypedNumber => call.push_number(typed::parse_number(text).map_err(error)?),
            Shape::TypedBool => call.push_bool(typed::parse_bool(text).map_err(error)?),
            Shape::TypedNil => call.push_nil(),
            _ => call.push_string(text),
        }
        Ok(())
    }
}

/// Finishes every function that sends one command: `note` is its [`Shape`].
pub fn finish(call: &Call<'_>, answer: Answer, note: u64) -> Result<c_int, Fault> {
    let shape =
        usize::try_from(note).ok().and_then(|at| Shape::ALL.get(at)).copied().unwrap_or(Shape::Any);
    Ok(match answer {
        Answer::Reply(reply) => shape.results(call, reply.view()),
        other => call.nil_and(failure(&other)),
    })
}

/// What a script is told of an answer that is no reply.
pub fn failure(answer: &Answer) -> String {
    match answer {
        Answer::Failed(failure) => failure.to_string(),
        _ => "unexpected answer to a Redis command".into(),
    }
}

/// Pushes a value by its own type; nil pushes nothing, and is told by `false`. Recursion is bounded
/// by the decoder.
pub fn push_any(call: &Call<'_>, view: View<'_>) -> bool {
    match view {
        View::Nil => return false,
        View::Bulk(text)
        | View::Simple(text)
        | View::Verbatim(text)
        | View::BigNumber(text)
        | View::Error(text) => call.push_string(text),
        View::Int(number) => call.push_number(number as f64),
        View::Double(number) => call.push_number(number),
        View::Bool(value) => call.push_bool(value),
        View::Map(items) => push_map(call, items),
        View::Array(items) | View::Set(items) | View::Push(items) => push_list(call, items),
    }
    true
}

/// A list without its nil members; the following ones move up.
fn push_list(call: &Call<'_>, items: Items<'_>) {
    call.push_table(items.len(), 0);
    let table = call.len();
    let mut at = 0;
    for item in items {
        if push_any(call, item) {
            at += 1;
            call.set_index(table, at);
        }
    }
}

/// A table out of keys and values in turn.
fn push_map(call: &Call<'_>, mut items: Items<'_>) {
    call.push_table(0, items.len() / 2);
    let table = call.len();
    while let (Some(key), Some(value)) = (items.next(), items.next()) {
        if !push_any(call, key) {
            continue;
        }
        if push_any(call, value) {
            call.set_pair(table);
        } else {
            call.pop(1);
        }
    }
}

fn push_scan(call: &Call<'_>, mut items: Items<'_>) {
    let cursor = items
        .next()
        .and_then(|view| view.as_bytes())
        .and_then(|text| typed::parse_number(text).ok())
        .unwrap_or_default();
    call.push_table(0, 2);
    let table = call.len();
    call.push_number(cursor);
    call.set_field(table, "cursor");
    match items.next().and_then(|view| view.items()) {
        Some(keys) => push_list(call, keys),
        None => call.push_table(0, 0),
    }
    call.set_field(table, "keys");
}

fn push_number<'a>(call: &Call<'_>, view: View<'a>) -> Result<(), NoValue<'a>> {
    match view.as_bytes() {
        Some(text) => call.push_number(
            typed::parse_number(text)
                .map_err(|text| NoValue::Error(Cow::Owned(text.into_bytes())))?,
        ),
        None => {
            push_any(call, view);
        }
    }
    Ok(())
}

/// The error of everything that is not there.
pub const MISSING: &str = "redis: nil";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_means_the_shape_it_came_from() {
        for shape in Shape::ALL {
            assert_eq!(Shape::ALL[shape.note() as usize], shape);
        }
    }
}
