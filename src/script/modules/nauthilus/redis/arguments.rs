//! Lua arguments as words of a Redis command: straight from the stack into the command buffer.
//!
//! One rule for all commands (`lua/modules/nauthilus_redis.md`): strings byte by byte, numbers in
//! plain decimal, booleans as `1` and `0`, nil as nothing. What has no such form is refused with an
//! answer, not raised, in the variadic and table forms too: a stored `table: 0x…`, as one release
//! writes it, is of no use. Lists in a table keep their order, members outside the list come last.

use crate::proto::resp::Commands;
use crate::script::ffi::{Call, Fault, Kind};
use crate::value;
use std::borrow::Cow;
use std::ffi::c_int;

/// Why a command is not sent.
#[derive(Debug)]
pub enum Refused {
    /// The script called wrongly: a Lua error.
    Raise(Fault),
    /// The function answers `nil, text`.
    Answer(Cow<'static, str>),
}

impl Refused {
    pub fn answer(text: impl Into<Cow<'static, str>>) -> Refused {
        Refused::Answer(text.into())
    }
}

impl From<Fault> for Refused {
    fn from(fault: Fault) -> Refused {
        Refused::Raise(fault)
    }
}

/// The next word: a "string" argument, which takes numbers as their text.
pub fn put_text(call: &Call<'_>, at: c_int, out: &mut Commands) -> Result<(), Refused> {
    out.arg(&call.string(at)?);
    Ok(())
}

/// The next word: any value that Redis can store.
pub fn put_value(call: &Call<'_>, at: c_int, out: &mut Commands) -> Result<(), Refused> {
    match call.kind(at) {
        Kind::String => out.arg(call.bytes(at)),
        Kind::Number => put_number(call.raw_number(at), out),
        Kind::Bool => out.arg(if call.truthy(at) { b"1" } else { b"0" }),
        Kind::None | Kind::Nil => out.arg(b""),
        kind => return Err(inconvertible(kind)),
    }
    Ok(())
}

/// The next word: a number in plain decimal.
pub fn put_number(number: f64, out: &mut Commands) {
    if number.fract() == 0.0 && number.abs() < EXACT_INTEGERS {
        put_int(number as i64, out);
    } else {
        out.arg(value::plain_number_text(number).as_bytes());
    }
}

pub fn put_int(number: i64, out: &mut Commands) {
    out.arg(itoa::Buffer::new().format(number).as_bytes());
}

/// How many values the arguments from `at` on are: the members of a table if there is one at `at`,
/// else the arguments themselves, of which a single nil is none.
pub fn count_rest(call: &Call<'_>, at: c_int) -> usize {
    match call.kind(at) {
        Kind::Table => count_pairs(call, at),
        Kind::None => 0,
        Kind::Nil if call.len() == at => 0,
        _ => usize::try_from(call.len() - at + 1).unwrap_or(0),
    }
}

/// Hands each value of the arguments from `at` on (see [`count_rest`]) to `each`, with its index.
pub fn each_of_rest(
    call: &Call<'_>,
    at: c_int,
    mut each: impl FnMut(&Call<'_>, c_int) -> Result<(), Refused>,
) -> Result<(), Refused> {
    if call.kind(at) == Kind::Table {
        return each_member(call, at, each);
    }
    for at in at..=call.len() {
        each(call, at)?;
    }
    Ok(())
}

/// Hands each value of the table at `at` to `each`, with its index: first the list, in order, then
/// what else there is.
pub fn each_member(
    call: &Call<'_>,
    at: c_int,
    mut each: impl FnMut(&Call<'_>, c_int) -> Result<(), Refused>,
) -> Result<(), Refused> {
    let listed = call.raw_len(at);
    let mut met = 0;
    for i in 1..=listed {
        // The list may have holes.
        if call.push_index(at, i) != Kind::Nil {
            met += 1;
            each(call, -1)?;
        }
        call.pop(1);
    }
    if count_pairs(call, at) == met {
        return Ok(());
    }
    each_pair(call, at, |call| if is_listed(call, listed) { Ok(()) } else { each(call, -1) })
}

/// Hands each pair of the table at `at` to `each`: its key is at index -2, its value at -1.
pub fn each_pair(
    call: &Call<'_>,
    at: c_int,
    mut each: impl FnMut(&Call<'_>) -> Result<(), Refused>,
) -> Result<(), Refused> {
    let mut answer = None;
    let walked = call.for_each(at, |call| {
        each(call).map_err(|refused| match refused {
            Refused::Raise(fault) => fault,
            Refused::Answer(text) => {
                answer = Some(text);
                Fault::Top
            }
        })
    });
    match answer {
        Some(text) => Err(Refused::Answer(text)),
        None => Ok(walked?),
    }
}

/// The text of a table's key or member; other types than strings and numbers are refused.
pub fn member_text<'a>(call: &'a Call<'_>, at: c_int) -> Result<Cow<'a, [u8]>, Refused> {
    match call.kind(at) {
        Kind::String | Kind::Number => Ok(call.string(at)?),
        kind => Err(inconvertible(kind)),
    }
}

pub fn inconvertible(kind: Kind) -> Refused {
    Refused::answer(format!("unable to convert Lua value of type {}", kind.name()))
}

pub fn count_pairs(call: &Call<'_>, at: c_int) -> usize {
    let mut count = 0;
    // Nothing is refused here, so there is no error to pass on.
    let _ = call.for_each(at, |_| {
        count += 1;
        Ok(())
    });
    count
}

/// Whether the key at -2 is one of the list's, 1 to `listed`.
fn is_listed(call: &Call<'_>, listed: usize) -> bool {
    let key = call.raw_number(-2);
    call.kind(-2) == Kind::Number && key.fract() == 0.0 && key >= 1.0 && key <= listed as f64
}

/// Below this doubles are exact integers: 2⁵³.
const EXACT_INTEGERS: f64 = 9_007_199_254_740_992.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_sent_in_plain_decimal() {
        for (number, text) in [
            (42.0, "42"),
            (-7.0, "-7"),
            (1.5, "1.5"),
            (1e15, "1000000000000000"),
            (1e21, "1000000000000000000000"),
            (0.1 + 0.2, "0.30000000000000004"),
            (f64::INFINITY, "+Inf"),
            (f64::NAN, "NaN"),
        ] {
            let mut out = Commands::default();
            out.begin(1);
            put_number(number, &mut out);
            assert_eq!(out.bytes(), Commands::one(&[text.as_bytes()]).bytes(), "{text}");
        }
    }
}
