//! `nauthilus_backend_result`: the object a backend returns and a filter changes attributes with.
//!
//! Each method is getter and setter in one: with exactly one argument it sets and returns nothing,
//! else it returns the value.

use crate::auth::attributes::{Attributes, Values, entry_bytes};
use crate::auth::scripts::BackendResult;
use crate::script::ffi::{Call, Fault, Function, Kind};
use crate::value::Value;
use smallvec::smallvec;
use std::cell::RefCell;

/// The userdata's content.
#[derive(Default)]
pub struct ResultObject(pub RefCell<BackendResult>);

/// `nauthilus_backend_result.new()`; arguments are ignored.
pub static NEW: Function = Function {
    name: "new",
    body: |call| {
        call.push_userdata(ResultObject::default())?;
        Ok(1)
    },
};

pub static METHODS: &[Function] = &[
    Function { name: "authenticated", body: |call| flag(call, |result| &mut result.authenticated) },
    Function { name: "user_found", body: |call| flag(call, |result| &mut result.user_found) },
    Function { name: "account_field", body: |call| text(call, |result| &mut result.account_field) },
    Function {
        name: "totp_secret_field",
        body: |call| text(call, |result| &mut result.totp_secret_field),
    },
    Function {
        name: "totp_recovery_field",
        body: |call| text(call, |result| &mut result.totp_recovery_field),
    },
    Function {
        name: "unique_user_id_field",
        body: |call| text(call, |result| &mut result.unique_user_id_field),
    },
    Function {
        name: "display_name_field",
        body: |call| text(call, |result| &mut result.display_name_field),
    },
    Function { name: "webauthn_credentials", body: webauthn_credentials },
    Function { name: "attributes", body: attributes },
];

fn object<'a>(call: &'a Call<'_>) -> Result<&'a ResultObject, Fault> {
    call.userdata::<ResultObject>(1)
        .ok_or_else(|| Fault::Argument(1, "nauthilus_backend_result expected".into()))
}

/// Whether this call sets: exactly one argument after the object.
fn sets(call: &Call<'_>) -> bool {
    call.len() == 2
}

fn flag(call: &Call<'_>, field: fn(&mut BackendResult) -> &mut bool) -> Result<i32, Fault> {
    let object = object(call)?;
    if sets(call) {
        *field(&mut object.0.borrow_mut()) = call.bool(2)?;
        return Ok(0);
    }
    call.push_bool(*field(&mut object.0.borrow_mut()));
    Ok(1)
}

fn text(call: &Call<'_>, field: fn(&mut BackendResult) -> &mut Vec<u8>) -> Result<i32, Fault> {
    let object = object(call)?;
    if sets(call) {
        *field(&mut object.0.borrow_mut()) = call.string(2)?.into_owned();
        return Ok(0);
    }
    call.push_string(field(&mut object.0.borrow_mut()));
    Ok(1)
}

fn webauthn_credentials(call: &Call<'_>) -> Result<i32, Fault> {
    let object = object(call)?;
    if sets(call) {
        call.table(2)?;
        object.0.borrow_mut().webauthn_credentials = call.string_list(2)?;
        return Ok(0);
    }
    let list =
        object.0.borrow().webauthn_credentials.iter().map(|c| Value::String(c.clone())).collect();
    call.push_value(&Value::List(list));
    Ok(1)
}

/// Only string keys count; the getter returns a copy.
fn attributes(call: &Call<'_>) -> Result<i32, Fault> {
    let object = object(call)?;
    if sets(call) {
        call.table(2)?;
        let (mut pairs, mut bytes) = (Vec::new(), 0);
        let replaced = object.0.borrow().attributes.bytes();
        call.for_each(2, |call| {
            if call.kind(-2) == Kind::String {
                let (name, values): (_, Values) = (call.bytes(-2), smallvec![call.value(-1)?]);
                bytes += entry_bytes(name, &values);
                // Before all of them are copied.
                call.may_keep(bytes, replaced)?;
                pairs.push((name.into(), values));
            }
            Ok(())
        })?;
        call.keep(bytes, replaced)?;
        let mut attributes = Attributes::default();
        attributes.set_all(pairs);
        object.0.borrow_mut().attributes = attributes;
        return Ok(0);
    }
    let result = object.0.borrow();
    call.push_table(0, 8);
    let table = call.len();
    for (name, values) in result.attributes.iter() {
        call.push_string(name);
        call.push_value(values.first().unwrap_or(&Value::Nil));
        call.set_pair(table);
    }
    Ok(1)
}
