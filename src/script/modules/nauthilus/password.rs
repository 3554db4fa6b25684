//! `nauthilus_password`: checks of a password against a stored hash and against a policy, and its
//! name in the password histories.
//!
//! `compare_passwords` is on every login's path: schemes that cost microseconds are checked where
//! they are, without allocating; the others go to the hash thread while the script waits. If that
//! thread cannot say whether the password matches (its queue is full, the time is over), the
//! function raises: the request then ends as a temporary failure, and never as a wrong password.
//! Rules: `lua/modules/nauthilus_password.md`; the schemes themselves and their error texts:
//! [`crate::password`].

use crate::op::{Answer, HashOp, Op};
use crate::password::policy::Policy;
use crate::password::{self, Cost};
use crate::script::ffi::{Call, Fault, Finish, Function, Kind, Start, Waiting};
use crate::script::modules::Module;
use crate::script::services::Settings;
use crate::secret::Secret;
use std::time::Duration;

pub static MODULE: Module = Module {
    names: &["nauthilus_password"],
    functions: &[
        Function { name: "check_password_policy", body: check_policy },
        Function { name: "generate_password_hash", body: generate_hash },
    ],
    waiting: &[Waiting { name: "compare_passwords", start: compare }],
    setup: None,
    lua: None,
};

/// `matched, err`: err is nil unless the stored value is none that a password can be compared with.
fn compare(call: &Call<'_>) -> Result<Start, Fault> {
    if call.len() != 2 {
        return Ok(Start::Done(refuse(call, "wrong number of arguments")));
    }
    let (stored, plain) = (call.string(1)?, call.string(2)?);
    match password::cost(&stored) {
        Cost::Inline => Ok(Start::Done(match password::verify(&stored, &plain) {
            Ok(matched) => tell(call, matched),
            Err(error) => refuse(call, &error.to_string()),
        })),
        Cost::Slow => {
            let op = Op::Hash(HashOp { stored: Secret::new(stored), plain: Secret::new(plain) });
            // The script's and the request's own limits are what bounds the wait.
            Ok(Start::Wait { op, limit: Duration::MAX, finish: Finish::Plain(compared, 0) })
        }
    }
}

fn compared(call: &Call<'_>, answer: Answer, _: u64) -> Result<i32, Fault> {
    match answer {
        Answer::Hash(Ok(matched)) => Ok(tell(call, matched)),
        // For want of memory nothing was compared. That is our failure, not the stored value's.
        Answer::Hash(Err(error)) if error == password::Error::OutOfMemory.to_string() => {
            Err(Fault::Message(error))
        }
        Answer::Hash(Err(error)) => Ok(refuse(call, &error)),
        Answer::Failed(failure) => {
            Err(Fault::Message(format!("the password could not be compared: {failure}")))
        }
        _ => Err(Fault::message("the password could not be compared: answer of another kind")),
    }
}

fn tell(call: &Call<'_>, matched: bool) -> i32 {
    call.push_bool(matched);
    call.and_nil()
}

fn refuse(call: &Call<'_>, error: &str) -> i32 {
    call.push_bool(false);
    call.push_string(error.as_bytes());
    2
}

fn check_policy(call: &Call<'_>) -> Result<i32, Fault> {
    call.table(1)?;
    let password = call.string(2)?;
    let least = |name| {
        let least = match call.push_field(1, name) {
            Kind::Number => call.raw_number(-1) as u64,
            _ => 0,
        };
        call.pop(1);
        least
    };
    let policy = Policy {
        min_length: least("min_length"),
        min_upper: least("min_upper"),
        min_lower: least("min_lower"),
        min_number: least("min_number"),
        min_special: least("min_special"),
    };
    call.push_bool(policy.allows(&password));
    Ok(call.and_nil())
}

fn generate_hash(call: &Call<'_>) -> Result<i32, Fault> {
    let password = call.string(1)?;
    match history_hash(&call.services().settings, &password) {
        Some(hash) => call.push_string(&hash),
        None => call.push_string(&password),
    }
    Ok(call.and_nil())
}

/// The password's name in the histories; none in developer mode, where it goes by itself.
fn history_hash(settings: &Settings, password: &[u8]) -> Option<[u8; 8]> {
    (!settings.developer_mode)
        .then(|| password::history_hash(settings.password_nonce.expose(), password))
}

#[cfg(test)]
mod tests;
