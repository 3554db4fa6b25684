//! Host functions that end a run: they take what the entry function returned and leave it in the
//! run as a [`Returned`]. Called by `lua/host/drive.lua`, inside the coroutine.

use crate::auth::scripts::{BackendCall, BackendReturn, FeatureReturn, FilterReturn, StageKind};
use crate::script::entry::{Entry, Returned};
use crate::script::ffi::{Call, Fault, Function, Kind, Run};
use crate::script::result::ResultObject;
use crate::value::Value;

/// Takes the results of the entry function, inside the coroutine.
pub(super) static COLLECT: Function = Function { name: "collect", body: collect };

/// Notes that the script does not define its entry function.
pub(super) static MISSING: Function = Function {
    name: "missing",
    body: |call| {
        call.run()?.put_returned(Returned::Missing);
        Ok(0)
    },
};

fn collect(call: &Call<'_>) -> Result<i32, Fault> {
    let run = call.run()?;
    let returned = match run.entry {
        Entry::Feature => Returned::Feature(FeatureReturn {
            trigger: to_bool(call, 1),
            abort: to_bool(call, 2),
            result: to_int(call, 3),
        }),
        Entry::Filter => {
            Returned::Filter(FilterReturn { reject: to_bool(call, 1), result: to_int(call, 2) })
        }
        Entry::Action => Returned::Code(to_int(call, 1)),
        Entry::VerifyPassword => Returned::Backend(BackendReturn {
            code: to_int(call, 1),
            result: backend_result(call, run),
        }),
        Entry::ListAccounts => Returned::List(to_int(call, 1), accounts(call)?),
        Entry::Backend(BackendCall::GetWebauthnCredentials) => {
            Returned::List(to_int(call, 1), strings(call, 2)?)
        }
        Entry::Backend(_) => Returned::List(to_int(call, 1), Vec::new()),
        Entry::Hook => {
            Returned::Hook(if run.stage == StageKind::Init { Value::Nil } else { call.value(1)? })
        }
    };
    run.put_returned(returned);
    Ok(0)
}

/// Yes or no from what a script returned: nil, false and the number 0 are no.
fn to_bool(call: &Call<'_>, at: i32) -> bool {
    match call.kind(at) {
        Kind::Number => call.raw_number(at) != 0.0,
        _ => call.truthy(at),
    }
}

/// An integer from what a script returned: numbers and numeric strings, truncated; anything else is
/// 0.
fn to_int(call: &Call<'_>, at: i32) -> i64 {
    call.raw_number(at) as i64
}

fn backend_result(call: &Call<'_>, run: &Run<'_>) -> Option<crate::auth::scripts::BackendResult> {
    let object = call.userdata::<ResultObject>(2)?;
    // A script that is loaded once may hand out the same object again; any other has no use for it
    // after this.
    Some(if run.reuse { object.0.borrow().clone() } else { object.0.take() })
}

/// The string members of a list of accounts, each once; nil is an empty list.
fn accounts(call: &Call<'_>) -> Result<Vec<Vec<u8>>, Fault> {
    if call.is_none_or_nil(2) {
        return Ok(Vec::new());
    }
    let Value::List(members) = call.value(2)? else {
        return Err(Fault::message(
            "nauthilus_backend_list_accounts must return a list of accounts",
        ));
    };
    let mut accounts: Vec<_> = members
        .into_iter()
        .filter_map(|m| if let Value::String(s) = m { Some(s) } else { None })
        .collect();
    accounts.sort_unstable();
    accounts.dedup();
    Ok(accounts)
}

fn strings(call: &Call<'_>, at: i32) -> Result<Vec<Vec<u8>>, Fault> {
    if call.kind(at) == Kind::Table { call.string_list(at) } else { Ok(Vec::new()) }
}
