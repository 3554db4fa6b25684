//! [`Command`]: what a function of the module sends and what it makes of the reply, as data.
//!
//! Most functions are one Redis command with fixed arguments, perhaps a list behind them, and a
//! reply of a known shape; such a command serves the function of its name and the pipeline alike.
//! It is encoded in one go from the Lua stack, and its reply is pushed by
//! [`reply::finish`]: nothing is allocated but the command buffer.

use super::arguments::{
    Refused, count_rest, each_of_rest, each_pair, member_text, put_int, put_number, put_text,
    put_value,
};
use super::handle::Target;
use super::reply::{self, Shape};
use crate::op::Route;
use crate::proto::resp::Commands;
use crate::script::ffi::{Call, Fault, Finish, Kind, Start};
use std::ffi::c_int;

pub struct Command {
    /// As Redis calls it.
    pub name: &'static [u8],
    pub route: Route,
    pub form: Form,
    pub shape: Shape,
}

/// How the arguments are encoded.
pub enum Form {
    /// Exactly these; more are ignored.
    Args(&'static [Arg]),
    /// These, then a list: further arguments, or the members of one table.
    List(&'static [Arg], Rest, Empty),
    /// By a function of its own, which begins the command too. It gets the index of the first
    /// argument.
    Own(fn(&Call<'_>, c_int, &mut Commands) -> Result<Encoded, Refused>),
}

/// One argument of fixed place.
#[derive(Clone, Copy)]
pub enum Arg {
    /// Keys, members, bounds: strings, and numbers as their text.
    Text,
    /// Anything that can be stored.
    Value,
    Int,
    Number,
}

/// What the list consists of.
#[derive(Clone, Copy)]
pub enum Rest {
    Texts,
    Values,
    /// Field and value in turn, or a table from fields to values.
    Pairs,
}

/// What a function answers to an empty list, without asking Redis.
#[derive(Clone, Copy)]
pub enum Empty {
    /// To an empty table; nothing passed, or nil, is an error.
    Zero,
    Ok,
    /// To an empty table; nothing passed, or nil, is an error.
    OkForTable,
    Table,
    Refuse(&'static str),
}

/// What encoding came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Encoded {
    Whole,
    /// The list is empty: the command must not be sent.
    Nothing,
}

impl Command {
    pub const fn read(name: &'static str, form: Form, shape: Shape) -> Command {
        Command { name: name.as_bytes(), route: Route::Read, form, shape }
    }

    pub const fn write(name: &'static str, form: Form, shape: Shape) -> Command {
        Command { name: name.as_bytes(), route: Route::Write, form, shape }
    }

    /// The host function: handle first, then the arguments.
    pub fn start(&self, call: &Call<'_>) -> Result<Start, Fault> {
        self.start_with(call, || Finish::Plain(reply::finish, self.shape.note()))
    }

    /// As [`Command::start`], but the caller takes the reply.
    pub fn start_with(
        &self,
        call: &Call<'_>,
        finish: impl FnOnce() -> Finish,
    ) -> Result<Start, Fault> {
        settle(call, || {
            let target = Target::of(call)?;
            let mut commands = Commands::with_capacity(USUAL_BYTES);
            match self.encode(call, FIRST, &mut commands)? {
                Encoded::Whole => Ok(target.ask(call, self.route, commands, finish())),
                Encoded::Nothing => self.answer_to_nothing(call),
            }
        })
    }

    /// Appends the command, its arguments being those from index `first` on.
    pub fn encode(
        &self,
        call: &Call<'_>,
        first: c_int,
        out: &mut Commands,
    ) -> Result<Encoded, Refused> {
        let (args, list) = match self.form {
            Form::Own(encode) => return encode(call, first, out),
            Form::Args(args) => (args, None),
            Form::List(args, rest, _) => (args, Some(rest)),
        };
        let rest_at = first + args.len() as c_int;
        let rest_words = list.map_or(Ok(0), |rest| rest.words(call, rest_at))?;
        out.begin(1 + args.len() + rest_words);
        out.arg(self.name);
        for (at, arg) in (first..).zip(args) {
            arg.put(call, at, out)?;
        }
        match list {
            Some(_) if rest_words == 0 => {
                let needs_values =
                    matches!(self.form, Form::List(_, _, Empty::Zero | Empty::OkForTable));
                return if needs_values && call.kind(rest_at) != Kind::Table {
                    Err(self.without_values())
                } else {
                    Ok(Encoded::Nothing)
                };
            }
            Some(rest) => rest.put(call, rest_at, out)?,
            None => {}
        }
        Ok(Encoded::Whole)
    }

    /// What Redis itself says to a write command without values, which is no error only where an
    /// empty table was meant.
    fn without_values(&self) -> Refused {
        let name = String::from_utf8_lossy(self.name).to_ascii_lowercase();
        Refused::answer(format!("ERR wrong number of arguments for '{name}' command"))
    }

    fn answer_to_nothing(&self, call: &Call<'_>) -> Result<Start, Refused> {
        match self.form {
            Form::List(_, _, Empty::Ok | Empty::OkForTable) => call.push_string(b"OK"),
            Form::List(_, _, Empty::Table) => call.push_table(0, 0),
            Form::List(_, _, Empty::Refuse(text)) => return Err(Refused::answer(text)),
            _ => call.push_number(0.0),
        }
        Ok(Start::Done(call.and_nil()))
    }
}

impl Arg {
    fn put(self, call: &Call<'_>, at: c_int, out: &mut Commands) -> Result<(), Refused> {
        match self {
            Arg::Text => put_text(call, at, out)?,
            Arg::Value => put_value(call, at, out)?,
            Arg::Int => put_int(call.int(at)?, out),
            Arg::Number => put_number(call.number(at)?, out),
        }
        Ok(())
    }
}

impl Rest {
    /// How many words the list from index `at` on will be.
    fn words(self, call: &Call<'_>, at: c_int) -> Result<usize, Refused> {
        let count = count_rest(call, at);
        match (self, call.kind(at)) {
            (Rest::Pairs, Kind::Table) => Ok(count * 2),
            (Rest::Pairs, _) if !count.is_multiple_of(2) => Err(Refused::answer(WRONG_COUNT)),
            _ => Ok(count),
        }
    }

    fn put(self, call: &Call<'_>, at: c_int, out: &mut Commands) -> Result<(), Refused> {
        match (self, call.kind(at)) {
            (Rest::Pairs, Kind::Table) => each_pair(call, at, |call| {
                out.arg(&member_text(call, -2)?);
                put_value(call, -1, out)
            }),
            (Rest::Pairs, _) => each_of_rest(call, at, |call, place| {
                if (place - at) % 2 == 0 {
                    put_text(call, place, out)
                } else {
                    put_value(call, place, out)
                }
            }),
            (Rest::Texts, Kind::Table) => each_of_rest(call, at, |call, place| {
                out.arg(&member_text(call, place)?);
                Ok(())
            }),
            (Rest::Texts, _) => each_of_rest(call, at, |call, place| put_text(call, place, out)),
            (Rest::Values, _) => each_of_rest(call, at, |call, place| put_value(call, place, out)),
        }
    }
}

/// Turns a refusal into what the host expects: an error to raise, or `nil, text`.
pub fn settle(
    call: &Call<'_>,
    start: impl FnOnce() -> Result<Start, Refused>,
) -> Result<Start, Fault> {
    match start() {
        Ok(start) => Ok(start),
        Err(Refused::Raise(fault)) => Err(fault),
        Err(Refused::Answer(text)) => Ok(Start::Done(call.nil_and(text.as_bytes()))),
    }
}

/// Where a function's own arguments begin: the first is the handle.
pub const FIRST: c_int = 2;

pub const WRONG_COUNT: &str = "invalid number of arguments";

/// A command name, a key and a short value fit without the buffer having to grow.
pub const USUAL_BYTES: usize = 128;
