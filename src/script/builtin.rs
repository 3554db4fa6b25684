//! `nauthilus_builtin` (also `nauthilus`): the constants of all entry points, `custom_log_add`,
//! `status_message_set`.
//!
//! One table for all stages; a function that has no meaning in a stage raises. An unknown name
//! reads as nil, as in the reference, and is reported once per script. See
//! `lua/README.md`.

use crate::auth::login::LogValue;
use crate::auth::scripts::StageKind;
use crate::script::ffi::{Call, Fault, Function, Kind};
use crate::value::Value;

pub static FUNCTIONS: &[Function] = &[
    Function { name: "custom_log_add", body: custom_log_add },
    Function { name: "status_message_set", body: status_message_set },
];

/// `__index` of the table: reports the name, gives nil.
pub static UNKNOWN: Function = Function { name: "nauthilus_builtin", body: unknown };

/// Name and value of each constant.
pub fn constants() -> [(&'static str, Value); 18] {
    let (no, yes, number) =
        (Value::Bool(false), Value::Bool(true), |n: i32| Value::Number(f64::from(n)));
    [
        ("FEATURE_TRIGGER_NO", no.clone()),
        ("FEATURE_TRIGGER_YES", yes.clone()),
        ("FEATURES_ABORT_NO", no.clone()),
        ("FEATURES_ABORT_YES", yes.clone()),
        ("FEATURE_RESULT_OK", number(0)),
        ("FEATURE_RESULT_FAIL", number(1)),
        // Two names that only the documents' examples know.
        ("FEATURE_RESULT_YES", number(0)),
        ("FEATURE_RESULT_FAILURE", number(1)),
        ("FILTER_ACCEPT", no),
        ("FILTER_REJECT", yes),
        ("FILTER_RESULT_OK", number(0)),
        ("FILTER_RESULT_FAIL", number(1)),
        ("ACTION_RESULT_OK", number(0)),
        ("ACTION_RESULT_FAIL", number(1)),
        ("BACKEND_RESULT_OK", number(0)),
        ("BACKEND_RESULT_FAIL", number(1)),
        ("BACKEND_RESULT_NOT_FOUND", number(2)),
        ("BACKEND_RESULT_DENIED", number(3)),
    ]
}

/// Another name for `BACKEND_RESULT_FAIL`.
pub const BACKEND_RESULT_ERROR: &str = "BACKEND_RESULT_ERROR";

/// Keeps a pair for the request's log line: strings, numbers, booleans; anything else shows as
/// `UNSUPPORTED`.
fn custom_log_add(call: &Call<'_>) -> Result<i32, Fault> {
    let key = call.text(1)?.into_owned();
    let value = match call.kind(2) {
        Kind::String => LogValue::Text(call.bytes(2).to_vec()),
        Kind::Number => LogValue::Number(call.raw_number(2)),
        Kind::Bool => LogValue::Bool(call.truthy(2)),
        _ => LogValue::Unsupported,
    };
    let text = if let LogValue::Text(text) = &value { text.len() } else { 0 };
    call.keep(size_of::<(String, LogValue)>() + key.len() + text, 0)?;
    call.run()?.login.custom_log.borrow_mut().push((key, value));
    Ok(0)
}

/// The text that the client gets if the request is rejected.
fn status_message_set(call: &Call<'_>) -> Result<i32, Fault> {
    call.only_in(
        &[StageKind::Feature, StageKind::Backend, StageKind::Filter],
        "status_message_set",
    )?;
    let text = call.string(1)?.into_owned();
    let login = call.run()?.login;
    call.keep(text.len(), login.status_message.borrow().len())?;
    *login.status_message.borrow_mut() = text;
    Ok(0)
}

fn unknown(call: &Call<'_>) -> Result<i32, Fault> {
    let name = call.display(2);
    call.warn_once(&format!("unknown name nauthilus_builtin.{name} reads as nil"));
    call.push_nil();
    Ok(1)
}
