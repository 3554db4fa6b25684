//! Typed reads: the optional type name of `redis_get` and `redis_hget`, and the conversions behind
//! it.
//!
//! Error texts are those that scripts know from the reference, which is written in Go. Rules:
//! `lua/modules/nauthilus_redis.md`.

use super::command::{Command, FIRST, Form};
use super::reply::{self, Shape};
use crate::op::Answer;
use crate::proto::resp::View;
use crate::script::ffi::{Call, Fault, Finish, Start};
use std::ffi::c_int;

/// `redis_get` and `redis_hget`: the type name counts only where it is the last argument.
pub fn start(command: &'static Command, call: &Call<'_>) -> Result<Start, Fault> {
    let Form::Args(args) = command.form else { return command.start(call) };
    let type_at = FIRST + args.len() as c_int;
    if call.len() != type_at {
        return command.start_with(call, || Finish::Plain(reply::finish, Shape::TypedText.note()));
    }
    let name = call.string(type_at)?;
    let finish = match shape(&name) {
        Some(shape) => Finish::Plain(reply::finish, shape.note()),
        None => {
            let name = String::from_utf8_lossy(&name).into_owned();
            Finish::Boxed(Box::new(move |call, answer| {
                Ok(Start::Done(finish_unknown(call, &answer, &name)))
            }))
        }
    };
    command.start_with(call, || finish)
}

/// A number as Go's `strconv.ParseFloat` reads it, in decimal.
pub fn parse_number(text: &[u8]) -> Result<f64, String> {
    let number = std::str::from_utf8(text).ok().and_then(|text| text.parse::<f64>().ok());
    match number {
        Some(number) if number.is_infinite() && text.iter().any(u8::is_ascii_digit) => {
            Err(refusal("ParseFloat", text, "value out of range"))
        }
        Some(number) => Ok(number),
        None => Err(refusal("ParseFloat", text, "invalid syntax")),
    }
}

/// A truth value as Go's `strconv.ParseBool` reads it.
pub fn parse_bool(text: &[u8]) -> Result<bool, String> {
    match text {
        b"1" | b"t" | b"T" | b"TRUE" | b"true" | b"True" => Ok(true),
        b"0" | b"f" | b"F" | b"FALSE" | b"false" | b"False" => Ok(false),
        _ => Err(refusal("ParseBool", text, "invalid syntax")),
    }
}

fn shape(name: &[u8]) -> Option<Shape> {
    Some(match name {
        b"string" => Shape::TypedText,
        b"number" => Shape::TypedNumber,
        b"bool" => Shape::TypedBool,
        b"nil" => Shape::TypedNil,
        _ => return None,
    })
}

/// A type that there is not is found out only when there is something to convert.
fn finish_unknown(call: &Call<'_>, answer: &Answer, name: &str) -> c_int {
    match answer {
        Answer::Reply(reply) => match reply.view() {
            view @ (View::Error(_) | View::Nil | View::Bulk(b"")) => {
                Shape::TypedText.results(call, view)
            }
            _ => call.nil_and(format!("unable to convert string command of type {name}")),
        },
        other => call.nil_and(reply::failure(other)),
    }
}

fn refusal(function: &str, text: &[u8], why: &str) -> String {
    format!("strconv.{function}: parsing {}: {why}", quoted(text))
}

/// `text` between quotes, as Go writes it.
fn quoted(text: &[u8]) -> String {
    let mut out = String::from("\"");
    for chunk in text.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                c if c.is_control() => out.push_str(&format!("\\x{:02x}", u32::from(c))),
                c => out.push(c),
            }
        }
        for byte in chunk.invalid() {
            out.push_str(&format!("\\x{byte:02x}"));
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        for (text, number) in [
            ("12.5", 12.5),
            ("-1", -1.0),
            ("1e3", 1000.0),
            ("+Inf", f64::INFINITY),
            ("-inf", f64::NEG_INFINITY),
        ] {
            assert_eq!(parse_number(text.as_bytes()), Ok(number), "{text}");
        }
        for (text, error) in [
            ("word", "strconv.ParseFloat: parsing \"word\": invalid syntax"),
            (" 1", "strconv.ParseFloat: parsing \" 1\": invalid syntax"),
            ("1e999", "strconv.ParseFloat: parsing \"1e999\": value out of range"),
            ("a\"\n", "strconv.ParseFloat: parsing \"a\\\"\\n\": invalid syntax"),
        ] {
            assert_eq!(parse_number(text.as_bytes()), Err(error.to_owned()));
        }
        assert_eq!(
            parse_number(b"\xff\x01"),
            Err("strconv.ParseFloat: parsing \"\\xff\\x01\": invalid syntax".into())
        );
    }

    #[test]
    fn truth_values() {
        for text in ["1", "t", "T", "TRUE", "true", "True"] {
            assert_eq!(parse_bool(text.as_bytes()), Ok(true));
        }
        for text in ["0", "f", "F", "FALSE", "false", "False"] {
            assert_eq!(parse_bool(text.as_bytes()), Ok(false));
        }
        for text in ["yes", "tRUE", "2"] {
            assert_eq!(
                parse_bool(text.as_bytes()),
                Err(format!("strconv.ParseBool: parsing \"{text}\": invalid syntax"))
            );
        }
    }
}
