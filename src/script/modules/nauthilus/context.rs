//! `nauthilus_context`: the request's key-value store, shared by its features, backend, filters and
//! actions.
//!
//! Values are copied on the way in and out. Rules: `lua/modules/nauthilus_context.md`.

use crate::script::ffi::{Call, Fault, Function};
use crate::script::modules::Module;

pub static MODULE: Module = Module {
    names: &["nauthilus_context"],
    functions: &[
        Function { name: "context_set", body: set },
        Function { name: "context_get", body: get },
        Function { name: "context_delete", body: delete },
    ],
    waiting: &[],
    setup: None,
    lua: None,
};

fn set(call: &Call<'_>) -> Result<i32, Fault> {
    let key = call.string(1)?;
    call.any(2)?;
    let value = call.value(2)?;
    let login = call.run()?.login;
    call.keep(key.len() + value.bytes(), login.context.borrow().bytes(&key))?;
    login.context.borrow_mut().set(&key, value);
    Ok(0)
}

fn get(call: &Call<'_>) -> Result<i32, Fault> {
    let key = call.string(1)?;
    match call.run()?.login.context.borrow().get(&key) {
        Some(value) => call.push_value(value),
        None => call.push_nil(),
    }
    Ok(1)
}

fn delete(call: &Call<'_>) -> Result<i32, Fault> {
    let key = call.string(1)?;
    let login = call.run()?.login;
    call.keep(0, login.context.borrow().bytes(&key))?;
    login.context.borrow_mut().delete(&key);
    Ok(0)
}
